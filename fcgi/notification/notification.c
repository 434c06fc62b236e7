/* notification: makes a typed record from a body, and a log line from a record. */
#include "config.h"

#include "notification/notification.h"

#include "base/json_writer.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether two members are the same text, which may hold a NUL. A member that is missing or no text
 * counts as "". */
static bool is_same(const json_t *one, const json_t *other)
{
    size_t length = json_string_length(one);
    return length == json_string_length(other) &&
           (length == 0 || memcmp(json_string_value(one), json_string_value(other), length) == 0);
}

static const char *member(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    return value == NULL ? "" : value;
}

const char *notification_type(const json_t *json, char text[RECORD_ENVELOPE_TYPE_SIZE])
{
    const char *type = json_string_value(json_object_get(json, "notifyType"));
    if (type != NULL || json_object_get(json, "commandId") != NULL ||
        json_object_get(json, "notify_data") == NULL)
        return type == NULL ? "" : type;
    snprintf(text, RECORD_ENVELOPE_TYPE_SIZE, "%s.%s", member(json, "resource"),
             member(json, "event"));
    return text;
}

/* The first of both texts that is not empty. */
static const char *either(const char *one, const char *other)
{
    return one[0] != '\0' ? one : other;
}

void notification_read_ids(struct record *record)
{
    const json_t *json = record->json, *data = json_object_get(json, "notify_data");
    const json_t *header = json_object_get(data, "header");
    record->notify_type = notification_type(json, record->envelope_type);
    record->app_id = either(
        member(json, "appId"),
        either(member(header, "app_id"), member(json_object_get(data, "body"), "app_id")));
    /* commandRsp and deviceEvent have it in a header */
    record->device_id = either(
        member(json, "deviceId"),
        either(member(json_object_get(json, "header"), "deviceId"), member(header, "device_id")));
    record->operation_id = member(json, "operationId");
    record->sub_operation_id = member(json, "subOperationId");
}

void notification_read_result(struct record *record,
                              const struct notification_result_members *members)
{
    const char *result = member(record->json, members->result[0]);
    if (result[0] == '\0' && members->result[1] != NULL)
        result = member(record->json, members->result[1]);
    bool success = strcmp(result, "SUCCESS") == 0;
    record->source_version = member(record->json, "sourceVersion");
    record->target_version = member(record->json, "targetVersion");
    bool arrived = is_same(json_object_get(record->json, "curVersion"),
                           json_object_get(record->json, "targetVersion"));
    record->state = success ? RECORD_SUCCESS : RECORD_FAIL;
    record->contradictory = success != arrived;
    record->description = member(record->json, members->description);
    record->error_code = members->error_code == NULL ? ""
                                                     : member(record->json, members->error_code);
}

int notification_settle(struct record *record)
{
    const char **const texts[] = {
        &record->notify_type,    &record->app_id,      &record->device_id,
        &record->operation_id,   &record->error_code,  &record->sub_operation_id,
        &record->source_version, &record->description, &record->target_version,
    };
    const size_t count = sizeof texts / sizeof texts[0];
    size_t sizes[sizeof texts / sizeof texts[0]], size = 0;
    for (size_t i = 0; i < count; i++) {
        sizes[i] = *texts[i] == NULL ? 0 : strlen(*texts[i]) + 1;
        size += sizes[i];
    }
    char *at = malloc(size);
    if (at == NULL)
        return -1;
    record->texts = at;
    for (size_t i = 0; i < count; at += sizes[i++])
        if (*texts[i] != NULL)
            *texts[i] = memcpy(at, *texts[i], sizes[i]);
    content_release(&record->memory, record->json);
    record->json = NULL;
    return 0;
}

static void add_quarantined(const struct record *record, struct buffer *text)
{
    log_begin(text, "quarantined");
    if (record->outcome == RECORD_QUARANTINED)
        json_add_number(text, "id", record->id);
    else
        json_add_null(text, "id");
    json_add_string(text, "reason", record->verdict.reason);
    if (record->verdict.pointer[0] != '\0')
        json_add_string(text, "pointer", record->verdict.pointer);
    if (record->outcome == RECORD_LOG_ONLY && utf8_is_valid(record->body, record->body_length)) {
        buffer_add_string(text, ",\"body\":");
        buffer_add_json_string(text, record->body, record->body_length);
    } else if (record->outcome == RECORD_LOG_ONLY) {
        buffer_add_string(text, ",\"bodyBase64\":\"");
        buffer_add_base64(text, record->body, record->body_length);
        buffer_add_string(text, "\"");
    }
    log_end(text);
}

static void add_token(struct buffer *text, const char *life, int64_t seq)
{
    buffer_add_string(text, ",\"token\":\"");
    buffer_add_string(text, life);
    buffer_add_string(text, ":");
    buffer_add_number(text, seq);
    buffer_add_string(text, "\"");
}

void notification_add_log_line(const struct record *record, struct buffer *text)
{
    if (record->meaning == RECORD_QUARANTINE) {
        add_quarantined(record, text);
        return;
    }
    bool repeat = record->outcome == RECORD_REPEATED;
    size_t length;
    const char *body = record_text(record, &length);
    log_begin(text, "notification");
    buffer_add_string(text, ",\"seq\":");
    buffer_add_number(text, record->seq);
    buffer_add_string(text, repeat ? ",\"repeat\":true" : ",\"repeat\":false");
    if (repeat) {
        buffer_add_string(text, ",\"deliveries\":");
        buffer_add_number(text, record->deliveries);
    } else {
        add_token(text, record->life, record->seq);
    }
    buffer_add_string(text, ",\"body\":");
    buffer_add_json_line(text, body, length);
    log_end(text);
}

void notification_add_kept_line(const struct token *token, int64_t received_ms, const char *body,
                                size_t length, struct buffer *text)
{
    log_begin_at(text, received_ms, "notification");
    buffer_add_string(text, ",\"seq\":");
    buffer_add_number(text, token->seq);
    buffer_add_string(text, ",\"repeat\":false");
    add_token(text, token->life, token->seq);
    buffer_add_string(text, ",\"body\":");
    buffer_add_json_line(text, body, length);
    log_end(text);
}
