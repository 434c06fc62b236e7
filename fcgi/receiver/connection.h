/* connection: one web server's connection. It belongs to one worker; while a viewer answers a
 * request to read, to that viewer. */
#ifndef RECEIVER_CONNECTION_H
#define RECEIVER_CONNECTION_H

#include "base/buffer.h"
#include "notification/record.h"
#include "receiver/fcgi_reader.h"
#include "receiver/request.h"
#include "receiver/viewer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

struct connection {
    int fd;
    struct worker *worker; /* its owner */
    struct fcgi_reader reader;
    struct buffer ahead;              /* bytes that came after a whole request */
    struct request request;           /* once it is whole */
    struct record record;             /* if it is a notification */
    bool weighs;                      /* its answer weighs (base/metrics.h) */
    struct read_request read_request; /* if it is a request to read */
    bool sent;                        /* read_request has its answer */
    bool armed;                       /* its worker waits for bytes from it */
    size_t held;                      /* bytes counted for it in the pool's total */
    size_t room;                      /* bytes reserved for its body, of the worker's */
    int64_t idle_since_ms;            /* 0: it is not idle */
    int64_t held_until_ms;            /* how long its answer waits for the books; 0: it does not */
    /* When its peer must have sent a whole request, or taken the answer to its request to read; 0:
     * no limit. A viewer may set it. */
    atomic_int_fast64_t deadline_ms;
    struct connection *previous, *next; /* of the same worker */
    struct connection *next_in_line;    /* of a connection_line */
};

/* A queue of waiting connections, the first come first. */
struct connection_line {
    struct connection *first, **last;
};

void connection_line_init(struct connection_line *line);
void connection_line_add(struct connection_line *line, struct connection *connection);
/* Gives the first one, or NULL if there is none. */
struct connection *connection_line_take(struct connection_line *line);

/* Gives a connection for the socket FD, which owns FD from then on. NULL if memory is short; FD
 * stays the caller's. */
struct connection *connection_new(int fd, size_t body_max, struct worker *worker);

/* Closes and frees the connection. */
void connection_free(struct connection *connection);

#endif
