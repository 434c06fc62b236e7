/* engine: what the files of the SQLite engine share. No other file includes it. */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "notification/content.h"
#include "store/lists.h"
#include "store/store.h"
#include "store/upgrade_rules.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Marks the file as a store of this program (PRAGMA application_id): "UpRc". */
#define STORE_APPLICATION_ID 0x55705263

/* X(column, member of struct store_ledger): the columns of `totals` except seq, in the order of
 * read_totals and write_totals. */
#define STORE_TOTALS(X)                                              \
    X(notifications, totals.notifications)                           \
    X(repeats, totals.repeats)                                       \
    X(quarantined, totals.quarantined)                               \
    X(quarantine_log_only, totals.quarantine_log_only)               \
    X(in_progress, totals.in_progress)                               \
    X(success, totals.success)                                       \
    X(fail, totals.fail)                                             \
    X(contradictory, totals.contradictory)                           \
    X(quarantine_held, totals.quarantine_held)                       \
    X(quarantine_bytes, totals.quarantine_bytes)                     \
    X(quarantine_unknown_held, totals.quarantine_unknown_held)       \
    X(quarantine_unknown_bytes, totals.quarantine_unknown_bytes)     \
    X(quarantine_full_at, totals.quarantine_full_ms)                 \
    X(quarantine_unknown_full_at, totals.quarantine_unknown_full_ms) \
    X(last_at, totals.last_ms)                                       \
    X(quarantine_id, quarantine_id)                                  \
    X(pruned_notifications, pruned_notifications)                    \
    X(pruned_repeats, pruned_repeats)                                \
    X(pruned_seq, pruned_seq)

/* The time index has one row for all notifications whose seq differs only in these last bits. The
 * row says when the first and the last of them were received. */
#define STORE_TIME_INDEX_BITS 10

/* Most bytes of a description that is kept as an example for its error code. */
#define STORE_EXAMPLE_MAX 256

/* Most bytes of a key, and bytes kept of a longer text before its hash. */
#define STORE_KEY_MAX 255
#define STORE_KEY_KEPT 200

/* The statements of the writer: sql/writer.sql. */
enum store_statement {
#define X(name, sql) STORE_##name,
#include "store/sql_writer.inc"
#undef X
    STORE_STATEMENT_COUNT
};

/* Statements that are prepared on each use: sql/reader.sql, sql/prune.sql and sql/plan.sql. */
enum store_text {
#define X(name, sql) STORE_TEXT_##name,
#include "store/sql_plan.inc"
#include "store/sql_prune.inc"
#include "store/sql_reader.inc"
#undef X
};

/* The text of a statement of either type. */
const char *store_statement_text(enum store_statement statement);
const char *store_text(enum store_text text);

/* The totals of the file. A batch changes them in memory. */
struct store_ledger {
    struct store_totals totals;
    int64_t quarantine_id; /* the last one assigned */
    int64_t pruned_notifications, pruned_repeats;
    int64_t pruned_seq; /* the highest pruned seq; 0: none */
};

/* How many results in a batch report each pair of source and target version. */
struct store_transition {
    char *source, *target; /* owned */
    int64_t success, fail;
};

/* The changes to one operation during a batch, written once at its end. */
struct store_tally {
    const char *app_id; /* borrowed from the batch's records */
    const char *operation_id;
    int64_t operation;
    int64_t in_progress, success, fail, contradictory;
    bool expects;              /* the operation has a list of devices */
    int64_t reported;          /* devices of that list that reported for the first time */
    bool changed;              /* by a record other than a repeat */
    int64_t at_ms;             /* when its last record was received */
    int64_t last_ms, last_seq; /* 0: all records came from quarantine */
    struct store_transition *transitions;
    size_t transitions_length, transitions_capacity;
};

/* How many notifications of one type a batch adds. */
struct store_type_count {
    const char *notify_type, *result; /* borrowed from the batch's records */
    int64_t count;
};

/* Collects what a batch may change more than once. It is written at the batch's end. */
struct store_batch {
    struct store_tally *tallies;
    size_t tallies_length, tallies_capacity;
    struct store_type_count *types;
    size_t types_length, types_capacity;
    bool begins_life;
    int64_t block; /* seq of the last notification >> STORE_TIME_INDEX_BITS, if BLOCK_OPEN */
    int64_t block_first_ms, block_last_ms;
    bool block_open;
};

