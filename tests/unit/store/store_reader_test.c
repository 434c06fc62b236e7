/* A reader beside the writer: one moment, a limit in time, files that went or changed, and the
 * copying of the log. */
#include "config.h"

#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t count_upgrades(struct store_reader *reader)
{
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    return overview.totals.in_progress + overview.totals.success + overview.totals.fail;
}

static void an_overview_has_the_totals(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    const struct store_totals none = {.seq = 0};
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    assert_memory_equal(&overview.totals, &none, offsetof(struct store_totals, life));
    assert_string_equal(overview.totals.life, "");
    assert_int_equal(overview.cursors_length, 0);
    struct record *records[] = {
        support_result(&(struct support_result){
            .result = "FAIL", .error_code = "4", .device = "a", .current = "1", .received_ms = 1}),
        support_result(&(struct support_result){
            .result = "FAIL", .error_code = "4", .device = "a", .current = "1", .received_ms = 2}),
        support_result(&(struct support_result){.device = "b", .current = "1", .received_ms = 3}),
        support_progress(&(struct support_result){.device = "c", .received_ms = 4}, "idle"),
        support_record("no JSON")};
    books_keep(books, records, LENGTH(records));
    support_records_free(records, LENGTH(records));
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    const struct store_totals totals = {.seq = 3,
                                        .notifications = 3,
                                        .repeats = 1,
                                        .quarantined = 1,
                                        .in_progress = 1,
                                        .success = 1,
                                        .fail = 1,
                                        .contradictory = 1,
                                        .quarantine_held = 1,
                                        .quarantine_bytes = 7,
                                        .quarantine_unknown_held = 1,
                                        .quarantine_unknown_bytes = 7,
                                        .last_ms = 4};
    assert_memory_equal(&overview.totals, &totals, offsetof(struct store_totals, life));
    assert_int_equal(strlen(overview.totals.life), TOKEN_LIFE_SIZE - 1);
    store_reader_free(reader);
}

static void what_is_begun_is_of_one_moment(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    books_add_result(books, &(struct support_result){.device = "a"});
    lists_must(store_read_begin(reader, 0, &fault), &fault);
    assert_int_equal(count_upgrades(reader), 1);
    books_add_result(books, &(struct support_result){.device = "b"}); /* no reader holds it up */
    assert_int_equal(count_upgrades(reader), 1);
    struct lists lists = {.count = 0};
    struct store_page_token next;
    lists_must(lists_read_upgrades(
                   &lists,
                   store_list_upgrades(reader, &(struct store_upgrade_filter){.operation = 1}, NULL,
                                       10, &fault),
                   &next),
               &fault);
    assert_int_equal(lists.count, 1);
    lists_free(&lists);
    store_read_end(reader);
    assert_int_equal(count_upgrades(reader), 2);
    store_read_end(reader); /* once more does no harm */
    assert_int_equal(count_upgrades(reader), 2);
    store_reader_free(reader);
}

/* --- the limit --- */

static void grow(const struct books *books)
{
    books_meddle(books, "INSERT INTO operation (id, app_id, operation_id, first_at, last_at,"
                        " last_seq) VALUES (1, 'app', 'operation', 1, 1, 1);"
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
                        " WHERE i < 30000) INSERT INTO notification SELECT i, i, 1, i, i, 1,"
                        " json_object('deviceId', 'd' || i) FROM c;"
                        "INSERT INTO upgrade (operation, device, sub_operation, device_id,"
                        " sub_operation_id, state, contradictory, seq)"
                        " SELECT 1, seq, 1, 'd' || seq, 's', 0, 0, seq FROM notification;"
                        "INSERT INTO lookup SELECT 1, device, sub_operation, id, seq, seq"
                        " FROM upgrade");
}

static int read_all(struct store_reader *reader, struct fault *fault)
{
    struct lists lists = {.count = 0};
    struct store_page_token next;
    int result = lists_read_upgrades(
        &lists,
        store_list_upgrades(reader, &(struct store_upgrade_filter){.operation = 1}, NULL, SIZE_MAX,
                            fault),
        &next);
    assert_int_equal(lists.count, result == 0 ? 30000 : lists.count);
    lists_free(&lists);
    return result;
}

