/* What a body says: parsed strictly, compared and hashed whatever the order of members. */
#include "config.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "notification/content.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char key[CONTENT_KEY_SIZE] = "0123456789abcde";

/* Parses a body that is a JSON object; free with json_decref. */
static json_t *parse(const char *body)
{
    json_t *json = NULL;
    struct schema_verdict verdict = {.reason = ""};
    if (support_parse(body, strlen(body), &json, &verdict) != CONTENT_OBJECT)
        fail_msg("%s: %s", body, verdict.reason);
    return json;
}

/* --- equal and unequal pairs --- */

static void expect_equality(const char *first, const char *second, bool equal)
{
    size_t a = strlen(first), b = strlen(second);
    json_decref(parse(first)); /* both are bodies */
    json_decref(parse(second));
    if (content_equals(first, a, second, b, key) != equal ||
        content_equals(second, b, first, a, key) != equal)
        fail_msg("%s and %s are %s", first, second, equal ? "not equal" : "equal");
    /* For those that differ, equal hashes would be one chance in 2^64. */
    if ((content_hash(first, a, key) == content_hash(second, b, key)) != equal)
        fail_msg("%s and %s have hashes that are %s", first, second, equal ? "not equal" : "equal");
}

static void equal_content_is_equal(void **state)
{
    static const char *const pairs[][2] = {
        {"{}", " {\t}\r\n"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
        {"{\"a\":{\"b\":[{\"c\":1,\"d\":2}],\"e\":3}}",
         "{\"a\":{\"e\":3,\"b\":[{\"d\":2,\"c\":1}]}}"},
        {"{\"a\":\"\\u00e9\"}", "{\"a\":\"\303\251\"}"},
        {"{\"a\":\"\\uD83D\\uDE00\"}", "{\"a\":\"\360\237\230\200\"}"},
        {"{\"\\u0061\":\"\\/\"}", "{\"a\":\"/\"}"},
        {"{\"a\":\"\\u005c\\u0022\"}", "{\"a\":\"\\\\\\\"\"}"},
        {"{\"a\":1.50}", "{\"a\":15e-1}"},
        {"{\"a\":1e2}", "{\"a\":100.0}"},
        {"{\"a\":-0.0}", "{\"a\":0.0}"},
        {"{\"a\":-0}", "{\"a\":0}"},
        {"{\"a\":1}", "{\"a\":1.0}"},
        {"{\"a\":[1.00,10,0,1e400]}", "{\"a\":[10e-1,1E+1,0.00e7,10e399]}"},
        {"{\"a\":12345678901234567890.5}", "{\"a\":1234567890123456789050E-2}"},
        {"{\"a\":1e00000000000000000002}", "{\"a\":100}"},
        {"{\"a\":1e99999999999999999999}", "{\"a\":1.0e+99999999999999999999}"},
        {"{\"a\":\"\\u0000\"}", "{ \"\\u0061\":\"\\u0000\"}"},
        {"{\"a\\u0000\":1}", "{\"\\u0061\\u0000\":1}"},
        {"{\"a\":[true,false,null]}", "{\"a\":[ true , false , null ]}"},
    };
    for (size_t i = 0; i < LENGTH(pairs); i++)
        expect_equality(pairs[i][0], pairs[i][1], true);
}

static void different_content_is_different(void **state)
{
    static const char *const pairs[][2] = {
        {"{}", "{\"a\":null}"},
        {"{\"a\":1}", "{\"a\":\"1\"}"},
        {"{\"a\":true}", "{\"a\":1}"},
        {"{\"a\":false}", "{\"a\":0}"},
        {"{\"a\":null}", "{\"a\":false}"},
        {"{\"a\":\"\"}", "{\"a\":null}"},
        {"{\"a\":{}}", "{\"a\":[]}"},
        {"{\"a\":[]}", "{\"a\":[[]]}"},
        {"{\"a\":[1,2]}", "{\"a\":[2,1]}"},
        {"{\"a\":[[1],2]}", "{\"a\":[1,[2]]}"},
        {"{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"},
        {"{\"a\":\"b\"}", "{\"b\":\"a\"}"},
        {"{\"ab\":\"c\"}", "{\"a\":\"bc\"}"},
        {"{\"a\":{\"b\":1},\"c\":1}", "{\"a\":1,\"c\":{\"b\":1}}"},
        {"{\"a\":\"x\"}", "{\"A\":\"x\"}"},
        {"{\"a\":\"\303\251\"}", "{\"a\":\"e\314\201\"}"}, /* composed or not: other characters */
        {"{\"a\":\"x\"}", "{\"a\":\"x \"}"},
        {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}"},
        {"{\"a\":1}", "{\"a\":-1}"},
        {"{\"a\":12345678901234567890}", "{\"a\":12345678901234567891}"},
        {"{\"a\":1.00000000000000000001}", "{\"a\":1}"},
        {"{\"a\":1e400}", "{\"a\":1e401}"},
        {"{\"a\":1e400}", "{\"a\":-1e400}"},
        {"{\"a\":1e-400}", "{\"a\":0}"},
        {"{\"a\":1e99999999999999999999}", "{\"a\":1e99999999999999999998}"},
        {"{\"a\":1e99999999999999999999}", "{\"a\":1e-99999999999999999999}"},
        {"{\"a\":[1,0]}", "{\"a\":[10]}"},
        {"{\"a\":\"x\\u0000\"}", "{\"a\":\"x\"}"},
        {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000z\"}"},
        {"{\"a\\u0000\":1}", "{\"a\":1}"},
        {"{\"a\\u0000\":1}", "{\"a\\u00010\":1}"},
        {"{\"a\":\"n\"}", "{\"a\":null}"},
        {"{\"a\":\"\"}", "{\"a\":0}"},
    };
    for (size_t i = 0; i < LENGTH(pairs); i++)
        expect_equality(pairs[i][0], pairs[i][1], false);
}

/* As in two files of one content: what is long is hashed in pieces, spelled this way or that. */
static void long_texts_and_numbers_are_compared_whole(void **state)
{
    static const size_t lengths[] = {1, 1022, 1023, 1024, 1025, 2048, 5000};
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        struct buffer plain = {0}, escaped = {0}, number = {0}, other = {0};
        buffer_add_string(&plain, "{\"a\":\"");
        buffer_add_string(&escaped, "{\"a\":\"");
        buffer_add_string(&number, "{\"a\":1");
        for (size_t k = 0; k < lengths[i]; k++) {
            buffer_add_string(&plain, "x");
            buffer_add_string(&escaped, k % 3 == 0 ? "\\u0078" : "x");
            buffer_add_string(&number, "0");
        }
        buffer_addf(&other, "{\"a\":1e%zu}", lengths[i]);
        buffer_add(&plain, "\"}", 3);
        buffer_add(&escaped, "\"}", 3);
        buffer_add(&number, "}", 2);
        buffer_add(&other, "", 1);
        expect_equality(plain.bytes, escaped.bytes, true);
        expect_equality(number.bytes, other.bytes, true);
        plain.bytes[plain.length - 4] = 'y';
        expect_equality(plain.bytes, escaped.bytes, false);
        number.bytes[number.length - 3] = '1';
        expect_equality(number.bytes, other.bytes, false);
        buffer_release(&plain);
        buffer_release(&escaped);
        buffer_release(&number);
        buffer_release(&other);
    }
}

