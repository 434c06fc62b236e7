/* content: what a body says, whatever the order of its members and its white space. */
#include "config.h"

#include "content.h"

#include "reserve.h"
#include "text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

_Static_assert(CONTENT_KEY_SIZE == crypto_shorthash_KEYBYTES, "the key is a SipHash key");

/* Bytes that jansson takes for a byte of a notification as they come; an estimate, not a bound. */
#define EXPECTED_PER_BYTE 8

#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)

static bool nests_within(const json_t *json, int depth)
{
    if (!json_is_object(json) && !json_is_array(json))
        return true;
    if (depth == 0)
        return false;
    size_t index;
    json_t *item;
    json_array_foreach(json, index, item)
    {
        if (!nests_within(item, depth - 1))
            return false;
    }
    for (void *iter = json_object_iter((json_t *)json); iter != NULL;
         iter = json_object_iter_next((json_t *)json, iter))
        if (!nests_within(json_object_iter_value(iter), depth - 1))
            return false;
    return true;
}

static enum content_result refuse(struct schema_verdict *verdict, const char *reason)
{
    *verdict = (struct schema_verdict){.reason = ""};
    snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
    return CONTENT_INVALID;
}

/* The parser quotes the body where it stopped, which may be within a character: what is no UTF-8
 * becomes a question mark, so that a reason is text to whoever reads it. */
static void make_text(char *reason)
{
    size_t left = strlen(reason);
    while (left > 0) {
        size_t length = text_utf8_length(reason, left);
        if (length == 0) {
            *reason = '?';
            length = 1;
        }
        reason += length;
        left -= length;
    }
}

static enum content_result refuse_byte(struct schema_verdict *verdict, const char *what,
                                       ptrdiff_t position)
{
    *verdict = (struct schema_verdict){.reason = ""};
    snprintf(verdict->reason, sizeof verdict->reason, "not JSON: %s, at byte %td", what, position);
    make_text(verdict->reason);
    return CONTENT_INVALID;
}

static enum content_result refuse_parse(const json_error_t *error, struct schema_verdict *verdict)
{
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return CONTENT_NO_MEMORY;
    case json_error_stack_overflow:
        return refuse(verdict, "nested too deep");
    default:
        return refuse_byte(verdict, error->text, error->position);
    }
}

void content_init(void)
{
    reserve_init();
    json_set_alloc_funcs(reserve_malloc, reserve_free);
}

/* json_loadb, which tells where memory was short: with the error out_of_memory. From MEMORY, which
 * is empty, comes what is parsed, unless it is NULL. */
static json_t *load(const char *body, size_t length, struct arena *memory, json_error_t *error)
{
    json_t *json = NULL;
    *error = (json_error_t){0};
    if (memory != NULL)
        memory->expected = EXPECTED_PER_BYTE * length;
    bool taken = reserve_take(length, memory);
    if (taken)
        json = json_loadb(body, length, PARSE_FLAGS, error);
    if (taken && !reserve_was_used()) {
        reserve_release();
        return json;
    }
    json_decref(json); /* where it is in the reserve it goes with that, so this comes first */
    reserve_release();
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    return NULL;
}

/* Whether what jansson made of LENGTH bytes is one of our objects. */
static enum content_result judge(const json_t *json, const char *body, size_t length,
                                 struct schema_verdict *verdict)
{
    /* jansson overlooks a NUL byte behind a number. */
    const char *nul = memchr(body, '\0', length);
    if (nul != NULL)
        return refuse_byte(verdict, "a NUL byte", nul - body);
    if (!nests_within(json, CONTENT_DEPTH_MAX))
        return refuse(verdict, "nested too deep");
    if (!json_is_object(json))
        return refuse(verdict, "not a JSON object");
    return CONTENT_OBJECT;
}

/* Both ways to parse a body: into MEMORY, or where that is NULL piece by piece. */
static enum content_result parse(const char *body, size_t length, struct arena *memory,
                                 json_t **gives, struct schema_verdict *verdict)
{
    if (length == 0)
        return refuse(verdict, "empty body");
    json_error_t error;
    json_t *json = load(body, length, memory, &error);
    enum content_result result = json == NULL ? refuse_parse(&error, verdict)
                                              : judge(json, body, length, verdict);
    if (result == CONTENT_OBJECT)
        *gives = json;
    else
        content_release(memory, json);
    return result;
}

