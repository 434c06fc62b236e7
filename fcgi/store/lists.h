/* lists: what people ask of the books: pages of operations, upgrades and histories.
 *
 * Like store.h an interface without SQL, on the same readers. Every list is read in pages: MOST
 * rows at most, beginning behind a place; its end says where the next page begins. What a page
 * costs does not depend on how much the store holds, unless its function says so. A reader is used
 * by one thread at a time.
 *
 *     struct store_rows rows = store_list_operations(reader, &after, most, fault);
 *     struct store_operation_row row;
 *     while (store_next_operation(&rows, &row))
 *         ... (a `break` ends the page behind this row)
 *     if (store_rows_end(&rows, &next) != 0)
 *         ... (FAULT says why)
 */
#ifndef STORE_LISTS_H
#define STORE_LISTS_H

#include "base/fault.h"
#include "notification/record.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most rows of one page. */
#define STORE_PAGE_MAX 1000

/* Most applications that are told of. */
#define STORE_CURSORS_MAX 8

/* Bounds of what is shown of one operation. */
#define STORE_FAILURES_MAX 50
#define STORE_TRANSITIONS_MAX 20
#define STORE_TIMELINE_MAX 240

/* Bytes of a place, with the NUL. */
#define STORE_PAGE_TOKEN_MAX 72

/* Where a page begins and ends: opaque, of digits, dots and dashes only, so that it can stand in a
 * URL and on a command line as it is. "" is the beginning, as NULL is, and behind the last page. A
 * text that is no place fails a list with a fault that is marked misused. */
struct store_page_token {
    char text[STORE_PAGE_TOKEN_MAX];
};

/* Begins and ends reading what belongs to one moment. End is safe whatever happened. While it is
 * begun, a read that takes longer than LIMIT_MS (0: no limit) fails. */
int store_read_begin(struct store_reader *reader, int64_t limit_ms, struct fault *fault);
void store_read_end(struct store_reader *reader);

/* A list that is under way. The reader, the texts and the fault that it was given are lent to it
 * until its end. Whoever reads something else from the same reader meanwhile calls store_read_begin
 * before the list. */
struct store_rows {
    bool more; /* set by the end: whether there are rows behind the last one */

    /* The store's own. */
    struct store_reader *reader;
    struct fault *fault;
    void *statement;
    int step;           /* what came of the last one */
    size_t left;        /* rows that the page has room for */
    int64_t numbers[4]; /* what was asked with, and at their end the place of the last row */
    int numbers_length, place_length;
};

/* Ends a list, of which all rows, some or none were taken: 0, or -1 with the list's fault if it
 * could not be begun or read. NEXT, unless NULL, is set to where the next page begins, behind the
 * last row that was taken; it is left alone on failure. Must be called once for each list. */
int store_rows_end(struct store_rows *rows, struct store_page_token *next);

/* Totals and cursors. */
struct store_overview {
    struct store_totals totals;
    struct store_cursor cursors[STORE_CURSORS_MAX]; /* by name */
    size_t cursors_length;
};
int store_read_overview(struct store_reader *reader, struct store_overview *overview,
                        struct fault *fault);

/* One operation's counters. Texts of a row are whole, and lent until the next row is asked for or
 * the list ended. */
struct store_operation_row {
    int64_t id; /* the store's own */
    const char *app_id, *operation_id;
    int64_t in_progress, success, fail, contradictory;
    int64_t first_ms, last_ms;
    bool pruned; /* its notifications and upgrades are gone; the counters stay */
};

/* The next row of a list; false behind the last one, and if reading failed. Each kind of list has
 * such a function. */
bool store_next_operation(struct store_rows *rows, struct store_operation_row *row);

/* Operations, the latest changed first. */
struct store_rows store_list_operations(struct store_reader *reader,
                                        const struct store_page_token *after, size_t most,
                                        struct fault *fault);

/* Operations named OPERATION_ID (with PREFIX: the first STORE_PAGE_MAX by name of those whose name
 * begins so), the latest changed first, of APP_ID if that is not NULL. There is no next page. */
struct store_rows store_find_operations(struct store_reader *reader, const char *app_id,
                                        const char *operation_id, bool prefix, size_t most,
                                        struct fault *fault);

/* How often each error code stands among the upgrades of an operation that are FAIL now, the most
 * frequent first. EXAMPLE is a description that came with it, "" if none did. No next page. */
struct store_failure_row {
    const char *error_code;
    const char *example;
    int64_t count, first_ms, last_ms;
};
bool store_next_failure(struct store_rows *rows, struct store_failure_row *row);
struct store_rows store_list_failures(struct store_reader *reader, int64_t operation, size_t most,
                                      struct fault *fault);

