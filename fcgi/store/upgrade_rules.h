/* upgrade_rules: what a notification makes of the upgrade that it is of, and of what is counted.
 *
 * The rules alone: no store, no memory, no clock. An engine finds the upgrade, asks, and does what
 * the answer says. So each engine keeps the same books. */
#ifndef STORE_UPGRADE_RULES_H
#define STORE_UPGRADE_RULES_H

#include "notification/record.h"

#include <stdbool.h>
#include <stdint.h>

/* An upgrade as it is before a notification. */
struct rules_upgrade {
    bool known; /* false: the notification is the first of it, and nothing else here counts */
    enum record_state state;
    bool contradictory;
    int64_t began_ms; /* the earliest time at which a notification of it was received */
    /* when its result and its last step were received; looked at only if the notification comes
     * from quarantine. RULES_NEVER: it has none */
    int64_t result_ms, step_ms;
};
#define RULES_NEVER INT64_MIN

/* What has to be done about the failures by error code. */
enum rules_failure {
    RULES_NO_FAILURE,
    RULES_FAILURE,      /* one more upgrade fails with the notification's error code */
    RULES_PAST_FAILURE, /* it failed so once: noted, and not counted */
};

/* What has to be changed. */
struct rules_change {
    bool adds;           /* the upgrade, as the notification has it */
    bool begins_earlier; /* it began when the notification was received */
    bool sets_step;      /* the notification is its last step */
    bool sets_result;    /* the notification is its result */
    /* how the numbers of upgrades change */
    int in_progress, success, fail, contradictory;
    enum rules_failure failure;
    bool uncounts_failure;    /* the error code that the upgrade failed with so far */
    bool counts_transition;   /* from one version to another, as the notification says */
    bool uncounts_transition; /* as the upgrade's result so far said */
};

/* What RECORD, which is RECORD_PROGRESS or RECORD_RESULT, makes of an upgrade that is as in BEFORE.
 *
 * - The result that was received last counts, whatever came before. SUCCESS and FAIL replace each
 *   other.
 * - A state change is the upgrade's last step. It never undoes a result.
 * - What comes from quarantine counts by when it was received: if the upgrade has a later result or
 *   step, it is history. */
struct rules_change rules_apply(const struct rules_upgrade *before, const struct record *record);

#endif