enum content_result content_parse(const char *body, size_t length, json_t **gives,
                                  struct schema_verdict *verdict)
{
    return parse(body, length, NULL, gives, verdict);
}

enum content_result content_read(const char *body, size_t length, struct arena *memory,
                                 const json_t **gives, struct schema_verdict *verdict)
{
    json_t *json = NULL;
    enum content_result result = parse(body, length, memory, &json, verdict);
    if (result == CONTENT_OBJECT)
        *gives = json;
    return result;
}

void content_release(struct arena *memory, const json_t *json)
{
    /* Where content_init's functions are not jansson's any more, nothing came from the arena. */
    if (memory == NULL || memory->chunks == NULL)
        json_decref((json_t *)json);
    if (memory != NULL)
        arena_release(memory);
}

bool content_has_escaped_name(const char *body, size_t length)
{
    if (memchr(body, '\\', length) == NULL)
        return false;
    bool within = false;  /* a string */
    bool escaped = false; /* by a backslash in the last string */
    for (size_t i = 0; i < length; i++) {
        if (within && body[i] == '\\') {
            escaped = true;
            i++;
        } else if (body[i] == '"') {
            escaped = escaped && within;
            within = !within;
        } else if (!within && body[i] == ':' && escaped) {
            return true;
        }
    }
    return false;
}

char *content_render(const json_t *json, size_t length)
{
    /* What is written anew may be longer than what was read, but takes no tree. */
    if (!reserve_take(length, NULL))
        return NULL;
    char *text = json_dumps(json, JSON_COMPACT);
    if (reserve_was_used()) {
        reserve_free(text);
        text = NULL;
    }
    reserve_release();
    return text;
}

static uint64_t hash_bytes(const void *bytes, size_t length,
                           const unsigned char key[CONTENT_KEY_SIZE])
{
    unsigned char out[crypto_shorthash_BYTES];
    uint64_t hash;
    crypto_shorthash(out, bytes, length, key);
    memcpy(&hash, out, sizeof hash);
    return hash;
}

static uint64_t hash_pair(uint64_t first, uint64_t second,
                          const unsigned char key[CONTENT_KEY_SIZE])
{
    uint64_t pair[2] = {first, second};
    return hash_bytes(pair, sizeof pair, key);
}

static uint64_t hash_object(const json_t *json, const unsigned char key[CONTENT_KEY_SIZE])
{
    uint64_t sum = 0; /* a sum does not see the order of the members */
    for (void *iter = json_object_iter((json_t *)json); iter != NULL;
         iter = json_object_iter_next((json_t *)json, iter)) {
        const char *name = json_object_iter_key(iter);
        sum += hash_pair(hash_bytes(name, strlen(name), key),
                         content_hash(json_object_iter_value(iter), key), key);
    }
    return sum;
}

static uint64_t hash_array(const json_t *json, const unsigned char key[CONTENT_KEY_SIZE])
{
    uint64_t chain = json_array_size(json);
    size_t index;
    json_t *item;
    json_array_foreach(json, index, item)
    {
        chain = hash_pair(chain, content_hash(item, key), key);
    }
    return chain;
}

uint64_t content_hash(const json_t *json, const unsigned char key[CONTENT_KEY_SIZE])
{
    uint64_t value = 0;
    switch (json_typeof(json)) {
    case JSON_STRING:
        return hash_bytes(json_string_value(json), json_string_length(json), key);
    case JSON_OBJECT:
        value = hash_object(json, key);
        break;
    case JSON_ARRAY:
        value = hash_array(json, key);
        break;
    case JSON_INTEGER:
        value = (uint64_t)json_integer_value(json);
        break;
    case JSON_REAL: {
        double real = json_real_value(json);
        if (real == 0)
            real = 0; /* -0.0 equals 0.0 */
        memcpy(&value, &real, sizeof value);
        break;
    }
    default:
        break;
    }
    return hash_pair((uint64_t)json_typeof(json), value, key);
}

uint64_t content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE])
{
    return hash_bytes(string, strlen(string), key);
}

int content_equals(const json_t *json, const char *body, size_t length)
{
    json_error_t error;
    struct arena memory = {0};
    const json_t *kept = load(body, length, &memory, &error);
    int equal = 0;
    if (kept != NULL)
        equal = json_equal(json, kept);
    else if (json_error_code(&error) == json_error_out_of_memory)
        equal = -1;
    content_release(&memory, kept);
    return equal;
}
