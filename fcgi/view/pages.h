/* pages: what each view writes, for the table in view.c; and what the views share. */
#ifndef VIEW_PAGES_H
#define VIEW_PAGES_H

#include "view/view.h"

/* Each appends a document of the moment that the reader has begun, and sets NEXT to where the next
 * page begins. QUERY's numbers are in their bounds. */
typedef enum view_result view_page(struct store_reader *reader, const struct view_query *query,
                                   struct buffer *out, struct store_page_token *next,
                                   struct fault *fault);

view_page view_overview;
view_page view_operation;
view_page view_upgrades;
view_page view_failures;
view_page view_failures_table;
view_page view_device;
view_page view_search;
view_page view_quarantine;

/* --- what the views share --- */

/* How long OUT may be before its page ends early, behind the row that made it longer. */
size_t view_bound(const struct buffer *out);

/* What QUERY says, or OTHERWISE where it does not; and the place that its page begins behind. */
size_t view_limit(const struct view_query *query, size_t otherwise);
struct store_page_token view_place(const struct view_query *query);

/* What a list that failed with FAULT makes of the view: a place that cannot be read is the asker's
 * mistake, anything else the store's. */
enum view_result view_failed(const struct fault *fault);

/* VALUE, or what is shown of it in ROOM if it is longer than MOST bytes (VIEW_ID_MAX at most); and
 * a member or an element of it. */
struct view_room {
    char text[VIEW_ID_MAX + sizeof "…"];
};
const char *view_cut(const char *value, size_t most, struct view_room *room);
void view_add_text(struct buffer *out, const char *name, const char *value, size_t most);

/* A notification, its body only if that is not too long. */
void view_add_notification(struct buffer *out, const struct store_kept *kept);

/* The member `next`; and the end of the document. */
void view_add_next(struct buffer *out, const struct store_page_token *next);
void view_end(struct buffer *out);

/* Members of an object that is open: what is counted in all, the applications, one operation, what
 * failed in it (MOST error codes, the most frequent first; FAIL is how many upgrades did), and an
 * upgrade; and an upgrade as a whole one. */
void view_add_totals(struct buffer *out, const struct store_totals *totals);
void view_add_applications(struct buffer *out, const struct store_overview *overview);
int view_add_failures(struct store_reader *reader, int64_t operation, int64_t fail, size_t most,
                      struct buffer *out, struct fault *fault);
void view_add_operation_members(struct buffer *out, const struct store_operation_row *row);
void view_add_upgrade_members(struct buffer *out, const struct store_upgrade_row *row);
void view_add_upgrade(struct buffer *out, const struct store_upgrade_row *row);

/* The operation that is asked for. */
struct view_named {
    int64_t id; /* 0: none was found */
    int64_t fail;
    struct buffer members; /* of its object, which is still open; freed by whoever has it */
};

/* Finds it; MEMBERS is to be released whatever comes back. */
enum view_result view_find_named(struct store_reader *reader, const struct view_query *query,
                                 struct view_named *named, struct fault *fault);

/* The time before which what is stuck must have begun. */
int64_t view_stuck_before(const struct view_query *query);

#endif
