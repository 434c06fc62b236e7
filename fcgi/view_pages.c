/* view_pages: what each view writes. */
#include "config.h"

#include "view_pages.h"

#include "csv.h"
#include "document.h"
#include "moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the functions that get rows write to. */
struct page {
    struct store_reader *reader;
    struct text *out;
    struct fault *fault;
    const char *device_id; /* whose history it is */
    size_t count;          /* rows so far */
    size_t shown;          /* of them, at most */
    size_t bound;          /* of OUT's length: the page ends behind it */
    bool news;             /* whether there was any */
};

/* How long OUT may be before its page ends early. */
static size_t bound_of(const struct text *out)
{
    return out->length + VIEW_PAGE_BYTES;
}

/* What a function that got a row returns: whether that was the page's last. */
static int is_full(const struct page *page)
{
    return page->out->length > page->bound ? 1 : 0;
}

static size_t limit_of(const struct view_query *query, size_t otherwise)
{
    return query->limit > 0 ? query->limit : otherwise;
}

static struct store_place place_of(const struct view_query *query)
{
    struct store_place place;
    snprintf(place.text, sizeof place.text, "%s", query->after != NULL ? query->after : "");
    return place;
}

/* A place that cannot be read is the asker's mistake, anything else the store's. */
static enum view_result failed(const struct view_query *query, const struct fault *fault)
{
    return query->after != NULL && fault != NULL && strncmp(fault->text, "after:", 6) == 0
               ? VIEW_MISUSED
               : VIEW_FAILED;
}

static void add_next(struct text *out, const struct store_place *next)
{
    if (next->text[0] != '\0')
        document_string(out, "next", next->text);
    else
        document_null(out, "next");
}

static void end_document(struct text *out)
{
    document_close(out, '}');
    text_add(out, "\n", 1);
}

/* --- operations --------------------------------------------------------------------------------
 */

static void add_operation_members(struct text *out, const struct store_operation_row *row)
{
    document_string(out, "appId", row->app_id);
    document_string(out, "operationId", row->operation_id);
    document_number(out, "inProgress", row->in_progress);
    document_number(out, "success", row->success);
    document_number(out, "fail", row->fail);
    document_number(out, "contradictory", row->contradictory);
    document_share(out, "failureShare", row->fail, row->success + row->fail);
    document_time(out, "firstAt", row->first_ms);
    document_time(out, "lastAt", row->last_ms);
    document_bool(out, "pruned", row->pruned);
}

static int add_operation(void *owner, const struct store_operation_row *row)
{
    struct page *page = owner;
    document_open(page->out, NULL, '{');
    add_operation_members(page->out, row);
    document_close(page->out, '}');
    return is_full(page);
}

static void add_totals(struct text *out, const struct store_totals *totals)
{
    document_number(out, "seq", totals->seq);
    if (totals->last_ms != 0)
        document_time(out, "lastAt", totals->last_ms);
    else
        document_null(out, "lastAt");
    document_open(out, "totals", '{');
    document_number(out, "notifications", totals->notifications);
    document_number(out, "repeats", totals->repeats);
    document_number(out, "quarantined", totals->quarantined);
    document_number(out, "quarantineLogOnly", totals->quarantine_log_only);
    document_close(out, '}');
    document_open(out, "upgrades", '{');
    document_number(out, "inProgress", totals->in_progress);
    document_number(out, "success", totals->success);
    document_number(out, "fail", totals->fail);
    document_number(out, "contradictory", totals->contradictory);
    document_close(out, '}');
    document_open(out, "quarantine", '{');
    document_number(out, "held", totals->quarantine_held);
    document_number(out, "bytes", totals->quarantine_bytes);
    document_close(out, '}');
}

static void add_applications(struct text *out, const struct store_overview *overview)
{
    document_open(out, "applications", '[');
    for (size_t i = 0; i < overview->cursors_length; i++) {
        const struct store_cursor *cursor = &overview->cursors[i];
        document_open(out, NULL, '{');
        document_string(out, "name", cursor->name);
        document_number(out, "cursor", cursor->seq);
        document_number(out, "backlog", overview->totals.seq - cursor->seq);
        document_close(out, '}');
    }
    document_close(out, ']');
}

