/* Delivery: what is kept is handed over in order, at least once, whatever the application does. */
#include "config.h"

#include "base/clock.h"
#include "base/monitor.h"
#include "books.h"
#include "campaign.h"
#include "receiver/commit.h"
#include "receiver/delivery.h"
#include "store/maintenance.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOLD_MAX 1000

/* A pause may end this much early: milliseconds are cut on both sides. */
#define EARLY_MS 2

/* --- the application --- */

/* It takes what it is handed, but for a number that it refuses, or on which it falls asleep. */
struct audience {
    int64_t refuse_from; /* this seq and later ones, ... */
    int refusals;        /* ... each so many times */
    int64_t sleep_at;    /* a seq */
    int result;          /* what it returns when it wakes up */

    struct monitor monitor; /* guards what follows */
    int64_t told[TOLD_MAX], told_at_ms[TOLD_MAX];
    size_t length;
    bool asleep, wake;
    size_t wanted; /* for has_been_told */
};

static void init_audience(struct audience *audience)
{
    *audience = (struct audience){.refuse_from = INT64_MAX, .sleep_at = -1};
    monitor_init(&audience->monitor);
}

static int refusals_so_far(const struct audience *audience, int64_t seq)
{
    int count = 0;
    for (size_t i = 0; i < audience->length; i++)
        count += audience->told[i] == seq;
    return count;
}

static int tell(const void *owner, const struct store_kept *kept)
{
    struct audience *audience = (struct audience *)owner;
    int result = 0;
    monitor_enter(&audience->monitor);
    if (kept->seq >= audience->refuse_from &&
        refusals_so_far(audience, kept->seq) < audience->refusals)
        result = 1;
    if (audience->length < TOLD_MAX) {
        audience->told_at_ms[audience->length] = clock_monotonic_ms();
        audience->told[audience->length++] = kept->seq;
    }
    if (kept->seq == audience->sleep_at) {
        audience->asleep = true;
        while (!audience->wake)
            monitor_wait(&audience->monitor);
        audience->asleep = false;
        result = audience->result;
    }
    monitor_leave(&audience->monitor);
    return result;
}

static size_t times_told(struct audience *audience)
{
    monitor_enter(&audience->monitor);
    size_t length = audience->length;
    monitor_leave(&audience->monitor);
    return length;
}

static bool has_been_told(void *argument)
{
    return times_told(argument) >= ((struct audience *)argument)->wanted;
}

static void wait_for(struct audience *audience, size_t times)
{
    audience->wanted = times;
    if (!support_wait_until(has_been_told, audience))
        fail_msg("told %zu times, not %zu", times_told(audience), times);
}

static bool is_asleep(void *argument)
{
    struct audience *audience = argument;
    monitor_enter(&audience->monitor);
    bool asleep = audience->asleep;
    monitor_leave(&audience->monitor);
    return asleep;
}

static void wake_up(struct audience *audience)
{
    monitor_enter(&audience->monitor);
    audience->wake = true;
    monitor_wake(&audience->monitor);
    monitor_leave(&audience->monitor);
}

/* It was told FIRST, FIRST + 1 and so on, COUNT numbers, each once. Delivery must not be running,
 * or done with all there is. */
