/* Two processes on one store: what one was told to be kept is there, whatever happens to the other,
 * and to the files beneath them. */
#include "config.h"

#include "base/clock.h"
#include "books.h"
#include "store/engine.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A transaction of one process does not fit into SQLite's cache, so part of it is in the log before
 * it ends. The cache is made small, so that this much is enough to spill; and the log starts anew,
 * as it does under a receiver. */
#define PREPARE "PRAGMA cache_size = -64; PRAGMA wal_checkpoint"
#define RECORDS 3
#define DESCRIPTION_BYTES 50000

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

/* --- the other process: for each byte that it is sent, it tries to keep a record --- */

/* What it answers: it is kept; or it was not, and a probe behind that worked, or did not. */
#define KEPT 'k'
#define MENDED 'm'
#define FAILED 'f'

struct other {
    pid_t pid;
    int ask, answer;
};

/* What a receiver has open. */
struct process {
    struct store *store;
    struct store_reader *reader;
};

/* How long one waits for the other, which a busy machine may not let run for seconds. */
#define WAIT_MS 60000

/* Tries again, as a receiver does: SQLite waits for a second, whatever runs on the machine. */
static int open_process(struct process *process, const struct store_config *config)
{
    int64_t version, until_ms = clock_monotonic_ms() + WAIT_MS;
    if (store_new(&process->store, config, NULL) != 0 ||
        store_reader_new(&process->reader, config->folder, NULL) != 0)
        return -1;
    while (store_open(process->store, NULL) != 0 ||
           store_read_version(process->reader, &version, NULL) != 0)
        if (clock_monotonic_ms() > until_ms)
            return -1;
    return 0;
}

static void close_process(struct process *process)
{
    store_reader_free(process->reader);
    store_free(process->store);
}

/* Keeps a record of DEVICE, and does what a receiver does where that fails: its readers let go of
 * their files, and it probes. */
static char keep_or_probe(struct process *process, const char *device)
{
    struct record *record = support_result(&(struct support_result){.device = device});
    int result = store_keep(process->store, &record, 1, NULL, 0, NULL);
    support_record_free(record);
    if (result == 0)
        return KEPT;
    bool mended = store_probe(process->store, NULL) == 0;
    store_reader_close(process->reader);
    return mended ? MENDED : FAILED;
}

static int serve(const char *folder, int asked, int answers)
{
    const struct store_config config = {
        .folder = folder, .repeat_window_ms = 1000, .wait_ms = WAIT_MS};
    struct process process = {.store = NULL};
    int kept = 0;
    char byte;
    if (open_process(&process, &config) != 0)
        return 1;
    while (read(asked, &byte, 1) == 1) {
        char device[32];
        snprintf(device, sizeof device, "other-%d", kept);
        byte = keep_or_probe(&process, device);
        kept += byte == KEPT;
        if (write(answers, &byte, 1) != 1)
            return 3;
    }
    close_process(&process);
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

static char let_other_keep(const struct other *other)
{
    char byte = 'k';
    assert_int_equal(write(other->ask, &byte, 1), 1);
    assert_int_equal(read(other->answer, &byte, 1), 1);
    return byte;
}

static void end_other(const struct other *other)
{
    int status = -1;
    close(other->ask);
    close(other->answer);
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    assert_int_equal(status, 0);
}

/* --- a large transaction that fails --- */

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
    int result = store_keep(books->store, records, RECORDS, NULL, 0, NULL);
    bool came = fails_in == 0;
    fails_in = 0;
    support_records_free(records, RECORDS);
    assert_int_equal(let_other_keep(other), KEPT);
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
    struct books books = {.folder = folder, .config = {.folder = folder, .wait_ms = WAIT_MS}};
    struct process process;
    assert_int_equal(open_process(&process, &books.config), 0);
    store_reader_free(process.reader);
    books.store = process.store;
    int steps = 0, failed = 0;
    do
        steps++;
    while (fail_at(&books, &other, steps, &failed));
    assert_true(failed > RECORDS);
    end_other(&other);

    char expected[32];
    snprintf(expected, sizeof expected, "%d", steps);
    books_assert(&books, "SELECT count(*) FROM notifications WHERE deviceId LIKE 'other-%'",
                 expected);
    books_assert_recount(&books);
    books_assert(&books, "PRAGMA integrity_check", "ok");
    store_free(books.store);
    support_folder_free(folder);
}

/* --- files that are removed while both run, and this process is restarted --- */

#define ROUNDS 8

/* How many turns it may take until both keep again. */
#define TURNS_MOST 6

/* Has both take turns until each has kept ROUNDS, and fails the test where that takes long: how
 * many both were told to have kept. */
static int take_turns(struct process *process, const struct other *other, int from)
{
    int kept[2] = {0};
    for (int turn = 0; kept[0] < ROUNDS || kept[1] < ROUNDS; turn++) {
        char device[32];
        snprintf(device, sizeof device, "this-%d", from + turn);
        assert_true(turn < ROUNDS + TURNS_MOST);
        kept[0] += keep_or_probe(process, device) == KEPT;
        kept[1] += let_other_keep(other) == KEPT;
    }
    return kept[0] + kept[1];
}