static void the_hash_depends_on_its_key(void **state)
{
    static const unsigned char other[CONTENT_KEY_SIZE] = "0123456789abcdf";
    static const char body[] = "{\"a\":[1,\"x\"]}";
    assert_true(content_hash(body, strlen(body), key) != content_hash(body, strlen(body), other));
    assert_true(content_hash_string("x", key) != content_hash_string("x", other));
}

/* Nobody hands such bytes in; a damaged store might. */
static void bytes_that_are_no_json_do_no_harm(void **state)
{
    static const char bytes[] = "{\"a\":[1.e5,-,\"\\ud83d\\u\\x\",{]}tru\0e,\"\\";
    for (size_t from = 0; from < sizeof bytes; from++)
        for (size_t length = 0; length <= sizeof bytes - from; length++) {
            char *copy = malloc(length + 1);
            memcpy(copy, bytes + from, length);
            char *shrunk = realloc(copy, length > 0 ? length : 1);
            struct buffer soft = {0};
            content_hash(shrunk, length, key);
            content_soften(shrunk, length, &soft);
            content_has_escaped_name(shrunk, length);
            free(content_respell(shrunk, length));
            buffer_release(&soft);
            free(shrunk);
        }
}

/* --- random bodies --- */

static json_t *random_string(uint64_t *seed)
{
    static const char *const pieces[] = {"a",        "b",  "\"",           "\\", "/",
                                         "\303\251", "\n", "\342\200\250", " ",  "\360\237\230\200",
                                         "\x01",     "0",  "\x7F"};
    char string[64] = "";
    size_t length = 0;
    for (size_t i = support_random_below(seed, 5); i > 0; i--) {
        const char *piece = pieces[support_random_below(seed, LENGTH(pieces))];
        memcpy(string + length, piece, strlen(piece) + 1);
        length += strlen(piece);
    }
    return json_string(string);
}

