/* viewer: a few threads that answer what can be read (site.h), beside the callback and never in its
 * way: they have a lower priority than all that keeps notifications, readers of their own, and a
 * bound on what waits for them. */
#ifndef RECEIVER_VIEWER_H
#define RECEIVER_VIEWER_H

#include "base/fault.h"
#include "receiver/request.h"
#include "receiver/site.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Threads that read the store for answers. One more makes long tables piece by piece, so that who
 * loads one keeps nobody from the rest. */
#define VIEWER_THREADS 2

/* Requests that may wait for them; more are answered 503. */
#define VIEWER_QUEUE_MAX 32

/* Tables that may wait for their turn while a piece of another is sent; more are answered 503. If
 * all others take as long as send_ms allows, a web server still hears of each within ten
 * seconds. */
#define VIEWER_TABLES_MAX 3

/* How long is waited for what, in milliseconds. */
struct viewer_limits {
    int wait_ms; /* by a request for its turn; then it is answered 503: its sender may have gone */
    int send_ms; /* for a peer that takes nothing of its answer; then it is given up */
    int read_ms; /* for the store, by one answer or by a piece of a table */
};
#define VIEWER_LIMITS ((struct viewer_limits){.wait_ms = 4000, .send_ms = 3000, .read_ms = 1000})

/* A peer that has not taken all of its answer, or of a table's next piece, within this time is
 * given up, too; the site file has nginx wait for 10 s. */
#define VIEWER_TAKE_MS 8000

/* How much lower than the others' their priority is (nice). */
#define VIEWER_NICE 10

/* How long a thread that has nothing to do keeps the store's files open. */
#define VIEWER_KEEP_MS 1000

/* A request on its way to its answer; embedded in what its owner knows it by. */
struct read_request {
    struct request *request; /* read; lent until that is done */
    int socket;
    const struct site_place *place;   /* what it is for */
    atomic_int_fast64_t *deadline_ms; /* set to when its owner is to shut the connection down */
    int64_t since_ms;                 /* when it was taken */
    struct site_part part;
    struct read_request *next; /* the queue's */
};

/* Tells that what was to be read is done and its owner's again: the request is released, its answer
 * SENT or not. Called once for each, in a viewer's thread or in the one that called viewer_take. */
typedef void viewer_done(struct read_request *read_request, bool sent);

struct viewer;

/* Starts the threads. All but LIMITS is lent for the viewer's lifetime. Gives *VIEWER. */
int viewer_start(struct viewer **viewer, const struct options *options,
                 const struct viewer_limits *limits, struct commit *commit, struct metrics *metrics,
                 viewer_done *done, struct fault *fault);

/* Takes one with request, socket, place and deadline set. Thread-safe; never waits. */
void viewer_take(struct viewer *viewer, struct read_request *read_request);

/* The process ends soon: from now on it is not ready. Thread-safe. Safe on NULL. */
void viewer_leave(struct viewer *viewer);

/* Ends the threads behind the answers under way; what still waits is done without one. No take may
 * come any more. Safe on NULL. */
void viewer_stop(struct viewer *viewer);

#endif
