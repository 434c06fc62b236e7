/* engine: what the files of the SQLite engine share; nobody else includes this. */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "notification/content.h"
#include "store/lists.h"
#include "store/store.h"
#include "store/upgrade_rules.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Marks the file as ours (PRAGMA application_id): "UpRc". */
#define STORE_APPLICATION_ID 0x55705263

/* X(column, member of struct store_ledger): what `totals` holds beside seq, in the order in which
 * read_totals and write_totals name it. */
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

/* Notifications numbered alike but for their last bits are looked up by time together: the store
 * knows between which times they were received. */
#define STORE_TIME_INDEX_BITS 10

/* Bytes of a description that is kept as an example for its error code. */
#define STORE_EXAMPLE_MAX 256

/* Bytes of a text that is counted by, and of what is kept of a longer one before its hash. */
#define STORE_KEY_MAX 255
#define STORE_KEY_KEPT 200

/* The statements of the writer: sql/writer.sql. */
enum store_statement {
#define X(name, sql) STORE_##name,
#include "store/sql_writer.inc"
#undef X
    STORE_STATEMENT_COUNT
};

/* Statements that are prepared when they are needed: sql/reader.sql and sql/prune.sql. */
enum store_text {
#define X(name, sql) STORE_TEXT_##name,
#include "store/sql_prune.inc"
#include "store/sql_reader.inc"
#undef X
};

/* The text of a statement of either type. */
const char *store_statement_text(enum store_statement statement);
const char *store_text(enum store_text text);

/* Totals of the file, changed in memory during a batch. */
struct store_ledger {
    struct store_totals totals;
    int64_t quarantine_id; /* the last one given out */
    int64_t pruned_notifications, pruned_repeats;
    int64_t pruned_seq; /* the highest that was pruned; 0: none */
};

/* How often a batch says that devices were to transition from one version to another. */
struct store_transition {
    char *source, *target; /* owned */
    int64_t success, fail;
};

/* Changes of one operation during a batch, written once at its end. */
struct store_tally {
    const char *app_id; /* lent by the batch's records */
    const char *operation_id;
    int64_t operation;
    int64_t in_progress, success, fail, contradictory;
    bool changed;              /* by anything but repeats */
    int64_t at_ms;             /* when the last of its records was received */
    int64_t last_ms, last_seq; /* 0: nothing came that was not from quarantine */
    struct store_transition *transitions;
    size_t transitions_length, transitions_capacity;
};

/* Notifications of one type that a batch adds. */
struct store_type_count {
    const char *notify_type, *result; /* lent by the batch's records */
    int64_t count;
};

/* Whatever a batch changes more than once is gathered here, and written at its end. */
struct store_batch {
    struct store_tally *tallies;
    size_t tallies_length, tallies_capacity;
    struct store_type_count *types;
    size_t kinds_length, kinds_capacity;
    bool begins_life;
    int64_t span; /* number of the last notification >> STORE_TIME_INDEX_BITS, if SPAN_OPEN */
    int64_t span_first_ms, span_last_ms;
    bool span_open;
};

/* Where a notification stands in `lookup`, before its number. Device, sub-operation and content are
 * hashes. */
struct store_entry {
    int64_t operation; /* 0: none */
    int64_t device;
    int64_t sub_operation; /* 0 without an upgrade */
    int64_t upgrade;       /* 0: none */
    int64_t content;
};

/* The files of a store: SQLite's main file, its log, and the memory in which its users lock. */
enum { STORE_DB, STORE_WAL, STORE_SHM, STORE_FILES };

/* One of them: its path, and which file that led to when it was opened; inode 0: none. */
struct store_file {
    char *path;
    dev_t device;
    ino_t inode;
};

struct store {
    struct store_config config;
    struct store_file files[STORE_FILES];
    int turn_fd; /* advisory locks between processes, see lock.c; -1: not open */
    int lock_fd;
    sqlite3 *db; /* NULL: not open */
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    unsigned char hash_key[CONTENT_KEY_SIZE];
    atomic_int log_pages; /* see store_log_pages */
    struct store_ledger ledger;
    struct store_batch batch;
    bool alive;        /* this opening has its life */
    bool replaced;     /* what was seen last is not in the store any more */
    struct token seen; /* the store's last notification, after the last transaction */
};

