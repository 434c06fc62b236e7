/* schema: checks a parsed body against the schema of its notifyType.
 *
 * The tables are made from schema/ at build time by schema/generate.py; this header is what they
 * are made of. All functions are pure and thread-safe. */
#ifndef NOTIFICATION_SCHEMA_H
#define NOTIFICATION_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest reason and pointer, in bytes with the NUL; a longer one is cut. */
#define SCHEMA_REASON_MAX 256
#define SCHEMA_POINTER_MAX 256

/* What a JSON value may be; an integer is a number too. */
enum schema_type {
    SCHEMA_STRING = 1,
    SCHEMA_INTEGER = 2,
    SCHEMA_NUMBER = 4,
    SCHEMA_BOOLEAN = 8,
    SCHEMA_OBJECT = 16,
    SCHEMA_ARRAY = 32,
    SCHEMA_NULL = 64,
    SCHEMA_ANY = 127,
};

/* The rules for one value. */
struct schema_node {
    unsigned types;                      /* enum schema_type, or-ed */
    size_t min_length;                   /* characters of a string */
    const char *const *values;           /* the only strings allowed, NULL-terminated; or NULL */
    const struct schema_member *members; /* of an object; others are allowed */
    size_t members_length;
    const struct schema_node *items;         /* of every item of an array; or NULL */
    const struct schema_node *const *any_of; /* one of these must hold, NULL-terminated; or NULL */
};

struct schema_member {
    const char *name;
    bool required;
    const struct schema_node *node;
};

/* The schema of one notifyType. */
struct schema {
    const char *notify_type; /* or the name of the body that has none */
    const struct schema_node *root;
};

/* Why a body is no valid notification: the reason in stable words, and the place as a JSON pointer
 * (RFC 6901), empty where the body as a whole is at fault. */
struct schema_verdict {
    char reason[SCHEMA_REASON_MAX];
    char pointer[SCHEMA_POINTER_MAX];
};

/* The schema for a notifyType, or NULL where none is known. */
const struct schema *schema_find(const char *notify_type);

/* The schema for a body that has no notifyType, or NULL where there is none. */
const struct schema *schema_untyped(void);

/* How many schemas of notifyTypes there are, and the one at INDEX, sorted by notifyType. */
size_t schema_count(void);
const struct schema *schema_at(size_t index);

/* Whether BODY keeps every rule of SCHEMA. Where not, *VERDICT names the first member at fault, in
 * the order of the schema's properties; it is left alone otherwise. */
bool schema_check(const struct schema *schema, const json_t *body, struct schema_verdict *verdict);

#endif
