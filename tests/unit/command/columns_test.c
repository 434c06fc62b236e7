/* Columns: tables that are aligned, and fit. */
#include "config.h"

#include "command/columns.h"
#include "support.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct term pipe_end = {.width = 0};
static const struct term narrow = {.width = 30};

static const struct column columns[] = {
    {.title = "ID", .elastic = true},
    {.title = "COUNT", .right = true},
    {.title = "WHEN", .spare = 1},
    {.title = "NOTE", .optional = true},
};

static void add_row(struct columns *table, const char *id, int64_t count, const char *when,
                    const char *note)
{
    columns_add(table, TERM_PLAIN, id);
    columns_add_number(table, TERM_PLAIN, count);
    columns_add(table, TERM_PLAIN, when);
    columns_add(table, TERM_PLAIN, note);
}

static void expect(struct columns *table, const char *expected)
{
    struct buffer out = {0};
    columns_write(table, &out);
    assert_false(out.failed);
    buffer_add(&out, "", 1);
    assert_string_equal(out.bytes, expected);
    buffer_release(&out);
}

static void numbers_stand_right_and_texts_left(void **state)
{
    struct columns table;
    columns_init(&table, &pipe_end, columns, LENGTH(columns));
    add_row(&table, "a", 7, "today", "");
    add_row(&table, "long id", 123456, "", "odd");
    add_row(&table, "", 1, "x", "");
    expect(&table, "ID        COUNT  WHEN   NOTE\n"
                   "a             7  today\n"
                   "long id  123456         odd\n"
                   "              1  x\n");
    /* the next page has no titles, and keeps its columns */
    add_row(&table, "b", 8, "now", "");
    expect(&table, "b             8  now\n");
    columns_release(&table);
}

static void an_optional_column_without_anything_is_left_out(void **state)
{
    struct columns table;
    columns_init(&table, &pipe_end, columns, LENGTH(columns));
    add_row(&table, "a", 7, "today", "");
    expect(&table, "ID  COUNT  WHEN\na       7  today\n");
    columns_release(&table);
}

static void a_table_fits_the_terminal(void **state)
{
    struct columns table;
    columns_init(&table, &narrow, columns, LENGTH(columns));
    add_row(&table, "0123456789012345678901234567890123456789", 7, "today", "");
    expect(&table, "ID                COUNT  WHEN\n"
                   "012345678901234~      7  today\n");
    columns_release(&table);
    /* what can be spared goes when cutting is not enough */
    columns_init(&table, &narrow, columns, LENGTH(columns));
    add_row(&table, "0123456789", 7, "1234567890123456", "");
    expect(&table, "ID          COUNT\n0123456789      7\n");
    columns_release(&table);
    /* in a pipe nothing is cut */
    columns_init(&table, &pipe_end, columns, LENGTH(columns));
    add_row(&table, "0123456789012345678901234567890123456789", 7, "today", "");
    expect(&table, "ID                                        COUNT  WHEN\n"
                   "0123456789012345678901234567890123456789      7  today\n");
    columns_release(&table);
}

static void a_strangers_text_forges_no_row(void **state)
{
    struct columns table;
    columns_init(&table, &pipe_end, columns, LENGTH(columns));
    add_row(&table, "a\nb  9  today", 7, "\x1B[31m", "");
    add_row(&table, "c", 8, "now", "");
    expect(&table, "ID                  COUNT  WHEN\n"
                   "a\\u000ab  9  today      7  \\u001b[31m\n"
                   "c                       8  now\n");
    columns_release(&table);
}

/* Ids of every length and of wide characters: no line is wider than the terminal. */
static void no_line_is_wider_than_the_terminal(void **state)
{
    const struct term term = {.utf8 = true, .width = 40};
    uint64_t seed = 9;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    for (int i = 0; i < 500; i++) {
        struct columns table;
        struct buffer out = {0};
        columns_init(&table, &term, columns, LENGTH(columns));
        for (int row = 0; row < 3; row++) {
            char id[64] = "";
            size_t length = 0;
            for (size_t c = support_random_below(&seed, 20); c > 0; c--)
                length += (size_t)snprintf(id + length, sizeof id - length, "%s",
                                           support_random_below(&seed, 2) ? "\346\274\242" : "ab");
            add_row(&table, id, (int64_t)support_random_below(&seed, 1000), "today", "");
        }
        columns_write(&table, &out);
        buffer_add(&out, "", 1);
        for (char *line = out.bytes, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            struct buffer shown = {0};
            *end = '\0';
            assert_true(term_add_safe(&term, &shown, line, 0) <= 40);
            buffer_release(&shown);
        }
        buffer_release(&out);
        columns_release(&table);
    }
}

int columns_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stand_right_and_texts_left),
        cmocka_unit_test(an_optional_column_without_anything_is_left_out),
        cmocka_unit_test(a_table_fits_the_terminal),
        cmocka_unit_test(a_strangers_text_forges_no_row),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
