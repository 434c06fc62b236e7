/* tally: what the load generator saw: answers by status and by what they say, and the exact
 * distribution of their latencies. */
#ifndef TALLY_H
#define TALLY_H

#include "reply.h"

#include <stdint.h>
#include <stdio.h>

#define TALLY_STATUS_MAX 600

struct tally {
    uint64_t statuses[TALLY_STATUS_MAX]; /* the last: any beyond */
    uint64_t results[4];                 /* of the answers 200, by enum reply_result */
    uint64_t sent, sent_repeats;
    uint64_t broken;       /* connections that failed within a request: it has no answer */
    uint64_t unanswered;   /* requests without an answer when the time was over */
    uint64_t closed;       /* connections that the server closed between requests */
    uint64_t opened_again; /* connections */
    uint32_t *latencies;   /* in tenths of microseconds, of every answer */
    uint64_t answered, capacity;
    int64_t latest_ns; /* how long after its time a request was sent, at most */
};

/* Makes room for COUNT answers; -1 where memory is short. Free with tally_release. */
int tally_init(struct tally *tally, uint64_t count);
void tally_release(struct tally *tally);

/* Counts one answer. */
void tally_answer(struct tally *tally, const struct reply *reply, int64_t latency_ns);

/* Whether each request sent was answered 200. */
int tally_is_clean(const struct tally *tally);

/* Prints the members of a JSON object, the latencies sorted by then; SECONDS is how long all of it
 * took. The rate is that of the answers 200, the latencies are those of all answers. */
void tally_print(struct tally *tally, double seconds, FILE *out);

#endif
