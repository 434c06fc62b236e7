/* store_check: the store against itself: the file, then every counter against a recount of its
 * rows.
 *
 * Each recount is one statement, and so of one moment; between them nothing is held, so that the
 * writer's log can start again from its beginning. Rows of operations that were pruned are gone, so
 * what is counted of those is not recounted. */
#include "config.h"

#include "store_care.h"
#include "store_sqlite.h"

#include <string.h>

/* Upgrades of operations that still have all of theirs. */
#define WHOLE "upgrade u JOIN operation o ON o.id = u.operation AND o.pruned = 0"

/* What an operation is called in a flaw. */
#define NAMED "'operation ' || o.operation_id || ' of ' || o.app_id || ': '"

/* X(column, recount): a column of totals, and what it must be. */
#define RECOUNTS(X)                                                                            \
    X(seq, "notifications")                                                                    \
    X(notifications, "pruned_notifications + (SELECT count(*) FROM notification)")             \
    X(repeats, "pruned_repeats + (SELECT coalesce(sum(deliveries - 1), 0) FROM notification)") \
    X(in_progress, "(SELECT coalesce(sum(in_progress), 0) FROM operation)")                    \
    X(success, "(SELECT coalesce(sum(success), 0) FROM operation)")                            \
    X(fail, "(SELECT coalesce(sum(fail), 0) FROM operation)")                                  \
    X(contradictory, "(SELECT coalesce(sum(contradictory), 0) FROM operation)")                \
    X(quarantine_held, "(SELECT count(*) FROM quarantined)")                                   \
    X(quarantine_bytes, "(SELECT coalesce(sum(length(body)), 0) FROM quarantined)")            \
    X(quarantine_unknown_held, "(SELECT count(*) FROM quarantined WHERE known = 0)")           \
    X(quarantine_unknown_bytes,                                                                \
      "(SELECT coalesce(sum(length(body)), 0) FROM quarantined WHERE known = 0)")              \
    X(notifications, "(SELECT coalesce(sum(count), 0) FROM kind)")                             \
    X(notifications, "pruned_notifications + (SELECT count(*) FROM lookup)")                   \
    X(quarantine_id, "max(quarantine_id, (SELECT coalesce(max(id), 0) FROM quarantined))")
#define RECOUNT(column, recount) \
    " UNION ALL SELECT '" #column "', totals." #column ", " recount " FROM totals"

