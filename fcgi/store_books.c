/* store_books: one record into the books, within the open transaction of its batch.
 *
 * Hashes find candidates, the text decides: two bodies are one notification only when their parsed
 * content is equal, two results are of one upgrade only when all of its ids are equal. */
#include "config.h"

#include "store_sqlite.h"

#include <stdlib.h>
#include <string.h>

/* A record's hashes, as the tables hold them. */
struct place {
    struct store_tally *tally; /* of its operation; NULL: it has none */
    int64_t operation;         /* 0: none */
    int64_t device, sub_operation, content;
};

static int64_t low32(uint64_t hash)
{
    return (int64_t)(hash & 0xFFFFFFFFu);
}

static void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

int store_books_begin(struct store *store, struct fault *fault)
{
    store->tallies_length = 0;
    sqlite3_stmt *read = store_statement(store, STORE_read_totals);
    if (sqlite3_step(read) != SQLITE_ROW) {
        store_fault(store->db, fault, "cannot read the totals");
        sqlite3_reset(read);
        return -1;
    }
    struct store_totals *totals = &store->ledger.totals;
    int64_t *const columns[] = {
        &totals->seq,
        &totals->notifications,
        &totals->repeats,
        &totals->quarantined,
        &totals->quarantine_log_only,
        &totals->in_progress,
        &totals->success,
        &totals->fail,
        &totals->contradictory,
        &store->ledger.quarantine_id,
        &totals->quarantine_held,
        &totals->quarantine_bytes,
    };
    for (int i = 0; i < (int)(sizeof columns / sizeof columns[0]); i++)
        *columns[i] = sqlite3_column_int64(read, i);
    sqlite3_reset(read);
    return 0;
}

static int write_totals(struct store *store, struct fault *fault)
{
    const struct store_totals *totals = &store->ledger.totals;
    const int64_t values[] = {
        totals->seq,
        totals->notifications,
        totals->repeats,
        totals->quarantined,
        totals->quarantine_log_only,
        totals->in_progress,
        totals->success,
        totals->fail,
        totals->contradictory,
        store->ledger.quarantine_id,
        totals->quarantine_held,
        totals->quarantine_bytes,
    };
    sqlite3_stmt *write = store_statement(store, STORE_write_totals);
    for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++)
        sqlite3_bind_int64(write, i + 1, values[i]);
    return store_run(store, write, "cannot write the totals", fault);
}

int store_books_finish(struct store *store, struct fault *fault)
{
    for (size_t i = 0; i < store->tallies_length; i++) {
        const struct store_tally *tally = &store->tallies[i];
        if (!tally->changed)
            continue;
        sqlite3_stmt *change = store_statement(store, STORE_change_operation);
        const int64_t values[] = {tally->operation, tally->in_progress,   tally->success,
                                  tally->fail,      tally->contradictory, tally->last_ms,
                                  tally->last_seq};
        for (int v = 0; v < (int)(sizeof values / sizeof values[0]); v++)
            sqlite3_bind_int64(change, v + 1, values[v]);
        if (tally->last_seq == 0) {
            sqlite3_bind_null(change, 6);
            sqlite3_bind_null(change, 7);
        }
        if (store_run(store, change, "cannot change an operation", fault) != 0)
            return -1;
    }
    return write_totals(store, fault);
}

static int put_quarantined(struct store *store, struct record *record, struct fault *fault)
{
    struct store_totals *totals = &store->ledger.totals;
    totals->quarantined++;
    if ((uint64_t)totals->quarantine_held >= store->config.quarantine_max ||
        (uint64_t)totals->quarantine_bytes + record->body_length > store->config.quarantine_bytes) {
        totals->quarantine_log_only++;
        record->outcome = RECORD_LOG_ONLY;
        return 0;
    }
    sqlite3_stmt *add = store_statement(store, STORE_add_quarantined);
    sqlite3_bind_int64(add, 1, store->ledger.quarantine_id + 1);
    sqlite3_bind_int64(add, 2, record->received_ms);
    bind_text(add, 3, record->verdict.reason);
    bind_text(add, 4, record->verdict.pointer);
    sqlite3_bind_blob(add, 5, record->body_length > 0 ? record->body : "", (int)record->body_length,
                      SQLITE_STATIC);
    if (store_run(store, add, "cannot quarantine a body", fault) != 0)
        return -1;
    totals->quarantine_held++;
    totals->quarantine_bytes += (int64_t)record->body_length;
    record->id = ++store->ledger.quarantine_id;
    record->outcome = RECORD_QUARANTINED;
    return 0;
}

