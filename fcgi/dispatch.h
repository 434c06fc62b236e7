/* dispatch: which notification a body is, whether it keeps its schema, what it means for the books.
 */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "record.h"

enum dispatch_result {
    DISPATCH_NOTIFICATION, /* RECORD is a notification */
    DISPATCH_QUARANTINE,   /* RECORD is for quarantine, as its verdict tells */
    DISPATCH_NO_MEMORY,    /* cannot be told now */
};

/* Reads RECORD's body and fills what it says. Gives RECORD->json, to be freed by json_decref when
 * the record is done with (it is NULL for quarantine). Thread-safe. */
enum dispatch_result dispatch_read(struct record *record);

#endif
