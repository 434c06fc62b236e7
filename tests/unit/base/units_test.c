/* Measure: times, shares and numbers as people type them, and ages as they read them. */
#include "config.h"

#include "base/units.h"
#include "support.h"

#include <string.h>

#define NOW INT64_C(1767323045000) /* 2026-01-02T03:04:05Z */
#define DAY INT64_C(86400000)

static void expect_time(const char *word, int64_t expected)
{
    struct fault fault = FAULT_NONE;
    int64_t ms = -1;
    if (units_time(word, NOW, &ms, &fault) != 0)
        fail_msg("%s: %s", word, fault.text);
    assert_int_equal(ms, expected);
}

static void times_are_read_in_every_form(void **state)
{
    expect_time("2026-01-02T03:04:05Z", NOW);
    expect_time("2026-01-02t03:04:05z", NOW);
    expect_time("2026-01-02 03:04:05Z", NOW);
    expect_time("2026-01-02T03:04:05.678Z", NOW + 678);
    expect_time("2026-01-02T03:04:05.6789999Z", NOW + 678);
    expect_time("2026-01-02T05:34:05+02:30", NOW);
    expect_time("2026-01-01T22:04:05-05:00", NOW);
    expect_time("2026-01-02", NOW - 3 * 3600000 - 4 * 60000 - 5000);
    expect_time("1970-01-01", 0);
    expect_time("2024-02-29", INT64_C(1709164800000));
    expect_time("9999-12-31T23:59:59Z", INT64_C(253402300799000));
    expect_time("45s", NOW - 45000);
    expect_time("30m", NOW - 1800000);
    expect_time("30min", NOW - 1800000);
    expect_time("2h", NOW - 7200000);
    expect_time("7d", NOW - 7 * DAY);
    expect_time("2w", NOW - 14 * DAY);
    expect_time("0s", NOW);
    expect_time("1h30m", NOW - 5400000);
    expect_time("1d2h3min4s", NOW - DAY - 7384000);
    expect_time("3 min", NOW - 180000);
    expect_time("3 min ago", NOW - 180000);
    expect_time("today", NOW - 3 * 3600000 - 4 * 60000 - 5000);
    expect_time("yesterday", NOW - 3 * 3600000 - 4 * 60000 - 5000 - DAY);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const words[] = {
        "",
        "now",
        "5",
        "-5m",
        "+5m",
        "ago",
        "5m ",
        "5m  ago",
        "30m1h",
        "1h1h",
        "1m30min",
        "1h30",
        "Today",
        "today ago",
        "20000d9223372036854775807s",
        "5y",
        "5mm",
        "h",
        "1.5h",
        "2026",
        "2026-1-2",
        "2026-01-02T",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T24:00:00Z",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-02-29",
        "2100-02-29",
        "2026-04-31",
        "1969-12-31",
        "1970-01-01T00:00:00+01:00",
        "99999999999999999999d",
        "9223372036854775807w",
        "30000d",
        "2026-01-02 ",
        " 2026-01-02",
    };
    for (size_t i = 0; i < LENGTH(words); i++) {
        struct fault fault = FAULT_NONE;
        int64_t ms = 7;
        if (units_time(words[i], NOW, &ms, &fault) == 0)
            fail_msg("'%s' is a time: %lld", words[i], (long long)ms);
        assert_int_equal(ms, 7);
        support_assert_fault(&fault, "not a time");
    }
}

static void shares_are_percentages_with_their_sign(void **state)
{
    static const struct {
        const char *word;
        int64_t millionths;
    } shares[] = {{"5%", 50000},        {"0%", 0},      {"0.25%", 2500},
                  {"99.9999%", 999999}, {"0.0001%", 1}, {"12.5%", 125000}};
    for (size_t i = 0; i < LENGTH(shares); i++) {
        int64_t share = -1;
        assert_int_equal(units_share(shares[i].word, &share, NULL), 0);
        assert_int_equal(share, shares[i].millionths);
    }
}

