/* The documents: members and their order, pages, and what they say of known books. */
#include "config.h"

#include "lists.h"
#include "store/plan.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shown {
    struct books *books;
    struct store_reader *reader;
};

static int set_up(void **state)
{
    struct shown *shown = calloc(1, sizeof *shown);
    void *books;
    assert_non_null(shown);
    books_setup(&books);
    shown->books = books;
    shown->reader = lists_reader(books);
    *state = shown;
    return 0;
}

static int tear_down(void **state)
{
    struct shown *shown = *state;
    void *books = shown->books;
    store_reader_free(shown->reader);
    books_teardown(&books);
    free(shown);
    return 0;
}

/* Gives the document, NUL-terminated; NEXT may be NULL. */
static char *show(struct shown *shown, const char *name, const struct view_query *query,
                  struct store_page_token *next)
{
    struct buffer out = {0};
    struct fault fault = FAULT_NONE;
    const struct view *view = view_find(name, strlen(name));
    assert_non_null(view);
    enum view_result result = view_write(view, shown->reader, query, 0, &out, next, &fault);
    if (result != VIEW_DONE)
        fail_msg("%s: %d, %s", name, (int)result, fault.text);
    assert_int_equal(out.bytes[out.length - 1], '\n');
    buffer_add(&out, "", 1);
    assert_int_equal(strlen(out.bytes) + 1, out.length);
    return out.bytes;
}

/* Gives the document, read. */
static json_t *read(struct shown *shown, const char *name, const struct view_query *query)
{
    struct store_page_token next = {"?"};
    char *text = show(shown, name, query, &next);
    json_error_t error;
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        fail_msg("%s: %s at %d in %s", name, error.text, error.position, text);
    assert_string_equal(strchr(text, '\n'), "\n"); /* one line */
    const char *said = json_string_value(json_object_get(document, "next"));
    assert_string_equal(said == NULL ? "" : said, next.text);
    free(text);
    return document;
}

/* Fails the test where OBJECT does not have exactly these members, in this order. */
static void assert_members(const json_t *object, const char *names)
{
    struct buffer is = {0};
    const char *name;
    json_t *value;
    assert_true(json_is_object(object));
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
        buffer_addf(&is, "%s%s", is.length > 0 ? " " : "", name);
    buffer_add(&is, "", 1);
    assert_string_equal(is.bytes, names);
    buffer_release(&is);
}

static const json_t *get(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (value == NULL)
        fail_msg("no %s", name);
    return value;
}

static const char *get_text(const json_t *json, const char *name)
{
    const json_t *value = get(json, name);
    return json_is_null(value) ? "null" : json_string_value(value);
}

