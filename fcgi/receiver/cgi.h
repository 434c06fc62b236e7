/* cgi: one request that a web server hands to a process of its own (CGI, RFC 3875): the request in
 * environment and stdin, the answer on stdout. The process sends it as a FastCGI request over a
 * connection to itself, so the same code serves it as all others. */
#ifndef RECEIVER_CGI_H
#define RECEIVER_CGI_H

#include "base/buffer.h"
#include "base/fault.h"
#include "receiver/worker.h"

#include <stdbool.h>
#include <stddef.h>

/* A body must be whole this long after the process has begun to read it. */
#define CGI_BODY_MS 10000

/* How many bytes of a body that is too large are read all the same. A web server that still writes
 * to a process that has answered may give up both. */
#define CGI_DISCARD_MAX ((size_t)64 << 20)

/* How long a process waits in the queue of a store that many others write: once to open the store,
 * and again for the one record. With a process per request, a burst makes a long queue. */
#define CGI_STORE_WAIT_MS 4000

/* Keeps stdout for the answer and returns its new descriptor, or -1. From then on descriptor 1 goes
 * where stderr goes, which most web servers show as their own log. */
int cgi_take_stdout(struct fault *fault);

/* Reads the request, sends it to POOL on a connection of its own, and appends the answer, a CGI
 * response. Keeps at most BODY_MAX bytes of the body, and one more if the body is too large. */
int cgi_exchange(size_t body_max, struct worker_pool *pool, struct buffer *answer,
                 struct fault *fault);

/* Writes all of ANSWER to the descriptor FD. */
int cgi_answer(int fd, const struct buffer *answer, struct fault *fault);

#endif
