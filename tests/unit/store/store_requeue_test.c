/* A body leaves quarantine once, as a notification; an application's cursor moves forward only. */
#include "config.h"

#include "campaign.h"
#include "store/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULT                                                                                  \
    "{\"notifyType\":\"swUpgradeResultNotify\",\"appId\":\"a\",\"operationId\":\"o\","          \
    "\"subOperationId\":\"s\",\"deviceId\":\"d\",\"curVersion\":\"1\",\"targetVersion\":\"2\"," \
    "\"sourceVersion\":\"1\",\"upgradeTime\":\"60\",\"swUpgradeResult\":\"FAIL\","              \
    "\"resultDesc\":\"\",\"errorCode\":\"4\",\"description\":\"\"}"

struct shelf {
    char *folder;
    struct store_config config;
    struct store *store;
    struct store_reader *reader;
};

static void open_store(struct shelf *shelf)
{
    struct fault fault = FAULT_NONE;
    if (store_new(&shelf->store, &shelf->config, &fault) != 0 ||
        store_open(shelf->store, &fault) != 0)
        fail_msg("%s", fault.text);
}

static int set_up(void **state)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    struct fault fault = FAULT_NONE;
    assert_non_null(shelf);
    shelf->folder = support_folder();
    shelf->config = (struct store_config){
        .folder = shelf->folder, .quarantine_max = 3, .quarantine_bytes = 4096};
    open_store(shelf);
    assert_int_equal(store_reader_new(&shelf->reader, shelf->folder, &fault), 0);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    struct shelf *shelf = *state;
    store_reader_free(shelf->reader);
    store_free(shelf->store);
    support_folder_free(shelf->folder);
    free(shelf);
    return 0;
}

static void keep_all(struct shelf *shelf, struct record **records, size_t count)
{
    struct fault fault = FAULT_NONE;
    if (store_keep(shelf->store, records, count, NULL, 0, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Quarantines BODY, as if no schema knew it yet; gives its id, 0 where it went to the log alone. */
static int64_t quarantine(struct shelf *shelf, const char *body)
{
    struct record *record = support_bytes(body, strlen(body));
    record->meaning = RECORD_QUARANTINE;
    record->known = true;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "notifyType unknown");
    keep_all(shelf, &record, 1);
    int64_t id = record->outcome == RECORD_QUARANTINED ? record->id : 0;
    campaign_record_free(record);
    return id;
}

static struct record *requeued(const char *body, int64_t id)
{
    struct record *record = support_record(body);
    record->requeue_id = id;
    return record;
}

/* Tries BODY again, which has ID in quarantine; gives what became of it. */
static enum record_outcome requeue(struct shelf *shelf, const char *body, int64_t id, int64_t *seq)
{
    struct record *record = requeued(body, id);
    keep_all(shelf, &record, 1);
    enum record_outcome outcome = record->outcome;
    *seq = record->seq;
    campaign_record_free(record);
    return outcome;
}

static struct store_totals totals(struct shelf *shelf)
{
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    if (store_read_overview(shelf->reader, &overview, &fault) != 0)
        fail_msg("%s", fault.text);
    return overview.totals;
}

static void assert_held(struct shelf *shelf, int64_t held, int64_t bytes)
{
    struct store_quarantined rows[8];
    size_t count;
    struct fault fault = FAULT_NONE;
    struct store_totals now = totals(shelf);
    assert_int_equal(now.quarantine_held, held);
    assert_int_equal(now.quarantine_bytes, bytes);
    assert_int_equal(store_read_quarantined(shelf->reader, 0, rows, LENGTH(rows), &count, &fault),
                     0);
    assert_int_equal(count, held);
    for (size_t i = 0; i < count; i++)
        bytes -= (int64_t)rows[i].body_length;
    assert_int_equal(bytes, 0);
    store_quarantined_release(rows, count);
}

static void a_requeued_body_becomes_a_notification_and_leaves_quarantine(void **state)
{
    struct shelf *shelf = *state;
    int64_t other = quarantine(shelf, "not JSON"), id = quarantine(shelf, RESULT), seq;
    assert_held(shelf, 2, 8 + (int64_t)strlen(RESULT));
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_STORED);
    assert_int_equal(seq, 1);
    assert_held(shelf, 1, 8);
    struct store_totals now = totals(shelf);
    assert_int_equal(now.notifications, 1);
    assert_int_equal(now.fail, 1);
    assert_int_equal(now.quarantined, 2); /* ever */
    assert_int_not_equal(other, id);
}

static void a_second_requeue_finds_it_gone_and_changes_nothing(void **state)
{
    struct shelf *shelf = *state;
    int64_t id = quarantine(shelf, RESULT), seq;
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_STORED);
    struct store_totals before = totals(shelf);
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_GONE);
    struct store_totals after = totals(shelf);
    assert_memory_equal(&before, &after, sizeof before); /* not even a repeat */
    assert_held(shelf, 0, 0);
    assert_int_equal(requeue(shelf, RESULT, 77, &seq), RECORD_GONE); /* never was there */
}

