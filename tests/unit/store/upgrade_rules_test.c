/* The rules of the books, as a table: what an upgrade is, what comes, and what has to be changed.
 */
#include "config.h"

#include "store/upgrade_rules.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

/* Upgrades, which began at 100. Those that have ended did so at 200; all but the last had a step at
 * 150. */
#define NEW                                                              \
    {                                                                    \
        .known = false, .result_ms = RULES_NEVER, .step_ms = RULES_NEVER \
    }
#define RUNNING                                                \
    {                                                          \
        true, RECORD_IN_PROGRESS, false, 100, RULES_NEVER, 150 \
    }
#define DONE                                       \
    {                                              \
        true, RECORD_SUCCESS, false, 100, 200, 150 \
    }
#define FAILED                                  \
    {                                           \
        true, RECORD_FAIL, false, 100, 200, 150 \
    }
#define ODD_FAILED                             \
    {                                          \
        true, RECORD_FAIL, true, 100, 200, 150 \
    }
#define AT_ONCE                                            \
    {                                                      \
        true, RECORD_SUCCESS, false, 100, 200, RULES_NEVER \
    }

/* What comes: live, at 300 unless a time is given; or from quarantine. */
#define STEP                                           \
    {                                                  \
        .meaning = RECORD_PROGRESS, .received_ms = 300 \
    }
#define SUCCESS                                                               \
    {                                                                         \
        .meaning = RECORD_RESULT, .state = RECORD_SUCCESS, .received_ms = 300 \
    }
#define FAIL                                                               \
    {                                                                      \
        .meaning = RECORD_RESULT, .state = RECORD_FAIL, .received_ms = 300 \
    }
#define ODD_SUCCESS                                                               \
    {                                                                             \
        .meaning = RECORD_RESULT, .state = RECORD_SUCCESS, .contradictory = true, \
        .received_ms = 300                                                        \
    }
#define OLD_STEP(ms)                                                     \
    {                                                                    \
        .meaning = RECORD_PROGRESS, .received_ms = (ms), .requeue_id = 1 \
    }
#define OLD_SUCCESS(ms)                                                                         \
    {                                                                                           \
        .meaning = RECORD_RESULT, .state = RECORD_SUCCESS, .received_ms = (ms), .requeue_id = 1 \
    }
#define OLD_FAIL(ms)                                                                         \
    {                                                                                        \
        .meaning = RECORD_RESULT, .state = RECORD_FAIL, .received_ms = (ms), .requeue_id = 1 \
    }
#define EARLY_SUCCESS                                                        \
    {                                                                        \
        .meaning = RECORD_RESULT, .state = RECORD_SUCCESS, .received_ms = 50 \
    }

