/* An operation's counters over time, in intervals that widen as it lasts. */
#include "config.h"

#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct point {
    int64_t at_ms, in_progress, success, fail;
};

struct points {
    struct point list[STORE_TIMELINE_MAX + 1];
    size_t length;
    int64_t width_ms;
};

static struct points read_points(struct store_reader *reader, int64_t operation)
{
    struct points points = {.length = 0};
    struct fault fault = FAULT_NONE;
    struct store_rows rows = store_list_timeline(reader, operation, &fault);
    struct store_timeline_row row;
    while (store_next_timeline(&rows, &row)) {
        assert_true(points.length < STORE_TIMELINE_MAX);
        points.list[points.length++] = (struct point){row.at_ms, row.in_progress, row.success,
                                                      row.fail};
        points.width_ms = row.width_ms;
    }
    lists_must(store_rows_end(&rows, NULL), &fault);
    return points;
}

/* What holds for every pace, whatever the clock did. */
static void assert_sound(struct books *books, struct store_reader *reader, int64_t operation)
{
    const struct points points = read_points(reader, operation);
    char sql[256];
    assert_true(points.length >= 1);
    int64_t seconds = points.width_ms / 1000;
    assert_int_equal(points.width_ms % 1000, 0);
    assert_true(seconds > 0 && (seconds & (seconds - 1)) == 0);
    for (size_t i = 1; i < points.length; i++)
        assert_true(points.list[i].at_ms >= points.list[i - 1].at_ms);
    snprintf(sql, sizeof sql, "SELECT in_progress, success, fail FROM operation WHERE id = %lld",
             (long long)operation);
    char *counters = books_query(books, sql), last[96];
    const struct point *end = &points.list[points.length - 1];
    snprintf(last, sizeof last, "%lld|%lld|%lld", (long long)end->in_progress,
             (long long)end->success, (long long)end->fail);
    assert_string_equal(last, counters);
    free(counters);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM timeline WHERE operation = %lld AND at %% %lld <> 0",
             (long long)operation, (long long)points.width_ms);
    books_assert(books, sql, "0");
}

/* Keeps a result of another device at AT_MS, in a batch of its own. */
static void add_at(struct books *books, int64_t at_ms, const char *result)
{
    static int device;
    char id[16];
    snprintf(id, sizeof id, "%d", device++);
    struct record *record = support_result(
        &(struct support_result){.device = id, .result = result, .current = "2.0"});
    record->received_ms = at_ms;
    books_keep_one(books, record);
    support_record_free(record);
}

static void an_operation_goes_on_second_by_second(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    books_add_progress(books, &(struct support_result){.device = "a", .received_ms = 5500}, "x");
    books_add_progress(books, &(struct support_result){.device = "b", .received_ms = 5700}, "x");
    books_add_result(books, &(struct support_result){.device = "a", .received_ms = 5999});
    books_add_result(books,
                     &(struct support_result){
                         .device = "b", .received_ms = 8000, .result = "FAIL", .current = "1"});
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    lists_must(lists_read_timeline(&lists, store_list_timeline(reader, 1, &fault), NULL), &fault);
    assert_int_equal(read_points(reader, 1).width_ms, 1000);
    lists_assert(&lists, "6000|1|1|0\n8000|0|1|1\n"); /* the end, or the last change */
    books_add_result(books, &(struct support_result){.device = "b", .received_ms = 8500});
    lists_must(lists_read_timeline(&lists, store_list_timeline(reader, 1, &fault), NULL), &fault);
    lists_assert(&lists, "6000|1|1|0\n8500|0|2|0\n");
    lists_must(lists_read_timeline(&lists, store_list_timeline(reader, 77, &fault), NULL), &fault);
    lists_assert(&lists, "");
    store_reader_free(reader);
}

/* The batch is what changes at once: the time of its last record counts. */
static void what_does_not_change_the_counters_is_no_point(void **state)
{
    struct books *books = *state;
    books_add_progress(books, &(struct support_result){.received_ms = 1000}, "x");
    books_add_progress(books, &(struct support_result){.received_ms = 9000}, "y");
    books_add_progress(books, &(struct support_result){.received_ms = 19000}, "y");
    books_assert(books, "SELECT at, in_progress, success, fail FROM timeline", "1000|1|0|0");
}

static void intervals_widen_when_an_operation_lasts(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    for (int64_t second = 0; second < 240; second++)
        if (second % 6 == 0 || second >= 234)
            add_at(books, 1000000 + second * 1000, second % 12 == 0 ? "SUCCESS" : "FAIL");
    assert_int_equal(read_points(reader, 1).width_ms, 1000);
    assert_sound(books, reader, 1);
    size_t before = read_points(reader, 1).length;
    add_at(books, 1000000 + 240 * 1000, "SUCCESS"); /* one more than 240 intervals hold */
    assert_int_equal(read_points(reader, 1).width_ms, 2000);
    assert_true(read_points(reader, 1).length < before);
    assert_sound(books, reader, 1);
    add_at(books, 1000000 + (int64_t)3 * 366 * 86400 * 1000, "SUCCESS"); /* three years */
    assert_int_equal(read_points(reader, 1).width_ms, 524288000);
    assert_sound(books, reader, 1);
    books_assert_recount(books);
    store_reader_free(reader);
}

