/* push: hands one kept notification to the application's callback for its notifyType. */
#include "config.h"

#include "receiver/push.h"

#include "notification/content.h"
#include "notification/notification.h"

#include <stdio.h>
#include <string.h>

/* Decimal digits of any number that the schema takes for an integer, its sign and a NUL: a double
 * has up to 309. */
#define NUMBER_SIZE 320

/* A member as text. NULL if it is missing. NUMBER holds the digits of an integer. */
static const char *member(const json_t *json, const char *name, char number[NUMBER_SIZE])
{
    const json_t *value = json_object_get(json, name);
    if (json_is_integer(value)) {
        snprintf(number, NUMBER_SIZE, "%lld", (long long)json_integer_value(value));
        return number;
    }
    if (json_is_real(value)) { /* 60.0 is an integer to the schema */
        snprintf(number, NUMBER_SIZE, "%.0f", json_real_value(value));
        return number;
    }
    return json_string_value(value);
}

/* The members that all of the upgrade family have. */
#define UPGRADE_IDS(json, number)                                                         \
    .deviceId = member(json, "deviceId", number), .appId = member(json, "appId", number), \
    .operationId = member(json, "operationId", number),                                   \
    .subOperationId = member(json, "subOperationId", number)

static int deliver_sw_state(const struct push_message_receiver *receiver,
                            const struct push_notification *notification)
{
    char number[NUMBER_SIZE];
    const json_t *json = notification->json;
    const struct push_sw_upgrade_state_change change = {
        UPGRADE_IDS(json, number), .swUpgradeState = member(json, "swUpgradeState", number)};
    return receiver->handle_sw_upgrade_state_change(receiver->application, notification, &change);
}

static int deliver_sw_result(const struct push_message_receiver *receiver,
                             const struct push_notification *notification)
{
    char number[NUMBER_SIZE];
    const json_t *json = notification->json;
    const struct push_sw_upgrade_result result = {
        UPGRADE_IDS(json, number),
        .curVersion = member(json, "curVersion", number),
        .targetVersion = member(json, "targetVersion", number),
        .sourceVersion = member(json, "sourceVersion", number),
        .swUpgradeResult = member(json, "swUpgradeResult", number),
        .upgradeTime = member(json, "upgradeTime", number),
        .resultDesc = member(json, "resultDesc", number),
        .errorCode = member(json, "errorCode", number),
        .description = member(json, "description", number),
    };
    return receiver->handle_sw_upgrade_result(receiver->application, notification, &result);
}

static int deliver_fw_state(const struct push_message_receiver *receiver,
                            const struct push_notification *notification)
{
    char number[NUMBER_SIZE];
    const json_t *json = notification->json;
    const struct push_fw_upgrade_state_change change = {
        UPGRADE_IDS(json, number),
        .stepDesc = member(json, "stepDesc", number),
        .step = member(json, "step", number),
    };
    return receiver->handle_fw_upgrade_state_change(receiver->application, notification, &change);
}

static int deliver_fw_result(const struct push_message_receiver *receiver,
                             const struct push_notification *notification)
{
    char number[NUMBER_SIZE];
    const json_t *json = notification->json;
    const char *status = json_object_get(json, "status") != NULL ? "status" : "Status";
    const struct push_fw_upgrade_result result = {
        UPGRADE_IDS(json, number),
        .curVersion = member(json, "curVersion", number),
        .targetVersion = member(json, "targetVersion", number),
        .sourceVersion = member(json, "sourceVersion", number),
        .status = member(json, status, number),
        .statusDesc = member(json, "statusDesc", number),
        .upgradeTime = member(json, "upgradeTime", number),
    };
    return receiver->handle_fw_upgrade_result(receiver->application, notification, &result);
}

#define HANDLER(name) offsetof(struct push_message_receiver, handle_##name)

/* Every notifyType, its callback, and what fills in the struct of those that have one. "" is the
 * body without a notifyType. */
