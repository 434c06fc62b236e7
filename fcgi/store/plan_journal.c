/* plan_journal: notes and lists of expected devices as entries of the journal, and such entries of
 * the log of shared books in a copy.
 *
 * The body of an entry is JSON: {"appId", "operationId", "note"}, or {"appId", "operationId",
 * "list", "step"} with the list's mark and one of its steps. The step "devices" has "devices", each
 * [id, what the platform told of it or null], CHUNK_DEVICES at most. */
#include "config.h"

#include "store/engine.h"
#include "store/journal.h"

#include <jansson.h>
#include <sodium.h>
#include <string.h>

/* Most devices of an entry. */
#define CHUNK_DEVICES 1000

#define STEP_DEVICES "devices"

/* --- the journal ------------------------------------------------------------------------------ */

int store_plan_check(struct store *store, struct fault *fault)
{
    static const struct store_plan_values none = {.numbers_length = 0};
    int64_t kept = 0;
    if (store->config.journal)
        return 0;
    if (store_plan_run(store, STORE_TEXT_plan_is_journaled, &none, &kept, 1, fault) < 0)
        return -1;
    return kept == 0 ? 0
                     : fault_set(fault, "a receiver has begun to ship the store to shared books "
                                        "meanwhile: do it again");
}

/* Whether a change to the operation has an entry of its own. */
static bool has_entry(const struct store *store, int64_t operation)
{
    return store->config.journal && operation <= store->journal.plan;
}

/* Adds the entry that TEXT makes of VALUES, of which the first is its number. */
static int add(struct store *store, enum store_text text, struct store_plan_values *values,
               struct fault *fault)
{
    return store_journal_next(store, &values->numbers[0], fault) != 0 ||
                   store_plan_run(store, text, values, NULL, 0, fault) < 0
               ? -1
               : 0;
}

static int add_note(struct store *store, int64_t operation, bool again, struct fault *fault)
{
    struct store_plan_values values = {.numbers = {0, STORE_JOURNAL_NOTE, operation, again},
                                       .numbers_length = 4};
    return add(store, STORE_TEXT_plan_journal_note, &values, fault);
}

static int add_list(struct store *store, int64_t operation, bool again, int64_t mark,
                    const char *step, struct fault *fault)
{
    struct store_plan_values values = {
        .numbers = {0, STORE_JOURNAL_EXPECTED, operation, again, mark},
        .numbers_length = 5,
        .texts = {step},
        .texts_length = 1};
    return add(store, STORE_TEXT_plan_journal_list, &values, fault);
}

static int add_devices(struct store *store, int64_t operation, bool again, int64_t mark,
                       int64_t first, int64_t count, struct fault *fault)
{
    struct store_plan_values values = {
        .numbers = {0, STORE_JOURNAL_EXPECTED, operation, again, mark, first, count},
        .numbers_length = 7};
    return add(store, STORE_TEXT_plan_journal_devices, &values, fault);
}

int store_plan_journal_note(struct store *store, int64_t operation, struct fault *fault)
{
    return has_entry(store, operation) ? add_note(store, operation, false, fault) : 0;
}

int store_plan_journal_list(struct store *store, int64_t operation, int64_t mark, const char *step,
                            struct fault *fault)
{
    return has_entry(store, operation) ? add_list(store, operation, false, mark, step, fault) : 0;
}

int store_plan_journal_devices(struct store *store, int64_t operation, int64_t mark, int64_t first,
                               int64_t count, struct fault *fault)
{
    return has_entry(store, operation)
               ? add_devices(store, operation, false, mark, first, count, fault)
               : 0;
}

/* The plan of an operation, as plan_next_journaled has it. */
struct plan {
    int64_t operation, has_note, has_list, planned, is_planned, devices, first;
};

/* Adds entries of a whole list, or of what another process has saved of it so far. */
static int fill_list(struct store *store, const struct plan *plan, struct fault *fault)
{
    bool is_whole = plan->planned >= 0;
    int64_t mark = is_whole ? -1 - (int64_t)randombytes_random() : plan->planned;
    if (add_list(store, plan->operation, true, mark, STORE_LIST_BEGIN, fault) != 0)
        return -1;
    int64_t first = plan->first;
    for (int64_t left = plan->devices; left > 0; left -= CHUNK_DEVICES) {
        int64_t count = left < CHUNK_DEVICES ? left : CHUNK_DEVICES;
        if (add_devices(store, plan->operation, true, mark, first, count, fault) != 0)
            return -1;
        const struct store_plan_values values = {.numbers = {plan->operation, first, count},
                                                 .numbers_length = 3};
        if (left > count &&
            store_plan_run(store, STORE_TEXT_plan_next_devices, &values, &first, 1, fault) < 0)
            return -1;
    }
    if (!is_whole)
        return 0;
    return add_list(store, plan->operation, true, mark,
                    plan->is_planned ? STORE_LIST_SAVED : STORE_LIST_REMOVED, fault);
}

