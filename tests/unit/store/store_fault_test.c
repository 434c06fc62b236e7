/* The store when the disk, the files or the neighbours go wrong. */
#include "config.h"

#include "books.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* COUNT results, each with a description of LENGTH characters, and a body for quarantine. */
static void make_records(struct record **records, size_t count, size_t length)
{
    char *description = calloc(1, length + 1);
    assert_non_null(description);
    memset(description, 'x', length);
    for (size_t i = 0; i + 1 < count; i++) {
        char device[32];
        snprintf(device, sizeof device, "device-%zu", i);
        records[i] = support_result(&(struct support_result){.device = device,
                                                             .result = i % 2 ? "SUCCESS" : "FAIL",
                                                             .error_code = "4",
                                                             .description = description});
    }
    records[count - 1] = support_record("no JSON");
    free(description);
}

/* Keeps the records and expects that to fail, and every one of them to be untold. */
static void expect_failure(struct books *books, struct record **records, size_t count,
                           const char *part)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_keep(books->store, records, count, NULL, 0, &fault), -1);
    support_assert_fault(&fault, part);
    support_assert_fault(&fault, "upgrades.db");
    assert_false(fault.lasting);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(records[i]->outcome, RECORD_PENDING);
}

static void expect_probe(struct books *books, bool works)
{
    struct fault fault = FAULT_NONE;
    if (store_probe(books->store, &fault) != (works ? 0 : -1))
        fail_msg("probe: %s", fault.set ? fault.text : "works");
    assert_int_equal(fault.set, !works);
}

/* Fails a batch for lack of room, and keeps it once there is room. */
static void fill_disk(struct books *books, size_t count, size_t length)
{
    struct record **records = calloc(count, sizeof(struct record *));
    assert_non_null(records);
    books_add_result(books, &(struct support_result){.result = "FAIL", .current = "1.0"});
    make_records(records, count, length);
    char *before = books_query(books, "SELECT * FROM totals");
    int64_t size = size_of(support_path(books->folder, "upgrades.db-wal"));

    support_limit_file_size((uint64_t)size + 8192);
    expect_failure(books, records, count, "SQLite");
    expect_probe(books, false);
    support_limit_file_size(RLIM_INFINITY);
    books_assert(books, "SELECT * FROM totals", before);
    books_assert(books,
                 "SELECT (SELECT count(*) FROM notifications),"
                 " (SELECT count(*) FROM upgrades), (SELECT count(*) FROM quarantine)",
                 "1|1|0");
    books_assert_recount(books);

    expect_probe(books, true);
    books_keep(books, records, count);
    assert_int_equal(records[0]->seq, 2); /* no number was used up */
    books_assert_recount(books);
    support_records_free(records, count);
    free(records);
    free(before);
}

static void a_batch_that_finds_no_room_leaves_nothing(void **state)
{
    fill_disk(*state, 20, 1000);
}

/* Larger than SQLite's cache: pages are written out before the commit. */
static void a_large_batch_that_finds_no_room_leaves_nothing(void **state)
{
    fill_disk(*state, 60, 300000);
}

static void the_store_stays_usable_without_a_probe(void **state)
{
    struct books *books = *state;
    struct record *records[10];
    make_records(records, LENGTH(records), 4000);
    support_limit_file_size((uint64_t)size_of(support_path(books->folder, "upgrades.db-wal")));
    expect_failure(books, records, LENGTH(records), "SQLite");
    support_limit_file_size(RLIM_INFINITY);
    books_keep(books, records, LENGTH(records));
    assert_int_equal(records[0]->outcome, RECORD_STORED);
    assert_int_equal(records[0]->seq, 1);
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
}

/* Whatever fails in the middle of a batch: here a number that somebody else has taken. */
static void a_batch_that_fails_in_the_middle_leaves_nothing(void **state)
{
    struct books *books = *state;
    struct record *records[] = {support_result(&(struct support_result){.device = "d"}),
                                support_record("no JSON"),
                                support_result(&(struct support_result){.device = "e"})};
    books_meddle(books, "INSERT INTO notification (seq, received_at, operation, device, content,"
                        " body) VALUES (2, 0, 0, 0, 0, '{}')");
    expect_failure(books, records, LENGTH(records), "cannot add a notification");
    books_assert(books,
                 "SELECT (SELECT count(*) FROM notification), (SELECT count(*) FROM upgrade),"
                 " (SELECT count(*) FROM operation), (SELECT count(*) FROM quarantined),"
                 " (SELECT seq FROM totals)",
                 "1|0|0|0|0");
    books_meddle(books, "DELETE FROM notification"); /* the store holds no lock meanwhile */
    books_keep(books, records, LENGTH(records));
    assert_int_equal(records[2]->seq, 2);
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
}

