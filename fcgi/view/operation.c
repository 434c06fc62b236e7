/* operation: writes the view of one operation. */
#include "config.h"

#include "view/pages.h"

#include "base/json_writer.h"

#include <string.h>

/* Adds the applications that have another operation than ID of the same name. */
static int add_also_in(struct store_reader *reader, const struct view_query *query, int64_t id,
                       struct buffer *out, struct fault *fault)
{
    struct store_rows rows = store_find_operations(reader, NULL, query->operation_id, false,
                                                   VIEW_FOUND + 1, fault);
    struct store_operation_row row;
    size_t count = 0;
    json_open(out, "alsoIn", '[');
    while (store_next_operation(&rows, &row))
        if (row.id != id && count++ < VIEW_FOUND)
            view_add_text(out, NULL, row.app_id, VIEW_ID_MAX);
    json_close(out, ']');
    return store_rows_end(&rows, NULL);
}

/* Adds what the platform said when upgrade-platform asked it last. */
static int add_platform(struct store_reader *reader, int64_t id, struct buffer *out,
                        struct fault *fault)
{
    struct buffer said = {0};
    int64_t asked_ms;
    int result = store_read_asked(reader, id, &asked_ms, &said, fault);
    if (said.length == 0) {
        json_add_null(out, "platform");
    } else {
        json_open(out, "platform", '{');
        json_add_time(out, "askedAt", asked_ms);
        json_add_json(out, "said", said.bytes, said.length);
        json_close(out, '}');
    }
    out->failed = out->failed || said.failed;
    buffer_release(&said);
    return result;
}

static int add_versions(struct store_reader *reader, int64_t operation, struct buffer *out,
                        struct fault *fault)
{
    struct store_rows rows = store_list_transitions(reader, operation, STORE_TRANSITIONS_MAX,
                                                    fault);
    struct store_transition_row row;
    json_open(out, "versions", '[');
    while (store_next_transition(&rows, &row)) {
        json_open(out, NULL, '{');
        view_add_text(out, "from", row.source, VIEW_TEXT_MAX);
        view_add_text(out, "to", row.target, VIEW_TEXT_MAX);
        json_add_number(out, "success", row.success);
        json_add_number(out, "fail", row.fail);
        json_close(out, '}');
    }
    json_close(out, ']');
    int result = store_rows_end(&rows, NULL);
    json_add_bool(out, "versionsMore", rows.more);
    return result;
}

static int add_progress(struct store_reader *reader, int64_t operation, struct buffer *out,
                        struct fault *fault)
{
    struct store_rows rows = store_list_timeline(reader, operation, fault);
    struct store_timeline_row row = {0};
    bool any = store_next_timeline(&rows, &row);
    json_open(out, "progress", '{');
    json_add_number(out, "intervalMs", row.width_ms);
    json_open(out, "points", '[');
    for (; any; any = store_next_timeline(&rows, &row)) {
        json_open(out, NULL, '{');
        json_add_time(out, "at", row.at_ms);
        json_add_number(out, "inProgress", row.in_progress);
        json_add_number(out, "success", row.success);
        json_add_number(out, "fail", row.fail);
        json_close(out, '}');
    }
    json_close(out, ']');
    json_close(out, '}');
    return store_rows_end(&rows, NULL);
}

static int add_stuck(struct store_reader *reader, const struct view_query *query, int64_t operation,
                     struct buffer *out, struct fault *fault)
{
    struct buffer upgrades = {0};
    size_t count = 0;
    const struct store_upgrade_filter filter = {.operation = operation,
                                                .began_before_ms = view_stuck_before(query)};
    struct store_rows rows = store_list_upgrades(reader, &filter, NULL, VIEW_STUCK_COUNTED, fault);
    struct store_upgrade_row row;
    json_open(&upgrades, NULL, '[');
    while (store_next_upgrade(&rows, &row))
        if (count++ < VIEW_STUCK_ROWS)
            view_add_upgrade(&upgrades, &row);
    json_close(&upgrades, ']');
    int result = store_rows_end(&rows, NULL);
    json_open(out, "stuck", '{');
    json_add_number(out, "longerThan",
                    query->stuck_said ? query->stuck_s : (int64_t)VIEW_STUCK_DEFAULT_S);
    json_add_number(out, "count", (int64_t)count);
    json_add_bool(out, "more", rows.more);
    json_add_json(out, "upgrades", upgrades.bytes, upgrades.length);
    json_close(out, '}');
    out->failed = out->failed || upgrades.failed;
    buffer_release(&upgrades);
    return result;
}

enum view_result view_operation(struct store_reader *reader, const struct view_query *query,
                                struct buffer *out, struct store_page_token *next,
                                struct fault *fault)
{
    (void)next;
    struct view_named named = {.id = 0};
    enum view_result result = view_find_named(reader, query, &named, fault);
    if (result == VIEW_DONE) {
        buffer_add(out, named.members.bytes, named.members.length);
        if (add_platform(reader, named.id, out, fault) != 0 ||
            add_also_in(reader, query, named.id, out, fault) != 0 ||
            view_add_failures(reader, named.id, named.fail, STORE_FAILURES_MAX, out, fault) != 0 ||
            add_versions(reader, named.id, out, fault) != 0 ||
            add_progress(reader, named.id, out, fault) != 0 ||
            add_stuck(reader, query, named.id, out, fault) != 0)
            result = VIEW_FAILED;
        view_end(out);
        out->failed = out->failed || named.members.failed;
    }
    view_release_named(&named);
    return result;
}
