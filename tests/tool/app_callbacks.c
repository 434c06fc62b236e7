/* app_callbacks: an application that overrides every callback and writes down which of them it got,
 * with what: a line of JSON each, {"callback","seq","notifyType","body","members"}, appended to the
 * file that APP_RECORD names. */
#include <push_message_receiver.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes MEMBERS. */
static int put(FILE *out, const char *callback, const struct push_notification *notification,
               json_t *members)
{
    json_t *body = json_loadb(notification->body, notification->body_length, JSON_DECODE_ANY, NULL);
    bool same = notification->body[notification->body_length] == '\0' &&
                json_equal(body, (json_t *)notification->json);
    json_t *line = json_pack("{s:s, s:I, s:I, s:s, s:b, s:o*, s:o*}", "callback", callback, "seq",
                             (json_int_t)notification->seq, "receivedMs",
                             (json_int_t)notification->received_ms, "notifyType",
                             notification->notify_type, "parsedIsBody", (int)same, "body", body,
                             "members", members);
    int result = line == NULL ? -1 : json_dumpf(line, out, JSON_COMPACT);
    json_decref(line);
    fputc('\n', out);
    return fflush(out) == 0 ? result : -1;
}

/* A member of one of the typed structs; it stands there under the name that it has in the body. */
#define MEMBER(from, name) #name, (from)->name

static int put_sw_state(void *application, const struct push_notification *notification,
                        const struct push_sw_upgrade_state_change *change)
{
    return put(application, "sw_upgrade_state_change", notification,
               json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?}", MEMBER(change, deviceId),
                         MEMBER(change, appId), MEMBER(change, operationId),
                         MEMBER(change, subOperationId), MEMBER(change, swUpgradeState)));
}

static int put_sw_result(void *application, const struct push_notification *notification,
                         const struct push_sw_upgrade_result *result)
{
    return put(application, "sw_upgrade_result", notification,
               json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}",
                         MEMBER(result, deviceId), MEMBER(result, appId),
                         MEMBER(result, operationId), MEMBER(result, subOperationId),
                         MEMBER(result, curVersion), MEMBER(result, targetVersion),
                         MEMBER(result, sourceVersion), MEMBER(result, swUpgradeResult),
                         MEMBER(result, upgradeTime), MEMBER(result, resultDesc),
                         MEMBER(result, errorCode), MEMBER(result, description)));
}

static int put_fw_state(void *application, const struct push_notification *notification,
                        const struct push_fw_upgrade_state_change *change)
{
    return put(application, "fw_upgrade_state_change", notification,
               json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}", MEMBER(change, deviceId),
                         MEMBER(change, appId), MEMBER(change, operationId),
                         MEMBER(change, subOperationId), MEMBER(change, step),
                         MEMBER(change, stepDesc)));
}

static int put_fw_result(void *application, const struct push_notification *notification,
                         const struct push_fw_upgrade_result *result)
{
    return put(application, "fw_upgrade_result", notification,
               json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?}",
                         MEMBER(result, deviceId), MEMBER(result, appId),
                         MEMBER(result, operationId), MEMBER(result, subOperationId),
                         MEMBER(result, curVersion), MEMBER(result, targetVersion),
                         MEMBER(result, sourceVersion), MEMBER(result, status),
                         MEMBER(result, statusDesc), MEMBER(result, upgradeTime)));
}

/* The callbacks whose body is looked at as JSON. */
#define PARSED(X)                                      \
    X(device_added)                                    \
    X(bind_device)                                     \
    X(device_info_changed)                             \
    X(device_data_changed)                             \
    X(device_datas_changed)                            \
    X(device_deleted)                                  \
    X(message_confirm)                                 \
    X(command_rsp)                                     \
    X(device_event)                                    \
    X(service_info_changed)                            \
    X(rule_event)                                      \
    X(device_desired_properties_modify_status_changed) \
    X(device_capabilities_added)                       \
    X(device_capabilities_changed)                     \
    X(device_capabilities_deleted)                     \
    X(device_model_added)                              \
    X(device_model_deleted)                            \
    X(command_status)                                  \
    X(other)

#define DEFINE(name)                                                                       \
    static int put_##name(void *application, const struct push_notification *notification) \
    {                                                                                      \
        return put(application, #name, notification, NULL);                                \
    }
PARSED(DEFINE)

#define FILL_IN(name) .handle_##name = put_##name,

int main(int argc, char **argv)
{
    const char *path = getenv("APP_RECORD");
    FILE *out = path == NULL ? NULL : fopen(path, "a");
    if (out == NULL) {
        perror("app_callbacks: APP_RECORD");
        return 1;
    }
    const struct push_message_receiver receiver = {.application = out,
                                                   .handle_sw_upgrade_state_change = put_sw_state,
                                                   .handle_sw_upgrade_result = put_sw_result,
                                                   .handle_fw_upgrade_state_change = put_fw_state,
                                                   .handle_fw_upgrade_result = put_fw_result,
                                                   PARSED(FILL_IN)};
    return push_message_receiver_run(&receiver, argc, argv);
}
