/* token: LIFE:SEQ, how far a reader of a store has read, and in which store. */
#include "config.h"

#include "notification/token.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

const char *token_write(const struct token *token, char text[TOKEN_TEXT_SIZE])
{
    if (token->seq == 0)
        snprintf(text, TOKEN_TEXT_SIZE, TOKEN_START);
    else
        snprintf(text, TOKEN_TEXT_SIZE, "%.16s:%lld", token->life, (long long)token->seq);
    return text;
}

int token_read(const char *text, struct token *token, struct fault *fault)
{
    struct token read = {.seq = 0};
    size_t length = strspn(text, "0123456789abcdef");
    if (strcmp(text, TOKEN_START) != 0) {
        if (length != TOKEN_LIFE_SIZE - 1 || text[length] != ':' ||
            units_number(text + length + 1, 1, &read.seq, NULL) != 0)
            return fault_set(fault, "%s: is no token; takes LIFE:SEQ, as each line has it, or %s",
                             text, TOKEN_START);
        memcpy(read.life, text, length);
    }
    *token = read;
    return 0;
}
