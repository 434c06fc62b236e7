/* columns: aligned tables of strangers' texts, which fit the terminal's width. */
#ifndef COMMAND_COLUMNS_H
#define COMMAND_COLUMNS_H

#include "base/buffer.h"
#include "command/term.h"

#include <stdbool.h>
#include <stddef.h>

/* Columns of one table. */
#define COLUMNS_MAX 12

/* Title and behaviour of a column. */
struct column {
    const char *title;
    bool right; /* aligned to the right: a number */
    bool key;   /* an id, never cut: a row whose ids are too long has them on a line of their own */
    bool elastic;  /* may be cut, on a terminal, to fit its width */
    bool optional; /* left out if all its cells are empty */
    bool varied;   /* left out, on a terminal, if all its cells are the same */
    int spare; /* left out if the table is too wide for the terminal, the highest first; 0: never */
};

struct columns_cell {
    size_t at;    /* of its text, in TEXT */
    size_t width; /* in columns, if it is shown whole */
    enum term_tone tone;
    bool is_bar;
    struct term_bar bar;
};

/* A table being filled, cell by cell. Release with columns_release. */
struct columns {
    const struct term *term; /* lent */
    const struct column *columns;
    size_t length; /* of them */
    size_t widths[COLUMNS_MAX];
    bool needless[COLUMNS_MAX], left_out[COLUMNS_MAX];
    bool begun;                 /* the titles are written */
    struct buffer text;         /* of the cells, each with a NUL after it */
    struct columns_cell *cells; /* once begun, from the first row written on */
    size_t cells_length, cells_capacity;
    bool failed; /* memory ran out */
};

/* Makes an empty table; COLUMNS is lent for its lifetime. */
void columns_init(struct columns *table, const struct term *term, const struct column *columns,
                  size_t length);

/* Fills the next cell: a stranger's text, a number, or a bar of WIDTH columns. */
void columns_add(struct columns *table, enum term_tone tone, const char *text);
void columns_add_number(struct columns *table, enum term_tone tone, int64_t number);
void columns_add_bar(struct columns *table, const struct term_bar *bar, size_t width);

/* Appends the rows added since the last call, after the titles if these were not written before, or
 * if a column that was left out for its cells is needed now. Columns keep at least their widths. */
void columns_write(struct columns *table, struct buffer *out);

void columns_release(struct columns *table);

#endif
