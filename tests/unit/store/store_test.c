/* The store's file: made, opened, refused, opened again. */
#include "config.h"

#include "books.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned mode_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        fail_msg("%s is missing", path);
    return status.st_mode & 07777;
}

/* Opens a store in BOOKS' folder, whose own store is closed, and expects that to fail for good. */
static void expect_lasting(struct books *books, const char *part)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_open(books->store, &fault), -1);
    support_assert_fault(&fault, part);
    support_assert_fault(&fault, support_path(books->folder, "upgrades.db"));
    assert_true(fault.lasting);
}

/* Closes the books and puts a file of our own making in the store's place. */
static const char *start_over(struct books *books)
{
    store_free(books->store);
    books->store = NULL;
    const char *path = support_path(books->folder, "upgrades.db");
    unlink(path);
    unlink(support_path(books->folder, "upgrades.db-wal"));
    unlink(support_path(books->folder, "upgrades.db-shm"));
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_new(&books->store, &books->config, &fault), 0);
    return path;
}

static int make_with_no_umask(void **state)
{
    mode_t before = umask(0);
    int result = books_setup(state);
    umask(before);
    return result;
}

static void the_files_of_the_store_are_for_the_group_to_read_and_its_locks_for_nobody(void **state)
{
    struct books *books = *state;
    static const struct {
        const char *name;
        mode_t mode;
    } files[] = {{"upgrades.db", 0640},
                 {"upgrades.db-wal", 0640},
                 {"upgrades.db-shm", 0640},
                 {"turn.lock", 0600},
                 {"writer.lock", 0600}};
    for (size_t i = 0; i < LENGTH(files); i++)
        assert_int_equal(mode_of(support_path(books->folder, files[i].name)), files[i].mode);
    assert_int_equal(support_count_files(books->folder, ""), LENGTH(files));
}

/* What root makes belongs to whom the folder belongs. */
static void root_makes_files_that_the_owner_of_the_folder_can_use(void **state)
{
    if (geteuid() != 0)
        skip();
    char *folder = support_folder();
    const struct store_config config = {.folder = folder};
    struct store *store;
    assert_int_equal(chown(folder, 65534, 65534), 0);
    assert_int_equal(store_new(&store, &config, NULL), 0);
    assert_int_equal(store_open(store, NULL), 0);
    static const char *const names[] = {"upgrades.db", "upgrades.db-wal", "upgrades.db-shm",
                                        "turn.lock", "writer.lock"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct stat status;
        assert_int_equal(stat(support_path(folder, names[i]), &status), 0);
        assert_int_equal(status.st_uid, 65534);
        assert_int_equal(status.st_gid, 65534);
    }
    store_free(store);
    support_folder_free(folder);
}

/* To look writes nothing: whether there is no store, one in use, one that was left, or another. */
static void to_examine_a_store_changes_nothing(void **state)
{
    char *folder = support_folder();
    const struct store_config config = {.folder = folder};
    struct fault fault = FAULT_NONE;
    struct store *store;
    bool exists = true;
    assert_int_equal(store_examine(folder, &exists, &fault), 0);
    assert_false(exists);
    assert_int_equal(support_count_files(folder, ""), 0);
    assert_int_equal(store_new(&store, &config, NULL), 0);
    assert_int_equal(store_open(store, NULL), 0);
    for (int round = 0; round < 3; round++) {
        size_t files = support_count_files(folder, "");
        exists = false;
        if (store_examine(folder, &exists, &fault) != 0)
            fail_msg("round %d: %s", round, fault.text);
        assert_true(exists);
        assert_int_equal(support_count_files(folder, ""), files);
        if (round == 0)
            store_free(store); /* its log stays */
        else if (round == 1)   /* the shell, as the last to close it, takes the log away */
            books_meddle(&(struct books){.folder = folder}, "PRAGMA wal_checkpoint");
    }
    books_meddle(&(struct books){.folder = folder}, "PRAGMA user_version = 99");
    assert_int_equal(store_examine(folder, &exists, &fault), -1);
    assert_true(fault.lasting);
    support_assert_fault(&fault, "version 99");
    support_folder_free(folder);
}

