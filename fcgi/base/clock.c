/* clock: wall-clock time for people and records, monotonic time for time-outs. */
#include "config.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

/* Years since 1900 at which a year has five digits. */
#define YEARS_SHORT (10000 - 1900)

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* For a year of four digits, the usual case. Each log line and each record has such a time, and a
 * format string would cost many times as much. */
static char *format_short(const struct tm *utc, int ms, char text[CLOCK_TEXT_SIZE])
{
    const struct {
        int number, digits;
        char behind;
    } parts[] = {
        {utc->tm_year + 1900, 4, '-'},
        {utc->tm_mon + 1, 2, '-'},
        {utc->tm_mday, 2, 'T'},
        {utc->tm_hour, 2, ':'},
        {utc->tm_min, 2, ':'},
        {utc->tm_sec, 2, '.'},
        {ms, 3, 'Z'},
    };
    char *at = text;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int number = parts[i].number;
        for (int d = parts[i].digits - 1; d >= 0; d--, number /= 10)
            at[d] = (char)('0' + number % 10);
        at += parts[i].digits;
        *at++ = parts[i].behind;
    }
    *at = '\0';
    return text;
}

char *clock_format(int64_t ms, char text[CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    int rest = (int)(ms % 1000);
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    struct tm utc = {0};
    gmtime_r(&seconds, &utc);
    if (utc.tm_year >= 0 && utc.tm_year < YEARS_SHORT)
        return format_short(&utc, rest, text);
    snprintf(text, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, rest);
    return text;
}
