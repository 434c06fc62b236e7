/* Turns at a store: one at a time and not for ever, and a store that fails is left alone. */
#include "config.h"

#include "base/clock.h"
#include "fake_store.h"
#include "receiver/commit.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORDS_MAX 2000
#define KEEPERS_MAX 4

struct group;

/* Another thread that wants a turn. */
struct keeper {
    struct group *group;
    size_t from, count; /* 0: it is housekeeping */
    int result;
    struct fault fault;
    atomic_long id; /* 0: it has not begun */
    pthread_t thread;
    bool joined;
};

/* A commit on a fake store, and what there is to be kept. */
struct group {
    struct fake_store *fake;
    struct metrics *metrics;
    char *folder, *log_path;
    struct log *log;
    struct commit *commit;
    struct record bodies[RECORDS_MAX];
    struct record *records[RECORDS_MAX];
    struct keeper keepers[KEEPERS_MAX];
    size_t length; /* of keepers */
};

static void start(struct group *group, const struct fault *open_fault)
{
    struct fault fault = FAULT_NONE;
    if (log_start(&group->log, group->log_path, group->metrics, &fault) != 0 ||
        commit_new(&group->commit, fake_store_as_store(group->fake), open_fault, group->log,
                   group->metrics, &fault) != 0)
        fail_msg("%s", fault.text);
}

static int setup_closed(void **state)
{
    struct group *group = calloc(1, sizeof *group);
    assert_non_null(group);
    group->fake = fake_store_new();
    group->metrics = metrics_new();
    group->folder = support_folder();
    group->log_path = strdup(support_path(group->folder, "log"));
    for (size_t i = 0; i < RECORDS_MAX; i++)
        group->records[i] = &group->bodies[i];
    *state = group;
    return 0;
}

static int setup(void **state)
{
    setup_closed(state);
    start(*state, NULL);
    return 0;
}

static void join(struct keeper *keeper)
{
    if (!keeper->joined)
        pthread_join(keeper->thread, NULL);
    keeper->joined = true;
}

static int teardown(void **state)
{
    struct group *group = *state;
    fake_store_let_go(group->fake);
    for (size_t i = 0; i < group->length; i++) /* of a test that failed */
        join(&group->keepers[i]);
    assert_int_equal(fake_store_read(group->fake).overlaps, 0);
    commit_free(group->commit);
    log_stop(group->log);
    fake_store_free(group->fake);
    metrics_free(group->metrics);
    support_folder_free(group->folder);
    free(group->log_path);
    free(group);
    return 0;
}

/* Keeps COUNT records from FROM on, and does not end the turn if that works. */
static int keep_on(struct group *group, size_t from, size_t count, struct fault *fault)
{
    *fault = FAULT_NONE;
    return commit_keep(group->commit, &group->records[from], count, fault);
}

/* The same for a turn that ends. */
static int keep(struct group *group, size_t from, size_t count, struct fault *fault)
{
    int result = keep_on(group, from, count, fault);
    if (result == 0)
        commit_leave(group->commit);
    return result;
}

