/* The story of one notification, from its bytes to its answer, with a store beneath and a reply
 * that only notes what it is given. */
#include "config.h"

#include "books.h"
#include "intake.h"
#include "monitor.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICKETS_MAX 300

/* What came back for one ticket. */
struct told {
    int replies, status;
    size_t order; /* the how-many-th reply it was */
    char answer[1024];
    bool json_released;
};

struct desk {
    struct books *books;
    struct options options;
    struct trust *trust;
    struct metrics *metrics;
    struct log *log;
    char *log_path;
    struct intake *intake;
    struct ticket tickets[TICKETS_MAX];

    struct monitor monitor; /* guards what follows */
    struct told told[TICKETS_MAX];
    size_t replies, wanted;
};

/* intake_reply has no place for an owner but the ticket itself: the tests' only desk. */
static struct desk *the_desk;

static void note_reply(struct ticket *ticket, int status, const struct text *answer)
{
    struct desk *desk = the_desk;
    struct told *told = &desk->told[ticket - desk->tickets];
    monitor_enter(&desk->monitor);
    told->replies++;
    told->status = status;
    told->order = desk->replies++;
    told->json_released = ticket->record.json == NULL;
    snprintf(told->answer, sizeof told->answer, "%.*s", (int)answer->length, answer->bytes);
    monitor_leave(&desk->monitor);
}

static void start(struct desk *desk, const struct fault *open_fault)
{
    struct fault fault = FAULT_NONE;
    if (log_start(&desk->log, desk->log_path, desk->metrics, &fault) != 0 ||
        intake_start(&desk->intake, &desk->options, desk->trust, desk->books->store, open_fault,
                     desk->log, desk->metrics, note_reply, &fault) != 0)
        fail_msg("%s", fault.text);
}

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    void *books;
    books_setup(&books);
    desk->books = books;
    desk->options.queue = TICKETS_MAX;
    assert_int_equal(trust_new(&desk->trust, &desk->options, NULL), 0);
    desk->metrics = metrics_new();
    desk->log_path = strdup(support_path(desk->books->folder, "log"));
    monitor_init(&desk->monitor);
    *state = the_desk = desk;
    return 0;
}

static void stop(struct desk *desk)
{
    intake_stop(desk->intake);
    log_stop(desk->log);
    desk->intake = NULL;
    desk->log = NULL;
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    void *books = desk->books;
    stop(desk);
    books_teardown(&books);
    metrics_free(desk->metrics);
    trust_free(desk->trust);
    monitor_release(&desk->monitor);
    free(desk->log_path);
    free(desk);
    return 0;
}

static bool is_replied(void *argument)
{
    struct desk *desk = argument;
    monitor_enter(&desk->monitor);
    bool replied = desk->replies >= desk->wanted;
    monitor_leave(&desk->monitor);
    return replied;
}

static void wait_replies(struct desk *desk, size_t count)
{
    desk->wanted = count;
    assert_true(support_wait_until(is_replied, desk));
}

/* Takes BODY (lent until the reply) as ticket INDEX. */
static void take(struct desk *desk, size_t index, const char *body)
{
    desk->tickets[index] = (struct ticket){.record = {.body = body, .body_length = strlen(body)}};
    intake_take(desk->intake, &desk->tickets[index]);
}

static void expect(struct desk *desk, size_t index, int status, const char *answer_end)
{
    const struct told *told = &desk->told[index];
    assert_int_equal(told->replies, 1);
    assert_int_equal(told->status, status);
    assert_true(told->json_released);
    const char *body = strstr(told->answer, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, answer_end);
}

#define RESULT(device)                                                                             \
    "{\"notifyType\":\"swUpgradeResultNotify\",\"deviceId\":\"" device "\",\"appId\":\"a\","       \
    "\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"1\",\"targetVersion\":\"1\"," \
    "\"sourceVersion\":\"0\",\"swUpgradeResult\":\"SUCCESS\",\"upgradeTime\":60,"                  \
    "\"resultDesc\":\"\",\"errorCode\":\"\",\"description\":\"\"}"

