/* put_upgrade: applies a notification to its upgrade and its counters.
 *
 * Hashes find candidates, and the text decides: two results belong to the same upgrade only if all
 * their ids are equal. */
#include "config.h"

#include "store/engine.h"

#include "base/buffer.h"
#include "base/utf8.h"
#include "notification/dispatch.h"

#include <string.h>

/* Reads the first upgrade under ENTRY with an id above AFTER. Returns 1 if there is one, and sets
 * UPGRADE if its ids equal the record's. Returns 0 if there is none, or -1. */
static int read_upgrade(struct store *store, const struct record *record,
                        const struct store_entry *entry, int64_t *after,
                        struct store_upgrade *upgrade, struct fault *fault)
{
    sqlite3_stmt *find = store_statement(store, STORE_find_upgrade);
    sqlite3_bind_int64(find, 1, entry->operation);
    sqlite3_bind_int64(find, 2, entry->device);
    sqlite3_bind_int64(find, 3, entry->sub_operation);
    sqlite3_bind_int64(find, 4, *after);
    store_bind_text(find, 5, record->device_id);
    store_bind_text(find, 6, record->sub_operation_id);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW) {
        *after = sqlite3_column_int64(find, 0);
        if (sqlite3_column_int(find, 5) != 0)
            *upgrade = (struct store_upgrade){
                .id = *after,
                .is.known = true,
                .is.state = (enum record_state)sqlite3_column_int(find, 1),
                .is.contradictory = sqlite3_column_int(find, 2) != 0,
                .seq = sqlite3_column_int64(find, 3),
                .is.began_ms = sqlite3_column_int64(find, 4),
            };
    } else if (step != SQLITE_DONE) {
        store_fault(store->db, fault, "cannot look up an upgrade");
    }
    sqlite3_reset(find);
    return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
}

/* Skips each upgrade in one step, however many entries it has. */
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

/* Adds a result to the failures by errorCode. BY is 1, or 0 if a later result has replaced it. */
static int count_failure(struct store *store, const struct record *record, int64_t operation,
                         int by, struct fault *fault)
{
    sqlite3_stmt *count = store_statement(store, STORE_count_failure);
    sqlite3_bind_int64(count, 1, operation);
    store_bind_key(count, 2, record->error_code);
    sqlite3_bind_int(count, 3, by);
    sqlite3_bind_int64(count, 4, record->received_ms);
    sqlite3_bind_int(count, 5, record->requeue_id != 0 ? 1 : record->followed ? 2 : 0);
    sqlite3_bind_text(count, 6, record->description,
                      (int)utf8_cut(record->description, STORE_EXAMPLE_MAX), SQLITE_STATIC);
    return store_run(store, count, "cannot count a failure", fault);
}

/* Subtracts the versions of the upgrade's current result from the transitions. */
static int uncount_transition(struct store *store, struct store_tally *tally,
                              const struct store_upgrade *upgrade, struct fault *fault)
{
    sqlite3_stmt *read = store_statement(store, STORE_read_versions);
    sqlite3_bind_int64(read, 1, upgrade->seq);
    int result = -1;
    if (sqlite3_step(read) == SQLITE_ROW)
        result = store_tally_transition(tally, store_column_text(read, 0),
                                        store_column_text(read, 1), upgrade->is.state, -1, fault);
    /* If memory is short, SQLite returns no text. */
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
    store_bind_text(add, 10, record->device_id);
    store_bind_text(add, 11, record->sub_operation_id);
    return store_run(store, add, "cannot add an upgrade", fault);
}

/* Notes that a device of the operation's list has its first upgrade there. */
static int report_expected(struct store *store, const struct record *record,
                           const struct store_entry *entry, struct store_tally *tally,
                           struct fault *fault)
{
    sqlite3_stmt *report = store_statement(store, STORE_report_expected);
    sqlite3_bind_int64(report, 1, entry->operation);
    sqlite3_bind_int64(report, 2, entry->device);
    store_bind_text(report, 3, record->device_id);
    if (store_run(store, report, "cannot note that a device has reported", fault) != 0)
        return -1;
    tally->reported += sqlite3_changes(store->db);
    return 0;
}

