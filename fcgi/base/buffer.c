/* buffer: a growing byte buffer, and untrusted text made safe for one line of JSON. */
#include "config.h"

#include "base/buffer.h"

#include "base/utf8.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY_FIRST 256

void buffer_release(struct buffer *text)
{
    free(text->bytes);
    *text = (struct buffer){0};
}

void buffer_clear(struct buffer *text)
{
    text->length = 0;
    text->failed = false;
}

/* Makes room for EXTRA more bytes. If memory is short, sets FAILED and returns false. */
static bool reserve(struct buffer *text, size_t extra)
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

void buffer_reserve(struct buffer *text, size_t length)
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

void buffer_add(struct buffer *text, const char *bytes, size_t length)
{
    if (length == 0 || !reserve(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void *buffer_grow_array(void *array, size_t length, size_t *capacity, size_t size)
{
    if (length < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(array, wanted * size);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

int buffer_write(const struct buffer *text, int fd)
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

void buffer_add_string(struct buffer *text, const char *string)
{
    buffer_add(text, string, strlen(string));
}

void buffer_addf(struct buffer *text, const char *format, ...)
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

void buffer_add_number(struct buffer *text, int64_t number)
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
    buffer_add(text, digits + at, sizeof digits - at);
}

/* Appends the characters of BYTES, with escapes for unsafe ones. Within a JSON string (STRING) it
 * also escapes quotes and backslashes. Outside, it leaves out white space that ends lines. */
static void add_safe(struct buffer *text, const char *bytes, size_t length, bool string)
{
    size_t plain = 0; /* bytes before I to copy unchanged */
    size_t i = 0;
    while (i < length) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c < 0x7F && !(string && (c == '"' || c == '\\'))) {
            i++;
            continue;
        }
        size_t size = utf8_length(bytes + i, length - i);
        uint32_t point = size == 0 ? 0xFFFD : utf8_code_point(bytes + i, size);
        bool quote = string && (c == '"' || c == '\\');
        if (size > 0 && !quote && !utf8_is_unsafe(point)) {
            i += size;
            continue;
        }
        buffer_add(text, bytes + plain, i - plain);
        if (quote)
            buffer_addf(text, "\\%c", c);
        else if (string || c >= 0x20)
            buffer_addf(text, "\\u%04x", (unsigned)point);
        i += size == 0 ? 1 : size;
        plain = i;
    }
    if (i > plain)
        buffer_add(text, bytes + plain, i - plain);
}

void buffer_add_json_string(struct buffer *text, const char *bytes, size_t length)
{
    buffer_add(text, "\"", 1);
    add_safe(text, bytes, length, true);
    buffer_add(text, "\"", 1);
}

void buffer_add_json_line(struct buffer *text, const char *json, size_t length)
{
    add_safe(text, json, length, false);
}

void buffer_add_base64(struct buffer *text, const char *bytes, size_t length)
{
    size_t size = sodium_base64_encoded_len(length, sodium_base64_VARIANT_ORIGINAL);
    if (!reserve(text, size))
        return;
    sodium_bin2base64(text->bytes + text->length, size, (const unsigned char *)bytes, length,
                      sodium_base64_VARIANT_ORIGINAL);
    text->length += size - 1; /* without the NUL */
}
