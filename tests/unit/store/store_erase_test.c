/* Erasing a device: nothing of it is left in the files, and nothing else is touched. */
#include "config.h"

#include "lists.h"
#include "store/maintenance.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store_erased erase(struct books *books, const char *device)
{
    struct store_erased erased;
    struct fault fault = FAULT_NONE;
    lists_must(store_erase(books->store, device, &erased, &fault), &fault);
    lists_assert_sound(books->folder);
    return erased;
}

static void assert_erased(const struct store_erased *erased, int64_t notifications,
                          int64_t upgrades, int64_t operations, int64_t quarantined)
{
    assert_int_equal(erased->rows.notifications, notifications);
    assert_int_equal(erased->rows.upgrades, upgrades);
    assert_int_equal(erased->rows.operations, operations);
    assert_int_equal(erased->quarantined, quarantined);
}

/* How often TEXT is in the store's files. */
static int count_in_files(const struct books *books, const char *text)
{
    static const char *const names[] = {"upgrades.db", "upgrades.db-wal"};
    int count = 0;
    for (size_t i = 0; i < LENGTH(names); i++) {
        FILE *file = fopen(support_path(books->folder, names[i]), "r");
        assert_non_null(file);
        assert_int_equal(fseek(file, 0, SEEK_END), 0);
        size_t size = (size_t)ftell(file);
        char *bytes = malloc(size + 1);
        assert_non_null(bytes);
        rewind(file);
        assert_int_equal(fread(bytes, 1, size, file), size);
        fclose(file);
        for (char *at = bytes; (at = memmem(at, size - (size_t)(at - bytes), text, strlen(text)));
             at++)
            count++;
        free(bytes);
    }
    return count;
}

static void add(struct books *books, const char *operation, const char *device, const char *result,
                const char *description)
{
    books_add_result(books, &(struct support_result){.operation = operation,
                                                     .device = device,
                                                     .result = result,
                                                     .error_code = "4",
                                                     .description = description});
}

static void add_body(struct books *books, const char *body)
{
    struct record *record = support_record(body);
    books_keep_one(books, record);
    support_record_free(record);
}

static void add_step(struct books *books, const char *operation, const char *device,
                     const char *step)
{
    books_add_progress(books, &(struct support_result){.operation = operation, .device = device},
                       step);
}

/* What must be the same before and after. */
#define COUNTERS                                                                                 \
    "SELECT group_concat(operationId || inProgress || success || fail || contradictory || "      \
    "firstAt || lastAt), (SELECT group_concat(errorCode || count) FROM failures), (SELECT "      \
    "group_concat(source || target || success || fail) FROM transition), (SELECT notifications " \
    "|| ' ' || repeats || ' ' || seq FROM totals) FROM operations"

static void the_device_goes_and_the_counters_stay(void **state)
{
    struct books *books = *state;
    add_step(books, "one", "secret-1", "downloading");
    add(books, "one", "secret-1", "FAIL", "secret-1 is flat");
    add(books, "one", "secret-1", "FAIL", "secret-1 is flat");
    add(books, "one", "secret-12", "FAIL", "");
    add(books, "one", "other", "SUCCESS", "");
    add_step(books, "two", "secret-1", "x");
    add(books, "three", "other", "FAIL", "");
    add_body(books, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"secret-1\"}");
    add_body(books, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"other\"}");
    add_body(books, "{\"notifyType\":\"unknown\",\"deviceId\":\"secret-1\"}");
    add_body(books, "{\"notifyType\":\"unknown\",\"deviceId\":\"secret-12\"}");
    char *before = books_query(books, COUNTERS);
    struct store_erased erased = erase(books, "secret-1");
    assert_erased(&erased, 4, 2, 2, 1);
    assert_true(erased.emptied);
    books_assert(books, COUNTERS, before);
    free(before);
    books_assert(books, "SELECT group_concat(seq) FROM notifications", "3,4,6,8");
    books_assert(books, "SELECT group_concat(id) FROM quarantine", "2");
    assert_int_equal(count_in_files(books, "secret-1\""), 0);
    assert_int_equal(count_in_files(books, "secret-1 "), 0);
    assert_true(count_in_files(books, "secret-12") > 0);
    erased = erase(books, "secret-1");
    assert_erased(&erased, 0, 0, 0, 0);
    /* it comes again, and the operation goes on */
    add(books, "one", "secret-1", "FAIL", "");
    add(books, "one", "other", "FAIL", "");
    lists_assert_sound(books->folder);
    books_assert(books, "SELECT max(seq), max(deviceId) FROM notifications", "10|secret-12");
}

