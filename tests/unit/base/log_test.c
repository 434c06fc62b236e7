/* The log: in order, never waited for, and every line that is lost is counted and told. */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A log into $folder/log, which is a file unless a test makes a pipe there. */
struct writer {
    char *folder, *path;
    struct metrics *metrics;
    struct log *log;
};

static int setup(void **state)
{
    struct writer *writer = calloc(1, sizeof *writer);
    assert_non_null(writer);
    writer->folder = support_folder();
    writer->path = strdup(support_path(writer->folder, "log"));
    writer->metrics = metrics_new();
    *state = writer;
    return 0;
}

static int teardown(void **state)
{
    struct writer *writer = *state;
    log_stop(writer->log);
    metrics_free(writer->metrics);
    free(writer->path);
    support_folder_free(writer->folder);
    free(writer);
    return 0;
}

static void start(struct writer *writer)
{
    struct fault fault = FAULT_NONE;
    if (log_start(&writer->log, writer->path, writer->metrics, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void stop(struct writer *writer)
{
    log_stop(writer->log);
    writer->log = NULL;
}

/* Makes the log a pipe, whose reader this returns: it takes nothing until it is read from. */
static int make_pipe(const struct writer *writer)
{
    assert_int_equal(mkfifo(writer->path, 0600), 0);
    int reader = open(writer->path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    return reader;
}

/* Writes the line "NUMBER" with LENGTH bytes in all. */
static void write_number(struct log *log, int number, size_t length)
{
    struct buffer line = {0};
    buffer_addf(&line, "%0*d\n", (int)length - 1, number);
    log_lines(log, &line, 1);
    buffer_release(&line);
}

static uint64_t dropped(const struct writer *writer)
{
    return metrics_read(writer->metrics, METRIC_log_lines_dropped);
}

static uint64_t written(const struct writer *writer)
{
    return metrics_read(writer->metrics, METRIC_log_lines);
}

static void lines_arrive_in_their_order(void **state)
{
    struct writer *writer = *state;
    start(writer);
    for (int i = 0; i < 20000; i++)
        write_number(writer->log, i, 6);
    stop(writer);
    char *log = support_read_file(writer->path);
    assert_int_equal(strlen(log), 20000 * 6);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(strtol(log + (ptrdiff_t)i * 6, NULL, 10), i);
    assert_int_equal(written(writer), 20000);
    assert_int_equal(dropped(writer), 0);
    free(log);
}

static void a_line_is_json_with_time_and_event(void **state)
{
    struct writer *writer = *state;
    int64_t before_ms = clock_now_ms();
    start(writer);
    log_event(writer->log, "fault", "fault", "a\"b\n\xFF");
    stop(writer);
    char *log = support_read_file(writer->path);
    assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
    json_t *json = json_loads(log, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_size(json), 3);
    assert_string_equal(json_string_value(json_object_get(json, "event")), "fault");
    assert_string_equal(json_string_value(json_object_get(json, "fault")), "a\"b\n\357\277\275");
    char first[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];
    const char *time = json_string_value(json_object_get(json, "time"));
    assert_true(strcmp(clock_format(before_ms, first), time) <= 0);
    assert_true(strcmp(time, clock_format(clock_now_ms(), last)) <= 0);
    json_decref(json);
    free(log);
}

static void a_file_is_appended_to_and_made_with_mode_0640(void **state)
{
    struct writer *writer = *state;
    struct stat status;
    mode_t before = umask(0);
    start(writer);
    umask(before);
    assert_int_equal(stat(writer->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    write_number(writer->log, 1, 2);
    stop(writer);
    start(writer);
    write_number(writer->log, 2, 2);
    stop(writer);
    char *log = support_read_file(writer->path);
    assert_string_equal(log, "1\n2\n");
    free(log);
}

static void a_path_that_cannot_be_opened_is_named(void **state)
{
    struct writer *writer = *state;
    struct fault fault = FAULT_NONE;
    const char *path = support_path(writer->folder, "missing/log");
    assert_int_equal(log_start(&writer->log, path, NULL, &fault), -1);
    support_assert_fault(&fault, path);
    support_assert_fault(&fault, strerror(ENOENT));
    assert_null(writer->log);
}

static void no_log_takes_lines_too(void **state)
{
    struct buffer line = {0};
    buffer_add_string(&line, "x\n");
    log_lines(NULL, &line, 1);
    log_event(NULL, "fault", "fault", "x");
    log_stop(NULL);
    buffer_release(&line);
}

static void lines_without_memory_are_dropped_and_told(void **state)
{
    struct writer *writer = *state;
    struct buffer failed = {.failed = true};
    start(writer);
    log_lines(writer->log, &failed, 3);
    stop(writer);
    assert_int_equal(dropped(writer), 3);
    char *log = support_read_file(writer->path);
    support_assert_has(log, "\"event\":\"linesDropped\",\"lines\":3}\n");
    free(log);
}

/* --- rotation --- */

static bool path_has_come(void *path)
{
    return access(path, F_OK) == 0;
}

static bool has_written(void *writer)
{
    return written(writer) > 0;
}

static void a_log_that_was_moved_away_is_opened_anew_on_demand(void **state)
{
    struct writer *writer = *state;
    const char *old = support_path(writer->folder, "log.1");
    start(writer);
    write_number(writer->log, 1, 2);
    assert_true(support_wait_until(has_written, writer));
    assert_int_equal(rename(writer->path, old), 0);
    log_reopen(writer->log);
    assert_true(support_wait_until(path_has_come, writer->path));
    write_number(writer->log, 2, 2);
    stop(writer);
    char *before = support_read_file(old), *after = support_read_file(writer->path);
    assert_string_equal(after, "2\n");
    assert_string_equal(before, "1\n");
    free(before);
    free(after);
}

static bool warns(void *writer)
{
    struct fault warning;
    log_warning(((struct writer *)writer)->log, &warning);
    return warning.set;
}

static bool warns_no_more(void *writer)
{
    return !warns(writer);
}

static void assert_warning(const struct writer *writer, const char *part)
{
    struct fault warning;
    log_warning(writer->log, &warning);
    support_assert_fault(&warning, part);
    assert_int_equal(metrics_read_gauge(writer->metrics, METRIC_GAUGE_log_fault), 1);
}

static void assert_no_warning(const struct writer *writer)
{
    struct fault warning;
    log_warning(writer->log, &warning);
    assert_false(warning.set);
    assert_int_equal(metrics_read_gauge(writer->metrics, METRIC_GAUGE_log_fault), 0);
}

static void assert_file_has(const char *path, const char *part)
{
    char *text = support_read_file(path);
    support_assert_has(text, part);
    free(text);
}

static bool has_written_two(void *writer)
{
    return written(writer) == 2;
}

/* Starts a log, moves its file away to OLD, makes its path a folder, and asks for it to be opened
 * again. */
static void lose_path(struct writer *writer, const char *old)
{
    start(writer);
    assert_no_warning(writer);
    assert_int_equal(rename(writer->path, old), 0);
    assert_int_equal(mkdir(writer->path, 0700), 0);
    log_reopen(writer->log);
    assert_true(support_wait_until(warns, writer));
    assert_warning(writer, writer->path);
    assert_warning(writer, strerror(EISDIR));
}

static void a_path_that_cannot_be_opened_again_is_told_and_tried_until_it_can(void **state)
{
    struct writer *writer = *state;
    const char *old = support_path(writer->folder, "log.1");
    lose_path(writer, old);
    write_number(writer->log, 1, 2);
    assert_true(log_reaches(writer->log));
    assert_true(support_wait_until(has_written_two, writer)); /* and the line that told of it */
    assert_int_equal(rmdir(writer->path), 0);
    assert_true(support_wait_until(warns_no_more, writer));
    write_number(writer->log, 2, 2);
    stop(writer);
    assert_int_equal(dropped(writer), 0);
    assert_file_has(old, "1\n");
    assert_file_has(old,
                    "\"event\":\"fault\",\"fault\":\"lines go to the file that was open before");
    char *log = support_read_file(writer->path);
    assert_string_equal(log, "2\n");
    free(log);
}

static bool has_dropped_three(void *writer)
{
    return dropped(writer) == 3;
}

static void lines_into_a_deleted_file_are_counted_as_lost(void **state)
{
    struct writer *writer = *state;
    const char *old = support_path(writer->folder, "log.1");
    lose_path(writer, old);
    assert_int_equal(unlink(old), 0);
    assert_false(log_reaches(writer->log));
    for (int i = 0; i < 3; i++)
        write_number(writer->log, i, 2);
    assert_true(support_wait_until(has_dropped_three, writer));
    assert_true(written(writer) <= 1); /* the line that told of the path */
    assert_false(log_reaches(writer->log));
    assert_int_equal(rmdir(writer->path), 0);
    assert_true(support_wait_until(warns_no_more, writer));
    assert_true(log_reaches(writer->log));
    write_number(writer->log, 7, 2);
    stop(writer);
    assert_file_has(writer->path,
                    "\"event\":\"linesDropped\",\"lines\":3,\"reason\":\"log: cannot open");
    assert_file_has(writer->path, "7\n");
    assert_int_equal(dropped(writer), 3);
}

static void a_file_that_is_deleted_is_made_again(void **state)
{
    struct writer *writer = *state;
    start(writer);
    write_number(writer->log, 1, 2);
    assert_true(support_wait_until(has_written, writer));
    assert_int_equal(unlink(writer->path), 0);
    assert_false(log_reaches(writer->log));
    assert_true(support_wait_until(path_has_come, writer->path)); /* though nobody writes */
    write_number(writer->log, 2, 2);
    stop(writer);
    assert_file_has(writer->path, "2\n");
    assert_file_has(writer->path, "was deleted while open");
    assert_int_equal(dropped(writer), 0);
}

static void a_full_disk_is_told_with_the_lines_it_cost(void **state)
{
    struct writer *writer = *state;
    assert_int_equal(symlink("/dev/full", writer->path), 0);
    start(writer);
    assert_true(log_reaches(writer->log)); /* for all that anybody knows */
    write_number(writer->log, 1, 2);
    assert_true(support_wait_until(warns, writer));
    assert_warning(writer, strerror(ENOSPC));
    assert_false(log_reaches(writer->log));
    assert_int_equal(unlink(writer->path), 0);
    log_reopen(writer->log);
    assert_true(support_wait_until(warns_no_more, writer));
    stop(writer);
    assert_int_equal(dropped(writer), 1);
    assert_file_has(writer->path, strerror(ENOSPC));
}

static void a_pipe_that_nobody_reads_is_not_waited_for(void **state)
{
    struct writer *writer = *state;
    struct fault fault = FAULT_NONE;
    const char *old = support_path(writer->folder, "log.1");
    assert_int_equal(mkfifo(writer->path, 0600), 0);
    assert_int_equal(log_start(&writer->log, writer->path, NULL, &fault), -1);
    support_assert_fault(&fault, "a pipe that nobody reads");
    assert_int_equal(unlink(writer->path), 0);
    start(writer);
    assert_int_equal(rename(writer->path, old), 0);
    int reader = make_pipe(writer);
    close(reader);
    log_reopen(writer->log);
    assert_true(support_wait_until(warns, writer));
    assert_warning(writer, "a pipe that nobody reads");
    reader = open(writer->path, O_RDONLY | O_NONBLOCK);
    assert_true(support_wait_until(warns_no_more, writer));
    close(reader);
    assert_false(log_reaches(writer->log));
    assert_true(support_wait_until(warns, writer)); /* though nobody writes */
    assert_warning(writer, "nobody reads");
    stop(writer);
}

/* What a log says of where its lines go. */
enum { QUIET, WARNS, FAILED };

/* A log on PATH (NULL: stdout, which is then STDOUT) that is DELETED while open. In a process of
 * its own, since it takes the place of stdout. */
static int says(const char *path, const char *stdout_path, bool deleted)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        struct writer writer = {.log = NULL};
        int fd = open(stdout_path, O_WRONLY);
        if (dup2(fd, STDOUT_FILENO) != STDOUT_FILENO ||
            log_start(&writer.log, path, NULL, NULL) != 0)
            _exit(FAILED);
        if (deleted && (unlink(stdout_path) != 0 || !support_wait_until(warns, &writer)))
            _exit(FAILED);
        int code = warns(&writer) ? WARNS : QUIET;
        if (log_reaches(writer.log) != (code == QUIET))
            code = FAILED;
        log_stop(writer.log);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_log_that_reaches_nobody_is_warned_of(void **state)
{
    char *folder = support_folder();
    const char *out = support_path(folder, "stdout"), *log = support_path(folder, "log");
    support_write_file(out, "");
    assert_int_equal(says(NULL, "/dev/null", false), WARNS);
    assert_int_equal(says(NULL, out, false), QUIET);
    assert_int_equal(says(NULL, "/dev/zero", false), QUIET);
    assert_int_equal(says(log, "/dev/null", false), QUIET);
    assert_int_equal(says("/dev/null", out, false), WARNS);
    assert_int_equal(says(NULL, out, true), WARNS);
    assert_false(log_reaches(NULL));
    support_folder_free(folder);
}

/* In a process of its own, since it takes the place of stdout. */
static void without_a_path_lines_go_to_stdout_which_stays_open(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        struct log *log = NULL;
        if (dup2(ends[1], STDOUT_FILENO) != STDOUT_FILENO || log_start(&log, NULL, NULL, NULL) != 0)
            _exit(2);
        write_number(log, 1, 2);
        log_reopen(log);
        write_number(log, 2, 2);
        log_stop(log);
        _exit(write(STDOUT_FILENO, "3\n", 2) == 2 ? 0 : 3);
    }
    close(ends[1]);
    char lines[16] = "";
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], lines + length, sizeof lines - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(lines, "1\n2\n3\n");
}

/* --- readers that stall or go away --- */

/* What a reader makes of a log of numbered lines. */
struct reading {
    struct buffer rest; /* of a line that is not whole */
    int next;           /* number expected next, or a later one */
    uint64_t lines, told_dropped, reports;
};

static void read_line(struct reading *reading, const char *line)
{
    if (line[0] == '{') {
        json_t *json = json_loads(line, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "event")), "linesDropped");
        reading->told_dropped += (uint64_t)json_integer_value(json_object_get(json, "lines"));
        reading->reports++;
        json_decref(json);
        return;
    }
    char *end;
    int number = (int)strtol(line, &end, 10);
    if (end == line || *end != '\0' || number < reading->next)
        fail_msg("'%s' where %d or a later one was expected", line, reading->next);
    reading->next = number + 1;
    reading->lines++;
}

/* Takes what the pipe holds now; false when that was nothing. */
static bool read_some(int reader, struct reading *reading)
{
    char part[65536];
    ssize_t got = read(reader, part, sizeof part);
    for (ssize_t i = 0; i < got; i++)
        if (part[i] == '\n') {
            buffer_add(&reading->rest, "", 1);
            read_line(reading, reading->rest.bytes);
            buffer_clear(&reading->rest);
        } else {
            buffer_add(&reading->rest, part + i, 1);
        }
    return got > 0;
}

struct drain {
    int reader;
    struct reading *reading;
    uint64_t total;
};

/* Whether all lines have been read or been told as dropped; reads on. */
static bool all_is_told(void *argument)
{
    struct drain *drain = argument;
    while (read_some(drain->reader, drain->reading))
        continue;
    return drain->reading->lines + drain->reading->told_dropped >= drain->total;
}

/* The number of lines of 1,000 bytes that are more than the buffer and any pipe hold. */
#define TOO_MANY (2 * (int)(LOG_WAITING_MAX / 1000))

static void a_stalled_reader_holds_nobody_up_and_is_told_what_it_missed(void **state)
{
    struct writer *writer = *state;
    struct reading reading = {.next = 0};
    int reader = make_pipe(writer);
    start(writer);
    for (int i = 0; i < TOO_MANY; i++) /* ends */
        write_number(writer->log, i, 1000);
    assert_true(dropped(writer) > 0);
    struct drain drain = {.reader = reader, .reading = &reading, .total = TOO_MANY};
    assert_true(support_wait_until(all_is_told, &drain));
    assert_int_equal(reading.lines + reading.told_dropped, TOO_MANY);
    assert_int_equal(reading.told_dropped, dropped(writer));
    assert_true(reading.lines >= LOG_WAITING_MAX / 1000); /* what fits is kept */
    write_number(writer->log, TOO_MANY, 1000);            /* and lines flow again */
    drain.total++;
    assert_true(support_wait_until(all_is_told, &drain));
    assert_int_equal(reading.next, TOO_MANY + 1);
    assert_int_equal(reading.rest.length, 0);
    stop(writer);
    close(reader);
    buffer_release(&reading.rest);
}

/* Lines of 1,024 bytes, one more than may wait. */
#define BATCH ((int)(LOG_WAITING_MAX / 1024) + 1)

static void lines_belong_together_or_are_dropped_together(void **state)
{
    struct writer *writer = *state;
    struct buffer lines = {0};
    int reader = make_pipe(writer);
    struct reading reading = {.next = 0};
    start(writer);
    uint64_t sent = 0;
    /* Each batch is more than may wait, and is taken while nothing waits. The thread takes the
     * first and is stuck with it; where one more waits, there is no room. */
    while (dropped(writer) == 0 && sent < 3 * BATCH) {
        buffer_clear(&lines);
        for (int i = 0; i < BATCH; i++)
            buffer_addf(&lines, "%01023d\n", (int)sent++);
        assert_true(lines.length > LOG_WAITING_MAX);
        log_lines(writer->log, &lines, BATCH);
    }
    assert_true(sent > BATCH);
    assert_int_equal(dropped(writer), BATCH);
    struct drain drain = {.reader = reader, .reading = &reading, .total = sent};
    assert_true(support_wait_until(all_is_told, &drain));
    assert_int_equal(reading.lines, sent - BATCH);
    assert_int_equal(reading.reports, 1);
    stop(writer);
    close(reader);
    buffer_release(&lines);
    buffer_release(&reading.rest);
}

static bool has_dropped(void *writer)
{
    return dropped(writer) > 0;
}

static bool has_dropped_twice(void *writer)
{
    return dropped(writer) > 1;
}

/* Writes line 0, which is read, and line 1, which is lost because the reader has gone. */
static void lose_reader(struct writer *writer, struct reading *reading)
{
    struct drain drain = {.reader = make_pipe(writer), .reading = reading, .total = 1};
    start(writer);
    write_number(writer->log, 0, 10);
    assert_true(support_wait_until(all_is_told, &drain));
    close(drain.reader);
    write_number(writer->log, 1, 10);
    assert_true(support_wait_until(has_dropped, writer));
    assert_int_equal(dropped(writer), 1);
}

static void a_reader_that_went_away_is_told_when_it_is_back(void **state)
{
    struct writer *writer = *state;
    struct reading reading = {.next = 0};
    lose_reader(writer, &reading);
    write_number(writer->log, 2, 10); /* lost a second later */
    assert_true(support_wait_until(has_dropped_twice, writer));
    write_number(writer->log, 3, 10); /* waits for the next try */
    int reader = open(writer->path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    struct drain drain = {.reader = reader, .reading = &reading, .total = 4};
    assert_true(support_wait_until(all_is_told, &drain));
    assert_int_equal(reading.lines, 2);
    assert_int_equal(reading.told_dropped, 2);
    assert_int_equal(reading.next, 4);
    stop(writer);
    close(reader);
    buffer_release(&reading.rest);
}

static void stopping_tries_once_more_and_does_not_wait_for_it(void **state)
{
    struct writer *writer = *state;
    struct reading reading = {.next = 0};
    lose_reader(writer, &reading);
    int reader = open(writer->path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    write_number(writer->log, 2, 10);
    stop(writer);
    struct drain drain = {.reader = reader, .reading = &reading, .total = 3};
    assert_true(support_wait_until(all_is_told, &drain));
    assert_int_equal(reading.lines, 2);
    assert_int_equal(reading.told_dropped, 1);
    close(reader);
    buffer_release(&reading.rest);
}

static void stopping_without_a_reader_counts_what_is_lost(void **state)
{
    struct writer *writer = *state;
    int reader = make_pipe(writer);
    start(writer);
    close(reader);
    for (int i = 0; i < 10; i++)
        write_number(writer->log, i, 10);
    stop(writer);
    assert_int_equal(dropped(writer), 10);
    assert_int_equal(written(writer), 0);
}

/* Whether whoever writes to the pipe has to wait. How many bytes it holds then depends on how they
 * came. */
static bool is_full(void *path)
{
    struct pollfd pipe = {.fd = open(path, O_WRONLY | O_NONBLOCK), .events = POLLOUT};
    bool full = pipe.fd >= 0 && poll(&pipe, 1, 0) == 0;
    close(pipe.fd);
    return full;
}

static void *close_soon(void *reader)
{
    usleep(100000);
    close(*(const int *)reader);
    return NULL;
}

/* What came while the log was busy with what it lost in the end is lost with it, and counted. */
static void stopping_counts_what_still_waits_when_the_reader_goes(void **state)
{
    struct writer *writer = *state;
    int reader = make_pipe(writer);
    pthread_t closer;
    start(writer);
    for (int i = 0; i < 100; i++)
        write_number(writer->log, i, 1024);
    assert_true(support_wait_until(is_full, writer->path));
    for (int i = 0; i < 50; i++)
        write_number(writer->log, i, 1024);
    assert_int_equal(pthread_create(&closer, NULL, close_soon, &reader), 0);
    stop(writer);
    pthread_join(closer, NULL);
    assert_int_equal(written(writer) + dropped(writer), 150);
    assert_in_range(dropped(writer), 50, 150);
}

/* The log is given up with the process then, so this one runs in a process of its own. */
static void stopping_with_a_stalled_reader_gives_up_after_a_second(void **state)
{
    struct writer *writer = *state;
    int reader = make_pipe(writer);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        struct fault fault = FAULT_NONE;
        int64_t before_ms = clock_monotonic_ms();
        if (log_start(&writer->log, writer->path, writer->metrics, &fault) != 0)
            _exit(2);
        for (int i = 0; i < 1000; i++)
            write_number(writer->log, i, 1000);
        log_stop(writer->log);
        int64_t took_ms = clock_monotonic_ms() - before_ms;
        _exit(took_ms >= LOG_STOP_WAIT_MS ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(reader);
}

static void a_line_that_was_torn_is_ended_before_the_next(void **state)
{
    struct writer *writer = *state;
    start(writer);
    support_limit_file_size(15);
    write_number(writer->log, 1, 10);
    write_number(writer->log, 2, 10); /* fits by half */
    assert_true(support_wait_until(has_dropped, writer));
    support_limit_file_size(RLIM_INFINITY);
    write_number(writer->log, 3, 10);
    /* Stopping must not hurry it past its pause into losing the line. */
    stop(writer);
    char *log = support_read_file(writer->path);
    assert_memory_equal(log, "000000001\n00000\n000000003\n", 26);
    support_assert_has(log + 26, "\"event\":\"linesDropped\",\"lines\":1,\"reason\":\"");
    support_assert_has(log + 26, strerror(EFBIG));
    assert_int_equal(dropped(writer), 1);
    assert_int_equal(written(writer), 2);
    free(log);
}

/* --- many at once --- */

static void *write_many(void *log)
{
    static int threads;
    int thread = __atomic_add_fetch(&threads, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 2000; i++)
        write_number(log, thread * 10000 + i, 8);
    return NULL;
}

static void lines_of_many_threads_are_whole_and_each_ones_are_in_order(void **state)
{
    struct writer *writer = *state;
    pthread_t threads[4];
    long next[5] = {0};
    start(writer);
    for (size_t i = 0; i < LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, writer->log), 0);
    for (size_t i = 0; i < LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
    stop(writer);
    char *log = support_read_file(writer->path);
    assert_int_equal(strlen(log), 4 * 2000 * 8);
    for (char *line = log; *line != '\0'; line += 8) {
        long number = strtol(line, NULL, 10);
        assert_int_equal(number % 10000, next[number / 10000]++);
    }
    free(log);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int log_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(lines_arrive_in_their_order),
        FRESH(a_line_is_json_with_time_and_event),
        FRESH(a_file_is_appended_to_and_made_with_mode_0640),
        FRESH(a_path_that_cannot_be_opened_is_named),
        cmocka_unit_test(no_log_takes_lines_too),
        FRESH(lines_without_memory_are_dropped_and_told),
        FRESH(a_log_that_was_moved_away_is_opened_anew_on_demand),
        FRESH(a_path_that_cannot_be_opened_again_is_told_and_tried_until_it_can),
        FRESH(lines_into_a_deleted_file_are_counted_as_lost),
        FRESH(a_file_that_is_deleted_is_made_again),
        FRESH(a_full_disk_is_told_with_the_lines_it_cost),
        FRESH(a_pipe_that_nobody_reads_is_not_waited_for),
        cmocka_unit_test(a_log_that_reaches_nobody_is_warned_of),
        cmocka_unit_test(without_a_path_lines_go_to_stdout_which_stays_open),
        FRESH(a_stalled_reader_holds_nobody_up_and_is_told_what_it_missed),
        FRESH(lines_belong_together_or_are_dropped_together),
        FRESH(a_reader_that_went_away_is_told_when_it_is_back),
        FRESH(stopping_tries_once_more_and_does_not_wait_for_it),
        FRESH(stopping_without_a_reader_counts_what_is_lost),
        FRESH(stopping_counts_what_still_waits_when_the_reader_goes),
        FRESH(stopping_with_a_stalled_reader_gives_up_after_a_second),
        FRESH(a_line_that_was_torn_is_ended_before_the_next),
        FRESH(lines_of_many_threads_are_whole_and_each_ones_are_in_order),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
