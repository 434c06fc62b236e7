/* A token names one notification of one store for ever: copies that went their own ways, a copy
 * that was put back and what was pruned are told from what a reader has. */
#include "config.h"

#include "books.h"
#include "store/lists.h"
#include "store/maintenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Keeps one more notification with STORE. Sets TOKEN, unless NULL, to what its log line has. */
static int keep_with(struct store *store, struct token *token, struct fault *fault)
{
    static int device;
    char body[80];
    snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%d-%d\"}",
             (int)getpid(), ++device);
    struct record *record = support_record(body);
    int result = store_keep(store, &record, 1, NULL, 0, fault);
    if (token != NULL) {
        *token = (struct token){.seq = record->seq};
        memcpy(token->life, record->life, sizeof token->life);
    }
    support_record_free(record);
    return result;
}

static struct token keep_one(struct books *books)
{
    struct token token;
    struct fault fault = FAULT_NONE;
    if (keep_with(books->store, &token, &fault) != 0)
        fail_msg("%s", fault.text);
    return token;
}

static struct token keep(struct books *books, int count)
{
    struct token last = {.seq = 0};
    for (int i = 0; i < count; i++)
        last = keep_one(books);
    return last;
}

static struct store_standing stand(const struct books *books, const struct token *token)
{
    struct store_reader *reader;
    struct store_standing standing;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    if (store_read_standing(reader, token, &standing, &fault) != 0)
        fail_msg("%s", fault.text);
    store_reader_free(reader);
    return standing;
}

static void assert_holds(const struct books *books, const struct token *token)
{
    char text[TOKEN_TEXT_SIZE];
    if (!stand(books, token).holds)
        fail_msg("%s is refused", token_write(token, text));
}

/* It does not hold TOKEN, and has of its life what goes up to END. */
static void assert_refused(const struct books *books, const struct token *token, int64_t end)
{
    struct store_standing standing = stand(books, token);
    struct fault fault = FAULT_NONE;
    char text[TOKEN_TEXT_SIZE];
    assert_false(standing.holds);
    assert_int_equal(standing.end.seq, end);
    store_refuse_token(token, &standing, "so do this", &fault);
    support_assert_fault(&fault, token_write(token, text));
    support_assert_fault(&fault, "; so do this");
    if (end == 0)
        return;
    assert_holds(books, &standing.end);
    support_assert_fault(&fault, token_write(&standing.end, text));
}

static const char *file_of(const struct books *books)
{
    return support_path(books->folder, "upgrades.db");
}

/* Another machine's books, made from a copy at PATH. */
static struct books *books_from(const char *path)
{
    void *state;
    struct books *books;
    assert_int_equal(books_setup(&state), 0);
    books = state;
    store_free(books->store);
    books->store = NULL;
    unlink(support_path(books->folder, "upgrades.db-wal"));
    unlink(support_path(books->folder, "upgrades.db-shm"));
    unlink(file_of(books));
    books_copy(path, file_of(books));
    return books;
}

/* Stops the receiver, puts the copy in the store's place, and starts it. */
static void put_back(struct books *books, const char *copy)
{
    store_free(books->store);
    books->store = NULL;
    unlink(support_path(books->folder, "upgrades.db-wal"));
    unlink(support_path(books->folder, "upgrades.db-shm"));
    assert_int_equal(rename(copy, file_of(books)), 0);
    books_reopen(books);
}

/* --- lives --- */

static void an_opening_begins_its_life_with_the_first_that_it_keeps(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    books_reopen(books);
    assert_int_equal(store_try(books->store, &fault), 0);
    struct record *quarantined = support_record("no JSON");
    books_keep_one(books, quarantined);
    support_record_free(quarantined);
    books_assert(books, "SELECT count(*) FROM life", "0");
    struct token one = keep_one(books), two = keep_one(books);
    books_reopen(books);
    books_reopen(books);
    struct token three = keep_one(books);
    books_assert(books,
                 "SELECT group_concat(first_seq), count(DISTINCT id), min(length(id)) FROM life",
                 "1,3|2|16");
    assert_string_equal(one.life, two.life);
    assert_string_not_equal(two.life, three.life);
    assert_holds(books, &one);
    assert_holds(books, &two);
    assert_holds(books, &three);
    assert_holds(books, &(struct token){.seq = 0});
    struct store_standing standing = stand(books, &one);
    assert_string_equal(standing.last.life, three.life);
    assert_int_equal(standing.last.seq, 3);
    /* numbers and lives that do not belong together */
    two.seq = 3;
    assert_refused(books, &two, 2);
    three.seq = 2;
    assert_refused(books, &three, 0);
    three.seq = 4;
    assert_refused(books, &three, 3);
}

static void a_life_comes_and_goes_with_the_transaction_of_its_first(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    struct token token;
    support_limit_file_size(4096);
    assert_int_equal(keep_with(books->store, NULL, &fault), -1);
    support_limit_file_size(UINT64_MAX);
    books_assert(books, "SELECT count(*) FROM life", "0");
    fault = FAULT_NONE;
    if (store_probe(books->store, &fault) != 0 || keep_with(books->store, &token, &fault) != 0)
        fail_msg("%s", fault.text);
    books_assert(books, "SELECT first_seq FROM life", "1");
    assert_holds(books, &token);
}

