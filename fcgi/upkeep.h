/* upkeep: what is done beside the requests: the status file, and the copying of the store's log
 * into its main file. Neither ever delays an answer. */
#ifndef UPKEEP_H
#define UPKEEP_H

#include "backlog.h"
#include "commit.h"
#include "log.h"
#include "metrics.h"
#include "store.h"

/* The status file is written this often at most, after something changed. */
#define UPKEEP_MS 1000

/* It is written this often though nothing changed, and says that it will be within so long: a file
 * whose time has passed is one of a receiver that has gone, or cannot write it. */
#define UPKEEP_STATUS_MS 30000
#define UPKEEP_STATUS_VALID_MS 60000

/* How long the last status file waits for another process that is writing its own. */
#define UPKEEP_FINISH_MS 1000

struct upkeep;

/* Starts the thread. All is lent for the lifetime of the upkeep. Gives *UPKEEP. */
int upkeep_start(struct upkeep **upkeep, const char *folder, struct commit *commit,
                 struct backlog *backlog, struct log *log, struct metrics *metrics,
                 struct fault *fault);

/* Ends the thread and frees UPKEEP. Safe on NULL. */
void upkeep_stop(struct upkeep *upkeep);

/* After the last commit, when the writer is gone: writes the last status file, with STORE_FAULT as
 * the writer left it, and empties the store's log into its main file so that the next start need
 * not. */
void upkeep_finish(const char *folder, const struct fault *store_fault, struct log *log,
                   const struct metrics *metrics);

#endif
