/* shipper: a thread that sends the store's journal to the shared books in PostgreSQL, in order, and
 * knows how far they have it.
 *
 * Whoever answers the platform waits until its entry is confirmed (shipper_confirmed). If one wait
 * was too long (shipper_miss), the books are away: nobody waits. They are back when nothing is left
 * to ship and SHIPPER_BACK_COUNT batches in a row were confirmed quickly.
 *
 * One process of a store ships, the one that has the lock books.lock. The others watch the store:
 * the entries that it confirms leave the journal. */
#ifndef POSTGRES_SHIPPER_H
#define POSTGRES_SHIPPER_H

#include "base/fault.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A batch is sent when it has this many entries, or when the first has waited for so long. A
 * backlog goes in batches of up to SHIPPER_BATCH_MAX. */
#define SHIPPER_GATHER 32
#define SHIPPER_GATHER_MS 10
#define SHIPPER_BATCH_MAX 128

/* So many batches in a row, each confirmed within so many milliseconds, bring the books back. */
#define SHIPPER_BACK_COUNT 3
#define SHIPPER_BACK_MS 100

/* How often the journal is looked at if nobody tells of news: another process may have added some,
 * or have given up the lock. */
#define SHIPPER_LOOK_MS 500

/* How often a process that does not ship looks whether its entries have left the journal. */
#define SHIPPER_WATCH_MS 10

/* Pause after a failure. */
#define SHIPPER_PAUSE_MS 250

/* How long the connection may be silent before a question shows whether it still works. */
#define SHIPPER_IDLE_MS 5000

/* Clocks that differ by more are reported. */
#define SHIPPER_CLOCK_MS 5000

/* Room for the name of the books. */
#define SHIPPER_NAME_SIZE 256

enum shipper_state {
    SHIPPER_CONFIRMING,
    SHIPPER_AWAY,    /* the books do not answer, or not in time */
    SHIPPER_REFUSED, /* they answer, but refuse this receiver: only the operator can help */
};

/* What the shipper uses; all is lent for its lifetime. */
struct shipper_config {
    const char *folder;   /* the state folder */
    const char *conninfo; /* for libpq */
    int64_t wait_ms;      /* longest wait of an answer */
    struct log *log;
    void *store; /* for confirm: entries up to UP_TO may leave the journal with the next transaction
                  */
    void (*confirm)(void *store, int64_t up_to);
    bool (*is_failing)(void *store); /* it must not be read now */
    void *holder;                    /* for hear: more is confirmed, or nobody waits any more */
    void (*hear)(void *holder);
};

struct shipper_status {
    enum shipper_state state;
    int64_t since_ms;             /* since 1970 */
    int64_t behind_records;       /* entries that are not confirmed */
    int64_t behind_ms;            /* since the first of them was received; 0: not known, or none */
    char fault[FAULT_TEXT_MAX];   /* "": the books answer */
    char name[SHIPPER_NAME_SIZE]; /* of the books, without a password; "": not known yet */
};

struct shipper;

/* Starts the thread. Fails if CONNINFO makes no sense or libpq is missing; never because the books
 * are. Gives *SHIPPER. */
int shipper_start(struct shipper **shipper, const struct shipper_config *config,
                  struct fault *fault);

/* The journal has ENTRY now. Thread-safe. */
void shipper_note(struct shipper *shipper, int64_t entry);

/* The entry up to which the books have this store's journal, as far as this process has noted or
 * shipped it. Thread-safe. */
int64_t shipper_confirmed(const struct shipper *shipper);

/* Whether answers wait. Thread-safe. */
bool shipper_is_confirming(const struct shipper *shipper);

/* ENTRY was not confirmed in time. Thread-safe. */
void shipper_miss(struct shipper *shipper, int64_t entry);

/* The state's word in logs and documents. */
const char *shipper_state_word(enum shipper_state state);

/* Thread-safe. */
void shipper_get_status(struct shipper *shipper, struct shipper_status *status);

/* Whether the books behind CONNINFO can be used now: what --check asks. Connects, and writes
 * nothing. */
int shipper_check(const char *conninfo, struct fault *fault);

/* Ends the thread; what is not confirmed stays in the journal. Safe on NULL. */
void shipper_stop(struct shipper *shipper);

/* Frees a stopped shipper. Safe on NULL. */
void shipper_free(struct shipper *shipper);

#endif