/* Reads when the upgrade's result and last step were received, if the record can be older. */
static int read_times(struct store *store, const struct record *record,
                      struct store_upgrade *upgrade, struct fault *fault)
{
    upgrade->is.result_ms = upgrade->is.step_ms = RULES_NEVER;
    if (!record_counts_by_time(record) || !upgrade->is.known)
        return 0;
    sqlite3_stmt *read = store_statement(store, STORE_read_times);
    sqlite3_bind_int64(read, 1, upgrade->id);
    int step = sqlite3_step(read);
    if (step == SQLITE_ROW && sqlite3_column_type(read, 0) != SQLITE_NULL)
        upgrade->is.result_ms = sqlite3_column_int64(read, 0);
    if (step == SQLITE_ROW && sqlite3_column_type(read, 1) != SQLITE_NULL)
        upgrade->is.step_ms = sqlite3_column_int64(read, 1);
    if (step != SQLITE_ROW)
        store_fault(store->db, fault, "cannot look up when an upgrade's state was received");
    sqlite3_reset(read);
    return step == SQLITE_ROW ? 0 : -1;
}

/* Applies the counts of CHANGE to the store and to the operation. */
static int count_change(struct store *store, const struct record *record, struct store_tally *tally,
                        const struct store_upgrade *upgrade, const struct rules_change *change,
                        struct fault *fault)
{
    struct store_totals *totals = &store->ledger.totals;
    tally->in_progress += change->in_progress;
    tally->success += change->success;
    tally->fail += change->fail;
    tally->contradictory += change->contradictory;
    totals->in_progress += change->in_progress;
    totals->success += change->success;
    totals->fail += change->fail;
    totals->contradictory += change->contradictory;
    if (change->failure != RULES_NO_FAILURE &&
        count_failure(store, record, tally->operation, change->failure == RULES_FAILURE, fault) !=
            0)
        return -1;
    if (change->uncounts_failure &&
        store_write(store, STORE_uncount_failure, "cannot take back a failure", fault,
                    STORE_NUMBERS(tally->operation, upgrade->id)) != 0)
        return -1;
    if (change->counts_transition &&
        store_tally_transition(tally, record->source_version, record->target_version, record->state,
                               1, fault) != 0)
        return -1;
    return change->uncounts_transition ? uncount_transition(store, tally, upgrade, fault) : 0;
}

/* Changes the row of an existing upgrade. */
static int change_upgrade(struct store *store, const struct record *record,
                          const struct store_upgrade *upgrade, const struct rules_change *change,
                          struct fault *fault)
{
    sqlite3_stmt *result = store_statement(store, STORE_set_result);
    if (change->begins_earlier &&
        store_write(store, STORE_begin_earlier, "cannot set an upgrade's beginning", fault,
                    STORE_NUMBERS(upgrade->id, record->received_ms)) != 0)
        return -1;
    if (change->sets_step)
        return store_write(store, STORE_set_step, "cannot set an upgrade's step", fault,
                           STORE_NUMBERS(upgrade->id, record->seq));
    if (change->sets_result) {
        sqlite3_bind_int64(result, 1, upgrade->id);
        sqlite3_bind_int(result, 2, (int)record->state);
        sqlite3_bind_int(result, 3, record->contradictory);
        sqlite3_bind_int64(result, 4, record->seq);
        bind_error_code(result, 5, record);
        return store_run(store, result, "cannot set an upgrade's result", fault);
    }
    return 0;
}

