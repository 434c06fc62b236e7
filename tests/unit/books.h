/* books: a store in a temporary folder for a test, and what SQL says of it. */
#ifndef BOOKS_H
#define BOOKS_H

#include "store/store.h"
#include "support.h"

struct books {
    char *folder;
    struct store_config config;
    struct store *store;
};

/* Gives books in an empty folder whose store is not made yet. books_reopen makes it, and
 * books_teardown frees all. */
struct books *books_new(void);

/* For cmocka: *STATE is open books with a quarantine that no test fills by accident. */
int books_setup(void **state);
int books_teardown(void **state);

/* Closes the store and opens it anew, as a restart does. */
void books_reopen(struct books *books);

/* Opens another store on the same folder; free with store_free. */
struct store *books_open_another(const struct books *books);

/* Keeps the records in one transaction, or one record; fails the test when that fails. */
void books_keep(struct books *books, struct record **records, size_t count);
void books_keep_one(struct books *books, struct record *record);

/* Keeps what support_result, support_progress make of WHAT, and frees the record. */
void books_add_result(struct books *books, const struct support_result *what);
void books_add_progress(struct books *books, const struct support_result *what, const char *step);

/* Gives the rows that a query returns: columns separated by "|", rows by a line end. */
char *books_query(const struct books *books, const char *sql);

/* Fails the test where the query does not return exactly EXPECTED. */
void books_assert(const struct books *books, const char *sql, const char *expected);

/* The query's only number. */
int64_t books_number(const struct books *books, const char *sql);

/* Runs SQL from outside, as somebody with a shell could. */
void books_meddle(const struct books *books, const char *sql);

/* Copies the store in file FROM into file TO, as `.backup` of the sqlite3 shell does. Either may be
 * open. */
void books_copy(const char *from, const char *to);

/* Fails the test where a counter that the store keeps is not what its rows add up to. */
void books_assert_recount(const struct books *books);

#endif
