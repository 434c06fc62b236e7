/* Viewers: answers of any size, a bound on what waits, and nothing that holds up anybody else. */
#include "config.h"

#include "receiver/viewer.h"

#include "base/monitor.h"
#include "books.h"
#include "fastcgi.h"
#include "view/view.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLERS_MAX (VIEWER_QUEUE_MAX + 8)

/* A document that no socket's buffer takes whole. */
#define LARGE "/status/failures.json?limit=1000"
#define TABLE "/status/failures.csv" /* in two pieces */
#define LARGE_ROWS 1100

/* A web server's connection with a request on it. */
struct caller {
    int fd, end; /* ours and the web server's */
    struct fcgi_reader reader;
    struct request request;
    struct read_request read_request;
    atomic_int_fast64_t deadline_ms;
    int done, sent; /* how often; guarded by the hall's monitor */
};

struct hall {
    struct books *books;
    struct options options;
    struct metrics *metrics;
    struct commit *commit;
    struct viewer *viewer;
    struct request_file file;
    struct caller callers[CALLERS_MAX];
    size_t length; /* of callers */
    size_t wanted; /* for are_done */
};

static struct monitor monitor;

static void see_off(struct read_request *read_request, bool sent)
{
    struct caller *caller = (struct caller *)(void *)((char *)read_request -
                                                      offsetof(struct caller, read_request));
    monitor_enter(&monitor);
    caller->done++;
    caller->sent += sent;
    monitor_leave(&monitor);
}

static int begin(void **state)
{
    struct fault fault = FAULT_NONE;
    monitor_init(&monitor);
    return support_begin(state) != 0 || request_library_init(&fault) != 0 ? -1 : 0;
}

static void fill(struct books *books)
{
    char description[1000];
    memset(description, 'x', sizeof description);
    description[sizeof description - 1] = '\0';
    struct record *records[LARGE_ROWS];
    for (size_t i = 0; i < LARGE_ROWS; i++) {
        char device[16];
        snprintf(device, sizeof device, "d%zu", i);
        records[i] = support_result(&(struct support_result){.device = device,
                                                             .result = "FAIL",
                                                             .current = "1",
                                                             .error_code = "4",
                                                             .description = description});
    }
    books_keep(books, records, LARGE_ROWS);
    support_records_free(records, LARGE_ROWS);
}

/* However busy the machine is, nobody is given up for being slow. */
#define PATIENT (600 * 1000)
static const struct viewer_limits patient = {PATIENT, PATIENT, PATIENT};
static const struct viewer_limits waits_briefly = {3000, PATIENT, PATIENT};
static const struct viewer_limits sends_briefly = {PATIENT, 50, PATIENT};

static int setup_limits(void **state, const struct viewer_limits *limits)
{
    struct hall *hall = calloc(1, sizeof *hall);
    struct fault fault = FAULT_NONE;
    void *books;
    assert_non_null(hall);
    books_setup(&books);
    hall->books = books;
    fill(books);
    hall->metrics = metrics_new();
    hall->options.state = hall->books->folder;
    assert_int_equal(request_file_open(&hall->file, &fault), 0);
    assert_int_equal(
        commit_new(&hall->commit, hall->books->store, NULL, NULL, hall->metrics, &fault), 0);
    commit_tend(hall->commit); /* or nothing would be ready */
    assert_int_equal(viewer_start(&hall->viewer, &hall->options, limits, hall->commit, NULL,
                                  hall->metrics, see_off, &fault),
                     0);
    *state = hall;
    return 0;
}

static int setup(void **state)
{
    return setup_limits(state, &patient);
}

static int setup_waits_briefly(void **state)
{
    return setup_limits(state, &waits_briefly);
}

static int setup_sends_briefly(void **state)
{
    return setup_limits(state, &sends_briefly);
}

static int teardown(void **state)
{
    struct hall *hall = *state;
    void *books = hall->books;
    for (size_t i = 0; i < hall->length; i++)
        shutdown(hall->callers[i].fd, SHUT_RDWR);
    viewer_stop(hall->viewer);
    commit_free(hall->commit);
    for (size_t i = 0; i < hall->length; i++) {
        struct caller *caller = &hall->callers[i];
        assert_int_equal(caller->done, 1);
        fcgi_reader_reset(&caller->reader);
        close(caller->fd);
        close(caller->end);
    }
    request_file_close(&hall->file);
    books_teardown(&books);
    metrics_free(hall->metrics);
    free(hall);
    return 0;
}

