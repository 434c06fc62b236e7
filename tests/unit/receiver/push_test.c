/* Push: each notifyType reaches its callback and no other, with the members that it has. */
#include "config.h"

#include "notification/schema.h"
#include "receiver/push.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X(callback, notifyType): the callbacks that get parsed JSON. */
#define PARSED(X)                                               \
    X(device_added, "deviceAdded")                              \
    X(bind_device, "bindDevice")                                \
    X(device_info_changed, "deviceInfoChanged")                 \
    X(device_data_changed, "deviceDataChanged")                 \
    X(device_datas_changed, "deviceDatasChanged")               \
    X(device_deleted, "deviceDeleted")                          \
    X(message_confirm, "messageConfirm")                        \
    X(command_rsp, "commandRsp")                                \
    X(device_event, "deviceEvent")                              \
    X(service_info_changed, "serviceInfoChanged")               \
    X(rule_event, "ruleEvent")                                  \
    X(device_desired_properties_modify_status_changed,          \
      "deviceDesiredPropertiesModifyStatusChanged")             \
    X(device_capabilities_added, "deviceCapabilitiesAdded")     \
    X(device_capabilities_changed, "deviceCapabilitiesChanged") \
    X(device_capabilities_deleted, "deviceCapabilitiesDeleted") \
    X(device_model_added, "deviceModelAdded")                   \
    X(device_model_deleted, "deviceModelDeleted")               \
    X(command_status, "")

/* X(callback, notifyType, struct): the callbacks of the upgrade family. */
#define TYPED(X)                                                                           \
    X(sw_upgrade_state_change, "swUpgradeStateChangeNotify", push_sw_upgrade_state_change) \
    X(sw_upgrade_result, "swUpgradeResultNotify", push_sw_upgrade_result)                  \
    X(fw_upgrade_state_change, "fwUpgradeStateChangeNotify", push_fw_upgrade_state_change) \
    X(fw_upgrade_result, "fwUpgradeResultNotify", push_fw_upgrade_result)

static const char *const types[] = {
#define X(callback, type, ...) type,
    PARSED(X) TYPED(X)
#undef X
};

/* What the application was told last; its callbacks return what it says. */
struct application {
    size_t calls;
    const char *type; /* the type whose callback it was; "other" */
    int result;
    struct push_notification notification;
    char body[1024], notify_type[64];
    json_t *json; /* a copy */
    /* what a typed callback compares with, and how many members it found to be so */
    const struct push_sw_upgrade_state_change *sw_state;
    const struct push_sw_upgrade_result *sw_result;
    const struct push_fw_upgrade_state_change *fw_state;
    const struct push_fw_upgrade_result *fw_result;
    size_t compared;
};

static int note(struct application *application, const char *type,
                const struct push_notification *notification)
{
    application->calls++;
    application->type = type;
    application->notification = *notification;
    snprintf(application->body, sizeof application->body, "%s", notification->body);
    snprintf(application->notify_type, sizeof application->notify_type, "%s",
             notification->notify_type);
    json_decref(application->json);
    application->json = json_deep_copy(notification->json);
    return application->result;
}

#define X(callback, type)                                                                     \
    static int on_##callback(void *application, const struct push_notification *notification) \
    {                                                                                         \
        return note(application, type, notification);                                         \
    }
PARSED(X)
#undef X

static int on_other(void *application, const struct push_notification *notification)
{
    return note(application, "other", notification);
}

static void compare(struct application *application, const char *is, const char *must_be)
{
    if (must_be == NULL)
        assert_null(is);
    else if (is == NULL)
        fail_msg("NULL, not '%s'", must_be);
    else
        assert_string_equal(is, must_be);
    application->compared++;
}

#define COMPARE(member) compare(application, is->member, must_be->member)

#define COMPARE_IDS()     \
    COMPARE(deviceId);    \
    COMPARE(appId);       \
    COMPARE(operationId); \
    COMPARE(subOperationId)

static void compare_sw_upgrade_state_change(struct application *application,
                                            const struct push_sw_upgrade_state_change *is)
{
    const struct push_sw_upgrade_state_change *must_be = application->sw_state;
    if (must_be == NULL)
        return;
    COMPARE_IDS();
    COMPARE(swUpgradeState);
}

static void compare_sw_upgrade_result(struct application *application,
                                      const struct push_sw_upgrade_result *is)
{
    const struct push_sw_upgrade_result *must_be = application->sw_result;
    if (must_be == NULL)
        return;
    COMPARE_IDS();
    COMPARE(curVersion);
    COMPARE(targetVersion);
    COMPARE(sourceVersion);
    COMPARE(swUpgradeResult);
    COMPARE(upgradeTime);
    COMPARE(resultDesc);
    COMPARE(errorCode);
    COMPARE(description);
}

