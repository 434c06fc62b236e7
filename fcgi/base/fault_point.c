/* fault_point: kills the process at a named step. Only a build with ENABLE_FAULT_POINTS has it. */
#include "config.h"

#include "base/fault_point.h"

#ifdef ENABLE_FAULT_POINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const names[FAULT_POINT_COUNT] = {
#define X(name, where) #name,
    FAULT_POINT_TABLE(X)
#undef X
};

void fault_point_pass(enum fault_point point)
{
    char path[4096];
    const char *folder = getenv("FAULT_POINTS");
    if (folder == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, names[point]);
    if (unlink(path) != 0)
        return;
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#endif
