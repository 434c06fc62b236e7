/* tally: collects a batch's changes to each operation, and writes them once at the batch's end,
 * however many records there are. */
#include "config.h"

#include "store/engine.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *store_key(const char *text, struct store_key *key)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char hex[2 * sizeof hash + 1];
    size_t length = strlen(text);
    if (length <= STORE_KEY_MAX)
        return text;
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, length, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(key->text, sizeof key->text, "%.*s…%s", (int)utf8_cut(text, STORE_KEY_KEPT), text,
             hex);
    return key->text;
}

void store_bind_key(sqlite3_stmt *statement, int index, const char *text)
{
    struct store_key key;
    sqlite3_bind_text(statement, index, store_key(text, &key), -1, SQLITE_TRANSIENT);
}

void *store_grow(void *array, size_t length, size_t *capacity, size_t size, struct fault *fault)
{
    void *grown = buffer_grow_array(array, length, capacity, size);
    if (grown == NULL)
        fault_set(fault, "out of memory");
    return grown;
}

/* What an operation upgrades, by the notifyType. */
static enum store_kind kind_of(const struct record *record)
{
    return strncmp(record->notify_type, "sw", 2) == 0   ? STORE_SOFTWARE
           : strncmp(record->notify_type, "fw", 2) == 0 ? STORE_FIRMWARE
                                                        : STORE_KIND_UNKNOWN;
}

/* Finds the operation's row, or adds it for the next notification. Sets TALLY's operation. */
static int identify_operation(struct store *store, const struct record *record,
                              struct store_tally *tally, struct fault *fault)
{
    bool heard = true;
    sqlite3_stmt *find = store_statement(store, STORE_find_operation);
    store_bind_text(find, 1, record->app_id);
    store_bind_text(find, 2, record->operation_id);
    int step = sqlite3_step(find);
    if (step == SQLITE_ROW) {
        tally->operation = sqlite3_column_int64(find, 0);
        heard = sqlite3_column_int(find, 1) != 0;
        tally->expects = sqlite3_column_int(find, 2) != 0;
    } else if (step != SQLITE_DONE) {
        store_fault(store->db, fault, "cannot look up an operation");
    }
    sqlite3_reset(find);
    if (step == SQLITE_ROW && !heard)
        /* An operator named it before its first notification, which RECORD is. */
        return store_write(store, STORE_begin_operation, "cannot begin an operation", fault,
                           STORE_NUMBERS(tally->operation, record->received_ms,
                                         store->ledger.totals.seq + 1, kind_of(record)));
    if (step != SQLITE_DONE)
        return step == SQLITE_ROW ? 0 : -1;

    sqlite3_stmt *add = store_statement(store, STORE_add_operation);
    store_bind_text(add, 1, record->app_id);
    store_bind_text(add, 2, record->operation_id);
    sqlite3_bind_int64(add, 3, record->received_ms);
    sqlite3_bind_int64(add, 4, store->ledger.totals.seq + 1);
    sqlite3_bind_int(add, 5, (int)kind_of(record));
    if (store_run(store, add, "cannot add an operation", fault) != 0)
        return -1;
    tally->operation = sqlite3_last_insert_rowid(store->db);
    return 0;
}

/* The batch's tally for the record's operation. Searches from the end: the records of a campaign
 * come together. */
struct store_tally *store_tally_find(struct store *store, const struct record *record,
                                     struct fault *fault)
{
    struct store_batch *batch = &store->batch;
    for (size_t i = batch->tallies_length; i-- > 0;) {
        struct store_tally *tally = &batch->tallies[i];
        if (strcmp(tally->operation_id, record->operation_id) == 0 &&
            strcmp(tally->app_id, record->app_id) == 0)
            return tally;
    }
    struct store_tally *tallies = store_grow(batch->tallies, batch->tallies_length,
                                             &batch->tallies_capacity, sizeof *tallies, fault);
    if (tallies == NULL)
        return NULL;
    batch->tallies = tallies;
    struct store_tally *tally = &batch->tallies[batch->tallies_length];
    *tally = (struct store_tally){.app_id = record->app_id, .operation_id = record->operation_id};
    if (identify_operation(store, record, tally, fault) != 0)
        return NULL;
    batch->tallies_length++;
    return tally;
}

