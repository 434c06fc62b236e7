/* run: forwards what a store keeps, until the process is asked to end. */
#include "config.h"

#include "forward/run.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/options.h"
#include "forward/notes.h"
#include "forward/operations.h"
#include "forward/send.h"
#include "forward/stop.h"
#include "store/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What an operator does if the store does not have what the cursor names. */
#define HINT "to go on with what it has: upgrade-forward resend --since start"

struct run {
    const struct settings *settings;
    struct http_peer peer;
    struct sender sender;
    struct store_config config;
    struct store *store; /* NULL: not open */
    struct store_reader *reader;
    int lock_fd;                /* -1: this process does not forward (yet) */
    struct store_cursor cursor; /* at the last notification sent */
    size_t ahead;               /* sent since the cursor was last kept */
    int64_t ahead_ms;           /* when the first of them was sent */
    int64_t version;            /* of the store when all of it was sent; -1: unknown */
    bool faulty;                /* its fault is logged already */
    struct operations operations;
};

static void log_fault(struct run *run, const char *event, const struct fault *fault)
{
    log_event(run->sender.log, event, "fault", fault->text);
}

/* --- the cursor ------------------------------------------------------------------------------- */

static void close_store(struct run *run)
{
    store_free(run->store);
    run->store = NULL;
    store_reader_close(run->reader);
}

/* Opens the store for the cursor's moves. It must be there: only a receiver makes one. */
static int open_store(struct run *run, struct fault *fault)
{
    int64_t version;
    if (run->store != NULL)
        return 0;
    if (store_read_version(run->reader, &version, fault) != 0 ||
        store_new(&run->store, &run->config, fault) != 0)
        return -1;
    if (store_open(run->store, fault) == 0)
        return 0;
    close_store(run);
    return -1;
}

/* Keeps the cursor, in a transaction of a row. */
static int keep_cursor(struct run *run, struct fault *fault)
{
    if (open_store(run, fault) != 0)
        return -1;
    if (store_keep(run->store, NULL, 0, &run->cursor, 0, fault) != 0) {
        close_store(run);
        return -1;
    }
    run->ahead = 0;
    return 0;
}

static bool is_cursor_due(const struct run *run)
{
    return run->ahead >= RUN_AHEAD_MAX ||
           (run->ahead > 0 && clock_monotonic_ms() - run->ahead_ms >= RUN_AHEAD_MS);
}

/* Whether the store has what the cursor names; FAULT says if not. */
static int check_cursor(struct run *run, struct fault *fault)
{
    struct store_standing standing;
    const struct token *at = &run->cursor.at;
    if (store_read_standing(run->reader, at, &standing, fault) != 0)
        return -1;
    if (standing.holds)
        return 0;
    store_refuse_token(at, &standing, HINT, fault);
    return fault_add(fault, "%s sends nothing", run->cursor.name);
}

/* Where the first start begins. */
static int begin_cursor(struct run *run, struct fault *fault)
{
    struct store_overview overview;
    const char *since = run->settings->since;
    if (since != NULL && strcmp(since, "now") != 0)
        return token_read(since, &run->cursor.at, fault);
    if (store_read_overview(run->reader, &overview, fault) != 0)
        return -1;
    store_totals_token(&overview.totals, &run->cursor.at);
    return 0;
}

/* An operator wants other notifications, and has left the token. */
static int take_resend(struct run *run, struct fault *fault)
{
    struct buffer text = {0};
    struct store_cursor before = run->cursor;
    int result = notes_read(run->settings, NOTES_RESEND, &text, fault);
    if (result == 0) {
        text.bytes[strcspn(text.bytes, "\n")] = '\0';
        run->cursor.back = true;
        if (token_read(text.bytes, &run->cursor.at, fault) != 0 || check_cursor(run, fault) != 0 ||
            keep_cursor(run, fault) != 0)
            result = -1;
        run->cursor.back = false;
        run->version = -1;
    }
    if (result == 0)
        log_event(run->sender.log, "resend", "since", text.bytes);
    else if (result < 0)
        run->cursor = before;
    buffer_release(&text);
    return result < 0 ? fault_add(fault, "resend")
                      : notes_remove(run->settings, NOTES_RESEND, fault);
}

/* Becomes the process that forwards under this name. Returns 1 if another process does. */
static int take_over(struct run *run, struct fault *fault)
{
    int fd;
    bool first;
    int result = store_lock_delivery(run->settings->state, run->cursor.name, &fd, fault);
    if (result != 0)
        return result < 0 ? -1
                          : fault_set(fault, "another process forwards as %s", run->cursor.name);
    result = operations_read(&run->operations, run->settings, &first, fault);
    if (result == 0)
        result = store_read_cursor(run->reader, &run->cursor, fault);
    if (result == 0 && first && run->cursor.at.seq == 0)
        result = begin_cursor(run, fault);
    if (result == 0 && !notes_exist(run->settings, NOTES_RESEND))
        result = check_cursor(run, fault);
    if (result == 0)
        result = keep_cursor(run, fault); /* from now on status and page know it */
    if (result == 0)
        result = operations_write(&run->operations, run->settings, fault);
    if (result == 0)
        run->lock_fd = fd;
    else
        close(fd);
    return result;
}

/* --- notifications ---------------------------------------------------------------------------- */

/* Reads at most a chunk of the notifications after the cursor. */
static int read_chunk(struct run *run, struct store_kept kept[RUN_AHEAD_MAX], size_t *count,
                      struct fault *fault)
{
    *count = 0;
    if (store_read_begin(run->reader, 0, fault) != 0)
        return -1;
    int result = check_cursor(run, fault);
    if (result == 0)
        result = store_read_after(run->reader, run->cursor.at.seq, kept, RUN_AHEAD_MAX - run->ahead,
                                  count, fault);
    store_read_end(run->reader);
    return result;
}

