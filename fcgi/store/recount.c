/* recount: checks the store: the file's integrity, then every counter against its rows.
 *
 * Each recount is one statement, and so sees one state. No transaction is held between two of them,
 * so that the write-ahead log can start again from its beginning. */
#include "config.h"

#include "store/engine.h"
#include "store/maintenance.h"

#include <string.h>

/* sql/check.sql: each returns one row for each flaw. */
static const char *const recounts[] = {
#define X(name, sql) sql,
#include "store/sql_check.inc"
#undef X
};

_Static_assert(STORE_TIME_INDEX_BITS == 10, "the last recount knows blocks of 1,024");

#define RECOUNTS_LENGTH ((int64_t)(sizeof recounts / sizeof recounts[0]))

static int tell_flaws(struct store_reader *reader, const char *sql, store_each_flaw *each,
                      void *owner, int64_t *flaws, struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, sql, fault);
    if (read == NULL)
        return -1;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        const char *flaw = store_column_text(read, 0);
        if (strcmp(flaw, "ok") == 0) /* integrity_check returns this if there is no flaw */
            continue;
        (*flaws)++;
        each(owner, flaw);
    }
    return store_reader_finish(reader, read, step, fault);
}

/* counted_as(TEXT): the key of TEXT. */
static void counted_as(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct store_key key;
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (text != NULL)
        sqlite3_result_text(context, store_key(text, &key), -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_error_nomem(context);
}

int store_add_counted_as(sqlite3 *db)
{
    return sqlite3_create_function(db, "counted_as", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   counted_as, NULL, NULL);
}

int store_check(struct store_reader *reader, const struct store_progress *progress,
                store_each_flaw *each, void *owner, int64_t *flaws, struct fault *fault)
{
    int result = store_reader_open(reader, fault);
    if (result == 0 && store_add_counted_as(reader->db) != SQLITE_OK)
        result = store_fault(reader->db, fault, reader->files[STORE_DB].path);
    *flaws = 0;
    for (int64_t i = 0; i < RECOUNTS_LENGTH && result == 0; i++) {
        store_report(progress, i, RECOUNTS_LENGTH);
        result = tell_flaws(reader, recounts[i], each, owner, flaws, fault);
    }
    if (result == 0)
        store_report(progress, RECOUNTS_LENGTH, RECOUNTS_LENGTH);
    return result;
}
