/* answer: the answers to the platform, as CGI responses, and the form of a problem in any answer.
 */
#ifndef RECEIVER_ANSWER_H
#define RECEIVER_ANSWER_H

#include "base/buffer.h"
#include "notification/record.h"

#include <stdbool.h>

/* Seconds after which a refused notification may come again. */
#define ANSWER_RETRY_AFTER "5"

/* The reason phrase of an HTTP STATUS that answer.c knows. */
const char *answer_title(int status);

/* Appends a problem (RFC 9457) as JSON, and as a response. answer.c must know the HTTP STATUS.
 * POINTER is the place in the body that DETAIL is about, "" if there is none. The first leaves the
 * object open for more members. */
void answer_begin_problem_body(struct buffer *body, int status, const char *detail);
void answer_add_problem_body(struct buffer *body, int status, const char *detail,
                             const char *pointer);
void answer_add_problem(struct buffer *text, int status, const char *detail, const char *pointer);

/* Appends the answer to the question whether a callback URL leads here. */
void answer_add_here(struct buffer *text);

/* Appends the answer for a record and returns its HTTP status. The store has kept the record, or
 * refused it because quarantine is full and the log reaches nobody (503). REFUSE_INVALID turns a
 * quarantined body's 200 into 400 (no JSON object) or 422 (breaks its schema). */
int answer_add_kept(struct buffer *text, const struct record *record, bool refuse_invalid);

#endif
