/* csv: lines of a table for spreadsheets, safe whatever stands in the fields. */
#include "config.h"

#include "csv.h"

#include <string.h>

/* What a formula begins with, or what a spreadsheet skips before looking for one. */
static bool is_formula(const char *value)
{
    return value[0] != '\0' && strchr("=+-@\t\r\n", value[0]) != NULL;
}

void csv_add_field(struct text *text, const char *value, bool first)
{
    if (!first)
        text_add(text, ",", 1);
    text_add_string(text, is_formula(value) ? "\"'" : "\"");
    for (const char *quote; (quote = strchr(value, '"')) != NULL; value = quote + 1) {
        text_add(text, value, (size_t)(quote - value));
        text_add(text, "\"\"", 2);
    }
    text_add_string(text, value);
    text_add(text, "\"", 1);
}

void csv_end_line(struct text *text)
{
    text_add(text, "\r\n", 2);
}
