/* document: JSON written member by member. */
#include "config.h"

#include "base/document.h"

#include "base/moment.h"

#include <string.h>

/* What comes before each member or element. A space is behind the beginning of a line. */
static void begin(struct text *text, const char *name)
{
    char last = text->length > 0 ? text->bytes[text->length - 1] : '{';
    if (last != '{' && last != '[' && last != ' ')
        text_add(text, ",", 1);
    if (name != NULL)
        text_addf(text, "\"%s\":", name);
}

void document_open(struct text *text, const char *name, char bracket)
{
    /* A document may stand behind another one, on a line of its own. */
    if (text->length > 0 && text->bytes[text->length - 1] != '\n')
        begin(text, name);
    text_add(text, &bracket, 1);
}

void document_close(struct text *text, char bracket)
{
    text_add(text, &bracket, 1);
}

void document_line(struct text *text)
{
    begin(text, NULL);
    text_add_string(text, "\n ");
}

void document_string(struct text *text, const char *name, const char *value)
{
    if (value == NULL) {
        document_null(text, name);
        return;
    }
    begin(text, name);
    text_add_json_string(text, value, strlen(value));
}

void document_number(struct text *text, const char *name, int64_t value)
{
    begin(text, name);
    text_addf(text, "%lld", (long long)value);
}

void document_bool(struct text *text, const char *name, bool value)
{
    begin(text, name);
    text_add_string(text, value ? "true" : "false");
}

void document_null(struct text *text, const char *name)
{
    begin(text, name);
    text_add_string(text, "null");
}

void document_time(struct text *text, const char *name, int64_t ms)
{
    char time[MOMENT_TEXT_SIZE];
    begin(text, name);
    text_addf(text, "\"%s\"", moment_format(ms, time));
}

void document_time_or_null(struct text *text, const char *name, int64_t ms)
{
    if (ms != 0)
        document_time(text, name, ms);
    else
        document_null(text, name);
}

void document_share(struct text *text, const char *name, int64_t part, int64_t whole)
{
    if (whole == 0) {
        document_null(text, name);
        return;
    }
    /* In whole numbers: a locale may print 0,05. */
    int64_t share = (part * 20000 / whole + 1) / 2;
    begin(text, name);
    text_addf(text, "%lld.%04lld", (long long)(share / 10000), (long long)(share % 10000));
}

void document_json(struct text *text, const char *name, const char *json, size_t length)
{
    begin(text, name);
    text_add_json_line(text, json, length);
}
