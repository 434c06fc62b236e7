/* store: the books. History, repeats, state of each upgrade, counters of each operation, failures
 * by errorCode and quarantine, all changed in the transaction that keeps the record they come from.
 *
 * An interface in the words of the design, batch by batch, without SQL; engine.c and its
 * siblings are the engine behind it. A store is used by one thread at a time; a reader is a
 * separate thing that never disturbs it. */
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

/* Longest wait for another process that holds the store, before a batch fails. */
#define STORE_WAIT_MS 1000

/* Pages in the store's log, of STORE_PAGE_BYTES each, from which it should be copied to the main
 * file, so that it can start again from its beginning. In a shorter log the same pages come again,
 * and would be copied twice. */
#define STORE_LOG_LONG 8192
#define STORE_PAGE_BYTES 4096

/* Bytes of the store's log that stay on disk once it is copied to the main file; a longer one is
 * cut to so many. */
#define STORE_LOG_KEPT ((int64_t)64 << 20)

/* Longest time for which a reader of ours keeps one state of the store. */
#define STORE_READ_MOST_MS 30000

/* Version of the tables, kept in the file: a store of any other is refused. */
#define STORE_VERSION 5

/* One part in so many of quarantine, in bodies and in bytes, is set aside for bodies that name a
 * known notifyType: noise cannot use it up. */
#define STORE_QUARANTINE_KNOWN_SHARE 2

/* Bytes of a cursor's name, with the NUL. */
#define STORE_CURSOR_NAME_MAX 64

struct store_config {
    const char *folder;        /* the state folder, lent for the store's lifetime */
    uint64_t quarantine_max;   /* bodies held */
    uint64_t quarantine_bytes; /* bytes of them */
    int64_t repeat_window_ms;  /* how long equal news is a repeat; equal upgrades always are */
    int64_t wait_ms;           /* longest wait in line for other processes; 0: STORE_WAIT_MS */
};

/* What the options say of the store; the folder's name is lent from OPTIONS. */
void store_config_read(const struct options *options, struct store_config *config);

struct store;

/* Sets up the engine for the whole process, once, while there are no other threads. Without it all
 * works, and slower. */
void store_library_init(void);

/* Gives a store that is not open yet. Free with store_free. */
int store_new(struct store **store, const struct store_config *config, struct fault *fault);
void store_free(struct store *store);

/* Makes the state folder where it is missing (mode 0750; not its parents). */
int store_make_folder(const char *folder, struct fault *fault);

/* Opens the lock file NAME in FOLDER: its descriptor, or -1. Only the owner can open such a file,
 * so nobody else can hold a lock of it. Root gives it to the owner of FOLDER. */
int store_lock_file(const char *folder, const char *name, struct fault *fault);

/* Looks whether a receiver could open the store in FOLDER: it is of this version, and all its files
 * can be written to. Writes nothing, in no case. *EXISTS is whether there is one; if there is none,
 * the result is 0. */
int store_examine(const char *folder, bool *exists, struct fault *fault);

/* Opens the store in its folder, creates it where there is none. A FAULT marked lasting will not go
 * away by itself: no store of ours, or one that a newer version made. */
int store_open(struct store *store, struct fault *fault);

/* --- lives and tokens
 *
 * A seq alone does not say how far a reader of a store has come: after an older copy of the store
 * was put back, the same numbers are given out once more. So a reader keeps a token, LIFE:SEQ. It
 * says: "I have everything up to SEQ, of a store whose notification SEQ is of this LIFE."
 *
 * Each opening of a store for writing has a life of its own, a random name, which begins with the
 * first notification that it keeps and is written down with it, in one transaction. A notification
 * is of the life that began last, whichever process keeps it: if two receivers write to one store,
 * both add to the life of the one that kept its first notification later. So the lives of a store
 * lie one behind the other, each ends where the next one begins, and the last ends with the last
 * notification.
 *
 * A store holds a token if it has a notification SEQ and that is of LIFE. Then its notifications up
 * to SEQ are those that the reader has, whatever became of the store in between: a copy of a store,
 * put back or used beside it, has to be opened before anything is added to it, and what is added
 * then is of a life that no other copy has. So no token is ever given to two notifications. A store
 * whose content is replaced while it is open is opened anew (the writer looks whether the store
 * holds what it saw last), but a process that has not looked in between cannot tell: stop the
 * receivers to put a copy back. */

/* How far an application has been told, under its name. */
struct store_cursor {
    char name[STORE_CURSOR_NAME_MAX];
    struct token at; /* the last notification it was told */
    bool lost;       /* the store does not hold AT; set by reads of all cursors */
};

/* Keeps COUNT records in one transaction, synced to disk when this returns 0, and sets each one's
 * outcome; moves CURSOR, unless that is NULL or the store does not hold it, forward in the same
 * transaction.
 * On failure nothing is kept, no outcome is set, and the store stays usable. */
int store_keep(struct store *store, struct record **records, size_t count,
               const struct store_cursor *cursor, struct fault *fault);

/* Finds out by a small synced write of its own whether the store can keep records now. On failure
 * it stays usable, as after store_keep. */
int store_try(struct store *store, struct fault *fault);

/* Finds out by a write of its own whether the store can keep records again; opens it anew where it
 * is closed, or where its files are no longer the ones that were opened. */
int store_probe(struct store *store, struct fault *fault);

/* How many pages the store's log had behind this store's last transaction; 0 if all of them have
 * been copied since. Thread-safe. */
int store_log_pages(const struct store *store);

/* Copies what is left of the log to the main file between two transactions, so that the next one
 * can start the log again. A failure costs space, not records. */
