/* progress: since when a thread has had something to do without getting on, for whoever watches it.
 *
 * All functions are thread-safe; the whole is one relaxed atomic. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialize: there is nothing to do. */
struct progress {
    atomic_int_fast64_t since_ms; /* monotonic; 0: there is nothing to do */
};

/* There is something to do now, if there was nothing so far. */
void progress_begin(struct progress *progress);

/* One piece is done, and the next one begun. */
void progress_step(struct progress *progress);

/* There is nothing left to do. */
void progress_rest(struct progress *progress);

/* Whether the piece that is to be done now has taken for longer than LIMIT_MS. */
bool progress_is_stuck(const struct progress *progress, int64_t limit_ms);

#endif
