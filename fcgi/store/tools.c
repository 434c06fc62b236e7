/* tools: the statements, their texts and their faults, for every file of the engine. */
#include "config.h"

#include "store/engine.h"

static const char *const statement_texts[] = {
#define X(name, sql) sql,
#include "store/sql_writer.inc"
#undef X
};

static const char *const texts[] = {
#define X(name, sql) sql,
#include "store/sql_plan.inc"
#include "store/sql_prune.inc"
#include "store/sql_reader.inc"
#undef X
};

const char *store_text(enum store_text text)
{
    return texts[text];
}

const char *store_statement_text(enum store_statement statement)
{
    return statement_texts[statement];
}

int store_fault(sqlite3 *db, struct fault *fault, const char *what)
{
    return fault_set(fault, "%s: %s (SQLite %d)", what,
                     db != NULL ? sqlite3_errmsg(db) : "out of memory",
                     db != NULL ? sqlite3_extended_errcode(db) : SQLITE_NOMEM);
}

int store_run(struct store *store, sqlite3_stmt *statement, const char *what, struct fault *fault)
{
    int step = sqlite3_step(statement);
    if (step != SQLITE_DONE)
        store_fault(store->db, fault, what);
    sqlite3_reset(statement);
    return step == SQLITE_DONE ? 0 : -1;
}

int store_write(struct store *store, enum store_statement which, const char *what,
                struct fault *fault, const int64_t *numbers, int count)
{
    sqlite3_stmt *statement = store_statement(store, which);
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    return store_run(store, statement, what, fault);
}

const char *store_column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text == NULL ? "" : text;
}

int store_plan_run(struct store *store, enum store_text text,
                   const struct store_plan_values *values, int64_t *found, int columns,
                   struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    int rows = 0, step = SQLITE_ERROR;
    if (sqlite3_prepare_v2(store->db, store_text(text), -1, &statement, NULL) == SQLITE_OK) {
        for (int i = 0; i < values->numbers_length; i++)
            sqlite3_bind_int64(statement, i + 1, values->numbers[i]);
        for (int i = 0; i < values->texts_length; i++)
            sqlite3_bind_text(statement, values->numbers_length + i + 1, values->texts[i], -1,
                              SQLITE_STATIC);
        while ((step = sqlite3_step(statement)) == SQLITE_ROW)
            for (int i = rows++ == 0 ? 0 : columns; i < columns; i++)
                found[i] = sqlite3_column_int64(statement, i);
    }
    if (step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot change what is planned");
    sqlite3_finalize(statement);
    return step == SQLITE_DONE ? rows : -1;
}
