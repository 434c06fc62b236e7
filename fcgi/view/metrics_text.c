/* metrics_text: metrics for Prometheus, in its text format 0.0.4. */
#include "config.h"

#include "view/metrics_text.h"

#include "base/utf8.h"
#include "store/lists.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "upgrade_receiver_"

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_words[] = {"counter", "gauge", "histogram"};

/* A family of samples. The name of a counter excludes its _total. */
struct family {
    enum kind kind;
    const char *name;
    const char *help;
};

/* --- format ----------------------------------------------------------------------------------- */

/* The suffix of all sample names in a family. */
static const char *suffix_of(enum kind kind)
{
    return kind == COUNTER ? "_total" : "";
}

static void put_family(struct buffer *out, const struct family *family)
{
    const char *suffix = suffix_of(family->kind);
    buffer_addf(out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n", family->name, suffix,
                family->help, family->name, suffix, kind_words[family->kind]);
}

/* Writes a label's value. Escapes the three special characters, and writes U+FFFD for a byte that
 * is not UTF-8. */
static void put_label_value(struct buffer *out, const char *value)
{
    for (size_t left = strlen(value); left > 0;) {
        size_t length = utf8_length(value, left);
        if (length == 0)
            buffer_add_string(out, "\xEF\xBF\xBD");
        else if (*value == '\n')
            buffer_add_string(out, "\\n");
        else if (*value == '"' || *value == '\\')
            buffer_addf(out, "\\%c", *value);
        else
            buffer_add(out, value, length);
        value += length == 0 ? 1 : length;
        left -= length == 0 ? 1 : length;
    }
}