/* Gives the events of the log: "notification 1 false;" and the like. */
static struct text read_events(struct desk *desk)
{
    struct text events = {0};
    char *log = support_read_file(desk->log_path), *rest = NULL;
    for (char *line = strtok_r(log, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *json = json_loads(line, 0, NULL);
        assert_non_null(json);
        text_add_string(&events, json_string_value(json_object_get(json, "event")));
        const json_t *seq = json_object_get(json, "seq"), *id = json_object_get(json, "id"),
                     *refused = json_object_get(json, "refused");
        if (seq != NULL)
            text_addf(&events, " %lld", (long long)json_integer_value(seq));
        if (id != NULL)
            text_addf(&events, " %lld", (long long)json_integer_value(id));
        if (refused != NULL)
            text_addf(&events, " %lld", (long long)json_integer_value(refused));
        if (json_is_true(json_object_get(json, "repeat")))
            text_add_string(&events, " repeat");
        text_add_string(&events, ";");
        json_decref(json);
    }
    text_add(&events, "", 1);
    free(log);
    return events;
}

static void expect_events(struct desk *desk, const char *expected)
{
    struct text events = read_events(desk);
    assert_string_equal(events.bytes, expected);
    text_release(&events);
}

static void a_body_is_kept_then_logged_and_answered(void **state)
{
    struct desk *desk = *state;
    start(desk, NULL);
    take(desk, 0, RESULT("d"));
    wait_replies(desk, 1);
    expect(desk, 0, 200, "{\"result\":\"stored\",\"seq\":1}\n");
    books_assert(desk->books, "SELECT seq, deviceId FROM notifications", "1|d");
    assert_true(desk->tickets[0].record.received_ms > 0);
    take(desk, 1, RESULT("d"));
    wait_replies(desk, 2);
    expect(desk, 1, 200, "{\"result\":\"repeated\",\"seq\":1}\n");
    take(desk, 2, "{\"notifyType\":\"noSuchNotify\"}");
    wait_replies(desk, 3);
    expect(desk, 2, 200,
           "{\"result\":\"quarantined\",\"id\":1,\"reason\":\"notifyType unknown\",\"pointer\":"
           "\"/notifyType\"}\n");
    take(desk, 3, "");
    wait_replies(desk, 4);
    expect(desk, 3, 200, "{\"result\":\"quarantined\",\"id\":2,\"reason\":\"empty body\"}\n");
    stop(desk);
    expect_events(desk, "notification 1;notification 1 repeat;quarantined 1;quarantined 2;");
}

static void invalid_bodies_are_refused_and_kept_where_that_is_asked_for(void **state)
{
    struct desk *desk = *state;
    desk->options.refuse_invalid = true;
    start(desk, NULL);
    take(desk, 0, "{}");
    take(desk, 1, "{");
    take(desk, 2, RESULT("d"));
    wait_replies(desk, 3);
    assert_int_equal(desk->told[0].status, 422);
    assert_int_equal(desk->told[1].status, 400);
    assert_int_equal(desk->told[2].status, 200);
    books_assert(desk->books, "SELECT count(*) FROM quarantine", "2");
}

/* Only what does not depend on the sender tells how the platform fares. */
static void notifications_weigh_and_noise_does_not(void **state)
{
    static const char stranger[] =
        "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\",\"appId\":\"x\"}";
    struct desk *desk = *state;
    desk->options.app_ids = (struct options_list){.items = {"a"}, .length = 1};
    start(desk, NULL);
    const char *const bodies[] = {RESULT("d"),
                                  "{\"notifyType\":\"deviceAdded\",\"deviceId\":\"d\"}", "no JSON",
                                  "{\"notifyType\":\"deviceAdded\"}", stranger};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        take(desk, i, bodies[i]);
        wait_replies(desk, i + 1);
        assert_int_equal(desk->tickets[i].weighs, i < 2);
        assert_int_equal(desk->told[i].status, 200);
    }
    desk->tickets[9] = (struct ticket){.record = {.body = "x", .body_length = 1}, .weighs = true};
    intake_take(desk->intake, &desk->tickets[9]); /* signed */
    wait_replies(desk, LENGTH(bodies) + 1);
    assert_true(desk->tickets[9].weighs);
}

