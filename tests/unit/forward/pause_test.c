/* Pauses grow, differ, and end at a bound, whatever the other side asks for. */
#include "config.h"

#include "forward/pause.h"
#include "support.h"

/* How often chance is asked. */
#define DRAWS 200

static void pauses_double_up_to_the_longest_and_differ_by_chance(void **state)
{
    int64_t most = PAUSE_FIRST_MS;
    for (unsigned failures = 1; failures < 40; failures++) {
        int64_t least_seen = INT64_MAX, most_seen = 0;
        for (int i = 0; i < DRAWS; i++) {
            int64_t pause = pause_after(failures, 0);
            least_seen = pause < least_seen ? pause : least_seen;
            most_seen = pause > most_seen ? pause : most_seen;
        }
        assert_true(least_seen >= most / 2 && most_seen <= most);
        assert_true(least_seen < most_seen);
        most = most * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : most * 2;
    }
    assert_true(pause_after(UINT32_MAX, 0) <= PAUSE_MOST_MS);
}

static void retry_after_is_obeyed_up_to_a_bound(void **state)
{
    assert_int_equal(pause_after(1, 7), 7000);
    assert_int_equal(pause_after(1, 3600), PAUSE_ASKED_MOST_MS);
    assert_int_equal(pause_after(1, 86400), PAUSE_ASKED_MOST_MS);
    assert_int_equal(pause_after(1, INT64_MAX), PAUSE_ASKED_MOST_MS);
    /* It asks for less than we would wait anyway. */
    assert_true(pause_after(30, 1) >= PAUSE_MOST_MS / 2);
}

int pause_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_the_longest_and_differ_by_chance),
        cmocka_unit_test(retry_after_is_obeyed_up_to_a_bound),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
