/* News, which is no part of an upgrade: equal bodies within the window are one notification told
 * again, equal bodies further apart are two. Of an upgrade, equal bodies are one for ever. */
#include "config.h"

#include "campaign.h"

#include <stdlib.h>

#define WINDOW_MS 600000

/* Some day, with room for the clock to step back. */
#define NOON_MS 1764000000000

#define A \
    "{\"notifyType\":\"deviceDataChanged\",\"deviceId\":\"d\",\"service\":{\"serviceId\":\"a\"}}"
#define A_AGAIN                                                             \
    " {\"service\":{\"service\\u0049d\":\"\\u0061\"},\"deviceId\":\"d\",\n" \
    "\"notifyType\":\"deviceDataChanged\"}"
#define B \
    "{\"notifyType\":\"deviceDataChanged\",\"deviceId\":\"d\",\"service\":{\"serviceId\":\"b\"}}"

struct shelf {
    char *folder;
    struct store_config config;
    struct store *store;
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
    assert_non_null(shelf);
    shelf->folder = support_folder();
    shelf->config = (struct store_config){.folder = shelf->folder, .repeat_window_ms = WINDOW_MS};
    open_store(shelf);
    *state = shelf;
    return 0;
}

static int tear_down(void **state)
{
    struct shelf *shelf = *state;
    store_free(shelf->store);
    support_folder_free(shelf->folder);
    free(shelf);
    return 0;
}

static void set_window(struct shelf *shelf, int64_t window_ms)
{
    store_free(shelf->store);
    shelf->config.repeat_window_ms = window_ms;
    open_store(shelf);
}

/* Keeps BODY, received AFTER_MS after noon: it must be delivery number DELIVERIES of SEQ. */
static void keep(struct shelf *shelf, const char *body, int64_t after_ms, int64_t seq,
                 int64_t deliveries)
{
    struct record *record = support_record(body);
    struct fault fault = FAULT_NONE;
    record->received_ms = NOON_MS + after_ms;
    assert_int_not_equal(record->meaning, RECORD_QUARANTINE);
    if (store_keep(shelf->store, &record, 1, NULL, 0, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(record->seq, seq);
    assert_int_equal(record->deliveries, deliveries);
    assert_int_equal(record->outcome, deliveries == 1 ? RECORD_STORED : RECORD_REPEATED);
    campaign_record_free(record);
}

static void equal_news_within_the_window_is_a_repeat(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, A, 1, 1, 2);
    keep(*state, A_AGAIN, WINDOW_MS / 2, 1, 3);
}

static void equal_news_exactly_at_the_bound_is_a_repeat_and_a_moment_later_it_is_news(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, A, WINDOW_MS, 1, 2);
    keep(*state, A, WINDOW_MS + 1, 2, 1);
    keep(*state, A_AGAIN, 2 * WINDOW_MS + 1, 2, 2);
    keep(*state, A, 2 * WINDOW_MS + 2, 3, 1);
}

/* Or a device that reports the same every minute would be heard once and never again. */
static void repeats_do_not_stretch_the_window(void **state)
{
    for (int i = 0; i < 6; i++)
        keep(*state, A, i * (WINDOW_MS / 5), 1, i + 1);
    keep(*state, A, WINDOW_MS + WINDOW_MS / 5, 2, 1);
}

static void news_in_between_does_not_end_the_window(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, B, 10, 2, 1);
    keep(*state, A, 20, 1, 2);
    keep(*state, B, 30, 2, 2);
    keep(*state, A, WINDOW_MS + 1, 3, 1);
    keep(*state, B, WINDOW_MS + 5, 2, 3);
    keep(*state, A, WINDOW_MS + 6, 3, 2);
}

static void a_clock_that_steps_back_a_little_makes_no_news(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, A, -1, 1, 2);
    keep(*state, A, -WINDOW_MS, 1, 3);
}

/* A clock that was far ahead and is right again: what comes is not held for a repeat until then. */
static void a_clock_that_steps_back_far_makes_news(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, A, -WINDOW_MS - 1, 2, 1);
    keep(*state, A, -WINDOW_MS, 2, 2);
    keep(*state, A, -1, 2, 3);
}

static void a_clock_that_steps_forwards_far_makes_news(void **state)
{
    keep(*state, A, 0, 1, 1);
    keep(*state, A, INT64_C(1000) * WINDOW_MS, 2, 1);
    keep(*state, A, INT64_C(1000) * WINDOW_MS + 1, 2, 2);
}

static void a_clock_that_was_in_1970_makes_news(void **state)
{
    keep(*state, A, -NOON_MS, 1, 1); /* 1970 */
    keep(*state, A, 0, 2, 1);
}

static void without_a_window_equal_news_is_a_repeat_within_one_millisecond(void **state)
{
    set_window(*state, 0);
    keep(*state, A, 0, 1, 1);
    keep(*state, A, 0, 1, 2);
    keep(*state, A, 1, 2, 1);
}