/* Has a new caller ask for what URI names, and gives it. */
static struct caller *call(struct hall *hall, const char *uri)
{
    assert_true(hall->length < CALLERS_MAX);
    struct caller *caller = &hall->callers[hall->length++];
    struct buffer params = {0}, stream = {0}, none = {0};
    struct fault fault = FAULT_NONE;
    size_t used;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    caller->fd = pair[0];
    caller->end = pair[1];
    fcgi_reader_init(&caller->reader, 1000);
    fastcgi_add_param(&params, "REQUEST_METHOD", "GET");
    fastcgi_add_param(&params, "REQUEST_URI", uri);
    fastcgi_add_begin(&stream, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_add_stream(&stream, FASTCGI_PARAMS, 1, &params, 0xFFFF);
    fastcgi_add_stream(&stream, FASTCGI_STDIN, 1, &none, 0xFFFF);
    assert_int_equal(
        fastcgi_feed(&caller->reader, (const unsigned char *)stream.bytes, stream.length, &used),
        FCGI_READER_WHOLE);
    assert_int_equal(request_read(&caller->request, &hall->file, &caller->reader, &fault), 0);
    buffer_release(&params);
    buffer_release(&stream);
    caller->read_request = (struct read_request){
        .request = &caller->request,
        .socket = caller->fd,
        .endpoint = site_find(caller->request.path, caller->request.path_length),
        .deadline_ms = &caller->deadline_ms,
    };
    assert_non_null(caller->read_request.endpoint);
    viewer_take(hall->viewer, &caller->read_request);
    return caller;
}

static bool is_done(const struct caller *caller)
{
    monitor_enter(&monitor);
    bool done = caller->done > 0;
    monitor_leave(&monitor);
    return done;
}

/* Appends a little of what has come for CALLER. */
static void take_some(struct caller *caller, struct buffer *bytes)
{
    char part[20000];
    ssize_t received = recv(caller->end, part, sizeof part, 0);
    if (received > 0)
        buffer_add(bytes, part, (size_t)received);
}

/* Reads behind BYTES, which it releases, until the answer is whole, and gives its status; *LENGTH
 * is that of its output. */
static int receive_rest(struct caller *caller, struct buffer *bytes, size_t *length)
{
    struct fastcgi_answer answer = {.ends = 0};
    char part[16384];
    for (;;) {
        /* The end is a record of 16 bytes, and the last thing sent. */
        if (bytes->length >= 16 && bytes->bytes[bytes->length - 15] == FASTCGI_END &&
            recv(caller->end, part, 1, MSG_PEEK) < 0)
            fastcgi_read_answer(bytes->bytes, bytes->length, &answer);
        if (answer.ends > 0)
            break;
        struct pollfd ready = {.fd = caller->end, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
        ssize_t received = recv(caller->end, part, sizeof part, 0);
        assert_true(received > 0);
        buffer_add(bytes, part, (size_t)received);
    }
    buffer_release(bytes);
    assert_int_equal(answer.others, 0);
    int status;
    assert_true(answer.output.length > 12);
    buffer_add(&answer.output, "", 1);
    status = (int)strtol(answer.output.bytes + strlen("Status: "), NULL, 10);
    if (length != NULL)
        *length = answer.output.length - 1;
    buffer_release(&answer.output);
    return status;
}

static int receive(struct caller *caller, size_t *length)
{
    struct buffer bytes = {0};
    return receive_rest(caller, &bytes, length);
}

static bool are_done(void *argument)
{
    struct hall *hall = argument;
    size_t done = 0;
    for (size_t i = 0; i < hall->length; i++)
        done += is_done(&hall->callers[i]);
    return done >= hall->wanted;
}

static void wait_done(struct hall *hall, size_t count)
{
    hall->wanted = count;
    assert_true(support_wait_until(are_done, hall));
}

static void a_visit_is_answered_and_done_once(void **state)
{
    struct hall *hall = *state;
    static const char *const paths[] = {"/status/", "/status/overview.json", "/metrics",
                                        "/health/ready"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        assert_int_equal(receive(call(hall, paths[i]), NULL), 200);
    assert_int_equal(receive(call(hall, "/status/overview.json?limit=0"), NULL), 400);
    wait_done(hall, LENGTH(paths) + 1);
    assert_int_equal(metrics_read(hall->metrics, METRIC_views), LENGTH(paths) + 1);
    for (size_t i = 0; i < hall->length; i++)
        assert_int_equal(hall->callers[i].sent, 1);
    for (int i = 0; i < METRIC_COUNT; i++) /* the platform was told nothing */
        if (metrics_describe((enum metric)i).answer != 0)
            assert_int_equal(metrics_read(hall->metrics, (enum metric)i), 0);
}

static void what_takes_no_time_is_answered_by_who_brings_it(void **state)
{
    struct hall *hall = *state;
    static const char *const paths[] = {"/health/live", "/health/ready"};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct caller *caller = call(hall, paths[i]);
        assert_true(is_done(caller));
        assert_int_equal(receive(caller, NULL), 200);
    }
}

static void a_large_answer_waits_for_its_peer(void **state)
{
    struct hall *hall = *state;
    struct caller *caller = call(hall, LARGE);
    support_sleep_ms(100);
    assert_false(is_done(caller)); /* it did not fit */
    size_t length;
    assert_int_equal(receive(caller, &length), 200);
    assert_true(length > VIEW_PAGE_BYTES);
    wait_done(hall, 1);
    assert_int_equal(caller->sent, 1);
    assert_true(fcntl(caller->fd, F_GETFL) & O_NONBLOCK); /* as the epoll set needs it */
}

static void a_peer_that_is_shut_down_holds_nobody(void **state)
{
    struct hall *hall = *state;
    struct caller *caller = call(hall, LARGE);
    support_sleep_ms(50);
    assert_false(is_done(caller));
    shutdown(caller->fd, SHUT_RDWR);
    wait_done(hall, 1);
    assert_int_equal(caller->sent, 0);
    assert_int_equal(receive(call(hall, "/status/overview.json"), NULL), 200);
}

static void a_peer_that_takes_nothing_is_given_up(void **state)
{
    struct hall *hall = *state;
    struct caller *caller = call(hall, LARGE);
    wait_done(hall, 1);
    assert_int_equal(caller->sent, 0);
}

/* Has every viewer wait for a peer that does not read. */
static void occupy(struct hall *hall)
{
    for (int i = 0; i < VIEWER_THREADS; i++) {
        const struct caller *caller = call(hall, LARGE);
        struct pollfd begun = {.fd = caller->end, .events = POLLIN};
        assert_int_equal(poll(&begun, 1, 20000), 1);
        assert_false(is_done(caller));
    }
}

static void more_than_the_queue_takes_is_refused_at_once(void **state)
{
    struct hall *hall = *state;
    occupy(hall);
    for (int i = 0; i < VIEWER_QUEUE_MAX; i++)
        assert_false(is_done(call(hall, "/status/overview.json")));
    struct caller *refused = call(hall, "/status/overview.json");
    assert_true(is_done(refused));
    assert_int_equal(receive(refused, NULL), 503);
    assert_int_equal(metrics_read(hall->metrics, METRIC_views_refused), 1);
    /* Whoever asks for health has an answer. */
    assert_int_equal(receive(call(hall, "/health/live"), NULL), 200);
    assert_int_equal(receive(call(hall, "/health/ready"), NULL), 200);
    for (size_t i = 0; i < hall->length; i++)
        if (&hall->callers[i] != refused && i < hall->length - 2)
            assert_int_equal(receive(&hall->callers[i], NULL), 200);
    wait_done(hall, hall->length);
}

static void who_has_waited_too_long_is_refused(void **state)
{
    struct hall *hall = *state;
    occupy(hall);
    struct caller *late = call(hall, "/status/overview.json");
    support_sleep_ms(waits_briefly.wait_ms + 5);
    for (int i = 0; i < VIEWER_THREADS; i++) {
        assert_false(is_done(&hall->callers[i]));
        assert_int_equal(receive(&hall->callers[i], NULL), 200);
    }
    assert_int_equal(receive(late, NULL), 503);
}

static void tables_take_turns_and_hold_up_nobody_else(void **state)
{
    struct hall *hall = *state;
    struct caller *tables[1 + VIEWER_TABLES_MAX];
    struct buffer taken[1 + VIEWER_TABLES_MAX] = {{0}};
    for (size_t i = 0; i < LENGTH(tables); i++) {
        tables[i] = call(hall, TABLE);
        struct pollfd begun = {.fd = tables[0]->end, .events = POLLIN};
        assert_int_equal(poll(&begun, 1, 20000), 1);
    }
    struct caller *refused = call(hall, TABLE);
    assert_int_equal(receive(refused, NULL), 503);
    /* Nobody takes anything of a table, and documents are answered. */
    for (int i = 0; i <= VIEWER_THREADS; i++)
        assert_int_equal(receive(call(hall, "/status/overview.json"), NULL), 200);
    hall->wanted = LENGTH(tables) + VIEWER_THREADS + 2;
    while (!are_done(hall))
        for (size_t i = 0; i < LENGTH(tables); i++) {
            take_some(tables[i], &taken[i]);
            support_sleep_ms(1);
        }
    for (size_t i = 0; i < LENGTH(tables); i++) {
        size_t length;
        assert_int_equal(receive_rest(tables[i], &taken[i], &length), 200);
        assert_true(length > LARGE_ROWS * 1000);
        assert_int_equal(tables[i]->sent, 1);
        assert_true(fcntl(tables[i]->fd, F_GETFL) & O_NONBLOCK);
    }
}

static void stopping_ends_what_waits_without_an_answer(void **state)
{
    struct hall *hall = *state;
    occupy(hall);
    struct caller *waiting = call(hall, "/status/overview.json");
    for (int i = 0; i < VIEWER_THREADS; i++)
        shutdown(hall->callers[i].fd, SHUT_RDWR); /* as a drain does in the end */
    viewer_stop(hall->viewer);                    /* long before PATIENT */
    hall->viewer = NULL;
    assert_int_equal(waiting->done, 1);
}

static void who_leaves_is_not_ready(void **state)
{
    struct hall *hall = *state;
    viewer_leave(hall->viewer);
    assert_int_equal(receive(call(hall, "/health/ready"), NULL), 503);
    assert_int_equal(receive(call(hall, "/health/live"), NULL), 200);
    viewer_leave(NULL);
    viewer_stop(NULL);
}

/* Counts this process's threads of a priority lower by VIEWER_NICE than OWN. */
static size_t count_lower(int own)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t lower = 0;
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks))
        if (task->d_name[0] != '.')
            lower += getpriority(PRIO_PROCESS, (id_t)strtol(task->d_name, NULL, 10)) ==
                     own + VIEWER_NICE;
    closedir(tasks);
    return lower;
}

