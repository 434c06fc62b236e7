/* route: where a whole request goes: to intake, to what can be read, or back with a status. */
#ifndef RECEIVER_ROUTE_H
#define RECEIVER_ROUTE_H

#include "base/options.h"
#include "receiver/auth.h"
#include "receiver/request.h"
#include "receiver/site.h"

#include <stdbool.h>

enum route_to {
    ROUTE_INTAKE, /* a body for the books */
    ROUTE_VIEW,   /* something to read */
    ROUTE_BACK,   /* an answer without either */
};

struct route {
    enum route_to to;
    const struct site_place *place; /* of ROUTE_VIEW */
    int status;                     /* of ROUTE_BACK */
    const char *detail;
    bool is_signed;        /* with one of the tokens that the operator has given */
    bool logged;           /* the platform, or somebody in its place, sent what deserves a line */
    bool misdirected;      /* a POST, and not on a callback path */
    const char *near_miss; /* the callback path that it may have meant; NULL: none */
};

/* The parameter by which a web server says that it does not pass this path on. Such a request comes
 * without its body, to be counted: it is answered 404 whatever its path. */
#define ROUTE_MISDIRECTED "MISDIRECTED"

/* Bytes of a path that is looked at for being nearly a callback path. */
#define ROUTE_NEAR_MISS_MAX 512

/* Judges everything but the body's content. A callback path wins over a place of the same name.
 * Thread-safe. */
struct route route_find(const struct options *options, const struct auth *auth,
                        const struct request *request);

#endif
