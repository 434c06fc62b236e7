/* lists: what the store's lists give, as text to be compared with what SQL says of the books. */
#ifndef LISTS_H
#define LISTS_H

#include "base/buffer.h"
#include "books.h"
#include "store/lists.h"

/* Gives a reader of the books; free with store_reader_free. */
struct store_reader *lists_reader(const struct books *books);

/* Fails the test if store_check finds a flaw in the store of FOLDER. */
void lists_assert_sound(const char *folder);

/* Rows as lines, columns separated by "|"; clear ROWS with lists_free. With PAGE_ROWS, a page is
 * ended early when so many rows are there. */
struct lists {
    struct buffer rows;
    size_t count;
    size_t page_rows;
    bool more; /* behind the list that was read last */
};

/* Each reads a list to its end and ends it, as store_rows_end does. */
int lists_read_operations(struct lists *lists, struct store_rows rows,
                          struct store_page_token *next);
int lists_read_failures(struct lists *lists, struct store_rows rows, struct store_page_token *next);
int lists_read_transitions(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next);
int lists_read_timeline(struct lists *lists, struct store_rows rows, struct store_page_token *next);
int lists_read_upgrades(struct lists *lists, struct store_rows rows, struct store_page_token *next);
int lists_read_notifications(struct lists *lists, struct store_rows rows,
                             struct store_page_token *next);
int lists_read_type_counts(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next);
int lists_read_quarantined(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next);

/* The rows so far, NUL-terminated, lent. */
const char *lists_text(struct lists *lists);

/* Fails the test where the rows are not exactly EXPECTED, or what SQL says; frees them. */
void lists_assert(struct lists *lists, const char *expected);
void lists_assert_query(struct lists *lists, const struct books *books, const char *sql);

void lists_free(struct lists *lists);

/* Fails the test with FAULT's text where RESULT is not 0. */
void lists_must(int result, const struct fault *fault);

/* The size of a page to try after SIZE, for a list of ROWS: of small pages, and of those about as
 * long as the list, each size; of those between, one in eight. Beyond ROWS + 1 there is nothing to
 * try. */
size_t lists_next_size(size_t size, size_t rows);

/* Keeps COUNT random notifications of the upgrade family in batches: operations of two
 * applications, results and state changes, software and firmware. What they are depends on *SEED
 * alone; times rise. */
void lists_fill(struct books *books, size_t count, uint64_t *seed);

#endif
