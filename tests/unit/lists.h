/* lists: what the store's lists give, as text to be compared with what SQL says of the books. */
#ifndef LISTS_H
#define LISTS_H

#include "books.h"
#include "store_query.h"
#include "text.h"

/* Gives a reader of the books; free with store_reader_free. */
struct store_reader *lists_reader(const struct books *books);

/* Rows as lines, columns separated by "|"; clear ROWS with lists_free. With PAGE_ROWS, the page is
 * ended by the callback behind so many rows; with FAIL_AT, the callback fails at that row. */
struct lists {
    struct text rows;
    size_t count;
    size_t page_rows, fail_at;
};

/* What gets a row, for each list; the owner is a struct lists. */
int lists_take_operation(void *owner, const struct store_operation_row *row);
int lists_take_failure(void *owner, const struct store_failure_row *row);
int lists_take_move(void *owner, const struct store_move_row *row);
int lists_take_pace(void *owner, const struct store_pace_row *row);
int lists_take_upgrade(void *owner, const struct store_upgrade_row *row);
int lists_take_kept(void *owner, const struct store_kept *kept);
int lists_take_kind(void *owner, const struct store_kind_row *row);
int lists_take_quarantined(void *owner, const struct store_quarantined_row *row);

/* The rows so far, NUL-terminated, lent. */
const char *lists_text(struct lists *lists);

/* Fails the test where the rows are not exactly EXPECTED, or what SQL says; frees them. */
void lists_assert(struct lists *lists, const char *expected);
void lists_assert_query(struct lists *lists, const struct books *books, const char *sql);

void lists_free(struct lists *lists);

/* Fails the test with FAULT's text where RESULT is not 0. */
void lists_must(int result, const struct fault *fault);

/* Keeps COUNT random notifications of the upgrade family in batches: operations of two
 * applications, results and state changes, software and firmware. What they are depends on *SEED
 * alone; times rise. */
void lists_fill(struct books *books, size_t count, uint64_t *seed);

#endif
