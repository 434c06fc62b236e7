/* What a supervisor is told, and where. */
#include "config.h"

#include "receiver/notify.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Gives a datagram socket bound to NAME, which may begin with @. */
static int listen_at(const char *name)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    assert_true(fd >= 0 && length < sizeof address.sun_path);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void expect_told(int fd, const char *lines)
{
    char told[64];
    ssize_t length = recv(fd, told, sizeof told, MSG_DONTWAIT);
    assert_int_equal(length, strlen(lines));
    assert_memory_equal(told, lines, (size_t)length);
}

static void set_environment(const char *socket, const char *watchdog_us, const char *watchdog_pid)
{
    const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    const char *const values[] = {socket, watchdog_us, watchdog_pid};
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (values[i] == NULL)
            unsetenv(names[i]);
        else
            setenv(names[i], values[i], 1);
    }
}

static void without_a_supervisor_nobody_is_told(void **state)
{
    struct notify notify;
    set_environment(NULL, "1000000", NULL);
    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_int_equal(notify.fd, -1);
    assert_int_equal(notify.watchdog_ms, 0);
    assert_int_equal(notify_tell(&notify, "READY=1", NULL), 0);
    notify_close(&notify);
}

static void tell_one_at(const char *name)
{
    struct notify notify;
    int fd = listen_at(name);
    set_environment(name, NULL, NULL);
    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_int_equal(notify_tell(&notify, "READY=1\nSTATUS=receiving", NULL), 0);
    expect_told(fd, "READY=1\nSTATUS=receiving");
    notify_close(&notify);
    close(fd);
}

static void a_supervisor_is_told_by_either_kind_of_name(void **state)
{
    char *folder = support_folder(), abstract[64];
    tell_one_at(support_path(folder, "notify"));
    snprintf(abstract, sizeof abstract, "@upgrade-receiver-test-%ld", (long)getpid());
    tell_one_at(abstract);
    support_folder_free(folder);
}

static int64_t watchdog_of(const char *us, const char *pid)
{
    struct notify notify;
    set_environment("/nowhere", us, pid);
    assert_int_equal(notify_open(&notify, NULL), 0);
    int64_t ms = notify.watchdog_ms;
    notify_close(&notify);
    return ms;
}

static void the_watchdog_may_be_meant_for_another_process(void **state)
{
    char own[32];
    snprintf(own, sizeof own, "%ld", (long)getpid());
    assert_int_equal(watchdog_of("30000000", NULL), 30000);
    assert_int_equal(watchdog_of("30000000", own), 30000);
    assert_int_equal(watchdog_of("30000000", "1"), 0);
    assert_int_equal(watchdog_of(NULL, own), 0);
    assert_int_equal(watchdog_of("soon", own), 0);
    assert_int_equal(watchdog_of("-1", own), 0);
    assert_int_equal(watchdog_of("99999999999999999999", own), 0);
}

static void a_name_that_is_none_is_a_fault(void **state)
{
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    const char *const wrong[] = {"relative", "vsock:2:1234", "/", "@", longer};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct notify notify;
        struct fault fault = FAULT_NONE;
        set_environment(wrong[i], NULL, NULL);
        assert_int_equal(notify_open(&notify, &fault), -1);
        support_assert_fault(&fault, "NOTIFY_SOCKET");
    }
}

static void a_supervisor_that_is_not_there_or_does_not_read_holds_nobody_up(void **state)
{
    char *folder = support_folder();
    const char *name = support_path(folder, "notify");
    struct notify notify;
    struct fault fault = FAULT_NONE;
    set_environment(name, NULL, NULL);
    assert_int_equal(notify_open(&notify, NULL), 0);
    assert_int_equal(notify_tell(&notify, "READY=1", &fault), -1);
    support_assert_fault(&fault, "NOTIFY_SOCKET");
    int fd = listen_at(name), told = 0;
    while (told < 100000 && notify_tell(&notify, "WATCHDOG=1", NULL) == 0)
        told++;
    assert_true(told > 0 && told < 100000);
    notify_close(&notify);
    close(fd);
    support_folder_free(folder);
}

int notify_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_supervisor_nobody_is_told),
        cmocka_unit_test(a_supervisor_is_told_by_either_kind_of_name),
        cmocka_unit_test(the_watchdog_may_be_meant_for_another_process),
        cmocka_unit_test(a_name_that_is_none_is_a_fault),
        cmocka_unit_test(a_supervisor_that_is_not_there_or_does_not_read_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
