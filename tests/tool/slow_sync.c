/* slow_sync: a disk that takes SLOW_SYNC_MS for each sync, for whoever is started with this library
 * in LD_PRELOAD. */
#include "config.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int sync_call(int fd);

static int sync_slowly(const char *name, int fd)
{
    const char *ms = getenv("SLOW_SYNC_MS");
    long wait_ms = ms == NULL ? 0 : strtol(ms, NULL, 10);
    const struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    sync_call *call;
    *(void **)&call = dlsym(RTLD_NEXT, name);
    nanosleep(&wait, NULL);
    return call(fd);
}

int fsync(int fd)
{
    return sync_slowly("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_slowly("fdatasync", fd);
}
