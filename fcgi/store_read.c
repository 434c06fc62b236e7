/* store_read: reads the books beside the writer, and copies its log to the main file. */
#include "config.h"

#include "store_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pages that a reader keeps in memory, in KiB: it reads little, but again and again. */
#define READER_CACHE "PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF"

struct store_reader {
    char *path;
    sqlite3 *db; /* NULL: not open */
    struct store_identity identity;
    int64_t opened; /* how often */
};

int store_reader_new(struct store_reader **gives, const char *folder, struct fault *fault)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    size_t size = strlen(folder) + sizeof "/upgrades.db";
    if (reader == NULL || (reader->path = malloc(size)) == NULL) {
        free(reader);
        return fault_set(fault, "out of memory");
    }
    snprintf(reader->path, size, "%s/upgrades.db", folder);
    *gives = reader;
    return 0;
}

int64_t store_reader_opened(const struct store_reader *reader)
{
    return reader->opened;
}

void store_reader_close(struct store_reader *reader)
{
    sqlite3_close(reader->db);
    reader->db = NULL;
}

void store_reader_free(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    store_reader_close(reader);
    free(reader->path);
    free(reader);
}

/* Opens the store unless it is open already, and still the same file. It is opened for writing
 * because a checkpoint writes; nothing else here does. */
static int open_reader(struct store_reader *reader, struct fault *fault)
{
    struct store_identity now;
    if (store_identify(reader->path, &now) != 0) {
        int error = errno;
        store_reader_close(reader);
        return fault_set_errno(fault, error, "%s", reader->path);
    }
    if (reader->db != NULL && store_same_file(&now, &reader->identity))
        return 0;
    store_reader_close(reader);
    if (sqlite3_open_v2(reader->path, &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        goto fail;
    sqlite3_extended_result_codes(reader->db, 1);
    sqlite3_busy_timeout(reader->db, STORE_WAIT_MS);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(reader->db, READER_CACHE, NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    if (store_layout_require(reader->db, fault) != 0) {
        store_reader_close(reader);
        return fault_add(fault, "%s", reader->path);
    }
    reader->identity = now;
    reader->opened++;
    return 0;

fail:
    store_fault(reader->db, fault, reader->path);
    store_reader_close(reader);
    return -1;
}

static sqlite3_stmt *prepare(struct store_reader *reader, const char *sql, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL) != SQLITE_OK)
        store_fault(reader->db, fault, reader->path);
    return statement;
}

/* Ends a loop over rows: 0 where STEP says that all came. */
static int finish(struct store_reader *reader, sqlite3_stmt *statement, int step,
                  struct fault *fault)
{
    if (step != SQLITE_DONE)
        store_fault(reader->db, fault, reader->path);
    sqlite3_finalize(statement);
    return step == SQLITE_DONE ? 0 : -1;
}

/* Copies a column's text into OUT, cut before a character that would not fit whole. */
static void copy_text(sqlite3_stmt *statement, int column, char out[STORE_SNAPSHOT_TEXT_MAX])
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    size_t length = text == NULL ? 0 : strlen(text);
    if (length > STORE_SNAPSHOT_TEXT_MAX - 1) {
        length = STORE_SNAPSHOT_TEXT_MAX - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    if (length > 0)
        memcpy(out, text, length);
    out[length] = '\0';
}

static int read_totals(struct store_reader *reader, struct store_totals *totals,
                       struct fault *fault)
{
    struct store_ledger ledger;
    sqlite3_stmt *read = prepare(reader, STORE_TOTALS_READ, fault);
    if (read == NULL)
        return -1;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        store_ledger_read(read, &ledger);
        *totals = ledger.totals;
    }
    return finish(reader, read, step, fault);
}

static int read_failures(struct store_reader *reader, int64_t id, struct store_operation *operation,
                         struct fault *fault)
{
    sqlite3_stmt *read = prepare(reader,
                                 "SELECT error_code, count, first_at, last_at FROM failure"
                                 " WHERE operation = ?1 AND count > 0"
                                 " ORDER BY count DESC LIMIT ?2",
                                 fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int64(read, 1, id);
    sqlite3_bind_int(read, 2, STORE_SNAPSHOT_FAILURES);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_failure *failure = &operation->failures[operation->failures_length++];
        copy_text(read, 0, failure->error_code);
        failure->count = sqlite3_column_int64(read, 1);
        failure->first_ms = sqlite3_column_int64(read, 2);
        failure->last_ms = sqlite3_column_int64(read, 3);
    }
    return finish(reader, read, step, fault);
}

