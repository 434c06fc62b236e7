/* books: a store in a temporary folder for a test, and what SQL says of it. */
#include "config.h"

#include "books.h"

#include "base/buffer.h"
#include "store/engine.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static void open_store(struct books *books)
{
    struct fault fault = FAULT_NONE;
    if (store_new(&books->store, &books->config, &fault) != 0 ||
        store_open(books->store, &fault) != 0)
        fail_msg("%s", fault.text);
}

struct books *books_new(void)
{
    struct books *books = calloc(1, sizeof *books);
    assert_non_null(books);
    books->folder = support_folder();
    books->config = (struct store_config){.folder = books->folder,
                                          .quarantine_max = 1000,
                                          .quarantine_bytes = 1 << 20,
                                          .repeat_window_ms = INT64_MAX};
    return books;
}

int books_setup(void **state)
{
    struct books *books = books_new();
    *state = books;
    open_store(books);
    return 0;
}

int books_teardown(void **state)
{
    struct books *books = *state;
    store_free(books->store);
    support_folder_free(books->folder);
    free(books);
    return 0;
}

void books_reopen(struct books *books)
{
    store_free(books->store);
    books->store = NULL;
    open_store(books);
}

struct store *books_open_another(const struct books *books)
{
    struct books another = *books;
    open_store(&another);
    return another.store;
}

void books_keep(struct books *books, struct record **records, size_t count)
{
    struct fault fault = FAULT_NONE;
    if (store_keep(books->store, records, count, NULL, 0, &fault) != 0)
        fail_msg("%s", fault.text);
}

void books_keep_one(struct books *books, struct record *record)
{
    books_keep(books, &record, 1);
}

void books_add_result(struct books *books, const struct support_result *what)
{
    struct record *record = support_result(what);
    books_keep_one(books, record);
    support_record_free(record);
}

void books_add_progress(struct books *books, const struct support_result *what, const char *step)
{
    struct record *record = support_progress(what, step);
    books_keep_one(books, record);
    support_record_free(record);
}

