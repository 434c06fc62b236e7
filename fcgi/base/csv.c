/* csv: lines of a table for spreadsheets, safe for any content of the fields. */
#include "config.h"

#include "base/csv.h"

#include <string.h>

/* A sign, digits, and one point with digits after it: a spreadsheet reads it as a number. */
static bool is_number(const char *value)
{
    static const char digits[] = "0123456789";
    value += *value == '+' || *value == '-';
    size_t whole = strspn(value, digits);
    value += whole;
    if (*value == '.')
        value += 1 + strspn(value + 1, digits);
    return whole > 0 && *value == '\0';
}

void csv_add_field(struct buffer *text, const char *value, bool first)
{
    if (!first)
        buffer_add(text, ",", 1);
    /* It begins like a formula, or with a character that a spreadsheet skips before it looks for
     * one. */
    bool formula = value[0] != '\0' && strchr("=+-@\t\r\n", value[0]) != NULL && !is_number(value);
    buffer_add_string(text, formula ? "\"'" : "\"");
    for (const char *quote; (quote = strchr(value, '"')) != NULL; value = quote + 1) {
        buffer_add(text, value, (size_t)(quote - value));
        buffer_add(text, "\"\"", 2);
    }
    buffer_add_string(text, value);
    buffer_add(text, "\"", 1);
}

void csv_end_line(struct buffer *text)
{
    buffer_add(text, "\r\n", 2);
}
