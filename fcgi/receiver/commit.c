/* commit: turns at the store, and the state of the store. */
#include "config.h"

#include "receiver/commit.h"

#include "base/clock.h"
#include "base/monitor.h"

#include <stdlib.h>
#include <string.h>

struct commit {
    struct store *store;
    struct log *log;
    struct metrics *metrics;

    struct monitor monitor;     /* guards what follows; woken when a turn ends */
    bool taken;                 /* the turn */
    int64_t taken_ms;           /* since when */
    struct store_cursor cursor; /* its next place, if MOVE is set */
    bool move;
    int64_t confirmed; /* the shared books have the journal up to this entry, which it still has; 0:
                          nothing is to be removed from it */
    struct fault fault; /* set: the store does not work */
    int64_t tried_ms;   /* when the last write ended, whether it worked or not */
    uint64_t refused;   /* records refused since the store failed */
    bool asked;         /* a caller wants to know whether a write works */
};

int commit_new(struct commit **gives, struct store *store, const struct fault *open_fault,
               struct log *log, struct metrics *metrics, struct fault *fault)
{
    struct commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL)
        return fault_set(fault, "commit: out of memory");
    commit->store = store;
    commit->log = log;
    commit->metrics = metrics;
    commit->asked = true; /* nothing is known yet */
    if (open_fault != NULL) {
        commit->fault = *open_fault;
        log_event(log, "fault", "fault", open_fault->text);
    }
    monitor_init(&commit->monitor);
    *gives = commit;
    return 0;
}

void commit_free(struct commit *commit)
{
    if (commit == NULL)
        return;
    monitor_release(&commit->monitor);
    free(commit);
}

/* Waits for the turn; false if it does not come in time. Called with the lock held. */
static bool take_turn(struct commit *commit)
{
    int64_t until_ms = clock_monotonic_ms() + COMMIT_TURN_MS;
    while (commit->taken && monitor_wait_until(&commit->monitor, until_ms))
        continue;
    if (commit->taken)
        return false;
    commit->taken = true;
    commit->taken_ms = clock_monotonic_ms();
    return true;
}

void commit_leave(struct commit *commit)
{
    monitor_enter(&commit->monitor);
    commit->taken = false;
    monitor_wake(&commit->monitor);
    monitor_leave(&commit->monitor);
}

static void log_recovered(struct commit *commit, uint64_t refused)
{
    struct buffer line = {0};
    log_begin(&line, "recovered");
    buffer_addf(&line, ",\"refused\":%llu", (unsigned long long)refused);
    log_line(commit->log, &line);
}

/* Notes the result of a write of COUNT records, and logs if the store has failed or works again.
 * The caller has the turn. */
static void note_write(struct commit *commit, size_t count, const struct fault *fault)
{
    monitor_enter(&commit->monitor);
    bool failed = commit->fault.set;
    commit->fault = *fault;
    commit->tried_ms = clock_monotonic_ms();
    commit->asked = false;
    if (fault->set)
        commit->refused += count;
    uint64_t refused = commit->refused;
    if (!fault->set)
        commit->refused = 0;
    monitor_leave(&commit->monitor);
    if (fault->set)
        metrics_add(commit->metrics, METRIC_store_faults, 1);
    if (fault->set && !failed)
        log_event(commit->log, "fault", "fault", fault->text);
    if (failed && !fault->set)
        log_recovered(commit, refused);
}

/* What else a transaction does: of the turn's beginning. */
struct aside {
    struct store_cursor cursor;
    bool move; /* CURSOR is to be moved */
    int64_t confirmed;
};

/* Called with the lock held. */
static void take_aside(const struct commit *commit, struct aside *aside)
{
    aside->cursor = commit->cursor;
    aside->move = commit->move;
    aside->confirmed = commit->confirmed;
}

/* Runs one transaction. The caller has the turn. */
static int keep(struct commit *commit, struct record **records, size_t count,
                const struct aside *aside, struct fault *fault)
{
    int64_t began_us = clock_monotonic_us();
    int result = store_keep(commit->store, records, count, aside->move ? &aside->cursor : NULL,
                            aside->confirmed, fault);
    note_write(commit, count, fault);
    if (result != 0)
        return -1;
    if (aside->move || aside->confirmed != 0) {
        monitor_enter(&commit->monitor); /* another place, or more, may be asked for by now */
        if (aside->move && commit->cursor.at.seq == aside->cursor.at.seq &&
            strcmp(commit->cursor.at.life, aside->cursor.at.life) == 0)
            commit->move = false;
        if (commit->confirmed == aside->confirmed)
            commit->confirmed = 0;
        monitor_leave(&commit->monitor);
    }
    metrics_add(commit->metrics, METRIC_batches, 1);
    if (count == 0)
        return 0; /* a cursor moved, or entries were removed: no batch */
    metrics_observe(commit->metrics, METRIC_HISTOGRAM_commit_batch_records, count);
    metrics_observe(commit->metrics, METRIC_HISTOGRAM_commit_seconds,
                    (uint64_t)(clock_monotonic_us() - began_us));
    return 0;
}