/* The key of a notification in `lookup`, without its seq. Device, sub-operation and content are
 * hashes. */
struct store_entry {
    int64_t operation; /* 0: none */
    int64_t device;
    int64_t sub_operation; /* 0: no upgrade */
    int64_t upgrade;       /* 0: none */
    int64_t content;
};

/* The files of a store: SQLite's main file, its write-ahead log, and the shared memory that holds
 * its locks. */
enum { STORE_DB, STORE_WAL, STORE_SHM, STORE_FILES };

/* One of them: its path, and the file that the path led to when it was opened. Inode 0: no file. */
struct store_file {
    char *path;
    dev_t device;
    ino_t inode;
};

/* The journal's state within a transaction (journal.c). */
struct store_journal {
    bool alive;   /* this opening has begun its life of the journal */
    bool begins;  /* the transaction begins it */
    bool opening; /* no batch waits: a transaction may add many entries */
    bool changed;
    int64_t number; /* of the last entry */
    /* Up to which there are entries; up to which they are made again. */
    int64_t seq, quarantine_id, again_seq, again_quarantine_id;
    int64_t plan; /* of the operations up to this one, changes to notes and lists have entries */
};

struct store {
    struct store_config config;
    struct store_file files[STORE_FILES];
    int turn_fd; /* advisory locks between processes (lock.c); -1: not open */
    int lock_fd;
    sqlite3 *db; /* NULL: not open */
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    unsigned char hash_key[CONTENT_KEY_SIZE];
    atomic_int log_pages; /* see store_log_pages */
    struct store_ledger ledger;
    struct store_batch batch;
    struct store_journal journal; /* only used with config.journal */
    bool alive;                   /* this opening has begun its life */
    bool replaced;                /* the last notification seen is no longer in the store */
    struct token seen;            /* the store's last notification, after the last transaction */
};

struct store_reader {
    struct store_file files[STORE_FILES];
    sqlite3 *db;    /* NULL: not open */
    int64_t opened; /* how often the files were opened */
    bool begun;     /* between store_read_begin and store_read_end */
    bool limited;   /* the reads must end by UNTIL_MS on the monotonic clock */
    int64_t until_ms;
};

/* reader.c: opens the store unless it is open and its files are still the same. It opens the store
 * for writing because a checkpoint writes. Other reads do not write. */
int store_reader_open(struct store_reader *reader, struct fault *fault);

/* Prepares a statement of an open reader; NULL on failure. Finish ends it after a loop over its
 * rows. It returns 0 if STEP, the last result, says that all rows were read. */
sqlite3_stmt *store_reader_prepare(struct store_reader *reader, const char *sql,
                                   struct fault *fault);
int store_reader_finish(struct store_reader *reader, sqlite3_stmt *statement, int step,
                        struct fault *fault);

/* For all lists. Opens the reader, prepares SQL and binds COUNT numbers to its first
 * parameters. Returns NULL on failure. */
sqlite3_stmt *store_query_prepare(struct store_reader *reader, const char *sql,
                                  const int64_t numbers[], int count, struct fault *fault);

/* Begins a list of MOST rows. COUNT NUMBERS are bound to the first parameters of SQL. The last
 * KEY_LENGTH of them are the key before all rows; AFTER replaces them unless it is NULL or "". The
 * last columns of each row are the row's own key. The caller may bind further parameters of the
 * list's STATEMENT, which is NULL on failure: SQLite then refuses them. */
struct store_rows store_rows_begin(struct store_reader *reader, const char *sql,
                                   const int64_t numbers[], int count, int key_length,
                                   const struct store_page_token *after, size_t most,
                                   struct fault *fault);

/* Steps to the page's next row; NULL if there is none. */
sqlite3_stmt *store_rows_next(struct store_rows *rows);

/* lock.c: gives several processes their turns on one store. */
int store_lock_open(struct store *store, struct fault *fault);
void store_lock_close(struct store *store);
int store_lock_take(struct store *store, struct fault *fault);
void store_lock_release(struct store *store);

