/* maintenance: checks a store and makes room in it, for an operator. */
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

/* Reports one flaw. */
typedef void store_each_flaw(void *owner, const char *flaw);

/* Checks the file's integrity, then recounts every counter. Each recount sees one state of the
 * store. A receiver may run meanwhile. *FLAWS is how many flaws were reported. Reads the whole
 * store. */
int store_check(struct store_reader *reader, const struct store_progress *progress,
                store_each_flaw *each, void *owner, int64_t *flaws, struct fault *fault);

/* What pruning removed, and what it kept because an application has not been told yet. */
struct store_pruned {
    int64_t notifications, upgrades, operations;
    int64_t undelivered;                /* operations kept */
    char behind[STORE_CURSOR_NAME_MAX]; /* the application that caused this; "": nothing was kept */
};

/* Removes from an open store the notifications and upgrades of operations that have received
 * nothing since BEFORE_MS. Also removes older notifications that belong to no operation. Counters
 * stay. Runs in small transactions between those of a running receiver. The file does not shrink:
 * SQLite reuses the space. */
int store_prune(struct store *store, int64_t before_ms, const struct store_progress *progress,
                struct store_pruned *pruned, struct fault *fault);

/* Removes the bodies with IDS from the quarantine of an open store. Adds to *DROPPED how many were
 * there. Runs in small transactions like store_prune. */
int store_drop_quarantined(struct store *store, const int64_t ids[], size_t count, int64_t *dropped,
                           struct fault *fault);

/* Removes the cursor of the application NAME. The application then no longer holds up pruning. If
 * it returns, it gets all notifications from the first one. *FOUND is whether there was a cursor.
 * Fails while a process delivers to the application. */
int store_forget(struct store *store, const char *name, bool *found, struct fault *fault);

#endif
