/* commit: group commit. Tickets wait in a bounded queue; one thread, the writer, keeps whatever
 * waits in one transaction, and only then tells their owner.
 *
 * After a transaction failed, tickets are refused at once until a probe write works: steady refusal
 * instead of flapping, since the platform silences a callback that fails now and then. */
#ifndef COMMIT_H
#define COMMIT_H

#include "fault.h"
#include "metrics.h"
#include "record.h"
#include "store.h"

#include <stdbool.h>
#include <stddef.h>

/* Most records in one transaction: bounds how long the first one waits. */
#define COMMIT_BATCH_MAX 256

/* Bytes of bodies in one transaction, and one body more: bounds that too, and its memory. How many
 * may wait is bounded by who takes them in (worker.h). */
#define COMMIT_BATCH_BYTES_MAX ((size_t)4 << 20)

/* Pause between two probes of a store that failed. */
#define COMMIT_PROBE_MS 1000

/* How long a write proves that the store can be written. */
#define COMMIT_PROOF_MS 1000

/* A record on its way to the store; embedded in what its owner knows it by. */
struct ticket {
    struct record record;
    bool weighs;         /* its answer tells how the platform fares (metrics.h) */
    struct ticket *next; /* the queue's */
};

/* What the owner of the tickets is told, always in the writer's thread, without a lock held. */
struct commit_listener {
    void *owner;
    /* COUNT records are kept, in this order; or none of them is, and FAULT tells why. The tickets
     * are the owner's again. COUNT is 0 where it was no ticket that met the fault (commit_check),
     * or a transaction moved a cursor alone. */
    void (*kept)(void *owner, struct ticket **tickets, size_t count);
    void (*failed)(void *owner, struct ticket **tickets, size_t count, const struct fault *fault);
    /* The store works again; REFUSED tickets were turned away in between. */
    void (*recovered)(void *owner, uint64_t refused);
};

struct commit;

/* Starts the writer on STORE, which is its alone until commit_stop; QUEUE_MAX tickets may wait.
 * OPEN_FAULT is why the store could not be opened, or NULL when it is open. STORE and METRICS are
 * lent. Gives *COMMIT. */
int commit_start(struct commit **commit, struct store *store, const struct fault *open_fault,
                 size_t queue_max, const struct commit_listener *listener, struct metrics *metrics,
                 struct fault *fault);

/* Takes the ticket, to be given back through the listener; or returns -1 and leaves it: the queue
 * is full, or the store does not work now. Thread-safe. */
int commit_submit(struct commit *commit, struct ticket *ticket, struct fault *fault);

/* Has the writer move an application's cursor with its next transaction. Only the newest place
 * asked for counts; it is tried until it is kept. Thread-safe. */
void commit_move_cursor(struct commit *commit, const struct store_cursor *cursor);

/* Copies why the store does not work now, or sets FAULT to none. Thread-safe. */
void commit_get_fault(struct commit *commit, struct fault *fault);

/* Waits until UNTIL_MS (monotonic) for proof that the store can be written. What was committed
 * within COMMIT_PROOF_MS is proof enough; else the writer, when no ticket waits, does one small
 * write of its own, for all who ask meanwhile. While the store does not work the answer is the
 * fault, at once; a write that fails is a fault like that of a batch. Thread-safe. */
int commit_check(struct commit *commit, int64_t until_ms, struct fault *fault);

/* How many tickets wait for the writer. Thread-safe. */
size_t commit_waiting(struct commit *commit);

/* Whether something waits for the writer, or is being written, for longer than LIMIT_MS and the
 * writer has not got on. Thread-safe. */
bool commit_is_stuck(const struct commit *commit, int64_t limit_ms);

/* Keeps what waits, ends the writer and frees COMMIT. No submit may come any more. Safe on NULL. */
void commit_stop(struct commit *commit);

#endif
