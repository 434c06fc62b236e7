/* run: forwards what a store keeps, until the process is asked to end. */
#ifndef FORWARD_RUN_H
#define FORWARD_RUN_H

#include "base/fault.h"
#include "forward/settings.h"
#include "forward/sign.h"

/* Most notifications that are sent before the cursor moves, and the longest time until it does. A
 * crash repeats no more of them. */
#define RUN_AHEAD_MAX 64
#define RUN_AHEAD_MS 250

/* How often it looks for new notifications, and whether a store that failed works again. */
#define RUN_LOOK_MS 100
#define RUN_FAULT_MS 1000

/* Returns 0 after SIGTERM or SIGINT, or -1 if it cannot begin. */
int run_forward(const struct settings *settings, const struct sign *sign, struct fault *fault);

#endif