static json_t *random_value(uint64_t *seed, int depth);

static json_t *random_object(uint64_t *seed, int depth)
{
    json_t *object = json_object();
    for (size_t i = support_random_below(seed, 6); i > 0; i--) {
        json_t *name = random_string(seed);
        json_object_set_new(object, json_string_value(name), random_value(seed, depth - 1));
        json_decref(name);
    }
    return object;
}

static json_t *random_value(uint64_t *seed, int depth)
{
    json_t *array;
    switch (support_random_below(seed, depth > 0 ? 9 : 6)) {
    case 0:
        return json_integer((json_int_t)support_random_below(seed, 5) - 2);
    case 1:
        return json_integer((json_int_t)support_random(seed));
    case 2:
        return json_real((double)((int64_t)support_random_below(seed, 9) - 4) / 2);
    case 3:
        return json_boolean(support_random_below(seed, 2));
    case 4:
        return json_null();
    case 5:
        return random_string(seed);
    case 6:
        array = json_array();
        for (size_t i = support_random_below(seed, 4); i > 0; i--)
            json_array_append_new(array, random_value(seed, depth - 1));
        return array;
    default:
        return random_object(seed, depth);
    }
}

static void add_space(struct buffer *text, uint64_t *seed)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t", "\r\n  "};
    buffer_add_string(text, spaces[support_random_below(seed, LENGTH(spaces))]);
}

/* One code point of a string, plain or as an escape. */
static void print_character(struct buffer *text, const char *bytes, size_t size, uint64_t *seed)
{
    unsigned char c = (unsigned char)bytes[0];
    if (size == 1 && (c < 0x20 || c == '"' || c == '\\' || support_random_below(seed, 3) == 0))
        buffer_addf(text, support_random_below(seed, 2) ? "\\u%04x" : "\\u%04X", c);
    else if (size == 4 && support_random_below(seed, 2) == 0)
        buffer_add_string(text, "\\ud83d\\uDE00"); /* the only one of that size here */
    else
        buffer_add(text, bytes, size);
}

static void print_string(struct buffer *text, const char *bytes, uint64_t *seed)
{
    buffer_add_string(text, "\"");
    for (size_t left = strlen(bytes); left > 0;) {
        size_t size = utf8_length(bytes, left);
        print_character(text, bytes, size, seed);
        bytes += size;
        left -= size;
    }
    buffer_add_string(text, "\"");
}

static void print_value(struct buffer *text, const json_t *json, uint64_t *seed);

/* The members of OBJECT in any order. */
static void print_object(struct buffer *text, const json_t *object, uint64_t *seed)
{
    const char *names[8];
    size_t left = 0, total = json_object_size(object);
    for (void *iter = json_object_iter((json_t *)object); iter != NULL;
         iter = json_object_iter_next((json_t *)object, iter))
        names[left++] = json_object_iter_key(iter);
    buffer_add_string(text, "{");
    for (; left > 0; left--) {
        size_t picked = support_random_below(seed, left);
        buffer_add_string(text, left < total ? "," : "");
        add_space(text, seed);
        print_string(text, names[picked], seed);
        add_space(text, seed);
        buffer_add_string(text, ":");
        print_value(text, json_object_get(object, names[picked]), seed);
        names[picked] = names[left - 1];
    }
    buffer_add_string(text, "}");
}

static void print_value(struct buffer *text, const json_t *json, uint64_t *seed)
{
    size_t index;
    json_t *item;
    add_space(text, seed);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        print_object(text, json, seed);
        break;
    case JSON_ARRAY:
        buffer_add_string(text, "[");
        json_array_foreach(json, index, item)
        {
            buffer_add_string(text, index > 0 ? "," : "");
            print_value(text, item, seed);
        }
        buffer_add_string(text, "]");
        break;
    case JSON_STRING:
        print_string(text, json_string_value(json), seed);
        break;
    case JSON_INTEGER:
        buffer_addf(text, "%lld", (long long)json_integer_value(json));
        break;
    case JSON_REAL:
        buffer_addf(text, support_random_below(seed, 2) ? "%.1f" : "%.3e", json_real_value(json));
        break;
    default:
        buffer_add_string(text, json_is_null(json)   ? "null"
                                : json_is_true(json) ? "true"
                                                     : "false");
    }
    add_space(text, seed);
}

