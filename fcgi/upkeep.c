/* upkeep: what is done beside the requests: the status file, and the store's log. */
#include "config.h"

#include "upkeep.h"

#include "moment.h"
#include "monitor.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Pause of the last status file between two tries. */
#define FINISH_AGAIN_US 5000

struct upkeep {
    const char *folder;
    struct commit *commit;
    struct log *log;
    const struct metrics *metrics;
    struct store_reader *reader;
    struct store_snapshot snapshot;
    struct text text;
    char last_fault[FAULT_TEXT_MAX]; /* of the upkeep, logged already; "" none */
    pthread_t thread;
    struct monitor monitor; /* guards stop */
    bool stop;
};

/* Writes the status file from the store as it is now: 0, or -1, or 1 where another process is just
 * writing it. */
static int write_status(struct upkeep *upkeep, const struct fault *store_fault, struct fault *fault)
{
    if (store_read_snapshot(upkeep->reader, &upkeep->snapshot, fault) != 0)
        return -1;
    const struct status_process process = {
        .time_ms = moment_now_ms(),
        .store_fault = store_fault->set ? store_fault->text : NULL,
        .log_warning = log_warning(upkeep->log),
        .metrics = upkeep->metrics,
    };
    text_clear(&upkeep->text);
    status_format(&upkeep->snapshot, &process, &upkeep->text);
    store_snapshot_release(&upkeep->snapshot);
    return status_replace(upkeep->folder, &upkeep->text, fault);
}

/* Logs a fault of the upkeep once, not each second. */
static void note_fault(struct upkeep *upkeep, const struct fault *fault)
{
    if (fault->set && strcmp(fault->text, upkeep->last_fault) != 0)
        log_event(upkeep->log, "fault", "fault", fault->text);
    memcpy(upkeep->last_fault, fault->set ? fault->text : "", fault->set ? FAULT_TEXT_MAX : 1);
}

/* What makes the status file out of date: a commit of any process, and what this one has to say. */
struct seen {
    int64_t version;
    uint64_t lines_dropped;
    char fault[FAULT_TEXT_MAX];
};

static void look(struct upkeep *upkeep, struct seen *seen, struct fault *store_fault,
                 struct fault *fault)
{
    commit_get_fault(upkeep->commit, store_fault);
    store_read_version(upkeep->reader, &seen->version, fault);
    seen->lines_dropped = metrics_read(upkeep->metrics, METRIC_log_lines_dropped);
    memset(seen->fault, 0, sizeof seen->fault);
    if (store_fault->set)
        memcpy(seen->fault, store_fault->text, sizeof seen->fault);
}

static void *keep_up(void *argument)
{
    struct upkeep *upkeep = argument;
    struct seen shown = {0}, now = {0};
    bool written = false;
    monitor_enter(&upkeep->monitor);
    while (!upkeep->stop) {
        monitor_leave(&upkeep->monitor);
        int64_t next_ms = moment_monotonic_ms() + UPKEEP_MS;
        struct fault fault = FAULT_NONE, store_fault;
        look(upkeep, &now, &store_fault, &fault);
        /* What a store at fault has in its log may not be on the disk: see store_sqlite.c. */
        if (now.version != shown.version && !store_fault.set)
            store_checkpoint(upkeep->reader, false, &fault);
        if (!written || memcmp(&now, &shown, sizeof now) != 0) {
            written = write_status(upkeep, &store_fault, &fault) == 0;
            if (written)
                shown = now;
        }
        note_fault(upkeep, &fault);
        if (store_fault.set)
            store_reader_close(upkeep->reader);
        monitor_enter(&upkeep->monitor);
        while (!upkeep->stop && monitor_wait_until(&upkeep->monitor, next_ms))
            continue;
    }
    monitor_leave(&upkeep->monitor);
    return NULL;
}

static void free_upkeep(struct upkeep *upkeep)
{
    store_reader_free(upkeep->reader);
    text_release(&upkeep->text);
    free(upkeep);
}

static struct upkeep *new_upkeep(const char *folder, struct log *log, const struct metrics *metrics,
                                 struct fault *fault)
{
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (upkeep == NULL || store_reader_new(&upkeep->reader, folder, fault) != 0) {
        fault_set(fault, "upkeep: out of memory");
        free(upkeep);
        return NULL;
    }
    upkeep->folder = folder;
    upkeep->log = log;
    upkeep->metrics = metrics;
    return upkeep;
}

int upkeep_start(struct upkeep **gives, const char *folder, struct commit *commit, struct log *log,
                 struct metrics *metrics, struct fault *fault)
{
    struct upkeep *upkeep = new_upkeep(folder, log, metrics, fault);
    if (upkeep == NULL)
        return -1;
    upkeep->commit = commit;
    monitor_init(&upkeep->monitor);
    int error = pthread_create(&upkeep->thread, NULL, keep_up, upkeep);
    if (error != 0) {
        monitor_release(&upkeep->monitor);
        free_upkeep(upkeep);
        return fault_set_errno(fault, error, "upkeep: cannot start a thread");
    }
    *gives = upkeep;
    return 0;
}

void upkeep_stop(struct upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    monitor_enter(&upkeep->monitor);
    upkeep->stop = true;
    monitor_wake(&upkeep->monitor);
    monitor_leave(&upkeep->monitor);
    pthread_join(upkeep->thread, NULL);
    monitor_release(&upkeep->monitor);
    free_upkeep(upkeep);
}

void upkeep_finish(const char *folder, const struct fault *store_fault, struct log *log,
                   const struct metrics *metrics)
{
    struct fault fault = FAULT_NONE;
    struct upkeep *upkeep = new_upkeep(folder, log, metrics, &fault);
    int result = 1;
    int64_t until_ms = moment_monotonic_ms() + UPKEEP_FINISH_MS;
    /* Another process that writes the file now may have looked into the books before our last
     * commit. */
    while (upkeep != NULL && (result = write_status(upkeep, store_fault, &fault)) == 1 &&
           moment_monotonic_ms() < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = FINISH_AGAIN_US * 1000L}, NULL);
    if (upkeep != NULL && result >= 0 && !store_fault->set)
        store_checkpoint(upkeep->reader, true, &fault);
    if (fault.set)
        log_event(log, "fault", "fault", fault.text);
    if (upkeep != NULL)
        free_upkeep(upkeep);
}
