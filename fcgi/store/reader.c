/* reader: reads the store beside the writer. It opens the files on first use, and again after they
 * were replaced. It also runs checkpoints. */
#include "config.h"

#include "store/engine.h"

#include "base/clock.h"
#include "base/fault_point.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A reader's page cache is 1024 KiB: it reads little, but often. */
#define READER_CACHE "PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF"

/* SQLite checks a read's time limit after this many of its steps: about ten microseconds. */
#define LIMIT_STEPS 1000

int store_reader_new(struct store_reader **gives, const char *folder, struct fault *fault)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fault_set(fault, "out of memory");
    if (store_files_init(reader->files, folder, fault) != 0) {
        store_reader_free(reader);
        return -1;
    }
    *gives = reader;
    return 0;
}

int64_t store_reader_opened(const struct store_reader *reader)
{
    return reader->opened;
}

void store_reader_close(struct store_reader *reader)
{
    store_read_end(reader);
    sqlite3_close(reader->db);
    reader->db = NULL;
}

void store_reader_free(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    store_reader_close(reader);
    store_files_release(reader->files);
    free(reader);
}

int store_reader_open(struct store_reader *reader, struct fault *fault)
{
    const char *path = reader->files[STORE_DB].path;
    if (reader->begun)
        return 0;
    if (reader->db != NULL && store_files_check(reader->files, NULL) == 0)
        return 0;
    store_reader_close(reader);
    if (store_files_note(reader->files) != 0)
        return fault_set_errno(fault, errno, "%s", path);
    if (sqlite3_open_v2(path, &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        goto fail;
    sqlite3_extended_result_codes(reader->db, 1);
    sqlite3_busy_timeout(reader->db, STORE_WAIT_MS);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(reader->db, READER_CACHE, NULL, NULL, NULL) != SQLITE_OK)
        goto fail;
    if (store_layout_require(reader->db, fault) != 0 || store_files_note(reader->files) != 0 ||
        store_files_require(reader->files, fault) != 0) {
        store_reader_close(reader);
        fault_set(fault, "it is gone");
        return fault_add(fault, "%s", path);
    }
    reader->opened++;
    return 0;

fail:
    store_fault(reader->db, fault, path);
    store_reader_close(reader);
    return -1;
}

/* For sqlite3_progress_handler: whether to abort. */
static int is_late(void *argument)
{
    const struct store_reader *reader = argument;
    return reader->begun && reader->limited && clock_monotonic_ms() >= reader->until_ms;
}

static int fail_late(struct fault *fault)
{
    return fault_set(fault, "reading took longer than it may");
}

sqlite3_stmt *store_reader_prepare(struct store_reader *reader, const char *sql,
                                   struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    int code = is_late(reader) ? SQLITE_INTERRUPT /* many short reads may exceed the limit, too */
                               : sqlite3_prepare_v2(reader->db, sql, -1, &statement, NULL);
    if (code == SQLITE_INTERRUPT)
        fail_late(fault);
    else if (code != SQLITE_OK)
        store_fault(reader->db, fault, reader->files[STORE_DB].path);
    return statement;
}

int store_reader_finish(struct store_reader *reader, sqlite3_stmt *statement, int step,
                        struct fault *fault)
{
    if (step == SQLITE_INTERRUPT)
        fail_late(fault);
    else if (step != SQLITE_DONE)
        store_fault(reader->db, fault, reader->files[STORE_DB].path);
    sqlite3_finalize(statement);
    return step == SQLITE_DONE ? 0 : -1;
}

/* --- rows --- */

static int read_key(const struct store_page_token *token, int64_t numbers[], int count,
                    struct fault *fault)
{
    const char *at = token->text;
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtoll(at, &end, 10);
        const char *digit = at[0] == '-' ? at + 1 : at;
        if (*digit < '0' || *digit > '9' || *end != (i < count - 1 ? '.' : '\0')) {
            if (fault != NULL && !fault->set)
                fault->misused = true;
            return fault_set(fault, "after: not a token that a page has given");
        }
        at = end + 1;
    }
    return 0;
}

sqlite3_stmt *store_query_prepare(struct store_reader *reader, const char *sql,
                                  const int64_t numbers[], int count, struct fault *fault)
{
    if (store_reader_open(reader, fault) != 0)
        return NULL;
    sqlite3_stmt *read = store_reader_prepare(reader, sql, fault);
    for (int i = 0; read != NULL && i < count; i++)
        sqlite3_bind_int64(read, i + 1, numbers[i]);
    return read;
}

struct store_rows store_rows_begin(struct store_reader *reader, const char *sql,
                                   const int64_t numbers[], int count, int key_length,
                                   const struct store_page_token *after, size_t most,
                                   struct fault *fault)
{
    struct store_rows rows = {.reader = reader,
                              .fault = fault,
                              .left = most,
                              .step = SQLITE_ROW,
                              .numbers_length = count,
                              .key_length = key_length};
    if (count > 0)
        memcpy(rows.numbers, numbers, (size_t)count * sizeof numbers[0]);
    if (after == NULL || after->text[0] == '\0' ||
        read_key(after, rows.numbers + count - key_length, key_length, fault) == 0)
        rows.statement = store_query_prepare(reader, sql, rows.numbers, count, fault);
    return rows;
}

