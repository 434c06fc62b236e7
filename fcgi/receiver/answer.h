/* answer: what the platform is told, as a CGI response; and what problems look like, whoever is
 * told. */
#ifndef RECEIVER_ANSWER_H
#define RECEIVER_ANSWER_H

#include "base/buffer.h"
#include "notification/record.h"

#include <stdbool.h>

/* Seconds after which a refused notification may come again. */
#define ANSWER_RETRY_AFTER "5"

/* The words behind an HTTP STATUS, of those that answer.c knows. */
const char *answer_title(int status);

/* Appends a problem (RFC 9457) as JSON, without a head. */
void answer_add_problem_body(struct buffer *body, int status, const char *detail);

/* Appends a problem as a response, with an HTTP STATUS that answer.c knows. */
void answer_add_problem(struct buffer *text, int status, const char *detail);

/* Appends the answer for a record that the store has kept, or refused because quarantine is full
 * and the log reaches nobody (503), and returns its HTTP status. REFUSE_INVALID turns a quarantined
 * body's 200 into 400 (no JSON object) or 422 (breaks its schema). */
int answer_add_kept(struct buffer *text, const struct record *record, bool refuse_invalid);

#endif
