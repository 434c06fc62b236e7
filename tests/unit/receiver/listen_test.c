/* The socket of --listen: how it is named, whose socket it may replace, and which it removes. */
#include "config.h"

#include "receiver/listen.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void an_address_has_a_path_a_mode_and_a_group(void **state)
{
    struct listen_address address;
    struct fault fault = FAULT_NONE;
    char text[64];
    assert_int_equal(listen_read("unix:/run/x/socket", &address, &fault), 0);
    assert_string_equal(address.path, "/run/x/socket");
    assert_int_equal(address.mode, 0660);
    assert_false(address.has_group);
    assert_int_equal(listen_read("unix:/s,0600", &address, &fault), 0);
    assert_string_equal(address.path, "/s");
    assert_int_equal(address.mode, 0600);
    assert_false(address.has_group);
    assert_int_equal(listen_read("unix:/s,666,root", &address, &fault), 0);
    assert_int_equal(address.mode, 0666);
    assert_true(address.has_group);
    assert_int_equal(address.group, 0);
    snprintf(text, sizeof text, "unix:/s,0660,%d", 54321);
    assert_int_equal(listen_read(text, &address, &fault), 0);
    assert_int_equal(address.group, 54321);
    assert_false(fault.set);
}

static void what_is_no_address_is_named(void **state)
{
    static const char *const wrong[][2] = {
        {"", "takes unix:PATH[,MODE,GROUP]"},
        {"/run/socket", "takes unix:PATH[,MODE,GROUP]"},
        {"unix:", "begins with /"},
        {"unix:socket", "begins with /"},
        {"unix:,0660", "begins with /"},
        {"127.0.0.1:9000", "takes unix:PATH[,MODE,GROUP]"},
        {"unix:/s,", "the mode is an octal number"},
        {"unix:/s,,root", "the mode is an octal number"},
        {"unix:/s,rw", "the mode is an octal number"},
        {"unix:/s,0668", "the mode is an octal number"},
        {"unix:/s,7", "the mode is an octal number"},
        {"unix:/s,1777", "the mode is an octal number"},
        {"unix:/s,00660", "the mode is an octal number"},
        {"unix:/s,0660,", "there is no group ''"},
        {"unix:/s,0660,no-such-group", "there is no group 'no-such-group'"},
        {"unix:/s,0660,root,x", "there is no group 'root,x'"},
        {"unix:/s,0660,-1", "there is no group '-1'"},
        {"unix:/s,0660,4294967295", "there is no group"},
    };
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct listen_address address;
        struct fault fault = FAULT_NONE;
        assert_int_equal(listen_read(wrong[i][0], &address, &fault), -1);
        support_assert_fault(&fault, wrong[i][1]);
    }
    struct listen_address address;
    struct fault fault = FAULT_NONE;
    char text[200];
    memset(text, 'x', sizeof text);
    memcpy(text, "unix:/", 6);
    text[5 + 107] = '\0';
    assert_int_equal(listen_read(text, &address, &fault), 0);
    text[5 + 107] = 'x';
    text[5 + 108] = '\0';
    assert_int_equal(listen_read(text, &address, &fault), -1);
    support_assert_fault(&fault, "has 107 bytes at most");
}

/* An address in FOLDER, with the mode and the group behind it. */
static struct listen_address address_in(const char *folder, const char *behind)
{
    struct listen_address address;
    struct fault fault = FAULT_NONE;
    char text[300];
    snprintf(text, sizeof text, "unix:%s/socket%s", folder, behind);
    if (listen_read(text, &address, &fault) != 0)
        fail_msg("%s", fault.text);
    return address;
}

static struct listen_socket must_open(const struct listen_address *address)
{
    struct listen_socket made;
    struct fault fault = FAULT_NONE;
    if (listen_open(address, &made, &fault) != 0)
        fail_msg("%s", fault.text);
    return made;
}

/* Whether somebody can connect. */
static bool answers(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool connected = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return connected;
}

