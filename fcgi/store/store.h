/* store: the history, repeats, the state of each upgrade, the counters of each operation, failures
 * by errorCode, and quarantine. One transaction keeps a record and changes all of these.
 *
 * This interface works in batches and has no SQL. engine.c and the files beside it implement it.
 * Only one thread at a time may use a store. A reader is separate and never blocks the store. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/fault.h"
#include "base/options.h"
#include "notification/record.h"
#include "notification/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How long a batch waits for another process that holds the store, before it fails. */
#define STORE_WAIT_MS 1000

/* Length of the store's write-ahead log, in pages of STORE_PAGE_BYTES, from which it should be
 * copied to the main file. It can then start again from its beginning. A shorter log is left alone:
 * its pages may change again and would be copied twice. */
#define STORE_LOG_LONG 8192
#define STORE_PAGE_BYTES 4096

/* Bytes of the store's log that stay on disk after it is copied to the main file. A longer log is
 * truncated to this size. */
#define STORE_LOG_KEPT ((int64_t)64 << 20)

/* Longest time that a reader of this program keeps one state of the store. */
#define STORE_READ_MOST_MS 30000

/* Version of the tables, kept in the file. A store of another version is refused. */
#define STORE_VERSION 8

/* Quarantine reserves one part in this many, of bodies and of bytes, for bodies that name a known
 * notifyType. So other bodies cannot fill it. */
#define STORE_QUARANTINE_KNOWN_SHARE 2

/* Bytes of a cursor's name, with the NUL. */
#define STORE_CURSOR_NAME_MAX 64

struct store_config {
    const char *folder;        /* the state folder, borrowed for the store's lifetime */
    uint64_t quarantine_max;   /* most bodies held */
    uint64_t quarantine_bytes; /* most bytes of bodies held */
    int64_t repeat_window_ms;  /* how long equal news is a repeat; equal upgrades always are */
    int64_t wait_ms;           /* longest wait in the queue of processes; 0: STORE_WAIT_MS */
    bool journal;              /* keep a journal for shared books (journal.h) */
    bool copy;                 /* it is a copy of shared books (follow.h) */
};

/* Sets CONFIG from OPTIONS. The folder's name is borrowed from OPTIONS. */
void store_config_read(const struct options *options, struct store_config *config);

struct store;

/* Sets up SQLite for the whole process. Call it once, before any thread starts. Without it the
 * store works, but slower. */
void store_library_init(void);

/* Makes a store that is not open yet. Free with store_free. */
int store_new(struct store **store, const struct store_config *config, struct fault *fault);
void store_free(struct store *store);

/* Makes the state folder (mode 0750) if it is missing, but not its parents. */
int store_make_folder(const char *folder, struct fault *fault);

/* Opens the lock file NAME in FOLDER. Returns its descriptor, or -1. Only the owner can open the
 * file, so no other user can lock it. If this process is root, it gives the file to the owner of
 * FOLDER. */
int store_lock_file(const char *folder, const char *name, struct fault *fault);

/* Checks whether a receiver could open the store in FOLDER: it must have this version, and all its
 * files must be writable. Never writes. *EXISTS is whether there is a store. If there is none, the
 * result is 0. */
int store_examine(const char *folder, bool *exists, struct fault *fault);

/* Opens the store in its folder, or creates it if there is none. A FAULT marked lasting does not go
 * away by itself: the file is no store of this program, or a newer version made it. */
int store_open(struct store *store, struct fault *fault);

/* --- lives and tokens
 *
 * A seq alone does not say how far a reader of a store has come. After an older copy of the store
 * is put back, the store assigns the same numbers again. So a reader keeps a token, LIFE:SEQ. It
 * says: "I have everything up to SEQ, and notification SEQ belongs to LIFE."
 *
 * Each opening of a store for writing has its own life, which has a random name. The life begins
 * with the first notification that the opening keeps. One transaction writes both. A notification
 * belongs to the life that began last, whichever process keeps it. If two receivers write to one
 * store, both add to the life that began later. So the lives of a store follow each other. Each
 * ends where the next one begins, and the last ends with the last notification.
 *
 * A store holds a token if it has a notification SEQ that belongs to LIFE. Its notifications up to
 * SEQ are then those that the reader has, even if copies of the store were used. A copy must be
 * opened before anything is added to it. New notifications then belong to a life that no other
 * copy has. So two notifications never have the same token. If the content of an open store is
 * replaced, the writer opens it again: it checks whether the store still holds the last
 * notification that it saw. A process that has not checked meanwhile cannot tell. Stop the
 * receivers before you put a copy back. */

/* How far the named application has been told. */
struct store_cursor {
    char name[STORE_CURSOR_NAME_MAX];
    struct token at; /* the last notification it was told */
    bool lost;       /* the store does not hold AT; only set when all cursors are read */
    bool back;       /* set to move it back as well: an operator wants notifications again */
};

/* Keeps COUNT records in one transaction and sets each one's outcome. Returns 0 after the
 * transaction is synced to disk. The same transaction moves CURSOR forward (or also back: see
 * BACK), unless CURSOR is NULL or the store does not hold its token. It also removes the entries of
 * the journal up to CONFIRMED (0: none). On failure nothing is kept, no outcome is set, and the
 * store stays usable. */
int store_keep(struct store *store, struct record **records, size_t count,
               const struct store_cursor *cursor, int64_t confirmed, struct fault *fault);

/* Tests with a small synced write whether the store can keep records now. On failure the store
 * stays usable, as after store_keep. */
int store_try(struct store *store, struct fault *fault);

/* Tests with a write whether the store can keep records again. Opens the store again if it is
 * closed or its files were replaced. */
int store_probe(struct store *store, struct fault *fault);

