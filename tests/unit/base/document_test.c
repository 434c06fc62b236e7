/* JSON written member by member. */
#include "config.h"

#include "base/document.h"
#include "support.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(struct text *text, const char *expected)
{
    text_add(text, "", 1);
    assert_false(text->failed);
    assert_string_equal(text->bytes, expected);
    text_release(text);
}

static void commas_come_by_themselves(void **state)
{
    struct text out = {0};
    document_open(&out, NULL, '{');
    document_open(&out, "empty", '{');
    document_close(&out, '}');
    document_open(&out, "none", '[');
    document_close(&out, ']');
    document_open(&out, "list", '[');
    document_string(&out, NULL, "a");
    document_number(&out, NULL, -5);
    document_null(&out, NULL);
    document_open(&out, NULL, '{');
    document_bool(&out, "yes", true);
    document_bool(&out, "no", false);
    document_close(&out, '}');
    document_open(&out, NULL, '[');
    document_open(&out, NULL, '[');
    document_close(&out, ']');
    document_close(&out, ']');
    document_json(&out, NULL, "{\"a\": [1,\n2]}", 13);
    document_close(&out, ']');
    document_time(&out, "at", 1764000000123);
    document_number(&out, "n", INT64_MIN);
    document_close(&out, '}');
    assert_text(&out,
                "{\"empty\":{},\"none\":[],\"list\":[\"a\",-5,null,{\"yes\":true,\"no\":false},"
                "[[]],{\"a\": [1,2]}],\"at\":\"2025-11-24T16:00:00.123Z\","
                "\"n\":-9223372036854775808}");
}

static void a_document_may_stand_behind_another(void **state)
{
    struct text out = {0};
    for (int i = 0; i < 2; i++) {
        document_open(&out, NULL, '{');
        document_number(&out, "i", i);
        document_close(&out, '}');
        text_add(&out, "\n", 1);
    }
    assert_text(&out, "{\"i\":0}\n{\"i\":1}\n");
}

static void what_is_missing_is_null(void **state)
{
    struct text out = {0};
    document_open(&out, NULL, '{');
    document_string(&out, "string", NULL);
    document_time_or_null(&out, "never", 0);
    document_time_or_null(&out, "at", 1764000000123);
    document_close(&out, '}');
    assert_text(&out, "{\"string\":null,\"never\":null,\"at\":\"2025-11-24T16:00:00.123Z\"}");
}

static void members_and_elements_may_begin_lines(void **state)
{
    struct text out = {0};
    document_open(&out, NULL, '{');
    document_line(&out);
    document_number(&out, "a", 1);
    document_number(&out, "b", 2);
    document_line(&out);
    document_open(&out, "list", '[');
    for (int i = 0; i < 2; i++) {
        document_line(&out);
        document_open(&out, NULL, '{');
        document_close(&out, '}');
    }
    document_close(&out, ']');
    document_close(&out, '}');
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
    struct text out = {0};
    document_open(&out, NULL, '[');
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        document_open(&out, NULL, '{');
        document_string(&out, "first", hostile[i]);
        document_string(&out, "second", hostile[i]);
        document_close(&out, '}');
    }
    document_close(&out, ']');
    for (size_t i = 0; i < out.length; i++)
        assert_true((unsigned char)out.bytes[i] >= 0x20);
    assert_null(memmem(out.bytes, out.length, "\xE2\x80\xAE", 3));
    json_t *read = json_loadb(out.bytes, out.length, 0, NULL);
    assert_int_equal(json_array_size(read), LENGTH(hostile));
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        const json_t *object = json_array_get(read, i);
        const char *first = json_string_value(json_object_get(object, "first"));
        assert_string_equal(json_string_value(json_object_get(object, "second")), first);
        if (text_is_utf8(hostile[i], strlen(hostile[i])))
            assert_string_equal(first, hostile[i]);
    }
    json_decref(read);
    text_release(&out);
}

static void assert_share(int64_t part, int64_t whole, const char *expected)
{
    struct text out = {0};
    document_open(&out, NULL, '[');
    document_share(&out, NULL, part, whole);
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

int document_tests(void)
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