struct store_reader {
    struct store_file files[STORE_FILES];
    sqlite3 *db;    /* NULL: not open */
    int64_t opened; /* how often */
    bool begun;     /* between store_read_begin and store_read_end */
    bool limited;   /* what is begun must be read by UNTIL_MS, by the monotonic clock */
    int64_t until_ms;
};

/* reader.c: opens the store unless it is open already, and still the same file. It is opened
 * for writing because a checkpoint writes; nothing else there does. */
int store_reader_open(struct store_reader *reader, struct fault *fault);

/* A statement of an open reader, NULL on failure; and the end of it and of a loop over its rows: 0
 * where STEP, the last one's result, says that all came. */
sqlite3_stmt *store_reader_prepare(struct store_reader *reader, const char *sql,
                                   struct fault *fault);
int store_reader_finish(struct store_reader *reader, sqlite3_stmt *statement, int step,
                        struct fault *fault);

/* lists.c: what the lists share. A statement of a reader, opened, with COUNT numbers bound to
 * its first parameters; NULL on failure. */
sqlite3_stmt *store_query_prepare(struct store_reader *reader, const char *sql,
                                  const int64_t numbers[], int count, struct fault *fault);

/* Begins a list whose READER, FAULT, LEFT and NUMBERS are set. The last PLACE_LENGTH of these are
 * the place before all rows: AFTER, if it is given and not "", replaces them. They are bound to the
 * first parameters of SQL, and the last columns of each row are its own place. Gives the statement,
 * for further parameters; NULL on failure. */
sqlite3_stmt *store_rows_begin(struct store_rows *rows, const char *sql,
                               const struct store_page_token *after);

/* The statement on the page's next row; NULL if there is none. */
sqlite3_stmt *store_rows_next(struct store_rows *rows);

/* lock.c: the turn of one process among several on one store. */
int store_lock_open(struct store *store, struct fault *fault);
void store_lock_close(struct store *store);
int store_lock_take(struct store *store, struct fault *fault);
void store_lock_release(struct store *store);

/* layout.c: refuses a file that is not ours or of another version, before anything is written
 * to it; makes the tables in a new one. */
int store_layout_check(sqlite3 *db, struct fault *fault);
int store_layout_make(sqlite3 *db, struct fault *fault);

/* Refuses what is no store of this version, a new file too: for those who only read, and for those
 * who had it open when another process changed it. */
int store_layout_require(sqlite3 *db, struct fault *fault);

/* put.c: changes every table that RECORD touches, within the open transaction, and notes
 * what became of it in RECORD; store_books_finish writes what was gathered for the whole batch. */
int store_books_begin(struct store *store, struct fault *fault);
int store_books_put(struct store *store, struct record *record, struct fault *fault);
int store_books_move_cursor(struct store *store, const struct store_cursor *cursor,
                            struct fault *fault);
int store_books_finish(struct store *store, struct fault *fault);

/* Takes the body ID out of quarantine: 1, or 0 if it is not there, or -1. */
int store_books_drop(struct store *store, int64_t id, struct fault *fault);

/* The ledger from a statement read_totals that is on its row, and into a write_totals. */
void store_ledger_read(sqlite3_stmt *statement, struct store_ledger *ledger);
void store_ledger_bind(sqlite3_stmt *statement, const struct store_ledger *ledger);

/* An upgrade as it is before a record. */
struct store_upgrade {
    int64_t id;  /* 0: there is none yet */
    int64_t seq; /* of the notification that the state comes from */
    struct rules_upgrade is;
};

/* An entry into the first five parameters of a statement. */
void store_entry_bind(sqlite3_stmt *statement, const struct store_entry *entry);

/* put_upgrade.c: finds the upgrade that RECORD, which is of one, belongs to, under ENTRY's
 * operation, device and sub-operation; and changes it, and what is counted of it, by the record,
 * whose notification has been added. A new one is numbered as that notification is, so that no
 * number comes twice: entries may outlive their upgrade (prune.c). */
int store_upgrade_find(struct store *store, const struct record *record,
                       const struct store_entry *entry, struct store_upgrade *upgrade,
                       struct fault *fault);
int store_upgrade_put(struct store *store, const struct record *record, struct store_tally *tally,
                      const struct store_entry *entry, struct store_upgrade *upgrade,
                      struct fault *fault);

