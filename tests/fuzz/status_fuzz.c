/* status: a snapshot with any texts and any numbers as the status document.
 *
 * Promised: it is JSON of safe characters, says what the snapshot says, and is bounded by it. */
#include "config.h"

#include "fuzz.h"

#include "content.h"
#include "moment.h"
#include "status.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_snapshot snapshot;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    return 0;
}

static int64_t take_number(struct fuzz_input *input)
{
    uint64_t number = 0;
    size_t bytes = fuzz_below(input, 9);
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | fuzz_byte(input);
    return (int64_t)number;
}

/* A text as a store may hold it: half of them UTF-8, the others any bytes. */
static void take_text(struct fuzz_input *input, char *text, size_t size)
{
    struct text taken = {0};
    size_t length = fuzz_below(input, 256);
    struct fuzz_input bytes = fuzz_take(input, length < size ? length : size - 1);
    if (length % 2 == 0)
        fuzz_add_utf8(&taken, bytes);
    else
        text_add(&taken, (const char *)bytes.bytes, bytes.left);
    text_add(&taken, "", 1);
    snprintf(text, size, "%s", taken.bytes);
    text_release(&taken);
}

static void take_operation(struct fuzz_input *input, struct store_operation *operation)
{
    take_text(input, operation->app_id, sizeof operation->app_id);
    take_text(input, operation->operation_id, sizeof operation->operation_id);
    operation->in_progress = take_number(input);
    operation->success = take_number(input);
    operation->fail = take_number(input);
    operation->contradictory = take_number(input);
    operation->first_ms = take_number(input);
    operation->last_ms = take_number(input);
    operation->failures_length = fuzz_below(input, STORE_SNAPSHOT_FAILURES + 1);
    for (size_t i = 0; i < operation->failures_length; i++) {
        struct store_failure *failure = &operation->failures[i];
        take_text(input, failure->error_code, sizeof failure->error_code);
        failure->count = take_number(input);
        failure->first_ms = failure->last_ms = take_number(input);
    }
}

/* A body as the store holds it: valid JSON, in any spelling; or none, since it is too long. */
static void take_record(struct fuzz_input *input, struct store_kept *record)
{
    struct schema_verdict verdict;
    struct text body = {0};
    json_t *json;
    struct fuzz_input bytes = fuzz_take(input, fuzz_below(input, 1024));
    *record = (struct store_kept){.seq = take_number(input),
                                  .received_ms = take_number(input),
                                  .deliveries = take_number(input),
                                  .body_length = bytes.left};
    if (support_parse((const char *)bytes.bytes, bytes.left, &json, &verdict) == CONTENT_OBJECT) {
        record->body = fuzz_copy(bytes.bytes, bytes.left);
        json_decref(json);
    } else if (fuzz_byte(input) % 2 == 0) {
        text_add_string(&body, "{\"a\":");
        text_add_json_string(&body, (const char *)bytes.bytes, bytes.left);
        text_add_string(&body, "\n}");
        record->body = fuzz_copy(body.bytes, body.length);
        record->body_length = body.length;
        text_release(&body);
    }
}

static void take_snapshot(struct fuzz_input *input)
{
    int64_t *totals = (int64_t *)&snapshot.totals;
    for (size_t i = 0; i < sizeof snapshot.totals / sizeof *totals; i++)
        totals[i] = take_number(input);
    snapshot.totals.seq &= INT64_MAX >> 1; /* a backlog is a difference of two of these */
    snapshot.cursors_length = fuzz_below(input, STORE_SNAPSHOT_CURSORS + 1);
    for (size_t i = 0; i < snapshot.cursors_length; i++) {
        take_text(input, snapshot.cursors[i].name, sizeof snapshot.cursors[i].name);
        snapshot.cursors[i].at.seq = take_number(input) & (INT64_MAX >> 1);
    }
    snapshot.operations_length = fuzz_below(input, STORE_SNAPSHOT_OPERATIONS + 1);
    for (size_t i = 0; i < snapshot.operations_length; i++)
        take_operation(input, &snapshot.operations[i]);
    snapshot.records_length = fuzz_below(input, STORE_SNAPSHOT_RECORDS + 1);
    for (size_t i = 0; i < snapshot.records_length; i++)
        take_record(input, &snapshot.records[i]);
}

/* --- what the document says --- */

static void demand_number(const json_t *json, const char *name, int64_t number)
{
    const json_t *member = json_object_get(json, name);
    fuzz_demand(json_is_integer(member) && json_integer_value(member) == number, "%s is %lld", name,
                (long long)number);
}

