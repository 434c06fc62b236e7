/* store_layout: the tables of the store, and the views that people read. */
#include "config.h"

#include "store_sqlite.h"

#include "fault_point.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Tables grow at their end; the indexes of a running campaign are touched in few pages, because
 * they are led by the operation. `device`, `sub_operation` and `content` are keyed 32-bit hashes:
 * they find candidates, and the text decides (store_books.c). Ids and everything else a sender said
 * stand once, in the body; the views take them out of it. Rows are counted one by one where GROUP
 * BY would sort them all, in memory.
 *
 * The first release is to keep this text as it is. A change after that takes STORE_VERSION one
 * further and a text of its own, which store_layout_make runs on a store of the version before, in
 * the transaction that sets user_version; a new store runs all texts in turn. Test it with a store
 * that the earlier release wrote. */
static const char layout[] =
    "CREATE TABLE notification ("
    " seq INTEGER PRIMARY KEY,"      /* in commit order */
    " received_at INTEGER NOT NULL," /* ms since 1970 */
    " operation INTEGER NOT NULL,"   /* operation.id; 0: none */
    " device INTEGER NOT NULL,"      /* hash of deviceId */
    " content INTEGER NOT NULL,"     /* hash of the content */
    " deliveries INTEGER NOT NULL DEFAULT 1,"
    " body TEXT NOT NULL);" /* as received */

    /* One tree finds what a notification repeats and the upgrade that it is of: where it goes is by
     * hash, so a random page. An upgrade's entries stand together, so that those of another one
     * with the same hashes are passed over in one step. */
    "CREATE TABLE lookup ("
    " operation INTEGER NOT NULL, device INTEGER NOT NULL,"
    " sub_operation INTEGER NOT NULL," /* hash of subOperationId; 0 without an upgrade */
    " upgrade INTEGER NOT NULL,"       /* 0: none */
    " content INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY (operation, device, sub_operation, upgrade, content, seq)) WITHOUT ROWID;"

    "CREATE TABLE operation ("
    " id INTEGER PRIMARY KEY,"
    " app_id TEXT NOT NULL,"
    " operation_id TEXT NOT NULL,"
    " in_progress INTEGER NOT NULL DEFAULT 0," /* upgrades by state */
    " success INTEGER NOT NULL DEFAULT 0,"
    " fail INTEGER NOT NULL DEFAULT 0,"
    " contradictory INTEGER NOT NULL DEFAULT 0,"
    " first_at INTEGER NOT NULL," /* of its first and its last notification */
    " last_at INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL,"
    " pruned INTEGER NOT NULL DEFAULT 0,"
    " pace_width INTEGER NOT NULL DEFAULT 1000," /* ms */
    " UNIQUE (app_id, operation_id));"
    "CREATE INDEX operation_latest ON operation (last_seq);"
    "CREATE INDEX operation_name ON operation (operation_id);"

    "CREATE TABLE upgrade ("
    " id INTEGER PRIMARY KEY,"
    " operation INTEGER NOT NULL,"
    " device INTEGER NOT NULL,"        /* hash of deviceId */
    " sub_operation INTEGER NOT NULL," /* hash of subOperationId */
    " state INTEGER NOT NULL,"         /* 0 in progress, 1 SUCCESS, 2 FAIL */
    " contradictory INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"                 /* of the notification that the state comes from */
    " step_seq INTEGER,"                     /* of the last state change */
    " error_code TEXT,"                      /* of a FAIL, as it was counted */
    " began_at INTEGER NOT NULL DEFAULT 0);" /* the earliest time at which one of it was received */
    "CREATE INDEX upgrade_in_progress ON upgrade (operation, began_at) WHERE state = 0;"
    "CREATE INDEX upgrade_success ON upgrade (operation) WHERE state = 1;"
    "CREATE INDEX upgrade_fail ON upgrade (operation) WHERE state = 2;"
    /* by code first: it leads to the operations that have failures with it, too */
    "CREATE INDEX upgrade_fail_code ON upgrade (error_code, operation) WHERE state = 2;"
    "CREATE INDEX upgrade_contradictory ON upgrade (operation) WHERE contradictory = 1;"

    "CREATE TABLE failure ("
    " operation INTEGER NOT NULL,"
    " error_code TEXT NOT NULL,"  /* '': none */
    " count INTEGER NOT NULL,"    /* upgrades that are FAIL with it now */
    " first_at INTEGER NOT NULL," /* first and last result that said so */
    " last_at INTEGER NOT NULL,"
    " example TEXT NOT NULL," /* a description that came with it */
    " PRIMARY KEY (operation, error_code)) WITHOUT ROWID;"
    "CREATE INDEX failure_count ON failure (operation, count);"

    "CREATE TABLE move (" /* upgrades that have ended, by the versions of their results */
    " operation INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,"
    " success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " PRIMARY KEY (operation, source, target)) WITHOUT ROWID;"
    "CREATE INDEX move_count ON move (operation, success + fail);"

    "CREATE TABLE pace (" /* by how much an operation's counters changed in an interval */
    " operation INTEGER NOT NULL, at INTEGER NOT NULL,"
    " in_progress INTEGER NOT NULL, success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " PRIMARY KEY (operation, at)) WITHOUT ROWID;"

    "CREATE TABLE kind (" /* notifications ever kept */
    " notify_type TEXT NOT NULL, result TEXT NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (notify_type, result)) WITHOUT ROWID;"

    "CREATE TABLE span (" /* seq >> STORE_SPAN_BITS: between which times it was received */
    " id INTEGER PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL);"

    "CREATE TABLE quarantined ("
    " id INTEGER PRIMARY KEY,"
    " received_at INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " pointer TEXT NOT NULL,"
    " known INTEGER NOT NULL,"   /* whether it names a known notifyType */
    " any_app INTEGER NOT NULL," /* whether its receiver accepted every appId */
    " body BLOB NOT NULL);"      /* as received */

    "CREATE TABLE totals ("
    " seq INTEGER NOT NULL,"
    " notifications INTEGER NOT NULL, repeats INTEGER NOT NULL,"
    " quarantined INTEGER NOT NULL, quarantine_log_only INTEGER NOT NULL,"
    " in_progress INTEGER NOT NULL, success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " contradictory INTEGER NOT NULL,"
    " quarantine_id INTEGER NOT NULL,"
    " quarantine_held INTEGER NOT NULL, quarantine_bytes INTEGER NOT NULL,"
    /* of no known notifyType */
    " quarantine_unknown_held INTEGER NOT NULL, quarantine_unknown_bytes INTEGER NOT NULL,"
    /* since when there is no room, for known notifyTypes and for others; 0: there is */
    " quarantine_full_at INTEGER NOT NULL, quarantine_unknown_full_at INTEGER NOT NULL,"
    " last_at INTEGER NOT NULL,"
    " pruned_notifications INTEGER NOT NULL, pruned_repeats INTEGER NOT NULL,"
    " pruned_seq INTEGER NOT NULL);"
    "INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"

    "CREATE TABLE life ("             /* see store.h */
    " first_seq INTEGER PRIMARY KEY," /* of its first notification */
    " id TEXT NOT NULL);"             /* random, 16 hexadecimal digits */
    "CREATE TABLE cursor (name TEXT PRIMARY KEY, life TEXT NOT NULL, seq INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE secret (hash_key BLOB NOT NULL);"
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, pad BLOB NOT NULL);"

    "CREATE VIEW notifications AS SELECT"
    " n.seq, strftime('%Y-%m-%dT%H:%M:%fZ', n.received_at / 1000.0, 'unixepoch') AS receivedAt,"
    " json_extract(n.body, '$.notifyType') AS notifyType,"
    " json_extract(n.body, '$.appId') AS appId,"
    " coalesce(json_extract(n.body, '$.deviceId'), json_extract(n.body, '$.header.deviceId'))"
    " AS deviceId,"
    " json_extract(n.body, '$.operationId') AS operationId,"
    " json_extract(n.body, '$.subOperationId') AS subOperationId,"
    " n.body, n.deliveries FROM notification n;"
    /* each once, by the notification that its state comes from */
    "CREATE VIEW upgrades AS SELECT"
    " o.app_id AS appId, o.operation_id AS operationId,"
    " json_extract(n.body, '$.subOperationId') AS subOperationId,"
    " json_extract(n.body, '$.deviceId') AS deviceId,"
    " CASE u.state WHEN 0 THEN 'IN_PROGRESS' WHEN 1 THEN 'SUCCESS' ELSE 'FAIL' END AS state,"
    " coalesce(json_extract(s.body, '$.swUpgradeState'), json_extract(s.body, '$.step')) AS step,"
    " json_extract(n.body, '$.curVersion') AS curVersion,"
    " json_extract(n.body, '$.targetVersion') AS targetVersion,"
    " json_extract(n.body, '$.sourceVersion') AS sourceVersion,"
    " json_extract(n.body, '$.upgradeTime') AS upgradeTime,"
    " coalesce(json_extract(n.body, '$.resultDesc'), json_extract(n.body, '$.statusDesc'))"
    "  AS resultDesc,"
    " json_extract(n.body, '$.errorCode') AS errorCode,"
    " json_extract(n.body, '$.description') AS description,"
    " u.contradictory, u.seq"
    " FROM operation o JOIN lookup l ON l.operation = o.id"
    " JOIN upgrade u ON u.id = l.upgrade AND u.seq = l.seq"
    " JOIN notification n ON n.seq = u.seq LEFT JOIN notification s ON s.seq = u.step_seq;"
    "CREATE VIEW operations AS SELECT"
    " app_id AS appId, operation_id AS operationId, in_progress AS inProgress, success, fail,"
    " contradictory, strftime('%Y-%m-%dT%H:%M:%fZ', first_at / 1000.0, 'unixepoch') AS firstAt,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', last_at / 1000.0, 'unixepoch') AS lastAt FROM operation;"
    "CREATE VIEW failures AS SELECT"
    " o.app_id AS appId, o.operation_id AS operationId, f.error_code AS errorCode, f.count,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', f.first_at / 1000.0, 'unixepoch') AS firstAt,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', f.last_at / 1000.0, 'unixepoch') AS lastAt"
    " FROM failure f JOIN operation o ON o.id = f.operation WHERE f.count > 0;"
    "CREATE VIEW quarantine AS SELECT"
    " id, strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS receivedAt,"
    " reason, pointer, body FROM quarantined;";

static int run(sqlite3 *db, const char *sql, struct fault *fault)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_fault(db, fault, "cannot prepare the tables");
}

/* Marks the fault as one that waiting does not mend. */
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

/* Gives a new store its secret, and marks the file as ours. */
static int mark(sqlite3 *db, struct fault *fault)
{
    unsigned char key[CONTENT_KEY_SIZE];
    char hex[2 * sizeof key + 1], sql[256];
    randombytes_buf(key, sizeof key);
    sodium_bin2hex(hex, sizeof hex, key, sizeof key);
    snprintf(sql, sizeof sql, "INSERT INTO secret VALUES (x'%s'); PRAGMA application_id = %d", hex,
             STORE_APPLICATION_ID);
    return run(db, sql, fault);
}

/* Makes the tables. Called within a transaction. */
static int make_tables(sqlite3 *db, struct fault *fault)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", STORE_VERSION);
    return run(db, layout, fault) != 0 || mark(db, fault) != 0 ? -1 : run(db, sql, fault);
}

/* What the file says it is. */
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

/* Refuses what is neither new nor of this version. */
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
    /* Another process may have made them since store_layout_check. */
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