/* Finds the operation's row, or adds it for the notification that comes next. */
static int identify_operation(struct store *store, const struct record *record, int64_t *operation,
                              struct fault *fault)
{
    sqlite3_stmt *find = store_statement(store, STORE_find_operation);
    bind_text(find, 1, record->app_id);
    bind_text(find, 2, record->operation_id);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW)
        *operation = sqlite3_column_int64(find, 0);
    else if (step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up an operation");
    sqlite3_reset(find);
    if (step != SQLITE_DONE)
        return step == SQLITE_ROW ? 0 : -1;

    sqlite3_stmt *add = store_statement(store, STORE_add_operation);
    bind_text(add, 1, record->app_id);
    bind_text(add, 2, record->operation_id);
    sqlite3_bind_int64(add, 3, record->received_ms);
    sqlite3_bind_int64(add, 4, store->ledger.totals.seq + 1);
    if (store_run(store, add, "cannot add an operation", fault) != 0)
        return -1;
    *operation = sqlite3_last_insert_rowid(store->db);
    return 0;
}

/* The batch's tally for the record's operation. Looked for from the end: the records of a campaign
 * come together. */
static struct store_tally *find_tally(struct store *store, const struct record *record,
                                      struct fault *fault)
{
    for (size_t i = store->tallies_length; i-- > 0;) {
        struct store_tally *tally = &store->tallies[i];
        if (strcmp(tally->operation_id, record->operation_id) == 0 &&
            strcmp(tally->app_id, record->app_id) == 0)
            return tally;
    }
    if (store->tallies_length == store->tallies_capacity) {
        size_t capacity = store->tallies_capacity == 0 ? 16 : 2 * store->tallies_capacity;
        struct store_tally *tallies = realloc(store->tallies, capacity * sizeof *tallies);
        if (tallies == NULL) {
            fault_set(fault, "out of memory");
            return NULL;
        }
        store->tallies = tallies;
        store->tallies_capacity = capacity;
    }
    int64_t operation;
    if (identify_operation(store, record, &operation, fault) != 0)
        return NULL;
    struct store_tally *tally = &store->tallies[store->tallies_length++];
    *tally = (struct store_tally){
        .app_id = record->app_id, .operation_id = record->operation_id, .operation = operation};
    return tally;
}

static bool is_of_upgrade(const struct record *record)
{
    return record->meaning == RECORD_PROGRESS || record->meaning == RECORD_RESULT;
}

static int find_place(struct store *store, const struct record *record, struct place *place,
                      struct fault *fault)
{
    *place = (struct place){
        .device = low32(content_hash_string(record->device_id, store->hash_key)),
        .sub_operation = low32(content_hash_string(record->sub_operation_id, store->hash_key)),
        .content = low32(content_hash(record->json, store->hash_key)),
    };
    if (!is_of_upgrade(record))
        return 0;
    place->tally = find_tally(store, record, fault);
    if (place->tally == NULL)
        return -1;
    place->operation = place->tally->operation;
    return 0;
}

/* Whether two times lie no further apart than WINDOW_MS; the clock may have stepped either way. */
static bool is_within(int64_t window_ms, int64_t a_ms, int64_t b_ms)
{
    return a_ms - b_ms <= window_ms && b_ms - a_ms <= window_ms;
}

/* Whether a notification with this content is kept already: 1, with its number in RECORD; 0; or -1.
 */
static int find_same(struct store *store, struct record *record, const struct place *place,
                     struct fault *fault)
{
    sqlite3_stmt *find = store_statement(store, STORE_find_same);
    sqlite3_bind_int64(find, 1, place->operation);
    sqlite3_bind_int64(find, 2, place->device);
    sqlite3_bind_int64(find, 3, place->content);
    int found = 0, step;
    while (found == 0 && (step = sqlite3_step(find)) == SQLITE_ROW) {
        const char *body = (const char *)sqlite3_column_text(find, 2);
        if (body == NULL ||
            !content_equals(record->json, body, (size_t)sqlite3_column_bytes(find, 2)))
            continue;
        if (!is_of_upgrade(record) &&
            !is_within(store->config.repeat_window_ms, record->received_ms,
                       sqlite3_column_int64(find, 3))) {
            step = SQLITE_DONE; /* the latest of its equals counts: there may be any number */
            break;
        }
        record->seq = sqlite3_column_int64(find, 0);
        record->deliveries = sqlite3_column_int64(find, 1) + 1;
        found = 1;
    }
    if (found == 0 && step != SQLITE_DONE)
        found = store_fault(store->db, fault, "cannot look up a notification");
    sqlite3_reset(find);
    return found;
}

