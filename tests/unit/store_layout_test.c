/* A store of an earlier version becomes one of this: whole, or not at all. */
#include "config.h"

#include "content.h"
#include "layout_1.h"
#include "layout_2.h"
#include "lists.h"
#include "store_care.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Books with an old store in them, which nobody has opened yet. */
static int set_up_with(void **state, const char *layout)
{
    struct books *books = calloc(1, sizeof *books);
    assert_non_null(books);
    books->folder = support_folder();
    books->config = (struct store_config){.folder = books->folder,
                                          .quarantine_max = 1000,
                                          .quarantine_bytes = 1 << 20,
                                          .repeat_window_ms = 600000};
    books_meddle(books, layout);
    *state = books;
    return 0;
}

static int set_up_1(void **state)
{
    return set_up_with(state, layout_1);
}

static int set_up_2(void **state)
{
    return set_up_with(state, layout_2);
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
    books_assert(books, "PRAGMA user_version", "3");
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

/* The record of notification SEQ, as it was received. */
static struct record *record_again(const struct books *books, int64_t seq)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT body FROM notification WHERE seq = %lld", (long long)seq);
    char *body = books_query(books, sql);
    struct record *record = support_record(body);
    free(body);
    snprintf(sql, sizeof sql, "SELECT received_at FROM notification WHERE seq = %lld",
             (long long)seq);
    record->received_ms = books_number(books, sql);
    return record;
}

/* New books, for which this version has kept what BOOKS hold, as often as it came. */
static struct books *write_anew(const struct books *books)
{
    void *other;
    int64_t count = books_number(books, "SELECT seq FROM totals");
    books_setup(&other);
    ((struct books *)other)->config.repeat_window_ms = 600000;
    books_reopen(other);
    for (int64_t seq = 1; seq <= count; seq++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT deliveries FROM notification WHERE seq = %lld",
                 (long long)seq);
        struct record *record = record_again(books, seq);
        for (int64_t deliveries = books_number(books, sql); deliveries > 0; deliveries--)
            books_keep_one(other, record);
        support_record_free(record);
    }
    return other;
}

/* What an older receiver wrote and what this one writes of the same notifications is the same, but
 * for hashes and the numbers of upgrades. */
