/* Upgrades, operations and failures: what each record does to them. */
#include "config.h"

#include "books.h"

#include <stdio.h>

#define SUCCESS(ms) (&(struct support_result){.received_ms = (ms)})
#define FAIL(code, ms)         \
    (&(struct support_result){ \
        .result = "FAIL", .error_code = (code), .current = "1.0", .received_ms = (ms)})

static const char states[] = "SELECT state, step, errorCode, contradictory, seq FROM upgrades";
static const char counters[] = "SELECT inProgress, success, fail, contradictory FROM operations";
static const char failures[] = "SELECT errorCode, count, firstAt, lastAt FROM failures ORDER BY 1";

static void a_result_makes_an_upgrade_and_its_operation(void **state)
{
    struct books *books = *state;
    books_add_result(books, SUCCESS(1000));
    books_assert(books, "SELECT * FROM upgrades",
                 "app|operation|sub|device|SUCCESS|NULL|2.0|2.0|1.0|60||||0|1");
    books_assert(books, "SELECT * FROM operations",
                 "app|operation|0|1|0|0|1970-01-01T00:00:01.000Z|1970-01-01T00:00:01.000Z");
    books_assert(books, failures, "");
    books_assert_recount(books);
}

static void a_failure_is_counted_under_its_error_code(void **state)
{
    struct books *books = *state;
    const char *const codes[] = {"4", "5", "4", "", "4"};
    for (size_t i = 0; i < LENGTH(codes); i++) {
        char device[] = {'a', '\0'};
        device[0] = (char)(device[0] + (int)i);
        struct support_result what = *FAIL(codes[i], (int64_t)i * 1000 + 1);
        what.device = device;
        books_add_result(books, &what);
    }
    books_assert(books, failures,
                 "|1|1970-01-01T00:00:03.001Z|1970-01-01T00:00:03.001Z\n"
                 "4|3|1970-01-01T00:00:00.001Z|1970-01-01T00:00:04.001Z\n"
                 "5|1|1970-01-01T00:00:01.001Z|1970-01-01T00:00:01.001Z");
    books_assert(books, counters, "0|0|5|0");
    books_assert_recount(books);
}

static void success_after_failure_takes_the_failure_back(void **state)
{
    struct books *books = *state;
    books_add_result(books, FAIL("4", 1));
    books_add_result(books, SUCCESS(2));
    books_assert(books, states, "SUCCESS|NULL||0|2");
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, failures, "");
    books_assert(books, "SELECT count(*) FROM notifications", "2"); /* the history stays */
    books_assert_recount(books);
}

static void failure_after_success_counts(void **state)
{
    struct books *books = *state;
    books_add_result(books, SUCCESS(1));
    books_add_result(books, FAIL("4", 2000));
    books_assert(books, states, "FAIL|NULL|4|0|2");
    books_assert(books, counters, "0|0|1|0");
    books_assert(books, failures, "4|1|1970-01-01T00:00:02.000Z|1970-01-01T00:00:02.000Z");
    books_assert_recount(books);
}

static void a_failure_that_comes_back_keeps_its_first_time(void **state)
{
    struct books *books = *state;
    books_add_result(books, FAIL("4", 1000));
    books_add_result(books, SUCCESS(2000));
    struct support_result again = *FAIL("4", 3000);
    again.description = "another attempt";
    books_add_result(books, &again);
    books_assert(books, states, "FAIL|NULL|4|0|3");
    books_assert(books, failures, "4|1|1970-01-01T00:00:01.000Z|1970-01-01T00:00:03.000Z");
    books_assert_recount(books);
}

static void a_failure_with_another_code_moves_from_one_to_the_other(void **state)
{
    struct books *books = *state;
    books_add_result(books, FAIL("4", 1000));
    books_add_result(books, FAIL("", 2000));
    books_add_result(books, FAIL("5", 3000));
    books_assert(books, failures, "5|1|1970-01-01T00:00:03.000Z|1970-01-01T00:00:03.000Z");
    books_assert(books, counters, "0|0|1|0");
    books_assert_recount(books);
}

