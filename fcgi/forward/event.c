/* event: what is sent: {"type":..., "timestamp":..., "data":{...}}, and its id. */
#include "config.h"

#include "forward/event.h"

#include "base/json_writer.h"
#include "notification/dispatch.h"

#include <string.h>

/* Appends a part of what the id is made of. No part has a NUL. */
static void add_part(struct buffer *of, const char *text)
{
    buffer_add(of, text, strlen(text) + 1);
}

static int end(struct event *event, struct buffer *of, struct fault *fault)
{
    bool failed = of->failed || event->body.failed;
    if (!failed)
        sign_make_id(of, event->id);
    buffer_release(of);
    if (!failed)
        return 0;
    event_release(event);
    return fault_set(fault, "out of memory");
}

static void begin(struct event *event, const char *type, int64_t at_ms)
{
    json_open(&event->body, NULL, '{');
    json_add_string(&event->body, "type", type);
    json_add_time(&event->body, "timestamp", at_ms);
    json_open(&event->body, "data", '{');
}

/* The type of a notification, and whether equal content is a repeat for ever. */
static int read_type(const struct store_kept *kept, struct record *record, const char **type,
                     bool *lasting, struct fault *fault)
{
    *record = (struct record){.body = kept->body, .body_length = kept->body_length};
    enum dispatch_result result = dispatch_read(record);
    if (result == DISPATCH_NO_MEMORY)
        return fault_set(fault, "out of memory");
    bool known = result == DISPATCH_NOTIFICATION;
    *lasting = known && record->meaning != RECORD_NEWS;
    /* One whose schema was taken out since has no type. */
    *type = known ? record->notify_type : "unknown";
    if ((*type)[0] == '\0')
        *type = "commandStatus";
    return 0;
}

int event_of_notification(const struct settings *settings, const struct store_kept *kept,
                          struct event *event, bool *wanted, struct fault *fault)
{
    struct record record;
    struct token token;
    struct buffer of = {0};
    const char *type = "";
    char text[TOKEN_TEXT_SIZE];
    bool lasting = false;
    *event = (struct event){.seq = kept->seq};
    if (read_type(kept, &record, &type, &lasting, fault) != 0)
        return -1;
    *wanted = settings_want(settings, type);
    if (*wanted) {
        store_kept_token(kept, &token);
        token_write(&token, text);
        begin(event, type, kept->received_ms);
        json_add_number(&event->body, "seq", kept->seq);
        json_add_string(&event->body, "token", text);
        json_add_time(&event->body, "receivedAt", kept->received_ms);
        json_add_json(&event->body, "notification", kept->body, kept->body_length);
        buffer_add_string(&event->body, "}}");
        add_part(&of, "notification");
        add_part(&of, lasting ? "" : text);
        buffer_add(&of, kept->body, kept->body_length);
    }
    record_release(&record);
    return *wanted ? end(event, &of, fault) : 0;
}

int event_of_operation(const char *type, const struct store_operation_row *row, struct event *event,
                       struct fault *fault)
{
    struct buffer of = {0};
    struct buffer *body = &event->body;
    *event = (struct event){.seq = 0};
    begin(event, type, row->last_ms);
    json_add_string(body, "appId", row->app_id);
    json_add_string(body, "operationId", row->operation_id);
    json_add_number(body, "inProgress", row->in_progress);
    json_add_number(body, "success", row->success);
    json_add_number(body, "fail", row->fail);
    json_add_number(body, "contradictory", row->contradictory);
    if (row->has_plan) {
        json_add_number(body, "planned", row->planned);
        json_add_number(body, "missing", row->missing);
    }
    json_add_time(body, "firstAt", row->first_ms);
    json_add_time(body, "lastAt", row->last_ms);
    buffer_add_string(body, "}}");
    add_part(&of, type);
    add_part(&of, row->app_id);
    add_part(&of, row->operation_id);
    if (strcmp(type, SETTINGS_FINISHED) == 0)
        buffer_addf(&of, "%lld %lld", (long long)row->success, (long long)row->fail);
    return end(event, &of, fault);
}

void event_release(struct event *event)
{
    buffer_release(&event->body);
}
