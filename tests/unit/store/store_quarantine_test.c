/* Quarantine: byte for byte, bounded by count and by bytes. */
#include "config.h"

#include "books.h"
#include "store/maintenance.h"

#include <stdio.h>

/* Puts a record of LENGTH bytes, FLAGS being what is set of it, into quarantine and checks what
 * became of it. */
static void expect_of(struct books *books, const struct record *flags, const char *bytes,
                      size_t length, enum record_outcome outcome, int64_t id)
{
    struct record *record = support_bytes(bytes, length);
    record->meaning = RECORD_QUARANTINE;
    record->known = flags->known;
    record->log_gone = flags->log_gone;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "why");
    snprintf(record->verdict.pointer, sizeof record->verdict.pointer, "/where");
    record->received_ms = flags->received_ms != 0 ? flags->received_ms : 1001;
    books_keep_one(books, record);
    assert_int_equal(record->outcome, outcome);
    assert_int_equal(record->id, id);
    support_record_free(record);
}

/* A body that may use all of quarantine. */
static void expect(struct books *books, const char *bytes, size_t length,
                   enum record_outcome outcome, int64_t id)
{
    expect_of(books, &(struct record){.known = true}, bytes, length, outcome, id);
}

/* One that names no known notifyType. */
static void expect_noise(struct books *books, const char *bytes, size_t length,
                         enum record_outcome outcome, int64_t id)
{
    expect_of(books, &(struct record){.known = false}, bytes, length, outcome, id);
}

static void reopen_with(struct books *books, uint64_t count, uint64_t bytes)
{
    books->config.quarantine_max = count;
    books->config.quarantine_bytes = bytes;
    books_reopen(books);
}

static void a_body_is_kept_byte_for_byte_with_its_reason(void **state)
{
    struct books *books = *state;
    static const char hostile[] = "\0\xFF' OR 1; --\r\n\xED\xA0\x80\"";
    expect(books, hostile, sizeof hostile - 1, RECORD_QUARANTINED, 1);
    expect(books, "", 0, RECORD_QUARANTINED, 2);
    books_assert(books,
                 "SELECT id, receivedAt, reason, pointer, hex(body), typeof(body)"
                 " FROM quarantine ORDER BY id",
                 "1|1970-01-01T00:00:01.001Z|why|/where|00FF27204F5220313B202D2D0D0AEDA08022|blob\n"
                 "2|1970-01-01T00:00:01.001Z|why|/where||blob");
    books_assert_recount(books);
}

static void the_same_body_again_is_quarantined_again(void **state)
{
    struct books *books = *state;
    expect(books, "x", 1, RECORD_QUARANTINED, 1);
    expect(books, "x", 1, RECORD_QUARANTINED, 2);
    books_assert_recount(books);
}

static void no_more_bodies_are_held_than_the_bound(void **state)
{
    struct books *books = *state;
    reopen_with(books, 2, 1000);
    expect(books, "1", 1, RECORD_QUARANTINED, 1);
    expect(books, "2", 1, RECORD_QUARANTINED, 2);
    expect(books, "3", 1, RECORD_LOG_ONLY, 0);
    expect(books, "", 0, RECORD_LOG_ONLY, 0);
    books_assert(books, "SELECT quarantined, quarantine_log_only, quarantine_held FROM totals",
                 "4|2|2");
    books_reopen(books);
    expect(books, "5", 1, RECORD_LOG_ONLY, 0);
    reopen_with(books, 3, 1000);
    expect(books, "6", 1, RECORD_QUARANTINED, 3);
    books_assert_recount(books);
}

static void no_more_bytes_are_held_than_the_bound(void **state)
{
    struct books *books = *state;
    reopen_with(books, 1000, 10);
    expect(books, "12345678901", 11, RECORD_LOG_ONLY, 0);
    expect(books, "1234567", 7, RECORD_QUARANTINED, 1);
    expect(books, "1234", 4, RECORD_LOG_ONLY, 0);
    expect(books, "123", 3, RECORD_QUARANTINED, 2); /* exactly the bound */
    expect(books, "1", 1, RECORD_LOG_ONLY, 0);
    expect(books, "", 0, RECORD_QUARANTINED, 3);
    books_assert(books, "SELECT quarantine_bytes, quarantine_held FROM totals", "10|3");
    books_assert_recount(books);
}