static void expect_kept(struct group *group, size_t from, size_t count)
{
    struct fault fault;
    if (keep(group, from, count, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void expect_refused(struct group *group, size_t from, size_t count, const char *part)
{
    struct fault fault;
    assert_int_equal(keep(group, from, count, &fault), -1);
    support_assert_fault(&fault, part);
    for (size_t i = from; i < from + count; i++)
        assert_int_equal(group->bodies[i].outcome, RECORD_PENDING);
}

#define NOT_NOW "the store cannot be written now"
#define TOO_LONG "one write to the store takes too long"

static bool is_failing(struct group *group)
{
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    return fault.set;
}

/* What housekeeping does until the store works again. */
static bool tends_until_it_works(void *argument)
{
    struct group *group = argument;
    commit_tend(group->commit);
    return !is_failing(group);
}

static void wait_recovered(struct group *group)
{
    assert_true(support_wait_until(tends_until_it_works, group));
}

/* Ends the log and compares its events: a fault with its text, a recovery with what was refused. */
static void expect_log(struct group *group, const char *expected)
{
    struct buffer events = {0};
    log_stop(group->log);
    group->log = NULL;
    commit_free(group->commit);
    group->commit = NULL;
    char *log = support_read_file(group->log_path), *rest = NULL;
    for (char *line = strtok_r(log, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *event = strstr(line, ",\"event\":");
        assert_non_null(event);
        buffer_addf(&events, "%s\n", event + 1);
    }
    buffer_add(&events, "", 1);
    assert_string_equal(events.bytes, expected);
    buffer_release(&events);
    free(log);
}

#define LOG_FAULT(text) "\"event\":\"fault\",\"fault\":\"" text "\"}\n"
#define LOG_RECOVERED(count) "\"event\":\"recovered\",\"refused\":" count "}\n"

/* --- another thread that wants a turn --- */

static void *run_keeper(void *argument)
{
    struct keeper *keeper = argument;
    atomic_store(&keeper->id, syscall(SYS_gettid));
    if (keeper->count > 0)
        keeper->result = keep(keeper->group, keeper->from, keeper->count, &keeper->fault);
    else
        commit_tend(keeper->group->commit);
    return NULL;
}

static struct keeper *begin_keeper(struct group *group, size_t from, size_t count)
{
    assert_true(group->length < KEEPERS_MAX);
    struct keeper *keeper = &group->keepers[group->length];
    *keeper = (struct keeper){.group = group, .from = from, .count = count};
    assert_int_equal(pthread_create(&keeper->thread, NULL, run_keeper, keeper), 0);
    group->length++;
    return keeper;
}

/* Begins one whose write the store holds. */
static struct keeper *begin_held(struct group *group, size_t from, size_t count)
{
    fake_store_hold(group->fake);
    struct keeper *keeper = begin_keeper(group, from, count);
    assert_true(support_wait_until(fake_store_is_holding, group->fake));
    return keeper;
}

/* Whether the thread sleeps: where another one has the turn, it waits for it. */
static bool is_waiting(void *argument)
{
    const struct keeper *keeper = argument;
    char path[64], line[256] = "";
    if (atomic_load(&keeper->id) == 0)
        return false;
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", atomic_load(&keeper->id));
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true; /* it has given up */
    const char *behind = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
    fclose(file);
    return behind != NULL && strncmp(behind, ") S", 3) == 0;
}

static void let_go(struct keeper *keeper)
{
    fake_store_let_go(keeper->group->fake);
    join(keeper);
}

/* --- batches and turns --- */

static void what_is_kept_together_is_one_batch(void **state)
{
    struct group *group = *state;
    expect_kept(group, 0, 1);
    expect_kept(group, 1, 199);
    struct fake_store_tally tally = fake_store_read(group->fake);
    assert_int_equal(tally.batches, 2);
    assert_int_equal(tally.largest, 199);
    assert_int_equal(tally.moves, 0);
    for (size_t i = 0; i < 200; i++) {
        assert_ptr_equal(fake_store_record(group->fake, i), &group->bodies[i]);
        assert_int_equal(group->bodies[i].outcome, RECORD_STORED);
        assert_int_equal(group->bodies[i].seq, i + 1);
    }
    assert_false(is_failing(group));
}

static void who_has_kept_has_the_turn_until_it_leaves(void **state)
{
    struct group *group = *state;
    struct fault fault;
    assert_int_equal(keep_on(group, 0, 1, &fault), 0);
    expect_refused(group, 1, 1, TOO_LONG);
    commit_leave(group->commit);
    expect_kept(group, 1, 1);
    assert_int_equal(fake_store_read(group->fake).attempts, 2);
}

static void a_turn_that_does_not_come_in_time_is_refused(void **state)
{
    struct group *group = *state;
    struct keeper *keeper = begin_held(group, 0, 10);
    int64_t before_ms = clock_monotonic_ms();
    expect_refused(group, 10, 1, TOO_LONG);
    assert_true(clock_monotonic_ms() - before_ms >= COMMIT_TURN_MS);
    assert_false(is_failing(group)); /* to be slow is no fault of the store */
    let_go(keeper);
    assert_int_equal(keeper->result, 0);
    expect_kept(group, 10, 1);
    assert_int_equal(fake_store_read(group->fake).attempts, 2);
    expect_log(group, "");
}

static void who_waits_for_a_turn_gets_it_when_it_is_free(void **state)
{
    struct group *group = *state;
    struct keeper *first = begin_held(group, 0, 10);
    struct keeper *second = begin_keeper(group, 10, 5);
    assert_true(support_wait_until(is_waiting, second));
    assert_int_equal(fake_store_read(group->fake).attempts, 1);
    let_go(first);
    join(second);
    assert_int_equal(first->result, 0);
    if (second->result != 0) /* the machine was so busy that it had given up */
        support_assert_fault(&second->fault, TOO_LONG);
    else
        assert_int_equal(group->bodies[14].seq, 15);
}

static void a_turn_ends_with_a_batch_that_fails(void **state)
{
    struct group *group = *state;
    fake_store_break(group->fake, "broken");
    expect_refused(group, 0, 1, "broken");
    fake_store_break(group->fake, NULL);
    wait_recovered(group); /* or the probe would have no turn */
    expect_kept(group, 0, 1);
}

static void housekeeping_does_not_wait_for_ever(void **state)
{
    struct group *group = *state;
    struct fault fault;
    assert_int_equal(keep_on(group, 0, 1, &fault), 0);
    commit_move_cursor(group->commit, &(struct store_cursor){.name = "a", .at.seq = 1});
    int64_t before_ms = clock_monotonic_ms();
    commit_tend(group->commit);
    assert_true(clock_monotonic_ms() - before_ms >= COMMIT_TURN_MS);
    assert_int_equal(fake_store_read(group->fake).moves, 0);
    commit_leave(group->commit);
    commit_tend(group->commit);
    assert_int_equal(fake_store_read(group->fake).moves, 1);
}

static void batches_are_measured(void **state)
{
    struct group *group = *state;
    struct metrics_distribution sizes, times;
    expect_kept(group, 0, 1);
    struct keeper *keeper = begin_held(group, 1, 100);
    support_sleep_ms(30);
    let_go(keeper);
    commit_move_cursor(group->commit, &(struct store_cursor){.name = "a", .at.seq = 1});
    commit_flush_cursor(group->commit);
    fake_store_break(group->fake, "broken");
    expect_refused(group, 101, 7, "broken");
    assert_int_equal(metrics_read(group->metrics, METRIC_batches), 3); /* transactions */
    assert_int_equal(metrics_read(group->metrics, METRIC_store_faults), 1);
    metrics_read_histogram(group->metrics, METRIC_HISTOGRAM_commit_batch_records, &sizes);
    assert_int_equal(sizes.count, 2); /* that a cursor moves is no batch */
    assert_int_equal(sizes.sum, 101);
    metrics_read_histogram(group->metrics, METRIC_HISTOGRAM_commit_seconds, &times);
    assert_int_equal(times.count, 2);
    assert_true(times.sum >= 30000); /* microseconds */
}

/* --- a store that fails --- */

static void a_failing_store_fails_the_batch_and_all_behind_it(void **state)
{
    struct group *group = *state;
    struct keeper *behind[3];
    struct keeper *first = begin_held(group, 0, 256);
    for (size_t i = 0; i < LENGTH(behind); i++)
        behind[i] = begin_keeper(group, 256 + 10 * i, 10);
    for (size_t i = 0; i < LENGTH(behind); i++)
        assert_true(support_wait_until(is_waiting, behind[i]));
    fake_store_break(group->fake, "the disk is full");
    let_go(first);
    assert_int_equal(first->result, -1);
    support_assert_fault(&first->fault, "the disk is full");
    size_t refused = 256;
    for (size_t i = 0; i < LENGTH(behind); i++) {
        join(behind[i]);
        assert_int_equal(behind[i]->result, -1);
        /* On a machine so busy that one had given up before, it was not turned away. */
        if (strcmp(behind[i]->fault.text, TOO_LONG) == 0)
            continue;
        support_assert_fault(&behind[i]->fault, NOT_NOW);
        refused += 10;
    }
    for (size_t i = 0; i < 256 + 30; i++)
        assert_int_equal(group->bodies[i].outcome, RECORD_PENDING);
    /* One attempt: what waited behind it was not thrown at a store that had just failed. */
    assert_int_equal(fake_store_read(group->fake).attempts, 1);
    assert_int_equal(metrics_read(group->metrics, METRIC_batches), 0);
    assert_int_equal(metrics_read(group->metrics, METRIC_store_faults), 1);
    struct fault fault;
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "the disk is full");
    fake_store_break(group->fake, NULL);
    wait_recovered(group);
    char log[200];
    snprintf(log, sizeof log, LOG_FAULT("the disk is full") LOG_RECOVERED("%zu"), refused);
    expect_log(group, log);
}

static void a_store_that_failed_is_refused_to_all_until_a_probe_works(void **state)
{
    struct group *group = *state;
    int64_t before_ms = clock_monotonic_ms();
    size_t refused = 3;
    fake_store_break(group->fake, "the disk is full");
    expect_refused(group, 0, 3, "the disk is full");
    fake_store_break(group->fake, NULL); /* at once; nobody finds out before its time */
    for (;;) {
        commit_tend(group->commit);
        if (!is_failing(group))
            break;
        expect_refused(group, 3, 2, NOT_NOW);
        refused += 2;
        assert_int_equal(fake_store_read(group->fake).probes, 0);
        support_sleep_ms(5);
    }
    assert_true(clock_monotonic_ms() - before_ms >= COMMIT_PROBE_MS);
    assert_int_equal(fake_store_read(group->fake).probes, 1);
    assert_int_equal(fake_store_read(group->fake).attempts, 1);
    expect_kept(group, 3, 2);
    char log[200];
    snprintf(log, sizeof log, LOG_FAULT("the disk is full") LOG_RECOVERED("%zu"), refused);
    expect_log(group, log);
}

static void each_recovery_tells_what_was_refused_since_the_last(void **state)
{
    struct group *group = *state;
    for (int i = 0; i < 2; i++) {
        fake_store_break(group->fake, i == 0 ? "first" : "second");
        expect_refused(group, 0, 1, i == 0 ? "first" : "second");
        expect_refused(group, 1, 1 + (size_t)i, NOT_NOW);
        fake_store_break(group->fake, NULL);
        wait_recovered(group);
    }
    expect_kept(group, 0, 1);
    expect_log(group, LOG_FAULT("first") LOG_RECOVERED("2") LOG_FAULT("second") LOG_RECOVERED("3"));
}

static bool tends_until_probed_twice(void *argument)
{
    struct group *group = argument;
    commit_tend(group->commit);
    return fake_store_read(group->fake).probes >= 2;
}

static void a_store_that_stays_broken_is_probed_now_and_then(void **state)
{
    struct group *group = *state;
    struct fault fault;
    int64_t before_ms = clock_monotonic_ms();
    fake_store_break(group->fake, "first");
    expect_refused(group, 0, 1, "first");
    fake_store_break(group->fake, "second");
    assert_true(support_wait_until(tends_until_probed_twice, group));
    assert_true(clock_monotonic_ms() - before_ms >= 2 * COMMIT_PROBE_MS);
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "second"); /* the latest */
    expect_refused(group, 1, 1, NOT_NOW);
    assert_int_equal(metrics_read(group->metrics, METRIC_store_faults), 3);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
    expect_log(group, LOG_FAULT("first")); /* once */
}

static void a_store_that_could_not_be_opened_is_refused_until_a_probe_works(void **state)
{
    struct group *group = *state;
    struct fault fault, open_fault = FAULT_NONE;
    fault_set(&open_fault, "read-only");
    start(group, &open_fault);
    commit_get_fault(group->commit, &fault);
    support_assert_fault(&fault, "read-only");
    fault = FAULT_NONE;
    assert_int_equal(commit_is_ready(group->commit, &fault), -1);
    support_assert_fault(&fault, "read-only");
    expect_refused(group, 0, 1, NOT_NOW);
    assert_int_equal(fake_store_read(group->fake).attempts, 0);
    wait_recovered(group);
    assert_int_equal(fake_store_read(group->fake).probes, 1);
    expect_kept(group, 0, 1);
    expect_log(group, LOG_FAULT("read-only") LOG_RECOVERED("1"));
}

/* --- the cursor --- */

static void move(struct group *group, int64_t seq, const char *life)
{
    struct store_cursor cursor = {.name = "application", .at.seq = seq};
    snprintf(cursor.at.life, sizeof cursor.at.life, "%s", life);
    commit_move_cursor(group->commit, &cursor);
}

static void expect_moved(struct group *group, size_t moves, int64_t seq, const char *life)
{
    struct fake_store_tally tally = fake_store_read(group->fake);
    assert_int_equal(tally.moves, moves);
    assert_int_equal(tally.cursor.at.seq, seq);
    assert_string_equal(tally.cursor.at.life, life);
    assert_string_equal(tally.cursor.name, moves == 0 ? "" : "application");
}

static void the_next_batch_moves_the_cursor_once(void **state)
{
    struct group *group = *state;
    move(group, 5, "one");
    expect_moved(group, 0, 0, "");
    expect_kept(group, 0, 10);
    expect_moved(group, 1, 5, "one");
    expect_kept(group, 10, 10);
    commit_flush_cursor(group->commit);
    expect_moved(group, 1, 5, "one");
    assert_int_equal(fake_store_read(group->fake).attempts, 2);
}

static void without_a_batch_it_is_moved_alone(void **state)
{
    struct group *group = *state;
    commit_flush_cursor(group->commit); /* nowhere to */
    assert_int_equal(fake_store_read(group->fake).attempts, 0);
    move(group, 5, "one");
    commit_flush_cursor(group->commit);
    expect_moved(group, 1, 5, "one");
    move(group, 6, "one");
    commit_tend(group->commit);
    expect_moved(group, 2, 6, "one");
    commit_tend(group->commit);
    expect_moved(group, 2, 6, "one");
    assert_int_equal(fake_store_read(group->fake).records, 0);
}

static void the_newest_place_wins(void **state)
{
    struct group *group = *state;
    move(group, 5, "one");
    move(group, 7, "one");
    move(group, 6, "two");
    commit_flush_cursor(group->commit);
    expect_moved(group, 1, 6, "two");
}

static void a_place_asked_for_meanwhile_is_not_forgotten(void **state)
{
    static const struct {
        int64_t seq;
        const char *life;
    } places[] = {{6, "one"}, {6, "two"}, {5, "two"}};
    struct group *group = *state;
    move(group, 5, "one");
    for (size_t i = 0; i < LENGTH(places); i++) {
        struct keeper *keeper = begin_held(group, i, 1);
        move(group, places[i].seq, places[i].life);
        let_go(keeper);
        assert_int_equal(keeper->result, 0);
        assert_int_equal(fake_store_read(group->fake).moves, 1 + i);
    }
    commit_flush_cursor(group->commit);
    expect_moved(group, 4, 5, "two");
    commit_flush_cursor(group->commit);
    expect_moved(group, 4, 5, "two");
}

static void a_move_is_tried_until_it_is_kept(void **state)
{
    struct group *group = *state;
    fake_store_break(group->fake, "broken");
    move(group, 5, "one");
    commit_flush_cursor(group->commit);
    assert_true(is_failing(group));
    commit_flush_cursor(group->commit); /* not to a store that fails */
    assert_int_equal(fake_store_read(group->fake).attempts, 1);
    expect_moved(group, 0, 0, "");
    fake_store_break(group->fake, NULL);
    wait_recovered(group);
    commit_tend(group->commit);
    expect_moved(group, 1, 5, "one");
    expect_log(group, LOG_FAULT("broken") LOG_RECOVERED("0"));
}

/* --- whether the store can be written --- */

static int ask(struct group *group, struct fault *fault)
{
    *fault = FAULT_NONE;
    return commit_is_ready(group->commit, fault);
}

static void nothing_is_ready_before_the_first_write(void **state)
{
    struct group *group = *state;
    struct fault fault;
    assert_int_equal(ask(group, &fault), -1);
    support_assert_fault(&fault, "nothing has been written to the store yet");
    assert_int_equal(fake_store_read(group->fake).tries, 0); /* that is not for who asks */
    commit_tend(group->commit);
    assert_int_equal(fake_store_read(group->fake).tries, 1);
    assert_int_equal(ask(group, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).records, 0);
}

static void proof_is_one_write_for_as_long_as_it_is_fresh(void **state)
{
    struct group *group = *state;
    struct fault fault;
    int64_t before_ms = clock_monotonic_ms();
    commit_tend(group->commit);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(group, &fault), 0);
    bool fresh = clock_monotonic_ms() - before_ms <= COMMIT_PROOF_MS;
    commit_tend(group->commit);
    if (fresh) /* unless the machine was so busy that it was old when somebody asked */
        assert_int_equal(fake_store_read(group->fake).tries, 1);
    size_t tries = fake_store_read(group->fake).tries;
    support_sleep_ms(COMMIT_PROOF_MS + 20);
    commit_tend(group->commit); /* nobody has asked since */
    assert_int_equal(fake_store_read(group->fake).tries, tries);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(group, &fault), 0); /* as far as is known */
    for (int i = 0; i < 5; i++)
        commit_tend(group->commit);
    assert_int_equal(fake_store_read(group->fake).tries, tries + 1);
    expect_log(group, "");
}