static int64_t get_number(const json_t *json, const char *name)
{
    const json_t *value = get(json, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

#define OPERATION                                                                                \
    "appId operationId inProgress success fail contradictory failureShare firstAt lastAt pruned" \
    " planned missing state software targetVersions note"
#define UPGRADE                                                                                   \
    "appId operationId subOperationId deviceId state step curVersion targetVersion sourceVersion" \
    " upgradeTime resultDesc errorCode description contradictory beganAt lastAt seq"

/* A campaign of three devices, one of them twice, and one that has not ended. */
static void fill(struct books *books)
{
    struct support_result what = {.app = "a", .operation = "o", .received_ms = 1764000000000};
    what.device = "d1";
    books_add_progress(books, &what, "downloading");
    what.received_ms += 1000;
    what.result = "FAIL";
    what.error_code = "4";
    what.description = "Low battery";
    what.current = "1.0";
    books_add_result(books, &what);
    what.device = "d2";
    what.description = "";
    what.received_ms += 1000;
    books_add_result(books, &what);
    what.device = "d3";
    what.result = "SUCCESS";
    what.error_code = "0";
    what.received_ms += 1000;
    books_add_result(books, &what); /* contradictory */
    what.device = "d4";
    what.received_ms += 1000;
    books_add_progress(books, &what, "updating");
    what.device = "d1";
    what.sub_operation = "again";
    what.received_ms += 1000;
    books_add_progress(books, &what, "idle");
    what.app = "b";
    what.received_ms += 1000;
    books_add_progress(books, &what, "idle");
}

static void the_overview_has_what_it_must(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    books_meddle(
        shown->books,
        "INSERT INTO cursor SELECT 'failures', id, 3 FROM life UNION ALL VALUES ('a', '', 0)");
    json_t *overview = read(shown, "overview.json", &(struct view_query){.limit = 0});
    assert_members(overview,
                   "seq token lastAt totals upgrades quarantine applications receiver books"
                   " operations next");
    assert_members(get(overview, "totals"), "notifications repeats quarantined quarantineLogOnly");
    assert_members(get(overview, "upgrades"), "inProgress success fail contradictory");
    assert_members(get(overview, "quarantine"), "held bytes fullSince unknownFullSince");
    assert_int_equal(get_number(overview, "seq"), 7);
    assert_string_equal(get_text(overview, "lastAt"), "2025-11-24T16:00:06.000Z");
    assert_int_equal(get_number(get(overview, "upgrades"), "inProgress"), 3);
    assert_int_equal(get_number(get(overview, "upgrades"), "contradictory"), 1);
    const json_t *application = json_array_get(get(overview, "applications"), 1);
    assert_members(application, "name cursor token lost backlog");
    assert_string_equal(get_text(application, "name"), "failures");
    assert_int_equal(get_number(application, "backlog"), 4);
    assert_true(json_is_null(get(overview, "receiver")));
    assert_true(json_is_null(get(overview, "next")));
    const json_t *operations = get(overview, "operations");
    assert_int_equal(json_array_size(operations), 2);
    assert_members(json_array_get(operations, 0), OPERATION);
    assert_string_equal(get_text(json_array_get(operations, 0), "appId"), "b");
    assert_true(json_is_null(get(json_array_get(operations, 0), "failureShare")));
    const json_t *operation = json_array_get(operations, 1);
    assert_int_equal(get_number(operation, "inProgress"), 2);
    assert_int_equal(get_number(operation, "success"), 1);
    assert_int_equal(get_number(operation, "fail"), 2);
    assert_true(json_is_false(get(operation, "pruned")));
    assert_string_equal(get_text(operation, "firstAt"), "2025-11-24T16:00:00.000Z");
    json_decref(overview);
    char *text = show(shown, "overview.json", &(struct view_query){.limit = 0}, NULL);
    support_assert_has(text, "\"failureShare\":0.6667,");
    free(text);
}

static void an_overview_of_nothing_and_of_a_receiver(void **state)
{
    struct shown *shown = *state;
    struct metrics *metrics = metrics_new();
    metrics_count_answer(metrics, 503, true);
    metrics_add(metrics, METRIC_log_lines_dropped, 3);
    struct view_process process = {
        .version = "1.2", .metrics = metrics, .quarantine_max = 5, .quarantine_bytes_max = 6};
    json_t *overview = read(shown, "overview.json", &(struct view_query){.process = &process});
    assert_true(json_is_null(get(overview, "lastAt")));
    assert_int_equal(json_array_size(get(overview, "operations")), 0);
    const json_t *receiver = get(overview, "receiver");
    assert_members(receiver, "version pid storeFault logLinesDropped refusedInARow nearMisses"
                             " quarantineMax quarantineBytesMax");
    assert_true(json_is_null(get(receiver, "storeFault")));
    assert_int_equal(get_number(receiver, "refusedInARow"), 1);
    assert_int_equal(get_number(receiver, "logLinesDropped"), 3);
    json_decref(overview);
    process.store_fault = "disk \"full\"\n";
    overview = read(shown, "overview.json", &(struct view_query){.process = &process});
    assert_string_equal(get_text(get(overview, "receiver"), "storeFault"), "disk \"full\"\n");
    json_decref(overview);
    metrics_free(metrics);
}

static void an_operation_has_what_it_must(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    json_t *operation = read(shown, "operation.json",
                             &(struct view_query){.operation_id = "o",
                                                  .app_id = "a",
                                                  .now_ms = 1764000005000 + 3600000});
    assert_members(operation, OPERATION " platform alsoIn failures failuresMore versions"
                                        " versionsMore progress stuck");
    assert_string_equal(json_string_value(json_array_get(get(operation, "alsoIn"), 0)), "b");
    const json_t *failure = json_array_get(get(operation, "failures"), 0);
    assert_members(failure, "errorCode count share firstAt lastAt example");
    assert_int_equal(get_number(failure, "count"), 2);
    assert_string_equal(get_text(failure, "example"), "Low battery");
    assert_true(json_real_value(get(failure, "share")) == 1.0);
    assert_true(json_is_false(get(operation, "failuresMore")));
    const json_t *move = json_array_get(get(operation, "versions"), 0);
    assert_members(move, "from to success fail");
    assert_string_equal(get_text(move, "from"), "1.0");
    assert_int_equal(get_number(move, "success"), 1);
    assert_int_equal(get_number(move, "fail"), 2);
    assert_true(json_is_false(get(operation, "versionsMore")));
    const json_t *progress = get(operation, "progress");
    assert_members(progress, "intervalMs points");
    assert_int_equal(get_number(progress, "intervalMs"), 1000);
    const json_t *points = get(progress, "points");
    assert_int_equal(json_array_size(points), 6);
    assert_members(json_array_get(points, 0), "at inProgress success fail");
    assert_string_equal(get_text(json_array_get(points, 0), "at"), "2025-11-24T16:00:01.000Z");
    assert_int_equal(get_number(json_array_get(points, 5), "inProgress"), 2);
    assert_int_equal(get_number(json_array_get(points, 5), "fail"), 2);
    const json_t *stuck = get(operation, "stuck");
    assert_members(stuck, "longerThan count more upgrades");
    assert_int_equal(get_number(stuck, "longerThan"), 3600);
    assert_int_equal(get_number(stuck, "count"), 1); /* d4; the other began just an hour ago */
    const json_t *upgrade = json_array_get(get(stuck, "upgrades"), 0);
    assert_members(upgrade, UPGRADE);
    assert_string_equal(get_text(upgrade, "deviceId"), "d4");
    assert_string_equal(get_text(upgrade, "step"), "updating");
    assert_string_equal(get_text(upgrade, "curVersion"), "");
    json_decref(operation);
}

/* The one changed last is shown, unless an application is named; the others are told of. */
static void operations_of_one_name_are_told_apart(void **state)
{
    struct shown *shown = *state;
    for (int i = 0; i < 13; i++) {
        char app[8];
        snprintf(app, sizeof app, "a%d", i);
        books_add_result(shown->books, &(struct support_result){.app = app, .operation = "o"});
    }
    json_t *operation = read(shown, "operation.json", &(struct view_query){.operation_id = "o"});
    assert_string_equal(get_text(operation, "appId"), "a12");
    assert_int_equal(json_array_size(get(operation, "alsoIn")), 10);
    assert_string_equal(json_string_value(json_array_get(get(operation, "alsoIn"), 0)), "a11");
    json_decref(operation);
    operation = read(shown, "operation.json",
                     &(struct view_query){.operation_id = "o", .app_id = "a0"});
    assert_string_equal(get_text(operation, "appId"), "a0");
    assert_int_equal(json_array_size(get(operation, "alsoIn")), 10);
    assert_string_equal(json_string_value(json_array_get(get(operation, "alsoIn"), 0)), "a12");
    json_decref(operation);
    books_add_result(shown->books, &(struct support_result){.app = "a0", .operation = "alone"});
    operation = read(shown, "operation.json", &(struct view_query){.operation_id = "alone"});
    assert_int_equal(json_array_size(get(operation, "alsoIn")), 0);
    json_decref(operation);
}

static void lists_in_an_operation_are_bounded_and_say_so(void **state)
{
    struct shown *shown = *state;
    struct record *records[60];
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < LENGTH(records); i++) {
            char name[16];
            snprintf(name, sizeof name, "%zu.%zu", part, i);
            struct support_result what = {.operation = "o",
                                          .device = name,
                                          .result = "FAIL",
                                          .error_code = name,
                                          .target = name,
                                          .received_ms = 1000 + (int64_t)i};
            records[i] = part == 0 ? support_result(&what) : support_progress(&what, "x");
            records[i]->received_ms = what.received_ms;
        }
        books_keep(shown->books, records, LENGTH(records));
        support_records_free(records, LENGTH(records));
    }
    json_t *operation = read(shown, "operation.json",
                             &(struct view_query){.operation_id = "o", .now_ms = 9999999});
    assert_int_equal(json_array_size(get(operation, "failures")), 50);
    assert_true(json_is_true(get(operation, "failuresMore")));
    assert_int_equal(json_array_size(get(operation, "versions")), 20);
    assert_true(json_is_true(get(operation, "versionsMore")));
    const json_t *stuck = get(operation, "stuck");
    assert_int_equal(get_number(stuck, "count"), 60);
    assert_int_equal(json_array_size(get(stuck, "upgrades")), 10);
    assert_true(json_is_false(get(stuck, "more")));
    assert_string_equal(get_text(json_array_get(get(stuck, "upgrades"), 0), "deviceId"), "1.0");
    json_decref(operation);
    for (size_t i = 0; i < LENGTH(records); i++) {
        char name[16];
        snprintf(name, sizeof name, "more%zu", i);
        records[i] = support_progress(&(struct support_result){.operation = "o", .device = name},
                                      "x");
        records[i]->received_ms = 1000;
    }
    books_keep(shown->books, records, LENGTH(records));
    support_records_free(records, LENGTH(records));
    operation = read(shown, "operation.json",
                     &(struct view_query){.operation_id = "o", .now_ms = 9999999});
    assert_int_equal(get_number(get(operation, "stuck"), "count"), 100);
    assert_true(json_is_true(get(get(operation, "stuck"), "more")));
    json_decref(operation);
}

