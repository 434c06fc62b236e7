/* pages: the functions that write the views of the table in view.c, and functions for all views. */
#ifndef VIEW_PAGES_H
#define VIEW_PAGES_H

#include "view/view.h"

/* Each appends a document of the state that the reader has begun, and sets NEXT to the token of the
 * next page. QUERY's numbers are within their limits. */
typedef enum view_result view_page(struct store_reader *reader, const struct view_query *query,
                                   struct buffer *out, struct store_page_token *next,
                                   struct fault *fault);

view_page view_overview;
view_page view_operation;
view_page view_upgrades;
view_page view_operations;
view_page view_failures;
view_page view_errors;
view_page view_missing;
view_page view_device;
view_page view_search;
view_page view_quarantine;

/* --- for all views --- */

/* The length of OUT at which its page ends early, after the row that exceeded it. */
size_t view_bound(const struct buffer *out);

/* The limit in QUERY, or that of its form; and the token after which its page begins. */
size_t view_limit(const struct view_query *query);
struct store_page_token view_after(const struct view_query *query);

/* The result of a view after a list failed with FAULT: an invalid page token is a mistake in the
 * query, any other fault is the store's. */
enum view_result view_failed(const struct fault *fault);

/* Returns VALUE, or its shortened form in ROOM if it is longer than MOST bytes (VIEW_ID_MAX at
 * most). The second function adds it as a member or an element. */
struct view_room {
    char text[VIEW_ID_MAX + sizeof "…"];
};
const char *view_cut(const char *value, size_t most, struct view_room *room);
void view_add_text(struct buffer *out, const char *name, const char *value, size_t most);

/* Adds a notification, without its body if that is too long. */
void view_add_notification(struct buffer *out, const struct store_kept *kept);

/* Adds the member `books`: null if BOOKS is NULL. */
void view_add_books(struct buffer *out, const struct view_books *books);

/* Adds the member `next`; and ends the document. */
void view_add_next(struct buffer *out, const struct store_page_token *next);
void view_end(struct buffer *out);

/* Begin and end a list in the form of QUERY, and end each of its rows. In JSON it is a document
 * with the array NAME; as CSV it has a line HEADER on its first page. */
void view_begin_list(struct buffer *out, const struct view_query *query, const char *name,
                     const char *header);
void view_end_row(struct buffer *out, const struct view_query *query);
enum view_result view_end_list(struct buffer *out, const struct view_query *query,
                               struct store_rows *rows, struct store_page_token *next,
                               const struct fault *fault);

/* Begin and end the array NAME of the rows that come in pages. */
void view_open_rows(struct buffer *out, const struct view_query *query, const char *name);
void view_close_rows(struct buffer *out, const struct view_query *query);

/* Ends ROWS, the array that they were added to, and the document with its member `next`. FAULT is
 * that of the rows. */
enum view_result view_end_page(struct buffer *out, const struct view_query *query,
                               struct store_rows *rows, struct store_page_token *next,
                               const struct fault *fault);

/* The words for an operation's state, and for what it upgrades; the second is NULL if that is not
 * known. */
const char *view_state_word(const struct store_operation_row *row, const struct view_query *query);
const char *view_kind_word(enum store_kind kind);

/* Add members to the open object: of quarantine, the totals, the applications, one operation, its
 * failures (the MOST most frequent error codes; FAIL is the number of failed upgrades), or an
 * upgrade. The last one adds an upgrade as an object. */
void view_add_quarantine(struct buffer *out, const struct store_totals *totals);
void view_add_totals(struct buffer *out, const struct store_totals *totals);
void view_add_applications(struct buffer *out, const struct store_overview *overview);
int view_add_failures(struct store_reader *reader, int64_t operation, int64_t fail, size_t most,
                      struct buffer *out, struct fault *fault);
void view_add_operation_members(struct buffer *out, const struct store_operation_row *row);

/* Add an operation as an object, and those of its members that depend on the query or take a list
 * of their own. */
int view_add_operation(struct store_reader *reader, const struct view_query *query,
                       const struct store_operation_row *row, struct buffer *out,
                       struct fault *fault);
int view_add_operation_details(struct store_reader *reader, const struct view_query *query,
                               const struct store_operation_row *row, struct buffer *out,
                               struct fault *fault);

/* Add members or an upgrade, as above. */
void view_add_upgrade_members(struct buffer *out, const struct store_upgrade_row *row);
void view_add_upgrade(struct buffer *out, const struct store_upgrade_row *row);

/* The operation that the query names. */
struct view_named {
    int64_t id; /* 0: not found */
    int64_t fail;
    struct buffer app_id;  /* NUL-terminated, cut to VIEW_ID_MAX */
    struct buffer members; /* of its object, which is still open */
};

/* Finds the operation. Release it after any result. */
void view_release_named(struct view_named *named);
enum view_result view_find_named(struct store_reader *reader, const struct view_query *query,
                                 struct view_named *named, struct fault *fault);

/* Sets OPERATION to that which the query names, or to 0 if it names none. */
enum view_result view_find_asked(struct store_reader *reader, const struct view_query *query,
                                 int64_t *operation, struct fault *fault);

/* Upgrades in progress that began before this time are stuck. */
int64_t view_stuck_before(const struct view_query *query);

#endif
