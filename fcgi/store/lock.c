/* lock: gives several processes their turns on one store.
 *
 * SQLite lets the next writer in by chance: under load, one process can starve another. So
 * processes queue before each transaction. The queue is turn.lock. Each locked byte is a taken
 * place. A process that arrives takes the last place. When the next place is free, it moves up and
 * gives up its old place. From the first place it takes the *writer* lock and leaves the queue. So
 * writers come in the order in which they joined the queue. If there are more processes than
 * places, chance decides who joins. A process polls all locks with short pauses and never blocks in
 * the kernel. So a stopped process that holds a lock delays the others by STORE_WAIT_MS, not for
 * ever. */
#include "config.h"

#include "store/engine.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Pause between two tries for the first in the queue, and the extra pause for each place after it.
 * About as long as a short transaction. */
#define TRY_AGAIN_US 250

/* Places in the queue. */
#define PLACES 16

int store_lock_file(const char *folder, const char *name, struct fault *fault)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return fault_set(fault, "%s: the path is too long", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open %s", path);
    store_give_to_owner(fd, folder);
    return fd;
}

int store_lock_open(struct store *store, struct fault *fault)
{
    store->turn_fd = store_lock_file(store->config.folder, "turn.lock", fault);
    if (store->turn_fd < 0)
        return -1;
    store->lock_fd = store_lock_file(store->config.folder, "writer.lock", fault);
    if (store->lock_fd < 0) {
        store_lock_close(store);
        return -1;
    }
    return 0;
}

void store_lock_close(struct store *store)
{
    if (store->turn_fd >= 0)
        close(store->turn_fd);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    store->turn_fd = store->lock_fd = -1;
}

/* Sets COUNT places in turn.lock to TYPE, all or none. The lock belongs to the descriptor, not to
 * the process, so it does not interact with SQLite's locks. */
static int set_places(const struct store *store, short type, int first, int count)
{
    struct flock bytes = {.l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    return fcntl(store->turn_fd, F_OFD_SETLK, &bytes);
}

/* Locks the whole of writer.lock if PLACE is negative, else PLACE in turn.lock. */
static int lock(const struct store *store, int place)
{
    return place < 0 ? flock(store->lock_fd, LOCK_EX | LOCK_NB)
                     : set_places(store, F_WRLCK, place, 1);
}

/* The queue is nearly always empty. Then two calls take the first place, instead of two calls for
 * each place. Returns the next place to take. */
static int take_empty_line(const struct store *store)
{
    if (set_places(store, F_WRLCK, 0, PLACES) != 0)
        return PLACES - 1;
    set_places(store, F_UNLCK, 1, PLACES - 1);
    return -1;
}

static int64_t longest_wait_ms(const struct store *store)
{
    return store->config.wait_ms > 0 ? store->config.wait_ms : STORE_WAIT_MS;
}

static int lock_until(const struct store *store, int place, int64_t until_ms, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = TRY_AGAIN_US * 1000L * (place + 2)};
    while (lock(store, place) != 0) {
        if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR)
            return fault_set_errno(fault, errno, "cannot lock the store");
        if (clock_monotonic_ms() >= until_ms)
            return fault_set(fault, "another receiver has held the store for %lld ms",
                             (long long)longest_wait_ms(store));
        nanosleep(&pause, NULL);
    }
    return 0;
}

int store_lock_take(struct store *store, struct fault *fault)
{
    int64_t until_ms = clock_monotonic_ms() + longest_wait_ms(store);
    int result = 0;
    for (int place = take_empty_line(store); place >= -1 && result == 0; place--) {
        result = lock_until(store, place, until_ms, fault);
        if (place + 1 < PLACES)
            set_places(store, F_UNLCK, place + 1, 1);
    }
    return result;
}

void store_lock_release(struct store *store)
{
    flock(store->lock_fd, LOCK_UN);
}
