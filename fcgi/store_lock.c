/* store_lock: the turn of one process among several on one store.
 *
 * SQLite lets the next writer in by chance: under load, one process can starve another. So each
 * transaction is put between two advisory locks on files of their own. A process takes the *turn*
 * lock, then the *writer* lock, then gives the turn back. Whoever has just written must take the
 * turn again, which the next in line already holds: writers alternate. Both are tried with short
 * pauses, never waited for inside the kernel, so that a process that is stopped while it holds them
 * costs STORE_WAIT_MS and not for ever. */
#include "config.h"

#include "store_sqlite.h"

#include "moment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Pause between two tries, about what a short transaction takes. */
#define TRY_AGAIN_US 500

static int open_lock(const struct store *store, const char *name, struct fault *fault)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", store->config.folder, name) >= sizeof path)
        return fault_set(fault, "%s: the path is too long", store->config.folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open %s", path);
    return fd;
}

int store_lock_open(struct store *store, struct fault *fault)
{
    store->turn_fd = open_lock(store, "turn.lock", fault);
    if (store->turn_fd < 0)
        return -1;
    store->lock_fd = open_lock(store, "writer.lock", fault);
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

static int try_until(int fd, int64_t until_ms, struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = TRY_AGAIN_US * 1000};
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fault_set_errno(fault, errno, "cannot lock the store");
        if (moment_monotonic_ms() >= until_ms)
            return fault_set(fault, "another receiver has held the store for %d ms", STORE_WAIT_MS);
        nanosleep(&pause, NULL);
    }
    return 0;
}

int store_lock_take(struct store *store, struct fault *fault)
{
    int64_t until_ms = moment_monotonic_ms() + STORE_WAIT_MS;
    if (try_until(store->turn_fd, until_ms, fault) != 0)
        return -1;
    int result = try_until(store->lock_fd, until_ms, fault);
    flock(store->turn_fd, LOCK_UN);
    return result;
}

void store_lock_release(struct store *store)
{
    flock(store->lock_fd, LOCK_UN);
}
