/* list_upgrades: lists of upgrades, and the history of one device.
 *
 * Every list uses `lookup` or an index that leads to the operation. A device's history over all
 * operations searches `lookup` once for each operation. An index by device alone would touch a
 * random page for every notification kept. */
#include "config.h"

#include "store/engine.h"

#include <stdio.h>
#include <string.h>

/* The columns of a row. U is the upgrade, O its operation, N the notification that its state comes
 * from, S its last step. */
#define UPGRADE_COLUMNS                                                                      \
    " o.app_id, o.operation_id, u.sub_operation_id, u.device_id, u.state, u.contradictory,"  \
    " coalesce(json_extract(s.body, '$.swUpgradeState'), json_extract(s.body, '$.step')),"   \
    " json_extract(n.body, '$.curVersion'), json_extract(n.body, '$.targetVersion'),"        \
    " json_extract(n.body, '$.sourceVersion'), json_extract(n.body, '$.upgradeTime'),"       \
    " coalesce(json_extract(n.body, '$.resultDesc'), json_extract(n.body, '$.statusDesc'))," \
    " coalesce(u.error_code, json_extract(n.body, '$.errorCode')),"                          \
    " json_extract(n.body, '$.description'), u.seq, u.began_at,"                             \
    " max(n.received_at, coalesce(s.received_at, n.received_at)), u.operation,"              \
    " n.received_at"
#define UPGRADE_JOINS \
    " CROSS JOIN notification n ON n.seq = u.seq LEFT JOIN notification s ON s.seq = u.step_seq"

bool store_next_upgrade(struct store_rows *rows, struct store_upgrade_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_upgrade_row){
        .app_id = store_column_text(read, 0),
        .operation_id = store_column_text(read, 1),
        .sub_operation_id = store_column_text(read, 2),
        .device_id = store_column_text(read, 3),
        .state = (enum record_state)sqlite3_column_int(read, 4),
        .contradictory = sqlite3_column_int(read, 5) != 0,
        .step = store_column_text(read, 6),
        .current = store_column_text(read, 7),
        .target = store_column_text(read, 8),
        .source = store_column_text(read, 9),
        .upgrade_time = store_column_text(read, 10),
        .result_desc = store_column_text(read, 11),
        .error_code = store_column_text(read, 12),
        .description = store_column_text(read, 13),
        .seq = sqlite3_column_int64(read, 14),
        .began_ms = sqlite3_column_int64(read, 15),
        .last_ms = sqlite3_column_int64(read, 16),
        .operation = sqlite3_column_int64(read, 17),
        .state_ms = sqlite3_column_int64(read, 18),
    };
    return true;
}

/* The parameters after those of an operation and a key, ?1 to ?4. */
enum parameter {
    PARAMETER_STATE = 5,
    PARAMETER_CONTRADICTORY,
    PARAMETER_BEFORE,
    PARAMETER_CODE,
    PARAMETER_DEVICE, /* hash */
    PARAMETER_DEVICE_ID,
    PARAMETER_SUB_OPERATION_ID,
};

/* One way to read the upgrades of one operation or of all: the tables, the condition, and the
 * key. */
struct walk {
    const char *from;
    const char *where;    /* for one operation, ?1 is the operation and ?2 and on are the key */
    const char *key;      /* the columns of the key */
    const char *order;    /* the same with their directions */
    int64_t beginning[2]; /* the key before all rows */
    int key_length;
};

#define INDEX(name)                                                      \
    .from = " operation o CROSS JOIN upgrade u INDEXED BY upgrade_" name \
            " ON o.id = ?1 AND u.operation = o.id"
#define BY_ID .key = "u.id", .order = "u.id DESC", .beginning = {INT64_MAX}, .key_length = 1

