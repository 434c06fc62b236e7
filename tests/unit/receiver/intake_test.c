/* What becomes of a body, with a store and a log beneath: what is kept, what is logged, and what is
 * answered to it. */
#include "config.h"

#include "receiver/intake.h"

#include "books.h"
#include "hooks.h"
#include "receiver/answer.h"
#include "store/maintenance.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS_MAX 300

struct fixture {
    struct books *books;
    struct options options;
    struct auth *auth;
    struct metrics *metrics;
    struct log *log;
    char *log_path;
    struct commit *commit;
    struct intake *intake;
    struct record bodies[RECORDS_MAX];
    struct record *records[RECORDS_MAX];
};

static void start(struct fixture *fixture, const struct fault *open_fault)
{
    struct fault fault = FAULT_NONE;
    if (log_start(&fixture->log, fixture->log_path, fixture->metrics, &fault) != 0 ||
        commit_new(&fixture->commit, fixture->books->store, open_fault, fixture->log,
                   fixture->metrics, &fault) != 0 ||
        intake_new(&fixture->intake, &fixture->options, fixture->auth, fixture->commit, NULL,
                   fixture->log, fixture->metrics, &fault) != 0)
        fail_msg("%s", fault.text);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    void *books;
    books_setup(&books);
    fixture->books = books;
    assert_int_equal(auth_new(&fixture->auth, &fixture->options, NULL), 0);
    fixture->metrics = metrics_new();
    fixture->log_path = strdup(support_path(fixture->books->folder, "log"));
    for (size_t i = 0; i < RECORDS_MAX; i++)
        fixture->records[i] = &fixture->bodies[i];
    *state = fixture;
    return 0;
}

static void stop(struct fixture *fixture)
{
    intake_free(fixture->intake);
    commit_free(fixture->commit);
    log_stop(fixture->log);
    fixture->intake = NULL;
    fixture->commit = NULL;
    fixture->log = NULL;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *books = fixture->books;
    stop(fixture);
    for (size_t i = 0; i < RECORDS_MAX; i++)
        record_release(&fixture->bodies[i]);
    books_teardown(&books);
    metrics_free(fixture->metrics);
    auth_free(fixture->auth);
    free(fixture->log_path);
    free(fixture);
    return 0;
}