void store_copy_log(struct store *store);

/* Totals since the store was made. */
struct store_totals {
    int64_t seq; /* of the last notification */
    int64_t notifications, repeats, quarantined, quarantine_log_only;
    int64_t in_progress, success, fail, contradictory; /* upgrades */
    int64_t quarantine_held, quarantine_bytes;
    int64_t quarantine_unknown_held, quarantine_unknown_bytes; /* of no known notifyType */
    /* since when quarantine has no room for what comes: for bodies of a known notifyType, and for
     * the others; 0: it has */
    int64_t quarantine_full_ms, quarantine_unknown_full_ms;
    int64_t last_ms;            /* when a notification or a repeat was last received; 0: never */
    char life[TOKEN_LIFE_SIZE]; /* of the last notification; "" if there is none */
};

/* Sets TOKEN to that of the last notification. */
static inline void store_totals_token(const struct store_totals *totals, struct token *token)
{
    *token = (struct token){.seq = totals->seq};
    memcpy(token->life, totals->life, sizeof token->life);
}

/* A notification as it is kept. */
struct store_kept {
    int64_t seq, received_ms, deliveries;
    char life[TOKEN_LIFE_SIZE]; /* of SEQ; "" in lists, which do not look for it */
    char *body;                 /* NUL-terminated */
    size_t body_length;
};

/* Sets TOKEN to that of a notification whose life was read. */
static inline void store_kept_token(const struct store_kept *kept, struct token *token)
{
    *token = (struct token){.seq = kept->seq};
    memcpy(token->life, kept->life, sizeof token->life);
}

/* A body in quarantine. */
struct store_quarantined {
    int64_t id, received_ms;
    bool any_app;  /* its receiver accepted every appId */
    char *reason;  /* NUL-terminated */
    char *pointer; /* NUL-terminated, may be empty */
    char *body;    /* byte for byte; a NUL follows */
    size_t body_length;
};

/* Bytes of bodies after which a read of many ends early. */
#define STORE_READ_BYTES ((size_t)4 << 20)

struct store_reader;

/* Gives a reader of the store in FOLDER (lent), which opens the files when they are first needed
 * and again when they were replaced. Free with store_reader_free. */
int store_reader_new(struct store_reader **reader, const char *folder, struct fault *fault);
void store_reader_free(struct store_reader *reader);

/* Closes the reader's files until they are needed again. While the store fails, readers must not
 * hold on to them: SQLite shares what it has open within a process, a read-only memory map for one.
 */
void store_reader_close(struct store_reader *reader);

/* Sets *BYTES to how long the store's log is on disk, and *HOLDER, if that is more than
 * STORE_LOG_KEPT, to another process that reads a state of the store now; else to 0. */
int store_read_log(struct store_reader *reader, int64_t *bytes, int64_t *holder,
                   struct fault *fault);

/* How often the reader has opened files so far: another number, another store. */
int64_t store_reader_opened(const struct store_reader *reader);

/* Sets *VERSION to a number that is another one after any process has committed to the store. */
int store_read_version(struct store_reader *reader, int64_t *version, struct fault *fault);

/* Sets CURSOR, of which the name is given, to where it is: at the beginning if there is none yet.
 */
int store_read_cursor(struct store_reader *reader, struct store_cursor *cursor,
                      struct fault *fault);

/* Takes the right to deliver to the application NAME, which one process has at a time and keeps
 * with *FD open: 0; or 1 if another one has it; or -1. */
int store_lock_delivery(const char *folder, const char *name, int *fd, struct fault *fault);

/* Sets TOKEN to that of notification SEQ, which the store has or has had, or to the beginning. */
int store_read_token(struct store_reader *reader, int64_t seq, struct token *token,
                     struct fault *fault);

/* What a store has of what a token names. */
struct store_standing {
    bool holds;       /* the token; any store holds the beginning */
    struct token end; /* if it does not: the last of that life that it has; seq 0: it has none */
    struct token last;
    int64_t pruned_seq; /* pruning took out notifications up to this one, not all; 0: none */
};
int store_read_standing(struct store_reader *reader, const struct token *token,
                        struct store_standing *standing, struct fault *fault);

/* Says in FAULT that the store does not hold TOKEN, what it has, and HINT: what to do. Returns -1.
 */
int store_refuse_token(const struct token *token, const struct store_standing *standing,
                       const char *hint, struct fault *fault);

/* Reads notifications numbered above AFTER, in seq order, MOST at most; their bodies together may
 * pass STORE_READ_BYTES by one body. Gives what KEPT points to, to be freed with
 * store_kept_release. */
int store_read_after(struct store_reader *reader, int64_t after, struct store_kept *kept,
                     size_t most, size_t *count, struct fault *fault);
void store_kept_release(struct store_kept *kept, size_t count);

/* Reads bodies in quarantine with ids above AFTER, in order, MOST at most, bounded like the above.
 */
int store_read_quarantined(struct store_reader *reader, int64_t after,
                           struct store_quarantined *quarantined, size_t most, size_t *count,
                           struct fault *fault);
void store_quarantined_release(struct store_quarantined *quarantined, size_t count);

/* Copies committed pages from the write-ahead log to the main file, beside the writer. *COPIED,
 * unless NULL, is how many of the log are copied then; -1 where another process is at it. With
 * FINAL, for use after the last batch or if the log is longer than STORE_LOG_KEPT, the log is
 * emptied as well, unless another process uses the store. */
int store_checkpoint(struct store_reader *reader, bool final, int *copied, struct fault *fault);

#endif
