/* connection: one web server's connection, and the list of all of them. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "commit.h"
#include "gather.h"
#include "monitor.h"
#include "request.h"
#include "viewer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Idle connections that are ended at one time to make room for new ones. */
#define CONNECTION_EVICT_MAX 64

/* How long one must have been idle for that. */
#define CONNECTION_EVICT_IDLE_MS 1000

/* Owned by one thread at a time: by the worker that its event went to, by the writer while its
 * ticket is there, by a viewer while its visit is there, by the epoll set in between. The list's
 * functions touch nothing but the atomics and the descriptor, which stays open for as long as the
 * connection is listed. */
struct connection {
    int fd;
    void *owner; /* the pool, for whoever gets the ticket or the visit back */
    struct gather gather;
    struct text ahead;               /* bytes that came behind a whole request */
    size_t held;                     /* bytes counted for it in the pool's total */
    size_t room;                     /* bytes that its body has of the pool's */
    struct connection *next_waiting; /* for such room, behind it */
    struct request request;
    struct ticket ticket;              /* of a notification */
    struct visit visit;                /* of somebody who reads */
    atomic_int_fast64_t deadline_ms;   /* when its peer must have sent a whole request, or taken the
                                          answer to   a visit; 0: no limit */
    atomic_int_fast64_t idle_since_ms; /* 0: it is not idle */
    struct connection *previous, *next;
};

struct connection_list {
    struct monitor monitor; /* guards the rest; woken when a connection goes */
    struct connection *first;
    size_t length;
};

void connection_list_init(struct connection_list *list);
void connection_list_release(struct connection_list *list);

/* Gives a connection for the socket FD, which it takes, and lists it; NULL when memory is short (FD
 * stays the caller's). */
struct connection *connection_open(struct connection_list *list, int fd, size_t body_max,
                                   void *owner);

/* Unlists, closes and frees the connection. */
void connection_close(struct connection_list *list, struct connection *connection);

/* The connection whose ticket, or visit, this is. */
struct connection *connection_of(struct ticket *ticket);
struct connection *connection_of_visit(struct visit *visit);

size_t connection_count(struct connection_list *list);

/* Shuts down those whose deadline has passed, so that their next event is their end. */
void connection_end_late(struct connection_list *list, int64_t now_ms);

/* Shuts down the reading side of idle connections, the first listed first: at most MOST of them, of
 * those idle since before SINCE_MS. A request that has already arrived is still read and answered.
 */
void connection_end_idle(struct connection_list *list, size_t most, int64_t since_ms);

/* Shuts down all. */
void connection_end_all(struct connection_list *list);

/* Waits until no connection is left, or UNTIL_MS (monotonic); false when some are. */
bool connection_wait_none(struct connection_list *list, int64_t until_ms);

#endif
