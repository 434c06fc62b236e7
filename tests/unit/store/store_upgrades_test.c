/* Lists of upgrades: every condition, every way to walk, pages of every size; and one device. */
#include "config.h"

#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An upgrade as the lists give it, from the view that people read. */
#define ROWS                                                                                      \
    "SELECT v.appId, v.operationId, v.subOperationId, v.deviceId, v.state, coalesce(v.step, '')," \
    " coalesce(v.curVersion, ''), coalesce(v.targetVersion, ''), coalesce(v.sourceVersion, ''),"  \
    " coalesce(v.upgradeTime, ''), coalesce(v.resultDesc, ''), coalesce(v.errorCode, ''),"        \
    " coalesce(v.description, ''), v.contradictory, v.seq,"                                       \
    " (SELECT n.received_at FROM notifications a JOIN notification n USING (seq) WHERE"           \
    "  a.appId = v.appId AND a.operationId = v.operationId AND a.deviceId = v.deviceId"           \
    "  AND a.subOperationId = v.subOperationId ORDER BY n.received_at LIMIT 1) AS began,"         \
    " max(n.received_at, coalesce((SELECT received_at FROM notification"                          \
    "  WHERE seq = u.step_seq), 0)), u.operation"                                                 \
    " FROM upgrades v JOIN upgrade u USING (seq) JOIN notification n USING (seq) WHERE "

#define NEWEST_FIRST " ORDER BY u.operation DESC, u.id DESC"

static char *list_in_pages(struct store_reader *reader, const struct store_upgrade_filter *filter,
                           size_t most)
{
    struct store_page_token token = {""};
    struct lists lists = {.count = 0};
    size_t rows = 0, pages = 0;
    do {
        struct fault fault = FAULT_NONE;
        lists_must(lists_read_upgrades(
                       &lists, store_list_upgrades(reader, filter, &token, most, &fault), &token),
                   &fault);
        /* Every page but the last is full. */
        assert_int_equal(lists.count - rows, token.text[0] != '\0' ? most : lists.count - rows);
        assert_true(lists.count - rows <= most);
        assert_true(pages++ == 0 || lists.count > rows);
        rows = lists.count;
    } while (token.text[0] != '\0');
    lists_text(&lists);
    return lists.rows.bytes;
}

/* Whatever the size of the pages (lists_next_size), each row comes exactly once, and in the same
 * order. Gives how many there are. */
static size_t assert_list(struct books *books, struct store_reader *reader,
                          const struct store_upgrade_filter *filter, const char *condition,
                          const char *order)
{
    char sql[4096];
    snprintf(sql, sizeof sql, ROWS "%s %s", condition, order);
    char *expected = books_query(books, sql);
    size_t rows = expected[0] != '\0' ? 1 : 0;
    for (const char *at = expected; (at = strchr(at, '\n')) != NULL; at++)
        rows++;
    for (size_t most = 1; most <= rows + 1; most = lists_next_size(most, rows)) {
        char *is = list_in_pages(reader, filter, most);
        size_t length = strlen(is);
        if (length > 0)
            is[length - 1] = '\0'; /* the last line end */
        if (strcmp(is, expected) != 0)
            fail_msg("%s, pages of %zu: it is:\n%s\nnot:\n%s", condition, most, is, expected);
        free(is);
    }
    free(expected);
    return rows;
}