static void remove_and_restart(const char *const names[], size_t count)
{
    char *folder = support_folder();
    struct other other;
    struct process process;
    struct books books = {
        .folder = folder,
        .config = {.folder = folder, .repeat_window_ms = 1000, .wait_ms = WAIT_MS}};
    start_other(&other, folder);
    assert_int_equal(open_process(&process, &books.config), 0);
    int kept = take_turns(&process, &other, 0);
    /* what is removed holds nothing that is nowhere else */
    free(books_query(&books, "PRAGMA wal_checkpoint"));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(unlink(support_path(folder, names[i])), 0);
    close_process(&process);
    assert_int_equal(open_process(&process, &books.config), 0);
    kept += take_turns(&process, &other, 100);
    kept += take_turns(&process, &other, 200);
    end_other(&other);
    close_process(&process);
    assert_int_equal(books_number(&books, "SELECT count(*) FROM notifications"), kept);
    books_assert_recount(&books);
    books_assert(&books, "PRAGMA integrity_check", "ok");
    support_folder_free(folder);
}

static void locks_removed_beneath_two_processes_cost_nothing_that_was_kept(void **state)
{
    static const char *const names[] = {"upgrades.db-shm"};
    remove_and_restart(names, 1);
}

static void a_log_removed_beneath_two_processes_costs_nothing_that_is_kept_later(void **state)
{
    static const char *const names[] = {"upgrades.db-wal"};
    remove_and_restart(names, 1);
}

static void both_removed_beneath_two_processes_cost_nothing_that_is_kept_later(void **state)
{
    static const char *const names[] = {"upgrades.db-wal", "upgrades.db-shm"};
    remove_and_restart(names, 2);
}

/* A log belongs to the main file that it was written for. */
static void a_main_file_replaced_without_its_log_is_left_alone(void **state)
{
    char *folder = support_folder();
    struct process process;
    struct books books = {
        .folder = folder,
        .config = {.folder = folder, .repeat_window_ms = 1000, .wait_ms = WAIT_MS}};
    assert_int_equal(open_process(&process, &books.config), 0);
    assert_int_equal(keep_or_probe(&process, "before"), KEPT);
    char backup[600], sql[700];
    snprintf(backup, sizeof backup, "%s/backup", folder);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", backup);
    books_meddle(&books, sql);
    assert_int_equal(keep_or_probe(&process, "behind the backup"), KEPT);
    assert_int_equal(rename(backup, support_path(folder, "upgrades.db")), 0);
    struct fault fault = FAULT_NONE;
    assert_int_equal(keep_or_probe(&process, "later"), FAILED);
    assert_int_equal(store_probe(process.store, &fault), -1);
    support_assert_fault(&fault, "upgrades.db-wal belongs to the file before");
    assert_int_equal(unlink(support_path(folder, "upgrades.db-wal")), 0);
    assert_int_equal(unlink(support_path(folder, "upgrades.db-shm")), 0);
    assert_int_equal(store_probe(process.store, NULL), 0);
    assert_int_equal(keep_or_probe(&process, "later"), KEPT);
    books_assert(&books, "SELECT group_concat(deviceId) FROM notifications", "before,later");
    books_assert(&books, "PRAGMA integrity_check", "ok");
    close_process(&process);
    support_folder_free(folder);
}

/* --- a stranger who may read, and locks --- */

static void a_stranger_that_holds_the_writers_lock_is_named(void **state)
{
    char *folder = support_folder();
    struct process process;
    const struct store_config config = {
        .folder = folder, .repeat_window_ms = 1000, .wait_ms = WAIT_MS};
    int ready[2];
    char byte;
    assert_int_equal(open_process(&process, &config), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct flock writer = {.l_type = F_RDLCK, .l_start = STORE_SHM_WRITER, .l_len = 1};
        int fd = open(support_path(folder, "upgrades.db-shm"), O_RDONLY);
        if (fcntl(fd, F_SETLK, &writer) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct fault fault = FAULT_NONE;
    char part[64];
    snprintf(part, sizeof part, "process %d holds a lock of", (int)pid);
    assert_int_equal(store_try(process.store, &fault), -1);
    support_assert_fault(&fault, part);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(store_try(process.store, NULL), 0);
    close(ready[0]);
    close(ready[1]);
    close_process(&process);
    support_folder_free(folder);
}

int store_processes_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_process_keeps_outlives_a_large_transaction_that_fails),
        cmocka_unit_test(locks_removed_beneath_two_processes_cost_nothing_that_was_kept),
        cmocka_unit_test(a_log_removed_beneath_two_processes_costs_nothing_that_is_kept_later),
        cmocka_unit_test(both_removed_beneath_two_processes_cost_nothing_that_is_kept_later),
        cmocka_unit_test(a_main_file_replaced_without_its_log_is_left_alone),
        cmocka_unit_test(a_stranger_that_holds_the_writers_lock_is_named),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
