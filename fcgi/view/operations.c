/* operations: lists of operations, of their failures together, and of the devices that are missing.
 */
#include "config.h"

#include "view/pages.h"

#include "base/clock.h"
#include "base/csv.h"
#include "base/json_writer.h"

#include <stdio.h>
#include <string.h>

/* --- the list of operations ------------------------------------------------------------------- */

static int read_filter(const struct view_query *query, struct store_operation_filter *filter,
                       struct fault *fault)
{
    *filter = (struct store_operation_filter){
        .app_id = query->app_id,
        .search = query->search,
        .fail_above = query->fail_above_said ? query->fail_above : -1,
        .since_ms = query->since_ms,
        .until_ms = query->until_ms,
        .of_state = query->state != NULL,
        .state = query->state == NULL                    ? STORE_RUNNING
                 : strcmp(query->state, "stalled") == 0  ? STORE_STALLED
                 : strcmp(query->state, "finished") == 0 ? STORE_FINISHED
                                                         : STORE_RUNNING,
        .quiet_before_ms = view_stuck_before(query),
    };
    if (query->sort != NULL)
        filter->order = strcmp(query->sort, "failures") == 0 ? STORE_MOST_FAILED
                        : strcmp(query->sort, "name") == 0   ? STORE_BY_NAME
                                                             : STORE_LATEST;
    return query->until_ms > 0 && query->until_ms <= query->since_ms
               ? fault_set(fault, "until: is not after since")
               : 0;
}

static void add_number_field(struct buffer *out, int64_t number, bool is_there)
{
    char text[32] = "";
    if (is_there)
        snprintf(text, sizeof text, "%lld", (long long)number);
    csv_add_field(out, text, false);
}

static void add_time_field(struct buffer *out, int64_t ms, bool is_there)
{
    char text[CLOCK_TEXT_SIZE] = "";
    csv_add_field(out, is_there ? clock_format(ms, text) : text, false);
}

#define OPERATION_HEADER                                                                      \
    "appId,operationId,state,software,inProgress,success,fail,contradictory,planned,missing," \
    "targetVersion,firstAt,lastAt,pruned,note"

static int add_operation_line(struct store_reader *reader, const struct view_query *query,
                              const struct store_operation_row *row, struct buffer *out,
                              struct fault *fault)
{
    struct view_room room;
    const char *kind = view_kind_word(row->kind);
    csv_add_field(out, view_cut(row->app_id, VIEW_ID_MAX, &room), true);
    csv_add_field(out, view_cut(row->operation_id, VIEW_ID_MAX, &room), false);
    csv_add_field(out, view_state_word(row, query), false);
    csv_add_field(out, kind != NULL ? kind : "", false);
    add_number_field(out, row->in_progress, true);
    add_number_field(out, row->success, true);
    add_number_field(out, row->fail, true);
    add_number_field(out, row->contradictory, true);
    add_number_field(out, row->planned, row->has_plan);
    add_number_field(out, row->missing, row->has_plan);
    struct store_rows rows = store_list_targets(reader, row->id, 1, fault);
    struct store_target_row target;
    bool any = store_next_target(&rows, &target);
    csv_add_field(out, any ? view_cut(target.version, VIEW_TEXT_MAX, &room) : "", false);
    add_time_field(out, row->first_ms, row->heard);
    add_time_field(out, row->last_ms, row->heard);
    csv_add_field(out, row->pruned ? "1" : "0", false);
    csv_add_field(out, row->note, false);
    csv_end_line(out);
    return store_rows_end(&rows, NULL);
}

enum view_result view_operations(struct store_reader *reader, const struct view_query *query,
                                 struct buffer *out, struct store_page_token *next,
                                 struct fault *fault)
{
    const size_t bound = view_bound(out);
    const struct store_page_token after = view_after(query);
    struct store_operation_filter filter;
    if (read_filter(query, &filter, fault) != 0)
        return VIEW_MISUSED;
    view_begin_list(out, query, "operations", OPERATION_HEADER);
    struct store_rows rows = store_filter_operations(reader, &filter, &after, view_limit(query),
                                                     fault);
    struct store_operation_row row;
    int result = 0;
    while (result == 0 && out->length <= bound && store_next_operation(&rows, &row)) {
        result = query->form == VIEW_CSV ? add_operation_line(reader, query, &row, out, fault)
                                         : view_add_operation(reader, query, &row, out, fault);
        view_end_row(out, query);
    }
    enum view_result ended = view_end_list(out, query, &rows, next, fault);
    return result == 0 ? ended : VIEW_FAILED;
}

