/* dispatch: identifies a notification, checks its schema, and says what it means for the store. */
#include "config.h"

#include "notification/dispatch.h"

#include "notification/content.h"
#include "notification/notification.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How each notifyType changes the store. A type that is in schema/ but not here is news: it is kept
 * and logged, and does not change upgrades or operations. Sorted by notifyType. */
static const struct dispatch_entry {
    const char *notify_type;
    enum record_meaning meaning;
    struct notification_result_members members; /* of a result */
} entries[] = {
    {"fwUpgradeResultNotify", RECORD_RESULT, {{"status", "Status"}, "statusDesc", NULL}},
    {"fwUpgradeStateChangeNotify", RECORD_PROGRESS, {{NULL}, NULL, NULL}},
    {"swUpgradeResultNotify", RECORD_RESULT, {{"swUpgradeResult"}, "description", "errorCode"}},
    {"swUpgradeStateChangeNotify", RECORD_PROGRESS, {{NULL}, NULL, NULL}},
};

static int compare_type(const void *key, const void *entry)
{
    return strcmp(key, ((const struct dispatch_entry *)entry)->notify_type);
}

/* Marks RECORD for quarantine, with its verdict as the reason. */
static enum dispatch_result quarantine(struct record *record)
{
    content_release(&record->memory, record->json);
    record->json = NULL;
    record->meaning = RECORD_QUARANTINE;
    return DISPATCH_QUARANTINE;
}

void dispatch_quarantine(struct record *record, const char *reason, const char *pointer)
{
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "%s", reason);
    snprintf(record->verdict.pointer, sizeof record->verdict.pointer, "%s", pointer);
    quarantine(record);
}

static bool holds_nul(const json_t *string)
{
    return json_is_string(string) &&
           memchr(json_string_value(string), '\0', json_string_length(string)) != NULL;
}

/* The place of an id that holds a NUL, or NULL. No table, file name or command line could show such
 * an id. Other texts may hold a NUL. */
static const char *find_nul(const struct record *record)
{
    const json_t *body = record->json;
    static const char *const ids[] = {"/deviceId", "/appId", "/operationId", "/subOperationId"};
    if (memchr(record->body, '\\', record->body_length) == NULL)
        return NULL; /* a NUL would be an escape */
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (holds_nul(json_object_get(body, ids[i] + 1)))
            return ids[i];
    const json_t *data = json_object_get(body, "notify_data"),
                 *header = json_object_get(data, "header");
    if (holds_nul(json_object_get(json_object_get(body, "header"), "deviceId")))
        return "/header/deviceId";
    if (holds_nul(json_object_get(header, "device_id")))
        return "/notify_data/header/device_id";
    if (holds_nul(json_object_get(header, "app_id")))
        return "/notify_data/header/app_id";
    return holds_nul(json_object_get(json_object_get(data, "body"), "app_id"))
               ? "/notify_data/body/app_id"
               : NULL;
}

/* The schema for BODY. NULL if there is none, with the reason. */
static const struct schema *find_schema(const json_t *body, const char **reason)
{
    const json_t *type = json_object_get(body, "notifyType");
    const struct schema *schema = NULL;
    if (type == NULL) {
        *reason = "notifyType missing";
        schema = schema_find_untyped(body);
    } else if (!json_is_string(type)) {
        *reason = "notifyType is not a string";
    } else {
        *reason = "notifyType unknown";
        if (!holds_nul(type))
            schema = schema_find(json_string_value(type));
    }
    return schema;
}

enum dispatch_result dispatch_read(struct record *record)
{
    switch (content_read(record->body, record->body_length, &record->memory, &record->json,
                         &record->verdict)) {
    case CONTENT_NO_MEMORY:
        return DISPATCH_NO_MEMORY;
    case CONTENT_INVALID:
        return quarantine(record);
    case CONTENT_OBJECT:
        break;
    }
    const char *reason;
    const struct schema *schema = find_schema(record->json, &reason);
    if (schema == NULL) {
        dispatch_quarantine(record, reason, "/notifyType");
        return DISPATCH_QUARANTINE;
    }
    record->known = true;
    if (!schema_check(schema, record->json, &record->verdict))
        return quarantine(record);
    const char *nul = find_nul(record);
    if (nul != NULL) {
        dispatch_quarantine(record, "holds a NUL", nul);
        return DISPATCH_QUARANTINE;
    }
    /* The store finds members by name, and SQLite compares names as they are spelled. */
    if (content_has_escaped_name(record->body, record->body_length) &&
        (record->rendered = content_respell(record->body, record->body_length)) == NULL) {
        record_release(record);
        return DISPATCH_NO_MEMORY;
    }
    notification_read_ids(record);
    const struct dispatch_entry *entry = bsearch(record->notify_type, entries,
                                                 sizeof entries / sizeof entries[0],
                                                 sizeof entries[0], compare_type);
    record->meaning = entry == NULL ? RECORD_NEWS : entry->meaning;
    if (record->meaning == RECORD_RESULT)
        notification_read_result(record, &entry->members);
    return DISPATCH_NOTIFICATION;
}
