/* commit: whose turn it is to write to the store, and how the store is.
 *
 * The threads of a process take turns at their store: the workers with what they have read, and
 * housekeeping. While the store fails, only housekeeping gets a turn. Everybody else is refused at
 * once until a probe write works: steady refusal instead of flapping, since the platform silences a
 * callback that fails now and then. */
#ifndef RECEIVER_COMMIT_H
#define RECEIVER_COMMIT_H

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "notification/record.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/* Longest wait for a turn, in milliseconds; then the records are refused. */
#define COMMIT_TURN_MS 1000

/* Pause between two probes of a store that failed. */
#define COMMIT_PROBE_MS 1000

/* How long a write proves that the store can be written. */
#define COMMIT_PROOF_MS 1000

/* A turn that takes so long says that the store cannot be written now. */
#define COMMIT_LONG_TURN_MS 2000

struct commit;

/* Makes the turns at STORE, which nobody else may use until commit_free. OPEN_FAULT is why the
 * store could not be opened, or NULL if it is open. STORE, LOG and METRICS are lent. Gives *COMMIT.
 */
int commit_new(struct commit **commit, struct store *store, const struct fault *open_fault,
               struct log *log, struct metrics *metrics, struct fault *fault);

/* Frees COMMIT. Nobody may have or want a turn any more. Safe on NULL. */
void commit_free(struct commit *commit);

/* Waits for the turn and keeps COUNT records in one transaction, which also moves the cursor that
 * waits to be moved. If this returns 0, the caller still has the turn, to log what was kept in the
 * order in which it was kept, and ends it with commit_leave. If it returns -1, nothing is kept.
 * Thread-safe. */
int commit_keep(struct commit *commit, struct record **records, size_t count, struct fault *fault);
void commit_leave(struct commit *commit);

/* Has the next transaction move an application's cursor. Only the newest place asked for counts; it
 * is tried until it is kept. Thread-safe. */
void commit_move_cursor(struct commit *commit, const struct store_cursor *cursor);

/* Copies why the store does not work now, or sets FAULT to none. Thread-safe. */
void commit_get_fault(struct commit *commit, struct fault *fault);

/* Whether the store can be written, as far as is known: 0 if the last write worked and nobody is
 * stuck in one. If that write is older than COMMIT_PROOF_MS, commit_tend does another one soon. So
 * who asks every few seconds is told of each fault by the second answer. Never waits for the store.
 * Thread-safe. */
int commit_is_ready(struct commit *commit, struct fault *fault);

/* Moves a cursor that no batch has moved, with a turn of its own. Thread-safe. */
void commit_flush_cursor(struct commit *commit);

/* What housekeeping does for the store, every now and then: it probes a store that failed, moves
 * the cursor, and writes for those who asked whether that is possible. Thread-safe. */
void commit_tend(struct commit *commit);

/* How long the store's log is, in pages; and a turn in which the rest of it is copied to the main
 * file, so that the log can start again. Under steady load nobody beside the turns can bring that
 * about: the log grows while it is copied. Thread-safe. */
int commit_log_pages(const struct commit *commit);
void commit_copy_log(struct commit *commit);

#endif
