/* commit: group commit. */
#include "config.h"

#include "commit.h"

#include "moment.h"
#include "monitor.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

struct commit {
    struct store *store;
    size_t queue_max;
    struct commit_listener listener;
    struct metrics *metrics;
    pthread_t thread;
    struct progress progress; /* the writer's */

    struct monitor monitor;       /* guards what follows */
    struct ticket *first, **last; /* the queue */
    size_t waiting;               /* tickets in it */
    struct store_cursor cursor;   /* to be moved there, where MOVE says so */
    bool move;
    uint64_t refused;   /* tickets turned away since the store failed */
    struct fault fault; /* set: the store does not work */
    int64_t proved_ms;  /* when the last write that worked ended */
    bool asked;         /* for another one, by somebody who waits */
    bool stop;
};

/* Notes that a write worked, or why it did not. Called with the lock held. */
static void note_write(struct commit *commit, const struct fault *fault)
{
    commit->fault = *fault;
    if (!fault->set)
        commit->proved_ms = moment_monotonic_ms();
    if (commit->asked)
        monitor_wake(&commit->monitor);
    commit->asked = false;
}

/* Takes the tickets of one transaction. Called with the lock held. */
static size_t take_batch(struct commit *commit, struct ticket *batch[COMMIT_BATCH_MAX])
{
    size_t count = 0, bytes = 0;
    while (count < COMMIT_BATCH_MAX && bytes < COMMIT_BATCH_BYTES_MAX && commit->first != NULL) {
        struct ticket *ticket = commit->first;
        commit->first = ticket->next;
        ticket->next = NULL;
        commit->waiting--;
        bytes += ticket->record.body_length;
        batch[count++] = ticket;
    }
    if (commit->first == NULL)
        commit->last = &commit->first;
    return count;
}

/* Runs one transaction, and measures it. */
static void keep(struct commit *commit, struct record **records, size_t count,
                 const struct store_cursor *cursor, struct fault *fault)
{
    int64_t began_us = moment_monotonic_us();
    if (store_keep(commit->store, records, count, cursor, fault) != 0) {
        metrics_add(commit->metrics, METRIC_store_faults, 1);
        return;
    }
    metrics_add(commit->metrics, METRIC_batches, 1);
    if (count == 0)
        return; /* a cursor moved: no batch */
    metrics_observe(commit->metrics, METRIC_HISTOGRAM_commit_batch_records, count);
    metrics_observe(commit->metrics, METRIC_HISTOGRAM_commit_seconds,
                    (uint64_t)(moment_monotonic_us() - began_us));
}

/* Keeps one batch. Called and returns with the lock held, which is free meanwhile. */
static void write_batch(struct commit *commit)
{
    struct ticket *batch[COMMIT_BATCH_MAX];
    struct record *records[COMMIT_BATCH_MAX];
    size_t count = take_batch(commit, batch);
    struct store_cursor cursor = commit->cursor;
    bool move = commit->move;
    struct fault fault = commit->fault;
    monitor_leave(&commit->monitor);

    for (size_t i = 0; i < count; i++)
        records[i] = &batch[i]->record;
    if (!fault.set)
        keep(commit, records, count, move ? &cursor : NULL, &fault);

    /* The listener may hand out the connections behind the tickets at once, so the state that new
     * requests will meet is set first. */
    monitor_enter(&commit->monitor);
    note_write(commit, &fault);
    if (fault.set)
        commit->refused += count;
    else if (move && commit->cursor.at.seq == cursor.at.seq &&
             strcmp(commit->cursor.at.life, cursor.at.life) == 0)
        commit->move = false;
    monitor_leave(&commit->monitor);

    const struct commit_listener *listener = &commit->listener;
    if (fault.set)
        listener->failed(listener->owner, batch, count, &fault);
    else
        listener->kept(listener->owner, batch, count);
    monitor_enter(&commit->monitor);
}

/* Writes for those who ask whether that is possible. Called and returns with the lock held. */
static void prove(struct commit *commit)
{
    monitor_leave(&commit->monitor);
    struct fault fault = FAULT_NONE;
    if (store_try(commit->store, &fault) != 0)
        metrics_add(commit->metrics, METRIC_store_faults, 1);
    monitor_enter(&commit->monitor);
    note_write(commit, &fault);
    if (!fault.set)
        return;
    monitor_leave(&commit->monitor);
    commit->listener.failed(commit->listener.owner, NULL, 0, &fault);
    monitor_enter(&commit->monitor);
}