static int read_operations(struct store_reader *reader, struct store_snapshot *snapshot,
                           struct fault *fault)
{
    sqlite3_stmt *read = prepare(reader,
                                 "SELECT id, app_id, operation_id, in_progress, success, fail,"
                                 " contradictory, first_at, last_at FROM operation"
                                 " ORDER BY last_seq DESC LIMIT ?1",
                                 fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int(read, 1, STORE_SNAPSHOT_OPERATIONS);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_operation *operation = &snapshot->operations[snapshot->operations_length++];
        *operation = (struct store_operation){
            .in_progress = sqlite3_column_int64(read, 3),
            .success = sqlite3_column_int64(read, 4),
            .fail = sqlite3_column_int64(read, 5),
            .contradictory = sqlite3_column_int64(read, 6),
            .first_ms = sqlite3_column_int64(read, 7),
            .last_ms = sqlite3_column_int64(read, 8),
        };
        copy_text(read, 1, operation->app_id);
        copy_text(read, 2, operation->operation_id);
        if (read_failures(reader, sqlite3_column_int64(read, 0), operation, fault) != 0) {
            sqlite3_finalize(read);
            return -1;
        }
    }
    return finish(reader, read, step, fault);
}

static int read_records(struct store_reader *reader, struct store_snapshot *snapshot,
                        struct fault *fault)
{
    sqlite3_stmt *read = prepare(reader,
                                 "SELECT seq, received_at, deliveries, body FROM notification"
                                 " ORDER BY seq DESC LIMIT ?1",
                                 fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int(read, 1, STORE_SNAPSHOT_RECORDS);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_kept *record = &snapshot->records[snapshot->records_length++];
        const char *body = (const char *)sqlite3_column_text(read, 3);
        *record = (struct store_kept){
            .seq = sqlite3_column_int64(read, 0),
            .received_ms = sqlite3_column_int64(read, 1),
            .deliveries = sqlite3_column_int64(read, 2),
            .body_length = (size_t)sqlite3_column_bytes(read, 3),
        };
        if (body != NULL && record->body_length <= STORE_SNAPSHOT_BODY_MAX &&
            (record->body = strdup(body)) == NULL) {
            sqlite3_finalize(read);
            return fault_set(fault, "out of memory");
        }
    }
    return finish(reader, read, step, fault);
}

static int read_cursors(struct store_reader *reader, struct store_snapshot *snapshot,
                        struct fault *fault)
{
    sqlite3_stmt *read = prepare(reader, "SELECT name, seq FROM cursor ORDER BY name LIMIT ?1",
                                 fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int(read, 1, STORE_SNAPSHOT_CURSORS);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_cursor *cursor = &snapshot->cursors[snapshot->cursors_length++];
        snprintf(cursor->name, sizeof cursor->name, "%s",
                 (const char *)sqlite3_column_text(read, 0));
        cursor->seq = sqlite3_column_int64(read, 1);
    }
    return finish(reader, read, step, fault);
}

int store_read_snapshot(struct store_reader *reader, struct store_snapshot *snapshot,
                        struct fault *fault)
{
    if (open_reader(reader, fault) != 0)
        return -1;
    struct store_snapshot *taken = calloc(1, sizeof *taken);
    if (taken == NULL)
        return fault_set(fault, "out of memory");
    int result = -1;
    if (sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
        store_fault(reader->db, fault, reader->path);
    } else if (read_totals(reader, &taken->totals, fault) == 0 &&
               read_operations(reader, taken, fault) == 0 &&
               read_records(reader, taken, fault) == 0 && read_cursors(reader, taken, fault) == 0) {
        result = 0;
    }
    sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL);
    if (result == 0) {
        *snapshot = *taken;
    } else {
        store_snapshot_release(taken);
        store_reader_close(reader);
    }
    free(taken);
    return result;
}

void store_snapshot_release(struct store_snapshot *snapshot)
{
    store_kept_release(snapshot->records, snapshot->records_length);
    snapshot->records_length = 0;
}

/* Reads the one number that SQL gives, with one TEXT bound where that is not NULL; left alone where
 * there is no row. */
static int read_number(struct store_reader *reader, const char *sql, const char *text,
                       int64_t *number, struct fault *fault)
{
    if (open_reader(reader, fault) != 0)
        return -1;
    sqlite3_stmt *read = prepare(reader, sql, fault);
    if (read == NULL)
        return -1;
    if (text != NULL)
        sqlite3_bind_text(read, 1, text, -1, SQLITE_STATIC);
    int64_t found = *number;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW)
        found = sqlite3_column_int64(read, 0);
    if (finish(reader, read, step, fault) != 0)
        return -1;
    *number = found;
    return 0;
}

int store_read_version(struct store_reader *reader, int64_t *version, struct fault *fault)
{
    int64_t number = 0;
    if (read_number(reader, "PRAGMA data_version", NULL, &number, fault) != 0)
        return -1;
    *version = reader->opened << 32 | number;
    return 0;
}

