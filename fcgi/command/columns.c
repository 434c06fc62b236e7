/* columns: aligned tables of strangers' texts, which fit the terminal's width. */
#include "config.h"

#include "command/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Spaces between two columns. */
#define GAP 2

/* The least width to which an elastic column is cut, if its title allows. */
#define ELASTIC_MIN 8

void columns_init(struct columns *table, const struct term *term, const struct column *columns,
                  size_t length)
{
    *table = (struct columns){.term = term, .columns = columns, .length = length};
}

void columns_release(struct columns *table)
{
    buffer_release(&table->text);
    free(table->cells);
    *table = (struct columns){0};
}

static void add_cell(struct columns *table, const struct columns_cell *cell)
{
    struct columns_cell *cells = buffer_grow_array(table->cells, table->cells_length,
                                                   &table->cells_capacity, sizeof *cells);
    if (cells == NULL) {
        table->failed = true;
        return;
    }
    table->cells = cells;
    cells[table->cells_length++] = *cell;
}

void columns_add(struct columns *table, enum term_tone tone, const char *text)
{
    struct columns_cell cell = {.at = table->text.length, .tone = tone};
    /* Rendered once to be measured, then kept raw: it is cut when the widths are known. */
    cell.width = term_add_safe(table->term, &table->text, text, 0);
    if (!table->text.failed)
        table->text.length = cell.at;
    buffer_add(&table->text, text, strlen(text) + 1);
    add_cell(table, &cell);
}

void columns_add_number(struct columns *table, enum term_tone tone, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    columns_add(table, tone, text);
}

void columns_add_bar(struct columns *table, const struct term_bar *bar, size_t width)
{
    const struct columns_cell cell = {.width = width, .is_bar = true, .bar = *bar};
    add_cell(table, &cell);
}

static size_t least_width(const struct columns *table, size_t c)
{
    size_t title = strlen(table->columns[c].title);
    size_t least = title > ELASTIC_MIN ? title : ELASTIC_MIN;
    return table->columns[c].elastic && least < table->widths[c] ? least : table->widths[c];
}

/* The width of the table as it is, or with least widths if LEAST. */
static size_t total_width(const struct columns *table, bool least)
{
    size_t total = 0;
    for (size_t c = 0; c < table->length; c++)
        if (!table->left_out[c])
            total += (least ? least_width(table, c) : table->widths[c]) + (total > 0 ? GAP : 0);
    return total;
}

/* Whether all cells of column C have one text. */
static bool is_uniform(const struct columns *table, size_t c)
{
    const char *text = table->text.bytes;
    for (size_t i = c; i < table->cells_length; i += table->length)
        if (strcmp(text + table->cells[i].at, text + table->cells[c].at) != 0)
            return false;
    return true;
}

/* The columns that ROW takes for its keys, with the gaps behind them. */
static size_t keys_width(const struct columns *table, const struct columns_cell *row)
{
    size_t width = 0;
    for (size_t c = 0; c < table->length; c++)
        if (table->columns[c].key && !table->left_out[c])
            width += row[c].width + GAP;
    return width;
}

/* Widens column C for its cells, except for keys that take more than ROOM together with the others
 * of their row. */
static void widen(struct columns *table, size_t c, size_t room)
{
    for (size_t i = 0; i < table->cells_length; i += table->length) {
        const struct columns_cell *row = &table->cells[i];
        if (row[c].width > table->widths[c] &&
            (!table->columns[c].key || keys_width(table, row) <= room))
            table->widths[c] = row[c].width;
    }
}

/* Finds the columns that are left out for what their cells say; one that is needed after all begins
 * the table again. */
static void choose(struct columns *table)
{
    for (size_t c = 0; c < table->length; c++) {
        const struct column *column = &table->columns[c];
        bool needless = ((column->optional && table->cells[c].width == 0) ||
                         (column->varied && table->term->width > 0)) &&
                        is_uniform(table, c);
        if (table->begun && (needless || !table->needless[c]))
            continue;
        table->begun = table->begun && table->needless[c] == needless;
        table->needless[c] = table->left_out[c] = needless;
    }
}

/* Sets the widths that the cells need. */
static void measure(struct columns *table)
{
    size_t others = 0; /* the columns that stay beside the keys */
    for (size_t c = 0; c < table->length; c++) {
        size_t title = strlen(table->columns[c].title);
        if (table->widths[c] < title)
            table->widths[c] = title;
        if (table->columns[c].key)
            continue;
        widen(table, c, 0);
        if (table->columns[c].spare == 0 && !table->left_out[c])
            others += least_width(table, c) + GAP;
    }
    size_t room = table->term->width + GAP;
    room = table->term->width == 0 ? SIZE_MAX : room > others ? room - others : 0;
    for (size_t c = 0; c < table->length; c++)
        if (table->columns[c].key)
            widen(table, c, room);
}

