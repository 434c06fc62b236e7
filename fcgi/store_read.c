/* store_read: the books of one moment: the snapshot that the status file shows, and the overview.
 */
#include "config.h"

#include "store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    sqlite3_stmt *read = store_reader_prepare(reader, store_statement_text(STORE_read_totals),
                                              fault);
    if (read == NULL)
        return -1;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        store_ledger_read(read, &ledger);
        *totals = ledger.totals;
    }
    return store_reader_finish(reader, read, step, fault);
}

static int read_failures(struct store_reader *reader, int64_t id, struct store_operation *operation,
                         struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_failures_most), fault);
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
    return store_reader_finish(reader, read, step, fault);
}

static int read_operations(struct store_reader *reader, struct store_snapshot *snapshot,
                           struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_operations_latest),
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
    return store_reader_finish(reader, read, step, fault);
}

static int read_records(struct store_reader *reader, struct store_snapshot *snapshot,
                        struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_notifications_latest),
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
    return store_reader_finish(reader, read, step, fault);
}

static int read_cursors(struct store_reader *reader,
                        struct store_cursor cursors[STORE_SNAPSHOT_CURSORS], size_t *length,
                        struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_cursors), fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_int(read, 1, STORE_SNAPSHOT_CURSORS);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct store_cursor *cursor = &cursors[(*length)++];
        snprintf(cursor->name, sizeof cursor->name, "%s",
                 (const char *)sqlite3_column_text(read, 0));
        cursor->at.seq = sqlite3_column_int64(read, 1);
        store_life_copy(read, 2, cursor->at.life);
        cursor->lost = sqlite3_column_int(read, 3) != 0;
    }
    return store_reader_finish(reader, read, step, fault);
}

int store_read_snapshot(struct store_reader *reader, struct store_snapshot *snapshot,
                        struct fault *fault)
{
    if (store_read_begin(reader, 0, fault) != 0)
        return -1;
    struct store_snapshot *taken = calloc(1, sizeof *taken);
    int result = -1;
    if (taken == NULL)
        fault_set(fault, "out of memory");
    else if (read_totals(reader, &taken->totals, fault) == 0 &&
             read_operations(reader, taken, fault) == 0 &&
             read_records(reader, taken, fault) == 0 &&
             read_cursors(reader, taken->cursors, &taken->cursors_length, fault) == 0)
        result = 0;
    store_read_end(reader);
    if (result == 0) {
        *snapshot = *taken;
    } else {
        if (taken != NULL)
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

int store_read_overview(struct store_reader *reader, struct store_overview *overview,
                        struct fault *fault)
{
    struct store_overview taken = {.cursors_length = 0};
    if (store_reader_open(reader, fault) != 0 || read_totals(reader, &taken.totals, fault) != 0 ||
        read_cursors(reader, taken.cursors, &taken.cursors_length, fault) != 0)
        return -1;
    *overview = taken;
    return 0;
}
