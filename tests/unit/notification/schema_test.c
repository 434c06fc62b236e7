/* Checking bodies against schemas: those of schemas/, which use all that a schema may say, and the
 * ones that the receiver is built with. */
#include "config.h"

#include "base/buffer.h"
#include "notification/schema.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made from schemas/ by schema/generate.py, as fcgi/schema_table.inc is from schema/. */
#include "tests/unit/schema_fixture.inc"

static const struct schema *find_fixture(const char *notify_type)
{
    for (size_t i = 0; i < LENGTH(table); i++)
        if (strcmp(table[i].notify_type, notify_type) == 0)
            return &table[i];
    fail_msg("no schema for %s", notify_type);
    return NULL;
}

/* Checks BODY against SCHEMA: "POINTER: REASON" of what is wrong, or "" where nothing is. */
static const char *check(const struct schema *schema, const char *body)
{
    static char told[SCHEMA_POINTER_MAX + SCHEMA_REASON_MAX + 4];
    struct schema_verdict verdict;
    json_error_t error;
    memset(&verdict, 'x', sizeof verdict); /* left alone unless something is wrong */
    json_t *json = json_loads(body, 0, &error);
    if (json == NULL)
        fail_msg("%s: %s", body, error.text);
    if (schema_check(schema, json, &verdict)) {
        told[0] = '\0';
        assert_int_equal(verdict.reason[0], 'x');
        assert_int_equal(verdict.pointer[0], 'x');
    } else {
        snprintf(told, sizeof told, "%s: %s", verdict.pointer, verdict.reason);
    }
    json_decref(json);
    return told;
}

/* --- every keyword --- */

