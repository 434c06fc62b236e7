/* Cursor file: replaced as a whole, told from what is none, one process at a time. */
#include "config.h"

#include "cursor_file.h"
#include "moment.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = support_folder();
    return 0;
}

static int teardown(void **state)
{
    support_folder_free(*state);
    return 0;
}

static void what_was_written_is_read(void **state)
{
    const char *path = support_path(*state, "cursor");
    struct cursor_file file;
    struct cursor_file_place place = {7, 7};
    struct stat status;
    bool found = true;
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_false(found);
    assert_int_equal(place.seq, 7);
    place = (struct cursor_file_place){.seq = INT64_MAX, .store = UINT64_MAX - 1};
    assert_int_equal(cursor_file_move(&file, &place, NULL), 0);
    place.seq = 42;
    assert_int_equal(cursor_file_move(&file, &place, NULL), 0);
    cursor_file_close(&file);
    char *text = support_read_file(path);
    assert_string_equal(text, "{\"store\":\"fffffffffffffffe\",\"seq\":42}\n");
    free(text);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    place = (struct cursor_file_place){0};
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_true(found);
    assert_int_equal(place.seq, 42);
    assert_true(place.store == UINT64_MAX - 1);
    cursor_file_close(&file);
    assert_int_equal(support_count_files(*state, "cursor"), 1);
}

static void what_is_no_cursor_is_left_alone(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "{}",
        "{\"seq\":1}",
        "{\"store\":\"0123456789abcdef\"}",
        "{\"store\":\"0123456789abcdef\",\"seq\":-1}",
        "{\"store\":\"0123456789abcdef\",\"seq\":1.5}",
        "{\"store\":\"0123456789abcdef\",\"seq\":\"1\"}",
        "{\"store\":\"0123456789abcde\",\"seq\":1}",
        "{\"store\":\"0123456789abcdeg\",\"seq\":1}",
        "{\"store\":\"-123456789abcdef\",\"seq\":1}",
        "{\"store\":\"0123456789abcdef\",\"seq\":1",
        "{\"store\":\"0123456789abcdef\",\"seq\":1} x",
    };
    const char *path = support_path(*state, "cursor");
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct cursor_file file;
        struct cursor_file_place place = {7, 7};
        struct fault fault = FAULT_NONE;
        bool found;
        support_write_file(path, texts[i]);
        if (cursor_file_open(&file, path, &place, &found, &fault) == 0)
            fail_msg("'%s' is a cursor", texts[i]);
        support_assert_fault(&fault, "no cursor");
        assert_int_equal(place.seq, 7);
        cursor_file_close(&file);
        char *text = support_read_file(path);
        assert_string_equal(text, texts[i]);
        free(text);
    }
}

/* Whether another process can open the cursor. */
static bool another_can(const char *path, const char *part)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct cursor_file file;
        struct cursor_file_place place = {1, 1};
        struct fault fault = FAULT_NONE;
        bool found;
        if (cursor_file_open(&file, path, &place, &found, &fault) == 0 &&
            cursor_file_move(&file, &place, &fault) == 0)
            _exit(0);
        _exit(strstr(fault.text, part) != NULL ? 1 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

static void one_process_at_a_time_has_it(void **state)
{
    const char *path = support_path(*state, "cursor");
    struct cursor_file file;
    struct cursor_file_place place = {5, 5};
    bool found;
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    for (place.seq = 1; place.seq < 4; place.seq++) {
        assert_int_equal(cursor_file_move(&file, &place, NULL), 0);
        assert_false(another_can(path, "another process"));
    }
    cursor_file_close(&file);
    assert_true(another_can(path, ""));
}

/* Has the cursor for a moment, again and again until UNTIL_MS, and counts in SHARED[1] how often
 * somebody else had it at the same time; SHARED[0] says that somebody has it. */
static void have_it_now_and_then(const char *path, int64_t until_ms, _Atomic int *shared)
{
    while (moment_monotonic_ms() < until_ms) {
        struct cursor_file file;
        struct cursor_file_place place = {1, 1};
        bool found;
        if (cursor_file_open(&file, path, &place, &found, NULL) == 0 && found) {
            shared[1] += shared[0]++ > 0;
            for (int i = 0; i < 3; i++)
                cursor_file_move(&file, &place, NULL);
            shared[2]++;
            shared[0]--;
        }
        cursor_file_close(&file);
    }
}

static void two_that_race_for_it_never_have_it_both(void **state)
{
    const char *path = support_path(*state, "cursor");
    support_write_file(path, "{\"store\":\"0123456789abcdef\",\"seq\":1}\n");
    _Atomic int *shared = mmap(NULL, 3 * sizeof *shared, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    int64_t until_ms = moment_monotonic_ms() + 1500;
    pid_t pid = fork();
    have_it_now_and_then(path, until_ms, shared);
    if (pid == 0)
        _exit(0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(shared[2] > 10);
    assert_int_equal(shared[1], 0);
    munmap((void *)shared, 3 * sizeof *shared);
}

static void a_file_that_was_made_meanwhile_is_not_replaced(void **state)
{
    const char *path = support_path(*state, "cursor");
    struct cursor_file one, other;
    struct cursor_file_place place = {1, 1};
    struct fault fault = FAULT_NONE;
    bool found;
    assert_int_equal(cursor_file_open(&one, path, &place, &found, NULL), 0);
    assert_int_equal(cursor_file_open(&other, path, &place, &found, NULL), 0);
    assert_int_equal(cursor_file_move(&one, &place, NULL), 0);
    assert_int_equal(cursor_file_move(&other, &place, &fault), -1);
    support_assert_fault(&fault, "another process");
    cursor_file_close(&one);
    cursor_file_close(&other);
}

static void what_a_killed_process_left_behind_is_no_hindrance(void **state)
{
    const char *path = support_path(*state, "cursor");
    struct cursor_file file;
    struct cursor_file_place place = {1, 1};
    bool found;
    support_write_file(support_path(*state, "cursor.next"),
                       "{\"store\":\"0123456789abcdef\",\"seq\":1}"
                       " and much more than fits");
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_int_equal(cursor_file_move(&file, &place, NULL), 0);
    cursor_file_close(&file);
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_true(found);
    cursor_file_close(&file);
}

static void a_full_disk_leaves_the_cursor_as_it_was(void **state)
{
    const char *path = support_path(*state, "cursor");
    struct cursor_file file;
    struct cursor_file_place place = {1, 1};
    struct fault fault = FAULT_NONE;
    bool found;
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_int_equal(cursor_file_move(&file, &place, NULL), 0);
    place.seq = 2;
    support_limit_file_size(10);
    assert_int_equal(cursor_file_move(&file, &place, &fault), -1);
    support_limit_file_size(UINT64_MAX);
    assert_true(fault.set);
    cursor_file_close(&file);
    assert_int_equal(cursor_file_open(&file, path, &place, &found, NULL), 0);
    assert_int_equal(place.seq, 1);
    cursor_file_close(&file);
}

int cursor_file_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_cursor_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(one_process_at_a_time_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(two_that_race_for_it_never_have_it_both, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_was_made_meanwhile_is_not_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_killed_process_left_behind_is_no_hindrance, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_cursor_as_it_was, setup, teardown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
