/* query_string: the names and values after the ? of a URL, as browsers and curl send them (the URL
 * standard's application/x-www-form-urlencoded). */
#ifndef BASE_QUERY_STRING_H
#define BASE_QUERY_STRING_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stddef.h>

/* Most bytes of a whole query string, and most parameters in it. */
#define QUERY_STRING_MAX ((size_t)16 << 10)
#define QUERY_STRING_PARAMETERS 16

struct query_string {
    struct {
        const char *name, *value; /* valid UTF-8, NUL-terminated */
    } parameters[QUERY_STRING_PARAMETERS];
    size_t length;
    char *memory; /* holds the names and values */
};

/* Parses TEXT (borrowed, without the ?). & separates pairs, + is a space, %XX a byte. Refuses bytes
 * that are not UTF-8, a NUL, a repeated name, and anything above the limits. Allocates QUERY's
 * memory; release it with query_string_release. */
int query_string_read(struct query_string *query, const char *text, struct fault *fault);

/* Safe on a zeroed struct. */
void query_string_release(struct query_string *query);

/* Appends &NAME=VALUE, or NAME=VALUE if TEXT ends in a ?. Encodes both, so that reading gives the
 * same values. */
void query_string_add(struct buffer *text, const char *name, const char *value);

#endif
