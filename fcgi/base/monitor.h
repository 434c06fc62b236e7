/* monitor: a lock with one condition, on a clock that never steps. */
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

/* Enter takes the lock, and leave releases it. */
void monitor_enter(struct monitor *monitor);
void monitor_leave(struct monitor *monitor);

/* Call it with the lock held. It releases the lock and waits until another thread wakes it. It may
 * also return for no reason. */
void monitor_wait(struct monitor *monitor);

/* The same, until UNTIL_MS (clock_monotonic_ms) at most. Returns false if that time has come. */
bool monitor_wait_until(struct monitor *monitor, int64_t until_ms);

/* Wakes all waiting threads. */
void monitor_wake(struct monitor *monitor);

/* For a FLAG that MONITOR guards; call them without the lock. Set it, and wake all waiting threads;
 * and wait until it is set, or until UNTIL_MS. Returns whether it is set. */
void monitor_set(struct monitor *monitor, bool *flag);
bool monitor_wait_set(struct monitor *monitor, const bool *flag, int64_t until_ms);

/* Makes the eventfd FD readable, for a thread that waits for descriptors instead. */
void monitor_ring(int fd);

#endif
