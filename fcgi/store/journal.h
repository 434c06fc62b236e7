/* journal: what a store has for shared books that they have not confirmed yet.
 *
 * A store that is opened with store_config.journal adds an entry for each record that it keeps, and
 * for each note and list that it saves (plan.h), in the same transaction. Entries have numbers
 * without gaps, which never go back. They are read in that order, and store_keep removes those that
 * are confirmed.
 *
 * Each opening that adds entries has its own life, as for notifications (store.h): an entry belongs
 * to the life that began last. (life, number) names one entry for ever, even if an older copy of
 * the store is put back or the machine is cloned. A life begins with any number.
 *
 * An opening that finds notifications, bodies in quarantine, notes or lists without entries adds
 * those. So a store that had no journal before is shipped from its beginning. Repeats of
 * notifications, and bodies that left quarantine, while no journal was kept, have no entries. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/fault.h"
#include "notification/token.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of shared books among those that hold up pruning. store_forget with this name ends the
 * journal and removes its entries, unless a process ships them. An opening with a journal begins it
 * again, and ships everything again. */
#define STORE_JOURNAL_NAME "shared-books"

/* The file of the state folder that the process which ships the journal has locked (flock). */
#define STORE_JOURNAL_LOCK "books.lock"

/* What an entry says. The numbers are in the stores and in the shared books. */
enum store_journal_kind {
    STORE_JOURNAL_NOTIFICATION = 1, /* new or a repeat: the content decides */
    STORE_JOURNAL_QUARANTINED = 2,
    STORE_JOURNAL_LEFT = 3, /* it left quarantine: body and received_ms say which one */
    STORE_JOURNAL_NOTE = 4,
    STORE_JOURNAL_EXPECTED = 5,
    STORE_JOURNAL_REFUSED = 6, /* the shared books refused its content; there is no body */
};

/* Reason of a notification that comes from quarantine: it counts by the time when it was received,
 * and the operation has not changed by it. */
#define STORE_JOURNAL_RETRIED "from quarantine"

/* One entry. */
struct store_journaled {
    int64_t number;
    char life[TOKEN_LIFE_SIZE];
    int kind;
    bool again;          /* shipped a second time: equal content is not one more delivery. Of notes
                            and lists: what was there before, which undoes no later one */
    int64_t received_ms; /* since 1970; of a note or a list, when it was saved */
    int64_t deliveries;  /* that this entry stands for */
    char *body;          /* as kept, then a NUL */
    size_t body_length;
    char *reason, *pointer; /* of quarantine, may be empty; or STORE_JOURNAL_RETRIED */
    bool known, any_app;    /* see struct record */
};

/* Reads up to MOST entries with a number above AFTER, in order. Their bodies together may exceed
 * STORE_READ_BYTES by one body. Free the contents with store_journal_release. */
int store_journal_read(struct store_reader *reader, int64_t after, struct store_journaled *entries,
                       size_t most, size_t *count, struct fault *fault);
void store_journal_release(struct store_journaled *entries, size_t count);

/* What a journal has. If FIRST is above LAST, all entries are confirmed. */
struct store_journal_state {
    bool kept; /* the store keeps a journal: one opening with it has, and nobody has ended that */
    int64_t first, last;
    int64_t received_ms; /* when the first entry's record was received; 0: none */
};
int store_journal_state(struct store_reader *reader, struct store_journal_state *state,
                        struct fault *fault);

/* Makes entries again, in a new life, of all that STORE has, which is open and keeps a journal. For
 * shared books that lost entries that they had confirmed. Entries that are not confirmed come first
 * and belong to the new life, too. No receiver may run on the store meanwhile. Runs in small
 * transactions; if it is interrupted, the next opening continues. */
int store_journal_again(struct store *store, struct fault *fault);

#endif
