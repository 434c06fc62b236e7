/* shared: the shared books of a receiver. */
#include "config.h"

#include "receiver/shared.h"

#include <stdlib.h>

struct shared {
    const struct options *options;
    struct shipper *shipper;
};

static bool is_failing(void *store)
{
    struct fault fault;
    commit_get_fault(store, &fault);
    return fault.set;
}

int shared_start(struct shared **gives, const struct options *options, struct commit *commit,
                 struct log *log, void *holder, void (*hear)(void *holder), struct fault *fault)
{
    struct shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return fault_set(fault, "--books: out of memory");
    const struct shipper_config config = {
        .folder = options->state,
        .conninfo = options->books,
        .wait_ms = (int64_t)options->books_wait_ms,
        .log = log,
        .store = commit,
        .confirm = commit_confirm,
        .is_failing = is_failing,
        .holder = holder,
        .hear = hear,
    };
    shared->options = options;
    if (shipper_start(&shared->shipper, &config, fault) != 0) {
        free(shared);
        return -1;
    }
    *gives = shared;
    return 0;
}

struct shipper *shared_shipper(struct shared *shared)
{
    return shared->shipper;
}

const struct view_books *shared_read(struct shared *shared, struct shared_status *status)
{
    if (shared == NULL)
        return NULL;
    shipper_get_status(shared->shipper, &status->shipper);
    const struct shipper_status *shipper = &status->shipper;
    status->books = (struct view_books){
        .name = shipper->name,
        .state = shipper_state_word(shipper->state),
        .since_ms = shipper->since_ms,
        .fault = shipper->fault[0] != '\0' ? shipper->fault : NULL,
        .behind_records = shipper->behind_records,
        .behind_ms = shipper->behind_ms,
        .required = shared->options->books_required,
    };
    return &status->books;
}

void shared_stop(struct shared *shared)
{
    if (shared != NULL)
        shipper_stop(shared->shipper);
}

void shared_free(struct shared *shared)
{
    if (shared == NULL)
        return;
    shipper_free(shared->shipper);
    free(shared);
}