static int64_t count_stuck(struct shown *shown, int64_t seconds, int64_t now_ms)
{
    const struct view_query query = {
        .operation_id = "o", .stuck_said = true, .stuck_s = seconds, .now_ms = now_ms};
    json_t *operation = read(shown, "operation.json", &query);
    int64_t count = get_number(get(operation, "stuck"), "count");
    assert_int_equal(get_number(get(operation, "stuck"), "longerThan"), seconds);
    json_decref(operation);
    json_t *list = read(shown, "upgrades.json", &query);
    assert_int_equal(json_array_size(get(list, "upgrades")), count);
    json_decref(list);
    return count;
}

/* Longer than so many seconds: not just so many. */
static void stuck_is_longer_than_was_said(void **state)
{
    struct shown *shown = *state;
    books_add_progress(shown->books,
                       &(struct support_result){.operation = "o", .received_ms = 1000000}, "x");
    assert_int_equal(count_stuck(shown, 0, 1000000), 0);
    assert_int_equal(count_stuck(shown, 0, 1000001), 1);
    assert_int_equal(count_stuck(shown, 60, 1060000), 0);
    assert_int_equal(count_stuck(shown, 60, 1060001), 1);
    assert_int_equal(count_stuck(shown, 60, 500000), 0); /* the clock stepped back */
    assert_int_equal(count_stuck(shown, VIEW_SECONDS_MAX, 1060000), 0);
    assert_int_equal(count_stuck(shown, 0, 0), 0);
    assert_int_equal(count_stuck(shown, 1001, 1000 * 1001), 0);
}

/* --- lists --- */

/* The elements of NAME in all pages of LIMIT, as lines; and how many pages there were. */
static char *walk(struct shown *shown, const char *view, const char *name,
                  const struct view_query *query, size_t limit, size_t *pages)
{
    struct buffer lines = {0};
    struct view_query page = *query;
    char after[STORE_PAGE_TOKEN_MAX];
    page.limit = limit;
    for (*pages = 1;; (*pages)++) {
        json_t *document = read(shown, view, &page);
        const json_t *rows = get(document, name);
        assert_true(json_array_size(rows) <= limit);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            char *row = json_dumps(json_array_get(rows, i), JSON_COMPACT);
            buffer_addf(&lines, "%s\n", row);
            free(row);
        }
        snprintf(after, sizeof after, "%s", get_text(document, "next"));
        json_decref(document);
        if (strcmp(after, "null") == 0)
            break;
        page.after = after;
    }
    buffer_add(&lines, "", 1);
    return lines.bytes;
}

/* Gives the operation of application a, or of the only one, a list of COUNT devices of which nobody
 * has heard. */
static const char *give_id(void *owner, const char **told)
{
    (void)told;
    static char id[32];
    size_t *left = owner;
    if (*left == 0)
        return NULL;
    snprintf(id, sizeof id, "=planned %zu", (*left)--);
    return id;
}

static void expect(struct books *books, const char *operation, size_t count)
{
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    char sql[200];
    snprintf(
        sql, sizeof sql,
        "SELECT app_id FROM operation WHERE operation_id = '%s' ORDER BY last_seq DESC LIMIT 1",
        operation);
    char *app = books_query(books, sql);
    app[strcspn(app, "\n")] = '\0';
    const struct store_named named = {
        .app_id = app[0] != '\0' ? app : "a", .operation_id = operation, .now_ms = 1764000000000};
    lists_must(store_save_expected(books->store, &named, give_id, &count, &planned, &fault),
               &fault);
    free(app);
}

/* Keeps that the platform said SAID of operation o of application a, and that COUNT such devices
 * wait. */
static const char *give_waiting(void *owner, const char **told)
{
    *told = "wait";
    return give_id(owner, told);
}