/* A body that keeps the schema "nested", with MEMBERS behind the others. */
#define NESTED(members) \
    "{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":{\"left\":1}" members "}"

static const struct {
    const char *body, *told;
} rules[] = {
    {NESTED(""), ""},
    {NESTED(",\"unknown\":[{}]"), ""},
    /* required */
    {"{\"notifyType\":\"nested\",\"shape\":{\"left\":1}}", "/text: missing"},
    {"{\"notifyType\":\"nested\",\"text\":\"t\"}", "/shape: missing"},
    {"{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":{}}", "/shape/left: missing"},
    /* const and enum */
    {"{\"notifyType\":\"Nested\",\"text\":\"t\",\"shape\":{\"left\":1}}",
     "/notifyType: value not allowed: takes nested"},
    {NESTED(",\"choice\":\"two\""), ""},
    {NESTED(",\"choice\":\"\\\"three\\\"\\\\?\""), ""},
    {NESTED(",\"choice\":\"Two\""), "/choice: value not allowed: takes one or two or \"three\"\\?"},
    {NESTED(",\"choice\":\"\""), "/choice: value not allowed: takes one or two or \"three\"\\?"},
    {NESTED(",\"choice\":2"), "/choice: wrong type: an integer, not a string"},
    /* minLength */
    {"{\"notifyType\":\"nested\",\"text\":\"\",\"shape\":{\"left\":1}}", "/text: empty"},
    {NESTED(",\"word\":\"\""), "/word: empty"},
    {NESTED(",\"word\":\"ab\""), "/word: shorter than 3 characters"},
    {NESTED(",\"word\":\"abc\""), ""},
    {NESTED(",\"word\":\"\303\251\303\251\""), "/word: shorter than 3 characters"},
    {NESTED(",\"word\":\"\303\251\360\237\230\200x\""), ""},
    {NESTED(",\"either\":\"x\""), "/either: shorter than 2 characters"},
    /* types */
    {NESTED(",\"count\":2"), ""},
    {NESTED(",\"count\":2.0"), ""},
    {NESTED(",\"count\":-2e3"), ""},
    {NESTED(",\"count\":2.5"), "/count: wrong type: a number, not an integer"},
    {NESTED(",\"count\":\"2\""), "/count: wrong type: a string, not an integer"},
    {NESTED(",\"count\":null"), "/count: null"},
    {NESTED(",\"ratio\":2"), ""},
    {NESTED(",\"ratio\":2.5"), ""},
    {NESTED(",\"ratio\":true"), "/ratio: wrong type: a boolean, not a number"},
    {NESTED(",\"flag\":false"), ""},
    {NESTED(",\"flag\":0"), "/flag: wrong type: an integer, not a boolean"},
    {NESTED(",\"nothing\":null"), ""},
    {NESTED(",\"nothing\":0"), "/nothing: wrong type: an integer, not null"},
    {NESTED(",\"either\":\"ab\""), ""},
    {NESTED(",\"either\":1"), ""},
    {NESTED(",\"either\":1.0"), ""},
    {NESTED(",\"either\":null"), ""},
    {NESTED(",\"either\":1.5"),
     "/either: wrong type: a number, not a string or an integer or null"},
    {NESTED(",\"either\":[]"), "/either: wrong type: an array, not a string or an integer or null"},
    {NESTED(",\"any\":null"), ""},
    {NESTED(",\"any\":[{\"a\":1.5}]"), ""},
    /* objects within */
    {"{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":null}", "/shape: null"},
    {"{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":[1]}",
     "/shape: wrong type: an array, not an object"},
    {"{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":{\"left\":1,\"inner\":{}}}",
     "/shape/inner/leaf: missing"},
    {"{\"notifyType\":\"nested\",\"text\":\"t\",\"shape\":{\"left\":1,\"inner\":{\"leaf\":{}}}"
     "}",
     "/shape/inner/leaf: wrong type: an object, not a string"},
    {NESTED(",\"free\":{\"a\":null}"), ""},
    {NESTED(",\"free\":\"\""), "/free: wrong type: a string, not an object"},
    /* arrays */
    {NESTED(",\"list\":[]"), ""},
    {NESTED(",\"list\":[{\"name\":\"a\",\"tags\":[\"a\",\"b\"]},{\"name\":\"b\"}]"), ""},
    {NESTED(",\"list\":[{\"name\":\"a\"},{}]"), "/list/1/name: missing"},
    {NESTED(",\"list\":[{\"name\":\"\"}]"), "/list/0/name: empty"},
    {NESTED(",\"list\":[{\"name\":\"a\",\"tags\":[\"a\",\"b\",\"c\"]}]"),
     "/list/0/tags/2: value not allowed: takes a or b"},
    {NESTED(",\"list\":[[]]"), "/list/0: wrong type: an array, not an object"},
    {NESTED(",\"list\":{}"), "/list: wrong type: an object, not an array"},
    {NESTED(",\"matrix\":[[1,2.5],[],[3,\"4\"]]"),
     "/matrix/2/1: wrong type: a string, not a number"},
    {NESTED(",\"loose\":[1,null,{}]"), ""},
};

static void each_rule_names_place_and_reason(void **state)
{
    for (size_t i = 0; i < LENGTH(rules); i++) {
        const char *told = check(find_fixture("nested"), rules[i].body);
        if (strcmp(told, rules[i].told) != 0)
            fail_msg("%s: '%s', not '%s'", rules[i].body, told, rules[i].told);
    }
}

static void the_first_member_at_fault_in_the_schemas_order_is_named(void **state)
{
    const struct schema *nested = find_fixture("nested");
    assert_string_equal(check(nested, "{}"), "/notifyType: missing");
    assert_string_equal(check(nested, "{\"flag\":0,\"count\":\"x\",\"shape\":{\"inner\":0},"
                                      "\"text\":\"t\",\"notifyType\":\"nested\"}"),
                        "/count: wrong type: a string, not an integer");
    assert_string_equal(check(nested, "{\"list\":[{},0],\"shape\":{\"inner\":0},\"text\":\"t\","
                                      "\"notifyType\":\"nested\"}"),
                        "/shape/left: missing");
    assert_string_equal(check(nested, NESTED(",\"list\":[{\"name\":\"a\",\"tags\":[\"c\"]},0]")),
                        "/list/0/tags/0: value not allowed: takes a or b");
}

static void a_body_that_is_no_object_is_at_fault_as_a_whole(void **state)
{
    assert_string_equal(check(find_fixture("nested"), "[]"),
                        ": wrong type: an array, not an object");
}

static void members_of_any_name_are_found(void **state)
{
    const struct schema *schema = find_fixture("long");
    assert_string_equal(check(schema, "{\"notifyType\":\"long\",\"\303\251\\\"\\\\ ?\":1}"), "");
    assert_string_equal(check(schema, "{\"notifyType\":\"long\",\"\303\251\\\"\\\\ ?\":\"1\"}"),
                        "/\303\251\"\\ ?: wrong type: a string, not an integer");
}

static void a_long_pointer_is_cut_at_its_end(void **state)
{
    const struct schema *schema = find_fixture("long");
    char first[160], second[160], body[512], expected[512];
    memset(first, 'x', sizeof first);
    memcpy(first, "n1-", 3);
    first[113] = '\0';
    memcpy(second, first, sizeof first);
    second[1] = '2';
    snprintf(body, sizeof body, "{\"notifyType\":\"long\",\"deep\":{\"%s\":{\"%s\":{}}}}", first,
             second);
    snprintf(expected, sizeof expected, "/deep/%s/%s/n3-%s", first, second,
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    const char *told = check(schema, body);
    assert_int_equal(strcspn(told, ":"), SCHEMA_POINTER_MAX - 1);
    assert_memory_equal(told, expected, SCHEMA_POINTER_MAX - 1);
    assert_string_equal(told + SCHEMA_POINTER_MAX - 1, ": missing");
}

static void a_name_longer_than_a_pointer_is_cut(void **state)
{
    char body[512], name[301];
    memset(name, 'm', sizeof name - 1);
    name[300] = '\0';
    snprintf(body, sizeof body, "{\"notifyType\":\"long\",\"%s\":0}", name);
    const char *told = check(find_fixture("long"), body);
    assert_int_equal(strcspn(told, ":"), SCHEMA_POINTER_MAX - 1);
    assert_memory_equal(told + 1, name, SCHEMA_POINTER_MAX - 2);
    assert_string_equal(told + SCHEMA_POINTER_MAX - 1, ": wrong type: an integer, not a boolean");
}

static void a_long_reason_is_cut(void **state)
{
    const char *told = check(find_fixture("long"), "{\"notifyType\":\"long\",\"choice\":\"none\"}");
    assert_int_equal(strlen(told), strlen("/choice: ") + SCHEMA_REASON_MAX - 1);
    support_assert_has(told, "value not allowed: takes value-00-abcdefghij or value-01-");
}

static void the_generated_table_is_sorted_byte_by_byte(void **state)
{
    static const char *const names[] = {"Zebra", "long", "neste", "nested"};
    assert_int_equal(LENGTH(table), LENGTH(names));
    for (size_t i = 0; i < LENGTH(names); i++)
        assert_string_equal(table[i].notify_type, names[i]);
}

/* --- the schemas of the receiver --- */

static void every_schema_is_found_by_its_name_and_nothing_else_is(void **state)
{
    assert_true(schema_count() >= 1);
    for (size_t i = 0; i < schema_count(); i++) {
        const struct schema *schema = schema_at(i);
        char longer[256];
        assert_ptr_equal(schema_find(schema->notify_type), schema);
        if (i > 0)
            assert_true(strcmp(schema_at(i - 1)->notify_type, schema->notify_type) < 0);
        snprintf(longer, sizeof longer, "%s ", schema->notify_type);
        assert_null(schema_find(longer));
        longer[strlen(schema->notify_type) - 1] = '\0';
        assert_null(schema_find(longer));
        assert_string_equal(schema->root->members[0].name, "notifyType");
    }
    assert_null(schema_find(""));
    assert_null(schema_find("SWUPGRADERESULTNOTIFY"));
    assert_null(schema_find("noSuchNotify"));
}

/* The document's thirteen members, each of which is mandatory. */
static const char *const members[] = {
    "notifyType", "deviceId",      "appId",         "operationId",     "subOperationId",
    "curVersion", "targetVersion", "sourceVersion", "swUpgradeResult", "upgradeTime",
    "resultDesc", "errorCode",     "description"};

/* A software upgrade result in which MEMBER has VALUE (JSON; NULL: it is missing). */
static json_t *result_with(const char *member, const char *value)
{
    json_t *json = json_object();
    for (size_t i = 0; i < LENGTH(members); i++)
        json_object_set_new(json, members[i], json_string("x"));
    json_object_set_new(json, "notifyType", json_string("swUpgradeResultNotify"));
    json_object_set_new(json, "swUpgradeResult", json_string("FAIL"));
    if (value == NULL)
        json_object_del(json, member);
    else
        json_object_set_new(json, member, json_loads(value, JSON_DECODE_ANY, NULL));
    return json;
}

static void expect_result(const char *member, const char *value, const char *reason)
{
    const struct schema *schema = schema_find("swUpgradeResultNotify");
    struct schema_verdict verdict = {.reason = ""};
    json_t *json = result_with(member, value);
    bool right = schema_check(schema, json, &verdict);
    json_decref(json);
    if (strcmp(verdict.reason, reason) != 0 || right != (reason[0] == '\0'))
        fail_msg("%s %s: '%s', not '%s'", member, value == NULL ? "missing" : value, verdict.reason,
                 reason);
    if (!right) {
        assert_int_equal(verdict.pointer[0], '/');
        assert_string_equal(verdict.pointer + 1, member);
    }
}

static void each_member_of_a_software_upgrade_result_is_checked(void **state)
{
    for (size_t i = 0; i < LENGTH(members); i++) {
        bool closed = i == 0 || i == 8, time = i == 9, id = i >= 1 && i <= 4;
        expect_result(members[i], NULL, "missing");
        expect_result(members[i], "null", "null");
        expect_result(members[i], "1.5",
                      time ? "wrong type: a number, not a string or an integer"
                           : "wrong type: a number, not a string");
        expect_result(members[i], "7", time ? "" : "wrong type: an integer, not a string");
        expect_result(members[i], "\"\"",
                      i == 0   ? "value not allowed: takes swUpgradeResultNotify"
                      : closed ? "value not allowed: takes SUCCESS or FAIL"
                      : id     ? "empty"
                               : "");
        if (!closed)
            expect_result(members[i], "\"***\"", "");
    }
    expect_result("swUpgradeResult", "\"SUCCESS\"", "");
    expect_result("swUpgradeResult", "\"success\"", "value not allowed: takes SUCCESS or FAIL");
    expect_result("another", "{\"a\":[null]}", "");
}

int schema_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_names_place_and_reason),
        cmocka_unit_test(the_first_member_at_fault_in_the_schemas_order_is_named),
        cmocka_unit_test(a_body_that_is_no_object_is_at_fault_as_a_whole),
        cmocka_unit_test(members_of_any_name_are_found),
        cmocka_unit_test(a_long_pointer_is_cut_at_its_end),
        cmocka_unit_test(a_name_longer_than_a_pointer_is_cut),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(the_generated_table_is_sorted_byte_by_byte),
        cmocka_unit_test(every_schema_is_found_by_its_name_and_nothing_else_is),
        cmocka_unit_test(each_member_of_a_software_upgrade_result_is_checked),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
