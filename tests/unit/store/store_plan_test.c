/* What a page costs does not depend on how much the store holds: counted in steps of SQLite's
 * machine, and seen in its plans. */
#include "config.h"

#include "lists.h"
#include "store/engine.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was asked of a reader's connection. */
struct watch {
    const struct books *books;
    struct buffer plans; /* of every statement, where they are asked for */
    int64_t steps, sorts;
};

/* SQLITE_TRACE_PROFILE comes when a statement is done with, to its end or not. */
static int note_statement(unsigned event, void *argument, void *statement, void *nanoseconds)
{
    (void)event;
    (void)nanoseconds;
    struct watch *watch = argument;
    watch->steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    watch->sorts += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 1);
    if (watch->books == NULL || sqlite3_column_count(statement) == 0)
        return 0;
    struct buffer sql = {0};
    sqlite3 *db;
    sqlite3_stmt *explain;
    buffer_addf(&sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(statement));
    assert_int_equal(sqlite3_open(support_path(watch->books->folder, "upgrades.db"), &db), 0);
    assert_int_equal(sqlite3_prepare_v2(db, sql.bytes, (int)sql.length, &explain, NULL), 0);
    while (sqlite3_step(explain) == SQLITE_ROW)
        buffer_addf(&watch->plans, "%s; ", (const char *)sqlite3_column_text(explain, 3));
    sqlite3_finalize(explain);
    sqlite3_close(db);
    buffer_release(&sql);
    return 0;
}

/* --- books of any size --- */

/* OPERATIONS of UPGRADES each: one in twenty is FAIL, one in twenty in progress; as many news of
 * one device. Made by SQL, which is faster than keeping them. */
static void grow(const struct books *books, int operations, int upgrades)
{
    char sql[4096];
    snprintf(
        sql, sizeof sql,
        "BEGIN;"
        "CREATE TEMP TABLE o AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
        " WHERE i < %d) SELECT i FROM c;"
        "CREATE TEMP TABLE u AS WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c"
        " WHERE i < %d - 1) SELECT c.i AS i, o.i AS o, (o.i - 1) * %d + c.i + 1 AS seq FROM o, c;"
        "INSERT INTO notification SELECT seq, seq * 10, o, seq * 7 %% 65536, seq, 1,"
        " json_object('notifyType', 'swUpgradeResultNotify', 'deviceId', 'd' || i, 'appId', 'app',"
        " 'operationId', 'o' || o, 'subOperationId', 's', 'curVersion', '1', 'targetVersion', '2',"
        " 'sourceVersion', '1') FROM u;"
        "INSERT INTO lookup SELECT o, seq * 7 %% 65536, 1, seq, seq, seq FROM u;"
        "INSERT INTO upgrade (id, operation, device, sub_operation, device_id, sub_operation_id,"
        " state, contradictory, seq, error_code, began_at)"
        " SELECT seq, o, seq * 7 %% 65536, 1, 'd' || i, 's', CASE seq %% 20 WHEN 3 THEN 2 "
        "WHEN 4 "
        "THEN"
        " 0 ELSE 1 END, seq %% 10 = 3, seq, CASE seq %% 20 WHEN 3 THEN 'c' || (seq / 20 %% 4) "
        "END, seq "
        "* 10"
        " FROM u;"
        "INSERT INTO operation (id, app_id, operation_id, success, first_at, last_at, last_seq)"
        " SELECT i, 'app', 'o' || i, %d, 1, i * %d * 10, i * %d FROM o;"
        "INSERT INTO failure SELECT operation, error_code, count(*), 1, 1, '' FROM upgrade"
        " WHERE state = 2 GROUP BY 1, 2;"
        "INSERT INTO transition SELECT o, '1', i, 1, 0 FROM u;"
        "INSERT INTO time_index SELECT seq >> 10, min(received_at), max(received_at) FROM "
        "notification"
        " GROUP BY 1;"
        "UPDATE totals SET seq = (SELECT max(seq) FROM notification), notifications = seq;"
        "COMMIT",
        operations, upgrades, upgrades, upgrades, upgrades, upgrades);
    books_meddle(books, sql);
}

