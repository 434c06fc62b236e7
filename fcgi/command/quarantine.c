/* quarantine: upgrade-status's commands on quarantined bodies: list, show, retry. */
#include "config.h"

#include "base/json_writer.h"
#include "base/units.h"
#include "command/show.h"
#include "notification/dispatch.h"

#include <stdio.h>
#include <string.h>

/* Bodies read from quarantine at a time. */
#define CHUNK_MAX 64

/* --- list ---------------------------------------------------------------------------------------
 */

static const struct column body_columns[] = {
    {.title = "ID", .right = true},
    {.title = "RECEIVED"},
    {.title = "BYTES", .right = true, .spare = 1},
    {.title = "REASON", .elastic = true},
    {.title = "POINTER", .elastic = true},
};

static void add_body(const struct command_call *call, struct columns *table, const json_t *body,
                     const json_t *page)
{
    (void)page;
    char time[COMMAND_TIME_SIZE];
    columns_add_number(table, TERM_STRONG, whole_number(body, "id"));
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(body, "receivedAt"), time));
    columns_add_number(table, TERM_PLAIN, whole_number(body, "bytes"));
    columns_add(table, TERM_PLAIN, whole_text(body, "reason"));
    columns_add(table, TERM_PLAIN, whole_text(body, "pointer"));
}

int command_quarantine_list(struct command_call *call, struct fault *fault)
{
    static const struct command_list list = {
        .document = "quarantine.json",
        .csv = "quarantine.csv",
        .rows = "bodies",
        .table = {body_columns, sizeof body_columns / sizeof body_columns[0], add_body},
        .none = "Nothing is in quarantine.\n",
    };
    const struct view_query query = {.now_ms = call->now_ms};
    return command_show_list(call, &list, &query, fault);
}

/* Reads the body ID; release it. Returns an exit code. */
static int read_one(struct command_call *call, int64_t id, struct store_quarantined *body,
                    struct fault *fault)
{
    size_t count;
    if (store_read_quarantined(call->reader, id - 1, body, 1, &count, fault) != 0)
        return command_failed(call);
    if (count > 0 && body->id == id)
        return COMMAND_DONE;
    store_quarantined_release(body, count);
    fault_set(fault, "%lld is not in quarantine", (long long)id);
    return COMMAND_NOT_THERE;
}

/* --- show ------------------------------------------------------------------------------------- */

int command_quarantine_show(struct command_call *call, struct fault *fault)
{
    int64_t ids[COMMAND_WORDS_MAX];
    struct store_quarantined body;
    struct buffer bytes = {0};
    if (command_read_ids(call, ids, fault) != 0)
        return COMMAND_USAGE;
    int code = read_one(call, ids[0], &body, fault);
    if (code != COMMAND_DONE)
        return code;
    if (call->term->is_terminal && !call->raw) {
        term_add_safe_bytes(call->term, &bytes, body.body, body.body_length, 0);
        buffer_add_string(&bytes, "\n");
    } else {
        buffer_add(&bytes, body.body, body.body_length);
    }
    store_quarantined_release(&body, 1);
    return command_print(call, &bytes, fault);
}

/* --- retry ------------------------------------------------------------------------------------ */

static const char *outcome_word(const struct record *record)
{
    switch (record->outcome) {
    case RECORD_STORED:
        return "stored";
    case RECORD_REPEATED:
        return "repeated";
    case RECORD_GONE:
        return "gone";
    default:
        return "quarantined";
    }
}

static void add_outcome_json(const struct record *record, struct buffer *line)
{
    json_open(line, NULL, '{');
    json_add_number(line, "id", record->requeue_id);
    json_add_string(line, "result", outcome_word(record));
    if (record->seq != 0)
        json_add_number(line, "seq", record->seq);
    if (record->meaning == RECORD_QUARANTINE)
        json_add_string(line, "reason", record->verdict.reason);
    if (record->meaning == RECORD_QUARANTINE && record->verdict.pointer[0] != '\0')
        json_add_string(line, "pointer", record->verdict.pointer);
    json_close(line, '}');
    buffer_add_string(line, "\n");
}

