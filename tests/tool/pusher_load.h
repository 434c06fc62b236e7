/* pusher_load: sends a campaign through many kept connections at once, as the platform would. */
#ifndef PUSHER_LOAD_H
#define PUSHER_LOAD_H

#include "pusher_ledger.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct load_plan {
    const char *url;
    const char *cacert; /* NULL: no certificate is checked */
    uint64_t count;     /* different notifications */
    uint64_t repeats;   /* of notifications already sent */
    uint64_t seed;
    uint64_t rate; /* sends a second; 0: as fast as it goes */
    bool fresh;    /* each send on a new connection */
    unsigned connections;
    unsigned deadline_s;               /* what is not answered 200 by then is given up */
    const volatile sig_atomic_t *stop; /* once set, nothing more is sent */
};

#define LOAD_STATUS_MAX 600

struct load_tally {
    uint64_t answers[LOAD_STATUS_MAX]; /* by status; 0: no answer at all */
    uint64_t resent;
    uint64_t given_up; /* bodies sent at least once and never answered 200 */
    uint64_t never_sent;
    double seconds;
    uint32_t *latencies_us; /* of every answer, unsorted */
    size_t latencies;
};

/* Carries out PLAN, entering every answer in LEDGER, which has PLAN's count of entries. Fills
 * TALLY, whose latencies the caller frees. 0, or -1 where memory is short. */
int load_run(const struct load_plan *plan, struct ledger *ledger, struct load_tally *tally);

#endif
