/* Query strings: what a browser or curl sends is taken apart, and nothing else is taken. */
#include "config.h"

#include "base/query_string.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* Reads TEXT and fails the test where it is not read as these names and values, ended by NULL. */
static void expect(const char *text, const char *const *names_and_values)
{
    struct query_string query;
    struct fault fault = FAULT_NONE;
    if (query_string_read(&query, text, &fault) != 0)
        fail_msg("%s: %s", text, fault.text);
    size_t length = 0;
    for (; names_and_values[2 * length] != NULL; length++) {
        assert_true(length < query.length);
        assert_string_equal(query.parameters[length].name, names_and_values[2 * length]);
        assert_string_equal(query.parameters[length].value, names_and_values[2 * length + 1]);
    }
    assert_int_equal(query.length, length);
    query_string_release(&query);
}

#define AS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void refuse(const char *text, const char *why)
{
    struct query_string query;
    struct fault fault = FAULT_NONE;
    assert_int_equal(query_string_read(&query, text, &fault), -1);
    support_assert_fault(&fault, why);
    assert_null(query.memory);
    query_string_release(&query);
}

static void names_and_values_are_decoded(void **state)
{
    expect("", AS(NULL));
    expect("a=1", AS("a", "1"));
    expect("a=1&b=2", AS("a", "1", "b", "2"));
    expect("a=&b", AS("a", "", "b", ""));
    expect("a=b=c", AS("a", "b=c"));
    expect("a=x+y%20z%2B", AS("a", "x y z+"));
    expect("%61%3d=%26%3D", AS("a=", "&="));
    expect("q=%C3%A9%e2%82%AC\xC3\xA9", AS("q", "\xC3\xA9\xE2\x82\xAC\xC3\xA9"));
    expect("=1", AS("", "1"));
}

static void what_stands_empty_is_passed_over(void **state)
{
    expect("&&a=1&&b=2&", AS("a", "1", "b", "2"));
}

static void what_is_no_text_is_refused(void **state)
{
    refuse("a=%00", "NUL");
    refuse("%00a=1", "NUL");
    refuse("a=%C3", "UTF-8");
    refuse("a=%ED%A0%80", "UTF-8");
    refuse("a=\xFF", "UTF-8");
    refuse("%C3=%A9", "UTF-8"); /* not put together from two pieces */
    refuse("a=%", "hex");
    refuse("a=%4", "hex");
    refuse("a=%4&b=1", "hex");
    refuse("a=%g1", "hex");
    refuse("a=%-1", "hex");
}

static void a_name_stands_once(void **state)
{
    refuse("a=1&b=2&%61=3", "a twice");
}

static void the_query_is_bounded(void **state)
{
    char *text = malloc(QUERY_STRING_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', QUERY_STRING_MAX + 1);
    text[QUERY_STRING_MAX + 1] = '\0';
    refuse(text, "longer");
    text[QUERY_STRING_MAX] = '\0';
    expect(text, AS(text, ""));
    text[0] = '\0';
    for (int i = 0; i < QUERY_STRING_PARAMETERS; i++) {
        char pair[] = {'&', (char)('a' + i), '=', '1', '\0'};
        memcpy(text + 4 * i, pair, sizeof pair);
    }
    struct query_string query;
    struct fault fault = FAULT_NONE;
    assert_int_equal(query_string_read(&query, text, &fault), 0);
    assert_int_equal(query.length, QUERY_STRING_PARAMETERS);
    query_string_release(&query);
    memcpy(text + 4 * QUERY_STRING_PARAMETERS, "&z=1", 5);
    refuse(text, "more than");
    free(text);
}

static void what_is_added_is_read_the_same(void **state)
{
    static const char *const words[] = {"a b", "\xC3\xA9&=?#%+", "-._~", "\r\n\"<>;", ""};
    struct buffer text = {0};
    buffer_add_string(&text, "?");
    for (size_t i = 0; i + 1 < LENGTH(words); i++)
        query_string_add(&text, words[i], words[i + 1]);
    buffer_add(&text, "", 1);
    for (const char *c = text.bytes; *c != '\0'; c++) /* safe in a header, and in a URL in it */
        assert_null(strchr("\r\n\"<>;# +", *c));
    expect(text.bytes + 1,
           AS(words[0], words[1], words[1], words[2], words[2], words[3], words[3], words[4]));
    buffer_release(&text);
}

int query_string_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_decoded),
        cmocka_unit_test(what_stands_empty_is_passed_over),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(a_name_stands_once),
        cmocka_unit_test(the_query_is_bounded),
        cmocka_unit_test(what_is_added_is_read_the_same),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