/* layout.c: check refuses a file of another program or version before it writes anything. Make
 * creates the tables in a new file, and make_copy those that only a copy has. */
int store_layout_check(sqlite3 *db, struct fault *fault);
int store_layout_make(sqlite3 *db, struct fault *fault);
int store_layout_make_copy(sqlite3 *db, struct fault *fault);

/* Refuses any file that is not a store of this version, even a new one. Readers call it, and so do
 * writers after another process changed the file. */
int store_layout_require(sqlite3 *db, struct fault *fault);

/* put.c: changes every table that RECORD affects, within the open transaction, and sets the outcome
 * in RECORD. store_books_finish writes what the batch collected. */
int store_books_begin(struct store *store, struct fault *fault);
int store_books_put(struct store *store, struct record *record, struct fault *fault);
int store_books_move_cursor(struct store *store, const struct store_cursor *cursor,
                            struct fault *fault);
int store_books_finish(struct store *store, struct fault *fault);

/* Sets *ID to the body in quarantine that has the record's bytes and time; 0: none. */
int store_books_find_body(struct store *store, const struct record *record, int64_t *id,
                          struct fault *fault);

/* Removes the body ID from quarantine. Returns 1, or 0 if it is not there, or -1. */
int store_books_drop(struct store *store, int64_t id, struct fault *fault);

/* journal.c, for a store with config.journal and within its transaction: begin reads the journal's
 * state, and finish adds entries of what has none and writes the state. The others add an entry:
 * for a notification that was kept or repeated, for a body that was quarantined, and for the body
 * ID before it leaves quarantine. Next gives the number of an entry that the caller adds. Confirm
 * removes entries, and end all of them and the journal,
 * also without config.journal. Fill adds entries, in transactions of its own, until none is
 * missing. */
int store_journal_begin(struct store *store, struct fault *fault);
int store_journal_next(struct store *store, int64_t *number, struct fault *fault);
int store_journal_finish(struct store *store, struct fault *fault);
int store_journal_notification(struct store *store, struct record *record, struct fault *fault);
int store_journal_quarantined(struct store *store, struct record *record, struct fault *fault);
int store_journal_left(struct store *store, int64_t id, struct fault *fault);
int store_journal_confirm(struct store *store, int64_t confirmed, struct fault *fault);
int store_journal_end(struct store *store, bool *found, struct fault *fault);
int store_journal_begin_again(struct store *store, void *argument, struct fault *fault);
int store_journal_fill(struct store *store, struct fault *fault);

/* Reads the ledger from the row of a read_totals statement. */
void store_ledger_read(sqlite3_stmt *statement, struct store_ledger *ledger);

/* An upgrade before a record changes it. */
struct store_upgrade {
    int64_t id;  /* 0: there is none yet */
    int64_t seq; /* of the notification that the state comes from */
    struct rules_upgrade is;
};

/* Binds an entry to the first five parameters of a statement. */
void store_entry_bind(sqlite3_stmt *statement, const struct store_entry *entry);

/* put_upgrade.c: find looks for the upgrade of RECORD under ENTRY's operation, device and
 * sub-operation. Put applies the record to the upgrade and its counters. The record's notification
 * must be in the store by then. A new upgrade takes its id from that notification's seq, so no id
 * is used twice: entries may outlive their upgrade (prune.c). */
int store_upgrade_find(struct store *store, const struct record *record,
                       const struct store_entry *entry, struct store_upgrade *upgrade,
                       struct fault *fault);
int store_upgrade_put(struct store *store, const struct record *record, struct store_tally *tally,
                      const struct store_entry *entry, struct store_upgrade *upgrade,
                      struct fault *fault);

/* put_upgrade.c: RECORD repeats a notification that was kept at KEPT_MS, and was received before
 * that, by another receiver. From now on the notification has the record's time. What of its
 * upgrade was received later counts instead, if the notification counted. */
int store_upgrade_move_back(struct store *store, const struct record *record, int64_t kept_ms,
                            struct store_tally *tally, const struct store_entry *entry,
                            struct fault *fault);

