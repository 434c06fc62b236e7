/* request: a gathered FastCGI request read by libfcgi, and its answer written by libfcgi.
 *
 * libfcgi reads from a descriptor and blocks there. So each worker has a memory file: the request's
 * parameters are laid into it whole, libfcgi decodes them from there without ever waiting, and the
 * answer goes to the connection, by setting the request's descriptor in between. */
#ifndef RECEIVER_REQUEST_H
#define RECEIVER_REQUEST_H

#include "base/fault.h"
#include "receiver/fcgi_reader.h"

#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>

/* A worker's memory file. */
struct request_file {
    int fd;
    unsigned char *bytes;
    size_t size;
};

/* Why a body is not what the web server announced. */
enum request_body {
    REQUEST_BODY_WHOLE,
    REQUEST_BODY_INCOMPLETE, /* more or fewer bytes than CONTENT_LENGTH, or that is no number; or
                                there is none, and the body is a JSON object that was cut */
    REQUEST_BODY_TOO_LARGE,
};

/* One request; embedded in its connection, valid from request_read to request_answer. */
struct request {
    FCGX_Request fcgx;
    const char *method; /* lent by fcgx, "" where the web server sent none */
    const char *path;   /* of REQUEST_URI, not decoded; not terminated */
    size_t path_length;
    enum request_body body;
};

/* Opens a memory file. */
int request_file_open(struct request_file *file, struct fault *fault);
void request_file_close(struct request_file *file);

/* Prepares the process for libfcgi; call once, before any thread starts. */
int request_library_init(struct fault *fault);

/* Reads the whole request in GATHER by way of FILE. The body stays in GATHER. */
int request_read(struct request *request, struct request_file *file,
                 const struct fcgi_reader *reader, struct fault *fault);

/* A parameter of the request, such as HTTP_NONCE for the header Nonce; NULL where there is none.
 * Lent until the request is answered. */
const char *request_parameter(const struct request *request, const char *name);

/* Sends HEAD_AND_BODY (a CGI response) and the end of the request to SOCKET, which is non-blocking:
 * a peer that does not take a few hundred bytes at once has gone wrong. Releases what request_read
 * took. Returns -1 when the answer did not go out whole. */
int request_answer(struct request *request, int socket, const char *head_and_body, size_t length);

/* The same for an answer of any size, or what is left of it, by a thread that may wait for the
 * peer: until that takes nothing for PATIENCE_MS, or the connection is shut down. SOCKET is
 * non-blocking again afterwards. */
int request_answer_patiently(struct request *request, int socket, const char *head_and_body,
                             size_t length, int patience_ms);

/* Sends the beginning of an answer that goes on; when this fails it has ended, and what
 * request_read took is released. */
int request_send_patiently(struct request *request, int socket, const char *bytes, size_t length,
                           int patience_ms);

/* Releases what request_read took, without an answer. */
void request_drop(struct request *request);

#endif