static void compare_fw_upgrade_state_change(struct application *application,
                                            const struct push_fw_upgrade_state_change *is)
{
    const struct push_fw_upgrade_state_change *must_be = application->fw_state;
    if (must_be == NULL)
        return;
    COMPARE_IDS();
    COMPARE(step);
    COMPARE(stepDesc);
}

static void compare_fw_upgrade_result(struct application *application,
                                      const struct push_fw_upgrade_result *is)
{
    const struct push_fw_upgrade_result *must_be = application->fw_result;
    if (must_be == NULL)
        return;
    COMPARE_IDS();
    COMPARE(curVersion);
    COMPARE(targetVersion);
    COMPARE(sourceVersion);
    COMPARE(status);
    COMPARE(statusDesc);
    COMPARE(upgradeTime);
}

#define X(callback, type, structure)                                                          \
    static int on_##callback(void *application, const struct push_notification *notification, \
                             const struct structure *what)                                    \
    {                                                                                         \
        compare_##callback(application, what);                                                \
        return note(application, type, notification);                                         \
    }
TYPED(X)
#undef X

/* Fills in the callback of TYPE; of all types where TYPE is NULL. */
static void fill_in(struct push_message_receiver *receiver, const char *type)
{
#define X(callback, its_type, ...)                   \
    if (type == NULL || strcmp(type, its_type) == 0) \
        receiver->handle_##callback = on_##callback;
    PARSED(X)
    TYPED(X)
#undef X
    if (type == NULL || strcmp(type, "other") == 0)
        receiver->handle_other = on_other;
}

static int deliver(const struct push_message_receiver *receiver, const char *body)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", body);
    const struct store_kept kept = {.seq = 42,
                                    .received_ms = 1764000000123,
                                    .deliveries = 1,
                                    .body = copy,
                                    .body_length = strlen(copy)};
    return push_deliver(receiver, &kept);
}

static int deliver_type(const struct push_message_receiver *receiver, const char *type)
{
    char body[256];
    if (type[0] == '\0')
        snprintf(body, sizeof body, "{\"deviceId\":\"d\",\"commandId\":\"c\"}");
    else
        snprintf(body, sizeof body, "{\"deviceId\":\"d\",\"notifyType\" : \"%s\"}", type);
    return deliver(receiver, body);
}

static void each_type_reaches_its_callback_and_no_other(void **state)
{
    struct application application = {.calls = 0};
    struct push_message_receiver receiver = {.application = &application};
    fill_in(&receiver, NULL);
    for (size_t i = 0; i < LENGTH(types); i++) {
        assert_int_equal(deliver_type(&receiver, types[i]), 0);
        assert_int_equal(application.calls, i + 1);
        assert_string_equal(application.type, types[i]);
        assert_string_equal(application.notify_type, types[i]);
    }
    json_decref(application.json);
}

static void every_schema_has_a_callback_of_its_own(void **state)
{
    assert_int_equal(schema_count() + 1, LENGTH(types));
    for (size_t i = 0; i < schema_count(); i++) {
        size_t found = 0;
        for (size_t j = 0; j < LENGTH(types); j++)
            found += strcmp(schema_at(i)->notify_type, types[j]) == 0;
        if (found != 1)
            fail_msg("%s has %zu callbacks", schema_at(i)->notify_type, found);
    }
}

static void a_notification_is_told_as_it_is_kept(void **state)
{
    static const char body[] = " {\"notifyType\":\"deviceAdded\",\n\"deviceId\":\"\\u0064\"} ";
    struct application application = {.calls = 0};
    struct push_message_receiver receiver = {.application = &application};
    fill_in(&receiver, NULL);
    assert_int_equal(deliver(&receiver, body), 0);
    assert_int_equal(application.notification.seq, 42);
    assert_int_equal(application.notification.received_ms, 1764000000123);
    assert_int_equal(application.notification.body_length, strlen(body));
    assert_string_equal(application.body, body);
    assert_string_equal(json_string_value(json_object_get(application.json, "deviceId")), "d");
    assert_int_equal(json_object_size(application.json), 2);
    json_decref(application.json);
}

static void one_callback_gets_its_type_and_the_rest_is_done_with(void **state)
{
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct application application = {.result = 5};
        struct push_message_receiver receiver = {.application = &application};
        fill_in(&receiver, types[i]);
        assert_true(push_has_handlers(&receiver));
        for (size_t j = 0; j < LENGTH(types); j++)
            assert_int_equal(deliver_type(&receiver, types[j]), i == j ? 5 : 0);
        assert_int_equal(application.calls, 1);
        json_decref(application.json);
    }
}

