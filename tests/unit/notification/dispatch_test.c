/* Dispatch: which notification a body is, and what it means for the books. */
#include "config.h"

#include "notification/dispatch.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A result whose members from swUpgradeResult on, and whose versions, are given. */
#define RESULT(type, result, current, target)                                            \
    "{\"notifyType\":" type ",\"deviceId\":\"d\",\"appId\":\"a\",\"operationId\":\"o\"," \
    "\"subOperationId\":\"s\",\"curVersion\":" current ",\"targetVersion\":" target ","  \
    "\"sourceVersion\":\"0\",\"swUpgradeResult\":" result ",\"upgradeTime\":\"\","       \
    "\"resultDesc\":\"\",\"errorCode\":\"4\",\"description\":\"\"}"
#define TYPE "\"swUpgradeResultNotify\""

static void a_result_is_read_whole(void **state)
{
    struct record *record = support_record(RESULT(TYPE, "\"FAIL\"", "\"1\"", "\"2\""));
    assert_int_equal(record->meaning, RECORD_RESULT);
    assert_int_equal(record->state, RECORD_FAIL);
    assert_false(record->contradictory);
    assert_string_equal(record->notify_type, "swUpgradeResultNotify");
    assert_string_equal(record->app_id, "a");
    assert_string_equal(record->device_id, "d");
    assert_string_equal(record->operation_id, "o");
    assert_string_equal(record->sub_operation_id, "s");
    assert_string_equal(record->error_code, "4");
    assert_int_equal(record->outcome, RECORD_PENDING);
    assert_non_null(record->json);
    support_record_free(record);
}

static void a_result_contradicts_itself_when_result_and_versions_do(void **state)
{
    static const struct {
        const char *result, *current, *target;
        bool contradictory;
    } cases[] = {
        {"SUCCESS", "2", "2", false},  {"SUCCESS", "1", "2", true}, {"FAIL", "1", "2", false},
        {"FAIL", "2", "2", true},      {"SUCCESS", "", "", false},  {"FAIL", "", "", true},
        {"SUCCESS", "v2", "V2", true}, {"FAIL", "v2", "V2", false}, {"SUCCESS", "1.3", "1.5", true},
        {"SUCCESS", "2 ", "2", true},  {"SUCCESS", "", "2", true},  {"FAIL", "2", "", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct record *record = support_result(&(struct support_result){
            .result = cases[i].result, .current = cases[i].current, .target = cases[i].target});
        assert_int_equal(record->state, cases[i].result[0] == 'S' ? RECORD_SUCCESS : RECORD_FAIL);
        assert_int_equal(record->contradictory, cases[i].contradictory);
        support_record_free(record);
    }
}

static void a_spelling_with_escapes_means_the_same(void **state)
{
    struct record *record = support_record(RESULT(
        "\"swUpgradeResult\\u004eotify\"", "\"\\u0053UCCESS\"", "\"\303\251\"", "\"\\u00e9\""));
    assert_int_equal(record->meaning, RECORD_RESULT);
    assert_int_equal(record->state, RECORD_SUCCESS);
    assert_false(record->contradictory);
    support_record_free(record);
}

/* What reads the store by the names of members would not find one that is spelled otherwise. */
static void a_body_whose_names_have_escapes_is_spelled_anew(void **state)
{
    static const char spelled[] =
        "{\"notify\\u0054ype\":\"swUpgradeResultNotify\", "
        "\"device\\u0049d\":\"d\\u00e9\",\"appId\":"
        "\"a\",\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"1\","
        "\"targetVersion\":\"1\",\"sourceVersion\":\"0\",\"swUpgradeResult\":\"SUCCESS\","
        "\"upgradeTime\":1e2,\"resultDesc\":\"\",\"error\\u0043ode\":\"\",\"description\":\"\","
        "\"m\\\"ore\":[0.1,1e22,-2.5e-7,123456789012345678,\"\\ud83d\\ude00\"]}";
    size_t length;
    struct record *record = support_record(spelled);
    assert_int_equal(record->meaning, RECORD_RESULT);
    assert_string_equal(record->device_id, "d\303\251");
    const char *text = record_text(record, &length);
    assert_ptr_equal(text, record->rendered);
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_equal(json, record->json));
    support_assert_has(text, "\"deviceId\":\"d\\u00e9\"");
    support_assert_has(text, "\"notifyType\":");
    support_assert_has(text, "\"errorCode\":");
    assert_string_equal(record->body, spelled); /* as received */
    json_decref(json);
    support_record_free(record);
}