static void the_window_holds_across_a_restart(void **state)
{
    keep(*state, A, 0, 1, 1);
    set_window(*state, WINDOW_MS);
    keep(*state, A, WINDOW_MS, 1, 2);
    keep(*state, A, WINDOW_MS + 1, 2, 1);
}

static void both_may_come_in_one_batch(void **state)
{
    struct shelf *shelf = *state;
    static const int64_t after_ms[] = {0, WINDOW_MS, WINDOW_MS + 1, WINDOW_MS + 2};
    static const int64_t seq[] = {1, 1, 2, 2};
    struct record *records[LENGTH(after_ms)];
    for (size_t i = 0; i < LENGTH(records); i++) {
        records[i] = support_record(i % 2 == 0 ? A : A_AGAIN);
        records[i]->received_ms = NOON_MS + after_ms[i];
    }
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_keep(shelf->store, records, LENGTH(records), NULL, 0, &fault), 0);
    for (size_t i = 0; i < LENGTH(records); i++) {
        assert_int_equal(records[i]->seq, seq[i]);
        assert_int_equal(records[i]->deliveries, i % 2 + 1);
        campaign_record_free(records[i]);
    }
}

static void other_devices_and_other_types_are_other_news(void **state)
{
    keep(*state, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}", 0, 1, 1);
    keep(*state, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"e\"}", 0, 2, 1);
    keep(*state, "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\"}", 0, 3, 1);
    keep(*state, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\",\"appId\":\"a\"}", 0, 4, 1);
    keep(*state, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}", 1, 1, 2);
}

static void a_command_status_is_news_like_any_other(void **state)
{
    static const char body[] =
        "{\"deviceId\":\"d\",\"commandId\":\"c\",\"result\":{\"resultCode\":\"SENT\"}}";
    keep(*state, body, 0, 1, 1);
    keep(*state, body, WINDOW_MS, 1, 2);
    keep(*state, body, WINDOW_MS + 1, 2, 1);
}

/* --- upgrades --- */

#define UPGRADE "\"appId\":\"a\",\"operationId\":\"o\",\"subOperationId\":\"s\",\"deviceId\":\"d\""
#define VERSIONS \
    "\"curVersion\":\"2\",\"targetVersion\":\"2\",\"sourceVersion\":\"1\",\"upgradeTime\":\"60\""

static const char *const upgrade_family[] = {
    "{\"notifyType\":\"swUpgradeStateChangeNotify\"," UPGRADE ",\"swUpgradeState\":\"updating\"}",
    "{\"notifyType\":\"swUpgradeResultNotify\"," UPGRADE "," VERSIONS
    ",\"swUpgradeResult\":\"SUCCESS\",\"resultDesc\":\"\",\"errorCode\":\"\",\"description\":\"\"}",
    "{\"notifyType\":\"fwUpgradeStateChangeNotify\"," UPGRADE ",\"step\":\"3\"}",
    "{\"notifyType\":\"fwUpgradeResultNotify\"," UPGRADE "," VERSIONS
    ",\"status\":\"SUCCESS\",\"statusDesc\":\"\"}",
};

static void of_an_upgrade_equal_bodies_are_repeats_for_ever(void **state)
{
    const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    for (size_t i = 0; i < LENGTH(upgrade_family); i++) {
        int64_t seq = (int64_t)i + 1;
        keep(*state, upgrade_family[i], 0, seq, 1);
        keep(*state, upgrade_family[i], WINDOW_MS + 1, seq, 2);
        keep(*state, upgrade_family[i], 10 * year_ms, seq, 3);
        keep(*state, upgrade_family[i], -10 * year_ms, seq, 4);
    }
    set_window(*state, 0);
    for (size_t i = 0; i < LENGTH(upgrade_family); i++)
        keep(*state, upgrade_family[i], year_ms, (int64_t)i + 1, 5);
}

#define SHELF(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int store_news_tests(void)
{
    const struct CMUnitTest tests[] = {
        SHELF(equal_news_within_the_window_is_a_repeat),
        SHELF(equal_news_exactly_at_the_bound_is_a_repeat_and_a_moment_later_it_is_news),
        SHELF(repeats_do_not_stretch_the_window),
        SHELF(news_in_between_does_not_end_the_window),
        SHELF(a_clock_that_steps_back_a_little_makes_no_news),
        SHELF(a_clock_that_steps_back_far_makes_news),
        SHELF(a_clock_that_steps_forwards_far_makes_news),
        SHELF(a_clock_that_was_in_1970_makes_news),
        SHELF(without_a_window_equal_news_is_a_repeat_within_one_millisecond),
        SHELF(the_window_holds_across_a_restart),
        SHELF(both_may_come_in_one_batch),
        SHELF(other_devices_and_other_types_are_other_news),
        SHELF(a_command_status_is_news_like_any_other),
        SHELF(of_an_upgrade_equal_bodies_are_repeats_for_ever),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
