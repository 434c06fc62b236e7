/* bodies: reads kept notifications and quarantined bodies, many at a time and in order. */
#include "config.h"

#include "store/engine.h"
#include "store/journal.h"

#include <stdlib.h>
#include <string.h>

/* Copies a column's bytes and adds a NUL. Returns NULL if memory is short. */
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

/* Copies the current row of READ into ROWS[INDEX]. Returns the bytes of its body, or -1 if memory
 * is short. After a failure the caller still releases the copied part. */
typedef ssize_t take_row(sqlite3_stmt *read, void *rows, size_t index);

static ssize_t take_kept(sqlite3_stmt *read, void *rows, size_t index)
{
    struct store_kept *kept = (struct store_kept *)rows + index;
    *kept = (struct store_kept){
        .seq = sqlite3_column_int64(read, 0),
        .received_ms = sqlite3_column_int64(read, 1),
        .deliveries = sqlite3_column_int64(read, 2),
    };
    store_life_copy(read, 4, kept->life);
    kept->body = copy_bytes(read, 3, &kept->body_length);
    return kept->body == NULL ? -1 : (ssize_t)kept->body_length;
}

static ssize_t take_quarantined(sqlite3_stmt *read, void *rows, size_t index)
{
    struct store_quarantined *quarantined = (struct store_quarantined *)rows + index;
    *quarantined = (struct store_quarantined){
        .id = sqlite3_column_int64(read, 0),
        .received_ms = sqlite3_column_int64(read, 1),
        .reason = copy_bytes(read, 2, NULL),
        .pointer = copy_bytes(read, 3, NULL),
    };
    quarantined->body = copy_bytes(read, 4, &quarantined->body_length);
    quarantined->any_app = sqlite3_column_int(read, 5) != 0;
    return quarantined->reason == NULL || quarantined->pointer == NULL || quarantined->body == NULL
               ? -1
               : (ssize_t)quarantined->body_length;
}

static ssize_t take_journaled(sqlite3_stmt *read, void *rows, size_t index)
{
    struct store_journaled *entry = (struct store_journaled *)rows + index;
    *entry = (struct store_journaled){
        .number = sqlite3_column_int64(read, 0),
        .kind = sqlite3_column_int(read, 1),
        .received_ms = sqlite3_column_int64(read, 2),
        .deliveries = sqlite3_column_int64(read, 3),
        .again = sqlite3_column_int(read, 4) != 0,
        .reason = copy_bytes(read, 5, NULL),
        .pointer = copy_bytes(read, 6, NULL),
        .known = sqlite3_column_int(read, 7) != 0,
        .any_app = sqlite3_column_int(read, 8) != 0,
    };
    entry->body = copy_bytes(read, 9, &entry->body_length);
    store_life_copy(read, 10, entry->life);
    return entry->reason == NULL || entry->pointer == NULL || entry->body == NULL
               ? -1
               : (ssize_t)entry->body_length;
}

/* Reads rows of SQL, with NUMBERS bound, until their bodies reach STORE_READ_BYTES. *COUNT is how
 * many rows to release, also on failure. */
static int read_rows(struct store_reader *reader, const char *sql, const int64_t *numbers,
                     int numbers_count, take_row *take, void *rows, size_t *count,
                     struct fault *fault)
{
    size_t bytes = 0;
    int step = SQLITE_DONE;
    *count = 0;
    sqlite3_stmt *read = store_query_prepare(reader, sql, numbers, numbers_count, fault);
    if (read == NULL)
        return -1;
    while (bytes < STORE_READ_BYTES && (step = sqlite3_step(read)) == SQLITE_ROW) {
        ssize_t length = take(read, rows, (*count)++);
        if (length < 0) {
            fault_set(fault, "out of memory");
            step = SQLITE_NOMEM;
            break;
        }
        bytes += (size_t)length;
    }
    return store_reader_finish(reader, read, step == SQLITE_ROW ? SQLITE_DONE : step, fault);
}

static int read_kept(struct store_reader *reader, const char *sql, const int64_t *numbers,
                     int numbers_count, struct store_kept *kept, size_t *count, struct fault *fault)
{
    if (read_rows(reader, sql, numbers, numbers_count, take_kept, kept, count, fault) == 0)
        return 0;
    store_kept_release(kept, *count);
    *count = 0;
    return -1;
}

int store_read_after(struct store_reader *reader, int64_t after, struct store_kept *kept,
                     size_t most, size_t *count, struct fault *fault)
{
    const int64_t numbers[] = {after, (int64_t)most};
    return read_kept(reader, store_text(STORE_TEXT_notifications_after), numbers, 2, kept, count,
                     fault);
}

int store_read_between(struct store_reader *reader, int64_t since_ms, int64_t until_ms,
                       int64_t after, struct store_kept *kept, size_t most, size_t *count,
                       struct fault *fault)
{
    const int64_t numbers[] = {since_ms, until_ms, after, (int64_t)most, STORE_TIME_INDEX_BITS};
    return read_kept(reader, store_text(STORE_TEXT_notifications_between), numbers, 5, kept, count,
                     fault);
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
    const int64_t numbers[] = {after, (int64_t)most};
    if (read_rows(reader, store_text(STORE_TEXT_quarantined_bodies), numbers, 2, take_quarantined,
                  quarantined, count, fault) == 0)
        return 0;
    store_quarantined_release(quarantined, *count);
    *count = 0;
    return -1;
}

void store_quarantined_release(struct store_quarantined *quarantined, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(quarantined[i].reason);
        free(quarantined[i].pointer);
        free(quarantined[i].body);
    }
}

int store_journal_read(struct store_reader *reader, int64_t after, struct store_journaled *entries,
                       size_t most, size_t *count, struct fault *fault)
{
    const int64_t numbers[] = {after, (int64_t)most};
    if (read_rows(reader, store_text(STORE_TEXT_journal), numbers, 2, take_journaled, entries,
                  count, fault) == 0)
        return 0;
    store_journal_release(entries, *count);
    *count = 0;
    return -1;
}

void store_journal_release(struct store_journaled *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(entries[i].reason);
        free(entries[i].pointer);
        free(entries[i].body);
    }
}
