/* store_prune: takes old rows out of the store, and leaves what is counted of them.
 *
 * An operation goes whole, once nothing has come in it for long enough. What comes for it all the
 * same is counted anew: which of its upgrades were counted before is not known any more. Whatever
 * an application has not been told yet stays. */
#include "config.h"

#include "store_care.h"
#include "store_sqlite.h"

#include <stdio.h>

/* Rows of one transaction: so many take some milliseconds, for which a receiver may have to wait.
 */
#define CHUNK_ROWS 500

/* What is left to do, and what was done. */
struct pruning {
    int64_t before_ms;
    int64_t deliverable; /* seq up to which every application has been told */
    int64_t operation;   /* that is being pruned; 0: what belongs to none */
    int64_t last_seq;    /* of it, when it was found */
    int64_t from_seq;    /* notifications that belong to none are done up to here */
    int64_t changed;     /* rows that the last transaction took out */
    struct store_pruned *pruned;
};

/* Runs SQL with NUMBERS bound. Sets *FOUND, unless NULL, to the first row's columns. */
static int run(struct store *store, const char *sql, const int64_t *numbers, int count,
               int64_t *found, int columns, struct fault *fault)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return store_fault(store->db, fault, "cannot prune");
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        for (int i = 0; i < columns; i++)
            found[i] = sqlite3_column_int64(statement, i);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        store_fault(store->db, fault, "cannot prune");
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
}

/* Takes out the notifications that SELECTION, with NUMBERS bound, gives the numbers of. */
static int remove_notifications(struct store *store, const char *selection, const int64_t *numbers,
                                int count, struct pruning *pruning, struct fault *fault)
{
    char sql[512];
    int64_t sums[3] = {0};
    snprintf(sql, sizeof sql,
             "SELECT count(*), coalesce(sum(deliveries - 1), 0), coalesce(max(seq), 0)"
             " FROM notification WHERE seq IN (%s)",
             selection);
    if (run(store, sql, numbers, count, sums, 3, fault) != 0)
        return -1;
    snprintf(sql, sizeof sql, "DELETE FROM notification WHERE seq IN (%s)", selection);
    if (sums[0] > 0 && run(store, sql, numbers, count, NULL, 0, fault) != 0)
        return -1;
    store->ledger.pruned_notifications += sums[0];
    store->ledger.pruned_repeats += sums[1];
    pruning->changed += sums[0];
    pruning->pruned->notifications += sums[0];
    if (sums[2] > pruning->from_seq)
        pruning->from_seq = sums[2];
    return 0;
}

/* One transaction's part of an operation: first its upgrades, which point at notifications. */
static int prune_operation(struct store *store, void *argument, struct fault *fault)
{
    struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->operation, pruning->last_seq, CHUNK_ROWS};
    pruning->changed = 0;
    if (run(store, "UPDATE operation SET pruned = 1 WHERE id = ?1", numbers, 1, NULL, 0, fault) !=
            0 ||
        run(store,
            "DELETE FROM upgrade WHERE id IN (SELECT id FROM upgrade WHERE operation = ?1"
            " AND seq <= ?2 LIMIT ?3)",
            numbers, 3, NULL, 0, fault) != 0)
        return -1;
    pruning->changed = sqlite3_changes(store->db);
    pruning->pruned->upgrades += pruning->changed;
    if (pruning->changed > 0)
        return 0;
    return remove_notifications(
        store, "SELECT seq FROM notification WHERE operation = ?1 AND seq <= ?2 LIMIT ?3", numbers,
        3, pruning, fault);
}

/* One transaction's part of what belongs to no operation. */
static int prune_news(struct store *store, void *argument, struct fault *fault)
{
    struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->from_seq, pruning->before_ms, pruning->deliverable,
                               CHUNK_ROWS, STORE_SPAN_BITS};
    pruning->changed = 0;
    return remove_notifications(store,
                                "SELECT n.seq FROM span s CROSS JOIN notification n"
                                " ON n.seq >= s.id << ?5 AND n.seq < (s.id + 1) << ?5"
                                " WHERE s.id >= ?1 >> ?5 AND s.first_at < ?2 AND n.seq > ?1"
                                " AND n.seq <= ?3 AND n.operation = 0 AND n.received_at < ?2"
                                " ORDER BY s.id, n.seq LIMIT ?4",
                                numbers, 5, pruning, fault);
}

/* Takes out the times of spans that no notification is left of. */
static int prune_spans(struct store *store, void *argument, struct fault *fault)
{
    const struct pruning *pruning = argument;
    const int64_t numbers[] = {pruning->before_ms, STORE_SPAN_BITS};
    return run(store,
               "DELETE FROM span WHERE first_at < ?1 AND NOT EXISTS (SELECT 1 FROM notification n"
               " WHERE n.seq >= span.id << ?2 AND n.seq < (span.id + 1) << ?2)",
               numbers, 2, NULL, 0, fault);
}

static void report(const struct store_progress *progress, const struct pruning *pruning, int64_t of)
{
    int64_t done = pruning->pruned->notifications;
    if (progress != NULL && progress->report != NULL)
        progress->report(progress->owner, done, done > of ? done : of);
}

/* Runs WORK in transactions of its own until one finds nothing to do. */
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

/* Prunes the operations in which nothing has come since, one after the other. */
static int prune_operations(struct store *store, struct pruning *pruning,
                            const struct store_progress *progress, int64_t of, struct fault *fault)
{
    int64_t numbers[] = {0, pruning->before_ms};
    for (;;) {
        int64_t found[2] = {0};
        if (run(store,
                "SELECT id, last_seq FROM operation o WHERE id > ?1 AND last_at < ?2"
                " AND EXISTS (SELECT 1 FROM notification n WHERE n.operation = o.id)"
                " ORDER BY id LIMIT 1",
                numbers, 2, found, 2, fault) != 0)
            return -1;
        if (found[0] == 0)
            return 0;
        numbers[0] = pruning->operation = found[0];
        pruning->last_seq = found[1];
        if (pruning->last_seq > pruning->deliverable) {
            pruning->pruned->undelivered++;
            continue;
        }
        if (repeat(store, prune_operation, pruning, progress, of, fault) != 0)
            return -1;
        pruning->pruned->operations++;
    }
}

int store_prune(struct store *store, int64_t before_ms, const struct store_progress *progress,
                struct store_pruned *pruned, struct fault *fault)
{
    *pruned = (struct store_pruned){.operations = 0};
    struct pruning pruning = {.before_ms = before_ms, .pruned = pruned};
    const int64_t now = before_ms;
    int64_t of = 0;
    if (run(store, "SELECT coalesce(min(seq), 9223372036854775807) FROM cursor", NULL, 0,
            &pruning.deliverable, 1, fault) != 0 ||
        run(store,
            "SELECT (SELECT count(*) FROM operation o CROSS JOIN notification n"
            "  ON n.operation = o.id WHERE o.last_at < ?1) + (SELECT count(*) FROM notification"
            "  WHERE operation = 0 AND received_at < ?1)",
            &now, 1, &of, 1, fault) != 0)
        return -1;
    report(progress, &pruning, of);
    if (prune_operations(store, &pruning, progress, of, fault) != 0)
        return -1;
    pruning.from_seq = 0;
    return repeat(store, prune_news, &pruning, progress, of, fault) != 0
               ? -1
               : store_transact(store, prune_spans, &pruning, fault);
}
