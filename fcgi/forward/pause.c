/* pause: how long to wait before a webhook is sent again. */
#include "config.h"

#include "forward/pause.h"

#include <sodium.h>

int64_t pause_after(unsigned failures, int64_t asked_s)
{
    int64_t most = PAUSE_FIRST_MS;
    for (unsigned i = 1; i < failures && most < PAUSE_MOST_MS; i++)
        most *= 2;
    if (most > PAUSE_MOST_MS)
        most = PAUSE_MOST_MS;
    int64_t pause = most / 2 + randombytes_uniform((uint32_t)(most - most / 2) + 1);
    int64_t asked = asked_s < PAUSE_ASKED_MOST_MS / 1000 ? asked_s * 1000 : PAUSE_ASKED_MOST_MS;
    return asked > pause ? asked : pause;
}
