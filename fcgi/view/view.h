/* view: the documents that people and programs read, as JSON or CSV, made from the books.
 *
 * One table of views serves the HTTP paths (/status/NAME.json) and `upgrade-status --json`, so both
 * say the same. A document holds no clock time of its own making: the same books give the same
 * bytes.
 */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include "base/buffer.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "store/lists.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of a page where the query does not say; a table has STORE_PAGE_MAX. */
#define VIEW_LIMIT_DEFAULT 50

/* Rows that a document has of what it lists beside its pages. */
#define VIEW_STUCK_ROWS 10
#define VIEW_STUCK_COUNTED 100
#define VIEW_NOTES 20
#define VIEW_FOUND 10

/* Bytes of a document behind which its page ends early; of a text in it (an id can be as long as a
 * query may give it), in place of whose rest "…" stands, and in JSON beside it its length as
 * NAMEBytes; and of a body, in place of which null stands with its length as bodyBytes. */
#define VIEW_PAGE_BYTES ((size_t)1 << 20)
#define VIEW_ID_MAX VIEW_WORD_MAX
#define VIEW_TEXT_MAX 1024
#define VIEW_BODY_MAX ((size_t)16 << 10)

/* So no document is larger, whatever was received: a page, a row more, and what stands beside. */
#define VIEW_DOCUMENT_MAX ((size_t)4 << 20)

/* Longest time that may be asked for, in seconds: ten years. */
#define VIEW_SECONDS_MAX ((int64_t)10 * 366 * 24 * 3600)

/* Seconds that an upgrade may be in progress before it is shown as stuck, where the query does not
 * say. */
#define VIEW_STUCK_DEFAULT_S 3600

/* Longest word that a query may give, in bytes. */
#define VIEW_WORD_MAX 4096

/* What the process has to say of itself; only a receiver has one. */
struct view_process {
    const char *version;
    int64_t pid;
    const char *store_fault; /* NULL: the store works */
    uint64_t log_lines_dropped;
    uint64_t refused_in_a_row; /* answers that were not 200, since the last that was */
    uint64_t near_misses;      /* POSTs on what is nearly a callback path */
    uint64_t quarantine_max, quarantine_bytes_max;
};

/* What a view is asked for. NULL, false, 0: not said. */
struct view_query {
    const char *operation_id, *app_id, *device_id;
    const char *state;      /* IN_PROGRESS, SUCCESS, FAIL */
    const char *error_code; /* "" is the bucket of failures without one */
    const char *search;
    const char *after; /* `next` of the page before */
    bool contradictory;
    bool byte_order_mark; /* before a table, so that Excel takes it for UTF-8 */
    bool stuck_said;
    int64_t stuck_s; /* longer than this in progress */
    size_t limit;
    int64_t now_ms; /* what "longer" is counted from */
    const struct view_process *process;
};

enum view_result {
    VIEW_DONE,
    VIEW_NOT_FOUND, /* no such operation or device; the fault says which */
    VIEW_MISUSED,   /* the query cannot be understood; the fault says why */
    VIEW_FAILED,    /* the store cannot be read now; the fault says why */
};

struct view {
    const char *name;
    const char *type;       /* of its content, such as application/json */
    const char *parameters; /* those it understands, each between two spaces */
    const char *help;
    enum view_result (*write)(struct store_reader *reader, const struct view_query *query,
                              struct buffer *out, struct store_page_token *next,
                              struct fault *fault);
};

/* The view named NAME, such as "overview.json" or "failures.csv"; NULL where there is none. */
const struct view *view_find(const char *name, size_t length);

/* Whether its pages, one behind the other, are one table. */
bool view_is_table(const struct view *view);

/* Sets what the parameter NAME says in QUERY, which lends VALUE. Parameters are the members above
 * in the form of the documents: operationId, appId, deviceId, state, errorCode, q, after,
 * contradictory (1), longerThan (seconds), bom (1), limit. */
int view_set(struct view_query *query, const struct view *view, const char *name, const char *value,
             struct fault *fault);

/* Appends VIEW's document, all of one moment, within LIMIT_MS (0: no limit); OUT stays as it was
 * where the result is another than VIEW_DONE. NEXT, unless NULL, is
 * set to where the next page begins ("" where there is none). A later page of a table has no header
 * line: pages one behind the other are the table. */
enum view_result view_write(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, int64_t limit_ms, struct buffer *out,
                            struct store_page_token *next, struct fault *fault);

/* What the status file says of the process that writes it; all is lent. */
struct view_status {
    int64_t time_ms;               /* since 1970 */
    int64_t start_ms;              /* when the process started */
    int64_t next_ms;               /* when the file is replaced at the latest; 0: never, it ends */
    const char *store_fault;       /* why the store cannot keep records now; NULL: it can */
    int64_t fault_ms;              /* since when; 0: that is not known, or there is none */
    const char *log_warning;       /* why nobody reads the log; NULL: somebody may */
    const struct metrics *metrics; /* of this process; NULL: none */
};

/* Rows that the status file has of each: operations, failures of one of them, notifications. */
#define VIEW_STATUS_ROWS 10

/* Appends the document that the status file is: the store as it is at one moment, and STATUS. OUT
 * is empty, or ends with a line. The document has several lines, and VIEW_DOCUMENT_MAX bytes at
 * most. Returns 0, or -1 if the store cannot be read; then what was appended is not whole. */
int view_write_status(struct store_reader *reader, const struct view_status *status,
                      struct buffer *out, struct fault *fault);

#endif
