/* event: what is sent: {"type":..., "timestamp":..., "data":{...}}, and its id. */
#ifndef FORWARD_EVENT_H
#define FORWARD_EVENT_H

#include "base/buffer.h"
#include "base/fault.h"
#include "forward/settings.h"
#include "forward/sign.h"
#include "store/lists.h"

#include <stdbool.h>

struct event {
    char id[SIGN_ID_SIZE];
    struct buffer body;
    int64_t seq; /* of a notification; 0: about an operation */
};

/* Makes the event of a kept notification. *WANTED is whether its type is forwarded; if not, there
 * is no body. The id of a notification of the upgrade family is made of its content, which is a
 * repeat for ever. Equal news is no repeat for ever, so the id of other notifications is made of
 * the token, too. */
int event_of_notification(const struct settings *settings, const struct store_kept *kept,
                          struct event *event, bool *wanted, struct fault *fault);

/* Makes the event TYPE about an operation: SETTINGS_FAILING, once for an operation, or
 * SETTINGS_FINISHED, once for each state of its counters. */
int event_of_operation(const char *type, const struct store_operation_row *row, struct event *event,
                       struct fault *fault);

void event_release(struct event *event);

#endif
