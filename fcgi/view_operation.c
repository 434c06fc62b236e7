/* view_operation: what the view of one operation writes. */
#include "config.h"

#include "view_pages.h"

#include "document.h"

#include <string.h>

/* Applications that have another operation of the name. */
struct others {
    struct text *out;
    int64_t id; /* of the one that is shown */
    size_t count;
};

static int add_other(void *owner, const struct store_operation_row *row)
{
    struct others *others = owner;
    if (row->id != others->id && others->count++ < VIEW_FOUND)
        view_add_text(others->out, NULL, row->app_id, VIEW_ID_MAX);
    return 0;
}

static int add_also_in(struct store_reader *reader, const struct view_query *query, int64_t id,
                       struct text *out, struct fault *fault)
{
    struct others others = {.out = out, .id = id};
    document_open(out, "alsoIn", '[');
    int result = store_find_operations(reader, NULL, query->operation_id, false, VIEW_FOUND + 1,
                                       add_other, &others, fault);
    document_close(out, ']');
    return result;
}

struct failures {
    struct text *out;
    int64_t fail;
};

static int add_failure(void *owner, const struct store_failure_row *row)
{
    struct failures *failures = owner;
    document_open(failures->out, NULL, '{');
    view_add_text(failures->out, "errorCode", row->error_code, VIEW_TEXT_MAX);
    document_number(failures->out, "count", row->count);
    document_share(failures->out, "share", row->count, failures->fail);
    document_time(failures->out, "firstAt", row->first_ms);
    document_time(failures->out, "lastAt", row->last_ms);
    view_add_text(failures->out, "example", row->example, VIEW_TEXT_MAX);
    document_close(failures->out, '}');
    return 0;
}

static int add_move(void *owner, const struct store_move_row *row)
{
    struct text *out = owner;
    document_open(out, NULL, '{');
    view_add_text(out, "from", row->source, VIEW_TEXT_MAX);
    view_add_text(out, "to", row->target, VIEW_TEXT_MAX);
    document_number(out, "success", row->success);
    document_number(out, "fail", row->fail);
    document_close(out, '}');
    return 0;
}

static int add_point(void *owner, const struct store_pace_row *row)
{
    struct text *out = owner;
    document_open(out, NULL, '{');
    document_time(out, "at", row->at_ms);
    document_number(out, "inProgress", row->in_progress);
    document_number(out, "success", row->success);
    document_number(out, "fail", row->fail);
    document_close(out, '}');
    return 0;
}

static int add_stuck(struct store_reader *reader, const struct view_query *query, int64_t operation,
                     struct text *out, struct fault *fault)
{
    struct text upgrades = {0};
    struct view_rows page = {.out = &upgrades, .shown = VIEW_STUCK_ROWS, .bound = SIZE_MAX};
    struct store_place next;
    const struct store_upgrade_filter filter = {.operation = operation,
                                                .began_before_ms = view_stuck_before(query)};
    document_open(&upgrades, NULL, '[');
    int result = store_list_upgrades(reader, &filter, &(struct store_place){""}, VIEW_STUCK_COUNTED,
                                     view_add_upgrade, &page, &next, fault);
    document_close(&upgrades, ']');
    document_open(out, "stuck", '{');
    document_number(out, "longerThan",
                    query->stuck_said ? query->stuck_s : (int64_t)VIEW_STUCK_DEFAULT_S);
    document_number(out, "count", (int64_t)page.count);
    document_bool(out, "more", result == 0 && next.text[0] != '\0');
    document_json(out, "upgrades", upgrades.bytes, upgrades.length);
    document_close(out, '}');
    out->failed = out->failed || upgrades.failed;
    text_release(&upgrades);
    return result;
}

static int add_counted(struct store_reader *reader, const struct view_named *named,
                       struct text *out, struct fault *fault)
{
    struct failures failures = {.out = out, .fail = named->fail};
    bool more;
    int64_t width_ms;
    document_open(out, "failures", '[');
    if (store_list_failures(reader, named->id, STORE_FAILURES_MAX, add_failure, &failures, &more,
                            fault) != 0)
        return -1;
    document_close(out, ']');
    document_bool(out, "failuresMore", more);
    document_open(out, "versions", '[');
    if (store_list_moves(reader, named->id, STORE_MOVES_MAX, add_move, out, &more, fault) != 0)
        return -1;
    document_close(out, ']');
    document_bool(out, "versionsMore", more);
    struct text points = {0};
    int result = store_list_pace(reader, named->id, add_point, &points, &width_ms, fault);
    document_open(out, "progress", '{');
    document_number(out, "intervalMs", result == 0 ? width_ms : 0);
    document_open(out, "points", '[');
    text_add(out, points.bytes, points.length);
    document_close(out, ']');
    document_close(out, '}');
    out->failed = out->failed || points.failed;
    text_release(&points);
    return result;
}

enum view_result view_operation(struct store_reader *reader, const struct view_query *query,
                                struct text *out, struct store_place *next, struct fault *fault)
{
    (void)next;
    struct view_named named = {.id = 0};
    enum view_result result = view_find_named(reader, query, &named, fault);
    if (result == VIEW_DONE) {
        text_add(out, named.members.bytes, named.members.length);
        if (add_also_in(reader, query, named.id, out, fault) != 0 ||
            add_counted(reader, &named, out, fault) != 0 ||
            add_stuck(reader, query, named.id, out, fault) != 0)
            result = VIEW_FAILED;
        view_end(out);
        out->failed = out->failed || named.members.failed;
    }
    text_release(&named.members);
    return result;
}
