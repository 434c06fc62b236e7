/* token: LIFE:SEQ, how far a reader of a store has read, and in which store. store/store.h explains
 * lives, and when a store holds a token. */
#ifndef NOTIFICATION_TOKEN_H
#define NOTIFICATION_TOKEN_H

#include "base/fault.h"

#include <stdint.h>

/* Bytes of a life (16 hexadecimal digits) and of a token as text, each with the NUL. */
#define TOKEN_LIFE_SIZE 17
#define TOKEN_TEXT_SIZE (TOKEN_LIFE_SIZE + 20)

/* The text of the token for the beginning. */
#define TOKEN_START "start"

struct token {
    char life[TOKEN_LIFE_SIZE]; /* "" at the beginning */
    int64_t seq;                /* of the reader's last notification; 0: none */
};

/* Writes TOKEN as text. Returns TEXT. */
const char *token_write(const struct token *token, char text[TOKEN_TEXT_SIZE]);

/* Reads a token from TEXT: LIFE:SEQ or TOKEN_START. */
int token_read(const char *text, struct token *token, struct fault *fault);

#endif