/* Reads BODY (lent) as record INDEX, which it gives. */
static struct record *read_body(struct fixture *fixture, size_t index, const char *body)
{
    struct record *record = &fixture->bodies[index];
    struct fault fault = FAULT_NONE;
    record_release(record);
    *record = (struct record){.body = body, .body_length = strlen(body)};
    if (intake_read(fixture->intake, record, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_null(record->json); /* nothing is left of the parse */
    return record;
}

/* Keeps COUNT records from FROM on. */
static int keep(struct fixture *fixture, size_t from, size_t count, struct fault *fault)
{
    *fault = FAULT_NONE;
    return intake_keep(fixture->intake, &fixture->records[from], count, fault);
}

static void expect_refused(struct fixture *fixture, size_t from, size_t count, const char *part)
{
    struct fault fault;
    assert_int_equal(keep(fixture, from, count, &fault), -1);
    support_assert_fault(&fault, part);
    for (size_t i = from; i < from + count; i++)
        assert_int_equal(fixture->bodies[i].outcome, RECORD_PENDING);
}

static void expect_kept(struct fixture *fixture, size_t from, size_t count)
{
    struct fault fault;
    if (keep(fixture, from, count, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* What is answered to a body, alone in its batch; compared with STATUS and the end of the ANSWER.
 */
static void expect(struct fixture *fixture, const char *body, int status, const char *answer)
{
    struct buffer text = {0};
    const struct record *record = read_body(fixture, 0, body);
    expect_kept(fixture, 0, 1);
    assert_int_equal(answer_add_kept(&text, record, fixture->options.refuse_invalid), status);
    buffer_add(&text, "", 1);
    const char *told = strstr(text.bytes, "\r\n\r\n");
    assert_non_null(told);
    if (answer != NULL)
        assert_string_equal(told + 4, answer);
    buffer_release(&text);
}

#define RESULT(device)                                                                             \
    "{\"notifyType\":\"swUpgradeResultNotify\",\"deviceId\":\"" device "\",\"appId\":\"a\","       \
    "\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"1\",\"targetVersion\":\"1\"," \
    "\"sourceVersion\":\"0\",\"swUpgradeResult\":\"SUCCESS\",\"upgradeTime\":60,"                  \
    "\"resultDesc\":\"\",\"errorCode\":\"\",\"description\":\"\"}"

/* Of a known notifyType, and invalid. */
#define INVALID "{\"notifyType\":\"swUpgradeResultNotify\",\"description\":null}"

/* Gives the events of the log: "notification 1 false;" and the like. */
static struct buffer read_events(struct fixture *fixture)
{
    struct buffer events = {0};
    char *log = support_read_file(fixture->log_path), *rest = NULL;
    for (char *line = strtok_r(log, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *json = json_loads(line, 0, NULL);
        assert_non_null(json);
        buffer_add_string(&events, json_string_value(json_object_get(json, "event")));
        const json_t *seq = json_object_get(json, "seq"), *id = json_object_get(json, "id"),
                     *refused = json_object_get(json, "refused");
        if (seq != NULL)
            buffer_addf(&events, " %lld", (long long)json_integer_value(seq));
        if (id != NULL && json_is_null(id))
            buffer_add_string(&events, " null");
        else if (id != NULL)
            buffer_addf(&events, " %lld", (long long)json_integer_value(id));
        if (refused != NULL)
            buffer_addf(&events, " %lld", (long long)json_integer_value(refused));
        if (json_is_true(json_object_get(json, "repeat")))
            buffer_add_string(&events, " repeat");
        buffer_add_string(&events, ";");
        json_decref(json);
    }
    buffer_add(&events, "", 1);
    free(log);
    return events;
}

/* Stops, and compares the events of the log. */
static void expect_events(struct fixture *fixture, const char *expected)
{
    stop(fixture);
    struct buffer events = read_events(fixture);
    assert_string_equal(events.bytes, expected);
    buffer_release(&events);
}

static void a_body_is_kept_then_logged_and_answered(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    expect(fixture, RESULT("d"), 200, "{\"result\":\"stored\",\"seq\":1}\n");
    assert_true(fixture->bodies[0].received_ms > 0);
    assert_int_equal(fixture->bodies[0].outcome, RECORD_STORED);
    books_assert(fixture->books, "SELECT seq, deviceId FROM notifications", "1|d");
    expect(fixture, RESULT("d"), 200, "{\"result\":\"repeated\",\"seq\":1}\n");
    expect(fixture, "{\"notifyType\":\"noSuchNotify\"}", 200,
           "{\"result\":\"quarantined\",\"id\":1,\"reason\":\"notifyType unknown\",\"pointer\":"
           "\"/notifyType\"}\n");
    expect(fixture, "", 200, "{\"result\":\"quarantined\",\"id\":2,\"reason\":\"empty body\"}\n");
    expect_events(fixture, "notification 1;notification 1 repeat;quarantined 1;quarantined 2;");
}

static void reading_alone_keeps_and_logs_nothing(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    assert_int_equal(read_body(fixture, 0, RESULT("d"))->meaning, RECORD_RESULT);
    assert_int_equal(read_body(fixture, 1, "{")->meaning, RECORD_QUARANTINE);
    assert_int_equal(fixture->bodies[0].outcome, RECORD_PENDING);
    assert_string_equal(fixture->bodies[0].device_id, "d");
    books_assert(fixture->books, "SELECT notifications, quarantined FROM totals", "0|0");
    expect_events(fixture, "");
}

static void invalid_bodies_are_refused_and_kept_where_that_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.refuse_invalid = true;
    start(fixture, NULL);
    expect(fixture, "{}", 422, NULL);
    expect(fixture, "{", 400, NULL);
    expect(fixture, RESULT("d"), 200, NULL);
    books_assert(fixture->books, "SELECT count(*) FROM quarantine", "2");
}

static void notifications_of_strangers_and_noise_go_to_quarantine(void **state)
{
    static const char stranger[] =
        "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\",\"appId\":\"x\"}";
    const char *const bodies[] = {RESULT("d"),
                                  "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\"}", "no JSON",
                                  "{\"notifyType\":\"deviceAdded\"}", stranger};
    struct fixture *fixture = *state;
    fixture->options.app_ids = (struct options_list){.items = {"a"}, .length = 1};
    start(fixture, NULL);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        const struct record *record = read_body(fixture, i, bodies[i]);
        assert_int_equal(record->meaning != RECORD_QUARANTINE, i < 2);
        assert_false(record->any_app);
        assert_false(record->log_gone);
    }
    assert_string_equal(fixture->bodies[4].verdict.pointer, "/appId");
    expect_kept(fixture, 0, LENGTH(bodies));
    books_assert(fixture->books, "SELECT count(*) FROM notifications", "2");
    books_assert(fixture->books, "SELECT count(*) FROM quarantine", "3");
    expect_events(fixture,
                  "notification 1;notification 2;quarantined 1;quarantined 2;quarantined 3;");
}

static void without_a_list_every_application_is_accepted(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    const struct record *record = read_body(
        fixture, 0, "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\",\"appId\":\"x\"}");
    assert_int_equal(record->meaning, RECORD_NEWS);
    assert_true(record->any_app);
    assert_true(read_body(fixture, 1, "noise")->any_app);
}

/* --- memory that is short --- */

/* The allocation of this thread that fails, counted from 1, and how many there were; 0: none fails.
 */
static _Thread_local size_t fails_at, counted;

static bool count(void)
{
    return ++counted == fails_at;
}

static bool fails(void)
{
    return fails_at > 0;
}

/* Not one allocation that fails makes an invalid body of a valid one. */
static void a_body_that_memory_is_short_for_is_told_and_nothing_else(void **state)
{
    /* Its texts need an allocation of their own, and so does its other spelling. */
    static const char *const bodies[] = {
        RESULT("d"),
        "{\"notifyType\":\"deviceAdded\",\"device\\u0049d\":\"d\"}",
    };
    static const enum record_meaning meanings[] = {RECORD_RESULT, RECORD_NEWS};
    struct fixture *fixture = *state;
    start(fixture, NULL);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        assert_int_equal(read_body(fixture, i, bodies[i])->meaning, meanings[i]);
        assert_int_equal(fixture->bodies[i].rendered != NULL, i == 1);
        size_t number = 0, short_of = 0;
        bool failed;
        do {
            struct record record = {.body = bodies[i], .body_length = strlen(bodies[i])};
            struct fault fault = FAULT_NONE;
            counted = 0;
            fails_at = ++number;
            int result = intake_read(fixture->intake, &record, &fault);
            failed = fails_at <= counted;
            fails_at = 0;
            assert_int_equal(result, failed ? -1 : 0);
            if (failed)
                support_assert_fault(&fault, "out of memory");
            else
                assert_int_equal(record.meaning, meanings[i]);
            short_of += failed;
            record_release(&record);
        } while (failed);
        assert_true(short_of >= 2);
    }
    expect_kept(fixture, 0, LENGTH(bodies));
    books_assert(fixture->books, "SELECT notifications, quarantined FROM totals", "2|0");
}

/* --- quarantine that is full --- */

#define UNAVAILABLE(detail)                                                       \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503," \
    "\"detail\":\"" detail "\"}\n"

#define NOWHERE UNAVAILABLE("quarantine is full, and the log reaches nobody")

static void set_log_path(struct fixture *fixture, const char *path)
{
    free(fixture->log_path);
    fixture->log_path = strdup(path);
}

static void set_quarantine(struct fixture *fixture, uint64_t most)
{
    fixture->books->config.quarantine_max = most;
    books_reopen(fixture->books);
}

/* Fills quarantine and takes bodies that belong there: each is answered 503, and the receiver goes
 * on. */
static void take_with_full_quarantine(struct fixture *fixture)
{
    expect(fixture, "1", 200, NULL);
    expect(fixture, "2", 503, NOWHERE);
    expect(fixture, INVALID, 503, NOWHERE);
    expect(fixture, RESULT("d"), 200, "{\"result\":\"stored\",\"seq\":1}\n");
    books_assert(fixture->books, "SELECT quarantined, quarantine_log_only FROM totals", "1|0");
    assert_int_equal(metrics_read(fixture->metrics, METRIC_quarantine_refused), 2);
}

static void what_no_file_holds_is_answered_503(void **state)
{
    struct fixture *fixture = *state;
    set_quarantine(fixture, 1);
    set_log_path(fixture, "/dev/null");
    start(fixture, NULL);
    take_with_full_quarantine(fixture);
    expect(fixture, "3", 503, NOWHERE); /* steadily */
    assert_true(read_body(fixture, 0, "3")->log_gone);
    assert_false(read_body(fixture, 0, RESULT("e"))->log_gone); /* it needs no log */
}

static void a_log_that_nobody_reads_keeps_nothing(void **state)
{
    struct fixture *fixture = *state;
    set_quarantine(fixture, 1);
    assert_int_equal(mkfifo(fixture->log_path, 0600), 0);
    int reader = open(fixture->log_path, O_RDONLY | O_NONBLOCK);
    start(fixture, NULL);
    close(reader);
    take_with_full_quarantine(fixture);
    reader = open(fixture->log_path, O_RDONLY | O_NONBLOCK);
    /* It is read again; the log may find that out later. */
    for (int tries = 0; tries < 60; tries++) {
        read_body(fixture, 0, "3");
        expect_kept(fixture, 0, 1);
        if (fixture->bodies[0].outcome != RECORD_REFUSED)
            break;
        support_sleep_ms(10 * tries);
    }
    assert_int_equal(fixture->bodies[0].outcome, RECORD_LOG_ONLY);
    books_assert(fixture->books, "SELECT quarantine_log_only FROM totals", "1");
    close(reader);
}

/* Whoever read the log when the body came is gone when its line is written. */
static void a_log_that_went_meanwhile_keeps_nothing(void **state)
{
    struct fixture *fixture = *state;
    set_quarantine(fixture, 0);
    assert_int_equal(mkfifo(fixture->log_path, 0600), 0);
    int reader = open(fixture->log_path, O_RDONLY | O_NONBLOCK);
    start(fixture, NULL);
    assert_false(read_body(fixture, 0, "1")->log_gone);
    assert_false(read_body(fixture, 1, "2")->log_gone);
    expect_kept(fixture, 0, 1);
    assert_int_equal(fixture->bodies[0].outcome, RECORD_LOG_ONLY);
    close(reader);
    expect_kept(fixture, 1, 1);
    assert_int_equal(fixture->bodies[1].outcome, RECORD_REFUSED);
    assert_int_equal(metrics_read(fixture->metrics, METRIC_quarantine_refused), 1);
}

/* A stalled reader has left no room in what may wait. */
/* The log's thread has taken a line that is longer than the pipe, and can write no more of it. */
static bool is_in_the_pipe(void *reader)
{
    int bytes = 0;
    return ioctl(*(int *)reader, FIONREAD, &bytes) == 0 && bytes > 32 << 10;
}

static void a_log_that_is_full_keeps_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct buffer line = {0};
    set_quarantine(fixture, 1);
    assert_int_equal(mkfifo(fixture->log_path, 0600), 0);
    int reader = open(fixture->log_path, O_RDONLY | O_NONBLOCK);
    start(fixture, NULL);
    buffer_addf(&line, "%0*d\n", (1 << 20) - 1, 0);
    assert_true(log_lines(fixture->log, &line, 1));
    assert_true(support_wait_until(is_in_the_pipe, &reader));
    while (log_lines(fixture->log, &line, 1))
        continue;
    buffer_release(&line);
    take_with_full_quarantine(fixture);
    close(reader);
}

static void what_the_log_alone_has_is_answered_200(void **state)
{
    struct fixture *fixture = *state;
    set_quarantine(fixture, 0);
    start(fixture, NULL);
    expect(fixture, "1", 200,
           "{\"result\":\"quarantined\",\"id\":null,\"reason\":\"not a JSON object\"}\n");
    books_assert(fixture->books, "SELECT quarantined, quarantine_log_only FROM totals", "1|1");
    assert_int_equal(metrics_read(fixture->metrics, METRIC_quarantine_refused), 0);
    stop(fixture);
    char *log = support_read_file(fixture->log_path);
    support_assert_has(log, "\"id\":null,\"reason\":\"not a JSON object\",\"body\":\"1\"");
    free(log);
}

/* A line that memory is short for is no line. */
static void what_the_log_alone_would_have_is_refused_if_its_line_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    set_quarantine(fixture, 0);
    start(fixture, NULL);
    struct fault fault;
    read_body(fixture, 0, "1");
    fails_at = 1;
    int result = keep(fixture, 0, 1, &fault);
    fails_at = 0;
    assert_int_equal(result, 0);
    assert_int_equal(fixture->bodies[0].outcome, RECORD_REFUSED);
    assert_int_equal(metrics_read(fixture->metrics, METRIC_quarantine_refused), 1);
    assert_true(metrics_read(fixture->metrics, METRIC_log_lines_dropped) > 0);
}

static void a_full_quarantine_is_said_once_and_again_after_it_had_room(void **state)
{
    struct fixture *fixture = *state;
    const int64_t first = 1;
    int64_t dropped = 0;
    struct fault fault = FAULT_NONE;
    set_quarantine(fixture, 1);
    start(fixture, NULL);
    expect(fixture, "1", 200, NULL);
    expect(fixture, "2", 200, NULL); /* said */
    expect(fixture, "3", 200, NULL);
    expect(fixture, INVALID, 200, NULL); /* said of those of a known notifyType */
    expect(fixture, INVALID, 200, NULL);
    expect(fixture, RESULT("d"), 200, NULL); /* changes nothing */
    expect(fixture, "4", 200, NULL);
    assert_int_equal(store_drop_quarantined(fixture->books->store, &first, 1, &dropped, &fault), 0);
    assert_int_equal(dropped, 1);
    expect(fixture, "5", 200, NULL); /* there was room */
    expect(fixture, "6", 200, NULL); /* said again */
    expect(fixture, "7", 200, NULL);
    expect(fixture, INVALID, 200, NULL); /* of those it is said: none found room meanwhile */
    stop(fixture);
    char *log = support_read_file(fixture->log_path);
    support_assert_has(log, "\"fault\":\"quarantine is full: bodies go to the log alone until some "
                            "are taken out\"");
    support_assert_has(log,
                       "\"fault\":\"quarantine is full for bodies of no known notifyType: they "
                       "go to the log alone until some are taken out\"");
    free(log);
    struct buffer events = read_events(fixture);
    assert_string_equal(events.bytes,
                        "quarantined 1;fault;quarantined null;quarantined null;"
                        "fault;quarantined null;quarantined null;"
                        "notification 1;quarantined null;"
                        "quarantined 2;fault;quarantined null;quarantined null;quarantined null;");
    buffer_release(&events);
}

/* --- order --- */

static void outcomes_and_log_lines_come_in_the_order_of_the_numbers(void **state)
{
    struct fixture *fixture = *state;
    char bodies[100][512];
    struct buffer expected = {0};
    start(fixture, NULL);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        snprintf(bodies[i], sizeof bodies[i], RESULT("%zu"), i);
        read_body(fixture, i, bodies[i]);
        buffer_addf(&expected, "notification %zu;", i + 1);
    }
    buffer_add(&expected, "", 1);
    expect_kept(fixture, 0, LENGTH(bodies));
    assert_int_equal(metrics_read(fixture->metrics, METRIC_batches), 1);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        assert_int_equal(fixture->bodies[i].outcome, RECORD_STORED);
        assert_int_equal(fixture->bodies[i].seq, i + 1);
    }
    expect_events(fixture, expected.bytes);
    buffer_release(&expected);
}

