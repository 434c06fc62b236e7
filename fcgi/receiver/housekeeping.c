/* housekeeping: the work beside the requests. */
#include "config.h"

#include "receiver/housekeeping.h"

#include "base/clock.h"
#include "base/monitor.h"
#include "base/running.h"
#include "view/status_file.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Pause between two tries to write the last status file. */
#define FINISH_AGAIN_US 5000

/* Checkpoints in a row; pages left that are too few for another round; and the most pages left that
 * a turn copies: with more, a reader must block the checkpoint. */
#define COPY_ROUNDS 4
#define LEFT_FEW 256
#define LEFT_MOST 2048

/* A write-ahead log of so many bytes is reported: a reader keeps it from being emptied. */
#define LOG_LONG (4 * STORE_LOG_KEPT)

/* The status file is out of date if one of these changes: a commit of any process, or the state of
 * this one. */
struct seen {
    int64_t version;
    uint64_t lines_dropped, near_misses;
    char fault[FAULT_TEXT_MAX];
    char log_warning[FAULT_TEXT_MAX];
    char books[FAULT_TEXT_MAX]; /* the state of the shared books, and their fault */
    char copy[FAULT_TEXT_MAX];  /* whether this machine's copy of them is behind, and its fault */
};

struct housekeeping {
    const char *folder;
    struct commit *commit;
    struct shared *shared; /* NULL: no --books */
    struct log *log;
    const struct metrics *metrics;
    struct store_reader *reader;
    struct buffer text;
    char last_fault[FAULT_TEXT_MAX]; /* the housekeeping's fault that is logged already; "": none */
    struct seen shown;               /* the status file shows this, if WRITTEN */
    bool written;
    int64_t fault_ms; /* when the store failed; 0: it works */
    int64_t due_ms;   /* when the status file is written at the latest; monotonic */
    int running;      /* the lock that shows that this process runs; -1: not yet */
    pthread_t thread;
    struct monitor monitor; /* guards what follows */
    bool ended;
};

/* Writes the status file from the store as it is now. Returns 0, or -1, or 1 if another process is
 * writing it. */
static int write_status(struct housekeeping *housekeeping, const struct fault *store_fault,
                        struct fault *fault)
{
    struct fault warning;
    log_warning(housekeeping->log, &warning);
    struct shared_status shared;
    const struct view_process process = {
        .books = shared_read(housekeeping->shared, &shared),
        .version = PACKAGE_VERSION,
        .now_ms = clock_now_ms(),
        .start_ms = metrics_start_ms(housekeeping->metrics),
        .next_ms = housekeeping->running >= 0 ? clock_now_ms() + HOUSEKEEPING_STATUS_VALID_MS : 0,
        .store_fault = store_fault->set ? store_fault->text : NULL,
        .fault_ms = housekeeping->fault_ms,
        .log_warning = warning.set ? warning.text : NULL,
        .metrics = housekeeping->metrics,
    };
    buffer_clear(&housekeeping->text);
    if (view_write_status(housekeeping->reader, &process, &housekeeping->text, fault) != 0) {
        store_reader_close(housekeeping->reader);
        return -1;
    }
    return status_replace(housekeeping->folder, &housekeeping->text, fault);
}

/* Logs a fault of the housekeeping once, not each second. */
static void note_fault(struct housekeeping *housekeeping, const struct fault *fault)
{
    if (fault->set && strcmp(fault->text, housekeeping->last_fault) != 0)
        log_event(housekeeping->log, "fault", "fault", fault->text);
    memcpy(housekeeping->last_fault, fault->set ? fault->text : "",
           fault->set ? FAULT_TEXT_MAX : 1);
}

