/* fuzz: what the fuzzers share. */
#include "config.h"

#include "fuzz.h"

#include "base/utf8.h"
#include "notification/content.h"
#include "support.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: not as promised: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fuzz_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    fuzz_demand(sodium_init() >= 0, "libsodium starts");
}

unsigned fuzz_byte(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->bytes++;
}

size_t fuzz_below(struct fuzz_input *input, size_t below)
{
    size_t number = fuzz_byte(input);
    if (below > 256)
        number = number << 8 | fuzz_byte(input);
    return number % below;
}

struct fuzz_input fuzz_take(struct fuzz_input *input, size_t most)
{
    struct fuzz_input taken = {input->bytes, most < input->left ? most : input->left};
    input->bytes += taken.left;
    input->left -= taken.left;
    return taken;
}

void fuzz_add_utf8(struct buffer *text, struct fuzz_input bytes)
{
    while (bytes.left > 0) {
        size_t length = utf8_length((const char *)bytes.bytes, bytes.left);
        bool taken = length > 0 && bytes.bytes[0] != '\0';
        buffer_add(text, taken ? (const char *)bytes.bytes : "?", taken ? length : 1);
        fuzz_take(&bytes, length > 0 ? length : 1);
    }
}

char *fuzz_copy(const void *bytes, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    fuzz_demand(copy != NULL, "there is memory");
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

uint64_t fuzz_seed(const uint8_t *bytes, size_t size)
{
    uint64_t seed = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        seed = (seed ^ bytes[i]) * 0x100000001B3u;
    return seed;
}

/* --- another spelling --- */

static void add_space(struct buffer *text, uint64_t *seed)
{
    static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t", "\r\n", "  "};
    buffer_add_string(text, spaces[support_random_below(seed, LENGTH(spaces))]);
}

/* A character of the Basic Multilingual Plane or above, as \u escapes with letters of either case.
 */
static void add_escape(struct buffer *text, const char *bytes, size_t length, uint64_t *seed)
{
    uint32_t point = (unsigned char)bytes[0];
    if (length > 1) {
        point &= 0x7Fu >> length;
        for (size_t i = 1; i < length; i++)
            point = point << 6 | ((unsigned char)bytes[i] & 0x3F);
    }
    const char *format = support_random_below(seed, 2) == 0 ? "\\u%04x" : "\\u%04X";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (point > 0xFFFF)
        buffer_addf(text, format, 0xD800 + ((point - 0x10000) >> 10));
    buffer_addf(text, format, point > 0xFFFF ? 0xDC00 + ((point - 0x10000) & 0x3FF) : point);
#pragma GCC diagnostic pop
}

static void respell_string(struct buffer *text, const char *bytes, size_t length, uint64_t *seed)
{
    bool plain = support_random_below(seed, 2) == 0; /* as few escapes as may be */
    buffer_add(text, "\"", 1);
    while (length > 0) {
        size_t size = utf8_length(bytes, length);
        fuzz_demand(size > 0, "a parsed string is UTF-8");
        bool must = bytes[0] == '"' || bytes[0] == '\\' || (unsigned char)bytes[0] < 0x20;
        if (must || (!plain && support_random_below(seed, 4) == 0))
            add_escape(text, bytes, size, seed);
        else
            buffer_add(text, bytes, size);
        bytes += size;
        length -= size;
    }
    buffer_add(text, "\"", 1);
}

static void respell_real(struct buffer *text, double real, uint64_t *seed)
{
    char number[64];
    if (real == 0 && support_random_below(seed, 2) == 0)
        real = -real; /* 0.0 and -0.0 are equal */
    int digits = 1;   /* as few as tell the number from others */
    do
        snprintf(number, sizeof number, "%.*g", digits, real);
    while (strtod(number, NULL) != real && ++digits <= 17);
    buffer_add_string(text, number);
    if (strpbrk(number, ".e") == NULL)
        buffer_add_string(text, ".0");
}

static void respell_object(struct buffer *text, const json_t *json, uint64_t *seed)
{
    size_t size = json_object_size(json), count = 0;
    const char **names = calloc(size + 1, sizeof *names);
    fuzz_demand(names != NULL, "there is memory");
    for (void *iter = json_object_iter((json_t *)json); iter != NULL;
         iter = json_object_iter_next((json_t *)json, iter)) {
        size_t place = support_random_below(seed, count + 1);
        names[count++] = names[place];
        names[place] = json_object_iter_key(iter);
    }
    buffer_add(text, "{", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add(text, ",", 1);
        add_space(text, seed);
        respell_string(text, names[i], strlen(names[i]), seed);
        add_space(text, seed);
        buffer_add(text, ":", 1);
        fuzz_respell(text, json_object_get(json, names[i]), seed);
    }
    buffer_add(text, "}", 1);
    free(names);
}

static void respell_array(struct buffer *text, const json_t *json, uint64_t *seed)
{
    buffer_add(text, "[", 1);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (i > 0)
            buffer_add(text, ",", 1);
        fuzz_respell(text, json_array_get(json, i), seed);
    }
    buffer_add(text, "]", 1);
}

