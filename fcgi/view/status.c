/* status: what stands in the status file. */
#include "config.h"

#include "view/pages.h"

#include "base/document.h"

#include <unistd.h>

static void add_metrics(struct text *out, const struct metrics *metrics)
{
    document_line(out);
    document_open(out, "process", '{');
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++)
        document_number(out, metrics_name(metric), (int64_t)metrics_read(metrics, metric));
    for (enum metric_gauge gauge = 0; gauge < METRIC_GAUGE_COUNT; gauge++)
        document_number(out, metrics_describe_gauge(gauge).name,
                        (int64_t)metrics_read_gauge(metrics, gauge));
    document_close(out, '}');
}

static void add_process(struct text *out, const struct view_status *status)
{
    document_line(out);
    document_time(out, "time", status->time_ms);
    document_string(out, "version", PACKAGE_VERSION);
    document_number(out, "pid", getpid());
    document_time(out, "startedAt", status->start_ms);
    document_time_or_null(out, "nextBefore", status->next_ms);
    document_line(out);
    document_open(out, "store", '{');
    document_bool(out, "ok", status->store_fault == NULL);
    document_string(out, "fault", status->store_fault);
    document_time_or_null(out, "since", status->fault_ms);
    document_close(out, '}');
    document_line(out);
    document_open(out, "log", '{');
    document_number(out, "linesDropped",
                    (int64_t)metrics_read(status->metrics, METRIC_log_lines_dropped));
    document_string(out, "warning", status->log_warning);
    document_close(out, '}');
    add_metrics(out, status->metrics);
}

static int add_operations(struct store_reader *reader, struct text *out, struct fault *fault)
{
    struct store_rows rows = store_list_operations(reader, NULL, VIEW_STATUS_ROWS, fault);
    struct store_operation_row row;
    int result = 0;
    document_line(out);
    document_open(out, "operations", '[');
    while (result == 0 && store_next_operation(&rows, &row)) {
        document_line(out);
        document_open(out, NULL, '{');
        view_add_operation_members(out, &row);
        result = view_add_failures(reader, row.id, row.fail, VIEW_STATUS_ROWS, out, fault);
        document_close(out, '}');
    }
    document_close(out, ']');
    return store_rows_end(&rows, NULL) == 0 ? result : -1;
}

static int add_records(struct store_reader *reader, struct text *out, struct fault *fault)
{
    struct store_rows rows = store_list_latest(reader, VIEW_STATUS_ROWS, fault);
    struct store_kept kept;
    document_line(out);
    document_open(out, "records", '[');
    while (store_next_notification(&rows, &kept)) {
        document_line(out);
        view_add_notification(out, &kept);
    }
    document_close(out, ']');
    return store_rows_end(&rows, NULL);
}

int view_write_status(struct store_reader *reader, const struct view_status *status,
                      struct text *out, struct fault *fault)
{
    struct store_overview overview;
    if (store_read_begin(reader, 0, fault) != 0)
        return -1;
    int result = store_read_overview(reader, &overview, fault);
    if (result == 0) {
        document_open(out, NULL, '{');
        add_process(out, status);
        document_line(out);
        view_add_totals(out, &overview.totals);
        document_line(out);
        view_add_applications(out, &overview);
        result = add_operations(reader, out, fault);
    }
    if (result == 0)
        result = add_records(reader, out, fault);
    store_read_end(reader);
    view_end(out);
    return result;
}
