/* without: what stands in for link.c if the program was built without PostgreSQL's header. */
#include "config.h"

#include "postgres/link.h"

int link_new(struct link **link, const char *conninfo, int stop_fd, struct fault *fault)
{
    (void)link, (void)conninfo, (void)stop_fd;
    fault_set(fault, "this program was built without PostgreSQL (configure --with-postgresql)");
    fault->lasting = true;
    return -1;
}

/* The rest is called with a link alone, and there is none. */
void link_free(struct link *link)
{
    (void)link;
}

int link_connect(struct link *link, struct fault *fault)
{
    (void)link;
    return fault_set(fault, "no PostgreSQL");
}

bool link_is_stopped(const struct link *link)
{
    (void)link;
    return false;
}

bool link_is_connected(const struct link *link)
{
    (void)link;
    return false;
}

void link_close(struct link *link)
{
    (void)link;
}

enum link_outcome link_call(struct link *link, const char *sql,
                            const struct link_parameter *parameters, size_t count, int wait_ms,
                            struct fault *fault)
{
    (void)link, (void)sql, (void)parameters, (void)count, (void)wait_ms, (void)fault;
    return LINK_LOST;
}

enum link_outcome link_run(struct link *link, const char *sql, int wait_ms, struct fault *fault)
{
    (void)link, (void)sql, (void)wait_ms, (void)fault;
    return LINK_LOST;
}

enum link_outcome link_wait(struct link *link, int wait_ms, struct fault *fault)
{
    (void)link, (void)wait_ms, (void)fault;
    return LINK_LOST;
}

bool link_is_busy(const struct link *link)
{
    (void)link;
    return false;
}

const char *link_sqlstate(const struct link *link)
{
    (void)link;
    return "";
}

const char *link_name(const struct link *link)
{
    (void)link;
    return "";
}

size_t link_rows(const struct link *link)
{
    (void)link;
    return 0;
}

const char *link_value(const struct link *link, size_t row, size_t column, size_t *length)
{
    (void)link, (void)row, (void)column, (void)length;
    return NULL;
}

int64_t link_number(const struct link *link, size_t row, size_t column)
{
    (void)link, (void)row, (void)column;
    return 0;
}
