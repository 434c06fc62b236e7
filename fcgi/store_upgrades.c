/* store_upgrades: lists of upgrades, and the history of one device.
 *
 * Every list walks an index that is led by the operation, or `lookup`, which is. A device's history
 * over all operations asks that once for each: an index by device alone would touch a random page
 * for every notification kept. */
#include "config.h"

#include "store_sqlite.h"

#include <stdio.h>
#include <string.h>

/* Columns of a row, and what they are read from: the upgrade U, its operation O, the notification N
 * that its state comes from and S, its last step. */
#define UPGRADE_COLUMNS                                                                      \
    " o.app_id, o.operation_id, u.sub_operation_id, u.device_id, u.state, u.contradictory,"  \
    " coalesce(json_extract(s.body, '$.swUpgradeState'), json_extract(s.body, '$.step')),"   \
    " json_extract(n.body, '$.curVersion'), json_extract(n.body, '$.targetVersion'),"        \
    " json_extract(n.body, '$.sourceVersion'), json_extract(n.body, '$.upgradeTime'),"       \
    " coalesce(json_extract(n.body, '$.resultDesc'), json_extract(n.body, '$.statusDesc'))," \
    " coalesce(u.error_code, json_extract(n.body, '$.errorCode')),"                          \
    " json_extract(n.body, '$.description'), u.seq, u.began_at,"                             \
    " max(n.received_at, coalesce(s.received_at, n.received_at)), u.operation,"              \
    " u.id, u.device, u.sub_operation, n.received_at"
#define UPGRADE_JOINS \
    " CROSS JOIN notification n ON n.seq = u.seq LEFT JOIN notification s ON s.seq = u.step_seq"

struct upgrade_taker {
    store_each_upgrade *each;
    void *owner;
    size_t count;
    bool enough; /* EACH wants no more */
    /* of the last row */
    int64_t operation, id, began_ms, device, sub_operation;
};

static int take_upgrade(sqlite3_stmt *read, void *argument)
{
    struct upgrade_taker *taker = argument;
    const struct store_upgrade_row row = {
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
        .state_ms = sqlite3_column_int64(read, 21),
    };
    taker->count++;
    taker->operation = row.operation;
    taker->began_ms = row.began_ms;
    taker->id = sqlite3_column_int64(read, 18);
    taker->device = sqlite3_column_int64(read, 19);
    taker->sub_operation = sqlite3_column_int64(read, 20);
    int result = taker->each(taker->owner, &row);
    taker->enough = result > 0;
    return result;
}

/* Parameters behind those of an operation and a place, ?1 to ?4. */
enum parameter {
    PARAMETER_STATE = 5,
    PARAMETER_CONTRADICTORY,
    PARAMETER_BEFORE,
    PARAMETER_CODE,
    PARAMETER_DEVICE, /* its hash */
    PARAMETER_DEVICE_ID,
    PARAMETER_SUB_OPERATION_ID,
};

/* One way to walk the upgrades of an operation, ?1: from what, in which order, and where a page
 * begins. */
struct walk {
    const char *with, *from;
    const char *where; /* beside the operation; ?2 and on are the place's numbers */
    const char *order;
    int place; /* numbers in a place */
};

#define INDEX(name) \
    "", " operation o CROSS JOIN upgrade u INDEXED BY upgrade_" #name " ON u.operation = o.id"

/* Each upgrade leads to the next in `lookup` in one step, however many entries it has. They come
 * one by one, so in that order; the first is where the page before ended. SQLite looks for a row of
 * values from the first that is not less: no content's hash reaches 1 << 32. */
static const struct walk walk_all = {
    "WITH RECURSIVE next(device, sub_operation, upgrade) AS (SELECT ?2, ?3, ?4 UNION ALL"
    " SELECT l.device, l.sub_operation, l.upgrade FROM next CROSS JOIN lookup l"
    " ON l.operation = ?1 AND (l.device, l.sub_operation, l.upgrade, l.content, l.seq) ="
    "  (SELECT device, sub_operation, upgrade, content, seq FROM lookup WHERE operation = ?1"
    "   AND (device, sub_operation, upgrade, content) >"
    "    (next.device, next.sub_operation, next.upgrade, 1 << 32)"
    "   ORDER BY device, sub_operation, upgrade LIMIT 1)) ",
    " next CROSS JOIN operation o CROSS JOIN upgrade u ON u.id = next.upgrade",
    " AND (u.device, u.sub_operation, u.id) > (?2, ?3, ?4)", "", 3};
static const struct walk walk_in_progress = {INDEX(in_progress),
                                             " AND u.state = 0 AND (u.began_at, u.id) > (?2, ?3)",
                                             " ORDER BY u.began_at, u.id", 2};
static const struct walk walk_success = {INDEX(success), " AND u.state = 1 AND u.id > ?2",
                                         " ORDER BY u.id", 1};
static const struct walk walk_fail = {INDEX(fail), " AND u.state = 2 AND u.id > ?2",
                                      " ORDER BY u.id", 1};
