/* When the log is copied, and by whom. */
#include "config.h"

#include "backlog.h"
#include "moment.h"
#include "support.h"

#include <pthread.h>

#define LONG_MS 60000

static int begin(void **state)
{
    static struct backlog backlog;
    backlog_init(&backlog);
    *state = &backlog;
    return 0;
}

static int end(void **state)
{
    backlog_release(*state);
    return 0;
}

/* Whether somebody was asked since the last look. */
static bool is_asked(struct backlog *backlog)
{
    return backlog_wait(backlog, 0) == BACKLOG_ASKED;
}

static void the_writer_asks_once_for_each_quarter(void **state)
{
    struct backlog *backlog = *state;
    int asked = 0;
    backlog_serve(backlog);
    for (int pages = 1; pages <= BACKLOG_ASK; pages++)
        assert_false(backlog_grow(backlog, pages));
    assert_false(is_asked(backlog));
    for (int pages = BACKLOG_ASK + 1; pages <= 2 * BACKLOG_ASK; pages++) {
        assert_false(backlog_grow(backlog, pages));
        asked += is_asked(backlog);
    }
    assert_int_equal(asked, 4); /* at 1, 1.25, 1.56, 1.95 */
    assert_int_equal(backlog_pages(backlog), 2 * BACKLOG_ASK);
    assert_false(backlog_grow(backlog, 10)); /* it started again */
    assert_false(backlog_grow(backlog, BACKLOG_ASK));
    assert_false(is_asked(backlog));
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 1));
    assert_true(is_asked(backlog));
}

static void what_is_handed_over_the_writer_copies_before_its_next_transaction(void **state)
{
    struct backlog *backlog = *state;
    backlog_serve(backlog);
    assert_false(backlog_grow(backlog, BACKLOG_ASK));
    backlog_hand_over(backlog); /* of a short one there is no need */
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 1));
    backlog_hand_over(backlog);
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 2));
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 3)); /* it could not yet */
    backlog_helped(backlog);
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 4)); /* somebody reads */
    backlog_hand_over(backlog);
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 5));
    backlog_helped(backlog);
    assert_false(backlog_grow(backlog, 10)); /* it started again */
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 1));
    backlog_hand_over(backlog);
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 2));
    /* handed over, and started again by another process: of no use any more */
    assert_false(backlog_grow(backlog, 10));
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 1));
}

static void a_log_that_cannot_start_again_is_left_alone_for_a_while(void **state)
{
    struct backlog *backlog = *state;
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 4));
    backlog_helped(backlog);
    int pages = BACKLOG_ASK + 5;
    while (pages < 2 * BACKLOG_ASK && !backlog_grow(backlog, pages))
        pages++;
    assert_int_equal(pages, (BACKLOG_ASK + 4) / 4 * 5 + 1);
}

static void past_its_bound_the_writer_waits_for_nobody(void **state)
{
    struct backlog *backlog = *state;
    backlog_serve(backlog);
    assert_false(backlog_grow(backlog, BACKLOG_MOST));
    assert_true(backlog_grow(backlog, BACKLOG_MOST + 1));
}

static void without_anybody_to_ask_the_writer_copies(void **state)
{
    struct backlog *backlog = *state;
    assert_false(backlog_grow(backlog, BACKLOG_ASK));
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 1));
    backlog_serve(backlog);
    assert_false(backlog_grow(backlog, BACKLOG_ASK + 2));
    backlog_end(backlog);
    assert_true(backlog_grow(backlog, BACKLOG_ASK + 3));
}

static void *grow(void *backlog)
{
    support_sleep_ms(20);
    backlog_grow(backlog, BACKLOG_ASK + 1);
    return NULL;
}

static void *finish(void *backlog)
{
    support_sleep_ms(20);
    backlog_end(backlog);
    return NULL;
}

/* What a wait of LONG_MS gives, during which another thread does something. */
static enum backlog_call wait_for(struct backlog *backlog, void *(*something)(void *))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, something, backlog), 0);
    enum backlog_call call = backlog_wait(backlog, moment_monotonic_ms() + LONG_MS);
    pthread_join(thread, NULL);
    return call;
}

static void who_waits_is_woken(void **state)
{
    struct backlog *backlog = *state;
    backlog_serve(backlog);
    int64_t began_ms = moment_monotonic_ms();
    assert_int_equal(backlog_wait(backlog, began_ms + 20), BACKLOG_TIME);
    assert_true(moment_monotonic_ms() - began_ms >= 20);
    assert_int_equal(wait_for(backlog, grow), BACKLOG_ASKED);
    assert_int_equal(wait_for(backlog, finish), BACKLOG_END);
    assert_int_equal(backlog_wait(backlog, moment_monotonic_ms() + LONG_MS), BACKLOG_END);
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, begin, end)

int backlog_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(the_writer_asks_once_for_each_quarter),
        OPEN(what_is_handed_over_the_writer_copies_before_its_next_transaction),
        OPEN(a_log_that_cannot_start_again_is_left_alone_for_a_while),
        OPEN(past_its_bound_the_writer_waits_for_nobody),
        OPEN(without_anybody_to_ask_the_writer_copies),
        OPEN(who_waits_is_woken),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
