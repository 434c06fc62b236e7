/* Lists of expected devices, and notes: what is counted, whoever reports when, and what goes. */
#include "config.h"

#include "lists.h"
#include "store/maintenance.h"
#include "store/plan.h"

#include <stdio.h>
#include <string.h>

#define DAY ((int64_t)24 * 3600 * 1000)

/* Gives d1 to dCOUNT. */
struct giving {
    size_t count, given;
};

static const char *give(void *owner, const char **told)
{
    (void)told;
    struct giving *giving = owner;
    static char numbered[32];
    if (giving->given == giving->count)
        return NULL;
    snprintf(numbered, sizeof numbered, "d%zu", ++giving->given);
    return numbered;
}

static int save(struct books *books, const char *app, const char *operation, struct giving *giving,
                struct store_planned *planned, struct fault *fault)
{
    const struct store_named named = {.app_id = app, .operation_id = operation, .now_ms = 5 * DAY};
    return store_save_expected(books->store, &named, give, giving, planned, fault);
}

/* Saves d1 to dCOUNT. */
static void expect(struct books *books, const char *app, const char *operation, size_t count,
                   int64_t missing)
{
    struct giving giving = {.count = count};
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    lists_must(save(books, app, operation, &giving, &planned, &fault), &fault);
    assert_int_equal(planned.planned, count);
    assert_int_equal(planned.missing, missing);
    lists_assert_sound(books->folder);
}

static void add(struct books *books, const char *device)
{
    books_add_result(books, &(struct support_result){.device = device, .received_ms = 1000});
}

#define COUNTS "SELECT coalesce(planned, 'none'), missing FROM operation ORDER BY id"

/* The devices that a reader lists, in pages of two. */
static void assert_listed(const struct books *books, bool only_missing, const char *expected)
{
    struct store_reader *reader = lists_reader(books);
    struct store_page_token token = {""};
    struct buffer ids = {0};
    const char *id;
    do {
        struct fault fault = FAULT_NONE;
        struct store_rows rows = store_list_expected(reader, 1, only_missing, &token, 2, &fault);
        while (store_next_expected(&rows, &id, NULL))
            buffer_addf(&ids, "%s ", id);
        lists_must(store_rows_end(&rows, &token), &fault);
    } while (token.text[0] != '\0');
    buffer_add(&ids, "", 1);
    assert_string_equal(ids.bytes, expected);
    buffer_release(&ids);
    store_reader_free(reader);
}

static void who_reports_is_not_missing(void **state)
{
    struct books *books = *state;
    add(books, "d1");
    add(books, "stranger");
    expect(books, NULL, "operation", 5, 4);
    assert_listed(books, true, "d2 d3 d4 d5 ");
    assert_listed(books, false, "d1 d2 d3 d4 d5 ");
    add(books, "d3");
    add(books, "d3"); /* a repeat */
    books_add_result(books, &(struct support_result){.device = "d3", .sub_operation = "again"});
    books_add_progress(books, &(struct support_result){.device = "d5"}, "downloading");
    books_add_result(books, &(struct support_result){.device = "d5"});
    books_add_result(books, &(struct support_result){.device = "d4", .operation = "another"});
    add(books, "another stranger");
    books_assert(books, COUNTS, "5|2\nnone|0");
    assert_listed(books, true, "d2 d4 ");
    lists_assert_sound(books->folder);
    expect(books, NULL, "operation", 2, 1); /* in place of the first list */
    books_assert(books, COUNTS, "2|1\nnone|0");
    books_assert(books, "SELECT count(*) FROM expected", "2");
}

static const char *give_told(void *owner, const char **told)
{
    static const char *const statuses[] = {"success", "success", "fail", "wait"};
    size_t *given = owner;
    *told = *given < 4 ? statuses[*given] : NULL;
    return *given < 4 ? (const char *[]){"d1", "d2", "d3", "d4"}[(*given)++] : NULL;
}

#define SAID "{\"planned\":4,\"findings\":[{\"deviceId\":\"d2\"},{\"deviceId\":\"d3\"}]}"

/* Keeps SAID, and the devices of give_told. Returns what store_keep_asked does. */
static int keep(struct books *books, const char *operation, const char *said, struct fault *fault)
{
    const struct store_named named = {
        .app_id = "app", .operation_id = operation, .now_ms = 5 * DAY};
    size_t given = 0;
    return store_keep_asked(books->store, &named, said, give_told, &given, fault);
}

