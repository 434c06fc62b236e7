/* A token as text: written and read again as it was, and nothing else is taken for one. */
#include "config.h"

#include "notification/token.h"

#include "support.h"

#include <string.h>

static void a_token_is_read_as_it_was_written(void **state)
{
    static const struct token tokens[] = {
        {"", 0}, {"0123456789abcdef", 1}, {"ffffffffffffffff", INT64_MAX}};
    static const char *const texts[] = {"start", "0123456789abcdef:1",
                                        "ffffffffffffffff:9223372036854775807"};
    for (size_t i = 0; i < LENGTH(tokens); i++) {
        char text[TOKEN_TEXT_SIZE];
        struct token token = {"x", -1};
        struct fault fault = FAULT_NONE;
        assert_string_equal(token_write(&tokens[i], text), texts[i]);
        assert_int_equal(token_read(text, &token, &fault), 0);
        assert_string_equal(token.life, tokens[i].life);
        assert_int_equal(token.seq, tokens[i].seq);
    }
}

static void what_is_no_token_is_refused_and_told(void **state)
{
    static const char *const texts[] = {
        "",
        "0",
        "11",
        "Start",
        "start:1",
        ":1",
        "0123456789abcdef",
        "0123456789abcdef:",
        "0123456789abcdef:0",
        "0123456789abcdef:-1",
        "0123456789abcdef:1 ",
        "0123456789abcdef:x",
        "0123456789abcdef:9223372036854775808",
        "0123456789abcde:1",
        "0123456789abcdef0:1",
        "0123456789ABCDEF:1",
    };
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct token token = {"left alone", 7};
        struct fault fault = FAULT_NONE;
        if (token_read(texts[i], &token, &fault) == 0)
            fail_msg("'%s' is a token", texts[i]);
        support_assert_fault(&fault, "LIFE:SEQ");
        assert_string_equal(token.life, "left alone");
    }
}

int token_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_token_is_refused_and_told),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