static void assert_told(const struct audience *audience, int64_t first, size_t count)
{
    assert_int_equal(audience->length, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(audience->told[i], first + (int64_t)i);
}

/* --- the receiver around it --- */

struct stage {
    char *parent, *folder; /* the state folder; in PARENT */
    struct store_config config;
    struct store *store;
    struct commit *commit;
    struct log *log;
    struct delivery *delivery;
    struct audience audience;
    int next_device;

    pthread_t tender;
    atomic_bool ends; /* the tender */
};

/* Does what housekeeping does for the store. */
static void *tend(void *argument)
{
    struct stage *stage = argument;
    while (!atomic_load(&stage->ends)) {
        commit_tend(stage->commit);
        support_sleep_ms(5);
    }
    return NULL;
}

/* Opens all but delivery. The store may be one that cannot be opened. Does without assertions: it
 * runs in children too. */
static int open_stage(struct stage *stage, struct fault *fault)
{
    struct fault open_fault = FAULT_NONE;
    if (log_start(&stage->log, support_path(stage->parent, "log"), NULL, fault) != 0 ||
        store_new(&stage->store, &stage->config, fault) != 0)
        return -1;
    store_open(stage->store, &open_fault);
    if (commit_new(&stage->commit, stage->store, open_fault.set ? &open_fault : NULL, stage->log,
                   NULL, fault) != 0)
        return -1;
    atomic_store(&stage->ends, false);
    return pthread_create(&stage->tender, NULL, tend, stage) == 0 ? 0 : -1;
}

/* The last of what the store is told, and the end of whoever has turns at it. */
static void end_turns(struct stage *stage)
{
    if (stage->commit == NULL)
        return;
    atomic_store(&stage->ends, true);
    pthread_join(stage->tender, NULL);
    commit_flush_cursor(stage->commit);
    commit_free(stage->commit);
    stage->commit = NULL;
}

static int start_named(struct stage *stage, struct delivery **delivery, struct audience *audience,
                       const char *name, struct fault *fault)
{
    const struct delivery_target target = {.name = name, .owner = audience, .deliver = tell};
    return delivery_start(delivery, stage->folder, stage->commit, stage->log, &target, fault);
}

static void start(struct stage *stage)
{
    struct fault fault = FAULT_NONE;
    if (start_named(stage, &stage->delivery, &stage->audience, "application", &fault) != 0)
        fail_msg("%s", fault.text);
}

static void stop(struct stage *stage)
{
    assert_int_equal(delivery_stop(stage->delivery), 0);
    delivery_wake(stage->delivery); /* as a worker may until it has ended */
    delivery_free(stage->delivery);
    stage->delivery = NULL;
}

static void close_stage(struct stage *stage)
{
    end_turns(stage);
    store_free(stage->store);
    log_stop(stage->log);
    stage->store = NULL;
    stage->log = NULL;
}

/* What a restart of the process does, with the application by this name. */
static void restart_as(struct stage *stage, const char *name)
{
    struct fault fault = FAULT_NONE;
    stop(stage);
    close_stage(stage);
    stage->audience.length = 0;
    assert_int_equal(open_stage(stage, &fault), 0);
    assert_int_equal(start_named(stage, &stage->delivery, &stage->audience, name, &fault), 0);
}

static void restart(struct stage *stage)
{
    restart_as(stage, "application");
}

static struct stage *new_stage(const char *folder)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->parent = support_folder();
    stage->folder = strdup(support_path(stage->parent, folder));
    assert_non_null(stage->folder);
    stage->config = (struct store_config){.folder = stage->folder,
                                          .quarantine_max = 10,
                                          .quarantine_bytes = 1000,
                                          .repeat_window_ms = 3600 * 1000};
    init_audience(&stage->audience);
    return stage;
}

static int set_up(void **state)
{
    struct stage *stage = new_stage("state");
    struct fault fault = FAULT_NONE;
    *state = stage;
    assert_int_equal(mkdir(stage->folder, 0700), 0);
    return open_stage(stage, &fault);
}

static int set_up_without_a_folder(void **state)
{
    struct stage *stage = new_stage("state");
    struct fault fault = FAULT_NONE;
    *state = stage;
    return open_stage(stage, &fault);
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    wake_up(&stage->audience);
    delivery_stop(stage->delivery);
    close_stage(stage);
    delivery_free(stage->delivery);
    monitor_release(&stage->audience.monitor);
    support_folder_free(stage->parent);
    free(stage->folder);
    free(stage);
    return 0;
}

