/* Group commit, where tickets wait for others to be synced with. */
#include "config.h"

#include "commit.h"
#include "deaf_listener.h"
#include "fake_store.h"
#include "moment.h"
#include "patience.h"
#include "support.h"

#include <stdlib.h>

#define TICKETS_MAX 2000

/* A commit on a fake store. */
struct group {
    struct fake_store *fake;
    struct commit *commit;
    struct metrics *metrics;
    struct ticket tickets[TICKETS_MAX];
};

static void start(struct group *group, int64_t delay_ms, size_t queue_max)
{
    const struct commit_bounds bounds = {.queue_max = queue_max, .delay_ms = delay_ms};
    struct fault fault = FAULT_NONE;
    assert_int_equal(commit_start(&group->commit, fake_store_as_store(group->fake), NULL, &bounds,
                                  &deaf_listener, group->metrics, &fault),
                     0);
}

static int setup(void **state)
{
    struct group *group = calloc(1, sizeof *group);
    assert_non_null(group);
    group->fake = fake_store_new();
    group->metrics = metrics_new();
    *state = group;
    return 0;
}

static void stop(struct group *group)
{
    commit_stop(group->commit);
    group->commit = NULL;
}

static int teardown(void **state)
{
    struct group *group = *state;
    fake_store_let_go(group->fake);
    stop(group);
    fake_store_free(group->fake);
    metrics_free(group->metrics);
    free(group);
    return 0;
}

/* Submits tickets FROM to TO, the last one not included. */
static void submit(struct group *group, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct fault fault = FAULT_NONE;
        if (commit_submit(group->commit, &group->tickets[i], &fault) != 0)
            fail_msg("%s", fault.text);
    }
}

/* A delay that no test sits out: whatever is written in time did not wait for its end. */
#define LONG_MS 60000

static bool is_none_waiting(void *argument)
{
    return commit_waiting(((struct group *)argument)->commit) == 0;
}

static void wait_for_none(struct group *group)
{
    assert_true(support_wait_until(is_none_waiting, group));
}

/* Submits a steady flow of tickets until the writer lets some of them wait for others. Returns how
 * many were taken; where a queue is full meanwhile, no matter. */
static size_t submit_until_some_wait(struct group *group, int64_t delay_ms, size_t queue_max)
{
    size_t taken = 0;
    struct fault fault = FAULT_NONE;
    start(group, delay_ms, queue_max);
    for (int i = 0; i < 10 && commit_waiting(group->commit) == 0; i++) {
        int64_t until_ms = moment_monotonic_ms() + PATIENCE_COUNT_US / 1000 * 3 / 2;
        while (moment_monotonic_ms() < until_ms) {
            taken += commit_submit(group->commit, &group->tickets[taken % 1000], &fault) == 0;
            support_sleep_ms(2);
        }
        support_sleep_ms(100);
    }
    assert_in_range(commit_waiting(group->commit), 1, PATIENCE_ENOUGH - 1);
    return taken;
}

static void others_are_waited_for_until_they_are_enough(void **state)
{
    struct group *group = *state;
    size_t taken = submit_until_some_wait(group, LONG_MS, 1000);
    size_t batches = fake_store_read(group->fake).batches;
    size_t missing = PATIENCE_ENOUGH - commit_waiting(group->commit);
    submit(group, 1000, 1000 + missing - 1);
    support_sleep_ms(50);
    assert_int_equal(commit_waiting(group->commit), PATIENCE_ENOUGH - 1);
    submit(group, 1999, 2000);
    wait_for_none(group);
    stop(group);
    assert_int_equal(fake_store_read(group->fake).batches, batches + 1);
    assert_int_equal(fake_store_read(group->fake).records, taken + missing);
}

static void others_are_waited_for_no_longer_than_the_delay(void **state)
{
    submit_until_some_wait(*state, 500, 1000);
    wait_for_none(*state);
}

static void a_lone_ticket_waits_for_no_others(void **state)
{
    struct group *group = *state;
    submit_until_some_wait(group, LONG_MS, 1000);
    submit(group, 1000, 1000 + PATIENCE_ENOUGH - commit_waiting(group->commit));
    wait_for_none(group);
    support_sleep_ms(PATIENCE_GAP_US / 1000 + 20);
    submit(group, 1999, 2000);
    wait_for_none(group);
}

static void a_full_queue_waits_for_no_others(void **state)
{
    struct group *group = *state;
    submit_until_some_wait(group, LONG_MS, 8);
    submit(group, 1000, 1008 - commit_waiting(group->commit));
    wait_for_none(group);
}

static void large_bodies_wait_for_no_others(void **state)
{
    struct group *group = *state;
    submit_until_some_wait(group, LONG_MS, 1000);
    group->tickets[1000].record.body_length = (size_t)1 << 20;
    submit(group, 1000, 1001);
    wait_for_none(group);
}

static void who_asks_for_proof_need_not_wait_for_others(void **state)
{
    struct group *group = *state;
    struct fault fault = FAULT_NONE;
    submit_until_some_wait(group, LONG_MS, 1000);
    support_sleep_ms(COMMIT_PROOF_MS);
    assert_int_equal(commit_check(group->commit, moment_monotonic_ms() + 10000, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 0); /* what waited was the proof */
    assert_int_equal(commit_waiting(group->commit), 0);
}

static void a_stop_waits_for_no_others(void **state)
{
    struct group *group = *state;
    size_t taken = submit_until_some_wait(group, LONG_MS, 1000);
    int64_t before_ms = moment_monotonic_ms();
    stop(group);
    assert_true(moment_monotonic_ms() - before_ms < LONG_MS / 2);
    assert_int_equal(fake_store_read(group->fake).records, taken);
}

static void behind_a_fault_nothing_waits_for_others(void **state)
{
    struct group *group = *state;
    struct fault fault = FAULT_NONE;
    submit_until_some_wait(group, LONG_MS, 1000);
    fake_store_hold(group->fake);
    submit(group, 1000, 1000 + PATIENCE_ENOUGH - commit_waiting(group->commit));
    assert_true(support_wait_until(fake_store_is_holding, group->fake));
    submit(group, 1100, 1103);
    fake_store_break(group->fake, "the disk is full");
    fake_store_let_go(group->fake);
    wait_for_none(group);
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "the disk is full");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int commit_delay_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(others_are_waited_for_until_they_are_enough),
        FRESH(others_are_waited_for_no_longer_than_the_delay),
        FRESH(a_lone_ticket_waits_for_no_others),
        FRESH(a_full_queue_waits_for_no_others),
        FRESH(large_bodies_wait_for_no_others),
        FRESH(who_asks_for_proof_need_not_wait_for_others),
        FRESH(a_stop_waits_for_no_others),
        FRESH(behind_a_fault_nothing_waits_for_others),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
