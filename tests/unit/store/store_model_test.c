/* Thousands of random records, compared with a plain model of what the books must say. */
#include "config.h"

#include "books.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define RECORDS 8000
#define BATCH_MAX 64

#define APPS 2
#define OPERATIONS 3
#define SUBS 3
#define DEVICES 4
#define UPGRADES (APPS * OPERATIONS * SUBS * DEVICES)
#define CODES 4
#define DESCRIPTIONS 3
#define STEPS 3
#define NEWS 20

/* Every content there can be has a number. */
#define RESULTS (UPGRADES * 2 * 2 * CODES * DESCRIPTIONS)
#define CONTENTS (RESULTS + UPGRADES * STEPS + NEWS)
#define QUARANTINE CONTENTS

#define QUARANTINE_MAX 60
#define QUARANTINE_BYTES 900

static const char *const apps[] = {"app", "\303\244pp"};
static const char *const codes[] = {"", "4", "127", "\xE2\x80\xAE\\\\4"};

struct drawn {
    size_t content; /* its number, or QUARANTINE */
    size_t upgrade; /* of a result and of progress */
    bool result, success, arrived;
    size_t code, description, step, news;
    size_t length; /* of a body for quarantine */
};

struct model {
    struct {
        int64_t seq, deliveries;
    } contents[CONTENTS];
    struct {
        bool known, contradictory;
        enum record_state state;
        size_t code;
        int64_t seq;
        const char *step;
    } upgrades[UPGRADES];
    struct {
        bool known;
        int64_t first_ms, last_ms;
    } operations[APPS * OPERATIONS];
    struct {
        int64_t count, first_ms, last_ms;
    } failures[APPS * OPERATIONS][CODES];
    int64_t seq, repeats, quarantined, log_only, held, bytes, id;
};

static const char *const steps[] = {"downloading", "downloaded", "updating"};

static size_t operation_of(size_t upgrade)
{
    return upgrade / (SUBS * DEVICES);
}

static struct drawn draw(uint64_t *seed)
{
    struct drawn drawn = {
        .upgrade = support_random_below(seed, UPGRADES),
        .success = support_random_below(seed, 2),
        .arrived = support_random_below(seed, 2),
        .code = support_random_below(seed, CODES),
        .description = support_random_below(seed, DESCRIPTIONS),
        .step = support_random_below(seed, STEPS),
        .news = support_random_below(seed, NEWS),
        .length = support_random_below(seed, 40),
    };
    size_t kind = support_random_below(seed, 20);
    drawn.result = kind < 14;
    if (drawn.result)
        drawn.content = (((drawn.upgrade * 2 + drawn.success) * 2 + drawn.arrived) * CODES +
                         drawn.code) *
                            DESCRIPTIONS +
                        drawn.description;
    else if (kind < 18)
        drawn.content = RESULTS + drawn.upgrade * STEPS + drawn.step;
    else if (kind < 19)
        drawn.content = RESULTS + UPGRADES * STEPS + drawn.news;
    else
        drawn.content = QUARANTINE;
    return drawn;
}

/* --- from what was drawn to a record --- */

struct members {
    struct buffer texts[16];
    size_t length;
};

static void add_member(struct members *members, const char *name, const char *value)
{
    struct buffer *member = &members->texts[members->length++];
    buffer_addf(member, "\"%s\":", name);
    buffer_add_json_string(member, value, strlen(value));
}

/* Joins the members in any order, with any white space. */
static void join(struct members *members, uint64_t *seed, struct buffer *body)
{
    static const char *const spaces[] = {"", "", " ", "\n", "\t ", "\r\n"};
    buffer_add_string(body, "{");
    for (size_t left = members->length; left > 0; left--) {
        size_t picked = support_random_below(seed, left);
        buffer_add_string(body, spaces[support_random_below(seed, LENGTH(spaces))]);
        buffer_add(body, members->texts[picked].bytes, members->texts[picked].length);
        buffer_add_string(body, left > 1 ? "," : "}");
        buffer_release(&members->texts[picked]);
        members->texts[picked] = members->texts[left - 1];
    }
    buffer_add(body, "", 1);
    assert_false(body->failed);
}