/* Keeps one body; false where it was not kept. */
static bool keep_body(struct stage *stage, const char *body)
{
    struct record *record = support_record(body);
    struct fault fault;
    bool kept;
    do {
        fault = FAULT_NONE;
        kept = commit_keep(stage->commit, &record, 1, &fault) == 0;
    } while (!kept && strstr(fault.text, "too long") != NULL); /* the tender may be slow */
    if (kept)
        commit_leave(stage->commit);
    campaign_record_free(record);
    return kept;
}

/* Keeps COUNT notifications; delivery is not told. */
static void keep(struct stage *stage, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%d\"}",
                 ++stage->next_device);
        assert_true(keep_body(stage, body));
    }
}

static int64_t cursor_at(const struct stage *stage, const char *name)
{
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    struct store_cursor cursor = {.at.seq = -1};
    snprintf(cursor.name, sizeof cursor.name, "%s", name);
    if (store_reader_new(&reader, stage->folder, &fault) == 0)
        store_read_cursor(reader, &cursor, &fault);
    store_reader_free(reader);
    return cursor.at.seq;
}

/* How often PART stands in the log, which is complete once it is stopped. */
static size_t count_in_log(struct stage *stage, const char *part)
{
    log_stop(stage->log);
    stage->log = NULL;
    char *text = support_read_file(support_path(stage->parent, "log"));
    size_t count = 0;
    for (const char *found = strstr(text, part); found != NULL; found = strstr(found + 1, part))
        count++;
    free(text);
    return count;
}

/* --- order, once --- */

static void all_that_is_kept_is_delivered_in_order(void **state)
{
    struct stage *stage = *state;
    keep(stage, 150); /* before delivery starts */
    start(stage);
    wait_for(&stage->audience, 150);
    keep(stage, 70);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 220);
    stop(stage);
    assert_told(&stage->audience, 1, 220);
}

/* Refuses what is not as it was kept. Does without assertions: it is not the test's thread. */
static int tell_and_check(const void *owner, const struct store_kept *kept)
{
    char body[64];
    snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%lld\"}",
             (long long)kept->seq);
    bool is_right = kept->deliveries == 1 && kept->received_ms > 0 &&
                    kept->body_length == strlen(body) && strcmp(kept->body, body) == 0;
    return is_right ? tell(owner, kept) : 1;
}

static void it_is_delivered_as_it_is_kept(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    const struct delivery_target target = {
        .name = "application", .owner = &stage->audience, .deliver = tell_and_check};
    keep(stage, 3);
    assert_int_equal(
        delivery_start(&stage->delivery, stage->folder, stage->commit, stage->log, &target, &fault),
        0);
    wait_for(&stage->audience, 3);
    stop(stage);
    assert_told(&stage->audience, 1, 3);
}

static void repeats_and_quarantined_bodies_are_not_delivered(void **state)
{
    struct stage *stage = *state;
    start(stage);
    keep(stage, 2);
    assert_true(keep_body(stage, "no JSON"));
    assert_true(keep_body(stage, "{\"deviceId\":\"1\",\"notifyType\":\"deviceDeleted\"}"));
    keep(stage, 1);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 3);
    assert_true(keep_body(stage, "{\"deviceId\":\"2\",\"notifyType\":\"deviceDeleted\"}"));
    delivery_wake(stage->delivery);
    restart(stage);
    keep(stage, 1);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 1);
    stop(stage);
    assert_told(&stage->audience, 4, 1);
}

/* --- promptness --- */

#define TURNS 8

/* Left to itself, each turn would take DELIVERY_POLL_MS. A busy machine may hold up some. */
static void a_woken_delivery_does_not_wait_for_its_poll(void **state)
{
    struct stage *stage = *state;
    start(stage);
    int64_t fastest_ms = INT64_MAX;
    for (size_t i = 1; i <= TURNS; i++) {
        int64_t begin_ms = clock_monotonic_ms();
        keep(stage, 1);
        delivery_wake(stage->delivery);
        wait_for(&stage->audience, i);
        int64_t took_ms = clock_monotonic_ms() - begin_ms;
        if (took_ms < fastest_ms)
            fastest_ms = took_ms;
    }
    assert_true(fastest_ms < DELIVERY_POLL_MS / 2);
}

