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
 * stand once, in the body; the views take them out of it. */
static const char version_1[] =
    "CREATE TABLE notification ("
    " seq INTEGER PRIMARY KEY,"      /* in commit order */
    " received_at INTEGER NOT NULL," /* ms since 1970 */
    " operation INTEGER NOT NULL,"   /* operation.id; 0: none */
    " device INTEGER NOT NULL,"      /* hash of deviceId */
    " content INTEGER NOT NULL,"     /* hash of the content */
    " deliveries INTEGER NOT NULL DEFAULT 1,"
    " body TEXT NOT NULL);" /* as received */
    "CREATE INDEX notification_content ON notification (operation, device, content);"
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
    " UNIQUE (app_id, operation_id));"
    "CREATE INDEX operation_latest ON operation (last_seq);"
    "CREATE TABLE upgrade ("
    " id INTEGER PRIMARY KEY,"
    " operation INTEGER NOT NULL,"
    " device INTEGER NOT NULL,"        /* hash of deviceId */
    " sub_operation INTEGER NOT NULL," /* hash of subOperationId */
    " state INTEGER NOT NULL,"         /* 0 in progress, 1 SUCCESS, 2 FAIL */
    " contradictory INTEGER NOT NULL,"
    " seq INTEGER NOT NULL," /* of the notification that the state comes from */
    " step_seq INTEGER,"     /* of the last state change */
    " error_code TEXT);"     /* of a FAIL, as it was counted */
    "CREATE INDEX upgrade_device ON upgrade (operation, device, sub_operation);"
    "CREATE TABLE failure ("
    " operation INTEGER NOT NULL,"
    " error_code TEXT NOT NULL,"  /* '': none */
    " count INTEGER NOT NULL,"    /* upgrades that are FAIL with it now */
    " first_at INTEGER NOT NULL," /* first and last result that said so */
    " last_at INTEGER NOT NULL,"
    " PRIMARY KEY (operation, error_code)) WITHOUT ROWID;"
    "CREATE INDEX failure_count ON failure (operation, count);"
    "CREATE TABLE quarantined ("
    " id INTEGER PRIMARY KEY,"
    " received_at INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " pointer TEXT NOT NULL,"
    " body BLOB NOT NULL);" /* as received */
    "CREATE TABLE totals ("
    " seq INTEGER NOT NULL,"
    " notifications INTEGER NOT NULL, repeats INTEGER NOT NULL,"
    " quarantined INTEGER NOT NULL, quarantine_log_only INTEGER NOT NULL,"
    " in_progress INTEGER NOT NULL, success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " contradictory INTEGER NOT NULL,"
    " quarantine_id INTEGER NOT NULL,"
    " quarantine_held INTEGER NOT NULL, quarantine_bytes INTEGER NOT NULL);"
    "INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
    "CREATE TABLE cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
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
    " FROM upgrade u JOIN operation o ON o.id = u.operation"
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

/* What people ask of the books beside the counters: which upgrades are in progress, failed or
 * contradictory, how an operation went over time and between which versions, and what was received
 * when. Rows are counted one by one: GROUP BY would sort them all, in memory. */