int store_plan_fill(struct store *store, int64_t most, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    for (int64_t added = 0; added < most && journal->plan < INT64_MAX;) {
        const struct store_plan_values values = {.numbers = {journal->plan}, .numbers_length = 1};
        int64_t found[7] = {0};
        int rows = store_plan_run(store, STORE_TEXT_plan_next_journaled, &values, found, 7, fault);
        if (rows < 0)
            return -1;
        const struct plan plan = {found[0], found[1], found[2], found[3],
                                  found[4], found[5], found[6]};
        if (rows > 0 &&
            ((plan.has_note != 0 && add_note(store, plan.operation, true, fault) != 0) ||
             (plan.has_list != 0 && fill_list(store, &plan, fault) != 0)))
            return -1;
        journal->plan = rows > 0 ? plan.operation : INT64_MAX;
        journal->changed = true;
        added += 1 + plan.devices;
    }
    return 0;
}

/* --- a copy ----------------------------------------------------------------------------------- */

/* What an entry says. The texts are lent by the entry. */
struct entry {
    const char *app_id, *operation_id;
    const char *note;
    int64_t mark;
    const char *step;
    const json_t *devices;
    int64_t operation; /* in the copy; 0: none */
    int64_t noted_ms, planned_ms;
};

/* A text without a NUL; NULL if VALUE is none. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Returns whether JSON is what an entry of RECORD's kind has. */
static bool read_entry(const struct record *record, const json_t *json, struct entry *entry)
{
    *entry = (struct entry){
        .app_id = text_of(json_object_get(json, "appId")),
        .operation_id = text_of(json_object_get(json, "operationId")),
        .note = text_of(json_object_get(json, "note")),
        .mark = json_integer_value(json_object_get(json, "list")),
        .step = text_of(json_object_get(json, "step")),
        .devices = json_object_get(json, "devices"),
    };
    if (entry->app_id == NULL || entry->operation_id == NULL)
        return false;
    return record->meaning == RECORD_NOTE ? entry->note != NULL
                                          : entry->mark < 0 && entry->step != NULL;
}

static int find_operation(struct store *store, struct entry *entry, struct fault *fault)
{
    const struct store_plan_values values = {.texts = {entry->app_id, entry->operation_id},
                                             .texts_length = 2};
    int64_t found[3] = {0};
    if (store_plan_run(store, STORE_TEXT_plan_follow_find, &values, found, 3, fault) < 0)
        return -1;
    entry->operation = found[0];
    entry->noted_ms = found[1];
    entry->planned_ms = found[2];
    return 0;
}

int store_plan_add(struct store *store, const char *app_id, const char *operation_id, int64_t at_ms,
                   int64_t *operation, struct fault *fault)
{
    sqlite3_stmt *make = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(store->db, store_text(STORE_TEXT_plan_add), -1, &make, NULL) !=
        SQLITE_OK) {
        store_fault(store->db, fault, "cannot add an operation");
    } else {
        store_bind_text(make, 1, operation_id);
        store_bind_text(make, 2, app_id);
        sqlite3_bind_int64(make, 3, at_ms);
        sqlite3_bind_int64(make, 4, store->ledger.totals.seq);
        result = store_run(store, make, "cannot add an operation", fault);
    }
    sqlite3_finalize(make);
    *operation = sqlite3_last_insert_rowid(store->db);
    return result;
}

/* Adds the operation, unless it is there. */
static int make_operation(struct store *store, const struct record *record, struct entry *entry,
                          struct fault *fault)
{
    return entry->operation != 0 ? 0
                                 : store_plan_add(store, entry->app_id, entry->operation_id,
                                                  record->received_ms, &entry->operation, fault);
}

static int follow_note(struct store *store, const struct record *record, struct entry *entry,
                       struct fault *fault)
{
    if ((record->again && entry->noted_ms > record->received_ms) ||
        (entry->operation == 0 && entry->note[0] == '\0'))
        return 0;
    if (make_operation(store, record, entry, fault) != 0)
        return -1;
    const struct store_plan_values values = {.numbers = {entry->operation, record->received_ms},
                                             .numbers_length = 2,
                                             .texts = {entry->note},
                                             .texts_length = 1};
    return store_plan_run(store, STORE_TEXT_plan_note, &values, NULL, 0, fault) < 0 ||
                   store_plan_run(store, STORE_TEXT_plan_drop, &values, NULL, 0, fault) < 0
               ? -1
               : 0;
}

