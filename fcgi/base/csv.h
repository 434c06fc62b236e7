/* csv: lines of a table for spreadsheets (RFC 4180), safe for any content of the fields. */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/buffer.h"

/* Appends one field in quotes, with a comma before it unless it is the FIRST of its line. A field
 * that a spreadsheet would read as a formula gets a leading apostrophe. */
void csv_add_field(struct buffer *text, const char *value, bool first);

/* Ends the line. */
void csv_end_line(struct buffer *text);

#endif
