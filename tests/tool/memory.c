/* memory: an allocator for tests, preloaded into the receiver (LD_PRELOAD), that fails when a file
 * says so. While it is armed, allocations are counted, in all threads.
 *
 * MEMORY_CONTROL  a file that holds a struct control, below
 *
 * Who waits for something that is to happen at a certain time waits a twentieth of it, so that a
 * fault of the store, which lasts until the next probe, is over soon. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HASTE 20

struct control {
    atomic_int_fast64_t armed;  /* 1: count, and fail */
    atomic_int_fast64_t count;  /* allocations since it was armed */
    atomic_int_fast64_t first;  /* the first that fails, counted from 1; 0: none */
    atomic_int_fast64_t last;   /* the last that fails */
    atomic_int_fast64_t failed; /* how many did */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MEMORY_CONTROL");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED
                          : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

/* libfcgi ends the process where it gets no memory; receiver/request.c sees to it that there is
 * some. */
static bool is_libfcgi(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libfcgi") != NULL;
}

static bool fails(const void *caller)
{
    if (control == NULL || atomic_load(&control->armed) == 0 || is_libfcgi(caller))
        return false;
    int_fast64_t number = atomic_fetch_add(&control->count, 1) + 1;
    int_fast64_t first = atomic_load(&control->first);
    if (first == 0 || number < first || number > atomic_load(&control->last))
        return false;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    *memory = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    struct timespec soon;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    int64_t ns = ((until->tv_sec - soon.tv_sec) * 1000000000LL + until->tv_nsec - soon.tv_nsec) /
                 HASTE;
    if (ns > 0) {
        soon.tv_sec += (soon.tv_nsec + ns) / 1000000000;
        soon.tv_nsec = (soon.tv_nsec + ns) % 1000000000;
    }
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &soon);
}
