/* follow: a copy, a store that is made of the log of shared books, entry by entry in its order.
 *
 * A copy is a folder of its own, opened with store_config.copy. Every list and document of a store
 * can be read from it. Results and steps in it count by the time at which they were received, and
 * then by the order of the log: an outage's backlog that is shipped late undoes nothing. An
 * operation's last change is the latest received, too. Notes and lists count in the order of the
 * log. Two copies that were made of the same log
 * with the same options have the same content. */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "base/fault.h"
#include "store/journal.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/* The receiver's own copy, in its state folder. */
#define STORE_COPY_FOLDER "shared"

/* Bytes of the texts of a position, each with the NUL. */
#define STORE_POSITION_TEXT_MAX 104

/* How far a copy has followed the log. */
struct store_position {
    char generation[STORE_POSITION_TEXT_MAX]; /* of the log; "": nothing was followed */
    int64_t number;                           /* of the last entry; 0: none */
    char life[STORE_POSITION_TEXT_MAX];       /* of that entry, and its number there */
    int64_t life_number;
    char program[STORE_POSITION_TEXT_MAX]; /* the version of the program that made the copy */
};

/* Makes RECORD of an entry of the log, which it borrows; free it with record_release. Returns 1 if
 * ENTRY is of a kind that changes no copy, and then there is no record; -1 if memory is short. What
 * this version cannot read as a notification becomes news or, if it is no JSON object, a body in
 * quarantine, so that no entry stops a copy. Thread-safe. */
int store_follow_read(const struct store_journaled *entry, struct record *record,
                      struct fault *fault);

/* Applies COUNT records, which are entries of the log in their order, and notes POSITION, in one
 * transaction of a copy. Else as store_keep. The transaction is in
 * the files when this returns, but a power cut may take the last ones away, with their position. */
int store_follow(struct store *store, struct record **records, size_t count,
                 const struct store_position *position, struct fault *fault);

/* Reads the position of a copy. A store that is no copy has none. */
int store_read_position(struct store_reader *reader, struct store_position *position,
                        struct fault *fault);

#endif