#define THREADS 4
#define BATCH 3
#define SHARE 60

struct taker {
    struct fixture *fixture;
    size_t from;
    char bodies[SHARE][512];
    bool failed;
    pthread_t thread;
};

/* Reads and keeps its bodies in batches. Does without assertions: it is not the test's thread. */
static void *take_share(void *argument)
{
    struct taker *taker = argument;
    for (size_t i = 0; i < SHARE; i += BATCH) {
        struct fault fault = FAULT_NONE;
        for (size_t j = i; j < i + BATCH; j++) {
            struct record *record = &taker->fixture->bodies[taker->from + j];
            snprintf(taker->bodies[j], sizeof taker->bodies[j], RESULT("%zu"), taker->from + j);
            *record = (struct record){.body = taker->bodies[j],
                                      .body_length = strlen(taker->bodies[j])};
            if (intake_read(taker->fixture->intake, record, &fault) != 0)
                taker->failed = true;
        }
        /* Others may be before it for longer than it waits. */
        while (!taker->failed && keep(taker->fixture, taker->from + i, BATCH, &fault) != 0)
            taker->failed = strstr(fault.text, "too long") == NULL;
    }
    return NULL;
}

static void what_many_threads_keep_is_logged_in_the_order_of_the_numbers(void **state)
{
    struct fixture *fixture = *state;
    struct taker *takers = calloc(THREADS, sizeof *takers);
    struct buffer expected = {0};
    size_t times[THREADS * SHARE + 1] = {0};
    assert_non_null(takers);
    start(fixture, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        takers[i].fixture = fixture;
        takers[i].from = i * SHARE;
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take_share, &takers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        assert_false(takers[i].failed);
    }
    for (size_t i = 0; i < THREADS * SHARE; i++) {
        assert_int_equal(fixture->bodies[i].outcome, RECORD_STORED);
        assert_in_range(fixture->bodies[i].seq, 1, THREADS * SHARE);
        assert_int_equal(times[fixture->bodies[i].seq]++, 0);
        buffer_addf(&expected, "notification %zu;", i + 1);
    }
    buffer_add(&expected, "", 1);
    expect_events(fixture, expected.bytes);
    buffer_release(&expected);
    free(takers);
}

