/* Copies of a store: one moment of it beside a writer, nothing half made, and a store again. */
#include "config.h"

#include "lists.h"
#include "store/maintenance.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many with this much take more than one step of the copy. */
#define RECORDS 40
#define DESCRIPTION_BYTES 200000

static void add(struct books *books, const char *device, const char *description)
{
    books_add_result(books, &(struct support_result){
                                .device = device, .result = "FAIL", .description = description});
}

/* A writer that keeps one more notification whenever a part is copied. */
struct writer {
    struct books *books;
    int parts;
};

static void write_on(void *owner, int64_t done, int64_t of)
{
    struct writer *writer = owner;
    char device[32];
    assert_in_range(done, 0, of);
    snprintf(device, sizeof device, "new-%d", writer->parts++);
    add(writer->books, device, "");
}

static int back_up(const struct books *books, const char *file, const struct store_copying *how,
                   struct store_copy *copy, struct fault *fault)
{
    struct store_reader *reader = lists_reader(books);
    int result = store_backup(reader, file, how, copy, fault);
    store_reader_free(reader);
    return result;
}

static const struct store_copying quiet = {.log_most = INT64_MAX};

static void must_back_up(const struct books *books, const char *file)
{
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    lists_must(back_up(books, file, &quiet, &copy, &fault), &fault);
}

static int restore(const char *folder, const char *file, struct store_copy *copy,
                   struct fault *fault)
{
    int from = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(from >= 0);
    int result = store_restore(folder, from, file, &quiet, copy, fault);
    close(from);
    return result;
}

/* The store of another folder, from FILE. */
static struct books *restored(const char *file)
{
    struct books *books = books_new();
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    lists_must(restore(books->folder, file, &copy, &fault), &fault);
    books_reopen(books);
    return books;
}

static void restored_free(struct books *books)
{
    void *state = books;
    books_teardown(&state);
}

static void a_copy_is_one_moment_beside_a_writer(void **state)
{
    struct books *books = *state;
    struct writer writer = {.books = books};
    const struct store_copying how = {.copying = {&writer, write_on}, .log_most = INT64_MAX};
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    struct stat status;
    char *description = malloc(DESCRIPTION_BYTES + 1);
    assert_non_null(description);
    memset(description, 'x', DESCRIPTION_BYTES);
    description[DESCRIPTION_BYTES] = '\0';
    for (int i = 0; i < RECORDS; i++) {
        char device[32];
        snprintf(device, sizeof device, "old-%d", i);
        add(books, device, description);
    }
    free(description);
    char *file = strdup(support_path(books->folder, "copy.db"));
    lists_must(back_up(books, file, &how, &copy, &fault), &fault);
    assert_true(writer.parts > 1);
    assert_int_equal(copy.notifications, RECORDS);
    assert_int_equal(copy.last.seq, RECORDS);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_size, copy.bytes);
    assert_int_equal(support_count_files(books->folder, "copy.db"), 1);
    assert_int_equal(books_number(books, "SELECT count(*) FROM notifications"),
                     RECORDS + writer.parts);
    struct books *again = restored(file);
    books_assert(again, "SELECT count(*), max(seq), max(deviceId LIKE 'new%') FROM notifications",
                 "40|40|0");
    restored_free(again);
    free(file);
}

static void a_copy_gives_up_before_the_log_is_too_long(void **state)
{
    struct books *books = *state;
    struct store_copying how = {.log_most = 100};
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    char *description = calloc(1, 5000001);
    assert_non_null(description);
    memset(description, 'x', 5000000);
    add(books, "d", description);
    free(description);
    char *file = strdup(support_path(books->folder, "copy.db"));
    assert_int_equal(back_up(books, file, &how, &copy, &fault), -1);
    support_assert_fault(&fault, "upgrades.db-wal grew to");
    assert_int_equal(support_count_files(books->folder, "copy.db"), 0);
    free(file);
}

static void no_copy_replaces_a_file(void **state)
{
    struct books *books = *state;
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    add(books, "d", "");
    char *file = strdup(support_path(books->folder, "copy.db"));
    support_write_file(file, "mine");
    assert_int_equal(back_up(books, file, &quiet, &copy, &fault), -1);
    support_assert_fault(&fault, "copy.db is there already");
    char *text = support_read_file(file);
    assert_string_equal(text, "mine");
    free(text);
    unlink(file);
    const char *partial = support_path(books->folder, "copy.db.partial");
    assert_int_equal(mkdir(partial, 0700), 0);
    fault = FAULT_NONE;
    assert_int_equal(back_up(books, file, &quiet, &copy, &fault), -1);
    support_assert_fault(&fault, "copy.db.partial is there: another copy");
    assert_int_equal(rmdir(partial), 0);
    must_back_up(books, file);
    free(file);
}