/* Every number of intervals from one to 240 is used where changes come each second. */
static void at_most_240_intervals_are_kept(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct record *records[1];
    for (int64_t second = 0; second < 700; second += second < 236 ? 59 : 1) {
        char device[16];
        snprintf(device, sizeof device, "%lld", (long long)second);
        records[0] = support_progress(&(struct support_result){.device = device}, "x");
        records[0]->received_ms = second * 1000 + 999;
        if (second % 20 == 0 || (second > 232 && second < 248) || second > 690) {
            books_keep(books, records, 1);
            assert_sound(books, reader, 1);
        }
        support_record_free(records[0]);
    }
    assert_int_equal(read_points(reader, 1).width_ms, 4000);
    store_reader_free(reader);
}

/* The clock may say anything. */
static void a_clock_that_steps_keeps_the_pace_sound(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const int64_t times[] = {
        1764000000000,
        1764000000000,
        1763999000000,
        1764000001000,
        0,
        1764000002000,
        -5000,
        -1,
        1,
        1764000002000,
        5,
        4102444800000,
        1000,
    };
    for (size_t i = 0; i < LENGTH(times); i++) {
        add_at(books, times[i], i % 3 == 0 ? "FAIL" : "SUCCESS");
        assert_sound(books, reader, 1);
    }
    books_assert(books, "SELECT min(at) FROM timeline", "0"); /* nothing is before 1970 */
    books_assert_recount(books);
    store_reader_free(reader);
}

static void what_was_received_before_1970_counts_from_then(void **state)
{
    struct books *books = *state;
    add_at(books, -5000, "SUCCESS");
    books_assert(books, "SELECT at, success FROM timeline", "0|1");
    add_at(books, 500, "SUCCESS");
    books_assert(books, "SELECT at, success FROM timeline", "0|2");
}

/* --- chance --- */

#define ROUNDS 30
#define BATCHES 20

/* Times of one operation: close together, far apart, back and forth. */
static int64_t pick_time(int64_t *now_ms, int64_t scale_ms, uint64_t *seed)
{
    int64_t step = (int64_t)(support_random(seed) % (uint64_t)scale_ms);
    switch (support_random_below(seed, 8)) {
    case 0:
        *now_ms -= step;
        break;
    case 1:
        break;
    default:
        *now_ms += step;
    }
    return *now_ms;
}

/* Batches at random times: what is shown of each interval is a plain sum over all batches. */
static void random_times_keep_the_pace_sound(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 20261125;
    static const int64_t scales_ms[] = {500, 3000, 60000, 86400000, 31536000000};
    struct record *records[16];
    for (int64_t round = 1; round <= ROUNDS; round++) {
        int64_t now_ms = support_random_below(&seed, 4) == 0 ? 10000 : 1764000000000;
        int64_t scale_ms = scales_ms[support_random_below(&seed, LENGTH(scales_ms))];
        int64_t times[BATCHES];
        size_t sizes[BATCHES];
        char operation[16];
        snprintf(operation, sizeof operation, "%lld", (long long)round);
        for (size_t batch = 0; batch < BATCHES; batch++) {
            sizes[batch] = 1 + support_random_below(&seed, LENGTH(records));
            for (size_t i = 0; i < sizes[batch]; i++) {
                char device[32];
                snprintf(device, sizeof device, "%zu.%zu", batch, i);
                records[i] = support_progress(
                    &(struct support_result){.operation = operation, .device = device}, "x");
                times[batch] = records[i]->received_ms = pick_time(&now_ms, scale_ms, &seed);
            }
            books_keep(books, records, sizes[batch]);
            support_records_free(records, sizes[batch]);
        }
        assert_sound(books, reader, round);
        const struct points points = read_points(reader, round);
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT last_at FROM operation WHERE id = %lld",
                 (long long)round);
        int64_t last_ms = books_number(books, sql);
        for (size_t p = 0; p < points.length; p++) {
            int64_t sum = 0, at_ms = points.list[p].at_ms;
            int64_t end_ms = (at_ms + points.width_ms - 1) / points.width_ms * points.width_ms;
            if (at_ms == last_ms && at_ms % points.width_ms == 0)
                end_ms += points.width_ms; /* the last change began its interval */
            for (size_t batch = 0; batch < BATCHES; batch++)
                sum += (times[batch] < 0 ? 0 : times[batch]) < end_ms ? (int64_t)sizes[batch] : 0;
            if (sum != points.list[p].in_progress && p + 1 < points.length &&
                points.list[p + 1].at_ms == at_ms)
                continue; /* two points of one time: the later one is looked at */
            assert_int_equal(sum, points.list[p].in_progress);
        }
    }
    books_assert_recount(books);
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_pace_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_operation_goes_on_second_by_second),
        TEST(what_does_not_change_the_counters_is_no_point),
        TEST(intervals_widen_when_an_operation_lasts),
        TEST(at_most_240_intervals_are_kept),
        TEST(a_clock_that_steps_keeps_the_pace_sound),
        TEST(what_was_received_before_1970_counts_from_then),
        TEST(random_times_keep_the_pace_sound),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