static void every_condition_gives_its_upgrades_in_pages_of_every_size(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 14;
    lists_fill(books, 600, &seed);
    int64_t middle = books_number(books, "SELECT began_at FROM upgrade WHERE state = 0"
                                         " AND operation = 2 ORDER BY 1 LIMIT 1 OFFSET 2");
    char before[128];
    snprintf(before, sizeof before, "u.operation = 2 AND u.state = 0 AND u.began_at < %lld",
             (long long)middle);
    const struct {
        struct store_upgrade_filter filter;
        const char *condition, *order;
    } lists[] = {
        {{.operation = 2}, "u.operation = 2", NEWEST_FIRST},
        {{.operation = 99}, "u.operation = 99", NEWEST_FIRST},
        {{.operation = 2, .of_state = true, .state = RECORD_SUCCESS},
         "u.operation = 2 AND u.state = 1",
         NEWEST_FIRST},
        {{.operation = 2, .of_state = true, .state = RECORD_IN_PROGRESS},
         "u.operation = 2 AND u.state = 0",
         "ORDER BY began DESC, u.id DESC"},
        {{.operation = 2, .of_state = true, .state = RECORD_FAIL},
         "u.operation = 2 AND u.state = 2",
         NEWEST_FIRST},
        {{.operation = 2, .error_code = "4"},
         "u.operation = 2 AND u.state = 2 AND v.errorCode = '4'",
         NEWEST_FIRST},
        {{.operation = 2, .error_code = "it's"},
         "u.operation = 2 AND u.state = 2 AND v.errorCode = 'it''s'",
         NEWEST_FIRST},
        {{.operation = 2, .error_code = ""},
         "u.operation = 2 AND u.state = 2 AND coalesce(v.errorCode, '') = ''",
         NEWEST_FIRST},
        {{.operation = 2, .error_code = "none"}, "false", NEWEST_FIRST},
        {{.operation = 2, .contradictory = true},
         "u.operation = 2 AND v.contradictory = 1",
         NEWEST_FIRST},
        {{.operation = 2, .began_before_ms = middle}, before, "ORDER BY began, u.id"},
        {{.operation = 2, .began_before_ms = middle, .of_state = true, .state = RECORD_IN_PROGRESS},
         before,
         "ORDER BY began, u.id"},
        {{.operation = 2, .began_before_ms = 1}, "false", NEWEST_FIRST},
        /* two conditions */
        {{.operation = 2, .contradictory = true, .of_state = true, .state = RECORD_SUCCESS},
         "u.operation = 2 AND u.state = 1 AND v.contradictory = 1",
         NEWEST_FIRST},
        {{.operation = 2, .contradictory = true, .of_state = true, .state = RECORD_FAIL},
         "u.operation = 2 AND u.state = 2 AND v.contradictory = 1",
         NEWEST_FIRST},
        {{.operation = 2, .contradictory = true, .error_code = "5"},
         "u.operation = 2 AND u.state = 2 AND v.contradictory = 1 AND v.errorCode = '5'",
         NEWEST_FIRST},
        /* what is in progress has neither ended nor failed */
        {{.operation = 2, .error_code = "4", .of_state = true, .state = RECORD_SUCCESS},
         "false",
         NEWEST_FIRST},
        {{.operation = 2, .began_before_ms = INT64_MAX, .of_state = true, .state = RECORD_FAIL},
         "false",
         NEWEST_FIRST},
        {{.operation = 2, .began_before_ms = INT64_MAX, .of_state = true, .state = RECORD_SUCCESS},
         "false",
         NEWEST_FIRST},
        {{.operation = 2, .began_before_ms = INT64_MAX, .error_code = "4"}, "false", NEWEST_FIRST},
        {{.operation = 2, .began_before_ms = INT64_MAX, .contradictory = true},
         "false",
         NEWEST_FIRST},
        /* all operations */
        {{.of_state = true, .state = RECORD_FAIL}, "u.state = 2", NEWEST_FIRST},
        {{.of_state = true, .state = RECORD_FAIL, .error_code = "5"},
         "u.state = 2 AND v.errorCode = '5'",
         NEWEST_FIRST},
        {{.of_state = true, .state = RECORD_FAIL, .error_code = ""},
         "u.state = 2 AND coalesce(v.errorCode, '') = ''",
         NEWEST_FIRST},
        {{.of_state = true, .state = RECORD_FAIL, .error_code = "none"}, "false", NEWEST_FIRST},
    };
    for (size_t i = 0; i < LENGTH(lists); i++) {
        size_t rows = assert_list(books, reader, &lists[i].filter, lists[i].condition,
                                  lists[i].order);
        bool none = strcmp(lists[i].condition, "false") == 0 || lists[i].filter.operation == 99;
        if (none != (rows == 0))
            fail_msg("%s: %zu rows prove nothing", lists[i].condition, rows);
    }
    store_reader_free(reader);
}

