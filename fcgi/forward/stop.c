/* stop: ends the process between two steps, after SIGTERM or SIGINT. */
#include "config.h"

#include "forward/stop.h"

#include <signal.h>
#include <time.h>

static sigset_t signals;
static bool stopped;

void stop_begin(void)
{
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool stop_wait(int64_t ms)
{
    const struct timespec most = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (!stopped)
        stopped = sigtimedwait(&signals, NULL, &most) > 0;
    return stopped;
}