static void add_outcome(const struct term *term, const struct record *record, struct buffer *line)
{
    bool left = record->outcome == RECORD_STORED || record->outcome == RECORD_REPEATED;
    buffer_addf(line, "%lld  ", (long long)record->requeue_id);
    term_add_tone(term, line, left ? TERM_GOOD : TERM_WARN, outcome_word(record));
    if (record->seq != 0)
        buffer_addf(line, "  seq %lld", (long long)record->seq);
    if (record->meaning == RECORD_QUARANTINE) {
        buffer_add_string(line, "  ");
        term_add_safe(term, line, record->verdict.reason, 0);
        buffer_add_string(line, record->verdict.pointer[0] != '\0' ? " " : "");
        term_add_safe(term, line, record->verdict.pointer, 0);
    }
    buffer_add_string(line, "\n");
}

/* Whether a notification of that appId may enter the books: the operator says so, or the receiver
 * would accept it, as far as is known. The receiver accepts every appId, or those of the list in
 * the environment. */
static bool is_app_accepted(const struct command_call *call, const struct store_quarantined *body,
                            const char *app_id)
{
    const struct options_list *accepted = &call->options->app_ids;
    if (call->any_app || call->app_id != NULL || app_id[0] == '\0')
        return true;
    for (size_t i = 0; i < accepted->length; i++)
        if (strcmp(accepted->items[i], app_id) == 0)
            return true;
    return accepted->length == 0 && body->any_app;
}

/* Reads a body again. If it is a notification now, one transaction moves it from quarantine into
 * the books, with the time at which it was received. With --app, other appIds are skipped. */
static int retry_one(struct command_call *call, struct store *store,
                     const struct store_quarantined *body, struct fault *fault)
{
    struct record record = {.body = body->body,
                            .body_length = body->body_length,
                            .received_ms = body->received_ms,
                            .requeue_id = body->id};
    struct record *records[] = {&record};
    struct buffer line = {0};
    enum dispatch_result what = dispatch_read(&record);
    bool other = what == DISPATCH_NOTIFICATION && call->app_id != NULL &&
                 strcmp(record.app_id, call->app_id) != 0;
    int result = 0;
    if (what == DISPATCH_NO_MEMORY)
        result = fault_set(fault, "out of memory");
    else if (what == DISPATCH_NOTIFICATION && !is_app_accepted(call, body, record.app_id))
        dispatch_quarantine(&record, DISPATCH_APP_NOT_ACCEPTED, "/appId");
    else if (what == DISPATCH_NOTIFICATION && !other)
        result = store_keep(store, records, 1, NULL, 0, fault);
    if (result == 0 && !other) {
        if (call->json)
            add_outcome_json(&record, &line);
        else
            add_outcome(call->term, &record, &line);
        result = term_print(call->term, &line, fault);
        buffer_release(&line);
    }
    record_release(&record);
    return result;
}

static int retry_all(struct command_call *call, struct store *store, struct fault *fault)
{
    struct store_quarantined bodies[CHUNK_MAX];
    int64_t after = 0;
    size_t count;
    int result;
    do {
        result = store_read_quarantined(call->reader, after, bodies, CHUNK_MAX, &count, fault);
        for (size_t i = 0; result == 0 && i < count; i++) {
            after = bodies[i].id;
            result = retry_one(call, store, &bodies[i], fault);
        }
        store_quarantined_release(bodies, count);
    } while (result == 0 && count > 0);
    return result;
}

int command_quarantine_retry(struct command_call *call, struct fault *fault)
{
    int64_t ids[COMMAND_WORDS_MAX];
    struct store *store;
    if (command_read_ids(call, ids, fault) != 0)
        return COMMAND_USAGE;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int code = COMMAND_DONE;
    if (call->words_length == 0 && retry_all(call, store, fault) != 0)
        code = command_failed(call);
    for (size_t i = 0; code == COMMAND_DONE && i < call->words_length; i++) {
        struct store_quarantined body;
        code = read_one(call, ids[i], &body, fault);
        if (code != COMMAND_DONE)
            break;
        if (retry_one(call, store, &body, fault) != 0)
            code = command_failed(call);
        store_quarantined_release(&body, 1);
    }
    store_free(store);
    return code;
}
