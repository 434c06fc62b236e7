/* progress: since when a thread has had something to do without getting on. */
#include "config.h"

#include "progress.h"

#include "moment.h"

void progress_begin(struct progress *progress)
{
    int_fast64_t nothing = 0;
    atomic_compare_exchange_strong_explicit(&progress->since_ms, &nothing, moment_monotonic_ms(),
                                            memory_order_relaxed, memory_order_relaxed);
}

void progress_step(struct progress *progress)
{
    atomic_store_explicit(&progress->since_ms, moment_monotonic_ms(), memory_order_relaxed);
}

void progress_rest(struct progress *progress)
{
    atomic_store_explicit(&progress->since_ms, 0, memory_order_relaxed);
}

bool progress_is_stuck(const struct progress *progress, int64_t limit_ms)
{
    int64_t since_ms = atomic_load_explicit(&progress->since_ms, memory_order_relaxed);
    return since_ms != 0 && moment_monotonic_ms() - since_ms > limit_ms;
}