static void assert_asked(const struct books *books, int64_t expected_ms, const char *expected)
{
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    struct buffer said = {0};
    int64_t asked_ms = -1;
    lists_must(store_read_asked(reader, 1, &asked_ms, &said, &fault), &fault);
    buffer_add(&said, "", 1);
    assert_int_equal(asked_ms, expected_ms);
    assert_string_equal(said.bytes, expected);
    buffer_release(&said);
    store_reader_free(reader);
}

static void what_the_platform_says_is_kept_and_is_no_report(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    assert_asked(books, 0, "");
    assert_int_equal(keep(books, "operation", SAID, &fault), 0);
    books_assert(books, COUNTS, "4|3");
    books_assert(books, "SELECT device_id, told FROM expected ORDER BY id",
                 "d1|success\nd2|success\nd3|fail\nd4|wait");
    assert_asked(books, 5 * DAY, SAID);
    books_assert(books, "SELECT notifications FROM totals", "1");
    lists_assert_sound(books->folder);
    assert_int_equal(keep(books, "operation", "{}", &fault), 0); /* in place of the first */
    assert_asked(books, 5 * DAY, "{}");
    assert_int_equal(keep(books, "never heard of", SAID, &fault), 0);
    books_assert(books, COUNTS, "4|3\n4|4");
    lists_assert_sound(books->folder);
}

static void an_operators_list_is_not_replaced_by_the_platforms(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    expect(books, NULL, "operation", 2, 1);
    assert_int_equal(keep(books, "operation", SAID, &fault), 1);
    assert_asked(books, 5 * DAY, SAID);
    assert_listed(books, false, "d1 d2 ");
    books_assert(books, COUNTS, "2|1");
    lists_assert_sound(books->folder);
    /* the other way round it is, and what was said stays */
    lists_must(store_forget_expected(books->store,
                                     &(struct store_named){.operation_id = "operation"}, &fault),
               &fault);
    assert_int_equal(keep(books, "operation", SAID, &fault), 0);
    assert_listed(books, false, "d1 d2 d3 d4 ");
    expect(books, NULL, "operation", 3, 2);
    assert_asked(books, 5 * DAY, SAID);
    assert_int_equal(keep(books, "operation", "{}", &fault), 1);
    lists_assert_sound(books->folder);
    /* an operator's list that is elsewhere */
    const struct store_named named = {.app_id = "app", .operation_id = "other", .now_ms = 5 * DAY};
    assert_int_equal(store_keep_asked(books->store, &named, SAID, NULL, NULL, &fault), 1);
    books_assert(books, COUNTS, "3|2\nnone|0");
    books_assert(books, "SELECT operation FROM asked ORDER BY 1", "1\n2");
    lists_assert_sound(books->folder);
}

static void what_the_platform_said_goes_with_its_operation_and_its_devices(void **state)
{
    struct books *books = *state;
    struct store_erased erased;
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    assert_int_equal(keep(books, "operation", SAID, &fault), 0);
    assert_int_equal(keep(books, "to come", SAID, &fault), 0);
    lists_must(store_erase(books->store, "d2", &erased, &fault), &fault);
    books_assert(books, "SELECT said FROM asked",
                 "{\"planned\":4,\"findings\":[{\"deviceId\":\"d3\"}]}\n"
                 "{\"planned\":4,\"findings\":[{\"deviceId\":\"d3\"}]}");
    lists_must(store_forget_expected(books->store, &(struct store_named){.operation_id = "to come"},
                                     &fault),
               &fault);
    books_assert(books, "SELECT operation FROM asked", "1");
    assert_int_equal(keep(books, "to come", SAID, &fault), 0);
    lists_must(store_prune(books->store, 5 * DAY + 1, NULL, &pruned, &fault), &fault);
    books_assert(books, "SELECT count(*) FROM asked", "0");
    assert_int_equal(keep(books, "operation", SAID, &fault), -1);
    support_assert_fault(&fault, "was pruned");
    lists_assert_sound(books->folder);
}

