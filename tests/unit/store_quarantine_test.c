/* Quarantine: byte for byte, bounded by count and by bytes. */
#include "config.h"

#include "books.h"

#include <stdio.h>

/* Puts LENGTH bytes that are no JSON into quarantine and checks what became of them. */
static void expect(struct books *books, const char *bytes, size_t length,
                   enum record_outcome outcome, int64_t id)
{
    struct record *record = support_bytes(bytes, length);
    record->meaning = RECORD_QUARANTINE;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "why");
    snprintf(record->verdict.pointer, sizeof record->verdict.pointer, "/where");
    record->received_ms = 1001;
    books_keep_one(books, record);
    assert_int_equal(record->outcome, outcome);
    assert_int_equal(record->id, id);
    support_record_free(record);
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
        OPEN(an_id_is_never_given_twice),
        OPEN(a_batch_may_hold_both_kinds),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