/* tally.c: the batch's tally for the operation of RECORD, NULL on failure; the counts in it; and
 * the write of all tallies. Part writes a tally's counts before one of another time comes to them,
 * so that the timeline has both. */
struct store_tally *store_tally_find(struct store *store, const struct record *record,
                                     struct fault *fault);
int store_tally_transition(struct store_tally *tally, const char *source, const char *target,
                           enum record_state state, int64_t by, struct fault *fault);
int store_tally_part(struct store *store, struct store_tally *tally, int64_t at_ms,
                     struct fault *fault);
int store_tally_finish(struct store *store, struct fault *fault);
void store_tally_forget(struct store_batch *batch);

/* The key that a text (an errorCode, a version) is counted under. It is the text itself, or for
 * a text longer than STORE_KEY_MAX its beginning, "…" and a hash of all of it. A key is its own
 * key. */
struct store_key {
    char text[STORE_KEY_MAX + 1];
};
const char *store_key(const char *text, struct store_key *key);
void store_bind_key(sqlite3_stmt *statement, int index, const char *text);

/* plan.c: removes the lists of operations that were pruned, or that have no notification and were
 * named before BEFORE_MS; and a device that has no upgrade any more from all lists. */
int store_plan_prune(struct store *store, int64_t before_ms, struct fault *fault);
int store_plan_erase(struct store *store, const char *device_id, struct fault *fault);

/* What a statement of sql/plan.sql takes: numbers, and texts behind them. */
struct store_plan_values {
    int64_t numbers[7];
    int numbers_length;
    const char *texts[2]; /* NULL is NULL */
    int texts_length;
};

/* tools.c: runs TEXT. Sets FOUND, unless COLUMNS is 0, to the first row's columns. Returns the
 * number of rows, or -1. */
int store_plan_run(struct store *store, enum store_text text,
                   const struct store_plan_values *values, int64_t *found, int columns,
                   struct fault *fault);

/* plan_journal.c: adds an operation that nothing has named yet, as of AT_MS, and sets *OPERATION to
 * its id. */
int store_plan_add(struct store *store, const char *app_id, const char *operation_id, int64_t at_ms,
                   int64_t *operation, struct fault *fault);

/* plan_journal.c: adds a device to the list of OPERATION. EXPECT is the statement plan_expect. */
int store_plan_expect(struct store *store, sqlite3_stmt *expect, int64_t operation, const char *id,
                      const char *told, struct fault *fault);

/* Steps of a list in the journal. A list has a mark below 0. A list that begins takes the place of
 * any other of its operation, and what comes of another mark then changes nothing. */
#define STORE_LIST_BEGIN "begin"
#define STORE_LIST_SAVED "saved"
#define STORE_LIST_REMOVED "removed"

/* plan_journal.c, within a transaction: note adds an entry of an operation's note, list of a step
 * of the list MARK, and devices of COUNT devices of that list, from the row FIRST on. They add
 * nothing to a store without config.journal, nor if fill has yet to come to the operation. Fill
 * adds entries of what was noted before, of about MOST devices, until journal.plan is INT64_MAX.
 * Check fails if a journal was begun beside this opening, which has none. */
int store_plan_check(struct store *store, struct fault *fault);
int store_plan_journal_note(struct store *store, int64_t operation, struct fault *fault);
int store_plan_journal_list(struct store *store, int64_t operation, int64_t mark, const char *step,
                            struct fault *fault);
int store_plan_journal_devices(struct store *store, int64_t operation, int64_t mark, int64_t first,
                               int64_t count, struct fault *fault);
int store_plan_fill(struct store *store, int64_t most, struct fault *fault);

/* plan_journal.c: does in a copy what an entry of a note or a list says. One that cannot be read
 * changes nothing. */
int store_plan_follow(struct store *store, const struct record *record, struct fault *fault);

/* recount.c: gives DB's SQL the function counted_as(TEXT), a text's key. Returns SQLite's code.
 */
int store_add_counted_as(sqlite3 *db);

/* Makes room for one more element of SIZE bytes in an array of LENGTH. Returns the array, which may
 * have moved, or NULL. */
void *store_grow(void *array, size_t length, size_t *capacity, size_t size, struct fault *fault);

