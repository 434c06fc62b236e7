/* patience: how long notifications may wait for others, so that one sync does for all of them. */
#include "config.h"

#include "patience.h"

#define SECOND_US 1000000

void patience_begin(struct patience *patience, int64_t longest_us, int64_t now_us)
{
    *patience = (struct patience){
        .longest_us = longest_us, .began_us = now_us, .pause_us = PATIENCE_PAUSE_US};
}

int64_t patience_of(const struct patience *patience)
{
    return patience->waiting ? patience->longest_us : 0;
}

static void begin_window(struct patience *patience, int64_t now_us)
{
    patience->began_us = now_us;
    patience->came = patience->batches = 0;
}

static int64_t count_per_second(const struct patience *patience, int64_t now_us)
{
    return patience->came * SECOND_US / (now_us - patience->began_us);
}

/* Starts to wait where that promises something. */
static void consider(struct patience *patience, int64_t now_us)
{
    patience->per_second = count_per_second(patience, now_us);
    int64_t together = patience->longest_us * patience->per_second / SECOND_US;
    patience->waiting = now_us >= patience->again_us && together >= PATIENCE_WORTH &&
                        patience->came < patience->batches * PATIENCE_WORTH;
    patience->quiet = 0;
}

static void give_up(struct patience *patience, int64_t now_us)
{
    patience->waiting = false;
    patience->again_us = now_us + patience->pause_us;
    patience->pause_us *= 2;
    if (patience->pause_us > PATIENCE_PAUSE_MAX_US)
        patience->pause_us = PATIENCE_PAUSE_MAX_US;
}

/* A window of waiting is over. Where the first one was as good as the one before it, waiting slows
 * nobody down; where a later one is not as good, there is less to be sent. */
static void judge(struct patience *patience, int64_t now_us)
{
    int64_t per_second = count_per_second(patience, now_us);
    bool as_good = per_second * 100 >= patience->per_second * PATIENCE_AS_GOOD;
    if (as_good)
        patience->pause_us = PATIENCE_PAUSE_US;
    else if (patience->proven)
        patience->waiting = false;
    else
        give_up(patience, now_us);
    patience->proven = as_good;
    patience->per_second = per_second;
}

void patience_learn(struct patience *patience, size_t count, int64_t quiet_us, int64_t now_us)
{
    if (patience->longest_us == 0)
        return;
    patience->came += (int64_t)count;
    patience->batches++;
    patience->quiet = quiet_us * 2 > patience->longest_us ? patience->quiet + 1 : 0;
    bool over = now_us - patience->began_us >= PATIENCE_WINDOW_US;
    if (patience->waiting && patience->quiet >= PATIENCE_QUIET) {
        give_up(patience, now_us);
        patience->proven = false;
        over = true;
    } else if (over && patience->waiting) {
        judge(patience, now_us);
    } else if (over) {
        consider(patience, now_us);
    }
    if (over)
        begin_window(patience, now_us);
}