/* The transition between two versions, added if the tally has none yet; NULL on failure. */
static struct store_transition *find_transition(struct store_tally *tally, const char *source,
                                                const char *target, struct fault *fault)
{
    for (size_t i = tally->transitions_length; i-- > 0;)
        if (strcmp(tally->transitions[i].source, source) == 0 &&
            strcmp(tally->transitions[i].target, target) == 0)
            return &tally->transitions[i];
    struct store_transition *transitions = store_grow(tally->transitions, tally->transitions_length,
                                                      &tally->transitions_capacity,
                                                      sizeof *transitions, fault);
    if (transitions == NULL)
        return NULL;
    tally->transitions = transitions;
    struct store_transition transition = {.source = strdup(source), .target = strdup(target)};
    if (transition.source == NULL || transition.target == NULL) {
        free(transition.source);
        free(transition.target);
        fault_set(fault, "out of memory");
        return NULL;
    }
    transitions[tally->transitions_length] = transition;
    return &transitions[tally->transitions_length++];
}

int store_tally_transition(struct store_tally *tally, const char *source, const char *target,
                           enum record_state state, int64_t by, struct fault *fault)
{
    struct store_key from, to;
    struct store_transition *transition = find_transition(tally, store_key(source, &from),
                                                          store_key(target, &to), fault);
    if (transition == NULL)
        return -1;
    *(state == RECORD_SUCCESS ? &transition->success : &transition->fail) += by;
    return 0;
}

static int write_transitions(struct store *store, const struct store_tally *tally,
                             struct fault *fault)
{
    for (size_t i = 0; i < tally->transitions_length; i++) {
        const struct store_transition *transition = &tally->transitions[i];
        if (transition->success == 0 && transition->fail == 0)
            continue;
        sqlite3_stmt *count = store_statement(store, STORE_count_transition);
        sqlite3_bind_int64(count, 1, tally->operation);
        store_bind_text(count, 2, transition->source);
        store_bind_text(count, 3, transition->target);
        sqlite3_bind_int64(count, 4, transition->success);
        sqlite3_bind_int64(count, 5, transition->fail);
        if (store_run(store, count, "cannot count versions", fault) != 0)
            return -1;
    }
    return 0;
}

/* The shortest interval of a timeline (layout.sql). */
#define TIMELINE_LEAST_MS 1000

/* The intervals of an operation's timeline: their width, and the start of the first and the
 * last. */
struct timeline {
    int64_t width_ms, first_ms, last_ms;
    bool empty;
};

/* The start of the interval that contains AT_MS. */
static int64_t interval_of(int64_t at_ms, int64_t width_ms)
{
    return at_ms < 0 ? 0 : at_ms - at_ms % width_ms;
}

static int read_timeline(struct store *store, int64_t operation, struct timeline *timeline,
                         struct fault *fault)
{
    sqlite3_stmt *read = store_statement(store, STORE_read_timeline_width);
    sqlite3_bind_int64(read, 1, operation);
    int result = -1;
    if (sqlite3_step(read) == SQLITE_ROW) {
        *timeline = (struct timeline){
            .width_ms = sqlite3_column_int64(read, 0),
            .empty = sqlite3_column_type(read, 1) == SQLITE_NULL,
            .first_ms = sqlite3_column_int64(read, 1),
            .last_ms = sqlite3_column_int64(read, 2),
        };
        result = 0;
    } else {
        store_fault(store->db, fault, "cannot read an operation's timeline");
    }
    sqlite3_reset(read);
    return result;
}

/* Widens TIMELINE's intervals until STORE_TIMELINE_MAX of them reach from the first change to the
 * last, including AT_MS. Returns whether the width changed. */
static bool widen(struct timeline *timeline, int64_t at_ms)
{
    int64_t first_ms = timeline->empty || at_ms < timeline->first_ms ? at_ms : timeline->first_ms;
    int64_t last_ms = timeline->empty || at_ms > timeline->last_ms ? at_ms : timeline->last_ms;
    int64_t before_ms = timeline->width_ms;
    while ((interval_of(last_ms, timeline->width_ms) - interval_of(first_ms, timeline->width_ms)) /
               timeline->width_ms >=
           STORE_TIMELINE_MAX)
        timeline->width_ms *= 2;
    return timeline->width_ms != before_ms;
}

/* The changes in one interval. */
struct change {
    int64_t at_ms, in_progress, success, fail;
};

