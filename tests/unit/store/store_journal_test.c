/* Each record that a store keeps for shared books is in its journal once, in the order in which it
 * was kept, until it is confirmed; and a store without shared books writes none of it. */
#include "config.h"

#include "books.h"
#include "store/journal.h"
#include "store/maintenance.h"
#include "store/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 64

static struct support_result result_of(const char *device)
{
    return (struct support_result){.device = device, .received_ms = 1000};
}

static void add(struct books *books, const char *device)
{
    const struct support_result what = result_of(device);
    books_add_result(books, &what);
}

/* Opens the books with a journal, or without. */
static void reopen(struct books *books, bool journal)
{
    books->config.journal = journal;
    books_reopen(books);
}

static int set_up(void **state)
{
    struct books *books = books_new();
    *state = books;
    reopen(books, true);
    return 0;
}

/* Quarantines BODY, and gives its number there. */
static int64_t quarantine(struct books *books, const char *body, int64_t received_ms)
{
    struct record *record = support_bytes(body, strlen(body));
    record->meaning = RECORD_QUARANTINE;
    record->received_ms = received_ms;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "not JSON");
    books_keep_one(books, record);
    int64_t id = record->id;
    support_record_free(record);
    return id;
}

static void confirm(struct books *books, int64_t number)
{
    struct fault fault = FAULT_NONE;
    if (store_keep(books->store, NULL, 0, NULL, number, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Number, kind, what it refers to, deliveries, and whether it is made again. */
#define ENTRIES                                                                           \
    "SELECT number || ':' || kind || ' ' || coalesce(seq, CAST(body AS TEXT)) || ' x' ||" \
    " deliveries || CASE again WHEN 0 THEN '' ELSE ' again' END FROM journal ORDER BY number"

static void assert_sound(const struct books *books)
{
    books_assert(books,
                 "SELECT count(*) = s.number + 1 - coalesce(min(j.number), s.number + 1)"
                 " FROM journal j, journal_state s",
                 "1");
    books_assert(books,
                 "SELECT t.seq - s.seq, t.quarantine_id - s.quarantine_id"
                 " FROM totals t, journal_state s",
                 "0|0");
}

/* --- what is journaled --- */

static void without_shared_books_nothing_is_written(void **state)
{
    struct books *books = *state;
    books->config.journal = false;
    struct fault fault = FAULT_NONE;
    int64_t id, dropped = 0;
    add(books, "a");
    id = quarantine(books, "no", 1);
    assert_int_equal(store_drop_quarantined(books->store, &id, 1, &dropped, &fault), 0);
    books_assert(books, "SELECT count(*) FROM journal", "0");
    books_assert(books, "SELECT count(*) FROM journal_life", "0");
    books_assert(books, "SELECT * FROM journal_state", "0|0|0|0|0|0|0");
}

static void each_kept_record_has_one_entry_in_its_order(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    const struct support_result what = result_of("a");
    struct record *records[] = {support_result(&what), support_result(&what)};
    int64_t id, dropped = 0;
    books_keep(books, records, 2);
    assert_int_equal(records[0]->entry, 1);
    assert_int_equal(records[1]->outcome, RECORD_REPEATED);
    assert_int_equal(records[1]->entry, 2);
    support_record_free(records[0]);
    support_record_free(records[1]);
    id = quarantine(books, "no", 7);
    add(books, "b");
    assert_int_equal(store_drop_quarantined(books->store, &id, 1, &dropped, &fault), 0);
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 1 x1\n3:2 no x1\n4:1 2 x1\n5:3 no x1");
    books_assert(books, "SELECT received_at, reason FROM journal WHERE number = 5", "7|not JSON");
    assert_sound(books);
}

static void a_body_that_is_retried_leaves_and_comes_as_what_it_is(void **state)
{
    struct books *books = *state;
    const char *body = "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}";
    int64_t id = quarantine(books, body, 7);
    struct record *record = support_record(body);
    record->requeue_id = id;
    record->received_ms = 7;
    books_keep_one(books, record);
    assert_int_equal(record->entry, 3);
    books_keep_one(books, record); /* it is gone from there */
    assert_int_equal(record->outcome, RECORD_GONE);
    support_record_free(record);
    books_assert(books, "SELECT kind, received_at, reason FROM journal",
                 "2|7|not JSON\n3|7|not JSON\n1|7|" STORE_JOURNAL_RETRIED);
    assert_sound(books);
}

static int note(struct books *books, const char *text, int64_t now_ms, struct fault *fault)
{
    const struct store_named named = {.app_id = "app", .operation_id = "named", .now_ms = now_ms};
    return store_set_note(books->store, &named, text, fault);
}

static void must_note(struct books *books, const char *text, int64_t now_ms)
{
    struct fault fault = FAULT_NONE;
    if (note(books, text, now_ms, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Gives d1 to dCOUNT. */
struct giving {
    size_t count, given;
};

static const char *give(void *owner, const char **told)
{
    struct giving *giving = owner;
    static char id[32];
    *told = giving->given == 0 ? "success" : NULL;
    snprintf(id, sizeof id, "d%zu", ++giving->given);
    return giving->given <= giving->count ? id : NULL;
}

static void expect(struct books *books, size_t count, int64_t now_ms)
{
    const struct store_named named = {.app_id = "app", .operation_id = "named", .now_ms = now_ms};
    struct giving giving = {.count = count};
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    if (store_save_expected(books->store, &named, give, &giving, &planned, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Kind, time, and what a note or a list says, of a list of two devices at most. */
#define PLANS                                                                                  \
    "SELECT kind || ' ' || received_at || CASE again WHEN 0 THEN ' ' ELSE ' again ' END ||"    \
    " coalesce(CAST(body AS TEXT) ->> '$.step', 'note ' || (CAST(body AS TEXT) ->> '$.note'))" \
    " || coalesce(' ' || CASE WHEN json_array_length(CAST(body AS TEXT), '$.devices') < 3"     \
    " THEN CAST(body AS TEXT) ->> '$.devices'"                                                 \
    " ELSE json_array_length(CAST(body AS TEXT), '$.devices') END, '')"                        \
    " FROM journal WHERE kind IN (4, 5) ORDER BY number"

static void what_an_operator_tells_has_entries_in_its_order(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    must_note(books, "a \"note\"", 5);
    expect(books, 2, 6);
    must_note(books, "", 7);
    expect(books, 2001, 8);
    const struct store_named named = {.operation_id = "named", .now_ms = 9};
    assert_int_equal(store_forget_expected(books->store, &named, &fault), 0);
    books_assert(books, PLANS,
                 "4 5 note a \"note\"\n"
                 "5 6 begin\n"
                 "5 6 devices [[\"d1\",\"success\"],[\"d2\",null]]\n"
                 "5 6 saved\n"
                 "4 7 note \n"
                 "5 8 begin\n5 8 devices 1000\n5 8 devices 1000\n5 8 devices [[\"d2001\",null]]\n"
                 "5 8 saved\n"
                 "5 9 begin\n5 9 removed");
    books_assert(books, "SELECT count(DISTINCT CAST(body AS TEXT) ->> '$.list') FROM journal", "3");
    assert_sound(books);
}

static void what_was_not_kept_has_no_entry(void **state)
{
    struct books *books = *state;
    books->config.quarantine_max = 0;
    books_reopen(books);
    struct record *record = support_bytes("no", 2);
    record->meaning = RECORD_QUARANTINE;
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_LOG_ONLY);
    assert_int_equal(record->entry, 0);
    support_record_free(record);
    books_assert(books, ENTRIES, "");
}

static void confirmed_entries_go_and_numbers_never_go_back(void **state)
{
    struct books *books = *state;
    add(books, "a");
    add(books, "b");
    add(books, "c");
    confirm(books, 2);
    books_assert(books, ENTRIES, "3:1 3 x1");
    confirm(books, 3);
    reopen(books, true);
    add(books, "d");
    books_assert(books, ENTRIES, "4:1 4 x1");
    books_assert(books, "SELECT first_number FROM journal_life", "1\n4");
}

static void a_transaction_that_is_killed_leaves_no_entry(void **state)
{
    struct books *books = *state;
    add(books, "a");
    pid_t child = fork();
    if (child == 0) {
        const struct support_result what = result_of("b");
        struct record *record = support_result(&what);
        books_meddle(books, "CREATE TRIGGER stop BEFORE INSERT ON lookup"
                            " BEGIN SELECT RAISE(ABORT, 'stop'); END");
        int result = store_keep(books->store, &record, 1, NULL, 1, NULL);
        _exit(result == -1 ? 0 : 1); /* as SIGKILL: nothing is closed */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    books_meddle(books, "DROP TRIGGER stop");
    books_assert(books, ENTRIES, "1:1 1 x1");
    reopen(books, true);
    add(books, "b");
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 2 x1");
    assert_sound(books);
}

/* --- what was kept without a journal --- */

static void a_store_from_before_is_journaled_from_its_beginning(void **state)
{
    struct books *books = *state;
    reopen(books, false);
    add(books, "a");
    add(books, "a");
    add(books, "b");
    quarantine(books, "no", 1);
    reopen(books, true);
    books_assert(books, ENTRIES, "1:1 1 x2\n2:1 2 x1\n3:2 no x1");
    assert_sound(books);
    add(books, "a");
    books_assert(books, "SELECT number, seq, deliveries FROM journal WHERE number > 3", "4|1|1");
    reopen(books, false);
    add(books, "c");
    reopen(books, true); /* only what has no entry yet */
    books_assert(books, "SELECT number, seq, deliveries FROM journal WHERE number > 4", "5|3|1");
    assert_sound(books);
}

static void what_an_operator_told_before_is_journaled(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    must_note(books, "before", 5);
    expect(books, 2001, 6);
    books_assert(books, "SELECT * FROM journal_state", "0|0|0|0|0|0|0");
    struct books beside = *books;
    beside.store = books_open_another(books);
    reopen(books, true);
    books_assert(books, PLANS,
                 "4 5 again note before\n"
                 "5 6 again begin\n5 6 again devices 1000\n5 6 again devices 1000\n"
                 "5 6 again devices [[\"d2001\",null]]\n5 6 again saved");
    confirm(books, 6);
    /* Another opening that knows of no journal must not change what is in it. */
    assert_int_equal(note(&beside, "beside", 7, &fault), -1);
    support_assert_fault(&fault, "do it again");
    store_free(beside.store);
    books_assert(books, "SELECT note FROM operation", "before");
    reopen(books, true);
    must_note(books, "after", 8);
    books_assert(books, PLANS, "4 8 note after");
    assert_sound(books);
}

static void lists_that_were_pruned_are_not_made_again(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    struct store_pruned pruned;
    must_note(books, "stays", 5);
    expect(books, 2, 6);
    confirm(books, 4);
    assert_int_equal(store_prune(books->store, 2000, NULL, &pruned, &fault), 0);
    assert_int_equal(store_journal_again(books->store, &fault), 0);
    books_assert(books, PLANS, "4 5 again note stays");
    assert_sound(books);
}

static void an_opening_beside_one_without_a_journal_misses_nothing(void **state)
{
    struct books *books = *state;
    struct books beside = *books;
    add(books, "a");
    beside.config.journal = false;
    beside.store = books_open_another(&beside);
    add(&beside, "b");
    add(&beside, "b");
    quarantine(&beside, "no", 1);
    add(books, "b"); /* counted with its first, which has no entry before it */
    add(books, "c");
    store_free(beside.store);
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 2 x3\n3:2 no x1\n4:1 3 x1");
    assert_sound(books);
}

static void two_openings_at_once_share_one_sequence(void **state)
{
    struct books *books = *state;
    struct books beside = *books;
    add(books, "a");
    beside.store = books_open_another(books);
    add(&beside, "b");
    add(books, "a");
    store_free(beside.store);
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 2 x1\n3:1 1 x1");
    books_assert(books, "SELECT first_number FROM journal_life", "1\n2");
    assert_sound(books);
}

static void a_copy_that_is_put_back_has_a_new_life_and_goes_on(void **state)
{
    struct books *books = *state;
    char lives[2][64];
    add(books, "a");
    books_copy(support_path(books->folder, "upgrades.db"), support_path(books->folder, "copy"));
    add(books, "b");
    char *life = books_query(books, "SELECT max(id) FROM journal_life");
    snprintf(lives[0], sizeof lives[0], "%s", life);
    free(life);
    store_free(books->store);
    books->store = NULL;
    unlink(support_path(books->folder, "upgrades.db-wal"));
    unlink(support_path(books->folder, "upgrades.db-shm"));
    assert_int_equal(
        rename(support_path(books->folder, "copy"), support_path(books->folder, "upgrades.db")), 0);
    reopen(books, true);
    add(books, "c");
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 2 x1");
    life = books_query(books, "SELECT id FROM journal_life WHERE first_number = 2");
    snprintf(lives[1], sizeof lives[1], "%s", life);
    free(life);
    assert_string_not_equal(lives[0], lives[1]);
}

/* --- reading, shipping again, ending --- */

static struct store_reader *reader_of(const struct books *books)
{
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    return reader;
}

static void entries_are_read_in_order_with_their_bodies(void **state)
{
    struct books *books = *state;
    struct store_journaled entries[MOST];
    struct store_journal_state at;
    struct fault fault = FAULT_NONE;
    size_t count;
    add(books, "a");
    quarantine(books, "no", 5);
    reopen(books, true);
    add(books, "b");
    struct store_reader *reader = reader_of(books);
    assert_int_equal(store_journal_state(reader, &at, &fault), 0);
    assert_true(at.kept);
    assert_int_equal(at.first, 1);
    assert_int_equal(at.last, 3);
    assert_int_equal(at.received_ms, 1000);
    assert_int_equal(store_journal_read(reader, 0, entries, MOST, &count, &fault), 0);
    assert_int_equal(count, 3);
    assert_int_equal(entries[0].kind, STORE_JOURNAL_NOTIFICATION);
    support_assert_has(entries[0].body, "\"deviceId\":\"a\"");
    assert_int_equal(entries[1].kind, STORE_JOURNAL_QUARANTINED);
    assert_string_equal(entries[1].body, "no");
    assert_string_equal(entries[1].reason, "not JSON");
    assert_int_equal(entries[1].received_ms, 5);
    assert_string_equal(entries[0].life, entries[1].life);
    assert_string_not_equal(entries[1].life, entries[2].life);
    store_journal_release(entries, count);
    assert_int_equal(store_journal_read(reader, 2, entries, MOST, &count, &fault), 0);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].number, 3);
    store_journal_release(entries, count);
    confirm(books, 3);
    assert_int_equal(store_journal_state(reader, &at, &fault), 0);
    assert_int_equal(at.first, 4);
    assert_int_equal(at.last, 3);
    store_reader_free(reader);
}

static void all_is_made_again_in_a_new_life(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    add(books, "a");
    add(books, "a");
    quarantine(books, "no", 1);
    confirm(books, 2);
    assert_int_equal(store_journal_again(books->store, &fault), 0);
    books_assert(books, ENTRIES, "3:2 no x1\n4:1 1 x2 again\n5:2 no x1 again");
    books_assert(books, "SELECT first_number FROM journal_life", "1\n3");
    add(books, "b");
    books_assert(books, "SELECT seq, again FROM journal WHERE number = 6", "2|0");
    assert_sound(books);
}

static void a_journal_that_is_ended_begins_again_with_everything(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    bool found;
    int fd = store_lock_file(books->folder, STORE_JOURNAL_LOCK, &fault);
    add(books, "a");
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* a receiver ships */
    assert_int_equal(store_forget(books->store, STORE_JOURNAL_NAME, &found, &fault), -1);
    close(fd);
    fault = FAULT_NONE;
    add(books, "a");
    books_assert(books, ENTRIES, "1:1 1 x1\n2:1 1 x1");
    assert_int_equal(store_forget(books->store, STORE_JOURNAL_NAME, &found, &fault), 0);
    assert_true(found);
    books_assert(books, "SELECT (SELECT count(*) FROM journal), kept FROM journal_state", "0|0");
    add(books, "b");
    books_assert(books, ENTRIES, "");
    reopen(books, false);
    assert_int_equal(store_forget(books->store, STORE_JOURNAL_NAME, &found, &fault), 0);
    assert_false(found);
    reopen(books, true);
    books_assert(books, ENTRIES, "3:1 1 x2 again\n4:1 2 x1 again");
    assert_sound(books);
}

static void pruning_and_erasing_leave_what_the_journal_needs(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    struct store_pruned pruned;
    struct store_erased erased;
    add(books, "a");
    assert_int_equal(store_prune(books->store, 2000, NULL, &pruned, &fault), 0);
    assert_int_equal(pruned.notifications, 0);
    assert_int_equal(pruned.undelivered, 1);
    assert_string_equal(pruned.behind, STORE_JOURNAL_NAME);
    assert_int_equal(store_erase(books->store, "a", &erased, &fault), 0);
    assert_int_equal(erased.rows.notifications, 0);
    assert_string_equal(erased.rows.behind, STORE_JOURNAL_NAME);
    confirm(books, 1);
    add(books, "a"); /* a repeat needs it, too */
    assert_int_equal(store_prune(books->store, 2000, NULL, &pruned, &fault), 0);
    assert_int_equal(pruned.notifications, 0);
    confirm(books, 2);
    assert_int_equal(store_prune(books->store, 2000, NULL, &pruned, &fault), 0);
    assert_int_equal(pruned.notifications, 1);
    assert_string_equal(pruned.behind, "");
    reopen(books, false);
    add(books, "b"); /* it has no entry yet */
    assert_int_equal(store_prune(books->store, 2000, NULL, &pruned, &fault), 0);
    assert_int_equal(pruned.notifications, 0);
}

#define JOURNAL(test) cmocka_unit_test_setup_teardown(test, set_up, books_teardown)

int store_journal_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_shared_books_nothing_is_written, books_setup,
                                        books_teardown),
        JOURNAL(each_kept_record_has_one_entry_in_its_order),
        JOURNAL(a_body_that_is_retried_leaves_and_comes_as_what_it_is),
        JOURNAL(what_an_operator_tells_has_entries_in_its_order),
        JOURNAL(what_was_not_kept_has_no_entry),
        JOURNAL(confirmed_entries_go_and_numbers_never_go_back),
        JOURNAL(a_transaction_that_is_killed_leaves_no_entry),
        JOURNAL(a_store_from_before_is_journaled_from_its_beginning),
        cmocka_unit_test_setup_teardown(what_an_operator_told_before_is_journaled, books_setup,
                                        books_teardown),
        JOURNAL(lists_that_were_pruned_are_not_made_again),
        JOURNAL(an_opening_beside_one_without_a_journal_misses_nothing),
        JOURNAL(two_openings_at_once_share_one_sequence),
        JOURNAL(a_copy_that_is_put_back_has_a_new_life_and_goes_on),
        JOURNAL(entries_are_read_in_order_with_their_bodies),
        JOURNAL(all_is_made_again_in_a_new_life),
        JOURNAL(a_journal_that_is_ended_begins_again_with_everything),
        JOURNAL(pruning_and_erasing_leave_what_the_journal_needs),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
