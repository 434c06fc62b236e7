/* A store of version 1 becomes one of version 2: whole, or not at all. */
#include "config.h"

#include "layout_1.h"
#include "lists.h"
#include "store_care.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Books with the old store in them, which nobody has opened yet. */
static int set_up(void **state)
{
    struct books *books = calloc(1, sizeof *books);
    assert_non_null(books);
    books->folder = support_folder();
    books->config = (struct store_config){.folder = books->folder,
                                          .quarantine_max = 1000,
                                          .quarantine_bytes = 1 << 20,
                                          .repeat_window_ms = 600000};
    books_meddle(books, layout_1);
    *state = books;
    return 0;
}

static void tell_flaw(void *owner, const char *flaw)
{
    (void)owner;
    fail_msg("%s", flaw);
}

static void assert_sound(struct books *books)
{
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t flaws;
    lists_must(store_check(reader, NULL, tell_flaw, NULL, &flaws, &fault), &fault);
    assert_int_equal(flaws, 0);
    store_reader_free(reader);
}

static void an_old_store_is_brought_up_with_all_counters_right(void **state)
{
    struct books *books = *state;
    books_meddle(books, "UPDATE notification SET body ="
                        " replace(body, '\"sourceVersion\":\"0.9\"', '\"sourceVersion\":\"0.8\"')"
                        " WHERE seq = 8");
    books_reopen(books);
    books_assert(books, "PRAGMA user_version", "2");
    books_assert_recount(books);
    assert_sound(books);
    books_assert(books,
                 "SELECT app_id, operation_id, in_progress, success, fail, contradictory, first_at,"
                 " last_at, last_seq, pruned FROM operation ORDER BY id",
                 "a|o1|1|3|3|2|1764000000000|1763999968500|18|0\n"
                 "b|o1|1|0|0|0|1764000018000|1763999959500|13|0\n"
                 "b|o2|1|0|0|0|1763999961000|1763999961000|14|0");
    books_assert(books, "SELECT id, began_at FROM upgrade ORDER BY id",
                 "1|1764000000000\n2|1764000004500\n3|1764000006000\n4|1764000009000\n"
                 "5|1764000012000\n6|1764000015000\n7|1763999959500\n8|1763999961000\n"
                 "9|1763999968500");
    books_assert(books, "SELECT operation, source, target, success, fail FROM move ORDER BY 2",
                 "1|0.8|2.0|1|0\n1|0.9|2.0|0|1\n1|1.0|2.0|2|2");
    books_assert(books, "SELECT operation, at, in_progress, success, fail FROM pace ORDER BY 1",
                 "1|1763999968000|1|3|3\n2|1763999959000|1|0|0\n3|1763999961000|1|0|0");
    books_assert(books, "SELECT notify_type, result, count FROM kind ORDER BY 1, 2",
                 "||1\ncommandRsp||1\ndeviceAdded||1\nfwUpgradeResultNotify|FAIL|1\n"
                 "fwUpgradeResultNotify|SUCCESS|1\nfwUpgradeStateChangeNotify||2\n"
                 "swUpgradeResultNotify|FAIL|3\nswUpgradeResultNotify|SUCCESS|2\n"
                 "swUpgradeStateChangeNotify||6");
    books_assert(books, "SELECT id, first_at, last_at FROM span", "0|1763999959500|1764000018000");
    books_assert(books, "SELECT last_at, pruned_notifications, pruned_repeats FROM totals",
                 "1763999968500|0|0");
    books_assert(books,
                 "SELECT count(*) FROM failure WHERE example IN"
                 " ('Integrity check failure', 'at its target') AND error_code = ''",
                 "1");
    books_assert(books, "SELECT seq FROM cursor WHERE name = 'failures'", "7");
}

