/* overview: the views of the whole store: all operations, what is found, what is in quarantine. */
#include "config.h"

#include "view/pages.h"

#include "base/clock.h"
#include "base/csv.h"
#include "base/json_writer.h"

#include <stdio.h>
#include <unistd.h>

static void add_process(struct buffer *out, const struct view_process *process)
{
    if (process == NULL) {
        json_add_null(out, "receiver");
        return;
    }
    json_open(out, "receiver", '{');
    json_add_string(out, "version", process->version);
    json_add_number(out, "pid", getpid());
    json_add_string(out, "storeFault", process->store_fault);
    json_add_number(out, "logLinesDropped",
                    (int64_t)metrics_read(process->metrics, METRIC_log_lines_dropped));
    json_add_number(out, "refusedInARow",
                    (int64_t)metrics_read_gauge(process->metrics, METRIC_GAUGE_refused_in_a_row));
    json_add_number(out, "nearMisses", (int64_t)metrics_read(process->metrics, METRIC_near_misses));
    json_add_number(out, "quarantineMax", (int64_t)process->quarantine_max);
    json_add_number(out, "quarantineBytesMax", (int64_t)process->quarantine_bytes_max);
    json_close(out, '}');
}

enum view_result view_overview(struct store_reader *reader, const struct view_query *query,
                               struct buffer *out, struct store_page_token *next,
                               struct fault *fault)
{
    const size_t bound = view_bound(out);
    struct store_overview overview;
    const struct store_page_token after = view_after(query);
    if (store_read_overview(reader, &overview, fault) != 0)
        return VIEW_FAILED;
    json_open(out, NULL, '{');
    view_add_totals(out, &overview.totals);
    view_add_applications(out, &overview);
    add_process(out, query->process);
    view_add_books(out, query->process == NULL ? NULL : query->process->books);
    view_open_rows(out, query, "operations");
    struct store_rows rows = store_list_operations(reader, &after, view_limit(query), fault);
    struct store_operation_row row;
    int result = 0;
    while (result == 0 && out->length <= bound && store_next_operation(&rows, &row))
        result = view_add_operation(reader, query, &row, out, fault);
    enum view_result ended = view_end_page(out, query, &rows, next, fault);
    return result == 0 ? ended : VIEW_FAILED;
}

/* Counts a device's upgrades, up to STORE_PAGE_MAX, and its notifications without an operation, up
 * to 1. */
static int count_device(struct store_reader *reader, const char *device_id, size_t *upgrades,
                        size_t *news, struct fault *fault)
{
    struct store_upgrade_row upgrade;
    struct store_kept kept;
    struct store_rows rows = store_list_device(reader, device_id, NULL, STORE_PAGE_MAX, fault);
    for (*upgrades = 0; store_next_upgrade(&rows, &upgrade);)
        ++*upgrades;
    if (store_rows_end(&rows, NULL) != 0)
        return -1;
    rows = store_list_notifications(reader, device_id, 0, NULL, 1, fault);
    *news = store_next_notification(&rows, &kept) ? 1 : 0;
    return store_rows_end(&rows, NULL);
}

enum view_result view_search(struct store_reader *reader, const struct view_query *query,
                             struct buffer *out, struct store_page_token *next, struct fault *fault)
{
    const size_t bound = view_bound(out);
    size_t upgrades, news;
    if (query->search == NULL || query->search[0] == '\0') {
        fault_set(fault, "q: is missing");
        return VIEW_MISUSED;
    }
    json_open(out, NULL, '{');
    json_open(out, "operations", '[');
    struct store_rows rows = store_find_operations(
        reader, NULL, query->search, true, query->limit > 0 ? query->limit : VIEW_FOUND, fault);
    struct store_operation_row row;
    int result = 0;
    while (result == 0 && out->length <= bound && store_next_operation(&rows, &row))
        result = view_add_operation(reader, query, &row, out, fault);
    if (store_rows_end(&rows, NULL) != 0 || result != 0 ||
        count_device(reader, query->search, &upgrades, &news, fault) != 0)
        return VIEW_FAILED;
    next->text[0] = '\0';
    json_close(out, ']');
    if (upgrades > 0 || news > 0) {
        json_open(out, "device", '{');
        view_add_text(out, "deviceId", query->search, VIEW_ID_MAX);
        json_add_number(out, "upgrades", (int64_t)upgrades);
        json_close(out, '}');
    } else {
        json_add_null(out, "device");
    }
    view_end(out);
    return VIEW_DONE;
}