static sqlite3 *open_database(const struct books *books)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(support_path(books->folder, "upgrades.db"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(store_add_counted_as(db), SQLITE_OK);
    return db;
}

char *books_query(const struct books *books, const char *sql)
{
    struct buffer rows = {0};
    sqlite3 *db = open_database(books);
    sqlite3_stmt *query;
    if (sqlite3_prepare_v2(db, sql, -1, &query, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int step;
    while ((step = sqlite3_step(query)) == SQLITE_ROW) {
        if (rows.length > 0)
            buffer_add_string(&rows, "\n");
        for (int i = 0; i < sqlite3_column_count(query); i++) {
            const char *value = (const char *)sqlite3_column_text(query, i);
            buffer_addf(&rows, "%s%s", i > 0 ? "|" : "", value == NULL ? "NULL" : value);
        }
    }
    if (step != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(query);
    sqlite3_close(db);
    buffer_add(&rows, "", 1);
    assert_false(rows.failed);
    return rows.bytes;
}

void books_assert(const struct books *books, const char *sql, const char *expected)
{
    char *rows = books_query(books, sql);
    if (strcmp(rows, expected) != 0)
        fail_msg("%s\nis:\n%s\nnot:\n%s", sql, rows, expected);
    free(rows);
}

int64_t books_number(const struct books *books, const char *sql)
{
    char *rows = books_query(books, sql);
    char *end;
    int64_t number = strtoll(rows, &end, 10);
    if (end == rows || *end != '\0')
        fail_msg("%s is no number but '%s'", sql, rows);
    free(rows);
    return number;
}

void books_meddle(const struct books *books, const char *sql)
{
    sqlite3 *db = open_database(books);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void books_assert_recount(const struct books *books)
{
    books_assert(books,
                 "SELECT (SELECT count(*) FROM notification) - notifications,"
                 " (SELECT coalesce(max(seq), 0) FROM notification) - seq,"
                 " (SELECT coalesce(sum(deliveries - 1), 0) FROM notification) - repeats,"
                 " (SELECT count(*) FROM quarantined) - quarantine_held,"
                 " (SELECT coalesce(sum(length(body)), 0) FROM quarantined) - quarantine_bytes,"
                 " (SELECT count(*) FROM quarantined WHERE known = 0) - quarantine_unknown_held,"
                 " (SELECT coalesce(sum(length(body)), 0) FROM quarantined WHERE known = 0)"
                 "  - quarantine_unknown_bytes,"
                 " quarantine_held + quarantine_log_only - quarantined,"
                 " (SELECT count(*) FROM upgrade WHERE state = 0) - in_progress,"
                 " (SELECT count(*) FROM upgrade WHERE state = 1) - success,"
                 " (SELECT count(*) FROM upgrade WHERE state = 2) - fail,"
                 " (SELECT coalesce(sum(contradictory), 0) FROM upgrade) - contradictory"
                 " FROM totals",
                 "0|0|0|0|0|0|0|0|0|0|0|0");
    books_assert(books,
                 "SELECT o.app_id, o.operation_id, 'counters' FROM operation o WHERE"
                 " (SELECT count(*) FROM upgrade u WHERE u.operation = o.id AND state = 0)"
                 "  <> o.in_progress OR"
                 " (SELECT count(*) FROM upgrade u WHERE u.operation = o.id AND state = 1)"
                 "  <> o.success OR"
                 " (SELECT count(*) FROM upgrade u WHERE u.operation = o.id AND state = 2)"
                 "  <> o.fail OR"
                 " (SELECT sum(contradictory) FROM upgrade u WHERE u.operation = o.id)"
                 "  <> o.contradictory OR"
                 " (SELECT max(seq) FROM notification n WHERE n.operation = o.id) <> o.last_seq",
                 "");
    books_assert(
        books,
        "SELECT appId, operationId, counted_as(coalesce(errorCode, '')), count(*) FROM upgrades"
        " WHERE state = 'FAIL' GROUP BY 1, 2, 3"
        " EXCEPT SELECT appId, operationId, errorCode, count FROM failures",
        "");
    books_assert(
        books,
        "SELECT appId, operationId, errorCode, count FROM failures EXCEPT"
        " SELECT appId, operationId, counted_as(coalesce(errorCode, '')), count(*) FROM upgrades"
        " WHERE state = 'FAIL' GROUP BY 1, 2, 3",
        "");
    books_assert(
        books,
        "SELECT operation, source, target, success, fail FROM transition WHERE success + fail > 0"
        " EXCEPT SELECT u.operation, counted_as(coalesce(json_extract(n.body, '$.sourceVersion'), "
        "'')),"
        " counted_as(coalesce(json_extract(n.body, '$.targetVersion'), '')), sum(state = 1),"
        " sum(state = 2) FROM upgrade u JOIN notification n ON n.seq = u.seq"
        " WHERE state > 0 GROUP BY 1, 2, 3",
        "");
    books_assert(books,
                 "SELECT o.id, 'pace' FROM operation o LEFT JOIN timeline p ON p.operation = o.id"
                 " GROUP BY o.id HAVING total(p.success) <> o.success OR total(p.fail) <> o.fail"
                 " OR total(p.in_progress) <> o.in_progress",
                 "");
    books_assert(
        books,
        "SELECT o.id, 'moves' FROM operation o LEFT JOIN transition m ON m.operation = o.id"
        " GROUP BY o.id HAVING total(m.success) <> o.success OR total(m.fail) <> o.fail",
        "");
    books_assert(books, "SELECT (SELECT total(count) FROM type_count) - notifications FROM totals",
                 "0.0");
    books_assert(books,
                 "SELECT seq FROM notification n LEFT JOIN time_index s ON s.id = n.seq >> 10"
                 " WHERE s.id IS NULL OR n.received_at NOT BETWEEN s.first_at AND s.last_at",
                 "");
}

void books_copy(const char *from, const char *to)
{
    sqlite3 *source, *target;
    assert_int_equal(sqlite3_open(from, &source), SQLITE_OK);
    assert_int_equal(sqlite3_open(to, &target), SQLITE_OK);
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    assert_non_null(backup);
    int step;
    for (int patience = 0; patience < 1000; patience++) {
        step = sqlite3_backup_step(backup, -1);
        if (step != SQLITE_BUSY && step != SQLITE_LOCKED)
            break;
        support_sleep_ms(10);
    }
    assert_int_equal(step, SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
    sqlite3_close(target);
    sqlite3_close(source);
}
