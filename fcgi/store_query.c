/* store_query: pages of operations and what is counted of them. */
#include "config.h"

#include "store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *store_column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text == NULL ? "" : text;
}

static int no_place(struct fault *fault)
{
    if (fault != NULL && !fault->set)
        fault->misused = true;
    return fault_set(fault, "after: no place that a page has named");
}

int store_place_read(const struct store_place *place, int64_t numbers[], int count,
                     struct fault *fault)
{
    const char *at = place->text;
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtoll(at, &end, 10);
        const char *digit = at[0] == '-' ? at + 1 : at;
        if (*digit < '0' || *digit > '9' || *end != (i < count - 1 ? '.' : '\0'))
            return no_place(fault);
        at = end + 1;
    }
    return 0;
}

void store_place_write(struct store_place *place, const int64_t numbers[], int count)
{
    size_t used = 0;
    place->text[0] = '\0';
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(place->text + used, sizeof place->text - used, "%s%lld",
                                 i == 0 ? "" : ".", (long long)numbers[i]);
}

sqlite3_stmt *store_query_prepare(struct store_reader *reader, const char *sql,
                                  const int64_t numbers[], int count, struct fault *fault)
{
    if (store_reader_open(reader, fault) != 0)
        return NULL;
    sqlite3_stmt *read = store_reader_prepare(reader, sql, fault);
    for (int i = 0; read != NULL && i < count; i++)
        sqlite3_bind_int64(read, i + 1, numbers[i]);
    return read;
}

int store_query_rows(struct store_reader *reader, sqlite3_stmt *read, size_t most,
                     store_take_row *take, void *taker, bool *more, struct fault *fault)
{
    size_t count = 0;
    int step = SQLITE_DONE, result = 0;
    bool left = false;
    while (result >= 0 && !left && (step = sqlite3_step(read)) == SQLITE_ROW) {
        left = count++ == most || result > 0;
        if (!left)
            result = take(read, taker);
    }
    if (store_reader_finish(reader, read, step == SQLITE_ROW ? SQLITE_DONE : step, fault) != 0 ||
        result < 0)
        return -1;
    if (more != NULL)
        *more = left;
    return 0;
}

/* --- operations ------------------------------------------------------------------------------ */

struct operation_taker {
    store_each_operation *each;
    void *owner;
    int64_t last_seq; /* of the last row */
};

static int take_operation(sqlite3_stmt *read, void *argument)
{
    struct operation_taker *taker = argument;
    const struct store_operation_row row = {
        .id = sqlite3_column_int64(read, 0),
        .app_id = store_column_text(read, 1),
        .operation_id = store_column_text(read, 2),
        .in_progress = sqlite3_column_int64(read, 3),
        .success = sqlite3_column_int64(read, 4),
        .fail = sqlite3_column_int64(read, 5),
        .contradictory = sqlite3_column_int64(read, 6),
        .first_ms = sqlite3_column_int64(read, 7),
        .last_ms = sqlite3_column_int64(read, 8),
        .pruned = sqlite3_column_int(read, 9) != 0,
    };
    taker->last_seq = sqlite3_column_int64(read, 10);
    return taker->each(taker->owner, &row);
}

int store_list_operations(struct store_reader *reader, const struct store_place *after, size_t most,
                          store_each_operation *each, void *owner, struct store_place *next,
                          struct fault *fault)
{
    int64_t numbers[] = {INT64_MAX};
    struct operation_taker taker = {.each = each, .owner = owner};
    bool more;
    if (after->text[0] != '\0' && store_place_read(after, numbers, 1, fault) != 0)
        return -1;
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_operations), numbers, 1,
                                             fault);
    if (read == NULL ||
        store_query_rows(reader, read, most, take_operation, &taker, &more, fault) != 0)
        return -1;
    store_place_write(next, &taker.last_seq, more ? 1 : 0);
    return 0;
}

int store_find_operations(struct store_reader *reader, const char *app_id, const char *operation_id,
                          bool prefix, size_t most, store_each_operation *each, void *owner,
                          struct fault *fault)
{
    struct operation_taker taker = {.each = each, .owner = owner};
    sqlite3_stmt *read = store_query_prepare(
        reader, store_text(prefix ? STORE_TEXT_operations_beginning : STORE_TEXT_operations_named),
        NULL, 0, fault);
    if (read == NULL)
        return -1;
    sqlite3_bind_text(read, 1, operation_id, -1, SQLITE_STATIC);
    if (app_id != NULL)
        sqlite3_bind_text(read, 2, app_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(read, 3, STORE_PAGE_MAX);
    return store_query_rows(reader, read, most, take_operation, &taker, NULL, fault);
}

/* --- what is counted of one operation --------------------------------------------------------- */

struct failure_taker {
    store_each_failure *each;
    void *owner;
};

static int take_failure(sqlite3_stmt *read, void *argument)
{
    struct failure_taker *taker = argument;
    const struct store_failure_row row = {
        .error_code = store_column_text(read, 0),
        .example = store_column_text(read, 1),
        .count = sqlite3_column_int64(read, 2),
        .first_ms = sqlite3_column_int64(read, 3),
        .last_ms = sqlite3_column_int64(read, 4),
    };
    return taker->each(taker->owner, &row);
}

int store_list_failures(struct store_reader *reader, int64_t operation, size_t most,
                        store_each_failure *each, void *owner, bool *more, struct fault *fault)
{
    struct failure_taker taker = {.each = each, .owner = owner};
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_failures), &operation, 1,
                                             fault);
    return read == NULL ? -1
                        : store_query_rows(reader, read, most, take_failure, &taker, more, fault);
}

