/* Counters: named, documented, and exact when many threads count. */
#include "config.h"

#include "metrics.h"
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
    assert_int_equal(metrics_read(NULL, METRIC_requests), 0);
    metrics_free(NULL);
}

static void every_counter_has_a_name_of_its_own_and_a_help_text(void **state)
{
    assert_string_equal(metrics_name(METRIC_store_faults), "store_faults");
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        const char *name = metrics_name((enum metric)metric);
        assert_true(strlen(metrics_help((enum metric)metric)) > 10);
        assert_true(strlen(name) > 0);
        for (const char *c = name; *c != '\0'; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        for (int other = 0; other < metric; other++)
            assert_string_not_equal(name, metrics_name((enum metric)other));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_begin_at_zero_and_count_apart),
        cmocka_unit_test(a_test_that_does_not_count_may_pass_null),
        cmocka_unit_test(every_counter_has_a_name_of_its_own_and_a_help_text),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
