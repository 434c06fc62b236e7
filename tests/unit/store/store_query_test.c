/* Pages of operations and what is counted of each, against a plain recount of the books. */
#include "config.h"

#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNTED                                                                                  \
    "SELECT o.id, o.app_id, o.operation_id,"                                                     \
    " (SELECT count(*) FROM upgrades u WHERE u.appId = o.app_id AND u.operationId ="             \
    "  o.operation_id AND u.state = 'IN_PROGRESS'),"                                             \
    " (SELECT count(*) FROM upgrades u WHERE u.appId = o.app_id AND u.operationId ="             \
    "  o.operation_id AND u.state = 'SUCCESS'),"                                                 \
    " (SELECT count(*) FROM upgrades u WHERE u.appId = o.app_id AND u.operationId ="             \
    "  o.operation_id AND u.state = 'FAIL'),"                                                    \
    " (SELECT sum(contradictory) FROM upgrades u WHERE u.appId = o.app_id AND u.operationId ="   \
    "  o.operation_id),"                                                                         \
    " (SELECT received_at FROM notification n WHERE n.operation = o.id ORDER BY seq LIMIT 1),"   \
    " (SELECT received_at FROM notification n WHERE n.operation = o.id ORDER BY seq DESC LIMIT " \
    "1),"                                                                                        \
    " 0 FROM operation o"
#define LATEST_FIRST " ORDER BY (SELECT max(seq) FROM notification n WHERE n.operation = o.id) DESC"

/* All pages of MOST rows; gives how many there were. */
static size_t list_operations(struct store_reader *reader, size_t most, struct lists *lists)
{
    struct store_page_token token = {""};
    size_t pages = 0, rows = 0;
    do {
        struct fault fault = FAULT_NONE;
        lists_must(lists_read_operations(lists, store_list_operations(reader, &token, most, &fault),
                                         &token),
                   &fault);
        assert_true(lists->count - rows <= most);
        rows = lists->count;
        assert_int_equal(strspn(token.text, "0123456789.-"), strlen(token.text));
        assert_true(++pages <= 100);
    } while (token.text[0] != '\0');
    return pages;
}

static void operations_come_in_pages_the_latest_changed_first(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct lists lists = {.count = 0};
    assert_int_equal(list_operations(reader, 10, &lists), 1);
    lists_assert(&lists, "");
    uint64_t seed = 1;
    lists_fill(books, 300, &seed);
    for (size_t most = 1; most <= 11; most++) {
        size_t pages = list_operations(reader, most, &lists);
        assert_int_equal(lists.count, 10); /* five names in two applications */
        assert_int_equal(pages, (10 + most - 1) / most);
        lists_assert_query(&lists, books, COUNTED LATEST_FIRST);
    }
    store_reader_free(reader);
}

static void add_operation(struct books *books, const char *name)
{
    static int device;
    char id[16];
    snprintf(id, sizeof id, "device%d", device++);
    books_add_result(books, &(struct support_result){.operation = name, .device = id});
}

/* Their names alone. */
static int read_names(struct lists *lists, struct store_rows rows, struct store_page_token *next)
{
    struct store_operation_row row;
    while (store_next_operation(&rows, &row))
        buffer_addf(&lists->rows, "%s\n", row.operation_id);
    return store_rows_end(&rows, next);
}

/* What changes meanwhile comes to the front, where the walk has been: it is not seen twice, and
 * nothing else is passed over. */
static void a_walk_over_operations_that_change_meets_none_twice(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct lists lists = {.count = 0};
    struct store_page_token token = {""};
    struct fault fault = FAULT_NONE;
    for (size_t i = 0; i < 6; i++)
        add_operation(books, (const char *[]){"a", "b", "c", "d", "e", "f"}[i]);
    lists_must(read_names(&lists, store_list_operations(reader, NULL, 2, &fault), &token), &fault);
    add_operation(books, "f"); /* seen already */
    add_operation(books, "b"); /* not yet */
    add_operation(books, "new");
    while (token.text[0] != '\0')
        lists_must(read_names(&lists, store_list_operations(reader, &token, 2, &fault), &token),
                   &fault);
    lists_assert(&lists, "f\ne\nd\nc\na\n");
    store_reader_free(reader);
}

/* Names that begin with PREFIX, or are it. */
static void find(struct store_reader *reader, const char *app, const char *name, bool prefix,
                 const char *expected)
{
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    lists_must(
        read_names(&lists, store_find_operations(reader, app, name, prefix, 100, &fault), NULL),
        &fault);
    lists_assert(&lists, expected);
}

#define LAST_CHARACTER "\xF4\x8F\xBF\xBF"