static void add_ids(struct members *members, const struct drawn *drawn)
{
    char device[16], operation[16], sub[16];
    size_t operation_number = operation_of(drawn->upgrade);
    snprintf(device, sizeof device, "d%zu", drawn->upgrade % DEVICES);
    snprintf(sub, sizeof sub, "s%zu", drawn->upgrade / DEVICES % SUBS);
    snprintf(operation, sizeof operation, "o%zu", operation_number % OPERATIONS);
    add_member(members, "deviceId", device);
    add_member(members, "subOperationId", sub);
    add_member(members, "operationId", operation);
    add_member(members, "appId", apps[operation_number / OPERATIONS]);
}

static void add_result(struct members *members, const struct drawn *drawn)
{
    char description[24];
    snprintf(description, sizeof description, "%zu", drawn->description);
    add_member(members, "notifyType", "swUpgradeResultNotify");
    add_member(members, "swUpgradeResult", drawn->success ? "SUCCESS" : "FAIL");
    add_member(members, "curVersion", drawn->arrived ? "2" : "1");
    add_member(members, "targetVersion", "2");
    add_member(members, "sourceVersion", "1");
    add_member(members, "upgradeTime", "");
    add_member(members, "resultDesc", "");
    add_member(members, "errorCode", codes[drawn->code]);
    add_member(members, "description", description);
}

static struct record *make_record(const struct drawn *drawn, uint64_t *seed, int64_t ms)
{
    struct members members = {.length = 0};
    struct buffer body = {0};
    enum record_meaning meaning = RECORD_NEWS;
    if (drawn->content == QUARANTINE) {
        struct record *record = support_bytes("0123456789012345678901234567890123456789",
                                              drawn->length);
        record->meaning = RECORD_QUARANTINE;
        record->received_ms = ms;
        return record;
    }
    if (drawn->content < RESULTS + UPGRADES * STEPS)
        add_ids(&members, drawn);
    if (drawn->result) {
        meaning = RECORD_RESULT;
        add_result(&members, drawn);
    } else if (drawn->content < RESULTS + UPGRADES * STEPS) {
        meaning = RECORD_PROGRESS;
        add_member(&members, "swUpgradeState", steps[drawn->step]);
    } else {
        char device[24];
        snprintf(device, sizeof device, "news-%zu", drawn->news);
        add_member(&members, "deviceId", device);
        add_member(&members, "notifyType", "deviceAdded");
    }
    join(&members, seed, &body);
    struct record *record = meaning == RECORD_RESULT ? support_record(body.bytes)
                                                     : support_meant(body.bytes, meaning);
    assert_int_equal(record->meaning, meaning);
    record->received_ms = ms;
    buffer_release(&body);
    return record;
}

/* --- what the books must make of it --- */

static void expect_quarantined(struct model *model, const struct drawn *drawn,
                               const struct record *record)
{
    model->quarantined++;
    if (model->held >= QUARANTINE_MAX - QUARANTINE_MAX / STORE_QUARANTINE_KNOWN_SHARE ||
        model->bytes + (int64_t)drawn->length >
            QUARANTINE_BYTES - QUARANTINE_BYTES / STORE_QUARANTINE_KNOWN_SHARE) {
        model->log_only++;
        assert_int_equal(record->outcome, RECORD_LOG_ONLY);
        return;
    }
    model->held++;
    model->bytes += (int64_t)drawn->length;
    assert_int_equal(record->outcome, RECORD_QUARANTINED);
    assert_int_equal(record->id, ++model->id);
}