/* --- a store that fails --- */

static bool works_again(void *argument)
{
    struct fixture *fixture = argument;
    struct fault fault;
    commit_tend(fixture->commit);
    commit_get_fault(fixture->commit, &fault);
    return !fault.set;
}

/* Puts a folder in the place of the store's file, and takes it away again. */
static void break_store(const struct fixture *fixture)
{
    const char *database = support_path(fixture->books->folder, "upgrades.db");
    assert_int_equal(rename(database, support_path(fixture->books->folder, "away")), 0);
    assert_int_equal(mkdir(database, 0700), 0);
}

static void mend_store(struct fixture *fixture)
{
    const char *database = support_path(fixture->books->folder, "upgrades.db");
    assert_int_equal(rmdir(database), 0);
    assert_int_equal(rename(support_path(fixture->books->folder, "away"), database), 0);
    assert_true(support_wait_until(works_again, fixture));
}

#define NOT_NOW "the store cannot be written now"

static bool has_failed_twice(void *argument)
{
    struct fixture *fixture = argument;
    commit_tend(fixture->commit);
    return metrics_read(fixture->metrics, METRIC_store_faults) >= 2;
}

static void a_store_that_fails_keeps_nothing_until_it_works(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    read_body(fixture, 0, RESULT("d"));
    read_body(fixture, 1, "no JSON");
    break_store(fixture);
    expect_refused(fixture, 0, 1, "upgrades.db");
    expect_refused(fixture, 0, 1, NOT_NOW);
    expect_refused(fixture, 1, 1, NOT_NOW);
    assert_true(support_wait_until(has_failed_twice, fixture)); /* a probe */
    expect_refused(fixture, 0, 2, NOT_NOW);
    mend_store(fixture);
    expect_kept(fixture, 0, 1); /* the same record again */
    assert_int_equal(fixture->bodies[0].outcome, RECORD_STORED);
    expect_events(fixture, "fault;recovered 5;notification 1;");
}

