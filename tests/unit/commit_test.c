/* Group commit: what waits is kept together, in order, and a failing store is left alone. */
#include "config.h"

#include "commit.h"
#include "fake_store.h"
#include "moment.h"
#include "monitor.h"
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TICKETS_MAX 2000

/* A commit on a fake store, and what its listener was told. */
struct group {
    struct fake_store *fake;
    struct commit *commit;
    struct metrics *metrics;
    struct ticket tickets[TICKETS_MAX];

    struct monitor monitor; /* guards what follows */
    struct ticket *told[TICKETS_MAX];
    bool kept[TICKETS_MAX]; /* of told */
    size_t length;          /* of told */
    size_t calls;
    struct fault fault; /* the last one told */
    size_t recoveries;
    uint64_t refused;
    size_t wanted;               /* for is_told */
    struct commit *submit_again; /* from within kept, once */
    int submitted_again;
};

static void note(struct group *group, struct ticket **tickets, size_t count, bool kept)
{
    monitor_enter(&group->monitor);
    group->calls++;
    for (size_t i = 0; i < count && group->length < TICKETS_MAX; i++) {
        group->told[group->length] = tickets[i];
        group->kept[group->length++] = kept;
    }
    monitor_leave(&group->monitor);
}

static void on_kept(void *owner, struct ticket **tickets, size_t count)
{
    struct group *group = owner;
    if (group->submit_again != NULL) {
        struct fault fault = FAULT_NONE;
        struct commit *commit = group->submit_again;
        group->submit_again = NULL;
        group->submitted_again = commit_submit(commit, tickets[0], &fault);
        tickets++;
        count--;
    }
    note(group, tickets, count, true);
}

static void on_failed(void *owner, struct ticket **tickets, size_t count, const struct fault *fault)
{
    struct group *group = owner;
    note(group, tickets, count, false);
    monitor_enter(&group->monitor);
    group->fault = *fault;
    monitor_leave(&group->monitor);
}

static void on_recovered(void *owner, uint64_t refused)
{
    struct group *group = owner;
    monitor_enter(&group->monitor);
    group->recoveries++;
    group->refused = refused;
    monitor_leave(&group->monitor);
}

static void start(struct group *group, size_t queue_max, const struct fault *open_fault)
{
    const struct commit_listener listener = {
        .owner = group, .kept = on_kept, .failed = on_failed, .recovered = on_recovered};
    struct fault fault = FAULT_NONE;
    assert_int_equal(commit_start(&group->commit, fake_store_as_store(group->fake), open_fault,
                                  queue_max, &listener, group->metrics, &fault),
                     0);
}

static int setup(void **state)
{
    struct group *group = calloc(1, sizeof *group);
    assert_non_null(group);
    group->fake = fake_store_new();
    group->metrics = metrics_new();
    monitor_init(&group->monitor);
    *state = group;
    return 0;
}

static int teardown(void **state)
{
    struct group *group = *state;
    fake_store_let_go(group->fake);
    commit_stop(group->commit);
    fake_store_free(group->fake);
    metrics_free(group->metrics);
    monitor_release(&group->monitor);
    free(group);
    return 0;
}

static bool is_told(void *argument)
{
    struct group *group = argument;
    monitor_enter(&group->monitor);
    bool told = group->length >= group->wanted;
    monitor_leave(&group->monitor);
    return told;
}

static void wait_told(struct group *group, size_t count)
{
    group->wanted = count;
    assert_true(support_wait_until(is_told, group));
    assert_int_equal(group->length, count);
}

static bool is_recovered(void *argument)
{
    struct group *group = argument;
    monitor_enter(&group->monitor);
    bool recovered = group->recoveries > 0;
    monitor_leave(&group->monitor);
    return recovered;
}

