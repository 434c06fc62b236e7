/* watch: whether the receiver is well, for a supervisor that asks. */
#include "config.h"

#include "receiver/watch.h"

#include "base/clock.h"
#include "receiver/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the supervisor shows while all is well. */
#define STATUS_WELL "receiving"

/* Of the time after which the supervisor ends a silent process: how often it hears something, and
 * how long a thread may be at one piece of work before it hears nothing any more. */
#define FEEDS 4
#define STUCK_SHARE 2

struct watch {
    struct notify notify;
    struct worker_pool *pool;
    struct commit *commit;
    struct log *log;
    bool ready;                  /* the supervisor was told so */
    bool faulty;                 /* that it cannot be told is logged already */
    const char *stuck;           /* what has been logged as being stuck; NULL: nothing */
    int64_t feed_ms;             /* when the watchdog is to be fed next */
    char status[FAULT_TEXT_MAX]; /* what the supervisor was told last */
};

int watch_new(struct watch **gives, struct worker_pool *pool, struct commit *commit,
              struct log *log, struct fault *fault)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return fault_set(fault, "watch: out of memory");
    watch->pool = pool;
    watch->commit = commit;
    watch->log = log;
    if (notify_open(&watch->notify, fault) != 0) {
        free(watch);
        return -1;
    }
    *gives = watch;
    return 0;
}

/* Sends LINES, and logs once that it cannot be done. */
static bool tell(struct watch *watch, const char *lines)
{
    struct fault fault = FAULT_NONE;
    if (notify_tell(&watch->notify, lines, &fault) == 0)
        return true;
    if (!watch->faulty)
        log_event(watch->log, "fault", "fault", fault.text);
    watch->faulty = true;
    return false;
}

/* What is wrong with the store, each time that it changes. */
static void tell_status(struct watch *watch)
{
    char line[sizeof "STATUS=" + FAULT_TEXT_MAX];
    struct fault now;
    commit_get_fault(watch->commit, &now);
    if (!now.set)
        snprintf(now.text, sizeof now.text, "%s", STATUS_WELL);
    if (strcmp(watch->status, now.text) == 0)
        return;
    snprintf(line, sizeof line, "STATUS=%s", now.text);
    for (char *c = line; *c != '\0'; c++) /* another line would be another message */
        *c = *c == '\n' ? ' ' : *c;
    if (tell(watch, line))
        memcpy(watch->status, now.text, sizeof watch->status);
}

static const char *find_stuck(const struct watch *watch)
{
    int64_t limit_ms = watch->notify.watchdog_ms / STUCK_SHARE;
    if (worker_is_stuck(watch->pool, limit_ms))
        return "a worker does not get on: the supervisor's watchdog is not fed";
    return NULL;
}

static void feed(struct watch *watch)
{
    int64_t now_ms = clock_monotonic_ms();
    if (watch->notify.watchdog_ms == 0 || now_ms < watch->feed_ms)
        return;
    const char *stuck = find_stuck(watch);
    if (stuck == NULL && tell(watch, "WATCHDOG=1"))
        watch->feed_ms = now_ms + watch->notify.watchdog_ms / FEEDS;
    if (stuck != NULL && stuck != watch->stuck)
        log_event(watch->log, "fault", "fault", stuck);
    watch->stuck = stuck;
}

void watch_tick(struct watch *watch)
{
    if (watch->notify.fd < 0)
        return;
    tell_status(watch);
    if (!watch->ready)
        watch->ready = tell(watch, "READY=1");
    feed(watch);
}

void watch_end(struct watch *watch)
{
    if (watch == NULL)
        return;
    notify_tell(&watch->notify, "STOPPING=1", NULL);
    notify_close(&watch->notify);
    free(watch);
}