static const struct row {
    const char *name;
    struct rules_upgrade before;
    struct record record;
    struct rules_change change;
} rows[] = {
    {"a state change begins an upgrade", NEW, STEP, {.adds = true, .in_progress = 1}},
    {"a result begins and ends one",
     NEW,
     SUCCESS,
     {.adds = true, .success = 1, .counts_transition = true}},
    {"so does a failure",
     NEW,
     FAIL,
     {.adds = true, .fail = 1, .counts_transition = true, .failure = RULES_FAILURE}},
    {"what contradicts itself is counted",
     NEW,
     ODD_SUCCESS,
     {.adds = true, .success = 1, .contradictory = 1, .counts_transition = true}},
    {"a step is replaced", RUNNING, STEP, {.sets_step = true}},
    {"a step never undoes a result", DONE, STEP, {.sets_step = true}},
    {"a result ends an upgrade",
     RUNNING,
     SUCCESS,
     {.sets_result = true, .in_progress = -1, .success = 1, .counts_transition = true}},
    {"a failure ends one",
     RUNNING,
     FAIL,
     {.sets_result = true,
      .in_progress = -1,
      .fail = 1,
      .counts_transition = true,
      .failure = RULES_FAILURE}},
    {"FAIL, then SUCCESS: the failure is taken back",
     FAILED,
     SUCCESS,
     {.sets_result = true,
      .success = 1,
      .fail = -1,
      .counts_transition = true,
      .uncounts_transition = true,
      .uncounts_failure = true}},
    {"SUCCESS, then FAIL: the last counts",
     DONE,
     FAIL,
     {.sets_result = true,
      .success = -1,
      .fail = 1,
      .counts_transition = true,
      .uncounts_transition = true,
      .failure = RULES_FAILURE}},
    {"FAIL, then another FAIL: another error code, perhaps",
     FAILED,
     FAIL,
     {.sets_result = true,
      .counts_transition = true,
      .uncounts_transition = true,
      .failure = RULES_FAILURE,
      .uncounts_failure = true}},
    {"a contradiction goes with the result that it was of",
     ODD_FAILED,
     SUCCESS,
     {.sets_result = true,
      .success = 1,
      .fail = -1,
      .contradictory = -1,
      .counts_transition = true,
      .uncounts_transition = true,
      .uncounts_failure = true}},
    {"the clock stepped back: it began earlier",
     RUNNING,
     EARLY_SUCCESS,
     {.begins_earlier = true,
      .sets_result = true,
      .in_progress = -1,
      .success = 1,
      .counts_transition = true}},
    {"from quarantine, nothing is known yet",
     NEW,
     OLD_FAIL(10),
     {.adds = true, .fail = 1, .counts_transition = true, .failure = RULES_FAILURE}},
    {"from quarantine, a step older than the last", RUNNING, OLD_STEP(149), {.sets_step = false}},
    {"from quarantine, a step as old as the last", RUNNING, OLD_STEP(150), {.sets_step = true}},
    {"from quarantine, the only step", AT_ONCE, OLD_STEP(120), {.sets_step = true}},
    {"from quarantine, a result of what is in progress",
     RUNNING,
     OLD_SUCCESS(110),
     {.sets_result = true, .in_progress = -1, .success = 1, .counts_transition = true}},
    {"from quarantine, a result older than the one by now",
     FAILED,
     OLD_SUCCESS(199),
     {.adds = false}},
    {"from quarantine, a failure older than the result by now",
     DONE,
     OLD_FAIL(199),
     {.failure = RULES_PAST_FAILURE}},
    {"from quarantine, a failure as old as the result by now",
     DONE,
     OLD_FAIL(200),
     {.sets_result = true,
      .success = -1,
      .fail = 1,
      .counts_transition = true,
      .uncounts_transition = true,
      .failure = RULES_FAILURE}},
    {"from quarantine, before all that is known",
     DONE,
     OLD_FAIL(99),
     {.begins_earlier = true, .failure = RULES_PAST_FAILURE}},
};

static void assert_change(const char *name, const struct rules_change *is,
                          const struct rules_change *should)
{
#define SAME(member)                  \
    if (is->member != should->member) \
    fail_msg("%s: " #member " is %d, not %d", name, (int)is->member, (int)should->member)
    SAME(adds);
    SAME(begins_earlier);
    SAME(sets_step);
    SAME(sets_result);
    SAME(in_progress);
    SAME(success);
    SAME(fail);
    SAME(contradictory);
    SAME(failure);
    SAME(uncounts_failure);
    SAME(counts_transition);
    SAME(uncounts_transition);
#undef SAME
}

static void each_row_of_the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct rules_change change = rules_apply(&rows[i].before, &rows[i].record);
        assert_change(rows[i].name, &change, &rows[i].change);
    }
}

/* Whatever an upgrade is and whatever comes: it is counted once, as what it is; and what is counted
 * of its ends is as many as there are upgrades that have ended. */
static void every_upgrade_is_counted_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++)
        for (size_t j = 0; j < LENGTH(rows); j++) {
            const struct rules_change change = rules_apply(&rows[i].before, &rows[j].record);
            assert_int_equal(change.in_progress + change.success + change.fail, change.adds);
            assert_int_equal(change.counts_transition - change.uncounts_transition,
                             change.success + change.fail);
            assert_int_equal((change.failure == RULES_FAILURE) - change.uncounts_failure,
                             change.fail);
            assert_false(change.sets_step && change.sets_result);
        }
}

int upgrade_rules_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_holds),
        cmocka_unit_test(every_upgrade_is_counted_once),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
