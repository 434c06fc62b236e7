/* Each allocation of reading a body fails once, and that is told: never is a valid body taken for
 * an invalid one. And a parse takes no more than it may. */
#include "config.h"

#include "base/buffer.h"
#include "hooks.h"
#include "notification/content.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* The allocation that fails, counted from 1, and how many there were; 0: none fails. */
static size_t fails_at, counted;

static bool count(void)
{
    return ++counted == fails_at;
}

static void fail_at(size_t number)
{
    counted = 0;
    fails_at = number;
}

/* Tokens whose last byte is where jansson's buffer must grow, escapes there, and nesting. */
static const char *const bodies[] = {
    "{\"subOperationId\":\"a\"}",
    "{\"0123456789abc\":1,\"0123456789abcdef0123456789abcde\":\"0123456789abcd\"}",
    "{\"a\":\"0123456789abc\\n0123456789abcdef012345678\\u00e9\",\"b\":[1,2.5e3,true,null,{}]}",
    "{\"a\\u0000\":12345678901234567890}",
    "{\"a\":[[[[[[[[{\"b\":[{},{},{},{},{},{},{},{},{},{},{},{}]}]]]]]]]],\"c\":-1234567890123456}",
};

/* {"a":[{},{},...]} of LENGTH bytes and some. */
static struct buffer costly(size_t length)
{
    struct buffer body = {0};
    buffer_add_string(&body, "{\"a\":[{}");
    while (body.length < length)
        buffer_add_string(&body, ",{}");
    buffer_add_string(&body, "]}");
    assert_false(body.failed);
    return body;
}

static void expect_told(const char *body, size_t length)
{
    struct schema_verdict verdict;
    enum content_result result;
    size_t number = 0;
    do {
        struct arena memory = {0};
        const json_t *json = NULL;
        fail_at(++number);
        result = content_read(body, length, &memory, &json, &verdict);
        bool failed = number <= counted;
        fail_at(0);
        assert_int_equal(result, failed ? CONTENT_NO_MEMORY : CONTENT_OBJECT);
        if (failed)
            assert_null(memory.chunks);
        content_release(&memory, json);
    } while (result != CONTENT_OBJECT);
    assert_true(number > 1);
}

static void a_body_read_without_memory_is_told_as_that(void **state)
{
    for (size_t b = 0; b < LENGTH(bodies); b++)
        expect_told(bodies[b], strlen(bodies[b]));
    struct buffer body = costly(100000); /* several chunks of memory */
    expect_told(body.bytes, body.length);
    buffer_release(&body);
}

static void a_body_spelled_anew_without_memory_is_told_as_that(void **state)
{
    fail_at(1);
    char *spelled = content_respell("{}", 2);
    fail_at(0);
    assert_null(spelled);
}

static void what_is_no_body_leaves_the_arena_empty(void **state)
{
    static const char *const wrong[] = {"", "{\"a\":[1,2,", "[1,2,3]", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct arena memory = {0};
        const json_t *json = NULL;
        struct schema_verdict verdict;
        assert_int_equal(content_read(wrong[i], strlen(wrong[i]), &memory, &json, &verdict),
                         CONTENT_INVALID);
        assert_null(json);
        assert_null(memory.chunks);
    }
}

/* As an application of the library may: then nothing comes from the arena, and all is freed. */
static void other_memory_than_the_arena_is_given_back_too(void **state)
{
    struct arena memory = {0};
    struct schema_verdict verdict;
    const json_t *json = NULL;
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(content_read("{\"a\":[1]}", 9, &memory, &json, &verdict), CONTENT_OBJECT);
    assert_null(memory.chunks);
    content_release(&memory, json);
    json = NULL;
    assert_int_equal(content_read("[1]", 3, &memory, &json, &verdict), CONTENT_INVALID);
    content_release(&memory, json);
    content_init();
}

static void what_a_parse_may_take_is_bounded(void **state)
{
    struct arena memory = {0};
    struct schema_verdict verdict = {.reason = ""};
    const json_t *json = NULL;
    struct buffer body = costly((size_t)1 << 20);
    assert_int_equal(content_read(body.bytes, body.length, &memory, &json, &verdict),
                     CONTENT_INVALID);
    assert_string_equal(verdict.reason, "too costly to parse");
    assert_null(memory.chunks);
    buffer_release(&body);
    body = costly((size_t)128 << 10);
    assert_int_equal(content_read(body.bytes, body.length, &memory, &json, &verdict),
                     CONTENT_OBJECT);
    assert_true(memory.size <= CONTENT_MEMORY_MAX);
    content_release(&memory, json);
    buffer_release(&body);
}

static int begin(void **state)
{
    content_init();
    hooks_malloc(count);
    return support_begin(state);
}

int content_memory_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_read_without_memory_is_told_as_that),
        cmocka_unit_test(a_body_spelled_anew_without_memory_is_told_as_that),
        cmocka_unit_test(what_is_no_body_leaves_the_arena_empty),
        cmocka_unit_test(other_memory_than_the_arena_is_given_back_too),
        cmocka_unit_test(what_a_parse_may_take_is_bounded),
    };
    return cmocka_run_group_tests_name("content_memory", tests, begin, NULL);
}
