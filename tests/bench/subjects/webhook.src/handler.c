/* handler: what webhook starts for a notification, to measure against.
 *
 *     handler BODY
 *
 * Keeps it in store.db (schema.sql) of the folder that it is started in, in one synced transaction,
 * and prints the answer. Ends with 1, which webhook answers with 500, where BODY is no notification
 * or cannot be kept. */
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

struct notification {
    const char *body, *notify_type, *app_id, *device_id, *operation_id, *sub_operation_id, *state;
    int64_t received_at;
};

static const char *optional(const json_t *members, const char *name)
{
    const char *value = json_string_value(json_object_get(members, name));
    return value == NULL ? "" : value;
}

/* Points into members and body. */
static bool read_notification(struct notification *notification, const char *body, json_t *members)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *result = optional(members, "swUpgradeResult");
    if (*result == '\0')
        result = optional(members, "status");
    bool is_result = strcmp(result, "SUCCESS") == 0 || strcmp(result, "FAIL") == 0;
    *notification = (struct notification){
        .body = body,
        .notify_type = json_string_value(json_object_get(members, "notifyType")),
        .device_id = json_string_value(json_object_get(members, "deviceId")),
        .operation_id = json_string_value(json_object_get(members, "operationId")),
        .app_id = optional(members, "appId"),
        .sub_operation_id = optional(members, "subOperationId"),
        .state = is_result ? result : "IN_PROGRESS",
        .received_at = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
    };
    return notification->notify_type != NULL && notification->device_id != NULL &&
           notification->operation_id != NULL;
}

/* Prepares a statement with texts bound to its parameters, in this order; NULL: the store is at
 * fault. */
static sqlite3_stmt *prepare(sqlite3 *store, const char *sql, int count, const char *const texts[])
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    for (int i = 0; i < count; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    return statement;
}

static bool finish(sqlite3_stmt *statement)
{
    return sqlite3_step(statement) == SQLITE_DONE && sqlite3_finalize(statement) == SQLITE_OK;
}

static bool put_notification(sqlite3 *store, const struct notification *n, sqlite3_int64 *seq,
                             int *deliveries)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)n->body, strlen(n->body));
    const char *texts[] = {n->notify_type,  n->app_id,           n->device_id,
                           n->operation_id, n->sub_operation_id, n->body};
    sqlite3_stmt *statement = prepare(
        store,
        "INSERT INTO notifications"
        " (notifyType, appId, deviceId, operationId, subOperationId, body, receivedAt, hash)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT DO UPDATE SET deliveries = deliveries + 1 RETURNING seq, deliveries",
        6, texts);
    sqlite3_bind_int64(statement, 7, n->received_at);
    sqlite3_bind_blob(statement, 8, hash, 16, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return false;
    *seq = sqlite3_column_int64(statement, 0);
    *deliveries = sqlite3_column_int(statement, 1);
    return finish(statement);
}

static bool count(sqlite3 *store, const struct notification *n, const char *state, int difference)
{
    const char *texts[] = {n->app_id, n->operation_id, state};
    sqlite3_stmt *statement = prepare(
        store,
        "INSERT INTO counters (appId, operationId, state, upgrades) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET upgrades = upgrades + excluded.upgrades",
        3, texts);
    sqlite3_bind_int(statement, 4, difference);
    return finish(statement);
}

/* Sets the state of the notification's upgrade, which no result gives up for a state change. */
static bool put_upgrade(sqlite3 *store, const struct notification *n, sqlite3_int64 seq)
{
    const char *texts[] = {n->app_id, n->operation_id, n->sub_operation_id, n->device_id, n->state};
    sqlite3_stmt *find = prepare(store,
                                 "SELECT state FROM upgrades WHERE appId = ?1 AND operationId = ?2"
                                 " AND subOperationId = ?3 AND deviceId = ?4",
                                 4, texts);
    int step = sqlite3_step(find);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        return false;
    const char *before = step == SQLITE_ROW ? (const char *)sqlite3_column_text(find, 0) : NULL;
    if (before != NULL && strcmp(before, "IN_PROGRESS") != 0 &&
        strcmp(n->state, "IN_PROGRESS") == 0)
        return sqlite3_finalize(find) == SQLITE_OK;
    if (before == NULL || strcmp(before, n->state) != 0) {
        if ((before != NULL && !count(store, n, before, -1)) || !count(store, n, n->state, 1))
            return false;
    }
    sqlite3_finalize(find);
    sqlite3_stmt *set = prepare(
        store,
        "INSERT INTO upgrades (appId, operationId, subOperationId, deviceId, state, seq)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq",
        5, texts);
    sqlite3_bind_int64(set, 6, seq);
    return finish(set);
}

static bool keep(sqlite3 *store, const struct notification *n, int *deliveries)
{
    sqlite3_int64 seq;
    if (sqlite3_exec(store, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        !put_notification(store, n, &seq, deliveries))
        return false;
    if (*deliveries == 1 && !put_upgrade(store, n, seq))
        return false;
    return sqlite3_exec(store, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* Opens the store, and reads of it: as long as one process has done that, the next one need not
 * read the whole of the store's log to begin with. */
static bool open_store(sqlite3 **store)
{
    return sqlite3_open("store.db", store) == SQLITE_OK &&
           sqlite3_busy_timeout(*store, 10000) == SQLITE_OK &&
           sqlite3_exec(*store, "PRAGMA synchronous = FULL; SELECT 1 FROM sqlite_schema", NULL,
                        NULL, NULL) == SQLITE_OK;
}

/* SQLite's own waiting for the writer before sleeps and looks again; this wakes up at once. The
 * turn ends with the process. */
static bool take_turn(void)
{
    int turn = open("turn", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    return turn >= 0 && flock(turn, LOCK_EX) == 0;
}

int main(int argument_count, char *arguments[])
{
    struct notification notification;
    json_t *members = argument_count == 2 ? json_loads(arguments[1], 0, NULL) : NULL;
    if (!read_notification(&notification, arguments[1], members)) {
        fputs("no notification\n", stderr);
        return 1;
    }
    sqlite3 *store;
    int deliveries;
    if (!open_store(&store) || !take_turn() || !keep(store, &notification, &deliveries)) {
        fprintf(stderr, "store: %s\n", sqlite3_errmsg(store));
        return 1;
    }
    const char *answer = deliveries > 1 ? "{\"result\":\"repeated\"}\n"
                                        : "{\"result\":\"stored\"}\n";
    size_t length = strlen(answer);
    /* Without closing the store: the last one to close it would write all of its log back. */
    _exit(write(STDOUT_FILENO, answer, length) == (ssize_t)length ? 0 : 1);
}