static const struct {
    const char *notify_type;
    size_t handler; /* offset of the callback in the struct */
    int (*deliver)(const struct push_message_receiver *receiver,
                   const struct push_notification *notification);
} types[] = {
    {"", HANDLER(command_status), NULL},
    {"bindDevice", HANDLER(bind_device), NULL},
    {"commandRsp", HANDLER(command_rsp), NULL},
    {"deviceAdded", HANDLER(device_added), NULL},
    {"deviceCapabilitiesAdded", HANDLER(device_capabilities_added), NULL},
    {"deviceCapabilitiesChanged", HANDLER(device_capabilities_changed), NULL},
    {"deviceCapabilitiesDeleted", HANDLER(device_capabilities_deleted), NULL},
    {"deviceDataChanged", HANDLER(device_data_changed), NULL},
    {"deviceDatasChanged", HANDLER(device_datas_changed), NULL},
    {"deviceDeleted", HANDLER(device_deleted), NULL},
    {"deviceDesiredPropertiesModifyStatusChanged",
     HANDLER(device_desired_properties_modify_status_changed), NULL},
    {"deviceEvent", HANDLER(device_event), NULL},
    {"deviceInfoChanged", HANDLER(device_info_changed), NULL},
    {"deviceModelAdded", HANDLER(device_model_added), NULL},
    {"deviceModelDeleted", HANDLER(device_model_deleted), NULL},
    {"fwUpgradeResultNotify", HANDLER(fw_upgrade_result), deliver_fw_result},
    {"fwUpgradeStateChangeNotify", HANDLER(fw_upgrade_state_change), deliver_fw_state},
    {"messageConfirm", HANDLER(message_confirm), NULL},
    {"ruleEvent", HANDLER(rule_event), NULL},
    {"serviceInfoChanged", HANDLER(service_info_changed), NULL},
    {"swUpgradeResultNotify", HANDLER(sw_upgrade_result), deliver_sw_result},
    {"swUpgradeStateChangeNotify", HANDLER(sw_upgrade_state_change), deliver_sw_state},
};

/* The callback of a row of the table. NULL: it is not filled in. */
static push_handler *handler_of(const struct push_message_receiver *receiver, size_t row)
{
    push_handler *handler;
    memcpy(&handler, (const char *)receiver + types[row].handler, sizeof handler);
    return handler;
}

bool push_has_handlers(const struct push_message_receiver *receiver)
{
    bool found = receiver->handle_other != NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        found = found || handler_of(receiver, i) != NULL;
    return found;
}

static int deliver(const struct push_message_receiver *receiver,
                   const struct push_notification *notification)
{
    push_handler *handler = receiver->handle_other;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].notify_type, notification->notify_type) != 0 ||
            handler_of(receiver, i) == NULL)
            continue;
        if (types[i].deliver != NULL)
            return types[i].deliver(receiver, notification);
        handler = handler_of(receiver, i);
    }
    return handler == NULL ? 0 : handler(receiver->application, notification);
}

int push_deliver(const void *argument, const struct store_kept *kept)
{
    const struct push_message_receiver *receiver = argument;
    struct schema_verdict verdict;
    struct arena memory = {0};
    const json_t *json = NULL;
    if (content_read(kept->body, kept->body_length, &memory, &json, &verdict) != CONTENT_OBJECT)
        return -1; /* it was a notification when it was kept, so memory is short */
    char text[TOKEN_TEXT_SIZE], type[RECORD_ENVELOPE_TYPE_SIZE];
    struct token token;
    store_kept_token(kept, &token);
    const struct push_notification notification = {
        .seq = kept->seq,
        .token = token_write(&token, text),
        .received_ms = kept->received_ms,
        .notify_type = notification_type(json, type),
        .body = kept->body,
        .body_length = kept->body_length,
        .json = json,
    };
    int result = deliver(receiver, &notification);
    content_release(&memory, json);
    return result;
}