int commit_keep(struct commit *commit, struct record **records, size_t count, struct fault *fault)
{
    struct aside aside;
    bool turn = false;
    monitor_enter(&commit->monitor);
    if (!commit->fault.set)
        turn = take_turn(commit);
    if (commit->fault.set) { /* it may have failed while we waited */
        commit->refused += count;
        fault_set(fault, "the store cannot be written now");
    } else if (!turn) {
        fault_set(fault, "one write to the store takes too long");
    } else {
        take_aside(commit, &aside);
    }
    monitor_leave(&commit->monitor);
    if (!fault->set && keep(commit, records, count, &aside, fault) == 0)
        return 0;
    if (turn)
        commit_leave(commit);
    return -1;
}

void commit_move_cursor(struct commit *commit, const struct store_cursor *cursor)
{
    monitor_enter(&commit->monitor);
    commit->cursor = *cursor;
    commit->move = true;
    monitor_leave(&commit->monitor);
}

void commit_confirm(void *owner, int64_t up_to)
{
    struct commit *commit = owner;
    monitor_enter(&commit->monitor);
    commit->confirmed = up_to;
    monitor_leave(&commit->monitor);
}

void commit_get_fault(struct commit *commit, struct fault *fault)
{
    monitor_enter(&commit->monitor);
    *fault = commit->fault;
    monitor_leave(&commit->monitor);
}

int commit_is_ready(struct commit *commit, struct fault *fault)
{
    monitor_enter(&commit->monitor);
    int64_t now_ms = clock_monotonic_ms();
    if (commit->fault.set)
        *fault = commit->fault;
    else if (commit->tried_ms == 0)
        fault_set(fault, "nothing has been written to the store yet");
    else if (commit->taken && now_ms - commit->taken_ms > COMMIT_LONG_TURN_MS)
        fault_set(fault, "one write to the store takes too long");
    if (now_ms - commit->tried_ms > COMMIT_PROOF_MS)
        commit->asked = true;
    monitor_leave(&commit->monitor);
    return fault->set ? -1 : 0;
}

/* Why housekeeping takes a turn of its own. */
enum errand { NOTHING, WRITE, TRY, PROBE };

/* Called with the lock held. */
static enum errand find_errand(const struct commit *commit, bool cursor_alone)
{
    if (commit->fault.set)
        return !cursor_alone && clock_monotonic_ms() - commit->tried_ms >= COMMIT_PROBE_MS
                   ? PROBE
                   : NOTHING;
    if (commit->move || commit->confirmed != 0)
        return WRITE;
    return !cursor_alone && commit->asked ? TRY : NOTHING;
}

/* Takes a turn if there is something to do. Looks again when the turn has come, because the
 * previous turn may have done it, or failed. */
static enum errand take_own_turn(struct commit *commit, bool cursor_alone, struct aside *aside)
{
    enum errand errand = NOTHING;
    monitor_enter(&commit->monitor);
    if (find_errand(commit, cursor_alone) != NOTHING && take_turn(commit)) {
        errand = find_errand(commit, cursor_alone);
        take_aside(commit, aside);
        commit->taken = errand != NOTHING;
        if (!commit->taken)
            monitor_wake(&commit->monitor);
    }
    monitor_leave(&commit->monitor);
    return errand;
}

static void run_errand(struct commit *commit, bool cursor_alone)
{
    struct aside aside;
    struct fault fault = FAULT_NONE;
    enum errand errand = take_own_turn(commit, cursor_alone, &aside);
    switch (errand) {
    case NOTHING:
        return;
    case WRITE:
        keep(commit, NULL, 0, &aside, &fault);
        break;
    case TRY:
        store_try(commit->store, &fault);
        note_write(commit, 0, &fault);
        break;
    case PROBE:
        store_probe(commit->store, &fault);
        note_write(commit, 0, &fault);
        break;
    }
    commit_leave(commit);
}

void commit_flush_cursor(struct commit *commit)
{
    run_errand(commit, true);
}

void commit_tend(struct commit *commit)
{
    run_errand(commit, false);
}

int commit_log_pages(const struct commit *commit)
{
    return store_log_pages(commit->store);
}

void commit_copy_log(struct commit *commit)
{
    monitor_enter(&commit->monitor);
    bool turn = take_turn(commit), works = !commit->fault.set;
    monitor_leave(&commit->monitor);
    if (turn && works)
        store_copy_log(commit->store);
    if (turn)
        commit_leave(commit);
}
