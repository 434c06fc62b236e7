/* compare: the model with what people and programs read of the store. */
#include "config.h"

#include "compare.h"

#include "base/clock.h"
#include "notification/notification.h"
#include "store/engine.h"
#include "view/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The views, as the README lists their columns. */
static const struct {
    const char *sql;
} views[] = {
    {"SELECT seq, receivedAt, notifyType, appId, deviceId, operationId, subOperationId, body,"
     " deliveries FROM notifications ORDER BY seq"},
    {"SELECT appId, operationId, subOperationId, deviceId, state, step, curVersion, targetVersion,"
     " sourceVersion, upgradeTime, resultDesc, errorCode, description, contradictory, seq"
     " FROM upgrades"},
    {"SELECT appId, operationId, inProgress, success, fail, contradictory, firstAt, lastAt"
     " FROM operations"},
    {"SELECT appId, operationId, errorCode, count, firstAt, lastAt FROM failures"},
    {"SELECT id, receivedAt, reason, pointer, body FROM quarantine ORDER BY id"},
};
enum { NOTIFICATIONS, UPGRADES, OPERATIONS, FAILURES, QUARANTINE, VIEWS };
static sqlite3_stmt *queries[VIEWS];

void compare_begin(sqlite3 *db)
{
    for (size_t i = 0; i < VIEWS; i++)
        fuzz_demand(sqlite3_prepare_v2(db, views[i].sql, -1, &queries[i], NULL) == SQLITE_OK,
                    "%s: %s", views[i].sql, sqlite3_errmsg(db));
}

/* --- columns --- */

static const char *column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text == NULL ? "" : text;
}

static bool has_text(sqlite3_stmt *row, int column, const char *text)
{
    return strcmp(column_text(row, column), text) == 0 &&
           (size_t)sqlite3_column_bytes(row, column) == strlen(text);
}

static void demand_text(sqlite3_stmt *row, int column, const char *text)
{
    fuzz_demand(has_text(row, column, text), "%s is '%s', not '%s'",
                sqlite3_column_name(row, column), text, column_text(row, column));
}

static void demand_number(sqlite3_stmt *row, int column, int64_t number)
{
    fuzz_demand(sqlite3_column_int64(row, column) == number, "%s is %lld, not %lld",
                sqlite3_column_name(row, column), (long long)number,
                (long long)sqlite3_column_int64(row, column));
}

static void demand_time(sqlite3_stmt *row, int column, int64_t ms)
{
    char time[CLOCK_TEXT_SIZE];
    demand_text(row, column, clock_format(ms, time));
}

/* Demands that a column is what SQL makes of a value in a body. */
static void demand_value(sqlite3_stmt *row, int column, const json_t *value)
{
    json_t *found;
    double real;
    switch (value == NULL ? JSON_NULL : json_typeof(value)) {
    case JSON_NULL:
        fuzz_demand(sqlite3_column_type(row, column) == SQLITE_NULL, "%s is not there",
                    sqlite3_column_name(row, column));
        break;
    case JSON_STRING:
        demand_text(row, column, json_string_value(value));
        break;
    case JSON_REAL: /* SQLite reads the last digits in its own way */
        real = json_real_value(value);
        fuzz_demand(fabs(sqlite3_column_double(row, column) - real) <= 1e-9 * fabs(real) ||
                        fabs(real) < 1e-290 || fabs(real) > 1e290,
                    "%s is %g", sqlite3_column_name(row, column), real);
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        found = json_loads(column_text(row, column), JSON_DECODE_ANY, NULL);
        fuzz_demand(found != NULL && json_equal(found, value), "%s is the same JSON",
                    sqlite3_column_name(row, column));
        json_decref(found);
        break;
    default:
        demand_number(row, column,
                      json_is_integer(value) ? json_integer_value(value) : json_is_true(value));
        break;
    }
}

/* The first of two members that is there and not null. */
static const json_t *either(const json_t *first, const json_t *second)
{
    return first != NULL && !json_is_null(first) ? first : second;
}

static void demand_member(sqlite3_stmt *row, int column, const struct model_note *note,
                          const char *name)
{
    demand_value(row, column, json_object_get(note->json, name));
}

/* --- rows --- */