static void operations_are_found_by_name_and_by_its_beginning(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const char *const names[] = {
        "op",
        "op1",
        "op1" LAST_CHARACTER,
        "op1" LAST_CHARACTER LAST_CHARACTER "x",
        "op2",
        "OP1",
        "o_1",
        "%",
        "%1",
        "it's",
        "\"",
        "\\",
        "\xC3\xA9t\xC3\xA9",
        LAST_CHARACTER,
        " ",
        "*",
        "[a-z]",
    };
    for (size_t i = 0; i < LENGTH(names); i++)
        add_operation(books, names[i]);
    for (size_t i = 0; i < LENGTH(names); i++) {
        char line[64];
        snprintf(line, sizeof line, "%s\n", names[i]);
        find(reader, NULL, names[i], false, line);
        find(reader, "app", names[i], false, line);
        find(reader, "another", names[i], false, "");
        find(reader, "another", names[i], true, "");
    }
    find(reader, NULL, "op1", true,
         "op1" LAST_CHARACTER LAST_CHARACTER "x\nop1" LAST_CHARACTER "\nop1\n");
    find(reader, "app", "op2", true, "op2\n");
    find(reader, NULL, LAST_CHARACTER, true, LAST_CHARACTER "\n");
    find(reader, NULL, "%", true, "%1\n%\n");
    find(reader, NULL, "_p", true, "");
    find(reader, NULL, "o_", true, "o_1\n");
    find(reader, NULL, "'", true, "");
    find(reader, NULL, "it'", true, "it's\n");
    find(reader, NULL, "\xC3", true, "\xC3\xA9t\xC3\xA9\n"); /* half a character */
    find(reader, NULL, "nothing", true, "");
    find(reader, NULL, "o", false, "");
    store_reader_free(reader);
}

static void the_latest_changed_of_one_name_comes_first(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    static const char *const apps[] = {"x", "y", "z", "y", "x"};
    for (size_t i = 0; i < LENGTH(apps); i++) {
        char device[8];
        snprintf(device, sizeof device, "%zu", i);
        books_add_result(books, &(struct support_result){.app = apps[i],
                                                         .device = device,
                                                         .received_ms = (int64_t)i + 1});
    }
    lists_must(
        lists_read_operations(
            &lists, store_find_operations(reader, NULL, "operation", false, 2, &fault), NULL),
        &fault);
    lists_assert(&lists, "1|x|operation|0|2|0|0|1|5|0\n2|y|operation|0|2|0|0|2|4|0\n");
    store_reader_free(reader);
}

static void a_page_that_ends_early_ends_behind_its_last_row(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct store_page_token token = {"before"};
    struct fault fault = FAULT_NONE;
    for (size_t i = 0; i < 4; i++)
        add_operation(books, (const char *[]){"a", "b", "c", "d"}[i]);
    struct lists lists = {.page_rows = 3};
    lists_must(
        lists_read_operations(&lists, store_list_operations(reader, NULL, 100, &fault), &token),
        &fault);
    assert_int_equal(lists.count, 3);
    assert_string_equal(token.text, "2.2");
    lists_free(&lists);
    lists.page_rows = 4; /* there is no next page behind the last row */
    lists_must(
        lists_read_operations(&lists, store_list_operations(reader, NULL, 100, &fault), &token),
        &fault);
    assert_string_equal(token.text, "");
    lists_free(&lists);
    lists_must(lists_read_operations(
                   &lists,
                   store_list_operations(reader, &(struct store_page_token){"2.2"}, 100, &fault),
                   NULL),
               &fault);
    assert_int_equal(strtoll(lists_text(&lists), NULL, 10), 1);
    lists_free(&lists);
    struct store_rows rows = store_list_operations(reader, NULL, 1, &fault);
    lists_must(store_rows_end(&rows, &token), &fault); /* no row was taken */
    assert_true(rows.more);
    lists_must(
        lists_read_operations(&lists, store_list_operations(reader, &token, 100, &fault), NULL),
        &fault);
    assert_int_equal(lists.count, 4);
    lists_free(&lists);
    store_reader_free(reader);
}

/* --- what is counted of one operation --- */

#define OPERATIONS 10

