/* store_sqlite: what the files of the SQLite engine share; nobody else includes this. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "content.h"
#include "store.h"

#include <sqlite3.h>
#include <sys/types.h>

/* Marks the file as ours (PRAGMA application_id): "UpRc". */
#define STORE_APPLICATION_ID 0x55705263

/* X(name, SQL): every statement of the writer. */
#define STORE_STATEMENTS(X)                                                                        \
    X(begin, "BEGIN IMMEDIATE")                                                                    \
    X(commit, "COMMIT")                                                                            \
    X(read_totals,                                                                                 \
      "SELECT seq, notifications, repeats, quarantined, quarantine_log_only, in_progress, "        \
      "success,"                                                                                   \
      " fail, contradictory, quarantine_id, quarantine_held, quarantine_bytes FROM totals")        \
    X(write_totals,                                                                                \
      "UPDATE totals SET seq = ?1, notifications = ?2, repeats = ?3, quarantined = ?4,"            \
      " quarantine_log_only = ?5, in_progress = ?6, success = ?7, fail = ?8, contradictory = ?9,"  \
      " quarantine_id = ?10, quarantine_held = ?11, quarantine_bytes = ?12")                       \
    X(find_same, "SELECT seq, deliveries, body, received_at FROM notification"                     \
                 " WHERE operation = ?1 AND device = ?2 AND content = ?3 ORDER BY seq DESC")       \
    X(count_delivery, "UPDATE notification SET deliveries = deliveries + 1 WHERE seq = ?1")        \
    X(add_notification,                                                                            \
      "INSERT INTO notification (seq, received_at, operation, device, content, body)"              \
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                          \
    X(find_operation, "SELECT id FROM operation WHERE app_id = ?1 AND operation_id = ?2")          \
    X(add_operation, "INSERT INTO operation (app_id, operation_id, first_at, last_at, last_seq)"   \
                     " VALUES (?1, ?2, ?3, ?3, ?4)")                                               \
    X(change_operation,                                                                            \
      "UPDATE operation SET in_progress = in_progress + ?2, success = success + ?3,"               \
      " fail = fail + ?4, contradictory = contradictory + ?5,"                                     \
      " last_at = coalesce(?6, last_at), last_seq = coalesce(?7, last_seq) WHERE id = ?1")         \
    X(find_upgrade, "SELECT u.id, u.state, u.contradictory, n.received_at FROM upgrade u"          \
                    " JOIN notification n ON n.seq = u.seq"                                        \
                    " WHERE u.operation = ?1 AND u.device = ?2 AND u.sub_operation = ?3"           \
                    " AND json_extract(n.body, '$.deviceId') = ?4"                                 \
                    " AND json_extract(n.body, '$.subOperationId') = ?5")                          \
    X(add_upgrade, "INSERT INTO upgrade (operation, device, sub_operation, state, contradictory, " \
                   "seq, step_seq,"                                                                \
                   " error_code) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                         \
    X(set_result, "UPDATE upgrade SET state = ?2, contradictory = ?3, seq = ?4, error_code = ?5"   \
                  " WHERE id = ?1")                                                                \
    X(set_step, "UPDATE upgrade SET step_seq = ?2,"                                                \
                " seq = CASE state WHEN 0 THEN ?2 ELSE seq END WHERE id = ?1")                     \
    X(count_failure,                                                                               \
      "INSERT INTO failure (operation, error_code, count, first_at, last_at)"                      \
      " VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count,"     \
      " last_at = CASE WHEN ?5 THEN last_at ELSE excluded.last_at END")                            \
    X(uncount_failure, "UPDATE failure SET count = count - 1 WHERE operation = ?1"                 \
                       " AND error_code = (SELECT error_code FROM upgrade WHERE id = ?2)")         \
    X(add_quarantined, "INSERT INTO quarantined (id, received_at, reason, pointer, body) VALUES "  \
                       "(?1, ?2, ?3, ?4, ?5)")                                                     \
    X(size_quarantined, "SELECT length(body) FROM quarantined WHERE id = ?1")                      \
    X(remove_quarantined, "DELETE FROM quarantined WHERE id = ?1")                                 \
    X(move_cursor, "INSERT INTO cursor (name, seq) VALUES (?1, ?2)"                                \
                   " ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)")                      \
    X(probe, "INSERT OR REPLACE INTO probe (id, pad) VALUES (1, zeroblob(?1))")

enum store_statement {
#define X(name, sql) STORE_##name,
    STORE_STATEMENTS(X)
#undef X
        STORE_STATEMENT_COUNT
};

/* Totals of the file, changed in memory during a batch. */
struct store_ledger {
    struct store_totals totals;
    int64_t quarantine_id; /* the last one given out */
};

/* Changes of one operation during a batch, written once at its end. */
struct store_tally {
    const char *app_id; /* lent by the batch's records */
    const char *operation_id;
    int64_t operation;
    int64_t in_progress, success, fail, contradictory;
    bool changed;              /* by anything but repeats */
    int64_t last_ms, last_seq; /* 0: nothing came that was not from quarantine */
};

/* Which file a name led to when it was opened. */
struct store_identity {
    dev_t device;
    ino_t inode;
};

struct store {
    struct store_config config;
    char *path;     /* upgrades.db */
    char *wal_path; /* its write-ahead log */
    int turn_fd;    /* advisory locks between processes, see store_lock.c; -1: not open */
    int lock_fd;
    sqlite3 *db; /* NULL: not open */
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    unsigned char hash_key[CONTENT_KEY_SIZE];
    struct store_identity identity, wal_identity;
    int wal_pages; /* frames in the log after the last commit */
    struct store_ledger ledger;
    struct store_tally *tallies;
    size_t tallies_length, tallies_capacity;
};

/* store_lock.c: the turn of one process among several on one store. */
int store_lock_open(struct store *store, struct fault *fault);
void store_lock_close(struct store *store);
int store_lock_take(struct store *store, struct fault *fault);
void store_lock_release(struct store *store);

/* store_layout.c: refuses a file that is not ours, before anything is written to it; makes the
 * tables in a new one. */
int store_layout_check(sqlite3 *db, struct fault *fault);
int store_layout_make(sqlite3 *db, struct fault *fault);

/* store_books.c: changes every table that RECORD touches, within the open transaction, and notes
 * what became of it in RECORD; store_books_finish writes what was gathered for the whole batch. */
int store_books_begin(struct store *store, struct fault *fault);
int store_books_put(struct store *store, struct record *record, struct fault *fault);
int store_books_move_cursor(struct store *store, const struct store_cursor *cursor,
                            struct fault *fault);
int store_books_finish(struct store *store, struct fault *fault);

/* store_layout.c: the store's secret, and the number made of it that tells one store from another,
 * which an inode that is used again does not. */
int store_read_secret(sqlite3 *db, unsigned char key[CONTENT_KEY_SIZE], struct fault *fault);
uint64_t store_number(const unsigned char key[CONTENT_KEY_SIZE]);

/* store_sqlite.c: small tools. A statement got is ready for binding. Run steps a statement that
 * gives no row, and resets it. */
int store_fault(sqlite3 *db, struct fault *fault, const char *what);
sqlite3_stmt *store_statement(struct store *store, enum store_statement statement);
int store_run(struct store *store, sqlite3_stmt *statement, const char *what, struct fault *fault);
int store_identify(const char *path, struct store_identity *identity);
bool store_same_file(const struct store_identity *a, const struct store_identity *b);

#endif
