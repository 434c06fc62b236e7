/* Reading the books beside the writer, within bounds; copying the write-ahead log. */
#include "config.h"

#include "books.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_reader *open_reader(const struct books *books)
{
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    return reader;
}

/* Reads a snapshot; free with free_snapshot. */
static struct store_snapshot *read_snapshot(struct store_reader *reader)
{
    struct fault fault = FAULT_NONE;
    struct store_snapshot *snapshot = calloc(1, sizeof *snapshot);
    assert_non_null(snapshot);
    if (store_read_snapshot(reader, snapshot, &fault) != 0)
        fail_msg("%s", fault.text);
    return snapshot;
}

static void free_snapshot(struct store_snapshot *snapshot)
{
    store_snapshot_release(snapshot);
    free(snapshot);
}

static void an_empty_store_gives_an_empty_snapshot(void **state)
{
    struct store_reader *reader = open_reader(*state);
    struct store_snapshot *snapshot = read_snapshot(reader);
    static const struct store_totals none;
    assert_memory_equal(&snapshot->totals, &none, offsetof(struct store_totals, life));
    assert_string_equal(snapshot->totals.life, "");
    assert_int_equal(snapshot->operations_length, 0);
    assert_int_equal(snapshot->records_length, 0);
    free_snapshot(snapshot);
    store_reader_free(reader);
}

static void a_snapshot_shows_all_of_one_moment(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    struct record *records[] = {
        support_result(&(struct support_result){
            .result = "FAIL", .error_code = "4", .device = "a", .current = "1", .received_ms = 1}),
        support_result(&(struct support_result){
            .result = "FAIL", .error_code = "4", .device = "a", .current = "1", .received_ms = 2}),
        support_result(&(struct support_result){.device = "b", .current = "1", .received_ms = 3}),
        support_progress(&(struct support_result){.device = "c", .received_ms = 4}, "idle"),
        support_record("no JSON")};
    books_keep(books, records, LENGTH(records));
    struct store_snapshot *snapshot = read_snapshot(reader);
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
    assert_memory_equal(&snapshot->totals, &totals, offsetof(struct store_totals, life));
    assert_int_equal(strlen(snapshot->totals.life), TOKEN_LIFE_SIZE - 1);
    assert_int_equal(snapshot->operations_length, 1);
    const struct store_operation *operation = &snapshot->operations[0];
    assert_string_equal(operation->app_id, "app");
    assert_string_equal(operation->operation_id, "operation");
    assert_int_equal(operation->in_progress, 1);
    assert_int_equal(operation->success, 1);
    assert_int_equal(operation->fail, 1);
    assert_int_equal(operation->contradictory, 1);
    assert_int_equal(operation->first_ms, 1);
    assert_int_equal(operation->last_ms, 4);
    assert_int_equal(operation->failures_length, 1);
    assert_string_equal(operation->failures[0].error_code, "4");
    assert_int_equal(operation->failures[0].count, 1);
    assert_int_equal(operation->failures[0].first_ms, 1);
    assert_int_equal(operation->failures[0].last_ms, 1);
    assert_int_equal(snapshot->records_length, 3);
    assert_int_equal(snapshot->records[0].seq, 3);
    assert_int_equal(snapshot->records[2].seq, 1);
    assert_int_equal(snapshot->records[2].deliveries, 2);
    assert_int_equal(snapshot->records[2].received_ms, 1);
    assert_string_equal(snapshot->records[2].body, records[0]->body);
    assert_int_equal(snapshot->records[2].body_length, records[0]->body_length);
    support_records_free(records, LENGTH(records));
    free_snapshot(snapshot);
    store_reader_free(reader);
}

/* Keeps the COUNT-th of many: operations o1, o2, ... of one device each. */
static void add_numbered(struct books *books, const char *format, int number)
{
    char operation[24];
    snprintf(operation, sizeof operation, "%s%d", format, number);
    books_add_result(books, &(struct support_result){.operation = operation});
}