static void add_process(struct text *out, const struct view_process *process)
{
    if (process == NULL) {
        document_null(out, "receiver");
        return;
    }
    document_open(out, "receiver", '{');
    document_string(out, "version", process->version);
    document_number(out, "pid", process->pid);
    if (process->store_fault != NULL)
        document_string(out, "storeFault", process->store_fault);
    else
        document_null(out, "storeFault");
    document_number(out, "logLinesDropped", (int64_t)process->log_lines_dropped);
    document_number(out, "refusedInARow", (int64_t)process->refused_in_a_row);
    document_number(out, "quarantineMax", (int64_t)process->quarantine_max);
    document_number(out, "quarantineBytesMax", (int64_t)process->quarantine_bytes_max);
    document_close(out, '}');
}

enum view_result view_overview(struct store_reader *reader, const struct view_query *query,
                               struct text *out, struct store_place *next, struct fault *fault)
{
    struct page page = {.out = out, .bound = bound_of(out)};
    struct store_overview overview;
    const struct store_place after = place_of(query);
    if (store_read_overview(reader, &overview, fault) != 0)
        return VIEW_FAILED;
    document_open(out, NULL, '{');
    add_totals(out, &overview.totals);
    add_applications(out, &overview);
    add_process(out, query->process);
    document_open(out, "operations", '[');
    if (store_list_operations(reader, &after, limit_of(query, VIEW_LIMIT_DEFAULT), add_operation,
                              &page, next, fault) != 0)
        return failed(query, fault);
    document_close(out, ']');
    add_next(out, next);
    end_document(out);
    return VIEW_DONE;
}

/* --- one operation -----------------------------------------------------------------------------
 */

/* The operation that is asked for. */
struct named {
    int64_t id; /* 0: none was found */
    int64_t fail;
    struct text members; /* of its object, which is still open; freed by whoever has it */
};

static int take_named(void *owner, const struct store_operation_row *row)
{
    struct named *named = owner;
    named->id = row->id;
    named->fail = row->fail;
    document_open(&named->members, NULL, '{');
    add_operation_members(&named->members, row);
    return 0;
}

/* Finds it; what NAMED holds is to be released whatever comes back. */
static enum view_result find_named(struct store_reader *reader, const struct view_query *query,
                                   struct named *named, struct fault *fault)
{
    if (query->operation_id == NULL) {
        fault_set(fault, "operationId: is missing");
        return VIEW_MISUSED;
    }
    if (store_find_operations(reader, query->app_id, query->operation_id, false, 1, take_named,
                              named, fault) != 0)
        return VIEW_FAILED;
    if (named->id != 0)
        return VIEW_DONE;
    fault_set(fault, "no operation %.200s has been heard of", query->operation_id);
    return VIEW_NOT_FOUND;
}

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
        document_string(others->out, NULL, row->app_id);
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
    document_string(failures->out, "errorCode", row->error_code);
    document_number(failures->out, "count", row->count);
    document_share(failures->out, "share", row->count, failures->fail);
    document_time(failures->out, "firstAt", row->first_ms);
    document_time(failures->out, "lastAt", row->last_ms);
    document_string(failures->out, "example", row->example);
    document_close(failures->out, '}');
    return 0;
}

