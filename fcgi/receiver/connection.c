/* connection: one web server's connection. */
#include "config.h"

#include "receiver/connection.h"

#include <stdlib.h>
#include <unistd.h>

void connection_line_init(struct connection_line *line)
{
    line->first = NULL;
    line->last = &line->first;
}

void connection_line_add(struct connection_line *line, struct connection *connection)
{
    connection->next_in_line = NULL;
    *line->last = connection;
    line->last = &connection->next_in_line;
}

struct connection *connection_line_take(struct connection_line *line)
{
    struct connection *first = line->first;
    if (first == NULL)
        return NULL;
    line->first = first->next_in_line;
    if (line->first == NULL)
        line->last = &line->first;
    return first;
}

struct connection *connection_new(int fd, size_t body_max, struct worker *worker)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    connection->worker = worker;
    fcgi_reader_init(&connection->reader, body_max);
    return connection;
}

void connection_free(struct connection *connection)
{
    close(connection->fd);
    fcgi_reader_reset(&connection->reader);
    record_release(&connection->record);
    buffer_release(&connection->ahead);
    free(connection);
}
