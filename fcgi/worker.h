/* worker: the pool. Connections wait in an epoll set, whatever their number; a worker takes one
 * only when bytes have arrived, reads what is there, and has a request read, routed and answered
 * once it is whole. No thread ever waits for a peer. */
#ifndef WORKER_H
#define WORKER_H

#include "intake.h"
#include "log.h"
#include "metrics.h"
#include "options.h"
#include "viewer.h"

/* A request must be whole this long after its first byte; a web server has it whole before it
 * sends. */
#define WORKER_REQUEST_MS 10000

/* A new connection must send its first byte within this time. Kept ones may be silent for ever. */
#define WORKER_FIRST_BYTE_MS 30000

/* How often worker_tick wants to be called. */
#define WORKER_TICK_MS 250

/* Bytes of memory that bodies may take, from their first byte to their answer, of all connections
 * together: a body that finds no room is not read until there is some, in the order in which they
 * came. What has room needs no more of it, so all that have get on. One body alone may take more.
 */
#define WORKER_BODIES_MAX ((size_t)256 << 20)

/* Bytes of that for a byte that CONTENT_LENGTH announces, or --max-body for a body without it: the
 * body, which grows by doubling where its length is not known, its texts, and its other spelling.
 */
#define WORKER_BODY_FACTOR 4

/* Bytes of what comes before bodies: the parameters of requests that are not answered yet. More is
 * nothing that a web server sends: the connection that brings it is closed. */
#define WORKER_HEADS_MAX ((size_t)64 << 20)

/* A line about near misses of a callback path is written this often at most. */
#define WORKER_NEAR_MISS_MS 60000

/* Descriptors left to the store, the log and the status file. */
#define WORKER_SPARE_DESCRIPTORS 48

/* A drain leaves a kept connection open until it has been idle this long: the web server may just
 * be sending on it. */
#define WORKER_LINGER_MS 500

/* What worker_drain allows for, in all, before it gives up on silent peers. */
#define WORKER_DRAIN_MS 3000

struct worker_pool;

/* Makes a pool for the listening socket LISTENER (made non-blocking; -1: there is none, and all its
 * connections are adopted). All is lent for its lifetime. Gives *POOL; no thread runs yet. */
int worker_new(struct worker_pool **pool, int listener, const struct options *options,
               const struct trust *trust, struct log *log, struct metrics *metrics,
               struct fault *fault);

/* What intake calls with an answer. Thread-safe. */
intake_reply worker_reply;

/* What the viewer calls when a visit is done. Thread-safe. */
viewer_done worker_seen_off;

/* Starts the threads, which hand what they read to INTAKE, and who wants to read to VIEWER. */
int worker_start(struct worker_pool *pool, struct intake *intake, struct viewer *viewer,
                 struct fault *fault);

/* Ends connections that took too long, and takes up accepting where it was left for lack of
 * descriptors. Fails when the listening socket is of no use any more. Call it every WORKER_TICK_MS.
 */
int worker_tick(struct worker_pool *pool, struct fault *fault);

/* Takes the socket FD as a connection that was accepted; on failure it stays the caller's.
 * Thread-safe. */
int worker_adopt(struct worker_pool *pool, int fd);

/* Whether a worker has been at one event for longer than LIMIT_MS, or an event that each call
 * causes has found no worker for so long. */
bool worker_is_stuck(struct worker_pool *pool, int64_t limit_ms);

/* Stops accepting, lets every request that has begun to arrive be answered, closes connections, and
 * ends the threads: within WORKER_DRAIN_MS and a little. What waits for the store is answered by
 * the writer, and what is being read by the viewer, so intake_stop and viewer_stop come after. */
void worker_drain(struct worker_pool *pool);

/* Frees the pool. Safe on NULL. */
void worker_free(struct worker_pool *pool);

#endif
