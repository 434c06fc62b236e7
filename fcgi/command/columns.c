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

/* Sets the widths that the cells need. */
static void measure(struct columns *table)
{
    for (size_t c = 0; c < table->length; c++) {
        size_t widest = 0;
        for (size_t i = c; i < table->cells_length; i += table->length)
            if (table->cells[i].width > widest)
                widest = table->cells[i].width;
        if (!table->begun)
            table->left_out[c] = table->columns[c].optional && widest == 0;
        size_t title = strlen(table->columns[c].title);
        widest = widest < title ? title : widest;
        table->widths[c] = widest > table->widths[c] ? widest : table->widths[c];
    }
}

/* The least width of column C. */
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

/* Shrinks the widest elastic column until the table fits, or none can shrink any more. */
static void fit(struct columns *table)
{
    if (table->term->width == 0)
        return;
    if (!table->begun)
        spare(table);
    for (size_t total = total_width(table, false); total > table->term->width; total--) {
        size_t widest = table->length;
        for (size_t c = 0; c < table->length; c++)
            if (!table->left_out[c] && table->widths[c] > least_width(table, c) &&
                (widest == table->length || table->widths[c] > table->widths[widest]))
                widest = c;
        if (widest == table->length)
            return;
        table->widths[widest]--;
    }
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

/* Spaces after the last column are left out. */
static void write_row(const struct columns *table, const struct columns_cell *cells,
                      struct buffer *out)
{
    size_t blanks = 0;
    bool first = true;
    for (size_t c = 0; c < table->length; c++) {
        size_t width = table->widths[c];
        if (table->left_out[c])
            continue;
        blanks += first ? 0 : GAP;
        first = false;
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
    if (table->failed || table->text.failed) {
        out->failed = true;
        return;
    }
    measure(table);
    fit(table);
    if (!table->begun)
        write_titles(table, out);
    table->begun = true;
    for (size_t i = 0; i + table->length <= table->cells_length; i += table->length)
        write_row(table, &table->cells[i], out);
    table->cells_length = 0;
    buffer_clear(&table->text);
}