/* What another process puts into the store wakes nobody here. */
static void without_a_wake_it_is_found_by_the_poll(void **state)
{
    struct stage *stage = *state;
    start(stage);
    support_sleep_ms(50);
    keep(stage, 2);
    wait_for(&stage->audience, 2);
    stop(stage);
    assert_told(&stage->audience, 1, 2);
}

/* --- an application that fails --- */

static void a_refused_notification_comes_again_with_growing_pauses(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    audience->refuse_from = 2;
    audience->refusals = 4;
    keep(stage, 2);
    start(stage);
    wait_for(audience, 6);
    stop(stage);
    static const int64_t told[] = {1, 2, 2, 2, 2, 2};
    assert_int_equal(audience->length, LENGTH(told));
    for (size_t i = 0; i < LENGTH(told); i++)
        assert_int_equal(audience->told[i], told[i]);
    int64_t pause_ms = DELIVERY_PAUSE_MIN_MS;
    for (size_t i = 2; i < LENGTH(told); i++) {
        assert_true(audience->told_at_ms[i] - audience->told_at_ms[i - 1] >= pause_ms - EARLY_MS);
        pause_ms *= 2;
    }
    assert_int_equal(count_in_log(stage, "\"event\":\"undelivered\",\"seq\":2}"), 1);
}

static void
nothing_overtakes_a_refused_notification_and_nothing_is_held_up_but_delivery(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    audience->refuse_from = 1;
    audience->refusals = INT_MAX;
    keep(stage, 1);
    start(stage);
    for (size_t i = 0; i < 4; i++) { /* through four refusals, everything else goes on */
        wait_for(audience, i + 1);
        keep(stage, 20);
        delivery_wake(stage->delivery);
    }
    stop(stage);
    for (size_t i = 0; i < audience->length; i++)
        assert_int_equal(audience->told[i], 1);
    assert_int_equal(cursor_at(stage, "application"), 0);
    assert_int_equal(count_in_log(stage, "undelivered"), 1);
}

/* The next one that fails begins with a short pause again. */
static void pauses_begin_anew_with_each_notification(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    keep(stage, 4);
    audience->refuse_from = 1;
    audience->refusals = 3;
    start(stage);
    wait_for(audience, 4 * 4);
    stop(stage);
    int64_t shortest_ms = INT64_MAX;
    for (size_t seq = 2; seq <= 4; seq++) {
        size_t first = (seq - 1) * 4;
        assert_int_equal(audience->told[first], seq);
        int64_t pause_ms = audience->told_at_ms[first + 1] - audience->told_at_ms[first];
        shortest_ms = pause_ms < shortest_ms ? pause_ms : shortest_ms;
    }
    /* Carried on from the one before, it would be 800 ms at least. */
    assert_in_range(shortest_ms, DELIVERY_PAUSE_MIN_MS - EARLY_MS, 6 * DELIVERY_PAUSE_MIN_MS);
    assert_int_equal(count_in_log(stage, "undelivered"), 4);
}

static bool is_cursor_at_two(void *stage)
{
    return cursor_at(stage, "application") == 2;
}

static void a_pause_does_not_hold_up_the_stop_and_the_refused_one_comes_first_again(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    audience->refuse_from = 3;
    audience->refusals = INT_MAX;
    keep(stage, 5);
    start(stage);
    wait_for(audience, 2 + 5); /* the pause is now 1.6 seconds */
    stop(stage);
    assert_true(support_wait_until(is_cursor_at_two, stage));
    audience->refuse_from = INT64_MAX;
    start(stage);
    wait_for(audience, 2 + 5 + 3);
    stop(stage);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(audience->told[7 + i], 3 + i);
}

