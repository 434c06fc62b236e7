/* deaf_listener: for a commit whose tickets nobody waits for. */
#include "config.h"

#include "deaf_listener.h"

static void ignore(void *owner, struct ticket **tickets, size_t count)
{
    (void)owner, (void)tickets, (void)count;
}

static void ignore_failed(void *owner, struct ticket **tickets, size_t count,
                          const struct fault *fault)
{
    (void)owner, (void)tickets, (void)count, (void)fault;
}

static void ignore_recovered(void *owner, uint64_t refused)
{
    (void)owner, (void)refused;
}

const struct commit_listener deaf_listener = {
    .kept = ignore, .failed = ignore_failed, .recovered = ignore_recovered};