/* tally.c: the batch's tally of the operation that RECORD is of, NULL on failure; what is
 * counted into it; and all of them written. */
struct store_tally *store_tally_find(struct store *store, const struct record *record,
                                     struct fault *fault);
int store_tally_transition(struct store_tally *tally, const char *source, const char *target,
                           enum record_state state, int64_t by, struct fault *fault);
int store_tally_finish(struct store *store, struct fault *fault);
void store_tally_forget(struct store_batch *batch);

/* What a text (an errorCode, a version) is counted as: itself, or if it is longer than
 * STORE_KEY_MAX its beginning, "…" and a hash of all of it. A key is its own key. */
struct store_key {
    char text[STORE_KEY_MAX + 1];
};
const char *store_key(const char *text, struct store_key *key);
void store_bind_key(sqlite3_stmt *statement, int index, const char *text);

/* recount.c: gives DB's SQL the function counted_as(TEXT), a text's key. Returns SQLite's code.
 */
int store_add_counted_as(sqlite3 *db);

/* Room for one element more behind LENGTH of SIZE bytes each: the array, moved or not, or NULL. */
void *store_grow(void *array, size_t length, size_t *capacity, size_t size, struct fault *fault);

/* layout.c: the store's secret. */
int store_read_secret(sqlite3 *db, unsigned char key[CONTENT_KEY_SIZE], struct fault *fault);

/* life.c: a column's life, "" for NULL. Within a transaction whose ledger was read: whether
 * the store holds TOKEN; a fault, with STORE->replaced set, if it does not hold what this opening
 * saw last; and the life of this opening, unless it has one, before its first notification. */
void store_life_copy(sqlite3_stmt *statement, int column, char life[TOKEN_LIFE_SIZE]);
int store_life_holds(struct store *store, const struct token *token, bool *holds,
                     struct fault *fault);
int store_life_check(struct store *store, struct fault *fault);
int store_life_begin(struct store *store, struct fault *fault);

/* Runs WORK in a transaction of an open store, in turn with other processes, synced to disk when
 * this returns 0. The ledger is read before WORK, and written behind it with all that the batch
 * gathered.
 */
typedef int store_work(struct store *store, void *argument, struct fault *fault);
int store_transact(struct store *store, store_work *work, void *argument, struct fault *fault);

/* A hash as the tables hold it. */
static inline int64_t store_low32(uint64_t hash)
{
    return (int64_t)(hash & 0xFFFFFFFFu);
}

/* tools.c: a fault that says what SQLite said. A statement of the writer, ready for binding;
 * and run, which steps one that gives no row and resets it. A column's text, "" for NULL. */
int store_fault(sqlite3 *db, struct fault *fault, const char *what);
sqlite3_stmt *store_statement(struct store *store, enum store_statement statement);
int store_run(struct store *store, sqlite3_stmt *statement, const char *what, struct fault *fault);
const char *store_column_text(sqlite3_stmt *statement, int column);

/* files.c: the paths of the files in FOLDER, whose memory release frees. Note remembers which
 * files they lead to now, and is -1, with errno, if there is no main file. Check fails if one leads
 * to another file than was noted. Require fails if this process does not have all of those open
 * that were noted: SQLite shares -shm within a process, so a new connection gets the old one for as
 * long as somebody else holds it, whatever its path leads to. */
int store_files_init(struct store_file files[STORE_FILES], const char *folder, struct fault *fault);
void store_files_release(struct store_file files[STORE_FILES]);
int store_files_note(struct store_file files[STORE_FILES]);
bool store_file_changed(const struct store_file *file);
int store_files_check(const struct store_file files[STORE_FILES], struct fault *fault);
int store_files_require(const struct store_file files[STORE_FILES], struct fault *fault);

/* What a lock in -shm is for: bytes that SQLite locks there. */
#define STORE_SHM_WRITER 120
#define STORE_SHM_WRITER_LENGTH 3 /* with those of checkpoints and of recovery */
#define STORE_SHM_READERS 123
#define STORE_SHM_READERS_LENGTH 5

/* Another process that holds one of LENGTH such bytes from FIRST on; 0: none, or nobody can tell.
 */
int64_t store_files_holder(const struct store_file files[STORE_FILES], int first, int length);

/* Root gives the file FD, just made, to whom FOLDER belongs. */
void store_give_to_owner(int fd, const char *folder);

#endif
