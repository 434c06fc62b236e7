/* JSON written member by member. */
#include "config.h"

#include "base/json_writer.h"
#include "base/utf8.h"
#include "support.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(struct buffer *text, const char *expected)
{
    buffer_add(text, "", 1);
    assert_false(text->failed);
    assert_string_equal(text->bytes, expected);
    buffer_release(text);
}

static void commas_come_by_themselves(void **state)
{
    struct buffer out = {0};
    json_open(&out, NULL, '{');
    json_open(&out, "empty", '{');
    json_close(&out, '}');
    json_open(&out, "none", '[');
    json_close(&out, ']');
    json_open(&out, "list", '[');
    json_add_string(&out, NULL, "a");
    json_add_number(&out, NULL, -5);
    json_add_null(&out, NULL);
    json_open(&out, NULL, '{');
    json_add_bool(&out, "yes", true);
    json_add_bool(&out, "no", false);
    json_close(&out, '}');
    json_open(&out, NULL, '[');
    json_open(&out, NULL, '[');
    json_close(&out, ']');
    json_close(&out, ']');
    json_add_json(&out, NULL, "{\"a\": [1,\n2]}", 13);
    json_close(&out, ']');
    json_add_time(&out, "at", 1764000000123);
    json_add_number(&out, "n", INT64_MIN);
    json_close(&out, '}');
    assert_text(&out,
                "{\"empty\":{},\"none\":[],\"list\":[\"a\",-5,null,{\"yes\":true,\"no\":false},"
                "[[]],{\"a\": [1,2]}],\"at\":\"2025-11-24T16:00:00.123Z\","
                "\"n\":-9223372036854775808}");
}

static void a_document_may_stand_behind_another(void **state)
{
    struct buffer out = {0};
    for (int i = 0; i < 2; i++) {
        json_open(&out, NULL, '{');
        json_add_number(&out, "i", i);
        json_close(&out, '}');
        buffer_add(&out, "\n", 1);
    }
    assert_text(&out, "{\"i\":0}\n{\"i\":1}\n");
}

static void what_is_missing_is_null(void **state)
{
    struct buffer out = {0};
    json_open(&out, NULL, '{');
    json_add_string(&out, "string", NULL);
    json_add_time_or_null(&out, "never", 0);
    json_add_time_or_null(&out, "at", 1764000000123);
    json_close(&out, '}');
    assert_text(&out, "{\"string\":null,\"never\":null,\"at\":\"2025-11-24T16:00:00.123Z\"}");
}

static void members_and_elements_may_begin_lines(void **state)
{
    struct buffer out = {0};
    json_open(&out, NULL, '{');
    json_add_line(&out);
    json_add_number(&out, "a", 1);
    json_add_number(&out, "b", 2);
    json_add_line(&out);
    json_open(&out, "list", '[');
    for (int i = 0; i < 2; i++) {
        json_add_line(&out);
        json_open(&out, NULL, '{');
        json_close(&out, '}');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    assert_text(&out, "{\n \"a\":1,\"b\":2,\n \"list\":[\n {},\n {}]}");
}

/* A string that ends like an opening bracket is a string all the same. */
static void strings_are_safe_whatever_they_say(void **state)
{
    static const char *const hostile[] = {
        "",
        "{",
        "[",
        ",",
        "\"",
        "\\",
        "a\"b\\c",
        "\x01\x1F\x7F\r\n\t",
        ("\xE2\x80\xAE"
         "txt.exe"),
        "\xE2\x80\xA8",
        "\xFF\xFE",
        "\xC3",
        "</script>",
        "\xF4\x8F\xBF\xBF",
        "'; DROP TABLE",
    };
    struct buffer out = {0};
    json_open(&out, NULL, '[');
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        json_open(&out, NULL, '{');
        json_add_string(&out, "first", hostile[i]);
        json_add_string(&out, "second", hostile[i]);
        json_close(&out, '}');
    }
    json_close(&out, ']');
    for (size_t i = 0; i < out.length; i++)
        assert_true((unsigned char)out.bytes[i] >= 0x20);
    assert_null(memmem(out.bytes, out.length, "\xE2\x80\xAE", 3));
    json_t *read = json_loadb(out.bytes, out.length, 0, NULL);
    assert_int_equal(json_array_size(read), LENGTH(hostile));
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        const json_t *object = json_array_get(read, i);
        const char *first = json_string_value(json_object_get(object, "first"));
        assert_string_equal(json_string_value(json_object_get(object, "second")), first);
        if (utf8_is_valid(hostile[i], strlen(hostile[i])))
            assert_string_equal(first, hostile[i]);
    }
    json_decref(read);
    buffer_release(&out);
}

static void assert_share(int64_t part, int64_t whole, const char *expected)
{
    struct buffer out = {0};
    json_open(&out, NULL, '[');
    json_add_share(&out, NULL, part, whole);
    assert_text(&out, expected);
}

static void shares_are_rounded_to_four_decimals(void **state)
{
    assert_share(0, 0, "[null");
    assert_share(0, 7, "[0.0000");
    assert_share(7, 7, "[1.0000");
    assert_share(1, 20, "[0.0500");
    assert_share(1, 3, "[0.3333");
    assert_share(2, 3, "[0.6667");
    assert_share(1, 20000, "[0.0001"); /* exactly between: up */
    assert_share(1, 20001, "[0.0000");
    assert_share(19999, 20000, "[1.0000");
    assert_share(199989, 200000, "[0.9999");
    assert_share(3, 20000, "[0.0002");
    assert_share(100000000000, 300000000000, "[0.3333");
    /* whatever decimal point the locale has */
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL)
        assert_share(1, 2, "[0.5000");
    setlocale(LC_ALL, "C");
}

int json_writer_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(a_document_may_stand_behind_another),
        cmocka_unit_test(what_is_missing_is_null),
        cmocka_unit_test(members_and_elements_may_begin_lines),
        cmocka_unit_test(strings_are_safe_whatever_they_say),
        cmocka_unit_test(shares_are_rounded_to_four_decimals),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
