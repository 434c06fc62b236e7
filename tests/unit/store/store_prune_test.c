/* Pruning: what goes, what stays, and what comes after it. */
#include "config.h"

#include "lists.h"
#include "store/maintenance.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct store_pruned prune(struct books *books, int64_t before_ms)
{
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    lists_must(store_prune(books->store, before_ms, NULL, &pruned, &fault), &fault);
    lists_assert_sound(books->folder);
    return pruned;
}

static void assert_pruned(const struct store_pruned *pruned, int64_t operations, int64_t upgrades,
                          int64_t notifications, int64_t undelivered)
{
    assert_int_equal(pruned->operations, operations);
    assert_int_equal(pruned->upgrades, upgrades);
    assert_int_equal(pruned->notifications, notifications);
    assert_int_equal(pruned->undelivered, undelivered);
}

static void add(struct books *books, const char *operation, const char *device, const char *result,
                int64_t received_ms)
{
    books_add_result(books, &(struct support_result){.operation = operation,
                                                     .device = device,
                                                     .result = result,
                                                     .error_code = "4",
                                                     .description = "Low battery",
                                                     .current = "2.0",
                                                     .received_ms = received_ms});
}

static void add_step(struct books *books, const char *operation, const char *device,
                     const char *step, int64_t received_ms)
{
    books_add_progress(books,
                       &(struct support_result){
                           .operation = operation, .device = device, .received_ms = received_ms},
                       step);
}

static void add_news(struct books *books, const char *device, int64_t received_ms)
{
    char body[128];
    snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%s\"}", device);
    struct record *record = support_record(body);
    record->received_ms = received_ms;
    books_keep_one(books, record);
    support_record_free(record);
}

/* Two operations of which one is old, and news of both times. */
static void add_both(struct books *books)
{
    add_step(books, "old", "a", "x", 1000);
    add(books, "old", "a", "FAIL", 2000);
    add(books, "old", "a", "FAIL", 2000); /* repeated */
    add(books, "old", "b", "SUCCESS", 2500);
    add_news(books, "a", 1500);
    add_step(books, "new", "a", "x", 1000); /* old as well, but not all is */
    add(books, "new", "a", "SUCCESS", 9000);
    add_news(books, "c", 9000);
    add_news(books, "b", 2600);
}

#define COUNTERS                                                                                  \
    "SELECT operation_id, in_progress, success, fail, contradictory, first_at, last_at, last_seq" \
    " FROM operation ORDER BY id"
#define TOTALS \
    "SELECT seq, notifications, repeats, in_progress, success, fail, contradictory FROM totals"
#define COUNTED                                                                              \
    "SELECT operation, error_code, count, first_at, last_at, example FROM failure UNION ALL" \
    " SELECT operation, source || target, success, fail, 0, '' FROM transition UNION ALL"    \
    " SELECT operation, at, in_progress, success, fail, '' FROM timeline UNION ALL"          \
    " SELECT notify_type, result, count, 0, 0, '' FROM type_count ORDER BY 1, 2"

static void what_is_old_goes_and_counters_stay(void **state)
{
    struct books *books = *state;
    add_both(books);
    static const char *const stays[] = {COUNTERS, TOTALS, COUNTED};
    char *before[LENGTH(stays)];
    for (size_t i = 0; i < LENGTH(stays); i++)
        before[i] = books_query(books, stays[i]);
    struct store_pruned pruned = prune(books, 1000);
    assert_pruned(&pruned, 0, 0, 0, 0);
    pruned = prune(books, 2500); /* the last came just then: not before */
    assert_pruned(&pruned, 0, 0, 1, 0);
    books_assert(books, "SELECT seq FROM notification ORDER BY 1", "1\n2\n3\n5\n6\n7\n8");
    pruned = prune(books, 2501);
    assert_pruned(&pruned, 1, 2, 3, 0);
    pruned = prune(books, 3000);
    assert_pruned(&pruned, 0, 0, 1, 0);
    books_assert(books, "SELECT seq FROM notification ORDER BY 1", "5\n6\n7");
    books_assert(books, "SELECT operation, state FROM upgrade", "2|1");
    books_assert(books, "SELECT operation_id, pruned FROM operation ORDER BY id", "old|1\nnew|0");
    books_assert(books, "SELECT pruned_notifications, pruned_repeats FROM totals", "5|1");
    for (size_t i = 0; i < LENGTH(stays); i++) {
        books_assert(books, stays[i], before[i]);
        free(before[i]);
    }
    pruned = prune(books, 3000); /* once more finds nothing */
    assert_pruned(&pruned, 0, 0, 0, 0);
    books_assert(books,
                 "SELECT appId, operationId, inProgress, success, fail FROM operations"
                 " ORDER BY 2",
                 "app|new|0|1|0\napp|old|0|1|1");
    books_assert(books, "SELECT operationId, errorCode, count FROM failures", "old|4|1");
    books_assert(books, "SELECT count(*) FROM upgrades", "1");
}

