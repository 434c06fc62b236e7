/* prune: removes rows from the store, old ones or those of one device, and keeps their counters.
 *
 * An operation is removed as a whole after it has received nothing for long enough. If more arrives
 * later, it is counted anew: the store no longer knows which upgrades it counted before. What an
 * application has not been told yet stays, and so does what the journal of shared books needs. */
#include "config.h"

#include "store/engine.h"
#include "store/journal.h"
#include "store/maintenance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Most rows of one transaction, and most bytes of their bodies (one body may exceed it). Such a
 * transaction takes some milliseconds, and a receiver may have to wait for it. */
#define CHUNK_ROWS 500
#define CHUNK_BYTES ((int64_t)4 << 20)

/* What remains, and what was done. */
struct pruning {
    int64_t before_ms;
    int64_t deliverable; /* every application has been told up to this seq */
    int64_t operation;   /* being pruned */
    int64_t last_seq;    /* of its last notification, when the operation was found */
    int64_t from_seq;    /* of the next notification without an operation */
    int64_t changed;     /* rows that the last transaction removed */
    struct store_pruned *pruned;
};

/* Prepares TEXT with COUNT numbers bound, and WORD behind them unless it is NULL. Returns NULL on
 * failure. */
static sqlite3_stmt *prepare(struct store *store, enum store_text text, const int64_t *numbers,
                             int count, const char *word, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, store_text(text), -1, &statement, NULL) != SQLITE_OK) {
        store_fault(store->db, fault, "cannot prune");
        return NULL;
    }
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    if (word != NULL)
        store_bind_text(statement, count + 1, word);
    return statement;
}

/* Runs TEXT, prepared like that. Sets FOUND, unless COLUMNS is 0, to the first row's columns. */
static int run(struct store *store, enum store_text text, const int64_t *numbers, int count,
               const char *word, int64_t *found, int columns, struct fault *fault)
{
    sqlite3_stmt *statement = prepare(store, text, numbers, count, word, fault);
    if (statement == NULL)
        return -1;
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        for (int i = 0; i < columns; i++)
            found[i] = sqlite3_column_int64(statement, i);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot prune");
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
}

/* A notification to remove: its lookup entry and its number of deliveries. */
struct going {
    struct store_entry entry;
    int64_t seq, deliveries;
};

static int64_t read_going(sqlite3_stmt *read, struct going *going)
{
    *going = (struct going){
        .entry.operation = sqlite3_column_int64(read, 0),
        .entry.device = sqlite3_column_int64(read, 1),
        .entry.sub_operation = sqlite3_column_int64(read, 2),
        .entry.upgrade = sqlite3_column_int64(read, 3),
        .entry.content = sqlite3_column_int64(read, 4),
        .seq = sqlite3_column_int64(read, 5),
        .deliveries = sqlite3_column_int64(read, 6),
    };
    return sqlite3_column_bytes(read, 7);
}

/* Reads as many of the notifications that TEXT finds as one transaction may remove. */
static int gather(struct store *store, enum store_text text, const int64_t *numbers, int count,
                  const char *word, struct going all[CHUNK_ROWS], size_t *length,
                  struct fault *fault)
{
    int64_t bytes = 0;
    int step = SQLITE_DONE;
    *length = 0;
    sqlite3_stmt *read = prepare(store, text, numbers, count, word, fault);
    if (read == NULL)
        return -1;
    while (*length < CHUNK_ROWS && bytes < CHUNK_BYTES && (step = sqlite3_step(read)) == SQLITE_ROW)
        bytes += read_going(read, &all[(*length)++]);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot prune");
    sqlite3_finalize(read);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
}