static int count_repeat(struct store *store, struct record *record, struct fault *fault)
{
    sqlite3_stmt *count = store_statement(store, STORE_count_delivery);
    sqlite3_bind_int64(count, 1, record->seq);
    if (store_run(store, count, "cannot count a repeat", fault) != 0)
        return -1;
    store->ledger.totals.repeats++;
    record->outcome = RECORD_REPEATED;
    return 0;
}

static int add_notification(struct store *store, struct record *record, const struct place *place,
                            struct fault *fault)
{
    struct store_totals *totals = &store->ledger.totals;
    size_t length;
    const char *body = record_text(record, &length);
    sqlite3_stmt *add = store_statement(store, STORE_add_notification);
    sqlite3_bind_int64(add, 1, totals->seq + 1);
    sqlite3_bind_int64(add, 2, record->received_ms);
    sqlite3_bind_int64(add, 3, place->operation);
    sqlite3_bind_int64(add, 4, place->device);
    sqlite3_bind_int64(add, 5, place->content);
    sqlite3_bind_text(add, 6, body, (int)length, SQLITE_STATIC);
    if (store_run(store, add, "cannot add a notification", fault) != 0)
        return -1;
    record->seq = ++totals->seq;
    record->deliveries = 1;
    record->outcome = RECORD_STORED;
    totals->notifications++;
    return 0;
}

/* An upgrade as it stands before the record. */
struct upgrade {
    int64_t id; /* 0: not known yet */
    enum record_state state;
    bool contradictory;
    int64_t received_ms; /* of the notification that the state comes from */
};

