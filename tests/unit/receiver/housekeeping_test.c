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
struct desk {
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
static void man_store(struct desk *desk, struct store *store, const struct fault *open_fault)
{
    struct fault fault = FAULT_NONE;
    desk->metrics = metrics_new();
    desk->log_path = strdup(support_path(desk->books.folder, "log"));
    assert_int_equal(log_start(&desk->log, desk->log_path, desk->metrics, &fault), 0);
    assert_int_equal(commit_new(&desk->commit, store, open_fault, desk->log, desk->metrics, &fault),
                     0);
    assert_int_equal(housekeeping_start(&desk->housekeeping, desk->books.folder, desk->commit,
                                        desk->log, desk->metrics, &fault),
                     0);
}

static void man(struct desk *desk)
{
    books_reopen(&desk->books);
    man_store(desk, desk->books.store, NULL);
}

static void leave(struct desk *desk)
{
    housekeeping_stop(desk->housekeeping);
    commit_free(desk->commit);
    log_stop(desk->log);
    free(desk->log_path);
    metrics_free(desk->metrics);
}

static int begin(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    void *books = NULL;
    assert_non_null(desk);
    books_setup(&books);
    desk->books = *(struct books *)books;
    free(books);
    writer = pthread_self();
    atomic_store(&by_writer, 0);
    atomic_store(&beside, 0);
    *state = desk;
    return 0;
}

static int end(void **state)
{
    struct desk *desk = *state;
    if (!desk->is_left)
        leave(desk);
    store_free(desk->books.store);
    support_folder_free(desk->books.folder);
    free(desk);
    return 0;
}

/* In turn with housekeeping, if there is any. */
static void keep(struct desk *desk, struct record **records)
{
    struct fault fault = FAULT_NONE;
    if (desk->commit == NULL) {
        books_keep(&desk->books, records, RECORDS);
        return;
    }
    while (commit_keep(desk->commit, records, RECORDS, &fault) != 0) {
        if (strstr(fault.text, "too long") == NULL) /* the disk may be slow */
            fail_msg("%s", fault.text);
        fault = FAULT_NONE;
    }
    commit_leave(desk->commit);
}

/* Keeps a batch of results of devices that nobody knows. */
static void keep_batch(struct desk *desk)
{
    struct record *records[RECORDS];
    for (int i = 0; i < RECORDS; i++) {
        /* spread over the indexes */
        char device[24], sub_operation[24];
        unsigned spread = (unsigned)desk->devices++ * 2654435761u;
        snprintf(device, sizeof device, "%08x", spread);
        snprintf(sub_operation, sizeof sub_operation, "%u", spread % 50);
        records[i] = support_result(&(struct support_result){
            .device = device, .sub_operation = sub_operation, .received_ms = 1000 + desk->devices});
    }
    keep(desk, records);
    support_records_free(records, RECORDS);
}

/* Keeps batches until that has brought so many PAGES. Returns how many. */
static int keep_pages(struct desk *desk, int64_t pages)
{
    int batches = 0;
    int64_t seen = store_log_pages(desk->books.store), sum = 0;
    while (sum < pages) {
        keep_batch(desk);
        batches++;
        int64_t now = store_log_pages(desk->books.store);
        sum += now > seen ? now - seen : now;
        seen = now;
    }
    return batches;
}

/* The longest that the log has been, in pages. */
static int64_t log_length(const struct desk *desk)
{
    struct stat status;
    assert_int_equal(stat(support_path(desk->books.folder, "upgrades.db-wal"), &status), 0);
    return status.st_size / PAGE;
}

static bool is_all_copied(void *what)
{
    const struct desk *desk = what;
    return store_log_pages(desk->books.store) == 0;
}

/* Once the log is long, it starts again with the batch that follows housekeeping's look. */
static void assert_starts_again(struct desk *desk)
{
    while (store_log_pages(desk->books.store) <= STORE_LOG_LONG)
        keep_batch(desk);
    atomic_store(&by_writer, 0);
    assert_true(support_wait_until(is_all_copied, desk));
    keep_batch(desk);
    assert_in_range(store_log_pages(desk->books.store), 1, STORE_LOG_LONG);
    assert_int_equal(by_writer, 0);
}

static void a_long_log_starts_again_at_no_cost_to_the_writer(void **state)
{
    struct desk *desk = *state;
    man(desk);
    keep_pages(desk, STORE_LOG_LONG);
    assert_starts_again(desk);
    assert_true(beside > 0);
    books_assert(&desk->books, "PRAGMA integrity_check", "ok");
    books_assert_recount(&desk->books);
}

static void whoever_reads_for_long_makes_nobody_copy_in_vain(void **state)
{
    struct desk *desk = *state;
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    man(desk);
    keep_batch(desk);
    assert_int_equal(store_reader_new(&reader, desk->books.folder, &fault), 0);
    assert_int_equal(store_read_begin(reader, 0, &fault), 0);
    struct store_cursor cursor = {.name = "anybody"};
    assert_int_equal(store_read_cursor(reader, &cursor, &fault), 0); /* holds on from now on */
    int64_t began_ms = clock_monotonic_ms();
    int batches = keep_pages(desk, 3 * STORE_LOG_LONG / 2);
    int seconds = (int)((clock_monotonic_ms() - began_ms) / 1000) + 1;
    assert_true(log_length(desk) > 3 * STORE_LOG_LONG / 2);
    /* Four looks a second, each of which finds at once that no more can be copied. */
    assert_in_range(beside, 1, 2 * 4 * (seconds + 1) + 4 * 10);
    assert_true(batches > 50);
    store_reader_free(reader);
    assert_starts_again(desk);
    books_assert(&desk->books, "PRAGMA integrity_check", "ok");
}

static void without_housekeeping_the_writer_keeps_the_log_short(void **state)
{
    struct desk *desk = *state;
    keep_pages(desk, 5 * STORE_LOG_LONG / 2);
    assert_in_range(log_length(desk), 2 * STORE_LOG_LONG, 2 * STORE_LOG_LONG * 5 / 4);
    assert_in_range(by_writer, 1, 8);
}

static void two_on_one_store_keep_the_log_short(void **state)
{
    struct desk *desk = *state;
    struct desk other = {.books = desk->books};
    other.books.store = NULL;
    man(desk);
    man(&other);
    other.devices = 1 << 24;
    for (int i = 0; i < 3; i++) {
        keep_pages(desk, STORE_LOG_LONG / 4);
        keep_pages(&other, STORE_LOG_LONG / 4);
    }
    assert_starts_again(desk);
    assert_starts_again(&other);
    leave(&other);
    store_free(other.books.store);
    books_assert(&desk->books, "PRAGMA integrity_check", "ok");
    books_assert_recount(&desk->books);
}

static bool is_probed_twice(void *what)
{
    const struct desk *desk = what;
    return metrics_read(desk->metrics, METRIC_store_faults) >= 2;
}

static bool works_again(void *what)
{
    const struct desk *desk = what;
    struct fault fault;
    commit_get_fault(desk->commit, &fault);
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
    struct desk *desk = *state;
    struct fault fault = FAULT_NONE;
    struct store *store;
    struct store_config config = desk->books.config;
    char *folder = strdup(support_path(desk->books.folder, "later"));
    assert_non_null(folder);
    config.folder = folder;
    assert_int_equal(store_new(&store, &config, &fault), 0);
    keep_batch(desk);
    assert_int_equal(by_writer, 0);
    fault_set(&fault, "a sync failed");
    man_store(desk, store, &fault);
    /* Housekeeping looks what there is to be copied between one probe and the next. */
    assert_true(support_wait_until(is_probed_twice, desk));
    assert_int_equal(beside, 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_true(support_wait_until(works_again, desk));
    struct record *record = support_result(&(struct support_result){.device = "news"});
    books_keep_one(&desk->books, record);
    support_record_free(record);
    assert_true(support_wait_until(is_copied, NULL));
    leave(desk);
    desk->commit = NULL;
    store_free(store);
    free(folder);
    desk->is_left = true;
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