static int remove_notifications(struct store *store, const struct going all[], size_t length,
                                struct pruning *pruning, struct fault *fault)
{
    static const enum store_text texts[2] = {STORE_TEXT_prune_entry, STORE_TEXT_prune_notification};
    sqlite3_stmt *removes[2] = {NULL, NULL};
    int result = 0;
    for (size_t i = 0; i < 2 && result == 0; i++)
        if (sqlite3_prepare_v2(store->db, store_text(texts[i]), -1, &removes[i], NULL) != SQLITE_OK)
            result = store_fault(store->db, fault, "cannot prune");
    for (size_t i = 0; i < length && result == 0; i++) {
        store_entry_bind(removes[0], &all[i].entry);
        sqlite3_bind_int64(removes[0], 6, all[i].seq);
        sqlite3_bind_int64(removes[1], 1, all[i].seq);
        result = store_run(store, removes[0], "cannot prune", fault) != 0
                     ? -1
                     : store_run(store, removes[1], "cannot prune", fault);
    }
    for (size_t i = 0; i < 2; i++)
        sqlite3_finalize(removes[i]);
    if (result != 0)
        return -1;
    for (size_t i = 0; i < length; i++) {
        store->ledger.pruned_repeats += all[i].deliveries - 1;
        if (all[i].seq > store->ledger.pruned_seq)
            store->ledger.pruned_seq = all[i].seq;
    }
    store->ledger.pruned_notifications += (int64_t)length;
    pruning->changed += (int64_t)length;
    pruning->pruned->notifications += (int64_t)length;
    return 0;
}

/* Sets SEQ to the first notification that the journal needs. INT64_MAX: none. */
static int find_journaled(struct store *store, int64_t *seq, struct fault *fault)
{
    *seq = INT64_MAX;
    return run(store, STORE_TEXT_prune_journaled, NULL, 0, NULL, seq, 1, fault);
}

/* The same for a transaction. A receiver may have added an entry since the search: a repeat of an
 * old notification. Then *STAYS, and the transaction removes nothing. */
static int check_journaled(struct store *store, struct pruning *pruning, int64_t last_seq,
                           bool *stays, struct fault *fault)
{
    int64_t seq;
    pruning->changed = 0;
    if (find_journaled(store, &seq, fault) != 0)
        return -1;
    *stays = seq <= last_seq;
    return 0;
}

/* Prunes a part of an operation in one transaction. Upgrades go first, because they refer to
 * notifications. The lookup entries of an upgrade go later, with the notifications. No other
 * upgrade ever gets the id of a removed one. */
static int prune_operation(struct store *store, void *argument, struct fault *fault)
{
    struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->operation, pruning->last_seq, CHUNK_ROWS};
    struct going all[CHUNK_ROWS];
    size_t length;
    bool stays;
    if (check_journaled(store, pruning, pruning->last_seq, &stays, fault) != 0)
        return -1;
    if (stays)
        return 0;
    if (run(store, STORE_TEXT_prune_mark_operation, numbers, 1, NULL, NULL, 0, fault) != 0 ||
        run(store, STORE_TEXT_prune_upgrades, numbers, 3, NULL, NULL, 0, fault) != 0)
        return -1;
    pruning->changed = sqlite3_changes(store->db);
    pruning->pruned->upgrades += pruning->changed;
    if (pruning->changed > 0)
        return 0;
    return gather(store, STORE_TEXT_prune_of_operation, numbers, 2, NULL, all, &length, fault) != 0
               ? -1
               : remove_notifications(store, all, length, pruning, fault);
}

/* Prunes, in one transaction, a part of the notifications without an operation: those in a range of
 * seqs, or fewer if their bodies are large. */
static int prune_news(struct store *store, void *argument, struct fault *fault)
{
    struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->from_seq, pruning->from_seq + CHUNK_ROWS,
                               pruning->before_ms, pruning->deliverable};
    struct going all[CHUNK_ROWS];
    size_t length;
    bool stays;
    if (check_journaled(store, pruning, pruning->deliverable, &stays, fault) != 0)
        return -1;
    if (stays) {
        pruning->from_seq = INT64_MAX; /* ends the search; the next call of prune continues */
        return 0;
    }
    if (gather(store, STORE_TEXT_prune_news, numbers, 4, NULL, all, &length, fault) != 0)
        return -1;
    pruning->from_seq = length > 0 ? all[length - 1].seq + 1 : pruning->from_seq + 1;
    return remove_notifications(store, all, length, pruning, fault);
}

/* Removes the rows of the time index that have no notification left. */
static int prune_time_index(struct store *store, void *argument, struct fault *fault)
{
    const struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->before_ms, STORE_TIME_INDEX_BITS};
    return run(store, STORE_TEXT_prune_time_index, numbers, 2, NULL, NULL, 0, fault);
}