static void compare_note(sqlite3_stmt *row, const struct model *model, size_t index)
{
    fuzz_demand(index < model->notes_length, "no further notification");
    const struct model_note *note = &model->notes[index];
    const json_t *header = json_object_get(note->json, "header");
    const json_t *data = json_object_get(note->json, "notify_data");
    const json_t *outer = json_object_get(data, "header"), *inner = json_object_get(data, "body");
    char type[RECORD_ENVELOPE_TYPE_SIZE];
    demand_number(row, 0, (int64_t)index + 1);
    demand_time(row, 1, note->received_ms);
    if (json_object_get(note->json, "notifyType") == NULL && data != NULL &&
        json_object_get(note->json, "commandId") == NULL)
        demand_text(row, 2, notification_type(note->json, type));
    else
        demand_member(row, 2, note, "notifyType");
    demand_value(
        row, 3,
        either(json_object_get(note->json, "appId"),
               either(json_object_get(outer, "app_id"), json_object_get(inner, "app_id"))));
    demand_value(
        row, 4,
        either(json_object_get(note->json, "deviceId"),
               either(json_object_get(header, "deviceId"), json_object_get(outer, "device_id"))));
    demand_member(row, 5, note, "operationId");
    demand_member(row, 6, note, "subOperationId");
    fuzz_demand((size_t)sqlite3_column_bytes(row, 7) == note->length &&
                    memcmp(sqlite3_column_blob(row, 7), note->text, note->length) == 0,
                "a body is kept as it came");
    demand_number(row, 8, note->deliveries);
}

static void compare_upgrade(sqlite3_stmt *row, const struct model *model, size_t index)
{
    const struct model_upgrade *upgrade = NULL;
    (void)index;
    for (size_t i = 0; i < model->upgrades_length && upgrade == NULL; i++) {
        const struct model_upgrade *one = &model->upgrades[i];
        if (has_text(row, 0, one->operation->app_id) &&
            has_text(row, 1, one->operation->operation_id) &&
            has_text(row, 2, one->sub_operation_id) && has_text(row, 3, one->device_id))
            upgrade = one;
    }
    fuzz_demand(upgrade != NULL, "no other upgrade");
    const struct model_note *note = upgrade->note;
    const json_t *step = upgrade->step == NULL ? NULL : upgrade->step->json;
    demand_text(row, 4, record_state_word(upgrade->state));
    demand_value(row, 5,
                 either(json_object_get(step, "swUpgradeState"), json_object_get(step, "step")));
    demand_member(row, 6, note, "curVersion");
    demand_member(row, 7, note, "targetVersion");
    demand_member(row, 8, note, "sourceVersion");
    demand_member(row, 9, note, "upgradeTime");
    demand_value(row, 10,
                 either(json_object_get(note->json, "resultDesc"),
                        json_object_get(note->json, "statusDesc")));
    demand_member(row, 11, note, "errorCode");
    demand_member(row, 12, note, "description");
    demand_number(row, 13, upgrade->contradictory);
    demand_number(row, 14, note - model->notes + 1);
}

static void compare_operation(sqlite3_stmt *row, const struct model *model, size_t index)
{
    const struct model_operation *operation = NULL;
    (void)index;
    for (size_t i = 0; i < model->operations_length && operation == NULL; i++)
        if (has_text(row, 0, model->operations[i].app_id) &&
            has_text(row, 1, model->operations[i].operation_id))
            operation = &model->operations[i];
    fuzz_demand(operation != NULL, "no other operation");
    demand_number(row, 2, operation->in_progress);
    demand_number(row, 3, operation->success);
    demand_number(row, 4, operation->fail);
    demand_number(row, 5, operation->contradictory);
    demand_time(row, 6, operation->first_ms);
    demand_time(row, 7, operation->last_ms);
}

static void compare_failure(sqlite3_stmt *row, const struct model *model, size_t index)
{
    const struct model_failure *failure = NULL;
    struct store_key key;
    (void)index;
    for (size_t i = 0; i < model->failures_length && failure == NULL; i++)
        if (has_text(row, 0, model->failures[i].operation->app_id) &&
            has_text(row, 1, model->failures[i].operation->operation_id) &&
            has_text(row, 2, store_key(model->failures[i].error_code, &key)))
            failure = &model->failures[i];
    fuzz_demand(failure != NULL, "no other failure");
    demand_number(row, 3, failure->count);
    demand_time(row, 4, failure->first_ms);
    demand_time(row, 5, failure->last_ms);
}

