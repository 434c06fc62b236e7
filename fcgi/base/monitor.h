/* monitor: a lock and the one condition that its holders wait for, on the clock that never steps.
 */
#ifndef BASE_MONITOR_H
#define BASE_MONITOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct monitor {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

void monitor_init(struct monitor *monitor);
void monitor_release(struct monitor *monitor);

/* Takes the lock, and gives it back. */
void monitor_enter(struct monitor *monitor);
void monitor_leave(struct monitor *monitor);

/* Within the lock: waits, without it, until somebody wakes; may return for no reason. */
void monitor_wait(struct monitor *monitor);

/* The same until UNTIL_MS (clock_monotonic_ms) at the latest; false when that has come. */
bool monitor_wait_until(struct monitor *monitor, int64_t until_ms);

/* Wakes all who wait. */
void monitor_wake(struct monitor *monitor);

#endif
