/* query_string: the names and values behind the ? of a URL, as browsers and curl send them (the
 * URL standard's application/x-www-form-urlencoded). */
#ifndef BASE_QUERY_STRING_H
#define BASE_QUERY_STRING_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stddef.h>

/* Bytes of a whole query string, and parameters in it. */
#define QUERY_STRING_MAX ((size_t)16 << 10)
#define QUERY_STRING_PARAMETERS 16

struct query_string {
    struct {
        const char *name, *value; /* valid UTF-8, NUL-terminated */
    } parameters[QUERY_STRING_PARAMETERS];
    size_t length;
    char *memory; /* holds them */
};

/* Takes TEXT (lent, without the ?) apart: pairs are separated by &, a + is a space, %XX a byte.
 * What is no UTF-8 or holds a NUL, a name that comes twice, and more than the bounds above are
 * refused. Gives QUERY's memory; release with query_string_release. */
int query_string_read(struct query_string *query, const char *text, struct fault *fault);

/* Safe on a zeroed struct. */
void query_string_release(struct query_string *query);

/* Appends &NAME=VALUE, or NAME=VALUE where TEXT ends in a ?, so that reading it gives the same. */
void query_string_add(struct buffer *text, const char *name, const char *value);

#endif
