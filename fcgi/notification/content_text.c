/* content: functions on the bytes of a body: spellings, digits, and a hash of the content.
 *
 * A function that expects valid JSON gives a meaningless result for other bytes, but does no
 * harm. */
#include "config.h"

#include "notification/content.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CONTENT_KEY_SIZE == crypto_shorthash_KEYBYTES &&
                   CONTENT_KEY_SIZE == crypto_shorthash_siphashx24_KEYBYTES,
               "the key is a SipHash key");

#define SPACES " \t\n\r"
#define NUMBERS "+-.0123456789eE"

/* --- tokens --- */

/* The closing quote of the string that begins at AT. */
static const char *string_end(const char *at, const char *end)
{
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (quote != NULL && memchr(at, '\\', (size_t)(quote - at)) == NULL)
        return quote;
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at;
}

static const char *skip(const char *at, const char *end, const char *bytes)
{
    while (at < end && *at != '\0' && strchr(bytes, *at) != NULL)
        at++;
    return at;
}

/* Whether the string with the closing quote AT is a member's name. */
static bool is_name(const char *at, const char *end)
{
    if (at == end)
        return false;
    at = skip(at + 1, end, SPACES);
    return at < end && *at == ':';
}

static size_t count_digits(const char *at, const char *end)
{
    size_t count = 0;
    while (at + count < end && at[count] >= '0' && at[count] <= '9')
        count++;
    return count;
}

/* A number (RFC 8259, section 6). */
struct number {
    bool negative, real;
    const char *whole, *fraction, *exponent; /* first digits of each part */
    size_t whole_length, fraction_length, exponent_length;
    bool exponent_negative;
};

/* Reads the number from AT to END. Returns false if there is none. */
static bool read_number(const char *at, const char *end, struct number *number)
{
    *number = (struct number){.negative = at < end && *at == '-'};
    at += number->negative;
    number->whole = at;
    number->whole_length = count_digits(at, end);
    if (number->whole_length == 0 || (number->whole_length > 1 && *at == '0'))
        return false;
    at += number->whole_length;
    if (at < end && *at == '.') {
        number->real = true;
        number->fraction = ++at;
        number->fraction_length = count_digits(at, end);
        if (number->fraction_length == 0)
            return false;
        at += number->fraction_length;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        number->real = true;
        at++;
        number->exponent_negative = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        number->exponent = at;
        number->exponent_length = count_digits(at, end);
        if (number->exponent_length == 0)
            return false;
        at += number->exponent_length;
    }
    return at == end;
}

/* Hexadecimal digits of an escape; 0 if invalid. */
static uint32_t read_hex(const char *at, const char *end)
{
    uint32_t value = 0;
    for (int i = 0; i < 4 && at < end; i++, at++) {
        const char *const digits = "0123456789abcdef";
        const char *digit = *at == '\0' ? NULL : strchr(digits, *at | 0x20);
        value = value << 4 | (digit == NULL ? 0 : (uint32_t)(digit - digits));
    }
    return value;
}

/* Reads the escape at *AT, which is a backslash, and moves *AT after it. Returns its character. */
static uint32_t read_escape(const char **at, const char *end)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *p = *at + 1;
    uint32_t point = 0;
    if (p < end && *p == 'u') {
        point = read_hex(p + 1, end);
        p += 5;
        if (point >= 0xD800 && point < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
            point = 0x10000 + ((point - 0xD800) << 10) + ((read_hex(p + 2, end) - 0xDC00) & 0x3FF);
            p += 6;
        }
    } else if (p < end) {
        const char *found = *p == '\0' ? NULL : strchr(plain, *p);
        point = found == NULL ? 0 : (unsigned char)meant[found - plain];
        p++;
    }
    *at = p < end ? p : end;
    return point;
}

/* Writes the UTF-8 of a code point. Returns its length. */
static size_t write_utf8(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--, point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3F));
    bytes[0] = (char)(lead[length] | point);
    return length;
}