static const struct walk walk_fail_code = {
    INDEX(fail_code), " AND u.state = 2 AND u.error_code = ?8 AND u.id > ?2", " ORDER BY u.id", 1};
static const struct walk walk_contradictory = {
    INDEX(contradictory), " AND u.contradictory = 1 AND u.id > ?2", " ORDER BY u.id", 1};

static const struct walk *choose_walk(const struct store_upgrade_filter *filter)
{
    if (filter->error_code != NULL)
        return &walk_fail_code;
    if (filter->contradictory)
        return &walk_contradictory;
    if (filter->of_state && filter->state == RECORD_FAIL)
        return &walk_fail;
    if (filter->of_state && filter->state == RECORD_SUCCESS)
        return &walk_success;
    if ((filter->of_state && filter->state == RECORD_IN_PROGRESS) || filter->began_before_ms > 0)
        return &walk_in_progress;
    return &walk_all;
}

static void note_place(const struct walk *walk, const struct upgrade_taker *taker,
                       int64_t numbers[3])
{
    numbers[0] = walk == &walk_all           ? taker->device
                 : walk == &walk_in_progress ? taker->began_ms
                                             : taker->id;
    numbers[1] = walk == &walk_all ? taker->sub_operation : taker->id;
    numbers[2] = taker->id;
}

/* Reads a page of one operation's upgrades, from behind the place that NUMBERS, one for each of
 * WALK's, are of; changes them to where the next page begins. */
