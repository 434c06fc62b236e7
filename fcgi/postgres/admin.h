/* admin: what an operator does to the shared books now and then: make them, bring them to the
 * version of this program, look at them, make room in them. All calls take a connected link. */
#ifndef POSTGRES_ADMIN_H
#define POSTGRES_ADMIN_H

#include "base/fault.h"
#include "postgres/link.h"

#include <stdbool.h>
#include <stdint.h>

/* The version of the books that this program works with. It works with later ones, too: their
 * functions have their version in their names, and the earlier ones stay. */
#define ADMIN_VERSION 1

/* Makes the books: roles, schema, the first period. Fails if the database has them already. */
int admin_init(struct link *link, struct fault *fault);

/* Brings the books to ADMIN_VERSION, one version at a time. Sets *FROM to the version that they
 * had. Does nothing if they have this version or a later one. */
int admin_upgrade(struct link *link, int *from, struct fault *fault);

/* What the books are, and what the login of the link may do. */
struct admin_state {
    int version;
    char generation[40];
    int64_t head; /* the last number */
    bool may_keep, may_read, may_prune;
    bool has_standby; /* commits wait for a standby */
};

/* Reads that. Fails if the database has no books, or books older than this program: the fault says
 * what to do, and is lasting. */
int admin_look(struct link *link, struct admin_state *state, struct fault *fault);

/* Reads the whole log, and calls TELL for each flaw. Sets *FLAWS to their number. It takes the
 * operator's rights. */
int admin_check(struct link *link, void (*tell)(void *owner, const char *flaw), void *owner,
                int64_t *flaws, struct fault *fault);

/* Removes the periods in which nothing was added since BEFORE_MS (since 1970). Sets *PERIODS and
 * *ENTRIES to how many went. */
int admin_prune(struct link *link, int64_t before_ms, int64_t *periods, int64_t *entries,
                struct fault *fault);

#endif