/* Each gives a row, the flaw, for whatever is not as it should be. */
static const char *const recounts[] = {
    "PRAGMA integrity_check",

    "SELECT 'totals: ' || name || ' is ' || said || ', counted ' || counted"
    " FROM (SELECT '' AS name, 0 AS said, 0 AS counted" RECOUNTS(RECOUNT) ") WHERE said <> counted",

    "SELECT " NAMED "|| o.in_progress || ' in progress, ' || o.success || ' SUCCESS, ' || o.fail"
    " || ' FAIL, ' || o.contradictory || ' contradictory; counted ' || c.in_progress || ', '"
    " || c.success || ', ' || c.fail || ', ' || c.contradictory FROM (SELECT o.id,"
    "  (SELECT count(*) FROM upgrade WHERE state = 0 AND operation = o.id) AS in_progress,"
    "  (SELECT count(*) FROM upgrade WHERE state = 1 AND operation = o.id) AS success,"
    "  (SELECT count(*) FROM upgrade WHERE state = 2 AND operation = o.id) AS fail,"
    "  (SELECT count(*) FROM upgrade WHERE contradictory = 1 AND operation = o.id)"
    "  AS contradictory FROM operation o WHERE o.pruned = 0"
    " ) c JOIN operation o ON o.id = c.id WHERE (o.in_progress, o.success, o.fail, o.contradictory)"
    " <> (c.in_progress, c.success, c.fail, c.contradictory)",

    "SELECT 'totals: ' || notify_type || ' ' || result || ' is counted ' || sum(said) || ' times,'"
    " || ' and stands ' || sum(counted) || ' times' FROM (SELECT notify_type, result,"
    "  count AS said, 0 AS counted FROM kind UNION ALL"
    "  SELECT coalesce(json_extract(body, '$.notifyType'), ''),"
    "  coalesce(" STORE_RESULT_OF("body") ", ''), 0, count(*) FROM notification GROUP BY 1, 2)"
                                          " GROUP BY notify_type, result HAVING sum(said) < "
                                          "sum(counted) OR (sum(said) > sum(counted)"
                                          "  AND (SELECT pruned_notifications FROM totals) = 0)",

    "SELECT " NAMED
    "|| 'errorCode ''' || code || ''' is counted ' || sum(said) || ' times, and stands '"
    " || sum(counted) || ' times' FROM (SELECT operation, error_code AS code, count AS said,"
    "  0 AS counted FROM failure WHERE count <> 0 UNION ALL"
    "  SELECT operation, coalesce(error_code, ''), 0, count(*) FROM upgrade WHERE state = 2"
    "  GROUP BY 1, 2) JOIN operation o ON o.id = operation AND o.pruned = 0"
    " GROUP BY operation, code HAVING sum(said) <> sum(counted)",

    "SELECT " NAMED
    "|| 'from ' || source || ' to ' || target || ': ' || sum(m.success) || ' SUCCESS and '"
    " || sum(m.fail) || ' FAIL more than counted' FROM"
    "  (SELECT operation, source, target, success, fail FROM move UNION ALL SELECT u.operation,"
    "  counted_as(coalesce(json_extract(n.body, '$.sourceVersion'), '')),"
    "  counted_as(coalesce(json_extract(n.body, '$.targetVersion'), '')),"
    "  -(u.state = 1), -(u.state = 2)"
    "  FROM upgrade u JOIN notification n ON n.seq = u.seq WHERE u.state > 0) m"
    " JOIN operation o ON o.id = m.operation AND o.pruned = 0"
    " GROUP BY m.operation, source, target HAVING sum(m.success) <> 0 OR sum(m.fail) <> 0",

    "SELECT " NAMED "|| 'its pace does not add up to its counters' FROM operation o"
    " LEFT JOIN pace p ON p.operation = o.id GROUP BY o.id HAVING total(p.in_progress) <>"
    " o.in_progress OR total(p.success) <> o.success OR total(p.fail) <> o.fail",

    "SELECT " NAMED
    "|| 'an upgrade, ' || u.id || ', whose notification ' || u.seq || ' is gone or of'"
    " || ' another operation' FROM " WHOLE " LEFT JOIN notification n ON n.seq = u.seq"
    " WHERE n.seq IS NULL OR n.operation <> u.operation OR n.device <> u.device",

    "SELECT " NAMED
    "|| 'an upgrade, ' || u.id || ', whose last step, notification ' || u.step_seq || ', is gone'"
    " || ' or of another operation' FROM " WHOLE " LEFT JOIN notification s ON s.seq = u.step_seq"
    " WHERE u.step_seq IS NOT NULL"
    " AND (s.seq IS NULL OR s.operation <> u.operation OR s.device <> u.device)",

    "SELECT 'upgrade ' || id || ' is of no operation' FROM upgrade u"
    " WHERE NOT EXISTS (SELECT 1 FROM operation o WHERE o.id = u.operation)",

    /* A result says what its upgrade is, and a state change that it is not over. */
    "SELECT " NAMED
    "|| 'device ' || json_extract(n.body, '$.deviceId') || ': its state is not what'"
    " || ' notification ' || n.seq || ' says' FROM " WHOLE " JOIN notification n ON n.seq = u.seq"
    " WHERE u.state <> CASE " STORE_RESULT_OF(
        "n.body") "  WHEN 'SUCCESS' THEN 1 WHEN 'FAIL' THEN 2 ELSE 0 END"
                  " OR (u.state > 0 AND u.contradictory <> ((u.state = 1) <>"
                  "  (json_extract(n.body, '$.curVersion') = json_extract(n.body, "
                  "'$.targetVersion')))"
                  "  AND instr(n.body, '\\u0000') = 0)", /* SQLite may end a text there */

    "SELECT 'lookup: an entry of notification ' || l.seq || ', which is gone or another'"
    " FROM lookup l LEFT JOIN notification n ON n.seq = l.seq WHERE n.seq IS NULL"
    " OR n.operation <> l.operation OR n.device <> l.device OR n.content <> l.content"
    " OR (l.operation = 0 AND (l.upgrade <> 0 OR l.sub_operation <> 0))",

    "SELECT " NAMED "|| 'notification ' || n.seq || ' has no upgrade' FROM lookup l"
    " JOIN operation o ON o.id = l.operation JOIN notification n ON n.seq = l.seq"
    " LEFT JOIN upgrade u ON u.id = l.upgrade WHERE u.id IS NULL AND o.pruned = 0",

    "SELECT " NAMED "|| 'lookup: notification ' || n.seq || ' is not of upgrade ' || u.id"
    " FROM lookup l JOIN operation o ON o.id = l.operation JOIN notification n ON n.seq = l.seq"
    " JOIN upgrade u ON u.id = l.upgrade JOIN notification s ON s.seq = u.seq"
    " WHERE u.operation <> l.operation OR u.device <> l.device"
    " OR u.sub_operation <> l.sub_operation"
    " OR json_extract(s.body, '$.deviceId') IS NOT json_extract(n.body, '$.deviceId')"
    " OR json_extract(s.body, '$.subOperationId') IS NOT json_extract(n.body, '$.subOperationId')",

    /* There are as many entries as notifications, so each has its own. */
    "SELECT 'lookup: notification ' || l.seq || ' is of two upgrades' FROM lookup l"
    " CROSS JOIN lookup m ON m.operation = l.operation AND m.device = l.device"
    " AND m.sub_operation = l.sub_operation AND m.upgrade > l.upgrade AND m.content = l.content"
    " AND m.seq = l.seq",

    "SELECT 'lookup: upgrade ' || u.id || ' is not where its notification is' FROM upgrade u"
    " JOIN notification n ON n.seq = u.seq WHERE NOT EXISTS (SELECT 1 FROM lookup l"
    "  WHERE l.operation = u.operation AND l.device = u.device"
    "  AND l.sub_operation = u.sub_operation AND l.upgrade = u.id AND l.content = n.content"
    "  AND l.seq = n.seq)",

    "SELECT " NAMED "|| 'its first and last notification were not received when it says'"
    " FROM operation o WHERE o.pruned = 0 AND (o.last_at IS NOT (SELECT n.received_at"
    "  FROM notification n WHERE n.seq = o.last_seq AND n.operation = o.id) OR o.first_at IS NOT"
    "  (SELECT n.received_at FROM notification n WHERE n.seq ="
    "   (SELECT min(seq) FROM lookup WHERE operation = o.id)))",

    "SELECT 'application ' || name || ' was told ' || cursor.seq || ' of ' || totals.seq"
    " || ' notifications' FROM cursor, totals WHERE cursor.seq > totals.seq",

    "SELECT 'application ' || name || ' was told a notification ' || cursor.seq || ' of another "
    "life'"
    " FROM cursor, totals WHERE cursor.seq BETWEEN 1 AND totals.seq"
    " AND life IS NOT " STORE_LIFE_OF("cursor.seq"),

    /* Numbers are given without a gap, and pruned from the front. */
    "SELECT 'notification ' || first || ' is missing' FROM (SELECT min(s.seq) + 1 AS first"
    "  FROM (SELECT pruned_seq AS seq FROM totals UNION ALL"
    "   SELECT n.seq FROM notification n, totals t WHERE n.seq > t.pruned_seq) s, totals t"
    "  WHERE s.seq < t.seq AND NOT EXISTS (SELECT 1 FROM notification m WHERE m.seq = s.seq + 1))"
    " WHERE first IS NOT NULL",

    "SELECT 'life: none for notification ' || min(seq) FROM notification"
    " WHERE seq < (SELECT coalesce(min(first_seq), 9223372036854775807) FROM life)"
    " HAVING min(seq) IS NOT NULL",

    "SELECT 'life: ' || id || ' has no notification' FROM life, totals WHERE first_seq > "
    "totals.seq",

    "SELECT 'life: more than one has the same id' FROM life GROUP BY id HAVING count(*) > 1",

    "SELECT 'notification ' || n.seq || ' was not received when its span says' FROM notification n"
    " LEFT JOIN span s ON s.id = n.seq >> 10"
    " WHERE s.id IS NULL OR n.received_at NOT BETWEEN s.first_at AND s.last_at",
};