static void two_requeues_of_one_body_in_one_batch_are_one(void **state)
{
    struct shelf *shelf = *state;
    int64_t id = quarantine(shelf, RESULT);
    struct record *records[] = {requeued(RESULT, id), requeued(RESULT, id)};
    keep_all(shelf, records, LENGTH(records));
    assert_int_equal(records[0]->outcome, RECORD_STORED);
    assert_int_equal(records[1]->outcome, RECORD_GONE);
    assert_int_equal(totals(shelf).repeats, 0);
    assert_held(shelf, 0, 0);
    for (size_t i = 0; i < LENGTH(records); i++)
        campaign_record_free(records[i]);
}

static void a_body_that_came_in_meanwhile_is_counted_as_its_repeat(void **state)
{
    struct shelf *shelf = *state;
    int64_t id = quarantine(shelf, RESULT), seq;
    struct record *record = support_record(RESULT);
    keep_all(shelf, &record, 1);
    campaign_record_free(record);
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_REPEATED);
    assert_int_equal(seq, 1);
    assert_held(shelf, 0, 0);
}

static void two_equal_bodies_in_quarantine_are_one_notification_delivered_twice(void **state)
{
    struct shelf *shelf = *state;
    int64_t one = quarantine(shelf, RESULT), two = quarantine(shelf, RESULT), seq;
    assert_int_equal(requeue(shelf, RESULT, two, &seq), RECORD_STORED);
    assert_held(shelf, 1, (int64_t)strlen(RESULT));
    assert_int_equal(requeue(shelf, RESULT, one, &seq), RECORD_REPEATED);
    assert_held(shelf, 0, 0);
}

#define SUCCESS_AT_2000                                                                         \
    "{\"notifyType\":\"swUpgradeResultNotify\",\"appId\":\"a\",\"operationId\":\"o\","          \
    "\"subOperationId\":\"s\",\"deviceId\":\"d\",\"curVersion\":\"2\",\"targetVersion\":\"2\"," \
    "\"sourceVersion\":\"1\",\"upgradeTime\":\"60\",\"swUpgradeResult\":\"SUCCESS\","           \
    "\"resultDesc\":\"\",\"errorCode\":\"\",\"description\":\"\"}"

/* The last result received counts, and a requeued one was received when it was quarantined. */
static void a_requeued_result_counts_from_when_it_was_received(void **state)
{
    struct shelf *shelf = *state;
    static const int64_t received_ms[] = {1000, 3000};
    for (size_t i = 0; i < LENGTH(received_ms); i++) {
        int64_t id = quarantine(shelf, RESULT);
        struct record *records[] = {support_record(SUCCESS_AT_2000), requeued(RESULT, id)};
        records[0]->received_ms = 2000;
        records[1]->received_ms = received_ms[i];
        keep_all(shelf, &records[0], 1);
        keep_all(shelf, &records[1], 1);
        assert_int_equal(records[1]->outcome, RECORD_STORED);
        assert_int_equal(totals(shelf).notifications, 2);
        assert_int_equal(totals(shelf).success, received_ms[i] < 2000);
        assert_int_equal(totals(shelf).fail, received_ms[i] > 2000);
        for (size_t j = 0; j < LENGTH(records); j++)
            campaign_record_free(records[j]);
        tear_down((void **)&shelf);
        assert_int_equal(set_up((void **)&shelf), 0);
    }
    *state = shelf;
}

static void what_leaves_makes_room(void **state)
{
    struct shelf *shelf = *state;
    int64_t id = quarantine(shelf, RESULT), seq;
    assert_int_not_equal(quarantine(shelf, ""), 0);
    int64_t last = quarantine(shelf, "x");
    assert_int_not_equal(last, 0);
    assert_int_equal(quarantine(shelf, "y"), 0); /* the fourth of three */
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_STORED);
    int64_t next = quarantine(shelf, "z");
    assert_true(next > last); /* an id is never given out twice */
    assert_int_equal(totals(shelf).quarantine_log_only, 1);
    assert_held(shelf, 3, 2);
}

static void what_leaves_makes_room_in_bytes(void **state)
{
    struct shelf *shelf = *state;
    store_free(shelf->store);
    shelf->config.quarantine_bytes = strlen(RESULT) + 4;
    open_store(shelf);
    int64_t id = quarantine(shelf, RESULT), seq;
    assert_int_equal(quarantine(shelf, "12345"), 0);
    assert_int_not_equal(quarantine(shelf, "1234"), 0);
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_STORED);
    assert_int_not_equal(quarantine(shelf, "12345"), 0);
    assert_held(shelf, 2, 9);
}

