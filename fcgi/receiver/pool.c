/* pool: the connections of the workers. */
#include "config.h"

#include "receiver/pool.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that a worker accepts in a round: other workers may be free for more. */
#define ACCEPT_MAX 16

/* --- connections and their memory --- */

void pool_count_held(struct worker_pool *pool, struct connection *connection)
{
    size_t held = connection->reader.params.capacity + connection->ahead.capacity;
    atomic_fetch_add_explicit(&pool->gathered, held - connection->held, memory_order_relaxed);
    connection->held = held;
}

bool pool_take_room(struct worker *worker, struct connection *connection)
{
    atomic_size_t *taken = &worker->pool->taken;
    size_t size = WORKER_BODY_FACTOR * connection->reader.announced;
    size_t before = atomic_fetch_add_explicit(taken, size, memory_order_relaxed);
    if (before > 0 && before + size > WORKER_BODIES_MAX) {
        atomic_fetch_sub_explicit(taken, size, memory_order_relaxed);
        return false;
    }
    connection->room = size;
    return true;
}

void pool_admit(struct worker *worker)
{
    while (worker->for_room.first != NULL && pool_take_room(worker, worker->for_room.first))
        connection_line_add(&worker->read_ahead, connection_line_take(&worker->for_room));
}

void pool_give_room(struct worker *worker, struct connection *connection, size_t size)
{
    if (connection->room <= size)
        return;
    atomic_fetch_sub_explicit(&worker->pool->taken, connection->room - size, memory_order_relaxed);
    connection->room = size;
    pool_admit(worker);
}

void pool_drop(struct worker *worker, struct connection *connection)
{
    atomic_fetch_sub_explicit(&worker->pool->gathered, connection->held, memory_order_relaxed);
    atomic_fetch_sub_explicit(&worker->pool->connections, 1, memory_order_relaxed);
    fcgi_reader_reset(&connection->reader);
    pool_give_room(worker, connection, 0);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection_free(connection);
}