static void the_latest_operations_and_records_come_first_and_are_ten(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    for (int i = 1; i <= 25; i++)
        add_numbered(books, "o", i);
    books_add_result(books, &(struct support_result){.operation = "o3", .device = "again"});
    struct store_snapshot *snapshot = read_snapshot(reader);
    assert_int_equal(snapshot->operations_length, STORE_SNAPSHOT_OPERATIONS);
    assert_string_equal(snapshot->operations[0].operation_id, "o3");
    assert_string_equal(snapshot->operations[1].operation_id, "o25");
    assert_string_equal(snapshot->operations[9].operation_id, "o17");
    assert_int_equal(snapshot->records_length, STORE_SNAPSHOT_RECORDS);
    for (int i = 0; i < STORE_SNAPSHOT_RECORDS; i++)
        assert_int_equal(snapshot->records[i].seq, 26 - i);
    free_snapshot(snapshot);
    store_reader_free(reader);
}

static void the_most_frequent_failures_come_first_and_are_ten(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    struct record *records[15 * 16 / 2];
    size_t count = 0;
    for (int code = 1; code <= 15; code++)
        for (int device = 0; device < code; device++) {
            char code_text[16], device_text[32];
            snprintf(code_text, sizeof code_text, "%d", code);
            snprintf(device_text, sizeof device_text, "%d-%d", code, device);
            records[count++] = support_result(&(struct support_result){
                .result = "FAIL", .error_code = code_text, .device = device_text, .current = "1"});
        }
    assert_int_equal(count, LENGTH(records));
    books_keep(books, records, count);
    struct store_snapshot *snapshot = read_snapshot(reader);
    const struct store_operation *operation = &snapshot->operations[0];
    assert_int_equal(operation->failures_length, STORE_SNAPSHOT_FAILURES);
    for (int i = 0; i < STORE_SNAPSHOT_FAILURES; i++)
        assert_int_equal(operation->failures[i].count, 15 - i);
    assert_string_equal(operation->failures[0].error_code, "15");
    support_records_free(records, count);
    free_snapshot(snapshot);
    store_reader_free(reader);
}

static void failures_that_were_taken_back_are_not_shown(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    books_add_result(books, &(struct support_result){.result = "FAIL", .current = "1"});
    books_add_result(books, &(struct support_result){.result = "SUCCESS"});
    struct store_snapshot *snapshot = read_snapshot(reader);
    assert_int_equal(snapshot->operations[0].failures_length, 0);
    free_snapshot(snapshot);
    store_reader_free(reader);
}