static const char version_2[] =
    "ALTER TABLE operation ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE operation ADD COLUMN pace_width INTEGER NOT NULL DEFAULT 1000;" /* ms */
    "CREATE INDEX operation_name ON operation (operation_id);"
    /* the earliest time at which a notification of it was received */
    "ALTER TABLE upgrade ADD COLUMN began_at INTEGER NOT NULL DEFAULT 0;"
    "UPDATE upgrade SET began_at = (SELECT coalesce(min(n.received_at), s.received_at)"
    " FROM notification s LEFT JOIN notification n"
    " ON n.operation = upgrade.operation AND n.device = upgrade.device"
    " AND json_extract(n.body, '$.deviceId') = json_extract(s.body, '$.deviceId')"
    " AND json_extract(n.body, '$.subOperationId') = json_extract(s.body, '$.subOperationId')"
    " WHERE s.seq = upgrade.seq);"
    "CREATE INDEX upgrade_in_progress ON upgrade (operation, began_at) WHERE state = 0;"
    "CREATE INDEX upgrade_success ON upgrade (operation) WHERE state = 1;"
    "CREATE INDEX upgrade_fail ON upgrade (operation) WHERE state = 2;"
    /* by code first: it leads to the operations that have failures with it, too */
    "CREATE INDEX upgrade_fail_code ON upgrade (error_code, operation) WHERE state = 2;"
    "CREATE INDEX upgrade_contradictory ON upgrade (operation) WHERE contradictory = 1;"
    /* a description that came with it */
    "ALTER TABLE failure ADD COLUMN example TEXT NOT NULL DEFAULT '';"
    "UPDATE failure SET example = coalesce((SELECT substr(coalesce("
    "  json_extract(n.body, '$.description'), json_extract(n.body, '$.statusDesc')), 1, 64) AS text"
    " FROM upgrade u JOIN notification n ON n.seq = u.seq WHERE u.state = 2"
    " AND u.operation = failure.operation AND u.error_code = failure.error_code AND text <> ''"
    " LIMIT 1), '');"
    "CREATE TABLE move (" /* upgrades that have ended, by the versions of their results */
    " operation INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,"
    " success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " PRIMARY KEY (operation, source, target)) WITHOUT ROWID;"
    "CREATE INDEX move_count ON move (operation, success + fail);"
    "INSERT INTO move SELECT u.operation, coalesce(json_extract(n.body, '$.sourceVersion'), ''),"
    " coalesce(json_extract(n.body, '$.targetVersion'), ''), u.state = 1, u.state = 2"
    " FROM upgrade u JOIN notification n ON n.seq = u.seq WHERE u.state > 0"
    " ON CONFLICT DO UPDATE SET success = success + excluded.success, fail = fail + excluded.fail;"
    "CREATE TABLE pace (" /* by how much an operation's counters changed in an interval */
    " operation INTEGER NOT NULL, at INTEGER NOT NULL,"
    " in_progress INTEGER NOT NULL, success INTEGER NOT NULL, fail INTEGER NOT NULL,"
    " PRIMARY KEY (operation, at)) WITHOUT ROWID;"
    "INSERT INTO pace SELECT id, max(last_at, 0) / 1000 * 1000, in_progress, success, fail"
    " FROM operation WHERE in_progress + success + fail > 0;"
    "CREATE TABLE kind (" /* notifications ever kept */
    " notify_type TEXT NOT NULL, result TEXT NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (notify_type, result)) WITHOUT ROWID;"
    "INSERT INTO kind SELECT coalesce(json_extract(body, '$.notifyType'), ''),"
    " coalesce(" STORE_RESULT_OF(
        "body") ", ''), 1 FROM notification WHERE true"
                " ON CONFLICT DO UPDATE SET count = count + 1;"
                "CREATE TABLE span (" /* seq >> STORE_SPAN_BITS: between which times it was received
                                       */
                " id INTEGER PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL);"
                "INSERT INTO span SELECT seq >> 10, received_at, received_at FROM notification "
                "WHERE true"
                " ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at),"
                " last_at = max(last_at, excluded.last_at);"
                "ALTER TABLE totals ADD COLUMN last_at INTEGER NOT NULL DEFAULT 0;"
                "ALTER TABLE totals ADD COLUMN pruned_notifications INTEGER NOT NULL DEFAULT 0;"
                "ALTER TABLE totals ADD COLUMN pruned_repeats INTEGER NOT NULL DEFAULT 0;"
                "UPDATE totals SET last_at = coalesce((SELECT received_at FROM notification"
                " ORDER BY seq DESC LIMIT 1), 0);";

_Static_assert(STORE_SPAN_BITS == 10, "version 2 lays the spans out");

/* One tree finds what a notification repeats and the upgrade that it is of: where it goes is by
 * hash, so a random page, and there were two of them. An upgrade's entries stand together, so that
 * those of another one with the same hashes are passed over in one step. */
