/* supervisor: reports the receiver's health to a supervisor that asks (notify.h): that the first
 * request can be served, and why notifications cannot be kept now. If the supervisor has a
 * watchdog, it also reports regularly, as long as no worker is stuck. */
#ifndef RECEIVER_SUPERVISOR_H
#define RECEIVER_SUPERVISOR_H

#include "base/log.h"
#include "receiver/commit.h"
#include "receiver/worker.h"

/* How often supervisor_tick must be called. */
#define SUPERVISOR_TICK_MS 250

struct supervisor;

/* Makes a supervisor, which reports nothing yet. All is lent for its lifetime. Gives *SUPERVISOR.
 */
int supervisor_new(struct supervisor **supervisor, struct worker_pool *pool, struct commit *commit,
                   struct log *log, struct fault *fault);

/* Sends the reports that are due. Call it every SUPERVISOR_TICK_MS, from when requests are served.
 */
void supervisor_tick(struct supervisor *supervisor);

/* Reports that the receiver is stopping, and frees SUPERVISOR. Safe on NULL. */
void supervisor_end(struct supervisor *supervisor);

#endif
