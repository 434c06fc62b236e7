/* store_upgrade: a notification into its upgrade, and what is counted of it.
 *
 * Hashes find candidates, the text decides: two results are of one upgrade only when all of its ids
 * are equal. */
#include "config.h"

#include "store_sqlite.h"

#include "text.h"

#include <string.h>

static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

/* Reads the first of the upgrades under ENTRY behind number AFTER: 1, with it in UPGRADE where the
 * record's ids are its own; 0: there is none; or -1. */
static int read_upgrade(struct store *store, const struct record *record,
                        const struct store_entry *entry, int64_t *after,
                        struct store_upgrade *upgrade, struct fault *fault)
{
    sqlite3_stmt *find = store_statement(store, STORE_find_upgrade);
    sqlite3_bind_int64(find, 1, entry->operation);
    sqlite3_bind_int64(find, 2, entry->device);
    sqlite3_bind_int64(find, 3, entry->sub_operation);
    sqlite3_bind_int64(find, 4, *after);
    bind_text(find, 5, record->device_id);
    bind_text(find, 6, record->sub_operation_id);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW) {
        *after = sqlite3_column_int64(find, 0);
        if (sqlite3_column_int(find, 5) != 0)
            *upgrade = (struct store_upgrade){
                .id = *after,
                .state = (enum record_state)sqlite3_column_int(find, 1),
                .contradictory = sqlite3_column_int(find, 2) != 0,
                .seq = sqlite3_column_int64(find, 3),
                .began_ms = sqlite3_column_int64(find, 4),
            };
    } else if (step != SQLITE_DONE) {
        store_fault(store->db, fault, "cannot look up an upgrade");
    }
    sqlite3_reset(find);
    return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
}

/* One upgrade, however many entries it has, is passed over in one step. */
int store_upgrade_find(struct store *store, const struct record *record,
                       const struct store_entry *entry, struct store_upgrade *upgrade,
                       struct fault *fault)
{
    *upgrade = (struct store_upgrade){.id = 0};
    int64_t after = 0;
    int read;
    do
        read = read_upgrade(store, record, entry, &after, upgrade, fault);
    while (read > 0 && upgrade->id == 0);
    return read < 0 ? -1 : 0;
}

/* Takes an upgrade in STATE into the counters (BY is 1) or out of them (BY is -1). */
static void count_upgrade(struct store *store, struct store_tally *tally, enum record_state state,
                          bool contradictory, int64_t by)
{
    struct store_totals *totals = &store->ledger.totals;
    switch (state) {
    case RECORD_IN_PROGRESS:
        tally->in_progress += by;
        totals->in_progress += by;
        break;
    case RECORD_SUCCESS:
        tally->success += by;
        totals->success += by;
        break;
    case RECORD_FAIL:
        tally->fail += by;
        totals->fail += by;
        break;
    }
    if (contradictory) {
        tally->contradictory += by;
        totals->contradictory += by;
    }
}

/* Adds a result to the failures by errorCode: BY is 1, or 0 where it is history already. */
static int count_failure(struct store *store, const struct record *record, int64_t operation,
                         int by, struct fault *fault)
{
    sqlite3_stmt *count = store_statement(store, STORE_count_failure);
    sqlite3_bind_int64(count, 1, operation);
    store_bind_key(count, 2, record->error_code);
    sqlite3_bind_int(count, 3, by);
    sqlite3_bind_int64(count, 4, record->received_ms);
    sqlite3_bind_int(count, 5, record->requeue_id != 0);
    sqlite3_bind_text(count, 6, record->description,
                      (int)text_cut(record->description, STORE_EXAMPLE_MAX), SQLITE_STATIC);
    return store_run(store, count, "cannot count a failure", fault);
}

/* Takes the failure that the upgrade ended with so far out of the failures by errorCode. */
static int uncount_failure(struct store *store, int64_t operation, int64_t upgrade,
                           struct fault *fault)
{
    sqlite3_stmt *uncount = store_statement(store, STORE_uncount_failure);
    sqlite3_bind_int64(uncount, 1, operation);
    sqlite3_bind_int64(uncount, 2, upgrade);
    return store_run(store, uncount, "cannot take back a failure", fault);
}

/* Takes the versions that the upgrade's result so far spoke of out of the moves. */
static int uncount_move(struct store *store, struct store_tally *tally,
                        const struct store_upgrade *upgrade, struct fault *fault)
{
    sqlite3_stmt *read = store_statement(store, STORE_read_versions);
    sqlite3_bind_int64(read, 1, upgrade->seq);
    int result = -1;
    if (sqlite3_step(read) == SQLITE_ROW)
        result = store_tally_move(tally, store_column_text(read, 0), store_column_text(read, 1),
                                  upgrade->state, -1, fault);
    /* A text for which there was no memory reads as none. */
    if (result != 0 || sqlite3_errcode(store->db) == SQLITE_NOMEM)
        result = store_fault(store->db, fault, "cannot look up an upgrade's versions");
    sqlite3_reset(read);
    return result;
}

static void bind_error_code(sqlite3_stmt *statement, int index, const struct record *record)
{
    if (record->meaning == RECORD_RESULT && record->state == RECORD_FAIL)
        store_bind_key(statement, index, record->error_code);
    else
        sqlite3_bind_null(statement, index);
}