static const struct walk walk_all = {INDEX("operation"), .where = " AND u.id < ?2", BY_ID};
static const struct walk walk_stuck = {
    INDEX("in_progress"),      .where = " AND u.state = 0 AND (u.began_at, u.id) > (?2, ?3)",
    .key = "u.began_at, u.id", .order = "u.began_at, u.id",
    .beginning = {INT64_MIN},  .key_length = 2,
};
static const struct walk walk_in_progress = {
    INDEX("in_progress"),
    .where = " AND u.state = 0 AND (u.began_at, u.id) < (?2, ?3)",
    .key = "u.began_at, u.id",
    .order = "u.began_at DESC, u.id DESC",
    .beginning = {INT64_MAX, INT64_MAX},
    .key_length = 2,
};
static const struct walk walk_success = {INDEX("success"),
                                         .where = " AND u.state = 1 AND u.id < ?2", BY_ID};
static const struct walk walk_fail = {INDEX("fail"), .where = " AND u.state = 2 AND u.id < ?2",
                                      BY_ID};
static const struct walk walk_fail_code = {
    INDEX("fail_code"), .where = " AND u.state = 2 AND u.error_code = ?8 AND u.id < ?2", BY_ID};
static const struct walk walk_contradictory = {
    INDEX("contradictory"), .where = " AND u.contradictory = 1 AND u.id < ?2", BY_ID};

/* Failures of all operations, before the upgrade ?2 of the operation ?1. */
#define FAILURES(index, condition)                                                          \
    .from = " upgrade u INDEXED BY " index " CROSS JOIN operation o ON o.id = u.operation", \
    .where = " AND u.state = 2" condition                                                   \
             " AND u.operation <= ?1 AND (u.operation, u.id) < (?1, ?2)",                   \
    .key = "u.operation, u.id", .order = "u.operation DESC, u.id DESC",                     \
    .beginning = {INT64_MAX, INT64_MAX}, .key_length = 2
static const struct walk walk_failures = {FAILURES("upgrade_fail", "")};
static const struct walk walk_failures_code = {
    FAILURES("upgrade_fail_code", " AND u.error_code = ?8")};

static const struct walk *choose_walk(const struct store_upgrade_filter *filter)
{
    if (filter->operation == 0)
        return filter->error_code != NULL ? &walk_failures_code : &walk_failures;
    if (filter->error_code != NULL)
        return &walk_fail_code;
    if (filter->contradictory)
        return &walk_contradictory;
    if (filter->of_state && filter->state == RECORD_FAIL)
        return &walk_fail;
    if (filter->of_state && filter->state == RECORD_SUCCESS)
        return &walk_success;
    if (filter->began_before_ms > 0)
        return &walk_stuck;
    if (filter->of_state && filter->state == RECORD_IN_PROGRESS)
        return &walk_in_progress;
    return &walk_all;
}

struct store_rows store_list_upgrades(struct store_reader *reader,
                                      const struct store_upgrade_filter *filter,
                                      const struct store_page_token *after, size_t most,
                                      struct fault *fault)
{
    const struct walk *walk = choose_walk(filter);
    int before_key = filter->operation == 0 ? 0 : 1;
    int64_t numbers[3] = {filter->operation};
    memcpy(numbers + before_key, walk->beginning, sizeof walk->beginning);
    char sql[4096];
    snprintf(sql, sizeof sql,
             "SELECT" UPGRADE_COLUMNS ", %s FROM%s" UPGRADE_JOINS
             " WHERE (?5 < 0 OR u.state = ?5) AND (?6 = 0 OR u.contradictory = 1)%s%s ORDER BY %s",
             walk->key, walk->from, walk->where,
             filter->began_before_ms > 0 ? " AND u.state = 0 AND u.began_at < ?7" : "",
             walk->order);
    struct store_rows rows = store_rows_begin(reader, sql, numbers, before_key + walk->key_length,
                                              walk->key_length, after, most, fault);
    sqlite3_stmt *read = rows.statement;
    sqlite3_bind_int(read, PARAMETER_STATE, filter->of_state ? (int)filter->state : -1);
    sqlite3_bind_int(read, PARAMETER_CONTRADICTORY, filter->contradictory);
    if (filter->began_before_ms > 0)
        sqlite3_bind_int64(read, PARAMETER_BEFORE, filter->began_before_ms);
    if (filter->error_code != NULL)
        store_bind_key(read, PARAMETER_CODE, filter->error_code);
    return rows;
}