/* Gives LENGTH bytes of two-byte characters behind one letter. */
static char *long_text(size_t length)
{
    char *text = calloc(1, length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = i == 0 ? 'x' : i % 2 == 1 ? '\303' : '\251';
    return text;
}

static void long_ids_are_cut_between_characters(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    char *fits = long_text(255), *cut = long_text(1001);
    books_add_result(books, &(struct support_result){.operation = fits});
    books_add_result(books,
                     &(struct support_result){
                         .app = cut + 1, .result = "FAIL", .current = "1", .error_code = cut});
    struct store_snapshot *snapshot = read_snapshot(reader);
    assert_string_equal(snapshot->operations[1].operation_id, fits);
    assert_int_equal(strlen(snapshot->operations[0].app_id), 254);
    assert_true(text_is_utf8(snapshot->operations[0].app_id, 254));
    /* an error code is counted under a key of its own then: the beginning, a mark and a hash */
    const char *key = snapshot->operations[0].failures[0].error_code;
    assert_memory_equal(key, cut, 199);
    assert_memory_equal(key + 199, "…", 3);
    assert_int_equal(strlen(key), 199 + 3 + 32);
    assert_true(text_is_utf8(key, strlen(key)));
    free_snapshot(snapshot);
    store_reader_free(reader);
    free(fits);
    free(cut);
}

static void a_long_body_is_left_out_and_its_length_told(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    struct record *record = support_result(&(struct support_result){.description = ""});
    size_t rest = STORE_SNAPSHOT_BODY_MAX - record->body_length;
    support_record_free(record);
    for (size_t more = 0; more < 2; more++) {
        char *description = calloc(1, rest + more + 1);
        assert_non_null(description);
        memset(description, 'x', rest + more);
        books_add_result(books, &(struct support_result){.description = description});
        free(description);
    }
    struct store_snapshot *snapshot = read_snapshot(reader);
    assert_null(snapshot->records[0].body);
    assert_int_equal(snapshot->records[0].body_length, STORE_SNAPSHOT_BODY_MAX + 1);
    assert_non_null(snapshot->records[1].body);
    assert_int_equal(snapshot->records[1].body_length, STORE_SNAPSHOT_BODY_MAX);
    free_snapshot(snapshot);
    store_reader_free(reader);
}

static void remove_store(const struct books *books)
{
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db")), 0);
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db-wal")), 0);
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db-shm")), 0);
}

static void expect_operation(struct store_reader *reader, const char *operation_id)
{
    struct store_snapshot *snapshot = read_snapshot(reader);
    assert_int_equal(snapshot->operations_length, 1);
    assert_string_equal(snapshot->operations[0].operation_id, operation_id);
    free_snapshot(snapshot);
}

static void a_reader_follows_a_store_that_was_replaced(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    struct store_snapshot snapshot;
    struct fault fault = FAULT_NONE;
    books_add_result(books, &(struct support_result){.operation = "old"});
    expect_operation(reader, "old");
    remove_store(books);
    books_reopen(books);
    books_add_result(books, &(struct support_result){.operation = "new"});
    expect_operation(reader, "new");
    remove_store(books);
    assert_int_equal(store_read_snapshot(reader, &snapshot, &fault), -1);
    support_assert_fault(&fault, "upgrades.db");
    books_reopen(books);
    books_add_result(books, &(struct support_result){.operation = "newest"});
    expect_operation(reader, "newest");
    store_reader_free(reader);
}

static void a_reader_of_an_empty_folder_makes_no_file(void **state)
{
    char *folder = support_folder();
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    struct store_snapshot snapshot;
    assert_int_equal(store_reader_new(&reader, folder, &fault), 0);
    assert_int_equal(store_read_snapshot(reader, &snapshot, &fault), -1);
    support_assert_fault(&fault, "upgrades.db");
    assert_int_equal(support_count_files(folder, ""), 0);
    store_reader_free(reader);
    support_folder_free(folder);
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
    struct store_reader *reader = open_reader(books);
    struct fault fault = FAULT_NONE;
    add_numbered(books, "o", 1);
    assert_true(wal_size(books) > 0);
    assert_int_equal(store_checkpoint(reader, false, NULL, &fault), 0);
    assert_true(wal_size(books) > 0);
    add_numbered(books, "o", 2); /* the writer goes on */
    assert_int_equal(store_checkpoint(reader, true, NULL, &fault), 0);
    assert_int_equal(wal_size(books), 0);
    add_numbered(books, "o", 3);
    books_assert(books, "SELECT count(*) FROM notifications", "3");
    books_assert(books, "PRAGMA integrity_check", "ok");
    store_reader_free(reader);
}

/* With checkpoints beside the writer, the log starts again from its beginning. */
static void the_log_does_not_grow_with_history(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = open_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t highest = 0;
    for (int i = 0; i < 60; i++) {
        add_numbered(books, "o", i);
        assert_int_equal(store_checkpoint(reader, false, NULL, &fault), 0);
        if (i == 10)
            highest = wal_size(books);
    }
    assert_true(wal_size(books) <= highest);
    store_reader_free(reader);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_read_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(an_empty_store_gives_an_empty_snapshot),
        OPEN(a_snapshot_shows_all_of_one_moment),
        OPEN(the_latest_operations_and_records_come_first_and_are_ten),
        OPEN(the_most_frequent_failures_come_first_and_are_ten),
        OPEN(failures_that_were_taken_back_are_not_shown),
        OPEN(long_ids_are_cut_between_characters),
        OPEN(a_long_body_is_left_out_and_its_length_told),
        OPEN(a_reader_follows_a_store_that_was_replaced),
        cmocka_unit_test(a_reader_of_an_empty_folder_makes_no_file),
        OPEN(a_checkpoint_copies_and_a_final_one_empties_the_log),
        OPEN(the_log_does_not_grow_with_history),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