static int add_upgrade(struct store *store, const struct record *record,
                       const struct store_entry *entry, struct fault *fault)
{
    bool progress = record->meaning == RECORD_PROGRESS;
    sqlite3_stmt *add = store_statement(store, STORE_add_upgrade);
    sqlite3_bind_int64(add, 1, entry->operation);
    sqlite3_bind_int64(add, 2, entry->device);
    sqlite3_bind_int64(add, 3, entry->sub_operation);
    sqlite3_bind_int(add, 4, (int)record->state);
    sqlite3_bind_int(add, 5, record->contradictory);
    sqlite3_bind_int64(add, 6, record->seq);
    if (progress)
        sqlite3_bind_int64(add, 7, record->seq);
    else
        sqlite3_bind_null(add, 7);
    bind_error_code(add, 8, record);
    sqlite3_bind_int64(add, 9, record->received_ms);
    bind_text(add, 10, record->device_id);
    bind_text(add, 11, record->sub_operation_id);
    return store_run(store, add, "cannot add an upgrade", fault);
}

/* Whether RECORD comes late from quarantine: what WHICH reads by NUMBER was received after it. 1, 0
 * or -1. */
static int is_overtaken(struct store *store, const struct record *record,
                        enum store_statement which, int64_t number, struct fault *fault)
{
    if (record->requeue_id == 0)
        return 0;
    sqlite3_stmt *read = store_statement(store, which);
    sqlite3_bind_int64(read, 1, number);
    int step = sqlite3_step(read);
    int overtaken = step == SQLITE_ROW && record->received_ms < sqlite3_column_int64(read, 0);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        overtaken = store_fault(store->db, fault,
                                "cannot look up when an upgrade's state was received");
    sqlite3_reset(read);
    return overtaken;
}

/* A state change: the last one received is the upgrade's step; it never undoes a result. */
static int put_progress(struct store *store, const struct record *record, struct store_tally *tally,
                        const struct store_upgrade *upgrade, struct fault *fault)
{
    if (upgrade->id == 0) {
        count_upgrade(store, tally, RECORD_IN_PROGRESS, false, 1);
        return 0;
    }
    int overtaken = is_overtaken(store, record, STORE_read_step, upgrade->id, fault);
    if (overtaken != 0)
        return overtaken < 0 ? -1 : 0;
    sqlite3_stmt *set = store_statement(store, STORE_set_step);
    sqlite3_bind_int64(set, 1, upgrade->id);
    sqlite3_bind_int64(set, 2, record->seq);
    return store_run(store, set, "cannot set an upgrade's step", fault);
}

/* A result: the last one received counts, whatever the upgrade was before. */
static int put_result(struct store *store, const struct record *record, struct store_tally *tally,
                      const struct store_upgrade *upgrade, struct fault *fault)
{
    int history = upgrade->state == RECORD_IN_PROGRESS
                      ? 0
                      : is_overtaken(store, record, STORE_read_received, upgrade->seq, fault);
    if (history < 0 || (record->state == RECORD_FAIL &&
                        count_failure(store, record, tally->operation, 1 - history, fault) != 0))
        return -1;
    if (history)
        return 0;
    count_upgrade(store, tally, record->state, record->contradictory, 1);
    if (store_tally_move(tally, record->source_version, record->target_version, record->state, 1,
                         fault) != 0)
        return -1;
    if (upgrade->id == 0)
        return 0;

    count_upgrade(store, tally, upgrade->state, upgrade->contradictory, -1);
    if (upgrade->state == RECORD_FAIL &&
        uncount_failure(store, tally->operation, upgrade->id, fault) != 0)
        return -1;
    if (upgrade->state != RECORD_IN_PROGRESS && uncount_move(store, tally, upgrade, fault) != 0)
        return -1;
    sqlite3_stmt *set = store_statement(store, STORE_set_result);
    sqlite3_bind_int64(set, 1, upgrade->id);
    sqlite3_bind_int(set, 2, (int)record->state);
    sqlite3_bind_int(set, 3, record->contradictory);
    sqlite3_bind_int64(set, 4, record->seq);
    bind_error_code(set, 5, record);
    return store_run(store, set, "cannot set an upgrade's result", fault);
}

/* What comes from quarantine may have been received before all that is known of its upgrade; and a
 * clock may step back. */
static int begin_earlier(struct store *store, const struct record *record,
                         const struct store_upgrade *upgrade, struct fault *fault)
{
    if (upgrade->id == 0 || record->received_ms >= upgrade->began_ms)
        return 0;
    sqlite3_stmt *begin = store_statement(store, STORE_begin_earlier);
    sqlite3_bind_int64(begin, 1, upgrade->id);
    sqlite3_bind_int64(begin, 2, record->received_ms);
    return store_run(store, begin, "cannot set an upgrade's beginning", fault);
}

int store_upgrade_put(struct store *store, const struct record *record, struct store_tally *tally,
                      const struct store_entry *entry, struct store_upgrade *upgrade,
                      struct fault *fault)
{
    if (begin_earlier(store, record, upgrade, fault) != 0)
        return -1;
    tally->changed = true;
    tally->at_ms = record->received_ms;
    if (record->requeue_id == 0) {
        tally->last_ms = record->received_ms;
        tally->last_seq = record->seq;
    }
    int result = record->meaning == RECORD_PROGRESS
                     ? put_progress(store, record, tally, upgrade, fault)
                     : put_result(store, record, tally, upgrade, fault);
    if (result != 0 || upgrade->id != 0)
        return result;
    upgrade->id = record->seq;
    return add_upgrade(store, record, entry, fault);
}