/* All that is asked of the store goes on. */
static void documents_are_written_after_it(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    add_both(books);
    prune(books, 3000);
    static const struct {
        const char *name;
        struct view_query query;
        enum view_result result;
        const char *has;
    } documents[] = {
        {"overview.json", {0}, VIEW_DONE, "\"operationId\":\"old\",\"inProgress\":0,\"success\":1"},
        {"operation.json", {.operation_id = "old"}, VIEW_DONE, "\"pruned\":true"},
        {"operation.json", {.operation_id = "old"}, VIEW_DONE, "\"example\":\"Low battery\""},
        {"operation.json", {.operation_id = "old"}, VIEW_DONE, "\"count\":0,\"more\":false"},
        {"upgrades.json", {.operation_id = "old"}, VIEW_DONE, "{\"upgrades\":[],\"next\":null}"},
        {"failures.json", {0}, VIEW_DONE, "{\"failures\":[],\"next\":null}"},
        {"failures.csv", {.operation_id = "old"}, VIEW_DONE, "lastAt,seq\r\n"},
        {"device.json", {.device_id = "a"}, VIEW_DONE, "\"operationId\":\"new\""},
        {"device.json", {.device_id = "b"}, VIEW_NOT_FOUND, ""},
        {"search.json", {.search = "ol"}, VIEW_DONE, "\"operationId\":\"old\""},
    };
    for (size_t i = 0; i < LENGTH(documents); i++) {
        struct buffer out = {0};
        struct fault fault = FAULT_NONE;
        const struct view *view = view_find(documents[i].name, strlen(documents[i].name));
        assert_int_equal(view_write(view, reader, &documents[i].query, 0, &out, NULL, &fault),
                         documents[i].result);
        buffer_add(&out, "", 1);
        support_assert_has(out.bytes, documents[i].has);
        buffer_release(&out);
    }
    store_reader_free(reader);
}

/* --- what comes after it --- */

static void what_comes_late_is_counted_anew(void **state)
{
    struct books *books = *state;
    add_both(books);
    prune(books, 3000);
    add(books, "old", "a", "FAIL", 20000); /* the very same: it is not known any more */
    lists_assert_sound(books->folder);
    books_assert(books, "SELECT success, fail FROM operation WHERE id = 1", "1|2");
    books_assert(books, "SELECT notifications, repeats, fail FROM totals", "9|1|2");
    add(books, "old", "a", "FAIL", 21000); /* and now it is */
    books_assert(books, "SELECT notifications, repeats, fail FROM totals", "9|2|2");
    add(books, "old", "a", "SUCCESS", 22000);
    books_assert(books, "SELECT success, fail FROM operation WHERE id = 1", "2|1");
    add_step(books, "old", "b", "y", 23000);
    books_assert(books, "SELECT in_progress, success, fail, pruned FROM operation WHERE id = 1",
                 "1|2|1|1");
    lists_assert_sound(books->folder);
    struct store_pruned pruned = prune(books, 23000); /* it is in use again */
    assert_int_equal(pruned.operations, 1);           /* the new one, which is old by now */
    books_assert(books, "SELECT count(*) FROM notification WHERE operation = 1", "3");
    pruned = prune(books, 23001);
    assert_pruned(&pruned, 1, 2, 3, 0);
    books_assert(books, "SELECT in_progress, success, fail, pruned FROM operation WHERE id = 1",
                 "1|2|1|1");
    books_assert(books, "SELECT seq FROM totals", "11");
    add_step(books, "old", "c", "z", 30000);
    books_assert(books, "SELECT max(seq) FROM notification", "12"); /* no number comes again */
    lists_assert_sound(books->folder);
}

