/* shared: the shared books of a receiver. */
#include "config.h"

#include "receiver/shared.h"

#include "base/clock.h"
#include "base/monitor.h"
#include "postgres/follower.h"
#include "store/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

struct shared {
    const struct options *options;
    struct log *log;
    struct shipper *shipper;

    /* the copy: */
    char folder[4096];
    int stop_fd; /* readable at the end */
    struct link *link;
    struct follower *follower;
    bool following;
    pthread_t thread;
    struct monitor monitor; /* guards what follows */
    bool stop;
    int64_t copied, head;       /* entries of the copy and of the log, as last seen */
    int64_t had_all_ms;         /* when the copy had all of the log for the last time */
    char fault[FAULT_TEXT_MAX]; /* of the last run */
};

static bool is_failing(void *store)
{
    struct fault fault;
    commit_get_fault(store, &fault);
    return fault.set;
}

int shared_start(struct shared **gives, const struct options *options, struct commit *commit,
                 struct log *log, void *holder, void (*hear)(void *holder), struct fault *fault)
{
    struct shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return fault_set(fault, "--books: out of memory");
    const struct shipper_config config = {
        .folder = options->state,
        .conninfo = options->books,
        .wait_ms = (int64_t)options->books_wait_ms,
        .log = log,
        .store = commit,
        .confirm = commit_confirm,
        .is_failing = is_failing,
        .holder = holder,
        .hear = hear,
    };
    shared->options = options;
    shared->log = log;
    shared->stop_fd = -1;
    shared->had_all_ms = clock_monotonic_ms();
    monitor_init(&shared->monitor);
    snprintf(shared->folder, sizeof shared->folder, "%s/" STORE_COPY_FOLDER, options->state);
    if (shipper_start(&shared->shipper, &config, fault) != 0) {
        shared_free(shared);
        return -1;
    }
    *gives = shared;
    return 0;
}

/* For struct store_progress. */
static void note_progress(void *owner, int64_t copied, int64_t head)
{
    struct shared *shared = owner;
    monitor_enter(&shared->monitor);
    shared->copied = copied;
    shared->head = head;
    monitor_leave(&shared->monitor);
}

/* Notes what came of a run that began at BEGAN_MS; logs a fault once. At the end, that the link is
 * stopped is no fault. */
static void note_run(struct shared *shared, const struct follower_state *state, bool all,
                     int64_t began_ms, const struct fault *fault)
{
    monitor_enter(&shared->monitor);
    bool is_new = fault->set && !shared->stop && strcmp(fault->text, shared->fault) != 0;
    if (state->head > 0 || all) {
        shared->copied = state->number;
        shared->head = state->head;
    }
    if (all)
        shared->had_all_ms = began_ms;
    snprintf(shared->fault, sizeof shared->fault, "%s", fault->set ? fault->text : "");
    monitor_leave(&shared->monitor);
    struct fault said = *fault;
    fault_add(&said, "copy of the shared books");
    if (is_new)
        log_event(shared->log, "fault", "fault", said.text);
}

static void *follow(void *argument)
{
    struct shared *shared = argument;
    int64_t next_ms = 0;
    pthread_setname_np(pthread_self(), "follower");
    setpriority(PRIO_PROCESS, (id_t)gettid(),
                getpriority(PRIO_PROCESS, (id_t)gettid()) + SHARED_COPY_NICE);
    while (!monitor_wait_set(&shared->monitor, &shared->stop, next_ms)) {
        struct follower_state state = {.number = 0};
        struct fault fault = FAULT_NONE;
        int64_t began_ms = clock_monotonic_ms();
        int result = follower_run(shared->follower, &state, &fault);
        note_run(shared, &state, result == 0, began_ms, &fault);
        next_ms = clock_monotonic_ms() + SHARED_COPY_MS;
    }
    return NULL;
}

int shared_follow(struct shared *shared, struct fault *fault)
{
    struct follower_config config = {.folder = shared->folder,
                                     .tells = {.owner = shared, .report = note_progress}};
    store_config_read(shared->options, &config.store);
    shared->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = shared->stop_fd < 0 ? errno : 0;
    if (error == 0 &&
        link_new(&shared->link, shared->options->books, shared->stop_fd, fault) == 0 &&
        follower_new(&shared->follower, shared->link, &config, fault) == 0)
        error = pthread_create(&shared->thread, NULL, follow, shared);
    if (error != 0)
        fault_set_errno(fault, error, "cannot start a thread");
    if (fault->set)
        return fault_add(fault, "copy of the shared books");
    shared->following = true;
    return 0;
}

const char *shared_copy_folder(const struct shared *shared)
{
    return shared->folder;
}

struct shipper *shared_shipper(struct shared *shared)
{
    return shared->shipper;
}

const struct view_books *shared_read(struct shared *shared, struct shared_status *status)
{
    if (shared == NULL)
        return NULL;
    shipper_get_status(shared->shipper, &status->shipper);
    const struct shipper_status *shipper = &status->shipper;
    monitor_enter(&shared->monitor);
    status->copied = shared->copied;
    status->head = shared->head;
    snprintf(status->copy_fault, sizeof status->copy_fault, "%s", shared->fault);
    int64_t late_ms = clock_monotonic_ms() - shared->had_all_ms;
    monitor_leave(&shared->monitor);
    status->books = (struct view_books){
        .name = shipper->name,
        .state = shipper_state_word(shipper->state),
        .since_ms = shipper->since_ms,
        .fault = shipper->fault[0] != '\0' ? shipper->fault : NULL,
        .behind_records = shipper->behind_records,
        .behind_ms = shipper->behind_ms,
        .copy_behind_records = status->head > status->copied ? status->head - status->copied : 0,
        .copy_behind_ms = late_ms > SHARED_COPY_LATE_MS ? late_ms : 0,
        .copy_fault = status->copy_fault[0] != '\0' ? status->copy_fault : NULL,
        .required = shared->options->books_required,
    };
    return &status->books;
}

void shared_stop(struct shared *shared)
{
    if (shared == NULL)
        return;
    shipper_stop(shared->shipper);
    if (!shared->following)
        return;
    monitor_set(&shared->monitor, &shared->stop);
    monitor_ring(shared->stop_fd);
    pthread_join(shared->thread, NULL);
}

void shared_free(struct shared *shared)
{
    if (shared == NULL)
        return;
    shipper_free(shared->shipper);
    follower_free(shared->follower);
    link_free(shared->link);
    if (shared->stop_fd >= 0)
        close(shared->stop_fd);
    monitor_release(&shared->monitor);
    free(shared);
}