#define UNAVAILABLE(detail)                                                       \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503," \
    "\"detail\":\"" detail "\"}\n"

static void set_log_path(struct desk *desk, const char *path)
{
    free(desk->log_path);
    desk->log_path = strdup(path);
}

#define NOWHERE UNAVAILABLE("quarantine is full, and the log reaches nobody")

/* Fills quarantine and takes bodies that belong there: each is answered 503, and the receiver goes
 * on. The next ticket is number 4. */
static void take_with_full_quarantine(struct desk *desk)
{
    take(desk, 0, "1");
    wait_replies(desk, 1);
    assert_int_equal(desk->told[0].status, 200);
    take(desk, 1, "2");
    take(desk, 2, "{\"notifyType\":\"swUpgradeResultNotify\",\"description\":null}");
    take(desk, 3, RESULT("d"));
    wait_replies(desk, 4);
    expect(desk, 1, 503, NOWHERE);
    expect(desk, 2, 503, NOWHERE);
    expect(desk, 3, 200, "{\"result\":\"stored\",\"seq\":1}\n");
    books_assert(desk->books, "SELECT quarantined, quarantine_log_only FROM totals", "1|0");
    assert_int_equal(metrics_read(desk->metrics, METRIC_quarantine_refused), 2);
}

static void what_no_file_holds_is_answered_503(void **state)
{
    struct desk *desk = *state;
    desk->books->config.quarantine_max = 1;
    books_reopen(desk->books);
    set_log_path(desk, "/dev/null");
    start(desk, NULL);
    take_with_full_quarantine(desk);
    take(desk, 4, "3"); /* steadily */
    wait_replies(desk, 5);
    expect(desk, 4, 503, NOWHERE);
}

static void a_log_that_nobody_reads_keeps_nothing(void **state)
{
    struct desk *desk = *state;
    desk->books->config.quarantine_max = 1;
    books_reopen(desk->books);
    assert_int_equal(mkfifo(desk->log_path, 0600), 0);
    int reader = open(desk->log_path, O_RDONLY | O_NONBLOCK);
    start(desk, NULL);
    close(reader);
    take_with_full_quarantine(desk);
    reader = open(desk->log_path, O_RDONLY | O_NONBLOCK);
    take(desk, 4, "3"); /* it is read again; the log may find that out later */
    wait_replies(desk, 5);
    int tries = 5;
    while (desk->told[tries - 1].status == 503 && tries < 60) {
        support_sleep_ms(10 * tries);
        take(desk, (size_t)tries, "3");
        wait_replies(desk, (size_t)++tries);
    }
    assert_int_equal(desk->told[tries - 1].status, 200);
    books_assert(desk->books, "SELECT quarantine_log_only FROM totals", "1");
    close(reader);
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
    struct desk *desk = *state;
    struct text line = {0};
    desk->books->config.quarantine_max = 1;
    books_reopen(desk->books);
    assert_int_equal(mkfifo(desk->log_path, 0600), 0);
    int reader = open(desk->log_path, O_RDONLY | O_NONBLOCK);
    start(desk, NULL);
    text_addf(&line, "%0*d\n", (1 << 20) - 1, 0);
    assert_true(log_lines(desk->log, &line, 1));
    assert_true(support_wait_until(is_in_the_pipe, &reader));
    while (log_lines(desk->log, &line, 1))
        continue;
    text_release(&line);
    take_with_full_quarantine(desk);
    close(reader);
}

