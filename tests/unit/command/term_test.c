/* Term: strangers' texts that move no cursor, bars, tones. */
#include "config.h"

#include "base/utf8.h"
#include "command/term.h"
#include "support.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct term utf8 = {.utf8 = true};
static const struct term ascii = {.utf8 = false};

static int begin(void **state)
{
    /* for the width of characters */
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    return support_begin(state);
}

/* Fails where STRING is not shown as EXPECTED, in WIDTH columns at most (0: no limit). */
static void expect_safe(const struct term *term, const char *string, size_t width,
                        const char *expected, size_t columns)
{
    struct buffer text = {0};
    assert_int_equal(term_add_safe(term, &text, string, width), columns);
    buffer_add(&text, "", 1);
    assert_string_equal(text.bytes, expected);
    buffer_release(&text);
}

static void what_could_move_the_cursor_is_escaped(void **state)
{
    expect_safe(&utf8, "plain", 0, "plain", 5);
    expect_safe(&utf8, "a\x1B[2Jb", 0, "a\\u001b[2Jb", 11);
    expect_safe(&utf8, "a\r\nFAIL d2\t", 0, "a\\u000d\\u000aFAIL d2\\u0009", 26);
    expect_safe(&utf8,
                "\x7F\302\233"
                "31m",
                0, "\\u007f\\u009b31m", 15);
    expect_safe(&utf8, "\342\200\256gnp\342\200\254", 0, "\\u202egnp\\u202c", 15);
    expect_safe(&utf8, "\342\200\250\342\201\246\357\273\277", 0, "\\u2028\\u2066\\ufeff", 18);
    expect_safe(&utf8, "\303\251\346\274\242", 0, "\303\251\346\274\242", 3);
    /* a byte that is no UTF-8, and a character that is none yet */
    expect_safe(&utf8, "a\377b", 0, "a\357\277\275b", 3);
    expect_safe(&utf8, "\363\260\200\200", 0, "\363\260\200\200", 1);
}

static void bytes_with_a_nul_are_shown_to_their_end(void **state)
{
    struct buffer text = {0};
    term_add_safe_bytes(&utf8, &text, "a\0b\x1B", 4, 0);
    buffer_add(&text, "", 1);
    assert_string_equal(text.bytes, "a\\u0000b\\u001b");
    buffer_release(&text);
}

static void an_escape_cannot_be_pretended(void **state)
{
    expect_safe(&utf8, "\\u001b", 0, "\\\\u001b", 7);
}

static void what_the_locale_cannot_show_is_escaped(void **state)
{
    expect_safe(&ascii, "\303\251\360\237\230\200", 0, "\\u00e9\\U0001f600", 16);
    expect_safe(&ascii, "\377", 0, "\\ufffd", 6);
}

static void what_is_too_long_is_cut_with_a_mark(void **state)
{
    expect_safe(&utf8, "abcdef", 6, "abcdef", 6);
    expect_safe(&utf8, "abcdefg", 6, "abcde\342\200\246", 6);
    expect_safe(&ascii, "abcdefg", 6, "abcde~", 6);
    expect_safe(&ascii, "abcdefg", 1, "~", 1);
    /* an escape is not cut in two, nor is a wide character */
    expect_safe(&ascii, "abc\x1Bxyz", 6, "abc~", 4);
    expect_safe(&utf8, "ab\346\274\242\346\274\242", 5, "ab\346\274\242\342\200\246", 5);
    expect_safe(&utf8, "ab\346\274\242\346\274\242", 4, "ab\342\200\246", 3);
}

/* Whatever bytes come: no byte that a terminal acts on, and never more columns than asked for. */
static void any_bytes_stay_on_their_line(void **state)
{
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        char bytes[24] = "";
        for (size_t b = 0; b < sizeof bytes - 1; b++)
            bytes[b] = (char)(1 + support_random_below(&seed, 255));
        size_t width = 1 + support_random_below(&seed, 30);
        struct buffer text = {0};
        assert_true(term_add_safe(&utf8, &text, bytes, width) <= width);
        assert_true(utf8_is_valid(text.bytes, text.length));
        for (size_t b = 0; b < text.length;) {
            size_t size = utf8_length(text.bytes + b, text.length - b);
            assert_false(utf8_is_unsafe(utf8_code_point(text.bytes + b, size)));
            b += size;
        }
        buffer_release(&text);
    }
}