static void keep_asked(struct books *books, const char *said, size_t count)
{
    struct fault fault = FAULT_NONE;
    const struct store_named named = {.app_id = "a", .operation_id = "o", .now_ms = 1764000000000};
    lists_must(store_keep_asked(books->store, &named, said, give_waiting, &count, &fault), &fault);
}

static void next_leads_through_every_list(void **state)
{
    struct shown *shown = *state;
    uint64_t seed = 51;
    lists_fill(shown->books, 300, &seed);
    struct record *held[5];
    for (size_t i = 0; i < LENGTH(held); i++)
        held[i] = support_record("nothing");
    books_keep(shown->books, held, LENGTH(held));
    support_records_free(held, LENGTH(held));
    expect(shown->books, "o2", 7);
    static const struct {
        const char *view, *rows;
        struct view_query query;
        const char *count;
    } lists[] = {
        {"overview.json", "operations", {0}, "SELECT count(*) FROM operation"},
        {"upgrades.json",
         "upgrades",
         {.operation_id = "o1", .app_id = "a"},
         "SELECT count(*) FROM upgrades WHERE operationId = 'o1' AND appId = 'a'"},
        {"upgrades.json",
         "upgrades",
         {.operation_id = "o1", .app_id = "a", .state = "IN_PROGRESS"},
         "SELECT count(*) FROM upgrades WHERE operationId = 'o1' AND appId = 'a'"
         " AND state = 'IN_PROGRESS'"},
        {"upgrades.json",
         "upgrades",
         {.operation_id = "o1", .app_id = "a", .state = "SUCCESS"},
         "SELECT count(*) FROM upgrades WHERE operationId = 'o1' AND appId = 'a'"
         " AND state = 'SUCCESS'"},
        {"upgrades.json",
         "upgrades",
         {.operation_id = "o1", .app_id = "a", .error_code = "it's"},
         "SELECT count(*) FROM upgrades WHERE operationId = 'o1' AND appId = 'a'"
         " AND state = 'FAIL' AND errorCode = 'it''s'"},
        {"upgrades.json",
         "upgrades",
         {.operation_id = "o1", .app_id = "a", .contradictory = true},
         "SELECT count(*) FROM upgrades WHERE operationId = 'o1' AND appId = 'a'"
         " AND contradictory = 1"},
        {"failures.json", "failures", {0}, "SELECT count(*) FROM upgrades WHERE state = 'FAIL'"},
        {"failures.json",
         "failures",
         {.error_code = ""},
         "SELECT count(*) FROM upgrades WHERE state = 'FAIL' AND coalesce(errorCode, '') = ''"},
        {"failures.json",
         "failures",
         {.operation_id = "o2"},
         "SELECT count(*) FROM upgrade WHERE state = 2 AND operation = (SELECT id FROM operation"
         " WHERE operation_id = 'o2' ORDER BY last_seq DESC LIMIT 1)"},
        {"device.json",
         "history",
         {.device_id = "d1"},
         "SELECT count(*) FROM upgrades WHERE deviceId = 'd1'"},
        {"quarantine.json", "bodies", {0}, "SELECT 5"},
        {"operations.json", "operations", {0}, "SELECT count(*) FROM operation"},
        {"operations.json", "operations", {.sort = "failures"}, "SELECT count(*) FROM operation"},
        {"operations.json", "operations", {.sort = "name"}, "SELECT count(*) FROM operation"},
        {"operations.json",
         "operations",
         {.sort = "name", .app_id = "a"},
         "SELECT count(*) FROM operation WHERE app_id = 'a'"},
        {"errors.json",
         "errors",
         {0},
         "SELECT count(DISTINCT error_code) FROM failure WHERE count > 0"},
        {"errors.json",
         "errors",
         {.operation_id = "o2"},
         "SELECT count(*) FROM failure WHERE count > 0 AND operation = (SELECT id FROM operation"
         " WHERE operation_id = 'o2' ORDER BY last_seq DESC LIMIT 1)"},
        {"quarantine.json", "bodies", {.reason = "not JSON"}, "SELECT 5"},
        {"missing.json", "devices", {.operation_id = "o2"}, "SELECT 7"},
    };
    for (size_t i = 0; i < LENGTH(lists); i++) {
        size_t pages, rows = 0;
        char *all = walk(shown, lists[i].view, lists[i].rows, &lists[i].query, 1000, &pages);
        assert_int_equal(pages, 1);
        for (const char *at = all; (at = strchr(at, '\n')) != NULL; at++)
            rows++;
        if ((int64_t)rows != books_number(shown->books, lists[i].count) || rows < 2)
            fail_msg("%s, %s: %zu rows", lists[i].view, lists[i].count, rows);
        for (size_t limit = 1; limit <= rows + 1; limit = lists_next_size(limit, rows)) {
            char *paged = walk(shown, lists[i].view, lists[i].rows, &lists[i].query, limit, &pages);
            assert_string_equal(paged, all);
            assert_int_equal(pages, (rows + limit - 1) / limit);
            free(paged);
        }
        free(all);
    }
}

static void a_table_in_pages_is_the_table(void **state)
{
    struct shown *shown = *state;
    uint64_t seed = 52;
    lists_fill(shown->books, 200, &seed);
    char *whole = show(shown, "failures.csv", &(struct view_query){.limit = 0}, NULL);
    static const char header[] = "appId,operationId,subOperationId,deviceId,errorCode,description,"
                                 "resultDesc,sourceVersion,targetVersion,curVersion,upgradeTime,"
                                 "contradictory,lastAt,seq\r\n";
    assert_memory_equal(whole, header, strlen(header));
    size_t lines = 0;
    for (const char *at = whole; (at = strstr(at, "\r\n")) != NULL; at++)
        lines++;
    assert_int_equal(lines - 1, books_number(shown->books,
                                             "SELECT count(*) FROM upgrades WHERE state = 'FAIL'"));
    for (size_t limit = 1; limit < 30; limit += 7) {
        struct buffer table = {0};
        struct store_page_token next = {""};
        do {
            const struct store_page_token after = next;
            char *page = show(
                shown, "failures.csv",
                &(struct view_query){.limit = limit,
                                     .after = after.text[0] != '\0' ? after.text : NULL},
                &next);
            buffer_add_string(&table, page);
            free(page);
        } while (next.text[0] != '\0');
        buffer_add(&table, "", 1);
        assert_string_equal(table.bytes, whole);
        buffer_release(&table);
    }
    free(whole);
}