/* --- lists --- */

typedef void list(struct store_reader *reader, struct lists *lists);

#define MUST(call)                       \
    do {                                 \
        struct fault fault = FAULT_NONE; \
        lists_must((call), &fault);      \
    } while (0)

/* Two pages: the beginning, and what comes next. */
static void list_filtered(struct store_reader *reader, const struct store_upgrade_filter *filter,
                          struct lists *lists)
{
    struct store_page_token token = {""};
    for (int page = 0; page < 2; page++) {
        MUST(lists_read_upgrades(lists, store_list_upgrades(reader, filter, &token, 10, &fault),
                                 &token));
    }
}

static void operations(struct store_reader *reader, struct lists *lists)
{
    struct store_page_token token;
    MUST(lists_read_operations(
        lists, store_list_operations(reader, &(struct store_page_token){"999999999.0"}, 10, &fault),
        &token));
}

static void operation(struct store_reader *reader, struct lists *lists)
{
    MUST(lists_read_operations(lists, store_find_operations(reader, NULL, "o1", false, 10, &fault),
                               NULL));
}

static void beginning(struct store_reader *reader, struct lists *lists)
{
    MUST(lists_read_operations(lists, store_find_operations(reader, NULL, "o", true, 10, &fault),
                               NULL));
}

static void failures(struct store_reader *reader, struct lists *lists)
{
    MUST(lists_read_failures(lists, store_list_failures(reader, 1, 5, &fault), NULL));
}

static void moves(struct store_reader *reader, struct lists *lists)
{
    MUST(lists_read_transitions(lists, store_list_transitions(reader, 1, 5, &fault), NULL));
}

static void upgrades(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader, &(struct store_upgrade_filter){.operation = 1}, lists);
}

static void in_progress(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader,
                  &(struct store_upgrade_filter){
                      .operation = 1, .of_state = true, .state = RECORD_IN_PROGRESS},
                  lists);
}

static void stuck(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader, &(struct store_upgrade_filter){.operation = 1, .began_before_ms = 100000},
                  lists);
}

static void succeeded(struct store_reader *reader, struct lists *lists)
{
    list_filtered(
        reader,
        &(struct store_upgrade_filter){.operation = 1, .of_state = true, .state = RECORD_SUCCESS},
        lists);
}

static void failed(struct store_reader *reader, struct lists *lists)
{
    list_filtered(
        reader,
        &(struct store_upgrade_filter){.operation = 1, .of_state = true, .state = RECORD_FAIL},
        lists);
}

static void failed_with(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader, &(struct store_upgrade_filter){.operation = 1, .error_code = "c0"},
                  lists);
}

static void contradictory(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader, &(struct store_upgrade_filter){.operation = 1, .contradictory = true},
                  lists);
}

static void all_failed(struct store_reader *reader, struct lists *lists)
{
    list_filtered(reader, &(struct store_upgrade_filter){.of_state = true, .state = RECORD_FAIL},
                  lists);
}

static void all_failed_with(struct store_reader *reader, struct lists *lists)
{
    list_filtered(
        reader,
        &(struct store_upgrade_filter){.of_state = true, .state = RECORD_FAIL, .error_code = "c0"},
        lists);
}

static void device(struct store_reader *reader, struct lists *lists)
{
    struct store_page_token next;
    MUST(lists_read_upgrades(lists, store_list_device(reader, "d5", NULL, 10, &fault), &next));
}

static void between(struct store_reader *reader, struct lists *lists)
{
    struct store_kept kept[10];
    size_t count;
    MUST(store_read_between(reader, 5000, 6000, 400, kept, 10, &count, &fault));
    lists->count += count;
    store_kept_release(kept, count);
}

static void kept_after(struct store_reader *reader, struct lists *lists)
{
    struct store_kept kept[10];
    size_t count;
    MUST(store_read_after(reader, 400, kept, 10, &count, &fault));
    lists->count += count;
    store_kept_release(kept, count);
}

static void latest(struct store_reader *reader, struct lists *lists)
{
    MUST(lists_read_notifications(lists, store_list_latest(reader, 10, &fault), NULL));
}