static void the_state_folder_is_made_with_mode_0750_and_kept_where_it_exists(void **state)
{
    char *parent = support_folder();
    struct fault fault = FAULT_NONE;
    const char *folder = support_path(parent, "state");
    mode_t before = umask(0);
    assert_int_equal(store_make_folder(folder, &fault), 0);
    umask(before);
    assert_int_equal(mode_of(folder), 0750);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(store_make_folder(folder, &fault), 0);
    assert_int_equal(mode_of(folder), 0700);
    assert_int_equal(store_make_folder(support_path(folder, "not/there"), &fault), -1);
    support_assert_fault(&fault, "not/there");
    support_folder_free(parent);
}

static void the_store_is_a_wal_database_marked_as_ours(void **state)
{
    struct books *books = *state;
    books_assert(books, "PRAGMA journal_mode", "wal");
    books_assert(books, "PRAGMA application_id", "1433424483");
    assert_int_equal(books_number(books, "PRAGMA user_version"), STORE_VERSION);
    books_assert(books, "PRAGMA integrity_check", "ok");
}

static void a_new_store_is_empty(void **state)
{
    struct books *books = *state;
    books_assert(books,
                 "SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM upgrades) +"
                 " (SELECT count(*) FROM operations) + (SELECT count(*) FROM failures) +"
                 " (SELECT count(*) FROM quarantine)",
                 "0");
    books_assert_recount(books);
}

static void a_store_that_is_not_open_keeps_nothing(void **state)
{
    char *folder = support_folder();
    const struct store_config config = {.folder = folder, .quarantine_max = 1};
    struct store *store = NULL;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_new(&store, &config, &fault), 0);
    struct record *record = support_record("{}");
    assert_int_equal(store_keep(store, &record, 1, NULL, 0, &fault), -1);
    support_assert_fault(&fault, "is not open");
    assert_int_equal(record->outcome, RECORD_PENDING);
    assert_int_equal(support_count_files(folder, ""), 0);
    support_record_free(record);
    store_free(store);
    support_folder_free(folder);
}

static void two_stores_have_different_hash_keys(void **state)
{
    struct books *books = *state;
    char *first = books_query(books, "SELECT hex(hash_key) FROM secret");
    start_over(books);
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_open(books->store, &fault), 0);
    char *second = books_query(books, "SELECT hex(hash_key) FROM secret");
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strlen(second), 32);
    assert_string_not_equal(first, second);
    free(first);
    free(second);
}

static void what_was_kept_is_there_after_the_store_is_opened_again(void **state)
{
    struct books *books = *state;
    books_add_result(books, &(struct support_result){.device = "d1", .received_ms = 1});
    char *key = books_query(books, "SELECT hex(hash_key) FROM secret");
    books_reopen(books);
    books_assert(books, "SELECT seq, deviceId, receivedAt FROM notifications",
                 "1|d1|1970-01-01T00:00:00.001Z");
    books_assert(books, "SELECT hex(hash_key) FROM secret", key);
    free(key);
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_open(books->store, &fault), 0); /* an open one as well */
    books_assert(books, "SELECT seq, deviceId FROM notifications", "1|d1");
}

static void a_store_of_another_version_is_refused_and_left_alone(void **state)
{
    static const struct {
        const char *version, *fault;
    } others[] = {{"99", "the store has version 99, made by a newer upgrade-receiver"},
                  {"1", "the store has version 1, made by an older upgrade-receiver"}};
    struct books *books = *state;
    books_meddle(books, "CREATE TABLE novelty (a)");
    for (size_t i = 0; i < LENGTH(others); i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA user_version = %s", others[i].version);
        books_meddle(books, sql);
        expect_lasting(books, others[i].fault);
        books_assert(books, "SELECT name FROM sqlite_schema WHERE name = 'novelty'", "novelty");
        books_assert(books, "PRAGMA user_version", others[i].version);
    }
}

/* While it is open, too: nothing is written into tables that another version has made of them, and
 * no probe takes that for mended. */
