/* notification: makes a typed record from a body, and a log line from a record. */
#ifndef NOTIFICATION_NOTIFICATION_H
#define NOTIFICATION_NOTIFICATION_H

#include "base/buffer.h"
#include "notification/record.h"
#include "notification/token.h"

/* The members of a result that say how the upgrade ended. */
struct notification_result_members {
    const char *result[2];   /* one of these has SUCCESS or FAIL; NULL: no second one */
    const char *description; /* of the cause of a failure */
    const char *error_code;  /* NULL: this type has none */
};

/* The type of the notification JSON, which matches its schema: its notifyType (JSON owns it), or
 * RESOURCE.EVENT of the successor's envelope (in TEXT), or "". Thread-safe. */
const char *notification_type(const json_t *json, char text[RECORD_ENVELOPE_TYPE_SIZE]);

/* Fills in RECORD's type and ids from RECORD->json, which owns the strings. A member that is
 * missing or no string becomes "". Thread-safe. */
void notification_read_ids(struct record *record);

/* Fills in RECORD's result. The body must match its schema. Thread-safe. */
void notification_read_result(struct record *record,
                              const struct notification_result_members *members);

/* Copies the texts of RECORD, a notification, from its parsed body, and frees that body. A parsed
 * body takes many times the memory, so call this for a record that must wait. Returns -1 if memory
 * is short, and then changes nothing. Thread-safe. */
int notification_settle(struct record *record);

/* Appends the log line of a kept record. Thread-safe. */
void notification_add_log_line(const struct record *record, struct buffer *text);

/* Appends the log line of a kept notification, with its token and the time when it was received.
 * Thread-safe. */
void notification_add_kept_line(const struct token *token, int64_t received_ms, const char *body,
                                size_t length, struct buffer *text);

#endif
