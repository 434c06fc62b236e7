/* link: one connection to the shared books, and one command at a time on it.
 *
 * No call blocks for longer than it is told to, but for the look-up of a host's name: libpq asks
 * the resolver, which has times of its own. A link belongs to one thread. */
#ifndef POSTGRES_LINK_H
#define POSTGRES_LINK_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

/* The most parameters of a command. */
#define LINK_PARAMETERS_MAX 20

/* One parameter. */
struct link_parameter {
    const char *bytes; /* NULL: the parameter is NULL. A text ends with a NUL. */
    size_t length;     /* of one in binary */
    bool binary;       /* in PostgreSQL's binary form, or as a text */
};

/* What became of a command. */
enum link_outcome {
    LINK_DONE,    /* it is done, and what it wrote is where the server's settings want it */
    LINK_LATE,    /* it is under way: link_wait goes on waiting */
    LINK_REFUSED, /* the server refused it; the connection is still there */
    LINK_UNKNOWN, /* it ended with a warning: maybe it is on the primary alone. Send it again. */
    LINK_LOST,    /* the connection is closed, and nobody knows whether it was done */
    LINK_STOPPED, /* the stop descriptor became readable; the command is under way */
};

/* Reads CONNINFO, as libpq takes it: words, a URI, or service=NAME. Opens libpq, but no connection.
 * Refuses a password in it, which every user of the machine could read. STOP_FD (-1: none) ends
 * each wait when it becomes readable. Free it with link_free. */
int link_new(struct link **link, const char *conninfo, int stop_fd, struct fault *fault);

/* Closes the connection. NULL is allowed. */
void link_free(struct link *link);

/* Connects, unless the link is connected: tries each host in turn, for two seconds (or the
 * operator's connect_timeout). It begins one round of hosts a second at most, and waits if it must.
 * Refuses servers that may lose or change what they have confirmed. The fault names the host, what
 * it said and its SQLSTATE; it is `lasting` if only a person can help. */
int link_connect(struct link *link, struct fault *fault);

/* Whether the stop descriptor is readable. */
bool link_is_stopped(const struct link *link);

bool link_is_connected(const struct link *link);

/* Closes the connection; the link can be connected again. */
void link_close(struct link *link);

/* Sends one command with COUNT parameters and waits for its end, for WAIT_MS at most. There must be
 * a connection, and no command under way. Results are in binary. */
enum link_outcome link_call(struct link *link, const char *sql,
                            const struct link_parameter *parameters, size_t count, int wait_ms,
                            struct fault *fault);

/* Sends commands that take no parameters and whose rows nobody wants, separated by semicolons. */
enum link_outcome link_run(struct link *link, const char *sql, int wait_ms, struct fault *fault);

/* Goes on waiting for the end of the command that is under way, for WAIT_MS at most. */
enum link_outcome link_wait(struct link *link, int wait_ms, struct fault *fault);

/* Whether a command is under way. */
bool link_is_busy(const struct link *link);

/* The SQLSTATE with which the last command was refused, or of its warning; "" if there is none. */
const char *link_sqlstate(const struct link *link);

/* "books.example.org:5432/upgrades": the server and database of the connection, or of the last
 * try. Never a password. */
const char *link_name(const struct link *link);

/* The rows of the last command that is LINK_DONE, or LINK_UNKNOWN, until the next one. */
size_t link_rows(const struct link *link);

/* A value of them, lent until the next command, with a NUL behind it; NULL if it is NULL. LENGTH
 * may be NULL. */
const char *link_value(const struct link *link, size_t row, size_t column, size_t *length);

/* The same as a number: smallint, integer, bigint or boolean. NULL is 0. */
int64_t link_number(const struct link *link, size_t row, size_t column);

#endif