static void a_store_that_another_version_changes_under_us_takes_nothing_more(void **state)
{
    struct books *books = *state;
    static const struct {
        const char *sql, *fault;
    } others[] = {{"PRAGMA user_version = 99; ALTER TABLE totals ADD COLUMN novelty", "version 99"},
                  {"PRAGMA user_version = 99", "version 99"},
                  {"PRAGMA user_version = 1", "version 1"}};
    char *version = books_query(books, "PRAGMA user_version"), back[64];
    snprintf(back, sizeof back, "PRAGMA user_version = %s", version);
    free(version);
    struct record *record = support_result(&(struct support_result){.device = "d"});
    for (size_t i = 0; i < LENGTH(others); i++) {
        struct fault faults[3] = {FAULT_NONE};
        books_meddle(books, others[i].sql);
        assert_int_equal(store_keep(books->store, &record, 1, NULL, 0, &faults[0]), -1);
        assert_int_equal(record->outcome, RECORD_PENDING);
        assert_int_equal(store_try(books->store, &faults[1]), -1);
        assert_int_equal(store_probe(books->store, &faults[2]), -1);
        for (size_t f = 0; f < LENGTH(faults); f++) {
            support_assert_fault(&faults[f], others[i].fault);
            support_assert_fault(&faults[f], "upgrades.db");
            assert_true(faults[f].lasting);
        }
        books_assert(books, "SELECT count(*) FROM notifications", "0");
        books_meddle(books, back);
        struct fault fault = FAULT_NONE;
        if (store_probe(books->store, &fault) != 0)
            fail_msg("%s", fault.text);
    }
    books_keep_one(books, record);
    support_record_free(record);
}

/* A file's bytes as hexadecimal digits. */
static char *bytes_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat status;
    assert_int_equal(fstat(fileno(file), &status), 0);
    char *digits = calloc(2, (size_t)status.st_size + 1);
    assert_non_null(digits);
    int byte;
    for (size_t i = 0; (byte = fgetc(file)) != EOF; i += 2)
        snprintf(digits + i, 3, "%02hhx", (unsigned char)byte);
    fclose(file);
    return digits;
}

static void another_programs_database_is_refused_and_left_as_it_was(void **state)
{
    struct books *books = *state;
    const char *path = start_over(books);
    books_meddle(books, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
    char *before = bytes_of(path);
    expect_lasting(books, "not one of upgrade-receiver");
    store_free(books->store);
    books->store = NULL;
    char *after = bytes_of(path);
    if (strcmp(after, before) != 0)
        fail_msg("%s has been written to", path);
    free(before);
    free(after);
}

static void another_programs_marked_but_empty_database_is_refused(void **state)
{
    struct books *books = *state;
    start_over(books);
    books_meddle(books, "PRAGMA application_id = 7");
    expect_lasting(books, "not one of upgrade-receiver");
}

static void a_file_that_is_no_database_is_refused_and_left_as_it_was(void **state)
{
    struct books *books = *state;
    char *prose = calloc(1, 8192);
    assert_non_null(prose);
    memset(prose, 'a', 8191);
    const char *const texts[] = {"short", prose};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        const char *path = start_over(books);
        support_write_file(path, texts[i]);
        expect_lasting(books, "not a database");
        char *after = support_read_file(support_path(books->folder, "upgrades.db"));
        assert_string_equal(after, texts[i]);
        free(after);
    }
    free(prose);
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct books *books = *state;
    support_write_file(start_over(books), "");
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_open(books->store, &fault), 0);
    books_add_result(books, &(struct support_result){.device = "d"});
    books_assert(books, "SELECT count(*) FROM notifications", "1");
}

static void a_missing_folder_is_a_fault_that_may_pass(void **state)
{
    char *folder = support_folder();
    const char *missing = support_path(folder, "missing");
    const struct store_config config = {.folder = missing};
    struct store *store = NULL;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_new(&store, &config, &fault), 0);
    assert_int_equal(store_open(store, &fault), -1);
    support_assert_fault(&fault, missing);
    assert_false(fault.lasting);
    assert_int_equal(mkdir(missing, 0700), 0);
    fault = FAULT_NONE;
    assert_int_equal(store_probe(store, &fault), 0);
    store_free(store);
    support_folder_free(folder);
}