static void a_batch_is_proof_enough(void **state)
{
    struct group *group = *state;
    struct fault fault;
    assert_int_equal(ask(group, &fault), -1);
    expect_kept(group, 0, 1);
    commit_tend(group->commit);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
    assert_int_equal(ask(group, &fault), 0);
    /* And so is a cursor that moves, for who has asked when proof was old. */
    support_sleep_ms(COMMIT_PROOF_MS + 20);
    assert_int_equal(ask(group, &fault), 0);
    move(group, 1, "one");
    commit_tend(group->commit);
    assert_int_equal(fake_store_read(group->fake).moves, 1);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
}

static bool is_not_ready(void *argument)
{
    struct fault fault;
    return ask(argument, &fault) != 0;
}

/* Were the answer to wait for the store, it would never come: this thread lets the store go. */
static void a_turn_that_takes_too_long_is_told_without_waiting_for_it(void **state)
{
    struct group *group = *state;
    struct fault fault;
    expect_kept(group, 0, 1);
    int64_t before_ms = clock_monotonic_ms();
    struct keeper *keeper = begin_held(group, 1, 1);
    assert_true(support_wait_until(is_not_ready, group));
    assert_true(clock_monotonic_ms() - before_ms > COMMIT_LONG_TURN_MS);
    assert_int_equal(ask(group, &fault), -1);
    support_assert_fault(&fault, TOO_LONG);
    assert_false(is_failing(group)); /* to be slow is no fault of the store */
    let_go(keeper);
    assert_int_equal(keeper->result, 0);
    assert_int_equal(ask(group, &fault), 0);
    expect_log(group, "");
}