/* Labels are pairs of name and value. A NULL ends them. A label with the value "" is left out. */
static void put_labels(struct buffer *out, const char *const *labels)
{
    char before = '{';
    for (; labels != NULL && labels[0] != NULL; labels += 2) {
        if (labels[1][0] == '\0')
            continue;
        buffer_addf(out, "%c%s=\"", before, labels[0]);
        put_label_value(out, labels[1]);
        buffer_add(out, "\"", 1);
        before = ',';
    }
    if (before == ',')
        buffer_add(out, "}", 1);
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Writes VALUE divided by SCALE. Uses no floats: an application may have set a locale. */
static void put_number(struct buffer *out, int64_t value, int64_t scale)
{
    long long size = value < 0 ? -value : value;
    buffer_addf(out, " %s%lld", value < 0 ? "-" : "", size / scale);
    int digits = 0;
    for (int64_t i = scale; i > 1; i /= 10)
        digits++;
    if (digits > 0)
        buffer_addf(out, ".%0*lld", digits, size % scale);
    buffer_add(out, "\n", 1);
}

static void put_scaled(struct buffer *out, const struct family *family, const char *const *labels,
                       int64_t value, int64_t scale)
{
    buffer_addf(out, PREFIX "%s%s", family->name, suffix_of(family->kind));
    put_labels(out, labels);
    put_number(out, value, scale);
}

static void put(struct buffer *out, const struct family *family, const char *const *labels,
                int64_t value)
{
    put_scaled(out, family, labels, value, 1);
}

/* Writes a family of one sample, which is VALUE divided by SCALE. */
static void put_one(struct buffer *out, enum kind kind, const char *name, const char *help,
                    int64_t value, int64_t scale)
{
    const struct family family = {kind, name, help};
    put_family(out, &family);
    put_scaled(out, &family, NULL, value, scale);
}

/* --- metrics of the process ------------------------------------------------------------------- */

static void put_counters(struct buffer *out, const struct metrics *metrics)
{
    const struct family answers = {COUNTER, "answers", "answers to the platform, by status"};
    put_family(out, &answers);
    for (int i = 0; i < METRIC_COUNT; i++) {
        enum metric metric = (enum metric)i;
        char code[16];
        int status = metrics_describe(metric).answer;
        snprintf(code, sizeof code, "%d", status);
        if (status != 0)
            put(out, &answers, LABELS("code", code), (int64_t)metrics_read(metrics, metric));
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        enum metric metric = (enum metric)i;
        const struct metrics_description what = metrics_describe(metric);
        if (what.answer == 0)
            put_one(out, COUNTER, what.name, what.help, (int64_t)metrics_read(metrics, metric), 1);
    }
}

/* Writes a bound as a number with a point, always in the same form: 0.0005, 1.0. */
static void format_bound(uint64_t bound, uint64_t scale, char text[32])
{
    int length = snprintf(text, 32, "%llu.", (unsigned long long)(bound / scale));
    do {
        bound = bound % scale * 10;
        text[length++] = (char)('0' + bound / scale);
    } while (bound % scale != 0);
    text[length] = '\0';
}

static void put_histogram(struct buffer *out, const struct metrics *metrics,
                          enum metric_histogram histogram)
{
    const struct metrics_description what = metrics_describe_histogram(histogram);
    const struct family family = {HISTOGRAM, what.name, what.help};
    struct metrics_distribution now;
    metrics_read_histogram(metrics, histogram, &now);
    put_family(out, &family);
    uint64_t below = 0;
    for (size_t i = 0; i < now.buckets; i++) {
        char bound[32] = "+Inf";
        if (i < now.buckets - 1)
            format_bound(now.bounds[i], what.scale, bound);
        below += now.counts[i];
        buffer_addf(out, PREFIX "%s_bucket{le=\"%s\"} %llu\n", what.name, bound,
                    (unsigned long long)below);
    }
    buffer_addf(out, PREFIX "%s_count %llu\n" PREFIX "%s_sum", what.name, (unsigned long long)below,
                what.name);
    put_number(out, (int64_t)now.sum, (int64_t)what.scale);
}

static void put_process(struct buffer *out, const struct view_process *process)
{
    const struct metrics *metrics = process->metrics;
    const struct family build = {GAUGE, "build_info", "the receiver's version"};
    put_family(out, &build);
    put(out, &build, LABELS("version", process->version), 1);
    put_one(out, GAUGE, "start_time_seconds", "when the process started, since 1970",
            process->start_ms, 1000);
    put_one(out, GAUGE, "store_writable",
            "1: the store takes notifications, as the last write told",
            process->store_fault == NULL, 1);
    put_one(out, GAUGE, "quarantine_held_limit", "bodies that quarantine can hold",
            (int64_t)process->quarantine_max, 1);
    put_one(out, GAUGE, "quarantine_limit_bytes", "bytes that quarantine can hold",
            (int64_t)process->quarantine_bytes_max, 1);
    for (enum metric_gauge gauge = 0; gauge < METRIC_GAUGE_COUNT; gauge++) {
        const struct metrics_description what = metrics_describe_gauge(gauge);
        put_one(out, GAUGE, what.name, what.help, (int64_t)metrics_read_gauge(metrics, gauge), 1);
    }
    put_counters(out, metrics);
    for (int i = 0; i < METRIC_HISTOGRAM_COUNT; i++)
        put_histogram(out, metrics, (enum metric_histogram)i);
}

static void put_shared_books(struct buffer *out, const struct view_books *books)
{
    put_one(out, GAUGE, "books_away", "1: answers do not wait for the shared books, which are away",
            strcmp(books->state, "confirming") != 0, 1);
    put_one(out, GAUGE, "books_behind_records", "entries that the shared books have not confirmed",
            books->behind_records, 1);
    put_one(out, GAUGE, "books_behind_seconds", "since the first of those was received",
            books->behind_ms, 1000);
    put_one(out, GAUGE, "books_copy_behind_records",
            "entries of the shared books that this machine's copy does not have, as last seen",
            books->copy_behind_records, 1);
    put_one(out, GAUGE, "books_copy_behind_seconds",
            "since the copy had all of them for the last time", books->copy_behind_ms, 1000);
}

/* --- metrics of the store --------------------------------------------------------------------- */

static int put_kinds(struct buffer *out, struct store_reader *reader)
{
    static const struct family notifications = {COUNTER, "notifications",
                                                "notifications kept, by notifyType and result"};
    struct store_rows rows = store_list_type_counts(reader, NULL);
    struct store_type_count_row row;
    put_family(out, &notifications);
    while (store_next_type_count(&rows, &row))
        put(out, &notifications, LABELS("type", row.notify_type, "result", row.result), row.count);
    return store_rows_end(&rows, NULL);
}

static const struct family operation_upgrades = {GAUGE, "operation_upgrades",
                                                 "upgrades of the latest operations, by state"},
                           operation_change = {
                               GAUGE, "operation_last_change_timestamp_seconds",
                               "when the latest operations last changed, since 1970"};

/* Room for a cut id: its beginning, the ellipsis, an operation's number and a NUL. */
#define ID_ROOM (EXPOSITION_ID_MAX + sizeof "…" + 20)

/* Writes into ROOM the label value for an id of the operation with the number NUMBER. An id that is
 * cut ends with the number: it is longer than any whole id and differs from all other cut ones. */
static const char *label_id(const char *id, int64_t number, char room[ID_ROOM])
{
    size_t length = utf8_cut(id, EXPOSITION_ID_MAX);
    if (id[length] == '\0')
        return id;
    snprintf(room, ID_ROOM, "%.*s…%lld", (int)length, id, (long long)number);
    return room;
}

/* Writes the samples of one operation: its upgrades, or its last change. */
static void put_operation(struct buffer *out, bool change, const struct store_operation_row *row)
{
    char app_room[ID_ROOM], operation_room[ID_ROOM];
    const char *app = label_id(row->app_id, row->id, app_room),
               *operation = label_id(row->operation_id, row->id, operation_room);
    const struct {
        const char *state;
        int64_t count;
    } states[] = {
        {"IN_PROGRESS", row->in_progress}, {"SUCCESS", row->success}, {"FAIL", row->fail}};
    if (change)
        put_scaled(out, &operation_change, LABELS("app", app, "operation", operation), row->last_ms,
                   1000);
    for (size_t i = 0; !change && i < sizeof states / sizeof states[0]; i++)
        put(out, &operation_upgrades,
            LABELS("app", app, "operation", operation, "state", states[i].state), states[i].count);
}

/* Writes one family of the latest operations after the other. */
static int put_operations(struct buffer *out, struct store_reader *reader)
{
    for (int change = 0; change < 2; change++) {
        struct store_rows rows = store_list_operations(reader, NULL, EXPOSITION_OPERATIONS, NULL);
        struct store_operation_row row;
        for (bool first = true; store_next_operation(&rows, &row); first = false) {
            if (first)
                put_family(out, change ? &operation_change : &operation_upgrades);
            put_operation(out, change, &row);
        }
        if (store_rows_end(&rows, NULL) != 0)
            return -1;
    }
    return 0;
}

static void put_overview(struct buffer *out, const struct store_overview *overview, int64_t now_ms)
{
    const struct store_totals *totals = &overview->totals;
    const struct family upgrades = {GAUGE, "upgrades", "upgrades by state"},
                        backlog = {GAUGE, "cursor_backlog",
                                   "notifications that an application was not told yet"},
                        full = {GAUGE, "quarantine_full",
                                "1: quarantine had no room for the last body of that kind"};
    put_one(out, COUNTER, "repeats", "deliveries of what had been kept before", totals->repeats, 1);
    put_one(out, COUNTER, "quarantined", "bodies that were no notification we know",
            totals->quarantined, 1);
    put_one(out, COUNTER, "quarantine_log_only",
            "of those, for which quarantine had no room: they went to the log alone",
            totals->quarantine_log_only, 1);
    put_one(out, GAUGE, "quarantine_held", "bodies in quarantine now", totals->quarantine_held, 1);
    put_one(out, GAUGE, "quarantine_bytes", "bytes of the bodies in quarantine now",
            totals->quarantine_bytes, 1);
    put_one(out, GAUGE, "upgrades_contradictory",
            "upgrades whose result and versions do not fit together", totals->contradictory, 1);
    put_family(out, &upgrades);
    put(out, &upgrades, LABELS("state", "IN_PROGRESS"), totals->in_progress);
    put(out, &upgrades, LABELS("state", "SUCCESS"), totals->success);
    put(out, &upgrades, LABELS("state", "FAIL"), totals->fail);
    put_family(out, &full);
    put(out, &full, LABELS("notify_type", "known"), totals->quarantine_full_ms != 0);
    put(out, &full, LABELS("notify_type", "unknown"), totals->quarantine_unknown_full_ms != 0);
    if (overview->cursors_length > 0)
        put_family(out, &backlog);
    for (size_t i = 0; i < overview->cursors_length; i++)
        put(out, &backlog, LABELS("application", overview->cursors[i].name),
            totals->seq - overview->cursors[i].at.seq);
    if (totals->last_ms != 0) {
        /* If the clock was set back, the age is 0, never negative. */
        int64_t age_ms = now_ms - totals->last_ms;
        put_one(out, GAUGE, "last_notification_age_seconds",
                "since a notification or a repeat was last received", age_ms > 0 ? age_ms : 0,
                1000);
    }
}

static int put_books(struct buffer *out, struct store_reader *reader, int64_t now_ms,
                     int64_t limit_ms)
{
    struct store_overview overview;
    int64_t bytes = 0, log_bytes = 0, holder;
    int result = -1;
    if (store_read_begin(reader, limit_ms, NULL) == 0 && put_kinds(out, reader) == 0 &&
        put_operations(out, reader) == 0 && store_read_overview(reader, &overview, NULL) == 0 &&
        store_read_size(reader, &bytes, NULL) == 0 &&
        store_read_log(reader, &log_bytes, &holder, NULL) == 0)
        result = 0;
    store_read_end(reader);
    if (result != 0)
        return -1;
    put_overview(out, &overview, now_ms);
    put_one(out, GAUGE, "store_bytes", "the store's files on disk: the main file and its log",
            bytes, 1);
    put_one(out, GAUGE, "store_log_bytes",
            "the store's log on disk: it grows while somebody reads an old state", log_bytes, 1);
    return 0;
}

/* --- the whole exposition --------------------------------------------------------------------- */

void exposition_write(const struct view_process *process, struct store_reader *reader,
                      int64_t limit_ms, struct buffer *out)
{
    size_t before = out->length;
    bool readable = put_books(out, reader, process->now_ms, limit_ms) == 0;
    if (!readable)
        out->length = before;
    put_one(out, GAUGE, "store_up", "1: the store could be read just now", readable, 1);
    put_process(out, process);
    if (process->books != NULL)
        put_shared_books(out, process->books);
}
