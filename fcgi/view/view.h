/* view: the documents that people and programs read, as JSON, JSON lines or CSV, made from the
 * store.
 *
 * One table of views serves the HTTP paths (/status/NAME.json) and `upgrade-status --json`, so both
 * give the same documents. A document has no clock time of its own: the same store and the same
 * query, which has the time from which ages are counted, give the same bytes. */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include "base/buffer.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "store/lists.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of a page of a document if the query gives no limit. Other forms have STORE_PAGE_MAX. */
#define VIEW_LIMIT_DEFAULT 50

/* Most rows of each list that a document has beside its pages. */
#define VIEW_STUCK_ROWS 10
#define VIEW_STUCK_COUNTED 100
#define VIEW_NOTES 20
#define VIEW_FOUND 10
#define VIEW_TARGETS 3
#define VIEW_REASONS 50

/* Limits for a document in bytes. A page ends early after VIEW_PAGE_BYTES. A longer text is cut (an
 * id can be as long as a query may give it) and ends in "…". In JSON, NAMEBytes beside it is its
 * length. A longer body becomes null, and bodyBytes is its length. */
#define VIEW_PAGE_BYTES ((size_t)1 << 20)
#define VIEW_ID_MAX VIEW_WORD_MAX
#define VIEW_TEXT_MAX 1024
#define VIEW_BODY_MAX ((size_t)16 << 10)

/* Largest document: one page, one more row, and the rest. */
#define VIEW_DOCUMENT_MAX ((size_t)4 << 20)

/* Longest time in a query, in seconds: ten years. */
#define VIEW_SECONDS_MAX ((int64_t)10 * 366 * 24 * 3600)

/* Seconds after which an upgrade in progress is shown as stuck, and an operation of which nothing
 * has come as stalled or finished, if the query does not say. */
#define VIEW_STUCK_DEFAULT_S 3600

/* Longest word in a query, in bytes. */
#define VIEW_WORD_MAX 4096

/* The shared books, as a receiver with --books sees them; all texts are borrowed. */
struct view_books {
    const char *name;  /* the service or host, and the database */
    const char *state; /* confirming, away, refused */
    int64_t since_ms;
    const char *fault;           /* NULL: none */
    int64_t behind_records;      /* kept here, and not confirmed */
    int64_t behind_ms;           /* since the first of them was received; 0: none */
    int64_t copy_behind_records; /* in the books, and not in this machine's copy, as last seen */
    int64_t copy_behind_ms;      /* since the copy had all of them for the last time; 0: it does */
    const char *copy_fault;      /* why the copy cannot be brought up to date; NULL: none */
    bool required;               /* without them, the platform is answered 503 */
};

/* The state of the process. Only a receiver has one. All pointers are borrowed; times are in ms
 * since 1970. */
struct view_process {
    const char *version;
    int64_t start_ms, now_ms;
    int64_t next_ms;               /* latest time of the next status file; 0: the process ends */
    const char *store_fault;       /* why the store cannot keep records now; NULL: it can */
    int64_t fault_ms;              /* since when; 0: unknown, or no fault */
    const char *log_warning;       /* why the log has no reader; NULL: it may have one */
    const struct metrics *metrics; /* NULL: none */
    uint64_t quarantine_max, quarantine_bytes_max;
    const struct view_books *books; /* NULL: no --books */
};

/* How a list is written. The pages of the last two, joined in order, are the whole list. */
enum view_form {
    VIEW_JSON,
    VIEW_CSV,        /* RFC 4180 with a header line; safe in spreadsheets (base/csv.h) */
    VIEW_JSON_LINES, /* each row the object that it is in JSON, on a line of its own */
};

/* Where the rows of a page are in its document, between two brackets. */
struct view_rows {
    size_t begin, end; /* 0: it has no rows that come in pages */
};

/* What the query asks of a view. NULL, false, 0: not given. */
struct view_query {
    const char *operation_id, *app_id, *device_id;
    const char *state; /* IN_PROGRESS, SUCCESS, FAIL; of operations running, stalled, finished */
    const char *error_code; /* "": failures without a code */
    const char *search;
    const char *after; /* `next` of the previous page */
    bool contradictory;
    const char *sort;     /* of operations: latest, failures, name */
    const char *reason;   /* why a body is in quarantine */
    bool byte_order_mark; /* before a table, so that Excel reads it as UTF-8 */
    bool stuck_said, fail_above_said;
    int64_t stuck_s;            /* in progress, or quiet, for longer than this */
    int64_t fail_above;         /* share of failed, in millionths */
    int64_t since_ms, until_ms; /* since 1970 */
    size_t limit;
    int64_t now_ms; /* end of that time; set it before other members */
    const struct view_process *process;
    struct view_rows *rows; /* set by a page of a document; NULL: not wanted */
    enum view_form form;    /* set by view_write */
};

enum view_result {
    VIEW_DONE,
    VIEW_NOT_FOUND, /* no such operation or device; the fault says which */
    VIEW_MISUSED,   /* the query is invalid; the fault says why */
    VIEW_FAILED,    /* the store cannot be read now; the fault says why */
};

struct view {
    const char *name;
    enum view_form form;
    const char *parameters; /* those it accepts, each between two spaces */
    const char *help;
    enum view_result (*write)(struct store_reader *reader, const struct view_query *query,
                              struct buffer *out, struct store_page_token *next,
                              struct fault *fault);
};

/* The view named NAME, such as "overview.json" or "failures.csv"; NULL if there is none. */
const struct view *view_find(const char *name, size_t length);

/* The type of its content, such as application/json. */
const char *view_type(const struct view *view);

/* Sets the parameter NAME in QUERY, which borrows VALUE. Parameters are the members above, named as
 * in the documents: operationId, appId, deviceId, state, errorCode, q, after, contradictory (1),
 * longerThan (seconds), bom (1), limit, sort, failAbove (a share from 0 to 1), since, until (times
 * as in base/units.h), reason. */
int view_set(struct view_query *query, const struct view *view, const char *name, const char *value,
             struct fault *fault);

/* Appends VIEW's document within LIMIT_MS (0: no limit). All of it shows one state of the store.
 * OUT changes only if the result is VIEW_DONE. NEXT, unless NULL, is set to the token of the next
 * page, "" if there is none. A later page of a table has no header line: the pages joined in order
 * are the table. */
enum view_result view_write(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, int64_t limit_ms, struct buffer *out,
                            struct store_page_token *next, struct fault *fault);

/* Most rows of each list in the status file: operations, failures of one of them, notifications. */
#define VIEW_STATUS_ROWS 10

/* Appends the document for the status file: one state of the store, and PROCESS. OUT is empty, or
 * ends with a line. The document has several lines and VIEW_DOCUMENT_MAX bytes at most. Returns 0,
 * or -1 if the store cannot be read. Then the appended text is incomplete. */
int view_write_status(struct store_reader *reader, const struct view_process *process,
                      struct buffer *out, struct fault *fault);

#endif