/* Repeats of news, beyond their window for one, are rows of their own. */
static void news_goes_by_its_age_whatever_its_number(void **state)
{
    struct books *books = *state;
    struct record *records[700];
    for (size_t batch = 0; batch < 4; batch++) {
        for (size_t i = 0; i < LENGTH(records); i++) {
            char body[128];
            snprintf(body, sizeof body,
                     "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%zu.%zu\"}", batch, i);
            records[i] = support_record(body);
            records[i]->received_ms = (int64_t)(batch % 2 == 0 ? 1000 + i : 9000);
        }
        books_keep(books, records, LENGTH(records));
        support_records_free(records, LENGTH(records));
    }
    add_step(books, "new", "a", "x", 1000);
    add(books, "new", "a", "SUCCESS", 9000);
    struct store_pruned pruned = prune(books, 1500);
    assert_pruned(&pruned, 0, 0, 1000, 0);
    books_assert(books, "SELECT count(*), min(received_at) FROM notification WHERE operation = 0",
                 "1800|1500");
    pruned = prune(books, 9000);
    assert_pruned(&pruned, 0, 0, 400, 0);
    books_assert(books, "SELECT id FROM time_index ORDER BY 1", "0\n1\n2");
    pruned = prune(books, 9001);
    assert_pruned(&pruned, 1, 1, 1402, 0);
    books_assert(books, "SELECT count(*) FROM time_index", "0");
    books_assert(books, "SELECT count(*) FROM notification", "0");
    add_news(books, "z", 12000);
    lists_assert_sound(books->folder);
    books_assert(books, "SELECT id, first_at FROM time_index", "2|12000");
}

/* --- quarantine --- */

static int64_t quarantine(struct books *books)
{
    struct record *record = support_bytes("held", 4);
    record->meaning = RECORD_QUARANTINE;
    books_keep_one(books, record);
    int64_t id = record->id;
    support_record_free(record);
    return id;
}

static void requeue(struct books *books, const char *operation, int64_t received_ms)
{
    struct record *record = support_result(&(struct support_result){
        .operation = operation, .device = "held", .received_ms = received_ms});
    record->requeue_id = quarantine(books);
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_STORED);
    support_record_free(record);
}

/* What left quarantine is numbered behind the operation's last, and goes with it; unless it was
 * received later than the rest. */
static void what_left_quarantine_is_pruned_with_its_operation(void **state)
{
    struct books *books = *state;
    add(books, "o1", "a", "SUCCESS", 2000);
    add(books, "o2", "a", "SUCCESS", 2000);
    requeue(books, "o1", 1000);
    requeue(books, "o2", 5000);
    struct store_pruned pruned = prune(books, 3000);
    assert_pruned(&pruned, 1, 2, 2, 0);
    books_assert(books, "SELECT operation, seq FROM notification ORDER BY 2", "2|2\n2|4");
    pruned = prune(books, 3000);
    assert_pruned(&pruned, 0, 0, 0, 0);
    pruned = prune(books, 5001);
    assert_pruned(&pruned, 1, 2, 2, 0);
}

static void quarantine_stays(void **state)
{
    struct books *books = *state;
    quarantine(books);
    prune(books, INT64_MAX);
    books_assert(books, "SELECT count(*) FROM quarantined", "1");
}

/* --- undelivered --- */

static void tell_application(struct books *books, const char *name, int64_t seq)
{
    char sql[128];
    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO cursor SELECT '%s', min(id), %lld FROM life",
             name, (long long)seq);
    books_meddle(books, sql);
}

