/* clock: a wall clock for tests, preloaded into the receiver (LD_PRELOAD), that steps as a file
 * says.
 *
 * CLOCK_STEP  a file of eight bytes: how far the wall clock is off, in ms, as an int64_t. The clock
 *             that never steps is left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step_ms;

__attribute__((constructor)) static void begin(void)
{
    static const int64_t none = 0;
    const char *path = getenv("CLOCK_STEP");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *step_ms, PROT_READ, MAP_SHARED, fd, 0);
    step_ms = mapped == MAP_FAILED ? &none : mapped;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && step_ms != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + *step_ms % 1000 * 1000000;
        now->tv_sec += *step_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    if (seconds != NULL)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
