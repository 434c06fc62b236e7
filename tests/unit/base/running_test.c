/* Which receivers run on a folder: told by locks that end with their holder, and hinder nobody. */
#include "config.h"

#include "base/running.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
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

/* Starts a process that says on FOLDER that it runs; it does when this returns. */
static pid_t start(const char *folder)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        if (running_keep(-1, folder) < 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static bool is_among(const long *pids, int count, pid_t pid)
{
    for (int i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static void each_that_runs_is_found_until_it_is_killed(void **state)
{
    const char *folder = *state;
    long pids[RUNNING_MAX];
    assert_int_equal(running_find(folder, pids), 0);
    pid_t first = start(folder), second = start(folder);
    assert_int_equal(running_find(folder, pids), 2);
    assert_true(is_among(pids, 2, first) && is_among(pids, 2, second));
    end(first);
    assert_int_equal(running_find(folder, pids), 1);
    assert_int_equal(pids[0], second);
    end(second);
    assert_int_equal(running_find(folder, pids), 0);
}

/* A reader of the folder may lock what it can open: that must not look like a receiver. */
static void a_readers_lock_is_no_receiver(void **state)
{
    const char *folder = *state;
    long pids[RUNNING_MAX];
    end(start(folder));
    int fd = open(support_path(folder, "running.lock"), O_RDONLY);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(running_find(folder, pids), 0);
    close(fd);
}

static void a_file_that_was_deleted_is_made_again(void **state)
{
    const char *folder = *state;
    long pids[RUNNING_MAX];
    int fd = running_keep(-1, folder);
    assert_true(fd >= 0);
    assert_int_equal(running_keep(fd, folder), fd);
    assert_int_equal(unlink(support_path(folder, "running.lock")), 0);
    fd = running_keep(fd, folder);
    assert_int_equal(running_find(folder, pids), 1);
    assert_int_equal(pids[0], getpid());
    close(fd);
    assert_int_equal(running_keep(-1, support_path(folder, "missing")), -1);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int running_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(each_that_runs_is_found_until_it_is_killed),
        FRESH(a_readers_lock_is_no_receiver),
        FRESH(a_file_that_was_deleted_is_made_again),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