static void expect_upgrade(struct model *model, const struct drawn *drawn, int64_t ms)
{
    size_t u = drawn->upgrade, o = operation_of(u);
    bool known = model->upgrades[u].known;
    enum record_state before = known ? model->upgrades[u].state : RECORD_IN_PROGRESS;
    model->upgrades[u].known = true;
    if (!model->operations[o].known)
        model->operations[o].first_ms = ms;
    model->operations[o].known = true;
    model->operations[o].last_ms = ms;
    if (!drawn->result) {
        model->upgrades[u].step = steps[drawn->step];
        if (before == RECORD_IN_PROGRESS)
            model->upgrades[u].seq = model->seq;
        return;
    }
    if (before == RECORD_FAIL)
        model->failures[o][model->upgrades[u].code].count--;
    if (!drawn->success) {
        if (model->failures[o][drawn->code].first_ms == 0)
            model->failures[o][drawn->code].first_ms = ms;
        model->failures[o][drawn->code].last_ms = ms;
        model->failures[o][drawn->code].count++;
    }
    model->upgrades[u].state = drawn->success ? RECORD_SUCCESS : RECORD_FAIL;
    model->upgrades[u].contradictory = drawn->success != drawn->arrived;
    model->upgrades[u].code = drawn->code;
    model->upgrades[u].seq = model->seq;
}

static void expect(struct model *model, const struct drawn *drawn, const struct record *record)
{
    if (drawn->content == QUARANTINE) {
        expect_quarantined(model, drawn, record);
        return;
    }
    bool repeat = model->contents[drawn->content].seq != 0;
    if (repeat)
        model->repeats++;
    else
        model->contents[drawn->content].seq = ++model->seq;
    assert_int_equal(record->outcome, repeat ? RECORD_REPEATED : RECORD_STORED);
    assert_int_equal(record->seq, model->contents[drawn->content].seq);
    assert_int_equal(record->deliveries, ++model->contents[drawn->content].deliveries);
    if (!repeat && drawn->content < RESULTS + UPGRADES * STEPS)
        expect_upgrade(model, drawn, record->received_ms);
}

/* Compares a query's rows with what the model says, both in order of their text. */
static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void compare(const struct books *books, const char *sql, char **rows, size_t count)
{
    struct buffer expected = {0};
    qsort(rows, count, sizeof *rows, compare_rows);
    for (size_t i = 0; i < count; i++) {
        buffer_addf(&expected, "%s%s", i > 0 ? "\n" : "", rows[i]);
        free(rows[i]);
    }
    buffer_add(&expected, "", 1);
    books_assert(books, sql, expected.bytes);
    buffer_release(&expected);
}

