/* metrics: what this process has counted since it started. */
#include "config.h"

#include "metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

struct metrics {
    atomic_uint_fast64_t counters[METRIC_COUNT];
};

struct metrics *metrics_new(void)
{
    return calloc(1, sizeof(struct metrics));
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

static const struct {
    const char *name;
    const char *help;
} descriptions[] = {
#define X(name, help) {#name, help},
    METRICS_TABLE(X)
#undef X
};

const char *metrics_name(enum metric metric)
{
    return descriptions[metric].name;
}

const char *metrics_help(enum metric metric)
{
    return descriptions[metric].help;
}
