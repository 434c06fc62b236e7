/* Since when a thread has had something to do without getting on. */
#include "config.h"

#include "progress.h"
#include "support.h"

#define SHORT_MS 20
#define LONG_MS 60

static void nothing_to_do_is_never_stuck(void **state)
{
    struct progress progress = {0};
    support_sleep_ms(LONG_MS);
    assert_false(progress_is_stuck(&progress, 0));
}

static void what_takes_long_is_stuck(void **state)
{
    struct progress progress = {0};
    progress_begin(&progress);
    assert_false(progress_is_stuck(&progress, LONG_MS * 10000));
    support_sleep_ms(LONG_MS);
    assert_true(progress_is_stuck(&progress, SHORT_MS));
}

static void more_to_do_does_not_count_as_getting_on(void **state)
{
    struct progress progress = {0};
    progress_begin(&progress);
    support_sleep_ms(LONG_MS);
    progress_begin(&progress);
    assert_true(progress_is_stuck(&progress, SHORT_MS));
}

static void a_step_or_a_rest_is_getting_on(void **state)
{
    struct progress progress = {0};
    progress_begin(&progress);
    support_sleep_ms(LONG_MS);
    progress_step(&progress);
    assert_false(progress_is_stuck(&progress, LONG_MS * 10000));
    support_sleep_ms(LONG_MS);
    assert_true(progress_is_stuck(&progress, SHORT_MS));
    progress_rest(&progress);
    assert_false(progress_is_stuck(&progress, SHORT_MS));
}

int progress_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_do_is_never_stuck),
        cmocka_unit_test(what_takes_long_is_stuck),
        cmocka_unit_test(more_to_do_does_not_count_as_getting_on),
        cmocka_unit_test(a_step_or_a_rest_is_getting_on),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