static void expect_bar(int64_t success, int64_t fail, int64_t in_progress, const char *expected)
{
    struct buffer text = {0};
    const struct term_bar bar = {success, fail, in_progress, 0};
    term_add_bar(&ascii, &text, &bar, 10);
    buffer_add(&text, "", 1);
    assert_string_equal(text.bytes, expected);
    buffer_release(&text);
}

static void a_bar_shows_every_part_that_there_is(void **state)
{
    expect_bar(0, 0, 0, "          ");
    expect_bar(1, 0, 0, "##########");
    expect_bar(0, 1, 0, "xxxxxxxxxx");
    expect_bar(0, 0, 1, "..........");
    expect_bar(5, 3, 2, "#####xxx..");
    expect_bar(1000000, 1, 1, "########x.");
    expect_bar(1, 1, 1000000, "#x........");
    expect_bar(1, 1, 1, "####xxx...");
    expect_bar(INT64_C(1) << 42, 1, 0, "#########x");
}

static void what_is_missing_is_left_blank(void **state)
{
    static const struct {
        struct term_bar bar;
        const char *expected;
    } bars[] = {{{.success = 3, .in_progress = 2, .missing = 5}, "###..     "},
                {{.missing = 7}, "          "},
                {{.success = 1, .fail = 1, .in_progress = 1, .missing = 1000}, "#x.       "},
                {{.success = 1000, .missing = 1}, "######### "}};
    for (size_t i = 0; i < LENGTH(bars); i++) {
        struct buffer text = {0};
        term_add_bar(&ascii, &text, &bars[i].bar, 10);
        buffer_add(&text, "", 1);
        assert_string_equal(text.bytes, bars[i].expected);
        buffer_release(&text);
    }
}

static void every_bar_has_its_width(void **state)
{
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        const struct term_bar bar = {(int64_t)support_random_below(&seed, 1000),
                                     (int64_t)support_random_below(&seed, 10),
                                     (int64_t)support_random_below(&seed, 100), 0};
        size_t width = 3 + support_random_below(&seed, 60);
        struct buffer text = {0};
        term_add_bar(&ascii, &text, &bar, width);
        assert_int_equal(text.length, width);
        assert_int_equal(memchr(text.bytes, 'x', width) != NULL, bar.fail > 0);
        assert_int_equal(memchr(text.bytes, '#', width) != NULL, bar.success > 0);
        buffer_release(&text);
    }
}

static void tones_are_shown_where_they_are_wanted(void **state)
{
    const struct term coloured = {.colours = true};
    struct buffer text = {0};
    term_begin_tone(&coloured, &text, TERM_BAD);
    term_end_tone(&coloured, &text, TERM_BAD);
    term_begin_tone(&coloured, &text, TERM_PLAIN);
    term_end_tone(&coloured, &text, TERM_PLAIN);
    term_begin_tone(&utf8, &text, TERM_BAD);
    term_end_tone(&utf8, &text, TERM_BAD);
    buffer_add(&text, "", 1);
    assert_string_equal(text.bytes, "\x1B[31m\x1B[0m");
    buffer_release(&text);
}

int term_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_move_the_cursor_is_escaped),
        cmocka_unit_test(bytes_with_a_nul_are_shown_to_their_end),
        cmocka_unit_test(an_escape_cannot_be_pretended),
        cmocka_unit_test(what_the_locale_cannot_show_is_escaped),
        cmocka_unit_test(what_is_too_long_is_cut_with_a_mark),
        cmocka_unit_test(any_bytes_stay_on_their_line),
        cmocka_unit_test(a_bar_shows_every_part_that_there_is),
        cmocka_unit_test(what_is_missing_is_left_blank),
        cmocka_unit_test(every_bar_has_its_width),
        cmocka_unit_test(tones_are_shown_where_they_are_wanted),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
