/* clock: wall-clock time for people and records, monotonic time for time-outs. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* "2026-01-02T03:04:05.678Z" and its NUL, with room for any year of a wrong clock. */
#define CLOCK_TEXT_SIZE 80

/* Milliseconds since 1970-01-01T00:00:00Z by the system's clock, which may step. */
int64_t clock_now_ms(void);

/* Milliseconds of a clock that never steps. Only differences have a meaning. */
int64_t clock_monotonic_ms(void);

/* The same clock in microseconds, for times below a millisecond. */
int64_t clock_monotonic_us(void);

/* Writes MS (milliseconds since 1970) as RFC 3339 in UTC with milliseconds; returns TEXT. */
char *clock_format(int64_t ms, char text[CLOCK_TEXT_SIZE]);

#endif