/* --- other spellings --- */

static void soften_name(const char *at, const char *end, struct buffer *soft)
{
    while (at < end) {
        size_t length = *at == '\\' && end - at > 1 ? 2 : 1;
        if (end - at >= 6 && memcmp(at, "\\u000", 5) == 0 && (at[5] == '0' || at[5] == '1')) {
            buffer_add_string(soft, at[5] == '0' ? "\\u00010" : "\\u00011");
            length = 6;
        } else {
            buffer_add(soft, at, length);
        }
        at += length;
    }
}

static void soften_number(const char *at, const char *end, struct buffer *soft)
{
    struct number number;
    const size_t begin = soft->length, length = (size_t)(end - at);
    buffer_add(soft, at, length);
    buffer_add(soft, "", 1);
    if (soft->failed)
        return;
    const char *copy = soft->bytes + begin;
    soft->length--;
    if (!read_number(at, end, &number))
        return;
    errno = 0;
    double value = strtod(copy, NULL);
    bool holds = fabs(value) <= DBL_MAX;
    if (holds && !number.real) {
        errno = 0;
        strtoll(copy, NULL, 10);
        holds = errno == 0;
    }
    if (holds)
        return;
    soft->length = begin;
    buffer_addf(soft, "%.17g", value > DBL_MAX ? DBL_MAX : value < -DBL_MAX ? -DBL_MAX : value);
}

void content_soften(const char *body, size_t length, struct buffer *soft)
{
    const char *at = body, *const end = body + length;
    while (at < end) {
        const char *from = at;
        if (*at == '"') {
            at = string_end(at + 1, end);
            if (is_name(at, end)) {
                buffer_add(soft, "\"", 1);
                soften_name(from + 1, at, soft);
            } else {
                buffer_add(soft, from, (size_t)(at - from));
            }
            buffer_add(soft, "\"", at < end ? 1 : 0);
            at += at < end;
        } else if ((at = skip(at, end, NUMBERS)) > from) {
            soften_number(from, at, soft);
        } else {
            buffer_add(soft, at++, 1);
        }
    }
}

bool content_has_escaped_name(const char *body, size_t length)
{
    if (memchr(body, '\\', length) == NULL)
        return false;
    const char *at = body, *const end = body + length;
    while (at < end) {
        if (*at++ != '"')
            continue;
        const char *from = at;
        at = string_end(at, end);
        if (memchr(from, '\\', (size_t)(at - from)) != NULL && is_name(at, end))
            return true;
        at += at < end;
    }
    return false;
}

/* Writes a name with only the necessary escapes. Returns the end in TO. */
static char *respell_name(const char *at, const char *end, char *to)
{
    while (at < end) {
        const char *from = at;
        uint32_t point = *at == '\\' ? read_escape(&at, end) : (unsigned char)*at++;
        if (*from != '\\' || point < 0x20 || point == '"' || point == '\\') {
            memcpy(to, from, (size_t)(at - from));
            to += at - from;
        } else {
            to += write_utf8(point, to);
        }
    }
    return to;
}

char *content_respell(const char *body, size_t length)
{
    const char *at = body, *const end = body + length;
    char *const spelled = malloc(length + 1), *to = spelled;
    while (spelled != NULL && at < end) {
        *to++ = *at++;
        if (at[-1] != '"')
            continue;
        const char *from = at;
        at = string_end(at, end);
        if (is_name(at, end)) {
            to = respell_name(from, at, to);
        } else {
            memcpy(to, from, (size_t)(at - from));
            to += at - from;
        }
        if (at < end)
            *to++ = *at++;
    }
    if (spelled != NULL)
        *to = '\0';
    return spelled;
}

/* --- hash of the content --- */

struct digest {
    uint64_t half[2];
};

/* Bytes hashed at a time. A longer text is a chain of hashes. */
#define BLOCK_SIZE 1024

