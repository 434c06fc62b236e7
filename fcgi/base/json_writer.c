/* json_writer: writes JSON member by member. */
#include "config.h"

#include "base/json_writer.h"

#include "base/clock.h"

#include <string.h>

/* Writes the comma and the name before a member or element. There is no comma after the space that
 * begins a line. */
static void begin(struct buffer *text, const char *name)
{
    char last = text->length > 0 ? text->bytes[text->length - 1] : '{';
    if (last != '{' && last != '[' && last != ' ')
        buffer_add(text, ",", 1);
    if (name != NULL)
        buffer_addf(text, "\"%s\":", name);
}

void json_open(struct buffer *text, const char *name, char bracket)
{
    /* A document may follow another one, on its own line. */
    if (text->length > 0 && text->bytes[text->length - 1] != '\n')
        begin(text, name);
    buffer_add(text, &bracket, 1);
}

void json_close(struct buffer *text, char bracket)
{
    buffer_add(text, &bracket, 1);
}

void json_add_line(struct buffer *text)
{
    begin(text, NULL);
    buffer_add_string(text, "\n ");
}

void json_add_string(struct buffer *text, const char *name, const char *value)
{
    if (value == NULL) {
        json_add_null(text, name);
        return;
    }
    begin(text, name);
    buffer_add_json_string(text, value, strlen(value));
}

void json_add_number(struct buffer *text, const char *name, int64_t value)
{
    begin(text, name);
    buffer_add_number(text, value);
}

void json_add_bool(struct buffer *text, const char *name, bool value)
{
    begin(text, name);
    buffer_add_string(text, value ? "true" : "false");
}

void json_add_null(struct buffer *text, const char *name)
{
    begin(text, name);
    buffer_add_string(text, "null");
}

void json_add_time(struct buffer *text, const char *name, int64_t ms)
{
    char time[CLOCK_TEXT_SIZE];
    begin(text, name);
    buffer_addf(text, "\"%s\"", clock_format(ms, time));
}

void json_add_time_or_null(struct buffer *text, const char *name, int64_t ms)
{
    if (ms != 0)
        json_add_time(text, name, ms);
    else
        json_add_null(text, name);
}

void json_add_share(struct buffer *text, const char *name, int64_t part, int64_t whole)
{
    if (whole == 0) {
        json_add_null(text, name);
        return;
    }
    /* With whole numbers: a locale may print 0,05. */
    int64_t share = (part * 20000 / whole + 1) / 2;
    begin(text, name);
    buffer_addf(text, "%lld.%04lld", (long long)(share / 10000), (long long)(share % 10000));
}

void json_add_json(struct buffer *text, const char *name, const char *json, size_t length)
{
    begin(text, name);
    buffer_add_json_line(text, json, length);
}
