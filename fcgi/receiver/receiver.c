/* receiver: push_message_receiver_run: wires things together, and waits for signals. */
#include "config.h"

#include "push_message_receiver.h"

#include "base/json_writer.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/options.h"
#include "notification/content.h"
#include "notification/schema.h"
#include "receiver/answer.h"
#include "receiver/auth.h"
#include "receiver/cgi.h"
#include "receiver/check.h"
#include "receiver/commit.h"
#include "receiver/delivery.h"
#include "receiver/housekeeping.h"
#include "receiver/intake.h"
#include "receiver/listen.h"
#include "receiver/push.h"
#include "receiver/shared.h"
#include "receiver/supervisor.h"
#include "receiver/worker.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Exit codes other than 0. */
#define EXIT_UNUSABLE 1 /* the store, the log or the system */
#define EXIT_USAGE 2    /* the command line, the environment, or a missing socket */

/* The cursor's name if the application gives none. */
#define NAME_DEFAULT "application"

struct receiver {
    const struct push_message_receiver *application;
    const struct options *options;
    int listener;             /* -1: none, under CGI */
    struct listen_socket own; /* if the receiver made the listener */
    struct auth *auth;
    struct metrics *metrics;
    struct log *log;
    struct store *store;
    struct worker_pool *pool;
    struct commit *commit;
    struct shared *shared; /* NULL: no --books */
    struct delivery *delivery;
    struct intake *intake;
    struct housekeeping *housekeeping;
    struct viewer *viewer;
    struct supervisor *supervisor;
    bool started;
};

static int complain(int code, const struct fault *fault)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, fault->text);
    return code;
}

/* If 0, 1 or 2 were free, the next file opened would become stdin or stdout, and the log would go
 * into it. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_WRONLY) < 0)
            _exit(EXIT_UNUSABLE);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* All signals are blocked in every thread, and serve() waits for them: so no system call of a
 * worker is interrupted. */
static void block_signals(sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigset_t blocked = *signals;
    sigaddset(&blocked, SIGUSR1); /* libfcgi would install a handler that stops its reads */
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* Whether --listen makes sense. Sets *GIVEN to ADDRESS, or to NULL if there is no --listen. */
static int read_listen(const struct options *options, bool listening,
                       struct listen_address *address, const struct listen_address **given)
{
    struct fault fault = FAULT_NONE;
    *given = NULL;
    if (options->listen == NULL)
        return 0;
    *given = address;
    if (listening)
        fault_set(&fault, "file descriptor 0 is a listening socket already: leave out one of them");
    else
        listen_read(options->listen, address, &fault);
    if (!fault.set)
        return 0;
    fault_add(&fault, "--listen");
    return complain(EXIT_USAGE, &fault);
}

static int check(const struct options *options, const struct listen_address *address)
{
    struct fault fault = FAULT_NONE;
    if (check_options(options, &fault) != 0)
        return complain(EXIT_UNUSABLE, &fault);
    if (address != NULL && listen_check(address, &fault) != 0) {
        fault_add(&fault, "--listen");
        return complain(EXIT_UNUSABLE, &fault);
    }
    printf("%s: %zu schemas, state folder %s: usable\n", program_invocation_short_name,
           schema_count(), options->state);
    return 0;
}

static void log_start_line(const struct receiver *receiver)
{
    struct buffer line = {0};
    log_begin(&line, "start");
    json_add_string(&line, "version", PACKAGE_VERSION);
    json_add_number(&line, "pid", getpid());
    json_add_string(&line, "state", receiver->options->state);
    json_add_number(&line, "workers", (int64_t)receiver->options->workers);
    log_line(receiver->log, &line);
}

/* A misspelt name sets nothing, and nobody would notice. */
static void log_unknown_variables(const struct receiver *receiver)
{
    const char *const *at = (const char *const *)environ;
    struct buffer name = {0};
    while (options_next_unknown(&at, &name)) {
        buffer_add(&name, "", 1);
        if (!name.failed)
            log_event(receiver->log, "unknownVariable", "name", name.bytes);
    }
    buffer_release(&name);
}

/* Waits for a signal that ends the receiver and returns it; 0 if the socket failed. */
static int serve(const struct receiver *receiver, const sigset_t *signals, struct fault *fault)
{
    const struct timespec tick = {.tv_nsec = SUPERVISOR_TICK_MS * 1000000L};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        if (number == SIGHUP)
            log_reopen(receiver->log);
        else if (number > 0)
            return number;
        if (worker_check(receiver->pool, fault) != 0)
            return 0;
        supervisor_tick(receiver->supervisor);
    }
}

/* A receiver whose store cannot be opened now runs all the same: it answers 503, which differs from
 * a broken installation, and works when the store does. OPEN_FAULT is the reason. */