int store_upgrade_put(struct store *store, const struct record *record, struct store_tally *tally,
                      const struct store_entry *entry, struct store_upgrade *upgrade,
                      struct fault *fault)
{
    if (read_times(store, record, upgrade, fault) != 0)
        return -1;
    if (record->followed && store_tally_part(store, tally, record->received_ms, fault) != 0)
        return -1;
    tally->changed = true;
    tally->at_ms = record->received_ms;
    if (record->requeue_id == 0 &&
        (!record->followed || tally->last_seq == 0 || record->received_ms >= tally->last_ms)) {
        tally->last_ms = record->received_ms;
        tally->last_seq = record->seq;
    }
    const struct rules_change change = rules_apply(&upgrade->is, record);
    if (count_change(store, record, tally, upgrade, &change, fault) != 0)
        return -1;
    if (!change.adds)
        return change_upgrade(store, record, upgrade, &change, fault);
    upgrade->id = record->seq;
    if (tally->expects && report_expected(store, record, entry, tally, fault) != 0)
        return -1;
    return add_upgrade(store, record, entry, fault);
}

/* Notes that the record's notification, kept at KEPT_MS, was received at the record's time. */
static int set_earlier(struct store *store, const struct record *record, int64_t kept_ms,
                       int64_t operation, struct fault *fault)
{
    return store_write(store, STORE_receive_earlier, "cannot set when a notification was received",
                       fault, STORE_NUMBERS(record->seq, record->received_ms)) != 0 ||
                   store_write(store, STORE_widen_time_index, "cannot note a time", fault,
                               STORE_NUMBERS(record->seq >> STORE_TIME_INDEX_BITS,
                                             record->received_ms, record->received_ms)) != 0 ||
                   store_write(
                       store, STORE_begin_operation_earlier, "cannot set an operation's beginning",
                       fault,
                       STORE_NUMBERS(operation, record->received_ms, record->seq, kept_ms)) != 0
               ? -1
               : 0;
}

/* Applies a notification that is kept already; the operation's last one stays. */
static int apply_again(struct store *store, const struct record *record, struct store_tally *tally,
                       const struct store_entry *entry, struct fault *fault)
{
    struct store_upgrade upgrade;
    int64_t last_ms = tally->last_ms, last_seq = tally->last_seq;
    if (store_upgrade_find(store, record, entry, &upgrade, fault) != 0 ||
        store_upgrade_put(store, record, tally, entry, &upgrade, fault) != 0)
        return -1;
    tally->last_ms = last_ms;
    tally->last_seq = last_seq;
    return 0;
}

/* Reads the notification in the row of FIND, and applies it again. */
static int apply_row(struct store *store, sqlite3_stmt *find, struct store_tally *tally,
                     const struct store_entry *entry, struct fault *fault)
{
    struct record record = {
        .seq = sqlite3_column_int64(find, 0),
        .received_ms = sqlite3_column_int64(find, 1),
        .body = (const char *)sqlite3_column_text(find, 2),
        .body_length = (size_t)sqlite3_column_bytes(find, 2),
        .followed = true,
    };
    enum dispatch_result read = record.body == NULL ? DISPATCH_NO_MEMORY : dispatch_read(&record);
    int result = 0;
    if (read == DISPATCH_NO_MEMORY)
        result = fault_set(fault, "out of memory");
    else if (record.meaning == RECORD_PROGRESS || record.meaning == RECORD_RESULT)
        result = apply_again(store, &record, tally, entry, fault);
    record_release(&record);
    return result;
}

int store_upgrade_move_back(struct store *store, const struct record *record, int64_t kept_ms,
                            struct store_tally *tally, const struct store_entry *entry,
                            struct fault *fault)
{
    if (set_earlier(store, record, kept_ms, entry->operation, fault) != 0 ||
        apply_again(store, record, tally, entry, fault) != 0)
        return -1;
    sqlite3_stmt *find = store_statement(store, STORE_find_later);
    sqlite3_bind_int64(find, 1, entry->operation);
    sqlite3_bind_int64(find, 2, entry->device);
    sqlite3_bind_int64(find, 3, entry->sub_operation);
    sqlite3_bind_int64(find, 4, entry->upgrade);
    sqlite3_bind_int64(find, 5, record->received_ms);
    int result = 0, step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(find)) == SQLITE_ROW)
        result = apply_row(store, find, tally, entry, fault);
    if (result == 0 && step != SQLITE_DONE)
        result = store_fault(store->db, fault, "cannot look up an upgrade's notifications");
    sqlite3_reset(find);
    return result;
}
