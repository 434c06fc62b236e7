/* Reserve: each allocation of reading and writing JSON fails once, and that is told: never a wrong
 * text, never a valid body taken for an invalid one. */
#include "config.h"

#include "content.h"
#include "hooks.h"
#include "reserve.h"
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
    "{\"a\":[[[[[[[[{\"b\":[{},{},{},{},{},{},{},{},{},{},{},{}]}]]]]]]]],\"c\":-1234567890123456}",
};

static void a_parse_without_memory_is_told_as_that(void **state)
{
    for (size_t b = 0; b < LENGTH(bodies); b++) {
        const char *body = bodies[b];
        struct schema_verdict verdict;
        enum content_result result;
        size_t number = 0;
        do {
            json_t *json = NULL;
            fail_at(++number);
            result = content_parse(body, strlen(body), &json, &verdict);
            size_t allocations = counted;
            fail_at(0);
            if (number <= allocations) {
                assert_int_equal(result, CONTENT_NO_MEMORY);
            } else {
                assert_int_equal(result, CONTENT_OBJECT);
                assert_int_equal(content_equals(json, body, strlen(body)), 1);
                json_decref(json);
            }
        } while (result != CONTENT_OBJECT);
        assert_true(number > 5);
    }
}

static void a_body_read_into_an_arena_without_memory_leaves_it_empty(void **state)
{
    /* several chunks of memory */
    char body[3000];
    size_t length = 0;
    body[length++] = '{';
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(body + length, sizeof body - length, "%s\"member%d\":\"%d\"",
                                   i > 0 ? "," : "", i, i);
    body[length++] = '}';
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
        else
            assert_int_equal(content_equals(json, body, length), 1);
        content_release(&memory, json);
    } while (result != CONTENT_OBJECT);
    assert_true(number > 2);
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

static void a_comparison_without_memory_is_no_difference(void **state)
{
    for (size_t b = 0; b < LENGTH(bodies); b++) {
        json_t *json = NULL;
        struct schema_verdict verdict;
        assert_int_equal(content_parse(bodies[b], strlen(bodies[b]), &json, &verdict),
                         CONTENT_OBJECT);
        size_t number = 0;
        int equal;
        do {
            fail_at(++number);
            equal = content_equals(json, bodies[b], strlen(bodies[b]));
            bool failed = number <= counted;
            fail_at(0);
            assert_int_equal(equal, failed ? -1 : 1);
        } while (equal != 1);
        assert_true(number > 1);
        json_decref(json);
    }
}

static void a_text_is_rendered_whole_or_not_at_all(void **state)
{
    for (size_t b = 0; b < LENGTH(bodies); b++) {
        json_t *json = NULL;
        struct schema_verdict verdict;
        assert_int_equal(content_parse(bodies[b], strlen(bodies[b]), &json, &verdict),
                         CONTENT_OBJECT);
        char *whole = content_render(json, strlen(bodies[b]));
        size_t number = 0;
        char *text;
        do {
            fail_at(++number);
            text = content_render(json, strlen(bodies[b]));
            fail_at(0);
            if (text != NULL)
                assert_string_equal(text, whole);
        } while (text == NULL);
        assert_true(number > 2);
        free(text);
        free(whole);
        json_decref(json);
    }
}

static void the_reserve_is_for_small_things_and_one_thread(void **state)
{
    assert_false(reserve_take(SIZE_MAX / 2, NULL));
    assert_true(reserve_take(100, NULL));
    fail_at(1);
    char *in = reserve_malloc(50);
    assert_non_null(in);
    assert_true(reserve_was_used());
    fail_at(1);
    assert_null(reserve_malloc((size_t)10 << 20));
    fail_at(0);
    memset(in, 1, 50);
    reserve_free(in); /* nothing: it goes with the reserve */
    char *out = reserve_malloc(50);
    reserve_free(out);
    reserve_release();
    fail_at(1);
    assert_null(reserve_malloc(50));
    fail_at(0);
}

/* As an application of the library may: then nothing comes from the arena, and all is freed. */
static void other_memory_than_the_reserve_is_given_back_too(void **state)
{
    struct arena memory = {0};
    struct schema_verdict verdict;
    const json_t *json = NULL;
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(content_read("{\"a\":[1]}", 9, &memory, &json, &verdict), CONTENT_OBJECT);
    assert_null(memory.chunks);
    assert_int_equal(content_equals(json, "{\"a\": [1]}", 10), 1);
    content_release(&memory, json);
    json = NULL;
    assert_int_equal(content_read("[1]", 3, &memory, &json, &verdict), CONTENT_INVALID);
    assert_null(json);
    content_init();
}

static void a_small_reserve_is_kept_and_a_large_one_is_not(void **state)
{
    assert_true(reserve_take(1000, NULL));
    reserve_release();
    fail_at(1);
    assert_true(reserve_take(1000, NULL));
    assert_true(reserve_take(10, NULL));
    assert_int_equal(counted, 0);
    assert_false(reserve_take(2000, NULL));
    fail_at(0);
    assert_true(reserve_take(RESERVE_KEPT_MAX, NULL));
    reserve_release();
    fail_at(1);
    assert_false(reserve_take(10, NULL));
    fail_at(0);
}

static void what_comes_from_an_arena_goes_with_it(void **state)
{
    struct arena arena = {0};
    assert_true(reserve_take(100, &arena));
    char *in = reserve_malloc(50);
    assert_true(arena_holds(&arena, in));
    reserve_free(in);
    memset(in, 1, 50);
    assert_false(reserve_was_used());
    reserve_release();
    char *out = reserve_malloc(50);
    assert_false(arena_holds(&arena, out));
    reserve_free(out);
    arena_release(&arena);
}

static int begin(void **state)
{
    content_init();
    hooks_malloc(count);
    return support_begin(state);
}

int reserve_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parse_without_memory_is_told_as_that),
        cmocka_unit_test(a_body_read_into_an_arena_without_memory_leaves_it_empty),
        cmocka_unit_test(what_is_no_body_leaves_the_arena_empty),
        cmocka_unit_test(a_comparison_without_memory_is_no_difference),
        cmocka_unit_test(a_text_is_rendered_whole_or_not_at_all),
        cmocka_unit_test(the_reserve_is_for_small_things_and_one_thread),
        cmocka_unit_test(other_memory_than_the_reserve_is_given_back_too),
        cmocka_unit_test(a_small_reserve_is_kept_and_a_large_one_is_not),
        cmocka_unit_test(what_comes_from_an_arena_goes_with_it),
    };
    return cmocka_run_group_tests_name("reserve", tests, begin, NULL);
}