static void a_table_line_says_what_the_failure_does(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    books_add_result(shown->books, &(struct support_result){.app = "=a()",
                                                            .operation = "o\r\n,\"x\"",
                                                            .device = "-d",
                                                            .result = "FAIL",
                                                            .description = "@x",
                                                            .received_ms = 1764000009000});
    char *table = show(shown, "failures.csv", &(struct view_query){.limit = 0}, NULL);
    support_assert_has(table,
                       "\r\n\"a\",\"o\",\"sub\",\"d1\",\"4\",\"Low battery\",\"\",\"1.0\","
                       "\"2.0\",\"1.0\",\"60\",\"0\",\"2025-11-24T16:00:01.000Z\",\"2\"\r\n");
    support_assert_has(table, "\r\n\"'=a()\",\"o\r\n,\"\"x\"\"\",\"sub\",\"'-d\",\"\",\"'@x\",\"\","
                              "\"1.0\",\"2.0\",\"2.0\",\"60\",\"1\",\"2025-11-24T16:00:09.000Z\","
                              "\"8\"\r\n");
    free(table);
}

static void a_device_has_its_history_and_news(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    struct record *news[] = {
        support_record("{\"notifyType\":\"deviceDeleted\",\n\"deviceId\":\"d1\"}"),
        support_record(
            "{\"notifyType\":\"commandRsp\",\"header\":{\"deviceId\":\"d1\"},\"body\":{}}"),
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"only news\"}"),
    };
    books_keep(shown->books, news, LENGTH(news));
    support_records_free(news, LENGTH(news));
    json_t *device = read(shown, "device.json", &(struct view_query){.device_id = "d1"});
    assert_members(device, "deviceId history news next");
    const json_t *history = get(device, "history");
    assert_int_equal(json_array_size(history), 3);
    const json_t *last = json_array_get(history, 2); /* the oldest operation's first */
    assert_members(last, UPGRADE " notifications");
    assert_string_equal(get_text(last, "state"), "FAIL");
    assert_string_equal(get_text(last, "beganAt"), "2025-11-24T16:00:00.000Z");
    assert_string_equal(get_text(last, "lastAt"), "2025-11-24T16:00:01.000Z");
    const json_t *notes = get(last, "notifications");
    assert_int_equal(json_array_size(notes), 2);
    assert_members(json_array_get(notes, 0), "seq receivedAt deliveries body");
    assert_int_equal(get_number(json_array_get(notes, 0), "seq"), 2);
    assert_string_equal(get_text(get(json_array_get(notes, 0), "body"), "swUpgradeResult"), "FAIL");
    assert_int_equal(json_array_size(get(json_array_get(history, 0), "notifications")), 1);
    assert_int_equal(json_array_size(get(device, "news")), 2);
    assert_int_equal(get_number(json_array_get(get(device, "news"), 0), "seq"), 9);
    json_decref(device);

    device = read(shown, "device.json", &(struct view_query){.device_id = "d1", .limit = 1});
    char after[STORE_PAGE_TOKEN_MAX];
    snprintf(after, sizeof after, "%s", get_text(device, "next"));
    json_decref(device);
    device = read(shown, "device.json",
                  &(struct view_query){.device_id = "d1", .after = after, .limit = 5});
    assert_int_equal(json_array_size(get(device, "history")), 2);
    assert_int_equal(json_array_size(get(device, "news")), 0); /* on the first page only */
    json_decref(device);
    device = read(shown, "device.json", &(struct view_query){.device_id = "only news"});
    assert_int_equal(json_array_size(get(device, "history")), 0);
    json_decref(device);
}

/* SUCCESS with errorCode 0 says so. */
static void an_upgrade_says_what_its_last_notification_does(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    json_t *list = read(
        shown, "upgrades.json",
        &(struct view_query){.operation_id = "o", .app_id = "a", .state = "SUCCESS"});
    assert_members(list, "upgrades next");
    const json_t *upgrade = json_array_get(get(list, "upgrades"), 0);
    assert_members(upgrade, UPGRADE);
    assert_string_equal(get_text(upgrade, "errorCode"), "0");
    assert_string_equal(get_text(upgrade, "step"), "");
    assert_true(json_is_true(get(upgrade, "contradictory")));
    json_decref(list);
}

static void a_search_finds_operations_and_the_device(void **state)
{
    struct shown *shown = *state;
    fill(shown->books);
    books_add_progress(shown->books,
                       &(struct support_result){.operation = "d1-operation", .device = "x"}, "1");
    json_t *found = read(shown, "search.json", &(struct view_query){.search = "d1"});
    assert_members(found, "operations device");
    assert_int_equal(json_array_size(get(found, "operations")), 1);
    assert_members(json_array_get(get(found, "operations"), 0), OPERATION);
    assert_members(get(found, "device"), "deviceId upgrades");
    assert_int_equal(get_number(get(found, "device"), "upgrades"), 3);
    json_decref(found);
    found = read(shown, "search.json", &(struct view_query){.search = "nothing"});
    assert_int_equal(json_array_size(get(found, "operations")), 0);
    assert_true(json_is_null(get(found, "device")));
    json_decref(found);
    found = read(shown, "search.json", &(struct view_query){.search = "o", .limit = 1});
    assert_int_equal(json_array_size(get(found, "operations")), 1);
    json_decref(found);
}

