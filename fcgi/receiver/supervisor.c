/* supervisor: reports the receiver's health to a supervisor that asks. */
#include "config.h"

#include "receiver/supervisor.h"

#include "base/clock.h"
#include "receiver/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The status that the supervisor shows while all is well. */
#define STATUS_WELL "receiving"

/* Parts of the time after which the supervisor ends a silent process: a report goes out this often;
 * and one piece of work in a thread may take this share, before the reports end. */
#define FEEDS 4
#define STUCK_SHARE 2

struct supervisor {
    struct notify notify;
    struct worker_pool *pool;
    struct commit *commit;
    struct log *log;
    bool ready;                  /* the supervisor knows that it is ready */
    bool faulty;                 /* a failure to report is logged already */
    bool stuck;                  /* a thread that is stuck is logged already */
    int64_t feed_ms;             /* when the watchdog gets its next report */
    char status[FAULT_TEXT_MAX]; /* the last status reported */
};

int supervisor_new(struct supervisor **gives, struct worker_pool *pool, struct commit *commit,
                   struct log *log, struct fault *fault)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return fault_set(fault, "supervisor: out of memory");
    supervisor->pool = pool;
    supervisor->commit = commit;
    supervisor->log = log;
    if (notify_open(&supervisor->notify, fault) != 0) {
        free(supervisor);
        return -1;
    }
    *gives = supervisor;
    return 0;
}

/* Sends LINES, and logs once if that fails. */
static bool tell(struct supervisor *supervisor, const char *lines)
{
    struct fault fault = FAULT_NONE;
    if (notify_tell(&supervisor->notify, lines, &fault) == 0)
        return true;
    if (!supervisor->faulty)
        log_event(supervisor->log, "fault", "fault", fault.text);
    supervisor->faulty = true;
    return false;
}

/* Reports the store's fault, each time that it changes. */
static void tell_status(struct supervisor *supervisor)
{
    char line[sizeof "STATUS=" + FAULT_TEXT_MAX];
    struct fault now;
    commit_get_fault(supervisor->commit, &now);
    if (!now.set)
        snprintf(now.text, sizeof now.text, "%s", STATUS_WELL);
    if (strcmp(supervisor->status, now.text) == 0)
        return;
    snprintf(line, sizeof line, "STATUS=%s", now.text);
    for (char *c = line; *c != '\0'; c++) /* another line would be another message */
        *c = *c == '\n' ? ' ' : *c;
    if (tell(supervisor, line))
        memcpy(supervisor->status, now.text, sizeof supervisor->status);
}

static void feed(struct supervisor *supervisor)
{
    int64_t now_ms = clock_monotonic_ms();
    if (supervisor->notify.watchdog_ms == 0 || now_ms < supervisor->feed_ms)
        return;
    bool stuck = worker_is_stuck(supervisor->pool, supervisor->notify.watchdog_ms / STUCK_SHARE);
    if (!stuck && tell(supervisor, "WATCHDOG=1"))
        supervisor->feed_ms = now_ms + supervisor->notify.watchdog_ms / FEEDS;
    if (stuck && !supervisor->stuck)
        log_event(supervisor->log, "fault", "fault",
                  "a worker makes no progress: the supervisor's watchdog gets no word");
    supervisor->stuck = stuck;
}

void supervisor_tick(struct supervisor *supervisor)
{
    if (supervisor->notify.fd < 0)
        return;
    tell_status(supervisor);
    if (!supervisor->ready)
        supervisor->ready = tell(supervisor, "READY=1");
    feed(supervisor);
}

void supervisor_end(struct supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    notify_tell(&supervisor->notify, "STOPPING=1", NULL);
    notify_close(&supervisor->notify);
    free(supervisor);
}
