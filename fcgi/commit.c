/* commit: group commit. */
#include "config.h"

#include "commit.h"

#include "moment.h"
#include "monitor.h"

#include <stdlib.h>

struct commit {
    struct store *store;
    size_t queue_max;
    struct commit_listener listener;
    struct metrics *metrics;
    pthread_t thread;

    struct monitor monitor;       /* guards what follows */
    struct ticket *first, **last; /* the queue */
    size_t waiting;               /* tickets in it */
    size_t waiting_bytes;         /* of their bodies */
    struct store_cursor cursor;   /* to be moved there, where MOVE says so */
    bool move;
    uint64_t refused;   /* tickets turned away since the store failed */
    struct fault fault; /* set: the store does not work */
    bool stop;
};

/* Takes up to COMMIT_BATCH_MAX tickets. Called with the lock held. */
static size_t take_batch(struct commit *commit, struct ticket *batch[COMMIT_BATCH_MAX])
{
    size_t count = 0;
    while (count < COMMIT_BATCH_MAX && commit->first != NULL) {
        struct ticket *ticket = commit->first;
        commit->first = ticket->next;
        ticket->next = NULL;
        commit->waiting--;
        commit->waiting_bytes -= ticket->record.body_length;
        batch[count++] = ticket;
    }
    if (commit->first == NULL)
        commit->last = &commit->first;
    return count;
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
    if (!fault.set && store_keep(commit->store, records, count, move ? &cursor : NULL, &fault) != 0)
        metrics_add(commit->metrics, METRIC_store_faults, 1);

    /* The listener may hand out the connections behind the tickets at once, so the state that new
     * requests will meet is set first. */
    monitor_enter(&commit->monitor);
    if (fault.set) {
        commit->fault = fault;
        commit->refused += count;
    } else {
        if (move && commit->cursor.seq == cursor.seq && commit->cursor.store == cursor.store)
            commit->move = false;
    }
    monitor_leave(&commit->monitor);

    const struct commit_listener *listener = &commit->listener;
    if (fault.set) {
        listener->failed(listener->owner, batch, count, &fault);
    } else {
        metrics_add(commit->metrics, METRIC_batches, 1);
        listener->kept(listener->owner, batch, count);
    }
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
    if (!works) {
        commit->fault = fault;
        return;
    }
    uint64_t refused = commit->refused;
    commit->refused = 0;
    commit->fault = FAULT_NONE;
    monitor_leave(&commit->monitor);
    commit->listener.recovered(commit->listener.owner, refused);
    monitor_enter(&commit->monitor);
}

static void *write_batches(void *argument)
{
    struct commit *commit = argument;
    monitor_enter(&commit->monitor);
    for (;;) {
        if (commit->first != NULL || (commit->move && !commit->fault.set))
            write_batch(commit);
        else if (commit->stop)
            break;
        else if (commit->fault.set)
            probe(commit);
        else
            monitor_wait(&commit->monitor);
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
    } else if (commit->waiting >= commit->queue_max ||
               commit->waiting_bytes + ticket->record.body_length > COMMIT_WAITING_BYTES_MAX) {
        fault_set(fault, "too many notifications wait for the disk");
    } else {
        ticket->next = NULL;
        *commit->last = ticket;
        commit->last = &ticket->next;
        commit->waiting++;
        commit->waiting_bytes += ticket->record.body_length;
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
