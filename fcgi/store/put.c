/* put: writes one record into the store, within the open transaction of its batch.
 *
 * Hashes find candidates, and the text decides: two bodies are the same notification only if their
 * parsed content is equal. */
#include "config.h"

#include "store/engine.h"

#include "base/fault_point.h"

#include <stdlib.h>
#include <string.h>

/* Where a record belongs. */
struct destination {
    struct store_tally *tally; /* of its operation; NULL: none */
    struct store_upgrade upgrade;
    struct store_entry entry;
};

void store_ledger_read(sqlite3_stmt *statement, struct store_ledger *ledger)
{
    int column = 0;
    ledger->totals.seq = sqlite3_column_int64(statement, column++);
#define X(name, member) ledger->member = sqlite3_column_int64(statement, column++);
    STORE_TOTALS(X)
#undef X
    store_life_copy(statement, column, ledger->totals.life);
}

static void bind_ledger(sqlite3_stmt *statement, const struct store_ledger *ledger)
{
    int parameter = 1;
    sqlite3_bind_int64(statement, parameter++, ledger->totals.seq);
#define X(name, member) sqlite3_bind_int64(statement, parameter++, ledger->member);
    STORE_TOTALS(X)
#undef X
}

void store_entry_bind(sqlite3_stmt *statement, const struct store_entry *entry)
{
    sqlite3_bind_int64(statement, 1, entry->operation);
    sqlite3_bind_int64(statement, 2, entry->device);
    sqlite3_bind_int64(statement, 3, entry->sub_operation);
    sqlite3_bind_int64(statement, 4, entry->upgrade);
    sqlite3_bind_int64(statement, 5, entry->content);
}

int store_books_begin(struct store *store, struct fault *fault)
{
    store_tally_forget(&store->batch);
    store->batch.types_length = 0;
    store->batch.block_open = store->batch.begins_life = false;
    sqlite3_stmt *read = store_statement(store, STORE_read_totals);
    int step = sqlite3_step(read);
    if (step == SQLITE_ROW)
        store_ledger_read(read, &store->ledger);
    else
        store_fault(store->db, fault, "cannot read the totals");
    sqlite3_reset(read);
    if (step != SQLITE_ROW || store_life_check(store, fault) != 0)
        return -1;
    return store->config.journal ? store_journal_begin(store, fault) : 0;
}

/* Writes when the notifications of the batch's last block were received. */
static int write_block(struct store *store, struct fault *fault)
{
    const struct store_batch *batch = &store->batch;
    if (!batch->block_open)
        return 0;
    return store_write(store, STORE_widen_time_index, "cannot note a time", fault,
                       STORE_NUMBERS(batch->block, batch->block_first_ms, batch->block_last_ms));
}

static int write_types(struct store *store, struct fault *fault)
{
    for (size_t i = 0; i < store->batch.types_length; i++) {
        const struct store_type_count *type = &store->batch.types[i];
        sqlite3_stmt *count = store_statement(store, STORE_count_type);
        store_bind_text(count, 1, type->notify_type);
        store_bind_text(count, 2, type->result);
        sqlite3_bind_int64(count, 3, type->count);
        if (store_run(store, count, "cannot count a notifyType", fault) != 0)
            return -1;
    }
    return 0;
}

int store_books_finish(struct store *store, struct fault *fault)
{
    if (store_tally_finish(store, fault) != 0 || write_types(store, fault) != 0 ||
        write_block(store, fault) != 0 ||
        (store->config.journal && store_journal_finish(store, fault) != 0))
        return -1;
    sqlite3_stmt *write = store_statement(store, STORE_write_totals);
    bind_ledger(write, &store->ledger);
    return store_run(store, write, "cannot write the totals", fault);
}

/* The part of a quarantine limit for bodies without a known notifyType. */
static uint64_t unknown_share(uint64_t bound)
{
    return bound - bound / STORE_QUARANTINE_KNOWN_SHARE;
}

/* Whether quarantine has room for the body. */
static bool has_room(const struct store *store, const struct record *record)
{
    const struct store_totals *totals = &store->ledger.totals;
    uint64_t count = store->config.quarantine_max, bytes = store->config.quarantine_bytes;
    if ((uint64_t)totals->quarantine_held >= count ||
        (uint64_t)totals->quarantine_bytes + record->body_length > bytes)
        return false;
    return record->known || ((uint64_t)totals->quarantine_unknown_held < unknown_share(count) &&
                             (uint64_t)totals->quarantine_unknown_bytes + record->body_length <=
                                 unknown_share(bytes));
}

