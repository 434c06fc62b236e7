/* viewer: a few threads that answer requests to read (site.h), beside the callback. They never
 * delay it: they have a lower priority than all that keeps notifications, readers of their own, and
 * a bound on their queues. */
#ifndef RECEIVER_VIEWER_H
#define RECEIVER_VIEWER_H

#include "base/fault.h"
#include "receiver/request.h"
#include "receiver/site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Threads that read the store for answers. One more makes long tables piece by piece, so that a
 * client that loads a table delays no other. */
#define VIEWER_THREADS 2

/* Requests that may wait for them; more are answered 503. */
#define VIEWER_QUEUE_MAX 32

/* Tables that may wait for their turn while a piece of another is sent; more are answered 503. If
 * all others take as long as send_ms allows, a web server still gets a piece of each within ten
 * seconds. */
#define VIEWER_TABLES_MAX 3

/* Time-outs, in milliseconds. */
struct viewer_limits {
    int wait_ms; /* of a request's wait for its turn; then the answer is 503: its sender may have
                    gone */
    int send_ms; /* of a peer that takes nothing of its answer; then the answer is given up */
    int read_ms; /* of reading the store, for one answer or for a piece of a table */
};
#define VIEWER_LIMITS ((struct viewer_limits){.wait_ms = 4000, .send_ms = 3000, .read_ms = 1000})

/* An answer is also given up if its peer has not taken all of it, or of a table's next piece,
 * within this time; the site file has nginx wait for 10 s. */
#define VIEWER_TAKE_MS 8000

/* How much lower their priority is than that of the other threads (nice). */
#define VIEWER_NICE 10

/* How long an idle thread keeps the store's files open. */
#define VIEWER_KEEP_MS 1000

/* A request to read; embedded in its owner's struct. */
struct read_request {
    struct request *request; /* read; lent until the request is done */
    int socket;
    const struct site_endpoint *endpoint; /* what answers it */
    atomic_int_fast64_t *deadline_ms;     /* when its owner must shut the connection down */
    int64_t since_ms;                     /* when it was taken */
    struct site_part part;
    struct read_request *next; /* belongs to the queue */
};

/* Gives a request back to its owner: it is released, and its answer was SENT or not. Called once
 * for each, in a viewer's thread or in the one that called viewer_take. */
typedef void viewer_done(struct read_request *read_request, bool sent);

struct viewer;

/* Starts the threads. All but LIMITS is lent for the viewer's lifetime; SHARED may be
 * NULL. Gives *VIEWER. */
int viewer_start(struct viewer **viewer, const struct options *options,
                 const struct viewer_limits *limits, struct commit *commit, struct shared *shared,
                 struct metrics *metrics, viewer_done *done, struct fault *fault);

/* Takes a request, with request, socket, endpoint and deadline set. Thread-safe; never waits. */
void viewer_take(struct viewer *viewer, struct read_request *read_request);

/* Tells the viewer that the process ends soon, so that it is not ready any more. Thread-safe. Safe
 * on NULL. */
void viewer_leave(struct viewer *viewer);

/* Ends the threads after the answers under way; waiting requests are done without an answer. No
 * call of viewer_take may follow. Safe on NULL. */
void viewer_stop(struct viewer *viewer);

#endif