static void handle_other_gets_what_has_no_callback(void **state)
{
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct application application = {.result = 0};
        struct push_message_receiver receiver = {.application = &application};
        fill_in(&receiver, types[i]);
        fill_in(&receiver, "other");
        for (size_t j = 0; j < LENGTH(types); j++) {
            deliver_type(&receiver, types[j]);
            assert_int_equal(application.calls, j + 1);
            assert_string_equal(application.type, i == j ? types[i] : "other");
            assert_string_equal(application.notify_type, types[j]);
        }
        json_decref(application.json);
    }
}

/* A type for which a schema was added, and no callback. */
static void a_type_of_a_later_edition_reaches_handle_other(void **state)
{
    struct application application = {.result = -7};
    struct push_message_receiver receiver = {.application = &application};
    fill_in(&receiver, NULL);
    static const char *const later[] = {"deviceUnbound", "swUpgradeResult", "SwUpgradeResultNotify",
                                        "swUpgradeResultNotify2"};
    for (size_t i = 0; i < LENGTH(later); i++) {
        assert_int_equal(deliver_type(&receiver, later[i]), -7);
        assert_string_equal(application.type, "other");
        assert_string_equal(application.notify_type, later[i]);
    }
    json_decref(application.json);
}

static void without_a_callback_everything_is_done_with(void **state)
{
    struct push_message_receiver receiver = {.application = NULL};
    assert_false(push_has_handlers(&receiver));
    for (size_t i = 0; i < LENGTH(types); i++)
        assert_int_equal(deliver_type(&receiver, types[i]), 0);
    receiver.handle_other = on_other;
    assert_true(push_has_handlers(&receiver));
}

static void what_a_callback_returns_is_returned(void **state)
{
    static const int results[] = {0, 1, -1, 255, -2147483647};
    struct application application = {.calls = 0};
    struct push_message_receiver receiver = {.application = &application};
    fill_in(&receiver, NULL);
    for (size_t i = 0; i < LENGTH(types); i++)
        for (size_t j = 0; j < LENGTH(results); j++) {
            application.result = results[j];
            assert_int_equal(deliver_type(&receiver, types[i]), results[j]);
        }
    json_decref(application.json);
}

/* --- the upgrade family --- */

#define IDS \
    "\"deviceId\":\"dev\",\"appId\":\"app\",\"operationId\":\"op\",\"subOperationId\":\"sub\""
#define THE_IDS .deviceId = "dev", .appId = "app", .operationId = "op", .subOperationId = "sub"

/* Delivers BODY to callbacks that compare; COMPARED members must have been. */
static void compare_delivery(struct application application, const char *body, size_t compared)
{
    struct push_message_receiver receiver = {.application = &application};
    fill_in(&receiver, NULL);
    assert_int_equal(deliver(&receiver, body), 0);
    assert_int_equal(application.compared, compared);
    json_decref(application.json);
}

static void a_software_result_has_its_members(void **state)
{
    const struct push_sw_upgrade_result result = {
        THE_IDS,
        .curVersion = "1.3",
        .targetVersion = "1.5",
        .sourceVersion = "1.0",
        .swUpgradeResult = "SUCCESS",
        .upgradeTime = "60",
        .resultDesc = "what",
        .errorCode = "",
        .description = "why \303\251",
    };
    compare_delivery((struct application){.sw_result = &result},
                     "{\"notifyType\":\"swUpgradeResultNotify\"," IDS ",\"curVersion\":\"1.3\","
                     "\"targetVersion\":\"1.5\",\"sourceVersion\":\"1.0\","
                     "\"swUpgradeResult\":\"SUCCESS\",\"upgradeTime\":\"60\","
                     "\"resultDesc\":\"what\",\"errorCode\":\"\","
                     "\"description\":\"why \\u00e9\",\"later\":1}",
                     12);
}

static void a_software_state_change_has_its_members(void **state)
{
    const struct push_sw_upgrade_state_change change = {THE_IDS, .swUpgradeState = "otacreated"};
    compare_delivery((struct application){.sw_state = &change},
                     "{\"notifyType\":\"swUpgradeStateChangeNotify\"," IDS
                     ",\"swUpgradeState\":\"otacreated\"}",
                     5);
}

static void a_firmware_state_change_has_its_members(void **state)
{
    const struct push_fw_upgrade_state_change change = {THE_IDS, .step = "2",
                                                        .stepDesc = "downloaded"};
    compare_delivery((struct application){.fw_state = &change},
                     "{\"notifyType\":\"fwUpgradeStateChangeNotify\"," IDS
                     ",\"step\":\"2\",\"stepDesc\":\"downloaded\"}",
                     6);
}

#define FW_VERSIONS                                                               \
    "\"curVersion\":\"1.3\",\"targetVersion\":\"1.5\",\"sourceVersion\":\"1.0\"," \
    "\"statusDesc\":\"what\""
#define THE_FW_VERSIONS \
    .curVersion = "1.3", .targetVersion = "1.5", .sourceVersion = "1.0", .statusDesc = "what"

