/* document: JSON written member by member. Commas come by themselves. A NAME of NULL makes an
 * element of an array. */
#ifndef BASE_DOCUMENT_H
#define BASE_DOCUMENT_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens an object ('{') or an array ('['); close it with '}' or ']'. */
void document_open(struct text *text, const char *name, char bracket);
void document_close(struct text *text, char bracket);

/* Begins a line for the next member or element, which must follow. */
void document_line(struct text *text);

/* A string, made safe as text_add_json_string does; null if VALUE is NULL. */
void document_string(struct text *text, const char *name, const char *value);

void document_number(struct text *text, const char *name, int64_t value);
void document_bool(struct text *text, const char *name, bool value);
void document_null(struct text *text, const char *name);

/* A time (milliseconds since 1970) in RFC 3339; and the same, but null if MS is 0. */
void document_time(struct text *text, const char *name, int64_t ms);
void document_time_or_null(struct text *text, const char *name, int64_t ms);

/* PART of WHOLE to four decimals, null where WHOLE is 0. */
void document_share(struct text *text, const char *name, int64_t part, int64_t whole);

/* LENGTH bytes of valid JSON, made safe as text_add_json_line does. */
void document_json(struct text *text, const char *name, const char *json, size_t length);

#endif
