/* utf8: characters, and which of them are unsafe in a log or on a terminal. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the UTF-8 character at BYTES (1 to 4), LENGTH at most. 0 if the bytes are not
 * UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
size_t utf8_length(const char *bytes, size_t length);

/* Length in bytes of the longest beginning of TEXT, MOST at most, that ends with a whole
 * character. */
size_t utf8_cut(const char *text, size_t most);

/* Whether all LENGTH bytes are valid UTF-8. */
bool utf8_is_valid(const char *bytes, size_t length);

/* The code point of a valid character of SIZE bytes, as found by utf8_length. */
uint32_t utf8_code_point(const char *bytes, size_t size);

/* Whether the character can mislead a log reader or terminal: C0, DEL and C1 controls, line and
 * paragraph separators, bidirectional marks and overrides, the byte order mark. */
bool utf8_is_unsafe(uint32_t code_point);

#endif
