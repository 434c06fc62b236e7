/* upkeep: what is done beside the requests: the status file, and the store's log. */
#include "config.h"

#include "upkeep.h"

#include "moment.h"
#include "running.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Pause of the last status file between two tries. */
#define FINISH_AGAIN_US 5000

/* How often what came to the log meanwhile is copied, and the pages left to the writer: so few that
 * it is not worth another round, or so many that somebody else must be in the way. */
#define COPY_ROUNDS 4
#define LEFT_FEW 256
#define LEFT_MOST 2048

/* A log of so many bytes is told of: somebody keeps it from being emptied. */
#define LOG_LONG (4 * STORE_LOG_KEPT)

/* What makes the status file out of date: a commit of any process, and what this one has to say. */
struct seen {
    int64_t version;
    uint64_t lines_dropped;
    char fault[FAULT_TEXT_MAX];
    char log_warning[FAULT_TEXT_MAX];
};

struct upkeep {
    const char *folder;
    struct commit *commit;
    struct backlog *backlog;
    struct log *log;
    const struct metrics *metrics;
    struct store_reader *reader;
    struct store_snapshot snapshot;
    struct text text;
    char last_fault[FAULT_TEXT_MAX]; /* of the upkeep, logged already; "" none */
    struct seen shown;               /* by the status file, once it is */
    bool written;
    int64_t fault_ms; /* since when the store is at fault; 0: it is not */
    int64_t due_ms;   /* when the status file is written, whatever happens; monotonic */
    int running;      /* tells that this process runs; -1: not told yet */
    pthread_t thread;
};

/* Writes the status file from the store as it is now: 0, or -1, or 1 where another process is just
 * writing it. */