static void it_is_as_if_this_version_had_written_it(void **state)
{
    struct books *books = *state;
    books_reopen(books);
    void *other = write_anew(books);
    static const char *const same[] = {
        "SELECT seq, received_at, operation, deliveries, body FROM notification",
        "SELECT id, app_id, operation_id, in_progress, success, fail, contradictory, first_at,"
        " last_at, last_seq, pruned FROM operation",
        "SELECT (SELECT count(*) FROM upgrade v WHERE v.id <= u.id), operation, state,"
        " contradictory, seq, step_seq, error_code, began_at FROM upgrade u",
        "SELECT seq, operation, (SELECT u.seq FROM upgrade u WHERE u.id = upgrade)"
        " FROM lookup ORDER BY seq",
        "SELECT operation, error_code, count, first_at, last_at FROM failure",
        "SELECT * FROM move",
        "SELECT * FROM kind",
        "SELECT * FROM span",
        "SELECT operation, sum(in_progress), sum(success), sum(fail) FROM pace GROUP BY 1",
        "SELECT notifications, repeats, in_progress, success, fail, contradictory, last_at"
        " FROM totals",
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'view')"
        " OR name = 'lookup' ORDER BY 1, 2",
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

/* --- version 2 --- */

static void a_store_of_version_2_is_brought_up(void **state)
{
    struct books *books = *state;
    books_reopen(books);
    books_assert(books, "PRAGMA user_version", "3");
    books_assert(books,
                 "SELECT name FROM sqlite_schema WHERE name IN ('notification_content',"
                 " 'upgrade_device')",
                 "");
    books_assert_recount(books);
    assert_sound(books);
    /* of one operation, and all with the same hashes: four upgrades */
    books_assert(
        books,
        "SELECT upgrade, group_concat(seq) FROM (SELECT * FROM lookup ORDER BY upgrade, seq)"
        " WHERE operation = 1 AND seq BETWEEN 7 AND 12 GROUP BY 1",
        "5|7,11\n6|8,12\n7|9\n8|10");
    books_assert(books,
                 "SELECT count(DISTINCT device || '.' || sub_operation) FROM lookup"
                 " WHERE operation = 1 AND seq BETWEEN 7 AND 12",
                 "1");
    books_assert(books,
                 "SELECT seq, sub_operation, upgrade FROM lookup WHERE operation = 0"
                 " ORDER BY 1",
                 "16|0|0\n17|0|0\n18|0|0\n19|0|0\n20|0|0");
}

/* Whatever has the hashes of another. */
static void every_notification_of_an_old_store_is_known_again(void **state)
{
    struct books *books = *state;
    int64_t count = books_number(books, "SELECT seq FROM totals");
    books_reopen(books);
    for (int64_t seq = 1; seq <= count; seq++) {
        struct record *record = record_again(books, seq);
        books_keep_one(books, record);
        assert_int_equal(record->outcome, RECORD_REPEATED);
        assert_int_equal(record->seq, seq);
        support_record_free(record);
    }
    books_assert_recount(books);
    assert_sound(books);
}

/* The lists of everything: each operation's upgrades, each device's, and what was received. */
static void list_all(struct books *books, struct lists *lists)
{
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    struct store_place next;
    for (int64_t operation = 1; operation <= 3; operation++)
        lists_must(store_list_upgrades(
                       reader, &(struct store_upgrade_filter){.operation = operation},
                       &(struct store_place){""}, 100, lists_take_upgrade, lists, &next, &fault),
                   &fault);
    char *all = books_query(books, "SELECT DISTINCT deviceId FROM notifications"
                                   " WHERE deviceId IS NOT NULL ORDER BY 1");
    char *rest = all;
    for (const char *device; (device = strsep(&rest, "\n")) != NULL;) {
        lists_must(store_list_device(reader, device, &(struct store_place){""}, 100,
                                     lists_take_upgrade, lists, &next, &fault),
                   &fault);
        for (int64_t operation = 0; operation <= 3; operation++)
            lists_must(store_list_notifications(reader, device, operation, NULL, 100,
                                                lists_take_kept, lists, &fault),
                       &fault);
    }
    free(all);
    store_reader_free(reader);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Fails the test where the rows are not the same: their order is that of hashes. */
static void assert_same_rows(struct lists *is, struct lists *expected)
{
    struct lists *const lists[] = {is, expected};
    char *lines[2][100];
    assert_int_equal(is->count, expected->count);
    assert_true(is->count <= LENGTH(lines[0]));
    for (size_t l = 0; l < 2; l++) {
        char *rest = lists[l]->rows.bytes;
        for (size_t i = 0; i < is->count; i++)
            lines[l][i] = strsep(&rest, "\n");
        qsort(lines[l], is->count, sizeof lines[l][0], compare_lines);
    }
    for (size_t i = 0; i < is->count; i++)
        assert_string_equal(lines[0][i], lines[1][i]);
}

static void lists_of_an_old_store_are_as_if_it_were_new(void **state)
{
    struct books *books = *state;
    struct lists is = {.count = 0}, expected = {.count = 0};
    books_reopen(books);
    void *other = write_anew(books);
    list_all(books, &is);
    list_all(other, &expected);
    assert_true(expected.count > 30);
    lists_text(&is);
    lists_text(&expected);
    assert_same_rows(&is, &expected);
    lists_free(&is);
    lists_free(&expected);
    books_teardown(&other);
}

/* Of a pruned operation upgrades may be gone whose notifications stay: they are of no other upgrade
 * of their device, and go with the next pruning. */
static void what_is_left_of_a_pruned_operation_is_brought_up(void **state)
{
    struct books *books = *state;
    books_meddle(books, "UPDATE operation SET pruned = 1;"
                        "DELETE FROM upgrade WHERE id IN (2, 3, 5, 11)");
    books_reopen(books);
    assert_sound(books);
    books_assert(books, "SELECT seq FROM lookup WHERE operation > 0 AND upgrade = 0 ORDER BY 1",
                 "4\n5\n7\n11\n15");
    struct record *record = record_again(books, 11);
    books_keep_one(books, record); /* counted anew */
    assert_int_equal(record->outcome, RECORD_STORED);
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_REPEATED);
    assert_int_equal(record->seq, 21);
    support_record_free(record);
    assert_sound(books);
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    books_meddle(books, "DELETE FROM cursor");
    lists_must(store_prune(books->store, INT64_MAX, NULL, &pruned, &fault), &fault);
    books_assert(books,
                 "SELECT (SELECT count(*) FROM lookup), (SELECT count(*) FROM notification),"
                 " (SELECT count(*) FROM upgrade)",
                 "0|0|0");
    assert_sound(books);
}

/* Gives an old store COUNT upgrades more of one device and one operation. */
static void add_sub_operations(struct books *books, int count)
{
    unsigned char key[CONTENT_KEY_SIZE];
    struct text sql = {0};
    char *hex = books_query(books, "SELECT hex(hash_key) FROM secret");
    for (size_t i = 0; i < CONTENT_KEY_SIZE; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        key[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    free(hex);
    text_add_string(&sql, "BEGIN;");
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "more %d", i);
        text_addf(&sql,
                  "INSERT INTO notification SELECT %d, received_at, 1, device, %d, 1,"
                  " json_set(body, '$.subOperationId', '%s') FROM notification WHERE seq = 1;"
                  "INSERT INTO upgrade SELECT NULL, 1, device, %lu, 0, 0, %d, %d, NULL, received_at"
                  " FROM notification WHERE seq = 1;",
                  i + 21, i, id, (unsigned long)(content_hash_string(id, key) & 0xFFFFFFFF), i + 21,
                  i + 21);
    }
    text_addf(&sql, "UPDATE totals SET seq = seq + %d; COMMIT", count);
    text_add(&sql, "", 1);
    books_meddle(books, sql.bytes);
    text_release(&sql);
}

/* A device that has had very many upgrades in one operation keeps nobody from being brought up. */
static void the_upgrades_of_one_device_are_told_apart_at_no_cost(void **state)
{
    (void)state;
    clock_t took[2];
    for (size_t i = 0; i < 2; i++) {
        void *many;
        set_up_2(&many);
        add_sub_operations(many, i == 0 ? 500 : 4000);
        clock_t before = clock();
        books_reopen(many);
        took[i] = clock() - before;
        books_assert(many,
                     "SELECT count(*), count(DISTINCT upgrade) FROM lookup WHERE seq > 20"
                     " AND upgrade = (SELECT id FROM upgrade u WHERE u.seq = lookup.seq)",
                     i == 0 ? "500|500" : "4000|4000");
        books_teardown(&many);
    }
    assert_true(took[1] < 24 * took[0]);
}

/* --- version 1, in other states --- */

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

/* Opens the store of version 1, which must fail, and leave everything as it was. */
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
    static const char rows[] = "SELECT count(*), sum(deliveries) FROM notification";
    char *schema = books_query(books, EVERYTHING);
    char *version = books_query(books, "PRAGMA user_version");
    char *kept = books_query(books, rows);
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
        books_assert(books, "PRAGMA user_version", version);
        books_assert(books, EVERYTHING, schema);
        books_assert(books, rows, kept);
        failures++;
    }
    assert_true(failures > 5);
    free(schema);
    free(version);
    free(kept);
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
    books_meddle(books, "DROP TABLE span; CREATE TABLE lookup (a)");
    expect_unchanged(books, "table lookup already exists");
    books_meddle(books, "DROP TABLE lookup");
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