static void what_an_application_was_not_told_stays(void **state)
{
    struct books *books = *state;
    add(books, "o1", "a", "SUCCESS", 1000); /* 1 */
    add_news(books, "a", 1000);
    add(books, "o2", "a", "SUCCESS", 1000);
    add(books, "o1", "b", "SUCCESS", 1000); /* 4 */
    add_news(books, "b", 1000);
    requeue(books, "o2", 900); /* 6 */
    tell_application(books, "quick", 6);
    tell_application(books, "slow", 0);
    struct store_pruned pruned = prune(books, 3000);
    assert_pruned(&pruned, 0, 0, 0, 2);
    tell_application(books, "slow", 3);
    pruned = prune(books, 3000);
    assert_pruned(&pruned, 0, 0, 1, 2);
    tell_application(books, "slow", 5); /* the one that left quarantine is to come */
    pruned = prune(books, 3000);
    assert_pruned(&pruned, 1, 2, 3, 1);
    books_assert(books, "SELECT seq FROM notification ORDER BY 1", "3\n6");
    tell_application(books, "slow", 6);
    pruned = prune(books, 3000);
    assert_pruned(&pruned, 1, 2, 2, 0);
}

/* --- beside a receiver --- */

struct beside {
    struct books *books;
    struct store *receiver;
    int64_t reports, done, of;
};

static void keep_beside(struct beside *beside, struct record *record)
{
    struct fault fault = FAULT_NONE;
    lists_must(store_keep(beside->receiver, &record, 1, NULL, 0, &fault), &fault);
    support_record_free(record);
}

/* Between two transactions of the pruning: late results of upgrades that are still there and of
 * such as are gone, late steps, news. */
static void receive_beside(void *owner, int64_t done, int64_t of)
{
    struct beside *beside = owner;
    assert_true(done >= beside->done && done <= of);
    beside->done = done;
    beside->of = of;
    int64_t i = beside->reports++;
    if (i == 0)
        return; /* it has not begun: what comes now keeps the operation */
    const char *const devices[] = {"1", "777", "1400", "1499"};
    for (size_t d = 0; d < LENGTH(devices); d++) {
        char step[24];
        snprintf(step, sizeof step, "late %lld", (long long)i);
        struct support_result what = {.operation = "old",
                                      .device = devices[d],
                                      .received_ms = 100000 + i,
                                      .description = step};
        what.result = i % 2 == 0 ? "FAIL" : "SUCCESS";
        what.error_code = i % 3 == 0 ? "late" : "4";
        keep_beside(beside, (i + (int64_t)d) % 3 == 0 ? support_progress(&what, step)
                                                      : support_result(&what));
    }
}

static void fill_old(struct books *books, size_t devices)
{
    struct record *records[250];
    for (size_t first = 0; first < devices; first += LENGTH(records)) {
        for (size_t i = 0; i < LENGTH(records); i++) {
            char device[16];
            snprintf(device, sizeof device, "%zu", first + i);
            struct support_result what = {.operation = "old",
                                          .device = device,
                                          .result = i % 2 == 0 ? "FAIL" : "SUCCESS",
                                          .error_code = "4",
                                          .current = "1",
                                          .received_ms = 1000 + (int64_t)(first + i)};
            records[i] = i % 5 == 0 ? support_progress(&what, "x") : support_result(&what);
            records[i]->received_ms = what.received_ms;
        }
        books_keep(books, records, LENGTH(records));
        support_records_free(records, LENGTH(records));
    }
}

static void a_receiver_that_runs_in_between_loses_nothing(void **state)
{
    struct books *books = *state;
    fill_old(books, 1500);
    struct beside beside = {.books = books, .receiver = books_open_another(books)};
    const struct store_progress progress = {.owner = &beside, .report = receive_beside};
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    char *before = books_query(books, "SELECT seq FROM totals");
    lists_must(store_prune(books->store, 50000, &progress, &pruned, &fault), &fault);
    assert_true(beside.reports > 6); /* 500 rows at a time, of upgrades and of notifications */
    assert_int_equal(beside.done, beside.of);
    assert_int_equal(pruned.notifications, 1500);
    lists_assert_sound(books->folder);
    /* What came meanwhile is there, each upgrade with what it is of. */
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM notification WHERE seq <= %s),"
             " (SELECT count(*) FROM notification) - (SELECT seq FROM totals) + %s,"
             " (SELECT count(*) FROM upgrade), (SELECT count(*) FROM upgrades)",
             before, before);
    books_assert(books, sql, "0|0|4|4");
    pruned = prune(books, 500000);
    assert_int_equal(pruned.operations, 1);
    books_assert(books, "SELECT count(*) FROM notification", "0");
    store_free(beside.receiver);
    free(before);
}

