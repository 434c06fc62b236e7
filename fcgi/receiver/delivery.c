/* delivery: hands kept notifications to the application. */
#include "config.h"

#include "receiver/delivery.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/json_writer.h"
#include "base/monitor.h"
#include "store/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many notifications are read and handed over between two moves of the cursor; and how many at
 * most before a move is kept. A crash repeats no more of them. */
#define CHUNK_MAX 64

struct delivery {
    const char *folder;
    struct commit *commit;
    struct log *log;
    struct delivery_target target;
    struct store_reader *reader;
    int lock_fd;                /* the lock of the process that delivers; -1: not this one */
    struct store_cursor cursor; /* at the last notification handed over */
    size_t ahead;               /* handed over since the cursor was last kept */
    bool faulty;                /* its fault is logged already */
    pthread_t thread;
    struct monitor monitor; /* guards what follows */
    bool news;
    bool stop;
    bool finished;
    bool flushing;  /* a thread moves the cursor, with a turn at the store */
    bool abandoned; /* commit and log must not be touched any more */
};

/* Waits for MS, or until delivery is stopped; if FOR_NEWS, also until a notification may have come.
 */
static void wait_a_while(struct delivery *delivery, int64_t ms, bool for_news)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    monitor_enter(&delivery->monitor);
    while (!delivery->stop && !(for_news && delivery->news) &&
           monitor_wait_until(&delivery->monitor, until_ms))
        continue;
    if (for_news)
        delivery->news = false;
    monitor_leave(&delivery->monitor);
}

/* If delivery_stop gave up on a callback, commit and log may be gone when it returns. So these
 * functions look first, and hold the lock meanwhile. */

static void move_cursor(struct delivery *delivery)
{
    monitor_enter(&delivery->monitor);
    if (!delivery->abandoned)
        commit_move_cursor(delivery->commit, &delivery->cursor);
    monitor_leave(&delivery->monitor);
}

/* Writes the cursor, if no batch has done so meanwhile. */
static void flush_cursor(struct delivery *delivery)
{
    monitor_enter(&delivery->monitor);
    bool flushing = delivery->flushing = !delivery->abandoned;
    monitor_leave(&delivery->monitor);
    if (!flushing)
        return;
    commit_flush_cursor(delivery->commit);
    delivery->ahead = 0;
    monitor_enter(&delivery->monitor);
    delivery->flushing = false;
    monitor_wake(&delivery->monitor);
    monitor_leave(&delivery->monitor);
}

static bool is_store_failing(struct delivery *delivery)
{
    struct fault fault = FAULT_NONE;
    monitor_enter(&delivery->monitor);
    if (!delivery->abandoned)
        commit_get_fault(delivery->commit, &fault);
    monitor_leave(&delivery->monitor);
    return fault.set;
}

/* Ends LINE, logs it and releases it. */
static void put_line(struct delivery *delivery, struct buffer *line)
{
    monitor_enter(&delivery->monitor);
    log_line(delivery->abandoned ? NULL : delivery->log, line);
    monitor_leave(&delivery->monitor);
}

static void log_undelivered(struct delivery *delivery, int64_t seq)
{
    struct buffer line = {0};
    log_begin(&line, "undelivered");
    buffer_addf(&line, ",\"seq\":%lld", (long long)seq);
    put_line(delivery, &line);
}

static void log_fault(struct delivery *delivery, const struct fault *fault)
{
    struct buffer line = {0};
    log_begin(&line, "fault");
    json_add_string(&line, "fault", fault->text);
    put_line(delivery, &line);
}

/* Reads the cursor of the last process. If the store does not hold it, nobody knows which
 * notifications of this store the application has: the operator must decide. */
static int read_cursor(struct delivery *delivery, struct fault *fault)
{
    struct store_standing standing;
    if (store_read_cursor(delivery->reader, &delivery->cursor, fault) != 0 ||
        store_read_standing(delivery->reader, &delivery->cursor.at, &standing, fault) != 0)
        return -1;
    if (standing.holds)
        return 0;
    char hint[160];
    snprintf(hint, sizeof hint,
             "to deliver all that it has, from the first on: upgrade-status forget %s",
             delivery->cursor.name);
    store_refuse_token(&delivery->cursor.at, &standing, hint, fault);
    return fault_add(fault, "application %s gets nothing", delivery->cursor.name);
}

/* Becomes the process that delivers under this name, and reads the cursor of the last one: 0, or 1
 * if another process delivers now, or -1. */
static int take_over(struct delivery *delivery, struct fault *fault)
{
    int fd;
    int result = store_lock_delivery(delivery->folder, delivery->target.name, &fd, fault);
    if (result != 0)
        return result < 0 ? fault_add(fault, "delivery") : 1;
    if (read_cursor(delivery, fault) != 0) {
        close(fd);
        return -1;
    }
    delivery->lock_fd = fd;
    move_cursor(delivery); /* to its own place: from now on the status file knows the cursor */
    return 0;
}

/* Hands one notification over until the application takes it. False if delivery is stopped first.
 */