static void a_try_that_fails_is_a_fault_of_the_store(void **state)
{
    struct group *group = *state;
    struct fault fault;
    fake_store_break(group->fake, "the disk is gone");
    commit_tend(group->commit);
    assert_int_equal(ask(group, &fault), -1);
    support_assert_fault(&fault, "the disk is gone");
    expect_refused(group, 0, 1, NOT_NOW);
    assert_int_equal(metrics_read(group->metrics, METRIC_store_faults), 1);
    fake_store_break(group->fake, NULL);
    /* Now asking adds no write: that is the probe's, which is the proof then. */
    for (; is_failing(group); commit_tend(group->commit))
        if (ask(group, &fault) != -1)
            fail_msg("ready, though the store fails");
    assert_int_equal(ask(group, &fault), 0);
    assert_int_equal(fake_store_read(group->fake).tries, 1);
    assert_int_equal(fake_store_read(group->fake).probes, 1);
    assert_int_equal(fake_store_read(group->fake).attempts, 0);
    expect_log(group, LOG_FAULT("the disk is gone") LOG_RECOVERED("1"));
}

/* --- who waited for its turn --- */

/* The write of FIRST, which is held, fails while housekeeping waits for its turn. */
static void fail_before_housekeeping(struct group *group, struct keeper *first)
{
    struct keeper *house = begin_keeper(group, 0, 0);
    assert_true(support_wait_until(is_waiting, house));
    fake_store_break(group->fake, "the disk is full");
    let_go(first);
    join(house);
    assert_int_equal(first->result, -1);
    assert_true(is_failing(group));
}

