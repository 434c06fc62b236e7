/* Counters: named, documented, and exact when many threads count. */
#include "config.h"

#include "base/metrics.h"
#include "support.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

static void counters_begin_at_zero_and_count_apart(void **state)
{
    struct metrics *metrics = metrics_new();
    metrics_add(metrics, METRIC_requests, 2);
    metrics_add(metrics, METRIC_requests, 3);
    metrics_add(metrics, METRIC_log_lines_dropped, UINT64_C(5000000000));
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        assert_int_equal(metrics_read(metrics, (enum metric)metric),
                         metric == METRIC_requests            ? 5
                         : metric == METRIC_log_lines_dropped ? UINT64_C(5000000000)
                                                              : 0);
    metrics_free(metrics);
}

static void a_test_that_does_not_count_may_pass_null(void **state)
{
    metrics_add(NULL, METRIC_requests, 1);
    metrics_count_answer(NULL, 503, true);
    metrics_observe(NULL, METRIC_HISTOGRAM_commit_seconds, 1);
    assert_int_equal(metrics_read_gauge(NULL, METRIC_GAUGE_refused_in_a_row), 0);
    assert_int_equal(metrics_read(NULL, METRIC_requests), 0);
    metrics_free(NULL);
}

static void every_counter_has_a_name_of_its_own_and_a_help_text(void **state)
{
    assert_string_equal(metrics_describe(METRIC_store_faults).name, "store_faults");
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        const char *name = metrics_describe((enum metric)metric).name;
        assert_true(strlen(metrics_describe((enum metric)metric).help) > 10);
        assert_true(strlen(name) > 0);
        for (const char *c = name; *c != '\0'; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        for (int other = 0; other < metric; other++)
            assert_string_not_equal(name, metrics_describe((enum metric)other).name);
    }
}

static void answers_count_by_status_and_refusals_in_a_row(void **state)
{
    struct metrics *metrics = metrics_new();
    static const int statuses[] = {200, 503, 400, 404, 401, 405, 405, 413, 422, 503};
    for (size_t i = 0; i < LENGTH(statuses); i++)
        metrics_count_answer(metrics, statuses[i], statuses[i] == 503);
    assert_int_equal(metrics_read(metrics, METRIC_answers_200), 1);
    assert_int_equal(metrics_read(metrics, METRIC_answers_503), 2);
    uint64_t answers = 0;
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (metrics_describe((enum metric)metric).answer != 0)
            answers += metrics_read(metrics, (enum metric)metric);
    assert_int_equal(answers, LENGTH(statuses));
    /* what does not weigh neither raises it nor ends it */
    assert_int_equal(metrics_read_gauge(metrics, METRIC_GAUGE_refused_in_a_row), 2);
    metrics_count_answer(metrics, 200, false);
    assert_int_equal(metrics_read_gauge(metrics, METRIC_GAUGE_refused_in_a_row), 2);
    metrics_count_answer(metrics, 200, true);
    assert_int_equal(metrics_read_gauge(metrics, METRIC_GAUGE_refused_in_a_row), 0);
    metrics_count_answer(metrics, 422, true);
    assert_int_equal(metrics_read_gauge(metrics, METRIC_GAUGE_refused_in_a_row), 1);
    metrics_free(metrics);
}

static void a_value_is_in_the_first_bucket_whose_bound_it_does_not_pass(void **state)
{
    struct metrics *metrics = metrics_new();
    struct metrics_distribution now;
    static const uint64_t values[] = {0, 1, 2, 3, 4, 256, 257, UINT64_C(1) << 40};
    for (size_t i = 0; i < LENGTH(values); i++)
        metrics_observe(metrics, METRIC_HISTOGRAM_commit_batch_records, values[i]);
    metrics_read_histogram(metrics, METRIC_HISTOGRAM_commit_batch_records, &now);
    assert_int_equal(now.buckets, 10);
    assert_int_equal(now.bounds[0], 1);
    assert_int_equal(now.bounds[8], 256);
    static const uint64_t counts[] = {2, 1, 2, 0, 0, 0, 0, 0, 1, 2};
    for (size_t i = 0; i < now.buckets; i++)
        assert_int_equal(now.counts[i], counts[i]);
    assert_int_equal(now.count, LENGTH(values));
    assert_int_equal(now.sum, 0 + 1 + 2 + 3 + 4 + 256 + 257 + (UINT64_C(1) << 40));
    metrics_free(metrics);
}

static void every_histogram_has_rising_bounds(void **state)
{
    for (int i = 0; i < METRIC_HISTOGRAM_COUNT; i++) {
        struct metrics_distribution empty;
        metrics_read_histogram(NULL, (enum metric_histogram)i, &empty);
        assert_int_equal(empty.count, 0);
        assert_true(empty.buckets > 1 && empty.buckets <= METRICS_BUCKETS_MAX);
        for (size_t bound = 1; bound < empty.buckets - 1; bound++)
            assert_true(empty.bounds[bound] > empty.bounds[bound - 1]);
    }
}

static void *count(void *metrics)
{
    for (int i = 0; i < 100000; i++)
        metrics_add(metrics, METRIC_requests, 1);
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    struct metrics *metrics = metrics_new();
    pthread_t threads[4];
    for (size_t i = 0; i < LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, metrics), 0);
    for (size_t i = 0; i < LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_read(metrics, METRIC_requests), 400000);
    metrics_free(metrics);
}

int metrics_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_begin_at_zero_and_count_apart),
        cmocka_unit_test(a_test_that_does_not_count_may_pass_null),
        cmocka_unit_test(every_counter_has_a_name_of_its_own_and_a_help_text),
        cmocka_unit_test(answers_count_by_status_and_refusals_in_a_row),
        cmocka_unit_test(a_value_is_in_the_first_bucket_whose_bound_it_does_not_pass),
        cmocka_unit_test(every_histogram_has_rising_bounds),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
