/* peer: one kept connection to the web server, plain or with TLS 1.3, and the request that is under
 * way on it. */
#ifndef PEER_H
#define PEER_H

#include "reply.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long opening a connection may take at each step. */
#define PEER_OPEN_S 10

/* Where peers connect to: 127.0.0.1, and there a port. */
struct peer_target {
    uint16_t port;
    SSL_CTX *tls; /* NULL: plain HTTP */
};

struct peer {
    int fd; /* -1: not open */
    SSL *tls;
    bool busy;       /* with a request */
    const char *out; /* what is left to send of it */
    size_t out_left;
    int64_t since_ns; /* since when it was to be sent */
    struct reply reply;
};

enum peer_state {
    PEER_WAITS,    /* for the rest of the answer */
    PEER_ANSWERED, /* the answer is in reply */
    PEER_BROKEN    /* close it: the request under way has no answer */
};

/* Makes the context of TLS 1.3 that trusts the certificate in the file CACERT; NULL where that
 * cannot be. Free with SSL_CTX_free. */
SSL_CTX *peer_trust(const char *cacert);

/* Connects and shakes hands, waiting for both; 0, or -1 with nothing opened. The socket is
 * non-blocking from then on. */
int peer_open(struct peer *peer, const struct peer_target *target);
void peer_close(struct peer *peer);

/* Begins to send LENGTH bytes, which are lent until they are answered. -1: broken. Where OUT_LEFT
 * is not 0 then, peer_flush goes on once the socket takes more. */
int peer_send(struct peer *peer, const char *bytes, size_t length);
int peer_flush(struct peer *peer);

/* Takes what has arrived. */
enum peer_state peer_receive(struct peer *peer);

#endif
