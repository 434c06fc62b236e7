/* Faults: the first text stays, callers add where it happened, and nothing overflows. */
#include "config.h"

#include "base/fault.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void a_fault_holds_its_text_and_every_call_returns_minus_1(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(fault_set(&fault, "%s of %d", "one", 2), -1);
    assert_true(fault.set);
    assert_false(fault.lasting);
    assert_false(fault.misused);
    assert_string_equal(fault.text, "one of 2");
}

static void the_first_fault_stays(void **state)
{
    struct fault fault = FAULT_NONE;
    fault_set(&fault, "first");
    assert_int_equal(fault_set(&fault, "second"), -1);
    assert_int_equal(fault_set_errno(&fault, ENOENT, "third"), -1);
    assert_string_equal(fault.text, "first");
}

static void an_error_number_is_put_behind_in_words(void **state)
{
    struct fault fault = FAULT_NONE;
    char expected[128];
    assert_int_equal(fault_set_errno(&fault, ENOENT, "cannot open %s", "x"), -1);
    snprintf(expected, sizeof expected, "cannot open x: %s", strerror(ENOENT));
    assert_string_equal(fault.text, expected);
}

static void where_it_happened_is_put_before(void **state)
{
    struct fault fault = FAULT_NONE;
    fault_set(&fault, "why");
    assert_int_equal(fault_add(&fault, "inner %d", 1), -1);
    assert_int_equal(fault_add(&fault, "outer"), -1);
    assert_string_equal(fault.text, "outer: inner 1: why");
}

static void nothing_is_added_to_no_fault(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(fault_add(&fault, "where"), -1);
    assert_false(fault.set);
    assert_string_equal(fault.text, "");
}

static void a_caller_that_does_not_want_to_know_may_pass_null(void **state)
{
    assert_int_equal(fault_set(NULL, "x"), -1);
    assert_int_equal(fault_set_errno(NULL, ENOENT, "x"), -1);
    assert_int_equal(fault_add(NULL, "x"), -1);
}

/* A text of LENGTH times C. */
static const char *repeat(char c, size_t length)
{
    static char texts[2][4 * FAULT_TEXT_MAX];
    static size_t next;
    char *text = texts[next++ % 2];
    memset(text, c, length);
    text[length] = '\0';
    return text;
}

static void long_texts_are_cut_at_the_end(void **state)
{
    struct fault fault = FAULT_NONE;
    fault_set(&fault, "%s", repeat('a', 2 * FAULT_TEXT_MAX));
    assert_string_equal(fault.text, repeat('a', FAULT_TEXT_MAX - 1));
    fault_add(&fault, "where");
    assert_int_equal(strlen(fault.text), FAULT_TEXT_MAX - 1);
    assert_memory_equal(fault.text, "where: aaa", 10);
}

static void every_length_fits(void **state)
{
    for (size_t text = 0; text < FAULT_TEXT_MAX + 3; text += 7)
        for (size_t where = 0; where < FAULT_TEXT_MAX + 5; where++) {
            struct fault fault = FAULT_NONE;
            fault_set_errno(&fault, EACCES, "%s", repeat('t', text));
            fault_add(&fault, "%s", repeat('w', where));
            assert_true(strnlen(fault.text, FAULT_TEXT_MAX) < FAULT_TEXT_MAX);
            size_t shown = where < FAULT_TEXT_MAX - 3 ? where : FAULT_TEXT_MAX - 3;
            assert_memory_equal(fault.text, repeat('w', where), shown);
            assert_memory_equal(fault.text + shown, ": ", 2);
        }
}

int fault_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_holds_its_text_and_every_call_returns_minus_1),
        cmocka_unit_test(the_first_fault_stays),
        cmocka_unit_test(an_error_number_is_put_behind_in_words),
        cmocka_unit_test(where_it_happened_is_put_before),
        cmocka_unit_test(nothing_is_added_to_no_fault),
        cmocka_unit_test(a_caller_that_does_not_want_to_know_may_pass_null),
        cmocka_unit_test(long_texts_are_cut_at_the_end),
        cmocka_unit_test(every_length_fits),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