/* What the old receiver wrote and what this one writes of the same notifications is the same. */
static void it_is_as_if_this_version_had_written_it(void **state)
{
    struct books *books = *state;
    void *other;
    books_reopen(books);
    books_setup(&other);
    ((struct books *)other)->config.repeat_window_ms = 600000;
    books_reopen(other);
    for (int64_t seq = 1; seq <= 18; seq++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT body FROM notification WHERE seq = %lld", (long long)seq);
        char *body = books_query(books, sql);
        struct record *record = support_record(body);
        snprintf(sql, sizeof sql, "SELECT received_at FROM notification WHERE seq = %lld",
                 (long long)seq);
        record->received_ms = books_number(books, sql);
        books_keep_one(other, record);
        if (seq == 5 || seq == 15)
            books_keep_one(other, record);
        support_record_free(record);
        free(body);
    }
    static const char *const same[] = {
        "SELECT seq, received_at, operation, deliveries, body FROM notification",
        "SELECT id, app_id, operation_id, in_progress, success, fail, contradictory, first_at,"
        " last_at, last_seq, pruned FROM operation",
        "SELECT id, operation, state, contradictory, seq, step_seq, error_code, began_at"
        " FROM upgrade",
        "SELECT operation, error_code, count, first_at, last_at FROM failure",
        "SELECT * FROM move",
        "SELECT * FROM kind",
        "SELECT * FROM span",
        "SELECT operation, sum(in_progress), sum(success), sum(fail) FROM pace GROUP BY 1",
        "SELECT notifications, repeats, in_progress, success, fail, contradictory, last_at"
        " FROM totals",
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'view') ORDER BY 1, 2",
    };
    for (size_t i = 0; i < LENGTH(same); i++) {
        char *written = books_query(other, same[i]);
        books_assert(books, same[i], written);
        free(written);
    }
    books_teardown(&other);
}

static void a_store_that_was_brought_up_works_on(void **state)
{
    struct books *books = *state;
    books_reopen(books);
    books_add_result(books, &(struct support_result){.app = "a", /* was FAIL */
                                                     .operation = "o1",
                                                     .sub_operation = "s1",
                                                     .device = "d2"});
    books_add_result(books, &(struct support_result){.app = "b", /* was in progress */
                                                     .operation = "o1",
                                                     .sub_operation = "s1",
                                                     .device = "d1",
                                                     .result = "FAIL",
                                                     .current = "1"});
    struct record *repeat = support_record(
        "{\"notifyType\":\"fwUpgradeStateChangeNotify\",\"appId\":\"b\",\"operationId\":\"o2\","
        "\"subOperationId\":\"s1\",\"deviceId\":\"d'6\",\"step\":3}");
    books_keep_one(books, repeat);
    assert_int_equal(repeat->outcome, RECORD_REPEATED);
    assert_int_equal(repeat->seq, 14);
    support_record_free(repeat);
    books_assert(books, "SELECT in_progress, success, fail FROM operation ORDER BY id",
                 "1|4|2\n0|0|1\n1|0|0");
    books_assert_recount(books);
    assert_sound(books);
    books_reopen(books); /* once more is nothing more */
    books_assert_recount(books);
    assert_sound(books);
    struct store *another = books_open_another(books);
    store_free(another);
    assert_sound(books);
}

/* What left quarantine at the old receiver is numbered behind what came after it. */
static void an_old_store_with_bodies_that_left_quarantine_is_brought_up(void **state)
{
    struct books *books = *state;
    books_meddle(books,
                 "INSERT INTO notification SELECT 19, 1763990000000, 1, device, 7, 1,"
                 " replace(body, '\"errorCode\":\"4\"', '\"errorCode\":\"9\"') FROM notification"
                 " WHERE seq = 4;"
                 "INSERT INTO failure VALUES (1, '9', 0, 1763990000000, 1763990000000);"
                 "UPDATE totals SET seq = 19, notifications = 19, quarantine_held = 1,"
                 " quarantine_bytes = 43;"
                 "DELETE FROM quarantined WHERE id = 1");
    books_meddle(books, "UPDATE totals SET quarantine_bytes ="
                        " (SELECT sum(length(body)) FROM quarantined)");
    books_reopen(books);
    assert_sound(books);
    books_assert(books, "SELECT began_at FROM upgrade WHERE id = 2", "1763990000000");
    books_assert(books, "SELECT first_at, last_at FROM span", "1763990000000|1764000018000");
    books_assert(books, "SELECT failures.errorCode FROM failures WHERE errorCode = '9'", "");
}

static void a_long_old_store_is_brought_up(void **state)
{
    struct books *books = *state;
    books_meddle(books, "WITH RECURSIVE c(i) AS (SELECT 19 UNION ALL SELECT i + 1 FROM c WHERE"
                        " i < 2500) INSERT INTO notification SELECT i, 1764000100000 + i, 0, i, i,"
                        " 1, '{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}' FROM c;"
                        "UPDATE totals SET seq = 2500, notifications = 2500");
    books_reopen(books);
    assert_sound(books);
    books_assert(books, "SELECT * FROM span ORDER BY 1",
                 "0|1763999959500|1764000101023\n1|1764000101024|1764000102047\n"
                 "2|1764000102048|1764000102500");
    books_assert(books, "SELECT count FROM kind WHERE notify_type = 'deviceDeleted'", "2482");
}

