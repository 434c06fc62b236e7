/* operations: says once that an operation is finished, and that too many of its upgrades fail. */
#ifndef FORWARD_OPERATIONS_H
#define FORWARD_OPERATIONS_H

#include "forward/send.h"
#include "store/store.h"

/* Least failed upgrades of a failing operation: of a few, a share says nothing. */
#define OPERATIONS_FAILED_MIN 10

/* Most events of one look, and most of those sent that are remembered. One that is forgotten may be
 * sent again, with the same id. */
#define OPERATIONS_LOOK_MAX 16
#define OPERATIONS_SAID_MAX 1000

/* How often operations are looked at. */
#define OPERATIONS_LOOK_MS 1000

struct operations {
    int64_t since_ms; /* those that changed last before this are done with */
    char said[OPERATIONS_SAID_MAX][SIGN_ID_SIZE]; /* a ring; "": free */
    size_t next;                                  /* place of the next one */
    int64_t looked_ms;                            /* of the clock that never steps */
};

/* Reads what was said. *FIRST is whether this forwarder starts for the first time: then only
 * operations that change from now on count. */
int operations_read(struct operations *operations, const struct settings *settings, bool *first,
                    struct fault *fault);

/* Writes down what was said. */
int operations_write(const struct operations *operations, const struct settings *settings,
                     struct fault *fault);

/* Looks at the operations that changed lately, if it is time to, and sends what is to be said.
 * IDLE is whether all notifications are forwarded: "finished" waits for that. */
int operations_look(struct operations *operations, struct sender *sender,
                    struct store_reader *reader, bool idle, struct fault *fault);

#endif
