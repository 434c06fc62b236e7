/* units: the times, durations, shares and counts that people type and read. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of what units_age and units_share_text write, with the NUL. */
#define UNITS_TEXT_SIZE 32

/* Shares are told in millionths. */
#define UNITS_WHOLE 1000000

/* Reads a moment, in milliseconds since 1970: RFC 3339 ("2026-01-02T03:04:05Z", with a fraction or
 * an offset where wanted), a date ("2026-01-02", its beginning in UTC), or a time before NOW_MS: a
 * whole number and s, min or m, h, d or w ("30m", "7d"). Not before 1970 and not after the year
 * 9999. */
int units_time(const char *word, int64_t now_ms, int64_t *ms, struct fault *fault);

/* Reads a share above which something is to happen, as a percentage with its sign and four decimals
 * at most ("5%", "0.25%"), into millionths. 100% and more is refused: no share is above that. */
int units_share(const char *word, int64_t *millionths, struct fault *fault);

/* Whether PART of WHOLE is a larger share than MILLIONTHS; never where WHOLE is 0. */
bool units_is_above(int64_t part, int64_t whole, int64_t millionths);

/* Reads a whole number: digits alone, at most INT64_MAX. False if WORD is none. */
bool units_digits(const char *word, int64_t *number);

/* Reads a whole number from LEAST on. */
int units_number(const char *word, int64_t least, int64_t *number, struct fault *fault);

/* Writes how long MS milliseconds are, to the largest unit: "now", "12 s", "3 min", "5 h", "9 d".
 */
char *units_age(int64_t ms, char text[UNITS_TEXT_SIZE]);

/* Writes the share PART of WHOLE as "4.2%", "" where WHOLE is 0. A share that is neither none nor
 * all is never shown as 0.0% or 100.0%. */
char *units_share_text(int64_t part, int64_t whole, char text[UNITS_TEXT_SIZE]);

#endif
