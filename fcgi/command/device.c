/* device: upgrade-status's view of one device: its upgrades, and its notifications. */
#include "config.h"

#include "base/units.h"
#include "command/show.h"

#include <string.h>

/* Upgrades read at a time: each comes with the bodies of its notifications. */
#define UPGRADES_MAX 20

/* Adds "  LABEL  TEXT" if there is a text. */
static void add_line(const struct command_call *call, struct buffer *out, const char *label,
                     const char *text)
{
    if (text[0] == '\0')
        return;
    buffer_addf(out, "  %-12s  ", label);
    term_add_safe(call->term, out, text, 0);
    buffer_add_string(out, "\n");
}

/* Adds a notification in a few words: its type, and its result or step if it has one. */
static void add_note(const struct command_call *call, struct buffer *out, const json_t *note)
{
    const json_t *body = json_object_get(note, "body");
    const char *news = command_news(body);
    int64_t deliveries = whole_number(note, "deliveries");
    char time[COMMAND_TIME_SIZE], type[RECORD_ENVELOPE_TYPE_SIZE];
    buffer_addf(out, "  %s  %8lld  ", command_time(call, whole_text(note, "receivedAt"), time),
                (long long)whole_number(note, "seq"));
    term_add_safe(call->term, out, command_type(body, type), 0);
    buffer_add_string(out, news[0] != '\0' ? " " : "");
    term_add_safe(call->term, out, news, 0);
    if (deliveries > 1)
        buffer_addf(out, " (pushed %lld times)", (long long)deliveries);
    buffer_add_string(out, "\n");
}

static void add_notes(const struct command_call *call, struct buffer *out, const json_t *notes)
{
    size_t i;
    json_t *note;
    json_array_foreach(notes, i, note) add_note(call, out, note);
}

static void add_upgrade(const struct command_call *call, struct buffer *out, const json_t *upgrade)
{
    const char *state = whole_text(upgrade, "state");
    char ago[COMMAND_TIME_SIZE];
    buffer_add_string(out, "\n");
    term_add_tone(call->term, out, command_state_tone(state), state);
    if (command_is(upgrade, "contradictory")) {
        buffer_add_string(out, " ");
        term_add_tone(call->term, out, TERM_WARN, "(contradictory)");
    }
    buffer_add_string(out, " in operation ");
    term_add_tone(call->term, out, TERM_STRONG, whole_text(upgrade, "operationId"));
    buffer_addf(out, ", %s\n", command_ago(call, whole_text(upgrade, "lastAt"), ago));
    add_line(call, out, "application", whole_text(upgrade, "appId"));
    add_line(call, out, "subOperation", whole_text(upgrade, "subOperationId"));
    add_line(call, out, "last step", whole_text(upgrade, "step"));
    add_line(call, out, "from", whole_text(upgrade, "sourceVersion"));
    add_line(call, out, "to", whole_text(upgrade, "targetVersion"));
    add_line(call, out, "is now at", whole_text(upgrade, "curVersion"));
    add_line(call, out, "errorCode", whole_text(upgrade, "errorCode"));
    add_line(call, out, "description", whole_text(upgrade, "description"));
    add_line(call, out, "result", whole_text(upgrade, "resultDesc"));
    add_notes(call, out, json_object_get(upgrade, "notifications"));
}

static int add_page(void *owner, json_t *page, bool first, struct fault *fault)
{
    struct command_call *call = owner;
    struct buffer out = {0};
    size_t i;
    json_t *upgrade;
    if (first && call->term->is_terminal) {
        command_add_receiver(call, &out);
        buffer_add_string(&out, "\n");
    }
    if (first) {
        buffer_add_string(&out, "Device ");
        term_add_tone(call->term, &out, TERM_STRONG, whole_text(page, "deviceId"));
        buffer_add_string(&out, "\n");
    }
    if (json_array_size(json_object_get(page, "news")) > 0) {
        buffer_add_string(&out, "\nNotifications that are of no upgrade, the latest first\n");
        add_notes(call, &out, json_object_get(page, "news"));
    }
    json_array_foreach(json_object_get(page, "history"), i, upgrade)
        add_upgrade(call, &out, upgrade);
    int result = term_print(call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_device(struct command_call *call, struct fault *fault)
{
    struct view_query query = {
        .now_ms = call->now_ms, .device_id = call->words[0], .limit = UPGRADES_MAX};
    struct fault unclear = FAULT_NONE;
    int code = command_show_document(call, "device.json", &query, add_page, call, fault);
    if (code != COMMAND_NOT_THERE || call->words[0][0] == '\0')
        return code;
    /* It is dear to find the ids that begin so, and few are given in part. */
    query.device_id = command_find_device(call, call->words[0], &unclear);
    if (query.device_id == call->words[0])
        return code;
    *fault = unclear;
    return query.device_id == NULL
               ? code
               : command_show_document(call, "device.json", &query, add_page, call, fault);
}