/* Adds a body of LENGTH bytes to the quarantine totals (BY is 1), or subtracts it (BY is -1). */
static void count_held(struct store_totals *totals, bool known, int64_t length, int64_t by)
{
    totals->quarantine_held += by;
    totals->quarantine_bytes += by * length;
    if (!known) {
        totals->quarantine_unknown_held += by;
        totals->quarantine_unknown_bytes += by * length;
    }
}

/* Quarantine has no room for the body. At most the log keeps it. */
static int turn_away(struct store_totals *totals, struct record *record)
{
    int64_t *full_ms = record->known ? &totals->quarantine_full_ms
                                     : &totals->quarantine_unknown_full_ms;
    if (*full_ms == 0)
        *full_ms = record->received_ms;
    record->outcome = record->log_gone ? RECORD_REFUSED : RECORD_LOG_ONLY;
    if (record->log_gone)
        return 0;
    totals->quarantined++;
    totals->quarantine_log_only++;
    return 0;
}

static int put_quarantined(struct store *store, struct record *record, struct fault *fault)
{
    struct store_totals *totals = &store->ledger.totals;
    if (!has_room(store, record))
        return turn_away(totals, record);
    sqlite3_stmt *add = store_statement(store, STORE_add_quarantined);
    sqlite3_bind_int64(add, 1, store->ledger.quarantine_id + 1);
    sqlite3_bind_int64(add, 2, record->received_ms);
    store_bind_text(add, 3, record->verdict.reason);
    store_bind_text(add, 4, record->verdict.pointer);
    sqlite3_bind_blob(add, 5, record->body_length > 0 ? record->body : "", (int)record->body_length,
                      SQLITE_STATIC);
    sqlite3_bind_int(add, 6, record->known);
    sqlite3_bind_int(add, 7, record->any_app);
    if (store_run(store, add, "cannot quarantine a body", fault) != 0)
        return -1;
    totals->quarantined++;
    count_held(totals, record->known, (int64_t)record->body_length, 1);
    *(record->known ? &totals->quarantine_full_ms : &totals->quarantine_unknown_full_ms) = 0;
    record->id = ++store->ledger.quarantine_id;
    record->outcome = RECORD_QUARANTINED;
    return store->config.journal ? store_journal_quarantined(store, record, fault) : 0;
}

static bool is_of_upgrade(const struct record *record)
{
    return record->meaning == RECORD_PROGRESS || record->meaning == RECORD_RESULT;
}

static int find_destination(struct store *store, const struct record *record,
                            struct destination *to, struct fault *fault)
{
    size_t length;
    const char *body = record_text(record, &length);
    *to = (struct destination){
        .entry.device = store_low32(content_hash_string(record->device_id, store->hash_key)),
        .entry.content = store_low32(content_hash(body, length, store->hash_key)),
    };
    if (!is_of_upgrade(record))
        return 0;
    to->tally = store_tally_find(store, record, fault);
    if (to->tally == NULL)
        return -1;
    to->entry.operation = to->tally->operation;
    to->entry.sub_operation = store_low32(
        content_hash_string(record->sub_operation_id, store->hash_key));
    if (store_upgrade_find(store, record, &to->entry, &to->upgrade, fault) != 0)
        return -1;
    to->entry.upgrade = to->upgrade.id;
    return 0;
}

/* Most equal notifications that are looked at for one of a repeat's time. */
#define OTHERS_MOST 16

/* Whether two times differ by WINDOW_MS at most. The clock may have stepped either way. */
static bool is_within(int64_t window_ms, int64_t a_ms, int64_t b_ms)
{
    return a_ms - b_ms <= window_ms && b_ms - a_ms <= window_ms;
}

/* Whether a notification with this content is already kept: 1, with its seq in RECORD and its time
 * in *KEPT_MS; 0; or -1. A record of an unknown upgrade is never a repeat. */
