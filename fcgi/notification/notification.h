/* notification: from a body's bytes to a typed record, and from a record to its log line. */
#ifndef NOTIFICATION_NOTIFICATION_H
#define NOTIFICATION_NOTIFICATION_H

#include "base/buffer.h"
#include "notification/record.h"
#include "notification/token.h"

/* The members in which a kind of result says how the upgrade ended. */
struct notification_result_members {
    const char *result[2];   /* SUCCESS or FAIL stands in one of these; NULL: no second one */
    const char *description; /* of the cause of a failure */
    const char *error_code;  /* NULL: this kind has none */
};

/* Fills RECORD's ids from RECORD->json, which keeps the strings; a member that is missing or no
 * string is "". Thread-safe. */
void notification_read_ids(struct record *record);

/* Fills what RECORD's result says. The body has passed its schema. Thread-safe. */
void notification_read_result(struct record *record,
                              const struct notification_result_members *members);

/* Copies the texts that RECORD, a notification, has of its parsed body, and frees that, which takes
 * many times the memory: for a record that waits. -1 when memory is short, and nothing is changed.
 * Thread-safe. */
int notification_settle(struct record *record);

/* Appends the log line of a record that the store has kept. Thread-safe. */
void notification_add_log_line(const struct record *record, struct buffer *text);

/* Appends the log line of a notification that the store has kept, whose token this is, with the
 * time when it was received. Thread-safe. */
void notification_add_kept_line(const struct token *token, int64_t received_ms, const char *body,
                                size_t length, struct buffer *text);

#endif
