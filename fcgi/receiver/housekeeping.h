/* housekeeping: the work beside the requests: the status file, checkpoints of the store's
 * write-ahead log, the probe of a failed store. */
#ifndef RECEIVER_HOUSEKEEPING_H
#define RECEIVER_HOUSEKEEPING_H

#include "base/log.h"
#include "base/metrics.h"
#include "receiver/commit.h"
#include "receiver/shared.h"
#include "store/store.h"

/* How often housekeeping looks after the store (commit_tend). */
#define HOUSEKEEPING_LOOK_MS 250

/* The status file is written this often at most, after something changed. */
#define HOUSEKEEPING_MS 1000

/* The status file is written this often even if nothing changed. It says until when it is valid:
 * after that, the receiver is gone, or cannot write it. */
#define HOUSEKEEPING_STATUS_MS 30000
#define HOUSEKEEPING_STATUS_VALID_MS 60000

/* How long the last status file waits for another process that is writing its own. */
#define HOUSEKEEPING_FINISH_MS 1000

struct housekeeping;

/* Starts the thread. All is lent for the lifetime of the housekeeping; SHARED may be NULL. Gives
 * *HOUSEKEEPING. */
int housekeeping_start(struct housekeeping **housekeeping, const char *folder,
                       struct commit *commit, struct shared *shared, struct log *log,
                       struct metrics *metrics, struct fault *fault);

/* Ends the thread and frees HOUSEKEEPING. Safe on NULL. */
void housekeeping_stop(struct housekeeping *housekeeping);

/* After the last commit, when the workers are gone: writes the last status file, with STORE_FAULT
 * as they left it, and empties the store's write-ahead log so that the next start need not. */
void housekeeping_finish(const char *folder, const struct fault *store_fault, struct shared *shared,
                         struct log *log, const struct metrics *metrics);

#endif