/* --- failures by error code ------------------------------------------------------------------- */

static void add_error(struct buffer *out, const struct view_query *query,
                      const struct store_error_row *row)
{
    struct view_room room;
    if (query->form == VIEW_CSV) {
        csv_add_field(out, view_cut(row->error_code, VIEW_TEXT_MAX, &room), true);
        add_number_field(out, row->count, true);
        add_number_field(out, row->operations, true);
        csv_add_field(out, view_cut(row->example, VIEW_TEXT_MAX, &room), false);
        csv_end_line(out);
    } else {
        json_open(out, NULL, '{');
        view_add_text(out, "errorCode", row->error_code, VIEW_TEXT_MAX);
        json_add_number(out, "count", row->count);
        json_add_number(out, "operations", row->operations);
        view_add_text(out, "example", row->example, VIEW_TEXT_MAX);
        json_close(out, '}');
    }
    view_end_row(out, query);
}

enum view_result view_errors(struct store_reader *reader, const struct view_query *query,
                             struct buffer *out, struct store_page_token *next, struct fault *fault)
{
    const size_t bound = view_bound(out);
    const struct store_page_token after = view_after(query);
    int64_t operation = 0;
    enum view_result result = view_find_asked(reader, query, &operation, fault);
    if (result != VIEW_DONE)
        return result;
    view_begin_list(out, query, "errors", "errorCode,count,operations,example");
    struct store_rows rows = store_list_errors(reader, operation, &after, view_limit(query), fault);
    struct store_error_row row;
    while (out->length <= bound && store_next_error(&rows, &row))
        add_error(out, query, &row);
    return view_end_list(out, query, &rows, next, fault);
}

/* --- devices that are missing ----------------------------------------------------------------- */

static void add_missing(struct buffer *out, const struct view_query *query,
                        const struct view_named *named, const char *device_id, const char *told)
{
    struct view_room room;
    if (query->form == VIEW_CSV) {
        csv_add_field(out, named->app_id.bytes, true);
        csv_add_field(out, query->operation_id, false);
        csv_add_field(out, view_cut(device_id, VIEW_ID_MAX, &room), false);
        csv_add_field(out, view_cut(told, VIEW_TEXT_MAX, &room), false);
        csv_end_line(out);
    } else {
        json_open(out, NULL, '{');
        view_add_text(out, "deviceId", device_id, VIEW_ID_MAX);
        if (told[0] != '\0')
            view_add_text(out, "platform", told, VIEW_TEXT_MAX);
        json_close(out, '}');
    }
    view_end_row(out, query);
}

static enum view_result list_missing(struct store_reader *reader, const struct view_query *query,
                                     const struct view_named *named, struct buffer *out,
                                     struct store_page_token *next, struct fault *fault)
{
    const size_t bound = view_bound(out);
    const struct store_page_token after = view_after(query);
    if (query->form == VIEW_JSON) {
        buffer_add(out, named->members.bytes, named->members.length);
        json_open(out, "devices", '[');
    } else {
        view_begin_list(out, query, NULL, "appId,operationId,deviceId,platform");
    }
    struct store_rows rows = store_list_expected(reader, named->id, true, &after, view_limit(query),
                                                 fault);
    const char *device_id, *told;
    while (out->length <= bound && store_next_expected(&rows, &device_id, &told))
        add_missing(out, query, named, device_id, told);
    return view_end_list(out, query, &rows, next, fault);
}

enum view_result view_missing(struct store_reader *reader, const struct view_query *query,
                              struct buffer *out, struct store_page_token *next,
                              struct fault *fault)
{
    struct view_named named = {.id = 0};
    enum view_result result = view_find_named(reader, query, &named, fault);
    if (result == VIEW_DONE) {
        result = list_missing(reader, query, &named, out, next, fault);
        out->failed = out->failed || named.members.failed || named.app_id.failed;
    }
    view_release_named(&named);
    return result;
}
