/* Reserve: each allocation of reading and writing JSON fails once, and that is told: never a wrong
 * text, never a valid body taken for an invalid one. Linked with --wrap=malloc. */
#include "config.h"

#include "content.h"
#include "reserve.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* The allocation that fails, counted from 1, and how many there were; 0: none fails. */
static size_t fails_at, counted;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return ++counted == fails_at ? NULL : __real_malloc(size);
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
        assert_true(number > 5);
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
    assert_false(reserve_take(SIZE_MAX / 2));
    assert_true(reserve_take(100));
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

static int begin(void **state)
{
    content_init();
    return support_begin(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parse_without_memory_is_told_as_that),
        cmocka_unit_test(a_comparison_without_memory_is_no_difference),
        cmocka_unit_test(a_text_is_rendered_whole_or_not_at_all),
        cmocka_unit_test(the_reserve_is_for_small_things_and_one_thread),
    };
    return cmocka_run_group_tests_name("reserve", tests, begin, NULL);
}
