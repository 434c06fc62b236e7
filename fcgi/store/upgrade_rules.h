/* upgrade_rules: how a notification changes its upgrade and the counters.
 *
 * These are the rules alone, without a store, memory or a clock. An engine finds the upgrade, asks,
 * and applies the answer. So every engine counts in the same way. */
#ifndef STORE_UPGRADE_RULES_H
#define STORE_UPGRADE_RULES_H

#include "notification/record.h"

#include <stdbool.h>
#include <stdint.h>

/* An upgrade before a notification. */
struct rules_upgrade {
    bool known; /* false: the notification is its first, and the other members are ignored */
    enum record_state state;
    bool contradictory;
    int64_t began_ms; /* when its earliest notification was received */
    /* when its result and its last step were received; used only if record_counts_by_time.
     * RULES_NEVER: none */
    int64_t result_ms, step_ms;
};
#define RULES_NEVER INT64_MIN

/* How the failures by error code change. */
enum rules_failure {
    RULES_NO_FAILURE,
    RULES_FAILURE,      /* one more upgrade fails with the notification's error code */
    RULES_PAST_FAILURE, /* the upgrade once failed with it: listed, but not counted */
};

/* The changes to make. */
struct rules_change {
    bool adds;           /* add the upgrade as the notification describes it */
    bool begins_earlier; /* it began when the notification was received */
    bool sets_step;      /* the notification is its last step */
    bool sets_result;    /* the notification is its result */
    /* changes to the numbers of upgrades */
    int in_progress, success, fail, contradictory;
    enum rules_failure failure;
    bool uncounts_failure;    /* the upgrade's current error code */
    bool counts_transition;   /* between the notification's versions */
    bool uncounts_transition; /* between the versions of the upgrade's current result */
};

/* How RECORD, which is RECORD_PROGRESS or RECORD_RESULT, changes the upgrade BEFORE.
 *
 * - The result received last counts. SUCCESS and FAIL replace each other.
 * - A state change is the upgrade's last step. It never undoes a result.
 * - A record from quarantine, or of shared books, counts by the time it was received. If the
 * upgrade has a later result or step, the record is only history. */
struct rules_change rules_apply(const struct rules_upgrade *before, const struct record *record);

#endif