static void random_bodies_equal_their_shuffled_selves_and_no_other(void **state)
{
    uint64_t seed = 1;
    json_t *before = json_object();
    for (int i = 0; i < 20000; i++) {
        json_t *json = random_object(&seed, 4), *parsed = NULL;
        struct buffer body = {0};
        struct schema_verdict verdict;
        print_value(&body, json, &seed);
        assert_false(body.failed);
        if (support_parse(body.bytes, body.length, &parsed, &verdict) != CONTENT_OBJECT)
            fail_msg("%.*s: %s", (int)body.length, body.bytes, verdict.reason);
        assert_true(json_equal(json, parsed));
        struct buffer again = {0};
        print_value(&again, json, &seed);
        assert_true(content_equals(again.bytes, again.length, body.bytes, body.length, key));
        bool same = json_equal(before, json);
        buffer_clear(&again);
        print_value(&again, before, &seed);
        assert_int_equal(content_equals(again.bytes, again.length, body.bytes, body.length, key),
                         same);
        buffer_release(&again);
        json_decref(before);
        json_decref(parsed);
        buffer_release(&body);
        before = json;
    }
    json_decref(before);
}

/* --- what is no notification --- */

static void expect_refusal(const char *body, size_t length, const char *reason)
{
    json_t *json = NULL;
    struct schema_verdict verdict = {.pointer = "left from before"};
    if (support_parse(body, length, &json, &verdict) != CONTENT_INVALID) {
        json_decref(json);
        fail_msg("taken: %.*s", (int)length, body);
    }
    assert_null(json);
    assert_string_equal(verdict.pointer, "");
    if (strncmp(verdict.reason, reason, strlen(reason)) != 0)
        fail_msg("%.*s: '%s' does not begin with '%s'", (int)length, body, verdict.reason, reason);
    assert_true(utf8_is_valid(verdict.reason, strlen(verdict.reason)));
}

static void bodies_that_are_no_json_are_refused(void **state)
{
    static const char *const bodies[] = {
        " ",
        "{",
        "{\"a\":1",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":1e400,}",
        "{\"a\":099999999999999999999}",
        "{\"a\":99999999999999999999.}",
        "{\"a\":1e400.5}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"\\u0000\":1,\"\\u0000\":1}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\uD800\"}",
        "{\"a\":\"\\uDC00\\uD800\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\xFF\"}",
        "{\"a\":\"\xC0\xAF\"}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"\xF4\x90\x80\x80\"}",
        "{\"\xFF\":1}",
        "\xEF\xBB\xBF{}",
        "{\"a\":1}/* */",
        "\xFE\xFF",
        "a=1&b=2",
    };
    for (size_t i = 0; i < LENGTH(bodies); i++)
        expect_refusal(bodies[i], strlen(bodies[i]), "not JSON: ");
    expect_refusal("{}\0", 3, "not JSON: ");
    expect_refusal("\0{}", 3, "not JSON: ");
    expect_refusal("{\"a\":\"b\0\"}", 10, "not JSON: ");
    expect_refusal("{\"a\":1\0}", 8, "not JSON: a NUL byte, at byte 6");
    expect_refusal("{\"a\":[1.5\0]}", 12, "not JSON: ");
    /* The parser's own words end within a character. */
    expect_refusal("{\"a\":\"\\ud\xEF\xBF\xBF\"}", 12, "not JSON: ");
}

static void what_jansson_cannot_hold_is_json_all_the_same(void **state)
{
    json_t *json = parse("{\"long\":-12345678901234567890,\"huge\":1e400,\"low\":-1e999,\"n\":7,"
                         "\"text\":\"1e400 \\u0000\",\"na\\u0000me\":1,\"na\\u00010me\":2}");
    assert_true(json_real_value(json_object_get(json, "long")) == -12345678901234567890.0);
    assert_true(json_real_value(json_object_get(json, "huge")) > 1e308);
    assert_true(json_real_value(json_object_get(json, "low")) < -1e308);
    assert_int_equal(json_integer_value(json_object_get(json, "n")), 7);
    assert_int_equal(json_string_length(json_object_get(json, "text")), 7);
    assert_int_equal(json_object_size(json), 7);
    json_decref(json);
}

static void an_empty_body_is_refused_by_that_name(void **state)
{
    expect_refusal("", 0, "empty body");
}

static void json_that_is_no_object_is_refused_by_that_name(void **state)
{
    static const char *const bodies[] = {"[]", "[{}]", "\"x\"", "1", "-0.5", "true", "null", " 0 "};
    for (size_t i = 0; i < LENGTH(bodies); i++)
        expect_refusal(bodies[i], strlen(bodies[i]), "not a JSON object");
}