#define TEST_1(test) cmocka_unit_test_setup_teardown(test, set_up_1, books_teardown)
#define TEST_2(test) cmocka_unit_test_setup_teardown(test, set_up_2, books_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_1(an_old_store_is_brought_up_with_all_counters_right),
        TEST_1(it_is_as_if_this_version_had_written_it),
        TEST_2(it_is_as_if_this_version_had_written_it),
        TEST_1(a_store_that_was_brought_up_works_on),
        TEST_2(a_store_of_version_2_is_brought_up),
        TEST_1(every_notification_of_an_old_store_is_known_again),
        TEST_2(every_notification_of_an_old_store_is_known_again),
        TEST_1(lists_of_an_old_store_are_as_if_it_were_new),
        TEST_2(lists_of_an_old_store_are_as_if_it_were_new),
        TEST_2(what_is_left_of_a_pruned_operation_is_brought_up),
        cmocka_unit_test(the_upgrades_of_one_device_are_told_apart_at_no_cost),
        TEST_1(an_old_store_with_bodies_that_left_quarantine_is_brought_up),
        TEST_1(a_long_old_store_is_brought_up),
        TEST_1(an_empty_old_store_is_brought_up),
        TEST_1(a_disk_that_fills_meanwhile_leaves_the_old_store),
        TEST_2(a_disk_that_fills_meanwhile_leaves_the_old_store),
        TEST_1(a_step_that_fails_leaves_the_old_store),
        TEST_1(a_reader_leaves_an_old_store_alone),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