static void a_repeat_changes_no_counter_and_no_state(void **state)
{
    struct books *books = *state;
    books_add_result(books, FAIL("4", 1000));
    books_add_result(books, SUCCESS(2000));
    books_add_result(books, FAIL("4", 3000)); /* the first one once more: no new result */
    books_assert(books, states, "SUCCESS|NULL||0|2");
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, "SELECT lastAt FROM operations", "1970-01-01T00:00:02.000Z");
    books_assert(books, failures, "");
    books_assert_recount(books);
}

static void progress_makes_an_upgrade_in_progress(void **state)
{
    struct books *books = *state;
    books_add_progress(books, SUCCESS(1), "downloading");
    books_assert(books, states, "IN_PROGRESS|downloading|NULL|0|1");
    books_assert(books, "SELECT subOperationId, deviceId FROM upgrades", "sub|device");
    books_add_progress(books, SUCCESS(2), "downloaded");
    books_assert(books, states, "IN_PROGRESS|downloaded|NULL|0|2");
    books_assert(books, counters, "1|0|0|0");
    books_assert_recount(books);
}

static void a_result_ends_the_progress(void **state)
{
    struct books *books = *state;
    books_add_progress(books, SUCCESS(1), "updating");
    books_add_result(books, FAIL("4", 2));
    books_assert(books, states, "FAIL|updating|4|0|2");
    books_assert(books, counters, "0|0|1|0");
    books_assert_recount(books);
}

static void progress_after_a_result_never_undoes_it(void **state)
{
    struct books *books = *state;
    books_add_result(books, FAIL("4", 1));
    books_add_progress(books, SUCCESS(2), "updating");
    books_assert(books, states, "FAIL|updating|4|0|1");
    books_assert(books, counters, "0|0|1|0");
    books_add_result(books, SUCCESS(3));
    books_add_progress(books, SUCCESS(4), "idle");
    books_assert(books, states, "SUCCESS|idle||0|3");
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, failures, "");
    books_assert_recount(books);
}

static void contradictory_results_are_counted_and_taken_back(void **state)
{
    struct books *books = *state;
    struct support_result elsewhere = {.result = "SUCCESS", .current = "1.0"};
    struct support_result arrived = {.result = "FAIL", .current = "2.0", .error_code = "4"};
    books_add_result(books, &elsewhere);
    books_assert(books, states, "SUCCESS|NULL||1|1");
    books_assert(books, counters, "0|1|0|1");
    books_add_result(books, &arrived);
    books_assert(books, states, "FAIL|NULL|4|1|2");
    books_assert(books, counters, "0|0|1|1");
    books_add_result(books, SUCCESS(3));
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, "SELECT contradictory FROM totals", "0");
    books_assert_recount(books);
}

static void all_of_it_holds_within_one_batch(void **state)
{
    struct books *books = *state;
    struct record *records[] = {
        support_progress(SUCCESS(1), "downloading"),
        support_result(FAIL("4", 2)),
        support_result(SUCCESS(3)),
        support_result(FAIL("4", 4)),
        support_progress(SUCCESS(5), "updating"),
        support_result(FAIL("5", 6)),
    };
    books_keep(books, records, LENGTH(records));
    books_assert(books, states, "FAIL|updating|5|0|5");
    books_assert(books, counters, "0|0|1|0");
    books_assert(books, failures, "5|1|1970-01-01T00:00:00.006Z|1970-01-01T00:00:00.006Z");
    books_assert(books, "SELECT firstAt, lastAt FROM operations",
                 "1970-01-01T00:00:00.001Z|1970-01-01T00:00:00.006Z");
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
}

