/* delivery: hands kept notifications to the application, in seq order, at least once, beside the
 * answers to the platform. */
#ifndef RECEIVER_DELIVERY_H
#define RECEIVER_DELIVERY_H

#include "base/fault.h"
#include "base/log.h"
#include "receiver/commit.h"
#include "store/store.h"

/* Pauses before the application gets a notification again that it did not take: the first, and the
 * longest. Each is twice the one before. */
#define DELIVERY_PAUSE_MIN_MS 100
#define DELIVERY_PAUSE_MAX_MS 60000

/* The longest wait of a notification that another process put into the store. */
#define DELIVERY_POLL_MS 1000

/* How long delivery_stop waits for a callback that does not return. */
#define DELIVERY_STOP_MS 1000

/* The application that gets the notifications. DELIVER returns 0 when it has taken one. */
struct delivery_target {
    const char *name; /* of its cursor */
    const void *owner;
    int (*deliver)(const void *owner, const struct store_kept *kept);
};

struct delivery;

/* Starts the thread, at the cursor of TARGET in the store in FOLDER. All but TARGET itself is lent.
 * Gives *DELIVERY. */
int delivery_start(struct delivery **delivery, const char *folder, struct commit *commit,
                   struct log *log, const struct delivery_target *target, struct fault *fault);

/* Something may have been kept. Thread-safe. Safe on NULL. */
void delivery_wake(struct delivery *delivery);

/* Ends delivery after the current notification. If the application does not return within
 * DELIVERY_STOP_MS, this returns -1 and leaves the thread to end with the process. Call it before
 * the last commit_flush_cursor, so that the cursor's last move is kept. Safe on NULL. */
int delivery_stop(struct delivery *delivery);

/* Frees a stopped delivery, unless delivery_stop left its thread running. Call it when no thread
 * can wake it any more: the cursor's last move may still do so. Safe on NULL. */
void delivery_free(struct delivery *delivery);

#endif
