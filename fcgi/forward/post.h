/* post: sends events over HTTP, one at a time, on one connection that is kept (libcurl). Redirects
 * are not followed, and certificates are always verified. */
#ifndef FORWARD_POST_H
#define FORWARD_POST_H

#include "base/buffer.h"
#include "base/fault.h"
#include "forward/settings.h"

#include <stdint.h>

/* Most bytes of an answer's body that are read, and thrown away. With more, the connection is
 * closed. */
#define POST_ANSWER_MAX 65536

#define POST_PROBLEM_SIZE FAULT_TEXT_MAX

/* What became of a request. */
struct post_answer {
    long status;                     /* of HTTP; 0: there was no answer */
    int64_t retry_after_s;           /* what it asked for; 0: nothing */
    char problem[POST_PROBLEM_SIZE]; /* why it was not taken */
};

struct post;

/* Checks the URL and makes *POST; free with post_free. Call it once in a process. */
int post_new(struct post **post, const struct settings *settings, struct fault *fault);
void post_free(struct post *post);

/* Sends BODY with the three headers of a webhook, and waits for the answer. Ends early if the
 * process is asked to end. */
int post_send(struct post *post, const char *id, int64_t at_s, const struct buffer *signatures,
              const struct buffer *body, struct post_answer *answer, struct fault *fault);

#endif
