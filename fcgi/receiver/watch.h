/* watch: whether the receiver is well, for a supervisor that asks (notify.h): it is told when the
 * first request can be served, why notifications cannot be kept now, and, where it has a watchdog,
 * every now and then that the receiver lives: only while all workers get on. */
#ifndef RECEIVER_WATCH_H
#define RECEIVER_WATCH_H

#include "base/log.h"
#include "receiver/commit.h"
#include "receiver/worker.h"

/* How often watch_tick wants to be called. */
#define WATCH_TICK_MS 250

struct watch;

/* Begins to watch; nothing is told yet. All is lent for the lifetime of the watch. Gives *WATCH. */
int watch_new(struct watch **watch, struct worker_pool *pool, struct commit *commit,
              struct log *log, struct fault *fault);

/* Tells what there is to tell. Call it every WATCH_TICK_MS, from when requests are served. */
void watch_tick(struct watch *watch);

/* Tells that the receiver is stopping, and frees WATCH. Safe on NULL. */
void watch_end(struct watch *watch);

#endif
