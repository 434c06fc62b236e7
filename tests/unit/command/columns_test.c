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

static const struct column keyed[] = {
    {.title = "ID", .key = true},
    {.title = "APP", .key = true, .varied = true},
    {.title = "COUNT", .right = true},
    {.title = "WHEN", .spare = 1},
};

static void add_keyed(struct columns *table, const char *id, const char *app, int64_t count)
{
    columns_add(table, TERM_PLAIN, id);
    columns_add(table, TERM_PLAIN, app);
    columns_add_number(table, TERM_PLAIN, count);
    columns_add(table, TERM_PLAIN, "today");
}

static void a_key_is_never_cut(void **state)
{
    struct columns table;
    /* first the column that can be spared goes */
    columns_init(&table, &narrow, keyed, LENGTH(keyed));
    add_keyed(&table, "01234567890123456789", "a", 7);
    expect(&table, "ID                    COUNT\n01234567890123456789      7\n");
    columns_release(&table);
    /* a row that cannot fit has its keys on a line of their own, and costs the others nothing */
    columns_init(&table, &narrow, keyed, LENGTH(keyed));
    add_keyed(&table, "short", "a", 7);
    add_keyed(&table, "0123456789012345678901234567890123456789", "b", 8);
    add_keyed(&table, "other", "b", 9);
    expect(&table, "ID     APP  COUNT  WHEN\n"
                   "short  a        7  today\n"
                   "0123456789012345678901234567890123456789  b\n"
                   "                8  today\n"
                   "other  b        9  today\n");
    /* also on a later page */
    add_keyed(&table, "0123456789012345678901234", "a", 1);
    add_keyed(&table, "again", "a", 2);
    expect(&table, "0123456789012345678901234  a\n"
                   "                1  today\n"
                   "again  a        2  today\n");
    columns_release(&table);
    /* each row alone would fit, but not all in the same columns */
    columns_init(&table, &narrow, keyed, LENGTH(keyed));
    add_keyed(&table, "0123456789012345678", "a", 7);
    add_keyed(&table, "b", "0123456789012345678", 8);
    expect(&table, "ID          APP          COUNT\n"
                   "0123456789012345678  a\n"
                   "                             7\n"
                   "b  0123456789012345678\n"
                   "                             8\n");
    columns_release(&table);
}

static void a_column_of_one_text_is_left_out_on_a_terminal(void **state)
{
    struct columns table;
    columns_init(&table, &narrow, keyed, LENGTH(keyed));
    add_keyed(&table, "a", "app", 7);
    add_keyed(&table, "b", "app", 8);
    expect(&table, "ID  COUNT  WHEN\na       7  today\nb       8  today\n");
    columns_release(&table);
    columns_init(&table, &pipe_end, keyed, LENGTH(keyed));
    add_keyed(&table, "a", "app", 7);
    expect(&table, "ID  APP  COUNT  WHEN\na   app      7  today\n");
    columns_release(&table);
}

static void a_column_that_is_needed_later_comes_with_new_titles(void **state)
{
    struct columns table;
    columns_init(&table, &narrow, keyed, LENGTH(keyed));
    add_keyed(&table, "a", "app", 7);
    add_keyed(&table, "b", "app", 8);
    expect(&table, "ID  COUNT  WHEN\na       7  today\nb       8  today\n");
    add_keyed(&table, "c", "app", 9);
    expect(&table, "c       9  today\n");
    add_keyed(&table, "d", "two", 9);
    expect(&table, "ID  APP  COUNT  WHEN\nd   two      9  today\n");
    columns_release(&table);
    columns_init(&table, &pipe_end, columns, LENGTH(columns));
    add_row(&table, "a", 7, "today", "");
    expect(&table, "ID  COUNT  WHEN\na       7  today\n");
    add_row(&table, "b", 8, "today", "odd");
    expect(&table, "ID  COUNT  WHEN   NOTE\nb       8  today  odd\n");
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

/* Texts of every length and of wide characters: no line is wider than the terminal. */
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
        cmocka_unit_test(a_key_is_never_cut),
        cmocka_unit_test(a_column_of_one_text_is_left_out_on_a_terminal),
        cmocka_unit_test(a_column_that_is_needed_later_comes_with_new_titles),
        cmocka_unit_test(a_strangers_text_forges_no_row),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