static void a_killed_process_leaves_what_it_kept_in_its_life(void **state)
{
    struct books *books = *state;
    int ends[2];
    struct token left = {.seq = 0};
    store_free(books->store);
    books->store = NULL;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store;
        struct fault fault = FAULT_NONE;
        struct token token;
        if (store_new(&store, &books->config, &fault) == 0 && store_open(store, &fault) == 0 &&
            keep_with(store, &token, &fault) == 0 && write(ends[1], &token, sizeof token) > 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(read(ends[0], &left, sizeof left), sizeof left);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
    close(ends[1]);
    books_reopen(books);
    assert_holds(books, &left);
    struct token next = keep_one(books);
    assert_int_equal(next.seq, 2);
    assert_string_not_equal(next.life, left.life);
    assert_holds(books, &left);
}

/* Of two receivers on one store, both keep under the life of the one that began later. */
static void two_receivers_add_to_one_row_of_lives(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    struct store *other = books_open_another(books);
    struct token tokens[6];
    for (size_t i = 0; i < LENGTH(tokens); i++)
        if (keep_with(i % 2 == 0 ? books->store : other, &tokens[i], &fault) != 0)
            fail_msg("%s", fault.text);
    store_free(other);
    for (size_t i = 0; i < LENGTH(tokens); i++) {
        assert_int_equal(tokens[i].seq, i + 1);
        assert_string_equal(tokens[i].life, tokens[i == 0 ? 0 : 1].life);
        assert_holds(books, &tokens[i]);
    }
    books_assert(books, "SELECT first_seq FROM life ORDER BY 1", "1\n2");
    struct token next = keep_one(books); /* the other one's life goes on without it */
    assert_string_equal(next.life, tokens[1].life);
}

/* --- copies --- */

static void a_reader_ahead_of_a_copy_that_was_put_back_is_refused(void **state)
{
    struct books *books = *state;
    const char *copy = support_path(books->folder, "copy.db");
    struct token five = keep(books, 5);
    books_copy(file_of(books), copy);
    struct token ten = keep(books, 5);
    assert_holds(books, &ten);
    put_back(books, copy);
    assert_refused(books, &ten, 5);
    struct token last = keep(books, 8);
    assert_int_equal(last.seq, 13);
    assert_refused(books, &ten, 5);
    assert_holds(books, &five);
    assert_holds(books, &last);
    assert_string_not_equal(last.life, ten.life);
}

/* The copy is older than the life of what the reader has. */
static void a_life_that_a_copy_never_had_is_refused(void **state)
{
    struct books *books = *state;
    const char *copy = support_path(books->folder, "copy.db");
    keep(books, 5);
    books_copy(file_of(books), copy);
    books_reopen(books);
    struct token ten = keep(books, 5);
    put_back(books, copy);
    assert_refused(books, &ten, 0);
    keep(books, 8);
    assert_refused(books, &ten, 0);
}

static void copies_on_two_machines_have_what_they_had_in_common(void **state)
{
    struct books *one = *state;
    struct token common = keep(one, 5);
    struct books *other = books_from(file_of(one));
    void *other_state = other;
    books_reopen(other);
    struct token here = keep(one, 5), there = keep(other, 7);
    assert_holds(one, &common);
    assert_holds(other, &common);
    assert_holds(one, &here);
    assert_holds(other, &there);
    assert_refused(other, &here, 5);
    assert_refused(one, &there, 0);
    books_teardown(&other_state);
}

static void another_store_has_no_token_of_this_one(void **state)
{
    struct books *books = *state;
    struct token token = keep(books, 3);
    void *other;
    assert_int_equal(books_setup(&other), 0);
    assert_refused(other, &token, 0);
    keep(other, 5);
    assert_refused(other, &token, 0);
    assert_holds(other, &(struct token){.seq = 0});
    books_teardown(&other);
}

/* Content that is replaced beneath a receiver is noticed before anything is added to it. */
static void a_store_whose_content_was_replaced_is_opened_anew(void **state)
{
    struct books *books = *state;
    const char *copy = support_path(books->folder, "copy.db");
    struct fault fault = FAULT_NONE;
    struct token next, five = keep(books, 5);
    books_copy(file_of(books), copy);
    struct token ten = keep(books, 5);
    books_copy(copy, file_of(books)); /* as `.restore` does */
    assert_int_equal(keep_with(books->store, NULL, &fault), -1);
    support_assert_fault(&fault, "was replaced while it was open");
    books_assert(books, "SELECT max(seq) FROM notification", "5");
    fault = FAULT_NONE;
    if (store_probe(books->store, &fault) != 0 || keep_with(books->store, &next, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(next.seq, 6);
    assert_string_not_equal(next.life, five.life);
    assert_refused(books, &ten, 5);
    assert_holds(books, &five);
}

/* --- cursors and pruning --- */

static void move_cursor(struct books *books, const struct token *at)
{
    struct store_cursor cursor = {.name = "failures", .at = *at};
    struct fault fault = FAULT_NONE;
    if (store_keep(books->store, NULL, 0, &cursor, 0, &fault) != 0)
        fail_msg("%s", fault.text);
}

static struct store_cursor read_cursor(const struct books *books)
{
    struct store_reader *reader;
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    if (store_read_overview(reader, &overview, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(overview.cursors_length, 1);
    store_reader_free(reader);
    return overview.cursors[0];
}

static void a_cursor_moves_to_a_token_that_the_store_holds_and_to_no_other(void **state)
{
    struct books *books = *state;
    struct token three = keep(books, 3), other = keep_one(books);
    move_cursor(books, &(struct token){.seq = 0});
    assert_int_equal(read_cursor(books).at.seq, 0);
    move_cursor(books, &three);
    other.life[0] ^= 1;
    move_cursor(books, &other);
    other.life[0] ^= 1;
    other.seq = 5;
    move_cursor(books, &other);
    struct store_cursor cursor = read_cursor(books);
    assert_int_equal(cursor.at.seq, 3);
    assert_string_equal(cursor.at.life, three.life);
    assert_false(cursor.lost);
    move_cursor(books, &(struct token){.seq = 0});
    assert_int_equal(read_cursor(books).at.seq, 3);
    cursor.back = true;
    cursor.at.seq = 2;
    assert_int_equal(store_keep(books->store, NULL, 0, &cursor, 0, NULL), 0);
    assert_int_equal(read_cursor(books).at.seq, 2);
    books_meddle(books, "UPDATE cursor SET seq = 5");
    assert_true(read_cursor(books).lost);
    books_meddle(books, "UPDATE cursor SET seq = 4, life = '0123456789abcdef'");
    assert_true(read_cursor(books).lost);
}

static void an_application_is_forgotten_unless_somebody_delivers_to_it(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    bool found;
    int fd;
    move_cursor(books, &(struct token){.seq = 0});
    assert_int_equal(store_forget(books->store, "nobody", &found, &fault), 0);
    assert_false(found);
    assert_int_equal(store_lock_delivery(books->folder, "failures", &fd, &fault), 0);
    assert_int_equal(store_forget(books->store, "failures", &found, &fault), -1);
    support_assert_fault(&fault, "stop it first");
    books_assert(books, "SELECT name FROM cursor", "failures");
    close(fd);
    fault = FAULT_NONE;
    assert_int_equal(store_forget(books->store, "failures", &found, &fault), 0);
    assert_true(found);
    books_assert(books, "SELECT count(*) FROM cursor", "0");
}

static void what_was_pruned_is_told_by_its_last_number(void **state)
{
    struct books *books = *state;
    struct fault fault = FAULT_NONE;
    struct store_pruned pruned;
    struct token one = keep_one(books), three = keep(books, 2);
    assert_int_equal(stand(books, &one).pruned_seq, 0);
    assert_int_equal(store_prune(books->store, 1, NULL, &pruned, &fault), 0);
    assert_int_equal(stand(books, &one).pruned_seq, 0); /* nothing went */
    books_meddle(books, "UPDATE notification SET received_at = 1 WHERE seq = 2;"
                        "UPDATE time_index SET first_at = 1");
    assert_int_equal(store_prune(books->store, 2, NULL, &pruned, &fault), 0);
    assert_int_equal(pruned.notifications, 1);
    assert_int_equal(stand(books, &one).pruned_seq, 2);
    assert_holds(books, &one);
    keep_one(books);
    books_meddle(books, "UPDATE notification SET received_at = 1 WHERE seq = 1");
    assert_int_equal(store_prune(books->store, 2, NULL, &pruned, &fault), 0);
    assert_int_equal(stand(books, &three).pruned_seq, 2);
    assert_holds(books, &three);
}

#define BOOKS(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_life_tests(void)
{
    const struct CMUnitTest tests[] = {
        BOOKS(an_opening_begins_its_life_with_the_first_that_it_keeps),
        BOOKS(a_life_comes_and_goes_with_the_transaction_of_its_first),
        BOOKS(a_killed_process_leaves_what_it_kept_in_its_life),
        BOOKS(two_receivers_add_to_one_row_of_lives),
        BOOKS(a_reader_ahead_of_a_copy_that_was_put_back_is_refused),
        BOOKS(a_life_that_a_copy_never_had_is_refused),
        BOOKS(copies_on_two_machines_have_what_they_had_in_common),
        BOOKS(another_store_has_no_token_of_this_one),
        BOOKS(a_store_whose_content_was_replaced_is_opened_anew),
        BOOKS(a_cursor_moves_to_a_token_that_the_store_holds_and_to_no_other),
        BOOKS(an_application_is_forgotten_unless_somebody_delivers_to_it),
        BOOKS(what_was_pruned_is_told_by_its_last_number),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