/* Takes a text in parts. */
struct sink {
    const unsigned char *key;
    bool chained;
    size_t used;
    char block[sizeof(struct digest) +
               BLOCK_SIZE]; /* the digest of the blocks before, and one block */
};

static void hash(struct digest *digest, const void *bytes, size_t length, const unsigned char *key)
{
    crypto_shorthash_siphashx24((unsigned char *)digest, bytes, length, key);
}

static void sink_end(const struct sink *sink, struct digest *digest)
{
    const size_t lead = sizeof *digest;
    hash(digest, sink->chained ? sink->block : sink->block + lead,
         sink->chained ? lead + sink->used : sink->used, sink->key);
}

static void sink_add(struct sink *sink, const char *bytes, size_t length)
{
    while (length > 0) {
        if (sink->used == BLOCK_SIZE) {
            struct digest digest;
            sink_end(sink, &digest);
            memcpy(sink->block, &digest, sizeof digest);
            sink->chained = true;
            sink->used = 0;
        }
        size_t part = BLOCK_SIZE - sink->used < length ? BLOCK_SIZE - sink->used : length;
        memcpy(sink->block + sizeof(struct digest) + sink->used, bytes, part);
        sink->used += part;
        bytes += part;
        length -= part;
    }
}

static void sink_add_byte(struct sink *sink, char byte)
{
    if (sink->used < BLOCK_SIZE)
        sink->block[sizeof(struct digest) + sink->used++] = byte;
    else
        sink_add(sink, &byte, 1);
}

static void sink_begin(struct sink *sink, const unsigned char *key)
{
    sink->key = key;
    sink->chained = false;
    sink->used = 0;
}

/* Adds the characters of a string between its quotes. */
static void add_string(struct sink *sink, const char *at, const char *end)
{
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        if (escape == NULL)
            escape = end;
        sink_add(sink, at, (size_t)(escape - at));
        at = escape;
        if (at < end) {
            char bytes[4];
            sink_add(sink, bytes, write_utf8(read_escape(&at, end), bytes));
        }
    }
}

/* Adds the digits of a number from the first to the last that is not 0. Sets the number of 0s after
 * them. Returns false if all digits are 0. */
static bool add_digits(struct sink *sink, const struct number *number, int64_t *zeros)
{
    bool any = false;
    *zeros = 0;
    for (size_t i = 0; i < number->whole_length + number->fraction_length; i++) {
        const char *digit = i < number->whole_length ? number->whole + i
                                                     : number->fraction + i - number->whole_length;
        if (*digit == '0') {
            ++*zeros;
            continue;
        }
        if (!any && number->negative)
            sink_add_byte(sink, '-');
        for (; any && *zeros > 0; --*zeros)
            sink_add_byte(sink, '0');
        *zeros = 0;
        sink_add_byte(sink, *digit);
        any = true;
    }
    return any;
}

/* Adds a number by its value: its digits without zeros at either end, and the power of ten. */
static void add_number(struct sink *sink, const char *at, const char *end)
{
    struct number number;
    int64_t power = 0;
    if (!read_number(at, end, &number)) {
        sink_add(sink, at, (size_t)(end - at));
        return;
    }
    if (!add_digits(sink, &number, &power))
        return;
    power -= (int64_t)number.fraction_length;
    while (number.exponent_length > 0 && *number.exponent == '0') {
        number.exponent++;
        number.exponent_length--;
    }
    if (number.exponent_length <= 15) {
        int64_t exponent = 0;
        for (size_t i = 0; i < number.exponent_length; i++)
            exponent = exponent * 10 + (number.exponent[i] - '0');
        power += number.exponent_negative ? -exponent : exponent;
    } else { /* no program computes with it: use its spelling */
        sink_add(sink, number.exponent_negative ? "E-" : "E", number.exponent_negative ? 2 : 1);
        sink_add(sink, number.exponent, number.exponent_length);
    }
    sink_add_byte(sink, 'e');
    sink_add(sink, (const char *)&power, sizeof power);
}

