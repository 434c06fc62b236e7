/* record: one body on its way into the books, and what became of it there.
 *
 * The receiver fills it, the store keeps it and notes the outcome. Every pointer is lent by whoever
 * made the record, for as long as the record is in use. */
#ifndef NOTIFICATION_RECORD_H
#define NOTIFICATION_RECORD_H

#include "notification/content.h"
#include "notification/token.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a body means for the books. */
enum record_meaning {
    RECORD_NEWS,       /* a notification that is no part of an upgrade */
    RECORD_PROGRESS,   /* an upgrade goes on: its step */
    RECORD_RESULT,     /* an upgrade ended: SUCCESS or FAIL */
    RECORD_QUARANTINE, /* no notification we know */
};

/* State of an upgrade; the numbers are what the store's tables hold. */
enum record_state {
    RECORD_IN_PROGRESS = 0,
    RECORD_SUCCESS = 1,
    RECORD_FAIL = 2,
};

enum record_outcome {
    RECORD_PENDING,     /* not kept (yet) */
    RECORD_STORED,      /* a notification of its own, numbered SEQ */
    RECORD_REPEATED,    /* counted as one more delivery of notification SEQ */
    RECORD_QUARANTINED, /* in quarantine under ID */
    RECORD_LOG_ONLY,    /* quarantine is full: it goes to the log alone */
    RECORD_REFUSED,     /* quarantine is full and the log takes nothing: it is kept nowhere */
    RECORD_GONE,        /* it was to leave quarantine, and is not there any more */
};

struct record {
    enum record_meaning meaning;
    const char *body; /* as received */
    size_t body_length;
    char *rendered; /* the same content spelled another way, where it must be; NULL: as received */
    int64_t received_ms; /* since 1970 */
    int64_t requeue_id;  /* it comes from quarantine, where it had this id, and leaves it; 0: no */

    /* of a notification: its parsed body and what points into it, "" where it has none */
    struct arena memory;
    const json_t *json; /* in MEMORY; NULL once notification_settle has let go of it */
    char *texts;        /* where what points into it is then */
    const char *notify_type;
    const char *app_id;
    const char *device_id;
    const char *operation_id;
    const char *sub_operation_id;

    /* of a result */
    enum record_state state;
    bool contradictory; /* SUCCESS elsewhere than at the target version, or FAIL at it */
    const char *error_code;
    const char *description; /* of the cause */
    const char *source_version, *target_version;

    /* of quarantine */
    struct schema_verdict verdict;
    bool known;    /* it names a notifyType that is known: room is set aside for those */
    bool any_app;  /* its receiver accepts every appId */
    bool log_gone; /* the log reaches nobody: if quarantine has no room, it is refused */

    /* set by the store */
    enum record_outcome outcome;
    int64_t seq;                /* of a notification */
    char life[TOKEN_LIFE_SIZE]; /* of that, if it is a notification of its own */
    int64_t deliveries;         /* of that notification, so far */
    int64_t id;                 /* in quarantine */
};

/* The notification's text as it is kept and logged, and its LENGTH in bytes. */
static inline const char *record_text(const struct record *record, size_t *length)
{
    *length = record->rendered != NULL ? strlen(record->rendered) : record->body_length;
    return record->rendered != NULL ? record->rendered : record->body;
}

/* Frees what reading the body allocated: the parsed body and its other spelling. */
static inline void record_release(struct record *record)
{
    content_release(&record->memory, record->json);
    record->json = NULL;
    free(record->rendered);
    record->rendered = NULL;
    free(record->texts);
    record->texts = NULL;
}

/* The word for a state, as tables, logs and pages show it. */
static inline const char *record_state_word(enum record_state state)
{
    return state == RECORD_SUCCESS ? "SUCCESS" : state == RECORD_FAIL ? "FAIL" : "IN_PROGRESS";
}

#endif
