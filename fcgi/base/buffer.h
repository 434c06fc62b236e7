/* buffer: a growing byte buffer, and hostile text made safe for one line of JSON. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes being built. Zero-initialize; release with buffer_release. When memory runs out FAILED is
 * set, LENGTH stays at what is whole, and every later call does nothing: check once at the end. */
struct buffer {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

/* Frees the bytes and makes TEXT empty again. */
void buffer_release(struct buffer *text);

/* Makes TEXT empty, keeps its memory. */
void buffer_clear(struct buffer *text);

/* Makes room for LENGTH bytes in all, and no more, where there is less. */
void buffer_reserve(struct buffer *text, size_t length);

/* Appends LENGTH bytes. */
void buffer_add(struct buffer *text, const char *bytes, size_t length);

/* Appends a NUL-terminated string. */
void buffer_add_string(struct buffer *text, const char *string);

/* Appends formatted text. */
void buffer_addf(struct buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends NUMBER in decimal: for what is written so often that a format string would count. */
void buffer_add_number(struct buffer *text, int64_t number);

/* Appends LENGTH bytes of UTF-8 as a JSON string with its quotes. Control characters, line
 * separators and characters that change how a terminal shows a line become \u escapes; a byte that
 * is no UTF-8 becomes U+FFFD. */
void buffer_add_json_string(struct buffer *text, const char *bytes, size_t length);

/* Appends LENGTH bytes of *valid* JSON as they came, but on one line: white space between tokens
 * that ends lines or moves columns is left out, and the characters named above become escapes. */
void buffer_add_json_line(struct buffer *text, const char *json, size_t length);

/* Writes all of it to the descriptor FD: 0, or -1 with errno. */
int buffer_write(const struct buffer *text, int fd);

/* Appends LENGTH bytes in base64 (RFC 4648, with padding). */
void buffer_add_base64(struct buffer *text, const char *bytes, size_t length);

/* Room for one element more behind LENGTH of SIZE bytes each: the array, moved or not; or NULL, and
 * it is as it was. *CAPACITY is how many have room; 0 and NULL to begin with. */
void *buffer_grow_array(void *array, size_t length, size_t *capacity, size_t size);

#endif
