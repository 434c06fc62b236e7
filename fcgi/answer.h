/* answer: what the platform is told, as a CGI response. */
#ifndef ANSWER_H
#define ANSWER_H

#include "record.h"
#include "text.h"

#include <stdbool.h>

/* Seconds after which a refused notification may come again. */
#define ANSWER_RETRY_AFTER "5"

/* Appends a problem (RFC 9457) with an HTTP STATUS that answer.c knows a title for. */
void answer_add_problem(struct text *text, int status, const char *detail);

/* Appends the answer for a record that the store has kept, and returns its HTTP status.
 * REFUSE_INVALID turns a quarantined body's 200 into 400 (no JSON object) or 422 (breaks its
 * schema). */
int answer_add_kept(struct text *text, const struct record *record, bool refuse_invalid);

#endif