static int find_upgrade(struct store *store, const struct record *record, const struct place *place,
                        struct upgrade *upgrade, struct fault *fault)
{
    *upgrade = (struct upgrade){.id = 0};
    sqlite3_stmt *find = store_statement(store, STORE_find_upgrade);
    sqlite3_bind_int64(find, 1, place->operation);
    sqlite3_bind_int64(find, 2, place->device);
    sqlite3_bind_int64(find, 3, place->sub_operation);
    bind_text(find, 4, record->device_id);
    bind_text(find, 5, record->sub_operation_id);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW)
        *upgrade = (struct upgrade){
            .id = sqlite3_column_int64(find, 0),
            .state = (enum record_state)sqlite3_column_int(find, 1),
            .contradictory = sqlite3_column_int(find, 2) != 0,
            .received_ms = sqlite3_column_int64(find, 3),
        };
    else if (step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up an upgrade");
    sqlite3_reset(find);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
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
    bind_text(count, 2, record->error_code);
    sqlite3_bind_int(count, 3, by);
    sqlite3_bind_int64(count, 4, record->received_ms);
    sqlite3_bind_int(count, 5, record->requeue_id != 0);
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

static void bind_error_code(sqlite3_stmt *statement, int index, const struct record *record)
{
    if (record->meaning == RECORD_RESULT && record->state == RECORD_FAIL)
        bind_text(statement, index, record->error_code);
    else
        sqlite3_bind_null(statement, index);
}

static int add_upgrade(struct store *store, const struct record *record, const struct place *place,
                       struct fault *fault)
{
    bool progress = record->meaning == RECORD_PROGRESS;
    sqlite3_stmt *add = store_statement(store, STORE_add_upgrade);
    sqlite3_bind_int64(add, 1, place->operation);
    sqlite3_bind_int64(add, 2, place->device);
    sqlite3_bind_int64(add, 3, place->sub_operation);
    sqlite3_bind_int(add, 4, (int)record->state);
    sqlite3_bind_int(add, 5, record->contradictory);
    sqlite3_bind_int64(add, 6, record->seq);
    if (progress)
        sqlite3_bind_int64(add, 7, record->seq);
    else
        sqlite3_bind_null(add, 7);
    bind_error_code(add, 8, record);
    return store_run(store, add, "cannot add an upgrade", fault);
}

/* Whether RECORD comes late from quarantine: what the upgrade is by now was received after it. */
static bool is_overtaken(const struct record *record, const struct upgrade *upgrade)
{
    return record->requeue_id != 0 && upgrade->id != 0 &&
           record->received_ms < upgrade->received_ms;
}

/* A state change: the last one received is the upgrade's step; it never undoes a result. */
static int put_progress(struct store *store, const struct record *record, const struct place *place,
                        const struct upgrade *upgrade, struct fault *fault)
{
    if (upgrade->id == 0) {
        count_upgrade(store, place->tally, RECORD_IN_PROGRESS, false, 1);
        return add_upgrade(store, record, place, fault);
    }
    if (is_overtaken(record, upgrade))
        return 0;
    sqlite3_stmt *set = store_statement(store, STORE_set_step);
    sqlite3_bind_int64(set, 1, upgrade->id);
    sqlite3_bind_int64(set, 2, record->seq);
    return store_run(store, set, "cannot set an upgrade's step", fault);
}

/* A result: the last one received counts, whatever the upgrade was before. */
static int put_result(struct store *store, const struct record *record, const struct place *place,
                      const struct upgrade *upgrade, struct fault *fault)
{
    bool history = upgrade->state != RECORD_IN_PROGRESS && is_overtaken(record, upgrade);
    if (record->state == RECORD_FAIL &&
        count_failure(store, record, place->operation, history ? 0 : 1, fault) != 0)
        return -1;
    if (history)
        return 0;
    count_upgrade(store, place->tally, record->state, record->contradictory, 1);
    if (upgrade->id == 0)
        return add_upgrade(store, record, place, fault);

    count_upgrade(store, place->tally, upgrade->state, upgrade->contradictory, -1);
    if (upgrade->state == RECORD_FAIL &&
        uncount_failure(store, place->operation, upgrade->id, fault) != 0)
        return -1;
    sqlite3_stmt *set = store_statement(store, STORE_set_result);
    sqlite3_bind_int64(set, 1, upgrade->id);
    sqlite3_bind_int(set, 2, (int)record->state);
    sqlite3_bind_int(set, 3, record->contradictory);
    sqlite3_bind_int64(set, 4, record->seq);
    bind_error_code(set, 5, record);
    return store_run(store, set, "cannot set an upgrade's result", fault);
}

static int put_upgrade(struct store *store, const struct record *record, const struct place *place,
                       struct fault *fault)
{
    struct upgrade upgrade;
    if (find_upgrade(store, record, place, &upgrade, fault) != 0)
        return -1;
    place->tally->changed = true;
    if (record->requeue_id == 0) {
        place->tally->last_ms = record->received_ms;
        place->tally->last_seq = record->seq;
    }
    return record->meaning == RECORD_PROGRESS ? put_progress(store, record, place, &upgrade, fault)
                                              : put_result(store, record, place, &upgrade, fault);
}

static int put_notification(struct store *store, struct record *record, struct fault *fault)
{
    struct place place;
    if (find_place(store, record, &place, fault) != 0)
        return -1;
    int same = find_same(store, record, &place, fault);
    if (same != 0)
        return same < 0 ? -1 : count_repeat(store, record, fault);
    if (add_notification(store, record, &place, fault) != 0)
        return -1;
    return is_of_upgrade(record) ? put_upgrade(store, record, &place, fault) : 0;
}

/* Takes the body that RECORD came from out of quarantine: 1, or 0 where it is not there, or -1. */
static int leave_quarantine(struct store *store, const struct record *record, struct fault *fault)
{
    sqlite3_stmt *size = store_statement(store, STORE_size_quarantined);
    sqlite3_bind_int64(size, 1, record->requeue_id);
    int step = sqlite3_step(size);
    int64_t bytes = step == SQLITE_ROW ? sqlite3_column_int64(size, 0) : 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up a quarantined body");
    sqlite3_reset(size);
    if (step != SQLITE_ROW)
        return step == SQLITE_DONE ? 0 : -1;

    sqlite3_stmt *remove = store_statement(store, STORE_remove_quarantined);
    sqlite3_bind_int64(remove, 1, record->requeue_id);
    if (store_run(store, remove, "cannot take a body out of quarantine", fault) != 0)
        return -1;
    store->ledger.totals.quarantine_held--;
    store->ledger.totals.quarantine_bytes -= bytes;
    return 1;
}

int store_books_put(struct store *store, struct record *record, struct fault *fault)
{
    if (record->requeue_id != 0) {
        int left = leave_quarantine(store, record, fault);
        if (left <= 0) {
            record->outcome = RECORD_GONE;
            return left;
        }
    }
    return record->meaning == RECORD_QUARANTINE ? put_quarantined(store, record, fault)
                                                : put_notification(store, record, fault);
}

int store_books_move_cursor(struct store *store, const struct store_cursor *cursor,
                            struct fault *fault)
{
    if (cursor->store != store_number(store->hash_key))
        return 0;
    sqlite3_stmt *move = store_statement(store, STORE_move_cursor);
    bind_text(move, 1, cursor->name);
    sqlite3_bind_int64(move, 2, cursor->seq);
    return store_run(store, move, "cannot move a cursor", fault);
}