/* --- the cursor --- */

static void the_cursor_outlives_the_process(void **state)
{
    struct stage *stage = *state;
    keep(stage, 100);
    start(stage);
    wait_for(&stage->audience, 100);
    restart(stage);
    assert_int_equal(cursor_at(stage, "application"), 100);
    keep(stage, 3);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 3);
    stop(stage);
    assert_told(&stage->audience, 101, 3);
}

/* Nobody tends the store, and no batch comes: what a crash would tell again. */
static void the_cursor_is_never_far_behind(void **state)
{
    struct stage *stage = *state;
    keep(stage, 500);
    atomic_store(&stage->ends, true);
    pthread_join(stage->tender, NULL);
    start(stage);
    wait_for(&stage->audience, 500);
    assert_true(cursor_at(stage, "application") >= 500 - 64);
    atomic_store(&stage->ends, false);
    assert_int_equal(pthread_create(&stage->tender, NULL, tend, stage), 0);
    stop(stage);
}

static void a_new_name_starts_at_the_beginning(void **state)
{
    struct stage *stage = *state;
    keep(stage, 10);
    start(stage);
    wait_for(&stage->audience, 10);
    restart_as(stage, "another");
    wait_for(&stage->audience, 10);
    restart(stage);
    keep(stage, 1);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 1);
    stop(stage);
    assert_told(&stage->audience, 11, 1);
    assert_int_equal(cursor_at(stage, "another"), 10);
}

#define CRASH_AT 150
#define CHILD_FAILED 97

/* In the child: dies in the callback, once the cursor stands as far as two whole reads went. */
static int tell_until_the_crash(const void *owner, const struct store_kept *kept)
{
    if (kept->seq == CRASH_AT)
        for (int patience = 0; patience < 1000; patience++) {
            if (cursor_at(owner, "application") >= 100)
                raise(SIGKILL);
            support_sleep_ms(10);
        }
    return kept->seq < CRASH_AT ? 0 : 1;
}

static void crash_while_delivering(struct stage *stage)
{
    struct fault fault = FAULT_NONE;
    const struct delivery_target target = {
        .name = "application", .owner = stage, .deliver = tell_until_the_crash};
    if (open_stage(stage, &fault) != 0 ||
        delivery_start(&stage->delivery, stage->folder, stage->commit, stage->log, &target,
                       &fault) != 0)
        _exit(CHILD_FAILED);
    support_sleep_ms(20000);
    _exit(CHILD_FAILED);
}

static void after_a_crash_delivery_goes_on_at_the_cursor(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    keep(stage, 200);
    close_stage(stage);
    pid_t child = fork();
    if (child == 0)
        crash_while_delivering(stage);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(open_stage(stage, &fault), 0);
    int64_t cursor = cursor_at(stage, "application");
    assert_in_range(cursor, 100, CRASH_AT - 1); /* the last one was not done with */
    start(stage);
    wait_for(&stage->audience, 200 - (size_t)cursor);
    stop(stage);
    assert_told(&stage->audience, cursor + 1, 200 - (size_t)cursor);
}

/* --- two of one name --- */

static void of_two_of_one_name_one_delivers_until_it_stops(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    struct delivery *second_delivery;
    struct audience second;
    init_audience(&second);
    start(stage);
    keep(stage, 1);
    wait_for(&stage->audience, 1);
    assert_int_equal(start_named(stage, &second_delivery, &second, "application", &fault), 0);
    for (size_t i = 0; i < 4; i++) { /* through a poll of the second */
        keep(stage, 10);
        delivery_wake(stage->delivery);
        delivery_wake(second_delivery);
        support_sleep_ms(DELIVERY_POLL_MS / 3);
    }
    wait_for(&stage->audience, 41);
    stop(stage);
    assert_told(&stage->audience, 1, 41);
    assert_int_equal(times_told(&second), 0);

    keep(stage, 5);
    wait_for(&second, 5);
    assert_int_equal(delivery_stop(second_delivery), 0);
    delivery_free(second_delivery);
    /* The first one's last move may be on its way still when the second begins. */
    assert_in_range(second.told[0], 1, 42);
    assert_told(&second, second.told[0], second.length);
    monitor_release(&second.monitor);
}