/* --- one device --------------------------------------------------------------------------------
 */

/* Binds the device id and its hash in this store. */
static void bind_device(struct store_rows *rows, const char *device_id)
{
    unsigned char key[CONTENT_KEY_SIZE];
    if (rows->statement == NULL)
        return;
    if (store_read_secret(rows->reader->db, key, rows->fault) != 0) {
        sqlite3_finalize(rows->statement);
        rows->statement = NULL;
        return;
    }
    sqlite3_bind_int64(rows->statement, PARAMETER_DEVICE,
                       store_low32(content_hash_string(device_id, key)));
    store_bind_text(rows->statement, PARAMETER_DEVICE_ID, device_id);
}

struct store_rows store_list_device(struct store_reader *reader, const char *device_id,
                                    const struct store_page_token *after, size_t most,
                                    struct fault *fault)
{
    const int64_t numbers[] = {INT64_MAX, INT64_MAX};
    struct store_rows rows = store_rows_begin(
        reader,
        "SELECT" UPGRADE_COLUMNS ", o.id, u.id FROM operation o CROSS JOIN upgrade u"
        " ON u.id IN"
        "  (SELECT upgrade FROM lookup WHERE operation = o.id AND device = ?9)" UPGRADE_JOINS
        " WHERE o.id <= ?1 AND (o.id, u.id) < (?1, ?2)"
        " AND u.device_id = ?10 ORDER BY o.id DESC, u.id DESC",
        numbers, 2, 2, after, most, fault);
    bind_device(&rows, device_id);
    return rows;
}

struct store_rows store_find_devices(struct store_reader *reader, const char *prefix, size_t most,
                                     struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_devices_beginning),
                                              NULL, 0, 0, NULL, most, fault);
    store_bind_text(rows.statement, 1, prefix);
    return rows;
}

bool store_next_notification(struct store_rows *rows, struct store_kept *kept)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *kept = (struct store_kept){
        .seq = sqlite3_column_int64(read, 0),
        .received_ms = sqlite3_column_int64(read, 1),
        .deliveries = sqlite3_column_int64(read, 2),
        .body = (char *)(uintptr_t)store_column_text(read, 3),
        .body_length = (size_t)sqlite3_column_bytes(read, 3),
    };
    return true;
}

struct store_rows store_list_latest(struct store_reader *reader, size_t most, struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_notifications_latest), NULL, 0, 0, NULL,
                            most, fault);
}

struct store_rows store_list_notifications(struct store_reader *reader, const char *device_id,
                                           int64_t operation, const char *sub_operation_id,
                                           size_t most, struct fault *fault)
{
    /* Only the seqs are sorted, from the index. A body is read only when its row is. */
    struct store_rows rows = store_rows_begin(
        reader,
        "SELECT n.seq, n.received_at, n.deliveries, n.body FROM notification n WHERE n.seq IN"
        " (SELECT seq FROM lookup WHERE operation = ?1 AND device = ?9)"
        " AND coalesce(nullif(json_extract(n.body, '$.deviceId'), ''),"
        "  nullif(json_extract(n.body, '$.header.deviceId'), ''),"
        "  json_extract(n.body, '$.notify_data.header.device_id')) = ?10"
        " AND (?11 IS NULL OR json_extract(n.body, '$.subOperationId') = ?11)"
        " ORDER BY n.seq DESC",
        &operation, 1, 0, NULL, most, fault);
    bind_device(&rows, device_id);
    store_bind_text(rows.statement, PARAMETER_SUB_OPERATION_ID,
                    sub_operation_id); /* NULL is NULL */
    return rows;
}
