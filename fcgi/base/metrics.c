/* metrics: the counters of this process since it started. */
#include "config.h"

#include "base/metrics.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>

struct histogram {
    atomic_uint_fast64_t counts[METRICS_BUCKETS_MAX];
    atomic_uint_fast64_t sum;
};

struct metrics {
    int64_t start_ms;
    atomic_uint_fast64_t counters[METRIC_COUNT];
    atomic_uint_fast64_t gauges[METRIC_GAUGE_COUNT];
    struct histogram histograms[METRIC_HISTOGRAM_COUNT];
};

static const struct metrics_description counters[] = {
#define X(name, answer, help) {#name, help, 1, answer},
    METRICS_TABLE(X)
#undef X
};

static const struct metrics_description gauges[] = {
#define X(name, help) {#name, help, 1, 0},
    METRICS_GAUGES(X)
#undef X
};

static const struct metrics_description histograms[] = {
#define X(name, scale, bounds, help) {#name, help, scale, 0},
    METRICS_HISTOGRAMS(X)
#undef X
};

#define LIST(...) __VA_ARGS__

#define X(name, scale, bounds, help)                          \
    static const uint64_t bounds_of_##name[] = {LIST bounds}; \
    _Static_assert(sizeof bounds_of_##name / sizeof(uint64_t) < METRICS_BUCKETS_MAX, #name);
METRICS_HISTOGRAMS(X)
#undef X

static const struct {
    const uint64_t *bounds;
    size_t length;
} bounds_of[] = {
#define X(name, scale, bounds, help) {bounds_of_##name, sizeof bounds_of_##name / sizeof(uint64_t)},
    METRICS_HISTOGRAMS(X)
#undef X
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics != NULL)
        metrics->start_ms = clock_now_ms();
    return metrics;
}

int64_t metrics_start_ms(const struct metrics *metrics)
{
    return metrics != NULL ? metrics->start_ms : 0;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount)
{
    if (metrics != NULL)
        atomic_fetch_add_explicit(&metrics->counters[metric], amount, memory_order_relaxed);
}

uint64_t metrics_read(const struct metrics *metrics, enum metric metric)
{
    if (metrics == NULL)
        return 0;
    return atomic_load_explicit(&metrics->counters[metric], memory_order_relaxed);
}

void metrics_count_answer(struct metrics *metrics, int status, bool weighs)
{
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        if (counters[metric].answer == status)
            metrics_add(metrics, (enum metric)metric, 1);
    if (metrics == NULL || !weighs)
        return;
    atomic_uint_fast64_t *refused = &metrics->gauges[METRIC_GAUGE_refused_in_a_row];
    if (status == 200)
        atomic_store_explicit(refused, 0, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refused, 1, memory_order_relaxed);
}

void metrics_set_gauge(struct metrics *metrics, enum metric_gauge gauge, uint64_t value)
{
    if (metrics != NULL)
        atomic_store_explicit(&metrics->gauges[gauge], value, memory_order_relaxed);
}

uint64_t metrics_read_gauge(const struct metrics *metrics, enum metric_gauge gauge)
{
    if (metrics == NULL)
        return 0;
    return atomic_load_explicit(&metrics->gauges[gauge], memory_order_relaxed);
}

void metrics_observe(struct metrics *metrics, enum metric_histogram histogram, uint64_t value)
{
    if (metrics == NULL)
        return;
    size_t bucket = 0;
    while (bucket < bounds_of[histogram].length && value > bounds_of[histogram].bounds[bucket])
        bucket++;
    struct histogram *of = &metrics->histograms[histogram];
    atomic_fetch_add_explicit(&of->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&of->sum, value, memory_order_relaxed);
}

void metrics_read_histogram(const struct metrics *metrics, enum metric_histogram histogram,
                            struct metrics_distribution *distribution)
{
    *distribution = (struct metrics_distribution){
        .bounds = bounds_of[histogram].bounds,
        .buckets = bounds_of[histogram].length + 1,
    };
    if (metrics == NULL)
        return;
    const struct histogram *of = &metrics->histograms[histogram];
    for (size_t i = 0; i < distribution->buckets; i++) {
        distribution->counts[i] = atomic_load_explicit(&of->counts[i], memory_order_relaxed);
        distribution->count += distribution->counts[i];
    }
    distribution->sum = atomic_load_explicit(&of->sum, memory_order_relaxed);
}

struct metrics_description metrics_describe(enum metric metric)
{
    return counters[metric];
}

struct metrics_description metrics_describe_gauge(enum metric_gauge gauge)
{
    return gauges[gauge];
}

struct metrics_description metrics_describe_histogram(enum metric_histogram histogram)
{
    return histograms[histogram];
}
