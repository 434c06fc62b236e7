/* Connections: made, ended, and waiting in lines. */
#include "config.h"

#include "receiver/connection.h"
#include "support.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 5

static void expect_next(struct connection_line *line, struct connection *connection)
{
    assert_ptr_equal(line->first, connection);
    assert_ptr_equal(connection_line_take(line), connection);
}

static void an_empty_line_has_nobody(void **state)
{
    struct connection_line line;
    connection_line_init(&line);
    assert_null(line.first);
    for (int i = 0; i < 2; i++)
        assert_null(connection_line_take(&line));
}

static void the_first_to_come_is_the_first_to_go(void **state)
{
    struct connection connections[MOST] = {{0}};
    struct connection_line line;
    connection_line_init(&line);
    for (size_t i = 0; i < MOST; i++)
        connection_line_add(&line, &connections[i]);
    for (size_t i = 0; i < MOST; i++)
        expect_next(&line, &connections[i]);
    assert_null(connection_line_take(&line));
}

static void who_went_may_come_again(void **state)
{
    struct connection connections[MOST] = {{0}};
    struct connection_line line;
    connection_line_init(&line);
    for (size_t i = 0; i < MOST; i++) /* alone */
        for (int j = 0; j < 2; j++) {
            connection_line_add(&line, &connections[i]);
            expect_next(&line, &connections[i]);
            assert_null(connection_line_take(&line));
        }
    /* and behind others, which stay in their order */
    for (size_t i = 0; i < MOST; i++)
        connection_line_add(&line, &connections[i]);
    for (size_t i = 0; i < 3 * MOST; i++) {
        expect_next(&line, &connections[i % MOST]);
        connection_line_add(&line, &connections[i % MOST]);
    }
    for (size_t i = 0; i < MOST; i++)
        expect_next(&line, &connections[i]);
    assert_null(connection_line_take(&line));
}

/* A connection is in one line after the other: what it had behind it in the first does not follow
 * it into the second. */
static void nobody_is_taken_along_into_another_line(void **state)
{
    struct connection connections[MOST] = {{0}};
    struct connection_line from, to;
    connection_line_init(&from);
    connection_line_init(&to);
    for (size_t i = 0; i < MOST; i++)
        connection_line_add(&from, &connections[i]);
    connection_line_add(&to, connection_line_take(&from));
    expect_next(&to, &connections[0]);
    assert_null(connection_line_take(&to));
    for (size_t i = 1; i < MOST; i++)
        expect_next(&from, &connections[i]);
    assert_null(connection_line_take(&from));
}

static void a_new_connection_is_ready_for_a_request_and_freeing_it_ends_it(void **state)
{
    struct worker *worker = (struct worker *)(void *)state; /* anything: it is not looked into */
    int pair[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct connection *connection = connection_new(pair[1], 100, worker);
    assert_non_null(connection);
    assert_int_equal(connection->fd, pair[1]);
    assert_ptr_equal(connection->worker, worker);
    assert_int_equal(connection->reader.body_max, 100);
    assert_false(fcgi_reader_has_begun(&connection->reader));
    assert_int_equal(connection->deadline_ms, 0);
    assert_int_equal(connection->idle_since_ms, 0);
    assert_int_equal(connection->ahead.length, 0);
    assert_int_equal(connection->held, 0);
    assert_int_equal(connection->room, 0);
    assert_false(connection->armed);
    assert_null(connection->read_request.endpoint);
    assert_int_equal(recv(pair[0], &byte, 1, MSG_PEEK), -1); /* it is open */
    assert_int_equal(errno, EAGAIN);
    /* What it has is freed with it: the leak checker sees to that. */
    buffer_add_string(&connection->ahead, "bytes read ahead");
    buffer_add_string(&connection->reader.params, "parameters");
    buffer_add_string(&connection->reader.body, "a body");
    connection->record.texts = calloc(1, 10);
    connection->record.rendered = calloc(1, 10);
    connection_free(connection);
    assert_int_equal(recv(pair[0], &byte, 1, MSG_PEEK), 0); /* and ended */
    close(pair[0]);
}

int connection_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_line_has_nobody),
        cmocka_unit_test(the_first_to_come_is_the_first_to_go),
        cmocka_unit_test(who_went_may_come_again),
        cmocka_unit_test(nobody_is_taken_along_into_another_line),
        cmocka_unit_test(a_new_connection_is_ready_for_a_request_and_freeing_it_ends_it),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
