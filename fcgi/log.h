/* log: lines for stdout or a file, written by a thread of their own, so that a reader that stalls
 * never holds anybody up. What does not fit waits in a bounded buffer; beyond that, lines are
 * dropped, counted, and the loss is itself a line once lines flow again. */
#ifndef LOG_H
#define LOG_H

#include "fault.h"
#include "metrics.h"
#include "text.h"

#include <stdint.h>

/* Bytes that may wait for a slow reader before lines are dropped. */
#define LOG_WAITING_MAX ((size_t)8 << 20)

/* How long log_stop waits for a slow reader before it gives up the rest. */
#define LOG_STOP_WAIT_MS 1000

struct log;

/* Starts a log on PATH (created with mode 0640, appended to), or on file descriptor 1 where PATH
 * is NULL. Gives *LOG; stop with log_stop. PATH and METRICS are lent for the log's lifetime. */
int log_start(struct log **log, const char *path, struct metrics *metrics, struct fault *fault);

/* Writes what waits (for LOG_STOP_WAIT_MS at most) and frees the log. Safe on NULL. */
void log_stop(struct log *log);

/* Opens PATH again at the next line, for log rotation; does nothing where the log is stdout. */
void log_reopen(struct log *log);

/* Why nobody will ever read the log, for the status file; NULL where somebody may. */
const char *log_warning(const struct log *log);

/* Appends TEXT, which holds LINES whole lines, all of them or none: where they do not fit, or TEXT
 * failed, they are counted as dropped. Never blocks on the reader. Thread-safe; takes the log's
 * lock. Does nothing where LOG is NULL. */
void log_lines(struct log *log, const struct text *text, size_t lines);

/* Begins a line in TEXT: time (now, or AT_MS) and event, an open object that log_end closes. The
 * caller adds members, each led by a comma. */
void log_begin(struct text *text, const char *event);
void log_begin_at(struct text *text, int64_t at_ms, const char *event);

/* Ends the line begun in TEXT. */
void log_end(struct text *text);

/* A whole line with one further member of text: log_event(log, "fault", "fault", fault.text). */
void log_event(struct log *log, const char *event, const char *member, const char *value);

#endif
