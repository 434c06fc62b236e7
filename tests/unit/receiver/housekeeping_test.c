/* The store's log under steady load: copied beside the writer, and within bounds. Each checkpoint
 * is seen on its way to SQLite: this program is linked so that it comes by here. */
#include "config.h"

#include "base/clock.h"
#include "books.h"
#include "receiver/housekeeping.h"
#include "store/lists.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE 4096
#define RECORDS 28 /* of a batch: some 100 pages */

int __real_sqlite3_wal_checkpoint_v2(sqlite3 *db, const char *name, int mode, int *pages,
                                     int *copied);
int __wrap_sqlite3_wal_checkpoint_v2(sqlite3 *db, const char *name, int mode, int *pages,
                                     int *copied);

static pthread_t writer;             /* the test itself */
static atomic_int by_writer, beside; /* checkpoints */

int __wrap_sqlite3_wal_checkpoint_v2(sqlite3 *db, const char *name, int mode, int *pages,
                                     int *copied)
{
    bool writes = pthread_equal(pthread_self(), writer) != 0;
    atomic_fetch_add(writes ? &by_writer : &beside, 1);
    return __real_sqlite3_wal_checkpoint_v2(db, name, mode, pages, copied);
}

/* What a receiver has beside its requests, on books of the test. */
struct fixture {
    struct books books;
    struct metrics *metrics;
    char *log_path;
    struct log *log;
    struct commit *commit;
    struct housekeeping *housekeeping;
    bool is_left;
    int devices; /* so far */
};

/* Lets STORE, whose log is in the folder of BOOKS, have a thread that copies that. The test writes
 * in turn with it. */
static void man_store(struct fixture *fixture, struct store *store, const struct fault *open_fault)
{
    struct fault fault = FAULT_NONE;
    fixture->metrics = metrics_new();
    fixture->log_path = strdup(support_path(fixture->books.folder, "log"));
    assert_int_equal(log_start(&fixture->log, fixture->log_path, fixture->metrics, &fault), 0);
    assert_int_equal(
        commit_new(&fixture->commit, store, open_fault, fixture->log, fixture->metrics, &fault), 0);
    assert_int_equal(housekeeping_start(&fixture->housekeeping, fixture->books.folder,
                                        fixture->commit, NULL, fixture->log, fixture->metrics,
                                        &fault),
                     0);
}

static void man(struct fixture *fixture)
{
    books_reopen(&fixture->books);
    man_store(fixture, fixture->books.store, NULL);
}

static void leave(struct fixture *fixture)
{
    housekeeping_stop(fixture->housekeeping);
    commit_free(fixture->commit);
    log_stop(fixture->log);
    free(fixture->log_path);
    metrics_free(fixture->metrics);
}

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    void *books = NULL;
    assert_non_null(fixture);
    books_setup(&books);
    fixture->books = *(struct books *)books;
    free(books);
    writer = pthread_self();
    atomic_store(&by_writer, 0);
    atomic_store(&beside, 0);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture->is_left)
        leave(fixture);
    store_free(fixture->books.store);
    support_folder_free(fixture->books.folder);
    free(fixture);
    return 0;
}

/* In turn with housekeeping, if there is any. */
static void keep(struct fixture *fixture, struct record **records)
{
    struct fault fault = FAULT_NONE;
    if (fixture->commit == NULL) {
        books_keep(&fixture->books, records, RECORDS);
        return;
    }
    while (commit_keep(fixture->commit, records, RECORDS, &fault) != 0) {
        if (strstr(fault.text, "too long") == NULL) /* the disk may be slow */
            fail_msg("%s", fault.text);
        fault = FAULT_NONE;
    }
    commit_leave(fixture->commit);
}

/* Keeps a batch of results of devices that nobody knows. */
static void keep_batch(struct fixture *fixture)
{
    struct record *records[RECORDS];
    for (int i = 0; i < RECORDS; i++) {
        /* spread over the indexes */
        char device[24], sub_operation[24];
        unsigned spread = (unsigned)fixture->devices++ * 2654435761u;
        snprintf(device, sizeof device, "%08x", spread);
        snprintf(sub_operation, sizeof sub_operation, "%u", spread % 50);
        records[i] = support_result(
            &(struct support_result){.device = device,
                                     .sub_operation = sub_operation,
                                     .received_ms = 1000 + fixture->devices});
    }
    keep(fixture, records);
    support_records_free(records, RECORDS);
}

/* Keeps batches until that has brought so many PAGES. Returns how many. */
static int keep_pages(struct fixture *fixture, int64_t pages)
{
    int batches = 0;
    int64_t seen = store_log_pages(fixture->books.store), sum = 0;
    while (sum < pages) {
        keep_batch(fixture);
        batches++;
        int64_t now = store_log_pages(fixture->books.store);
        sum += now > seen ? now - seen : now;
        seen = now;
    }
    return batches;
}

/* The longest that the log has been, in pages. */
static int64_t log_length(const struct fixture *fixture)
{
    struct stat status;
    assert_int_equal(stat(support_path(fixture->books.folder, "upgrades.db-wal"), &status), 0);
    return status.st_size / PAGE;
}

