/* list_operations: lists of operations. */
#include "config.h"

#include "store/engine.h"

#include <stdio.h>

#define COLUMNS                                                                             \
    "SELECT id, app_id, operation_id, in_progress, success, fail, contradictory, first_at," \
    " last_at, pruned, kind, planned, missing, note"

bool store_next_operation(struct store_rows *rows, struct store_operation_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_operation_row){
        .id = sqlite3_column_int64(read, 0),
        .app_id = store_column_text(read, 1),
        .operation_id = store_column_text(read, 2),
        .in_progress = sqlite3_column_int64(read, 3),
        .success = sqlite3_column_int64(read, 4),
        .fail = sqlite3_column_int64(read, 5),
        .contradictory = sqlite3_column_int64(read, 6),
        .heard = sqlite3_column_type(read, 7) != SQLITE_NULL,
        .first_ms = sqlite3_column_int64(read, 7),
        .last_ms = sqlite3_column_int64(read, 8),
        .pruned = sqlite3_column_int(read, 9) == 1,
        .kind = (enum store_kind)sqlite3_column_int(read, 10),
        .has_plan = sqlite3_column_type(read, 11) != SQLITE_NULL &&
                    sqlite3_column_int64(read, 11) >= 0,
        .planned = sqlite3_column_int64(read, 11),
        .missing = sqlite3_column_int64(read, 12),
        .note = store_column_text(read, 13),
    };
    return true;
}

/* --- states ---------------------------------------------------------------------------------- */

/* The same twice: of a row that was read, and of a row of the table. ?11 is QUIET_BEFORE_MS. */
enum store_operation_state store_operation_state(const struct store_operation_row *row,
                                                 int64_t quiet_before_ms)
{
    bool is_quiet = row->last_ms < quiet_before_ms;
    if (row->in_progress == 0 && (row->has_plan ? row->missing == 0 : is_quiet && row->heard))
        return STORE_FINISHED;
    return is_quiet ? STORE_STALLED : STORE_RUNNING;
}

#define OF_STATE                                                                                 \
    " AND ?10 = CASE WHEN in_progress = 0 AND CASE WHEN planned >= 0 THEN missing = 0"           \
    "  ELSE last_at < ?11 AND first_at IS NOT NULL END THEN 2 WHEN last_at < ?11 THEN 1 ELSE 0 " \
    "END"

_Static_assert(STORE_RUNNING == 0 && STORE_STALLED == 1 && STORE_FINISHED == 2,
               "OF_STATE has these numbers");

/* --- pages ----------------------------------------------------------------------------------- */

/* The parameters after those of a key. */
enum parameter {
    PARAMETER_APP = 5,
    PARAMETER_FAIL_ABOVE,
    PARAMETER_SINCE,
    PARAMETER_UNTIL,
    PARAMETER_SEARCH,
    PARAMETER_STATE,
    PARAMETER_QUIET,
    PARAMETER_MOST,
};

/* The orders. Without an index, SQLite keeps only the first ?12 rows while it sorts. */
static const struct order {
    const char *from; /* the table, and the condition for a page after another */
    const char *by;   /* the order, and the key of a row */
    const char *key;
    int key_length;
} orders[] = {
    [STORE_LATEST] = {" FROM operation WHERE last_seq <= ?1 AND (last_seq, id) < (?1, ?2)",
                      " ORDER BY last_seq DESC, id DESC", "last_seq, id", 2},
    [STORE_MOST_FAILED] = {" FROM operation WHERE (fail, id) < (?1, ?2)",
                           " ORDER BY fail DESC, id DESC LIMIT ?12", "fail, id", 2},
    [STORE_BY_NAME] = {" FROM operation INDEXED BY operation_name WHERE (?1 = 0 OR"
                       " (operation_id, id) > (SELECT operation_id, id FROM operation"
                       "  WHERE id = ?1))",
                       " ORDER BY operation_id, id", "id", 1},
};

struct store_rows store_filter_operations(struct store_reader *reader,
                                          const struct store_operation_filter *filter,
                                          const struct store_page_token *after, size_t most,
                                          struct fault *fault)
{
    const struct order *order = &orders[filter->order];
    const int64_t first = filter->order == STORE_BY_NAME ? 0 : INT64_MAX;
    const int64_t numbers[] = {first, first};
    char sql[2048];
    snprintf(sql, sizeof sql, COLUMNS ", %s%s%s%s%s%s%s%s%s", order->key, order->from,
             filter->app_id != NULL ? " AND app_id = ?5" : "",
             filter->fail_above >= 0 ? " AND fail * 1000000 > ?6 * (success + fail)" : "",
             filter->since_ms > 0 ? " AND last_at >= ?7" : "",
             filter->until_ms > 0 ? " AND coalesce(first_at, last_at) < ?8" : "",
             filter->search != NULL ? " AND instr(lower(operation_id), lower(?9)) > 0" : "",
             filter->of_state ? OF_STATE : "", order->by);
    struct store_rows rows = store_rows_begin(reader, sql, numbers, order->key_length,
                                              order->key_length, after, most, fault);
    sqlite3_stmt *read = rows.statement;
    /* SQLite does not mind a parameter that the text lacks. */
    if (filter->app_id != NULL)
        store_bind_text(read, PARAMETER_APP, filter->app_id);
    if (filter->search != NULL)
        store_bind_text(read, PARAMETER_SEARCH, filter->search);
    sqlite3_bind_int64(read, PARAMETER_FAIL_ABOVE, filter->fail_above);
    sqlite3_bind_int64(read, PARAMETER_SINCE, filter->since_ms);
    sqlite3_bind_int64(read, PARAMETER_UNTIL, filter->until_ms);
    sqlite3_bind_int(read, PARAMETER_STATE, (int)filter->state);
    sqlite3_bind_int64(read, PARAMETER_QUIET, filter->quiet_before_ms);
    sqlite3_bind_int64(read, PARAMETER_MOST, most < INT64_MAX ? (int64_t)most + 1 : -1);
    return rows;
}

struct store_rows store_list_operations(struct store_reader *reader,
                                        const struct store_page_token *after, size_t most,
                                        struct fault *fault)
{
    return store_filter_operations(reader, &(struct store_operation_filter){.fail_above = -1},
                                   after, most, fault);
}

/* ?1 and a byte that no text contains sort after every name that begins with ?1. */
#define BEGINNING                                                                    \
    COLUMNS " FROM (SELECT * FROM operation INDEXED BY operation_name"               \
            " WHERE operation_id >= ?1 AND operation_id < ?1 || CAST(x'FF' AS TEXT)" \
            " AND (?2 IS NULL OR app_id = ?2) ORDER BY operation_id LIMIT ?3)"       \
            " ORDER BY last_seq DESC, id DESC"
#define NAMED                                                                         \
    COLUMNS " FROM operation WHERE operation_id = ?1 AND (?2 IS NULL OR app_id = ?2)" \
            " ORDER BY last_seq DESC, id DESC"

struct store_rows store_find_operations(struct store_reader *reader, const char *app_id,
                                        const char *operation_id, bool prefix, size_t most,
                                        struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, prefix ? BEGINNING : NAMED, NULL, 0, 0, NULL,
                                              most, fault);
    store_bind_text(rows.statement, 1, operation_id);
    store_bind_text(rows.statement, 2, app_id); /* NULL is NULL */
    sqlite3_bind_int64(rows.statement, 3, STORE_PAGE_MAX);
    return rows;
}
