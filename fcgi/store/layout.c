/* layout: makes the tables of the store, and refuses a file of another version. */
#include "config.h"

#include "store/engine.h"

#include "base/fault_point.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* sql/layout.sql, and sql/copy.sql. */
#include "store/sql_copy.inc"
#include "store/sql_layout.inc"

static int run(sqlite3 *db, const char *sql, struct fault *fault)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_fault(db, fault, "cannot prepare the tables");
}

/* Marks the fault as one that does not go away by waiting. */
static int lasting(struct fault *fault)
{
    if (fault != NULL)
        fault->lasting = true;
    return -1;
}

static int read_number(sqlite3 *db, const char *sql, int *number, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        *number = sqlite3_column_int(statement, 0);
        result = 0;
    } else {
        store_fault(db, fault, "cannot read the store");
        if (sqlite3_errcode(db) == SQLITE_NOTADB)
            lasting(fault);
    }
    sqlite3_finalize(statement);
    return result;
}

/* Makes the tables, gives the store its secret, and marks the file as a store of this program and
 * version. Call it within a transaction. */
static int make_tables(sqlite3 *db, struct fault *fault)
{
    unsigned char key[CONTENT_KEY_SIZE];
    char hex[2 * sizeof key + 1], mark[256];
    randombytes_buf(key, sizeof key);
    sodium_bin2hex(hex, sizeof hex, key, sizeof key);
    snprintf(mark, sizeof mark,
             "INSERT INTO secret VALUES (x'%s'); PRAGMA application_id = %d;"
             " PRAGMA user_version = %d",
             hex, STORE_APPLICATION_ID, STORE_VERSION);
    return run(db, layout, fault) != 0 ? -1 : run(db, mark, fault);
}

/* The marks in the file. */
struct marks {
    int application_id, version, tables;
};

static int read_marks(sqlite3 *db, struct marks *marks, struct fault *fault)
{
    return read_number(db, "PRAGMA application_id", &marks->application_id, fault) != 0 ||
                   read_number(db, "PRAGMA user_version", &marks->version, fault) != 0 ||
                   read_number(db, "SELECT count(*) FROM sqlite_schema", &marks->tables, fault) != 0
               ? -1
               : 0;
}

static bool is_new(const struct marks *marks)
{
    return marks->application_id == 0 && marks->version == 0 && marks->tables == 0;
}

/* Refuses a file that is neither new nor of this version. */
static int check_marks(const struct marks *marks, struct fault *fault)
{
    if (is_new(marks) ||
        (marks->application_id == STORE_APPLICATION_ID && marks->version == STORE_VERSION))
        return 0;
    if (marks->application_id != STORE_APPLICATION_ID)
        fault_set(fault, "the file is a database, but not one of upgrade-receiver");
    else
        fault_set(fault,
                  "the store has version %d, made by %s upgrade-receiver; this one (%s) knows "
                  "version %d alone and leaves it as it is",
                  marks->version, marks->version > STORE_VERSION ? "a newer" : "an older",
                  PACKAGE_VERSION, STORE_VERSION);
    return lasting(fault);
}

int store_layout_check(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    return read_marks(db, &marks, fault) != 0 ? -1 : check_marks(&marks, fault);
}

int store_layout_make(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    if (run(db, "BEGIN IMMEDIATE", fault) != 0)
        return -1;
    /* Another process may have made the tables since store_layout_check. */
    int result = read_marks(db, &marks, fault);
    if (result == 0 && is_new(&marks))
        result = make_tables(db, fault);
    FAULT_POINT(tables_made);
    if (result == 0)
        result = run(db, "COMMIT", fault);
    FAULT_POINT(tables_committed);
    if (result != 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int store_layout_make_copy(sqlite3 *db, struct fault *fault)
{
    return run(db, copy, fault);
}

int store_layout_require(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    if (read_marks(db, &marks, fault) != 0 || check_marks(&marks, fault) != 0)
        return -1;
    return !is_new(&marks)
               ? 0
               : fault_set(fault, "the store is empty: a receiver makes its tables at its start");
}

int store_read_secret(sqlite3 *db, unsigned char key[CONTENT_KEY_SIZE], struct fault *fault)
{
    sqlite3_stmt *read = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(db, "SELECT hash_key FROM secret", -1, &read, NULL) == SQLITE_OK &&
        sqlite3_step(read) == SQLITE_ROW && sqlite3_column_bytes(read, 0) == CONTENT_KEY_SIZE) {
        memcpy(key, sqlite3_column_blob(read, 0), CONTENT_KEY_SIZE);
        result = 0;
    } else {
        fault_set(fault, "cannot read the store's hash key");
    }
    sqlite3_finalize(read);
    return result;
}