static void compare_quarantine_row(sqlite3_stmt *row, const struct model *model, size_t index)
{
    fuzz_demand(index < model->quarantined_length, "nothing else in quarantine");
    const struct model_quarantined *quarantined = &model->quarantined[index];
    demand_number(row, 0, quarantined->id);
    demand_time(row, 1, quarantined->received_ms);
    demand_text(row, 2, quarantined->verdict.reason);
    demand_text(row, 3, quarantined->verdict.pointer);
    fuzz_demand(
        (size_t)sqlite3_column_bytes(row, 4) == quarantined->length &&
            (quarantined->length == 0 ||
             memcmp(sqlite3_column_blob(row, 4), quarantined->body, quarantined->length) == 0),
        "quarantine keeps the bytes");
}

/* Failures that some upgrade has now. */
static size_t count_failures(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->failures_length; i++)
        count += model->failures[i].count > 0;
    return count;
}

void compare_views(const struct model *model)
{
    const struct {
        void (*compare)(sqlite3_stmt *row, const struct model *model, size_t index);
        size_t rows;
    } expected[VIEWS] = {
        [NOTIFICATIONS] = {compare_note, model->notes_length},
        [UPGRADES] = {compare_upgrade, model->upgrades_length},
        [OPERATIONS] = {compare_operation, model->operations_length},
        [FAILURES] = {compare_failure, count_failures(model)},
        [QUARANTINE] = {compare_quarantine_row, model->quarantined_length},
    };
    for (size_t i = 0; i < VIEWS; i++) {
        size_t rows = 0;
        int step;
        while ((step = sqlite3_step(queries[i])) == SQLITE_ROW)
            expected[i].compare(queries[i], model, rows++);
        fuzz_demand(step == SQLITE_DONE, "%s: %s", views[i].sql,
                    sqlite3_errmsg(sqlite3_db_handle(queries[i])));
        fuzz_demand(rows == expected[i].rows, "%s has %zu rows, not %zu", views[i].sql,
                    expected[i].rows, rows);
        sqlite3_reset(queries[i]);
    }
}

/* --- readers --- */

void compare_quarantined(const struct model_quarantined *expected,
                         const struct store_quarantined *found)
{
    fuzz_demand(found->id == expected->id && found->received_ms == expected->received_ms &&
                    strcmp(found->reason, expected->verdict.reason) == 0 &&
                    strcmp(found->pointer, expected->verdict.pointer) == 0 &&
                    found->body_length == expected->length &&
                    memcmp(found->body, expected->body, expected->length) == 0,
                "a quarantined body is given back");
}

static void compare_kept(const struct model *model, int64_t seq, const struct store_kept *kept)
{
    fuzz_demand(seq >= 1 && seq <= (int64_t)model->notes_length, "no such notification");
    const struct model_note *note = &model->notes[seq - 1];
    fuzz_demand(kept->seq == seq && kept->received_ms == note->received_ms &&
                    kept->deliveries == note->deliveries && kept->body_length == note->length,
                "notification %lld is given back", (long long)seq);
    fuzz_demand(memcmp(kept->body, note->text, note->length) == 0, "with its body");
}

static void compare_all_kept(const struct model *model, struct store_reader *reader)
{
    struct store_kept kept[MODEL_MAX];
    struct fault fault = FAULT_NONE;
    size_t count;
    fuzz_demand(store_read_after(reader, 0, kept, MODEL_MAX, &count, &fault) == 0, "%s",
                fault.text);
    fuzz_demand(count == model->notes_length, "all notifications are given back");
    for (size_t i = 0; i < count; i++)
        compare_kept(model, (int64_t)i + 1, &kept[i]);
    store_kept_release(kept, count);
}

static const struct model_operation *latest_before(const struct model *model, int64_t seq)
{
    const struct model_operation *latest = NULL;
    for (size_t i = 0; i < model->operations_length; i++) {
        const struct model_operation *one = &model->operations[i];
        if (one->last_seq < seq && (latest == NULL || one->last_seq > latest->last_seq))
            latest = one;
    }
    return latest;
}

/* Its error codes, the most frequent first; each failure has one. */
static void compare_failures(const struct model *model, const struct model_operation *expected,
                             struct store_reader *reader, int64_t operation)
{
    struct fault fault = FAULT_NONE;
    struct store_failure_row row;
    struct store_rows rows = store_list_failures(reader, operation, SIZE_MAX, &fault);
    int64_t failed = 0, last = INT64_MAX;
    size_t codes = 0;
    for (size_t i = 0; i < model->failures_length; i++)
        codes += model->failures[i].operation == expected && model->failures[i].count > 0;
    for (; store_next_failure(&rows, &row); codes--) {
        fuzz_demand(row.count <= last, "the most frequent first");
        last = row.count;
        failed += last;
    }
    fuzz_demand(store_rows_end(&rows, NULL) == 0, "%s", fault.text);
    fuzz_demand(codes == 0 && failed == expected->fail, "each failure has one error code");
}