static void look(struct housekeeping *housekeeping, struct seen *seen, struct fault *store_fault,
                 struct fault *fault)
{
    commit_get_fault(housekeeping->commit, store_fault);
    store_read_version(housekeeping->reader, &seen->version, fault);
    seen->lines_dropped = metrics_read(housekeeping->metrics, METRIC_log_lines_dropped);
    seen->near_misses = metrics_read(housekeeping->metrics, METRIC_near_misses);
    struct fault warning;
    log_warning(housekeeping->log, &warning);
    if (store_fault->set)
        snprintf(seen->fault, sizeof seen->fault, "%s", store_fault->text);
    if (warning.set)
        snprintf(seen->log_warning, sizeof seen->log_warning, "%s", warning.text);
    struct shared_status shared;
    const struct view_books *books = shared_read(housekeeping->shared, &shared);
    if (books != NULL) {
        snprintf(seen->books, sizeof seen->books, "%s %.480s", books->state, shared.shipper.fault);
        snprintf(seen->copy, sizeof seen->copy, "%d %.480s", books->copy_behind_ms > 0,
                 shared.copy_fault);
    }
}

static bool is_log_long(const struct housekeeping *housekeeping)
{
    return commit_log_pages(housekeeping->commit) > STORE_LOG_LONG;
}

/* Checkpoints the write-ahead log. Returns how many pages came meanwhile; -1 if that is not
 * possible now. */
static int copy_log(struct housekeeping *housekeeping, struct fault *fault)
{
    struct fault store_fault;
    int copied = -1;
    /* The write-ahead log of a failed store may not be on the disk: see store/engine.c. */
    commit_get_fault(housekeeping->commit, &store_fault);
    if (store_fault.set || store_checkpoint(housekeeping->reader, false, &copied, fault) != 0 ||
        copied < 0)
        return -1;
    return commit_log_pages(housekeeping->commit) - copied;
}

/* Checkpoints in rounds for as long as each leaves less. If the log is long, a turn copies the
 * rest, unless the rest is large, because then a reader uses the log: the next call is soon enough.
 */
static void catch_up(struct housekeeping *housekeeping, struct fault *fault)
{
    int left = copy_log(housekeeping, fault), before = left + 1;
    for (int i = 1; i < COPY_ROUNDS && left > LEFT_FEW && left < before; i++) {
        before = left;
        left = copy_log(housekeeping, fault);
    }
    if (left >= 0 && left <= LEFT_MOST && is_log_long(housekeeping))
        commit_copy_log(housekeeping->commit);
}

/* Empties a long log, or reports that it cannot be emptied, and which process reads an old
 * snapshot. */
static void keep_log_short(struct housekeeping *housekeeping, struct fault *fault)
{
    int64_t bytes, holder;
    if (store_read_log(housekeeping->reader, &bytes, &holder, fault) != 0 ||
        bytes <= STORE_LOG_KEPT)
        return;
    if (store_checkpoint(housekeeping->reader, true, NULL, fault) != 0 ||
        store_read_log(housekeeping->reader, &bytes, &holder, fault) != 0 || bytes <= LOG_LONG)
        return;
    if (holder > 0)
        fault_set(fault, "the store's log grows while process %lld reads an old state of the store",
                  (long long)holder);
    else
        fault_set(fault, "the store's log grows while somebody reads an old state of the store");
}

/* Writes the status file, and checkpoints the few pages in the log. */
static void keep_up(struct housekeeping *housekeeping)
{
    struct seen now = {0};
    struct fault fault = FAULT_NONE, store_fault;
    look(housekeeping, &now, &store_fault, &fault);
    housekeeping->running = running_keep(housekeeping->running, housekeeping->folder);
    if (!store_fault.set)
        housekeeping->fault_ms = 0;
    else if (housekeeping->fault_ms == 0)
        housekeeping->fault_ms = clock_now_ms();
    if (now.version != housekeeping->shown.version || is_log_long(housekeeping))
        catch_up(housekeeping, &fault);
    int64_t now_ms = clock_monotonic_ms();
    if (!housekeeping->written || now_ms >= housekeeping->due_ms ||
        memcmp(&now, &housekeeping->shown, sizeof now) != 0) {
        housekeeping->written = write_status(housekeeping, &store_fault, &fault) == 0;
        housekeeping->due_ms = now_ms + HOUSEKEEPING_STATUS_MS;
        if (housekeeping->written)
            housekeeping->shown = now;
    }
    if (!store_fault.set)
        keep_log_short(housekeeping, &fault);
    note_fault(housekeeping, &fault);
    if (store_fault.set)
        store_reader_close(housekeeping->reader);
}