/* An id that was given out, freed and requeued must not come up again for another body: a second
 * requeue, perhaps from a list that somebody wrote down, would take the wrong one. */
static void an_id_is_not_given_out_again_after_a_restart(void **state)
{
    struct shelf *shelf = *state;
    int64_t id = quarantine(shelf, RESULT), seq;
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_STORED);
    store_free(shelf->store);
    open_store(shelf);
    assert_true(quarantine(shelf, "x") > id);
    assert_int_equal(requeue(shelf, RESULT, id, &seq), RECORD_GONE);
    assert_held(shelf, 1, 1);
}

/* --- cursors --- */

static int64_t cursor_at(struct shelf *shelf, const char *name)
{
    struct store_cursor cursor = {.at.seq = -1};
    struct fault fault = FAULT_NONE;
    snprintf(cursor.name, sizeof cursor.name, "%s", name);
    if (store_read_cursor(shelf->reader, &cursor, &fault) != 0)
        fail_msg("%s", fault.text);
    return cursor.at.seq;
}

/* Notifications for cursors to move along. */
static void fill(struct shelf *shelf, int count)
{
    for (int i = 0; i < count; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%d\"}", i);
        struct record *record = support_record(body);
        keep_all(shelf, &record, 1);
        campaign_record_free(record);
    }
}

static void move_cursor(struct shelf *shelf, const char *name, int64_t seq)
{
    struct store_cursor cursor = {.at.seq = -1};
    struct fault fault = FAULT_NONE;
    snprintf(cursor.name, sizeof cursor.name, "%s", name);
    if (store_read_token(shelf->reader, seq, &cursor.at, &fault) != 0 ||
        store_keep(shelf->store, NULL, 0, &cursor, 0, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void a_cursor_moves_forward_only(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 6);
    assert_int_equal(cursor_at(shelf, "one"), 0);
    move_cursor(shelf, "one", 5);
    assert_int_equal(cursor_at(shelf, "one"), 5);
    move_cursor(shelf, "one", 3);
    assert_int_equal(cursor_at(shelf, "one"), 5);
    move_cursor(shelf, "one", 5);
    move_cursor(shelf, "one", 6);
    assert_int_equal(cursor_at(shelf, "one"), 6);
}

static void cursors_of_two_names_are_two(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 5);
    move_cursor(shelf, "one", 5);
    move_cursor(shelf, "two", 2);
    assert_int_equal(cursor_at(shelf, "one"), 5);
    assert_int_equal(cursor_at(shelf, "two"), 2);
    assert_int_equal(cursor_at(shelf, "tw"), 0);
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_read_overview(shelf->reader, &overview, &fault), 0);
    assert_int_equal(overview.cursors_length, 2);
    assert_string_equal(overview.cursors[0].name, "one");
    assert_int_equal(overview.cursors[1].at.seq, 2);
}

static void a_cursor_moves_with_the_records_of_its_batch(void **state)
{
    struct shelf *shelf = *state;
    struct store_cursor cursor = {.name = "one"};
    struct fault fault = FAULT_NONE;
    fill(shelf, 1);
    assert_int_equal(store_read_token(shelf->reader, 1, &cursor.at, &fault), 0);
    struct record *record = support_record(RESULT);
    assert_int_equal(store_keep(shelf->store, &record, 1, &cursor, 0, &fault), 0);
    campaign_record_free(record);
    store_free(shelf->store);
    open_store(shelf);
    assert_int_equal(cursor_at(shelf, "one"), 1);
    assert_int_equal(totals(shelf).notifications, 2);
}

static void the_longest_name_is_kept_whole(void **state)
{
    char name[STORE_CURSOR_NAME_MAX];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    fill(*state, 1);
    move_cursor(*state, name, 1);
    assert_int_equal(cursor_at(*state, name), 1);
}

#define SHELF(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int store_requeue_tests(void)
{
    const struct CMUnitTest tests[] = {
        SHELF(a_requeued_body_becomes_a_notification_and_leaves_quarantine),
        SHELF(a_second_requeue_finds_it_gone_and_changes_nothing),
        SHELF(two_requeues_of_one_body_in_one_batch_are_one),
        SHELF(a_body_that_came_in_meanwhile_is_counted_as_its_repeat),
        SHELF(two_equal_bodies_in_quarantine_are_one_notification_delivered_twice),
        SHELF(a_requeued_result_counts_from_when_it_was_received),
        SHELF(what_leaves_makes_room),
        SHELF(what_leaves_makes_room_in_bytes),
        SHELF(an_id_is_not_given_out_again_after_a_restart),
        SHELF(a_cursor_moves_forward_only),
        SHELF(cursors_of_two_names_are_two),
        SHELF(a_cursor_moves_with_the_records_of_its_batch),
        SHELF(the_longest_name_is_kept_whole),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