static char *row(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *row(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    assert_true(vasprintf(&text, format, arguments) >= 0);
    va_end(arguments);
    return text;
}

static void compare_upgrades(const struct books *books, const struct model *model)
{
    char *rows[UPGRADES];
    size_t count = 0;
    for (size_t u = 0; u < UPGRADES; u++) {
        if (!model->upgrades[u].known)
            continue;
        enum record_state state = model->upgrades[u].state;
        rows[count++] = row("%s/o%zu/s%zu/d%zu/%s/%s/%s/%d/%lld", apps[u / (UPGRADES / APPS)],
                            operation_of(u) % OPERATIONS, u / DEVICES % SUBS, u % DEVICES,
                            record_state_word(state),
                            model->upgrades[u].step == NULL ? "-" : model->upgrades[u].step,
                            state == RECORD_IN_PROGRESS ? "-" : codes[model->upgrades[u].code],
                            model->upgrades[u].contradictory, (long long)model->upgrades[u].seq);
    }
    compare(books,
            "SELECT appId || '/' || operationId || '/' || subOperationId || '/' || deviceId || '/'"
            " || state || '/' || coalesce(step, '-') || '/' || coalesce(errorCode, '-') || '/' ||"
            " contradictory || '/' || seq AS row FROM upgrades ORDER BY row",
            rows, count);
}

static void compare_operations(const struct books *books, const struct model *model)
{
    char *rows[APPS * OPERATIONS];
    size_t length = 0;
    for (size_t o = 0; o < APPS * OPERATIONS; o++) {
        int counts[3] = {0}, contradictory = 0;
        for (size_t u = 0; u < UPGRADES; u++)
            if (operation_of(u) == o && model->upgrades[u].known) {
                counts[model->upgrades[u].state]++;
                contradictory += model->upgrades[u].contradictory;
            }
        if (model->operations[o].known)
            rows[length++] = row("%s/o%zu/%d/%d/%d/%d/%lld/%lld", apps[o / OPERATIONS],
                                 o % OPERATIONS, counts[0], counts[1], counts[2], contradictory,
                                 (long long)model->operations[o].first_ms,
                                 (long long)model->operations[o].last_ms);
    }
    compare(books,
            "SELECT app_id || '/' || operation_id || '/' || in_progress || '/' || success || '/' ||"
            " fail || '/' || contradictory || '/' || first_at || '/' || last_at AS row"
            " FROM operation ORDER BY row",
            rows, length);
}

static void compare_failures(const struct books *books, const struct model *model)
{
    char *rows[APPS * OPERATIONS * CODES];
    size_t length = 0;
    for (size_t o = 0; o < APPS * OPERATIONS; o++)
        for (size_t c = 0; c < CODES; c++)
            if (model->failures[o][c].first_ms != 0)
                rows[length++] = row("%s/o%zu/%s/%lld/%lld/%lld", apps[o / OPERATIONS],
                                     o % OPERATIONS, codes[c],
                                     (long long)model->failures[o][c].count,
                                     (long long)model->failures[o][c].first_ms,
                                     (long long)model->failures[o][c].last_ms);
    compare(books,
            "SELECT app_id || '/' || operation_id || '/' || error_code || '/' || count || '/' ||"
            " f.first_at || '/' || f.last_at AS row FROM failure f JOIN operation o"
            " ON o.id = f.operation ORDER BY row",
            rows, length);
}

static void compare_totals(const struct books *books, const struct model *model)
{
    char *expected = row("%lld|%lld|%lld|%lld|%lld|%lld|%lld", (long long)model->seq,
                         (long long)model->seq, (long long)model->repeats,
                         (long long)model->quarantined, (long long)model->log_only,
                         (long long)model->held, (long long)model->bytes);
    books_assert(books,
                 "SELECT seq, notifications, repeats, quarantined, quarantine_log_only,"
                 " quarantine_held, quarantine_bytes FROM totals",
                 expected);
    free(expected);
}

/* --- the run --- */

/* Now and then a batch fails first, and must not leave a trace. The log is emptied before: one that
 * has begun again from its beginning needs no more room than it has. */
static void fail_now(struct books *books, struct record **records, size_t count)
{
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    assert_int_equal(store_checkpoint(reader, true, NULL, &fault), 0);
    store_reader_free(reader);
    support_limit_file_size(0);
    int result = store_keep(books->store, records, count, NULL, 0, &fault);
    support_limit_file_size(RLIM_INFINITY);
    assert_int_equal(result, -1);
}

static void thousands_of_random_records_are_booked_as_a_plain_model_says(void **state)
{
    struct books *books = *state;
    books->config.quarantine_max = QUARANTINE_MAX;
    books->config.quarantine_bytes = QUARANTINE_BYTES;
    books_reopen(books);
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    struct record *records[BATCH_MAX];
    struct drawn drawn[BATCH_MAX];
    uint64_t seed = 20261124;
    for (size_t done = 0; done < RECORDS;) {
        size_t count = 1 + support_random_below(&seed, BATCH_MAX);
        for (size_t i = 0; i < count; i++) {
            drawn[i] = draw(&seed);
            records[i] = make_record(&drawn[i], &seed, 1000 + (int64_t)(done + i));
        }
        if (support_random_below(&seed, 10) == 0)
            fail_now(books, records, count);
        if (support_random_below(&seed, 10) == 0)
            books_reopen(books);
        books_keep(books, records, count);
        for (size_t i = 0; i < count; i++)
            expect(model, &drawn[i], records[i]);
        support_records_free(records, count);
        done += count;
    }
    compare_upgrades(books, model);
    compare_operations(books, model);
    compare_failures(books, model);
    compare_totals(books, model);
    books_assert_recount(books);
    /* All that the model can tell has come about. */
    assert_true(model->repeats > 100 && model->log_only > 10 && model->held > 10);
    free(model);
}

int store_model_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            thousands_of_random_records_are_booked_as_a_plain_model_says, books_setup,
            books_teardown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
