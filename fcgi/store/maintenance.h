/* maintenance: checks a store, copies it and makes room in it, for an operator. */
#ifndef STORE_MAINTENANCE_H
#define STORE_MAINTENANCE_H

#include "base/fault.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Least age of notifications that may be pruned without force. The platform keeps what it could not
 * push for 24 hours. A notification that is sent again after it was pruned counts as new. */
#define STORE_PRUNE_AGE_MS ((int64_t)48 * 3600 * 1000)

/* Where a long task reports its progress; may be zero. */
struct store_progress {
    void *owner;
    void (*report)(void *owner, int64_t done, int64_t of);
};
static inline void store_report(const struct store_progress *progress, int64_t done, int64_t of)
{
    if (progress != NULL && progress->report != NULL)
        progress->report(progress->owner, done, of);
}

/* Reports one flaw. */
typedef void store_each_flaw(void *owner, const char *flaw);

/* Checks the file's integrity, then recounts every counter. Each recount sees one state of the
 * store. A receiver may run meanwhile. *FLAWS is how many flaws were reported. Reads the whole
 * store. */
int store_check(struct store_reader *reader, const struct store_progress *progress,
                store_each_flaw *each, void *owner, int64_t *flaws, struct fault *fault);

/* Most bytes of the store's log, while `upgrade-status backup` copies the store. */
#define STORE_BACKUP_LOG_MOST ((int64_t)1 << 30)

/* How a store is copied: where progress goes, and for how long a log the copy may go on. */
struct store_copying {
    struct store_progress copying; /* in pages or bytes */
    struct store_progress checking;
    int64_t log_most; /* bytes */
};

/* What the copy of a store has. */
struct store_copy {
    int64_t notifications; /* that are in it; pruned ones are not */
    int64_t bytes;
    struct token last; /* of its last notification */
};

/* Copies the store, as it is at one moment, into the new file FILE, checks the copy and syncs it. A
 * receiver may run meanwhile; its log cannot start again before the pages are copied. Makes
 * FILE.partial beside it for that time. Returns 0, 1 if the store is not sound, or -1. Unless it is
 * 0, there is no FILE. */
int store_backup(struct store_reader *reader, const char *file, const struct store_copying *how,
                 struct store_copy *copy, struct fault *fault);

/* Makes the descriptor FROM of FILE, which is a copy of a store, the store of FOLDER. FOLDER must
 * have no file of a store, and no receiver may run on it. Checks the new store before it gets its
 * name, and syncs it. Returns as store_backup does. LOG_MOST of HOW is not used. */
int store_restore(const char *folder, int from, const char *file, const struct store_copying *how,
                  struct store_copy *copy, struct fault *fault);

/* What pruning removed, and what it kept because an application has not been told yet. */
struct store_pruned {
    int64_t notifications, upgrades, operations;
    int64_t undelivered;                /* operations kept */
    char behind[STORE_CURSOR_NAME_MAX]; /* the application that caused this, or
                                           STORE_JOURNAL_NAME; "": nothing was kept */
};

/* Removes from an open store the notifications and upgrades of operations that have received
 * nothing since BEFORE_MS. Also removes older notifications that belong to no operation. Counters
 * stay. Runs in small transactions between those of a running receiver. The file does not shrink:
 * SQLite reuses the space. */
int store_prune(struct store *store, int64_t before_ms, const struct store_progress *progress,
                struct store_pruned *pruned, struct fault *fault);

/* What erasing a device removed. */
struct store_erased {
    struct store_pruned rows; /* UNDELIVERED counts notifications */
    int64_t quarantined;      /* bodies */
    bool emptied;             /* the store's log, of what was removed */
};

/* Removes from an open store the notifications and upgrades of one device, and the bodies in
 * quarantine that have its id as a text. Counters stay. Like store_prune it leaves what an
 * application has not been told yet. The bytes leave the files, too, unless another process reads
 * an old state for two seconds: then EMPTIED is false. */
int store_erase(struct store *store, const char *device_id, struct store_erased *erased,
                struct fault *fault);

/* Removes the bodies with IDS from the quarantine of an open store. Adds to *DROPPED how many were
 * there. Runs in small transactions like store_prune. */
int store_drop_quarantined(struct store *store, const int64_t ids[], size_t count, int64_t *dropped,
                           struct fault *fault);

/* Removes the cursor of the application NAME. The application then no longer holds up pruning. If
 * it returns, it gets all notifications from the first one. *FOUND is whether there was a cursor.
 * Fails while a process delivers to the application. */
int store_forget(struct store *store, const char *name, bool *found, struct fault *fault);

#endif
