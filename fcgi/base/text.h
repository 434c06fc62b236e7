/* text: a growing byte buffer, and hostile text made safe for one line of JSON. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes being built. Zero-initialize; release with text_release. When memory runs out FAILED is
 * set, LENGTH stays at what is whole, and every later call does nothing: check once at the end. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

/* Frees the bytes and makes TEXT empty again. */
void text_release(struct text *text);

/* Makes TEXT empty, keeps its memory. */
void text_clear(struct text *text);

/* Makes room for LENGTH bytes in all, and no more, where there is less. */
void text_reserve(struct text *text, size_t length);

/* Appends LENGTH bytes. */
void text_add(struct text *text, const char *bytes, size_t length);

/* Appends a NUL-terminated string. */
void text_add_string(struct text *text, const char *string);

/* Appends formatted text. */
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends NUMBER in decimal: for what is written so often that a format string would count. */
void text_add_number(struct text *text, int64_t number);

/* Appends LENGTH bytes of UTF-8 as a JSON string with its quotes. Control characters, line
 * separators and characters that change how a terminal shows a line become \u escapes; a byte that
 * is no UTF-8 becomes U+FFFD. */
void text_add_json_string(struct text *text, const char *bytes, size_t length);

/* Appends LENGTH bytes of *valid* JSON as they came, but on one line: white space between tokens
 * that ends lines or moves columns is left out, and the characters named above become escapes. */
void text_add_json_line(struct text *text, const char *json, size_t length);

/* Writes all of it to the descriptor FD: 0, or -1 with errno. */
int text_write(const struct text *text, int fd);

/* Length in bytes of the UTF-8 character at BYTES (1 to 4), at most LENGTH; 0 where the bytes are
 * no UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
size_t text_utf8_length(const char *bytes, size_t length);

/* Length in bytes of the longest beginning of TEXT, of MOST at most, that ends with a whole
 * character. */
size_t text_cut(const char *text, size_t most);

/* Whether all LENGTH bytes are valid UTF-8. */
bool text_is_utf8(const char *bytes, size_t length);

/* The code point of the SIZE bytes of one valid character, as text_utf8_length found it. */
uint32_t text_code_point(const char *bytes, size_t size);

/* Whether a log reader or terminal may take the character for more than itself: C0, DEL and C1
 * controls, line and paragraph separators, bidirectional marks and overrides, the byte order mark.
 */
bool text_is_unsafe(uint32_t code_point);

/* Appends LENGTH bytes in base64 (RFC 4648, with padding). */
void text_add_base64(struct text *text, const char *bytes, size_t length);

/* Room for one element more behind LENGTH of SIZE bytes each: the array, moved or not; or NULL, and
 * it is as it was. *CAPACITY is how many have room; 0 and NULL to begin with. */
void *text_grow_array(void *array, size_t length, size_t *capacity, size_t size);

#endif