int store_plan_expect(struct store *store, sqlite3_stmt *expect, int64_t operation, const char *id,
                      const char *told, struct fault *fault)
{
    sqlite3_bind_int64(expect, 1, operation);
    sqlite3_bind_int64(expect, 2, store_low32(content_hash_string(id, store->hash_key)));
    sqlite3_bind_text(expect, 3, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(expect, 4, told, -1, SQLITE_STATIC);
    return store_run(store, expect, "cannot save a list", fault);
}

static int follow_devices(struct store *store, const struct entry *entry, struct fault *fault)
{
    sqlite3_stmt *expect = NULL;
    size_t index;
    const json_t *device;
    int result = 0;
    if (sqlite3_prepare_v2(store->db, store_text(STORE_TEXT_plan_expect), -1, &expect, NULL) !=
        SQLITE_OK)
        return store_fault(store->db, fault, "cannot save a list");
    json_array_foreach(entry->devices, index, device)
    {
        const char *id = text_of(json_array_get(device, 0));
        if (result == 0 && id != NULL)
            result = store_plan_expect(store, expect, entry->operation, id,
                                       text_of(json_array_get(device, 1)), fault);
    }
    sqlite3_finalize(expect);
    return result;
}

static int begin_list(struct store *store, const struct record *record, struct entry *entry,
                      struct fault *fault)
{
    if (record->again && entry->planned_ms > record->received_ms)
        return 0;
    if (make_operation(store, record, entry, fault) != 0)
        return -1;
    const struct store_plan_values values = {
        .numbers = {entry->operation, entry->mark, record->received_ms}, .numbers_length = 3};
    const struct store_plan_values all = {.numbers = {entry->operation, INT64_MAX},
                                          .numbers_length = 2};
    return store_plan_run(store, STORE_TEXT_plan_begin, &values, NULL, 0, fault) < 0 ||
                   store_plan_run(store, STORE_TEXT_plan_clear, &all, NULL, 0, fault) < 0
               ? -1
               : 0;
}

static int follow_list(struct store *store, const struct record *record, struct entry *entry,
                       struct fault *fault)
{
    if (strcmp(entry->step, STORE_LIST_BEGIN) == 0)
        return begin_list(store, record, entry, fault);
    const struct store_plan_values values = {.numbers = {entry->operation, entry->mark},
                                             .numbers_length = 2};
    int64_t mine = 0;
    if (store_plan_run(store, STORE_TEXT_plan_is_mine, &values, &mine, 1, fault) < 0)
        return -1;
    if (mine == 0)
        return 0; /* another list has taken its place */
    if (strcmp(entry->step, STEP_DEVICES) == 0)
        return follow_devices(store, entry, fault);
    bool is_removed = strcmp(entry->step, STORE_LIST_REMOVED) == 0;
    if (!is_removed && strcmp(entry->step, STORE_LIST_SAVED) != 0)
        return 0;
    return store_plan_run(store, is_removed ? STORE_TEXT_plan_end : STORE_TEXT_plan_finish, &values,
                          NULL, 0, fault) < 0 ||
                   store_plan_run(store, STORE_TEXT_plan_drop, &values, NULL, 0, fault) < 0
               ? -1
               : 0;
}

int store_plan_follow(struct store *store, const struct record *record, struct fault *fault)
{
    struct arena memory = {0};
    const json_t *json = NULL;
    struct schema_verdict verdict;
    struct entry entry;
    int result = 0;
    enum content_result read = content_read(record->body, record->body_length, &memory, &json,
                                            &verdict);
    if (read == CONTENT_NO_MEMORY)
        return fault_set(fault, "out of memory");
    if (read == CONTENT_OBJECT && read_entry(record, json, &entry)) {
        /* What the batch has counted so far belongs to the list before. */
        result = store_tally_finish(store, fault);
        store_tally_forget(&store->batch);
        if (result == 0)
            result = find_operation(store, &entry, fault);
        if (result == 0)
            result = record->meaning == RECORD_NOTE ? follow_note(store, record, &entry, fault)
                                                    : follow_list(store, record, &entry, fault);
    }
    content_release(&memory, json);
    return result;
}