static void report(const struct store_progress *progress, const struct pruning *pruning, int64_t of)
{
    int64_t done = pruning->pruned->notifications;
    store_report(progress, done, done > of ? done : of);
}

/* Runs WORK in separate transactions until one finds nothing to do. */
static int repeat(struct store *store, store_work *work, struct pruning *pruning,
                  const struct store_progress *progress, int64_t of, struct fault *fault)
{
    do {
        if (store_transact(store, work, pruning, fault) != 0)
            return -1;
        report(progress, pruning, of);
    } while (pruning->changed > 0);
    return 0;
}

/* Whether the operation can be pruned: 1, 0 or -1. It cannot if a notification was received
 * since BEFORE_MS, also by way of quarantine, or if an application has not been told all. Sets
 * LAST_SEQ. */
static int is_prunable(struct store *store, struct pruning *pruning, struct fault *fault)
{
    int64_t last[2] = {0};
    if (run(store, STORE_TEXT_prune_operation_end, &pruning->operation, 1, NULL, last, 2, fault) !=
        0)
        return -1;
    pruning->last_seq = last[0];
    if (last[1] >= pruning->before_ms)
        return 0;
    if (last[0] <= pruning->deliverable)
        return 1;
    pruning->pruned->undelivered++;
    return 0;
}

/* Prunes the operations that have received nothing since BEFORE_MS, one after the other. */
static int prune_operations(struct store *store, struct pruning *pruning,
                            const struct store_progress *progress, int64_t of, struct fault *fault)
{
    int64_t numbers[] = {0, pruning->before_ms};
    for (;;) {
        int64_t found = 0;
        if (run(store, STORE_TEXT_prune_next_operation, numbers, 2, NULL, &found, 1, fault) != 0)
            return -1;
        if (found == 0)
            return 0;
        numbers[0] = pruning->operation = found;
        int prunable = is_prunable(store, pruning, fault);
        if (prunable < 0 ||
            (prunable > 0 && repeat(store, prune_operation, pruning, progress, of, fault) != 0))
            return -1;
        pruning->pruned->operations += prunable;
    }
}

/* Prunes notifications without an operation. The search runs outside a transaction: it may pass
 * many other rows, and a receiver must not wait for it. */
static int prune_all_news(struct store *store, struct pruning *pruning,
                          const struct store_progress *progress, int64_t of, struct fault *fault)
{
    for (pruning->from_seq = 0;;) {
        const int64_t numbers[] = {pruning->from_seq, pruning->before_ms, pruning->deliverable,
                                   STORE_TIME_INDEX_BITS};
        pruning->from_seq = 0;
        if (run(store, STORE_TEXT_prune_next_news, numbers, 4, NULL, &pruning->from_seq, 1,
                fault) != 0)
            return -1;
        if (pruning->from_seq == 0)
            return 0;
        if (store_transact(store, prune_news, pruning, fault) != 0)
            return -1;
        report(progress, pruning, of);
    }
}

/* Finds the seq up to which every application has been told, and shared books have everything; and
 * the slowest of them. */
static int find_slowest(struct store *store, struct pruning *pruning,
                        char name[STORE_CURSOR_NAME_MAX], struct fault *fault)
{
    sqlite3_stmt *read = prepare(store, STORE_TEXT_prune_slowest, NULL, 0, NULL, fault);
    if (read == NULL)
        return -1;
    int step = sqlite3_step(read);
    pruning->deliverable = step == SQLITE_ROW ? sqlite3_column_int64(read, 1) : INT64_MAX;
    snprintf(name, STORE_CURSOR_NAME_MAX, "%s",
             step == SQLITE_ROW ? store_column_text(read, 0) : "");
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot prune");
    sqlite3_finalize(read);
    int64_t journaled;
    if ((step != SQLITE_ROW && step != SQLITE_DONE) ||
        find_journaled(store, &journaled, fault) != 0)
        return -1;
    if (journaled - 1 < pruning->deliverable) {
        pruning->deliverable = journaled - 1;
        snprintf(name, STORE_CURSOR_NAME_MAX, "%s", STORE_JOURNAL_NAME);
    }
    return 0;
}