/* Gives an object that nests DEPTH deep, itself included; OPEN and CLOSE are one level. */
static struct buffer nested(size_t depth, const char *open, const char *close)
{
    struct buffer body = {0};
    buffer_add_string(&body, "{\"a\":");
    for (size_t i = 1; i < depth; i++)
        buffer_add_string(&body, open);
    buffer_add_string(&body, "1");
    for (size_t i = 1; i < depth; i++)
        buffer_add_string(&body, close);
    buffer_add_string(&body, "}");
    assert_false(body.failed);
    return body;
}

static void nesting_is_taken_to_its_limit_and_no_deeper(void **state)
{
    static const char *const levels[][2] = {{"[", "]"}, {"{\"a\":", "}"}};
    static const size_t too_deep[] = {CONTENT_DEPTH_MAX + 1, 1000, 2047, 2048, 2049, 100000};
    for (size_t kind = 0; kind < LENGTH(levels); kind++) {
        struct buffer body = nested(CONTENT_DEPTH_MAX, levels[kind][0], levels[kind][1]);
        json_t *json = NULL;
        struct schema_verdict verdict;
        assert_int_equal(support_parse(body.bytes, body.length, &json, &verdict), CONTENT_OBJECT);
        assert_true(content_equals(body.bytes, body.length, body.bytes, body.length, key));
        json_decref(json);
        buffer_release(&body);
        for (size_t i = 0; i < LENGTH(too_deep); i++) {
            body = nested(too_deep[i], levels[kind][0], levels[kind][1]);
            expect_refusal(body.bytes, body.length, "nested too deep");
            buffer_release(&body);
        }
    }
    struct buffer array = {0}; /* deep, and no object either */
    for (int i = 0; i < 5000; i++)
        buffer_add_string(&array, "[");
    expect_refusal(array.bytes, array.length, "nested too deep");
    buffer_release(&array);
}

static void a_name_spelled_with_an_escape_is_told_from_other_escapes(void **state)
{
    static const char *const escaped[] = {
        "{\"\\u0061\":1}",
        "{\"a\":1,\"\\/\":2}",
        "{\"a\":{\"b\":[{\"c\\\"\" : 1}]}}",
        "{\"a\":\"x\",\"b\\\\\"\r\n:1}",
    };
    static const char *const plain[] = {
        "{}",
        "{\"a\":\"\\u0061\"}",
        "{\"a\":\"\\\\\",\"b\":1}",
        "{\"a\":\"\\\":\",\"b\":1}",
        "{\"a\":[\"\\n\",{\"b\":1}],\"c\":\"x: \\t\"}",
        "{\"a:b\":1}",
    };
    for (size_t i = 0; i < LENGTH(escaped); i++)
        if (!content_has_escaped_name(escaped[i], strlen(escaped[i])))
            fail_msg("no escape in a name of %s", escaped[i]);
    for (size_t i = 0; i < LENGTH(plain); i++)
        if (content_has_escaped_name(plain[i], strlen(plain[i])))
            fail_msg("an escape in a name of %s", plain[i]);
}

static void the_reason_tells_where_the_json_ends(void **state)
{
    json_t *json = NULL;
    struct schema_verdict verdict;
    assert_int_equal(support_parse("{\"abc\": nonsense}", 17, &json, &verdict), CONTENT_INVALID);
    support_assert_has(verdict.reason, "near 'nonsense'");
    support_assert_has(verdict.reason, "at byte 16");
}

int content_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_content_is_equal),
        cmocka_unit_test(different_content_is_different),
        cmocka_unit_test(long_texts_and_numbers_are_compared_whole),
        cmocka_unit_test(bytes_that_are_no_json_do_no_harm),
        cmocka_unit_test(what_jansson_cannot_hold_is_json_all_the_same),
        cmocka_unit_test(the_hash_depends_on_its_key),
        cmocka_unit_test(random_bodies_equal_their_shuffled_selves_and_no_other),
        cmocka_unit_test(bodies_that_are_no_json_are_refused),
        cmocka_unit_test(an_empty_body_is_refused_by_that_name),
        cmocka_unit_test(json_that_is_no_object_is_refused_by_that_name),
        cmocka_unit_test(nesting_is_taken_to_its_limit_and_no_deeper),
        cmocka_unit_test(a_name_spelled_with_an_escape_is_told_from_other_escapes),
        cmocka_unit_test(the_reason_tells_where_the_json_ends),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