/* Until it is time for a probe. */
static void housekeeping_that_waited_behind_a_failure_leaves_the_store_alone(void **state)
{
    struct group *group = *state;
    expect_kept(group, 0, 1); /* so that nobody has asked for proof */
    struct keeper *first = begin_held(group, 1, 1);
    move(group, 5, "one");
    fail_before_housekeeping(group, first);
    assert_int_equal(fake_store_read(group->fake).attempts, 2); /* not a third */
}

static void a_try_that_waited_behind_a_failure_leaves_the_store_alone(void **state)
{
    struct group *group = *state;
    fail_before_housekeeping(group, begin_held(group, 1, 1));
    assert_int_equal(fake_store_read(group->fake).tries, 0);
}

static void a_flush_that_waited_moves_to_the_newest_place(void **state)
{
    struct group *group = *state;
    expect_kept(group, 0, 1);
    struct keeper *first = begin_held(group, 1, 1);
    move(group, 5, "one");
    struct keeper *house = begin_keeper(group, 0, 0);
    assert_true(support_wait_until(is_waiting, house));
    move(group, 6, "two");
    let_go(first);
    join(house);
    expect_moved(group, 1, 6, "two");
}

static void a_flush_that_waited_behind_the_batch_that_moved_it_writes_nothing(void **state)
{
    struct group *group = *state;
    expect_kept(group, 0, 1);
    move(group, 5, "one");
    struct keeper *first = begin_held(group, 1, 1);
    struct keeper *house = begin_keeper(group, 0, 0);
    assert_true(support_wait_until(is_waiting, house));
    let_go(first);
    join(house);
    expect_moved(group, 1, 5, "one");
    assert_int_equal(fake_store_read(group->fake).attempts, 2);
}