static void failures_are_those_of_a_recount(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 2;
    lists_fill(books, 400, &seed);
    for (int64_t id = 1; id <= OPERATIONS; id++) {
        char sql[1024];
        snprintf(sql, sizeof sql,
                 "WITH told AS (SELECT received_at, seq, coalesce(json_extract(body,"
                 "  '$.errorCode'), '') AS code FROM notification WHERE operation = %lld AND"
                 "  coalesce(json_extract(body, '$.swUpgradeResult'), json_extract(body,"
                 "  '$.status'), json_extract(body, '$.Status')) = 'FAIL')"
                 "SELECT coalesce(errorCode, ''), count(*),"
                 " (SELECT received_at FROM told WHERE code = coalesce(errorCode, '')"
                 "  ORDER BY seq LIMIT 1),"
                 " (SELECT received_at FROM told WHERE code = coalesce(errorCode, '')"
                 "  ORDER BY seq DESC LIMIT 1),"
                 " (SELECT example FROM failure WHERE operation = %lld AND error_code ="
                 "  coalesce(errorCode, '')) FROM upgrades WHERE state = 'FAIL'"
                 " AND appId || operationId = (SELECT app_id || operation_id FROM operation"
                 " WHERE id = %lld) GROUP BY 1 ORDER BY 2 DESC, 1 DESC",
                 (long long)id, (long long)id, (long long)id);
        struct lists lists = {.count = 0};
        struct fault fault = FAULT_NONE;
        lists_must(lists_read_failures(&lists, store_list_failures(reader, id, 100, &fault), NULL),
                   &fault);
        assert_false(lists.more);
        assert_true(lists.count > 0);
        size_t count = lists.count;
        lists_assert_query(&lists, books, sql);
        lists_must(
            lists_read_failures(&lists, store_list_failures(reader, id, count - 1, &fault), NULL),
            &fault);
        assert_true(lists.more);
        assert_int_equal(lists.count, count - 1);
        lists_free(&lists);
    }
    store_reader_free(reader);
}

static void assert_failures(struct books *books, int64_t operation, const char *expected)
{
    struct store_reader *reader = lists_reader(books);
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    lists_must(
        lists_read_failures(&lists, store_list_failures(reader, operation, 50, &fault), NULL),
        &fault);
    lists_assert(&lists, expected);
    store_reader_free(reader);
}

/* The first description that came with a code stays; it is cut between characters. */
static void a_failure_has_an_example(void **state)
{
    struct books *books = *state;
    char description[300], expected[400];
    struct support_result what = {
        .result = "FAIL", .error_code = "4", .current = "1", .device = "a", .received_ms = 5};
    books_add_result(books, &what);
    assert_failures(books, 1, "4|1|5|5|\n");
    what.device = "b";
    what.description = "no room";
    books_add_result(books, &what);
    what.description = "no room again";
    books_add_result(books, &what);
    assert_failures(books, 1, "4|2|5|5|no room\n");
    memset(description, 'x', sizeof description);
    memcpy(description + 254, "\xE2\x82\xAC", 4); /* would end behind 256 */
    what.error_code = "5";
    what.description = description;
    books_add_result(books, &what);
    snprintf(expected, sizeof expected, "5|1|5|5|%.254s\n4|1|5|5|no room\n", description);
    assert_failures(books, 1, expected);
    what.result = "SUCCESS"; /* nothing is left of the one, and its row is not shown */
    what.current = NULL;
    books_add_result(books, &what);
    assert_failures(books, 1, "4|1|5|5|no room\n");
}

static void moves_are_those_of_a_recount(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 3;
    lists_fill(books, 400, &seed);
    for (int64_t id = 1; id <= OPERATIONS; id++) {
        char sql[512];
        snprintf(sql, sizeof sql,
                 "SELECT sourceVersion, targetVersion, sum(state = 'SUCCESS'),"
                 " sum(state = 'FAIL') FROM upgrades WHERE state <> 'IN_PROGRESS'"
                 " AND appId || operationId = (SELECT app_id || operation_id FROM operation"
                 " WHERE id = %lld) GROUP BY 1, 2 ORDER BY count(*) DESC, 1 DESC, 2 DESC",
                 (long long)id);
        struct lists lists = {.count = 0};
        struct fault fault = FAULT_NONE;
        lists_must(
            lists_read_transitions(&lists, store_list_transitions(reader, id, 100, &fault), NULL),
            &fault);
        assert_false(lists.more);
        assert_true(lists.count > 2);
        lists_assert_query(&lists, books, sql);
        lists_must(
            lists_read_transitions(&lists, store_list_transitions(reader, id, 1, &fault), NULL),
            &fault);
        assert_true(lists.more);
        lists_free(&lists);
    }
    store_reader_free(reader);
}

