/* pause: how long to wait before a webhook is sent again. */
#ifndef FORWARD_PAUSE_H
#define FORWARD_PAUSE_H

#include <stdint.h>

/* The first pause and the longest. Each is twice the one before, and between half of it and all of
 * it is waited, by chance. */
#define PAUSE_FIRST_MS 10
#define PAUSE_MOST_MS 300000

/* The longest pause that the other side may ask for, by Retry-After. */
#define PAUSE_ASKED_MOST_MS 3600000

/* Milliseconds to wait after so many failures in a row (at least one), if the last answer asked for
 * ASKED_S seconds (0: it did not). */
int64_t pause_after(unsigned failures, int64_t asked_s);

#endif
