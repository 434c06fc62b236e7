/* plan: what an operator tells an open store of an operation: the devices that it should reach, and
 * a note; and what the platform said when an operator asked it. Each runs in small transactions
 * between those of a running receiver. */
#ifndef STORE_PLAN_H
#define STORE_PLAN_H

#include "base/fault.h"
#include "store/store.h"

#include <stdint.h>

/* Most bytes of a note. */
#define STORE_NOTE_MAX 500

/* Most bytes of the ids of an operation that no notification has named yet. */
#define STORE_NAMED_MAX 4096

/* The operation meant. It need not have a notification yet, if APP_ID says whose it is. */
struct store_named {
    const char *app_id; /* NULL: the only one that has such an operation */
    const char *operation_id;
    int64_t now_ms; /* since 1970 */
};

/* Gives the next id of a list, lent until the next call, or NULL at its end. No id comes twice.
 * *TOLD may be set to the device's status by the platform's own account; it is NULL before. */
typedef const char *store_each_id(void *owner, const char **told);

/* How many devices a list has, and how many of them have no upgrade in the operation. */
struct store_planned {
    int64_t planned, missing;
};

/* Replaces the operation's list of expected devices by those that EACH gives. If it is interrupted,
 * the operation has no list. Returns 0 or -1. The fault is marked misused if it is not clear which
 * operation is meant, or if that was pruned. The same holds for the functions below. */
int store_save_expected(struct store *store, const struct store_named *named, store_each_id *each,
                        void *owner, struct store_planned *planned, struct fault *fault);

/* Keeps SAID, a JSON object: what the platform says of the operation now. It replaces what was said
 * before. The devices that EACH gives, all with TOLD, become the operation's list, but never in
 * place of one that an operator saved. EACH is NULL if such a list is known to be in shared books.
 * Returns 0, or 1 if such a list stays, or -1 as above. */
int store_keep_asked(struct store *store, const struct store_named *named, const char *said,
                     store_each_id *each, void *owner, struct fault *fault);

/* Removes the list. An operation that has neither a notification nor a note goes with it. Returns
 * 0, or 1 if there is no such operation or list, or -1. */
int store_forget_expected(struct store *store, const struct store_named *named,
                          struct fault *fault);

/* Sets the operation's note, or removes it if TEXT is "", as above. TEXT is UTF-8 of STORE_NOTE_MAX
 * bytes at most. */
int store_set_note(struct store *store, const struct store_named *named, const char *text,
                   struct fault *fault);

#endif