static void a_body_without_such_names_is_left_as_it_came(void **state)
{
    size_t length;
    struct record *record = support_result(&(struct support_result){.description = "\"\\n\""});
    assert_null(record->rendered);
    assert_ptr_equal(record_text(record, &length), record->body);
    assert_int_equal(length, record->body_length);
    support_record_free(record);
}

static void what_is_no_notification_goes_to_quarantine_with_its_verdict(void **state)
{
    static const struct {
        const char *body, *reason, *pointer;
    } cases[] = {
        {"", "empty body", ""},
        {"nonsense", "not JSON: ", ""},
        {"{\"notifyType\":\"a\",\"notifyType\":\"a\"}", "not JSON: duplicate object key", ""},
        {"[]", "not a JSON object", ""},
        {"{}", "notifyType missing", "/notifyType"},
        {"{\"NotifyType\":\"swUpgradeResultNotify\"}", "notifyType missing", "/notifyType"},
        {"{\"notifyType\":null}", "notifyType is not a string", "/notifyType"},
        {"{\"notifyType\":7}", "notifyType is not a string", "/notifyType"},
        {"{\"notifyType\":[" TYPE "]}", "notifyType is not a string", "/notifyType"},
        {"{\"notifyType\":\"\"}", "notifyType unknown", "/notifyType"},
        {"{\"notifyType\":\"swUpgradeResultNotify \"}", "notifyType unknown", "/notifyType"},
        {"{\"notifyType\":\"noSuchNotify\"}", "notifyType unknown", "/notifyType"},
        {"{\"notifyType\":\"swUpgradeResultNotify\\u0000\"}", "notifyType unknown", "/notifyType"},
        {RESULT(TYPE, "\"FAIL\\u0000\"", "\"1\"", "\"2\""), "value not allowed",
         "/swUpgradeResult"},
        {"{\"notifyType\":" TYPE "}", "missing", "/deviceId"},
        {RESULT(TYPE, "null", "\"1\"", "\"2\""), "null", "/swUpgradeResult"},
        {RESULT(TYPE, "\"fail\"", "\"1\"", "\"2\""), "value not allowed", "/swUpgradeResult"},
        {RESULT(TYPE, "\"FAIL\"", "1", "\"2\""), "wrong type: an integer, not a string",
         "/curVersion"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct record *record = support_bytes(cases[i].body, strlen(cases[i].body));
        assert_int_equal(dispatch_read(record), DISPATCH_QUARANTINE);
        assert_int_equal(record->meaning, RECORD_QUARANTINE);
        assert_null(record->json);
        assert_memory_equal(record->verdict.reason, cases[i].reason, strlen(cases[i].reason));
        assert_string_equal(record->verdict.pointer, cases[i].pointer);
        support_record_free(record);
    }
}

static void a_notification_is_told_from_quarantine_by_the_result(void **state)
{
    static const char body[] = RESULT(TYPE, "\"FAIL\"", "\"1\"", "\"2\"");
    struct record *record = support_bytes(body, strlen(body));
    assert_int_equal(dispatch_read(record), DISPATCH_NOTIFICATION);
    support_record_free(record);
}

/* Every type that has a schema is a notification, whether or not the books know what it means. */
static void a_type_with_a_schema_is_never_unknown(void **state)
{
    for (size_t i = 0; i < schema_count(); i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"notifyType\":\"%s\"}", schema_at(i)->notify_type);
        struct record *record = support_record(body);
        if (record->meaning == RECORD_QUARANTINE)
            assert_string_not_equal(record->verdict.reason, "notifyType unknown");
        support_record_free(record);
    }
}

int dispatch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_is_read_whole),
        cmocka_unit_test(a_result_contradicts_itself_when_result_and_versions_do),
        cmocka_unit_test(a_spelling_with_escapes_means_the_same),
        cmocka_unit_test(a_body_whose_names_have_escapes_is_spelled_anew),
        cmocka_unit_test(a_body_without_such_names_is_left_as_it_came),
        cmocka_unit_test(what_is_no_notification_goes_to_quarantine_with_its_verdict),
        cmocka_unit_test(a_notification_is_told_from_quarantine_by_the_result),
        cmocka_unit_test(a_type_with_a_schema_is_never_unknown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