static void an_empty_old_store_is_brought_up(void **state)
{
    struct books *books = *state;
    books_meddle(books, "DELETE FROM notification; DELETE FROM operation; DELETE FROM upgrade;"
                        "DELETE FROM failure; DELETE FROM quarantined; DELETE FROM cursor;"
                        "UPDATE totals SET (seq, notifications, repeats, quarantined, in_progress,"
                        " success, fail, contradictory, quarantine_id, quarantine_held,"
                        " quarantine_bytes) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)");
    books_reopen(books);
    assert_sound(books);
    books_add_result(books, &(struct support_result){.device = "d"});
    books_assert_recount(books);
    assert_sound(books);
}

/* --- failing --- */

#define EVERYTHING \
    "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)"

/* Opens the store, which must fail, and leave everything as it was. */
static void expect_unchanged(struct books *books, const char *part)
{
    struct store *store;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_new(&store, &books->config, &fault), 0);
    assert_int_equal(store_open(store, &fault), -1);
    support_assert_fault(&fault, part);
    assert_false(fault.lasting);
    store_free(store);
    books_assert(books, "PRAGMA user_version", "1");
    books_assert(books, "SELECT count(*) FROM pragma_table_info('operation')", "10");
    books_assert(books, "SELECT count(*), sum(deliveries) FROM notification", "18|20");
    books_assert(books, "SELECT seq, quarantine_bytes FROM totals", "18|50");
}

/* The disk fills at any point of the way. */
static void a_disk_that_fills_meanwhile_leaves_the_old_store(void **state)
{
    struct books *books = *state;
    char *schema = books_query(books, EVERYTHING);
    size_t failures = 0;
    for (uint64_t room = 4096;; room += 4096) {
        struct store *store;
        struct fault fault = FAULT_NONE;
        struct stat status;
        assert_int_equal(stat(support_path(books->folder, "upgrades.db"), &status), 0);
        assert_int_equal(store_new(&store, &books->config, &fault), 0);
        support_limit_file_size(room);
        int result = store_open(store, &fault);
        support_limit_file_size(RLIM_INFINITY);
        store_free(store);
        if (result == 0)
            break;
        assert_false(fault.lasting);
        books_assert(books, "PRAGMA user_version", "1");
        books_assert(books, EVERYTHING, schema);
        books_assert(books, "SELECT count(*), sum(deliveries) FROM notification", "18|20");
        failures++;
    }
    assert_true(failures > 15);
    free(schema);
    books_reopen(books);
    books_assert_recount(books);
    assert_sound(books);
}

/* Whatever goes wrong: here a table of that name is there already, the last that is made. */
static void a_step_that_fails_leaves_the_old_store(void **state)
{
    struct books *books = *state;
    books_meddle(books, "CREATE TABLE span (a)");
    expect_unchanged(books, "table span already exists");
    books_assert(books,
                 "SELECT count(*) FROM sqlite_schema WHERE name IN ('move', 'pace', 'kind',"
                 " 'upgrade_fail')",
                 "0");
    expect_unchanged(books, "table span already exists");
    books_meddle(books, "DROP TABLE span");
    books_reopen(books);
    assert_sound(books);
}

/* A reader does not bring it up, and says who does. */
static void a_reader_leaves_an_old_store_alone(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_read_overview(reader, &overview, &fault), -1);
    support_assert_fault(&fault, "the store has version 1; a receiver of this version");
    books_assert(books, "PRAGMA user_version", "1");
    books_reopen(books);
    fault = FAULT_NONE;
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    assert_int_equal(overview.totals.last_ms, 1763999968500);
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, books_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_old_store_is_brought_up_with_all_counters_right),
        TEST(it_is_as_if_this_version_had_written_it),
        TEST(a_store_that_was_brought_up_works_on),
        TEST(an_old_store_with_bodies_that_left_quarantine_is_brought_up),
        TEST(a_long_old_store_is_brought_up),
        TEST(an_empty_old_store_is_brought_up),
        TEST(a_disk_that_fills_meanwhile_leaves_the_old_store),
        TEST(a_step_that_fails_leaves_the_old_store),
        TEST(a_reader_leaves_an_old_store_alone),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
