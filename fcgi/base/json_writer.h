/* json_writer: writes JSON member by member, with the commas. If NAME is NULL, it writes an element
 * of an array. */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens an object ('{') or an array ('['); close it with '}' or ']'. */
void json_open(struct buffer *text, const char *name, char bracket);
void json_close(struct buffer *text, char bracket);

/* Begins a line for the next member or element. One must follow. */
void json_add_line(struct buffer *text);

/* A string, made safe as buffer_add_json_string does; null if VALUE is NULL. */
void json_add_string(struct buffer *text, const char *name, const char *value);

void json_add_number(struct buffer *text, const char *name, int64_t value);
void json_add_bool(struct buffer *text, const char *name, bool value);
void json_add_null(struct buffer *text, const char *name);

/* A time (milliseconds since 1970) in RFC 3339. The second function writes null if MS is 0. */
void json_add_time(struct buffer *text, const char *name, int64_t ms);
void json_add_time_or_null(struct buffer *text, const char *name, int64_t ms);

/* PART of WHOLE with four decimals, null if WHOLE is 0. */
void json_add_share(struct buffer *text, const char *name, int64_t part, int64_t whole);

/* LENGTH bytes of valid JSON, made safe as buffer_add_json_line does. */
void json_add_json(struct buffer *text, const char *name, const char *json, size_t length);

#endif
