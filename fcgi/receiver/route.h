/* route: the destination of a whole request: intake, a viewer, or an answer with a status. */
#ifndef RECEIVER_ROUTE_H
#define RECEIVER_ROUTE_H

#include "base/options.h"
#include "receiver/auth.h"
#include "receiver/request.h"
#include "receiver/site.h"

#include <stdbool.h>

enum route_to {
    ROUTE_INTAKE, /* a body for the books */
    ROUTE_VIEW,   /* a request to read */
    ROUTE_BACK,   /* an answer at once */
};

struct route {
    enum route_to to;
    const struct site_endpoint *endpoint; /* of ROUTE_VIEW */
    int status;                           /* of ROUTE_BACK */
    const char *detail;
    bool is_signed;   /* with one of the operator's tokens */
    bool logged;      /* the platform, or another sender on its path, made an error worth a line */
    bool misdirected; /* a POST, and not on a callback path */
    const char *near_miss; /* the callback path that was perhaps meant; NULL: none */
};

/* A web server sets this parameter to say that it does not pass the path on. Such a request comes
 * without its body, to be counted: its answer is 404 for any path. */
#define ROUTE_MISDIRECTED "MISDIRECTED"

/* The longest path, in bytes, that is compared with the callback paths. */
#define ROUTE_NEAR_MISS_MAX 512

/* Judges everything except the body's content. A callback path wins over an endpoint of the same
 * name. Thread-safe. */
struct route route_find(const struct options *options, const struct auth *auth,
                        const struct request *request);

#endif
