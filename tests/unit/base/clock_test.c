/* Moments: RFC 3339 in UTC with milliseconds, and clocks that mean what they say. */
#include "config.h"

#include "base/clock.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void moments_are_written_as_rfc_3339_in_utc(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } moments[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {1000, "1970-01-01T00:00:01.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {-1001, "1969-12-31T23:59:58.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1782813845678), "2026-06-30T10:04:05.678Z"},
        {INT64_C(4102444800000), "2100-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(253402300800000), "10000-01-01T00:00:00.000Z"},
        {INT64_C(-2208988800000), "1900-01-01T00:00:00.000Z"},
        {INT64_C(-2208988800001), "1899-12-31T23:59:59.999Z"},
    };
    char text[CLOCK_TEXT_SIZE];
    for (size_t i = 0; i < LENGTH(moments); i++)
        assert_string_equal(clock_format(moments[i].ms, text), moments[i].text);
}

static void the_time_zone_makes_no_difference(void **state)
{
    char text[CLOCK_TEXT_SIZE];
    assert_int_equal(setenv("TZ", "Asia/Kathmandu", 1), 0);
    tzset();
    assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000Z");
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void whatever_a_wrong_clock_shows_fits(void **state)
{
    static const int64_t moments[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX / 1000};
    char text[CLOCK_TEXT_SIZE];
    for (size_t i = 0; i < LENGTH(moments); i++) {
        clock_format(moments[i], text);
        assert_true(strnlen(text, sizeof text) < sizeof text);
        assert_int_equal(text[strlen(text) - 1], 'Z');
    }
}

static void now_is_what_time_says(void **state)
{
    int64_t before = (int64_t)time(NULL), now = clock_now_ms() / 1000, after = (int64_t)time(NULL);
    assert_in_range(now, before - 1, after + 1);
}

static void the_monotonic_clock_counts_milliseconds(void **state)
{
    int64_t before = clock_monotonic_ms();
    support_sleep_ms(30);
    assert_true(clock_monotonic_ms() - before >= 29);
}

int clock_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_as_rfc_3339_in_utc),
        cmocka_unit_test(the_time_zone_makes_no_difference),
        cmocka_unit_test(whatever_a_wrong_clock_shows_fits),
        cmocka_unit_test(now_is_what_time_says),
        cmocka_unit_test(the_monotonic_clock_counts_milliseconds),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