static void add_failures(struct books *books, const char *operation, const char *code, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char device[8];
        snprintf(device, sizeof device, "%s%zu", code, i);
        books_add_result(books, &(struct support_result){.operation = operation,
                                                         .device = device,
                                                         .result = "FAIL",
                                                         .error_code = code,
                                                         .current = "1",
                                                         .received_ms = 1});
    }
}

/* Pages that end where an operation does, and operations between that have no failures (any more).
 */
static void a_page_over_all_operations_may_end_where_one_of_them_does(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    add_failures(books, "o1", "4", 2);
    add_failures(books, "o2", "5", 2);
    add_failures(books, "o3", "4", 1);
    books_add_result(books, &(struct support_result){.operation = "o3", .device = "40"});
    books_add_progress(books, &(struct support_result){.operation = "o4"}, "x");
    add_failures(books, "o5", "", 2);
    add_failures(books, "o6", "4", 4);
    books_add_result(books, &(struct support_result){.operation = "o7"});
    const struct store_upgrade_filter all = {.of_state = true, .state = RECORD_FAIL};
    const struct store_upgrade_filter of_code = {
        .of_state = true, .state = RECORD_FAIL, .error_code = "4"};
    assert_list(books, reader, &all, "u.state = 2", NEWEST_FIRST);
    assert_list(books, reader, &of_code, "u.state = 2 AND v.errorCode = '4'", NEWEST_FIRST);

    /* A token in an operation that fails no more leads to the next. */
    struct lists lists = {.count = 0};
    struct fault fault = FAULT_NONE;
    struct store_page_token next;
    lists_must(
        lists_read_upgrades(&lists, store_list_upgrades(reader, &all, NULL, 5, &fault), &next),
        &fault);
    lists_free(&lists);
    for (size_t i = 0; i < 2; i++)
        books_add_result(books,
                         &(struct support_result){.operation = "o5", .device = i == 0 ? "0" : "1"});
    lists_must(
        lists_read_upgrades(&lists, store_list_upgrades(reader, &all, &next, 2, &fault), &next),
        &fault);
    assert_int_equal(lists.count, 2);
    support_assert_has(lists_text(&lists), "app|o2|sub|50|FAIL");
    support_assert_has(lists_text(&lists), "app|o2|sub|51|FAIL");
    lists_free(&lists);
    store_reader_free(reader);
}

/* In the middle of an operation and at its end. */
static void a_page_of_upgrades_may_end_early(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    for (size_t i = 0; i < 4; i++)
        add_failures(books, (const char *[]){"o1", "o2", "o3", "o4"}[i], "4", i + 1);
    const struct store_upgrade_filter all = {.of_state = true, .state = RECORD_FAIL};
    for (size_t rows = 1; rows <= 10; rows++) {
        struct store_page_token token = {""};
        size_t seen = 0;
        do {
            struct lists lists = {.page_rows = rows};
            struct fault fault = FAULT_NONE;
            lists_must(lists_read_upgrades(
                           &lists, store_list_upgrades(reader, &all, &token, 1000, &fault), &token),
                       &fault);
            seen += lists.count;
            assert_true(lists.count == rows || (lists.count < rows && token.text[0] == '\0'));
            assert_true(seen <= 10);
            lists_free(&lists);
        } while (token.text[0] != '\0');
        assert_int_equal(seen, 10);
    }
    store_reader_free(reader);
}

/* Before 1970, at 0, and many at once. */
static void upgrades_in_progress_come_by_their_beginning_whatever_the_clock_said(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const int64_t times[] = {-5000, -5000, -5000, 5000, 0, 7, 7, -1};
    for (size_t i = 0; i < LENGTH(times); i++) {
        char device[8];
        snprintf(device, sizeof device, "%zu", i);
        struct record *record = support_progress(&(struct support_result){.device = device}, "x");
        record->received_ms = times[i];
        books_keep_one(books, record);
        support_record_free(record);
    }
    assert_list(books, reader,
                &(struct store_upgrade_filter){
                    .operation = 1, .of_state = true, .state = RECORD_IN_PROGRESS},
                "true", "ORDER BY began DESC, u.id DESC");
    assert_list(books, reader, &(struct store_upgrade_filter){.operation = 1, .began_before_ms = 7},
                "u.began_at < 7", "ORDER BY began, u.id");
    store_reader_free(reader);
}

