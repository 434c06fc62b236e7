/* patience: how long notifications may wait for others, so that one sync does for all of them.
 *
 * A sync costs more than the notification that it is for, and at some hundred a second, from
 * senders that do not wait for each other, nearly each would have its own. To let it wait a few
 * milliseconds is worth it there, and nowhere else: whoever sends the next one only when the last
 * is answered would be slowed down, and where many send at once they come in batches by themselves.
 * So it is tried, and given up for a while where senders turn out to wait for their answers:
 * nothing comes any more long before the wait is over, or fewer come than before.
 *
 * Times are of one clock that never steps, in microseconds. For one thread. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many in a batch are enough: it is not waited for more, and not tried where as many come by
 * themselves. */
#define PATIENCE_ENOUGH 32

/* It is not tried where fewer could be expected to come together. */
#define PATIENCE_WORTH 3

/* So many waits in a row at whose end nothing had come for half of them are no chance. */
#define PATIENCE_QUIET 3

/* Over so long it is counted how many come. */
#define PATIENCE_WINDOW_US 500000

/* Percent of what came before that must come while they wait. */
#define PATIENCE_AS_GOOD 85

/* Pause of the next try behind one that was given up: at first, and when none went well. */
#define PATIENCE_PAUSE_US 10000000
#define PATIENCE_PAUSE_MAX_US 600000000

struct patience {
    int64_t longest_us; /* the longest that one may wait; 0: not at all */
    bool waiting;       /* whether they wait, now */
    bool proven;        /* a whole window of waiting went well */
    int64_t began_us;   /* the window */
    int64_t came;       /* in it */
    int64_t batches;    /* in which they were taken */
    int quiet;          /* waits in a row that grew quiet */
    int64_t per_second; /* that came before they waited */
    int64_t again_us;   /* not tried before */
    int64_t pause_us;
};

void patience_begin(struct patience *patience, int64_t longest_us, int64_t now_us);

/* How long what has just come should wait for more. */
int64_t patience_of(const struct patience *patience);

/* A batch of COUNT is taken, the last of which came QUIET_US ago. */
void patience_learn(struct patience *patience, size_t count, int64_t quiet_us, int64_t now_us);

#endif