static int write_status(struct upkeep *upkeep, const struct fault *store_fault, struct fault *fault)
{
    if (store_read_snapshot(upkeep->reader, &upkeep->snapshot, fault) != 0)
        return -1;
    struct fault warning;
    log_warning(upkeep->log, &warning);
    const struct status_process process = {
        .time_ms = moment_now_ms(),
        .start_ms = metrics_start_ms(upkeep->metrics),
        .next_ms = upkeep->running >= 0 ? moment_now_ms() + UPKEEP_STATUS_VALID_MS : 0,
        .store_fault = store_fault->set ? store_fault->text : NULL,
        .fault_ms = upkeep->fault_ms,
        .log_warning = warning.set ? warning.text : NULL,
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

static void look(struct upkeep *upkeep, struct seen *seen, struct fault *store_fault,
                 struct fault *fault)
{
    commit_get_fault(upkeep->commit, store_fault);
    store_read_version(upkeep->reader, &seen->version, fault);
    seen->lines_dropped = metrics_read(upkeep->metrics, METRIC_log_lines_dropped);
    struct fault warning;
    log_warning(upkeep->log, &warning);
    if (store_fault->set)
        snprintf(seen->fault, sizeof seen->fault, "%s", store_fault->text);
    if (warning.set)
        snprintf(seen->log_warning, sizeof seen->log_warning, "%s", warning.text);
}

/* Copies the log. Returns how many pages came meanwhile; -1 where it cannot be copied now. */
static int copy_log(struct upkeep *upkeep, struct fault *fault)
{
    struct fault store_fault;
    int copied = -1;
    /* What a store at fault has in its log may not be on the disk: see store_sqlite.c. */
    commit_get_fault(upkeep->commit, &store_fault);
    if (store_fault.set || store_checkpoint(upkeep->reader, false, &copied, fault) != 0 ||
        copied < 0)
        return -1;
    return backlog_pages(upkeep->backlog) - copied;
}

/* Copies the log in rounds for as long as less is left by each, and leaves that to the writer.
 * Where much is left because somebody reads what stands in the log, the next call is soon enough.
 */
static void catch_up(struct upkeep *upkeep, struct fault *fault)
{
    int left = copy_log(upkeep, fault), before = left + 1;
    for (int i = 1; i < COPY_ROUNDS && left > LEFT_FEW && left < before; i++) {
        before = left;
        left = copy_log(upkeep, fault);
    }
    if (left >= 0 && left <= LEFT_MOST)
        backlog_hand_over(upkeep->backlog);
}

/* Empties a long log, or says that it cannot be emptied, and who reads an old state. */
static void keep_log_short(struct upkeep *upkeep, struct fault *fault)
{
    int64_t bytes, holder;
    if (store_read_log(upkeep->reader, &bytes, &holder, fault) != 0 || bytes <= STORE_LOG_KEPT)
        return;
    if (store_checkpoint(upkeep->reader, true, NULL, fault) != 0 ||
        store_read_log(upkeep->reader, &bytes, &holder, fault) != 0 || bytes <= LOG_LONG)
        return;
    if (holder > 0)
        fault_set(fault, "the store's log grows while process %lld reads an old state of the store",
                  (long long)holder);
    else
        fault_set(fault, "the store's log grows while somebody reads an old state of the store");
}

/* Shows how things are, and copies what little there is in the log. */
static void keep_up(struct upkeep *upkeep)
{
    struct seen now = {0};
    struct fault fault = FAULT_NONE, store_fault;
    look(upkeep, &now, &store_fault, &fault);
    upkeep->running = running_keep(upkeep->running, upkeep->folder);
    if (!store_fault.set)
        upkeep->fault_ms = 0;
    else if (upkeep->fault_ms == 0)
        upkeep->fault_ms = moment_now_ms();
    if (now.version != upkeep->shown.version)
        catch_up(upkeep, &fault);
    int64_t now_ms = moment_monotonic_ms();
    if (!upkeep->written || now_ms >= upkeep->due_ms ||
        memcmp(&now, &upkeep->shown, sizeof now) != 0) {
        upkeep->written = write_status(upkeep, &store_fault, &fault) == 0;
        upkeep->due_ms = now_ms + UPKEEP_STATUS_MS;
        if (upkeep->written)
            upkeep->shown = now;
    }
    if (!store_fault.set)
        keep_log_short(upkeep, &fault);
    note_fault(upkeep, &fault);
    if (store_fault.set)
        store_reader_close(upkeep->reader);
}

static void *run(void *argument)
{
    struct upkeep *upkeep = argument;
    enum backlog_call call;
    int64_t next_ms = 0;
    while ((call = backlog_wait(upkeep->backlog, next_ms)) != BACKLOG_END) {
        struct fault fault = FAULT_NONE;
        if (call == BACKLOG_ASKED)
            catch_up(upkeep, &fault);
        if (fault.set)
            note_fault(upkeep, &fault);
        int64_t now_ms = moment_monotonic_ms();
        if (now_ms < next_ms)
            continue;
        next_ms = now_ms + UPKEEP_MS;
        keep_up(upkeep);
    }
    return NULL;
}

static void free_upkeep(struct upkeep *upkeep)
{
    if (upkeep->running >= 0)
        close(upkeep->running);
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
    upkeep->running = -1;
    upkeep->log = log;
    upkeep->metrics = metrics;
    return upkeep;
}

int upkeep_start(struct upkeep **gives, const char *folder, struct commit *commit,
                 struct backlog *backlog, struct log *log, struct metrics *metrics,
                 struct fault *fault)
{
    struct upkeep *upkeep = new_upkeep(folder, log, metrics, fault);
    if (upkeep == NULL)
        return -1;
    upkeep->commit = commit;
    upkeep->backlog = backlog;
    int error = pthread_create(&upkeep->thread, NULL, run, upkeep);
    if (error != 0) {
        free_upkeep(upkeep);
        return fault_set_errno(fault, error, "upkeep: cannot start a thread");
    }
    backlog_serve(backlog);
    *gives = upkeep;
    return 0;
}

void upkeep_stop(struct upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    backlog_end(upkeep->backlog);
    pthread_join(upkeep->thread, NULL);
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
        store_checkpoint(upkeep->reader, true, NULL, &fault);
    if (fault.set)
        log_event(log, "fault", "fault", fault.text);
    if (upkeep != NULL)
        free_upkeep(upkeep);
}