/* What was in quarantine meanwhile was received all the same. */
static void an_upgrade_began_when_the_first_of_its_bodies_was_received(void **state)
{
    struct books *books = *state;
    struct record *held = support_bytes("held", 4);
    held->meaning = RECORD_QUARANTINE;
    books_keep_one(books, held);
    struct support_result what = {.received_ms = 5000, .result = "FAIL", .current = "1"};
    books_add_progress(books, &what, "x");
    what.received_ms = 6000;
    books_add_result(books, &what);
    books_assert(books, "SELECT began_at FROM upgrade", "5000");
    struct record *record = support_progress(&what, "y");
    record->requeue_id = held->id;
    record->received_ms = 4000;
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_STORED);
    books_assert(books, "SELECT began_at, state FROM upgrade", "4000|2");
    support_record_free(record);
    support_record_free(held);
}

/* What was received earlier does not override what was received later, whatever ended in between.
 */
static void a_step_from_quarantine_counts_from_when_it_was_received(void **state)
{
    struct books *books = *state;
    static const int64_t times[] = {7000, 3000, 5500, 4999, 6000};
    static const char *const steps[] = {"late", "x", "c", "y", "d"};
    struct record *held[LENGTH(times)];
    for (size_t i = 0; i < LENGTH(held); i++) {
        held[i] = support_bytes("held", 4);
        held[i]->meaning = RECORD_QUARANTINE;
        books_keep_one(books, held[i]);
    }
    struct support_result what = {.received_ms = 2000};
    books_add_progress(books, &what, "a");
    what.received_ms = 4000;
    books_add_result(books, &what);
    what.received_ms = 5000;
    books_add_progress(books, &what, "b"); /* late: its result is there */
    /* in the order in which they are retried: the step after each */
    static const size_t order[] = {1, 3, 2, 4, 0};
    static const char *const after[] = {"b", "b", "c", "d", "late"};
    for (size_t i = 0; i < LENGTH(after); i++) {
        what.received_ms = times[order[i]];
        char step[16];
        snprintf(step, sizeof step, "%s-%zu", steps[order[i]], order[i]);
        struct record *record = support_progress(&what, step);
        record->requeue_id = held[order[i]]->id;
        record->received_ms = times[order[i]];
        books_keep_one(books, record);
        assert_int_equal(record->outcome, RECORD_STORED);
        support_record_free(record);
        char *is = books_query(books, "SELECT step FROM upgrades");
        assert_int_equal(strncmp(is, after[i], strlen(after[i])), 0);
        free(is);
    }
    for (size_t i = 0; i < LENGTH(held); i++)
        support_record_free(held[i]);
}

/* --- one device --- */

static char *list_device(struct store_reader *reader, const char *device, size_t most)
{
    struct store_page_token token = {""};
    struct lists lists = {.count = 0};
    do {
        struct fault fault = FAULT_NONE;
        size_t before = lists.count;
        lists_must(lists_read_upgrades(
                       &lists, store_list_device(reader, device, &token, most, &fault), &token),
                   &fault);
        assert_true(lists.count - before <= most);
        assert_true(lists.count - before == most || token.text[0] == '\0');
    } while (token.text[0] != '\0');
    lists_text(&lists);
    if (lists.rows.length > 0)
        lists.rows.bytes[lists.rows.length - 1] = '\0';
    return lists.rows.bytes;
}

static void assert_device(struct books *books, struct store_reader *reader, const char *device)
{
    char sql[4096];
    snprintf(sql, sizeof sql, ROWS "v.deviceId = '%s' ORDER BY u.operation DESC, u.id DESC",
             device);
    char *expected = books_query(books, sql);
    for (size_t most = 1; most < 25; most++) {
        char *is = list_device(reader, device, most);
        if (strcmp(is, expected) != 0)
            fail_msg("%s, pages of %zu: it is:\n%s\nnot:\n%s", device, most, is, expected);
        free(is);
    }
    free(expected);
}

static void a_device_has_a_history_over_all_operations(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 12;
    lists_fill(books, 350, &seed);
    for (size_t i = 0; i < 12; i++) {
        char device[8];
        snprintf(device, sizeof device, "d%zu", i);
        assert_device(books, reader, device);
    }
    assert_device(books, reader, "nobody");
    assert_device(books, reader, "");
    store_reader_free(reader);
}

