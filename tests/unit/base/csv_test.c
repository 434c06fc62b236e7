/* Lines of a table: read back as a program reads RFC 4180, and harmless to a spreadsheet. */
#include "config.h"

#include "base/csv.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void assert_text(struct buffer *text, const char *expected)
{
    buffer_add(text, "", 1);
    assert_false(text->failed);
    assert_string_equal(text->bytes, expected);
    buffer_release(text);
}

static void a_line_is_as_rfc_4180_says(void **state)
{
    struct buffer out = {0};
    csv_add_field(&out, "a", true);
    csv_add_field(&out, "", false);
    csv_add_field(&out, "say \"so\"", false);
    csv_add_field(&out, "\"", false);
    csv_add_field(&out, "x,y", false);
    csv_end_line(&out);
    csv_add_field(&out, "", true);
    csv_end_line(&out);
    assert_text(&out, "\"a\",\"\",\"say \"\"so\"\"\",\"\"\"\",\"x,y\"\r\n\"\"\r\n");
}

static void what_looks_like_a_formula_gets_an_apostrophe(void **state)
{
    static const char *const formulas[] = {
        "=1+1",    "@SUM(A1)",           "\t=1", "\r=1", "\n=1", "=",      "-",    "+",   "-.",
        "=\"a\"",  "=cmd|' /C calc'!A0", "-1+1", "-1e5", "--1",  "-1.2.3", "\t-1", "-1 ", "-A1",
        "+1-cmd|'"};
    static const char *const plain[] = {"1+1", "a=1", "'=1", " x", "\"=1", "#1",
                                        "1-1", "x@y", "-1",  "+1", "-0",   "-12.50"};
    for (size_t i = 0; i < LENGTH(formulas); i++) {
        struct buffer out = {0};
        csv_add_field(&out, formulas[i], true);
        assert_memory_equal(out.bytes, "\"'", 2);
        assert_int_equal(out.bytes[2], formulas[i][0]);
        buffer_release(&out);
    }
    for (size_t i = 0; i < LENGTH(plain); i++) {
        struct buffer out = {0};
        csv_add_field(&out, plain[i], true);
        assert_int_equal(out.bytes[1], plain[i][0]);
        buffer_release(&out);
    }
}

/* Reads one field as a program does; gives where the next begins, and in FIELD its value. */
static const char *read_field(const char *at, char *field)
{
    assert_int_equal(*at, '"');
    for (at++;; at++) {
        assert_int_not_equal(*at, '\0');
        if (*at == '"' && *++at != '"')
            break;
        *field++ = *at;
    }
    *field = '\0';
    return at;
}

/* Random fields of hostile characters come back as they were. */
static void any_field_is_read_back(void **state)
{
    static const char characters[] = "\"\",\r\n\t =+-@';|\\a\xC3\xA9\x01\x7F\xE2\x80\xAE";
    uint64_t seed = 41;
    for (size_t round = 0; round < 2000; round++) {
        char fields[5][24], field[32];
        struct buffer out = {0};
        for (size_t i = 0; i < LENGTH(fields); i++) {
            size_t length = support_random_below(&seed, sizeof fields[i] - 1);
            for (size_t c = 0; c < length; c++)
                fields[i][c] = characters[support_random_below(&seed, sizeof characters - 1)];
            fields[i][length] = '\0';
            csv_add_field(&out, fields[i], i == 0);
        }
        csv_end_line(&out);
        buffer_add(&out, "", 1);
        const char *at = out.bytes;
        for (size_t i = 0; i < LENGTH(fields); i++) {
            if (i > 0)
                assert_int_equal(*at++, ',');
            at = read_field(at, field);
            bool formula = field[0] == '\'' && strcmp(field, fields[i]) != 0;
            assert_string_equal(formula ? field + 1 : field, fields[i]);
            assert_true(!formula || field[0] == '\'');
        }
        assert_string_equal(at, "\r\n");
        buffer_release(&out);
    }
}

static void a_long_field_comes_whole(void **state)
{
    size_t length = 200 << 10;
    char *value = malloc(length + 1);
    assert_non_null(value);
    memset(value, '"', length);
    value[length] = '\0';
    struct buffer out = {0};
    csv_add_field(&out, value, true);
    assert_int_equal(out.length, 2 * length + 2);
    free(value);
    buffer_release(&out);
}

int csv_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_as_rfc_4180_says),
        cmocka_unit_test(what_looks_like_a_formula_gets_an_apostrophe),
        cmocka_unit_test(any_field_is_read_back),
        cmocka_unit_test(a_long_field_comes_whole),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
