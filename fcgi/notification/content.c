/* content: parses a body with jansson, within limits. */
#include "config.h"

#include "notification/content.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Estimated bytes of jansson's memory for one byte of a usual notification; not a limit. */
#define EXPECTED_PER_BYTE 8

#define PARSE_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* The source of jansson's memory in this thread while it parses. jansson (as of 2.14) does not
 * check whether it got memory for the next byte of a token, and would leave the byte out. So if
 * memory runs out, a jump ends the parse. Nothing leaks: all memory that jansson took is in the
 * arena. */
struct parse {
    struct arena *memory;
    jmp_buf no_memory;
};
static _Thread_local struct parse *running;

static void *take(size_t size)
{
    if (running == NULL)
        return malloc(size);
    void *memory = arena_take(running->memory, size);
    if (memory == NULL)
        longjmp(running->no_memory, 1);
    return memory;
}

/* A parse frees no single piece. */
static void give_back(void *memory)
{
    if (running == NULL)
        free(memory);
}

void content_init(void)
{
    json_set_alloc_funcs(take, give_back);
}

static enum content_result refuse(struct schema_verdict *verdict, const char *reason)
{
    *verdict = (struct schema_verdict){.reason = ""};
    snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
    return CONTENT_INVALID;
}

/* The parser quotes the body at the place it stopped, possibly within a character. Bytes that are
 * not UTF-8 become question marks, so that the reason is valid text. */
static void make_text(char *reason)
{
    size_t left = strlen(reason);
    while (left > 0) {
        size_t length = utf8_length(reason, left);
        if (length == 0) {
            *reason = '?';
            length = 1;
        }
        reason += length;
        left -= length;
    }
}

/* A negative POSITION is left out. */
static enum content_result refuse_byte(struct schema_verdict *verdict, const char *what,
                                       ptrdiff_t position)
{
    *verdict = (struct schema_verdict){.reason = ""};
    int length = snprintf(verdict->reason, sizeof verdict->reason, "not JSON: %s", what);
    if (position >= 0 && (size_t)length < sizeof verdict->reason)
        snprintf(verdict->reason + length, sizeof verdict->reason - (size_t)length, ", at byte %td",
                 position);
    make_text(verdict->reason);
    return CONTENT_INVALID;
}

/* json_loadb with its memory in MEMORY, which must be empty. MEMORY is empty again if there is no
 * JSON. */
static json_t *load(const char *body, size_t length, struct arena *memory, json_error_t *error)
{
    struct parse parse = {.memory = memory};
    *error = (json_error_t){.position = 0};
    if (setjmp(parse.no_memory) != 0) {
        running = NULL;
        arena_release(memory);
        error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
        return NULL;
    }
    running = &parse;
    json_t *json = json_loadb(body, length, PARSE_FLAGS, error);
    running = NULL;
    if (json == NULL)
        arena_release(memory);
    return json;
}

/* The same, for a body that jansson cannot represent: first changes its spelling. */
static json_t *load_softened(const char *body, size_t length, struct arena *memory,
                             json_error_t *error)
{
    struct buffer soft = {0};
    json_t *json = NULL;
    content_soften(body, length, &soft);
    if (soft.failed)
        error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    else
        json = load(soft.bytes, soft.length, memory, error);
    error->position = -1; /* belongs to another text */
    buffer_release(&soft);
    return json;
}

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

/* Whether the JSON that jansson made of LENGTH bytes is an acceptable object. */
static enum content_result judge(const json_t *json, const char *body, size_t length,
                                 struct schema_verdict *verdict)
{
    /* jansson ignores a NUL byte after a number. */
    const char *nul = memchr(body, '\0', length);
    if (nul != NULL)
        return refuse_byte(verdict, "a NUL byte", nul - body);
    if (!nests_within(json, CONTENT_DEPTH_MAX))
        return refuse(verdict, "nested too deep");
    if (!json_is_object(json))
        return refuse(verdict, "not a JSON object");
    return CONTENT_OBJECT;
}

static enum content_result refuse_parse(const json_error_t *error, const struct arena *memory,
                                        struct schema_verdict *verdict)
{
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return memory->full ? refuse(verdict, "too costly to parse") : CONTENT_NO_MEMORY;
    case json_error_stack_overflow:
        return refuse(verdict, "nested too deep");
    default:
        return refuse_byte(verdict, error->text, error->position);
    }
}

enum content_result content_read(const char *body, size_t length, struct arena *memory,
                                 const json_t **gives, struct schema_verdict *verdict)
{
    if (length == 0)
        return refuse(verdict, "empty body");
    memory->expected = EXPECTED_PER_BYTE * length;
    memory->most = CONTENT_MEMORY_PER_BYTE * length;
    if (memory->most < CONTENT_MEMORY_MAX)
        memory->most = CONTENT_MEMORY_MAX;
    json_error_t error;
    json_t *json = load(body, length, memory, &error);
    if (json == NULL && (json_error_code(&error) == json_error_numeric_overflow ||
                         json_error_code(&error) == json_error_null_byte_in_key))
        json = load_softened(body, length, memory, &error);
    if (json == NULL)
        return refuse_parse(&error, memory, verdict);
    enum content_result result = judge(json, body, length, verdict);
    if (result == CONTENT_OBJECT)
        *gives = json;
    else
        content_release(memory, json);
    return result;
}

void content_release(struct arena *memory, const json_t *json)
{
    /* If a library has replaced the functions of content_init, no memory came from the arena. */
    if (memory->chunks == NULL)
        json_decref((json_t *)json);
    arena_release(memory);
}
