/* content: what a body says, whatever the order of its members and its white space. */
#ifndef CONTENT_H
#define CONTENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "schema.h"

/* Deepest nesting of a notification, its own braces included. SQLite's JSON functions, through
 * which the store is read, stop at 1,000. */
#define CONTENT_DEPTH_MAX 200

/* Bytes of the key of content_hash. */
#define CONTENT_KEY_SIZE 16

enum content_result {
    CONTENT_OBJECT,    /* a JSON object */
    CONTENT_INVALID,   /* no JSON object, as the verdict tells */
    CONTENT_NO_MEMORY, /* cannot be told now */
};

/* Has jansson take its memory so that a parse for which there is none can be told from others.
 * Call it before the first parse; another json_set_alloc_funcs takes that away again. */
void content_init(void);

/* Parses LENGTH bytes strictly (RFC 8259): UTF-8, no duplicate members, no NUL in strings, no
 * number that overflows. CONTENT_OBJECT gives *JSON, to be freed with json_decref; CONTENT_INVALID
 * fills *VERDICT. Thread-safe. */
enum content_result content_parse(const char *body, size_t length, json_t **json,
                                  struct schema_verdict *verdict);

/* The same, but what is parsed lives in MEMORY (an empty arena) until content_release frees both:
 * it is neither freed by itself, nor changed, nor referenced longer. MEMORY is left empty when
 * there is no JSON. */
enum content_result content_read(const char *body, size_t length, struct arena *memory,
                                 const json_t **json, struct schema_verdict *verdict);

/* Frees what content_read gave; JSON may be NULL. */
void content_release(struct arena *memory, const json_t *json);

/* Whether a member's name is spelled with an escape (`"device\u0049d"`) somewhere in LENGTH bytes
 * of valid JSON. SQLite's JSON functions compare names as they are spelled, so such a body must be
 * rendered anew before it is kept. */
bool content_has_escaped_name(const char *body, size_t length);

/* The content of JSON, parsed from LENGTH bytes, as text without white space: to be freed with
 * free, or NULL when memory is short. Thread-safe. */
char *content_render(const json_t *json, size_t length);

/* A keyed hash (SipHash-2-4 over the values, sums over the members): equal content has equal
 * hashes; different content may, so compare. Thread-safe. */
uint64_t content_hash(const json_t *json, const unsigned char key[CONTENT_KEY_SIZE]);

/* The same hash for a string alone. */
uint64_t content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE]);

/* Whether LENGTH bytes of a body kept earlier have the content of JSON: 1 or 0, or -1 when memory
 * is short. Thread-safe. */
int content_equals(const json_t *json, const char *body, size_t length);

#endif