static void a_try_that_waited_behind_a_batch_is_not_needed(void **state)
{
    struct group *group = *state;
    struct keeper *first = begin_held(group, 1, 1);
    struct keeper *house = begin_keeper(group, 0, 0);
    assert_true(support_wait_until(is_waiting, house));
    let_go(first);
    join(house);
    assert_int_equal(fake_store_read(group->fake).tries, 0);
}

/* --- many at once --- */

#define BATCH 5
#define SHARE (RECORDS_MAX / 4)

/* Numbers in the order in which those who had the turn wrote them down; nothing but the turn guards
 * them. */
struct ledger {
    struct group *group;
    size_t length;
    int64_t seqs[RECORDS_MAX];
    atomic_int inside;
    atomic_bool done;
};

struct crowd {
    struct ledger *ledger;
    size_t from;
    bool wrong;
    pthread_t thread;
};

/* Does without assertions: it is not the test's thread. */
static void *keep_share(void *argument)
{
    struct crowd *crowd = argument;
    struct ledger *ledger = crowd->ledger;
    struct group *group = ledger->group;
    for (size_t i = crowd->from; i < crowd->from + SHARE; i += BATCH) {
        struct fault fault;
        while (keep_on(group, i, BATCH, &fault) != 0) /* others always were before it */
            crowd->wrong = crowd->wrong || strcmp(fault.text, TOO_LONG) != 0;
        crowd->wrong = crowd->wrong || atomic_fetch_add(&ledger->inside, 1) != 0;
        for (size_t j = i; j < i + BATCH; j++)
            ledger->seqs[ledger->length++] = group->bodies[j].seq;
        atomic_fetch_sub(&ledger->inside, 1);
        commit_leave(group->commit);
    }
    return NULL;
}