static void two_of_different_names_both_deliver(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    struct delivery *second_delivery;
    struct audience second;
    init_audience(&second);
    start(stage);
    assert_int_equal(start_named(stage, &second_delivery, &second, "another", &fault), 0);
    keep(stage, 10);
    wait_for(&stage->audience, 10);
    wait_for(&second, 10);
    assert_int_equal(delivery_stop(second_delivery), 0);
    delivery_free(second_delivery);
    assert_told(&second, 1, 10);
    monitor_release(&second.monitor);
}

/* --- an application that does not return --- */

/* What is left behind stays reachable, or a leak checker would call it lost. */
static struct delivery *left_behind[2];

static size_t thread_count_before;

static bool is_thread_gone(void *nothing)
{
    (void)nothing;
    return support_count_files("/proc/self/task", "") <= thread_count_before;
}

/* Stops while the callback sleeps, ends all that delivery used, and only then wakes the callback,
 * which returns RESULT: nothing that is gone may be touched. */
static void stop_asleep(struct stage *stage, int result, struct delivery **left)
{
    struct audience *audience = &stage->audience;
    audience->sleep_at = 3;
    audience->result = result;
    keep(stage, 5);
    thread_count_before = support_count_files("/proc/self/task", "");
    start(stage);
    assert_true(support_wait_until(is_asleep, audience));
    int64_t begin_ms = clock_monotonic_ms();
    *left = stage->delivery;
    assert_int_equal(delivery_stop(stage->delivery), -1);
    stage->delivery = NULL;
    int64_t took_ms = clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= DELIVERY_STOP_MS - EARLY_MS);
    end_turns(stage);
    store_free(stage->store);
    log_stop(stage->log);
    stage->store = NULL;
    stage->log = NULL;
    thread_count_before -= 2; /* the tender's and the log's */
    delivery_free(*left);     /* leaves it, since its thread is still there */
    wake_up(audience);
    assert_true(support_wait_until(is_thread_gone, NULL));
    assert_told(audience, 1, 3); /* it is not handed anything more */
    assert_in_range(cursor_at(stage, "application"), 0, 2);
}

static void a_callback_that_returns_after_the_stop_touches_nothing(void **state)
{
    stop_asleep(*state, 0, &left_behind[0]);
}

static void a_callback_that_fails_after_the_stop_touches_nothing(void **state)
{
    stop_asleep(*state, 1, &left_behind[1]);
}

/* One that returns in time is waited for, and what it took is not handed to it again. */
static bool is_about_to_wake;

static void *wake_up_soon(void *argument)
{
    support_sleep_ms(DELIVERY_STOP_MS / 50);
    __atomic_store_n(&is_about_to_wake, true, __ATOMIC_SEQ_CST);
    wake_up(argument);
    return NULL;
}

static void a_callback_that_returns_in_time_is_waited_for(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    pthread_t thread;
    audience->sleep_at = 3;
    keep(stage, 5);
    start(stage);
    assert_true(support_wait_until(is_asleep, audience));
    assert_int_equal(pthread_create(&thread, NULL, wake_up_soon, audience), 0);
    stop(stage);
    assert_true(__atomic_load_n(&is_about_to_wake, __ATOMIC_SEQ_CST));
    pthread_join(thread, NULL);
    assert_told(audience, 1, 3);
    end_turns(stage);
    assert_int_equal(cursor_at(stage, "application"), 3);
}

/* --- a store that is not there --- */