int store_prune(struct store *store, int64_t before_ms, const struct store_progress *progress,
                struct store_pruned *pruned, struct fault *fault)
{
    *pruned = (struct store_pruned){.operations = 0};
    struct pruning pruning = {.before_ms = before_ms, .pruned = pruned};
    char slowest[STORE_CURSOR_NAME_MAX];
    int64_t of = 0, left = 0;
    if (find_slowest(store, &pruning, slowest, fault) != 0 ||
        run(store, STORE_TEXT_prune_count, &before_ms, 1, NULL, &of, 1, fault) != 0)
        return -1;
    report(progress, &pruning, of);
    if (prune_operations(store, &pruning, progress, of, fault) != 0 ||
        store_plan_prune(store, before_ms, fault) != 0)
        return -1;
    /* Some of those without an operation may be old enough, and not delivered yet. */
    const int64_t news[] = {before_ms, pruning.deliverable, STORE_TIME_INDEX_BITS};
    if (prune_all_news(store, &pruning, progress, of, fault) != 0 ||
        store_transact(store, prune_time_index, &pruning, fault) != 0 ||
        run(store, STORE_TEXT_prune_news_left, news, 3, NULL, &left, 1, fault) != 0)
        return -1;
    if (left != 0 || pruned->undelivered > 0)
        memcpy(pruned->behind, slowest, sizeof slowest);
    report(progress, &pruning, pruned->notifications); /* the total leaves out what stays */
    return 0;
}

/* --- quarantine --- */

/* Bodies that one transaction removes from quarantine. Each may have a megabyte. */
#define DROP_MAX 32

struct dropping {
    const int64_t *ids;
    size_t count;
    int64_t dropped;
};

static int drop(struct store *store, void *argument, struct fault *fault)
{
    struct dropping *dropping = argument;
    for (size_t i = 0; i < dropping->count; i++) {
        int left = store_books_drop(store, dropping->ids[i], fault);
        if (left < 0)
            return -1;
        dropping->dropped += left;
    }
    return 0;
}

int store_drop_quarantined(struct store *store, const int64_t ids[], size_t count, int64_t *dropped,
                           struct fault *fault)
{
    for (size_t done = 0; done < count; done += DROP_MAX) {
        struct dropping dropping = {.ids = ids + done,
                                    .count = count - done < DROP_MAX ? count - done : DROP_MAX};
        if (store_transact(store, drop, &dropping, fault) != 0)
            return -1;
        *dropped += dropping.dropped;
    }
    return 0;
}

/* --- one device --- */

/* Tries to empty the log, and the pause between two: somebody may read. */
#define EMPTY_TRIES 20
#define EMPTY_PAUSE_MS 100

struct erasing {
    struct pruning pruning; /* first: repeat passes it */
    struct store_erased *erased;
    const char *device_id;
    int64_t device; /* its hash in this store */
};

/* Removes a part of what one operation, or none (0), has of the device, in one transaction.
 * Upgrades go first, as in prune_operation. */
static int erase_part(struct store *store, void *argument, struct fault *fault)
{
    struct erasing *erasing = argument;
    struct pruning *pruning = &erasing->pruning;
    const int64_t numbers[] = {pruning->operation, erasing->device, pruning->deliverable,
                               CHUNK_ROWS};
    struct going all[CHUNK_ROWS];
    size_t length;
    bool stays;
    if (check_journaled(store, pruning, pruning->deliverable, &stays, fault) != 0)
        return -1;
    if (stays)
        return 0;
    if (run(store, STORE_TEXT_erase_mark_operation, numbers, 1, NULL, NULL, 0, fault) != 0 ||
        run(store, STORE_TEXT_erase_upgrades, numbers, 4, erasing->device_id, NULL, 0, fault) != 0)
        return -1;
    pruning->changed = sqlite3_changes(store->db);
    pruning->pruned->upgrades += pruning->changed;
    if (pruning->changed > 0)
        return 0;
    return gather(store, STORE_TEXT_erase_notifications, numbers, 3, erasing->device_id, all,
                  &length, fault) != 0
               ? -1
               : remove_notifications(store, all, length, pruning, fault);
}