int store_read_cursor(struct store_reader *reader, struct store_cursor *cursor, struct fault *fault)
{
    unsigned char key[CONTENT_KEY_SIZE];
    int64_t seq = 0;
    if (read_number(reader, "SELECT seq FROM cursor WHERE name = ?1", cursor->name, &seq, fault) !=
            0 ||
        store_read_secret(reader->db, key, fault) != 0)
        return -1;
    cursor->seq = seq;
    cursor->store = store_number(key);
    return 0;
}

/* Copies a column's bytes, with a NUL behind them; NULL when memory is short. */
static char *copy_bytes(sqlite3_stmt *statement, int column, size_t *length)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    if (length != NULL)
        *length = size;
    return copy;
}

/* Prepares a read of rows numbered above AFTER, MOST at most. */
static sqlite3_stmt *prepare_after(struct store_reader *reader, const char *sql, int64_t after,
                                   size_t most, struct fault *fault)
{
    if (open_reader(reader, fault) != 0)
        return NULL;
    sqlite3_stmt *read = prepare(reader, sql, fault);
    if (read == NULL)
        return NULL;
    sqlite3_bind_int64(read, 1, after);
    sqlite3_bind_int64(read, 2, (int64_t)most);
    return read;
}

int store_read_after(struct store_reader *reader, int64_t after, struct store_kept *kept,
                     size_t most, size_t *count, struct fault *fault)
{
    sqlite3_stmt *read = prepare_after(reader,
                                       "SELECT seq, received_at, deliveries, body"
                                       " FROM notification WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                                       after, most, fault);
    if (read == NULL)
        return -1;
    size_t taken = 0, bytes = 0;
    int step = SQLITE_DONE;
    while (bytes < STORE_READ_BYTES && (step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_kept *next = &kept[taken];
        *next = (struct store_kept){
            .seq = sqlite3_column_int64(read, 0),
            .received_ms = sqlite3_column_int64(read, 1),
            .deliveries = sqlite3_column_int64(read, 2),
        };
        next->body = copy_bytes(read, 3, &next->body_length);
        bytes += next->body_length;
        taken++;
        if (next->body == NULL) {
            fault_set(fault, "out of memory");
            step = SQLITE_NOMEM;
            break;
        }
    }
    if (finish(reader, read, step == SQLITE_ROW ? SQLITE_DONE : step, fault) != 0) {
        store_kept_release(kept, taken);
        return -1;
    }
    *count = taken;
    return 0;
}

void store_kept_release(struct store_kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(kept[i].body);
}

int store_read_quarantined(struct store_reader *reader, int64_t after,
                           struct store_quarantined *quarantined, size_t most, size_t *count,
                           struct fault *fault)
{
    sqlite3_stmt *read = prepare_after(reader,
                                       "SELECT id, received_at, reason, pointer, body"
                                       " FROM quarantined WHERE id > ?1 ORDER BY id LIMIT ?2",
                                       after, most, fault);
    if (read == NULL)
        return -1;
    size_t taken = 0, bytes = 0;
    int step = SQLITE_DONE;
    while (bytes < STORE_READ_BYTES && (step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_quarantined *next = &quarantined[taken++];
        *next = (struct store_quarantined){
            .id = sqlite3_column_int64(read, 0),
            .received_ms = sqlite3_column_int64(read, 1),
            .reason = copy_bytes(read, 2, NULL),
            .pointer = copy_bytes(read, 3, NULL),
        };
        next->body = copy_bytes(read, 4, &next->body_length);
        bytes += next->body_length;
        if (next->reason == NULL || next->pointer == NULL || next->body == NULL) {
            fault_set(fault, "out of memory");
            step = SQLITE_NOMEM;
            break;
        }
    }
    if (finish(reader, read, step == SQLITE_ROW ? SQLITE_DONE : step, fault) != 0) {
        store_quarantined_release(quarantined, taken);
        return -1;
    }
    *count = taken;
    return 0;
}

void store_quarantined_release(struct store_quarantined *quarantined, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(quarantined[i].reason);
        free(quarantined[i].pointer);
        free(quarantined[i].body);
    }
}

int store_checkpoint(struct store_reader *reader, bool final, struct fault *fault)
{
    if (open_reader(reader, fault) != 0)
        return -1;
    int code = sqlite3_wal_checkpoint_v2(
        reader->db, NULL, final ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL,
        NULL);
    if (code == SQLITE_OK || code == SQLITE_BUSY)
        return 0; /* busy: somebody else is at it, or reads */
    return store_fault(reader->db, fault, "cannot copy the store's log to its main file");
}