/* Two devices, and two sub-operations, whose hashes are the same: the text decides. */
static void devices_with_the_same_hash_stay_apart(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const char *const devices[] = {"here", "there"};
    for (size_t i = 0; i < 2; i++) {
        books_add_progress(books, &(struct support_result){.device = devices[i]}, "1");
        books_add_result(books, &(struct support_result){.device = devices[i]});
        books_add_progress(
            books, &(struct support_result){.device = devices[i], .sub_operation = "s"}, "2");
    }
    struct record *records[] = {
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"here\"}"),
        support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"there\"}"),
    };
    books_keep(books, records, 2);
    support_records_free(records, 2);
    const int64_t hashes[] = {
        books_number(books,
                     "SELECT DISTINCT device FROM notification WHERE body LIKE '%\"here\"%'"),
        books_number(books,
                     "SELECT DISTINCT device FROM notification WHERE body LIKE '%\"there\"%'"),
    };
    assert_int_not_equal(hashes[0], hashes[1]);
    for (size_t i = 0; i < 2; i++) {
        char sql[256], other[16];
        snprintf(other, sizeof other, "\"%s\"", devices[1 - i]);
        snprintf(sql, sizeof sql,
                 "UPDATE notification SET device = %lld;"
                 "UPDATE upgrade SET device = %lld, sub_operation = 5;"
                 "UPDATE lookup SET device = %lld, sub_operation = 5",
                 (long long)hashes[i], (long long)hashes[i], (long long)hashes[i]);
        books_meddle(books, sql);
        assert_device(books, reader, devices[i]);
        for (int64_t operation = 0; operation < 2; operation++) {
            struct lists lists = {.count = 0};
            struct fault fault = FAULT_NONE;
            lists_must(
                lists_read_notifications(
                    &lists,
                    store_list_notifications(reader, devices[i], operation, NULL, 100, &fault),
                    NULL),
                &fault);
            assert_int_equal(lists.count, operation == 0 ? 1 : 3);
            assert_null(strstr(lists_text(&lists), other));
            lists_free(&lists);
        }
    }
    store_reader_free(reader);
}

static void assert_notes(struct store_reader *reader, const char *device, int64_t operation,
                         const char *sub_operation, size_t most, const char *expected)
{
    struct lists lists = {.count = 0};
    struct buffer seqs = {0};
    struct fault fault = FAULT_NONE;
    lists_must(lists_read_notifications(
                   &lists,
                   store_list_notifications(reader, device, operation, sub_operation, most, &fault),
                   NULL),
               &fault);
    for (const char *at = lists_text(&lists); *at != '\0'; at = strchr(at, '\n') + 1)
        buffer_addf(&seqs, "%lld ", strtoll(at, NULL, 10));
    buffer_add(&seqs, "", 1);
    assert_string_equal(seqs.bytes, expected);
    buffer_release(&seqs);
    lists_free(&lists);
}

