/* backlog: how much there is in the store's log: between the writer, who adds to it, and the thread
 * that copies it to the store's main file beside the writer.
 *
 * The log starts again from its beginning only when a transaction finds all of it copied, which
 * under steady load nobody beside the writer can bring about: the log grows while it is copied. So
 * past BACKLOG_ASK pages the writer asks; the thread copies in rounds, each what came during the
 * one before, until that gets no less, and hands over; and what is left then, the writer copies
 * itself before its next transaction. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include "monitor.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKLOG_PAGE_BYTES 4096

/* Pages in the log, past which it shall be copied and start again. In a shorter one
 * fewer pages are the same ones again, which are copied once. */
#define BACKLOG_ASK 8192

/* Pages in the log past which the writer waits for nobody, and copies whatever is left. */
#define BACKLOG_MOST (4 * BACKLOG_ASK)

struct backlog {
    atomic_int pages; /* in the log behind the writer's last transaction */
    atomic_bool served, handed_over;
    int ask_at, copy_at;    /* pages past which the writer asks, or copies unasked; its alone */
    struct monitor monitor; /* guards what follows */
    bool asked, ended;
};

/* What the thread that copies is called for. */
enum backlog_call { BACKLOG_TIME, BACKLOG_ASKED, BACKLOG_END };

void backlog_init(struct backlog *backlog);
void backlog_release(struct backlog *backlog);

/* --- the writer --- */

/* Notes that the log has PAGES pages behind a transaction, and asks for them to be copied when it
 * is time to. Returns whether the writer shall copy what is left before its next transaction. */
bool backlog_grow(struct backlog *backlog, int pages);

/* Notes that it did. Where the log cannot start again all the same, because somebody reads what
 * stands in it, the writer does so unasked when it is longer by a quarter, and not before. */
void backlog_helped(struct backlog *backlog);

/* --- the thread beside it --- */

/* There is somebody to be asked, until backlog_end. Without, the writer copies at BACKLOG_ASK. */
void backlog_serve(struct backlog *backlog);

/* Waits until the writer asks, or until UNTIL_MS (moment_monotonic_ms). */
enum backlog_call backlog_wait(struct backlog *backlog, int64_t until_ms);

/* Pages in the log, as far as this process's writer knows. */
int backlog_pages(const struct backlog *backlog);

/* Leaves the rest to the writer, where the log is long enough to start again. */
void backlog_hand_over(struct backlog *backlog);

/* Ends the waiting, for good. Thread-safe. */
void backlog_end(struct backlog *backlog);

#endif