/* In a store of many pages, which are split, joined and copied as it grows and shrinks. */
static void no_byte_of_it_stays(void **state)
{
    struct books *books = *state;
    uint64_t seed = 5;
    char device[32], text[400];
    for (int i = 0; i < 300; i++) {
        size_t number = support_random_below(&seed, 60);
        snprintf(device, sizeof device, "device-%zu-", number);
        memset(text, 'x', sizeof text);
        text[support_random_below(&seed, sizeof text)] = '\0';
        text[sizeof text - 1] = '\0';
        add(books, number % 2 == 0 ? "even" : "odd", device, i % 3 == 0 ? "FAIL" : "SUCCESS", text);
        if (i % 10 == 0)
            books_meddle(books, "PRAGMA wal_checkpoint(PASSIVE)");
    }
    for (int i = 0; i < 60; i += 4) {
        snprintf(device, sizeof device, "device-%d-", i);
        assert_true(count_in_files(books, device) > 0);
        struct store_erased erased = erase(books, device);
        assert_true(erased.rows.notifications > 0 && erased.emptied);
        assert_int_equal(count_in_files(books, device), 0);
        snprintf(device, sizeof device, "device-%d-", i + 1);
        assert_true(count_in_files(books, device) > 0);
    }
}

static void what_an_application_has_not_got_stays(void **state)
{
    struct books *books = *state;
    add(books, "one", "secret-1", "FAIL", "");
    add(books, "two", "secret-1", "FAIL", "");
    add_body(books, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"secret-1\"}");
    add_step(books, "two", "secret-1", "x");
    books_meddle(books, "INSERT INTO cursor SELECT 'app', id, 2 FROM life");
    struct store_erased erased = erase(books, "secret-1");
    assert_erased(&erased, 1, 1, 1, 0);
    assert_int_equal(erased.rows.undelivered, 3);
    assert_string_equal(erased.rows.behind, "app");
    books_assert(books, "SELECT group_concat(seq) FROM notifications", "2,3,4");
    books_meddle(books, "UPDATE cursor SET seq = 4");
    erased = erase(books, "secret-1");
    assert_erased(&erased, 3, 1, 1, 0);
    assert_int_equal(erased.rows.undelivered, 0);
    assert_int_equal(count_in_files(books, "secret-1"), 0);
}

/* Somebody who reads an old state keeps the log from being emptied. */
static void a_log_that_is_read_is_told(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "one", "secret-1", "FAIL", "");
    struct store_reader *reader = lists_reader(books);
    struct store_overview overview;
    lists_must(store_read_begin(reader, 0, &fault), &fault);
    lists_must(store_read_overview(reader, &overview, &fault), &fault);
    assert_int_equal(overview.totals.seq, 1);
    struct store_erased erased = erase(books, "secret-1");
    assert_false(erased.emptied);
    assert_true(count_in_files(books, "secret-1") > 0);
    store_reader_free(reader);
    erased = erase(books, "secret-1");
    assert_true(erased.emptied);
    assert_int_equal(count_in_files(books, "secret-1"), 0);
}

int store_erase_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_device_goes_and_the_counters_stay, books_setup,
                                        books_teardown),
        cmocka_unit_test_setup_teardown(no_byte_of_it_stays, books_setup, books_teardown),
        cmocka_unit_test_setup_teardown(what_an_application_has_not_got_stays, books_setup,
                                        books_teardown),
        cmocka_unit_test_setup_teardown(a_log_that_is_read_is_told, books_setup, books_teardown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
