/* http: one HTTPS request at a time, with the peer's certificate and name verified. Nothing turns
 * that off. */
#ifndef PLATFORM_HTTP_H
#define PLATFORM_HTTP_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdint.h>

/* Most bytes of an answer. */
#define HTTP_ANSWER_MAX ((size_t)16 << 20)

/* Seconds for a connection. */
#define HTTP_CONNECT_S 10

/* The server, and how it is known. NULL: the system's authorities, no certificate of our own, the
 * name in the URL. */
struct http_peer {
    const char *ca_file, *cert_file, *key_file, *expected_name;
    int64_t timeout_s; /* for one answer */
};

struct http_request {
    const char *method;
    const char *url;  /* https */
    const char *body; /* NULL: none */
    const char *type; /* of the body */
    /* headers; NULL: not sent */
    const char *app_key, *token;
};

struct http_answer {
    long status;
    struct buffer body; /* with a NUL behind its length */
};

struct http;

/* Gives *HTTP, which keeps its connection between requests. All is lent. */
int http_new(struct http **http, const struct http_peer *peer, struct fault *fault);
void http_free(struct http *http);

/* Sends REQUEST and reads the whole ANSWER, of any status. Releases what ANSWER had before. Follows
 * no redirection. On failure FAULT says what happened, and to which host. */
int http_send(struct http *http, const struct http_request *request, struct http_answer *answer,
              struct fault *fault);

/* Appends the beginning of a body for people, on one line. */
void http_add_beginning(const struct http_answer *answer, struct buffer *text);

#endif
