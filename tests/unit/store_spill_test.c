/* Two processes on one store. One has a transaction that does not fit into SQLite's cache, so part
 * of it is in the log before it ends, and each time something else in it fails. Whatever the other
 * process keeps meanwhile is there afterwards. */
#include "config.h"

#include "books.h"
#include "store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The cache is made small, so that this much is enough to spill; and the log starts anew, as it
 * does under a receiver. */
#define PREPARE "PRAGMA cache_size = -256; PRAGMA wal_checkpoint"
#define RECORDS 3
#define DESCRIPTION_BYTES 200000

/* Records that the other process keeps after each failure. */
#define OTHERS 1

/* --- memory that runs out: of the next allocations, one fails --- */

static sqlite3_mem_methods true_memory;
static long fails_in; /* allocations until then; 0: none fails */

static bool is_out_of_memory(void)
{
    return fails_in > 0 && --fails_in == 0;
}

static void *allocate(int size)
{
    return is_out_of_memory() ? NULL : true_memory.xMalloc(size);
}

static void *allocate_again(void *memory, int size)
{
    return is_out_of_memory() ? NULL : true_memory.xRealloc(memory, size);
}

static int begin(void **state)
{
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &true_memory), SQLITE_OK);
    sqlite3_mem_methods memory = true_memory;
    memory.xMalloc = allocate;
    memory.xRealloc = allocate_again;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory), SQLITE_OK);
    return support_begin(state);
}

/* --- the other process: keeps OTHERS records for each byte that it is sent --- */

struct other {
    pid_t pid;
    int ask, answer;
};

static struct record *make_other(int number)
{
    char device[32];
    snprintf(device, sizeof device, "other-%d", number);
    return support_result(&(struct support_result){.device = device});
}

static int serve(const char *folder, int asked, int answers)
{
    const struct store_config config = {.folder = folder, .repeat_window_ms = 1000};
    struct store *store = NULL;
    int kept = 0;
    char byte;
    if (store_new(&store, &config, NULL) != 0 || store_open(store, NULL) != 0)
        return 1;
    while (read(asked, &byte, 1) == 1) {
        for (int i = 0; i < OTHERS; i++) {
            struct record *record = make_other(kept);
            if (store_keep(store, &record, 1, NULL, NULL) != 0)
                return 2;
            support_record_free(record);
            kept++;
        }
        if (write(answers, &byte, 1) != 1)
            return 3;
    }
    store_free(store);
    return 0;
}

static void start_other(struct other *other, const char *folder)
{
    int ask[2], answer[2];
    assert_int_equal(pipe(ask), 0);
    assert_int_equal(pipe(answer), 0);
    other->pid = fork();
    assert_true(other->pid >= 0);
    if (other->pid == 0) {
        close(ask[1]);
        close(answer[0]);
        _exit(serve(folder, ask[0], answer[1]));
    }
    close(ask[0]);
    close(answer[1]);
    other->ask = ask[1];
    other->answer = answer[0];
}

static void let_other_keep(const struct other *other)
{
    char byte = 'k';
    assert_int_equal(write(other->ask, &byte, 1), 1);
    assert_int_equal(read(other->answer, &byte, 1), 1);
}

static void end_other(const struct other *other)
{
    int status = -1;
    close(other->ask);
    close(other->answer);
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    assert_int_equal(status, 0);
}

/* --- this one --- */

static void make_records(struct record *records[RECORDS], int step)
{
    char description[DESCRIPTION_BYTES + 1], device[32];
    memset(description, 'x', DESCRIPTION_BYTES);
    description[DESCRIPTION_BYTES] = '\0';
    for (int i = 0; i < RECORDS; i++) {
        snprintf(device, sizeof device, "step-%d-%d", step, i);
        records[i] = support_result(
            &(struct support_result){.device = device, .description = description});
    }
}

/* Has the transaction fail at its allocation number STEP. Returns whether it has so many. */
static bool fail_at(struct books *books, const struct other *other, int step, int *failed)
{
    struct record *records[RECORDS];
    make_records(records, step);
    assert_int_equal(sqlite3_exec(books->store->db, PREPARE, NULL, NULL, NULL), SQLITE_OK);
    fails_in = step;
    int result = store_keep(books->store, records, RECORDS, NULL, NULL);
    bool came = fails_in == 0;
    fails_in = 0;
    support_records_free(records, RECORDS);
    let_other_keep(other);
    if (result == 0)
        return came; /* SQLite can do without some */
    (*failed)++;
    /* what a receiver does then */
    struct fault fault = FAULT_NONE;
    if (store_probe(books->store, &fault) != 0)
        fail_msg("step %d: %s", step, fault.text);
    return true;
}

static void what_another_process_keeps_outlives_a_large_transaction_that_fails(void **state)
{
    char *folder = support_folder();
    struct other other;
    start_other(&other, folder);
    struct books books = {.folder = folder, .config = {.folder = folder}};
    assert_int_equal(store_new(&books.store, &books.config, NULL), 0);
    assert_int_equal(store_open(books.store, NULL), 0);
    int steps = 0, failed = 0;
    do
        steps++;
    while (fail_at(&books, &other, steps, &failed));
    assert_true(failed > RECORDS);
    end_other(&other);

    char expected[32];
    snprintf(expected, sizeof expected, "%d", steps * OTHERS);
    books_assert(&books, "SELECT count(*) FROM notifications WHERE deviceId LIKE 'other-%'",
                 expected);
    books_assert_recount(&books);
    books_assert(&books, "PRAGMA integrity_check", "ok");
    store_free(books.store);
    support_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_process_keeps_outlives_a_large_transaction_that_fails),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
