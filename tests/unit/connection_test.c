/* Connections: listed, ended when they are late or idle, counted until none is left. */
#include "config.h"

#include "connection.h"
#include "moment.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS 5

/* A list of connections, the first one opened last, and the peers' ends. */
struct peers {
    struct connection_list list;
    struct connection *connections[PEERS];
    int ends[PEERS];
};

static int setup(void **state)
{
    struct peers *peers = calloc(1, sizeof *peers);
    assert_non_null(peers);
    connection_list_init(&peers->list);
    for (size_t i = 0; i < PEERS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        peers->ends[i] = pair[0];
        peers->connections[i] = connection_open(&peers->list, pair[1], 100, peers);
        assert_non_null(peers->connections[i]);
    }
    *state = peers;
    return 0;
}

static int teardown(void **state)
{
    struct peers *peers = *state;
    while (peers->list.first != NULL)
        connection_close(&peers->list, peers->list.first);
    connection_list_release(&peers->list);
    for (size_t i = 0; i < PEERS; i++)
        close(peers->ends[i]);
    free(peers);
    return 0;
}

/* Whether the peer sees that the connection has ended. */
static bool is_ended(const struct peers *peers, size_t i)
{
    char byte;
    ssize_t received = recv(peers->ends[i], &byte, 1, MSG_PEEK);
    return received == 0 || (received < 0 && errno != EAGAIN);
}

/* Whether the peer can still send. */
static bool takes(const struct peers *peers, size_t i)
{
    return send(peers->ends[i], "x", 1, MSG_NOSIGNAL) == 1;
}

static void a_new_connection_is_listed_and_ready_for_a_request(void **state)
{
    struct peers *peers = *state;
    assert_int_equal(connection_count(&peers->list), PEERS);
    for (size_t i = 0; i < PEERS; i++) {
        const struct connection *connection = peers->connections[i];
        assert_ptr_equal(connection->owner, peers);
        assert_int_equal(connection->gather.body_max, 100);
        assert_int_equal(connection->deadline_ms, 0);
        assert_int_equal(connection->idle_since_ms, 0);
        assert_int_equal(connection->ahead.length, 0);
    }
    assert_ptr_equal(peers->list.first, peers->connections[PEERS - 1]);
}

static void a_ticket_leads_back_to_its_connection(void **state)
{
    struct peers *peers = *state;
    for (size_t i = 0; i < PEERS; i++)
        assert_ptr_equal(connection_of(&peers->connections[i]->ticket), peers->connections[i]);
}

static void closing_unlists_and_ends_it_wherever_it_stands(void **state)
{
    static const size_t order[] = {2, 4, 0, 3, 1}; /* middle, first, last, of two, the only one */
    struct peers *peers = *state;
    for (size_t i = 0; i < LENGTH(order); i++) {
        assert_false(is_ended(peers, order[i]));
        text_add_string(&peers->connections[order[i]]->ahead, "bytes read ahead");
        connection_close(&peers->list, peers->connections[order[i]]);
        assert_true(is_ended(peers, order[i]));
        assert_int_equal(connection_count(&peers->list), PEERS - 1 - i);
        size_t listed = 0;
        const struct connection *previous = NULL;
        for (const struct connection *c = peers->list.first; c != NULL; c = c->next) {
            assert_ptr_equal(c->previous, previous);
            previous = c;
            listed++;
        }
        assert_int_equal(listed, PEERS - 1 - i);
    }
    assert_null(peers->list.first);
}

static void those_past_their_deadline_are_ended(void **state)
{
    struct peers *peers = *state;
    peers->connections[0]->deadline_ms = 999;
    peers->connections[1]->deadline_ms = 1000;
    peers->connections[2]->deadline_ms = 1001;
    peers->connections[3]->deadline_ms = 0; /* no limit */
    peers->connections[4]->deadline_ms = 1;
    connection_end_late(&peers->list, 1000);
    assert_true(is_ended(peers, 0));
    assert_true(is_ended(peers, 1));
    assert_false(is_ended(peers, 2));
    assert_false(is_ended(peers, 3));
    assert_true(is_ended(peers, 4));
    assert_int_equal(connection_count(&peers->list), PEERS); /* their event is still to come */
}

static void idle_ones_are_ended_for_reading_alone(void **state)
{
    struct peers *peers = *state;
    peers->connections[0]->idle_since_ms = 1;
    peers->connections[1]->idle_since_ms = 1000;
    peers->connections[2]->idle_since_ms = 1001;
    assert_true(takes(peers, 0)); /* a request that arrives just now */
    connection_end_idle(&peers->list, PEERS, 1000);
    for (size_t i = 0; i < PEERS; i++) {
        assert_int_equal(takes(peers, i), i > 1);
        assert_false(is_ended(peers, i));
    }
    char byte;
    assert_int_equal(recv(peers->connections[0]->fd, &byte, 1, 0), 1);
    assert_int_equal(send(peers->connections[0]->fd, "answer", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(recv(peers->ends[0], &byte, 1, 0), 1);
}

static void no_more_idle_ones_are_ended_than_asked_for(void **state)
{
    struct peers *peers = *state;
    size_t ended = 0;
    for (size_t i = 0; i < PEERS; i++)
        peers->connections[i]->idle_since_ms = 1;
    connection_end_idle(&peers->list, 2, 1);
    for (size_t i = 0; i < PEERS; i++)
        ended += !takes(peers, i);
    assert_int_equal(ended, 2);
}

static void all_can_be_ended(void **state)
{
    struct peers *peers = *state;
    connection_end_all(&peers->list);
    for (size_t i = 0; i < PEERS; i++)
        assert_true(is_ended(peers, i));
    assert_int_equal(connection_count(&peers->list), PEERS);
}

static void waiting_gives_up_when_its_time_has_come(void **state)
{
    struct peers *peers = *state;
    int64_t before_ms = moment_monotonic_ms();
    assert_false(connection_wait_none(&peers->list, before_ms + 50));
    assert_true(moment_monotonic_ms() - before_ms >= 50);
}

static void *close_all(void *argument)
{
    struct peers *peers = argument;
    for (size_t i = 0; i < PEERS; i++) {
        support_sleep_ms(5);
        connection_close(&peers->list, peers->connections[i]);
    }
    return NULL;
}

static void waiting_ends_with_the_last_connection(void **state)
{
    struct peers *peers = *state;
    pthread_t closer;
    int64_t before_ms = moment_monotonic_ms();
    assert_int_equal(pthread_create(&closer, NULL, close_all, peers), 0);
    assert_true(connection_wait_none(&peers->list, before_ms + 60000));
    pthread_join(closer, NULL);
    assert_true(moment_monotonic_ms() - before_ms >= 25);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int connection_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_new_connection_is_listed_and_ready_for_a_request),
        FRESH(a_ticket_leads_back_to_its_connection),
        FRESH(closing_unlists_and_ends_it_wherever_it_stands),
        FRESH(those_past_their_deadline_are_ended),
        FRESH(idle_ones_are_ended_for_reading_alone),
        FRESH(no_more_idle_ones_are_ended_than_asked_for),
        FRESH(all_can_be_ended),
        FRESH(waiting_gives_up_when_its_time_has_come),
        FRESH(waiting_ends_with_the_last_connection),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
