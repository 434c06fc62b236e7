/* log: lines for stdout or a file, written by a thread of their own, so that a reader that stalls
 * never holds anybody up. What does not fit waits in a bounded buffer; beyond that, lines are
 * dropped, counted, and the loss is itself a line once lines flow again. Each second the thread
 * looks where the lines go: a file that was deleted is made again, and what failed is tried again.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buffer.h"
#include "base/fault.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that may wait for a slow reader before lines are dropped. */
#define LOG_WAITING_MAX ((size_t)8 << 20)

/* How long log_stop waits for a slow reader before it gives up the rest. */
#define LOG_STOP_WAIT_MS 1000

struct log;

/* Starts a log on PATH (created with mode 0640, appended to), or on file descriptor 1 if PATH
 * is NULL. Gives *LOG; stop with log_stop. PATH and METRICS are lent for the log's lifetime. */
int log_start(struct log **log, const char *path, struct metrics *metrics, struct fault *fault);

/* Writes what waits (for LOG_STOP_WAIT_MS at most) and frees the log. Safe on NULL. */
void log_stop(struct log *log);

/* Opens PATH again, for log rotation; does nothing if the log is stdout. If PATH cannot be opened,
 * that is a line and log_warning's, the file of before takes the lines, and PATH is tried again
 * each second. */
void log_reopen(struct log *log);

/* Why lines reach nobody, or not PATH, as the last look or write told; WARNING is set if so.
 * Thread-safe. */
void log_warning(struct log *log, struct fault *warning);

/* Whether a line given to log_lines now can be expected to reach somebody: false if LOG is NULL,
 * /dev/null, a file without a name, a pipe without a reader, if the last write failed, and if a
 * stalled reader has filled half of what may wait. Looks at the descriptor itself. Thread-safe. */
bool log_reaches(struct log *log);

/* Appends TEXT, which holds LINES whole lines, all of them or none: if they do not fit, or TEXT
 * failed, they are counted as dropped. Returns whether they were taken. Never blocks on the reader.
 * Thread-safe; takes the log's lock. Does nothing if LOG is NULL. */
bool log_lines(struct log *log, const struct buffer *text, size_t lines);

/* Begins a line in TEXT: time (now, or AT_MS) and event, an open object that log_end closes. The
 * caller adds members, each led by a comma. */
void log_begin(struct buffer *text, const char *event);
void log_begin_at(struct buffer *text, int64_t at_ms, const char *event);

/* Ends the line begun in TEXT. */
void log_end(struct buffer *text);

/* A whole line with one further member of text: log_event(log, "fault", "fault", fault.text). */
void log_event(struct log *log, const char *event, const char *member, const char *value);

#endif
