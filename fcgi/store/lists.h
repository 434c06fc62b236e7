/* lists: reads for people: pages of operations, upgrades and histories.
 *
 * Like store.h, this interface has no SQL and uses the same readers. Every list is read in pages of
 * up to MOST rows that begin after a page token. The end of a page gives the token of the next one.
 * The cost of a page does not depend on the size of the store, unless its function says so. Only
 * one thread at a time may use a reader.
 *
 *     struct store_rows rows = store_list_operations(reader, &after, most, fault);
 *     struct store_operation_row row;
 *     while (store_next_operation(&rows, &row))
 *         ... (a `break` ends the page after this row)
 *     if (store_rows_end(&rows, &next) != 0)
 *         ... (FAULT says why) */
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

/* Most applications in an overview. */
#define STORE_CURSORS_MAX 8

/* Most rows shown of one operation. */
#define STORE_FAILURES_MAX 50
#define STORE_TRANSITIONS_MAX 20
#define STORE_TIMELINE_MAX 240

/* Bytes of a page token, with the NUL. */
#define STORE_PAGE_TOKEN_MAX 72

/* Where a page begins or ends. It is opaque and has only digits, dots and dashes, so it needs no
 * quoting in a URL or on a command line. "" and NULL mean the beginning; after the last page the
 * token is "". With any other text a list fails, and its fault is marked misused. */
struct store_page_token {
    char text[STORE_PAGE_TOKEN_MAX];
};

/* Begin and end a read transaction: all reads between them see one state. End is safe in any state.
 * Between them, reads fail once LIMIT_MS have passed (0: no limit). */
int store_read_begin(struct store_reader *reader, int64_t limit_ms, struct fault *fault);
void store_read_end(struct store_reader *reader);

/* A list that is being read. It borrows the reader, the texts and the fault until its end. To read
 * anything else from the same reader meanwhile, call store_read_begin before the list. */
struct store_rows {
    bool more; /* set by the end: whether rows follow the last one */

    /* For the store only. */
    struct store_reader *reader;
    struct fault *fault;
    void *statement;
    int step;           /* result of the last step */
    size_t left;        /* rows that still fit on the page */
    int64_t numbers[4]; /* parameters of the query; the last ones are the key of the last row */
    int numbers_length, key_length;
};

/* Ends a list after any number of its rows. Returns 0, or -1 with the list's fault if the list
 * could not be begun or read. On success NEXT, unless NULL, is set to the token of the page after
 * the last row taken. Call it exactly once for each list. */
int store_rows_end(struct store_rows *rows, struct store_page_token *next);

/* Totals and cursors. */
struct store_overview {
    struct store_totals totals;
    struct store_cursor cursors[STORE_CURSORS_MAX]; /* by name */
    size_t cursors_length;
};
int store_read_overview(struct store_reader *reader, struct store_overview *overview,
                        struct fault *fault);

/* What an operation upgrades, by its first notification, with the numbers in the store's tables. */
enum store_kind { STORE_KIND_UNKNOWN = 0, STORE_SOFTWARE = 1, STORE_FIRMWARE = 2 };

/* One operation's counters. A row's texts are not cut. They are valid until the next row or the end
 * of the list. */
struct store_operation_row {
    int64_t id; /* internal to the store */
    const char *app_id, *operation_id;
    int64_t in_progress, success, fail, contradictory;
    bool heard;                /* a notification has named it */
    int64_t first_ms, last_ms; /* not HEARD: 0, and when an operator named it */
    bool pruned;               /* its notifications and upgrades are gone; the counters stay */
    enum store_kind kind;
    bool has_plan;            /* it has a list of devices (plan.h) */
    int64_t planned, missing; /* devices in it, and those without an upgrade */
    const char *note;         /* of an operator; "": none */
};

/* Reads the next row of a list. Returns false after the last row, or if the read failed. Each kind
 * of list has such a function. */
bool store_next_operation(struct store_rows *rows, struct store_operation_row *row);

/* Operations, the latest changed first. */
struct store_rows store_list_operations(struct store_reader *reader,
                                        const struct store_page_token *after, size_t most,
                                        struct fault *fault);

/* How an operation goes. It is finished if no upgrade is in progress, and if all devices of its
 * list have reported; without a list, if nothing has come for a while. Another operation is stalled
 * if nothing has come for a while. QUIET_BEFORE_MS is the beginning of that while. */
enum store_operation_state { STORE_RUNNING, STORE_STALLED, STORE_FINISHED };
enum store_operation_state store_operation_state(const struct store_operation_row *row,
                                                 int64_t quiet_before_ms);

