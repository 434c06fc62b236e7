/* status: the status file, a snapshot of the books for cat, jq and monitoring. */
#include "config.h"

#include "status.h"

#include "document.h"
#include "fault_point.h"
#include "figures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TEMPORARY "status.json.tmp"

static void add_totals(const struct store_totals *totals, struct text *text)
{
    text_add_string(text, "  \"totals\": {");
    figures_received(text, totals);
    text_add_string(text, "},\n  \"upgrades\": {");
    figures_upgrades(text, totals->in_progress, totals->success, totals->fail,
                     totals->contradictory);
    text_add_string(text, "},\n  \"quarantine\": {");
    figures_quarantine(text, totals);
    text_add_string(text, "},\n");
}

static void add_time_or_null(struct text *text, const char *name, int64_t time_ms)
{
    if (time_ms != 0)
        document_time(text, name, time_ms);
    else
        document_null(text, name);
}

static void add_process(const struct status_process *process, struct text *text)
{
    text_addf(text, "  \"version\": \"%s\",\n  \"pid\": %ld,\n  ", PACKAGE_VERSION, (long)getpid());
    document_time(text, "startedAt", process->start_ms);
    text_add_string(text, ",\n  ");
    add_time_or_null(text, "nextBefore", process->next_ms);
    text_add_string(text, ",\n");
    text_addf(text, "  \"store\": {\"ok\":%s,\"fault\":", process->store_fault ? "false" : "true");
    if (process->store_fault != NULL)
        text_add_json_string(text, process->store_fault, strlen(process->store_fault));
    else
        text_add_string(text, "null");
    add_time_or_null(text, "since", process->store_fault != NULL ? process->fault_ms : 0);
    text_addf(text, "},\n  \"log\": {\"linesDropped\":%llu,\"warning\":",
              (unsigned long long)metrics_read(process->metrics, METRIC_log_lines_dropped));
    if (process->log_warning != NULL)
        text_add_json_string(text, process->log_warning, strlen(process->log_warning));
    else
        text_add_string(text, "null");
    text_add_string(text, "},\n  \"process\": {");
    for (int metric = 0; metric < METRIC_COUNT; metric++)
        text_addf(text, "%s\"%s\":%llu", metric == 0 ? "" : ",", metrics_name((enum metric)metric),
                  (unsigned long long)metrics_read(process->metrics, (enum metric)metric));
    for (int gauge = 0; gauge < METRIC_GAUGE_COUNT; gauge++)
        text_addf(
            text, ",\"%s\":%llu", metrics_describe_gauge((enum metric_gauge)gauge).name,
            (unsigned long long)metrics_read_gauge(process->metrics, (enum metric_gauge)gauge));
    text_add_string(text, "},\n");
}

static void add_cursors(const struct store_snapshot *snapshot, struct text *text)
{
    text_add_string(text, "  \"applications\": [");
    figures_applications(text, snapshot->cursors, snapshot->cursors_length, snapshot->totals.seq);
    text_add_string(text, "],\n");
}

static void add_operation(const struct store_operation *operation, struct text *text)
{
    text_add_string(text, "    {");
    document_string(text, "appId", operation->app_id);
    document_string(text, "operationId", operation->operation_id);
    figures_upgrades(text, operation->in_progress, operation->success, operation->fail,
                     operation->contradictory);
    document_time(text, "firstAt", operation->first_ms);
    document_time(text, "lastAt", operation->last_ms);
    document_open(text, "failures", '[');
    for (size_t i = 0; i < operation->failures_length; i++) {
        const struct store_failure *failure = &operation->failures[i];
        document_open(text, NULL, '{');
        document_string(text, "errorCode", failure->error_code);
        document_number(text, "count", failure->count);
        document_time(text, "firstAt", failure->first_ms);
        document_time(text, "lastAt", failure->last_ms);
        document_close(text, '}');
    }
    document_close(text, ']');
    document_close(text, '}');
}

static void add_record(const struct store_kept *record, struct text *text)
{
    text_add_string(text, "    {");
    figures_notification(text, record);
    document_close(text, '}');
}

void status_format(const struct store_snapshot *snapshot, const struct status_process *process,
                   struct text *text)
{
    text_add_string(text, "{\n  ");
    document_time(text, "time", process->time_ms);
    text_addf(text, ",\n  \"seq\": %lld,\n  ", (long long)snapshot->totals.seq);
    figures_token(text, &snapshot->totals);
    text_add_string(text, ",\n");
    add_process(process, text);
    add_totals(&snapshot->totals, text);
    add_cursors(snapshot, text);
    text_add_string(text, "  \"operations\": [");
    for (size_t i = 0; i < snapshot->operations_length; i++) {
        text_add_string(text, i == 0 ? "\n" : ",\n");
        add_operation(&snapshot->operations[i], text);
    }
    text_add_string(text, "\n  ],\n  \"records\": [");
    for (size_t i = 0; i < snapshot->records_length; i++) {
        text_add_string(text, i == 0 ? "\n" : ",\n");
        add_record(&snapshot->records[i], text);
    }
    text_add_string(text, "\n  ]\n}\n");
}

static int write_file(int folder, const char *name, const struct text *text, struct fault *fault)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot make %s", name);
    int result = text_write(text, fd) == 0 ? 0
                                           : fault_set_errno(fault, errno, "cannot write %s", name);
    if (result == 0 && fsync(fd) != 0)
        result = fault_set_errno(fault, errno, "cannot sync %s", name);
    close(fd);
    return result;
}

/* Called with the lock on the folder held. What a killed process left under the temporary name is
 * written over. */
static int replace(int folder, const struct text *text, struct fault *fault)
{
    int result = write_file(folder, TEMPORARY, text, fault);
    FAULT_POINT(status_written);
    if (result == 0 && renameat(folder, TEMPORARY, folder, "status.json") != 0)
        result = fault_set_errno(fault, errno, "cannot rename %s", TEMPORARY);
    if (result != 0) {
        unlinkat(folder, TEMPORARY, 0);
        return -1;
    }
    FAULT_POINT(status_renamed);
    return fsync(folder) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync its folder");
}

int status_replace(const char *folder, const struct text *text, struct fault *fault)
{
    if (text->failed)
        return fault_set(fault, "status.json: out of memory");
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fault_set_errno(fault, errno, "cannot open %s", folder);
    int lock = store_lock_file(folder, "status.lock", fault);
    if (lock < 0) {
        close(directory);
        return -1;
    }
    int result = flock(lock, LOCK_EX | LOCK_NB);
    if (result == 0)
        result = replace(directory, text, fault);
    else if (errno == EWOULDBLOCK)
        result = 1;
    else
        fault_set_errno(fault, errno, "cannot lock %s/status.lock", folder);
    close(lock);
    close(directory);
    return result;
}