/* Nothing is told as kept that nobody will find again. */
static void expect_new_store(struct books *books, const char *part)
{
    struct record *record = support_result(&(struct support_result){.device = "later"});
    expect_failure(books, &record, 1, part);
    expect_failure(books, &record, 1, part);
    expect_probe(books, true);
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_STORED);
    char expected[24];
    snprintf(expected, sizeof expected, "%lld", (long long)record->seq);
    books_assert(books, "SELECT seq FROM notifications WHERE deviceId = 'later'", expected);
    books_assert_recount(books);
    support_record_free(record);
}

static void remove_store(const struct books *books)
{
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db")), 0);
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db-wal")), 0);
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db-shm")), 0);
}

static void a_store_removed_beneath_fails_and_is_made_anew(void **state)
{
    struct books *books = *state;
    books_add_result(books, &(struct support_result){.device = "d"});
    remove_store(books);
    expect_new_store(books, "no longer the file that was opened");
}

static void a_log_of_the_store_removed_beneath_fails_and_is_made_anew(void **state)
{
    struct books *books = *state;
    books_add_result(books, &(struct support_result){.device = "d"});
    assert_int_equal(unlink(support_path(books->folder, "upgrades.db-wal")), 0);
    expect_new_store(books, "upgrades.db-wal is no longer the file that was opened");
}

static void a_folder_moved_away_fails_until_it_is_back(void **state)
{
    struct books *books = *state;
    books_add_result(books, &(struct support_result){.device = "d"});
    char *away = calloc(1, strlen(books->folder) + 8);
    assert_non_null(away);
    snprintf(away, strlen(books->folder) + 8, "%s.away", books->folder);
    assert_int_equal(rename(books->folder, away), 0);
    struct record *record = support_result(&(struct support_result){.device = "e"});
    expect_failure(books, &record, 1, "no longer the file");
    expect_probe(books, false);
    expect_failure(books, &record, 1, "upgrades.db");
    assert_int_equal(rename(away, books->folder), 0);
    expect_probe(books, true);
    books_keep_one(books, record);
    /* nothing was written to the file that was away */
    assert_int_equal(record->seq, 2);
    assert_int_equal(record->outcome, RECORD_STORED);
    books_assert_recount(books);
    support_record_free(record);
    free(away);
}

static void a_file_put_in_its_place_is_never_written_to(void **state)
{
    struct books *books = *state;
    remove_store(books);
    support_write_file(support_path(books->folder, "upgrades.db"), "somebody's notes");
    struct record *record = support_result(&(struct support_result){.device = "d"});
    expect_failure(books, &record, 1, "no longer the file");
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_probe(books->store, &fault), -1);
    assert_true(fault.lasting);
    char *notes = support_read_file(support_path(books->folder, "upgrades.db"));
    assert_string_equal(notes, "somebody's notes");
    free(notes);
    support_record_free(record);
}

/* --- several on one folder --- */

static void two_stores_on_one_folder_are_one_set_of_books(void **state)
{
    struct books *books = *state;
    struct books other = *books;
    other.store = books_open_another(books);
    struct support_result fails = {.result = "FAIL", .current = "1.0", .error_code = "4"};
    struct support_result succeeds = {.result = "SUCCESS"};
    struct record *records[] = {support_result(&fails), support_result(&succeeds),
                                support_result(&fails), support_record("no JSON"),
                                support_record("no JSON")};
    for (size_t i = 0; i < LENGTH(records); i++)
        books_keep_one(i % 2 ? &other : books, records[i]);
    assert_int_equal(records[1]->seq, 2);
    assert_int_equal(records[2]->outcome, RECORD_REPEATED);
    assert_int_equal(records[2]->seq, 1);
    assert_int_equal(records[3]->id, 1);
    assert_int_equal(records[4]->id, 2);
    books_assert(books, "SELECT success, fail FROM operations", "1|0");
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
    store_free(other.store);
}

