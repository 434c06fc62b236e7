/* dispatch: which notification a body is, whether it keeps its schema, what it means for the books.
 */
#ifndef NOTIFICATION_DISPATCH_H
#define NOTIFICATION_DISPATCH_H

#include "notification/record.h"

/* The reason of a body that keeps its schema, but is of an application that is not among the
 * accepted. */
#define DISPATCH_APP_NOT_ACCEPTED "appId not accepted"

enum dispatch_result {
    DISPATCH_NOTIFICATION, /* RECORD is a notification */
    DISPATCH_QUARANTINE,   /* RECORD is for quarantine, as its verdict tells */
    DISPATCH_NO_MEMORY,    /* cannot be told now */
};

/* Reads RECORD's body and fills what it says. Gives RECORD->json (NULL for quarantine), which
 * record_release frees when the record is done with. Thread-safe. */
enum dispatch_result dispatch_read(struct record *record);

/* Turns a notification into one for quarantine, with a reason and the member at fault. */
void dispatch_quarantine(struct record *record, const char *reason, const char *pointer);

#endif