static int list_one(struct store_reader *reader, const struct store_upgrade_filter *filter,
                    const struct walk *walk, int64_t operation, int64_t numbers[3], size_t most,
                    struct upgrade_taker *taker, bool *more, struct fault *fault)
{
    char sql[4096];
    const int64_t bound[] = {operation, numbers[0], numbers[1], numbers[2]};
    snprintf(sql, sizeof sql,
             "%sSELECT" UPGRADE_COLUMNS " FROM%s" UPGRADE_JOINS " WHERE o.id = ?1%s"
             " AND (?5 < 0 OR u.state = ?5) AND (?6 = 0 OR u.contradictory = 1)%s%s",
             walk->with, walk->from, walk->where,
             filter->began_before_ms > 0 ? " AND u.state = 0 AND u.began_at < ?7" : "",
             walk->order);
    sqlite3_stmt *read = store_query_prepare(reader, sql, bound, 1 + walk->place, fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int(read, PARAMETER_STATE, filter->of_state ? (int)filter->state : -1);
    sqlite3_bind_int(read, PARAMETER_CONTRADICTORY, filter->contradictory);
    if (filter->began_before_ms > 0)
        sqlite3_bind_int64(read, PARAMETER_BEFORE, filter->began_before_ms);
    if (walk == &walk_fail_code)
        store_bind_key(read, PARAMETER_CODE, filter->error_code);
    size_t before = taker->count;
    if (store_query_rows(reader, read, most, take_upgrade, taker, more, fault) != 0)
        return -1;
    if (taker->count > before)
        note_place(walk, taker, numbers);
    return 0;
}

/* The newest operation up to FROM that has failures, with CODE where that is not NULL; 0 where
 * there is none, -1 on failure. */
static int64_t next_failing(struct store_reader *reader, int64_t from, const char *code,
                            struct fault *fault)
{
    sqlite3_stmt *read = store_query_prepare(
        reader, store_text(code == NULL ? STORE_TEXT_failing : STORE_TEXT_failing_code), &from, 1,
        fault);
    if (read == NULL)
        return -1;
    if (code != NULL)
        store_bind_key(read, 2, code);
    int64_t found = 0;
    int step = sqlite3_step(read);
    if (step == SQLITE_ROW)
        found = sqlite3_column_int64(read, 0);
    return store_reader_finish(reader, read, step == SQLITE_ROW ? SQLITE_DONE : step, fault) == 0
               ? found
               : -1;
}

/* Failures of all operations: a page goes on in the next operation until it is full. */
static int list_all(struct store_reader *reader, const struct store_upgrade_filter *filter,
                    const struct store_place *after, size_t most, struct upgrade_taker *taker,
                    struct store_place *next, struct fault *fault)
{
    const struct walk *walk = choose_walk(filter);
    int64_t place[] = {INT64_MAX, 0};
    if (after->text[0] != '\0' && store_place_read(after, place, 2, fault) != 0)
        return -1;
    bool more = false;
    int64_t operation = place[0], numbers[3] = {place[1]};
    while (!more && (operation = next_failing(reader, operation, filter->error_code, fault)) > 0) {
        if (operation != place[0])
            numbers[0] = 0;
        if (list_one(reader, filter, walk, operation, numbers,
                     taker->enough ? 0 : most - taker->count, taker, &more, fault) != 0)
            return -1;
        place[0] = operation--;
    }
    if (operation < 0)
        return -1;
    const int64_t last[] = {place[0], numbers[0]};
    store_place_write(next, last, more ? 2 : 0);
    return 0;
}

int store_list_upgrades(struct store_reader *reader, const struct store_upgrade_filter *filter,
                        const struct store_place *after, size_t most, store_each_upgrade *each,
                        void *owner, struct store_place *next, struct fault *fault)
{
    const struct walk *walk = choose_walk(filter);
    struct upgrade_taker taker = {.each = each, .owner = owner};
    if (filter->operation == 0)
        return list_all(reader, filter, after, most, &taker, next, fault);
    int64_t numbers[3] = {walk == &walk_all ? -1 : 0};
    if (walk == &walk_in_progress)
        numbers[0] = INT64_MIN;
    bool more;
    if (after->text[0] != '\0' && store_place_read(after, numbers, walk->place, fault) != 0)
        return -1;
    if (list_one(reader, filter, walk, filter->operation, numbers, most, &taker, &more, fault) != 0)
        return -1;
    store_place_write(next, numbers, more ? walk->place : 0);
    return 0;
}

/* --- one device --------------------------------------------------------------------------------
 */

/* A statement about one device: its hash in this store and itself are bound, and COUNT numbers as
 * store_query_prepare does. */
static sqlite3_stmt *prepare_device(struct store_reader *reader, const char *sql,
                                    const int64_t numbers[], int count, const char *device_id,
                                    struct fault *fault)
{
    unsigned char key[CONTENT_KEY_SIZE];
    sqlite3_stmt *read = store_query_prepare(reader, sql, numbers, count, fault);
    if (read == NULL)
        return NULL;
    if (store_read_secret(reader->db, key, fault) != 0) {
        sqlite3_finalize(read);
        return NULL;
    }
    sqlite3_bind_int64(read, PARAMETER_DEVICE, store_low32(content_hash_string(device_id, key)));
    sqlite3_bind_text(read, PARAMETER_DEVICE_ID, device_id, -1, SQLITE_STATIC);
    return read;
}

int store_list_device(struct store_reader *reader, const char *device_id,
                      const struct store_place *after, size_t most, store_each_upgrade *each,
                      void *owner, struct store_place *next, struct fault *fault)
{
    int64_t numbers[] = {INT64_MAX, INT64_MAX};
    struct upgrade_taker taker = {.each = each, .owner = owner};
    bool more;
    if (after->text[0] != '\0' && store_place_read(after, numbers, 2, fault) != 0)
        return -1;
    sqlite3_stmt *read = prepare_device(
        reader,
        "SELECT" UPGRADE_COLUMNS " FROM operation o CROSS JOIN upgrade u"
        " ON u.id IN"
        "  (SELECT upgrade FROM lookup WHERE operation = o.id AND device = ?9)" UPGRADE_JOINS
        " WHERE o.id <= ?1 AND (o.id, u.id) < (?1, ?2)"
        " AND u.device_id = ?10 ORDER BY o.id DESC, u.id DESC",
        numbers, 2, device_id, fault);
    if (read == NULL ||
        store_query_rows(reader, read, most, take_upgrade, &taker, &more, fault) != 0)
        return -1;
    const int64_t last[] = {taker.operation, taker.id};
    store_place_write(next, last, more ? 2 : 0);
    return 0;
}

struct kept_taker {
    store_each_kept *each;
    void *owner;
};

static int take_kept(sqlite3_stmt *read, void *argument)
{
    struct kept_taker *taker = argument;
    const struct store_kept kept = {
        .seq = sqlite3_column_int64(read, 0),
        .received_ms = sqlite3_column_int64(read, 1),
        .deliveries = sqlite3_column_int64(read, 2),
        .body = (char *)(uintptr_t)store_column_text(read, 3),
        .body_length = (size_t)sqlite3_column_bytes(read, 3),
    };
    return taker->each(taker->owner, &kept);
}

int store_list_notifications(struct store_reader *reader, const char *device_id, int64_t operation,
                             const char *sub_operation_id, size_t most, store_each_kept *each,
                             void *owner, struct fault *fault)
{
    struct kept_taker taker = {.each = each, .owner = owner};
    /* The numbers alone are sorted, from the index; bodies are read as far as they are asked for.
     */
    sqlite3_stmt *read = prepare_device(
        reader,
        "SELECT n.seq, n.received_at, n.deliveries, n.body FROM notification n WHERE n.seq IN"
        " (SELECT seq FROM lookup WHERE operation = ?1 AND device = ?9)"
        " AND coalesce(nullif(json_extract(n.body, '$.deviceId'), ''),"
        "  json_extract(n.body, '$.header.deviceId')) = ?10"
        " AND (?11 IS NULL OR json_extract(n.body, '$.subOperationId') = ?11)"
        " ORDER BY n.seq DESC",
        &operation, 1, device_id, fault);
    if (read == NULL)
        return -1;
    if (sub_operation_id != NULL)
        sqlite3_bind_text(read, PARAMETER_SUB_OPERATION_ID, sub_operation_id, -1, SQLITE_STATIC);
    return store_query_rows(reader, read, most, take_kept, &taker, NULL, fault);
}
