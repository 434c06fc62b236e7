/* How long notifications wait for others, and whom that slows down: against senders and a disk that
 * exist in numbers alone, so that a minute passes in no time and always alike. */
#include "config.h"

#include "patience.h"
#include "support.h"

#include <math.h>

#define DELAY_US 10000
#define SECOND_US 1000000
#define MINUTE_US (60 * (int64_t)SECOND_US)
#define CLOSED_MAX 64
#define TRIES_MAX 10

/* What a transaction takes, and each notification in it; and an answer until the next request of
 * the same sender can have come. */
#define SYNC_US 200
#define EACH_US 20
#define WAY_US 80

/* Senders, the writer that their notifications meet, and what came of them. */
struct world {
    struct patience patience;
    uint64_t seed;
    int64_t now_us;
    int64_t sync_us;

    /* those that send without looking at answers, all together */
    int64_t open_gap_us; /* on average; 0: there are none */
    int64_t open_next_us;
    /* and those that wait for each answer, and then for so long */
    size_t closed;
    int64_t think_us;            /* on average */
    int64_t next_us[CLOSED_MAX]; /* INT64_MAX: waits for its answer */

    size_t queue; /* notifications that wait for the writer */
    int64_t kept, batches;
    int64_t waited_us;           /* the writer, for others */
    int64_t tries_us[TRIES_MAX]; /* when it began to */
    size_t tries;
};

static int64_t chance(struct world *world, int64_t mean_us)
{
    double some = ((double)(support_random(&world->seed) >> 11) + 1) / 9007199254740993.0;
    return (int64_t)(-log(some) * (double)mean_us);
}

static void begin(struct world *world, int64_t delay_us, uint64_t seed)
{
    *world = (struct world){.seed = seed, .sync_us = SYNC_US, .open_next_us = INT64_MAX};
    patience_begin(&world->patience, delay_us, 0);
}

/* From now on so many are sent in a second by those who look at no answers. */
static void send_open(struct world *world, int64_t per_second)
{
    world->open_gap_us = per_second == 0 ? 0 : SECOND_US / per_second;
    world->open_next_us = per_second == 0 ? INT64_MAX
                                          : world->now_us + chance(world, world->open_gap_us);
}

/* From now on there are so many who wait for each answer. */
static void send_closed(struct world *world, size_t count, int64_t think_us)
{
    world->closed = count;
    world->think_us = think_us;
    for (size_t i = 0; i < count; i++)
        world->next_us[i] = world->now_us + chance(world, WAY_US + think_us);
}

static int64_t next_arrival(const struct world *world)
{
    int64_t next_us = world->open_next_us;
    for (size_t i = 0; i < world->closed; i++)
        next_us = world->next_us[i] < next_us ? world->next_us[i] : next_us;
    return next_us;
}

/* Queues what has come by now. */
static void arrive(struct world *world)
{
    for (size_t i = 0; i < world->closed; i++)
        if (world->next_us[i] <= world->now_us) {
            world->next_us[i] = INT64_MAX;
            world->queue++;
        }
    for (; world->open_next_us <= world->now_us; world->queue++)
        world->open_next_us += chance(world, world->open_gap_us);
}

/* Answers all that wait for one. */
static void answer(struct world *world)
{
    for (size_t i = 0; i < world->closed; i++)
        if (world->next_us[i] == INT64_MAX)
            world->next_us[i] = world->now_us + WAY_US + chance(world, WAY_US / 2) +
                                chance(world, world->think_us);
}

/* As the writer does: what waits is written, after it has waited for others. */
static void write_batch(struct world *world)
{
    int64_t began_us = world->now_us, newest_us = began_us, next_us;
    int64_t until_us = began_us + patience_ask(&world->patience, began_us);
    while (world->queue < PATIENCE_ENOUGH && (next_us = next_arrival(world)) < until_us) {
        world->now_us = newest_us = next_us;
        arrive(world);
    }
    if (world->queue < PATIENCE_ENOUGH)
        world->now_us = until_us;
    world->waited_us += world->now_us - began_us;
    size_t count = world->queue;
    bool waited = world->patience.waiting;
    patience_learn(&world->patience, count, world->now_us - newest_us, world->now_us);
    if (world->patience.waiting && !waited && world->tries < TRIES_MAX)
        world->tries_us[world->tries++] = world->now_us;
    world->queue = 0;
    world->now_us += world->sync_us + (int64_t)count * EACH_US;
    answer(world); /* before others arrive: they are of the next batch */
    arrive(world);
    world->kept += (int64_t)count;
    world->batches++;
}

/* Lets so much time pass, and counts what is kept in it anew. */
static void pass(struct world *world, int64_t us)
{
    int64_t end_us = world->now_us + us;
    world->kept = world->batches = world->waited_us = 0;
    while (world->queue > 0 || next_arrival(world) < end_us) {
        if (world->queue == 0)
            world->now_us = next_arrival(world);
        arrive(world);
        write_batch(world);
        if (world->now_us >= end_us)
            return;
    }
    world->now_us = end_us;
}

