/* floor: what a receiver of this shape costs at the least: the receiver's own workers, gathering
 * and libfcgi, with less behind them. What is here takes the place of the library's intake and
 * viewer.
 *
 *   floor answer       reads the body and answers 200
 *   floor check        and parses it, and checks it against its schema
 *   floor append FILE  instead appends it to FILE and syncs, in groups, before it answers
 *   floor rewrite FILE the same into space that was written before, so that a sync has no change of
 *                      the file's size or of its blocks to write
 *
 * The groups are those of the receiver: what a worker has read in a round. */
#include "config.h"

#include "notification/content.h"
#include "notification/dispatch.h"
#include "receiver/intake.h"
#include "receiver/viewer.h"
#include "receiver/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* How often the listening socket is looked at. */
#define TICK_MS 250

/* Space that is written ahead at a time. */
#define AHEAD ((size_t)64 << 20)

enum floor_kind { FLOOR_ANSWER, FLOOR_CHECK, FLOOR_APPEND, FLOOR_REWRITE };

struct intake {
    enum floor_kind kind;
    int file;
    off_t end;           /* of what is kept */
    off_t written_ahead; /* up to where there is space */
};

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* --- in the place of receiver/viewer.c --- */

void viewer_take(struct viewer *viewer, struct read_request *visit)
{
    (void)viewer;
    request_drop(visit->request);
    worker_seen_off(visit, false);
}

void viewer_leave(struct viewer *viewer)
{
    (void)viewer;
}

/* --- in the place of receiver/intake.c --- */

int intake_read(struct intake *floor, struct record *record, struct fault *fault)
{
    if (floor->kind != FLOOR_CHECK)
        return 0;
    enum dispatch_result what = dispatch_read(record);
    record_release(record);
    return what == DISPATCH_NOTIFICATION ? 0 : fault_set(fault, "no notification");
}

static void write_ahead(struct intake *floor, off_t until)
{
    static const char zeros[1 << 20];
    while (floor->written_ahead < until) {
        ssize_t written = pwrite(floor->file, zeros, sizeof zeros, floor->written_ahead);
        if (written <= 0)
            die("cannot write ahead");
        floor->written_ahead += written;
    }
    if (fsync(floor->file) != 0)
        die("cannot sync");
}

/* One write for all, and one sync. */
static void append(struct intake *floor, struct record **records, size_t count)
{
    static char newline[] = "\n";
    struct iovec parts[2 * WORKER_BATCH_MAX];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        parts[2 * i] = (struct iovec){(void *)(uintptr_t)records[i]->body, records[i]->body_length};
        parts[2 * i + 1] = (struct iovec){newline, 1};
        length += records[i]->body_length + 1;
    }
    off_t end = floor->end + (off_t)length;
    if (floor->kind == FLOOR_REWRITE && end > floor->written_ahead)
        write_ahead(floor, end + (off_t)AHEAD);
    /* a disk that takes less, or fails, ends the measurement */
    if (pwritev(floor->file, parts, (int)(2 * count), floor->end) != (ssize_t)length ||
        fdatasync(floor->file) != 0)
        die("cannot keep");
    floor->end = end;
}

int intake_keep(struct intake *floor, struct record **records, size_t count, struct fault *fault)
{
    (void)fault;
    if (floor->kind >= FLOOR_APPEND)
        append(floor, records, count);
    for (size_t i = 0; i < count; i++)
        records[i]->outcome = RECORD_STORED;
    return 0;
}

static int open_file(struct intake *floor, const char *path, struct fault *fault)
{
    floor->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (floor->file < 0)
        return fault_set_errno(fault, errno, "%s", path);
    if (floor->kind == FLOOR_REWRITE)
        write_ahead(floor, (off_t)AHEAD);
    return 0;
}

/* Ends the file where its lines do. */
static void close_file(struct intake *floor)
{
    if (floor->file >= 0 && (ftruncate(floor->file, floor->end) != 0 || close(floor->file) != 0))
        die("cannot end the file");
}

/* --- the program -------------------------------------------------------------------------------
 */

static void serve(struct worker_pool *pool, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    struct fault fault = FAULT_NONE;
    while (sigtimedwait(signals, NULL, &tick) < 0 && worker_check(pool, &fault) == 0)
        continue;
    if (fault.set)
        fprintf(stderr, "floor: %s\n", fault.text);
}

/* As the receiver does it, with its defaults. */
static int run(struct intake *floor, const char *path, const sigset_t *signals, struct fault *fault)
{
    char *no_options[] = {(char[]){"floor"}, NULL};
    struct options options;
    struct auth *auth = NULL;
    struct log *log = NULL;
    struct worker_pool *pool = NULL;
    struct metrics *metrics = metrics_new();
    bool started = options_read(&options, 1, no_options, fault) == 0 &&
                   auth_new(&auth, &options, fault) == 0 &&
                   log_start(&log, NULL, metrics, fault) == 0 &&
                   worker_new(&pool, STDIN_FILENO, &options, auth, log, metrics, fault) == 0 &&
                   (path == NULL || open_file(floor, path, fault) == 0) &&
                   worker_start(pool, floor, NULL, fault) == 0;
    if (started) {
        serve(pool, signals);
        worker_drain(pool);
    }
    close_file(floor);
    worker_free(pool);
    log_stop(log);
    auth_free(auth);
    metrics_free(metrics);
    options_release(&options);
    return started ? 0 : -1;
}

static int read_kind(int argc, char **argv)
{
    static const char *const kinds[] = {"answer", "check", "append", "rewrite"};
    for (int kind = 0; argc > 1 && kind < (int)(sizeof kinds / sizeof kinds[0]); kind++)
        if (strcmp(argv[1], kinds[kind]) == 0 && argc == (kind >= FLOOR_APPEND ? 3 : 2))
            return kind;
    return -1;
}

int main(int argc, char **argv)
{
    struct fault fault = FAULT_NONE;
    sigset_t signals;
    int kind = read_kind(argc, argv);
    if (kind < 0) {
        fputs("Usage: floor answer | check | append FILE | rewrite FILE\n", stderr);
        return 2;
    }
    struct intake floor = {.kind = (enum floor_kind)kind, .file = -1};
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    content_init();
    if (sodium_init() < 0 || run(&floor, argc == 3 ? argv[2] : NULL, &signals, &fault) != 0) {
        fprintf(stderr, "floor: %s\n", fault.set ? fault.text : "libsodium cannot start");
        return 1;
    }
    return 0;
}