_Static_assert(STORE_SPAN_BITS == 10, "the last recount knows spans of 1,024");

#define RECOUNTS_LENGTH ((int64_t)(sizeof recounts / sizeof recounts[0]))

static int tell_flaws(struct store_reader *reader, const char *sql, store_each_flaw *each,
                      void *owner, int64_t *flaws, struct fault *fault)
{
    sqlite3_stmt *read = store_reader_prepare(reader, sql, fault);
    if (read == NULL)
        return -1;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        const char *flaw = store_column_text(read, 0);
        if (strcmp(flaw, "ok") == 0) /* what integrity_check says when there is none */
            continue;
        (*flaws)++;
        each(owner, flaw);
    }
    return store_reader_finish(reader, read, step, fault);
}

/* counted_as(TEXT): its key. */
static void counted_as(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct store_key key;
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (text != NULL)
        sqlite3_result_text(context, store_key(text, &key), -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_error_nomem(context);
}

int store_add_counted_as(sqlite3 *db)
{
    return sqlite3_create_function(db, "counted_as", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   counted_as, NULL, NULL);
}

int store_check(struct store_reader *reader, const struct store_progress *progress,
                store_each_flaw *each, void *owner, int64_t *flaws, struct fault *fault)
{
    int result = store_reader_open(reader, fault);
    if (result == 0 && store_add_counted_as(reader->db) != SQLITE_OK)
        result = store_fault(reader->db, fault, reader->files[STORE_DB].path);
    *flaws = 0;
    for (int64_t i = 0; i < RECOUNTS_LENGTH && result == 0; i++) {
        if (progress != NULL && progress->report != NULL)
            progress->report(progress->owner, i, RECOUNTS_LENGTH);
        result = tell_flaws(reader, recounts[i], each, owner, flaws, fault);
    }
    if (result == 0 && progress != NULL && progress->report != NULL)
        progress->report(progress->owner, RECOUNTS_LENGTH, RECOUNTS_LENGTH);
    return result;
}