static void quarantine_is_told_with_the_beginning_of_each_body(void **state)
{
    struct shown *shown = *state;
    struct record *record = support_record("{\"notifyType\":\"x\"}");
    record->received_ms = 1764000000000;
    books_keep_one(shown->books, record);
    support_record_free(record);
    char *text = show(shown, "quarantine.json", &(struct view_query){.limit = 0}, NULL);
    assert_string_equal(text, "{\"held\":1,\"bytes\":18,\"fullSince\":null,\"unknownFullSince\":"
                              "null,\"reasons\":[{\"reason\":\"notifyType unknown\",\"count\":1}],"
                              "\"bodies\":[{\"id\":1,\"receivedAt\":"
                              "\"2025-11-24T16:00:00.000Z\",\"reason\":\"notifyType unknown\","
                              "\"pointer\":\"/notifyType\",\"bytes\":18,"
                              "\"body\":\"{\\\"notifyType\\\":\\\"x\\\"}\"}],\"next\":null}\n");
    free(text);
}

static void bodies_are_counted_by_their_reason(void **state)
{
    static const char *const bodies[] = {"{\"notifyType\":\"x\"}", "no", "none", "[1", "[]"};
    struct shown *shown = *state;
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        struct record *record = support_record(bodies[i]);
        books_keep_one(shown->books, record);
        support_record_free(record);
    }
    json_t *quarantine = read(shown, "quarantine.json", &(struct view_query){.reason = "not JSON"});
    assert_int_equal(json_array_size(get(quarantine, "bodies")), 3);
    const json_t *reasons = get(quarantine, "reasons");
    assert_int_equal(json_array_size(reasons), 3);
    assert_string_equal(get_text(json_array_get(reasons, 0), "reason"), "not JSON");
    assert_int_equal(get_number(json_array_get(reasons, 0), "count"), 3);
    json_decref(quarantine);
    quarantine = read(shown, "quarantine.json",
                      &(struct view_query){.reason = "notifyType unknown"});
    assert_int_equal(json_array_size(get(quarantine, "bodies")), 1);
    json_decref(quarantine);
    quarantine = read(shown, "quarantine.json", &(struct view_query){.reason = "not"});
    assert_int_equal(json_array_size(get(quarantine, "bodies")), 0);
    json_decref(quarantine);
}

/* --- operations -------------------------------------------------------------------------------
 */

#define HOUR 3600000
#define NOW 1764100000000

/* Operations in each state. All have their last notification at NOW, or a day before. */
static void fill_states(struct books *books)
{
    struct support_result what = {.app = "a", .received_ms = NOW - 24 * HOUR};
    what.operation = "stalled, in progress";
    books_add_progress(books, &what, "x");
    what.operation = "finished, quiet";
    books_add_result(books, &what);
    what.operation = "stalled, missing";
    books_add_result(books, &what);
    expect(books, "stalled, missing", 1);
    expect(books, "stalled, not begun", 2);
    what.app = "b";
    what.received_ms = NOW;
    what.operation = "running, in progress";
    books_add_progress(books, &what, "x");
    what.operation = "running, no plan";
    what.result = "FAIL";
    what.error_code = "7";
    books_add_result(books, &what);
    what.operation = "running, missing";
    books_add_result(books, &what);
    what.device = "d2";
    what.result = "SUCCESS";
    books_add_result(books, &what);
    expect(books, "running, missing", 1);
    what.operation = "finished, with a plan";
    what.device = "=planned 1";
    books_add_result(books, &what);
    expect(books, "finished, with a plan", 1);
}

/* The ids of the operations that the query selects, a line each. */
static char *select_operations(struct shown *shown, const struct view_query *query)
{
    struct view_query asked = *query;
    struct buffer ids = {0};
    asked.now_ms = NOW;
    json_t *document = read(shown, "operations.json", &asked);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(document, "operations"), i, row)
    {
        assert_members(row, OPERATION);
        buffer_addf(&ids, "%s\n", get_text(row, "operationId"));
    }
    buffer_add(&ids, "", 1);
    json_decref(document);
    return ids.bytes;
}

static void assert_selected(struct shown *shown, struct view_query query, const char *expected)
{
    char *ids = select_operations(shown, &query);
    assert_string_equal(ids, expected);
    free(ids);
}

static void each_state_is_what_the_filter_says(void **state)
{
    static const char *const states[] = {"running", "stalled", "finished"};
    struct shown *shown = *state;
    size_t count = 0;
    fill_states(shown->books);
    for (size_t i = 0; i < LENGTH(states); i++) {
        json_t *document = read(shown, "operations.json",
                                &(struct view_query){.state = states[i], .now_ms = NOW});
        size_t row_number;
        json_t *row;
        json_array_foreach(json_object_get(document, "operations"), row_number, row)
        {
            assert_string_equal(get_text(row, "state"), states[i]);
            assert_memory_equal(get_text(row, "operationId"), states[i], strlen(states[i]));
            count++;
        }
        json_decref(document);
    }
    assert_int_equal(count, 8);
    /* a day later, and with a longer patience */
    char *ids = select_operations(
        shown, &(struct view_query){.state = "stalled", .stuck_said = true, .stuck_s = 25 * 3600});
    assert_string_equal(ids, "stalled, not begun\n");
    free(ids);
    json_t *later = read(
        shown, "operation.json",
        &(struct view_query){.operation_id = "running, no plan", .now_ms = NOW + 2 * HOUR});
    assert_string_equal(get_text(later, "state"), "finished");
    json_decref(later);
}