/* layout.c: reads the store's secret. */
int store_read_secret(sqlite3 *db, unsigned char key[CONTENT_KEY_SIZE], struct fault *fault);

/* life.c: copy reads a life from a column, "" for NULL. The others need a transaction whose ledger
 * was read. Holds sets *HOLDS to whether the store holds TOKEN. Check fails, and sets
 * STORE->replaced, if the store does not hold the token that this opening saw last. Begin starts
 * the life of this opening before its first notification, unless it has started. */
void store_life_copy(sqlite3_stmt *statement, int column, char life[TOKEN_LIFE_SIZE]);
int store_life_holds(struct store *store, const struct token *token, bool *holds,
                     struct fault *fault);
int store_life_check(struct store *store, struct fault *fault);
int store_life_begin(struct store *store, struct fault *fault);

/* Runs WORK in a transaction of an open store, in turn with other processes. Returns 0 after the
 * transaction is synced to disk. The ledger is read before WORK. It is written after WORK, with all
 * that the batch collected. WORK may be
 * NULL. */
typedef int store_work(struct store *store, void *argument, struct fault *fault);
int store_transact(struct store *store, store_work *work, void *argument, struct fault *fault);

/* Copies the log to the main file in a turn of its own, and truncates it. *EMPTIED is false if
 * another connection reads or writes just then. */
int store_empty_log(struct store *store, bool *emptied, struct fault *fault);

/* Binds a text that is there until the statement has run; NULL is NULL. */
static inline void store_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

/* The form of a hash in the tables. */
static inline int64_t store_low32(uint64_t hash)
{
    return (int64_t)(hash & 0xFFFFFFFFu);
}

/* A statement of the writer, ready for binding. */
static inline sqlite3_stmt *store_statement(struct store *store, enum store_statement statement)
{
    return store->statements[statement];
}

/* tools.c: a fault with SQLite's message. Run steps a
 * statement that returns no rows, and resets it. A column's text, "" for NULL. */
int store_fault(sqlite3 *db, struct fault *fault, const char *what);
int store_run(struct store *store, sqlite3_stmt *statement, const char *what, struct fault *fault);

/* Binds COUNT numbers to the first parameters of a statement, and runs it. WHAT is for the fault.
 */
int store_write(struct store *store, enum store_statement which, const char *what,
                struct fault *fault, const int64_t *numbers, int count);
#define STORE_NUMBERS(...) \
    (const int64_t[]){__VA_ARGS__}, (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
const char *store_column_text(sqlite3_stmt *statement, int column);

/* files.c: init makes the paths of the files in FOLDER, and release frees them. Note remembers the
 * files that the paths lead to. It returns -1, with errno, if there is no main file. Check fails if
 * a path leads to another file than noted. Require fails unless this process has all noted files
 * open. SQLite shares -shm within a process: a new connection gets the old -shm while another
 * connection holds it, even if the path leads to a new file. */
int store_files_init(struct store_file files[STORE_FILES], const char *folder, struct fault *fault);
void store_files_release(struct store_file files[STORE_FILES]);
int store_files_note(struct store_file files[STORE_FILES]);
bool store_file_changed(const struct store_file *file);
int store_files_check(const struct store_file files[STORE_FILES], struct fault *fault);
int store_files_require(const struct store_file files[STORE_FILES], struct fault *fault);

/* Syncs FOLDER, or the folder that PATH is in, so that the names of new files in it survive a power
 * cut. */
int store_sync_folder(const char *folder, struct fault *fault);
int store_sync_parent(const char *path, struct fault *fault);

/* The bytes of -shm that SQLite locks for each purpose. */
#define STORE_SHM_WRITER 120
#define STORE_SHM_WRITER_LENGTH 3 /* with the locks for checkpoints and recovery */
#define STORE_SHM_READERS 123
#define STORE_SHM_READERS_LENGTH 5

/* Returns the id of another process that locks any of the LENGTH bytes from FIRST. 0: none, or
 * unknown. */
int64_t store_files_holder(const struct store_file files[STORE_FILES], int first, int length);

/* If this process is root, gives the new file FD to the owner of FOLDER. */
void store_give_to_owner(int fd, const char *folder);

#endif
