/* stop: ends the process between two steps, after SIGTERM or SIGINT. */
#ifndef FORWARD_STOP_H
#define FORWARD_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the signals only ask for an end. Call it before any thread starts. */
void stop_begin(void);

/* Waits for MS milliseconds (0: does not wait) or until an end is asked for. Returns whether it is.
 * Only for the thread that called stop_begin. */
bool stop_wait(int64_t ms);

#endif