static void notifications_of_a_device_come_the_latest_first(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    static const char *const bodies[] = {
        "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}", /* 1 */
        "{\"notifyType\":\"commandRsp\",\"header\":{\"deviceId\":\"d\"},\"body\":{}}",
        "{\"notifyType\":\"commandRsp\",\"header\":{\"deviceId\":\"e\"},\"body\":{}}",
        "{\"notifyType\":\"swUpgradeStateChangeNotify\",\"appId\":\"a\",\"operationId\":\"o\","
        "\"subOperationId\":\"s1\",\"deviceId\":\"d\",\"swUpgradeState\":\"1\"}", /* 4 */
        "{\"notifyType\":\"swUpgradeStateChangeNotify\",\"appId\":\"a\",\"operationId\":\"o\","
        "\"subOperationId\":\"s2\",\"deviceId\":\"d\",\"swUpgradeState\":\"1\"}",
        "{\"notifyType\":\"swUpgradeStateChangeNotify\",\"appId\":\"a\",\"operationId\":\"o\","
        "\"subOperationId\":\"s1\",\"deviceId\":\"d\",\"swUpgradeState\":\"2\"}",
        "{\"notifyType\":\"swUpgradeStateChangeNotify\",\"appId\":\"a\",\"operationId\":\"o2\","
        "\"subOperationId\":\"s1\",\"deviceId\":\"d\",\"swUpgradeState\":\"2\"}",
        "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\"}", /* 8 */
        "{\"notifyType\":\"ruleEvent\",\"ruleId\":\"d\"}",
    };
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        struct record *record = support_record(bodies[i]);
        books_keep_one(books, record);
        assert_int_equal(record->seq, i + 1);
        support_record_free(record);
    }
    assert_notes(reader, "d", 0, NULL, 100, "8 2 1 ");
    assert_notes(reader, "d", 0, NULL, 2, "8 2 ");
    assert_notes(reader, "e", 0, NULL, 100, "3 ");
    assert_notes(reader, "d", 1, NULL, 100, "6 5 4 ");
    assert_notes(reader, "d", 1, "s1", 100, "6 4 ");
    assert_notes(reader, "d", 1, "s1", 1, "6 ");
    assert_notes(reader, "d", 1, "", 100, "");
    assert_notes(reader, "d", 2, "s1", 100, "7 ");
    assert_notes(reader, "", 0, NULL, 100, ""); /* what is about no device is of none */
    assert_notes(reader, "f", 0, NULL, 100, "");
    store_reader_free(reader);
}

/* --- by time --- */

/* A clock that steps: what was received between two times comes whole, in seq order. */
static void notifications_between_two_times_come_whatever_the_clock_did(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct record *records[500];
    uint64_t seed = 13;
    for (size_t batch = 0; batch < 7; batch++) {
        for (size_t i = 0; i < LENGTH(records); i++) {
            char device[24];
            snprintf(device, sizeof device, "%zu.%zu", batch, i);
            records[i] = support_progress(&(struct support_result){.device = device}, "x");
            /* numbers 1,001 to 1,500, of two spans, at a time of their own */
            records[i]->received_ms = (batch == 2 ? 7000 : (int64_t)batch % 3 * 1000) +
                                      (int64_t)support_random_below(&seed, 900);
        }
        books_keep(books, records, LENGTH(records));
        support_records_free(records, LENGTH(records));
    }
    static const int64_t times[][2] = {{0, 5000},   {0, 0},   {1000, 1300}, {2100, 2101},
                                       {899, 1000}, {-10, 3}, {3000, 9000}, {2600, 2899}};
    for (size_t t = 0; t < LENGTH(times); t++) {
        struct buffer is = {0};
        struct store_kept kept[97];
        size_t count;
        int64_t after = 0;
        do {
            struct fault fault = FAULT_NONE;
            lists_must(store_read_between(reader, times[t][0], times[t][1], after, kept,
                                          LENGTH(kept), &count, &fault),
                       &fault);
            for (size_t i = 0; i < count; i++)
                buffer_addf(&is, "%s%lld", is.length > 0 ? "\n" : "", (long long)kept[i].seq);
            after = count > 0 ? kept[count - 1].seq : after;
            store_kept_release(kept, count);
        } while (count > 0);
        buffer_add(&is, "", 1);
        char sql[256];
        snprintf(sql, sizeof sql,
                 "SELECT seq FROM notification WHERE received_at >= %lld AND received_at < %lld"
                 " ORDER BY seq",
                 (long long)times[t][0], (long long)times[t][1]);
        books_assert(books, sql, is.bytes);
        buffer_release(&is);
    }
    store_reader_free(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_upgrades_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_condition_gives_its_upgrades_in_pages_of_every_size),
        TEST(a_page_over_all_operations_may_end_where_one_of_them_does),
        TEST(a_page_of_upgrades_may_end_early),
        TEST(upgrades_in_progress_come_by_their_beginning_whatever_the_clock_said),
        TEST(an_upgrade_began_when_the_first_of_its_bodies_was_received),
        TEST(a_step_from_quarantine_counts_from_when_it_was_received),
        TEST(a_device_has_a_history_over_all_operations),
        TEST(devices_with_the_same_hash_stay_apart),
        TEST(notifications_of_a_device_come_the_latest_first),
        TEST(notifications_between_two_times_come_whatever_the_clock_did),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
