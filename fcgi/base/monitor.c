/* monitor: a lock with one condition, on a clock that never steps. */
#include "config.h"

#include "base/monitor.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

void monitor_init(struct monitor *monitor)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&monitor->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&monitor->lock, NULL);
}

void monitor_release(struct monitor *monitor)
{
    pthread_mutex_destroy(&monitor->lock);
    pthread_cond_destroy(&monitor->changed);
}

void monitor_enter(struct monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
}

void monitor_leave(struct monitor *monitor)
{
    pthread_mutex_unlock(&monitor->lock);
}

void monitor_wait(struct monitor *monitor)
{
    pthread_cond_wait(&monitor->changed, &monitor->lock);
}

bool monitor_wait_until(struct monitor *monitor, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(&monitor->changed, &monitor->lock, &until) != ETIMEDOUT;
}

void monitor_wake(struct monitor *monitor)
{
    pthread_cond_broadcast(&monitor->changed);
}

void monitor_set(struct monitor *monitor, bool *flag)
{
    monitor_enter(monitor);
    *flag = true;
    monitor_wake(monitor);
    monitor_leave(monitor);
}

bool monitor_wait_set(struct monitor *monitor, const bool *flag, int64_t until_ms)
{
    monitor_enter(monitor);
    while (!*flag && monitor_wait_until(monitor, until_ms))
        continue;
    bool set = *flag;
    monitor_leave(monitor);
    return set;
}

void monitor_ring(int fd)
{
    const uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    (void)written; /* it fails only if FD is readable already */
}
