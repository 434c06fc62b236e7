/* metrics: what this process has counted since it started.
 *
 * All functions are thread-safe; a counter is one relaxed atomic. */
#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>

/* X(name, help): every counter, documented where it is defined. */
#define METRICS_TABLE(X)                                                                     \
    X(connections, "connections accepted")                                                   \
    X(requests, "requests read whole")                                                       \
    X(answers_200, "answers 200: kept, repeated or quarantined")                             \
    X(answers_4xx, "answers 400 to 499")                                                     \
    X(answers_503, "answers 503: could not be kept")                                         \
    X(unanswered, "answers that the web server did not take (the notification comes again)") \
    X(broken_streams, "connections closed because what came was no FastCGI, or too slow")    \
    X(batches, "transactions committed")                                                     \
    X(store_faults, "transactions or probes that failed")                                    \
    X(log_lines, "log lines written")                                                        \
    X(log_lines_dropped, "log lines dropped because their reader stalled or went away")

enum metric {
#define X(name, help) METRIC_##name,
    METRICS_TABLE(X)
#undef X
        METRIC_COUNT
};

struct metrics; /* one for the process, made in main */

/* Gives a set of counters at zero, or NULL when memory is short. Free with metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* Adds AMOUNT to a counter. METRICS may be NULL (a test that does not count). */
void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount);

/* The counter's value now; 0 where METRICS is NULL. */
uint64_t metrics_read(const struct metrics *metrics, enum metric metric);

/* The counter's name and its help text, from the table above. */
const char *metrics_name(enum metric metric);
const char *metrics_help(enum metric metric);

#endif
