/* lists: the counters of an operation, and those of the whole store. */
#include "config.h"

#include "store/engine.h"

#include <stdio.h>
#include <string.h>

/* --- what is counted of one operation --------------------------------------------------------- */

bool store_next_failure(struct store_rows *rows, struct store_failure_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_failure_row){
        .error_code = store_column_text(read, 0),
        .example = store_column_text(read, 1),
        .count = sqlite3_column_int64(read, 2),
        .first_ms = sqlite3_column_int64(read, 3),
        .last_ms = sqlite3_column_int64(read, 4),
    };
    return true;
}

struct store_rows store_list_failures(struct store_reader *reader, int64_t operation, size_t most,
                                      struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_failures), &operation, 1, 0, NULL, most,
                            fault);
}

bool store_next_transition(struct store_rows *rows, struct store_transition_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_transition_row){
        .source = store_column_text(read, 0),
        .target = store_column_text(read, 1),
        .success = sqlite3_column_int64(read, 2),
        .fail = sqlite3_column_int64(read, 3),
    };
    return true;
}

struct store_rows store_list_transitions(struct store_reader *reader, int64_t operation,
                                         size_t most, struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_transitions), &operation, 1, 0, NULL,
                            most, fault);
}

bool store_next_target(struct store_rows *rows, struct store_target_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_target_row){
        .version = store_column_text(read, 0),
        .count = sqlite3_column_int64(read, 1),
    };
    return true;
}

struct store_rows store_list_targets(struct store_reader *reader, int64_t operation, size_t most,
                                     struct fault *fault)
{
    const int64_t numbers[] = {operation, STORE_TRANSITIONS_MAX};
    return store_rows_begin(reader, store_text(STORE_TEXT_targets), numbers, 2, 0, NULL, most,
                            fault);
}

bool store_next_expected(struct store_rows *rows, const char **device_id, const char **told)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *device_id = store_column_text(read, 0);
    if (told != NULL)
        *told = store_column_text(read, 1);
    return true;
}

int store_read_asked(struct store_reader *reader, int64_t operation, int64_t *asked_ms,
                     struct buffer *said, struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_asked), &operation, 1,
                                              0, NULL, 1, fault);
    sqlite3_stmt *read = store_rows_next(&rows);
    *asked_ms = read == NULL ? 0 : sqlite3_column_int64(read, 0);
    if (read != NULL)
        buffer_add_string(said, store_column_text(read, 1));
    return store_rows_end(&rows, NULL);
}

struct store_rows store_list_expected(struct store_reader *reader, int64_t operation,
                                      bool only_missing, const struct store_page_token *after,
                                      size_t most, struct fault *fault)
{
    const int64_t numbers[] = {operation, 0};
    return store_rows_begin(reader,
                            store_text(only_missing ? STORE_TEXT_missing : STORE_TEXT_expected),
                            numbers, 2, 1, after, most, fault);
}

bool store_next_timeline(struct store_rows *rows, struct store_timeline_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_timeline_row){
        .width_ms = sqlite3_column_int64(read, 0),
        .at_ms = sqlite3_column_int64(read, 1),
        .in_progress = sqlite3_column_int64(read, 2),
        .success = sqlite3_column_int64(read, 3),
        .fail = sqlite3_column_int64(read, 4),
    };
    return true;
}

struct store_rows store_list_timeline(struct store_reader *reader, int64_t operation,
                                      struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_timeline), &operation, 1, 0, NULL,
                            STORE_TIMELINE_MAX, fault);
}

/* --- of all operations ------------------------------------------------------------------------ */

bool store_next_error(struct store_rows *rows, struct store_error_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_error_row){
        .error_code = store_column_text(read, 0),
        .count = sqlite3_column_int64(read, 1),
        .operations = sqlite3_column_int64(read, 2),
        .example = store_column_text(read, 3),
    };
    return true;
}

struct store_rows store_list_errors(struct store_reader *reader, int64_t operation,
                                    const struct store_page_token *after, size_t most,
                                    struct fault *fault)
{
    const int64_t numbers[] = {operation, 0};
    return store_rows_begin(reader,
                            store_text(operation != 0 ? STORE_TEXT_errors_of : STORE_TEXT_errors),
                            numbers, operation != 0 ? 2 : 1, 1, after, most, fault);
}

/* --- of the whole store ----------------------------------------------------------------------- */

int store_read_overview(struct store_reader *reader, struct store_overview *overview,
                        struct fault *fault)
{
    struct store_overview taken = {.cursors_length = 0};
    struct store_rows totals = store_rows_begin(reader, store_statement_text(STORE_read_totals),
                                                NULL, 0, 0, NULL, 1, fault);
    sqlite3_stmt *read = store_rows_next(&totals);
    if (read != NULL) {
        struct store_ledger ledger;
        store_ledger_read(read, &ledger);
        taken.totals = ledger.totals;
    }
    if (store_rows_end(&totals, NULL) != 0)
        return -1;
    struct store_rows cursors = store_rows_begin(reader, store_text(STORE_TEXT_cursors), NULL, 0, 0,
                                                 NULL, STORE_CURSORS_MAX, fault);
    while ((read = store_rows_next(&cursors)) != NULL) {
        struct store_cursor *cursor = &taken.cursors[taken.cursors_length++];
        snprintf(cursor->name, sizeof cursor->name, "%s", store_column_text(read, 0));
        cursor->at.seq = sqlite3_column_int64(read, 1);
        store_life_copy(read, 2, cursor->at.life);
        cursor->lost = sqlite3_column_int(read, 3) != 0;
    }
    if (store_rows_end(&cursors, NULL) != 0)
        return -1;
    *overview = taken;
    return 0;
}

bool store_next_type_count(struct store_rows *rows, struct store_type_count_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_type_count_row){
        .notify_type = store_column_text(read, 0),
        .result = store_column_text(read, 1),
        .count = sqlite3_column_int64(read, 2),
    };
    return true;
}

struct store_rows store_list_type_counts(struct store_reader *reader, struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_type_counts), NULL, 0, 0, NULL, SIZE_MAX,
                            fault);
}

bool store_next_quarantined(struct store_rows *rows, struct store_quarantined_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_quarantined_row){
        .received_ms = sqlite3_column_int64(read, 0),
        .reason = store_column_text(read, 1),
        .pointer = store_column_text(read, 2),
        .body_length = (size_t)sqlite3_column_int64(read, 3),
        .body = store_column_text(read, 4),
        .id = sqlite3_column_int64(read, 5),
    };
    return true;
}

struct store_rows store_list_quarantined(struct store_reader *reader, const char *reason,
                                         const struct store_page_token *after, size_t most,
                                         struct fault *fault)
{
    const int64_t first = 0;
    struct store_rows rows = store_rows_begin(
        reader, store_text(reason != NULL ? STORE_TEXT_quarantined_for : STORE_TEXT_quarantined),
        &first, 1, 1, after, most, fault);
    if (reason != NULL)
        store_bind_text(rows.statement, 2, reason);
    return rows;
}

bool store_next_reason(struct store_rows *rows, struct store_reason_row *row)
{
    sqlite3_stmt *read = store_rows_next(rows);
    if (read == NULL)
        return false;
    *row = (struct store_reason_row){
        .reason = store_column_text(read, 0),
        .count = sqlite3_column_int64(read, 1),
    };
    return true;
}

struct store_rows store_list_reasons(struct store_reader *reader, size_t most, struct fault *fault)
{
    return store_rows_begin(reader, store_text(STORE_TEXT_quarantined_reasons), NULL, 0, 0, NULL,
                            most, fault);
}
