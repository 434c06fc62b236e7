/* shared: the shared books of a receiver. */
#include "config.h"

#include "receiver/shared.h"

#include "base/clock.h"
#include "base/monitor.h"
#include "postgres/follower.h"
#include "store/follow.h"

#include <errno.h>
#include <stdatomic.h>
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
    atomic_int_fast64_t behind; /* entries of the log that it does not have */
    char fault[FAULT_TEXT_MAX]; /* of the thread's last run */
    bool following;
    pthread_t thread;
    struct monitor monitor; /* guards what follows */
    bool stop;
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
    monitor_init(&shared->monitor);
    snprintf(shared->folder, sizeof shared->folder, "%s/" STORE_COPY_FOLDER, options->state);
    if (shipper_start(&shared->shipper, &config, fault) != 0) {
        shared_free(shared);
        return -1;
    }
    *gives = shared;
    return 0;
}

/* Logs a fault of the copy once. */
static void note_fault(struct shared *shared, const struct fault *fault)
{
    if (fault->set && strcmp(fault->text, shared->fault) != 0)
        log_event(shared->log, "fault", "fault", fault->text);
    snprintf(shared->fault, sizeof shared->fault, "%s", fault->set ? fault->text : "");
}

/* Waits until the copy should be brought up to date; false at the end. */
static bool wait_to_follow(struct shared *shared, int64_t until_ms)
{
    monitor_enter(&shared->monitor);
    while (!shared->stop && monitor_wait_until(&shared->monitor, until_ms))
        continue;
    bool stop = shared->stop;
    monitor_leave(&shared->monitor);
    return !stop;
}

static void *follow(void *argument)
{
    struct shared *shared = argument;
    int64_t next_ms = 0;
    pthread_setname_np(pthread_self(), "follower");
    setpriority(PRIO_PROCESS, (id_t)gettid(),
                getpriority(PRIO_PROCESS, (id_t)gettid()) + SHARED_COPY_NICE);
    while (wait_to_follow(shared, next_ms)) {
        struct follower_state state = {.number = 0};
        struct fault fault = FAULT_NONE;
        if (follower_run(shared->follower, &state, &fault) != 1)
            atomic_store(&shared->behind, state.head - state.number);
        fault_add(&fault, "copy of the shared books");
        if (wait_to_follow(shared, 0)) /* at the end, that the link is stopped is no fault */
            note_fault(shared, &fault);
        next_ms = clock_monotonic_ms() + SHARED_COPY_MS;
    }
    return NULL;
}

int shared_follow(struct shared *shared, struct fault *fault)
{
    struct follower_config config = {.folder = shared->folder};
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
    status->books = (struct view_books){
        .name = shipper->name,
        .state = shipper_state_word(shipper->state),
        .since_ms = shipper->since_ms,
        .fault = shipper->fault[0] != '\0' ? shipper->fault : NULL,
        .behind_records = shipper->behind_records,
        .behind_ms = shipper->behind_ms,
        .copy_behind_records = atomic_load(&shared->behind),
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
    monitor_enter(&shared->monitor);
    shared->stop = true;
    monitor_wake(&shared->monitor);
    monitor_leave(&shared->monitor);
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