static void what_the_log_alone_has_is_answered_200(void **state)
{
    struct desk *desk = *state;
    desk->books->config.quarantine_max = 0;
    books_reopen(desk->books);
    start(desk, NULL);
    take(desk, 0, "1");
    wait_replies(desk, 1);
    assert_int_equal(desk->told[0].status, 200);
    books_assert(desk->books, "SELECT quarantined, quarantine_log_only FROM totals", "1|1");
    stop(desk);
    char *log = support_read_file(desk->log_path);
    support_assert_has(log, "\"id\":null,\"reason\":\"not a JSON object\",\"body\":\"1\"");
    free(log);
}

/* Holds the store, as another process would, while a test fills the queue. */
static FILE *hold_store(const struct desk *desk)
{
    FILE *lock = fopen(support_path(desk->books->folder, "writer.lock"), "r");
    assert_non_null(lock);
    assert_int_equal(flock(fileno(lock), LOCK_EX), 0);
    return lock;
}

static void answers_and_log_lines_come_in_the_order_of_the_numbers(void **state)
{
    struct desk *desk = *state;
    char bodies[100][512];
    start(desk, NULL);
    FILE *lock = hold_store(desk);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        snprintf(bodies[i], sizeof bodies[i], RESULT("%zu"), i);
        take(desk, i, bodies[i]);
    }
    fclose(lock);
    wait_replies(desk, LENGTH(bodies));
    struct text expected = {0};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        char answer[64];
        snprintf(answer, sizeof answer, "{\"result\":\"stored\",\"seq\":%zu}\n", i + 1);
        expect(desk, i, 200, answer);
        assert_int_equal(desk->told[i].order, i);
        text_addf(&expected, "notification %zu;", i + 1);
    }
    text_add(&expected, "", 1);
    assert_true(metrics_read(desk->metrics, METRIC_batches) <= 3);
    stop(desk);
    expect_events(desk, expected.bytes);
    text_release(&expected);
}

static void a_full_queue_is_answered_503_at_once(void **state)
{
    struct desk *desk = *state;
    desk->options.queue = 1;
    start(desk, NULL);
    FILE *lock = hold_store(desk);
    size_t taken = 0;
    while (desk->replies == 0 && taken < 10)
        take(desk, taken++, RESULT("d"));
    assert_in_range(taken, 2, 3); /* one waits, and the writer may have taken another */
    assert_int_equal(desk->replies, 1);
    expect(desk, taken - 1, 503, UNAVAILABLE("too many notifications wait for the disk"));
    support_assert_has(desk->told[taken - 1].answer, "\r\nRetry-After: 5\r\n");
    fclose(lock);
    wait_replies(desk, taken);
    expect(desk, 0, 200, "{\"result\":\"stored\",\"seq\":1}\n");
}

static bool works_again(void *argument)
{
    struct fault fault;
    commit_get_fault(intake_commit(((struct desk *)argument)->intake), &fault);
    return !fault.set;
}

/* Puts a folder in the place of the store's file, and takes it away again. */
static void break_store(const struct desk *desk)
{
    const char *database = support_path(desk->books->folder, "upgrades.db");
    assert_int_equal(rename(database, support_path(desk->books->folder, "away")), 0);
    assert_int_equal(mkdir(database, 0700), 0);
}

static void mend_store(struct desk *desk)
{
    const char *database = support_path(desk->books->folder, "upgrades.db");
    assert_int_equal(rmdir(database), 0);
    assert_int_equal(rename(support_path(desk->books->folder, "away"), database), 0);
    assert_true(support_wait_until(works_again, desk));
}

