/* text: a growing byte buffer, and hostile text made safe for one line of JSON. */
#include "config.h"

#include "base/text.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY_FIRST 256

void text_release(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
}

/* Room for EXTRA more bytes; false (and FAILED) when there is none. */
static bool reserve(struct text *text, size_t extra)
{
    if (text->failed)
        return false;
    if (extra <= text->capacity - text->length)
        return true;
    size_t needed = text->length + extra;
    size_t capacity = text->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : text->capacity;
    while (capacity < needed && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *bytes = needed < text->length || capacity < needed ? NULL
                                                             : realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void text_reserve(struct text *text, size_t length)
{
    if (text->failed || length <= text->capacity)
        return;
    char *bytes = realloc(text->bytes, length);
    if (bytes == NULL) {
        text->failed = true;
        return;
    }
    text->bytes = bytes;
    text->capacity = length;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (length == 0 || !reserve(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void *text_grow_array(void *array, size_t length, size_t *capacity, size_t size)
{
    if (length < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(array, wanted * size);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

int text_write(const struct text *text, int fd)
{
    for (size_t done = 0; done < text->length;) {
        ssize_t written = write(fd, text->bytes + done, text->length - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            return -1;
    }
    return 0;
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    if (!reserve(text, 1))
        return;
    size_t room = text->capacity - text->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length >= room) {
        if (!reserve(text, (size_t)length + 1))
            return;
        va_start(arguments, format);
        length = vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    if (length > 0)
        text->length += (size_t)length;
}

void text_add_number(struct text *text, int64_t number)
{
    char digits[20]; /* of 2^63, and a sign */
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        digits[--at] = '-';
    text_add(text, digits + at, sizeof digits - at);
}

size_t text_utf8_length(const char *bytes, size_t length)
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

size_t text_cut(const char *text, size_t most)
{
    size_t length = strnlen(text, most + 1);
    if (length <= most)
        return length;
    for (length = most; length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--;
    return length;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    while (length > 0) {
        size_t size = text_utf8_length(bytes, length);
        if (size == 0)
            return false;
        bytes += size;
        length -= size;
    }
    return true;
}

uint32_t text_code_point(const char *bytes, size_t size)
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

bool text_is_unsafe(uint32_t code_point)
{
    uint32_t c = code_point;
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* Appends the characters of BYTES, unsafe ones as escapes; in a JSON STRING's content quotes and
 * backslashes are escaped as well, outside it line-ending white space is left out. */
static void add_safe(struct text *text, const char *bytes, size_t length, bool string)
{
    size_t plain = 0; /* bytes before I that can be copied as they are */
    size_t i = 0;
    while (i < length) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c < 0x7F && !(string && (c == '"' || c == '\\'))) {
            i++;
            continue;
        }
        size_t size = text_utf8_length(bytes + i, length - i);
        uint32_t point = size == 0 ? 0xFFFD : text_code_point(bytes + i, size);
        bool quote = string && (c == '"' || c == '\\');
        if (size > 0 && !quote && !text_is_unsafe(point)) {
            i += size;
            continue;
        }
        text_add(text, bytes + plain, i - plain);
        if (quote)
            text_addf(text, "\\%c", c);
        else if (string || c >= 0x20)
            text_addf(text, "\\u%04x", (unsigned)point);
        i += size == 0 ? 1 : size;
        plain = i;
    }
    if (i > plain)
        text_add(text, bytes + plain, i - plain);
}

void text_add_json_string(struct text *text, const char *bytes, size_t length)
{
    text_add(text, "\"", 1);
    add_safe(text, bytes, length, true);
    text_add(text, "\"", 1);
}

void text_add_json_line(struct text *text, const char *json, size_t length)
{
    add_safe(text, json, length, false);
}

void text_add_base64(struct text *text, const char *bytes, size_t length)
{
    size_t size = sodium_base64_encoded_len(length, sodium_base64_VARIANT_ORIGINAL);
    if (!reserve(text, size))
        return;
    sodium_bin2base64(text->bytes + text->length, size, (const unsigned char *)bytes, length,
                      sodium_base64_VARIANT_ORIGINAL);
    text->length += size - 1; /* without the NUL */
}
