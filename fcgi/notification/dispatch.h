/* dispatch: identifies a notification, checks its schema, and says what it means for the store. */
#ifndef NOTIFICATION_DISPATCH_H
#define NOTIFICATION_DISPATCH_H

#include "notification/record.h"

/* Reason for a body that matches its schema but whose application is not accepted. */
#define DISPATCH_APP_NOT_ACCEPTED "appId not accepted"

enum dispatch_result {
    DISPATCH_NOTIFICATION, /* RECORD is a notification */
    DISPATCH_QUARANTINE,   /* RECORD is for quarantine; its verdict gives the reason */
    DISPATCH_NO_MEMORY,    /* unknown, because memory is short */
};

/* Reads RECORD's body and fills in its contents. Sets RECORD->json (NULL for quarantine). Free it
 * with record_release. Thread-safe. */
enum dispatch_result dispatch_read(struct record *record);

/* Changes a notification into a record for quarantine, with a reason and the wrong member. */
void dispatch_quarantine(struct record *record, const char *reason, const char *pointer);

#endif