sqlite3_stmt *store_rows_next(struct store_rows *rows)
{
    if (rows->statement == NULL || rows->step != SQLITE_ROW || rows->left == 0)
        return NULL;
    rows->left--;
    rows->step = sqlite3_step(rows->statement);
    if (rows->step != SQLITE_ROW)
        return NULL;
    int column = sqlite3_column_count(rows->statement), number = rows->numbers_length;
    for (int i = 0; i < rows->key_length; i++)
        rows->numbers[--number] = sqlite3_column_int64(rows->statement, --column);
    return rows->statement;
}

int store_rows_end(struct store_rows *rows, struct store_page_token *next)
{
    if (rows->statement == NULL)
        return -1;
    if (rows->step == SQLITE_ROW) /* the caller has not had this row */
        rows->step = sqlite3_step(rows->statement);
    rows->more = rows->step == SQLITE_ROW;
    if (store_reader_finish(rows->reader, rows->statement, rows->more ? SQLITE_DONE : rows->step,
                            rows->fault) != 0)
        return -1;
    if (next == NULL)
        return 0;
    const int64_t *key = rows->numbers + rows->numbers_length - rows->key_length;
    size_t used = 0;
    next->text[0] = '\0';
    for (int i = 0; rows->more && i < rows->key_length; i++)
        used += (size_t)snprintf(next->text + used, sizeof next->text - used, "%s%lld",
                                 i == 0 ? "" : ".", (long long)key[i]);
    return 0;
}

/* --- one state of the store --- */

int store_read_begin(struct store_reader *reader, int64_t limit_ms, struct fault *fault)
{
    if (store_reader_open(reader, fault) != 0)
        return -1;
    if (sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
        store_fault(reader->db, fault, reader->files[STORE_DB].path);
        store_reader_close(reader);
        return -1;
    }
    reader->begun = true;
    reader->limited = limit_ms > 0;
    reader->until_ms = clock_monotonic_ms() + limit_ms;
    if (reader->limited)
        sqlite3_progress_handler(reader->db, LIMIT_STEPS, is_late, reader);
    return 0;
}

void store_read_end(struct store_reader *reader)
{
    if (!reader->begun)
        return;
    reader->begun = false;
    sqlite3_progress_handler(reader->db, 0, NULL, NULL);
    sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL);
}

int store_read_version(struct store_reader *reader, int64_t *version, struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, "PRAGMA data_version", NULL, 0, 0, NULL, 1,
                                              fault);
    sqlite3_stmt *read = store_rows_next(&rows);
    int64_t number = read != NULL ? sqlite3_column_int64(read, 0) : 0;
    if (store_rows_end(&rows, NULL) != 0)
        return -1;
    *version = reader->opened << 32 | number;
    return 0;
}

int store_read_size(struct store_reader *reader, int64_t *bytes, struct fault *fault)
{
    struct stat db, wal;
    if (stat(reader->files[STORE_DB].path, &db) != 0)
        return fault_set_errno(fault, errno, "%s", reader->files[STORE_DB].path);
    *bytes = db.st_size + (stat(reader->files[STORE_WAL].path, &wal) == 0 ? wal.st_size : 0);
    return 0;
}

int store_read_log(struct store_reader *reader, int64_t *bytes, int64_t *holder,
                   struct fault *fault)
{
    struct stat wal;
    if (store_reader_open(reader, fault) != 0)
        return -1;
    *bytes = stat(reader->files[STORE_WAL].path, &wal) == 0 ? wal.st_size : 0;
    *holder = *bytes > STORE_LOG_KEPT
                  ? store_files_holder(reader->files, STORE_SHM_READERS, STORE_SHM_READERS_LENGTH)
                  : 0;
    return 0;
}

int store_checkpoint(struct store_reader *reader, bool final, int *copied, struct fault *fault)
{
    if (store_reader_open(reader, fault) != 0)
        return -1;
    FAULT_POINT(before_checkpoint);
    int count = -1;
    int code = sqlite3_wal_checkpoint_v2(reader->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &count);
    if (copied != NULL)
        *copied = code == SQLITE_OK ? count : -1;
    if (code == SQLITE_OK && final) {
        /* Truncating the log blocks the writers of other processes. So most of the log is copied
         * first, and this does not wait: if another process uses the store, it truncates the log
         * later. */
        sqlite3_busy_timeout(reader->db, 0);
        code = sqlite3_wal_checkpoint_v2(reader->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        sqlite3_busy_timeout(reader->db, STORE_WAIT_MS);
    }
    FAULT_POINT(after_checkpoint);
    if (code == SQLITE_OK || code == SQLITE_BUSY)
        return 0; /* busy: another connection runs a checkpoint, or reads */
    return store_fault(reader->db, fault, "cannot copy the store's log to its main file");
}
