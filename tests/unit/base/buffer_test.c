/* Text: a growing buffer, and hostile text made safe for one line of JSON. */
#include "config.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Compares what is in TEXT with EXPECTED, and releases it. */
static void expect(struct buffer *text, const char *expected)
{
    assert_false(text->failed);
    buffer_add(text, "", 1);
    assert_string_equal(text->bytes, expected);
    buffer_release(text);
}

static void pieces_are_put_together(void **state)
{
    struct buffer text = {0};
    buffer_add(&text, "ab", 1);
    buffer_add_string(&text, "bc");
    buffer_addf(&text, "%d%s", 4, "e");
    buffer_add(&text, NULL, 0);
    buffer_add_string(&text, "");
    assert_int_equal(text.length, 5);
    expect(&text, "abc4e");
    assert_null(text.bytes);
    assert_int_equal(text.length, 0);
}

static void numbers_are_written_in_decimal(void **state)
{
    static const struct {
        int64_t number;
        const char *text;
    } numbers[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {-1, "-1"},
        {1234567890, "1234567890"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        struct buffer text = {0};
        buffer_add_number(&text, numbers[i].number);
        expect(&text, numbers[i].text);
    }
}

static void a_format_fills_the_room_there_is_to_the_last_byte(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "1");
    size_t capacity = text.capacity;
    for (size_t length = capacity - 4; length < capacity + 4; length++) {
        buffer_release(&text);
        buffer_add_string(&text, "1");
        buffer_addf(&text, "%0*d", (int)length - 1, 2);
        assert_int_equal(text.length, length);
        assert_int_equal(text.bytes[0], '1');
        assert_int_equal(text.bytes[length - 1], '2');
        assert_int_equal(strspn(text.bytes + 1, "0"), length - 2);
    }
    buffer_release(&text);
}

static void a_text_grows_as_far_as_it_must(void **state)
{
    struct buffer text = {0};
    for (int i = 0; i < 10000; i++)
        buffer_addf(&text, "%04d", i);
    assert_int_equal(text.length, 40000);
    assert_memory_equal(text.bytes + 4 * 1234, "1234", 4);
    assert_true(text.capacity >= text.length && text.capacity < 3 * text.length);
    buffer_release(&text);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "something");
    const char *bytes = text.bytes;
    buffer_clear(&text);
    assert_int_equal(text.length, 0);
    buffer_add_string(&text, "new");
    assert_ptr_equal(text.bytes, bytes);
    expect(&text, "new");
}

static void a_failure_stays_and_what_is_whole_is_kept(void **state)
{
    struct buffer text = {0};
    buffer_add_string(&text, "whole");
    buffer_add(&text, "x", SIZE_MAX - 2); /* more than there can be */
    assert_true(text.failed);
    buffer_add_string(&text, "later");
    buffer_addf(&text, "%d", 1);
    buffer_add_json_string(&text, "x", 1);
    buffer_add_base64(&text, "x", 1);
    assert_true(text.failed);
    assert_int_equal(text.length, 5);
    assert_memory_equal(text.bytes, "whole", 5);
    buffer_clear(&text);
    assert_false(text.failed);
    buffer_release(&text);
}

/* --- JSON strings --- */

static void expect_quoted(const char *bytes, size_t length, const char *expected)
{
    struct buffer text = {0};
    buffer_add_json_string(&text, bytes, length);
    expect(&text, expected);
}

static void a_string_is_quoted_and_escaped(void **state)
{
    expect_quoted("", 0, "\"\"");
    expect_quoted("plain", 5, "\"plain\"");
    expect_quoted("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    expect_quoted("\303\251\342\202\254\360\237\230\200", 9,
                  "\"\303\251\342\202\254\360\237\230\200\"");
}

