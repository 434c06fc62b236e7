/* roster: a bounded set of device ids, in the order in which they were named, and what each has
 * reported.
 */
#ifndef COMMAND_ROSTER_H
#define COMMAND_ROSTER_H

#include "base/buffer.h"
#include "base/fault.h"
#include "notification/content.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of ids that a roster holds (seven million UUIDs), and of one of them. */
#define ROSTER_BYTES_MAX ((size_t)256 << 20)
#define ROSTER_ID_MAX 4096

/* Where a device is. */
enum roster_where { ROSTER_MISSING, ROSTER_IN_PROGRESS, ROSTER_FAILED, ROSTER_SUCCEEDED };

/* One device. */
struct roster_entry {
    size_t at;             /* of its id, in the roster's text */
    bool expected;         /* it stands in the list */
    bool in_progress;      /* it has an upgrade that is; the last of them began at BEGAN_MS */
    enum roster_where end; /* by its last result; ROSTER_MISSING: it has none */
    int64_t began_ms;
    int64_t end_ms, end_seq; /* when that result was received, and its number */
};

struct roster {
    struct buffer ids; /* each with a NUL behind it */
    struct roster_entry *entries;
    size_t length, capacity;
    uint32_t *slots; /* a hash table of numbers of entries, plus 1 */
    size_t slots_length;
    unsigned char key[CONTENT_KEY_SIZE];
};

/* Makes an empty roster, whose hash nobody can foresee. */
void roster_init(struct roster *roster);
void roster_release(struct roster *roster);

/* The entry of ID, made where it is not there yet; lent until the next one is made. NULL where the
 * roster is full or memory ran out. */
struct roster_entry *roster_add(struct roster *roster, const char *id);

/* The entry of ID, NULL where it is not there. */
struct roster_entry *roster_find(const struct roster *roster, const char *id);

/* Notes an upgrade of the device: one in progress since BEGAN_MS, or one whose result, notification
 * SEQ, was received at MS. */
void roster_note_progress(struct roster_entry *entry, int64_t began_ms);
void roster_note_result(struct roster_entry *entry, bool success, int64_t ms, int64_t seq);

/* Where the device is by what was noted, in whatever order: where the last result received says,
 * unless an upgrade in progress began behind it. */
enum roster_where roster_where(const struct roster_entry *entry);

/* An entry's id. */
const char *roster_id(const struct roster *roster, const struct roster_entry *entry);

/* Reads ids from the descriptor FD, one a line, as expected ones: empty lines and lines that begin
 * with # are skipped, a CR before the end of a line and blanks around are not part of an id. NAME
 * is for the fault. */
int roster_read(struct roster *roster, int fd, const char *name, struct fault *fault);

#endif