static void a_store_that_comes_later_is_delivered_from(void **state)
{
    struct stage *stage = *state;
    start(stage);
    support_sleep_ms(2 * DELIVERY_POLL_MS + DELIVERY_POLL_MS / 2);
    assert_int_equal(times_told(&stage->audience), 0);
    assert_int_equal(mkdir(stage->folder, 0700), 0);
    for (int patience = 0; patience < 1000; patience++) { /* until a probe works */
        if (keep_body(stage, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"first\"}"))
            break;
        support_sleep_ms(10);
    }
    keep(stage, 2);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 3);
    stop(stage);
    assert_told(&stage->audience, 1, 3);
    /* That the store could not be opened, and that delivery cannot read it: not once a poll. */
    assert_int_equal(count_in_log(stage, "\"event\":\"fault\""), 2);
    assert_int_equal(count_in_log(stage, "\"event\":\"recovered\""), 1);
}

/* Somebody moves the store away: the receiver makes a new one, which counts from one again. */
static void replace_store(struct stage *stage)
{
    static const char *const files[] = {"upgrades.db", "upgrades.db-wal", "upgrades.db-shm"};
    for (size_t i = 0; i < LENGTH(files); i++)
        unlink(support_path(stage->folder, files[i]));
    for (int patience = 0; patience < 1000; patience++) {
        if (keep_body(stage, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"first\"}"))
            break;
        support_sleep_ms(10);
    }
}

static bool is_cursor_at_five(void *stage)
{
    return cursor_at(stage, "application") == 5;
}

/* Three are kept in the new store, and told behind the five of the old one. */
static void assert_told_anew(struct stage *stage)
{
    keep(stage, 2);
    delivery_wake(stage->delivery);
    wait_for(&stage->audience, 8);
    stop(stage);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stage->audience.told[5 + i], 1 + i);
    end_turns(stage);
    assert_int_equal(cursor_at(stage, "application"), 3); /* or a restart would skip some */
}

static void a_store_that_is_replaced_is_delivered_from_its_beginning(void **state)
{
    struct stage *stage = *state;
    start(stage);
    keep(stage, 5);
    wait_for(&stage->audience, 5);
    assert_true(support_wait_until(is_cursor_at_five, stage));
    replace_store(stage);
    assert_told_anew(stage);
}

/* The old store went while the cursor's last move waited for it. */
static void a_move_that_waits_for_the_old_store_is_not_made_in_the_new_one(void **state)
{
    struct stage *stage = *state;
    stage->audience.sleep_at = 5;
    start(stage);
    keep(stage, 5);
    assert_true(support_wait_until(is_asleep, &stage->audience));
    unlink(support_path(stage->folder, "upgrades.db"));
    wake_up(&stage->audience);
    replace_store(stage);
    assert_told_anew(stage);
}

/* The same, where the application is done with a notification of the old store only now. */
static void a_notification_of_the_old_store_moves_nothing_in_the_new_one(void **state)
{
    struct stage *stage = *state;
    stage->audience.sleep_at = 5;
    start(stage);
    keep(stage, 5);
    assert_true(support_wait_until(is_asleep, &stage->audience));
    replace_store(stage);
    wake_up(&stage->audience);
    assert_told_anew(stage);
}

/* A copy is put back into the file while it is open: its cursor says what the application has of
 * it. */
static void a_store_that_is_put_back_beneath_is_delivered_from_its_own_cursor(void **state)
{
    struct stage *stage = *state;
    struct audience *audience = &stage->audience;
    const char *store = support_path(stage->folder, "upgrades.db");
    const char *copy = support_path(stage->parent, "copy.db");
    start(stage);
    keep(stage, 5);
    wait_for(audience, 5);
    assert_true(support_wait_until(is_cursor_at_five, stage));
    books_copy(store, copy);
    keep(stage, 5);
    delivery_wake(stage->delivery);
    wait_for(audience, 10);
    books_copy(copy, store);
    for (int patience = 0; patience < 1000; patience++) { /* until it is opened anew */
        if (keep_body(stage, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"again\"}"))
            break;
        support_sleep_ms(10);
    }
    keep(stage, 7);
    delivery_wake(stage->delivery);
    wait_for(audience, 18);
    stop(stage);
    assert_int_equal(audience->length, 18);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(audience->told[10 + i], 6 + i);
}

