/* push: hands one kept notification to the application's callback for its notifyType. */
#ifndef RECEIVER_PUSH_H
#define RECEIVER_PUSH_H

#include "push_message_receiver.h"
#include "store/store.h"

#include <stdbool.h>

/* Whether the application has filled in any callback. */
bool push_has_handlers(const struct push_message_receiver *receiver);

/* Calls the callback for KEPT, if there is one; RECEIVER is a struct push_message_receiver. Returns
 * the callback's result; 0 if none is filled in; -1 if memory is short. */
int push_deliver(const void *receiver, const struct store_kept *kept);

#endif