static void a_read_that_takes_too_long_fails_and_the_reader_works_on(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    grow(books);
    for (int i = 0; i < 3; i++) {
        struct fault fault = FAULT_NONE;
        lists_must(store_read_begin(reader, 1, &fault), &fault);
        assert_int_equal(read_all(reader, &fault), -1);
        assert_string_equal(fault.text, "reading took longer than it may");
        assert_false(fault.lasting);
        store_read_end(reader);
        fault = FAULT_NONE;
        lists_must(read_all(reader, &fault), &fault); /* nothing is begun: no limit */
        lists_must(store_read_begin(reader, 0, &fault), &fault);
        lists_must(read_all(reader, &fault), &fault);
        store_read_end(reader);
        lists_must(store_read_begin(reader, 60000, &fault), &fault);
        lists_must(read_all(reader, &fault), &fault);
        store_read_end(reader);
    }
    assert_int_equal(store_reader_opened(reader), 1);
    store_reader_free(reader);
}

/* Enough for one of them on any machine. */
#define SHORT_MS 1000

/* Each of them is over before SQLite looks at the clock. */
static void many_short_reads_take_too_long_together(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    struct store_overview overview;
    lists_must(store_read_begin(reader, SHORT_MS, &fault), &fault);
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    support_sleep_ms(SHORT_MS + 5);
    assert_int_equal(store_read_overview(reader, &overview, &fault), -1);
    assert_string_equal(fault.text, "reading took longer than it may");
    store_read_end(reader);
    fault = FAULT_NONE;
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    store_reader_free(reader);
}

/* --- files --- */

static void expect_unreadable(struct store_reader *reader, const char *part, bool lasting)
{
    struct lists lists = {.count = 0};
    struct fault faults[4] = {FAULT_NONE};
    struct store_overview overview;
    struct store_page_token next;
    assert_int_equal(store_read_begin(reader, 0, &faults[0]), -1);
    assert_int_equal(store_read_overview(reader, &overview, &faults[1]), -1);
    assert_int_equal(
        lists_read_operations(&lists, store_list_operations(reader, NULL, 1, &faults[2]), &next),
        -1);
    assert_int_equal(
        lists_read_upgrades(&lists, store_list_device(reader, "d", NULL, 1, &faults[3]), &next),
        -1);
    for (size_t i = 0; i < LENGTH(faults); i++) {
        support_assert_fault(&faults[i], part);
        support_assert_fault(&faults[i], "upgrades.db");
        assert_int_equal(faults[i].lasting, lasting);
    }
}

static void a_store_that_is_missing_is_found_when_it_is_there(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    books_add_result(books, &(struct support_result){.device = "a"});
    assert_int_equal(count_upgrades(reader), 1);
    assert_int_equal(rename(support_path(books->folder, "upgrades.db"),
                            support_path(books->folder, "elsewhere")),
                     0);
    expect_unreadable(reader, "No such file", false);
    assert_int_equal(rename(support_path(books->folder, "elsewhere"),
                            support_path(books->folder, "upgrades.db")),
                     0);
    assert_int_equal(count_upgrades(reader), 1);
    store_reader_free(reader);
}

static void a_reader_of_an_empty_folder_makes_no_file(void **state)
{
    struct books books = {.folder = support_folder()};
    struct store_reader *reader = lists_reader(&books);
    expect_unreadable(reader, "No such file", false);
    assert_int_equal(support_count_files(books.folder, ""), 0);
    store_reader_free(reader);
    support_folder_free(books.folder);
}

static void a_store_that_was_replaced_is_read_anew_but_not_in_the_middle(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t version, later;
    books_add_result(books, &(struct support_result){.device = "a"});
    lists_must(store_read_begin(reader, 0, &fault), &fault);
    assert_int_equal(count_upgrades(reader), 1);
    lists_must(store_read_version(reader, &version, &fault), &fault);
    store_free(books->store);
    books->store = NULL;
    static const char *const files[] = {"upgrades.db", "upgrades.db-wal", "upgrades.db-shm"};
    for (size_t i = 0; i < LENGTH(files); i++)
        unlink(support_path(books->folder, files[i]));
    books->store = books_open_another(books);
    assert_int_equal(count_upgrades(reader), 1); /* it is the same moment still */
    store_read_end(reader);
    assert_int_equal(count_upgrades(reader), 0);
    lists_must(store_read_version(reader, &later, &fault), &fault);
    assert_int_not_equal(later, version);
    assert_int_equal(store_reader_opened(reader), 2);
    store_reader_free(reader);
}

