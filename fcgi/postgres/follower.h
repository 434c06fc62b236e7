/* follower: keeps a copy of shared books (store/follow.h): reads their log in its order and applies
 * it.
 *
 * The copy is the store in FOLDER. If it is of another generation of the log, of another version of
 * the program or has an entry that the log does not have (a server without the last entries took
 * over), a new copy is built in FOLDER.new, and then takes its place; until then the old one can be
 * read. A copy whose building was interrupted is continued. FOLDER.lock lets one process at a time
 * write to a copy. */
#ifndef POSTGRES_FOLLOWER_H
#define POSTGRES_FOLLOWER_H

#include "base/fault.h"
#include "postgres/link.h"
#include "store/maintenance.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* A copy stops to grow if its disk has less room than this: a receiver's own store may be on it. */
#define FOLLOWER_ROOM ((int64_t)64 << 20)

struct follower_config {
    const char *folder;          /* the copy's; its parent must be there. Lent. */
    struct store_config store;   /* bounds of quarantine, and the window of repeats */
    struct store_progress tells; /* entries that the copy has, of those of the log */
    bool waits;                  /* for another process that writes to the copy */
};

/* How far a copy has come. */
struct follower_state {
    int64_t number; /* of its last entry */
    int64_t head;   /* of the log's last entry, when the run began; 0: unknown */
    bool built;     /* the run put a new copy in place */
};

struct follower;

/* Makes a follower of the books of LINK, which is lent and need not be connected. Free it with
 * follower_free before the link. */
int follower_new(struct follower **follower, struct link *link,
                 const struct follower_config *config, struct fault *fault);
void follower_free(struct follower *follower);

/* Brings the copy up to the head of the log. Returns 0; 1 if another process writes to the copy
 * just now; or -1, also if the link is stopped. What was applied before a failure stays. Then STATE
 * says how far it came. Only what is sure on the synchronous standby, if there is one, is applied.
 */
int follower_run(struct follower *follower, struct follower_state *state, struct fault *fault);

#endif