static bool is_failing(void *argument)
{
    struct group *group = argument;
    monitor_enter(&group->monitor);
    bool failing = group->fault.set;
    monitor_leave(&group->monitor);
    return failing;
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

/* Has the writer hold ticket 0, so that all that comes next waits. */
static void hold_writer(struct group *group)
{
    fake_store_hold(group->fake);
    submit(group, 0, 1);
    assert_true(support_wait_until(fake_store_is_holding, group->fake));
}

static void expect_refusal(struct group *group, size_t ticket, const char *part)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(commit_submit(group->commit, &group->tickets[ticket], &fault), -1);
    support_assert_fault(&fault, part);
}

static void what_waits_together_is_kept_together_and_told_in_order(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    hold_writer(group);
    submit(group, 1, 200);
    assert_int_equal(group->calls, 0); /* nothing is told before it is kept */
    fake_store_let_go(group->fake);
    wait_told(group, 200);
    assert_int_equal(group->calls, 2);
    assert_int_equal(fake_store_read(group->fake).batches, 2);
    assert_int_equal(metrics_read(group->metrics, METRIC_batches), 2);
    for (size_t i = 0; i < 200; i++) {
        assert_true(group->kept[i]);
        assert_ptr_equal(group->told[i], &group->tickets[i]);
        assert_ptr_equal(fake_store_record(group->fake, i), &group->tickets[i].record);
        assert_int_equal(group->tickets[i].record.outcome, RECORD_STORED);
        assert_int_equal(group->tickets[i].record.seq, i + 1);
        assert_null(group->tickets[i].next);
    }
}

static void a_batch_is_bounded(void **state)
{
    struct group *group = *state;
    start(group, 2000, NULL);
    hold_writer(group);
    submit(group, 1, 2 * COMMIT_BATCH_MAX + 2);
    fake_store_let_go(group->fake);
    wait_told(group, 2 * COMMIT_BATCH_MAX + 2);
    assert_int_equal(fake_store_read(group->fake).largest, COMMIT_BATCH_MAX);
    assert_int_equal(fake_store_read(group->fake).batches, 4);
    for (size_t i = 0; i < 2 * COMMIT_BATCH_MAX + 2; i++)
        assert_ptr_equal(group->told[i], &group->tickets[i]);
}

static void a_full_queue_refuses_and_takes_again_when_it_is_not_full(void **state)
{
    struct group *group = *state;
    start(group, 10, NULL);
    hold_writer(group);
    submit(group, 1, 11);
    expect_refusal(group, 11, "too many notifications wait for the disk");
    fake_store_let_go(group->fake);
    wait_told(group, 11);
    submit(group, 11, 12);
    wait_told(group, 12);
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    assert_false(fault.set); /* to be full is no fault of the store */
}

static void a_batch_is_bounded_in_bytes_too(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    for (size_t i = 1; i < 7; i++)
        group->tickets[i].record.body_length = COMMIT_BATCH_BYTES_MAX / 2;
    hold_writer(group);
    submit(group, 1, 7);
    fake_store_let_go(group->fake);
    wait_told(group, 7);
    assert_int_equal(metrics_read(group->metrics, METRIC_batches), 1 + 3);
}

static void a_failing_store_fails_the_whole_batch_and_what_waits_behind_it(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    hold_writer(group);
    submit(group, 1, COMMIT_BATCH_MAX + 100);
    fake_store_break(group->fake, "the disk is full");
    fake_store_let_go(group->fake);
    wait_told(group, COMMIT_BATCH_MAX + 100);
    for (size_t i = 0; i < COMMIT_BATCH_MAX + 100; i++) {
        assert_false(group->kept[i]);
        assert_ptr_equal(group->told[i], &group->tickets[i]);
        assert_int_equal(group->tickets[i].record.outcome, RECORD_PENDING);
    }
    support_assert_fault(&group->fault, "the disk is full");
    /* One try: what waited behind it was not thrown at a store that had just failed. */
    assert_int_equal(fake_store_read(group->fake).attempts, 1);
    assert_int_equal(metrics_read(group->metrics, METRIC_batches), 0);
    assert_true(metrics_read(group->metrics, METRIC_store_faults) >= 1);
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "the disk is full");
}