static void operations_of_one_name_in_two_applications_are_two(void **state)
{
    struct books *books = *state;
    books_add_result(books, &(struct support_result){.app = "one"});
    books_add_result(books, &(struct support_result){.app = "two"});
    books_assert(books, "SELECT appId, operationId, success FROM operations ORDER BY 1",
                 "one|operation|1\ntwo|operation|1");
    books_assert_recount(books);
}

/* A member's name and its value may be spelled with escapes; the books go by what they mean. */
static void escaped_spellings_are_the_same_upgrade_and_the_same_failure(void **state)
{
    struct books *books = *state;
    static const char spelled[] =
        "{\"notifyType\":\"swUpgradeResultNotify\",\"device\\u0049d\":\"d\\u00e9\","
        "\"appI\\u0064\":\"\\u0061\",\"operationId\":\"\\ud83d\\ude00\","
        "\"subOperation\\u0049d\":\"s\\/\",\"curVersion\":\"1\",\"targetVersion\":\"2\","
        "\"sourceVersion\":\"0\",\"swUpgradeResult\":\"FAIL\",\"upgradeTime\":60,"
        "\"resultDesc\":\"\",\"error\\u0043ode\":\"\\u0034\",\"description\":\"\"}";
    struct record *record = support_record(spelled);
    assert_int_equal(record->meaning, RECORD_RESULT);
    record->received_ms = 5000;
    books_keep_one(books, record);
    support_record_free(record);
    books_assert(books, failures, "4|1|1970-01-01T00:00:05.000Z|1970-01-01T00:00:05.000Z");
    books_assert(books, "SELECT appId, deviceId, subOperationId, errorCode FROM upgrades",
                 "a|d\303\251|s/|4");
    books_add_result(books, &(struct support_result){.app = "a",
                                                     .operation = "\360\237\230\200",
                                                     .sub_operation = "s/",
                                                     .device = "d\303\251"});
    books_assert(books, "SELECT state, seq FROM upgrades", "SUCCESS|2");
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, failures, "");
}

/* A kind of result that has no error codes may hold a member of that name all the same. */
static void the_code_that_was_counted_is_the_one_taken_back(void **state)
{
    struct books *books = *state;
    static const char fails[] = "{\"deviceId\":\"d\",\"appId\":\"a\",\"operationId\":\"o\","
                                "\"subOperationId\":\"s\",\"status\":\"FAIL\",\"errorCode\":\"4\"}";
    struct record *record = support_meant(fails, RECORD_RESULT);
    record->state = RECORD_FAIL;
    record->error_code = "";
    record->received_ms = 1;
    books_keep_one(books, record);
    support_record_free(record);
    books_assert(books, failures, "|1|1970-01-01T00:00:00.001Z|1970-01-01T00:00:00.001Z");
    books_add_result(books, &(struct support_result){
                                .app = "a", .operation = "o", .sub_operation = "s", .device = "d"});
    books_assert(books, counters, "0|1|0|0");
    books_assert(books, failures, "");
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_upgrade_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_result_makes_an_upgrade_and_its_operation),
        OPEN(a_failure_is_counted_under_its_error_code),
        OPEN(success_after_failure_takes_the_failure_back),
        OPEN(failure_after_success_counts),
        OPEN(a_failure_that_comes_back_keeps_its_first_time),
        OPEN(a_failure_with_another_code_moves_from_one_to_the_other),
        OPEN(a_repeat_changes_no_counter_and_no_state),
        OPEN(progress_makes_an_upgrade_in_progress),
        OPEN(a_result_ends_the_progress),
        OPEN(progress_after_a_result_never_undoes_it),
        OPEN(contradictory_results_are_counted_and_taken_back),
        OPEN(all_of_it_holds_within_one_batch),
        OPEN(operations_of_one_name_in_two_applications_are_two),
        OPEN(the_code_that_was_counted_is_the_one_taken_back),
        OPEN(escaped_spellings_are_the_same_upgrade_and_the_same_failure),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