static void kinds_are_those_of_a_recount(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 4;
    lists_fill(books, 300, &seed);
    struct record *records[] = {
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}"),
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"e\"}"),
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"e\"}"),
        support_record(
            "{\"deviceId\":\"d\",\"commandId\":\"c\",\"result\":{\"resultCode\":\"x\"}}"),
        support_record("nothing"),
    };
    books_keep(books, records, LENGTH(records));
    assert_int_equal(records[3]->outcome, RECORD_STORED);
    support_records_free(records, LENGTH(records));
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    lists_must(lists_read_type_counts(&lists, store_list_type_counts(reader, &fault), NULL),
               &fault);
    assert_int_equal(lists.count, 8);
    lists_assert_query(
        &lists, books,
        "SELECT coalesce(notifyType, ''), coalesce(json_extract(body,"
        " '$.swUpgradeResult'), json_extract(body, '$.status'), json_extract(body,"
        " '$.Status'), ''), count(*) FROM notifications GROUP BY 1, 2 ORDER BY 1, 2");
    store_reader_free(reader);
}

static void quarantine_comes_in_pages(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct record *records[7];
    for (size_t i = 0; i < LENGTH(records); i++) {
        records[i] = support_bytes("\0\xFFxyz", 2 + i % 3); /* no text */
        records[i]->meaning = RECORD_QUARANTINE;
        records[i]->received_ms = (int64_t)i;
        snprintf(records[i]->verdict.reason, sizeof records[i]->verdict.reason, "reason %zu", i);
    }
    books_keep(books, records, LENGTH(records));
    support_records_free(records, LENGTH(records));
    books_meddle(books, "DELETE FROM quarantined WHERE id = 3");
    for (size_t most = 1; most <= 8; most++) {
        struct lists lists = {.count = 0};
        struct store_page_token token = {""};
        do {
            struct fault fault = FAULT_NONE;
            lists_must(
                lists_read_quarantined(
                    &lists, store_list_quarantined(reader, NULL, &token, most, &fault), &token),
                &fault);
        } while (token.text[0] != '\0');
        lists_assert(&lists, "1|0|reason 0||2\n2|1|reason 1||3\n4|3|reason 3||2\n"
                             "5|4|reason 4||3\n6|5|reason 5||4\n7|6|reason 6||2\n");
    }
    store_reader_free(reader);
}

/* --- places --- */

static void a_text_that_is_no_place_is_a_fault(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const char *const wrong[] = {".",   "1.", "1.2", "x",   "1x", " 1",  "+1",
                                        "--1", "-",  "1 ",  "0x1", "1,", "1e5", "\xC3\xA9"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct store_page_token after, next = {"kept"};
        struct lists lists = {.count = 0};
        snprintf(after.text, sizeof after.text, "%s", wrong[i]);
        struct fault faults[5] = {FAULT_NONE};
        assert_int_equal(
            lists_read_quarantined(
                &lists, store_list_quarantined(reader, NULL, &after, 1, &faults[1]), &next),
            -1);
        const struct store_upgrade_filter failed = {.operation = 1, .error_code = ""};
        assert_int_equal(
            lists_read_upgrades(&lists, store_list_upgrades(reader, &failed, &after, 1, &faults[2]),
                                &next),
            -1);
        snprintf(after.text, sizeof after.text, "1.%s",
                 strcmp(wrong[i], "1.2") == 0 ? "" : wrong[i]);
        assert_int_equal(lists_read_operations(
                             &lists, store_list_operations(reader, &after, 1, &faults[0]), &next),
                         -1);
        assert_int_equal(lists_read_upgrades(
                             &lists, store_list_device(reader, "d", &after, 1, &faults[3]), &next),
                         -1);
        const struct store_upgrade_filter all_failed = {.of_state = true, .state = RECORD_FAIL};
        assert_int_equal(
            lists_read_upgrades(
                &lists, store_list_upgrades(reader, &all_failed, &after, 1, &faults[4]), &next),
            -1);
        for (size_t f = 0; f < LENGTH(faults); f++) {
            support_assert_fault(&faults[f], "after: not a token");
            assert_true(faults[f].misused);
        }
        assert_string_equal(next.text, "kept");
        assert_int_equal(lists.count, 0);
    }
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_query_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operations_come_in_pages_the_latest_changed_first),
        TEST(a_walk_over_operations_that_change_meets_none_twice),
        TEST(operations_are_found_by_name_and_by_its_beginning),
        TEST(the_latest_changed_of_one_name_comes_first),
        TEST(a_page_that_ends_early_ends_behind_its_last_row),
        TEST(failures_are_those_of_a_recount),
        TEST(a_failure_has_an_example),
        TEST(moves_are_those_of_a_recount),
        TEST(kinds_are_those_of_a_recount),
        TEST(quarantine_comes_in_pages),
        TEST(a_text_that_is_no_place_is_a_fault),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
