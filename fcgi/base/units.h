/* units: times, durations, shares and counts as people type and read them. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the texts of units_age and units_share_text, with the NUL. */
#define UNITS_TEXT_SIZE 32

/* Shares are in millionths. */
#define UNITS_WHOLE 1000000

/* Reads a moment, in milliseconds since 1970. WORD is RFC 3339 ("2026-01-02T03:04:05Z", with an
 * optional fraction or offset), a date ("2026-01-02", its beginning in UTC), "today" or "yesterday"
 * (the same), or a time before NOW_MS: whole numbers, each with s, min or m, h, d or w, the largest
 * unit first ("30m", "7d", "1h30m", also as units_age writes them: "3 min ago"). The moment must be
 * in the years 1970 to 9999. */
int units_time(const char *word, int64_t now_ms, int64_t *ms, struct fault *fault);

/* Reads a threshold for a share into millionths. WORD is a percentage with its sign and up to four
 * decimals ("5%", "0.25%"). Refuses 100% and more: no share is above that. */
int units_share(const char *word, int64_t *millionths, struct fault *fault);

/* Whether PART of WHOLE is a larger share than MILLIONTHS. False if WHOLE is 0. */
bool units_is_above(int64_t part, int64_t whole, int64_t millionths);

/* Reads a whole number: only digits, INT64_MAX at most. Returns false for any other WORD. */
bool units_digits(const char *word, int64_t *number);

/* Reads a whole number of at least LEAST. */
int units_number(const char *word, int64_t least, int64_t *number, struct fault *fault);

/* Writes MS milliseconds in the largest unit: "now", "12 s", "3 min", "5 h", "9 d". */
char *units_age(int64_t ms, char text[UNITS_TEXT_SIZE]);

/* Writes the share PART of WHOLE as "4.2%", "" if WHOLE is 0. Only none and all are shown as 0.0%
 * and 100.0%. */
char *units_share_text(int64_t part, int64_t whole, char text[UNITS_TEXT_SIZE]);

#endif