static void a_bound_of_none_holds_none(void **state)
{
    struct books *books = *state;
    reopen_with(books, 0, 1000);
    expect(books, "1", 1, RECORD_LOG_ONLY, 0);
    reopen_with(books, 1000, 0);
    expect(books, "1", 1, RECORD_LOG_ONLY, 0);
    books_assert_recount(books);
}

static void noise_leaves_room_for_bodies_of_a_known_type(void **state)
{
    struct books *books = *state;
    reopen_with(books, 5, 1000); /* 3 of any kind, 2 for known types alone */
    expect_noise(books, "1", 1, RECORD_QUARANTINED, 1);
    expect_noise(books, "2", 1, RECORD_QUARANTINED, 2);
    expect_noise(books, "3", 1, RECORD_QUARANTINED, 3);
    expect_noise(books, "4", 1, RECORD_LOG_ONLY, 0);
    expect(books, "5", 1, RECORD_QUARANTINED, 4);
    expect_noise(books, "", 0, RECORD_LOG_ONLY, 0);
    expect(books, "6", 1, RECORD_QUARANTINED, 5);
    expect(books, "7", 1, RECORD_LOG_ONLY, 0);
    books_assert_recount(books);
}

static void noise_leaves_bytes_for_bodies_of_a_known_type(void **state)
{
    struct books *books = *state;
    reopen_with(books, 1000, 11); /* 6 for all, 5 for known types alone */
    expect_noise(books, "1234567", 7, RECORD_LOG_ONLY, 0);
    expect_noise(books, "123456", 6, RECORD_QUARANTINED, 1);
    expect_noise(books, "1", 1, RECORD_LOG_ONLY, 0);
    expect(books, "12345", 5, RECORD_QUARANTINED, 2);
    expect(books, "1", 1, RECORD_LOG_ONLY, 0);
    books_assert_recount(books);
}

static void known_types_may_use_all_of_it_and_noise_what_they_leave(void **state)
{
    struct books *books = *state;
    reopen_with(books, 4, 1000);
    for (int64_t id = 1; id <= 3; id++)
        expect(books, "x", 1, RECORD_QUARANTINED, id);
    expect_noise(books, "x", 1, RECORD_QUARANTINED, 4);
    expect_noise(books, "x", 1, RECORD_LOG_ONLY, 0);
    expect(books, "x", 1, RECORD_LOG_ONLY, 0);
    books_assert_recount(books);
}

static void what_has_no_room_and_no_log_is_refused_and_not_counted(void **state)
{
    struct books *books = *state;
    const struct record gone = {.known = true, .log_gone = true};
    reopen_with(books, 1, 1000);
    expect_of(books, &gone, "1", 1, RECORD_QUARANTINED, 1); /* it needs no log */
    expect_of(books, &gone, "2", 1, RECORD_REFUSED, 0);
    expect_of(books, &gone, "2", 1, RECORD_REFUSED, 0);
    books_assert(books, "SELECT quarantined, quarantine_log_only, quarantine_held FROM totals",
                 "1|0|1");
    books_assert_recount(books);
}

#define FULL "SELECT quarantine_full_at, quarantine_unknown_full_at FROM totals"

static void since_when_it_is_full_is_told_for_each_kind(void **state)
{
    struct books *books = *state;
    const struct record at_1 = {.received_ms = 1}, at_2 = {.received_ms = 2},
                        known_at_3 = {.received_ms = 3, .known = true},
                        gone_at_4 = {.received_ms = 4, .known = true, .log_gone = true};
    reopen_with(books, 2, 1000);
    expect_of(books, &at_1, "x", 1, RECORD_QUARANTINED, 1);
    books_assert(books, FULL, "0|0");
    expect_of(books, &at_1, "x", 1, RECORD_LOG_ONLY, 0);
    expect_of(books, &at_2, "x", 1, RECORD_LOG_ONLY, 0);
    books_assert(books, FULL, "0|1");
    expect_of(books, &known_at_3, "x", 1, RECORD_QUARANTINED, 2);
    books_assert(books, FULL, "0|1");
    expect_of(books, &gone_at_4, "x", 1, RECORD_REFUSED, 0);
    expect_of(books, &known_at_3, "x", 1, RECORD_LOG_ONLY, 0);
    books_assert(books, FULL, "4|1");
    reopen_with(books, 5, 1000); /* there is room again, and the next body of each kind finds it */
    expect_of(books, &at_2, "x", 1, RECORD_QUARANTINED, 3);
    books_assert(books, FULL, "4|0");
    expect_of(books, &known_at_3, "x", 1, RECORD_QUARANTINED, 4);
    books_assert(books, FULL, "0|0");
}

