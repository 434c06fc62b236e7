/* drive: carries out a plan: requests over kept connections, each with one under way at a time, and
 * what became of them. One thread, one epoll set, one write and one read for a request. */
#ifndef DRIVE_H
#define DRIVE_H

#include "peer.h"
#include "requests.h"
#include "tally.h"

#include <signal.h>
#include <stdint.h>

#define DRIVE_CONNECTIONS_MAX 4096

struct drive_plan {
    struct peer_target target;
    struct requests_plan requests;
    unsigned connections;
    double seconds; /* after which nothing more is sent; 0: until all is */
    uint64_t rate;  /* requests a second, whatever becomes of the earlier ones; 0: each connection
                       sends when it has its answer */
    const volatile sig_atomic_t *stop; /* once set, nothing more is sent */
};

struct drive_outcome {
    struct tally tally; /* to be released, also after a failure */
    double seconds;     /* from the first request to the last answer */
    double cpu_seconds; /* of this process in that time */
    size_t body_bytes;  /* of one body, on average */
};

/* 0, or -1 with words on stderr where it could not begin. Nothing is sent twice, and nothing is
 * hidden: a connection that ends with a request under way leaves that without an answer, and is
 * counted. */
int drive_run(const struct drive_plan *plan, struct drive_outcome *outcome);

#endif