/* Selects operations, and their order: the latest changed first, those with the most failed
 * upgrades first, or by their id. */
struct store_operation_filter {
    enum { STORE_LATEST, STORE_MOST_FAILED, STORE_BY_NAME } order;
    const char *app_id, *search; /* NULL: any; SEARCH is a part of the id, in any ASCII case */
    int64_t fail_above; /* only those with a larger share of failed among finished; -1: any */
    int64_t since_ms;   /* only those of which something came then or later; 0: any */
    int64_t until_ms;   /* only those of which something came earlier; 0: any */
    bool of_state;      /* only those in STATE, with QUIET_BEFORE_MS */
    enum store_operation_state state;
    int64_t quiet_before_ms;
};

/* The operations that FILTER selects. A filter, or another order than STORE_LATEST, reads all
 * operations. */
struct store_rows store_filter_operations(struct store_reader *reader,
                                          const struct store_operation_filter *filter,
                                          const struct store_page_token *after, size_t most,
                                          struct fault *fault);

/* Operations with the id OPERATION_ID, the latest changed first. If APP_ID is not NULL, only those
 * of APP_ID. With PREFIX, OPERATION_ID is the beginning of the id, and only the first
 * STORE_PAGE_MAX by name are found. There is no next page. */
struct store_rows store_find_operations(struct store_reader *reader, const char *app_id,
                                        const char *operation_id, bool prefix, size_t most,
                                        struct fault *fault);

/* How many upgrades of an operation are FAIL now with each error code, the most frequent first.
 * EXAMPLE is a description received with the code, "" if there was none. No next page. */
struct store_failure_row {
    const char *error_code;
    const char *example;
    int64_t count, first_ms, last_ms;
};
bool store_next_failure(struct store_rows *rows, struct store_failure_row *row);
struct store_rows store_list_failures(struct store_reader *reader, int64_t operation, size_t most,
                                      struct fault *fault);

/* How many upgrades of all operations, or of OPERATION unless that is 0, are FAIL now with each
 * error code, and in how many operations, the most frequent first. Reads all these counts. A page
 * begins after a number of codes, so codes may move between pages while the counts change. */
struct store_error_row {
    const char *error_code;
    const char *example;
    int64_t count, operations;
};
bool store_next_error(struct store_rows *rows, struct store_error_row *row);
struct store_rows store_list_errors(struct store_reader *reader, int64_t operation,
                                    const struct store_page_token *after, size_t most,
                                    struct fault *fault);

/* The pairs of source and target version in the results of an operation, with how many succeeded
 * and failed, the most frequent first. No next page. */
struct store_transition_row {
    const char *source, *target;
    int64_t success, fail;
};
bool store_next_transition(struct store_rows *rows, struct store_transition_row *row);
struct store_rows store_list_transitions(struct store_reader *reader, int64_t operation,
                                         size_t most, struct fault *fault);

/* The target versions in the results of an operation, with the number of results, the most frequent
 * first. Counts the STORE_TRANSITIONS_MAX most frequent pairs of versions. No next page. */
struct store_target_row {
    const char *version;
    int64_t count;
};
bool store_next_target(struct store_rows *rows, struct store_target_row *row);
struct store_rows store_list_targets(struct store_reader *reader, int64_t operation, size_t most,
                                     struct fault *fault);

/* The devices of the operation's list, or only those without an upgrade, in the list's order.
 * TOLD, unless NULL, is set to a device's status by the platform's own account, "" if nobody asked.
 */
bool store_next_expected(struct store_rows *rows, const char **device_id, const char **told);
struct store_rows store_list_expected(struct store_reader *reader, int64_t operation,
                                      bool only_missing, const struct store_page_token *after,
                                      size_t most, struct fault *fault);

/* Appends to SAID what the platform said of the operation when it was asked last, a JSON object,
 * and sets *ASKED_MS to when that was. 0: it was not asked. */
int store_read_asked(struct store_reader *reader, int64_t operation, int64_t *asked_ms,
                     struct buffer *said, struct fault *fault);

/* The operation's counters over time, in order. There is one row for each interval of WIDTH_MS in
 * which they changed, with their values at its end. There are at most STORE_TIMELINE_MAX rows. The
 * last has the current values. */
struct store_timeline_row {
    int64_t width_ms; /* the same in all rows */
    int64_t at_ms;    /* the interval's end, or the operation's last change if that is earlier */
    int64_t in_progress, success, fail;
};
bool store_next_timeline(struct store_rows *rows, struct store_timeline_row *row);
struct store_rows store_list_timeline(struct store_reader *reader, int64_t operation,
                                      struct fault *fault);

/* One upgrade, with the contents of its last notification. A text that the notification lacks is
 * "". */
