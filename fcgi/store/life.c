/* life: the lives of a store, and whether it holds a token. */
#include "config.h"

#include "store/engine.h"

#include <sodium.h>
#include <string.h>

/* Runs FIND, which looks for the life of ?1, and sets LIFE; "" if there is none. Resets FIND. */
static int find_life(sqlite3 *db, sqlite3_stmt *find, int64_t seq, char life[TOKEN_LIFE_SIZE],
                     struct fault *fault)
{
    sqlite3_bind_int64(find, 1, seq);
    int step = sqlite3_step(find);
    life[0] = '\0';
    if (step == SQLITE_ROW)
        store_life_copy(find, 0, life);
    else if (step != SQLITE_DONE)
        store_fault(db, fault, "cannot read a life");
    sqlite3_reset(find);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : -1;
}

void store_life_copy(sqlite3_stmt *statement, int column, char life[TOKEN_LIFE_SIZE])
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    bool is_life = text != NULL && sqlite3_column_bytes(statement, column) == TOKEN_LIFE_SIZE - 1;
    memcpy(life, is_life ? (const char *)text : "", is_life ? TOKEN_LIFE_SIZE : 1);
}

int store_life_holds(struct store *store, const struct token *token, bool *holds,
                     struct fault *fault)
{
    const struct store_totals *totals = &store->ledger.totals;
    char life[TOKEN_LIFE_SIZE];
    *holds = token->seq == 0;
    if (*holds || token->seq > totals->seq)
        return 0;
    if (find_life(store->db, store_statement(store, STORE_find_life), token->seq, life, fault) != 0)
        return -1;
    *holds = strcmp(life, token->life) == 0;
    return 0;
}

int store_life_check(struct store *store, struct fault *fault)
{
    const struct store_totals *totals = &store->ledger.totals;
    bool holds = true;
    if (strcmp(store->seen.life, totals->life) == 0 && store->seen.seq <= totals->seq)
        return 0;
    if (store_life_holds(store, &store->seen, &holds, fault) != 0)
        return -1;
    if (holds)
        return 0;
    store->replaced = true;
    return fault_set(fault, "the store's content was replaced while it was open");
}

int store_life_begin(struct store *store, struct fault *fault)
{
    if (store->alive || store->batch.begins_life)
        return 0;
    struct store_totals *totals = &store->ledger.totals;
    unsigned char bytes[(TOKEN_LIFE_SIZE - 1) / 2];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(totals->life, sizeof totals->life, bytes, sizeof bytes);
    sqlite3_stmt *begin = store_statement(store, STORE_begin_life);
    sqlite3_bind_int64(begin, 1, totals->seq + 1);
    store_bind_text(begin, 2, totals->life);
    store->batch.begins_life = true;
    return store_run(store, begin, "cannot begin a life", fault);
}

int store_read_token(struct store_reader *reader, int64_t seq, struct token *token,
                     struct fault *fault)
{
    sqlite3_stmt *read = store_query_prepare(reader, store_statement_text(STORE_find_life), NULL, 0,
                                             fault);
    if (read == NULL)
        return -1;
    struct token found = {.seq = seq};
    int result = find_life(reader->db, read, seq, found.life, fault);
    sqlite3_finalize(read);
    if (result == 0)
        *token = found;
    return result;
}

int store_read_standing(struct store_reader *reader, const struct token *token,
                        struct store_standing *standing, struct fault *fault)
{
    struct store_standing found = {.holds = false};
    char life[TOKEN_LIFE_SIZE];
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_standing), &token->seq,
                                              1, 0, NULL, 1, fault);
    store_bind_text(rows.statement, 2, token->life);
    sqlite3_stmt *read = store_rows_next(&rows);
    if (read != NULL) {
        found.last.seq = sqlite3_column_int64(read, 0);
        found.pruned_seq = sqlite3_column_int64(read, 1);
        store_life_copy(read, 2, life);
        store_life_copy(read, 3, found.last.life);
        found.holds = token->seq == 0 ||
                      (token->seq <= found.last.seq && strcmp(life, token->life) == 0);
        if (!found.holds && sqlite3_column_type(read, 4) != SQLITE_NULL &&
            token->seq >= sqlite3_column_int64(read, 4)) {
            found.end = *token;
            found.end.seq = sqlite3_column_type(read, 5) == SQLITE_NULL
                                ? found.last.seq
                                : sqlite3_column_int64(read, 5) - 1;
        }
    }
    *standing = found;
    return store_rows_end(&rows, NULL);
}

int store_refuse_token(const struct token *token, const struct store_standing *standing,
                       const char *hint, struct fault *fault)
{
    char text[TOKEN_TEXT_SIZE], end[TOKEN_TEXT_SIZE];
    token_write(token, text);
    if (standing->end.seq > 0)
        return fault_set(
            fault,
            "this store does not have %s: an older copy of it was put back, and of that"
            " life its last is %s; %s",
            text, token_write(&standing->end, end), hint);
    return fault_set(fault,
                     "this store does not have %s, and never had that life: it is another store,"
                     " or an older copy was put back; %s",
                     text, hint);
}