static void a_store_that_failed_is_refused_to_all_until_a_probe_works(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    fake_store_break(group->fake, "the disk is full");
    submit(group, 0, 1);
    wait_told(group, 1);
    for (size_t i = 1; i < 4; i++)
        expect_refusal(group, i, "the store cannot be written now");
    fake_store_break(group->fake, NULL);
    assert_true(support_wait_until(is_recovered, group));
    assert_int_equal(group->refused, 4); /* the one that failed, and three that were turned away */
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    assert_false(fault.set);
    submit(group, 5, 6);
    wait_told(group, 2);
    assert_true(group->kept[1]);
    assert_int_equal(group->recoveries, 1);
}

static void each_recovery_tells_what_was_refused_since_the_last(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    for (size_t i = 0; i < 2; i++) {
        fake_store_break(group->fake, "broken");
        submit(group, i, i + 1);
        wait_told(group, i + 1);
        expect_refusal(group, 10, "the store cannot be written now");
        fake_store_break(group->fake, NULL);
        assert_true(support_wait_until(is_recovered, group));
        assert_int_equal(group->refused, 2);
        group->recoveries = 0;
    }
}

static bool has_probed_twice(void *fake)
{
    return fake_store_read(fake).probes >= 2;
}

static void a_store_that_stays_broken_is_probed_now_and_then(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    fake_store_break(group->fake, "first");
    submit(group, 0, 1);
    wait_told(group, 1);
    int64_t before_ms = moment_monotonic_ms();
    fake_store_break(group->fake, "second");
    assert_true(support_wait_until(has_probed_twice, group->fake));
    assert_true(moment_monotonic_ms() - before_ms >= COMMIT_PROBE_MS);
    assert_int_equal(group->recoveries, 0);
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "second"); /* the latest */
    expect_refusal(group, 1, "the store cannot be written now");
}

static void a_store_that_could_not_be_opened_is_refused_until_a_probe_works(void **state)
{
    struct group *group = *state;
    struct fault open_fault = FAULT_NONE;
    fault_set(&open_fault, "read-only");
    start(group, 1000, &open_fault);
    expect_refusal(group, 0, "the store cannot be written now");
    assert_true(support_wait_until(is_recovered, group));
    assert_int_equal(group->refused, 1);
    submit(group, 0, 1);
    wait_told(group, 1);
    assert_true(group->kept[0]);
}

static void *stop_commit(void *argument)
{
    struct group *group = argument;
    commit_stop(group->commit);
    return NULL;
}

static void stopping_keeps_what_waits(void **state)
{
    struct group *group = *state;
    pthread_t stopper;
    start(group, 1000, NULL);
    hold_writer(group);
    submit(group, 1, COMMIT_BATCH_MAX + 50);
    assert_int_equal(pthread_create(&stopper, NULL, stop_commit, group), 0);
    support_sleep_ms(20);
    fake_store_let_go(group->fake);
    pthread_join(stopper, NULL);
    group->commit = NULL;
    assert_int_equal(group->length, COMMIT_BATCH_MAX + 50); /* all told when stop returns */
    for (size_t i = 0; i < group->length; i++)
        assert_true(group->kept[i]);
}

static void stopping_does_not_wait_for_a_broken_store(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    fake_store_break(group->fake, "broken");
    submit(group, 0, 1);
    wait_told(group, 1);
    commit_stop(group->commit); /* ends */
    group->commit = NULL;
    assert_int_equal(group->length, 1);
    assert_false(group->kept[0]);
}

static void a_listener_may_submit_at_once(void **state)
{
    struct group *group = *state;
    start(group, 1000, NULL);
    group->submit_again = group->commit;
    submit(group, 0, 1);
    wait_told(group, 1); /* the first time it was not noted */
    assert_int_equal(group->submitted_again, 0);
    assert_int_equal(fake_store_read(group->fake).records, 2);
}