static void operations_are_filtered_and_sorted(void **state)
{
    struct shown *shown = *state;
    fill_states(shown->books);
    assert_selected(shown, (struct view_query){.sort = "name"},
                    "finished, quiet\nfinished, with a plan\nrunning, in progress\n"
                    "running, missing\nrunning, no plan\nstalled, in progress\nstalled, missing\n"
                    "stalled, not begun\n");
    assert_selected(shown, (struct view_query){.limit = 0},
                    "finished, with a plan\nrunning, missing\nrunning, no plan\n"
                    "running, in progress\nstalled, not begun\nstalled, missing\n"
                    "finished, quiet\nstalled, in progress\n");
    assert_selected(shown, (struct view_query){.sort = "failures", .limit = 1000, .app_id = "b"},
                    "running, missing\nrunning, no plan\nfinished, with a plan\n"
                    "running, in progress\n");
    assert_selected(shown, (struct view_query){.fail_above_said = true, .fail_above = 499999},
                    "running, missing\nrunning, no plan\n");
    assert_selected(shown, (struct view_query){.fail_above_said = true, .fail_above = 500000},
                    "running, no plan\n");
    assert_selected(shown, (struct view_query){.search = "NO"},
                    "running, no plan\nstalled, not begun\n");
    assert_selected(shown, (struct view_query){.search = "%"}, "");
    assert_selected(shown, (struct view_query){.since_ms = NOW, .sort = "name"},
                    "finished, with a plan\nrunning, in progress\nrunning, missing\n"
                    "running, no plan\n");
    assert_selected(shown, (struct view_query){.since_ms = 1, .until_ms = NOW - 24 * HOUR + 1},
                    "stalled, not begun\nstalled, missing\nfinished, quiet\n"
                    "stalled, in progress\n");
    assert_selected(shown,
                    (struct view_query){.state = "running", .app_id = "b", .sort = "failures"},
                    "running, missing\nrunning, no plan\nrunning, in progress\n");
}

static void an_operation_says_what_is_planned_and_what_it_upgrades(void **state)
{
    struct shown *shown = *state;
    struct fault fault = FAULT_NONE;
    struct support_result what = {.operation = "o", .app = "a", .received_ms = NOW};
    static const char *const targets[] = {"2", "1", "3", "2", "4", "3", "2"};
    for (size_t i = 0; i < LENGTH(targets); i++) {
        char device[8];
        snprintf(device, sizeof device, "d%zu", i);
        what.device = device;
        what.target = targets[i];
        books_add_result(shown->books, &what);
    }
    expect(shown->books, "o", 4);
    lists_must(store_set_note(shown->books->store, &(struct store_named){.operation_id = "o"},
                              "to\"night", &fault),
               &fault);
    char *text = show(shown, "operations.json", &(struct view_query){.now_ms = NOW}, NULL);
    support_assert_has(text, "\"pruned\":false,\"planned\":4,\"missing\":4,\"state\":\"running\","
                             "\"software\":\"software\",\"targetVersions\":[{\"version\":\"2\","
                             "\"count\":3},{\"version\":\"3\",\"count\":2},{\"version\":\"1\","
                             "\"count\":1}],\"note\":\"to\\\"night\"}");
    free(text);
    text = show(shown, "operations.csv", &(struct view_query){.now_ms = NOW}, NULL);
    support_assert_has(text, "\r\n\"a\",\"o\",\"running\",\"software\",\"0\",\"7\",\"0\",\"7\",");
    support_assert_has(text, "\"4\",\"4\",\"2\",\"2025-11-25T19:46:40.000Z\","
                             "\"2025-11-25T19:46:40.000Z\",\"0\",\"to\"\"night\"\r\n");
    free(text);
    expect(shown->books, "to come", 1);
    json_t *operation = read(shown, "operation.json",
                             &(struct view_query){.operation_id = "to come"});
    assert_true(json_is_null(get(operation, "firstAt")));
    assert_true(json_is_null(get(operation, "lastAt")));
    assert_true(json_is_null(get(operation, "software")));
    assert_true(json_is_null(get(operation, "note")));
    assert_int_equal(get_number(operation, "planned"), 1);
    assert_int_equal(json_array_size(get(operation, "targetVersions")), 0);
    json_decref(operation);
}

/* --- errors, and what is missing ---------------------------------------------------------------
 */

static void failures_of_all_operations_are_told_together(void **state)
{
    struct shown *shown = *state;
    struct support_result what = {.app = "a", .result = "FAIL", .received_ms = NOW};
    static const char *const failed[][3] = {{"o1", "d1", "4"},  {"o1", "d2", "4"},
                                            {"o2", "d1", "4"},  {"o2", "d2", "=5"},
                                            {"o3", "d1", "=5"}, {"o3", "d2", ""}};
    for (size_t i = 0; i < LENGTH(failed); i++) {
        what.operation = failed[i][0];
        what.device = failed[i][1];
        what.error_code = failed[i][2];
        what.description = i == 1 ? "low battery" : "";
        books_add_result(shown->books, &what);
    }
    what.result = "SUCCESS"; /* in place of the failure */
    books_add_result(shown->books, &what);
    char *text = show(shown, "errors.json", &(struct view_query){.limit = 0}, NULL);
    assert_string_equal(
        text, "{\"errors\":[{\"errorCode\":\"4\",\"count\":3,\"operations\":2,\"example\":"
              "\"low battery\"},{\"errorCode\":\"=5\",\"count\":2,\"operations\":2,\"example\":"
              "\"\"}],\"next\":null}\n");
    free(text);
    text = show(shown, "errors.json", &(struct view_query){.operation_id = "o2", .limit = 1}, NULL);
    support_assert_has(text, "\"errorCode\":\"4\",\"count\":1,\"operations\":1");
    support_assert_has(text, "\"next\":\"1\"");
    free(text);
    text = show(shown, "errors.csv", &(struct view_query){.byte_order_mark = true}, NULL);
    assert_string_equal(text, "\xEF\xBB\xBF"
                              "errorCode,count,operations,example\r\n"
                              "\"4\",\"3\",\"2\",\"low battery\"\r\n\"'=5\",\"2\",\"2\",\"\"\r\n");
    free(text);
    struct store_page_token next;
    text = show(shown, "errors.jsonl", &(struct view_query){.limit = 1}, &next);
    assert_string_equal(text, "{\"errorCode\":\"4\",\"count\":3,\"operations\":2,\"example\":"
                              "\"low battery\"}\n");
    free(text);
    text = show(shown, "errors.jsonl", &(struct view_query){.limit = 1, .after = next.text}, NULL);
    assert_string_equal(text,
                        "{\"errorCode\":\"=5\",\"count\":2,\"operations\":2,\"example\":\"\"}\n");
    free(text);
}