static void overview(struct store_reader *reader, struct lists *lists)
{
    struct store_overview read;
    MUST(store_read_overview(reader, &read, &fault));
    lists->count++;
}

static int64_t count_steps(struct store_reader *reader, list *ask, size_t *rows)
{
    struct lists lists = {.count = 0};
    struct watch watch = {.steps = 0};
    MUST(store_read_begin(reader, 0, &fault));
    ask(reader, &lists); /* whatever is done once for a connection is done */
    lists_free(&lists);
    sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, note_statement, &watch);
    ask(reader, &lists);
    sqlite3_trace_v2(reader->db, 0, NULL, NULL);
    store_read_end(reader);
    *rows = lists.count;
    lists_free(&lists);
    assert_true(watch.steps > 0);
    return watch.steps;
}

static const struct {
    const char *name;
    list *ask;
    const char *plan;        /* what must be in it */
    const char *no_plan;     /* what must not, beside a sort of all rows */
    bool through_operations; /* it looks into each of them */
} asked[] = {
    {"operations", operations, "operation_latest (last_seq<?)", "TEMP B-TREE", false},
    {"operation", operation, "operation_name (operation_id=?)", "SCAN operation", false},
    {"beginning", beginning, "operation_name (operation_id>? AND operation_id<?)", "SCAN operation",
     false},
    {"failures", failures, "failure_count (operation=? AND count>?)", "TEMP B-TREE", false},
    {"moves", moves, "transition_count (operation=? AND <expr>>?)", "TEMP B-TREE", false},
    {"upgrades", upgrades, "upgrade_operation (operation=? AND rowid<?)", "TEMP B-TREE", false},
    {"in progress", in_progress, "upgrade_in_progress (operation=? AND began_at<?)", "TEMP B-TREE",
     false},
    {"stuck", stuck, "upgrade_in_progress (operation=? AND began_at>? AND began_at<?)",
     "TEMP B-TREE", false},
    {"succeeded", succeeded, "upgrade_success (operation=? AND rowid<?)", "TEMP B-TREE", false},
    {"failed", failed, "upgrade_fail (operation=? AND rowid<?)", "TEMP B-TREE", false},
    {"failed with", failed_with, "upgrade_fail_code (error_code=? AND operation=? AND rowid<?)",
     "TEMP B-TREE", false},
    {"contradictory", contradictory, "upgrade_contradictory (operation=? AND rowid<?)",
     "TEMP B-TREE", false},
    {"all failed", all_failed, "u USING INDEX upgrade_fail (operation<?)", "TEMP B-TREE", false},
    {"all failed with", all_failed_with,
     "u USING INDEX upgrade_fail_code (error_code=? AND operation<?)", "TEMP B-TREE", false},
    {"device", device, "lookup USING PRIMARY KEY (operation=? AND device=?)", "TEMP B-TREE", true},
    {"between", between, "n USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "SCAN n", false},
    {"after", kept_after, "notification USING INTEGER PRIMARY KEY (rowid>?)", "SCAN notification",
     false},
    {"latest", latest, "SCAN notification", "TEMP B-TREE", false},
    {"overview", overview, "totals", "notification", false},
};

static void each_list_walks_its_index(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    grow(books, 10, 1000);
    for (size_t i = 0; i < LENGTH(asked); i++) {
        struct lists lists = {.count = 0};
        struct watch watch = {.books = books};
        MUST(store_read_begin(reader, 0, &fault));
        sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, note_statement, &watch);
        asked[i].ask(reader, &lists);
        sqlite3_trace_v2(reader->db, 0, NULL, NULL);
        store_read_end(reader);
        buffer_add(&watch.plans, "", 1);
        if (strstr(watch.plans.bytes, asked[i].plan) == NULL ||
            strstr(watch.plans.bytes, asked[i].no_plan) != NULL)
            fail_msg("%s: %s", asked[i].name, watch.plans.bytes);
        buffer_release(&watch.plans);
        lists_free(&lists);
    }
    store_reader_free(reader);
}