static void an_operation_may_have_a_list_before_its_first_notification(void **state)
{
    struct books *books = *state;
    struct giving giving = {.count = 1};
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    assert_int_equal(save(books, NULL, "to come", &giving, &planned, &fault), -1);
    support_assert_fault(&fault, "no notification has named operation to come yet: say with --app");
    assert_true(fault.misused);
    expect(books, "app", "to come", 3, 3);
    books_assert(books, "SELECT firstAt, success FROM operations WHERE operationId = 'to come'",
                 "NULL|0");
    books_add_result(books, &(struct support_result){
                                .operation = "to come", .device = "d2", .received_ms = 2000});
    books_add_result(books, &(struct support_result){.operation = "to come",
                                                     .device = "d2",
                                                     .sub_operation = "again",
                                                     .received_ms = 3000});
    lists_assert_sound(books->folder);
    books_assert(books,
                 "SELECT first_at, last_at, last_seq, kind, missing FROM operation WHERE id = 2",
                 "2000|3000|3|1|2");
}

static void which_operation_is_meant_must_be_clear(void **state)
{
    struct books *books = *state;
    struct giving giving = {.count = 1};
    struct store_planned planned;
    struct fault fault = FAULT_NONE, other = FAULT_NONE, bad = FAULT_NONE;
    add(books, "d1");
    books_add_result(books, &(struct support_result){.app = "another"});
    assert_int_equal(save(books, NULL, "operation", &giving, &planned, &fault), -1);
    support_assert_fault(&fault,
                         "several applications have an operation operation: say with --app");
    assert_true(fault.misused);
    expect(books, "another", "operation", 1, 1);
    books_meddle(books, "UPDATE operation SET pruned = 1 WHERE id = 1");
    assert_int_equal(save(books, "app", "operation", &giving, &planned, &other), -1);
    support_assert_fault(&other, "was pruned");
    assert_int_equal(save(books, "app", "\xff", &giving, &planned, &bad), -1);
    support_assert_fault(&bad, "an id is UTF-8");
    assert_true(bad.misused);
}

static void what_reports_after_the_saving_or_a_killed_one_is_counted(void **state)
{
    struct books *books = *state;
    add(books, "d1");
    expect(books, NULL, "operation", 3000, 2999);
    add(books, "d7");
    add(books, "d2500");
    add(books, "stranger");
    books_assert(books, COUNTS, "3000|2997");
    /* as a killed one leaves it */
    books_meddle(books, "UPDATE operation SET planned = -5; DELETE FROM expected WHERE id > 2");
    lists_assert_sound(books->folder);
    add(books, "d2");
    lists_assert_sound(books->folder);
    expect(books, NULL, "operation", 5, 3);
}

/* --- notes --- */

static int note(struct books *books, const char *app, const char *operation, const char *text,
                struct fault *fault)
{
    const struct store_named named = {.app_id = app, .operation_id = operation, .now_ms = 5 * DAY};
    return store_set_note(books->store, &named, text, fault);
}

static void a_note_is_kept_replaced_and_removed(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    assert_int_equal(note(books, NULL, "operation", "first", &fault), 0);
    assert_int_equal(note(books, NULL, "operation", "\346\231\232\344\270\212", &fault), 0);
    add(books, "d2");
    books_assert(books, "SELECT note, success FROM operation", "\346\231\232\344\270\212|2");
    assert_int_equal(note(books, NULL, "operation", "", &fault), 0);
    books_assert(books, "SELECT note IS NULL FROM operation", "1");
    assert_int_equal(note(books, NULL, "none", "", &fault), 1);
    assert_int_equal(note(books, NULL, "none", "x", &fault), -1);
    support_assert_fault(&fault, "say with --app");
    /* an operation that has nothing else goes with its note */
    fault = FAULT_NONE;
    assert_int_equal(note(books, "app", "none", "x", &fault), 0);
    books_assert(books, "SELECT count(*) FROM operation", "2");
    assert_int_equal(note(books, "app", "none", "", &fault), 0);
    books_assert(books, "SELECT count(*) FROM operation", "1");
    lists_assert_sound(books->folder);
}

/* --- what goes --- */

static int forget(struct books *books, const char *operation, struct fault *fault)
{
    return store_forget_expected(books->store, &(struct store_named){.operation_id = operation},
                                 fault);
}

static void a_list_can_be_forgotten(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    assert_int_equal(forget(books, "operation", &fault), 1);
    assert_int_equal(forget(books, "none", &fault), 1);
    expect(books, NULL, "operation", 2500, 2499);
    expect(books, "app", "mistyped", 2, 2);
    assert_int_equal(forget(books, "operation", &fault), 0);
    assert_int_equal(forget(books, "mistyped", &fault), 0);
    books_assert(books, COUNTS, "none|0");
    books_assert(books, "SELECT count(*) FROM expected", "0");
    lists_assert_sound(books->folder);
}