static bool hand_over(struct delivery *delivery, const struct store_kept *kept)
{
    int64_t pause_ms = DELIVERY_PAUSE_MIN_MS;
    while (!monitor_wait_set(&delivery->monitor, &delivery->stop, 0)) {
        if (delivery->target.deliver(delivery->target.owner, kept) == 0)
            return true;
        if (pause_ms == DELIVERY_PAUSE_MIN_MS)
            log_undelivered(delivery, kept->seq);
        wait_a_while(delivery, pause_ms, false);
        pause_ms = pause_ms * 2 > DELIVERY_PAUSE_MAX_MS ? DELIVERY_PAUSE_MAX_MS : pause_ms * 2;
    }
    return false;
}

/* Reads at most a chunk of the notifications after the cursor. *HOLDS is whether the store holds
 * the cursor: another store, with its own numbers and cursors, may have replaced it. */
static int read_chunk(struct delivery *delivery, struct store_kept kept[CHUNK_MAX], size_t *count,
                      bool *holds, struct fault *fault)
{
    struct store_standing standing;
    const struct token *at = &delivery->cursor.at;
    *count = 0;
    if (store_read_begin(delivery->reader, 0, fault) != 0)
        return -1;
    int result = store_read_standing(delivery->reader, at, &standing, fault);
    *holds = result == 0 && standing.holds;
    if (*holds)
        result = store_read_after(delivery->reader, at->seq, kept, CHUNK_MAX - delivery->ahead,
                                  count, fault);
    store_read_end(delivery->reader);
    return result;
}

/* Hands over at most a chunk of the notifications after the cursor, and moves the cursor. Returns
 * how many, or -1. */
static int deliver_chunk(struct delivery *delivery, struct fault *fault)
{
    struct store_kept kept[CHUNK_MAX];
    size_t count, done = 0;
    bool holds;
    if (read_chunk(delivery, kept, &count, &holds, fault) != 0)
        return -1;
    if (!holds) { /* let go, and take over at the cursor of the store that is there now */
        close(delivery->lock_fd);
        delivery->lock_fd = -1;
    }
    while (done < count && hand_over(delivery, &kept[done])) {
        store_kept_token(&kept[done], &delivery->cursor.at);
        done++;
    }
    store_kept_release(kept, count);
    FAULT_POINT(delivered);
    if (done > 0)
        move_cursor(delivery);
    delivery->ahead += done;
    if (delivery->ahead == CHUNK_MAX)
        flush_cursor(delivery);
    return (int)done;
}

static void *deliver(void *argument)
{
    struct delivery *delivery = argument;
    while (!monitor_wait_set(&delivery->monitor, &delivery->stop, 0)) {
        struct fault fault = FAULT_NONE;
        int result = delivery->lock_fd < 0 ? take_over(delivery, &fault) : 0;
        int delivered = result == 0 ? deliver_chunk(delivery, &fault) : 0;
        if (fault.set && !delivery->faulty)
            log_fault(delivery, &fault);
        delivery->faulty = fault.set;
        if (is_store_failing(delivery))
            store_reader_close(delivery->reader);
        if (delivered <= 0)
            wait_a_while(delivery, DELIVERY_POLL_MS, result == 0 && delivered == 0);
    }
    monitor_enter(&delivery->monitor);
    delivery->finished = true;
    monitor_wake(&delivery->monitor);
    monitor_leave(&delivery->monitor);
    return NULL;
}

int delivery_start(struct delivery **gives, const char *folder, struct commit *commit,
                   struct log *log, const struct delivery_target *target, struct fault *fault)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        return fault_set(fault, "delivery: out of memory");
    delivery->folder = folder;
    delivery->commit = commit;
    delivery->log = log;
    delivery->target = *target;
    snprintf(delivery->cursor.name, sizeof delivery->cursor.name, "%s", target->name);
    delivery->lock_fd = -1;
    monitor_init(&delivery->monitor);
    int error = 0;
    if (store_reader_new(&delivery->reader, folder, fault) != 0 ||
        (error = pthread_create(&delivery->thread, NULL, deliver, delivery)) != 0) {
        delivery_free(delivery);
        return fault_set_errno(fault, error, "delivery: cannot start a thread");
    }
    *gives = delivery;
    return 0;
}

void delivery_wake(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    monitor_set(&delivery->monitor, &delivery->news);
}

int delivery_stop(struct delivery *delivery)
{
    if (delivery == NULL)
        return 0;
    int64_t until_ms = clock_monotonic_ms() + DELIVERY_STOP_MS;
    monitor_enter(&delivery->monitor);
    delivery->stop = true;
    monitor_wake(&delivery->monitor);
    while (!delivery->finished && monitor_wait_until(&delivery->monitor, until_ms))
        continue;
    while (delivery->flushing) /* ends by itself, and needs this memory */
        monitor_wait(&delivery->monitor);
    bool finished = delivery->finished;
    delivery->abandoned = !finished;
    monitor_leave(&delivery->monitor);
    if (!finished) {
        pthread_detach(delivery->thread);
        return -1;
    }
    pthread_join(delivery->thread, NULL);
    return 0;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL || delivery->abandoned)
        return;
    if (delivery->lock_fd >= 0)
        close(delivery->lock_fd);
    store_reader_free(delivery->reader);
    monitor_release(&delivery->monitor);
    free(delivery);
}