static void a_store_that_somebody_holds_is_a_fault_that_may_pass(void **state)
{
    struct books *books = *state;
    sqlite3 *holder;
    assert_int_equal(sqlite3_open(support_path(books->folder, "upgrades.db"), &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct fault fault = FAULT_NONE;
    struct record *record = support_result(&(struct support_result){.device = "d"});
    assert_int_equal(store_keep(books->store, &record, 1, NULL, 0, &fault), -1);
    support_assert_fault(&fault, "locked");
    assert_false(fault.lasting);
    assert_int_equal(record->outcome, RECORD_PENDING);
    assert_int_equal(sqlite3_close(holder), SQLITE_OK);
    books_keep_one(books, record);
    assert_int_equal(record->seq, 1);
    support_record_free(record);
}

#define OPENERS 8
#define OPENERS_WAIT_MS 60000

struct openers {
    const char *folder;
    pthread_barrier_t start;
    int opened;
};

static void *open_store(void *argument)
{
    struct openers *openers = argument;
    /* The last in line waits for all others, on a machine however busy. */
    const struct store_config config = {.folder = openers->folder, .wait_ms = OPENERS_WAIT_MS};
    struct store *store = NULL;
    struct fault fault = FAULT_NONE;
    pthread_barrier_wait(&openers->start);
    if (store_new(&store, &config, &fault) == 0 && store_open(store, &fault) == 0)
        __atomic_add_fetch(&openers->opened, 1, __ATOMIC_SEQ_CST);
    store_free(store);
    return NULL;
}

static void several_that_open_a_new_folder_at_once_make_one_store(void **state)
{
    struct books books = {.folder = support_folder()};
    struct openers openers = {.folder = books.folder};
    pthread_t threads[OPENERS];
    pthread_barrier_init(&openers.start, NULL, OPENERS);
    for (size_t i = 0; i < OPENERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_store, &openers), 0);
    for (size_t i = 0; i < OPENERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&openers.start);
    assert_int_equal(openers.opened, OPENERS);
    books_assert(&books, "SELECT (SELECT count(*) FROM secret), (SELECT count(*) FROM totals)",
                 "1|1");
    support_folder_free(books.folder);
}

static void *let_go(void *holder)
{
    support_sleep_ms(100);
    sqlite3_exec(holder, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

static void a_store_that_somebody_holds_for_a_moment_is_waited_for(void **state)
{
    struct books *books = *state;
    sqlite3 *holder;
    pthread_t thread;
    assert_int_equal(sqlite3_open(support_path(books->folder, "upgrades.db"), &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_go, holder), 0);
    books_add_result(books, &(struct support_result){.device = "d"});
    pthread_join(thread, NULL);
    assert_int_equal(sqlite3_close(holder), SQLITE_OK);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_files_of_the_store_are_for_the_group_to_read_and_its_locks_for_nobody,
            make_with_no_umask, books_teardown),
        cmocka_unit_test(root_makes_files_that_the_owner_of_the_folder_can_use),
        cmocka_unit_test(to_examine_a_store_changes_nothing),
        cmocka_unit_test(the_state_folder_is_made_with_mode_0750_and_kept_where_it_exists),
        OPEN(the_store_is_a_wal_database_marked_as_ours),
        OPEN(a_new_store_is_empty),
        cmocka_unit_test(a_store_that_is_not_open_keeps_nothing),
        OPEN(two_stores_have_different_hash_keys),
        OPEN(what_was_kept_is_there_after_the_store_is_opened_again),
        OPEN(a_store_of_another_version_is_refused_and_left_alone),
        OPEN(a_store_that_another_version_changes_under_us_takes_nothing_more),
        OPEN(another_programs_database_is_refused_and_left_as_it_was),
        OPEN(another_programs_marked_but_empty_database_is_refused),
        OPEN(a_file_that_is_no_database_is_refused_and_left_as_it_was),
        OPEN(an_empty_file_becomes_a_store),
        cmocka_unit_test(a_missing_folder_is_a_fault_that_may_pass),
        cmocka_unit_test(several_that_open_a_new_folder_at_once_make_one_store),
        OPEN(a_store_that_somebody_holds_is_a_fault_that_may_pass),
        OPEN(a_store_that_somebody_holds_for_a_moment_is_waited_for),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
