/* plan: what an operator tells of an operation: the devices that it should reach, and a note; and
 * what the platform said of it. */
#include "config.h"

#include "store/plan.h"

#include "base/utf8.h"
#include "store/engine.h"

#include <sodium.h>
#include <string.h>

/* Most rows of one transaction, which takes some milliseconds. */
#define CHUNK_ROWS 1000

static int run_for(struct store *store, enum store_text text, int64_t operation, int64_t number,
                   struct fault *fault)
{
    const struct store_plan_values values = {.numbers = {operation, number}, .numbers_length = 2};
    return store_plan_run(store, text, &values, NULL, 0, fault) < 0 ? -1 : 0;
}

/* --- the operation ---------------------------------------------------------------------------- */

/* One change. */
struct planning {
    const struct store_named *named;
    bool makes; /* an operation that is not there */
    bool needs_list;
    const char *note;
    const char *said; /* by the platform; NULL: this is about something else */
    bool is_saving;
    bool is_operators; /* an operator saved the list that is there */
    int64_t operation; /* 0: there is none */
    int64_t mark;      /* of this saving, below 0 */
    store_each_id *each;
    void *owner;
    int64_t changed; /* rows that the last transaction changed */
    struct store_planned planned;
};

static int misuse(struct fault *fault)
{
    if (fault != NULL)
        fault->misused = true;
    return -1;
}

static bool is_id(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= STORE_NAMED_MAX && utf8_is_valid(text, length);
}

/* Adds the operation. It has no notification yet. */
static int add_operation(struct store *store, struct planning *planning, struct fault *fault)
{
    const struct store_named *named = planning->named;
    if (!is_id(named->operation_id) || (named->app_id != NULL && !is_id(named->app_id))) {
        fault_set(fault, "an id is UTF-8 of 1 to %d bytes", STORE_NAMED_MAX);
        return misuse(fault);
    }
    if (named->app_id == NULL) {
        fault_set(fault,
                  "no notification has named operation %.200s yet: say with --app whose it is",
                  named->operation_id);
        return misuse(fault);
    }
    return store_plan_add(store, named->app_id, named->operation_id, named->now_ms,
                          &planning->operation, fault);
}