void pool_arm(struct worker *worker, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
    if (connection->armed)
        return;
    connection->armed = epoll_ctl(worker->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0;
    if (!connection->armed)
        pool_drop(worker, connection);
}

void pool_disarm(struct worker *worker, struct connection *connection)
{
    if (connection->armed)
        epoll_ctl(worker->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->armed = false;
}

void pool_note_begun(struct worker *worker, struct connection *connection)
{
    if (connection->idle_since_ms != 0)
        atomic_store_explicit(&connection->deadline_ms, worker->now_ms + WORKER_REQUEST_MS,
                              memory_order_relaxed);
    connection->idle_since_ms = 0;
}

void pool_log_broken(struct worker_pool *pool, const char *reason)
{
    metrics_add(pool->metrics, METRIC_broken_streams, 1);
    log_event(pool->log, "broken", "reason", reason);
}

void pool_conclude(struct worker *worker, struct connection *connection, bool sent)
{
    bool keep = sent && connection->reader.keep;
    /* While draining, an answer is the last one, except for requests that have arrived already.
     * From here on the web server cannot send, and tries elsewhere; the worker reads the bytes that
     * it has sent, then the end. */
    if (keep && atomic_load_explicit(&worker->pool->drained_ms, memory_order_relaxed) != 0)
        shutdown(connection->fd, SHUT_RD);
    if (!keep) {
        pool_drop(worker, connection);
        return;
    }
    fcgi_reader_reset(&connection->reader);
    record_release(&connection->record);
    pool_count_held(worker->pool, connection);
    pool_give_room(worker, connection, 0);
    connection->idle_since_ms = worker->now_ms;
    if (connection->ahead.length > 0)
        connection_line_add(&worker->read_ahead, connection);
    else
        pool_arm(worker, connection);
}

/* --- new connections, and those that come back --- */

static void list(struct worker *worker, struct connection *connection)
{
    connection->next = worker->first;
    if (worker->first != NULL)
        worker->first->previous = connection;
    worker->first = connection;
    connection->idle_since_ms = worker->now_ms;
    atomic_store_explicit(&connection->deadline_ms, worker->now_ms + WORKER_FIRST_BYTE_MS,
                          memory_order_relaxed);
    metrics_add(worker->pool->metrics, METRIC_connections, 1);
    pool_arm(worker, connection);
}

/* Accepts one connection: 0, or the error that ended accepting for now. */
static int accept_one(struct worker *worker)
{
    struct worker_pool *pool = worker->pool;
    if (atomic_load_explicit(&pool->connections, memory_order_relaxed) >= pool->connections_max)
        return EMFILE;
    int fd = accept4(pool->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno;
    struct connection *connection = connection_new(fd, pool->options->max_body, worker);
    if (connection == NULL) {
        close(fd);
        return ENOMEM;
    }
    atomic_fetch_add_explicit(&pool->connections, 1, memory_order_relaxed);
    list(worker, connection);
    if (atomic_load_explicit(&pool->short_of, memory_order_relaxed))
        atomic_store(&pool->short_of, false);
    return 0;
}

void pool_listen(struct worker *worker, bool on)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = worker->pool};
    if (worker->pool->listener < 0 || worker->listening == on)
        return;
    epoll_ctl(worker->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, worker->pool->listener, &event);
    worker->listening = on;
}

void pool_accept(struct worker *worker)
{
    struct worker_pool *pool = worker->pool;
    int error = 0;
    for (int i = 0; i < ACCEPT_MAX && (error == 0 || error == EINTR || error == ECONNABORTED); i++)
        error = accept_one(worker);
    switch (error) {
    case 0:
    case EINTR:
    case ECONNABORTED:
    case EAGAIN:
        break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        worker->paused = true;
        pool_listen(worker, false);
        if (!atomic_exchange(&pool->short_of, true))
            log_event(pool->log, "fault", "fault", "no more connections can be accepted now");
        break;
    default:
        pool_listen(worker, false);
        atomic_store(&pool->accept_error, error);
        break;
    }
}

void pool_put_into_inbox(struct connection *connection)
{
    struct worker *worker = connection->worker;
    monitor_enter(&worker->monitor);
    connection_line_add(&worker->inbox, connection);
    monitor_leave(&worker->monitor);
    monitor_ring(worker->bell);
}

void pool_empty_inbox(struct worker *worker)
{
    uint64_t rung;
    ssize_t length = read(worker->bell, &rung, sizeof rung);
    (void)length; /* if this fails, it was heard before */
    monitor_enter(&worker->monitor);
    struct connection_line line = {.first = worker->inbox.first};
    connection_line_init(&worker->inbox);
    monitor_leave(&worker->monitor);
    struct connection *connection;
    while ((connection = connection_line_take(&line)) != NULL)
        if (connection->read_request.endpoint == NULL)
            list(worker, connection);
        else
            pool_conclude(worker, connection, connection->sent);
}

/* --- the time --- */

void pool_end_late(struct worker *worker)
{
    for (struct connection *c = worker->first; c != NULL; c = c->next) {
        int64_t deadline_ms = atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);
        if (deadline_ms != 0 && worker->now_ms >= deadline_ms)
            shutdown(c->fd, SHUT_RDWR);
    }
}

void pool_end_idle(struct worker *worker, size_t most, int64_t since_ms)
{
    for (struct connection *c = worker->first; c != NULL && most > 0; c = c->next)
        if (c->idle_since_ms != 0 && c->idle_since_ms <= since_ms) {
            shutdown(c->fd, SHUT_RD);
            most--;
        }
}

void pool_drop_late(struct worker *worker, int64_t until_ms)
{
    struct connection *first;
    while ((first = worker->for_room.first) != NULL &&
           atomic_load_explicit(&first->deadline_ms, memory_order_relaxed) <= until_ms) {
        connection_line_take(&worker->for_room);
        pool_log_broken(worker->pool, "there was no room for its body in time");
        pool_drop(worker, first);
    }
}
