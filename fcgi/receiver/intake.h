/* intake: reads, keeps and logs bodies. */
#ifndef RECEIVER_INTAKE_H
#define RECEIVER_INTAKE_H

#include "base/log.h"
#include "base/metrics.h"
#include "base/options.h"
#include "notification/record.h"
#include "receiver/auth.h"
#include "receiver/commit.h"
#include "receiver/delivery.h"

/* Longer bodies are parsed one at a time, since each may take CONTENT_MEMORY_MAX. */
#define INTAKE_SMALL_MAX ((size_t)16 << 10)

/* Bytes kept for the log lines of the next batch. */
#define INTAKE_LINES_KEPT_MAX ((size_t)1 << 20)

struct intake;

/* Gives *INTAKE, which wakes DELIVERY after each batch, unless that is NULL. All is lent. */
int intake_new(struct intake **intake, const struct options *options, const struct auth *auth,
               struct commit *commit, struct delivery *delivery, struct log *log,
               struct metrics *metrics, struct fault *fault);

/* Frees INTAKE. Safe on NULL. */
void intake_free(struct intake *intake);

/* Parses and classifies a body. RECORD has body and body_length, which are lent for as long as the
 * record is in use, and is otherwise zero; free it with record_release. -1 if memory is short.
 * Thread-safe. */
int intake_read(struct intake *intake, struct record *record, struct fault *fault);

/* Keeps COUNT records together, logs them, and sets each one's outcome; -1: none of them is kept.
 * Thread-safe. */
int intake_keep(struct intake *intake, struct record **records, size_t count, struct fault *fault);

#endif
