/* upgrade_rules: how a notification changes its upgrade and the counters. */
#include "config.h"

#include "store/upgrade_rules.h"

/* Adds an upgrade to the counters (BY is 1) or subtracts it (BY is -1). */
static void count(struct rules_change *change, enum record_state state, bool contradictory, int by)
{
    switch (state) {
    case RECORD_IN_PROGRESS:
        change->in_progress += by;
        break;
    case RECORD_SUCCESS:
        change->success += by;
        break;
    case RECORD_FAIL:
        change->fail += by;
        break;
    }
    if (contradictory)
        change->contradictory += by;
}

static void apply_result(const struct rules_upgrade *before, const struct record *record, bool late,
                         struct rules_change *change)
{
    bool failed = record->state == RECORD_FAIL;
    if (late) {
        change->failure = failed ? RULES_PAST_FAILURE : RULES_NO_FAILURE;
        return;
    }
    change->failure = failed ? RULES_FAILURE : RULES_NO_FAILURE;
    change->counts_transition = true;
    count(change, record->state, record->contradictory, 1);
    if (!before->known)
        return;
    change->sets_result = true;
    count(change, before->state, before->contradictory, -1);
    change->uncounts_failure = before->state == RECORD_FAIL;
    change->uncounts_transition = before->state != RECORD_IN_PROGRESS;
}

struct rules_change rules_apply(const struct rules_upgrade *before, const struct record *record)
{
    bool progress = record->meaning == RECORD_PROGRESS;
    int64_t overtaken_ms = progress ? before->step_ms : before->result_ms;
    bool late = before->known && record_counts_by_time(record) &&
                record->received_ms < overtaken_ms;
    struct rules_change change = {
        .adds = !before->known,
        .begins_earlier = before->known && record->received_ms < before->began_ms,
    };
    if (progress && !before->known)
        count(&change, RECORD_IN_PROGRESS, false, 1);
    else if (progress)
        change.sets_step = !late;
    else
        apply_result(before, record, late, &change);
    return change;
}
