/* dispatch: which notification a body is, whether it keeps its schema, what it means for the books.
 */
#include "config.h"

#include "notification/dispatch.h"

#include "notification/content.h"
#include "notification/notification.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a notifyType means for the books. A type that stands in schema/ and not here is news: kept,
 * logged, and nothing to upgrades and operations. Sorted by notifyType. */
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

/* The member by which a body without a notifyType is known for a command's status (PLATFORM.md: it
 * is pushed to the callbackUrl of a command). */
#define UNTYPED_MEMBER "commandId"

static int compare_type(const void *key, const void *entry)
{
    return strcmp(key, ((const struct dispatch_entry *)entry)->notify_type);
}

static const struct dispatch_entry *find_entry(const char *notify_type)
{
    return bsearch(notify_type, entries, sizeof entries / sizeof entries[0], sizeof entries[0],
                   compare_type);
}

/* For quarantine, as its verdict tells. */
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

/* The place of an id that holds a NUL, which no table, file name or command line could show; NULL:
 * there is none. Other texts may hold one. */
static const char *find_nul(const struct record *record)
{
    const json_t *body = record->json;
    static const char *const ids[] = {"/deviceId", "/appId", "/operationId", "/subOperationId"};
    if (memchr(record->body, '\\', record->body_length) == NULL)
        return NULL; /* it would be an escape */
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (holds_nul(json_object_get(body, ids[i] + 1)))
            return ids[i];
    return holds_nul(json_object_get(json_object_get(body, "header"), "deviceId"))
               ? "/header/deviceId"
               : NULL;
}

/* The schema that BODY must keep; NULL with the reason why there is none. */
static const struct schema *find_schema(const json_t *body, const char **reason)
{
    const json_t *type = json_object_get(body, "notifyType");
    const struct schema *schema = NULL;
    if (type == NULL) {
        *reason = "notifyType missing";
        if (json_object_get(body, UNTYPED_MEMBER) != NULL)
            schema = schema_untyped();
    } else if (!json_is_string(type)) {
        *reason = "notifyType is not a string";
    } else {
        *reason = "notifyType unknown";
        if (!holds_nul(type))
            schema = schema_find(json_string_value(type));
    }
    return schema;
}

/* Spells the body anew where the store could not find its members by name. Left alone on failure.
 */
static int render(struct record *record)
{
    if (!content_has_escaped_name(record->body, record->body_length))
        return 0;
    record->rendered = content_respell(record->body, record->body_length);
    return record->rendered != NULL ? 0 : -1;
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
    if (render(record) != 0) {
        record_release(record);
        return DISPATCH_NO_MEMORY;
    }
    notification_read_ids(record);
    const struct dispatch_entry *entry = find_entry(record->notify_type);
    record->meaning = entry == NULL ? RECORD_NEWS : entry->meaning;
    if (record->meaning == RECORD_RESULT)
        notification_read_result(record, &entry->members);
    return DISPATCH_NOTIFICATION;
}
