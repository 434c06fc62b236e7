/* utf8: characters, and which of them are unsafe in a log or on a terminal. */
#include "config.h"

#include "base/utf8.h"

#include <string.h>

size_t utf8_length(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    size_t size;
    unsigned second_min = 0x80, second_max = 0xBF;
    if (b[0] >= 0xC2 && b[0] <= 0xDF) {
        size = 2;
    } else if (b[0] >= 0xE0 && b[0] <= 0xEF) {
        size = 3;
        second_min = b[0] == 0xE0 ? 0xA0 : 0x80;
        second_max = b[0] == 0xED ? 0x9F : 0xBF;
    } else if (b[0] >= 0xF0 && b[0] <= 0xF4) {
        size = 4;
        second_min = b[0] == 0xF0 ? 0x90 : 0x80;
        second_max = b[0] == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 0;
    }
    if (length < size || b[1] < second_min || b[1] > second_max)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

size_t utf8_cut(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    if (length <= most)
        return length;
    for (length = most; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--;
    return length;
}

bool utf8_is_valid(const char *bytes, size_t length)
{
    while (length > 0) {
        size_t size = utf8_length(bytes, length);
        if (size == 0)
            return false;
        bytes += size;
        length -= size;
    }
    return true;
}

uint32_t utf8_code_point(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    switch (size) {
    case 1:
        return b[0];
    case 2:
        return (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
    case 3:
        return (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
    default:
        return (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 |
               (uint32_t)(b[2] & 0x3F) << 6 | (b[3] & 0x3F);
    }
}

bool utf8_is_unsafe(uint32_t code_point)
{
    uint32_t c = code_point;
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}