static void *keep_house(void *argument)
{
    struct ledger *ledger = argument;
    for (int64_t seq = 1; !atomic_load(&ledger->done); seq++) {
        struct fault fault;
        move(ledger->group, seq, "one");
        ask(ledger->group, &fault);
        commit_tend(ledger->group->commit);
        support_sleep_ms(1);
    }
    return NULL;
}

static void many_threads_have_one_turn_at_a_time(void **state)
{
    struct group *group = *state;
    struct ledger *ledger = calloc(1, sizeof *ledger);
    struct crowd crowd[RECORDS_MAX / SHARE];
    pthread_t housekeeper;
    assert_non_null(ledger);
    ledger->group = group;
    for (size_t i = 0; i < LENGTH(crowd); i++) {
        crowd[i] = (struct crowd){.ledger = ledger, .from = SHARE * i};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, keep_share, &crowd[i]), 0);
    }
    assert_int_equal(pthread_create(&housekeeper, NULL, keep_house, ledger), 0);
    for (size_t i = 0; i < LENGTH(crowd); i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_false(crowd[i].wrong);
    }
    atomic_store(&ledger->done, true);
    pthread_join(housekeeper, NULL);
    assert_int_equal(ledger->length, RECORDS_MAX);
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        assert_int_equal(ledger->seqs[i], i + 1);
        assert_int_equal(group->bodies[i].outcome, RECORD_STORED);
        assert_int_equal(fake_store_record(group->fake, i)->seq, i + 1);
        if (i % BATCH != 0) /* a batch stays together, in its order */
            assert_int_equal(group->bodies[i].seq, group->bodies[i - 1].seq + 1);
    }
    assert_true(fake_store_read(group->fake).moves > 0);
    free(ledger);
}