void fuzz_respell(struct buffer *text, const json_t *json, uint64_t *seed)
{
    add_space(text, seed);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        respell_object(text, json, seed);
        break;
    case JSON_ARRAY:
        respell_array(text, json, seed);
        break;
    case JSON_STRING:
        respell_string(text, json_string_value(json), json_string_length(json), seed);
        break;
    case JSON_INTEGER:
        buffer_addf(text, "%lld", (long long)json_integer_value(json));
        break;
    case JSON_REAL:
        respell_real(text, json_real_value(json), seed);
        break;
    default:
        buffer_add_string(text, json_is_true(json)    ? "true"
                                : json_is_false(json) ? "false"
                                                      : "null");
        break;
    }
    add_space(text, seed);
}

/* --- what was written --- */

/* What a terminal, or a reader of lines, takes for more than itself; restated here from what
 * base/buffer.h promises. */
static bool is_shown_as_itself(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 1)
        return b[0] >= 0x20 && b[0] != 0x7F;
    if (length == 2)
        return !(b[0] == 0xC2 && b[1] < 0xA0) && memcmp(b, "\xD8\x9C", 2) != 0;
    if (length != 3)
        return true;
    if (b[0] == 0xE2 && b[1] == 0x80)
        return b[2] != 0x8E && b[2] != 0x8F && !(b[2] >= 0xA8 && b[2] <= 0xAE);
    if (b[0] == 0xE2 && b[1] == 0x81)
        return !(b[2] >= 0xA6 && b[2] <= 0xA9);
    return memcmp(b, "\xEF\xBB\xBF", 3) != 0;
}

static json_t *read_json(const struct buffer *text, bool lines)
{
    fuzz_demand(!text->failed, "there is memory");
    fuzz_demand(text->length > 0 && text->bytes[text->length - 1] == '\n', "the last line ends");
    for (size_t at = 0; at < text->length - 1;) {
        size_t length = utf8_length(text->bytes + at, text->length - 1 - at);
        fuzz_demand(length > 0, "UTF-8 at byte %zu of %.*s", at, (int)text->length, text->bytes);
        fuzz_demand(is_shown_as_itself(text->bytes + at, length) ||
                        (lines && text->bytes[at] == '\n'),
                    "byte %zu of %.*s is safe", at, (int)text->length, text->bytes);
        at += length;
    }
    json_error_t error;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_t *json = json_loadb(text->bytes, text->length, flags, &error);
    if (json == NULL) {
        struct buffer soft = {0};
        content_soften(text->bytes, text->length, &soft);
        json = json_loadb(soft.bytes, soft.length, flags, &error);
        buffer_release(&soft);
    }
    fuzz_demand(json != NULL, "JSON: %s at %d of %.*s", error.text, error.position,
                (int)text->length, text->bytes);
    return json;
}

json_t *fuzz_read_line(const struct buffer *text)
{
    return read_json(text, false);
}

json_t *fuzz_read_document(const struct buffer *text)
{
    return read_json(text, true);
}

void fuzz_demand_string(const json_t *json, const char *name, const char *string)
{
    const json_t *member = json_object_get(json, name);
    fuzz_demand(json_is_string(member), "%s is a text", name);
    if (utf8_is_valid(string, strlen(string)))
        fuzz_demand(strcmp(json_string_value(member), string) == 0, "%s is %s, not %s", name,
                    string, json_string_value(member));
}