/* Waits COMMIT_PROBE_MS, then tries the store. Called and returns with the lock held. */
static void probe(struct commit *commit)
{
    int64_t until_ms = moment_monotonic_ms() + COMMIT_PROBE_MS;
    while (!commit->stop && monitor_wait_until(&commit->monitor, until_ms))
        continue;
    if (commit->stop)
        return;
    monitor_leave(&commit->monitor);
    struct fault fault = FAULT_NONE;
    bool works = store_probe(commit->store, &fault) == 0;
    if (!works)
        metrics_add(commit->metrics, METRIC_store_faults, 1);
    monitor_enter(&commit->monitor);
    note_write(commit, &fault);
    if (!works)
        return;
    uint64_t refused = commit->refused;
    commit->refused = 0;
    monitor_leave(&commit->monitor);
    commit->listener.recovered(commit->listener.owner, refused);
    monitor_enter(&commit->monitor);
}

/* Waits for something to do. Called and returns with the lock held. */
static void rest(struct commit *commit)
{
    progress_rest(&commit->progress);
    monitor_wait(&commit->monitor);
}

static void *write_batches(void *argument)
{
    struct commit *commit = argument;
    pthread_setname_np(pthread_self(), "writer");
    monitor_enter(&commit->monitor);
    for (;;) {
        progress_step(&commit->progress);
        if (commit->first != NULL || (commit->move && !commit->fault.set))
            write_batch(commit);
        else if (commit->stop)
            break;
        else if (commit->fault.set)
            probe(commit);
        else if (commit->asked)
            prove(commit);
        else
            rest(commit);
    }
    monitor_leave(&commit->monitor);
    return NULL;
}

int commit_start(struct commit **gives, struct store *store, const struct fault *open_fault,
                 size_t queue_max, const struct commit_listener *listener, struct metrics *metrics,
                 struct fault *fault)
{
    struct commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL)
        return fault_set(fault, "commit: out of memory");
    commit->store = store;
    commit->queue_max = queue_max;
    commit->listener = *listener;
    commit->metrics = metrics;
    commit->last = &commit->first;
    commit->proved_ms = -COMMIT_PROOF_MS;
    if (open_fault != NULL)
        commit->fault = *open_fault;
    monitor_init(&commit->monitor);
    int error = pthread_create(&commit->thread, NULL, write_batches, commit);
    if (error != 0) {
        monitor_release(&commit->monitor);
        free(commit);
        return fault_set_errno(fault, error, "commit: cannot start a thread");
    }
    *gives = commit;
    return 0;
}

int commit_submit(struct commit *commit, struct ticket *ticket, struct fault *fault)
{
    int result = -1;
    monitor_enter(&commit->monitor);
    if (commit->fault.set) {
        commit->refused++;
        fault_set(fault, "the store cannot be written now");
    } else if (commit->waiting >= commit->queue_max) {
        fault_set(fault, "too many notifications wait for the disk");
    } else {
        ticket->next = NULL;
        *commit->last = ticket;
        commit->last = &ticket->next;
        commit->waiting++;
        progress_begin(&commit->progress);
        monitor_wake(&commit->monitor);
        result = 0;
    }
    monitor_leave(&commit->monitor);
    return result;
}

void commit_move_cursor(struct commit *commit, const struct store_cursor *cursor)
{
    monitor_enter(&commit->monitor);
    commit->cursor = *cursor;
    commit->move = true;
    monitor_wake(&commit->monitor);
    monitor_leave(&commit->monitor);
}

void commit_get_fault(struct commit *commit, struct fault *fault)
{
    monitor_enter(&commit->monitor);
    *fault = commit->fault;
    monitor_leave(&commit->monitor);
}

int commit_check(struct commit *commit, int64_t until_ms, struct fault *fault)
{
    monitor_enter(&commit->monitor);
    int64_t recent_ms = moment_monotonic_ms() - COMMIT_PROOF_MS;
    bool in_time = true;
    if (!commit->fault.set && commit->proved_ms <= recent_ms) {
        commit->asked = true;
        monitor_wake(&commit->monitor);
    }
    while (in_time && !commit->fault.set && commit->proved_ms <= recent_ms)
        in_time = monitor_wait_until(&commit->monitor, until_ms);
    if (commit->fault.set)
        *fault = commit->fault;
    else if (commit->proved_ms <= recent_ms)
        fault_set(fault, "the store is being written to for too long");
    monitor_leave(&commit->monitor);
    return fault->set ? -1 : 0;
}

size_t commit_waiting(struct commit *commit)
{
    monitor_enter(&commit->monitor);
    size_t waiting = commit->waiting;
    monitor_leave(&commit->monitor);
    return waiting;
}

bool commit_is_stuck(const struct commit *commit, int64_t limit_ms)
{
    return progress_is_stuck(&commit->progress, limit_ms);
}

void commit_stop(struct commit *commit)
{
    if (commit == NULL)
        return;
    monitor_enter(&commit->monitor);
    commit->stop = true;
    monitor_wake(&commit->monitor);
    monitor_leave(&commit->monitor);
    pthread_join(commit->thread, NULL);
    monitor_release(&commit->monitor);
    free(commit);
}