static void a_socket_has_its_mode_and_group_and_is_removed(void **state)
{
    char *folder = support_folder();
    char group[32];
    struct stat status;
    snprintf(group, sizeof group, ",0606,%ld", (long)(geteuid() == 0 ? 54321 : getegid()));
    const struct listen_address address = address_in(folder, group);
    umask(0027);
    struct listen_socket made = must_open(&address);
    assert_int_equal(stat(address.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0606);
    assert_int_equal(status.st_gid, address.group);
    assert_int_equal(umask(0027), 0027);
    assert_true(answers(address.path));
    listen_remove(&made);
    assert_int_equal(support_count_files(folder, ""), 0);
    listen_remove(&made);
    close(made.fd);
    support_folder_free(folder);
}

static void the_socket_of_a_dead_process_is_replaced(void **state)
{
    char *folder = support_folder();
    const struct listen_address address = address_in(folder, "");
    struct listen_socket dead = must_open(&address);
    close(dead.fd);
    assert_false(answers(address.path));
    struct listen_socket made = must_open(&address);
    assert_true(answers(address.path));
    /* what is left of the dead one would not remove it */
    dead.inode++;
    listen_remove(&dead);
    assert_true(answers(address.path));
    listen_remove(&made);
    close(made.fd);
    assert_int_equal(support_count_files(folder, ""), 0);
    support_folder_free(folder);
}

static void assert_refused(const struct listen_address *address, const char *part)
{
    struct listen_socket made;
    struct fault fault = FAULT_NONE;
    assert_int_equal(listen_open(address, &made, &fault), -1);
    assert_int_equal(made.fd, -1);
    listen_remove(&made);
    support_assert_fault(&fault, part);
}

static void what_is_in_use_is_refused_and_stays(void **state)
{
    char *folder = support_folder();
    const struct listen_address address = address_in(folder, "");
    struct listen_address nowhere = address;
    struct listen_socket made = must_open(&address);
    assert_refused(&address, "another process listens on ");
    assert_true(answers(address.path));
    listen_remove(&made);
    close(made.fd);
    support_write_file(address.path, "a file");
    assert_refused(&address, "is no socket");
    char *text = support_read_file(address.path);
    assert_string_equal(text, "a file");
    free(text);
    assert_int_equal(unlink(address.path), 0);
    assert_int_equal(symlink("elsewhere", address.path), 0);
    assert_refused(&address, "is no socket");
    assert_int_equal(unlink(address.path), 0);
    snprintf(nowhere.path, sizeof nowhere.path, "%s/no/socket", folder);
    assert_refused(&nowhere, "No such file or directory");
    int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_refused(&address, "another process holds a lock of");
    close(lock);
    assert_int_equal(support_count_files(folder, ""), 0);
    support_folder_free(folder);
}

static void a_file_that_another_put_there_is_not_removed(void **state)
{
    char *folder = support_folder();
    const struct listen_address address = address_in(folder, "");
    struct listen_socket made = must_open(&address);
    assert_int_equal(rename(address.path, support_path(folder, "aside")), 0);
    struct listen_socket another = must_open(&address);
    listen_remove(&made);
    assert_true(answers(address.path));
    close(made.fd);
    close(another.fd);
    support_folder_free(folder);
}

static void a_check_finds_what_would_fail_and_touches_nothing(void **state)
{
    char *folder = support_folder();
    struct listen_address address = address_in(folder, ",0660,54321");
    struct fault fault = FAULT_NONE;
    if (geteuid() != 0) {
        assert_int_equal(listen_check(&address, &fault), -1);
        support_assert_fault(&fault, "to which it does not belong");
        fault = FAULT_NONE;
    }
    address.group = getegid();
    assert_int_equal(listen_check(&address, &fault), 0);
    struct listen_socket made = must_open(&address);
    assert_int_equal(listen_check(&address, &fault), 0);
    listen_remove(&made);
    close(made.fd);
    support_write_file(address.path, "a file");
    assert_int_equal(listen_check(&address, &fault), -1);
    support_assert_fault(&fault, "is no socket");
    fault = FAULT_NONE;
    snprintf(address.path, sizeof address.path, "%s/no/socket", folder);
    assert_int_equal(listen_check(&address, &fault), -1);
    support_assert_fault(&fault, "may not make a socket in");
    support_folder_free(folder);
}

int listen_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_a_path_a_mode_and_a_group),
        cmocka_unit_test(what_is_no_address_is_named),
        cmocka_unit_test(a_socket_has_its_mode_and_group_and_is_removed),
        cmocka_unit_test(the_socket_of_a_dead_process_is_replaced),
        cmocka_unit_test(what_is_in_use_is_refused_and_stays),
        cmocka_unit_test(a_file_that_another_put_there_is_not_removed),
        cmocka_unit_test(a_check_finds_what_would_fail_and_touches_nothing),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
