/* query_string: the names and values after the ? of a URL. */
#include "config.h"

#include "base/query_string.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes LENGTH bytes of TEXT in place and adds a NUL. */
static int decode(char *text, size_t length, struct fault *fault)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return fault_set(fault, "the query has a %% without two hex digits behind it");
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0')
            return fault_set(fault, "the query has a NUL in it");
        text[used++] = byte;
    }
    if (!utf8_is_valid(text, used))
        return fault_set(fault, "the query is no UTF-8");
    text[used] = '\0';
    return 0;
}

/* Takes one pair of LENGTH bytes. The byte after it is free. */
static int take_pair(struct query_string *query, char *pair, size_t length, struct fault *fault)
{
    char *equals = memchr(pair, '=', length);
    char *value = equals == NULL ? pair + length : equals + 1;
    size_t name_length = equals == NULL ? length : (size_t)(equals - pair);
    if (query->length == QUERY_STRING_PARAMETERS)
        return fault_set(fault, "the query has more than %d parameters", QUERY_STRING_PARAMETERS);
    if (decode(value, (size_t)(pair + length - value), fault) != 0 ||
        decode(pair, name_length, fault) != 0)
        return -1;
    for (size_t i = 0; i < query->length; i++)
        if (strcmp(query->parameters[i].name, pair) == 0)
            return fault_set(fault, "the query says %s twice", pair);
    query->parameters[query->length].name = pair;
    query->parameters[query->length++].value = value;
    return 0;
}

int query_string_read(struct query_string *query, const char *text, struct fault *fault)
{
    *query = (struct query_string){.length = 0};
    size_t length = strlen(text);
    if (length > QUERY_STRING_MAX)
        return fault_set(fault, "the query is longer than %zu bytes", QUERY_STRING_MAX);
    query->memory = malloc(length + 1);
    if (query->memory == NULL)
        return fault_set(fault, "out of memory");
    memcpy(query->memory, text, length + 1);
    for (char *pair = query->memory, *end = pair + length; pair <= end;) {
        size_t pair_length = strcspn(pair, "&");
        if (pair_length > 0 && take_pair(query, pair, pair_length, fault) != 0) {
            query_string_release(query);
            return -1;
        }
        pair += pair_length + 1;
    }
    return 0;
}

void query_string_release(struct query_string *query)
{
    free(query->memory);
    *query = (struct query_string){.length = 0};
}

static void add_encoded(struct buffer *text, const char *word)
{
    for (; *word != '\0'; word++) {
        unsigned char byte = (unsigned char)*word;
        if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
            (byte >= 'A' && byte <= 'Z') || strchr("-._~", byte) != NULL)
            buffer_add(text, word, 1);
        else
            buffer_addf(text, "%%%02X", byte);
    }
}

void query_string_add(struct buffer *text, const char *name, const char *value)
{
    if (text->length > 0 && text->bytes[text->length - 1] != '?')
        buffer_add(text, "&", 1);
    add_encoded(text, name);
    buffer_add(text, "=", 1);
    add_encoded(text, value);
}