static void a_batch_is_measured_and_what_waits_is_counted(void **state)
{
    struct group *group = *state;
    struct metrics_distribution sizes, times;
    start(group, 1000, NULL);
    hold_writer(group);
    submit(group, 1, 101);
    assert_int_equal(commit_waiting(group->commit), 100); /* the first is being written */
    support_sleep_ms(30);
    fake_store_let_go(group->fake);
    wait_told(group, 101);
    assert_int_equal(commit_waiting(group->commit), 0);
    commit_move_cursor(group->commit, &(struct store_cursor){.name = "a", .at.seq = 1});
    commit_stop(group->commit);
    group->commit = NULL;
    metrics_read_histogram(group->metrics, METRIC_HISTOGRAM_commit_batch_records, &sizes);
    assert_int_equal(sizes.count, 2); /* that a cursor moves is no batch */
    assert_int_equal(sizes.sum, 101);
    metrics_read_histogram(group->metrics, METRIC_HISTOGRAM_commit_seconds, &times);
    assert_int_equal(times.count, 2);
    assert_true(times.sum >= 30000 && times.sum < 10000000); /* microseconds */
}

/* --- proof that the store can be written --- */

/* More than any machine takes for a write. */
#define LONG_MS 60000

/* Asks for proof with so much patience. */
static int check(struct group *group, int64_t patience_ms, struct fault *fault)
{
    *fault = FAULT_NONE;
    return commit_check(group->commit, moment_monotonic_ms() + patience_ms, fault);
}

