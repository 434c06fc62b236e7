/* status: writes the contents of the status file. */
#include "config.h"

#include "view/pages.h"

#include "base/json_writer.h"

#include <unistd.h>

static void add_metrics(struct buffer *out, const struct metrics *metrics)
{
    json_add_line(out);
    json_open(out, "process", '{');
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++)
        json_add_number(out, metrics_describe(metric).name, (int64_t)metrics_read(metrics, metric));
    for (enum metric_gauge gauge = 0; gauge < METRIC_GAUGE_COUNT; gauge++)
        json_add_number(out, metrics_describe_gauge(gauge).name,
                        (int64_t)metrics_read_gauge(metrics, gauge));
    json_close(out, '}');
}

static void add_process(struct buffer *out, const struct view_process *process)
{
    json_add_line(out);
    json_add_time(out, "time", process->now_ms);
    json_add_string(out, "version", process->version);
    json_add_number(out, "pid", getpid());
    json_add_time(out, "startedAt", process->start_ms);
    json_add_time_or_null(out, "nextBefore", process->next_ms);
    json_add_line(out);
    json_open(out, "store", '{');
    json_add_bool(out, "ok", process->store_fault == NULL);
    json_add_string(out, "fault", process->store_fault);
    json_add_time_or_null(out, "since", process->fault_ms);
    json_close(out, '}');
    json_add_line(out);
    json_open(out, "log", '{');
    json_add_number(out, "linesDropped",
                    (int64_t)metrics_read(process->metrics, METRIC_log_lines_dropped));
    json_add_string(out, "warning", process->log_warning);
    json_close(out, '}');
    json_add_line(out);
    view_add_books(out, process->books);
    add_metrics(out, process->metrics);
}

static int add_operations(struct store_reader *reader, struct buffer *out, struct fault *fault)
{
    struct store_rows rows = store_list_operations(reader, NULL, VIEW_STATUS_ROWS, fault);
    struct store_operation_row row;
    int result = 0;
    json_add_line(out);
    json_open(out, "operations", '[');
    while (result == 0 && store_next_operation(&rows, &row)) {
        json_add_line(out);
        json_open(out, NULL, '{');
        view_add_operation_members(out, &row);
        result = view_add_failures(reader, row.id, row.fail, VIEW_STATUS_ROWS, out, fault);
        json_close(out, '}');
    }
    json_close(out, ']');
    return store_rows_end(&rows, NULL) == 0 ? result : -1;
}

static int add_records(struct store_reader *reader, struct buffer *out, struct fault *fault)
{
    struct store_rows rows = store_list_latest(reader, VIEW_STATUS_ROWS, fault);
    struct store_kept kept;
    json_add_line(out);
    json_open(out, "records", '[');
    while (store_next_notification(&rows, &kept)) {
        json_add_line(out);
        view_add_notification(out, &kept);
    }
    json_close(out, ']');
    return store_rows_end(&rows, NULL);
}

int view_write_status(struct store_reader *reader, const struct view_process *process,
                      struct buffer *out, struct fault *fault)
{
    struct store_overview overview;
    if (store_read_begin(reader, 0, fault) != 0)
        return -1;
    int result = store_read_overview(reader, &overview, fault);
    if (result == 0) {
        json_open(out, NULL, '{');
        add_process(out, process);
        json_add_line(out);
        view_add_totals(out, &overview.totals);
        json_add_line(out);
        view_add_applications(out, &overview);
        result = add_operations(reader, out, fault);
    }
    if (result == 0)
        result = add_records(reader, out, fault);
    store_read_end(reader);
    view_end(out);
    return result;
}
