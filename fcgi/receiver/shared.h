/* shared: the shared books of a receiver with --books: wires shipper and store together, and tells
 * how the books are. */
#ifndef RECEIVER_SHARED_H
#define RECEIVER_SHARED_H

#include "base/fault.h"
#include "base/log.h"
#include "base/options.h"
#include "postgres/shipper.h"
#include "receiver/commit.h"
#include "view/view.h"

struct shared;

/* How often the copy is brought up to date. */
#define SHARED_COPY_MS 1000

/* The copy has all that the books have, if it had that so short a time ago. */
#define SHARED_COPY_LATE_MS 5000

/* How much lower the priority of the thread that does so is (nice). */
#define SHARED_COPY_NICE 10

/* Starts to ship what COMMIT keeps. Calls HEAR with HOLDER when more is confirmed, or nobody waits
 * for the books any more. All is lent. Gives *SHARED. */
int shared_start(struct shared **shared, const struct options *options, struct commit *commit,
                 struct log *log, void *holder, void (*hear)(void *holder), struct fault *fault);

/* Starts a thread that keeps a copy of the books, for those who read. */
int shared_follow(struct shared *shared, struct fault *fault);

/* The folder of the copy. Lent. */
const char *shared_copy_folder(const struct shared *shared);

/* What tells whether answers must wait. */
struct shipper *shared_shipper(struct shared *shared);

/* How the books are. BOOKS' texts are in STATUS. */
struct shared_status {
    struct view_books books;
    struct shipper_status shipper;
    int64_t copied, head; /* entries of the copy and of the log, as last seen; 0: unknown */
    char copy_fault[FAULT_TEXT_MAX];
};

/* Fills STATUS, and returns its books, or NULL if SHARED is NULL. Thread-safe. */
const struct view_books *shared_read(struct shared *shared, struct shared_status *status);

/* Ends its threads. What is not shipped stays in the store. Safe on NULL. */
void shared_stop(struct shared *shared);

/* Frees a stopped SHARED. Safe on NULL. */
void shared_free(struct shared *shared);

#endif
