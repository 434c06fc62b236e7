/* supervisor: whether the receiver is well, for a supervisor that asks (notify.h): it is told when
 * the first request can be served, why notifications cannot be kept now, and, if it has a
 * watchdog, every now and then that the receiver lives, as long as no worker is stuck. */
#ifndef RECEIVER_SUPERVISOR_H
#define RECEIVER_SUPERVISOR_H

#include "base/log.h"
#include "receiver/commit.h"
#include "receiver/worker.h"

/* How often supervisor_tick wants to be called. */
#define SUPERVISOR_TICK_MS 250

struct supervisor;

/* Makes one; nothing is told yet. All is lent for its lifetime. Gives *SUPERVISOR. */
int supervisor_new(struct supervisor **supervisor, struct worker_pool *pool, struct commit *commit,
                   struct log *log, struct fault *fault);

/* Tells what there is to tell. Call it every SUPERVISOR_TICK_MS, from when requests are served. */
void supervisor_tick(struct supervisor *supervisor);

/* Tells that the receiver is stopping, and frees it. Safe on NULL. */
void supervisor_end(struct supervisor *supervisor);

#endif
