/* record: one body on its way into the store, and its outcome there.
 *
 * The receiver fills it. The store keeps it and sets the outcome. The maker of the record owns the
 * memory of every pointer while the record is in use. */
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

/* How a body changes the store. */
enum record_meaning {
    RECORD_NEWS,       /* a notification that belongs to no upgrade */
    RECORD_PROGRESS,   /* an upgrade continues: its step */
    RECORD_RESULT,     /* an upgrade ended: SUCCESS or FAIL */
    RECORD_QUARANTINE, /* not a known notification */
    /* only in the log of shared books: */
    RECORD_LEFT,     /* a body left quarantine */
    RECORD_NOTE,     /* an operator noted something about an operation */
    RECORD_EXPECTED, /* or said which devices it should reach */
};

/* State of an upgrade, with the numbers in the store's tables. */
enum record_state {
    RECORD_IN_PROGRESS = 0,
    RECORD_SUCCESS = 1,
    RECORD_FAIL = 2,
};

enum record_outcome {
    RECORD_PENDING,     /* not kept (yet) */
    RECORD_STORED,      /* a new notification, with number SEQ */
    RECORD_REPEATED,    /* counted as one more delivery of notification SEQ */
    RECORD_QUARANTINED, /* in quarantine under ID */
    RECORD_LOG_ONLY,    /* quarantine is full: only the log keeps it */
    RECORD_REFUSED,     /* quarantine is full and the log has no reader: it is not kept */
    RECORD_GONE,        /* it should leave quarantine, but is no longer there */
};

/* Bytes of the type of an envelope, with the NUL: its schema lists the types, and all are shorter.
 */
#define RECORD_ENVELOPE_TYPE_SIZE 64

struct record {
    enum record_meaning meaning;
    const char *body; /* as received */
    size_t body_length;
    char *rendered;      /* the same content respelled, if necessary; NULL: as received */
    int64_t received_ms; /* since 1970 */
    int64_t requeue_id;  /* its id in quarantine, which it leaves; 0: not from there; if FOLLOWED,
                            -1: it left quarantine before */

    /* of an entry of shared books (store/follow.h) */
    bool followed; /* it is one: it may come after what was received later */
    bool again;    /* shipped a second time: equal content is not one more delivery */
    int64_t times; /* deliveries that it counts as; 0: one */

    /* of a notification: its parsed body and pointers into it, "" for missing texts */
    struct arena memory;
    const json_t *json; /* in MEMORY; NULL after notification_settle */
    char *texts;        /* the copied texts after notification_settle */
    const char *notify_type;
    const char *app_id;
    const char *device_id;
    const char *operation_id;
    const char *sub_operation_id;
    char envelope_type[RECORD_ENVELOPE_TYPE_SIZE];

    /* of a result */
    enum record_state state;
    bool contradictory; /* SUCCESS at another version than the target, or FAIL at the target */
    const char *error_code;
    const char *description; /* of the cause */
    const char *source_version, *target_version;

    /* of quarantine */
    struct schema_verdict verdict;
    bool known;    /* it names a known notifyType: quarantine reserves room for those */
    bool any_app;  /* its receiver accepts every appId */
    bool log_gone; /* the log has no reader: if quarantine is full, the body is refused */

    /* set by the store */
    enum record_outcome outcome;
    int64_t seq;                /* of a notification */
    char life[TOKEN_LIFE_SIZE]; /* of that notification, if it is new */
    int64_t deliveries;         /* of that notification so far */
    int64_t id;                 /* in quarantine */
    int64_t entry;              /* its number in the journal; 0: none */
};

/* The notification's text to keep and log, and its LENGTH in bytes. */
static inline const char *record_text(const struct record *record, size_t *length)
{
    *length = record->rendered != NULL ? strlen(record->rendered) : record->body_length;
    return record->rendered != NULL ? record->rendered : record->body;
}

/* Whether it may come after what was received later: its time decides, and not its order. */
static inline bool record_counts_by_time(const struct record *record)
{
    return record->requeue_id != 0 || record->followed;
}

/* Frees the memory of a read body: the parsed body and the respelled one. */
static inline void record_release(struct record *record)
{
    content_release(&record->memory, record->json);
    record->json = NULL;
    free(record->rendered);
    record->rendered = NULL;
    free(record->texts);
    record->texts = NULL;
}

/* The word for a state in tables, logs and pages. */
static inline const char *record_state_word(enum record_state state)
{
    return state == RECORD_SUCCESS ? "SUCCESS" : state == RECORD_FAIL ? "FAIL" : "IN_PROGRESS";
}

#endif
