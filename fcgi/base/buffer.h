/* buffer: a growing byte buffer, and untrusted text made safe for one line of JSON. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialize; release with buffer_release. When memory runs out, FAILED is set and every later
 * call does nothing. LENGTH then covers only complete appends. So check once at the end. */
struct buffer {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

/* Frees the bytes and makes TEXT empty again. */
void buffer_release(struct buffer *text);

/* Makes TEXT empty but keeps its memory. */
void buffer_clear(struct buffer *text);

/* Makes room for exactly LENGTH bytes in all, if there is less. */
void buffer_reserve(struct buffer *text, size_t length);

/* Appends LENGTH bytes. */
void buffer_add(struct buffer *text, const char *bytes, size_t length);

/* Appends a NUL-terminated string. */
void buffer_add_string(struct buffer *text, const char *string);

/* Appends formatted text. */
void buffer_addf(struct buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends NUMBER in decimal. Faster than a format string, for frequent numbers. */
void buffer_add_number(struct buffer *text, int64_t number);

/* Appends LENGTH bytes of UTF-8 as a JSON string with its quotes. Control characters, line
 * separators and characters that change how a terminal shows a line become \u escapes. A byte that
 * is not UTF-8 becomes U+FFFD. */
void buffer_add_json_string(struct buffer *text, const char *bytes, size_t length);

/* Appends LENGTH bytes of *valid* JSON on one line. Leaves out white space between tokens that ends
 * lines or moves columns, and escapes the characters named above. Other bytes stay as they are. */
void buffer_add_json_line(struct buffer *text, const char *json, size_t length);

/* Writes the whole buffer to the descriptor FD. Returns 0, or -1 with errno. */
int buffer_write(const struct buffer *text, int fd);

/* Appends LENGTH bytes in base64 (RFC 4648, with padding). */
void buffer_add_base64(struct buffer *text, const char *bytes, size_t length);

/* Makes room for one more element of SIZE bytes in an array of LENGTH. Returns the array, which may
 * have moved. On failure returns NULL, and the array is unchanged. *CAPACITY is the number of
 * elements with room. Begin with 0 and NULL. */
void *buffer_grow_array(void *array, size_t length, size_t *capacity, size_t size);

#endif
