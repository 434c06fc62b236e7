/* roster: a bounded set of device ids, in the order in which they were named, and the reports of
 * each. */
#ifndef COMMAND_ROSTER_H
#define COMMAND_ROSTER_H

#include "base/buffer.h"
#include "base/fault.h"
#include "notification/content.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of all ids in a roster (seven million UUIDs), and of one id. */
#define ROSTER_BYTES_MAX ((size_t)256 << 20)
#define ROSTER_ID_MAX 4096

/* The state of a device. */
enum roster_where { ROSTER_MISSING, ROSTER_IN_PROGRESS, ROSTER_FAILED, ROSTER_SUCCEEDED };

/* One device. */
struct roster_entry {
    size_t at;             /* of its id, in the roster's text */
    bool expected;         /* it is in the list */
    bool in_progress;      /* it has an upgrade in progress; the last of them began at BEGAN_MS */
    enum roster_where end; /* its last result; ROSTER_MISSING: it has none */
    int64_t began_ms;
    int64_t end_ms, end_seq; /* time and number of that result */
};

struct roster {
    struct buffer ids; /* each with a NUL after it */
    struct roster_entry *entries;
    size_t length, capacity;
    uint32_t *slots; /* a hash table of numbers of entries, plus 1 */
    size_t slots_length;
    unsigned char key[CONTENT_KEY_SIZE];
};

/* Makes an empty roster. Nobody can foresee its hash. */
void roster_init(struct roster *roster);
void roster_release(struct roster *roster);

/* The entry of ID, made if it is not there yet; lent until the next one is made. NULL if the roster
 * is full or memory ran out. */
struct roster_entry *roster_add(struct roster *roster, const char *id);

/* The entry of ID; NULL if there is none. */
struct roster_entry *roster_find(const struct roster *roster, const char *id);

/* Notes an upgrade of the device: one in progress since BEGAN_MS, or one whose result, notification
 * SEQ, was received at MS. */
void roster_note_progress(struct roster_entry *entry, int64_t began_ms);
void roster_note_result(struct roster_entry *entry, bool success, int64_t ms, int64_t seq);

/* The state of the device by the notes, in any order: that of the last result received, unless an
 * upgrade in progress began after it. */
enum roster_where roster_where(const struct roster_entry *entry);

/* An entry's id. */
const char *roster_id(const struct roster *roster, const struct roster_entry *entry);

/* Reads expected ids from the descriptor FD, one a line. Empty lines and lines that begin with #
 * are skipped. A CR before the end of a line and blanks around an id are no part of it. NAME is for
 * the fault. */
int roster_read(struct roster *roster, int fd, const char *name, struct fault *fault);

#endif
