/* log: writes lines to stdout or a file in a separate thread. */
#include "config.h"

#include "base/log.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often the thread checks the log's file, and retries after a failure. */
#define RETRY_MS 1000

/* After a stall, a larger buffer than this is freed once it is empty. */
#define BUFFER_KEEP ((size_t)1 << 20)

struct log {
    const char *path; /* NULL: stdout */
    struct metrics *metrics;
    pthread_t thread;
    bool nameless;   /* stdout was an unlinked file from the start: another process holds it open */
    bool nowhere;    /* the log is /dev/null */
    bool deleted;    /* the log's file was deleted */
    int open_error;  /* errno of the thread's last attempt to open PATH again; 0: it is open */
    int write_error; /* errno of the last write; 0: it succeeded */
    struct fault lost_by;   /* the fault that lost the lines not yet reported */
    struct monitor monitor; /* guards the members below */
    int fd;                 /* only the thread changes it */
    struct fault fault;     /* see log_warning */
    bool lost;              /* lines written now have no reader */
    struct buffer waiting;  /* filled by log_lines, emptied by the thread */
    uint64_t dropped;       /* lines lost and not yet reported */
    bool reopen;
    bool stop;     /* take no more lines: write the waiting ones and end */
    bool abandon;  /* end now */
    bool finished; /* the thread has ended */
};

/* Without O_NONBLOCK, opening a pipe without a reader would block. */
static int open_path(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
}

static int cannot_open(struct fault *fault, const char *path, int error)
{
    if (error == ENXIO)
        return fault_set(fault, "log: cannot open %s: a pipe that nobody reads, or a socket", path);
    return fault_set_errno(fault, error, "log: cannot open %s", path);
}

/* For example, spawn-fcgi without -n redirects stdout there. */
static bool is_dev_null(int fd)
{
    struct stat here, null;
    return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(here.st_mode) &&
           here.st_rdev == null.st_rdev;
}

static bool is_deleted(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0;
}

/* Whether FD is a pipe, a socket or a terminal whose other end is closed. */
static bool is_hung_up(int fd)
{
    struct pollfd pollfd = {.fd = fd};
    return poll(&pollfd, 1, 0) > 0;
}

/* Writes all of BYTES. Waits for a slow reader until the log is abandoned. Returns the number of
 * bytes written: fewer than LENGTH if the reader is gone or the disk is full. */
static size_t write_all(struct log *log, const char *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t written = write(log->fd, bytes + done, length - done);
        if (written > 0) {
            done += (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            /* another process that shares stdout may have made it non-blocking */
            struct pollfd pollfd = {.fd = log->fd, .events = POLLOUT};
            poll(&pollfd, 1, RETRY_MS);
        } else if (written < 0 && errno != EINTR) {
            log->write_error = errno;
            return done;
        }
    }
    log->write_error = 0;
    return done;
}

static size_t count_lines(const char *bytes, size_t length)
{
    size_t lines = 0;
    const char *end = length > 0 ? bytes + length : bytes;
    while (bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
        lines++;
        bytes++;
    }
    return lines;
}

/* Opens PATH again if ASKED is set, the last attempt failed, or the file was deleted. If PATH
 * cannot be opened, lines go to the old file while that has a name. */
static void care_for_path(struct log *log, bool asked)
{
    bool failed = log->open_error != 0;
    struct fault fault = FAULT_NONE;
    log->deleted = !log->nameless && is_deleted(log->fd);
    if (log->path == NULL || !(asked || log->deleted || failed))
        return;
    int fd = open_path(log->path);
    log->open_error = fd < 0 ? errno : 0;
    if (fd < 0 && !log->deleted && !failed) {
        cannot_open(&fault, log->path, log->open_error);
        fault_add(&fault, "lines go to the file that was open before");
    } else if (fd >= 0) {
        if (log->deleted && !failed)
            fault_set(&fault, "log: %s was deleted while open: made again", log->path);
        monitor_enter(&log->monitor);
        close(log->fd);
        log->fd = fd;
        monitor_leave(&log->monitor);
        log->deleted = false;
        log->nowhere = is_dev_null(fd);
    }
    if (fault.set)
        log_event(log, "fault", "fault", fault.text);
}