/* What waiting costs such senders of what is kept in the first minute, in percent. */
static double loss(size_t closed, int64_t think_us, uint64_t seed)
{
    struct world with, without;
    begin(&with, DELAY_US, seed);
    begin(&without, 0, seed);
    send_closed(&with, closed, think_us);
    send_closed(&without, closed, think_us);
    pass(&with, MINUTE_US);
    pass(&without, MINUTE_US);
    return 100 - 100 * (double)with.kept / (double)without.kept;
}

static double in_a_batch(const struct world *world)
{
    return (double)world->kept / (double)world->batches;
}

/* Has so many come in a second, from those who look at no answers, until they wait. */
static void begin_waiting(struct world *world, int64_t per_second, uint64_t seed)
{
    begin(world, DELAY_US, seed);
    send_open(world, per_second);
    for (int i = 0; i < 100 && !world->patience.waiting; i++)
        pass(world, SECOND_US / 10);
    assert_true(world->patience.waiting);
}

static void who_does_not_look_at_answers_is_kept_in_larger_batches(void **state)
{
    static const struct {
        int64_t per_second;
        double least, most;
    } cases[] = {{400, 4.5, 5.1}, {800, 8.2, 9.2}, {1500, 14, 16.5}, {3000, 28, 32}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct world world;
        begin_waiting(&world, cases[i].per_second, i);
        assert_true(world.now_us < 3 * SECOND_US);
        pass(&world, 5 * SECOND_US);
        assert_true(in_a_batch(&world) > cases[i].least && in_a_batch(&world) < cases[i].most);
        pass(&world, 10 * MINUTE_US); /* and it stays so, nearly all the time */
        assert_true(world.waited_us > 10 * MINUTE_US * 3 / 4);
    }
}

static void no_delay_is_no_waiting(void **state)
{
    struct world world;
    begin(&world, 0, 1);
    send_open(&world, 800);
    pass(&world, MINUTE_US);
    assert_int_equal(world.waited_us, 0);
    assert_true(in_a_batch(&world) < 1.5);
}

static void who_waits_for_each_answer_is_not_slowed_down(void **state)
{
    static const size_t closed[] = {1, 2, 4, 8, 16, 64};
    for (size_t i = 0; i < LENGTH(closed); i++)
        assert_true(loss(closed[i], 0, i) < 0.1);
}

/* The longer senders think, the less a delay slows them down, and the harder that is to see. */
static void who_thinks_about_each_answer_is_hardly_slowed_down(void **state)
{
    static const struct {
        size_t closed;
        int64_t think_us;
        double worst, mean; /* percent, of some times a minute */
    } cases[] = {
        {1, 1000, 0.3, 0.2},  {2, 5000, 0.6, 0.4}, {4, 1000, 0.1, 0.1},  {4, 10000, 1, 0.7},
        {8, 20000, 2, 1.2},   {16, 20000, 1, 0.7}, {16, 50000, 8, 3.5},  {32, 50000, 8, 3},
        {64, 5000, 0.1, 0.1}, {64, 50000, 8, 2},   {64, 100000, 6.5, 4}, {64, 200000, 4, 3},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        double sum = 0;
        for (uint64_t seed = 0; seed < 10; seed++) {
            double lost = loss(cases[i].closed, cases[i].think_us, seed);
            assert_true(lost < cases[i].worst);
            sum += lost;
        }
        assert_true(sum / 10 < cases[i].mean);
    }
}

static void what_comes_in_batches_by_itself_need_not_wait(void **state)
{
    struct world world;
    begin(&world, DELAY_US, 1);
    world.sync_us = 20000;
    send_open(&world, 800);
    pass(&world, MINUTE_US);
    assert_true(in_a_batch(&world) > 10);
    assert_int_equal(world.waited_us, 0);
}

static void what_comes_too_seldom_to_meet_need_not_wait(void **state)
{
    static const int64_t per_second[] = {1, 20, 250};
    for (size_t i = 0; i < LENGTH(per_second); i++) {
        struct world world;
        begin(&world, DELAY_US, 1);
        send_open(&world, per_second[i]);
        pass(&world, 10 * MINUTE_US);
        assert_int_equal(world.waited_us, 0);
    }
}

static void senders_that_begin_to_wait_for_answers_are_found_out_within_100_ms(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world world;
        begin_waiting(&world, seed % 2 == 0 ? 800 : 350, seed);
        send_open(&world, 0);
        send_closed(&world, 8, 0);
        pass(&world, SECOND_US / 10);
        assert_false(world.patience.waiting);
        pass(&world, 5 * SECOND_US); /* and it is not tried again soon */
        assert_int_equal(world.waited_us, 0);
    }
}

static void that_nothing_comes_for_a_moment_is_no_proof(void **state)
{
    struct world world;
    begin_waiting(&world, 3000, 1);
    for (int i = 0; i < 10; i++) {
        pass(&world, SECOND_US / 2);
        world.open_next_us += DELAY_US;
    }
    assert_true(world.patience.waiting);
    assert_int_equal(world.tries, 1);
}

