/* rows: a page of rows that a statement reads, from where the page before it ended. */
#include "config.h"

#include "store/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_key(const struct store_page_token *token, int64_t numbers[], int count,
                    struct fault *fault)
{
    const char *at = token->text;
    for (int i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtoll(at, &end, 10);
        const char *digit = at[0] == '-' ? at + 1 : at;
        if (*digit < '0' || *digit > '9' || *end != (i < count - 1 ? '.' : '\0')) {
            if (fault != NULL && !fault->set)
                fault->misused = true;
            return fault_set(fault, "after: not a token that a page has given");
        }
        at = end + 1;
    }
    return 0;
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

struct store_rows store_rows_begin(struct store_reader *reader, const char *sql,
                                   const int64_t numbers[], int count, int key_length,
                                   const struct store_page_token *after, size_t most,
                                   struct fault *fault)
{
    struct store_rows rows = {.reader = reader,
                              .fault = fault,
                              .left = most,
                              .step = SQLITE_ROW,
                              .numbers_length = count,
                              .key_length = key_length};
    if (count > 0)
        memcpy(rows.numbers, numbers, (size_t)count * sizeof numbers[0]);
    if (after == NULL || after->text[0] == '\0' ||
        read_key(after, rows.numbers + count - key_length, key_length, fault) == 0)
        rows.statement = store_query_prepare(reader, sql, rows.numbers, count, fault);
    return rows;
}

sqlite3_stmt *store_rows_next(struct store_rows *rows)
{
    if (rows->statement == NULL || rows->step != SQLITE_ROW || rows->left == 0)
        return NULL;
    rows->left--;
    rows->step = sqlite3_step(rows->statement);
    if (rows->step != SQLITE_ROW)
        return NULL;
    int column = sqlite3_column_count(rows->statement), number = rows->numbers_length;
    for (int i = 0; i < rows->key_length; i++)
        rows->numbers[--number] = sqlite3_column_int64(rows->statement, --column);
    return rows->statement;
}

int store_rows_end(struct store_rows *rows, struct store_page_token *next)
{
    if (rows->statement == NULL)
        return -1;
    if (rows->step == SQLITE_ROW) /* the caller has not had this row */
        rows->step = sqlite3_step(rows->statement);
    rows->more = rows->step == SQLITE_ROW;
    if (store_reader_finish(rows->reader, rows->statement, rows->more ? SQLITE_DONE : rows->step,
                            rows->fault) != 0)
        return -1;
    if (next == NULL)
        return 0;
    const int64_t *key = rows->numbers + rows->numbers_length - rows->key_length;
    size_t used = 0;
    next->text[0] = '\0';
    for (int i = 0; rows->more && i < rows->key_length; i++)
        used += (size_t)snprintf(next->text + used, sizeof next->text - used, "%s%lld",
                                 i == 0 ? "" : ".", (long long)key[i]);
    return 0;
}