/* Asks the same of books of SMALL and of LARGE sizes, which differ in their operations alone where
 * MORE_OPERATIONS says so. */
static void assert_steps(struct books *small, struct books *large, bool more_operations)
{
    struct store_reader *readers[] = {lists_reader(small), lists_reader(large)};
    for (size_t i = 0; i < LENGTH(asked); i++) {
        if (more_operations && asked[i].through_operations)
            continue;
        size_t rows[2];
        int64_t steps[2];
        for (size_t r = 0; r < 2; r++)
            steps[r] = count_steps(readers[r], asked[i].ask, &rows[r]);
        if (rows[1] != rows[0] || steps[1] > 2 * steps[0])
            fail_msg("%s: %lld steps for %zu rows, %lld for %zu", asked[i].name,
                     (long long)steps[0], rows[0], (long long)steps[1], rows[1]);
    }
    store_reader_free(readers[0]);
    store_reader_free(readers[1]);
}

static void a_page_costs_the_same_however_long_its_operation_is(void **state)
{
    void *large;
    books_setup(&large);
    grow(*state, 1, 2000);
    grow(large, 1, 20000);
    assert_steps(*state, large, false);
    books_teardown(&large);
}

static void a_page_costs_the_same_however_many_operations_there_are(void **state)
{
    void *large;
    books_setup(&large);
    grow(*state, 1000, 2);
    grow(large, 10000, 2);
    assert_steps(*state, large, true);
    books_teardown(&large);
}

/* Operations whose upgrades are gone, or that never had a failure, cost a page of failures nothing.
 */
static void operations_without_failures_are_passed_over_at_no_cost(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    size_t rows;
    grow(books, 1000, 20);
    int64_t before = count_steps(reader, all_failed, &rows);
    int64_t before_with = count_steps(reader, all_failed_with, &rows);
    books_meddle(books, "DELETE FROM upgrade WHERE operation > 100 AND state = 2;"
                        "UPDATE operation SET fail = 1, pruned = 1 WHERE id > 200");
    assert_true(count_steps(reader, all_failed, &rows) <= before + before / 10);
    assert_int_equal(rows, 20);
    assert_true(count_steps(reader, all_failed_with, &rows) <= before_with + before_with / 10);
    assert_int_equal(rows, 20);
    store_reader_free(reader);
}

/* The latest of a device's many notifications are read, not all of their bodies. */
static void the_latest_notifications_are_read_without_the_others(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct record *record = support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}");
    books_keep_one(books, record);
    support_record_free(record);
    books_meddle(books, "WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE i <"
                        " 5000) INSERT INTO notification SELECT i, i, 0, n.device, i, 1, n.body"
                        " FROM c, notification n WHERE n.seq = 1;"
                        "INSERT INTO lookup SELECT 0, l.device, 0, 0, n.content, n.seq"
                        " FROM lookup l, notification n WHERE n.seq > 1");
    struct lists lists = {.count = 0};
    struct watch watch = {.books = books};
    MUST(store_read_begin(reader, 0, &fault));
    sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, note_statement, &watch);
    MUST(lists_read_notifications(
        &lists, store_list_notifications(reader, "d", 0, NULL, 20, &fault), NULL));
    sqlite3_trace_v2(reader->db, 0, NULL, NULL);
    store_read_end(reader);
    assert_int_equal(lists.count, 20);
    assert_int_equal(strtoll(lists_text(&lists), NULL, 10), 5000);
    buffer_add(&watch.plans, "", 1);
    support_assert_has(watch.plans.bytes, "lookup USING PRIMARY KEY (operation=? AND device=?)");
    assert_null(strstr(watch.plans.bytes, "TEMP B-TREE"));
    assert_int_equal(watch.sorts, 0);
    buffer_release(&watch.plans);
    lists_free(&lists);
    store_reader_free(reader);
}