static void who_is_missing_is_told(void **state)
{
    struct shown *shown = *state;
    struct support_result what = {.app = "a", .operation = "o", .device = "=planned 2"};
    const struct view_query query = {.operation_id = "o"};
    books_add_result(shown->books, &what);
    json_t *none = read(shown, "missing.json", &query);
    assert_members(none, OPERATION " devices next");
    assert_true(json_is_null(get(none, "planned")));
    assert_int_equal(json_array_size(get(none, "devices")), 0);
    json_decref(none);
    expect(shown->books, "o", 3);
    json_t *missing = read(shown, "missing.json", &query);
    assert_int_equal(get_number(missing, "planned"), 3);
    assert_int_equal(get_number(missing, "missing"), 2);
    const json_t *device = json_array_get(get(missing, "devices"), 1);
    assert_members(device, "deviceId");
    assert_string_equal(get_text(device, "deviceId"), "=planned 1");
    json_decref(missing);
    char *text = show(shown, "missing.csv", &query, NULL);
    assert_string_equal(text, "appId,operationId,deviceId,platform\r\n"
                              "\"a\",\"o\",\"'=planned 3\",\"\"\r\n"
                              "\"a\",\"o\",\"'=planned 1\",\"\"\r\n");
    free(text);
    text = show(shown, "missing.jsonl", &query, NULL);
    assert_string_equal(text, "{\"deviceId\":\"=planned 3\"}\n{\"deviceId\":\"=planned 1\"}\n");
    free(text);
}

static void what_the_platform_said_is_shown_with_when(void **state)
{
    struct shown *shown = *state;
    struct support_result what = {.app = "a", .operation = "o", .device = "=planned 2"};
    const struct view_query query = {.operation_id = "o"};
    books_add_result(shown->books, &what);
    json_t *operation = read(shown, "operation.json", &query);
    assert_true(json_is_null(get(operation, "platform")));
    json_decref(operation);
    keep_asked(shown->books, "{\"planned\":7}", 3);
    operation = read(shown, "operation.json", &query);
    const json_t *platform = get(operation, "platform");
    assert_members(platform, "askedAt said");
    assert_string_equal(get_text(platform, "askedAt"), "2025-11-24T16:00:00.000Z");
    assert_int_equal(get_number(get(platform, "said"), "planned"), 7);
    assert_int_equal(get_number(operation, "planned"), 3);
    json_decref(operation);
    json_t *missing = read(shown, "missing.json", &query);
    assert_string_equal(get_text(json_array_get(get(missing, "devices"), 1), "platform"), "wait");
    json_decref(missing);
    char *text = show(shown, "missing.csv", &query, NULL);
    assert_string_equal(text, "appId,operationId,deviceId,platform\r\n"
                              "\"a\",\"o\",\"'=planned 3\",\"wait\"\r\n"
                              "\"a\",\"o\",\"'=planned 1\",\"wait\"\r\n");
    free(text);
}

/* Each line is the object that the document has. */
static void lines_say_what_the_document_says(void **state)
{
    static const char *const lists[][3] = {{"upgrades.json", "upgrades.jsonl", "upgrades"},
                                           {"failures.json", "failures.jsonl", "failures"},
                                           {"operations.json", "operations.jsonl", "operations"},
                                           {"quarantine.json", "quarantine.jsonl", "bodies"}};
    struct shown *shown = *state;
    uint64_t seed = 53;
    lists_fill(shown->books, 100, &seed);
    struct record *record = support_record("nothing");
    books_keep_one(shown->books, record);
    support_record_free(record);
    for (size_t i = 0; i < LENGTH(lists); i++) {
        const struct view_query query = {
            .operation_id = i < 2 ? "o1" : NULL, .limit = 1000, .now_ms = NOW};
        json_t *document = read(shown, lists[i][0], &query);
        char *lines = show(shown, lists[i][1], &query, NULL);
        char *rest = lines;
        size_t row_number;
        json_t *row;
        assert_true(json_array_size(get(document, lists[i][2])) > 0);
        json_array_foreach(json_object_get(document, lists[i][2]), row_number, row)
        {
            char *line = strsep(&rest, "\n");
            json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
            assert_true(json_equal(object, row));
            json_decref(object);
        }
        assert_string_equal(rest, "");
        free(lines);
        json_decref(document);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int view_pages_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_overview_has_what_it_must),
        TEST(an_overview_of_nothing_and_of_a_receiver),
        TEST(an_operation_has_what_it_must),
        TEST(operations_of_one_name_are_told_apart),
        TEST(lists_in_an_operation_are_bounded_and_say_so),
        TEST(stuck_is_longer_than_was_said),
        TEST(next_leads_through_every_list),
        TEST(a_table_in_pages_is_the_table),
        TEST(a_table_line_says_what_the_failure_does),
        TEST(a_device_has_its_history_and_news),
        TEST(an_upgrade_says_what_its_last_notification_does),
        TEST(a_search_finds_operations_and_the_device),
        TEST(quarantine_is_told_with_the_beginning_of_each_body),
        TEST(bodies_are_counted_by_their_reason),
        TEST(each_state_is_what_the_filter_says),
        TEST(operations_are_filtered_and_sorted),
        TEST(an_operation_says_what_is_planned_and_what_it_upgrades),
        TEST(failures_of_all_operations_are_told_together),
        TEST(who_is_missing_is_told),
        TEST(what_the_platform_said_is_shown_with_when),
        TEST(lines_say_what_the_document_says),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