/* What the transactions of a pruning take out, one by one. */
struct portions {
    int64_t done, largest;
};

static void note_portion(void *owner, int64_t done, int64_t of)
{
    struct portions *portions = owner;
    assert_true(done <= of);
    if (done - portions->done > portions->largest)
        portions->largest = done - portions->done;
    portions->done = done;
}

/* Bodies of a megabyte and more go a few at a time, in an operation and out of it: the receiver
 * waits for each transaction. */
static void large_bodies_go_a_few_at_a_time(void **state)
{
    struct books *books = *state;
    char *megabyte = calloc(1, ((size_t)1 << 20) + 1);
    assert_non_null(megabyte);
    memset(megabyte, 'x', (size_t)1 << 20);
    for (int i = 0; i < 6; i++) {
        char device[16], *body = NULL;
        snprintf(device, sizeof device, "d%d", i);
        books_add_result(books, &(struct support_result){.device = device,
                                                         .description = megabyte,
                                                         .received_ms = 1000 + i});
        assert_true(asprintf(&body,
                             "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d%d\","
                             "\"gatewayId\":\"%s\"}",
                             i, megabyte) > 0);
        struct record *record = support_record(body);
        record->received_ms = 1000 + i;
        books_keep_one(books, record);
        support_record_free(record);
        free(body);
    }
    struct portions portions = {.done = 0};
    const struct store_progress progress = {.owner = &portions, .report = note_portion};
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    lists_must(store_prune(books->store, 50000, &progress, &pruned, &fault), &fault);
    assert_int_equal(pruned.notifications, 12);
    assert_int_equal(portions.done, 12);
    assert_int_equal(portions.largest, 4);
    books_assert(books, "SELECT count(*) FROM notification", "0");
    lists_assert_sound(books->folder);
    free(megabyte);
}

static void the_room_is_used_again(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    struct stat status;
    int64_t sizes[4];
    for (size_t round = 0; round < LENGTH(sizes); round++) {
        fill_old(books, 1500);
        struct store_pruned pruned = prune(books, 50000);
        assert_int_equal(pruned.notifications, 1500);
        lists_must(store_checkpoint(reader, true, NULL, &fault), &fault);
        assert_int_equal(stat(support_path(books->folder, "upgrades.db"), &status), 0);
        sizes[round] = status.st_size;
    }
    assert_true(sizes[3] <= sizes[0] + sizes[0] / 5);
    store_reader_free(reader);
}

/* A disk that fills in the middle: what was done stays done, and the rest can be done later. */
static void a_pruning_that_fails_can_be_taken_up_again(void **state)
{
    struct books *books = *state;
    fill_old(books, 1500);
    books_meddle(books, "CREATE TRIGGER stop BEFORE DELETE ON notification WHEN old.seq = 700"
                        " BEGIN SELECT raise(ABORT, 'stopped'); END");
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_prune(books->store, 50000, NULL, &pruned, &fault), -1);
    support_assert_fault(&fault, "stopped");
    assert_int_equal(pruned.upgrades, 1500);
    lists_assert_sound(books->folder);
    assert_true(books_number(books, "SELECT count(*) FROM notification") > 0);
    books_meddle(books, "DROP TRIGGER stop");
    int64_t before = pruned.notifications;
    pruned = prune(books, 50000);
    assert_int_equal(before + pruned.notifications, 1500);
    assert_int_equal(pruned.operations, 1);
    books_assert(books, "SELECT pruned_notifications FROM totals", "1500");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_prune_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_old_goes_and_counters_stay),
        TEST(documents_are_written_after_it),
        TEST(what_comes_late_is_counted_anew),
        TEST(news_goes_by_its_age_whatever_its_number),
        TEST(what_left_quarantine_is_pruned_with_its_operation),
        TEST(quarantine_stays),
        TEST(what_an_application_was_not_told_stays),
        TEST(a_receiver_that_runs_in_between_loses_nothing),
        TEST(large_bodies_go_a_few_at_a_time),
        TEST(the_room_is_used_again),
        TEST(a_pruning_that_fails_can_be_taken_up_again),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
