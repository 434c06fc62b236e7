/* metrics: the counters of this process since it started.
 *
 * All functions are thread-safe. A number is one relaxed atomic. METRICS may be NULL in every call
 * (in tests): then nothing is counted, and all values read 0. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, answer, help): every counter, with its description. ANSWER is the HTTP status whose
 * answers to the platform it counts, 0 if it counts something else. */
#define METRICS_TABLE(X)                                                                          \
    X(connections, 0, "connections accepted")                                                     \
    X(requests, 0, "requests read whole")                                                         \
    X(answers_200, 200, "answers 200: kept, repeated or quarantined")                             \
    X(answers_400, 400, "answers 400: the body did not arrive whole, or was no JSON object")      \
    X(answers_401, 401, "answers 401: not signed as it should be")                                \
    X(answers_404, 404, "answers 404: no callback path")                                          \
    X(answers_405, 405, "answers 405: another method than POST")                                  \
    X(answers_413, 413, "answers 413: larger than the limit")                                     \
    X(answers_422, 422, "answers 422: breaks its schema")                                         \
    X(answers_503, 503, "answers 503: could not be kept")                                         \
    X(misdirected, 0, "POSTs on a path that is no callback path, or not one of the web server's") \
    X(near_misses, 0, "of those, on a path that is nearly a callback path")                       \
    X(unanswered, 0, "answers that the web server did not take (the notification comes again)")   \
    X(views, 0, "requests for pages, documents, metrics and health")                              \
    X(views_refused, 0, "of those, answered 503 because too many came at once")                   \
    X(broken_streams, 0, "connections closed because what came was no FastCGI, or too slow")      \
    X(batches, 0, "transactions committed")                                                       \
    X(quarantine_refused, 0,                                                                      \
      "bodies answered 503: quarantine was full, and the log reached nobody")                     \
    X(store_faults, 0, "transactions or probes that failed")                                      \
    X(log_lines, 0, "log lines written")                                                          \
    X(log_lines_dropped, 0,                                                                       \
      "log lines lost: their reader stalled or went away, or no file took them")

/* X(name, help): values that rise and fall. */
#define METRICS_GAUGES(X)                                                                     \
    X(refused_in_a_row, "answers to the platform in a row that were not 200: it acts at ten") \
    X(log_fault, "1: log lines reach nobody, or not the file that --log names")

/* X(name, scale, bounds, help): histograms. Values are whole numbers. SCALE of them make one of the
 * unit at the end of the name. BOUNDS are the upper ends of the buckets. One more bucket follows
 * the last. */
#define METRICS_HISTOGRAMS(X)                                                        \
    X(commit_batch_records, 1, (1, 2, 4, 8, 16, 32, 64, 128, 256),                   \
      "records kept by one transaction")                                             \
    X(commit_seconds, 1000000,                                                       \
      (500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000), \
      "how long such a transaction took, from taking its turn until it was synced to disk")

enum metric {
#define X(name, answer, help) METRIC_##name,
    METRICS_TABLE(X)
#undef X
        METRIC_COUNT
};

enum metric_gauge {
#define X(name, help) METRIC_GAUGE_##name,
    METRICS_GAUGES(X)
#undef X
        METRIC_GAUGE_COUNT
};

enum metric_histogram {
#define X(name, scale, bounds, help) METRIC_HISTOGRAM_##name,
    METRICS_HISTOGRAMS(X)
#undef X
        METRIC_HISTOGRAM_COUNT
};

/* Most buckets of a histogram, including the one above the last bound. */
#define METRICS_BUCKETS_MAX 16

struct metrics; /* one for the process, made in main */

/* Makes a set of numbers at zero. NULL if memory is short. Free with metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* When METRICS was made, in ms since 1970: when the process started. */
int64_t metrics_start_ms(const struct metrics *metrics);

/* Adds AMOUNT to a counter. */
void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount);

/* The counter's current value. */
uint64_t metrics_read(const struct metrics *metrics, enum metric metric);

/* Counts one answer in the counter of its STATUS. If it WEIGHS, also updates refused_in_a_row: a
 * 200 sets it to 0, any other status adds 1.
 *
 * An answer weighs if it shows how the platform's own notifications are answered. So no other
 * sender can raise the alarm or silence it. With --token-file, every answer to a signed request
 * weighs: only the platform can sign. Without tokens, any sender can send anything. Then an answer
 * weighs only if it does not depend on the sender or the content: the answer to a notification that
 * matches its schema and has an accepted appId. The receiver keeps it (200) or cannot (503), and
 * would do the same with the platform's. Noise (quarantined, cut, too large) never weighs, nor does
 * a wrong path or method. */
void metrics_count_answer(struct metrics *metrics, int status, bool weighs);

/* Set and read a gauge. */
void metrics_set_gauge(struct metrics *metrics, enum metric_gauge gauge, uint64_t value);
uint64_t metrics_read_gauge(const struct metrics *metrics, enum metric_gauge gauge);

/* Counts VALUE in a histogram. */
void metrics_observe(struct metrics *metrics, enum metric_histogram histogram, uint64_t value);

/* The current state of a histogram. If other threads count meanwhile, the sum may differ from the
 * buckets by one value. */
struct metrics_distribution {
    const uint64_t *bounds;               /* of all buckets except the last */
    size_t buckets;                       /* including the one above the last bound */
    uint64_t counts[METRICS_BUCKETS_MAX]; /* values in each bucket alone */
    uint64_t count, sum;
};
void metrics_read_histogram(const struct metrics *metrics, enum metric_histogram histogram,
                            struct metrics_distribution *distribution);

/* A row of the tables above. */
struct metrics_description {
    const char *name, *help;
    uint64_t scale; /* of a histogram: values to one unit */
    int answer;     /* of a counter: the status whose answers it counts; 0: none */
};
struct metrics_description metrics_describe(enum metric metric);
struct metrics_description metrics_describe_gauge(enum metric_gauge gauge);
struct metrics_description metrics_describe_histogram(enum metric_histogram histogram);

#endif
