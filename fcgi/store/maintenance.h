/* maintenance: what an operator does to a store now and then: check it, and make room in it. */
#ifndef STORE_MAINTENANCE_H
#define STORE_MAINTENANCE_H

#include "base/fault.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Youngest age at which notifications may be pruned, unless it is forced: the platform keeps what
 * it could not push for 24 hours, and what comes again after it was pruned is counted as news. */
#define STORE_PRUNE_AGE_MS ((int64_t)48 * 3600 * 1000)

/* Whom a long work tells how far it is; may be zero. */
struct store_progress {
    void *owner;
    void (*report)(void *owner, int64_t done, int64_t of);
};

/* Tells one thing that is not as it should be. */
typedef void store_each_flaw(void *owner, const char *flaw);

/* Checks the file's integrity, then every counter against a recount of the rows it counts, each
 * recount of one moment, beside a running receiver. *FLAWS is how many were told. Reads the whole
 * store. */
int store_check(struct store_reader *reader, const struct store_progress *progress,
                store_each_flaw *each, void *owner, int64_t *flaws, struct fault *fault);

/* What pruning took out, and what it left because an application has not been told it yet. */
struct store_pruned {
    int64_t notifications, upgrades, operations;
    int64_t undelivered;                /* operations left */
    char behind[STORE_CURSOR_NAME_MAX]; /* the application because of which; "": nothing was left */
};

/* Takes out of an open store the notifications and upgrades of operations in which nothing has come
 * since BEFORE_MS,
 * and notifications older than that which belong to no operation. Counters stay. Runs in small
 * transactions between those of a running receiver. The file keeps its size: the room is used
 * again.
 */
int store_prune(struct store *store, int64_t before_ms, const struct store_progress *progress,
                struct store_pruned *pruned, struct fault *fault);

/* Takes the bodies with IDS out of quarantine, of an open store; *DROPPED, which it adds to, is how
 * many were there. Runs in small transactions like store_prune. */
int store_drop_quarantined(struct store *store, const int64_t ids[], size_t count, int64_t *dropped,
                           struct fault *fault);

/* Forgets how far the application NAME is: it holds up pruning no more, and when it comes again it
 * gets everything from the first notification on. *FOUND is whether there was one. Fails while a
 * process delivers to it. */
int store_forget(struct store *store, const char *name, bool *found, struct fault *fault);

#endif
