/* pages: functions for all views. */
#include "config.h"

#include "view/pages.h"

#include "base/csv.h"
#include "base/json_writer.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t view_bound(const struct buffer *out)
{
    return out->length + VIEW_PAGE_BYTES;
}

size_t view_limit(const struct view_query *query)
{
    return query->limit > 0           ? query->limit
           : query->form == VIEW_JSON ? (size_t)VIEW_LIMIT_DEFAULT
                                      : (size_t)STORE_PAGE_MAX;
}

struct store_page_token view_after(const struct view_query *query)
{
    struct store_page_token token;
    snprintf(token.text, sizeof token.text, "%s", query->after != NULL ? query->after : "");
    return token;
}

enum view_result view_failed(const struct fault *fault)
{
    return fault != NULL && fault->misused ? VIEW_MISUSED : VIEW_FAILED;
}

const char *view_cut(const char *value, size_t most, struct view_room *room)
{
    size_t length = utf8_cut(value, most);
    if (value[length] == '\0')
        return value;
    snprintf(room->text, sizeof room->text, "%.*s…", (int)length, value);
    return room->text;
}

void view_add_text(struct buffer *out, const char *name, const char *value, size_t most)
{
    struct view_room room;
    char length_name[64];
    const char *shown = view_cut(value, most, &room);
    json_add_string(out, name, shown);
    if (shown == value || name == NULL)
        return;
    snprintf(length_name, sizeof length_name, "%sBytes", name);
    json_add_number(out, length_name, (int64_t)strlen(value));
}

void view_add_notification(struct buffer *out, const struct store_kept *kept)
{
    json_open(out, NULL, '{');
    json_add_number(out, "seq", kept->seq);
    json_add_time(out, "receivedAt", kept->received_ms);
    json_add_number(out, "deliveries", kept->deliveries);
    if (kept->body_length <= VIEW_BODY_MAX) {
        json_add_json(out, "body", kept->body, kept->body_length);
    } else {
        json_add_null(out, "body");
        json_add_number(out, "bodyBytes", (int64_t)kept->body_length);
    }
    json_close(out, '}');
}

void view_add_next(struct buffer *out, const struct store_page_token *next)
{
    json_add_string(out, "next", next->text[0] != '\0' ? next->text : NULL);
}

void view_end(struct buffer *out)
{
    json_close(out, '}');
    buffer_add(out, "\n", 1);
}

static void add_upgrades(struct buffer *out, int64_t in_progress, int64_t success, int64_t fail,
                         int64_t contradictory)
{
    json_add_number(out, "inProgress", in_progress);
    json_add_number(out, "success", success);
    json_add_number(out, "fail", fail);
    json_add_number(out, "contradictory", contradictory);
}

void view_open_rows(struct buffer *out, const struct view_query *query, const char *name)
{
    json_open(out, name, '[');
    if (query->rows != NULL)
        query->rows->begin = out->length;
}

void view_close_rows(struct buffer *out, const struct view_query *query)
{
    if (query->rows != NULL)
        query->rows->end = out->length;
    json_close(out, ']');
}

enum view_result view_end_page(struct buffer *out, const struct view_query *query,
                               struct store_rows *rows, struct store_page_token *next,
                               const struct fault *fault)
{
    if (store_rows_end(rows, next) != 0)
        return view_failed(fault);
    view_close_rows(out, query);
    view_add_next(out, next);
    view_end(out);
    return VIEW_DONE;
}

void view_begin_list(struct buffer *out, const struct view_query *query, const char *name,
                     const char *header)
{
    bool is_first = query->after == NULL || query->after[0] == '\0';
    if (query->form == VIEW_JSON) {
        json_open(out, NULL, '{');
        view_open_rows(out, query, name);
    } else if (query->form == VIEW_CSV && is_first) {
        buffer_add_string(out, query->byte_order_mark ? "\xEF\xBB\xBF" : "");
        buffer_add_string(out, header);
        csv_end_line(out);
    }
}

void view_end_row(struct buffer *out, const struct view_query *query)
{
    if (query->form == VIEW_JSON_LINES)
        buffer_add(out, "\n", 1);
}

enum view_result view_end_list(struct buffer *out, const struct view_query *query,
                               struct store_rows *rows, struct store_page_token *next,
                               const struct fault *fault)
{
    if (query->form == VIEW_JSON)
        return view_end_page(out, query, rows, next, fault);
    return store_rows_end(rows, next) == 0 ? VIEW_DONE : view_failed(fault);
}

void view_add_operation_members(struct buffer *out, const struct store_operation_row *row)
{
    view_add_text(out, "appId", row->app_id, VIEW_ID_MAX);
    view_add_text(out, "operationId", row->operation_id, VIEW_ID_MAX);
    add_upgrades(out, row->in_progress, row->success, row->fail, row->contradictory);
    json_add_share(out, "failureShare", row->fail, row->success + row->fail);
    json_add_time_or_null(out, "firstAt", row->heard ? row->first_ms : 0);
    json_add_time_or_null(out, "lastAt", row->heard ? row->last_ms : 0);
    json_add_bool(out, "pruned", row->pruned);
}