static void what_is_dropped_is_gone_makes_room_and_leaves_the_counters_true(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    int64_t ids[70], dropped = 0;
    reopen_with(books, 80, 1000);
    for (int64_t id = 1; id <= 40; id++) {
        expect_noise(books, "x", 1, RECORD_QUARANTINED, id);
        ids[id - 1] = id;
    }
    for (int64_t id = 41; id <= 80; id++) {
        expect(books, "xyz", 3, RECORD_QUARANTINED, id);
        if (id <= 70)
            ids[id - 1] = id;
    }
    expect(books, "x", 1, RECORD_LOG_ONLY, 0);
    assert_int_equal(store_drop_quarantined(books->store, ids, 70, &dropped, &fault), 0);
    assert_int_equal(dropped, 70);
    assert_int_equal(store_drop_quarantined(books->store, ids, 70, &dropped, &fault), 0);
    assert_int_equal(dropped, 70); /* none is there any more */
    books_assert(books, "SELECT quarantined, quarantine_held, quarantine_bytes FROM totals",
                 "81|10|30");
    books_assert(books, FULL, "0|0");
    books_meddle(books, "UPDATE totals SET quarantined = quarantine_held + quarantine_log_only");
    books_assert_recount(books);
    expect(books, "x", 1, RECORD_QUARANTINED, 81);
}

static void an_id_is_never_given_twice(void **state)
{
    struct books *books = *state;
    expect(books, "1", 1, RECORD_QUARANTINED, 1);
    expect(books, "2", 1, RECORD_QUARANTINED, 2);
    books_meddle(books, "DELETE FROM quarantined;"
                        "UPDATE totals SET quarantine_held = 0, quarantine_bytes = 0");
    expect(books, "3", 1, RECORD_QUARANTINED, 3);
    books_reopen(books);
    expect(books, "4", 1, RECORD_QUARANTINED, 4);
}

static void a_batch_may_hold_both_kinds(void **state)
{
    struct books *books = *state;
    reopen_with(books, 1, 1000);
    struct record *records[] = {
        support_record("1"), support_result(&(struct support_result){.device = "d"}),
        support_record("2"), support_result(&(struct support_result){.device = "e"})};
    books_keep(books, records, LENGTH(records));
    const enum record_outcome outcomes[] = {RECORD_QUARANTINED, RECORD_STORED, RECORD_LOG_ONLY,
                                            RECORD_STORED};
    for (size_t i = 0; i < LENGTH(records); i++)
        assert_int_equal(records[i]->outcome, outcomes[i]);
    assert_int_equal(records[3]->seq, 2);
    books_assert(books, "SELECT reason, pointer, body FROM quarantine", "not a JSON object||1");
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_quarantine_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_body_is_kept_byte_for_byte_with_its_reason),
        OPEN(the_same_body_again_is_quarantined_again),
        OPEN(no_more_bodies_are_held_than_the_bound),
        OPEN(no_more_bytes_are_held_than_the_bound),
        OPEN(a_bound_of_none_holds_none),
        OPEN(noise_leaves_room_for_bodies_of_a_known_type),
        OPEN(noise_leaves_bytes_for_bodies_of_a_known_type),
        OPEN(known_types_may_use_all_of_it_and_noise_what_they_leave),
        OPEN(what_has_no_room_and_no_log_is_refused_and_not_counted),
        OPEN(since_when_it_is_full_is_told_for_each_kind),
        OPEN(what_is_dropped_is_gone_makes_room_and_leaves_the_counters_true),
        OPEN(an_id_is_never_given_twice),
        OPEN(a_batch_may_hold_both_kinds),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