static void characters_that_change_how_a_line_shows_are_escaped(void **state)
{
    expect_quoted("\0\x01\t\n\r\x1B\x1F", 7,
                  "\"\\u0000\\u0001\\u0009\\u000a\\u000d\\u001b\\u001f\"");
    expect_quoted("~\x7F", 2, "\"~\\u007f\"");
    expect_quoted("\302\200\302\205\302\237\302\240", 8, "\"\\u0080\\u0085\\u009f\302\240\"");
    expect_quoted("\342\200\215\342\200\216\342\200\217\342\200\220", 12,
                  "\"\342\200\215\\u200e\\u200f\342\200\220\"");
    expect_quoted("\342\200\247\342\200\250\342\200\251\342\200\256\342\200\257", 15,
                  "\"\342\200\247\\u2028\\u2029\\u202e\342\200\257\"");
    expect_quoted("\342\201\245\342\201\246\342\201\251\342\201\252", 12,
                  "\"\342\201\245\\u2066\\u2069\342\201\252\"");
    expect_quoted("\357\273\277", 3, "\"\\ufeff\"");
    expect_quoted("\330\234", 2, "\"\\u061c\""); /* the third of the marks, beside U+200E, U+200F */
}

static void bytes_that_are_no_utf8_become_the_replacement_character(void **state)
{
    expect_quoted("a\xFFz", 3, "\"a\\ufffdz\"");
    expect_quoted("\303", 1, "\"\\ufffd\"");
    expect_quoted("\303(", 2, "\"\\ufffd(\"");
    expect_quoted("\300\257", 2, "\"\\ufffd\\ufffd\"");
    expect_quoted("\355\240\200", 3, "\"\\ufffd\\ufffd\\ufffd\"");
    expect_quoted("\360\237\230", 3, "\"\\ufffd\\ufffd\\ufffd\"");
    expect_quoted("\364\220\200\200", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

/* Whatever bytes go in, one line of valid JSON comes out, and valid UTF-8 comes back. */
static void any_bytes_make_one_line_of_json(void **state)
{
    uint64_t seed = 11;
    for (int i = 0; i < 20000; i++) {
        char bytes[12];
        size_t length = 1 + support_random_below(&seed, sizeof bytes);
        for (size_t b = 0; b < length; b++)
            bytes[b] = (char)(support_random_below(&seed, 4) ? 0xC0 + support_random(&seed) % 64
                                                             : support_random(&seed));
        struct buffer text = {0};
        buffer_add_json_string(&text, bytes, length);
        assert_null(memchr(text.bytes, '\n', text.length));
        json_error_t error;
        json_t *json = json_loadb(text.bytes, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                                  &error);
        if (json == NULL)
            fail_msg("%.*s: %s", (int)text.length, text.bytes, error.text);
        if (utf8_is_valid(bytes, length)) {
            assert_int_equal(json_string_length(json), length);
            assert_memory_equal(json_string_value(json), bytes, length);
        }
        json_decref(json);
        buffer_release(&text);
    }
}

/* --- JSON on one line --- */

static void expect_line(const char *json, const char *expected)
{
    struct buffer text = {0};
    buffer_add_json_line(&text, json, strlen(json));
    expect(&text, expected);
}

static void json_is_put_on_one_line_and_else_left_as_it_came(void **state)
{
    expect_line("{\"a\": 1}", "{\"a\": 1}");
    expect_line("\r\n{\n\t\"a\" :\r\n1.50e0 }\n", "{\"a\" :1.50e0 }");
    expect_line("{\"a\":\"\\n\\u00e9\303\251\"}", "{\"a\":\"\\n\\u00e9\303\251\"}");
    expect_line("{\"a\":\"\342\200\250\x7F\302\205\"}", "{\"a\":\"\\u2028\\u007f\\u0085\"}");
}

static void the_content_of_a_line_is_the_content_of_the_body(void **state)
{
    static const char body[] = "{ \"a\\\\\" :\t[ \"\342\200\256x\\\"\",\n\"\357\273\277\" ],\r"
                               "\"\302\200\":{\"b\":null} }";
    struct buffer text = {0};
    buffer_add_json_line(&text, body, sizeof body - 1);
    assert_null(memchr(text.bytes, '\n', text.length));
    json_t *line = json_loadb(text.bytes, text.length, 0, NULL);
    json_t *json = json_loads(body, 0, NULL);
    assert_non_null(json);
    assert_true(json_equal(line, json));
    json_decref(line);
    json_decref(json);
    buffer_release(&text);
}

/* --- UTF-8 --- */

static void utf8_is_told_from_what_is_none(void **state)
{
    static const struct {
        const char *bytes;
        size_t length, size;
    } cases[] = {
        {"", 0, 0},
        {"\0", 1, 1},
        {"\x7F", 1, 1},
        {"\x80", 1, 0},
        {"\xBF", 1, 0},
        {"\xC1\xBF", 2, 0}, /* overlong */
        {"\xC2\x80", 2, 2}, /* U+0080 */
        {"\xC2\x7F", 2, 0}, /* the second byte is none */
        {"\xC2\xC0", 2, 0},
        {"\xDF\xBF", 2, 2},     /* U+07FF */
        {"\xDF\xBF", 1, 0},     /* cut */
        {"\xE0\x9F\xBF", 3, 0}, /* overlong */
        {"\xE0\xA0\x80", 3, 3}, /* U+0800 */
        {"\xE0\xA0\xC0", 3, 0},
        {"\xE0\xA0", 2, 0},
        {"\xED\x9F\xBF", 3, 3}, /* U+D7FF */
        {"\xED\xA0\x80", 3, 0}, /* a surrogate */
        {"\xED\xBF\xBF", 3, 0},
        {"\xEE\x80\x80", 3, 3},     /* U+E000 */
        {"\xEF\xBF\xBF", 3, 3},     /* U+FFFF */
        {"\xF0\x8F\xBF\xBF", 4, 0}, /* overlong */
        {"\xF0\x90\x80\x80", 4, 4}, /* U+10000 */
        {"\xF0\x90\x80", 3, 0},
        {"\xF0\x90\x80\x7F", 4, 0},
        {"\xF4\x8F\xBF\xBF", 4, 4}, /* U+10FFFF */
        {"\xF4\x90\x80\x80", 4, 0}, /* beyond */
        {"\xF5\x80\x80\x80", 4, 0},
        {"\xFF", 1, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(utf8_length(cases[i].bytes, cases[i].length), cases[i].size);
        assert_int_equal(utf8_is_valid(cases[i].bytes, cases[i].length),
                         cases[i].size > 0 || cases[i].length == 0);
    }
    assert_true(utf8_is_valid("a\303\251\342\202\254", 6));
    assert_false(utf8_is_valid("a\303\251\342\202", 5));
}

static void base64_has_its_padding(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"\xFF\xFE", "//4="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < LENGTH(pairs); i++) {
        struct buffer text = {0};
        buffer_add_string(&text, "=");
        buffer_add_base64(&text, pairs[i][0], strlen(pairs[i][0]));
        buffer_add_string(&text, "=");
        char expected[16] = "=";
        size_t length = strlen(pairs[i][1]);
        memcpy(expected + 1, pairs[i][1], length);
        memcpy(expected + 1 + length, "=", 2);
        expect(&text, expected);
    }
}

int buffer_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_put_together),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(a_format_fills_the_room_there_is_to_the_last_byte),
        cmocka_unit_test(a_text_grows_as_far_as_it_must),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(a_failure_stays_and_what_is_whole_is_kept),
        cmocka_unit_test(a_string_is_quoted_and_escaped),
        cmocka_unit_test(characters_that_change_how_a_line_shows_are_escaped),
        cmocka_unit_test(bytes_that_are_no_utf8_become_the_replacement_character),
        cmocka_unit_test(any_bytes_make_one_line_of_json),
        cmocka_unit_test(json_is_put_on_one_line_and_else_left_as_it_came),
        cmocka_unit_test(the_content_of_a_line_is_the_content_of_the_body),
        cmocka_unit_test(utf8_is_told_from_what_is_none),
        cmocka_unit_test(base64_has_its_padding),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
