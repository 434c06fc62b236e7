/* schema: checks a parsed body against the schema of its notifyType.
 *
 * schema/generate.py makes the tables from schema/ at build time. This header has their types. All
 * functions are pure and thread-safe. */
#ifndef NOTIFICATION_SCHEMA_H
#define NOTIFICATION_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest reason and pointer, in bytes with the NUL. Longer ones are cut. */
#define SCHEMA_REASON_MAX 256
#define SCHEMA_POINTER_MAX 256

/* Types of a JSON value. An integer is a number too. */
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
    unsigned types;                      /* or-ed values of enum schema_type */
    size_t min_length;                   /* characters of a string */
    const char *const *values;           /* the only strings allowed, NULL-terminated; or NULL */
    const struct schema_member *members; /* of an object; other members are allowed */
    size_t members_length;
    const struct schema_node *items;         /* for every item of an array; or NULL */
    const struct schema_node *const *any_of; /* one of these must hold, NULL-terminated; or NULL */
};

struct schema_member {
    const char *name;
    bool required;
    const struct schema_node *node;
};

/* The schema of one notifyType. */
struct schema {
    const char *notify_type; /* or the name of the body without one */
    const struct schema_node *root;
};

/* The schema of a body without a notifyType that has MEMBER. */
struct schema_untyped {
    const char *member;
    struct schema schema;
};

/* Why a body is not a valid notification: a reason in stable words, and the place as a JSON pointer
 * (RFC 6901). The pointer is empty if the whole body is wrong. */
struct schema_verdict {
    char reason[SCHEMA_REASON_MAX];
    char pointer[SCHEMA_POINTER_MAX];
};

/* The schema for a notifyType, or NULL if it is unknown. */
const struct schema *schema_find(const char *notify_type);

/* The schema for BODY, which has no notifyType, by its members; or NULL if there is none. */
const struct schema *schema_find_untyped(const json_t *body);

/* The number of schemas of notifyTypes, and the one at INDEX, sorted by notifyType. */
size_t schema_count(void);
const struct schema *schema_at(size_t index);

/* Whether BODY matches SCHEMA. If not, *VERDICT names the first wrong member, in the order of the
 * schema's properties. Otherwise *VERDICT does not change. */
bool schema_check(const struct schema *schema, const json_t *body, struct schema_verdict *verdict);

#endif