static int add_change(struct store *store, int64_t operation, int64_t width_ms,
                      const struct change *change, struct fault *fault)
{
    return store_write(store, STORE_add_timeline, "cannot note an operation's timeline", fault,
                       STORE_NUMBERS(operation, interval_of(change->at_ms, width_ms),
                                     change->in_progress, change->success, change->fail));
}

/* Merges the existing changes into intervals of WIDTH_MS. This is rare: it happens each time that
 * an operation has lasted twice as long. */
static int lay_anew(struct store *store, int64_t operation, int64_t width_ms, struct fault *fault)
{
    struct change changes[STORE_TIMELINE_MAX + 1];
    size_t count = 0;
    sqlite3_stmt *read = store_statement(store, STORE_read_timeline);
    sqlite3_bind_int64(read, 1, operation);
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW && count < STORE_TIMELINE_MAX + 1)
        changes[count++] = (struct change){
            .at_ms = sqlite3_column_int64(read, 0),
            .in_progress = sqlite3_column_int64(read, 1),
            .success = sqlite3_column_int64(read, 2),
            .fail = sqlite3_column_int64(read, 3),
        };
    if (step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot read an operation's timeline");
    sqlite3_reset(read);
    if (step != SQLITE_DONE ||
        store_write(store, STORE_remove_timeline, "cannot change an operation's timeline", fault,
                    &operation, 1) != 0 ||
        store_write(store, STORE_set_timeline_width, "cannot change an operation's timeline", fault,
                    STORE_NUMBERS(operation, width_ms)) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (add_change(store, operation, width_ms, &changes[i], fault) != 0)
            return -1;
    return 0;
}

static int write_timeline(struct store *store, const struct store_tally *tally, struct fault *fault)
{
    const struct change change = {.at_ms = tally->at_ms,
                                  .in_progress = tally->in_progress,
                                  .success = tally->success,
                                  .fail = tally->fail};
    struct timeline timeline;
    if (change.in_progress == 0 && change.success == 0 && change.fail == 0)
        return 0;
    if (read_timeline(store, tally->operation, &timeline, fault) != 0 ||
        (widen(&timeline, change.at_ms) &&
         lay_anew(store, tally->operation, timeline.width_ms, fault) != 0))
        return -1;
    return add_change(store, tally->operation, timeline.width_ms, &change, fault);
}

static int write_counters(struct store *store, const struct store_tally *tally, struct fault *fault)
{
    sqlite3_stmt *change = store_statement(store, store->config.copy ? STORE_change_copied_operation
                                                                     : STORE_change_operation);
    const int64_t values[] = {tally->operation, tally->in_progress,   tally->success,
                              tally->fail,      tally->contradictory, tally->last_ms,
                              tally->last_seq,  tally->reported};
    for (int v = 0; v < (int)(sizeof values / sizeof values[0]); v++)
        sqlite3_bind_int64(change, v + 1, values[v]);
    if (tally->last_seq == 0) {
        sqlite3_bind_null(change, 6);
        sqlite3_bind_null(change, 7);
    }
    return store_run(store, change, "cannot change an operation", fault);
}

int store_tally_part(struct store *store, struct store_tally *tally, int64_t at_ms,
                     struct fault *fault)
{
    if (interval_of(tally->at_ms, TIMELINE_LEAST_MS) == interval_of(at_ms, TIMELINE_LEAST_MS) ||
        (tally->in_progress == 0 && tally->success == 0 && tally->fail == 0))
        return 0;
    if (write_counters(store, tally, fault) != 0 || write_timeline(store, tally, fault) != 0)
        return -1;
    tally->in_progress = tally->success = tally->fail = tally->contradictory = tally->reported = 0;
    return 0;
}

int store_tally_finish(struct store *store, struct fault *fault)
{
    for (size_t i = 0; i < store->batch.tallies_length; i++) {
        const struct store_tally *tally = &store->batch.tallies[i];
        if (tally->changed && (write_counters(store, tally, fault) != 0 ||
                               write_transitions(store, tally, fault) != 0 ||
                               write_timeline(store, tally, fault) != 0))
            return -1;
    }
    return 0;
}

void store_tally_forget(struct store_batch *batch)
{
    for (size_t i = 0; i < batch->tallies_length; i++) {
        struct store_tally *tally = &batch->tallies[i];
        for (size_t m = 0; m < tally->transitions_length; m++) {
            free(tally->transitions[m].source);
            free(tally->transitions[m].target);
        }
        free(tally->transitions);
    }
    batch->tallies_length = 0;
}