static void freeing_nothing_is_safe(void **state)
{
    commit_free(NULL);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int commit_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(what_is_kept_together_is_one_batch),
        FRESH(who_has_kept_has_the_turn_until_it_leaves),
        FRESH(a_turn_that_does_not_come_in_time_is_refused),
        FRESH(who_waits_for_a_turn_gets_it_when_it_is_free),
        FRESH(a_turn_ends_with_a_batch_that_fails),
        FRESH(housekeeping_does_not_wait_for_ever),
        FRESH(batches_are_measured),
        FRESH(a_failing_store_fails_the_batch_and_all_behind_it),
        FRESH(a_store_that_failed_is_refused_to_all_until_a_probe_works),
        FRESH(each_recovery_tells_what_was_refused_since_the_last),
        FRESH(a_store_that_stays_broken_is_probed_now_and_then),
        cmocka_unit_test_setup_teardown(
            a_store_that_could_not_be_opened_is_refused_until_a_probe_works, setup_closed,
            teardown),
        FRESH(the_next_batch_moves_the_cursor_once),
        FRESH(without_a_batch_it_is_moved_alone),
        FRESH(the_newest_place_wins),
        FRESH(a_place_asked_for_meanwhile_is_not_forgotten),
        FRESH(a_move_is_tried_until_it_is_kept),
        FRESH(nothing_is_ready_before_the_first_write),
        FRESH(proof_is_one_write_for_as_long_as_it_is_fresh),
        FRESH(a_batch_is_proof_enough),
        FRESH(a_turn_that_takes_too_long_is_told_without_waiting_for_it),
        FRESH(a_try_that_fails_is_a_fault_of_the_store),
        FRESH(many_threads_have_one_turn_at_a_time),
        FRESH(housekeeping_that_waited_behind_a_failure_leaves_the_store_alone),
        FRESH(a_try_that_waited_behind_a_failure_leaves_the_store_alone),
        FRESH(a_flush_that_waited_moves_to_the_newest_place),
        FRESH(a_flush_that_waited_behind_the_batch_that_moved_it_writes_nothing),
        FRESH(a_try_that_waited_behind_a_batch_is_not_needed),
        cmocka_unit_test(freeing_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
