/* commit: turns at the store, and the state of the store.
 *
 * The threads of a process take turns at their store: the workers with the records that they have
 * read, and housekeeping. While the store fails, only housekeeping gets a turn. All others are
 * refused at once until a probe write works. Steady refusal is better than flapping: the platform
 * silences a callback that fails now and then. */
#ifndef RECEIVER_COMMIT_H
#define RECEIVER_COMMIT_H

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "notification/record.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/* Longest wait for a turn, in milliseconds; after it the records are refused. */
#define COMMIT_TURN_MS 1000

/* Pause between two probes of a failed store. */
#define COMMIT_PROBE_MS 1000

/* How long a write proves that the store can be written. */
#define COMMIT_PROOF_MS 1000

/* A turn longer than this means that the store cannot be written now. */
#define COMMIT_LONG_TURN_MS 2000

struct commit;

/* Makes the turns at STORE, which no other code may use until commit_free. OPEN_FAULT is why the
 * store could not be opened, or NULL if it is open. STORE, LOG and METRICS are lent. Gives *COMMIT.
 */
int commit_new(struct commit **commit, struct store *store, const struct fault *open_fault,
               struct log *log, struct metrics *metrics, struct fault *fault);

/* Frees COMMIT. No thread may have or want a turn any more. Safe on NULL. */
void commit_free(struct commit *commit);

/* Waits for the turn and keeps COUNT records in one transaction, which also makes a pending move of
 * the cursor. If this returns 0, the caller still has the turn, so that it logs in the order of the
 * commits, and ends it with commit_leave. If it returns -1, nothing is kept. Thread-safe. */
int commit_keep(struct commit *commit, struct record **records, size_t count, struct fault *fault);
void commit_leave(struct commit *commit);

/* The next transaction moves an application's cursor to the given place. Only the newest place
 * counts; the move is tried until it is kept. Thread-safe. */
void commit_move_cursor(struct commit *commit, const struct store_cursor *cursor);

/* The next transaction removes the entries up to UP_TO from the journal of the store of OWNER, a
 * struct commit: the shared books have them. Thread-safe. */
void commit_confirm(void *owner, int64_t up_to);

/* Copies why the store does not work now, or sets FAULT to none. Thread-safe. */
void commit_get_fault(struct commit *commit, struct fault *fault);

/* Whether the store can be written, as far as is known: 0 if the last write worked and no thread is
 * stuck in one. If that write is older than COMMIT_PROOF_MS, commit_tend does another one soon. So
 * a caller that asks every few seconds learns of each fault by the second answer. Never waits for
 * the store. Thread-safe. */
int commit_is_ready(struct commit *commit, struct fault *fault);

/* Moves a cursor that no batch has moved, and removes confirmed entries that none has removed, with
 * a turn of its own. Thread-safe. */
void commit_flush_cursor(struct commit *commit);

/* Housekeeping calls this regularly. It probes a failed store, does what commit_flush_cursor
 * does, and tries a write if a caller of commit_is_ready wants to know. Thread-safe. */
void commit_tend(struct commit *commit);

/* The length of the store's write-ahead log, in pages; and a turn that checkpoints the rest of it,
 * so that the log can start again. Under steady load only a turn can do so: the log grows during a
 * checkpoint. Thread-safe. */
int commit_log_pages(const struct commit *commit);
void commit_copy_log(struct commit *commit);

#endif
