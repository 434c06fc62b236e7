/* worker: the pool. Each worker is a thread with connections of its own, and a loop: it waits,
 * reads and parses everything that has arrived, takes its turn at the store, keeps all of it in one
 * transaction, logs it, answers, and waits again. Batches form by themselves in the sockets as the
 * load grows. A worker never waits for a peer. */
#ifndef RECEIVER_WORKER_H
#define RECEIVER_WORKER_H

#include "base/log.h"
#include "base/metrics.h"
#include "base/options.h"
#include "receiver/intake.h"
#include "receiver/viewer.h"

/* Most bodies in one transaction. While a worker keeps them, the web server has nothing to do but
 * to read more: with 256, fewer a second were answered on 256 connections than with 64. */
#define WORKER_BATCH_MAX 64

/* Bytes of bodies in one transaction, and one body more: bounds that too, and its memory. */
#define WORKER_BATCH_BYTES_MAX ((size_t)4 << 20)

/* A request must be whole this long after its first byte; a web server has it whole before it
 * sends. */
#define WORKER_REQUEST_MS 10000

/* A new connection must send its first byte within this time. Kept ones may be silent for ever. */
#define WORKER_FIRST_BYTE_MS 30000

/* How often a worker looks at the time, whatever arrives; and how often while it drains. */
#define WORKER_LOOK_MS 250
#define WORKER_DRAIN_LOOK_MS 50

/* Bytes of memory that bodies may take, from their first byte to their answer, of all connections
 * together. A body that finds no room is not read until there is some, in the order in which they
 * came to their worker. A body that has room needs no more of it, so all that have get on. One body
 * alone may take more. */
#define WORKER_BODIES_MAX ((size_t)256 << 20)

/* Bytes of that for a byte that CONTENT_LENGTH announces, or --max-body for a body without it: the
 * body, which grows by doubling if its length is not known, its texts, and its other spelling. */
#define WORKER_BODY_FACTOR 4

/* Bytes of what comes before bodies: the parameters of requests that are not answered yet. More is
 * nothing that a web server sends: the connection that brings it is closed. */
#define WORKER_HEADS_MAX ((size_t)64 << 20)

/* A line about near misses of a callback path is written this often at most. */
#define WORKER_NEAR_MISS_MS 60000

/* Descriptors left to the store, the log and the status file. */
#define WORKER_SPARE_DESCRIPTORS 48

/* Idle connections that are ended at one time to make room for new ones, and how long one must have
 * been idle for that. */
#define WORKER_EVICT_MAX 64
#define WORKER_EVICT_IDLE_MS 1000

/* A drain leaves a kept connection open until it has been idle this long: the web server may just
 * be sending on it. */
#define WORKER_LINGER_MS 500

/* What worker_drain allows for, in all, before it gives up on silent peers. */
#define WORKER_DRAIN_MS 3000

struct worker_pool;

/* Makes a pool for the listening socket LISTENER (made non-blocking; -1: there is none, and all its
 * connections are adopted). All is lent for its lifetime. Gives *POOL; no thread runs yet. */
int worker_new(struct worker_pool **pool, int listener, const struct options *options,
               const struct auth *auth, struct log *log, struct metrics *metrics,
               struct fault *fault);

/* What the viewer calls when a request is done. Thread-safe. */
viewer_done worker_seen_off;

/* Starts the threads, which give what they read to INTAKE, and who wants to read to VIEWER. */
int worker_start(struct worker_pool *pool, struct intake *intake, struct viewer *viewer,
                 struct fault *fault);

/* Takes the socket FD as a connection that was accepted; on failure it stays the caller's.
 * Thread-safe. */
int worker_adopt(struct worker_pool *pool, int fd);

/* Fails if the listening socket is of no use any more. Thread-safe. */
int worker_check(struct worker_pool *pool, struct fault *fault);

/* Whether a worker has been in one round of its loop for longer than LIMIT_MS. Thread-safe. */
bool worker_is_stuck(struct worker_pool *pool, int64_t limit_ms);

/* Stops accepting, lets every request that has begun to arrive be answered, closes connections, and
 * ends the threads: within WORKER_DRAIN_MS and a little. A viewer may still have connections, so
 * viewer_stop comes after. */
void worker_drain(struct worker_pool *pool);

/* Frees the pool. Safe on NULL. */
void worker_free(struct worker_pool *pool);

#endif