struct scan {
    const char *at, *end;
    const unsigned char *key;
};

/* Moves to the next token. Returns its first byte, 0 at the end. */
static char next(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
    return scan->at < scan->end ? *scan->at : '\0';
}

/* Adds the string whose opening quote is next. */
static void scan_string(struct scan *scan, struct sink *sink)
{
    const char *from = scan->at + 1;
    scan->at = string_end(from, scan->end);
    add_string(sink, from, scan->at);
    scan->at += scan->at < scan->end;
}

static void scan_value(struct scan *scan, int depth, struct sink *sink);

/* The sum over the members, so that their order does not matter. A member is its name, a byte that
 * UTF-8 never contains, and its value. */
static struct digest scan_object(struct scan *scan, int depth)
{
    struct digest sum = {{0, 0}}, member;
    scan->at++;
    while (next(scan) == '"') {
        struct sink sink;
        sink_begin(&sink, scan->key);
        scan_string(scan, &sink);
        sink_add_byte(&sink, '\xFF');
        if (next(scan) == ':')
            scan->at++;
        scan_value(scan, depth, &sink);
        sink_end(&sink, &member);
        sum.half[0] += member.half[0];
        sum.half[1] += member.half[1];
        if (next(scan) == ',')
            scan->at++;
    }
    scan->at += next(scan) == '}';
    return sum;
}

/* A chain over the elements. */
static struct digest scan_array(struct scan *scan, int depth)
{
    struct digest chain = {{0, 0}};
    scan->at++;
    while (next(scan) != ']' && scan->at < scan->end) {
        struct sink sink;
        sink_begin(&sink, scan->key);
        sink_add(&sink, (const char *)&chain, sizeof chain);
        scan_value(scan, depth, &sink);
        sink_end(&sink, &chain);
        if (next(scan) == ',')
            scan->at++;
    }
    scan->at += scan->at < scan->end;
    return chain;
}

/* Adds a byte for the type of the value, then the value. */
static void scan_value(struct scan *scan, int depth, struct sink *sink)
{
    const char first = next(scan), *from = scan->at;
    const bool number = first == '-' || (first >= '0' && first <= '9');
    struct digest inner;
    sink_add_byte(sink, number ? '0' : first);
    if (depth > CONTENT_DEPTH_MAX) {
        scan->at = scan->end;
    } else if (first == '"') {
        scan_string(scan, sink);
    } else if (first == '{' || first == '[') {
        inner = first == '{' ? scan_object(scan, depth + 1) : scan_array(scan, depth + 1);
        sink_add(sink, (const char *)&inner, sizeof inner);
    } else if (number) {
        scan->at = skip(scan->at, scan->end, NUMBERS);
        add_number(sink, from, scan->at);
    } else {
        while (scan->at < scan->end && *scan->at >= 'a' && *scan->at <= 'z')
            scan->at++;
        scan->at += scan->at == from && scan->at < scan->end;
    }
}

static struct digest digest_of(const char *body, size_t length, const unsigned char *key)
{
    struct scan scan = {.at = body, .end = body + length, .key = key};
    struct digest digest;
    struct sink sink;
    sink_begin(&sink, key);
    scan_value(&scan, 0, &sink);
    sink_end(&sink, &digest);
    return digest;
}

uint64_t content_hash(const char *body, size_t length, const unsigned char key[CONTENT_KEY_SIZE])
{
    return digest_of(body, length, key).half[0];
}

uint64_t content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE])
{
    uint64_t result;
    crypto_shorthash((unsigned char *)&result, (const unsigned char *)string, strlen(string), key);
    return result;
}

bool content_equals(const char *one, size_t one_length, const char *other, size_t other_length,
                    const unsigned char key[CONTENT_KEY_SIZE])
{
    struct digest a = digest_of(one, one_length, key), b = digest_of(other, other_length, key);
    return a.half[0] == b.half[0] && a.half[1] == b.half[1];
}