/* Sends one notification, unless its type is not wanted, and steps over it. Returns 1 if it was
 * interrupted. */
static int forward_one(struct run *run, const struct store_kept *kept, struct fault *fault)
{
    struct event event;
    bool wanted;
    if (event_of_notification(run->settings, kept, &event, &wanted, fault) != 0)
        return -1;
    enum send_result result = wanted ? send_event(&run->sender, &event) : SEND_DONE;
    event_release(&event);
    if (result != SEND_DONE)
        return 1;
    store_kept_token(kept, &run->cursor.at);
    if (run->ahead++ == 0)
        run->ahead_ms = clock_monotonic_ms();
    return 0;
}

static int forward_chunk(struct run *run, size_t *count, struct fault *fault)
{
    struct store_kept kept[RUN_AHEAD_MAX];
    int64_t version;
    *count = 0;
    if (store_read_version(run->reader, &version, fault) != 0)
        return -1;
    if (version == run->version)
        return 0;
    int result = read_chunk(run, kept, count, fault);
    bool more = result == 0;
    for (size_t i = 0; i < *count && more; i++) {
        result = forward_one(run, &kept[i], fault);
        more = result == 0 && !stop_wait(0);
        if (more && is_cursor_due(run))
            more = (result = keep_cursor(run, fault)) == 0;
    }
    store_kept_release(kept, *count);
    if (result == 0 && *count == 0)
        run->version = version;
    return result < 0 ? -1 : 0;
}

/* One round: what an operator wants, notifications, operations, the cursor. *COUNT is how many
 * notifications there were. */
static int run_round(struct run *run, size_t *count, struct fault *fault)
{
    *count = 0;
    if (run->lock_fd < 0 && take_over(run, fault) != 0)
        return -1;
    if (notes_exist(run->settings, NOTES_RESEND) && take_resend(run, fault) != 0)
        return -1;
    if (forward_chunk(run, count, fault) != 0)
        return -1;
    if (is_cursor_due(run) && keep_cursor(run, fault) != 0)
        return -1;
    return operations_look(&run->operations, &run->sender, run->reader, *count == 0, fault);
}

/* --- the process ------------------------------------------------------------------------------ */

static void log_start_line(struct run *run)
{
    struct buffer line = {0};
    log_begin(&line, "start");
    json_add_string(&line, "version", PACKAGE_VERSION);
    json_add_number(&line, "pid", getpid());
    json_add_string(&line, "state", run->settings->state);
    json_add_string(&line, "to", run->settings->to);
    log_end(&line);
    log_lines(run->sender.log, &line, 1);
    buffer_release(&line);
}

static bool is_stopped(void)
{
    return stop_wait(0);
}

static void loop(struct run *run)
{
    while (!stop_wait(0)) {
        struct fault fault = FAULT_NONE;
        size_t count;
        int result = run_round(run, &count, &fault);
        if (result != 0 && !run->faulty)
            log_fault(run, "fault", &fault);
        run->faulty = result != 0;
        if (result != 0)
            close_store(run);
        if (result != 0 || count == 0)
            stop_wait(result != 0 ? RUN_FAULT_MS : RUN_LOOK_MS);
    }
    struct fault fault = FAULT_NONE;
    if (run->lock_fd >= 0 && ((run->ahead > 0 && keep_cursor(run, &fault) != 0) ||
                              operations_write(&run->operations, run->settings, &fault) != 0))
        log_fault(run, "fault", &fault);
}

/* As upgrade-status reads the receiver's options: for the bounds of the store. */
static int read_config(struct run *run, struct options *options, struct fault *fault)
{
    char program[] = "upgrade-forward", word[] = "--state";
    char *arguments[] = {program, word, (char *)(uintptr_t)run->settings->state, NULL};
    if (options_read(options, 3, arguments, fault) != 0)
        return -1;
    store_config_read(options, &run->config);
    return 0;
}

int run_forward(const struct settings *settings, const struct sign *sign, struct fault *fault)
{
    struct run *run = calloc(1, sizeof *run);
    struct metrics *metrics = metrics_new();
    struct options options = {.state = NULL};
    if (run == NULL || metrics == NULL) {
        free(run);
        metrics_free(metrics);
        return fault_set(fault, "out of memory");
    }
    run->settings = settings;
    run->peer = (struct http_peer){.ca_file = settings->ca_file,
                                   .distrusted = "name the authority with --ca-file",
                                   .timeout_s = settings->timeout_ms / 1000,
                                   .answer_max = SEND_ANSWER_MAX,
                                   .is_stopped = is_stopped};
    run->sender = (struct sender){.settings = settings, .sign = sign};
    run->lock_fd = -1;
    run->version = -1;
    snprintf(run->cursor.name, sizeof run->cursor.name, "%s", settings->cursor);
    int result = read_config(run, &options, fault);
    if (result == 0)
        result = http_new(&run->sender.http, &run->peer, fault);
    if (result == 0)
        result = store_reader_new(&run->reader, settings->state, fault);
    /* A restart ends a pause. */
    if (result == 0)
        result = notes_remove(settings, NOTES_TROUBLE, fault);
    if (result == 0)
        result = log_start(&run->sender.log, NULL, metrics, fault);
    if (result == 0) {
        log_start_line(run);
        loop(run);
        log_event(run->sender.log, "stop", "reason", "SIGTERM");
    }
    log_stop(run->sender.log);
    buffer_release(&run->sender.answer.body);
    http_free(run->sender.http);
    close_store(run);
    store_reader_free(run->reader);
    if (run->lock_fd >= 0)
        close(run->lock_fd);
    options_release(&options);
    metrics_free(metrics);
    free(run);
    return result;
}
