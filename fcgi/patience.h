/* patience: how long notifications may wait for others, so that one sync does for all of them.
 *
 * A sync costs more than the notification that it is for, and at some hundreds a second, from
 * senders that do not wait for each other, nearly each would have its own. To let them wait a few
 * milliseconds is worth it there, and nowhere else: whoever sends the next one only when the last
 * is answered would be slowed down, and where many send at once they come in batches by themselves.
 *
 * So it is tried, and what comes is counted: before, while they wait, and again behind it. It is
 * given up for a while where it turns out that senders wait for their answers: nothing comes any
 * more long before the wait is over, or fewer come than before as well as behind. Where fewer come
 * behind it too, there was less to be sent.
 *
 * Times are of one clock that never steps, in microseconds. For one thread. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many in a batch are enough: no more are waited for. */
#define PATIENCE_ENOUGH 32

/* It is tried where so many may be expected together, and fewer come so by themselves. */
#define PATIENCE_WORTH 3

/* So long it is counted what comes when nobody waits, before it is tried (again). */
#define PATIENCE_COUNT_US 1000000

/* So long they wait before that is done: at first, and when it went well time after time. */
#define PATIENCE_TERM_US 10000000
#define PATIENCE_TERM_MAX_US 120000000

/* A gap of this length between two batches is none that waiting has made: what was counted until
 * then says nothing of what comes now. */
#define PATIENCE_GAP_US 100000

/* So many waits in a row that grow quiet halfway, for so many notifications as would have come
 * meanwhile, are no chance. */
#define PATIENCE_QUIET 3
#define PATIENCE_QUIET_MISSED 16

/* Percent that may be lost: less is not told from chance. */
#define PATIENCE_TOLERATED 2

/* Until it is tried again: at first, and when it failed time after time. */
#define PATIENCE_PAUSE_US 10000000
#define PATIENCE_PAUSE_MAX_US 60000000

struct patience {
    int64_t longest_us; /* the longest that one may wait; 0: not at all */
    bool waiting;       /* whether they wait, now */
    int64_t began_us;   /* since when that is so */
    int64_t came;       /* since then */
    int64_t batches;    /* in which they were taken */
    int64_t last_us;    /* when the last one was taken */
    int quiet;          /* waits in a row that grew quiet */
    int64_t quiet_us;   /* how long they were that, together */
    int64_t before;     /* came in a second before they waited */
    int64_t meanwhile;  /* and while they did; 0: not known */
    int64_t again_us;   /* not tried before this time */
    int64_t term_us;    /* the longest time of waiting now */
    int64_t pause_us;   /* the next pause */
};

/* LONGEST_US may be a minute at most. */
void patience_begin(struct patience *patience, int64_t longest_us, int64_t now_us);

/* How long what has just come should wait for more. */
int64_t patience_ask(struct patience *patience, int64_t now_us);

/* A batch of COUNT is taken, the last of which came QUIET_US ago. */
void patience_learn(struct patience *patience, size_t count, int64_t quiet_us, int64_t now_us);

#endif