static void proof_is_one_write_for_as_long_as_it_is_fresh(void **state)
{
    struct group *group = *state;
    struct fault fault;
    start(group, 1000, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(check(group, LONG_MS, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 1);
    support_sleep_ms(COMMIT_PROOF_MS + 20);
    assert_int_equal(check(group, LONG_MS, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 2);
    assert_int_equal(group->calls, 0); /* nobody else hears of it */
}

static void a_batch_is_proof_enough(void **state)
{
    struct group *group = *state;
    struct fault fault;
    start(group, 1000, NULL);
    submit(group, 0, 1);
    wait_told(group, 1);
    assert_int_equal(check(group, LONG_MS, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
}

struct asker {
    struct group *group;
    int result;
    struct fault fault;
    pthread_t thread;
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    asker->result = check(asker->group, LONG_MS, &asker->fault);
    return NULL;
}

static void who_asks_meanwhile_shares_the_write_and_batches_go_first(void **state)
{
    struct group *group = *state;
    struct asker askers[8];
    start(group, 1000, NULL);
    hold_writer(group);
    submit(group, 1, 10);
    for (size_t i = 0; i < LENGTH(askers); i++) {
        askers[i] = (struct asker){.group = group};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    support_sleep_ms(20);
    fake_store_let_go(group->fake);
    for (size_t i = 0; i < LENGTH(askers); i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].result, 0);
    }
    wait_told(group, 10);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
    /* and with no batch to be had */
    support_sleep_ms(COMMIT_PROOF_MS + 20);
    fake_store_hold(group->fake);
    for (size_t i = 0; i < LENGTH(askers); i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    assert_true(support_wait_until(fake_store_is_holding, group->fake));
    support_sleep_ms(20);
    fake_store_let_go(group->fake);
    for (size_t i = 0; i < LENGTH(askers); i++)
        pthread_join(askers[i].thread, NULL);
    assert_int_equal(fake_store_read(group->fake).tries, 1);
}

static void who_asks_waits_no_longer_than_it_wants(void **state)
{
    struct group *group = *state;
    struct fault fault;
    start(group, 1000, NULL);
    hold_writer(group);
    int64_t before_ms = moment_monotonic_ms();
    assert_int_equal(check(group, 50, &fault), -1);
    assert_true(moment_monotonic_ms() - before_ms >= 50);
    support_assert_fault(&fault, "too long");
    commit_get_fault(group->commit, &fault);
    assert_false(fault.set); /* to be slow is no fault of the store */
}

static void a_try_that_fails_is_a_fault_of_the_store(void **state)
{
    struct group *group = *state;
    struct fault fault;
    start(group, 1000, NULL);
    fake_store_break(group->fake, "the disk is gone");
    assert_int_equal(check(group, LONG_MS, &fault), -1);
    support_assert_fault(&fault, "the disk is gone");
    expect_refusal(group, 0, "the store cannot be written now");
    assert_true(support_wait_until(is_failing, group)); /* told once, with no ticket */
    assert_int_equal(group->calls, 1);
    assert_int_equal(group->length, 0);
    assert_true(metrics_read(group->metrics, METRIC_store_faults) >= 1);
    /* Now the answer is there at once, and asking adds no write: that is the probe's. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(check(group, LONG_MS, &fault), -1);
    assert_int_equal(fake_store_read(group->fake).tries, 1);
    fake_store_break(group->fake, NULL);
    assert_true(support_wait_until(is_recovered, group));
    assert_int_equal(check(group, LONG_MS, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 1); /* the probe was the proof */
    assert_int_equal(group->refused, 1);
}

/* --- many at once --- */

struct submitter {
    struct group *group;
    size_t from, to;
    pthread_t thread;
};

static void *submit_all(void *argument)
{
    struct submitter *submitter = argument;
    for (size_t i = submitter->from; i < submitter->to; i++) {
        struct fault fault = FAULT_NONE;
        while (commit_submit(submitter->group->commit, &submitter->group->tickets[i], &fault) != 0)
            support_sleep_ms(1);
    }
    return NULL;
}

static void tickets_of_many_threads_are_told_once_each_and_in_their_order(void **state)
{
    struct group *group = *state;
    struct submitter submitters[4];
    start(group, 64, NULL);
    for (size_t i = 0; i < LENGTH(submitters); i++) {
        submitters[i] = (struct submitter){.group = group, .from = 500 * i, .to = 500 * (i + 1)};
        assert_int_equal(pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]),
                         0);
    }
    for (size_t i = 0; i < LENGTH(submitters); i++)
        pthread_join(submitters[i].thread, NULL);
    wait_told(group, 2000);
    size_t next[LENGTH(submitters)] = {0};
    for (size_t i = 0; i < group->length; i++) {
        size_t number = (size_t)(group->told[i] - group->tickets);
        assert_int_equal(number % 500, next[number / 500]++);
    }
}

static void stopping_nothing_is_safe(void **state)
{
    commit_stop(NULL);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int commit_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(what_waits_together_is_kept_together_and_told_in_order),
        FRESH(a_batch_is_bounded),
        FRESH(a_full_queue_refuses_and_takes_again_when_it_is_not_full),
        FRESH(a_batch_is_bounded_in_bytes_too),
        FRESH(a_failing_store_fails_the_whole_batch_and_what_waits_behind_it),
        FRESH(a_store_that_failed_is_refused_to_all_until_a_probe_works),
        FRESH(each_recovery_tells_what_was_refused_since_the_last),
        FRESH(a_store_that_stays_broken_is_probed_now_and_then),
        FRESH(a_store_that_could_not_be_opened_is_refused_until_a_probe_works),
        FRESH(stopping_keeps_what_waits),
        FRESH(stopping_does_not_wait_for_a_broken_store),
        FRESH(a_listener_may_submit_at_once),
        FRESH(a_batch_is_measured_and_what_waits_is_counted),
        FRESH(proof_is_one_write_for_as_long_as_it_is_fresh),
        FRESH(a_batch_is_proof_enough),
        FRESH(who_asks_meanwhile_shares_the_write_and_batches_go_first),
        FRESH(who_asks_waits_no_longer_than_it_wants),
        FRESH(a_try_that_fails_is_a_fault_of_the_store),
        FRESH(tickets_of_many_threads_are_told_once_each_and_in_their_order),
        cmocka_unit_test(stopping_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
