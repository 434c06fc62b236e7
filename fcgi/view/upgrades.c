/* upgrades: lists of upgrades, and one device's history. */
#include "config.h"

#include "view/pages.h"

#include "base/clock.h"
#include "base/csv.h"
#include "base/json_writer.h"

#include <stdio.h>
#include <string.h>

/* --- lists of upgrades --------------------------------------------------------------------------
 */

/* Fills FILTER from the query. Finds the operation if the query names one. */
static enum view_result read_filter(struct store_reader *reader, const struct view_query *query,
                                    struct store_upgrade_filter *filter, struct fault *fault)
{
    struct view_named named = {.id = 0};
    *filter = (struct store_upgrade_filter){
        .of_state = query->state != NULL,
        .error_code = query->error_code,
        .contradictory = query->contradictory,
        .began_before_ms = query->stuck_said ? view_stuck_before(query) : 0,
    };
    if (query->state != NULL)
        filter->state = strcmp(query->state, "SUCCESS") == 0 ? RECORD_SUCCESS
                        : strcmp(query->state, "FAIL") == 0  ? RECORD_FAIL
                                                             : RECORD_IN_PROGRESS;
    enum view_result result = view_find_named(reader, query, &named, fault);
    filter->operation = named.id;
    view_release_named(&named);
    return result;
}

#define IDS 4 /* the first fields of a line */

#define UPGRADES_HEADER                                                                      \
    "appId,operationId,subOperationId,deviceId,state,step,errorCode,description,resultDesc," \
    "sourceVersion,targetVersion,curVersion,upgradeTime,contradictory,beganAt,lastAt,seq"
#define FAILURES_HEADER                                                           \
    "appId,operationId,subOperationId,deviceId,errorCode,description,resultDesc," \
    "sourceVersion,targetVersion,curVersion,upgradeTime,contradictory,lastAt,seq"

/* Adds a line. ALL: with the columns that failures lack. */
static void add_line(struct buffer *out, const struct store_upgrade_row *row, bool all)
{
    char began[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE], seq[32];
    snprintf(seq, sizeof seq, "%lld", (long long)row->seq);
    const struct {
        const char *text;
        bool always;
    } fields[] = {
        {row->app_id, true},
        {row->operation_id, true},
        {row->sub_operation_id, true},
        {row->device_id, true},
        {record_state_word(row->state), all},
        {row->step, all},
        {row->error_code, true},
        {row->description, true},
        {row->result_desc, true},
        {row->source, true},
        {row->target, true},
        {row->current, true},
        {row->upgrade_time, true},
        {row->contradictory ? "1" : "0", true},
        {clock_format(row->began_ms, began), all},
        {clock_format(row->last_ms, last), true},
        {seq, true},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct view_room room;
        size_t most = i < IDS ? VIEW_ID_MAX : VIEW_TEXT_MAX;
        if (fields[i].always)
            csv_add_field(out, view_cut(fields[i].text, most, &room), i == 0);
    }
    csv_end_line(out);
}

/* Adds the list NAME. ALL: of all upgrades, and not only of failures. */
static enum view_result list(struct store_reader *reader, const struct view_query *query,
                             const struct store_upgrade_filter *filter, bool all,
                             struct buffer *out, struct store_page_token *next, struct fault *fault)
{
    const size_t bound = view_bound(out);
    const struct store_page_token after = view_after(query);
    view_begin_list(out, query, all ? "upgrades" : "failures",
                    all ? UPGRADES_HEADER : FAILURES_HEADER);
    struct store_rows rows = store_list_upgrades(reader, filter, &after, view_limit(query), fault);
    struct store_upgrade_row row;
    while (out->length <= bound && store_next_upgrade(&rows, &row)) {
        if (query->form == VIEW_CSV)
            add_line(out, &row, all);
        else
            view_add_upgrade(out, &row);
        view_end_row(out, query);
    }
    return view_end_list(out, query, &rows, next, fault);
}

enum view_result view_upgrades(struct store_reader *reader, const struct view_query *query,
                               struct buffer *out, struct store_page_token *next,
                               struct fault *fault)
{
    struct store_upgrade_filter filter;
    enum view_result result = read_filter(reader, query, &filter, fault);
    return result == VIEW_DONE ? list(reader, query, &filter, true, out, next, fault) : result;
}

enum view_result view_failures(struct store_reader *reader, const struct view_query *query,
                               struct buffer *out, struct store_page_token *next,
                               struct fault *fault)
{
    struct store_upgrade_filter filter = {.error_code = query->error_code};
    enum view_result result = view_find_asked(reader, query, &filter.operation, fault);
    filter.of_state = true;
    filter.state = RECORD_FAIL;
    return result == VIEW_DONE ? list(reader, query, &filter, false, out, next, fault) : result;
}

/* --- one device ---------------------------------------------------------------------------------
 */

/* Adds the latest notifications about the device in OPERATION, and their number to COUNT. */
static int add_notes(struct store_reader *reader, const char *device_id, int64_t operation,
                     const char *sub_operation_id, struct buffer *out, size_t *count,
                     struct fault *fault)
{
    struct store_rows rows = store_list_notifications(reader, device_id, operation,
                                                      sub_operation_id, VIEW_NOTES, fault);
    struct store_kept kept;
    for (; store_next_notification(&rows, &kept); ++*count)
        view_add_notification(out, &kept);
    return store_rows_end(&rows, NULL);
}

/* Adds a page of the device's upgrades, each with its notifications, and their number to COUNT. */
static int add_history(struct store_reader *reader, const struct view_query *query, size_t bound,
                       struct buffer *out, size_t *count, struct store_page_token *next,
                       struct fault *fault)
{
    const struct store_page_token after = view_after(query);
    struct store_rows rows = store_list_device(reader, query->device_id, &after, view_limit(query),
                                               fault);
    struct store_upgrade_row row;
    size_t notes = 0;
    int result = 0;
    for (; result == 0 && out->length <= bound && store_next_upgrade(&rows, &row); ++*count) {
        json_open(out, NULL, '{');
        view_add_upgrade_members(out, &row);
        json_open(out, "notifications", '[');
        result = add_notes(reader, query->device_id, row.operation, row.sub_operation_id, out,
                           &notes, fault);
        json_close(out, ']');
        json_close(out, '}');
    }
    return store_rows_end(&rows, next) == 0 ? result : -1;
}

enum view_result view_device(struct store_reader *reader, const struct view_query *query,
                             struct buffer *out, struct store_page_token *next, struct fault *fault)
{
    const size_t bound = view_bound(out);
    const bool is_first = query->after == NULL || query->after[0] == '\0';
    size_t count = 0;
    if (query->device_id == NULL) {
        fault_set(fault, "deviceId: is missing");
        return VIEW_MISUSED;
    }
    json_open(out, NULL, '{');
    view_add_text(out, "deviceId", query->device_id, VIEW_ID_MAX);
    view_open_rows(out, query, "history");
    if (add_history(reader, query, bound, out, &count, next, fault) != 0)
        return view_failed(fault);
    view_close_rows(out, query);
    json_open(out, "news", '[');
    if (is_first && add_notes(reader, query->device_id, 0, NULL, out, &count, fault) != 0)
        return VIEW_FAILED;
    json_close(out, ']');
    view_add_next(out, next);
    view_end(out);
    if (count > 0 || !is_first)
        return VIEW_DONE;
    fault_set(fault, "no device %.200s has been heard of", query->device_id);
    return VIEW_NOT_FOUND;
}