static int find_same(struct store *store, struct record *record, const struct destination *to,
                     int64_t *kept_ms, struct fault *fault)
{
    if (is_of_upgrade(record) && to->upgrade.id == 0)
        return 0;
    sqlite3_stmt *find = store_statement(store, STORE_find_same);
    store_entry_bind(find, &to->entry);
    int found = 0, others = 0, step;
    while (found == 0 && (step = sqlite3_step(find)) == SQLITE_ROW) {
        size_t length;
        const char *text = record_text(record, &length);
        const char *body = (const char *)sqlite3_column_text(find, 2);
        if (body == NULL)
            found = fault_set(fault, "cannot look at a notification: out of memory");
        if (body == NULL || !content_equals(text, length, body,
                                            (size_t)sqlite3_column_bytes(find, 2), store->hash_key))
            continue;
        *kept_ms = sqlite3_column_int64(find, 3);
        if (!is_of_upgrade(record) &&
            !is_within(store->config.repeat_window_ms, record->received_ms, *kept_ms)) {
            /* Only the latest equal one counts: there may be many. In a copy it may be another. */
            if (record->followed && ++others < OTHERS_MOST)
                continue;
            step = SQLITE_DONE;
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

/* Adds BY deliveries to the record's notification. */
static int count_deliveries(struct store *store, const struct record *record, int64_t by,
                            struct fault *fault)
{
    store->ledger.totals.repeats += by;
    return store_write(store, STORE_count_delivery, "cannot count a repeat", fault,
                       STORE_NUMBERS(record->seq, by));
}

/* Counts a repeat, of a notification that has been delivered once less than the record says. One
 * that is shipped again was counted before, but maybe not all of its deliveries. */
static int count_repeat(struct store *store, struct record *record, struct fault *fault)
{
    int64_t by = record->times > 0 ? record->times : 1;
    if (record->again)
        by = by >= record->deliveries ? by - record->deliveries + 1 : 0;
    record->deliveries += by - 1;
    if (by > 0 && count_deliveries(store, record, by, fault) != 0)
        return -1;
    record->outcome = RECORD_REPEATED;
    return store->config.journal ? store_journal_notification(store, record, fault) : 0;
}

/* Counts a repeat of what was kept at KEPT_MS. In a copy it may be the one that came first. */
static int put_repeat(struct store *store, struct record *record, const struct destination *to,
                      int64_t kept_ms, struct fault *fault)
{
    if (count_repeat(store, record, fault) != 0)
        return -1;
    if (!record->followed || !is_of_upgrade(record) || record->received_ms >= kept_ms)
        return 0;
    return store_upgrade_move_back(store, record, kept_ms, to->tally, &to->entry, fault);
}

/* Adds the notification to the batch's count for its notifyType and result. */
static int count_type(struct store *store, const struct record *record, struct fault *fault)
{
    struct store_batch *batch = &store->batch;
    const char *result = record->meaning == RECORD_RESULT ? record_state_word(record->state) : "";
    size_t i = 0;
    while (i < batch->types_length &&
           (strcmp(batch->types[i].notify_type, record->notify_type) != 0 ||
            strcmp(batch->types[i].result, result) != 0))
        i++;
    if (i == batch->types_length) {
        struct store_type_count *types = store_grow(batch->types, i, &batch->types_capacity,
                                                    sizeof *types, fault);
        if (types == NULL)
            return -1;
        batch->types = types;
        types[batch->types_length++] = (struct store_type_count){.notify_type = record->notify_type,
                                                                 .result = result};
    }
    batch->types[i].count++;
    return 0;
}

/* Adds the time of the notification to the block of its seq in the time index. */
static int note_time(struct store *store, const struct record *record, struct fault *fault)
{
    struct store_batch *batch = &store->batch;
    int64_t block = record->seq >> STORE_TIME_INDEX_BITS;
    if (batch->block_open && batch->block != block && write_block(store, fault) != 0)
        return -1;
    if (!batch->block_open || batch->block != block) {
        batch->block_open = true;
        batch->block = block;
        batch->block_first_ms = batch->block_last_ms = record->received_ms;
    } else if (record->received_ms < batch->block_first_ms) {
        batch->block_first_ms = record->received_ms;
    } else if (record->received_ms > batch->block_last_ms) {
        batch->block_last_ms = record->received_ms;
    }
    return 0;
}

static int add_notification(struct store *store, struct record *record,
                            const struct destination *to, struct fault *fault)
{
    struct store_totals *totals = &store->ledger.totals;
    size_t length;
    const char *body = record_text(record, &length);
    if (store_life_begin(store, fault) != 0)
        return -1;
    sqlite3_stmt *add = store_statement(store, STORE_add_notification);
    sqlite3_bind_int64(add, 1, totals->seq + 1);
    sqlite3_bind_int64(add, 2, record->received_ms);
    sqlite3_bind_int64(add, 3, to->entry.operation);
    sqlite3_bind_int64(add, 4, to->entry.device);
    sqlite3_bind_int64(add, 5, to->entry.content);
    sqlite3_bind_text(add, 6, body, (int)length, SQLITE_STATIC);
    if (store_run(store, add, "cannot add a notification", fault) != 0)
        return -1;
    record->seq = ++totals->seq;
    memcpy(record->life, totals->life, sizeof record->life);
    record->deliveries = 1;
    record->outcome = RECORD_STORED;
    totals->notifications++;
    if (record->times > 1 && count_deliveries(store, record, record->times - 1, fault) != 0)
        return -1;
    if (store->config.journal && store_journal_notification(store, record, fault) != 0)
        return -1;
    return count_type(store, record, fault) != 0 ? -1 : note_time(store, record, fault);
}

static int put_notification(struct store *store, struct record *record, struct fault *fault)
{
    struct destination to;
    if (find_destination(store, record, &to, fault) != 0)
        return -1;
    if (record->requeue_id == 0 &&
        (!record->followed || record->received_ms > store->ledger.totals.last_ms))
        store->ledger.totals.last_ms = record->received_ms;
    int64_t kept_ms = 0;
    int same = find_same(store, record, &to, &kept_ms, fault);
    if (same != 0)
        return same < 0 ? -1 : put_repeat(store, record, &to, kept_ms, fault);
    if (add_notification(store, record, &to, fault) != 0)
        return -1;
    if (is_of_upgrade(record) &&
        store_upgrade_put(store, record, to.tally, &to.entry, &to.upgrade, fault) != 0)
        return -1;
    to.entry.upgrade = to.upgrade.id;
    sqlite3_stmt *add = store_statement(store, STORE_add_entry);
    store_entry_bind(add, &to.entry);
    sqlite3_bind_int64(add, 6, record->seq);
    return store_run(store, add, "cannot add a notification to the lookup", fault);
}

int store_books_drop(struct store *store, int64_t id, struct fault *fault)
{
    sqlite3_stmt *size = store_statement(store, STORE_size_quarantined);
    sqlite3_bind_int64(size, 1, id);
    int step = sqlite3_step(size);
    int64_t bytes = step == SQLITE_ROW ? sqlite3_column_int64(size, 0) : 0;
    bool known = step == SQLITE_ROW && sqlite3_column_int(size, 1) != 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up a quarantined body");
    sqlite3_reset(size);
    if (step != SQLITE_ROW)
        return step == SQLITE_DONE ? 0 : -1;
    if (store->config.journal && store_journal_left(store, id, fault) != 0)
        return -1;

    if (store_write(store, STORE_remove_quarantined, "cannot take a body out of quarantine", fault,
                    &id, 1) != 0)
        return -1;
    struct store_totals *totals = &store->ledger.totals;
    count_held(totals, known, bytes, -1);
    totals->quarantine_full_ms = totals->quarantine_unknown_full_ms = 0;
    return 1;
}

int store_books_find_body(struct store *store, const struct record *record, int64_t *id,
                          struct fault *fault)
{
    sqlite3_stmt *find = store_statement(store, STORE_find_quarantined);
    sqlite3_bind_int64(find, 1, record->received_ms);
    sqlite3_bind_blob(find, 2, record->body_length > 0 ? record->body : "",
                      (int)record->body_length, SQLITE_STATIC);
    int step = sqlite3_step(find);
    *id = step == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up a quarantined body");
    sqlite3_reset(find);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
}

int store_books_put(struct store *store, struct record *record, struct fault *fault)
{
    if (record->requeue_id > 0) {
        int left = store_books_drop(store, record->requeue_id, fault);
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
    bool holds;
    if (store_life_holds(store, &cursor->at, &holds, fault) != 0)
        return -1;
    if (!holds)
        return 0;
    sqlite3_stmt *move = store_statement(store, STORE_move_cursor);
    store_bind_text(move, 1, cursor->name);
    store_bind_text(move, 2, cursor->at.life);
    sqlite3_bind_int64(move, 3, cursor->at.seq);
    sqlite3_bind_int(move, 4, cursor->back);
    int result = store_run(store, move, "cannot move a cursor", fault);
    FAULT_POINT(cursor_moved);
    return result;
}