/* --- quarantine ------------------------------------------------------------------------------- */

/* Adds the reasons of all bodies, with the number of each. */
static int add_reasons(struct store_reader *reader, struct buffer *out, struct fault *fault)
{
    struct store_rows rows = store_list_reasons(reader, VIEW_REASONS, fault);
    struct store_reason_row row;
    json_open(out, "reasons", '[');
    while (store_next_reason(&rows, &row)) {
        json_open(out, NULL, '{');
        view_add_text(out, "reason", row.reason, VIEW_TEXT_MAX);
        json_add_number(out, "count", row.count);
        json_close(out, '}');
    }
    json_close(out, ']');
    return store_rows_end(&rows, NULL);
}

static void add_quarantined_line(struct buffer *out, const struct store_quarantined_row *row)
{
    struct view_room room;
    char id[32], time[CLOCK_TEXT_SIZE], bytes[32];
    snprintf(id, sizeof id, "%lld", (long long)row->id);
    snprintf(bytes, sizeof bytes, "%zu", row->body_length);
    csv_add_field(out, id, true);
    csv_add_field(out, clock_format(row->received_ms, time), false);
    csv_add_field(out, view_cut(row->reason, VIEW_TEXT_MAX, &room), false);
    csv_add_field(out, view_cut(row->pointer, VIEW_TEXT_MAX, &room), false);
    csv_add_field(out, bytes, false);
    csv_end_line(out);
}

static void add_quarantined(struct buffer *out, const struct view_query *query,
                            const struct store_quarantined_row *row)
{
    if (query->form == VIEW_CSV) {
        add_quarantined_line(out, row);
        return;
    }
    struct view_room room;
    json_open(out, NULL, '{');
    json_add_number(out, "id", row->id);
    json_add_time(out, "receivedAt", row->received_ms);
    view_add_text(out, "reason", row->reason, VIEW_TEXT_MAX);
    view_add_text(out, "pointer", row->pointer, VIEW_TEXT_MAX);
    json_add_number(out, "bytes", (int64_t)row->body_length);
    json_add_string(out, "body", view_cut(row->body, VIEW_TEXT_MAX, &room));
    json_close(out, '}');
    view_end_row(out, query);
}

/* Begins the document with what it says of all bodies. */
static int begin_quarantine(struct store_reader *reader, const struct view_query *query,
                            struct buffer *out, struct fault *fault)
{
    struct store_overview overview;
    if (store_read_overview(reader, &overview, fault) != 0)
        return -1;
    json_open(out, NULL, '{');
    view_add_quarantine(out, &overview.totals);
    if (add_reasons(reader, out, fault) != 0)
        return -1;
    view_open_rows(out, query, "bodies");
    return 0;
}

enum view_result view_quarantine(struct store_reader *reader, const struct view_query *query,
                                 struct buffer *out, struct store_page_token *next,
                                 struct fault *fault)
{
    const size_t bound = view_bound(out);
    const struct store_page_token after = view_after(query);
    if (query->form != VIEW_JSON)
        view_begin_list(out, query, NULL, "id,receivedAt,reason,pointer,bytes");
    else if (begin_quarantine(reader, query, out, fault) != 0)
        return VIEW_FAILED;
    struct store_rows rows = store_list_quarantined(reader, query->reason, &after,
                                                    view_limit(query), fault);
    struct store_quarantined_row row;
    while (out->length <= bound && store_next_quarantined(&rows, &row))
        add_quarantined(out, query, &row);
    return view_end_list(out, query, &rows, next, fault);
}