static const char *const state_words[] = {
    [STORE_RUNNING] = "running",
    [STORE_STALLED] = "stalled",
    [STORE_FINISHED] = "finished",
};

const char *view_state_word(const struct store_operation_row *row, const struct view_query *query)
{
    return state_words[store_operation_state(row, view_stuck_before(query))];
}

const char *view_kind_word(enum store_kind kind)
{
    return kind == STORE_SOFTWARE ? "software" : kind == STORE_FIRMWARE ? "firmware" : NULL;
}

int view_add_operation_details(struct store_reader *reader, const struct view_query *query,
                               const struct store_operation_row *row, struct buffer *out,
                               struct fault *fault)
{
    if (row->has_plan) {
        json_add_number(out, "planned", row->planned);
        json_add_number(out, "missing", row->missing);
    } else {
        json_add_null(out, "planned");
        json_add_null(out, "missing");
    }
    json_add_string(out, "state", view_state_word(row, query));
    json_add_string(out, "software", view_kind_word(row->kind));
    struct store_rows rows = store_list_targets(reader, row->id, VIEW_TARGETS, fault);
    struct store_target_row target;
    json_open(out, "targetVersions", '[');
    while (store_next_target(&rows, &target)) {
        json_open(out, NULL, '{');
        view_add_text(out, "version", target.version, VIEW_TEXT_MAX);
        json_add_number(out, "count", target.count);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_add_string(out, "note", row->note[0] != '\0' ? row->note : NULL);
    return store_rows_end(&rows, NULL);
}

int view_add_operation(struct store_reader *reader, const struct view_query *query,
                       const struct store_operation_row *row, struct buffer *out,
                       struct fault *fault)
{
    json_open(out, NULL, '{');
    view_add_operation_members(out, row);
    int result = view_add_operation_details(reader, query, row, out, fault);
    json_close(out, '}');
    return result;
}

int view_add_failures(struct store_reader *reader, int64_t operation, int64_t fail, size_t most,
                      struct buffer *out, struct fault *fault)
{
    struct store_rows rows = store_list_failures(reader, operation, most, fault);
    struct store_failure_row row;
    json_open(out, "failures", '[');
    while (store_next_failure(&rows, &row)) {
        json_open(out, NULL, '{');
        view_add_text(out, "errorCode", row.error_code, VIEW_TEXT_MAX);
        json_add_number(out, "count", row.count);
        json_add_share(out, "share", row.count, fail);
        json_add_time(out, "firstAt", row.first_ms);
        json_add_time(out, "lastAt", row.last_ms);
        view_add_text(out, "example", row.example, VIEW_TEXT_MAX);
        json_close(out, '}');
    }
    json_close(out, ']');
    int result = store_rows_end(&rows, NULL);
    json_add_bool(out, "failuresMore", rows.more);
    return result;
}

void view_add_upgrade_members(struct buffer *out, const struct store_upgrade_row *row)
{
    view_add_text(out, "appId", row->app_id, VIEW_ID_MAX);
    view_add_text(out, "operationId", row->operation_id, VIEW_ID_MAX);
    view_add_text(out, "subOperationId", row->sub_operation_id, VIEW_ID_MAX);
    view_add_text(out, "deviceId", row->device_id, VIEW_ID_MAX);
    json_add_string(out, "state", record_state_word(row->state));
    view_add_text(out, "step", row->step, VIEW_TEXT_MAX);
    view_add_text(out, "curVersion", row->current, VIEW_TEXT_MAX);
    view_add_text(out, "targetVersion", row->target, VIEW_TEXT_MAX);
    view_add_text(out, "sourceVersion", row->source, VIEW_TEXT_MAX);
    view_add_text(out, "upgradeTime", row->upgrade_time, VIEW_TEXT_MAX);
    view_add_text(out, "resultDesc", row->result_desc, VIEW_TEXT_MAX);
    view_add_text(out, "errorCode", row->error_code, VIEW_TEXT_MAX);
    view_add_text(out, "description", row->description, VIEW_TEXT_MAX);
    json_add_bool(out, "contradictory", row->contradictory);
    json_add_time(out, "beganAt", row->began_ms);
    json_add_time(out, "lastAt", row->last_ms);
    json_add_number(out, "seq", row->seq);
}

void view_add_upgrade(struct buffer *out, const struct store_upgrade_row *row)
{
    json_open(out, NULL, '{');
    view_add_upgrade_members(out, row);
    json_close(out, '}');
}

enum view_result view_find_named(struct store_reader *reader, const struct view_query *query,
                                 struct view_named *named, struct fault *fault)
{
    if (query->operation_id == NULL) {
        fault_set(fault, "operationId: is missing");
        return VIEW_MISUSED;
    }
    struct store_operation_row row;
    struct store_rows rows = store_find_operations(reader, query->app_id, query->operation_id,
                                                   false, 1, fault);
    int result = 0;
    if (store_next_operation(&rows, &row)) {
        struct view_room room;
        named->id = row.id;
        named->fail = row.fail;
        buffer_add_string(&named->app_id, view_cut(row.app_id, VIEW_ID_MAX, &room));
        buffer_add(&named->app_id, "", 1);
        json_open(&named->members, NULL, '{');
        view_add_operation_members(&named->members, &row);
        result = view_add_operation_details(reader, query, &row, &named->members, fault);
    }
    if (store_rows_end(&rows, NULL) != 0 || result != 0)
        return VIEW_FAILED;
    if (named->id != 0)
        return VIEW_DONE;
    fault_set(fault, "no operation %.200s has been heard of", query->operation_id);
    return VIEW_NOT_FOUND;
}

enum view_result view_find_asked(struct store_reader *reader, const struct view_query *query,
                                 int64_t *operation, struct fault *fault)
{
    if (query->operation_id == NULL && query->app_id != NULL) {
        fault_set(fault, "appId: goes with operationId");
        return VIEW_MISUSED;
    }
    struct view_named named = {.id = 0};
    enum view_result result = query->operation_id == NULL
                                  ? VIEW_DONE
                                  : view_find_named(reader, query, &named, fault);
    *operation = named.id;
    view_release_named(&named);
    return result;
}

void view_release_named(struct view_named *named)
{
    buffer_release(&named->app_id);
    buffer_release(&named->members);
}

int64_t view_stuck_before(const struct view_query *query)
{
    int64_t seconds = query->stuck_said ? query->stuck_s : VIEW_STUCK_DEFAULT_S;
    /* At least 1, because 0 means no limit. */
    return query->now_ms > seconds * 1000 ? query->now_ms - seconds * 1000 : 1;
}

static void add_token(struct buffer *out, const struct token *token)
{
    char text[TOKEN_TEXT_SIZE];
    json_add_string(out, "token", token_write(token, text));
}

void view_add_quarantine(struct buffer *out, const struct store_totals *totals)
{
    json_add_number(out, "held", totals->quarantine_held);
    json_add_number(out, "bytes", totals->quarantine_bytes);
    json_add_time_or_null(out, "fullSince", totals->quarantine_full_ms);
    json_add_time_or_null(out, "unknownFullSince", totals->quarantine_unknown_full_ms);
}

void view_add_totals(struct buffer *out, const struct store_totals *totals)
{
    struct token token;
    store_totals_token(totals, &token);
    json_add_number(out, "seq", totals->seq);
    add_token(out, &token);
    json_add_time_or_null(out, "lastAt", totals->last_ms);
    json_open(out, "totals", '{');
    json_add_number(out, "notifications", totals->notifications);
    json_add_number(out, "repeats", totals->repeats);
    json_add_number(out, "quarantined", totals->quarantined);
    json_add_number(out, "quarantineLogOnly", totals->quarantine_log_only);
    json_close(out, '}');
    json_open(out, "upgrades", '{');
    add_upgrades(out, totals->in_progress, totals->success, totals->fail, totals->contradictory);
    json_close(out, '}');
    json_open(out, "quarantine", '{');
    view_add_quarantine(out, totals);
    json_close(out, '}');
}

void view_add_applications(struct buffer *out, const struct store_overview *overview)
{
    json_open(out, "applications", '[');
    for (size_t i = 0; i < overview->cursors_length; i++) {
        const struct store_cursor *cursor = &overview->cursors[i];
        json_open(out, NULL, '{');
        json_add_string(out, "name", cursor->name);
        json_add_number(out, "cursor", cursor->at.seq);
        add_token(out, &cursor->at);
        json_add_bool(out, "lost", cursor->lost);
        json_add_number(out, "backlog", overview->totals.seq - cursor->at.seq);
        json_close(out, '}');
    }
    json_close(out, ']');
}

void view_add_books(struct buffer *out, const struct view_books *books)
{
    if (books == NULL) {
        json_add_null(out, "books");
        return;
    }
    json_open(out, "books", '{');
    json_add_string(out, "name", books->name);
    json_add_string(out, "state", books->state);
    json_add_time(out, "since", books->since_ms);
    json_add_string(out, "fault", books->fault);
    json_add_number(out, "behindRecords", books->behind_records);
    json_add_number(out, "behindSeconds", books->behind_ms / 1000);
    json_add_number(out, "copyBehindRecords", books->copy_behind_records);
    json_add_number(out, "copyBehindSeconds", books->copy_behind_ms / 1000);
    json_add_string(out, "copyFault", books->copy_fault);
    json_add_bool(out, "required", books->required);
    json_close(out, '}');
}
