/* Alternatives in a schema (anyOf), and the body without a notifyType: how the check goes about
 * them, and that the generator makes of a schema what it says, or says why it cannot. */
#include "config.h"

#include "notification/dispatch.h"
#include "notification/schema.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the check, by hand-made tables --- */

static const struct schema_node any = {.types = SCHEMA_ANY};
static const struct schema_node string = {.types = SCHEMA_STRING, .min_length = 1};
static const struct schema_node integer = {.types = SCHEMA_INTEGER};

#define NEEDS(name, member, node)                                                   \
    static const struct schema_member name##_members[] = {{member, true, &(node)}}; \
    static const struct schema_node name = {                                        \
        .types = SCHEMA_OBJECT, .members = name##_members, .members_length = 1}

NEEDS(needs_a, "a", string);
NEEDS(needs_b, "b", integer);
NEEDS(needs_c, "c", any);

static bool check(const struct schema_node *root, const char *body, struct schema_verdict *verdict)
{
    const struct schema schema = {.notify_type = "t", .root = root};
    json_t *json = json_loads(body, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    bool good = schema_check(&schema, json, verdict);
    json_decref(json);
    return good;
}

static void assert_good(const struct schema_node *root, const char *body)
{
    struct schema_verdict verdict = {.reason = "left", .pointer = "alone"};
    if (!check(root, body, &verdict))
        fail_msg("%s: %s at '%s'", body, verdict.reason, verdict.pointer);
    assert_string_equal(verdict.reason, "left");
    assert_string_equal(verdict.pointer, "alone");
}

static void assert_bad(const struct schema_node *root, const char *body, const char *reason,
                       const char *pointer)
{
    struct schema_verdict verdict;
    if (check(root, body, &verdict))
        fail_msg("%s is good", body);
    assert_string_equal(verdict.reason, reason);
    assert_string_equal(verdict.pointer, pointer);
}

static const struct schema_node *const two[] = {&needs_a, &needs_b, NULL};
static const struct schema_node a_or_b = {.types = SCHEMA_OBJECT, .any_of = two};

static void any_one_alternative_is_enough(void **state)
{
    assert_good(&a_or_b, "{\"a\":\"x\"}");
    assert_good(&a_or_b, "{\"b\":1}");
    assert_good(&a_or_b, "{\"a\":\"x\",\"b\":1}");
    assert_good(&a_or_b, "{\"a\":null,\"b\":1}"); /* the other one holds */
    assert_good(&a_or_b, "{\"a\":\"x\",\"b\":\"no integer\"}");
}

static void where_none_holds_the_first_ones_reason_stands(void **state)
{
    assert_bad(&a_or_b, "{}", "missing", "/a");
    assert_bad(&a_or_b, "{\"a\":\"\"}", "empty", "/a");
    assert_bad(&a_or_b, "{\"a\":null,\"b\":null}", "null", "/a");
    assert_bad(&a_or_b, "{\"b\":\"1\"}", "missing", "/a");
    assert_bad(&a_or_b, "7", "wrong type: an integer, not an object", "");
}

static const struct schema_node *const one[] = {&needs_c, NULL};
static const struct schema_node *const three[] = {&needs_a, &needs_b, &needs_c, NULL};

static void one_alternative_and_three_work_like_two(void **state)
{
    static const struct schema_node only_c = {.types = SCHEMA_OBJECT, .any_of = one};
    static const struct schema_node any_of_three = {.types = SCHEMA_OBJECT, .any_of = three};
    assert_good(&only_c, "{\"c\":null}");
    assert_bad(&only_c, "{\"a\":\"x\"}", "missing", "/c");
    assert_good(&any_of_three, "{\"c\":[]}");
    assert_good(&any_of_three, "{\"b\":1,\"a\":2}");
    assert_bad(&any_of_three, "{\"b\":\"x\",\"a\":2}", "wrong type: an integer, not a string",
               "/a");
}

/* The rules beside anyOf must hold as well, and theirs is the first reason. */
static void the_rules_beside_alternatives_hold_too(void **state)
{
    static const struct schema_member beside[] = {{"c", true, &integer}};
    static const struct schema_node both = {
        .types = SCHEMA_OBJECT, .members = beside, .members_length = 1, .any_of = two};
    assert_good(&both, "{\"c\":1,\"b\":1}");
    assert_bad(&both, "{\"b\":1}", "missing", "/c");
    assert_bad(&both, "{\"c\":\"x\"}", "wrong type: a string, not an integer", "/c");
    assert_bad(&both, "{\"c\":1}", "missing", "/a");
}

static void alternatives_may_stand_below_the_top(void **state)
{
    static const struct schema_node list = {.types = SCHEMA_ARRAY, .items = &a_or_b};
    static const struct schema_member members[] = {{"list", true, &list}};
    static const struct schema_node root = {
        .types = SCHEMA_OBJECT, .members = members, .members_length = 1};
    assert_good(&root, "{\"list\":[{\"a\":\"x\"},{\"b\":1}]}");
    assert_bad(&root, "{\"list\":[{\"a\":\"x\"},{\"b\":null}]}", "missing", "/list/1/a");

    static const struct schema_node *const nested_list[] = {&a_or_b, &string, NULL};
    static const struct schema_node nested = {.types = SCHEMA_ANY, .any_of = nested_list};
    assert_good(&nested, "\"x\"");
    assert_good(&nested, "{\"b\":1}");
    assert_bad(&nested, "\"\"", "wrong type: a string, not an object", "");
}

/* --- the schemas that have them --- */

/* Reads BODY as a request would: REASON NULL says that it is a notification of type TYPE. */
static void assert_read(const char *body, const char *type, const char *reason, const char *pointer)
{
    struct record *record = support_record(body);
    if (reason == NULL) {
        if (record->meaning == RECORD_QUARANTINE)
            fail_msg("%s: %s at '%s'", body, record->verdict.reason, record->verdict.pointer);
        assert_string_equal(record->notify_type, type);
    } else {
        if (record->meaning != RECORD_QUARANTINE)
            fail_msg("%s is a notification", body);
        support_assert_has(record->verdict.reason, reason);
        assert_string_equal(record->verdict.pointer, pointer);
    }
    record_release(record);
    support_record_free(record);
}

#define DATA(rest) "{\"notifyType\":\"deviceDataChanged\",\"deviceId\":\"d\"" rest "}"
#define DATAS(rest) "{\"notifyType\":\"deviceDatasChanged\",\"deviceId\":\"d\"" rest "}"
#define ONE "{\"serviceId\":\"s\"}"

static void device_data_has_service_or_services(void **state)
{
    static const char *const good[] = {
        ",\"service\":" ONE,
        ",\"services\":[" ONE "," ONE "]",
        ",\"service\":[" ONE "]",
        ",\"services\":" ONE,
        ",\"service\":" ONE ",\"services\":[]",
        ",\"service\":null,\"services\":[" ONE "]",
        ",\"service\":" ONE ",\"services\":null",
    };
    char body[256];
    for (size_t i = 0; i < LENGTH(good); i++) {
        snprintf(body, sizeof body, DATA("%s"), good[i]);
        assert_read(body, "deviceDataChanged", NULL, NULL);
        snprintf(body, sizeof body, DATAS("%s"), good[i]);
        assert_read(body, "deviceDatasChanged", NULL, NULL);
    }
    assert_read(DATA(""), NULL, "missing", "/service");
    assert_read(DATA(",\"service\":null"), NULL, "null", "/service");
    assert_read(DATA(",\"services\":null"), NULL, "missing", "/service");
    assert_read(DATA(",\"service\":{}"), NULL, "missing", "/service/serviceId");
    assert_read(DATA(",\"service\":" ONE ",\"services\":[" ONE ",{}]"), NULL, "missing",
                "/services/1/serviceId");
    assert_read(DATA(",\"service\":" ONE ",\"services\":7"), NULL, "wrong type", "/services");
    assert_read(DATAS(""), NULL, "missing", "/services");
    assert_read(DATAS(",\"service\":null,\"services\":null"), NULL, "null", "/services");
}

#define FIRMWARE(rest)                                                                           \
    "{\"notifyType\":\"fwUpgradeResultNotify\",\"deviceId\":\"d\",\"appId\":\"a\","              \
    "\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"\",\"targetVersion\":\"\"," \
    "\"sourceVersion\":\"\",\"statusDesc\":\"\",\"upgradeTime\":\"\"" rest "}"

static void a_firmware_result_has_status_or_Status(void **state)
{
    static const char type[] = "fwUpgradeResultNotify";
    assert_read(FIRMWARE(",\"status\":\"FAIL\""), type, NULL, NULL);
    assert_read(FIRMWARE(",\"Status\":\"FAIL\""), type, NULL, NULL);
    assert_read(FIRMWARE(",\"Status\":\"FAIL\",\"status\":\"SUCCESS\""), type, NULL, NULL);
    assert_read(FIRMWARE(""), NULL, "missing", "/status");
    assert_read(FIRMWARE(",\"STATUS\":\"FAIL\""), NULL, "missing", "/status");
    assert_read(FIRMWARE(",\"status\":null,\"Status\":\"FAIL\""), NULL, "null", "/status");
    assert_read(FIRMWARE(",\"Status\":\"DONE\""), NULL, "value not allowed", "/Status");
}

static enum record_state state_of(const char *body)
{
    struct record *record = support_record(body);
    assert_int_equal(record->meaning, RECORD_RESULT);
    enum record_state state = record->state;
    record_release(record);
    support_record_free(record);
    return state;
}

static void status_counts_before_Status(void **state)
{
    assert_int_equal(state_of(FIRMWARE(",\"status\":\"FAIL\"")), RECORD_FAIL);
    assert_int_equal(state_of(FIRMWARE(",\"Status\":\"FAIL\"")), RECORD_FAIL);
    assert_int_equal(state_of(FIRMWARE(",\"Status\":\"SUCCESS\"")), RECORD_SUCCESS);
    assert_int_equal(state_of(FIRMWARE(",\"Status\":\"SUCCESS\",\"status\":\"FAIL\"")),
                     RECORD_FAIL);
    assert_int_equal(state_of(FIRMWARE(",\"Status\":\"FAIL\",\"status\":\"SUCCESS\"")),
                     RECORD_SUCCESS);
}

/* --- the body without a notifyType --- */

#define COMMAND(rest) "{\"deviceId\":\"d\",\"commandId\":\"c\"" rest "}"

static void a_body_without_a_type_is_known_by_its_command(void **state)
{
    assert_null(schema_find("commandStatus")); /* its name is no type */
    assert_null(schema_find("envelope"));
    assert_null(schema_find(""));
    assert_read(COMMAND(",\"result\":{\"resultCode\":\"SENT\",\"resultDetail\":null}"), "", NULL,
                NULL);
    assert_read(COMMAND(""), NULL, "missing", "/result");
    assert_read("{\"commandId\":\"c\",\"result\":{\"resultCode\":\"SENT\"}}", NULL, "missing",
                "/deviceId");
    assert_read("{\"deviceId\":\"d\",\"commandId\":null}", NULL, "null", "/commandId");
    assert_read("{\"deviceId\":\"d\",\"result\":{\"resultCode\":\"SENT\"}}", NULL,
                "notifyType missing", "/notifyType");
    assert_read("{}", NULL, "notifyType missing", "/notifyType");
}

#define ENVELOPE(rest) "{\"resource\":\"batchtask\",\"notify_data\":{}" rest "}"

static void an_envelope_has_the_type_of_its_resource_and_event(void **state)
{
    assert_read(ENVELOPE(",\"event\":\"update\""), "batchtask.update", NULL, NULL);
    assert_read(ENVELOPE(""), NULL, "missing", "/event");
    assert_read(ENVELOPE(",\"event\":\"other\""), NULL, "value not allowed", "/event");
    /* what is known by something else is no envelope */
    assert_read(COMMAND(",\"notify_data\":{},\"resource\":\"device\",\"event\":\"update\","
                        "\"result\":{\"resultCode\":\"SENT\"}"),
                "", NULL, NULL);
    assert_read("{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\",\"notify_data\":{},"
                "\"resource\":\"device\",\"event\":\"update\"}",
                "deviceAdded", NULL, NULL);
}

static void a_body_with_a_wrong_type_is_no_command(void **state)
{
    static const char *const types[][2] = {{"null", "notifyType is not a string"},
                                           {"7", "notifyType is not a string"},
                                           {"\"\"", "notifyType unknown"},
                                           {"\"commandStatus\"", "notifyType unknown"}};
    char body[256];
    for (size_t i = 0; i < LENGTH(types); i++) {
        snprintf(body, sizeof body,
                 COMMAND(",\"notifyType\":%s,\"result\":{\"resultCode\":\"SENT\"}"), types[i][0]);
        assert_read(body, NULL, types[i][1], "/notifyType");
    }
}

/* --- the generator --- */

#define HEAD "\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\""
#define TYPED(rest)                                                                     \
    "{" HEAD ",\"properties\":{\"notifyType\":{\"type\":\"string\",\"const\":\"one\"}," \
    "\"a\":{},\"b\":{}},\"required\":[\"notifyType\"]" rest "}"
#define UNTYPED "{" HEAD ",\"properties\":{\"a\":{}}}"

static int set_up_folder(void **state)
{
    *state = support_folder();
    return 0;
}

static int tear_down_folder(void **state)
{
    support_folder_free(*state);
    return 0;
}

/* Runs the generator of the source tree on FOLDER; gives what it said, and how it ended. */
static char *generate(const char *folder, int *status)
{
    const char *source = getenv("srcdir"), *python = getenv("PYTHON");
    char generator[1024];
    snprintf(generator, sizeof generator, "%s/schema/generate.py", source != NULL ? source : ".");
    const char *out = support_path(folder, "out");
    int ended;
    pid_t child = fork();
    if (child == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
            execlp(python != NULL ? python : "python3", "python3", generator, folder, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    *status = WEXITSTATUS(ended);
    return support_read_file(out);
}

static void assert_refused(const char *folder, const char *schema, const char *why)
{
    int status;
    support_write_file(support_path(folder, "one.schema.json"), schema);
    char *said = generate(folder, &status);
    if (status != 1)
        fail_msg("%s ends with %d: %s", schema, status, said);
    support_assert_has(said, "generate.py: ");
    support_assert_has(said, "one.schema.json");
    support_assert_has(said, why);
    free(said);
}

static char *assert_taken(const char *folder)
{
    int status;
    char *said = generate(folder, &status);
    if (status != 0)
        fail_msg("%s", said);
    return said;
}

static void alternatives_that_cannot_be_checked_end_the_build(void **state)
{
    const char *folder = *state;
    assert_refused(folder, TYPED(",\"anyOf\":[]"), "#/anyOf: ");
    assert_refused(folder, TYPED(",\"anyOf\":{}"), "#/anyOf: ");
    assert_refused(folder, TYPED(",\"anyOf\":[true]"), "#/anyOf/0: ");
    assert_refused(folder, TYPED(",\"anyOf\":[{},{\"pattern\":\"x\"}]"), "'pattern'");
    assert_refused(folder, TYPED(",\"anyOf\":[{},{\"pattern\":\"x\"}]"), "#/anyOf/1: ");
    assert_refused(folder, TYPED(",\"anyOf\":[{\"required\":[\"a\"]}]"), "#/anyOf/0: ");
    assert_refused(folder, TYPED(",\"oneOf\":[{}]"), "'oneOf'");
    assert_refused(folder, TYPED(",\"allOf\":[{}]"), "'allOf'");
    assert_refused(folder, TYPED(",\"not\":{}"), "'not'");
}

static void alternatives_become_a_list_in_the_table(void **state)
{
    const char *folder = *state;
    support_write_file(support_path(folder, "one.schema.json"),
                       TYPED(",\"anyOf\":[{\"type\":\"object\",\"required\":[\"a\"]},"
                             "{\"type\":\"object\",\"required\":[\"b\"]}]"));
    char *table = assert_taken(folder);
    support_assert_has(table, "static const struct schema_node *const any_of_");
    support_assert_has(table, ".any_of = any_of_");
    support_assert_has(table, "{\"a\", true, &node_");
    support_assert_has(table, "{\"b\", true, &node_");
    support_assert_has(table, "untyped[] = {\n    {NULL, {NULL, NULL}},");
    free(table);
}

#define COMMAND_SCHEMA(required) \
    "{" HEAD ",\"properties\":{\"commandId\":{\"type\":\"string\"}},\"required\":" required "}"

static void command_status_alone_is_without_a_type(void **state)
{
    const char *folder = *state;
    support_write_file(support_path(folder, "one.schema.json"), TYPED(""));
    support_write_file(support_path(folder, "commandStatus.schema.json"),
                       COMMAND_SCHEMA("[\"commandId\"]"));
    char *table = assert_taken(folder);
    support_assert_has(table, "{\"commandId\", {\"commandStatus\", &node_");
    const char *rows = strstr(table, "static const struct schema table[]");
    assert_non_null(rows);
    support_assert_has(rows, "{\"one\", &node_");
    assert_null(strstr(rows, "    {\"commandStatus\""));
    free(table);
}

/* It is known by its commandId: a schema that does not ask for one would never be looked at. */
static void a_schema_without_a_type_that_cannot_be_known_ends_the_build(void **state)
{
    const char *folder = *state;
    int status;
    assert_refused(folder, UNTYPED, "notifyType");
    support_write_file(support_path(folder, "one.schema.json"), TYPED(""));
    support_write_file(support_path(folder, "commandStatus.schema.json"), COMMAND_SCHEMA("[]"));
    char *said = generate(folder, &status);
    assert_int_equal(status, 1);
    support_assert_has(said, "commandStatus.schema.json: commandId must be required");
    free(said);
}

static void a_type_that_the_files_name_does_not_say_ends_the_build(void **state)
{
    assert_refused(*state,
                   "{" HEAD
                   ",\"properties\":{\"notifyType\":{\"type\":\"string\",\"const\":\"two\"}},"
                   "\"required\":[\"notifyType\"]}",
                   "'two'");
    assert_refused(*state,
                   "{" HEAD
                   ",\"properties\":{\"notifyType\":{\"type\":\"string\",\"const\":\"one\"}}}",
                   "required");
}

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up_folder, tear_down_folder)

int any_of_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_alternative_is_enough),
        cmocka_unit_test(where_none_holds_the_first_ones_reason_stands),
        cmocka_unit_test(one_alternative_and_three_work_like_two),
        cmocka_unit_test(the_rules_beside_alternatives_hold_too),
        cmocka_unit_test(alternatives_may_stand_below_the_top),
        cmocka_unit_test(device_data_has_service_or_services),
        cmocka_unit_test(a_firmware_result_has_status_or_Status),
        cmocka_unit_test(status_counts_before_Status),
        cmocka_unit_test(a_body_without_a_type_is_known_by_its_command),
        cmocka_unit_test(an_envelope_has_the_type_of_its_resource_and_event),
        cmocka_unit_test(a_body_with_a_wrong_type_is_no_command),
        FOLDER(alternatives_that_cannot_be_checked_end_the_build),
        FOLDER(alternatives_become_a_list_in_the_table),
        FOLDER(command_status_alone_is_without_a_type),
        FOLDER(a_schema_without_a_type_that_cannot_be_known_ends_the_build),
        FOLDER(a_type_that_the_files_name_does_not_say_ends_the_build),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
