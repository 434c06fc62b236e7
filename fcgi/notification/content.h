/* content: reads a body, and compares bodies regardless of member order, white space and
 * spelling. */
#ifndef NOTIFICATION_CONTENT_H
#define NOTIFICATION_CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "notification/schema.h"

/* Deepest nesting of a notification, including its own braces. SQLite's JSON functions, which read
 * the store, stop at 1,000. */
#define CONTENT_DEPTH_MAX 200

/* Most bytes that a parse may take: this many, or for a large body this many for each of its bytes.
 * `{},` costs most, about 70 for each byte. */
#define CONTENT_MEMORY_MAX ((size_t)32 << 20)
#define CONTENT_MEMORY_PER_BYTE 8

/* Bytes of the key for content_hash. */
#define CONTENT_KEY_SIZE 16

enum content_result {
    CONTENT_OBJECT,    /* a JSON object */
    CONTENT_INVALID,   /* not an acceptable JSON object; the verdict gives the reason */
    CONTENT_NO_MEMORY, /* unknown, because memory is short */
};

/* Makes jansson take its memory from the arena of a parse. Call it before the first parse. Another
 * json_set_alloc_funcs undoes it. */
void content_init(void);

/* Parses LENGTH bytes strictly (RFC 8259): UTF-8, no duplicate members. A text may hold a NUL. A
 * number that jansson cannot hold becomes the nearest one that it can. U+0000 in a member's name
 * becomes U+0001 0. The body keeps the digits and the name. CONTENT_OBJECT sets *JSON, which lives
 * in MEMORY (an empty arena) until content_release frees both. Do not free, change or keep
 * references to *JSON. CONTENT_INVALID fills *VERDICT. Without JSON, MEMORY stays empty.
 * Thread-safe. */
enum content_result content_read(const char *body, size_t length, struct arena *memory,
                                 const json_t **json, struct schema_verdict *verdict);

/* Frees the results of content_read. JSON may be NULL. */
void content_release(struct arena *memory, const json_t *json);

/* Appends LENGTH bytes of JSON in a spelling that jansson can read. A number that it cannot hold
 * becomes the nearest one that it can. U+0000 in a member's name becomes U+0001 and 0 (and U+0001
 * becomes U+0001 and 1). Invalid JSON stays invalid. */
void content_soften(const char *body, size_t length, struct buffer *soft);

/* Whether LENGTH bytes of valid JSON spell a member's name with an escape (`"device\u0049d"`).
 * SQLite's JSON functions compare names as they are spelled. So such a body must be respelled
 * before it is kept. */
bool content_has_escaped_name(const char *body, size_t length);

/* Returns LENGTH bytes of valid JSON with only the necessary escapes in members' names, or NULL if
 * memory is short. Free it with free. Thread-safe. */
char *content_respell(const char *body, size_t length);

/* A keyed hash of the content of LENGTH bytes of valid JSON. Equal content has equal hashes.
 * Different content may have equal hashes, so compare. Thread-safe. */
uint64_t content_hash(const char *body, size_t length, const unsigned char key[CONTENT_KEY_SIZE]);

/* The same kind of hash for a single string. */
uint64_t content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE]);

/* Whether two bodies have equal content: the same members in any order, texts of the same
 * characters, numbers of the same value (1, 1.0 and 10e-1 are equal, and every digit counts).
 * Compares 128 bits of a hash under KEY. KEY is secret, so no sender can make two bodies with the
 * same hash. Thread-safe. */
bool content_equals(const char *one, size_t one_length, const char *other, size_t other_length,
                    const unsigned char key[CONTENT_KEY_SIZE]);

#endif