static void a_neighbour_that_holds_the_turn_costs_a_second_and_not_for_ever(void **state)
{
    struct books *books = *state;
    FILE *lock = fopen(support_path(books->folder, "writer.lock"), "r");
    assert_non_null(lock);
    assert_int_equal(flock(fileno(lock), LOCK_EX), 0);
    struct record *record = support_result(&(struct support_result){.device = "d"});
    expect_failure(books, &record, 1, "another receiver has held the store for 1000 ms");
    fclose(lock);
    books_keep_one(books, record);
    assert_int_equal(record->seq, 1);
    support_record_free(record);
}

#define TURNS 60

/* A loaded machine may let one thread start when the other is half through. */
#define TURNS_ATTEMPTS 5

struct neighbour {
    struct books books;
    const char *name;
    int *done; /* batches of this one and of the other */
    int *others;
    int others_at_end; /* batches of the other when this one was through */
    pthread_barrier_t *start;
};

static void *write_turns(void *argument)
{
    struct neighbour *neighbour = argument;
    pthread_barrier_wait(neighbour->start);
    for (int i = 0; i < TURNS; i++) {
        char device[24];
        snprintf(device, sizeof device, "%s-%d", neighbour->name, i);
        struct record *record = support_result(&(struct support_result){.device = device});
        struct fault fault = FAULT_NONE;
        bool kept = store_keep(neighbour->books.store, &record, 1, NULL, 0, &fault) == 0;
        support_record_free(record);
        if (!kept)
            break;
        __atomic_add_fetch(neighbour->done, 1, __ATOMIC_SEQ_CST);
    }
    neighbour->others_at_end = __atomic_load_n(neighbour->others, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Lets both write; returns how far the other was when the first was through. */
static int take_turns(struct books *books, const char *one, const char *two)
{
    int done[2] = {0, 0};
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    struct neighbour neighbours[] = {
        {.books = *books, .name = one, .done = &done[0], .others = &done[1], .start = &start},
        {.books = *books, .name = two, .done = &done[1], .others = &done[0], .start = &start}};
    neighbours[1].books.store = books_open_another(books);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_turns, &neighbours[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(done[0], TURNS);
    assert_int_equal(done[1], TURNS);
    pthread_barrier_destroy(&start);
    store_free(neighbours[1].books.store);
    /* The first to be through had to let the other go in between, all the way. */
    int first = neighbours[0].others_at_end < neighbours[1].others_at_end
                    ? neighbours[0].others_at_end
                    : neighbours[1].others_at_end;
    return first;
}

static void two_busy_stores_take_turns(void **state)
{
    struct books *books = *state;
    int first = 0, attempts = 0;
    while (first < TURNS / 2 && attempts < TURNS_ATTEMPTS) {
        char one[8], two[8];
        snprintf(one, sizeof one, "one%d", attempts);
        snprintf(two, sizeof two, "two%d", attempts++);
        first = take_turns(books, one, two);
    }
    assert_in_range(first, TURNS / 2, TURNS);
    assert_int_equal(books_number(books, "SELECT max(seq) FROM notifications"),
                     2 * TURNS * attempts);
    books_assert_recount(books);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_fault_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_batch_that_finds_no_room_leaves_nothing),
        OPEN(a_large_batch_that_finds_no_room_leaves_nothing),
        OPEN(the_store_stays_usable_without_a_probe),
        OPEN(a_batch_that_fails_in_the_middle_leaves_nothing),
        OPEN(a_store_removed_beneath_fails_and_is_made_anew),
        OPEN(a_log_of_the_store_removed_beneath_fails_and_is_made_anew),
        OPEN(a_folder_moved_away_fails_until_it_is_back),
        OPEN(a_file_put_in_its_place_is_never_written_to),
        OPEN(two_stores_on_one_folder_are_one_set_of_books),
        OPEN(a_neighbour_that_holds_the_turn_costs_a_second_and_not_for_ever),
        OPEN(two_busy_stores_take_turns),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
