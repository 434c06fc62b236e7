/* worker: the pool of workers. Each worker is a thread with connections of its own. In a loop, it
 * reads and parses everything that has arrived, takes its turn at the store, keeps all of it in one
 * transaction, logs it, answers, and waits. As the load grows, batches form by themselves in the
 * sockets. A worker never waits for a peer. */
#ifndef RECEIVER_WORKER_H
#define RECEIVER_WORKER_H

#include "base/log.h"
#include "base/metrics.h"
#include "base/options.h"
#include "postgres/shipper.h"
#include "receiver/intake.h"
#include "receiver/viewer.h"

/* Most bodies in one transaction. While a worker keeps them, the web server can only read more:
 * with 256, fewer a second were answered on 256 connections than with 64. */
#define WORKER_BATCH_MAX 64

/* Bytes of bodies in one transaction, and one body more: bounds the transaction and its memory. */
#define WORKER_BATCH_BYTES_MAX ((size_t)4 << 20)

/* A request must be whole this long after its first byte; a web server sends it when it has all of
 * it. */
#define WORKER_REQUEST_MS 10000

/* A new connection must send its first byte within this time. A kept one may be silent for ever. */
#define WORKER_FIRST_BYTE_MS 30000

/* How often a worker looks at the time, even while bytes arrive; and how often while it drains. */
#define WORKER_LOOK_MS 250
#define WORKER_DRAIN_LOOK_MS 50

/* Bytes of memory that the bodies of all connections may take together, from first byte to answer.
 * If a body finds no room, it is not read until there is some, in the order in which the bodies
 * came to their worker. A body that has room needs no more, so it never blocks. One body alone may
 * take more. */
#define WORKER_BODIES_MAX ((size_t)256 << 20)

/* Bytes of that for each byte that CONTENT_LENGTH announces, or of --max-body if it announces none:
 * the body, which grows by doubling if its length is not known, its texts, and its other spelling.
 */
#define WORKER_BODY_FACTOR 4

/* Bytes of the parameters of requests that are not answered yet. A web server never sends more: the
 * connection that brings more is closed. */
#define WORKER_HEADS_MAX ((size_t)64 << 20)

/* Shortest time between two lines about near misses of a callback path. */
#define WORKER_NEAR_MISS_MS 60000

/* Descriptors reserved for the store, the log and the status file. */
#define WORKER_SPARE_DESCRIPTORS 48

/* How many idle connections are ended at a time to make room for new ones, and how long one must
 * have been idle. */
#define WORKER_EVICT_MAX 64
#define WORKER_EVICT_IDLE_MS 1000

/* A drain leaves a kept connection open until it has been idle this long: the web server may be
 * sending on it. */
#define WORKER_LINGER_MS 500

/* The longest time that worker_drain waits for silent peers. */
#define WORKER_DRAIN_MS 3000

struct worker_pool;

/* Makes a pool for the listening socket LISTENER (made non-blocking; -1: there is none, and all its
 * connections are adopted). All is lent for its lifetime. Gives *POOL; no thread runs yet. */
int worker_new(struct worker_pool **pool, int listener, const struct options *options,
               const struct auth *auth, struct log *log, struct metrics *metrics,
               struct fault *fault);

/* Has the pool answer a notification only after SHIPPER (lent) has confirmed it, or is away. Call
 * it before worker_start. Without it no answer waits. */
void worker_hold(struct worker_pool *pool, struct shipper *shipper);

/* Tells the pool OWNER that the shipper has confirmed more, or is away. Thread-safe. */
void worker_hear(void *owner);

/* The viewer calls this when a request is done. Thread-safe. */
viewer_done worker_seen_off;

/* Starts the threads. They give bodies to INTAKE, and requests to read to VIEWER. */
int worker_start(struct worker_pool *pool, struct intake *intake, struct viewer *viewer,
                 struct fault *fault);

/* Takes the socket FD as an accepted connection; on failure it stays the caller's. Thread-safe. */
int worker_adopt(struct worker_pool *pool, int fd);

/* Fails if the listening socket is unusable. Thread-safe. */
int worker_check(struct worker_pool *pool, struct fault *fault);

/* Whether a worker has been in one round of its loop for longer than LIMIT_MS. Thread-safe. */
bool worker_is_stuck(struct worker_pool *pool, int64_t limit_ms);

/* Stops accepting, lets workers answer every request that has begun to arrive, closes connections,
 * and ends the threads: within WORKER_DRAIN_MS and a little. A viewer may still have connections,
 * so viewer_stop comes after. */
void worker_drain(struct worker_pool *pool);

/* Frees the pool. Safe on NULL. */
void worker_free(struct worker_pool *pool);

#endif