static void a_store_that_fails_is_answered_503_until_it_works(void **state)
{
    static const char not_now[] = UNAVAILABLE("the store cannot be written now");
    struct desk *desk = *state;
    start(desk, NULL);
    break_store(desk);
    take(desk, 0, RESULT("d"));
    wait_replies(desk, 1);
    expect(desk, 0, 503, UNAVAILABLE("the notification could not be kept"));
    take(desk, 1, RESULT("d"));
    take(desk, 2, "no JSON");
    assert_int_equal(desk->replies, 3); /* at once, in this thread */
    expect(desk, 1, 503, not_now);
    expect(desk, 2, 503, not_now);
    support_sleep_ms(COMMIT_PROBE_MS + 200); /* a probe fails in between */
    take(desk, 3, RESULT("d"));
    expect(desk, 3, 503, not_now);
    mend_store(desk);
    take(desk, 4, RESULT("e"));
    wait_replies(desk, 5);
    assert_int_equal(desk->told[4].status, 200);
    stop(desk);
    struct text events = read_events(desk);
    assert_memory_equal(events.bytes, "fault;recovered 4;notification ", 31);
    text_release(&events);
}

static void each_failure_is_logged_once_whatever_was_waiting(void **state)
{
    struct desk *desk = *state;
    start(desk, NULL);
    FILE *lock = hold_store(desk);
    for (size_t i = 0; i < COMMIT_BATCH_MAX + 10; i++)
        take(desk, i, RESULT("d")); /* more than one batch */
    break_store(desk);
    fclose(lock);
    wait_replies(desk, COMMIT_BATCH_MAX + 10);
    mend_store(desk);
    break_store(desk);
    take(desk, COMMIT_BATCH_MAX + 10, RESULT("e"));
    wait_replies(desk, COMMIT_BATCH_MAX + 11);
    mend_store(desk);
    for (size_t i = 0; i < COMMIT_BATCH_MAX + 11; i++)
        expect(desk, i, 503, UNAVAILABLE("the notification could not be kept"));
    stop(desk);
    expect_events(desk, "fault;recovered 266;fault;recovered 1;");
}

static void a_store_that_could_not_be_opened_is_told_once(void **state)
{
    struct desk *desk = *state;
    struct fault open_fault = FAULT_NONE;
    fault_set(&open_fault, "read-only");
    start(desk, &open_fault);
    take(desk, 0, RESULT("d"));
    assert_int_equal(desk->told[0].status, 503);
    assert_true(support_wait_until(works_again, desk));
    take(desk, 1, RESULT("d"));
    wait_replies(desk, 2);
    expect(desk, 1, 200, "{\"result\":\"stored\",\"seq\":1}\n");
    stop(desk);
    expect_events(desk, "fault;recovered 1;notification 1;");
}

static void stopping_answers_all_that_was_taken(void **state)
{
    struct desk *desk = *state;
    char bodies[TICKETS_MAX][512];
    start(desk, NULL);
    FILE *lock = hold_store(desk);
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        snprintf(bodies[i], sizeof bodies[i], RESULT("%zu"), i);
        take(desk, i, bodies[i]);
    }
    fclose(lock);
    stop(desk);
    assert_int_equal(desk->replies, TICKETS_MAX);
    for (size_t i = 0; i < LENGTH(bodies); i++)
        assert_int_equal(desk->told[i].status, 200);
}

static void stopping_nothing_is_safe(void **state)
{
    intake_stop(NULL);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int intake_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_body_is_kept_then_logged_and_answered),
        FRESH(invalid_bodies_are_refused_and_kept_where_that_is_asked_for),
        FRESH(notifications_weigh_and_noise_does_not),
        FRESH(what_no_file_holds_is_answered_503),
        FRESH(a_log_that_nobody_reads_keeps_nothing),
        FRESH(a_log_that_is_full_keeps_nothing),
        FRESH(what_the_log_alone_has_is_answered_200),
        FRESH(answers_and_log_lines_come_in_the_order_of_the_numbers),
        FRESH(a_full_queue_is_answered_503_at_once),
        FRESH(a_store_that_fails_is_answered_503_until_it_works),
        FRESH(each_failure_is_logged_once_whatever_was_waiting),
        FRESH(a_store_that_could_not_be_opened_is_told_once),
        FRESH(stopping_answers_all_that_was_taken),
        cmocka_unit_test(stopping_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