/* How many pages the store's log had after this store's last transaction; 0 if all were copied
 * since. Thread-safe. */
int store_log_pages(const struct store *store);

/* Copies the rest of the log to the main file between two transactions, so that the next one can
 * start the log again. A failure costs space, not records. */
void store_copy_log(struct store *store);

/* Totals since the store was made. */
struct store_totals {
    int64_t seq; /* of the last notification */
    int64_t notifications, repeats, quarantined, quarantine_log_only;
    int64_t in_progress, success, fail, contradictory; /* upgrades */
    int64_t quarantine_held, quarantine_bytes;
    int64_t quarantine_unknown_held, quarantine_unknown_bytes; /* of no known notifyType */
    /* since when quarantine has been full, for bodies of a known notifyType and for others; 0: not
     * full */
    int64_t quarantine_full_ms, quarantine_unknown_full_ms;
    int64_t last_ms;            /* when a notification or a repeat was last received; 0: never */
    char life[TOKEN_LIFE_SIZE]; /* of the last notification; "": none */
};

/* Sets TOKEN to the token of the last notification. */
static inline void store_totals_token(const struct store_totals *totals, struct token *token)
{
    *token = (struct token){.seq = totals->seq};
    memcpy(token->life, totals->life, sizeof token->life);
}

/* A kept notification. */
struct store_kept {
    int64_t seq, received_ms, deliveries;
    char life[TOKEN_LIFE_SIZE]; /* of SEQ; always "" in lists */
    char *body;                 /* NUL-terminated */
    size_t body_length;
};

/* Sets TOKEN to the token of a notification that was read with its life. */
static inline void store_kept_token(const struct store_kept *kept, struct token *token)
{
    *token = (struct token){.seq = kept->seq};
    memcpy(token->life, kept->life, sizeof token->life);
}

/* A body in quarantine. */
struct store_quarantined {
    int64_t id, received_ms;
    bool any_app;  /* the receiver that quarantined it accepted every appId */
    char *reason;  /* NUL-terminated */
    char *pointer; /* NUL-terminated, may be empty */
    char *body;    /* byte for byte, then a NUL */
    size_t body_length;
};

/* A read of many bodies ends early after this many bytes. */
#define STORE_READ_BYTES ((size_t)4 << 20)

struct store_reader;

/* Makes a reader of the store in FOLDER (borrowed). It opens the files on first use, and again
 * after they were replaced. Free with store_reader_free. */
int store_reader_new(struct store_reader **reader, const char *folder, struct fault *fault);
void store_reader_free(struct store_reader *reader);

/* Closes the reader's files until they are needed again. While the store fails, readers must not
 * keep files open. SQLite shares open files within a process, even a read-only memory map. */
void store_reader_close(struct store_reader *reader);

/* Sets *BYTES to the size of the store's log on disk. If that is above STORE_LOG_KEPT, sets *HOLDER
 * to the id of another process that reads a state of the store now; else to 0. */
int store_read_log(struct store_reader *reader, int64_t *bytes, int64_t *holder,
                   struct fault *fault);

/* How often the reader has opened the files. Another number means another store. */
int64_t store_reader_opened(const struct store_reader *reader);

/* Sets *VERSION to a number that changes whenever any process commits to the store. */
int store_read_version(struct store_reader *reader, int64_t *version, struct fault *fault);

/* Reads the cursor whose name is in CURSOR. If there is none, sets it to the beginning. */
int store_read_cursor(struct store_reader *reader, struct store_cursor *cursor,
                      struct fault *fault);

/* Takes the lock for delivery to the application NAME, and keeps it while *FD is open. Only one
 * process can hold it. Returns 0, or 1 if another process holds it, or -1. */
int store_lock_delivery(const char *folder, const char *name, int *fd, struct fault *fault);

/* Sets TOKEN to the token of notification SEQ, or to the beginning. The store must have or have had
 * SEQ. */
int store_read_token(struct store_reader *reader, int64_t seq, struct token *token,
                     struct fault *fault);

/* How much of a token's life a store has. */
struct store_standing {
    bool holds;       /* the token; every store holds the beginning */
    struct token end; /* if not: the last token of that life in the store; seq 0: none */
    struct token last;
    int64_t pruned_seq; /* pruning removed some notifications up to this seq; 0: none */
};
int store_read_standing(struct store_reader *reader, const struct token *token,
                        struct store_standing *standing, struct fault *fault);

/* Sets FAULT: the store does not hold TOKEN, what it has instead, and HINT, the remedy. Returns
 * -1. */
int store_refuse_token(const struct token *token, const struct store_standing *standing,
                       const char *hint, struct fault *fault);

/* Reads up to MOST notifications with a seq above AFTER, in seq order. Their bodies together may
 * exceed STORE_READ_BYTES by one body. Free the contents of KEPT with store_kept_release. */
int store_read_after(struct store_reader *reader, int64_t after, struct store_kept *kept,
                     size_t most, size_t *count, struct fault *fault);
void store_kept_release(struct store_kept *kept, size_t count);

/* Reads up to MOST quarantined bodies with an id above AFTER, in order, with the same limit on
 * bytes. */
int store_read_quarantined(struct store_reader *reader, int64_t after,
                           struct store_quarantined *quarantined, size_t most, size_t *count,
                           struct fault *fault);
void store_quarantined_release(struct store_quarantined *quarantined, size_t count);

/* Copies committed pages from the write-ahead log to the main file, beside the writer. *COPIED,
 * unless NULL, is how many pages of the log are copied by then; -1 if another process runs a
 * checkpoint. FINAL also truncates the log, unless another process uses the store. Use it after the
 * last batch, or if the log is longer than STORE_LOG_KEPT. */
int store_checkpoint(struct store_reader *reader, bool final, int *copied, struct fault *fault);

#endif