static const char version_3[] =
    "CREATE TABLE lookup ("
    " operation INTEGER NOT NULL, device INTEGER NOT NULL,"
    " sub_operation INTEGER NOT NULL," /* hash of subOperationId; 0 without an upgrade */
    " upgrade INTEGER NOT NULL,"       /* 0: none */
    " content INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY (operation, device, sub_operation, upgrade, content, seq)) WITHOUT ROWID;"
    /* In the order of the old index, which is nearly that of the new table. Where a device has one
     * upgrade in an operation it is the one, and no body is read; else the text decides. In an
     * operation that was pruned, the upgrade may be gone. */
    "INSERT INTO lookup SELECT n.operation, n.device, coalesce(u.sub_operation, 0),"
    " coalesce(u.id, 0), n.content, n.seq FROM notification n INDEXED BY notification_content"
    " LEFT JOIN upgrade u ON u.id = CASE WHEN n.operation = 0 THEN 0"
    " WHEN (SELECT count(*) FROM (SELECT 1 FROM upgrade WHERE operation = n.operation"
    "  AND device = n.device LIMIT 2)) = 1"
    "  AND (SELECT pruned FROM operation WHERE id = n.operation) = 0"
    " THEN (SELECT id FROM upgrade WHERE operation = n.operation AND device = n.device)"
    " ELSE (SELECT c.id FROM upgrade c INDEXED BY upgrade_device"
    "  CROSS JOIN notification s ON s.seq = c.seq"
    "  WHERE c.operation = n.operation AND c.device = n.device"
    "  AND c.sub_operation = hash_of(json_extract(n.body, '$.subOperationId'))"
    "  AND json_extract(s.body, '$.subOperationId') = json_extract(n.body, '$.subOperationId')"
    "  AND json_extract(s.body, '$.deviceId') = json_extract(n.body, '$.deviceId')) END"
    " ORDER BY n.operation, n.device;"
    "DROP INDEX notification_content;"
    "DROP INDEX upgrade_device;"
    /* from an operation to its upgrades: each once, by the notification that its state comes from
     */
    "DROP VIEW upgrades;"
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
    " JOIN notification n ON n.seq = u.seq LEFT JOIN notification s ON s.seq = u.step_seq;";

/* What leads from each version to the next: a new store takes them all, an older one the rest. */
static const char *const steps[STORE_VERSION] = {version_1, version_2, version_3};

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

/* SQL: hash_of(text), as the tables hold it. */
static void hash_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (text != NULL)
        sqlite3_result_int64(context,
                             store_low32(content_hash_string(text, sqlite3_user_data(context))));
}

/* Takes the steps that lead from VERSION, whose secret is KEY, to this one. */
static int take_steps(sqlite3 *db, int version, unsigned char key[CONTENT_KEY_SIZE],
                      struct fault *fault)
{
    if (sqlite3_create_function(db, "hash_of", 1, SQLITE_UTF8, key, hash_of, NULL, NULL) !=
        SQLITE_OK)
        return store_fault(db, fault, "cannot prepare the tables");
    int result = 0;
    for (int step = version; step < STORE_VERSION && result == 0; step++) {
        result = run(db, steps[step], fault);
        FAULT_POINT(migrated);
    }
    sqlite3_create_function(db, "hash_of", 1, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    return result;
}

/* Brings tables of VERSION (0: there are none) up to this one. Called within a transaction. */
static int bring_up(sqlite3 *db, int version, struct fault *fault)
{
    char sql[64];
    unsigned char key[CONTENT_KEY_SIZE] = {0};
    if ((version > 0 && store_read_secret(db, key, fault) != 0) ||
        take_steps(db, version, key, fault) != 0)
        return -1;
    if (version == 0 && mark(db, fault) != 0)
        return -1;
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", STORE_VERSION);
    return run(db, sql, fault);
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

int store_layout_check(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    if (read_marks(db, &marks, fault) != 0)
        return -1;
    if (!is_new(&marks) && marks.application_id != STORE_APPLICATION_ID)
        fault_set(fault, "the file is a database, but not one of upgrade-receiver");
    else if (marks.version > STORE_VERSION)
        fault_set(fault,
                  "the store has version %d, made by a newer upgrade-receiver; this one knows "
                  "version %d and leaves it alone",
                  marks.version, STORE_VERSION);
    else
        return 0;
    return lasting(fault);
}

int store_layout_make(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    if (run(db, "BEGIN IMMEDIATE", fault) != 0)
        return -1;
    /* Another process may have made them since store_layout_check. */
    int result = read_marks(db, &marks, fault);
    if (result == 0 && marks.version < STORE_VERSION)
        result = bring_up(db, marks.version, fault);
    FAULT_POINT(before_migration_commit);
    if (result == 0)
        result = run(db, "COMMIT", fault);
    FAULT_POINT(after_migration_commit);
    if (result != 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int store_layout_require(sqlite3 *db, struct fault *fault)
{
    struct marks marks;
    if (store_layout_check(db, fault) != 0)
        return -1;
    if (read_marks(db, &marks, fault) != 0)
        return -1;
    if (marks.version < STORE_VERSION)
        return fault_set(
            fault,
            "the store has version %d; a receiver of this version (%s) brings it up to "
            "version %d when it starts",
            marks.version, PACKAGE_VERSION, STORE_VERSION);
    return 0;
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

uint64_t store_number(const unsigned char key[CONTENT_KEY_SIZE])
{
    return content_hash_string("store", key);
}
