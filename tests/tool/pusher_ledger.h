/* pusher_ledger: what became of each notification sent, as its sender saw it. */
#ifndef PUSHER_LEDGER_H
#define PUSHER_LEDGER_H

#include <stddef.h>
#include <stdint.h>

struct ledger_entry {
    uint32_t sent;     /* times the body, or a repeat of it, was sent */
    uint32_t stored;   /* 200 answers with "stored" */
    uint32_t repeated; /* 200 answers with "repeated" */
    uint32_t other;    /* 200 answers with neither */
    uint32_t unlike;   /* 200 answers whose seq was not the first one's */
    int64_t seq;       /* of the first of them; 0 for none yet */
};

struct ledger {
    struct ledger_entry *entries;
    size_t length;
};

/* Makes a ledger of LENGTH empty entries. 0, or -1 where memory is short. */
int ledger_init(struct ledger *ledger, size_t length);

void ledger_release(struct ledger *ledger);

/* Enters the body of a 200 answer, LENGTH bytes. */
void ledger_enter(struct ledger_entry *entry, const char *answer, size_t length);

/* Writes the ledger to PATH, tab-separated under a line of column names, a line per index of SEED.
 * 0, or -1 with errno. */
int ledger_write(const struct ledger *ledger, uint64_t seed, const char *path);

#endif
