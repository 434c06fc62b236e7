/* units: times, durations, shares and counts as people type and read them. */
#include "config.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* The units that people write after a number. */
static const struct unit {
    const char *word;
    int64_t ms;
} units[] = {
    {"s", SECOND_MS}, {"m", MINUTE_MS}, {"min", MINUTE_MS},
    {"h", HOUR_MS},   {"d", DAY_MS},    {"w", 7 * DAY_MS},
};
#define UNITS_LENGTH (sizeof units / sizeof units[0])

/* Reads exactly COUNT digits at *WORD and moves it on. */
static bool take_digits(const char **word, int count, int *number)
{
    *number = 0;
    for (int i = 0; i < count; i++, (*word)++) {
        if (!isdigit((unsigned char)**word))
            return false;
        *number = *number * 10 + (**word - '0');
    }
    return true;
}

static bool take(const char **word, char c)
{
    if (**word != c)
        return false;
    (*word)++;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Reads YYYY-MM-DD at *WORD and moves it on. Sets *DAYS since 1970. */
static bool take_date(const char **word, int64_t *days)
{
    int year, month, day;
    if (!take_digits(word, 4, &year) || !take(word, '-') || !take_digits(word, 2, &month) ||
        !take(word, '-') || !take_digits(word, 2, &day) || year < 1970 || month < 1 || month > 12 ||
        day < 1 || day > days_in(year, month))
        return false;
    int64_t count = day - 1;
    for (int m = 1; m < month; m++)
        count += days_in(year, m);
    for (int y = 1970; y < year; y++)
        count += is_leap(y) ? 366 : 365;
    *days = count;
    return true;
}

/* Reads hh:mm:ss and its fraction at *WORD and moves it on. */
static bool take_clock(const char **word, int64_t *ms)
{
    int hour, minute, second;
    if (!take_digits(word, 2, &hour) || !take(word, ':') || !take_digits(word, 2, &minute) ||
        !take(word, ':') || !take_digits(word, 2, &second) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    *ms = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
    if (!take(word, '.'))
        return true;
    if (!isdigit((unsigned char)**word))
        return false;
    for (int64_t digit_ms = 100; isdigit((unsigned char)**word); (*word)++, digit_ms /= 10)
        *ms += (**word - '0') * digit_ms;
    return true;
}

/* Reads Z or +hh:mm at *WORD and moves it on. */
static bool take_offset(const char **word, int64_t *ms)
{
    int hours, minutes;
    *ms = 0;
    if (take(word, 'Z') || take(word, 'z'))
        return true;
    bool before = **word == '-';
    if (!take(word, '+') && !take(word, '-'))
        return false;
    if (!take_digits(word, 2, &hours) || !take(word, ':') || !take_digits(word, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ms = (hours * HOUR_MS + minutes * MINUTE_MS) * (before ? -1 : 1);
    return true;
}

static bool read_calendar(const char *word, int64_t *ms)
{
    int64_t days, clock_ms = 0, offset_ms = 0;
    if (!take_date(&word, &days))
        return false;
    if (*word != '\0') {
        if (!take(&word, 'T') && !take(&word, 't') && !take(&word, ' '))
            return false;
        if (!take_clock(&word, &clock_ms) || !take_offset(&word, &offset_ms) || *word != '\0')
            return false;
    }
    *ms = days * DAY_MS + clock_ms - offset_ms;
    return *ms >= 0;
}

/* Reads today or yesterday: its beginning. */
static bool read_day(const char *word, int64_t now_ms, int64_t *ms)
{
    bool is_yesterday = strcmp(word, "yesterday") == 0;
    if (!is_yesterday && strcmp(word, "today") != 0)
        return false;
    *ms = now_ms - now_ms % DAY_MS - (is_yesterday ? DAY_MS : 0);
    return *ms >= 0;
}

/* Reads one or more numbers with their units, the largest first, and " ago" behind them or not. */
static bool read_before(const char *word, int64_t now_ms, int64_t *ms)
{
    int64_t left = now_ms, unit_ms = INT64_MAX;
    while (isdigit((unsigned char)*word)) {
        char *end;
        errno = 0;
        long long count = strtoll(word, &end, 10);
        word = end + strspn(end, " ");
        size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz"), i = 0;
        while (i < UNITS_LENGTH &&
               (strncmp(word, units[i].word, length) != 0 || units[i].word[length] != '\0'))
            i++;
        if (errno != 0 || i == UNITS_LENGTH || units[i].ms >= unit_ms || count > left / units[i].ms)
            return false;
        unit_ms = units[i].ms;
        left -= count * unit_ms;
        word += length;
    }
    *ms = left;
    return unit_ms < INT64_MAX && (*word == '\0' || strcmp(word, " ago") == 0);
}

int units_time(const char *word, int64_t now_ms, int64_t *ms, struct fault *fault)
{
    int64_t found;
    if (!read_calendar(word, &found) && !read_day(word, now_ms, &found) &&
        !read_before(word, now_ms, &found))
        return fault_set(fault,
                         "%s: not a time; takes 2026-01-02, 2026-01-02T03:04:05Z, today, "
                         "yesterday, or how long ago: 45s, 30m, 1h30m, 7d",
                         word);
    *ms = found;
    return 0;
}

int units_share(const char *word, int64_t *millionths, struct fault *fault)
{
    int64_t share = 0, unit = UNITS_WHOLE / 100;
    const char *c = word;
    bool digits = false, sound = true;
    for (; isdigit((unsigned char)*c) && share <= UNITS_WHOLE; c++, digits = true)
        share = share * 10 + (*c - '0') * unit;
    if (digits && take(&c, '.')) {
        digits = false;
        for (; isdigit((unsigned char)*c); c++, digits = true) {
            sound = sound && unit > 1;
            unit /= 10;
            share += (*c - '0') * unit;
        }
    }
    if (!digits || !sound || strcmp(c, "%") != 0)
        return fault_set(fault,
                         "%s: not a share; takes a percentage with its sign, such as 5%% or 0.25%%",
                         word);
    if (share >= UNITS_WHOLE)
        return fault_set(fault, "%s: no share is above 100%%, so this would never happen", word);
    *millionths = share;
    return 0;
}

bool units_is_above(int64_t part, int64_t whole, int64_t millionths)
{
    /* No overflow: counts stay below 2^43, or eight trillion upgrades. */
    return whole > 0 && part * UNITS_WHOLE > whole * millionths;
}

bool units_digits(const char *word, int64_t *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(word, &end, 10);
    if (!isdigit((unsigned char)word[0]) || *end != '\0' || errno != 0)
        return false;
    *number = parsed;
    return true;
}

int units_number(const char *word, int64_t least, int64_t *number, struct fault *fault)
{
    int64_t found;
    if (!units_digits(word, &found))
        return fault_set(fault, "%s: not a whole number", word);
    if (found < least)
        return fault_set(fault, "%s: takes %lld at least", word, (long long)least);
    *number = found;
    return 0;
}

char *units_age(int64_t ms, char text[UNITS_TEXT_SIZE])
{
    static const struct unit shown[] = {
        {"d", DAY_MS}, {"h", HOUR_MS}, {"min", MINUTE_MS}, {"s", SECOND_MS}};
    snprintf(text, UNITS_TEXT_SIZE, "now");
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        /* Use a unit from 2 of it on. Below that, the next smaller unit says more. */
        if (ms >= 2 * shown[i].ms || (shown[i].ms == SECOND_MS && ms >= SECOND_MS)) {
            snprintf(text, UNITS_TEXT_SIZE, "%lld %s", (long long)(ms / shown[i].ms),
                     shown[i].word);
            break;
        }
    return text;
}

char *units_share_text(int64_t part, int64_t whole, char text[UNITS_TEXT_SIZE])
{
    text[0] = '\0';
    if (whole <= 0)
        return text;
    double thousandths = (double)part * 1000 / (double)whole;
    if (part > 0 && thousandths < 1)
        snprintf(text, UNITS_TEXT_SIZE, "<0.1%%");
    else if (part < whole && thousandths > 999)
        snprintf(text, UNITS_TEXT_SIZE, ">99.9%%");
    else
        snprintf(text, UNITS_TEXT_SIZE, "%.1f%%", thousandths / 10);
    return text;
}
