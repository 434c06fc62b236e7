/* http: one request at a time to a server, on a connection that is kept (libcurl). The server's
 * certificate and name are always verified, and redirects are not followed. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds for a connection. */
#define HTTP_CONNECT_S 10

/* The server, and how it is known. NULL: the system's authorities, no certificate of our own, the
 * name in the URL. */
struct http_peer {
    const char *ca_file, *cert_file, *key_file, *expected_name;
    const char *distrusted;   /* what an operator does if it is not trusted */
    int64_t timeout_s;        /* for a request and its answer */
    size_t answer_max;        /* most bytes of an answer's body */
    bool (*is_stopped)(void); /* ends a request early; NULL: nothing does */
};

struct http_request {
    const char *method, *url;
    const struct buffer *headers; /* lines NAME: VALUE, each with a NUL at its end */
    const char *body;             /* NULL: none */
    size_t length;                /* of the body */
};

struct http_answer {
    long status;           /* 0: there was no answer */
    int64_t retry_after_s; /* what it asked for; 0: nothing */
    struct buffer body;    /* with a NUL behind its length */
};

struct http;

/* Checks that URL is https, or http to this machine, and has neither a name nor a password. */
int http_check_url(const char *url, struct fault *fault);

/* Gives *HTTP; free it with http_free. PEER is lent. */
int http_new(struct http **http, const struct http_peer *peer, struct fault *fault);
void http_free(struct http *http);

/* Sends REQUEST and reads the whole ANSWER, of any status. Clears what ANSWER had before. On
 * failure FAULT says what happened, and to which server; ANSWER has a status even so if the body
 * alone was cut or too long. */
int http_send(struct http *http, const struct http_request *request, struct http_answer *answer,
              struct fault *fault);

/* Appends the beginning of a body for people, on one line. */
void http_add_beginning(const struct http_answer *answer, struct buffer *text);

#endif