static void *run(void *argument)
{
    struct housekeeping *housekeeping = argument;
    int64_t look_ms = 0, show_ms = 0;
    while (!monitor_wait_set(&housekeeping->monitor, &housekeeping->ended, look_ms)) {
        struct fault fault = FAULT_NONE;
        int64_t now_ms = clock_monotonic_ms();
        look_ms = now_ms + HOUSEKEEPING_LOOK_MS;
        commit_tend(housekeeping->commit);
        if (now_ms >= show_ms) {
            keep_up(housekeeping);
            show_ms = clock_monotonic_ms() + HOUSEKEEPING_MS;
        } else if (is_log_long(housekeeping)) {
            catch_up(housekeeping, &fault);
            if (fault.set)
                note_fault(housekeeping, &fault);
        }
    }
    return NULL;
}

static void free_housekeeping(struct housekeeping *housekeeping)
{
    if (housekeeping->running >= 0)
        close(housekeeping->running);
    store_reader_free(housekeeping->reader);
    buffer_release(&housekeeping->text);
    monitor_release(&housekeeping->monitor);
    free(housekeeping);
}

static struct housekeeping *new_housekeeping(const char *folder, struct log *log,
                                             const struct metrics *metrics, struct fault *fault)
{
    struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
    if (housekeeping == NULL || store_reader_new(&housekeeping->reader, folder, fault) != 0) {
        fault_set(fault, "housekeeping: out of memory");
        free(housekeeping);
        return NULL;
    }
    monitor_init(&housekeeping->monitor);
    housekeeping->folder = folder;
    housekeeping->running = -1;
    housekeeping->log = log;
    housekeeping->metrics = metrics;
    return housekeeping;
}

int housekeeping_start(struct housekeeping **gives, const char *folder, struct commit *commit,
                       struct shared *shared, struct log *log, struct metrics *metrics,
                       struct fault *fault)
{
    struct housekeeping *housekeeping = new_housekeeping(folder, log, metrics, fault);
    if (housekeeping == NULL)
        return -1;
    housekeeping->commit = commit;
    housekeeping->shared = shared;
    int error = pthread_create(&housekeeping->thread, NULL, run, housekeeping);
    if (error != 0) {
        free_housekeeping(housekeeping);
        return fault_set_errno(fault, error, "housekeeping: cannot start a thread");
    }
    *gives = housekeeping;
    return 0;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
    if (housekeeping == NULL)
        return;
    monitor_set(&housekeeping->monitor, &housekeeping->ended);
    pthread_join(housekeeping->thread, NULL);
    free_housekeeping(housekeeping);
}

void housekeeping_finish(const char *folder, const struct fault *store_fault, struct shared *shared,
                         struct log *log, const struct metrics *metrics)
{
    struct fault fault = FAULT_NONE;
    struct housekeeping *housekeeping = new_housekeeping(folder, log, metrics, &fault);
    int result = 1;
    if (housekeeping != NULL)
        housekeeping->shared = shared;
    int64_t until_ms = clock_monotonic_ms() + HOUSEKEEPING_FINISH_MS;
    /* Another process that writes the file now may have read the books before our last commit. */
    while (housekeeping != NULL &&
           (result = write_status(housekeeping, store_fault, &fault)) == 1 &&
           clock_monotonic_ms() < until_ms)
        nanosleep(&(struct timespec){.tv_nsec = FINISH_AGAIN_US * 1000L}, NULL);
    if (housekeeping != NULL && result >= 0 && !store_fault->set)
        store_checkpoint(housekeeping->reader, true, NULL, &fault);
    if (fault.set)
        log_event(log, "fault", "fault", fault.text);
    if (housekeeping != NULL)
        free_housekeeping(housekeeping);
}
