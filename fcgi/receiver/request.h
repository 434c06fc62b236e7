/* request: libfcgi reads a gathered FastCGI request, and writes its answer.
 *
 * libfcgi reads from a descriptor and blocks there. So each worker has a memory file. The worker
 * writes the request's parameters into it, and libfcgi decodes them from there without waiting. For
 * the answer, the worker sets the request's descriptor to the connection. */
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

/* How a body differs from what the web server announced. */
enum request_body {
    REQUEST_BODY_WHOLE,
    REQUEST_BODY_INCOMPLETE, /* more or fewer bytes than CONTENT_LENGTH, or that is no number; or it
                                is missing, and the body is a cut JSON object */
    REQUEST_BODY_TOO_LARGE,
};

/* One request; embedded in its connection, valid from request_read to request_answer. */
struct request {
    FCGX_Request fcgx;
    const char *method; /* lent by fcgx, "" if the web server sent none */
    const char *path;   /* of REQUEST_URI, not decoded; not terminated */
    size_t path_length;
    enum request_body body;
};

/* Opens a memory file. */
int request_file_open(struct request_file *file, struct fault *fault);
void request_file_close(struct request_file *file);

/* Prepares the process for libfcgi; call once, before any thread starts. */
int request_library_init(struct fault *fault);

/* Reads the whole request in READER through FILE. The body stays in READER. */
int request_read(struct request *request, struct request_file *file,
                 const struct fcgi_reader *reader, struct fault *fault);

/* A parameter of the request, such as HTTP_NONCE for the header Nonce; NULL if there is none. Lent
 * until the request is answered. */
const char *request_parameter(const struct request *request, const char *name);

/* Sends HEAD_AND_BODY (a CGI response) and the end of the request to SOCKET, which is non-blocking:
 * a peer that does not take a few hundred bytes at once has failed. Releases the memory of
 * request_read. Returns -1 if the answer did not go out whole. */
int request_answer(struct request *request, int socket, const char *head_and_body, size_t length);

/* The same for an answer of any size, or the rest of it, in a thread that may wait for the peer:
 * until the peer takes nothing for PATIENCE_MS, or the connection is shut down. SOCKET is
 * non-blocking again afterwards. */
int request_answer_patiently(struct request *request, int socket, const char *head_and_body,
                             size_t length, int patience_ms);

/* Sends the beginning of an answer that goes on. If this fails the answer has ended, and the memory
 * of request_read is released. */
int request_send_patiently(struct request *request, int socket, const char *bytes, size_t length,
                           int patience_ms);

/* Releases the memory of request_read, without an answer. */
void request_drop(struct request *request);

#endif