static int open_store(struct receiver *receiver, struct fault *open_fault, struct fault *fault)
{
    struct store_config config;
    store_config_read(receiver->options, &config);
    config.journal = receiver->options->books != NULL;
    config.wait_ms = receiver->listener < 0 ? CGI_STORE_WAIT_MS : 0;
    if (store_new(&receiver->store, &config, fault) != 0)
        return -1;
    if (store_make_folder(receiver->options->state, open_fault) == 0)
        store_open(receiver->store, open_fault);
    if (open_fault->lasting)
        *fault = *open_fault;
    return fault->set ? -1 : 0;
}

static int start_delivery(struct receiver *receiver, struct fault *fault)
{
    const struct push_message_receiver *application = receiver->application;
    if (!push_has_handlers(application))
        return 0;
    const struct delivery_target target = {
        .name = application->name != NULL ? application->name : NAME_DEFAULT,
        .owner = application,
        .deliver = push_deliver,
    };
    if (target.name[0] == '\0' || strlen(target.name) >= STORE_CURSOR_NAME_MAX ||
        strchr(target.name, '/') != NULL)
        return fault_set(fault, "an application's name has 1 to %d characters and no /",
                         STORE_CURSOR_NAME_MAX - 1);
    return delivery_start(&receiver->delivery, receiver->options->state, receiver->commit,
                          receiver->log, &target, fault);
}

/* Starts delivery, housekeeping and supervisor, which a CGI process does not need. */
static int start_lasting(struct receiver *receiver, struct fault *fault)
{
    if (start_delivery(receiver, fault) != 0 ||
        (receiver->shared != NULL && shared_follow(receiver->shared, fault) != 0) ||
        housekeeping_start(&receiver->housekeeping, receiver->options->state, receiver->commit,
                           receiver->shared, receiver->log, receiver->metrics, fault) != 0)
        return -1;
    return supervisor_new(&receiver->supervisor, receiver->pool, receiver->commit, receiver->log,
                          fault);
}

static int start(struct receiver *receiver, struct fault *fault)
{
    const struct options *options = receiver->options;
    struct metrics *metrics = receiver->metrics;
    struct fault open_fault = FAULT_NONE;
    if (auth_new(&receiver->auth, options, fault) != 0 ||
        open_store(receiver, &open_fault, fault) != 0 ||
        log_start(&receiver->log, options->log, metrics, fault) != 0 ||
        worker_new(&receiver->pool, receiver->listener, options, receiver->auth, receiver->log,
                   metrics, fault) != 0 ||
        commit_new(&receiver->commit, receiver->store, open_fault.set ? &open_fault : NULL,
                   receiver->log, metrics, fault) != 0 ||
        (options->books != NULL &&
         shared_start(&receiver->shared, options, receiver->commit, receiver->log, receiver->pool,
                      worker_hear, fault) != 0) ||
        viewer_start(&receiver->viewer, options, &VIEWER_LIMITS, receiver->commit, receiver->shared,
                     metrics, worker_seen_off, fault) != 0 ||
        (receiver->listener >= 0 && start_lasting(receiver, fault) != 0) ||
        intake_new(&receiver->intake, options, receiver->auth, receiver->commit, receiver->delivery,
                   receiver->log, metrics, fault) != 0)
        return -1;
    if (receiver->shared != NULL) /* from here on the answers wait for the shared books */
        worker_hold(receiver->pool, shared_shipper(receiver->shared));
    receiver->started = worker_start(receiver->pool, receiver->intake, receiver->viewer, fault) ==
                        0;
    return receiver->started ? 0 : -1;
}

/* Ends in the order that loses nothing: no more requests, the cursor, the status file. */
static void stop(struct receiver *receiver, const char *reason)
{
    struct fault store_fault = FAULT_NONE;
    supervisor_end(receiver->supervisor);
    listen_remove(&receiver->own);
    if (receiver->started)
        worker_drain(receiver->pool);
    viewer_stop(receiver->viewer);
    delivery_stop(receiver->delivery);
    shared_stop(receiver->shared);
    housekeeping_stop(receiver->housekeeping);
    if (receiver->commit != NULL) {
        commit_flush_cursor(receiver->commit);
        commit_get_fault(receiver->commit, &store_fault);
    }
    worker_free(receiver->pool);
    intake_free(receiver->intake);
    delivery_free(receiver->delivery);
    commit_free(receiver->commit);
    /* under CGI, a request that changed nothing writes nothing */
    if (receiver->started &&
        (receiver->listener >= 0 || metrics_read(receiver->metrics, METRIC_batches) > 0))
        housekeeping_finish(receiver->options->state, &store_fault, receiver->shared, receiver->log,
                            receiver->metrics);
    shared_free(receiver->shared);
    store_free(receiver->store);
    if (receiver->log != NULL && reason != NULL)
        log_event(receiver->log, "stop", "reason", reason);
    log_stop(receiver->log);
    auth_free(receiver->auth);
    metrics_free(receiver->metrics);
    if (receiver->own.fd >= 0)
        close(receiver->own.fd);
}