static void compare_operation_row(const struct model_operation *expected,
                                  const struct store_operation_row *found)
{
    fuzz_demand(strcmp(found->app_id, expected->app_id) == 0 &&
                    strcmp(found->operation_id, expected->operation_id) == 0,
                "the operation that was changed before");
    fuzz_demand(found->in_progress == expected->in_progress &&
                    found->success == expected->success && found->fail == expected->fail &&
                    found->contradictory == expected->contradictory &&
                    found->first_ms == expected->first_ms && found->last_ms == expected->last_ms,
                "an operation's counters");
}

/* All operations, the latest changed first. */
static void compare_operations(const struct model *model, struct store_reader *reader)
{
    struct fault fault = FAULT_NONE;
    struct store_operation_row row;
    fuzz_demand(store_read_begin(reader, 0, &fault) == 0, "%s", fault.text);
    struct store_rows rows = store_list_operations(reader, NULL, SIZE_MAX, &fault);
    int64_t seq = INT64_MAX;
    while (store_next_operation(&rows, &row)) {
        const struct model_operation *expected = latest_before(model, seq);
        fuzz_demand(expected != NULL, "no other operation");
        compare_operation_row(expected, &row);
        compare_failures(model, expected, reader, row.id);
        seq = expected->last_seq;
    }
    fuzz_demand(store_rows_end(&rows, NULL) == 0, "%s", fault.text);
    fuzz_demand(latest_before(model, seq) == NULL, "all operations");
    store_read_end(reader);
}

static void compare_latest(const struct model *model, struct store_reader *reader)
{
    struct fault fault = FAULT_NONE;
    struct store_kept kept;
    struct store_rows rows = store_list_latest(reader, SIZE_MAX, &fault);
    size_t left = model->notes_length;
    for (; store_next_notification(&rows, &kept); left--)
        compare_kept(model, (int64_t)left, &kept);
    fuzz_demand(store_rows_end(&rows, NULL) == 0, "%s", fault.text);
    fuzz_demand(left == 0, "all notifications, the last one first");
}

/* Sums in SQL and in C meet: the totals, member by member, but for the life, which is random
 * and comes last. */
static void compare_totals(const struct store_totals *expected, const struct store_totals *found)
{
    fuzz_demand(memcmp(expected, found, offsetof(struct store_totals, life)) == 0,
                "the totals: %lld notifications, %lld repeats, %lld + %lld + %lld upgrades, %lld"
                " contradictory, %lld quarantined, %lld of them held, %lld bytes",
                (long long)found->notifications, (long long)found->repeats,
                (long long)found->in_progress, (long long)found->success, (long long)found->fail,
                (long long)found->contradictory, (long long)found->quarantined,
                (long long)found->quarantine_held, (long long)found->quarantine_bytes);
}

/* The status file is JSON, bounded, and shows no more than it should. */
static void check_status(const struct model *model, struct store_reader *reader)
{
    struct fault fault = FAULT_NONE;
    struct buffer text = {0};
    fuzz_demand(view_write_status(reader, &(struct view_process){.now_ms = 1}, &text, &fault) == 0,
                "%s", fault.text);
    fuzz_demand(text.length <= VIEW_DOCUMENT_MAX, "%zu bytes of a status", text.length);
    json_t *json = fuzz_read_document(&text);
    size_t records = json_array_size(json_object_get(json, "records"));
    fuzz_demand(records == (model->notes_length < VIEW_STATUS_ROWS ? model->notes_length
                                                                   : VIEW_STATUS_ROWS),
                "%zu records", records);
    json_decref(json);
    buffer_release(&text);
}

void compare_readers(const struct model *model, struct store_reader *reader)
{
    struct fault fault = FAULT_NONE;
    struct store_overview overview;
    compare_all_kept(model, reader);
    fuzz_demand(store_read_overview(reader, &overview, &fault) == 0, "%s", fault.text);
    compare_totals(&model->totals, &overview.totals);
    compare_operations(model, reader);
    compare_latest(model, reader);
    check_status(model, reader);
}