/* A device that has said very much of one upgrade keeps nobody from seeing the others. */
static void a_page_costs_the_same_however_often_one_upgrade_was_spoken_of(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    size_t rows[2];
    grow(books, 1, 15);
    int64_t before = count_steps(reader, upgrades, &rows[0]);
    books_meddle(books, "WITH RECURSIVE c(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM c WHERE"
                        " i < 20000) INSERT INTO lookup SELECT l.operation, l.device,"
                        " l.sub_operation, l.upgrade, i, i FROM c, lookup l WHERE l.seq = 5");
    assert_int_equal(count_steps(reader, upgrades, &rows[1]), before);
    assert_int_equal(rows[1], rows[0]);
    assert_int_equal(rows[1], 15);
    store_reader_free(reader);
}

/* --- keeping --- */

/* Gives how many steps of SQLite's machine RECORD takes to be kept, the second time: whatever is
 * done once for a connection is done. */
static int64_t count_keeping(struct books *books, struct record *record)
{
    struct watch watch = {.steps = 0};
    sqlite3_trace_v2(books->store->db, SQLITE_TRACE_PROFILE, note_statement, &watch);
    books_keep_one(books, record);
    sqlite3_trace_v2(books->store->db, 0, NULL, NULL);
    assert_int_equal(watch.sorts, 0);
    support_record_free(record);
    return watch.steps;
}

/* What a device called "d" has been sent already: MANY contents of one sub-operation, MANY other
 * sub-operations, as much news; and MANY contents of an upgrade that is gone, with the hashes of
 * one that is not. */
static void fill_device(struct books *books, int many)
{
    char sql[1024];
    struct support_result what = {.device = "d"};
    books_add_progress(books, &what, "0");
    struct record *news = support_record("{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\"}");
    books_keep_one(books, news);
    support_record_free(news);
    what.sub_operation = "another";
    books_add_progress(books, &what, "0");
    snprintf(sql, sizeof sql,
             "CREATE TEMP TABLE c AS WITH RECURSIVE c(i) AS (SELECT 1000 UNION ALL SELECT i + 1"
             " FROM c WHERE i < 1000 + %d) SELECT i FROM c;"
             "INSERT INTO lookup SELECT l.operation, l.device, l.sub_operation, l.upgrade, i, i"
             " FROM lookup l, c WHERE l.seq < 3;"
             "INSERT INTO lookup SELECT l.operation, l.device, i, i, i, i FROM lookup l, c"
             " WHERE l.seq = 1;"
             "INSERT INTO lookup SELECT l.operation, l.device, l.sub_operation, 2, i, i"
             " FROM lookup l, c WHERE l.seq = 3",
             many);
    books_meddle(books, sql);
}

/* One device, and so whoever speaks for it, cannot make what comes for it any dearer. */
static void a_notification_costs_the_same_whatever_its_device_was_sent_before(void **state)
{
    struct books *books[2] = {*state};
    void *large;
    int64_t steps[2][4];
    books_setup(&large);
    books[1] = large;
    for (size_t b = 0; b < 2; b++) {
        struct support_result what = {.device = "d"};
        fill_device(books[b], b == 0 ? 10 : 20000);
        steps[b][0] = count_keeping(books[b], support_progress(&what, "1"));
        what.sub_operation = "new";
        steps[b][1] = count_keeping(books[b], support_result(&what));
        what.sub_operation = "another"; /* behind one that is gone */
        steps[b][2] = count_keeping(books[b], support_progress(&what, "2"));
        steps[b][3] = count_keeping(
            books[b], support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}"));
        books_assert(books[b], "SELECT count(*) FROM upgrade", "3");
    }
    for (size_t i = 0; i < 4; i++)
        if (steps[1][i] > steps[0][i] + steps[0][i] / 10)
            fail_msg("%zu: %lld steps, then %lld", i, (long long)steps[0][i],
                     (long long)steps[1][i]);
    books_teardown(&large);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_plan_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_list_walks_its_index),
        TEST(a_page_costs_the_same_however_long_its_operation_is),
        TEST(a_page_costs_the_same_however_many_operations_there_are),
        TEST(operations_without_failures_are_passed_over_at_no_cost),
        TEST(the_latest_notifications_are_read_without_the_others),
        TEST(a_page_costs_the_same_however_often_one_upgrade_was_spoken_of),
        TEST(a_notification_costs_the_same_whatever_its_device_was_sent_before),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
