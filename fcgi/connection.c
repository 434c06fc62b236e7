/* connection: one web server's connection, and the list of all of them. */
#include "config.h"

#include "connection.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void connection_list_init(struct connection_list *list)
{
    list->first = NULL;
    list->length = 0;
    monitor_init(&list->monitor);
}

void connection_list_release(struct connection_list *list)
{
    monitor_release(&list->monitor);
}

struct connection *connection_open(struct connection_list *list, int fd, size_t body_max,
                                   void *owner)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    connection->owner = owner;
    gather_init(&connection->gather, body_max);
    monitor_enter(&list->monitor);
    connection->next = list->first;
    if (list->first != NULL)
        list->first->previous = connection;
    list->first = connection;
    list->length++;
    monitor_leave(&list->monitor);
    return connection;
}

void connection_close(struct connection_list *list, struct connection *connection)
{
    monitor_enter(&list->monitor);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    list->length--;
    /* Closed within the lock: whoever walks the list never meets a descriptor that is another's. */
    close(connection->fd);
    monitor_wake(&list->monitor);
    monitor_leave(&list->monitor);
    gather_reset(&connection->gather);
    text_release(&connection->ahead);
    free(connection);
}

struct connection *connection_of(struct ticket *ticket)
{
    return (struct connection *)(void *)((char *)ticket - offsetof(struct connection, ticket));
}

struct connection *connection_of_visit(struct visit *visit)
{
    return (struct connection *)(void *)((char *)visit - offsetof(struct connection, visit));
}

size_t connection_count(struct connection_list *list)
{
    monitor_enter(&list->monitor);
    size_t length = list->length;
    monitor_leave(&list->monitor);
    return length;
}

void connection_end_late(struct connection_list *list, int64_t now_ms)
{
    monitor_enter(&list->monitor);
    for (struct connection *c = list->first; c != NULL; c = c->next) {
        int64_t deadline_ms = atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);
        if (deadline_ms != 0 && now_ms >= deadline_ms)
            shutdown(c->fd, SHUT_RDWR);
    }
    monitor_leave(&list->monitor);
}

void connection_end_idle(struct connection_list *list, size_t most, int64_t since_ms)
{
    monitor_enter(&list->monitor);
    for (struct connection *c = list->first; c != NULL && most > 0; c = c->next) {
        int64_t idle_since_ms = atomic_load_explicit(&c->idle_since_ms, memory_order_relaxed);
        if (idle_since_ms != 0 && idle_since_ms <= since_ms) {
            shutdown(c->fd, SHUT_RD);
            most--;
        }
    }
    monitor_leave(&list->monitor);
}

void connection_end_all(struct connection_list *list)
{
    monitor_enter(&list->monitor);
    for (struct connection *c = list->first; c != NULL; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
    monitor_leave(&list->monitor);
}

bool connection_wait_none(struct connection_list *list, int64_t until_ms)
{
    monitor_enter(&list->monitor);
    while (list->length > 0 && monitor_wait_until(&list->monitor, until_ms))
        continue;
    bool none = list->length == 0;
    monitor_leave(&list->monitor);
    return none;
}