static void a_store_of_another_version_is_not_read(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    char back[64];
    snprintf(back, sizeof back, "PRAGMA user_version = %d", STORE_VERSION);
    books_meddle(books, "PRAGMA user_version = 1");
    expect_unreadable(reader, "made by an older upgrade-receiver", true);
    assert_int_equal(store_reader_opened(reader), 0);
    books_meddle(books, "PRAGMA user_version = 99");
    expect_unreadable(reader, "made by a newer upgrade-receiver", true);
    books_meddle(books, back);
    assert_int_equal(count_upgrades(reader), 0);
    books_meddle(books, "PRAGMA application_id = 7");
    store_reader_close(reader);
    expect_unreadable(reader, "not one of upgrade-receiver", true);
    store_reader_free(reader);
}

static void a_file_that_is_no_database_is_not_read(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    store_free(books->store);
    books->store = NULL;
    unlink(support_path(books->folder, "upgrades.db-wal"));
    support_write_file(support_path(books->folder, "upgrades.db"),
                       "this is a text, which is longer than a page's header is, and no database"
                       "................................................");
    expect_unreadable(reader, "file is not a database", false);
    store_reader_free(reader);
}

static void the_size_is_that_of_the_files(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t before, after, emptied;
    lists_must(store_read_size(reader, &before, &fault), &fault);
    books_meddle(books, "INSERT INTO quarantined VALUES (1, 1, '', '', 0, 0, zeroblob(1000000))");
    lists_must(store_read_size(reader, &after, &fault), &fault);
    assert_true(after > before + 1000000);
    lists_must(store_checkpoint(reader, true, NULL, &fault), &fault);
    lists_must(store_read_size(reader, &emptied, &fault), &fault);
    assert_int_equal(emptied,
                     books_number(books, "SELECT page_count * page_size FROM pragma_page_count,"
                                         " pragma_page_size"));
    unlink(support_path(books->folder, "upgrades.db"));
    assert_int_equal(store_read_size(reader, &after, &fault), -1);
    support_assert_fault(&fault, "upgrades.db");
    store_reader_free(reader);
}

/* --- the log --- */

/* Keeps a result of the operation NUMBER. */
static void add_numbered(struct books *books, int number)
{
    char operation[24];
    snprintf(operation, sizeof operation, "o%d", number);
    books_add_result(books, &(struct support_result){.operation = operation});
}

static int64_t wal_size(const struct books *books)
{
    struct stat status;
    assert_int_equal(stat(support_path(books->folder, "upgrades.db-wal"), &status), 0);
    return status.st_size;
}

static void a_checkpoint_copies_and_a_final_one_empties_the_log(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    add_numbered(books, 1);
    assert_true(wal_size(books) > 0);
    assert_int_equal(store_checkpoint(reader, false, NULL, &fault), 0);
    assert_true(wal_size(books) > 0);
    add_numbered(books, 2); /* the writer goes on */
    assert_int_equal(store_checkpoint(reader, true, NULL, &fault), 0);
    assert_int_equal(wal_size(books), 0);
    add_numbered(books, 3);
    books_assert(books, "SELECT count(*) FROM notifications", "3");
    books_assert(books, "PRAGMA integrity_check", "ok");
    store_reader_free(reader);
}

/* With checkpoints beside the writer, the log starts again from its beginning. */
static void the_log_does_not_grow_with_history(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t highest = 0;
    for (int i = 0; i < 60; i++) {
        add_numbered(books, i);
        assert_int_equal(store_checkpoint(reader, false, NULL, &fault), 0);
        if (i == 10)
            highest = wal_size(books);
    }
    assert_true(wal_size(books) <= highest);
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_reader_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_overview_has_the_totals),
        TEST(what_is_begun_is_of_one_moment),
        TEST(a_read_that_takes_too_long_fails_and_the_reader_works_on),
        TEST(many_short_reads_take_too_long_together),
        TEST(a_store_that_is_missing_is_found_when_it_is_there),
        cmocka_unit_test(a_reader_of_an_empty_folder_makes_no_file),
        TEST(a_store_that_was_replaced_is_read_anew_but_not_in_the_middle),
        TEST(a_store_of_another_version_is_not_read),
        TEST(a_file_that_is_no_database_is_not_read),
        TEST(the_size_is_that_of_the_files),
        TEST(a_checkpoint_copies_and_a_final_one_empties_the_log),
        TEST(the_log_does_not_grow_with_history),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