static void viewers_stand_back_behind_everybody_else(void **state)
{
    int own = getpriority(PRIO_PROCESS, 0);
    if (own + VIEWER_NICE > 19)
        skip();
    for (int i = 0; i < 1000 && count_lower(own) < VIEWER_THREADS + 1; i++)
        support_sleep_ms(1); /* they may just have started */
    assert_int_equal(count_lower(own), VIEWER_THREADS + 1);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int viewer_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_visit_is_answered_and_done_once),
        FRESH(what_takes_no_time_is_answered_by_who_brings_it),
        FRESH(a_large_answer_waits_for_its_peer),
        FRESH(a_peer_that_is_shut_down_holds_nobody),
        cmocka_unit_test_setup_teardown(a_peer_that_takes_nothing_is_given_up, setup_sends_briefly,
                                        teardown),
        FRESH(more_than_the_queue_takes_is_refused_at_once),
        cmocka_unit_test_setup_teardown(who_has_waited_too_long_is_refused, setup_waits_briefly,
                                        teardown),
        FRESH(tables_take_turns_and_hold_up_nobody_else),
        FRESH(stopping_ends_what_waits_without_an_answer),
        FRESH(who_leaves_is_not_ready),
        FRESH(viewers_stand_back_behind_everybody_else),
    };
    /* Not the usual priority, so that one counted from there is no longer the right one. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 3);
    return cmocka_run_group_tests(tests, begin, NULL);
}