static void meddle(const struct stage *stage, const char *sql)
{
    const struct books books = {.folder = stage->folder};
    books_meddle(&books, sql);
}

static void a_cursor_that_the_store_does_not_hold_is_told_and_forgotten(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    bool found = false;
    start(stage);
    keep(stage, 5);
    wait_for(&stage->audience, 5);
    assert_true(support_wait_until(is_cursor_at_five, stage));
    stop(stage);
    stage->audience.length = 0;
    meddle(stage, "UPDATE cursor SET life = '0123456789abcdef'");
    start(stage);
    support_sleep_ms(2 * DELIVERY_POLL_MS + DELIVERY_POLL_MS / 2);
    assert_int_equal(times_told(&stage->audience), 0);
    struct store *operator_store;
    if (store_new(&operator_store, &stage->config, &fault) != 0 ||
        store_open(operator_store, &fault) != 0 ||
        store_forget(operator_store, "application", &found, &fault) != 0)
        fail_msg("%s", fault.text);
    store_free(operator_store);
    assert_true(found);
    wait_for(&stage->audience, 5);
    stop(stage);
    assert_told(&stage->audience, 1, 5);
    assert_int_equal(count_in_log(stage, "upgrade-status forget application"), 1);
}

static void nothing_at_all_is_safe(void **state)
{
    struct stage *stage = *state;
    delivery_wake(NULL);
    assert_int_equal(delivery_stop(NULL), 0);
    delivery_free(NULL);
    start(stage);
    stop(stage); /* nothing was ever kept */
    assert_int_equal(times_told(&stage->audience), 0);
}

#define STAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int delivery_tests(void)
{
    const struct CMUnitTest tests[] = {
        STAGE(all_that_is_kept_is_delivered_in_order),
        STAGE(it_is_delivered_as_it_is_kept),
        STAGE(repeats_and_quarantined_bodies_are_not_delivered),
        STAGE(a_woken_delivery_does_not_wait_for_its_poll),
        STAGE(without_a_wake_it_is_found_by_the_poll),
        STAGE(a_refused_notification_comes_again_with_growing_pauses),
        STAGE(nothing_overtakes_a_refused_notification_and_nothing_is_held_up_but_delivery),
        STAGE(pauses_begin_anew_with_each_notification),
        STAGE(a_pause_does_not_hold_up_the_stop_and_the_refused_one_comes_first_again),
        STAGE(the_cursor_outlives_the_process),
        STAGE(the_cursor_is_never_far_behind),
        STAGE(a_new_name_starts_at_the_beginning),
        STAGE(after_a_crash_delivery_goes_on_at_the_cursor),
        STAGE(of_two_of_one_name_one_delivers_until_it_stops),
        STAGE(two_of_different_names_both_deliver),
        STAGE(a_callback_that_returns_after_the_stop_touches_nothing),
        STAGE(a_callback_that_fails_after_the_stop_touches_nothing),
        STAGE(a_callback_that_returns_in_time_is_waited_for),
        cmocka_unit_test_setup_teardown(a_store_that_comes_later_is_delivered_from,
                                        set_up_without_a_folder, tear_down),
        STAGE(a_store_that_is_replaced_is_delivered_from_its_beginning),
        STAGE(a_move_that_waits_for_the_old_store_is_not_made_in_the_new_one),
        STAGE(a_notification_of_the_old_store_moves_nothing_in_the_new_one),
        STAGE(a_store_that_is_put_back_beneath_is_delivered_from_its_own_cursor),
        STAGE(a_cursor_that_the_store_does_not_hold_is_told_and_forgotten),
        STAGE(nothing_at_all_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