static void each_failure_is_logged_once_whatever_is_refused(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    for (size_t i = 0; i < RECORDS_MAX; i++)
        read_body(fixture, i, RESULT("d"));
    break_store(fixture);
    expect_refused(fixture, 0, 256, "upgrades.db");
    expect_refused(fixture, 256, 10, NOT_NOW);
    mend_store(fixture);
    break_store(fixture);
    expect_refused(fixture, 266, 1, "upgrades.db");
    mend_store(fixture);
    books_assert(fixture->books, "SELECT count(*) FROM notifications", "0");
    expect_events(fixture, "fault;recovered 266;fault;recovered 1;");
}

static void a_store_that_could_not_be_opened_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct fault open_fault = FAULT_NONE;
    fault_set(&open_fault, "read-only");
    start(fixture, &open_fault);
    read_body(fixture, 0, RESULT("d"));
    expect_refused(fixture, 0, 1, NOT_NOW);
    assert_true(support_wait_until(works_again, fixture));
    expect(fixture, RESULT("d"), 200, "{\"result\":\"stored\",\"seq\":1}\n");
    expect_events(fixture, "fault;recovered 1;notification 1;");
}

static void freeing_nothing_is_safe(void **state)
{
    intake_free(NULL);
}

/* As in main, what a parse takes is counted. The hooks are there before any other thread is. */
static int begin(void **state)
{
    content_init();
    hooks_malloc(count);
    hooks_realloc(fails);
    return support_begin(state);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int intake_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_body_is_kept_then_logged_and_answered),
        FRESH(reading_alone_keeps_and_logs_nothing),
        FRESH(invalid_bodies_are_refused_and_kept_where_that_is_asked_for),
        FRESH(notifications_of_strangers_and_noise_go_to_quarantine),
        FRESH(without_a_list_every_application_is_accepted),
        FRESH(a_body_that_memory_is_short_for_is_told_and_nothing_else),
        FRESH(what_no_file_holds_is_answered_503),
        FRESH(a_log_that_nobody_reads_keeps_nothing),
        FRESH(a_log_that_went_meanwhile_keeps_nothing),
        FRESH(a_log_that_is_full_keeps_nothing),
        FRESH(what_the_log_alone_has_is_answered_200),
        FRESH(what_the_log_alone_would_have_is_refused_if_its_line_is_not_taken),
        FRESH(a_full_quarantine_is_said_once_and_again_after_it_had_room),
        FRESH(outcomes_and_log_lines_come_in_the_order_of_the_numbers),
        FRESH(what_many_threads_keep_is_logged_in_the_order_of_the_numbers),
        FRESH(a_store_that_fails_keeps_nothing_until_it_works),
        FRESH(each_failure_is_logged_once_whatever_is_refused),
        FRESH(a_store_that_could_not_be_opened_is_told_once),
        cmocka_unit_test(freeing_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