/* Sets the fault for log_warning. Called and returns with the lock held. */
static void judge(struct log *log)
{
    struct fault fault = FAULT_NONE;
    const char *name = log->path != NULL ? log->path : "stdout";
    bool hung_up = is_hung_up(log->fd);
    log->lost = log->nowhere || log->deleted || log->write_error != 0 || hung_up;
    if (log->open_error != 0)
        cannot_open(&fault, name, log->open_error);
    else if (log->nowhere)
        fault_set(&fault, "%s is /dev/null: the log's lines go nowhere%s", name,
                  log->path == NULL ? " without --log FILE" : "");
    else if (log->write_error != 0)
        fault_set_errno(&fault, log->write_error, "log: cannot write to %s", name);
    else if (hung_up)
        fault_set(&fault, "log: nobody reads %s", name);
    else if (log->deleted)
        fault_set(&fault, "log: the file that is stdout was deleted");
    log->fault = fault;
    metrics_set_gauge(log->metrics, METRIC_GAUGE_log_fault, fault.set);
}

/* What the thread takes from the log in one turn. */
struct turn {
    struct buffer batch; /* whole lines */
    uint64_t dropped;    /* lines lost before this turn, reported after the batch */
    bool reopen;
};

/* Takes the waiting lines, or nothing after RETRY_MS. Returns false when the log must end. Called
 * and returns with the lock held. */
static bool take(struct log *log, struct turn *turn)
{
    int64_t until_ms = clock_monotonic_ms() + RETRY_MS;
    while (log->waiting.length == 0 && log->dropped == 0 && !log->reopen && !log->stop &&
           monitor_wait_until(&log->monitor, until_ms))
        continue;
    if (log->abandon || (log->stop && log->waiting.length == 0 && log->dropped == 0))
        return false;
    struct buffer emptied = turn->batch;
    if (emptied.capacity > BUFFER_KEEP)
        buffer_release(&emptied);
    buffer_clear(&emptied);
    turn->batch = log->waiting;
    log->waiting = emptied;
    turn->dropped = log->dropped;
    log->dropped = 0;
    turn->reopen = log->reopen;
    log->reopen = false;
    return true;
}

/* Writes the line that reports DROPPED lost lines. Returns false if it was not written whole. */
static bool report(struct log *log, uint64_t dropped, bool *torn)
{
    struct buffer line = {0};
    log_begin(&line, "linesDropped");
    buffer_addf(&line, ",\"lines\":%llu", (unsigned long long)dropped);
    if (log->lost_by.set)
        json_add_string(&line, "reason", log->lost_by.text);
    log_end(&line);
    size_t done = line.failed ? 0 : write_all(log, line.bytes, line.length);
    bool whole = !line.failed && done == line.length;
    *torn = *torn || (done > 0 && !whole);
    buffer_release(&line);
    if (whole)
        log->lost_by.set = false;
    return whole;
}

/* Writes one turn's lines. Returns the total of lost lines. */
static uint64_t write_turn(struct log *log, const struct turn *turn, bool *torn)
{
    const struct buffer *batch = &turn->batch;
    if (*torn && !log->deleted && write_all(log, "\n", 1) == 1)
        *torn = false;
    size_t done = *torn || log->deleted ? 0 : write_all(log, batch->bytes, batch->length);
    if (batch->length > 0)
        metrics_add(log->metrics, METRIC_log_lines, count_lines(batch->bytes, done));
    if (done < batch->length) {
        uint64_t lost = count_lines(batch->bytes + done, batch->length - done);
        *torn = *torn || (done > 0 && batch->bytes[done - 1] != '\n');
        metrics_add(log->metrics, METRIC_log_lines_dropped, lost);
        return lost + turn->dropped;
    }
    if (turn->dropped > 0 && (log->deleted || !report(log, turn->dropped, torn)))
        return turn->dropped;
    return 0;
}

static void *write_lines(void *argument)
{
    struct log *log = argument;
    struct turn turn = {0};
    bool torn = false; /* the last line written is incomplete: end it before the next */
    monitor_enter(&log->monitor);
    while (take(log, &turn)) {
        monitor_leave(&log->monitor);
        care_for_path(log, turn.reopen);
        uint64_t lost = write_turn(log, &turn, &torn);
        monitor_enter(&log->monitor);
        judge(log);
        if (lost > 0 && log->fault.set)
            log->lost_by = log->fault;
        if (lost > 0 && log->stop)
            break; /* the report has no reader either */
        log->dropped += lost;
        int64_t until_ms = clock_monotonic_ms() + RETRY_MS;
        while (lost > 0 && !log->stop && !log->reopen &&
               monitor_wait_until(&log->monitor, until_ms))
            continue;
    }
    /* the lines that arrived meanwhile are lost too */
    metrics_add(log->metrics, METRIC_log_lines_dropped,
                count_lines(log->waiting.bytes, log->waiting.length));
    log->finished = true;
    monitor_wake(&log->monitor);
    monitor_leave(&log->monitor);
    buffer_release(&turn.batch);
    return NULL;
}

