/* floor: what a receiver of this shape costs at the least: the receiver's own pool of workers,
 * gathering and libfcgi, with less behind them. What stands here takes the place of the library's
 * intake and viewer.
 *
 *   floor answer       reads the body and answers 200
 *   floor check        and parses it, and checks it against its schema
 *   floor append FILE  instead appends it to FILE and syncs, in groups, before it answers
 *   floor rewrite FILE the same into space that was written before, so that a sync has no change of
 *                      the file's size or of its blocks to write
 *
 * The groups are those of the receiver's writer (commit.h), whose store_keep stands here too. */
#include "config.h"

#include "answer.h"
#include "content.h"
#include "dispatch.h"
#include "intake.h"
#include "viewer.h"
#include "worker.h"

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

/* Space that is written ahead at a time. */
#define AHEAD ((size_t)64 << 20)

enum floor_kind { FLOOR_ANSWER, FLOOR_CHECK, FLOOR_APPEND, FLOOR_REWRITE };

struct intake {
    enum floor_kind kind;
    struct commit *commit; /* of those that keep */
    int file;
    off_t end;           /* of what is kept */
    off_t written_ahead; /* up to where there is space */
};

/* store_keep has no other way to it: the store that it is called with is none. */
static struct intake intake = {.file = -1};

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* --- in the place of intake.c and viewer.c ---------------------------------------------------- */

static void answer(struct ticket *ticket, int status, const char *detail)
{
    struct text text = {0};
    if (status == 200) {
        ticket->record.outcome = RECORD_STORED;
        answer_add_kept(&text, &ticket->record, false);
    } else {
        answer_add_problem(&text, status, detail);
    }
    worker_reply(ticket, status, &text);
    text_release(&text);
}

static void check(struct ticket *ticket)
{
    enum dispatch_result what = dispatch_read(&ticket->record);
    record_release(&ticket->record);
    if (what == DISPATCH_NOTIFICATION)
        answer(ticket, 200, NULL);
    else
        answer(ticket, 400, "no notification");
}

void intake_take(struct intake *floor, struct ticket *ticket)
{
    struct fault fault = FAULT_NONE;
    switch (floor->kind) {
    case FLOOR_ANSWER:
        answer(ticket, 200, NULL);
        break;
    case FLOOR_CHECK:
        check(ticket);
        break;
    case FLOOR_APPEND:
    case FLOOR_REWRITE:
        if (commit_submit(floor->commit, ticket, &fault) != 0)
            answer(ticket, 503, fault.text);
        break;
    }
}

void viewer_take(struct viewer *viewer, struct visit *visit)
{
    (void)viewer;
    request_drop(visit->request);
    worker_seen_off(visit, false);
}

void viewer_leave(struct viewer *viewer)
{
    (void)viewer;
}

/* --- in the place of the store -----------------------------------------------------------------
 */

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

/* What the linker has commit.c call: one write for all, and one sync. */
int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, struct fault *fault);
int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, struct fault *fault)
{
    static char newline[] = "\n";
    struct iovec parts[2 * COMMIT_BATCH_MAX];
    size_t length = 0;
    (void)store, (void)cursor, (void)fault;
    for (size_t i = 0; i < count; i++) {
        parts[2 * i] = (struct iovec){(void *)(uintptr_t)records[i]->body, records[i]->body_length};
        parts[2 * i + 1] = (struct iovec){newline, 1};
        length += records[i]->body_length + 1;
    }
    off_t end = intake.end + (off_t)length;
    if (intake.kind == FLOOR_REWRITE && end > intake.written_ahead)
        write_ahead(&intake, end + (off_t)AHEAD);
    /* a disk that takes less, or fails, ends the measurement */
    if (pwritev(intake.file, parts, (int)(2 * count), intake.end) != (ssize_t)length ||
        fdatasync(intake.file) != 0)
        die("cannot keep");
    intake.end = end;
    return 0;
}

static void tell_kept(void *owner, struct ticket **tickets, size_t count)
{
    (void)owner;
    for (size_t i = 0; i < count; i++)
        answer(tickets[i], 200, NULL);
}

/* Cannot be: store_keep does not fail. */
static void tell_failed(void *owner, struct ticket **tickets, size_t count,
                        const struct fault *fault)
{
    (void)owner, (void)tickets, (void)count;
    fprintf(stderr, "floor: %s\n", fault->text);
    _exit(1);
}

static void tell_recovered(void *owner, uint64_t refused)
{
    (void)owner, (void)refused;
}

static int start_keeping(struct metrics *metrics, size_t queue, const char *path,
                         struct fault *fault)
{
    const struct commit_listener listener = {
        .kept = tell_kept, .failed = tell_failed, .recovered = tell_recovered};
    intake.file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (intake.file < 0)
        return fault_set_errno(fault, errno, "%s", path);
    if (intake.kind == FLOOR_REWRITE)
        write_ahead(&intake, (off_t)AHEAD);
    return commit_start(&intake.commit, NULL, NULL, queue, &listener, metrics, fault);
}

/* Ends the file where its lines do. */
static void end_keeping(void)
{
    commit_stop(intake.commit);
    if (intake.file >= 0 && (ftruncate(intake.file, intake.end) != 0 || close(intake.file) != 0))
        die("cannot end the file");
}

/* --- the program -------------------------------------------------------------------------------
 */

static void serve(struct worker_pool *pool, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = WORKER_TICK_MS * 1000000L};
    struct fault fault = FAULT_NONE;
    while (sigtimedwait(signals, NULL, &tick) < 0 && worker_tick(pool, &fault) == 0)
        continue;
    if (fault.set)
        fprintf(stderr, "floor: %s\n", fault.text);
}

/* As the receiver does it, with its defaults. */
static int run(const char *path, const sigset_t *signals, struct fault *fault)
{
    char *no_options[] = {(char[]){"floor"}, NULL};
    struct options options;
    struct trust *trust = NULL;
    struct log *log = NULL;
    struct worker_pool *pool = NULL;
    struct metrics *metrics = metrics_new();
    bool started = options_read(&options, 1, no_options, fault) == 0 &&
                   trust_new(&trust, &options, fault) == 0 &&
                   log_start(&log, NULL, metrics, fault) == 0 &&
                   worker_new(&pool, STDIN_FILENO, &options, trust, log, metrics, fault) == 0 &&
                   (path == NULL || start_keeping(metrics, options.queue, path, fault) == 0) &&
                   worker_start(pool, &intake, NULL, fault) == 0;
    if (started) {
        serve(pool, signals);
        worker_drain(pool);
    }
    end_keeping();
    worker_free(pool);
    log_stop(log);
    trust_free(trust);
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
    intake.kind = (enum floor_kind)kind;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    content_init();
    if (sodium_init() < 0 || run(argc == 3 ? argv[2] : NULL, &signals, &fault) != 0) {
        fprintf(stderr, "floor: %s\n", fault.set ? fault.text : "libsodium cannot start");
        return 1;
    }
    return 0;
}