/* Finds the operation, or adds it. */
static int find_operation(struct store *store, struct planning *planning, struct fault *fault)
{
    const struct store_named *named = planning->named;
    sqlite3_stmt *find = NULL;
    int rows = 0, step = SQLITE_ERROR;
    bool pruned = false, has_list = false;
    if (store_plan_check(store, fault) != 0)
        return -1;
    if (sqlite3_prepare_v2(store->db, store_text(STORE_TEXT_plan_find), -1, &find, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(find, 1, named->operation_id, -1, SQLITE_STATIC);
        sqlite3_bind_text(find, 2, named->app_id, -1, SQLITE_STATIC);
        for (; (step = sqlite3_step(find)) == SQLITE_ROW; rows++) {
            planning->operation = sqlite3_column_int64(find, 0);
            pruned = sqlite3_column_int(find, 1) != 0;
            has_list = sqlite3_column_int(find, 2) != 0;
            planning->is_operators = sqlite3_column_int(find, 3) != 0;
        }
    }
    if (step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot look up an operation");
    sqlite3_finalize(find);
    if (step != SQLITE_DONE)
        return -1;
    if (rows > 1) {
        fault_set(fault, "several applications have an operation %.200s: say with --app which",
                  named->operation_id);
        return misuse(fault);
    }
    if (pruned && planning->is_saving) {
        fault_set(fault, "operation %.200s was pruned: who has reported is not known any more",
                  named->operation_id);
        return misuse(fault);
    }
    if (planning->needs_list && !has_list)
        planning->operation = 0;
    return rows == 0 && planning->makes ? add_operation(store, planning, fault) : 0;
}

/* --- the list --------------------------------------------------------------------------------- */

static int keep_said(struct store *store, const struct planning *planning, struct fault *fault)
{
    const struct store_plan_values values = {
        .numbers = {planning->operation, planning->named->now_ms},
        .numbers_length = 2,
        .texts = {planning->said},
        .texts_length = 1};
    return store_plan_run(store, STORE_TEXT_plan_keep_asked, &values, NULL, 0, fault) < 0 ? -1 : 0;
}

/* Marks the operation: its list is being replaced, unless the platform's would replace an
 * operator's. The mark tells two savings apart. From now on the writer notes in the list who
 * reports. */
static int begin(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    planning->mark = -1 - (int64_t)randombytes_random();
    if (find_operation(store, planning, fault) != 0 ||
        (planning->said != NULL && keep_said(store, planning, fault) != 0))
        return -1;
    planning->is_operators = planning->is_operators || planning->each == NULL;
    if (planning->operation == 0 || (planning->said != NULL && planning->is_operators))
        return 0;
    const struct store_plan_values values = {
        .numbers = {planning->operation, planning->mark, planning->named->now_ms},
        .numbers_length = 3};
    return store_plan_run(store, STORE_TEXT_plan_begin, &values, NULL, 0, fault) < 0
               ? -1
               : store_plan_journal_list(store, planning->operation, planning->mark,
                                         STORE_LIST_BEGIN, fault);
}

/* Fails if another process saves a list of the operation, or if the operation is gone. */
static int check_mark(struct store *store, const struct planning *planning, struct fault *fault)
{
    const struct store_plan_values values = {.numbers = {planning->operation, planning->mark},
                                             .numbers_length = 2};
    int64_t mine = 0;
    if (store_plan_check(store, fault) != 0 ||
        store_plan_run(store, STORE_TEXT_plan_is_mine, &values, &mine, 1, fault) < 0)
        return -1;
    return mine != 0 ? 0
                     : fault_set(fault, "another process changed the list of operation %.200s",
                                 planning->named->operation_id);
}

static int clear_some(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    if (check_mark(store, planning, fault) != 0 ||
        run_for(store, STORE_TEXT_plan_clear, planning->operation, CHUNK_ROWS, fault) != 0)
        return -1;
    planning->changed = sqlite3_changes(store->db);
    return 0;
}

static int expect_some(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    sqlite3_stmt *expect = NULL;
    const char *id, *told = NULL;
    int64_t first = 0;
    int result = check_mark(store, planning, fault);
    planning->changed = 0;
    if (result == 0 && sqlite3_prepare_v2(store->db, store_text(STORE_TEXT_plan_expect), -1,
                                          &expect, NULL) != SQLITE_OK)
        result = store_fault(store->db, fault, "cannot save a list");
    while (result == 0 && planning->changed < CHUNK_ROWS &&
           (id = planning->each(planning->owner, &told)) != NULL) {
        result = store_plan_expect(store, expect, planning->operation, id, told, fault);
        if (planning->changed++ == 0)
            first = sqlite3_last_insert_rowid(store->db);
        told = NULL;
    }
    sqlite3_finalize(expect);
    return result != 0 || planning->changed == 0
               ? result
               : store_plan_journal_devices(store, planning->operation, planning->mark, first,
                                            planning->changed, fault);
}

/* Drops an operation that nothing has named. */
static int drop(struct store *store, int64_t operation, struct fault *fault)
{
    return run_for(store, STORE_TEXT_plan_drop, operation, 0, fault) != 0
               ? -1
               : run_for(store, STORE_TEXT_plan_drop_asked, operation, 0, fault);
}

/* Counts the list, or ends it, and drops an operation that nothing has named. */
static int finish(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    const struct store_plan_values of = {.numbers = {planning->operation}, .numbers_length = 1};
    int64_t counts[2] = {0};
    if (check_mark(store, planning, fault) != 0 ||
        run_for(store, planning->is_saving ? STORE_TEXT_plan_finish : STORE_TEXT_plan_end,
                planning->operation, 0, fault) != 0 ||
        store_plan_run(store, STORE_TEXT_plan_counts, &of, counts, 2, fault) < 0 ||
        store_plan_journal_list(store, planning->operation, planning->mark,
                                planning->is_saving ? STORE_LIST_SAVED : STORE_LIST_REMOVED,
                                fault) != 0)
        return -1;
    planning->planned = (struct store_planned){.planned = counts[0], .missing = counts[1]};
    return drop(store, planning->operation, fault);
}

/* Runs WORK in separate transactions until one finds nothing to do. */
static int repeat(struct store *store, store_work *work, struct planning *planning,
                  struct fault *fault)
{
    do
        if (store_transact(store, work, planning, fault) != 0)
            return -1;
    while (planning->changed > 0);
    return 0;
}

/* Replaces the list, behind begin. */
static int replace(struct store *store, struct planning *planning, struct fault *fault)
{
    return repeat(store, clear_some, planning, fault) != 0 ||
                   repeat(store, expect_some, planning, fault) != 0
               ? -1
               : store_transact(store, finish, planning, fault);
}

int store_save_expected(struct store *store, const struct store_named *named, store_each_id *each,
                        void *owner, struct store_planned *planned, struct fault *fault)
{
    struct planning planning = {
        .named = named, .makes = true, .is_saving = true, .each = each, .owner = owner};
    if (store_transact(store, begin, &planning, fault) != 0 ||
        replace(store, &planning, fault) != 0)
        return -1;
    *planned = planning.planned;
    return 0;
}

int store_keep_asked(struct store *store, const struct store_named *named, const char *said,
                     store_each_id *each, void *owner, struct fault *fault)
{
    struct planning planning = {.named = named,
                                .makes = true,
                                .is_saving = true,
                                .said = said,
                                .each = each,
                                .owner = owner};
    if (store_transact(store, begin, &planning, fault) != 0)
        return -1;
    return planning.is_operators ? 1 : replace(store, &planning, fault);
}

int store_forget_expected(struct store *store, const struct store_named *named, struct fault *fault)
{
    struct planning planning = {.named = named, .needs_list = true};
    if (store_transact(store, begin, &planning, fault) != 0)
        return -1;
    if (planning.operation == 0)
        return 1;
    return repeat(store, clear_some, &planning, fault) != 0
               ? -1
               : store_transact(store, finish, &planning, fault);
}

/* --- the note --------------------------------------------------------------------------------- */

static int set_note(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    if (find_operation(store, planning, fault) != 0)
        return -1;
    if (planning->operation == 0)
        return 0;
    const struct store_plan_values values = {
        .numbers = {planning->operation, planning->named->now_ms},
        .numbers_length = 2,
        .texts = {planning->note},
        .texts_length = 1};
    return store_plan_run(store, STORE_TEXT_plan_note, &values, NULL, 0, fault) < 0 ||
                   store_plan_journal_note(store, planning->operation, fault) != 0
               ? -1
               : drop(store, planning->operation, fault);
}

int store_set_note(struct store *store, const struct store_named *named, const char *text,
                   struct fault *fault)
{
    struct planning planning = {.named = named, .makes = text[0] != '\0', .note = text};
    if (store_transact(store, set_note, &planning, fault) != 0)
        return -1;
    return planning.operation == 0 ? 1 : 0;
}

/* --- what prune and erase remove -------------------------------------------------------------- */

/* Removes, in one transaction, some of the list of an operation. The counts of an operation that
 * has reports stay; another one goes. */
static int prune_some(struct store *store, void *argument, struct fault *fault)
{
    struct planning *planning = argument;
    if (run_for(store, STORE_TEXT_plan_prune_begin, planning->operation, 0, fault) != 0 ||
        run_for(store, STORE_TEXT_plan_clear, planning->operation, CHUNK_ROWS, fault) != 0)
        return -1;
    planning->changed = sqlite3_changes(store->db);
    if (planning->changed > 0)
        return 0;
    return run_for(store, STORE_TEXT_plan_prune, planning->operation, 0, fault) != 0
               ? -1
               : drop(store, planning->operation, fault);
}

/* Removes what the platform said of operations that are pruned. */
static int prune_asked(struct store *store, void *argument, struct fault *fault)
{
    const int64_t *before_ms = argument;
    return run_for(store, STORE_TEXT_plan_prune_asked, *before_ms, 0, fault);
}

int store_plan_prune(struct store *store, int64_t before_ms, struct fault *fault)
{
    if (store_transact(store, prune_asked, &before_ms, fault) != 0)
        return -1;
    for (int64_t operation = 0;;) {
        const struct store_plan_values values = {.numbers = {operation, before_ms},
                                                 .numbers_length = 2};
        int found = store_plan_run(store, STORE_TEXT_plan_next_pruned, &values, &operation, 1,
                                   fault);
        if (found <= 0)
            return found;
        struct planning planning = {.operation = operation};
        if (repeat(store, prune_some, &planning, fault) != 0)
            return -1;
    }
}

/* The device to erase. */
struct erased {
    const char *device_id;
    int64_t device; /* its hash */
    int64_t operation;
    int rows; /* that one transaction removed */
};

/* Removes the device from what the platform said. */
static int erase_asked(struct store *store, void *argument, struct fault *fault)
{
    const struct erased *erased = argument;
    const struct store_plan_values values = {.texts = {erased->device_id}, .texts_length = 1};
    return store_plan_run(store, STORE_TEXT_plan_erase_asked, &values, NULL, 0, fault) < 0 ? -1 : 0;
}

static int erase_one(struct store *store, void *argument, struct fault *fault)
{
    struct erased *erased = argument;
    const struct store_plan_values values = {.numbers = {erased->operation, erased->device},
                                             .numbers_length = 2,
                                             .texts = {erased->device_id},
                                             .texts_length = 1};
    int64_t found[3] = {0};
    erased->rows = store_plan_run(store, STORE_TEXT_plan_next_erased, &values, found, 3, fault);
    if (erased->rows <= 0)
        return erased->rows;
    erased->operation = found[0];
    return run_for(store, STORE_TEXT_plan_count_erased, found[0], found[2], fault) != 0
               ? -1
               : run_for(store, STORE_TEXT_plan_erase, found[1], 0, fault);
}

int store_plan_erase(struct store *store, const char *device_id, struct fault *fault)
{
    struct erased erased = {
        .device_id = device_id,
        .device = store_low32(content_hash_string(device_id, store->hash_key)),
    };
    if (store_transact(store, erase_asked, &erased, fault) != 0)
        return -1;
    do
        if (store_transact(store, erase_one, &erased, fault) != 0)
            return -1;
    while (erased.rows > 0);
    return 0;
}