static void an_erased_device_leaves_all_lists(void **state)
{
    struct books *books = *state;
    struct store_erased erased;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    add(books, "d12");
    expect(books, NULL, "operation", 20, 18);
    expect(books, "app", "to come", 3, 3);
    lists_must(store_erase(books->store, "d1", &erased, &fault), &fault);
    lists_must(store_erase(books->store, "d2", &erased, &fault), &fault);
    lists_assert_sound(books->folder);
    books_assert(books, COUNTS, "18|17\n1|1");
    books_assert(books, "SELECT count(*) FROM expected WHERE device_id IN ('d1', 'd2')", "0");
}

static void pruning_takes_the_lists_and_keeps_the_counts(void **state)
{
    struct books *books = *state;
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    add(books, "d1");
    expect(books, NULL, "operation", 2500, 2499);
    expect(books, "app", "to come", 3, 3);
    lists_must(store_prune(books->store, 5 * DAY, NULL, &pruned, &fault), &fault);
    books_assert(books, "SELECT operation_id, planned, missing FROM operation ORDER BY id",
                 "operation|2500|2499\nto come|3|3");
    books_assert(books, "SELECT count(*) FROM expected", "3");
    lists_assert_sound(books->folder);
    lists_must(store_prune(books->store, 5 * DAY + 1, NULL, &pruned, &fault), &fault);
    books_assert(books, "SELECT operation_id, planned, missing FROM operation ORDER BY id",
                 "operation|2500|2499");
    books_assert(books, "SELECT count(*) FROM expected", "0");
    add(books, "d2"); /* it comes late, and is in no list any more */
    books_assert(books, COUNTS, "2500|2499");
}

static void note_flaw(void *owner, const char *flaw)
{
    buffer_addf(owner, "%s\n", flaw);
}

static void check_finds_what_is_wrong(void **state)
{
    static const struct {
        const char *sql, *flaw;
    } wrongs[] = {
        {"UPDATE operation SET missing = 0", "2 devices expected, 0 missing; counted 2, 1"},
        {"UPDATE operation SET planned = 5", "5 devices expected, 1 missing; counted 2, 1"},
        {"UPDATE expected SET reported = 1 - reported", "device d1 has reported, and is missing"},
        {"UPDATE expected SET reported = 1 - reported",
         "device d2 has not reported, and is not missing"},
        {"UPDATE operation SET planned = NULL", "device d1 is expected in no operation"},
        {"INSERT INTO asked VALUES (9, 1, '{}')",
         "the platform was asked of an operation 9, which"},
        {"UPDATE operation SET first_at = NULL", "it has notifications, and does not say since"},
    };
    struct books *books = *state;
    add(books, "d1");
    expect(books, NULL, "operation", 2, 1);
    struct store_reader *reader = lists_reader(books);
    for (size_t i = 0; i < LENGTH(wrongs); i++) {
        struct buffer flaws = {0};
        struct fault fault = FAULT_NONE;
        int64_t count = 0;
        books_meddle(books, wrongs[i].sql);
        lists_must(store_check(reader, NULL, note_flaw, &flaws, &count, &fault), &fault);
        buffer_add(&flaws, "", 1);
        support_assert_has(flaws.bytes, wrongs[i].flaw);
        buffer_release(&flaws);
        books_meddle(books, "DELETE FROM asked;"
                            "UPDATE operation SET planned = 2, missing = 1, first_at = 1000;"
                            "UPDATE expected SET reported = device_id = 'd1'");
        lists_assert_sound(books->folder);
    }
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_expected_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_reports_is_not_missing),
        TEST(what_the_platform_says_is_kept_and_is_no_report),
        TEST(an_operators_list_is_not_replaced_by_the_platforms),
        TEST(what_the_platform_said_goes_with_its_operation_and_its_devices),
        TEST(an_operation_may_have_a_list_before_its_first_notification),
        TEST(which_operation_is_meant_must_be_clear),
        TEST(what_reports_after_the_saving_or_a_killed_one_is_counted),
        TEST(a_note_is_kept_replaced_and_removed),
        TEST(a_list_can_be_forgotten),
        TEST(an_erased_device_leaves_all_lists),
        TEST(pruning_takes_the_lists_and_keeps_the_counts),
        TEST(check_finds_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