static void what_is_not_sound_is_not_copied(void **state)
{
    struct books *books = *state;
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    add(books, "d", "");
    char *file = strdup(support_path(books->folder, "copy.db"));
    must_back_up(books, file);
    books_meddle(books, "UPDATE totals SET repeats = 5");
    char *another = strdup(support_path(books->folder, "another.db"));
    assert_int_equal(back_up(books, another, &quiet, &copy, &fault), 1);
    support_assert_fault(&fault, "another.db: not made, because the store is not sound: totals");
    assert_int_equal(support_count_files(books->folder, "another"), 0);
    free(another);
    free(file);
}

static void assert_not_restored(const char *folder, const char *file, int expected,
                                const char *complaint)
{
    struct store_copy copy;
    struct fault fault = FAULT_NONE;
    size_t before = support_count_files(folder, "");
    assert_int_equal(restore(folder, file, &copy, &fault), expected);
    support_assert_fault(&fault, complaint);
    assert_int_equal(support_count_files(folder, ""), before);
}

static void only_a_sound_copy_enters_a_folder_without_a_store(void **state)
{
    struct books *books = *state;
    add(books, "d", "");
    char *folder = support_folder();
    char *file = strdup(support_path(books->folder, "copy.db"));
    char *log = strdup(support_path(folder, "upgrades.db-wal"));
    char *beside = strdup(support_path(books->folder, "copy.db-wal"));
    must_back_up(books, file);
    assert_not_restored(books->folder, file, -1, "upgrades.db is there: to put another store");
    support_write_file(log, "a log that is left");
    assert_not_restored(folder, file, -1, "upgrades.db-wal is there: to put another store");
    unlink(log);
    support_write_file(beside, "the rest");
    assert_not_restored(folder, file, -1, "this is not the whole store");
    unlink(beside);
    assert_not_restored(folder, books->folder, -1, "is not a file");
    support_write_file(beside, "no store at all, but long enough to be looked at");
    assert_not_restored(folder, beside, -1, "file is not a database");
    unlink(beside);
    struct books copy = {.folder = folder};
    assert_int_equal(rename(file, support_path(folder, "upgrades.db")), 0);
    char older[40], back[80], made_by[60];
    snprintf(older, sizeof older, "PRAGMA user_version = %d", STORE_VERSION - 1);
    snprintf(back, sizeof back, "PRAGMA user_version = %d; DELETE FROM notification",
             STORE_VERSION);
    snprintf(made_by, sizeof made_by, "the store has version %d, made by an older",
             STORE_VERSION - 1);
    books_meddle(&copy, older);
    assert_int_equal(rename(support_path(folder, "upgrades.db"), file), 0);
    assert_not_restored(folder, file, -1, made_by);
    assert_int_equal(rename(file, support_path(folder, "upgrades.db")), 0);
    books_meddle(&copy, back);
    assert_int_equal(rename(support_path(folder, "upgrades.db"), file), 0);
    assert_not_restored(folder, file, 1, "not sound");
    free(beside);
    free(log);
    free(file);
    support_folder_free(folder);
}

/* What STORE has of the notification SEQ. */
static struct token token_of(const struct books *books, int64_t seq)
{
    struct token token;
    struct fault fault = FAULT_NONE;
    struct store_reader *reader = lists_reader(books);
    lists_must(store_read_token(reader, seq, &token, &fault), &fault);
    store_reader_free(reader);
    return token;
}

static struct store_standing stand(const struct books *books, const struct token *token)
{
    struct store_standing standing;
    struct fault fault = FAULT_NONE;
    struct store_reader *reader = lists_reader(books);
    lists_must(store_read_standing(reader, token, &standing, &fault), &fault);
    store_reader_free(reader);
    return standing;
}

static void numbers_given_anew_are_not_taken_for_the_old_ones(void **state)
{
    struct books *books = *state;
    add(books, "a", "");
    add(books, "b", "");
    char *file = strdup(support_path(books->folder, "copy.db"));
    must_back_up(books, file);
    add(books, "c", "");
    const struct token in_it = token_of(books, 2), beyond = token_of(books, 3);
    struct books *again = restored(file);
    struct store_standing standing = stand(again, &beyond);
    assert_false(standing.holds);
    assert_int_equal(standing.end.seq, 2);
    add(again, "x", "");
    add(again, "y", "");
    const struct token anew = token_of(again, 3);
    assert_string_not_equal(anew.life, beyond.life);
    assert_true(stand(again, &in_it).holds);
    assert_true(stand(again, &anew).holds);
    assert_false(stand(again, &beyond).holds);
    assert_false(stand(books, &anew).holds);
    restored_free(again);
    free(file);
}

int store_backup_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_is_one_moment_beside_a_writer, books_setup,
                                        books_teardown),
        cmocka_unit_test_setup_teardown(a_copy_gives_up_before_the_log_is_too_long, books_setup,
                                        books_teardown),
        cmocka_unit_test_setup_teardown(no_copy_replaces_a_file, books_setup, books_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_sound_is_not_copied, books_setup,
                                        books_teardown),
        cmocka_unit_test_setup_teardown(only_a_sound_copy_enters_a_folder_without_a_store,
                                        books_setup, books_teardown),
        cmocka_unit_test_setup_teardown(numbers_given_anew_are_not_taken_for_the_old_ones,
                                        books_setup, books_teardown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