/* Removes all that one operation, or none, has of the device. In an operation, all of it stays if
 * an application has not been told all of it: an upgrade must not lose its notifications. */
static int erase_of_operation(struct store *store, struct erasing *erasing, struct fault *fault)
{
    struct pruning *pruning = &erasing->pruning;
    struct store_pruned *pruned = pruning->pruned;
    int64_t numbers[] = {pruning->operation, erasing->device, pruning->deliverable};
    int64_t found[2] = {0};
    if (run(store, STORE_TEXT_erase_count, numbers, 3, erasing->device_id, found, 2, fault) != 0)
        return -1;
    if (pruning->operation > 0 && found[1] > 0) {
        pruned->undelivered += found[0];
        return 0;
    }
    pruned->undelivered += found[1];
    pruned->operations += pruning->operation > 0 && found[0] > 0 ? 1 : 0;
    return found[0] == 0 ? 0 : repeat(store, erase_part, pruning, NULL, 0, fault);
}

static int erase_books(struct store *store, struct erasing *erasing, struct fault *fault)
{
    int64_t numbers[] = {0, erasing->device};
    erasing->pruning.operation = 0;
    for (;;) {
        if (erase_of_operation(store, erasing, fault) != 0)
            return -1;
        int64_t next = 0;
        numbers[0] = erasing->pruning.operation;
        if (run(store, STORE_TEXT_erase_next_operation, numbers, 2, NULL, &next, 1, fault) != 0)
            return -1;
        if (next == 0)
            return 0;
        erasing->pruning.operation = next;
    }
}

/* Removes the descriptions that name the device among the examples for error codes. */
static int erase_examples(struct store *store, void *argument, struct fault *fault)
{
    const struct erasing *erasing = argument;
    return run(store, STORE_TEXT_erase_examples, NULL, 0, erasing->device_id, NULL, 0, fault);
}

/* Removes the bodies in quarantine that have the id as a whole text of JSON. The search runs
 * outside a transaction. */
static int erase_quarantined(struct store *store, struct erasing *erasing, struct fault *fault)
{
    struct buffer text = {0};
    int64_t id = 0;
    int result = 0;
    buffer_add_json_string(&text, erasing->device_id, strlen(erasing->device_id));
    buffer_add(&text, "", 1);
    if (text.failed)
        result = fault_set(fault, "out of memory");
    while (result == 0) {
        int64_t found = 0;
        result = run(store, STORE_TEXT_erase_next_quarantined, &id, 1, text.bytes, &found, 1,
                     fault);
        if (result != 0 || found == 0)
            break;
        id = found;
        result = store_drop_quarantined(store, &id, 1, &erasing->erased->quarantined, fault);
    }
    buffer_release(&text);
    return result;
}

/* Copies the log to the main file and empties it: it has older states of the pages. */
static int empty_log(struct store *store, bool *emptied, struct fault *fault)
{
    *emptied = false;
    for (int i = 0; i < EMPTY_TRIES && !*emptied; i++) {
        const struct timespec pause = {.tv_nsec = EMPTY_PAUSE_MS * 1000000L};
        if (i > 0)
            nanosleep(&pause, NULL);
        if (store_empty_log(store, emptied, fault) != 0)
            return -1;
    }
    return 0;
}

int store_erase(struct store *store, const char *device_id, struct store_erased *erased,
                struct fault *fault)
{
    *erased = (struct store_erased){.quarantined = 0};
    struct erasing erasing = {
        .pruning = {.pruned = &erased->rows},
        .erased = erased,
        .device_id = device_id,
        .device = store_low32(content_hash_string(device_id, store->hash_key)),
    };
    char slowest[STORE_CURSOR_NAME_MAX];
    if (find_slowest(store, &erasing.pruning, slowest, fault) != 0 ||
        erase_books(store, &erasing, fault) != 0 ||
        store_plan_erase(store, device_id, fault) != 0 ||
        store_transact(store, erase_examples, &erasing, fault) != 0 ||
        erase_quarantined(store, &erasing, fault) != 0)
        return -1;
    if (erased->rows.undelivered > 0)
        memcpy(erased->rows.behind, slowest, sizeof slowest);
    return empty_log(store, &erased->emptied, fault);
}
