/* log: writes lines to stdout or a file in a separate thread, so that a stalled reader never delays
 * another thread. Waiting lines are kept in a bounded buffer. When it is full, new lines are
 * dropped and counted. Once lines flow again, one line reports the loss. Each second the thread
 * checks the log's file: it makes a deleted file again, and retries after a failure. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buffer.h"
#include "base/fault.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

/* Most bytes that wait for a slow reader. Further lines are dropped. */
#define LOG_WAITING_MAX ((size_t)8 << 20)

/* How long log_stop waits for a slow reader before it drops the rest. */
#define LOG_STOP_WAIT_MS 1000

struct log;

/* Starts a log on PATH (created with mode 0640, appended to), or on file descriptor 1 if PATH is
 * NULL. Sets *LOG; stop it with log_stop. PATH and METRICS are borrowed for the log's lifetime. */
int log_start(struct log **log, const char *path, struct metrics *metrics, struct fault *fault);

/* Writes the waiting lines (for LOG_STOP_WAIT_MS at most) and frees the log. Safe on NULL. */
void log_stop(struct log *log);

/* Opens PATH again, for log rotation. Does nothing if the log is stdout. If PATH cannot be opened,
 * a log line and log_warning report it, lines go to the old file, and PATH is tried again each
 * second. */
void log_reopen(struct log *log);

/* Why lines have no reader or do not reach PATH, as of the last check or write. WARNING is set only
 * if there is such a reason. Thread-safe. */
void log_warning(struct log *log, struct fault *warning);

/* Whether a line given to log_lines now should reach a reader. It returns false if LOG is NULL,
 * /dev/null, a deleted file or a pipe without a reader, if the last write failed, or if a stalled
 * reader has filled half of the buffer. Checks the descriptor itself. Thread-safe. */
bool log_reaches(struct log *log);

/* Appends TEXT, which holds LINES whole lines: all of them or none. If they do not fit, or TEXT
 * failed, they count as dropped. Returns whether they were taken. Never blocks on the reader.
 * Thread-safe; takes the log's lock. Does nothing if LOG is NULL. */
bool log_lines(struct log *log, const struct buffer *text, size_t lines);

/* Begins a line in TEXT: the time (now, or AT_MS) and the event, in an object that log_end closes.
 * The caller adds members, each with a comma before it (json_writer.h does so). */
void log_begin(struct buffer *text, const char *event);
void log_begin_at(struct buffer *text, int64_t at_ms, const char *event);

/* Ends the line begun in TEXT. The second function also hands it to LOG, and releases it. */
void log_end(struct buffer *text);
void log_line(struct log *log, struct buffer *line);

/* A whole line with one more text member: log_event(log, "fault", "fault", fault.text). */
void log_event(struct log *log, const char *event, const char *member, const char *value);

#endif