static void pauses_grow_and_end(void **state)
{
    static const int64_t pauses_s[] = {10, 20, 40, 60, 60};
    struct world world;
    begin(&world, DELAY_US, 1);
    send_closed(&world, 2, 0);
    pass(&world, 4 * MINUTE_US);
    assert_int_equal(world.tries, 6);
    for (size_t i = 0; i < LENGTH(pauses_s); i++) {
        int64_t apart_us = world.tries_us[i + 1] - world.tries_us[i];
        assert_true(apart_us >= pauses_s[i] * SECOND_US);
        assert_true(apart_us < (pauses_s[i] + 2) * SECOND_US);
    }
    send_closed(&world, 0, 0);
    send_open(&world, 800);
    pass(&world, 2 * MINUTE_US);
    assert_true(world.waited_us > MINUTE_US / 2);
    while (!world.patience.waiting)
        pass(&world, SECOND_US / 10);
    /* what went well meanwhile is tried again after a short pause */
    send_open(&world, 0);
    send_closed(&world, 2, 0);
    world.tries = 0;
    pass(&world, 20 * SECOND_US);
    assert_int_equal(world.tries, 1);
}

static void fewer_than_can_meet_wait_no_longer(void **state)
{
    struct world world;
    begin_waiting(&world, 800, 1);
    pass(&world, 2 * SECOND_US);
    send_open(&world, 50);
    pass(&world, SECOND_US / 2);
    assert_false(world.patience.waiting);
    pass(&world, MINUTE_US);
    assert_int_equal(world.waited_us, 0);
}

static void where_there_is_less_to_send_that_is_not_put_down_to_waiting(void **state)
{
    struct world world;
    begin_waiting(&world, 1500, 1);
    pass(&world, SECOND_US);
    send_open(&world, 1000);
    pass(&world, SECOND_US);
    assert_false(world.patience.waiting); /* now it is counted again */
    pass(&world, SECOND_US);
    assert_true(world.patience.waiting);
    pass(&world, 5 * SECOND_US);
    assert_true(in_a_batch(&world) > 10);
}

static void more_wait_less_long(void **state)
{
    struct world world;
    begin_waiting(&world, 400, 1);
    send_open(&world, 10000);
    pass(&world, 5 * SECOND_US);
    assert_true(world.patience.waiting);
    assert_true(in_a_batch(&world) >= PATIENCE_ENOUGH && in_a_batch(&world) < PATIENCE_ENOUGH + 16);
    assert_true(world.waited_us / world.batches < DELAY_US / 2);
}

static void what_comes_after_a_rest_is_written_at_once(void **state)
{
    for (uint64_t i = 0; i < 10; i++) {
        struct world world;
        begin_waiting(&world, 800, i);
        int64_t rest_us = i % 2 == 0 ? SECOND_US / 2 : 100000 * MINUTE_US;
        send_open(&world, 0);
        pass(&world, rest_us);
        assert_int_equal(patience_ask(&world.patience, world.now_us), 0);
        /* nor is it put down to waiting that nothing came */
        send_open(&world, 800);
        pass(&world, 6 * SECOND_US);
        assert_true(in_a_batch(&world) > 3);
    }
}

static void a_clock_that_stands_still_does_no_harm(void **state)
{
    struct patience patience;
    patience_begin(&patience, DELAY_US, 5);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(patience_ask(&patience, 5), 0);
        patience_learn(&patience, 1, 0, 5);
    }
    patience_learn(&patience, 1, 0, 5 + PATIENCE_COUNT_US);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(patience_ask(&patience, 5 + PATIENCE_COUNT_US), DELAY_US);
        patience_learn(&patience, 1, 0, 5 + PATIENCE_COUNT_US);
    }
}

int patience_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_look_at_answers_is_kept_in_larger_batches),
        cmocka_unit_test(no_delay_is_no_waiting),
        cmocka_unit_test(who_waits_for_each_answer_is_not_slowed_down),
        cmocka_unit_test(who_thinks_about_each_answer_is_hardly_slowed_down),
        cmocka_unit_test(what_comes_in_batches_by_itself_need_not_wait),
        cmocka_unit_test(what_comes_too_seldom_to_meet_need_not_wait),
        cmocka_unit_test(senders_that_begin_to_wait_for_answers_are_found_out_within_100_ms),
        cmocka_unit_test(that_nothing_comes_for_a_moment_is_no_proof),
        cmocka_unit_test(pauses_grow_and_end),
        cmocka_unit_test(fewer_than_can_meet_wait_no_longer),
        cmocka_unit_test(where_there_is_less_to_send_that_is_not_put_down_to_waiting),
        cmocka_unit_test(more_wait_less_long),
        cmocka_unit_test(what_comes_after_a_rest_is_written_at_once),
        cmocka_unit_test(a_clock_that_stands_still_does_no_harm),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