int log_start(struct log **gives, const char *path, struct metrics *metrics, struct fault *fault)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return fault_set(fault, "log: out of memory");
    log->path = path;
    log->metrics = metrics;
    log->fd = path == NULL ? STDOUT_FILENO : open_path(path);
    if (log->fd < 0) {
        cannot_open(fault, path, errno);
        goto no_file;
    }
    log->nowhere = is_dev_null(log->fd);
    log->nameless = path == NULL && is_deleted(log->fd);
    monitor_init(&log->monitor);
    judge(log);
    int error = pthread_create(&log->thread, NULL, write_lines, log);
    if (error != 0) {
        fault_set_errno(fault, error, "log: cannot start a thread");
        goto no_thread;
    }
    *gives = log;
    return 0;

no_thread:
    monitor_release(&log->monitor);
    if (path != NULL)
        close(log->fd);
no_file:
    free(log);
    return -1;
}

void log_stop(struct log *log)
{
    if (log == NULL)
        return;
    int64_t until_ms = clock_monotonic_ms() + LOG_STOP_WAIT_MS;
    monitor_enter(&log->monitor);
    log->stop = true;
    monitor_wake(&log->monitor);
    while (!log->finished && monitor_wait_until(&log->monitor, until_ms))
        continue;
    log->abandon = true;
    bool finished = log->finished;
    monitor_leave(&log->monitor);
    if (!finished) {
        /* The thread is blocked in write(2) on a stalled reader. It and the log end with the
         * process. */
        pthread_detach(log->thread);
        return;
    }
    pthread_join(log->thread, NULL);
    buffer_release(&log->waiting);
    monitor_release(&log->monitor);
    if (log->path != NULL)
        close(log->fd);
    free(log);
}

void log_reopen(struct log *log)
{
    monitor_set(&log->monitor, &log->reopen);
}

void log_warning(struct log *log, struct fault *warning)
{
    monitor_enter(&log->monitor);
    *warning = log->fault;
    monitor_leave(&log->monitor);
}

bool log_reaches(struct log *log)
{
    if (log == NULL)
        return false;
    monitor_enter(&log->monitor);
    bool reaches = !log->lost && log->waiting.length <= LOG_WAITING_MAX / 2 &&
                   !is_hung_up(log->fd) && (log->nameless || !is_deleted(log->fd));
    monitor_leave(&log->monitor);
    return reaches;
}

bool log_lines(struct log *log, const struct buffer *text, size_t lines)
{
    if (log == NULL || lines == 0)
        return lines == 0;
    monitor_enter(&log->monitor);
    /* A batch of any size may wait if no other lines do: so a reader that keeps up loses
     * nothing. */
    if (text->failed ||
        (log->waiting.length > 0 && log->waiting.length + text->length > LOG_WAITING_MAX))
        log->waiting.failed = true;
    else
        buffer_add(&log->waiting, text->bytes, text->length);
    bool taken = !log->waiting.failed;
    if (!taken) {
        log->waiting.failed = false;
        log->dropped += lines;
        metrics_add(log->metrics, METRIC_log_lines_dropped, lines);
    }
    monitor_wake(&log->monitor);
    monitor_leave(&log->monitor);
    return taken;
}

void log_begin_at(struct buffer *text, int64_t at_ms, const char *event)
{
    char time[CLOCK_TEXT_SIZE];
    buffer_add_string(text, "{\"time\":\"");
    buffer_add_string(text, clock_format(at_ms, time));
    buffer_add_string(text, "\",\"event\":\"");
    buffer_add_string(text, event);
    buffer_add_string(text, "\"");
}

void log_begin(struct buffer *text, const char *event)
{
    log_begin_at(text, clock_now_ms(), event);
}

void log_end(struct buffer *text)
{
    buffer_add(text, "}\n", 2);
}

void log_line(struct log *log, struct buffer *line)
{
    log_end(line);
    log_lines(log, line, 1);
    buffer_release(line);
}

void log_event(struct log *log, const char *event, const char *member, const char *value)
{
    struct buffer line = {0};
    log_begin(&line, event);
    json_add_string(&line, member, value);
    log_line(log, &line);
}