/* Leaves out columns that can be spared until the rest can be made to fit. */
static void spare(struct columns *table)
{
    while (total_width(table, true) > table->term->width) {
        size_t first = table->length;
        for (size_t c = 0; c < table->length; c++)
            if (!table->left_out[c] && table->columns[c].spare > 0 &&
                (first == table->length || table->columns[c].spare > table->columns[first].spare))
                first = c;
        if (first == table->length)
            return;
        table->left_out[first] = true;
    }
}

/* Takes a column from the widest one that may shrink: an elastic one, or, with KEYS, a key, whose
 * longer cells then have a line of their own. Returns false if there is none. */
static bool shrink(struct columns *table, bool keys)
{
    size_t widest = table->length;
    for (size_t c = 0; c < table->length; c++) {
        size_t least = keys && table->columns[c].key ? strlen(table->columns[c].title)
                                                     : least_width(table, c);
        if (!table->left_out[c] && table->widths[c] > least &&
            (widest == table->length || table->widths[c] > table->widths[widest]))
            widest = c;
    }
    if (widest < table->length)
        table->widths[widest]--;
    return widest < table->length;
}

static void fit(struct columns *table)
{
    if (table->term->width == 0)
        return;
    if (!table->begun)
        spare(table);
    while (total_width(table, false) > table->term->width &&
           (shrink(table, false) || shrink(table, true)))
        continue;
}

static void pad(struct buffer *out, size_t count)
{
    while (count-- > 0)
        buffer_add(out, " ", 1);
}

/* Appends a cell in at most WIDTH columns; returns how many it took. */
static size_t write_cell(const struct columns *table, const struct columns_cell *cell, size_t width,
                         struct buffer *out)
{
    if (cell->is_bar) {
        term_add_bar(table->term, out, &cell->bar, cell->width);
        return cell->width;
    }
    term_begin_tone(table->term, out, cell->tone);
    size_t taken = term_add_safe(table->term, out, table->text.bytes + cell->at, width);
    term_end_tone(table->term, out, cell->tone);
    return taken;
}

static void write_titles(struct columns *table, struct buffer *out)
{
    size_t blanks = 0;
    bool first = true;
    term_begin_tone(table->term, out, TERM_STRONG);
    for (size_t c = 0; c < table->length; c++) {
        if (table->left_out[c])
            continue;
        size_t title = strlen(table->columns[c].title);
        size_t rest = table->widths[c] > title ? table->widths[c] - title : 0;
        pad(out, blanks + (first ? 0 : GAP) + (table->columns[c].right ? rest : 0));
        buffer_add_string(out, table->columns[c].title);
        blanks = table->columns[c].right ? 0 : rest;
        first = false;
    }
    term_end_tone(table->term, out, TERM_STRONG);
    buffer_add(out, "\n", 1);
}

/* The number of columns up to the last key, if ROW has one that is longer than its column. */
static size_t find_overlong(const struct columns *table, const struct columns_cell *row)
{
    size_t count = 0;
    bool is_overlong = false;
    for (size_t c = 0; c < table->length; c++)
        if (table->columns[c].key && !table->left_out[c]) {
            count = c + 1;
            is_overlong = is_overlong || row[c].width > table->widths[c];
        }
    return is_overlong ? count : 0;
}

/* Spaces after the last column are left out. Columns up to the last key are on a line of their own
 * if a key is longer than its column. */
static void write_row(const struct columns *table, const struct columns_cell *cells,
                      struct buffer *out)
{
    size_t blanks = 0, place = 0, overlong = find_overlong(table, cells);
    for (size_t c = 0; c < table->length; c++) {
        size_t width = c < overlong ? cells[c].width : table->widths[c];
        if (table->left_out[c])
            continue;
        if (overlong > 0 && c >= overlong && cells[c].width > 0) {
            buffer_add(out, "\n", 1);
            blanks = place;
            overlong = 0;
        } else {
            blanks += place > 0 ? GAP : 0;
        }
        place += table->widths[c] + GAP;
        if (cells[c].width == 0) {
            blanks += width;
            continue;
        }
        bool right = table->columns[c].right && cells[c].width < width;
        pad(out, blanks + (right ? width - cells[c].width : 0));
        size_t taken = write_cell(table, &cells[c], width, out);
        blanks = right ? 0 : width - taken;
    }
    buffer_add(out, "\n", 1);
}

void columns_write(struct columns *table, struct buffer *out)
{
    size_t first = table->begun ? table->length : 0; /* cell to be written */
    if (table->failed || table->text.failed) {
        out->failed = true;
        return;
    }
    if (table->cells_length <= first)
        return;
    choose(table);
    measure(table);
    fit(table);
    if (!table->begun)
        write_titles(table, out);
    table->begun = true;
    for (size_t i = first; i + table->length <= table->cells_length; i += table->length)
        write_row(table, &table->cells[i], out);
    /* The first row stays, to tell whether all cells of a column are the same. */
    if (table->cells_length > table->length)
        table->text.length = table->cells[table->length].at;
    table->cells_length = table->length;
}