struct move_taker {
    store_each_move *each;
    void *owner;
};

static int take_move(sqlite3_stmt *read, void *argument)
{
    struct move_taker *taker = argument;
    const struct store_move_row row = {
        .source = store_column_text(read, 0),
        .target = store_column_text(read, 1),
        .success = sqlite3_column_int64(read, 2),
        .fail = sqlite3_column_int64(read, 3),
    };
    return taker->each(taker->owner, &row);
}

int store_list_moves(struct store_reader *reader, int64_t operation, size_t most,
                     store_each_move *each, void *owner, bool *more, struct fault *fault)
{
    struct move_taker taker = {.each = each, .owner = owner};
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_moves), &operation, 1,
                                             fault);
    return read == NULL ? -1 : store_query_rows(reader, read, most, take_move, &taker, more, fault);
}

struct pace_taker {
    store_each_pace *each;
    void *owner;
    int64_t width_ms;
    struct store_pace_row sum;
};

static int take_pace(sqlite3_stmt *read, void *argument)
{
    struct pace_taker *taker = argument;
    taker->width_ms = sqlite3_column_int64(read, 4);
    int64_t end_ms = sqlite3_column_int64(read, 0) + taker->width_ms;
    int64_t last_ms = sqlite3_column_int64(read, 5);
    /* Behind the last change nothing is known; a clock that stepped back may have put one there. */
    bool ahead = end_ms > last_ms && last_ms >= end_ms - taker->width_ms;
    taker->sum.at_ms = ahead ? last_ms : end_ms;
    taker->sum.in_progress += sqlite3_column_int64(read, 1);
    taker->sum.success += sqlite3_column_int64(read, 2);
    taker->sum.fail += sqlite3_column_int64(read, 3);
    return taker->each(taker->owner, &taker->sum);
}

int store_list_pace(struct store_reader *reader, int64_t operation, store_each_pace *each,
                    void *owner, int64_t *width_ms, struct fault *fault)
{
    struct pace_taker taker = {.each = each, .owner = owner};
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_pace), &operation, 1,
                                             fault);
    if (read == NULL ||
        store_query_rows(reader, read, STORE_PACE_MAX, take_pace, &taker, NULL, fault) != 0)
        return -1;
    *width_ms = taker.width_ms;
    return 0;
}

/* --- of the whole store ----------------------------------------------------------------------- */

struct kind_taker {
    store_each_kind *each;
    void *owner;
};

static int take_kind(sqlite3_stmt *read, void *argument)
{
    struct kind_taker *taker = argument;
    const struct store_kind_row row = {
        .notify_type = store_column_text(read, 0),
        .result = store_column_text(read, 1),
        .count = sqlite3_column_int64(read, 2),
    };
    return taker->each(taker->owner, &row);
}

int store_list_kinds(struct store_reader *reader, store_each_kind *each, void *owner,
                     struct fault *fault)
{
    struct kind_taker taker = {.each = each, .owner = owner};
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_kinds), NULL, 0, fault);
    return read == NULL ? -1
                        : store_query_rows(reader, read, SIZE_MAX, take_kind, &taker, NULL, fault);
}

struct quarantined_taker {
    store_each_quarantined *each;
    void *owner;
    int64_t last_id;
};

static int take_quarantined(sqlite3_stmt *read, void *argument)
{
    struct quarantined_taker *taker = argument;
    const struct store_quarantined_row row = {
        .id = sqlite3_column_int64(read, 0),
        .received_ms = sqlite3_column_int64(read, 1),
        .reason = store_column_text(read, 2),
        .pointer = store_column_text(read, 3),
        .body_length = (size_t)sqlite3_column_int64(read, 4),
    };
    taker->last_id = row.id;
    return taker->each(taker->owner, &row);
}

int store_list_quarantined(struct store_reader *reader, const struct store_place *after,
                           size_t most, store_each_quarantined *each, void *owner,
                           struct store_place *next, struct fault *fault)
{
    int64_t numbers[] = {0};
    struct quarantined_taker taker = {.each = each, .owner = owner};
    bool more;
    if (after->text[0] != '\0' && store_place_read(after, numbers, 1, fault) != 0)
        return -1;
    sqlite3_stmt *read = store_query_prepare(reader, store_text(STORE_TEXT_quarantined), numbers, 1,
                                             fault);
    if (read == NULL ||
        store_query_rows(reader, read, most, take_quarantined, &taker, &more, fault) != 0)
        return -1;
    store_place_write(next, &taker.last_id, more ? 1 : 0);
    return 0;
}
