/* content: what a body says, whatever the order of its members, its white space and its spelling.
 */
#ifndef NOTIFICATION_CONTENT_H
#define NOTIFICATION_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "notification/schema.h"

/* Deepest nesting of a notification, its own braces included. SQLite's JSON functions, through
 * which the store is read, stop at 1,000. */
#define CONTENT_DEPTH_MAX 200

/* Bytes that a parse may take: so many, or for a large body so many for each of its bytes. `{},`
 * costs most, some 70 for each. */
#define CONTENT_MEMORY_MAX ((size_t)32 << 20)
#define CONTENT_MEMORY_PER_BYTE 8

/* Bytes of the key of content_hash. */
#define CONTENT_KEY_SIZE 16

enum content_result {
    CONTENT_OBJECT,    /* a JSON object */
    CONTENT_INVALID,   /* no JSON object that is taken, as the verdict tells */
    CONTENT_NO_MEMORY, /* cannot be told now */
};

/* Has jansson take its memory from the arena of a parse. Call it before the first parse; another
 * json_set_alloc_funcs takes that away again. */
void content_init(void);

/* Parses LENGTH bytes strictly (RFC 8259): UTF-8, no duplicate members. A text may hold a NUL. A
 * number that jansson cannot hold is the nearest one that it can, and U+0000 in a member's name is
 * U+0001 0; the digits and the name are in the body. CONTENT_OBJECT gives *JSON, which lives in
 * MEMORY (an empty arena) until content_release frees both: it is neither freed by itself, nor
 * changed, nor referenced longer. CONTENT_INVALID fills *VERDICT. MEMORY is left empty when there
 * is no JSON. Thread-safe. */
enum content_result content_read(const char *body, size_t length, struct arena *memory,
                                 const json_t **json, struct schema_verdict *verdict);

/* Frees what content_read gave; JSON may be NULL. */
void content_release(struct arena *memory, const json_t *json);

/* Appends LENGTH bytes of JSON, in a spelling that jansson can read: a number that it cannot hold
 * becomes the nearest one that it can, U+0000 in a member's name becomes U+0001 and 0 (and U+0001
 * becomes U+0001 and 1). What is no JSON stays none. */
void content_soften(const char *body, size_t length, struct buffer *soft);

/* Whether a member's name is spelled with an escape (`"device\u0049d"`) somewhere in LENGTH bytes
 * of valid JSON. SQLite's JSON functions compare names as they are spelled, so such a body must be
 * spelled anew before it is kept. */
bool content_has_escaped_name(const char *body, size_t length);

/* LENGTH bytes of valid JSON with no escape in a member's name but those that must be: to be freed
 * with free, or NULL when memory is short. Thread-safe. */
char *content_respell(const char *body, size_t length);

/* A keyed hash of what LENGTH bytes of valid JSON say: equal content has equal hashes; different
 * content may, so compare. Thread-safe. */
uint64_t content_hash(const char *body, size_t length, const unsigned char key[CONTENT_KEY_SIZE]);

/* The same kind of hash for a string alone. */
uint64_t content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE]);

/* Whether two bodies say the same: the same members in any order, texts of the same characters,
 * numbers of the same value (1, 1.0 and 10e-1 are one, and every digit counts). What is compared is
 * 128 bits of a hash under KEY, a secret, so nobody can make two that are taken for one.
 * Thread-safe. */
bool content_equals(const char *one, size_t one_length, const char *other, size_t other_length,
                    const unsigned char key[CONTENT_KEY_SIZE]);

#endif
