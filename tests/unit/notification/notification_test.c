/* Notifications: ids out of a body, and the log line of what was kept. */
#include "config.h"

#include "notification/notification.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define LIFE "0123456789abcdef"

static void members_that_are_missing_or_no_strings_are_empty(void **state)
{
    struct record *record = support_meant(
        "{\"notifyType\":\"n\",\"appId\":null,\"deviceId\":7,\"operationId\":{\"a\":\"b\"}}",
        RECORD_NEWS);
    assert_string_equal(record->notify_type, "n");
    assert_string_equal(record->app_id, "");
    assert_string_equal(record->device_id, "");
    assert_string_equal(record->operation_id, "");
    assert_string_equal(record->sub_operation_id, "");
    support_record_free(record);
}

static void a_kind_of_result_names_its_own_members(void **state)
{
    const struct notification_result_members firmware = {.result = {"status"}};
    const struct notification_result_members software = {.result = {"swUpgradeResult"},
                                                         .error_code = "errorCode"};
    static const char body[] = "{\"status\":\"SUCCESS\",\"swUpgradeResult\":\"FAIL\","
                               "\"errorCode\":\"4\",\"curVersion\":\"2\",\"targetVersion\":\"2\"}";
    struct record *record = support_meant(body, RECORD_RESULT);
    notification_read_result(record, &firmware);
    assert_int_equal(record->state, RECORD_SUCCESS);
    assert_false(record->contradictory);
    assert_string_equal(record->error_code, "");
    notification_read_result(record, &software);
    assert_int_equal(record->state, RECORD_FAIL);
    assert_true(record->contradictory);
    assert_string_equal(record->error_code, "4");
    support_record_free(record);
}

/* --- log lines --- */

/* Fails where the line of RECORD, without its time, is not EXPECTED; frees the record. */
static void expect_line(struct record *record, const char *expected)
{
    static const char head[] = "{\"time\":\"2026-01-02T03:04:05.678Z\",";
    struct buffer line = {0};
    notification_add_log_line(record, &line);
    assert_false(line.failed);
    buffer_add(&line, "", 1);
    assert_true(line.length > sizeof head);
    assert_memory_equal(line.bytes, "{\"time\":\"20", 11);
    assert_memory_equal(line.bytes + sizeof head - 4, "Z\",", 3);
    assert_string_equal(line.bytes + sizeof head - 1, expected);
    buffer_release(&line);
    support_record_free(record);
}

static void a_stored_notification_shows_every_member_as_it_came(void **state)
{
    struct record *record = support_meant("\n{ \"b\":1.50,\r\n\"a\":\"\\u00e9\303\251\x7F\" }\n",
                                          RECORD_NEWS);
    record->outcome = RECORD_STORED;
    record->seq = 12;
    memcpy(record->life, LIFE, sizeof LIFE);
    record->deliveries = 1;
    expect_line(record, "\"event\":\"notification\",\"seq\":12,\"repeat\":false,"
                        "\"token\":\"" LIFE ":12\",\"body\":"
                        "{ \"b\":1.50,\"a\":\"\\u00e9\303\251\\u007f\" }}\n");
}

static void a_notification_kept_in_another_spelling_shows_that(void **state)
{
    struct record *record = support_meant("{\"\\u0061\":1}", RECORD_NEWS);
    record->rendered = strdup("{\"a\":1}");
    record->outcome = RECORD_STORED;
    record->seq = 12;
    memcpy(record->life, LIFE, sizeof LIFE);
    expect_line(record, "\"event\":\"notification\",\"seq\":12,\"repeat\":false,"
                        "\"token\":\"" LIFE ":12\",\"body\":{\"a\":1}}\n");
}

static void a_repeat_shows_the_number_it_repeats_and_its_deliveries(void **state)
{
    struct record *record = support_meant("{}", RECORD_NEWS);
    record->outcome = RECORD_REPEATED;
    record->seq = 12;
    record->deliveries = 3;
    expect_line(record, "\"event\":\"notification\",\"seq\":12,\"repeat\":true,\"deliveries\":3,"
                        "\"body\":{}}\n");
}

static void a_quarantined_body_is_told_by_its_number_alone(void **state)
{
    struct record *record = support_record("[1]");
    record->outcome = RECORD_QUARANTINED;
    record->id = 3;
    expect_line(record, "\"event\":\"quarantined\",\"id\":3,\"reason\":\"not a JSON object\"}\n");
    record = support_record("{\"notifyType\":1}");
    record->outcome = RECORD_QUARANTINED;
    record->id = 4;
    expect_line(record, "\"event\":\"quarantined\",\"id\":4,\"reason\":\"notifyType is not a "
                        "string\",\"pointer\":\"/notifyType\"}\n");
}

static struct record *log_only(const char *body, size_t length)
{
    struct record *record = support_bytes(body, length);
    record->meaning = RECORD_QUARANTINE;
    record->outcome = RECORD_LOG_ONLY;
    memcpy(record->verdict.reason, "w\"hy", 5);
    return record;
}

static void a_body_for_the_log_alone_is_in_it(void **state)
{
    expect_line(log_only("", 0), "\"event\":\"quarantined\",\"id\":null,\"reason\":\"w\\\"hy\","
                                 "\"body\":\"\"}\n");
    expect_line(log_only("a\n\"\0\303\251", 6),
                "\"event\":\"quarantined\",\"id\":null,\"reason\":\"w\\\"hy\","
                "\"body\":\"a\\u000a\\\"\\u0000\303\251\"}\n");
}

static void a_body_for_the_log_alone_that_is_no_text_is_in_it_as_base64(void **state)
{
    expect_line(log_only("\xFF\xFE\0", 3), "\"event\":\"quarantined\",\"id\":null,\"reason\":"
                                           "\"w\\\"hy\",\"bodyBase64\":\"//4A\"}\n");
}

static void a_line_out_of_the_store_is_the_line_of_the_log(void **state)
{
    static const char body[] = "{ \"b\":1.50,\r\n\"a\":\"\x7F\" }";
    struct buffer line = {0};
    const struct token token = {LIFE, 12};
    notification_add_kept_line(&token, INT64_C(1767323045678), body, sizeof body - 1, &line);
    buffer_add(&line, "", 1);
    assert_string_equal(line.bytes, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":"
                                    "\"notification\",\"seq\":12,\"repeat\":false,"
                                    "\"token\":\"" LIFE ":12\",\"body\":"
                                    "{ \"b\":1.50,\"a\":\"\\u007f\" }}\n");
    buffer_release(&line);
}

int notification_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_are_missing_or_no_strings_are_empty),
        cmocka_unit_test(a_kind_of_result_names_its_own_members),
        cmocka_unit_test(a_stored_notification_shows_every_member_as_it_came),
        cmocka_unit_test(a_notification_kept_in_another_spelling_shows_that),
        cmocka_unit_test(a_repeat_shows_the_number_it_repeats_and_its_deliveries),
        cmocka_unit_test(a_line_out_of_the_store_is_the_line_of_the_log),
        cmocka_unit_test(a_quarantined_body_is_told_by_its_number_alone),
        cmocka_unit_test(a_body_for_the_log_alone_is_in_it),
        cmocka_unit_test(a_body_for_the_log_alone_that_is_no_text_is_in_it_as_base64),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