static void a_share_that_would_never_be_passed_is_refused(void **state)
{
    static const char *const words[] = {"",      "5",
                                        "%",     "5 %",
                                        " 5%",   "-5%",
                                        "+5%",   "0.05",
                                        "5%%",   "5.%",
                                        ".5%",   "five",
                                        "5e0%",  "0.00001%",
                                        "nan%",  "inf%",
                                        "0x5%",  "5,5%",
                                        "100%",  "101%",
                                        "1000%", "99999999999999999999%",
                                        "5%x",   "100.0%"};
    for (size_t i = 0; i < LENGTH(words); i++) {
        struct fault fault = FAULT_NONE;
        int64_t share = 7;
        if (units_share(words[i], &share, &fault) == 0)
            fail_msg("'%s' is a share: %lld", words[i], (long long)share);
        assert_int_equal(share, 7);
        assert_true(fault.set);
    }
    struct fault fault = FAULT_NONE;
    int64_t share;
    units_share("100%", &share, &fault);
    support_assert_fault(&fault, "never");
}

static void a_share_is_passed_by_more_than_itself(void **state)
{
    assert_false(units_is_above(5, 100, 50000));
    assert_true(units_is_above(6, 100, 50000));
    assert_true(units_is_above(51, 1000, 50000));
    assert_false(units_is_above(0, 100, 0));
    assert_true(units_is_above(1, 1000000, 0));
    assert_false(units_is_above(0, 0, 0));
    assert_true(units_is_above(50001, 1000000, 50000));
    assert_true(units_is_above(INT64_C(1) << 42, (INT64_C(1) << 42) + 1, 999999));
}

static void numbers_are_whole_and_not_too_small(void **state)
{
    static const char *const wrong[] = {"",    "-1",  "+1",  " 1", "1 ",
                                        "1.0", "0x1", "1e3", "x",  "9223372036854775808"};
    int64_t number = 7;
    for (size_t i = 0; i < LENGTH(wrong); i++)
        assert_int_equal(units_number(wrong[i], 0, &number, NULL), -1);
    assert_int_equal(units_number("0", 1, &number, NULL), -1);
    assert_int_equal(number, 7);
    assert_int_equal(units_number("0", 0, &number, NULL), 0);
    assert_int_equal(number, 0);
    assert_int_equal(units_number("9223372036854775807", 0, &number, NULL), 0);
    assert_int_equal(number, INT64_MAX);
}

static void ages_are_told_in_the_largest_unit(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } ages[] = {{0, "now"},           {-5000, "now"},         {999, "now"},
                {1000, "1 s"},        {119999, "119 s"},      {120000, "2 min"},
                {7199999, "119 min"}, {7200000, "2 h"},       {2 * DAY - 1, "47 h"},
                {2 * DAY, "2 d"},     {1000 * DAY, "1000 d"}, {INT64_MAX, "106751991167 d"}};
    for (size_t i = 0; i < LENGTH(ages); i++) {
        char text[UNITS_TEXT_SIZE];
        assert_string_equal(units_age(ages[i].ms, text), ages[i].text);
    }
}

static void few_are_not_none_and_most_are_not_all(void **state)
{
    static const struct {
        int64_t part, whole;
        const char *text;
    } shares[] = {{0, 0, ""},       {0, 10, "0.0%"},       {10, 10, "100.0%"},
                  {1, 3, "33.3%"},  {1, 1000000, "<0.1%"}, {999999, 1000000, ">99.9%"},
                  {1, 1000, "0.1%"}};
    for (size_t i = 0; i < LENGTH(shares); i++) {
        char text[UNITS_TEXT_SIZE];
        assert_string_equal(units_share_text(shares[i].part, shares[i].whole, text),
                            shares[i].text);
    }
}

int units_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_every_form),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(shares_are_percentages_with_their_sign),
        cmocka_unit_test(a_share_that_would_never_be_passed_is_refused),
        cmocka_unit_test(a_share_is_passed_by_more_than_itself),
        cmocka_unit_test(numbers_are_whole_and_not_too_small),
        cmocka_unit_test(ages_are_told_in_the_largest_unit),
        cmocka_unit_test(few_are_not_none_and_most_are_not_all),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
