/* fake_store: a store in memory behind store/store.h, which waits or fails when a test says so. The
 * linker leads calls of store/store.h here (--wrap); those that mean another store go on to it. */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include "store/store.h"

/* Records that a fake store remembers. */
#define FAKE_STORE_MAX 10000

struct fake_store; /* is a struct store to the code under test */

/* One at a time. */
struct fake_store *fake_store_new(void);
void fake_store_free(struct fake_store *fake);
struct store *fake_store_as_store(struct fake_store *fake);

/* Batches and tries are held until the store is let go; wait until one is held. */
void fake_store_hold(struct fake_store *fake);
bool fake_store_is_holding(void *fake);
void fake_store_let_go(struct fake_store *fake);

/* Batches, tries and probes fail from now on with this text; NULL: they work. */
void fake_store_break(struct fake_store *fake, const char *text);

/* What was asked of it so far. */
struct fake_store_tally {
    size_t batches; /* kept */
    size_t records; /* in them */
    size_t largest; /* records in one */
    size_t attempts, tries, probes;
    size_t overlaps;            /* calls that came within another one */
    size_t moves;               /* of a cursor */
    struct store_cursor cursor; /* where it is */
};

struct fake_store_tally fake_store_read(struct fake_store *fake);

/* The INDEX-th record kept. */
const struct record *fake_store_record(struct fake_store *fake, size_t index);

#endif
