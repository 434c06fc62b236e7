/* cgi: one request that a web server hands to a process of its own (CGI, RFC 3875): in environment
 * and stdin, the answer on stdout. It becomes a FastCGI request on a connection of the process with
 * itself, so that it is read, checked, kept and answered by what serves all others. */
#ifndef RECEIVER_CGI_H
#define RECEIVER_CGI_H

#include "base/buffer.h"
#include "base/fault.h"
#include "receiver/worker.h"

#include <stdbool.h>
#include <stddef.h>

/* A body must be whole this long after the process has begun to read it. */
#define CGI_BODY_MS 10000

/* Bytes of a body that is too large which are read all the same: a web server that still writes to
 * a process which has answered may give up both. */
#define CGI_DISCARD_MAX ((size_t)64 << 20)

/* How long a process stands in line before a store that many others write, for the store to be
 * opened and again for the one record: where each request has a process, a burst is a long line. */
#define CGI_STORE_WAIT_MS 4000

/* Whether the environment is that of a CGI program. */
bool cgi_is_asked(void);

/* Keeps stdout for the answer and returns its new descriptor, or -1: from now on descriptor 1 is
 * where stderr goes, which most web servers show as their own log. */
int cgi_take_stdout(struct fault *fault);

/* Reads the request, sends it to POOL on a connection of its own, and appends the answer, a CGI
 * response. Of the body at most BODY_MAX bytes are kept and one more, which is then too many. */
int cgi_exchange(size_t body_max, struct worker_pool *pool, struct buffer *answer,
                 struct fault *fault);

/* Writes all of ANSWER to the descriptor FD. */
int cgi_answer(int fd, const struct buffer *answer, struct fault *fault);

#endif