static void a_firmware_result_has_its_members(void **state)
{
    const struct push_fw_upgrade_result result = {THE_IDS, THE_FW_VERSIONS, .status = "FAIL",
                                                  .upgradeTime = "60"};
    compare_delivery((struct application){.fw_result = &result},
                     "{\"notifyType\":\"fwUpgradeResultNotify\"," IDS "," FW_VERSIONS
                     ",\"status\":\"FAIL\",\"upgradeTime\":\"60\"}",
                     10);
    compare_delivery((struct application){.fw_result = &result},
                     "{\"notifyType\":\"fwUpgradeResultNotify\"," IDS "," FW_VERSIONS
                     ",\"Status\":\"FAIL\",\"upgradeTime\":60}",
                     10);
    compare_delivery((struct application){.fw_result = &result},
                     "{\"notifyType\":\"fwUpgradeResultNotify\"," IDS "," FW_VERSIONS
                     ",\"Status\":\"SUCCESS\",\"status\":\"FAIL\",\"upgradeTime\":60}",
                     10);
}

static void integers_are_given_as_their_digits(void **state)
{
    static const char *const numbers[] = {"0", "7", "-7", "9223372036854775807",
                                          "-9223372036854775808"};
    char body[1024];
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        const struct push_fw_upgrade_state_change change = {THE_IDS, .step = numbers[i],
                                                            .stepDesc = NULL};
        snprintf(body, sizeof body,
                 "{\"notifyType\":\"fwUpgradeStateChangeNotify\"," IDS
                 ",\"step\":%s,\"stepDesc\":null}",
                 numbers[i]);
        compare_delivery((struct application){.fw_state = &change}, body, 6);

        const struct push_sw_upgrade_result result = {THE_IDS, .upgradeTime = numbers[i]};
        snprintf(body, sizeof body,
                 "{\"notifyType\":\"swUpgradeResultNotify\"," IDS ",\"upgradeTime\":%s}",
                 numbers[i]);
        compare_delivery((struct application){.sw_result = &result}, body, 12);
    }
}

/* 60.0 is an integer to JSON Schema, so a body with it is a notification. */
static void an_integer_that_is_spelled_with_a_fraction_is_not_missing(void **state)
{
    struct record *record = support_record("{\"notifyType\":\"fwUpgradeResultNotify\"," IDS
                                           "," FW_VERSIONS
                                           ",\"status\":\"FAIL\",\"upgradeTime\":60.0}");
    assert_int_equal(record->meaning, RECORD_RESULT);
    const struct push_fw_upgrade_result result = {THE_IDS, THE_FW_VERSIONS, .status = "FAIL",
                                                  .upgradeTime = "60"};
    compare_delivery((struct application){.fw_result = &result}, record->body, 10);
    support_record_free(record);
}

static void members_that_are_missing_are_null(void **state)
{
    const struct push_sw_upgrade_state_change sw_state = {.deviceId = NULL};
    const struct push_sw_upgrade_result sw_result = {.deviceId = NULL};
    const struct push_fw_upgrade_state_change fw_state = {.deviceId = NULL};
    const struct push_fw_upgrade_result fw_result = {.deviceId = NULL};
    const struct application application = {.sw_state = &sw_state,
                                            .sw_result = &sw_result,
                                            .fw_state = &fw_state,
                                            .fw_result = &fw_result};
    compare_delivery(application, "{\"notifyType\":\"swUpgradeStateChangeNotify\"}", 5);
    compare_delivery(application, "{\"notifyType\":\"swUpgradeResultNotify\"}", 12);
    compare_delivery(application, "{\"notifyType\":\"fwUpgradeStateChangeNotify\"}", 6);
    compare_delivery(application, "{\"notifyType\":\"fwUpgradeResultNotify\"}", 10);
}

int push_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_reaches_its_callback_and_no_other),
        cmocka_unit_test(every_schema_has_a_callback_of_its_own),
        cmocka_unit_test(a_notification_is_told_as_it_is_kept),
        cmocka_unit_test(one_callback_gets_its_type_and_the_rest_is_done_with),
        cmocka_unit_test(handle_other_gets_what_has_no_callback),
        cmocka_unit_test(a_type_of_a_later_edition_reaches_handle_other),
        cmocka_unit_test(without_a_callback_everything_is_done_with),
        cmocka_unit_test(what_a_callback_returns_is_returned),
        cmocka_unit_test(a_software_result_has_its_members),
        cmocka_unit_test(a_software_state_change_has_its_members),
        cmocka_unit_test(a_firmware_state_change_has_its_members),
        cmocka_unit_test(a_firmware_result_has_its_members),
        cmocka_unit_test(integers_are_given_as_their_digits),
        cmocka_unit_test(an_integer_that_is_spelled_with_a_fraction_is_not_missing),
        cmocka_unit_test(members_that_are_missing_are_null),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