static int add_move(void *owner, const struct store_move_row *row)
{
    struct text *out = owner;
    document_open(out, NULL, '{');
    document_string(out, "from", row->source);
    document_string(out, "to", row->target);
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

static void add_upgrade_members(struct text *out, const struct store_upgrade_row *row)
{
    document_string(out, "appId", row->app_id);
    document_string(out, "operationId", row->operation_id);
    document_string(out, "subOperationId", row->sub_operation_id);
    document_string(out, "deviceId", row->device_id);
    document_string(out, "state", record_state_word(row->state));
    document_string(out, "step", row->step);
    document_string(out, "curVersion", row->current);
    document_string(out, "targetVersion", row->target);
    document_string(out, "sourceVersion", row->source);
    document_string(out, "upgradeTime", row->upgrade_time);
    document_string(out, "resultDesc", row->result_desc);
    document_string(out, "errorCode", row->error_code);
    document_string(out, "description", row->description);
    document_bool(out, "contradictory", row->contradictory);
    document_time(out, "beganAt", row->began_ms);
    document_time(out, "lastAt", row->last_ms);
    document_number(out, "seq", row->seq);
}

/* Adds an upgrade, but counts alone those behind the first SHOWN. */
static int add_upgrade(void *owner, const struct store_upgrade_row *row)
{
    struct page *page = owner;
    if (page->count++ >= page->shown)
        return 0;
    document_open(page->out, NULL, '{');
    add_upgrade_members(page->out, row);
    document_close(page->out, '}');
    return is_full(page);
}

/* The time before which what is stuck must have begun. */
static int64_t stuck_before(const struct view_query *query)
{
    int64_t seconds = query->stuck_said ? query->stuck_s : VIEW_STUCK_DEFAULT_S;
    /* 1, the least that is a bound, where all of the past would be too late. */
    return query->now_ms > seconds * 1000 ? query->now_ms - seconds * 1000 : 1;
}

static int add_stuck(struct store_reader *reader, const struct view_query *query, int64_t operation,
                     struct text *out, struct fault *fault)
{
    struct text upgrades = {0};
    struct page page = {.out = &upgrades, .shown = VIEW_STUCK_ROWS, .bound = SIZE_MAX};
    struct store_place next;
    const struct store_upgrade_filter filter = {.operation = operation,
                                                .began_before_ms = stuck_before(query)};
    document_open(&upgrades, NULL, '[');
    int result = store_list_upgrades(reader, &filter, &(struct store_place){""}, VIEW_STUCK_COUNTED,
                                     add_upgrade, &page, &next, fault);
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

static int add_counted(struct store_reader *reader, const struct named *named, struct text *out,
                       struct fault *fault)
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
    struct named named = {.id = 0};
    enum view_result result = find_named(reader, query, &named, fault);
    if (result == VIEW_DONE) {
        text_add(out, named.members.bytes, named.members.length);
        if (add_also_in(reader, query, named.id, out, fault) != 0 ||
            add_counted(reader, &named, out, fault) != 0 ||
            add_stuck(reader, query, named.id, out, fault) != 0)
            result = VIEW_FAILED;
        end_document(out);
        out->failed = out->failed || named.members.failed;
    }
    text_release(&named.members);
    return result;
}

/* --- lists of upgrades --------------------------------------------------------------------------
 */

/* Fills FILTER with what the query says; finds its operation where it names one. */
static enum view_result read_filter(struct store_reader *reader, const struct view_query *query,
                                    struct store_upgrade_filter *filter, struct fault *fault)
{
    struct named named = {.id = 0};
    *filter = (struct store_upgrade_filter){
        .of_state = query->state != NULL,
        .error_code = query->error_code,
        .contradictory = query->contradictory,
        .began_before_ms = query->stuck_said ? stuck_before(query) : 0,
    };
    if (query->state != NULL)
        filter->state = strcmp(query->state, "SUCCESS") == 0 ? RECORD_SUCCESS
                        : strcmp(query->state, "FAIL") == 0  ? RECORD_FAIL
                                                             : RECORD_IN_PROGRESS;
    enum view_result result = find_named(reader, query, &named, fault);
    filter->operation = named.id;
    text_release(&named.members);
    return result;
}

static enum view_result list(struct store_reader *reader, const struct view_query *query,
                             const struct store_upgrade_filter *filter, const char *name,
                             struct text *out, struct store_place *next, struct fault *fault)
{
    struct page page = {.out = out, .shown = SIZE_MAX, .bound = bound_of(out)};
    const struct store_place after = place_of(query);
    document_open(out, NULL, '{');
    document_open(out, name, '[');
    if (store_list_upgrades(reader, filter, &after, limit_of(query, VIEW_LIMIT_DEFAULT),
                            add_upgrade, &page, next, fault) != 0)
        return failed(query, fault);
    document_close(out, ']');
    add_next(out, next);
    end_document(out);
    return VIEW_DONE;
}

enum view_result view_upgrades(struct store_reader *reader, const struct view_query *query,
                               struct text *out, struct store_place *next, struct fault *fault)
{
    struct store_upgrade_filter filter;
    enum view_result result = read_filter(reader, query, &filter, fault);
    return result == VIEW_DONE ? list(reader, query, &filter, "upgrades", out, next, fault)
                               : result;
}

static enum view_result read_failure_filter(struct store_reader *reader,
                                            const struct view_query *query,
                                            struct store_upgrade_filter *filter,
                                            struct fault *fault)
{
    enum view_result result = VIEW_DONE;
    *filter = (struct store_upgrade_filter){.error_code = query->error_code};
    if (query->operation_id != NULL) {
        result = read_filter(reader, query, filter, fault);
    } else if (query->app_id != NULL) {
        fault_set(fault, "appId: goes with operationId");
        result = VIEW_MISUSED;
    }
    filter->of_state = true;
    filter->state = RECORD_FAIL;
    return result;
}

enum view_result view_failures(struct store_reader *reader, const struct view_query *query,
                               struct text *out, struct store_place *next, struct fault *fault)
{
    struct store_upgrade_filter filter;
    enum view_result result = read_failure_filter(reader, query, &filter, fault);
    return result == VIEW_DONE ? list(reader, query, &filter, "failures", out, next, fault)
                               : result;
}

static int add_line(void *owner, const struct store_upgrade_row *row)
{
    struct page *page = owner;
    char time[MOMENT_TEXT_SIZE], seq[32];
    snprintf(seq, sizeof seq, "%lld", (long long)row->seq);
    const char *const fields[] = {
        row->app_id,
        row->operation_id,
        row->sub_operation_id,
        row->device_id,
        row->error_code,
        row->description,
        row->result_desc,
        row->source,
        row->target,
        row->current,
        row->upgrade_time,
        row->contradictory ? "1" : "0",
        moment_format(row->last_ms, time),
        seq,
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        csv_add_field(page->out, fields[i], i == 0);
    csv_end_line(page->out);
    return is_full(page);
}

enum view_result view_failures_table(struct store_reader *reader, const struct view_query *query,
                                     struct text *out, struct store_place *next,
                                     struct fault *fault)
{
    struct store_upgrade_filter filter;
    struct page page = {.out = out, .bound = bound_of(out)};
    const struct store_place after = place_of(query);
    enum view_result result = read_failure_filter(reader, query, &filter, fault);
    if (result != VIEW_DONE)
        return result;
    if (after.text[0] == '\0')
        text_add_string(out, "appId,operationId,subOperationId,deviceId,errorCode,description,"
                             "resultDesc,sourceVersion,targetVersion,curVersion,upgradeTime,"
                             "contradictory,lastAt,seq\r\n");
    return store_list_upgrades(reader, &filter, &after, limit_of(query, STORE_PAGE_MAX), add_line,
                               &page, next, fault) == 0
               ? VIEW_DONE
               : failed(query, fault);
}

/* --- one device ---------------------------------------------------------------------------------
 */

static int add_note(void *owner, const struct store_kept *kept)
{
    struct page *page = owner;
    document_open(page->out, NULL, '{');
    document_number(page->out, "seq", kept->seq);
    document_time(page->out, "receivedAt", kept->received_ms);
    document_number(page->out, "deliveries", kept->deliveries);
    document_json(page->out, "body", kept->body, kept->body_length);
    document_close(page->out, '}');
    page->news = true;
    return 0;
}

static int add_history(void *owner, const struct store_upgrade_row *row)
{
    struct page *page = owner;
    struct page notes = {.out = page->out};
    page->count++;
    document_open(page->out, NULL, '{');
    add_upgrade_members(page->out, row);
    document_open(page->out, "notifications", '[');
    int result = store_list_notifications(page->reader, page->device_id, row->operation,
                                          row->sub_operation_id, VIEW_NOTES, add_note, &notes,
                                          page->fault);
    document_close(page->out, ']');
    document_close(page->out, '}');
    return result != 0 ? -1 : is_full(page);
}

enum view_result view_device(struct store_reader *reader, const struct view_query *query,
                             struct text *out, struct store_place *next, struct fault *fault)
{
    if (query->device_id == NULL) {
        fault_set(fault, "deviceId: is missing");
        return VIEW_MISUSED;
    }
    struct page page = {
        .reader = reader,
        .out = out,
        .fault = fault,
        .device_id = query->device_id,
        .bound = bound_of(out),
    };
    const struct store_place after = place_of(query);
    document_open(out, NULL, '{');
    document_string(out, "deviceId", query->device_id);
    document_open(out, "history", '[');
    if (store_list_device(reader, query->device_id, &after, limit_of(query, VIEW_LIMIT_DEFAULT),
                          add_history, &page, next, fault) != 0)
        return failed(query, fault);
    document_close(out, ']');
    document_open(out, "news", '[');
    if (after.text[0] == '\0' && store_list_notifications(reader, query->device_id, 0, NULL,
                                                          VIEW_NOTES, add_note, &page, fault) != 0)
        return VIEW_FAILED;
    document_close(out, ']');
    add_next(out, next);
    end_document(out);
    if (page.count > 0 || page.news || after.text[0] != '\0')
        return VIEW_DONE;
    fault_set(fault, "no device %.200s has been heard of", query->device_id);
    return VIEW_NOT_FOUND;
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static int count_upgrade(void *owner, const struct store_upgrade_row *row)
{
    (void)row;
    ((struct page *)owner)->count++;
    return 0;
}

static int note_news(void *owner, const struct store_kept *kept)
{
    (void)kept;
    ((struct page *)owner)->news = true;
    return 0;
}

enum view_result view_search(struct store_reader *reader, const struct view_query *query,
                             struct text *out, struct store_place *next, struct fault *fault)
{
    struct page page = {.out = out, .bound = bound_of(out)};
    if (query->search == NULL || query->search[0] == '\0') {
        fault_set(fault, "q: is missing");
        return VIEW_MISUSED;
    }
    document_open(out, NULL, '{');
    document_open(out, "operations", '[');
    if (store_find_operations(reader, NULL, query->search, true, limit_of(query, VIEW_FOUND),
                              add_operation, &page, fault) != 0 ||
        store_list_device(reader, query->search, &(struct store_place){""}, STORE_PAGE_MAX,
                          count_upgrade, &page, next, fault) != 0 ||
        store_list_notifications(reader, query->search, 0, NULL, 1, note_news, &page, fault) != 0)
        return VIEW_FAILED;
    next->text[0] = '\0';
    document_close(out, ']');
    if (page.count > 0 || page.news) {
        document_open(out, "device", '{');
        document_string(out, "deviceId", query->search);
        document_number(out, "upgrades", (int64_t)page.count);
        document_close(out, '}');
    } else {
        document_null(out, "device");
    }
    end_document(out);
    return VIEW_DONE;
}

static int add_quarantined(void *owner, const struct store_quarantined_row *row)
{
    struct page *page = owner;
    document_open(page->out, NULL, '{');
    document_number(page->out, "id", row->id);
    document_time(page->out, "receivedAt", row->received_ms);
    document_string(page->out, "reason", row->reason);
    document_string(page->out, "pointer", row->pointer);
    document_number(page->out, "bytes", (int64_t)row->body_length);
    document_close(page->out, '}');
    return is_full(page);
}

enum view_result view_quarantine(struct store_reader *reader, const struct view_query *query,
                                 struct text *out, struct store_place *next, struct fault *fault)
{
    struct page page = {.out = out, .bound = bound_of(out)};
    struct store_overview overview;
    const struct store_place after = place_of(query);
    if (store_read_overview(reader, &overview, fault) != 0)
        return VIEW_FAILED;
    document_open(out, NULL, '{');
    document_number(out, "held", overview.totals.quarantine_held);
    document_number(out, "bytes", overview.totals.quarantine_bytes);
    document_open(out, "bodies", '[');
    if (store_list_quarantined(reader, &after, limit_of(query, VIEW_LIMIT_DEFAULT), add_quarantined,
                               &page, next, fault) != 0)
        return failed(query, fault);
    document_close(out, ']');
    add_next(out, next);
    end_document(out);
    return VIEW_DONE;
}
