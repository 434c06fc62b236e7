/* intake: the story of one notification, from its bytes to its answer. */
#ifndef INTAKE_H
#define INTAKE_H

#include "commit.h"
#include "delivery.h"
#include "log.h"
#include "metrics.h"
#include "options.h"
#include "store.h"
#include "text.h"
#include "trust.h"

/* Sends ANSWER (a CGI response, lent; failed when memory was short) for the ticket, which is the
 * owner's again. Called once per ticket, in the writer's thread or in the one that called
 * intake_take. */
typedef void intake_reply(struct ticket *ticket, int status, const struct text *answer);

/* Longer bodies are parsed one at a time, since each may take CONTENT_MEMORY_MAX meanwhile. */
#define INTAKE_SMALL_MAX ((size_t)16 << 10)

/* Bytes kept for the log lines of the next batch. */
#define INTAKE_LINES_KEPT_MAX ((size_t)1 << 20)

struct intake;

/* Starts the writer on STORE (see commit_start for OPEN_FAULT). All but OPEN_FAULT is lent for the
 * intake's lifetime. Gives *INTAKE. */
int intake_start(struct intake **intake, const struct options *options, const struct trust *trust,
                 struct store *store, const struct fault *open_fault, struct log *log,
                 struct metrics *metrics, intake_reply *reply, struct fault *fault);

/* Has DELIVERY, which is lent, woken after each batch. Call it before the first take. */
void intake_wake(struct intake *intake, struct delivery *delivery);

/* Takes a body: TICKET's record has body, body_length and is otherwise zero; TICKET weighs if it
 * was signed. The bytes are lent until the reply. Thread-safe. */
void intake_take(struct intake *intake, struct ticket *ticket);

/* The writer, for those who show how it is. */
struct commit *intake_commit(struct intake *intake);

/* Answers what is under way and frees INTAKE. No take may come any more. Safe on NULL. */
void intake_stop(struct intake *intake);

#endif
