/* patience: how long notifications may wait for others, so that one sync does for all of them. */
#include "config.h"

#include "patience.h"

#define SECOND_US 1000000

/* How many times the square root of what is expected may be missing by chance, squared. What is
 * expected was counted itself, and it is looked at again and again. */
#define CHANCE_SQUARED 12

/* From now on they wait, or do not. */
static void turn(struct patience *patience, bool waiting, int64_t now_us)
{
    patience->waiting = waiting;
    patience->began_us = patience->last_us = now_us;
    patience->came = patience->batches = 0;
}

void patience_begin(struct patience *patience, int64_t longest_us, int64_t now_us)
{
    *patience = (struct patience){.longest_us = longest_us,
                                  .again_us = now_us,
                                  .term_us = PATIENCE_TERM_US,
                                  .pause_us = PATIENCE_PAUSE_US};
    turn(patience, false, now_us);
}

int64_t patience_ask(struct patience *patience, int64_t now_us)
{
    if (now_us - patience->last_us > PATIENCE_GAP_US) {
        patience->meanwhile = 0;
        turn(patience, false, now_us);
    }
    return patience->waiting ? patience->longest_us : 0;
}

static int64_t less_what_is_tolerated(int64_t count)
{
    return count * (100 - PATIENCE_TOLERATED) / 100;
}

/* What came since it was turned, which NOW_US is later than. */
static int64_t count_per_second(const struct patience *patience, int64_t now_us)
{
    return patience->came * SECOND_US / (now_us - patience->began_us);
}

static void grow(int64_t *time_us, int64_t max_us)
{
    *time_us = *time_us * 2 < max_us ? *time_us * 2 : max_us;
}

static void go_well(struct patience *patience)
{
    patience->pause_us = PATIENCE_PAUSE_US;
    grow(&patience->term_us, PATIENCE_TERM_MAX_US);
}

static void go_wrong(struct patience *patience, int64_t now_us)
{
    patience->again_us = now_us + patience->pause_us;
    grow(&patience->pause_us, PATIENCE_PAUSE_MAX_US);
    patience->term_us = PATIENCE_TERM_US;
}

/* It was counted what comes when nobody waits: tells whether the last time of waiting slowed
 * senders down, and begins another where that promises something. */
static void decide(struct patience *patience, int64_t now_us)
{
    int64_t per_second = count_per_second(patience, now_us);
    int64_t least = per_second < patience->before ? per_second : patience->before;
    if (patience->meanwhile != 0 && patience->meanwhile < less_what_is_tolerated(least))
        go_wrong(patience, now_us);
    else if (patience->meanwhile != 0)
        go_well(patience);
    patience->meanwhile = 0;
    patience->before = per_second;
    bool worth = patience->longest_us * per_second >= (int64_t)PATIENCE_WORTH * SECOND_US &&
                 patience->came < patience->batches * PATIENCE_WORTH;
    turn(patience, worth && now_us >= patience->again_us, now_us);
}

/* Whether nobody seems to be left who would send before it is answered. */
static bool is_quiet(const struct patience *patience)
{
    return patience->quiet >= PATIENCE_QUIET &&
           patience->quiet_us * patience->before >= (int64_t)PATIENCE_QUIET_MISSED * SECOND_US;
}

/* Whether fewer have come since they wait than would have before, by more than chance. */
static bool is_fewer(const struct patience *patience, int64_t now_us)
{
    int64_t expected = patience->before * (now_us - patience->began_us) / SECOND_US;
    int64_t missing = less_what_is_tolerated(expected) - patience->came;
    return missing > 0 && missing * missing > CHANCE_SQUARED * expected;
}

/* Ends a time of waiting where that is due. */
static void doubt(struct patience *patience, int64_t now_us)
{
    if (is_quiet(patience)) {
        go_wrong(patience, now_us);
        turn(patience, false, now_us);
    } else if (now_us - patience->began_us >= patience->term_us || is_fewer(patience, now_us)) {
        patience->meanwhile = count_per_second(patience, now_us);
        turn(patience, false, now_us);
    }
}

void patience_learn(struct patience *patience, size_t count, int64_t quiet_us, int64_t now_us)
{
    patience->came += (int64_t)count;
    patience->batches++;
    patience->last_us = now_us;
    bool quiet = quiet_us * 2 > patience->longest_us;
    patience->quiet = quiet ? patience->quiet + 1 : 0;
    patience->quiet_us = quiet ? patience->quiet_us + quiet_us : 0;
    if (patience->waiting)
        doubt(patience, now_us);
    else if (now_us - patience->began_us >= PATIENCE_COUNT_US)
        decide(patience, now_us);
}
