/* peer: connections of the load generator. */
#include "config.h"

#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

SSL_CTX *peer_trust(const char *cacert)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_load_verify_locations(context, cacert, NULL) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* a record's head and content in one read */
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

static int shake_hands(struct peer *peer, SSL_CTX *context)
{
    peer->tls = SSL_new(context);
    if (peer->tls == NULL || SSL_set_fd(peer->tls, peer->fd) != 1)
        return -1;
    return SSL_connect(peer->tls) == 1 ? 0 : -1;
}

int peer_open(struct peer *peer, const struct peer_target *target)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(target->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PEER_OPEN_S};
    const int one = 1;
    peer->busy = false;
    peer->tls = NULL;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0)
        return -1;
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(peer->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        (target->tls != NULL && shake_hands(peer, target->tls) != 0) ||
        fcntl(peer->fd, F_SETFL, fcntl(peer->fd, F_GETFL) | O_NONBLOCK) != 0) {
        peer_close(peer);
        return -1;
    }
    return 0;
}

void peer_close(struct peer *peer)
{
    SSL_free(peer->tls);
    if (peer->fd >= 0)
        close(peer->fd);
    peer->tls = NULL;
    peer->fd = -1;
    peer->busy = false;
}

/* Like write and read: bytes done, 0 at the end of the connection, -1 where it failed; -EAGAIN
 * where it has to wait. */
static ssize_t put(struct peer *peer, const char *bytes, size_t length)
{
    if (peer->tls != NULL) {
        int written = SSL_write(peer->tls, bytes, (int)length);
        if (written > 0)
            return written;
        int error = SSL_get_error(peer->tls, written);
        return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? -EAGAIN : -1;
    }
    ssize_t written = send(peer->fd, bytes, length, MSG_NOSIGNAL);
    return written < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : written;
}

static ssize_t get(struct peer *peer, char *bytes, size_t size)
{
    if (peer->tls != NULL) {
        int received = SSL_read(peer->tls, bytes, (int)size);
        if (received > 0)
            return received;
        int error = SSL_get_error(peer->tls, received);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -EAGAIN : -1;
    }
    ssize_t received = recv(peer->fd, bytes, size, 0);
    return received < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : received;
}

int peer_flush(struct peer *peer)
{
    while (peer->out_left > 0) {
        ssize_t written = put(peer, peer->out, peer->out_left);
        if (written == -EAGAIN)
            return 0;
        if (written <= 0)
            return -1;
        peer->out += written;
        peer->out_left -= (size_t)written;
    }
    return 0;
}

int peer_send(struct peer *peer, const char *bytes, size_t length)
{
    peer->busy = true;
    peer->out = bytes;
    peer->out_left = length;
    peer->reply.length = 0;
    return peer_flush(peer);
}

enum peer_state peer_receive(struct peer *peer)
{
    struct reply *reply = &peer->reply;
    for (;;) {
        char unasked;
        /* without a request, the only thing to come is the end, or a ticket of TLS */
        ssize_t received = peer->busy
                               ? get(peer, reply->bytes + reply->length, REPLY_MAX - reply->length)
                               : get(peer, &unasked, 1);
        if (received == -EAGAIN)
            return PEER_WAITS;
        if (received <= 0 || !peer->busy)
            return PEER_BROKEN;
        reply->length += (size_t)received;
        switch (reply_read(reply)) {
        case REPLY_WHOLE:
            peer->busy = false;
            return PEER_ANSWERED;
        case REPLY_BROKEN:
            return PEER_BROKEN;
        case REPLY_MORE:
            break;
        }
    }
}