struct store_upgrade_row {
    const char *app_id, *operation_id, *sub_operation_id, *device_id;
    enum record_state state;
    bool contradictory;
    const char *step;
    const char *current, *target, *source; /* versions */
    const char *upgrade_time, *result_desc, *error_code, *description;
    int64_t seq;      /* of the notification that the state comes from */
    int64_t began_ms; /* when its earliest notification was received */
    int64_t state_ms; /* when the notification that the state comes from was received */
    int64_t last_ms;  /* the same, or when the last step was received, whichever is later */
    int64_t operation;
};
bool store_next_upgrade(struct store_rows *rows, struct store_upgrade_row *row);

/* Selects upgrades. */
struct store_upgrade_filter {
    int64_t operation; /* 0: all operations; STATE must then be RECORD_FAIL */
    bool of_state;     /* only those in STATE */
    enum record_state state;
    const char *error_code;  /* only FAIL with this code, "" for none; NULL: any */
    bool contradictory;      /* only contradictory ones; needs OPERATION */
    int64_t began_before_ms; /* only those IN_PROGRESS that began earlier; 0: any */
};

/* Upgrades in a stable order: those first of which the first notification was kept last; those in
 * progress by the time of that notification. With BEGAN_BEFORE_MS those first that began first.
 * Failures of all operations come by operation, the newest first. Upgrades of pruned operations are
 * gone. With two conditions, the list may read and skip rows that meet only the first. */
struct store_rows store_list_upgrades(struct store_reader *reader,
                                      const struct store_upgrade_filter *filter,
                                      const struct store_page_token *after, size_t most,
                                      struct fault *fault);

/* The upgrades of one device, the newest operation first. Searches every operation. */
struct store_rows store_list_device(struct store_reader *reader, const char *device_id,
                                    const struct store_page_token *after, size_t most,
                                    struct fault *fault);

/* Ids of devices that begin with PREFIX, read with store_next_expected. Reads all upgrades. No next
 * page. */
struct store_rows store_find_devices(struct store_reader *reader, const char *prefix, size_t most,
                                     struct fault *fault);

/* Notifications about one device in one operation, the latest first. OPERATION 0 means those
 * without an operation. If SUB_OPERATION_ID is not NULL, only those of that sub-operation. Sorts
 * the seqs of all of the device's notifications there. No next page. KEPT is borrowed like a row's
 * texts: do not call store_kept_release. */
bool store_next_notification(struct store_rows *rows, struct store_kept *kept);
struct store_rows store_list_notifications(struct store_reader *reader, const char *device_id,
                                           int64_t operation, const char *sub_operation_id,
                                           size_t most, struct fault *fault);

/* The latest notifications of all operations, the last one first. No next page. */
struct store_rows store_list_latest(struct store_reader *reader, size_t most, struct fault *fault);

/* Reads notifications received at or after SINCE_MS and before UNTIL_MS, with a seq above AFTER, in
 * seq order. Returns them like store_read_after. */
int store_read_between(struct store_reader *reader, int64_t since_ms, int64_t until_ms,
                       int64_t after, struct store_kept *kept, size_t most, size_t *count,
                       struct fault *fault);

/* Quarantined bodies by id, without their bytes; only those with a REASON, unless that is NULL.
 * What follows a colon in a reason differs from body to body, so it is no part of REASON. */
struct store_quarantined_row {
    int64_t id, received_ms;
    const char *reason, *pointer;
    const char *body; /* its first 2,048 bytes, or those before a NUL; may not be UTF-8 */
    size_t body_length;
};
bool store_next_quarantined(struct store_rows *rows, struct store_quarantined_row *row);
struct store_rows store_list_quarantined(struct store_reader *reader, const char *reason,
                                         const struct store_page_token *after, size_t most,
                                         struct fault *fault);

/* How many bodies are in quarantine for each such reason, the most frequent first. No next page. */
struct store_reason_row {
    const char *reason;
    int64_t count;
};
bool store_next_reason(struct store_rows *rows, struct store_reason_row *row);
struct store_rows store_list_reasons(struct store_reader *reader, size_t most, struct fault *fault);

/* All notifications ever kept, counted by notifyType and result ("": none). All on one page. */
struct store_type_count_row {
    const char *notify_type, *result;
    int64_t count;
};
bool store_next_type_count(struct store_rows *rows, struct store_type_count_row *row);
struct store_rows store_list_type_counts(struct store_reader *reader, struct fault *fault);

/* Bytes of the store's files on disk: the main file and its log. */
int store_read_size(struct store_reader *reader, int64_t *bytes, struct fault *fault);

#endif