static bool is_all_copied(void *what)
{
    const struct fixture *fixture = what;
    return store_log_pages(fixture->books.store) == 0;
}

/* Once the log is long, it starts again with the batch that follows housekeeping's look. */
static void assert_starts_again(struct fixture *fixture)
{
    while (store_log_pages(fixture->books.store) <= STORE_LOG_LONG)
        keep_batch(fixture);
    atomic_store(&by_writer, 0);
    assert_true(support_wait_until(is_all_copied, fixture));
    keep_batch(fixture);
    assert_in_range(store_log_pages(fixture->books.store), 1, STORE_LOG_LONG);
    assert_int_equal(by_writer, 0);
}

static void a_long_log_starts_again_at_no_cost_to_the_writer(void **state)
{
    struct fixture *fixture = *state;
    man(fixture);
    keep_pages(fixture, STORE_LOG_LONG);
    assert_starts_again(fixture);
    assert_true(beside > 0);
    books_assert(&fixture->books, "PRAGMA integrity_check", "ok");
    books_assert_recount(&fixture->books);
}

static void whoever_reads_for_long_makes_nobody_copy_in_vain(void **state)
{
    struct fixture *fixture = *state;
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    man(fixture);
    keep_batch(fixture);
    assert_int_equal(store_reader_new(&reader, fixture->books.folder, &fault), 0);
    assert_int_equal(store_read_begin(reader, 0, &fault), 0);
    struct store_cursor cursor = {.name = "anybody"};
    assert_int_equal(store_read_cursor(reader, &cursor, &fault), 0); /* holds on from now on */
    int64_t began_ms = clock_monotonic_ms();
    int batches = keep_pages(fixture, 3 * STORE_LOG_LONG / 2);
    int seconds = (int)((clock_monotonic_ms() - began_ms) / 1000) + 1;
    assert_true(log_length(fixture) > 3 * STORE_LOG_LONG / 2);
    /* Four looks a second, each of which finds at once that no more can be copied. */
    assert_in_range(beside, 1, 2 * 4 * (seconds + 1) + 4 * 10);
    assert_true(batches > 50);
    store_reader_free(reader);
    assert_starts_again(fixture);
    books_assert(&fixture->books, "PRAGMA integrity_check", "ok");
}

static void without_housekeeping_the_writer_keeps_the_log_short(void **state)
{
    struct fixture *fixture = *state;
    keep_pages(fixture, 5 * STORE_LOG_LONG / 2);
    assert_in_range(log_length(fixture), 2 * STORE_LOG_LONG, 2 * STORE_LOG_LONG * 5 / 4);
    assert_in_range(by_writer, 1, 8);
}

static void two_on_one_store_keep_the_log_short(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = {.books = fixture->books};
    other.books.store = NULL;
    man(fixture);
    man(&other);
    other.devices = 1 << 24;
    for (int i = 0; i < 3; i++) {
        keep_pages(fixture, STORE_LOG_LONG / 4);
        keep_pages(&other, STORE_LOG_LONG / 4);
    }
    assert_starts_again(fixture);
    assert_starts_again(&other);
    leave(&other);
    store_free(other.books.store);
    books_assert(&fixture->books, "PRAGMA integrity_check", "ok");
    books_assert_recount(&fixture->books);
}

static bool is_probed_twice(void *what)
{
    const struct fixture *fixture = what;
    return metrics_read(fixture->metrics, METRIC_store_faults) >= 2;
}

static bool works_again(void *what)
{
    const struct fixture *fixture = what;
    struct fault fault;
    commit_get_fault(fixture->commit, &fault);
    return !fault.set;
}

static bool is_copied(void *what)
{
    return atomic_load(&beside) > 0;
}

/* What it has in its log may not be on the disk. Here a store that cannot be opened stands for it,
 * while the test writes what could be copied by another one. */
static void a_store_at_fault_is_not_copied(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_NONE;
    struct store *store;
    struct store_config config = fixture->books.config;
    char *folder = strdup(support_path(fixture->books.folder, "later"));
    assert_non_null(folder);
    config.folder = folder;
    assert_int_equal(store_new(&store, &config, &fault), 0);
    keep_batch(fixture);
    assert_int_equal(by_writer, 0);
    fault_set(&fault, "a sync failed");
    man_store(fixture, store, &fault);
    /* Housekeeping looks what there is to be copied between one probe and the next. */
    assert_true(support_wait_until(is_probed_twice, fixture));
    assert_int_equal(beside, 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_true(support_wait_until(works_again, fixture));
    struct record *record = support_result(&(struct support_result){.device = "news"});
    books_keep_one(&fixture->books, record);
    support_record_free(record);
    assert_true(support_wait_until(is_copied, NULL));
    leave(fixture);
    fixture->commit = NULL;
    store_free(store);
    free(folder);
    fixture->is_left = true;
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, begin, end)

int housekeeping_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(a_long_log_starts_again_at_no_cost_to_the_writer),
        OPEN(whoever_reads_for_long_makes_nobody_copy_in_vain),
        OPEN(without_housekeeping_the_writer_keeps_the_log_short),
        OPEN(two_on_one_store_keep_the_log_short),
        OPEN(a_store_at_fault_is_not_copied),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