static void demand_time(const json_t *json, const char *name, int64_t ms)
{
    char time[MOMENT_TEXT_SIZE];
    fuzz_demand_string(json, name, moment_format(ms, time));
}

static const json_t *items(const json_t *json, const char *name, size_t length)
{
    const json_t *array = json_object_get(json, name);
    fuzz_demand(json_is_array(array) && json_array_size(array) == length, "%zu %s", length, name);
    return array;
}

static void check_operation(const json_t *json, const struct store_operation *operation)
{
    fuzz_demand_string(json, "appId", operation->app_id);
    fuzz_demand_string(json, "operationId", operation->operation_id);
    demand_number(json, "inProgress", operation->in_progress);
    demand_number(json, "success", operation->success);
    demand_number(json, "fail", operation->fail);
    demand_number(json, "contradictory", operation->contradictory);
    demand_time(json, "firstAt", operation->first_ms);
    demand_time(json, "lastAt", operation->last_ms);
    const json_t *failures = items(json, "failures", operation->failures_length);
    for (size_t i = 0; i < operation->failures_length; i++) {
        const json_t *failure = json_array_get(failures, i);
        fuzz_demand_string(failure, "errorCode", operation->failures[i].error_code);
        demand_number(failure, "count", operation->failures[i].count);
        demand_time(failure, "lastAt", operation->failures[i].last_ms);
    }
}

static void check_record(const json_t *json, const struct store_kept *record)
{
    const json_t *body = json_object_get(json, "body");
    demand_number(json, "seq", record->seq);
    demand_number(json, "deliveries", record->deliveries);
    demand_time(json, "receivedAt", record->received_ms);
    if (record->body == NULL) {
        demand_number(json, "bodyBytes", (int64_t)record->body_length);
        fuzz_demand(json_is_null(body), "no body");
        return;
    }
    json_t *kept = json_loadb(record->body, record->body_length, JSON_ALLOW_NUL, NULL);
    fuzz_demand(kept != NULL && json_equal(kept, body), "the body says what is kept");
    json_decref(kept);
}

static void check_document(const json_t *json, const char *fault)
{
    const json_t *store = json_object_get(json, "store");
    const json_t *cursors = items(json, "applications", snapshot.cursors_length);
    const json_t *operations = items(json, "operations", snapshot.operations_length);
    const json_t *records = items(json, "records", snapshot.records_length);
    demand_number(json, "seq", snapshot.totals.seq);
    demand_number(json_object_get(json, "totals"), "repeats", snapshot.totals.repeats);
    demand_number(json_object_get(json, "upgrades"), "fail", snapshot.totals.fail);
    demand_number(json_object_get(json, "quarantine"), "bytes", snapshot.totals.quarantine_bytes);
    fuzz_demand(json_is_true(json_object_get(store, "ok")) == (fault == NULL), "ok");
    if (fault != NULL)
        fuzz_demand_string(store, "fault", fault);
    for (size_t i = 0; i < snapshot.cursors_length; i++) {
        const json_t *cursor = json_array_get(cursors, i);
        fuzz_demand_string(cursor, "name", snapshot.cursors[i].name);
        demand_number(cursor, "cursor", snapshot.cursors[i].at.seq);
        demand_number(cursor, "backlog", snapshot.totals.seq - snapshot.cursors[i].at.seq);
    }
    for (size_t i = 0; i < snapshot.operations_length; i++)
        check_operation(json_array_get(operations, i), &snapshot.operations[i]);
    for (size_t i = 0; i < snapshot.records_length; i++)
        check_record(json_array_get(records, i), &snapshot.records[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input input = {bytes, size};
    char fault[FAULT_TEXT_MAX];
    struct text text = {0};
    bool fails = fuzz_byte(&input) % 2 == 0;
    take_text(&input, fault, sizeof fault);
    struct status_process process = {.time_ms = take_number(&input),
                                     .store_fault = fails ? fault : NULL};
    take_snapshot(&input);
    status_format(&snapshot, &process, &text);
    /* Each byte of a text becomes an escape of six at most. */
    fuzz_demand(text.length < 6 * size + 200 * 1024, "%zu bytes of a status", text.length);
    json_t *json = fuzz_read_document(&text);
    check_document(json, process.store_fault);
    json_decref(json);
    text_release(&text);
    for (size_t i = 0; i < snapshot.records_length; i++)
        free(snapshot.records[i].body);
    return 0;
}