/* From which version to which the results of an operation say its devices were to move, and how
 * that ended, the most frequent first. No next page. */
struct store_transition_row {
    const char *source, *target;
    int64_t success, fail;
};
bool store_next_transition(struct store_rows *rows, struct store_transition_row *row);
struct store_rows store_list_transitions(struct store_reader *reader, int64_t operation,
                                         size_t most, struct fault *fault);

/* The operation's counters over time: as they stood at the end of each of STORE_TIMELINE_MAX
 * intervals of WIDTH_MS at most in which they changed, in order. The last is as they stand now. */
struct store_timeline_row {
    int64_t width_ms; /* the same for all */
    int64_t at_ms;    /* the interval's end, or the operation's last change if that is earlier */
    int64_t in_progress, success, fail;
};
bool store_next_timeline(struct store_rows *rows, struct store_timeline_row *row);
struct store_rows store_list_timeline(struct store_reader *reader, int64_t operation,
                                      struct fault *fault);

/* One upgrade, with what its last notification says. "" where it does not say it. */
struct store_upgrade_row {
    const char *app_id, *operation_id, *sub_operation_id, *device_id;
    enum record_state state;
    bool contradictory;
    const char *step;
    const char *current, *target, *source; /* versions */
    const char *upgrade_time, *result_desc, *error_code, *description;
    int64_t seq;      /* of the notification that the state comes from */
    int64_t began_ms; /* the earliest time at which a notification of it was received */
    int64_t state_ms; /* when the notification that the state comes from was received */
    int64_t last_ms;  /* the same, or when the last step was received if that is later */
    int64_t operation;
};
bool store_next_upgrade(struct store_rows *rows, struct store_upgrade_row *row);

/* Which upgrades. */
struct store_upgrade_filter {
    int64_t operation; /* 0: of all; then STATE must be RECORD_FAIL */
    bool of_state;     /* only those in STATE */
    enum record_state state;
    const char *error_code;  /* only FAIL with this code, "" being none; NULL: any */
    bool contradictory;      /* only those; of one operation */
    int64_t began_before_ms; /* only those IN_PROGRESS since before; 0: any */
};

/* Upgrades in an order that stays: in progress by their beginning, failures by operation (the
 * newest first); those with one end as they came, others in no order that means anything. Those of
 * operations that were pruned are gone. Two conditions at once may pass over rows that meet the
 * first alone.
 */
struct store_rows store_list_upgrades(struct store_reader *reader,
                                      const struct store_upgrade_filter *filter,
                                      const struct store_page_token *after, size_t most,
                                      struct fault *fault);

/* The upgrades of one device, those of the newest operation first. Looks for it in each operation.
 */
struct store_rows store_list_device(struct store_reader *reader, const char *device_id,
                                    const struct store_page_token *after, size_t most,
                                    struct fault *fault);

/* Notifications about one device in one operation (0: those that belong to none) and, if that is
 * not NULL, of one sub-operation, the latest first. Sorts the numbers of all that the device has
 * there. No next page. KEPT is lent as the texts of a row are: no store_kept_release. */
bool store_next_notification(struct store_rows *rows, struct store_kept *kept);
struct store_rows store_list_notifications(struct store_reader *reader, const char *device_id,
                                           int64_t operation, const char *sub_operation_id,
                                           size_t most, struct fault *fault);

/* The latest notifications of all, the last one first. No next page. */
struct store_rows store_list_latest(struct store_reader *reader, size_t most, struct fault *fault);

/* Notifications received from SINCE_MS on and before UNTIL_MS, numbered above AFTER, in seq order.
 * Gives like store_read_after. */
int store_read_between(struct store_reader *reader, int64_t since_ms, int64_t until_ms,
                       int64_t after, struct store_kept *kept, size_t most, size_t *count,
                       struct fault *fault);

/* Bodies in quarantine without the body, by id. */
struct store_quarantined_row {
    int64_t id, received_ms;
    const char *reason, *pointer;
    size_t body_length;
};
bool store_next_quarantined(struct store_rows *rows, struct store_quarantined_row *row);
struct store_rows store_list_quarantined(struct store_reader *reader,
                                         const struct store_page_token *after, size_t most,
                                         struct fault *fault);

/* Notifications ever kept, by notifyType and result ("": it has none): all on one page. */
struct store_type_count_row {
    const char *notify_type, *result;
    int64_t count;
};
bool store_next_type_count(struct store_rows *rows, struct store_type_count_row *row);
struct store_rows store_list_type_counts(struct store_reader *reader, struct fault *fault);

/* Bytes of the store's files on disk: the main file and its log. */
int store_read_size(struct store_reader *reader, int64_t *bytes, struct fault *fault);

#endif