/* Runs with the socket on descriptor 0, or with one that it makes at ADDRESS. */
static int run(const struct push_message_receiver *application, const struct options *options,
               const struct listen_address *address)
{
    sigset_t signals;
    struct fault fault = FAULT_NONE;
    struct receiver receiver = {.application = application,
                                .options = options,
                                .listener = STDIN_FILENO,
                                .own = {.fd = -1},
                                .metrics = metrics_new()};
    block_signals(&signals);
    if (receiver.metrics == NULL)
        fault_set(&fault, "out of memory");
    if (!fault.set && address != NULL && listen_open(address, &receiver.own, &fault) != 0)
        fault_add(&fault, "--listen");
    if (address != NULL)
        receiver.listener = receiver.own.fd;
    const char *reason = NULL;
    if (!fault.set && start(&receiver, &fault) == 0) {
        log_start_line(&receiver);
        log_unknown_variables(&receiver);
        int number = serve(&receiver, &signals, &fault);
        reason = number == 0 ? fault.text : number == SIGTERM ? "SIGTERM" : "SIGINT";
    }
    stop(&receiver, reason != NULL ? reason : fault.text);
    return fault.set ? complain(EXIT_UNUSABLE, &fault) : 0;
}

/* The answer to a CGI request that cannot be served: the platform may send it again. */
static void answer_unable(int out)
{
    struct buffer answer = {0};
    answer_add_problem(&answer, 503, "the receiver cannot work now", "");
    cgi_answer(out, &answer, NULL);
    buffer_release(&answer);
}

/* Serves one CGI request. */
static int run_cgi(const struct options *options)
{
    sigset_t signals;
    struct buffer answer = {0};
    struct fault fault = FAULT_NONE;
    struct options own = *options;
    own.workers = 1;
    struct receiver receiver = {
        .options = &own, .listener = -1, .own = {.fd = -1}, .metrics = metrics_new()};
    block_signals(&signals);
    if (receiver.metrics == NULL)
        fault_set(&fault, "out of memory");
    int out = cgi_take_stdout(&fault);
    if (!fault.set && start(&receiver, &fault) == 0 &&
        cgi_exchange(own.max_body, receiver.pool, &answer, &fault) == 0) {
        if (cgi_answer(out, &answer, &fault) != 0)
            log_event(receiver.log, "unanswered", "reason", fault.text);
    } else {
        answer_unable(out);
        if (receiver.log != NULL)
            log_event(receiver.log, "fault", "fault", fault.text);
    }
    buffer_release(&answer);
    stop(&receiver, NULL);
    return fault.set ? complain(EXIT_UNUSABLE, &fault) : 0;
}

const char *push_message_receiver_version(void)
{
    return PACKAGE_VERSION;
}

int push_message_receiver_run(const struct push_message_receiver *application, int argc,
                              char **argv)
{
    fill_standard_descriptors();
    umask(0027);
    content_init();
    store_library_init();
    struct options options;
    struct fault fault = FAULT_NONE;
    bool listening = is_listening(STDIN_FILENO),
         cgi = !listening && getenv("REQUEST_METHOD") != NULL;
    /* The command line of a CGI program has the words of the query (RFC 3875, section 4.4). They
     * come from the sender, not from the operator. */
    if (options_read(&options, cgi ? 1 : argc, argv, &fault) != 0) {
        complain(EXIT_USAGE, &fault);
        if (cgi)
            answer_unable(STDOUT_FILENO);
        fprintf(stderr, "Try: %s --help\n", program_invocation_short_name);
        return EXIT_USAGE;
    }
    struct listen_address address;
    const struct listen_address *given = NULL;
    int code = 0;
    if (sodium_init() < 0) {
        fault_set(&fault, "libsodium cannot start");
        code = complain(EXIT_UNUSABLE, &fault);
        if (cgi)
            answer_unable(STDOUT_FILENO);
    } else if (cgi) {
        code = run_cgi(&options);
    } else if (options.help) {
        options_print_help(program_invocation_short_name, stdout);
    } else if (options.version) {
        printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
    } else if (read_listen(&options, listening, &address, &given) != 0) {
        code = EXIT_USAGE;
    } else if (options.check) {
        code = check(&options, given);
    } else if (!listening && given == NULL) {
        /* a person at a shell learns how to start it */
        fprintf(stderr,
                "%s: file descriptor 0 is no listening socket, and --listen is not given\n\n",
                program_invocation_short_name);
        options_print_help(program_invocation_short_name, stderr);
        code = EXIT_USAGE;
    } else {
        raise_descriptor_limit();
        code = run(application, &options, given);
    }
    options_release(&options);
    return code;
}
