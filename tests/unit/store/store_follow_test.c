/* A copy that follows the log of shared books has what one store would have that received the log.
 *
 * The log is made from the journals of stores, as the shipper and the books do it: each journal in
 * its order, batch by batch. CAMPAIGN_SEED sets the seed, which a failure names. */
#include "config.h"

#include "books.h"
#include "campaign.h"
#include "lists.h"
#include "store/follow.h"
#include "store/journal.h"
#include "store/maintenance.h"
#include "store/plan.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_DEFAULT 20261201
#define CAMPAIGNS 25
#define RECEIVERS 2
#define LOG_MAX 20000

struct world {
    struct books *receivers[RECEIVERS];
    int64_t shipped[RECEIVERS];
    struct store_journaled *log;
    size_t log_length;
    struct books *copies[2];
    size_t followed[2];
    uint64_t first_seed, seed;
    int64_t clock_ms;
};

static struct books *new_books(bool copy)
{
    struct books *books = books_new();
    books->config.journal = !copy;
    books->config.copy = copy;
    books_reopen(books);
    /* The order of some lists is that of hashes, which differ from store to store. */
    books_meddle(books, "UPDATE secret SET hash_key = zeroblob(16)");
    books_reopen(books);
    return books;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    const char *seed = getenv("CAMPAIGN_SEED");
    assert_non_null(world);
    world->log = calloc(LOG_MAX, sizeof *world->log);
    assert_non_null(world->log);
    for (size_t i = 0; i < RECEIVERS; i++)
        world->receivers[i] = new_books(false);
    for (size_t i = 0; i < LENGTH(world->copies); i++)
        world->copies[i] = new_books(true);
    world->first_seed = world->seed = seed != NULL ? strtoull(seed, NULL, 0) : SEED_DEFAULT;
    world->clock_ms = 1764000000000;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < RECEIVERS; i++)
        books_teardown((void **)&world->receivers[i]);
    for (size_t i = 0; i < LENGTH(world->copies); i++)
        books_teardown((void **)&world->copies[i]);
    store_journal_release(world->log, world->log_length);
    free(world->log);
    free(world);
    return 0;
}

/* Ships up to MOST entries of a receiver. */
static void ship(struct world *world, size_t receiver, size_t most)
{
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    size_t count;
    assert_true(world->log_length + most <= LOG_MAX);
    assert_int_equal(store_reader_new(&reader, world->receivers[receiver]->folder, &fault), 0);
    if (store_journal_read(reader, world->shipped[receiver], world->log + world->log_length, most,
                           &count, &fault) != 0)
        fail_msg("%s", fault.text);
    world->log_length += count;
    if (count > 0)
        world->shipped[receiver] = world->log[world->log_length - 1].number;
    store_reader_free(reader);
}

/* Has a copy follow the next MOST entries in one transaction. */
static void follow(struct world *world, size_t copy, size_t most)
{
    struct record records[64], *pointers[64];
    struct store_position position = {.generation = "g", .life = "l", .program = "p"};
    struct fault fault = FAULT_NONE;
    size_t count = 0;
    for (; most > 0 && count < LENGTH(records) && world->followed[copy] < world->log_length;
         most--) {
        int result = store_follow_read(&world->log[world->followed[copy]++], &records[count],
                                       &fault);
        assert_true(result >= 0);
        pointers[count] = &records[count];
        count += result == 0;
    }
    position.number = (int64_t)world->followed[copy];
    if (store_follow(world->copies[copy]->store, pointers, count, &position, &fault) != 0)
        fail_msg("%s", fault.text);
    for (size_t i = 0; i < count; i++)
        record_release(&records[i]);
}

static void follow_all(struct world *world, size_t copy, size_t most)
{
    while (world->followed[copy] < world->log_length)
        follow(world, copy, 1 + support_random_below(&world->seed, most));
}

/* --- what a store says --- */

/* Appends a document. */
static void add_document(struct store_reader *reader, const char *name,
                         const char *const *parameters, struct buffer *out)
{
    const struct view *view = view_find(name, strlen(name));
    struct view_query query = {.limit = STORE_PAGE_MAX, .now_ms = 1774000000000};
    struct fault fault = FAULT_NONE;
    assert_non_null(view);
    for (; *parameters != NULL; parameters += 2)
        assert_int_equal(view_set(&query, view, parameters[0], parameters[1], &fault), 0);
    if (view_write(view, reader, &query, 0, out, NULL, &fault) != VIEW_DONE)
        fail_msg("%s: %s", name, fault.text);
    buffer_add_string(out, "\n");
}

/* Replaces each life of the store in TEXT. */
static void hide_lives(const struct books *books, char *text)
{
    char *lives = books_query(books, "SELECT id FROM life"), *rest = lives;
    for (char *life; (life = strtok_r(rest, "\n", &rest)) != NULL;)
        for (char *at = text; (at = strstr(at, life)) != NULL;)
            memset(at, 'x', strlen(life));
    free(lives);
}

/* All documents of the store, without what differs from store to store: lives in its tokens. */
static char *tell(const struct books *books)
{
    struct buffer out = {0};
    char *rows = books_query(books, "SELECT app_id, operation_id FROM operation"
                                    " ORDER BY app_id, operation_id"),
         *rest = rows;
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    add_document(reader, "overview.json", (const char *[]){NULL}, &out);
    add_document(reader, "quarantine.json", (const char *[]){NULL}, &out);
    add_document(reader, "failures.csv", (const char *[]){NULL}, &out);
    for (char *row; (row = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *bar = strchr(row, '|');
        *bar = '\0';
        const char *parameters[] = {"appId", row, "operationId", bar + 1, NULL};
        add_document(reader, "operation.json", parameters, &out);
        add_document(reader, "upgrades.json", parameters, &out);
        add_document(reader, "missing.json", parameters, &out);
    }
    free(rows);
    rows = books_query(books, "SELECT DISTINCT device_id FROM upgrade ORDER BY 1 LIMIT 20");
    rest = rows;
    for (char *row; (row = strtok_r(rest, "\n", &rest)) != NULL;)
        add_document(reader, "device.json", (const char *[]){"deviceId", row, NULL}, &out);
    free(rows);
    store_reader_free(reader);
    buffer_add(&out, "", 1);
    assert_false(out.failed);
    hide_lives(books, out.bytes);
    return out.bytes;
}

static void assert_equal(const struct world *world, const struct books *is,
                         const struct books *must_be)
{
    char *one = tell(is), *other = tell(must_be);
    char *one_rest = one, *other_rest = other;
    for (;;) {
        char *line = strtok_r(one_rest, "\n", &one_rest);
        char *must = strtok_r(other_rest, "\n", &other_rest);
        if (line == NULL && must == NULL)
            break;
        if (line == NULL || must == NULL || strcmp(line, must) != 0)
            fail_msg("CAMPAIGN_SEED=%llu shows it again:\n%s\nmust be\n%s",
                     (unsigned long long)world->first_seed, line == NULL ? "" : line,
                     must == NULL ? "" : must);
    }
    free(one);
    free(other);
    lists_assert_sound(is->folder);
}

/* --- what receivers receive --- */

static void quarantine(struct world *world, struct books *books, const char *body)
{
    struct record *record = support_bytes(body, strlen(body));
    world->clock_ms++; /* of two equal bodies of one moment, either may leave */
    record->meaning = RECORD_QUARANTINE;
    record->known = support_random_below(&world->seed, 2) == 0;
    record->received_ms = world->clock_ms;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "notifyType unknown");
    snprintf(record->verdict.pointer, sizeof record->verdict.pointer, "/notifyType");
    books_keep_one(books, record);
    campaign_record_free(record);
}

/* Reads a body in quarantine again. */
static void retry(struct books *books)
{
    char *row = books_query(books, "SELECT id || '|' || received_at || '|' || CAST(body AS TEXT)"
                                   " FROM quarantined ORDER BY id LIMIT 1");
    char *rest = row, *id = strtok_r(rest, "|", &rest), *at = strtok_r(rest, "|", &rest);
    if (at != NULL) {
        struct record *record = support_record(rest);
        record->requeue_id = strtoll(id, NULL, 10);
        record->received_ms = strtoll(at, NULL, 10);
        books_keep_one(books, record);
        support_record_free(record);
    }
    free(row);
}

static void drop(struct books *books)
{
    struct fault fault = FAULT_NONE;
    char *row = books_query(books, "SELECT coalesce(max(id), 0) FROM quarantined");
    int64_t id = strtoll(row, NULL, 10), dropped = 0;
    assert_int_equal(store_drop_quarantined(books->store, &id, 1, &dropped, &fault), 0);
    free(row);
}

static void add_news(struct world *world, struct books *books)
{
    char body[128];
    snprintf(body, sizeof body, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"%zu\"}",
             support_random_below(&world->seed, 5));
    struct record *record = support_record(body);
    record->received_ms = world->clock_ms;
    books_keep_one(books, record);
    support_record_free(record);
}

/* --- what operators tell ---------------------------------------------------------------------- */

static void note(struct world *world, struct books *books, const char *app, const char *operation,
                 const char *text)
{
    const struct store_named named = {
        .app_id = app, .operation_id = operation, .now_ms = world->clock_ms};
    struct fault fault = FAULT_NONE;
    if (store_set_note(books->store, &named, text, &fault) < 0)
        fail_msg("%s", fault.text);
}

/* Gives ids, a line each. */
static const char *give_line(void *owner, const char **told)
{
    char **rest = owner;
    *told = strlen(*rest) % 2 == 0 ? "success" : NULL;
    return strtok_r(*rest, "\n", rest);
}

/* Saves a list, and gives how many devices it has. */
static int64_t expect(struct world *world, struct books *books, const char *app,
                      const char *operation, char *lines)
{
    const struct store_named named = {
        .app_id = app, .operation_id = operation, .now_ms = world->clock_ms};
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    if (store_save_expected(books->store, &named, give_line, &lines, &planned, &fault) != 0)
        fail_msg("%s", fault.text);
    return planned.planned;
}

/* Saves a list of COUNT devices, d1 and so on. */
static void expect_many(struct world *world, struct books *books, const char *operation,
                        size_t count)
{
    struct buffer lines = {0};
    for (size_t i = 1; i <= count; i++)
        buffer_addf(&lines, "d%zu\n", i);
    buffer_add(&lines, "", 1);
    assert_int_equal(expect(world, books, "app", operation, lines.bytes), count);
    buffer_release(&lines);
}

/* Tells something of an operation: of one that reports, or of another. */
static void plan(struct world *world, struct books *books)
{
    static const char *const notes[] = {"halted", "asked the \"maker\"\n", ""};
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT app_id, operation_id FROM operation LIMIT 1 OFFSET %zu",
             support_random_below(&world->seed, CAMPAIGNS));
    char *row = books_query(books, sql), *rest = row;
    const char *app = strtok_r(rest, "|", &rest), *operation = strtok_r(rest, "\n", &rest);
    if (operation == NULL)
        app = operation = "named";
    if (support_random_below(&world->seed, 2) == 0) {
        note(world, books, app, operation, notes[support_random_below(&world->seed, 3)]);
    } else if (support_random_below(&world->seed, 4) == 0) {
        const struct store_named named = {
            .app_id = app, .operation_id = operation, .now_ms = world->clock_ms};
        assert_true(store_forget_expected(books->store, &named, NULL) >= 0);
    } else {
        char *lines = books_query(books, "SELECT DISTINCT device_id FROM upgrade WHERE id % 3 > 0"
                                         " UNION SELECT 'late-' || seq FROM totals");
        expect(world, books, app, operation, lines);
        free(lines);
    }
    free(row);
}

/* Something beside the campaigns. */
static void disturb(struct world *world, struct books *books)
{
    static const char hidden[] =
        "{\"notifyType\":\"swUpgradeResultNotify\",\"appId\":\"random-0\",\"operationId\":\"late\","
        "\"subOperationId\":\"s\",\"deviceId\":\"d\",\"curVersion\":\"1\",\"targetVersion\":\"2\","
        "\"sourceVersion\":\"1\",\"upgradeTime\":\"60\",\"swUpgradeResult\":\"FAIL\","
        "\"resultDesc\":\"\",\"errorCode\":\"4\",\"description\":\"\"}";
    switch (support_random_below(&world->seed, 10)) {
    case 0:
        quarantine(world, books, hidden);
        break;
    case 1:
        quarantine(world, books, "no JSON");
        break;
    case 2:
        retry(books);
        break;
    case 3:
        drop(books);
        break;
    case 4:
        books_reopen(books);
        break;
    case 5:
    case 6:
        plan(world, books);
        break;
    default:
        add_news(world, books);
    }
}

/* Delivers random campaigns to the first COUNT receivers, each notification to one of them. */
static void deliver(struct world *world, size_t count, const char *prefix)
{
    struct campaign campaigns[CAMPAIGNS];
    size_t left = 0;
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        char app_id[48];
        snprintf(app_id, sizeof app_id, "%s-%zu", prefix, i);
        campaign_make_up(&campaigns[i], app_id, &world->seed);
        campaign_shuffle(&campaigns[i], &world->seed);
        left += campaigns[i].length;
    }
    int64_t seq = 0;
    while (left > 0) {
        struct record *records[8];
        size_t length = 0, most = 1 + support_random_below(&world->seed, LENGTH(records));
        struct books *books = world->receivers[support_random_below(&world->seed, count)];
        world->clock_ms += (int64_t)support_random_below(&world->seed, 3) * 501;
        while (length < most && left > 0) {
            struct campaign *campaign = &campaigns[support_random_below(&world->seed, CAMPAIGNS)];
            if (campaign->received == campaign->length)
                continue;
            records[length] = campaign_record(campaign, campaign->received, &world->seed);
            records[length++]->received_ms = world->clock_ms;
            campaign_receive(campaign, world->clock_ms, &seq);
            left--;
        }
        books_keep(books, records, length);
        for (size_t i = 0; i < length; i++)
            campaign_record_free(records[i]);
        if (support_random_below(&world->seed, 4) == 0)
            disturb(world, books);
    }
}

/* --- the tests --- */

static void a_copy_of_one_receivers_log_has_its_documents(void **state)
{
    struct world *world = *state;
    deliver(world, 1, "random");
    ship(world, 0, LOG_MAX / 2);
    follow_all(world, 0, 64);
    assert_equal(world, world->copies[0], world->receivers[0]);
    deliver(world, 1, "more");
    ship(world, 0, LOG_MAX / 4);
    books_reopen(world->copies[0]);
    follow_all(world, 0, 64);
    assert_equal(world, world->copies[0], world->receivers[0]);
}

static void copies_of_one_log_are_equal_however_they_follow(void **state)
{
    struct world *world = *state;
    deliver(world, RECEIVERS, "random");
    while (
        world->shipped[0] < books_number(world->receivers[0], "SELECT number FROM journal_state") ||
        world->shipped[1] < books_number(world->receivers[1], "SELECT number FROM journal_state"))
        ship(world, support_random_below(&world->seed, RECEIVERS),
             1 + support_random_below(&world->seed, 40));
    follow_all(world, 0, 1);
    follow_all(world, 1, 64);
    assert_equal(world, world->copies[0], world->copies[1]);
}

/* Adds all of both receivers to the log, that of FIRST first, and has the copy FIRST follow that
 * alone. Returns the copy. */
static const struct books *ship_and_follow(struct world *world, size_t first)
{
    world->shipped[0] = world->shipped[1] = 0;
    world->followed[first] = world->log_length;
    ship(world, first, 100);
    ship(world, 1 - first, 100);
    follow_all(world, first, 1);
    return world->copies[first];
}

/* The journal of the second receiver comes late as a whole, and ends the same but for the order of
 * what the copy keeps. */
static void an_outages_backlog_undoes_nothing(void **state)
{
    struct world *world = *state;
    static const char *const results[] = {"FAIL", "SUCCESS", "FAIL", "SUCCESS"};
    for (int64_t i = 0; i < 4; i++)
        books_add_result(world->receivers[i % 2],
                         &(struct support_result){.device = i < 2 ? "a" : "b",
                                                  .result = results[i],
                                                  .error_code = "7",
                                                  .received_ms = 1000 * (i + 1)});
    books_add_result(
        world->receivers[0],
        &(struct support_result){.device = "c", .result = "SUCCESS", .received_ms = 9000});
    books_add_result(world->receivers[1],
                     &(struct support_result){
                         .device = "c", .result = "FAIL", .error_code = "7", .received_ms = 8000});
    for (size_t first = 0; first < 2; first++) {
        const struct books *copy = ship_and_follow(world, first);
        books_assert(copy, "SELECT deviceId, state FROM upgrades ORDER BY 1",
                     "a|SUCCESS\nb|SUCCESS\nc|SUCCESS");
        books_assert(copy, "SELECT success, fail, lastAt FROM operations",
                     "3|0|1970-01-01T00:00:09.000Z");
        books_assert(copy, "SELECT last_at FROM totals", "9000");
        books_assert(copy, "SELECT count, last_at FROM failure", "0|8000");
        books_assert(copy, "SELECT success FROM timeline WHERE at = 9000", "1");
        lists_assert_sound(copy->folder);
    }
}

/* What both receivers got, in any order, counts by the time at which it came first. */
static void of_what_both_receivers_got_the_first_time_counts(void **state)
{
    struct world *world = *state;
    static const struct {
        size_t receiver;
        const char *device, *result;
        int64_t received_ms;
    } results[] = {
        {0, "a", "FAIL", 1000},    {0, "a", "SUCCESS", 2000}, {1, "a", "FAIL", 5000},
        {1, "b", "SUCCESS", 1500}, {0, "b", "FAIL", 2500},    {0, "b", "SUCCESS", 5500},
    };
    for (size_t i = 0; i < LENGTH(results); i++)
        books_add_result(
            world->receivers[results[i].receiver],
            &(struct support_result){.device = results[i].device,
                                     .result = results[i].result,
                                     .error_code = results[i].result[0] == 'F' ? "7" : NULL,
                                     .received_ms = results[i].received_ms});
    for (size_t first = 0; first < 2; first++) {
        const struct books *copy = ship_and_follow(world, first);
        books_assert(copy, "SELECT deviceId, state FROM upgrades ORDER BY 1", "a|SUCCESS\nb|FAIL");
        books_assert(copy, "SELECT success, fail, firstAt FROM operations",
                     "1|1|1970-01-01T00:00:01.000Z");
        books_assert(copy, "SELECT count FROM failure", "1");
        lists_assert_sound(copy->folder);
    }
}

static int compare_times(const void *one, const void *other)
{
    int64_t a = ((const struct store_journaled *)one)->received_ms;
    int64_t b = ((const struct store_journaled *)other)->received_ms;
    return (a > b) - (a < b);
}

/* Delivers a random campaign: each note to one of two receivers, and some of them again, later. */
static void deliver_twice(struct world *world, struct campaign *campaign)
{
    int64_t seq = 0;
    while (campaign->received < campaign->length) {
        bool again = campaign->received > 0 && support_random_below(&world->seed, 2) == 0;
        size_t note = again ? support_random_below(&world->seed, campaign->received)
                            : campaign->received;
        struct record *record = campaign_record(campaign, note, &world->seed);
        record->received_ms = ++world->clock_ms;
        books_keep_one(world->receivers[support_random_below(&world->seed, RECEIVERS)], record);
        campaign_record_free(record);
        if (!again)
            campaign_receive(campaign, world->clock_ms, &seq);
    }
}

/* However the log mixes what receivers got, its copy has what one would have that got all at once.
 */
static void a_log_out_of_order_ends_as_one_in_order(void **state)
{
    struct world *world = *state;
    static const char *const queries[] = {
        "SELECT appId, operationId, deviceId, subOperationId, state, step, errorCode, curVersion,"
        " contradictory FROM upgrades ORDER BY 1, 2, 3, 4",
        "SELECT appId, operationId, inProgress, success, fail, contradictory FROM operations"
        " ORDER BY 1, 2",
        "SELECT appId, operationId, errorCode, count FROM failures WHERE count > 0"
        " ORDER BY 1, 2, 3",
    };
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        struct campaign campaign;
        char app_id[48];
        snprintf(app_id, sizeof app_id, "mixed-%zu", i);
        campaign_make_up(&campaign, app_id, &world->seed);
        campaign_shuffle(&campaign, &world->seed);
        deliver_twice(world, &campaign);
        size_t first = support_random_below(&world->seed, RECEIVERS);
        ship(world, first, 1 + support_random_below(&world->seed, 40));
        ship(world, 1 - first, LOG_MAX / 4);
        ship(world, first, LOG_MAX / 4);
    }
    follow_all(world, 0, 64);
    qsort(world->log, world->log_length, sizeof *world->log, compare_times);
    follow_all(world, 1, 64);
    for (size_t i = 0; i < LENGTH(queries); i++) {
        char *is = books_query(world->copies[0], queries[i]);
        char *must_be = books_query(world->copies[1], queries[i]);
        if (strcmp(is, must_be) != 0)
            fail_msg("CAMPAIGN_SEED=%llu shows it again:\n%s\nmust be\n%s",
                     (unsigned long long)world->first_seed, is, must_be);
        free(is);
        free(must_be);
    }
    lists_assert_sound(world->copies[0]->folder);
}

/* A result that was received when the clock was an hour ahead stays until a later time. */
static void a_clock_that_steps_back_is_taken_at_its_word(void **state)
{
    struct world *world = *state;
    books_add_result(world->receivers[0],
                     &(struct support_result){.result = "FAIL", .received_ms = 3600000});
    books_add_result(world->receivers[0],
                     &(struct support_result){.result = "SUCCESS", .received_ms = 1000});
    ship(world, 0, 100);
    follow_all(world, 0, 64);
    follow_all(world, 1, 1);
    books_assert(world->copies[0], "SELECT state FROM upgrades", "FAIL");
    assert_equal(world, world->copies[0], world->copies[1]);
    books_add_result(world->receivers[0], &(struct support_result){.result = "SUCCESS",
                                                                   .current = "2.1",
                                                                   .target = "2.1",
                                                                   .received_ms = 3600001});
    ship(world, 0, 100);
    follow_all(world, 0, 64);
    books_assert(world->copies[0], "SELECT state FROM upgrades", "SUCCESS");
}

static void what_is_shipped_again_changes_nothing(void **state)
{
    struct world *world = *state;
    struct fault fault = FAULT_NONE;
    deliver(world, 1, "random");
    ship(world, 0, LOG_MAX / 2);
    follow_all(world, 0, 64);
    assert_int_equal(store_journal_again(world->receivers[0]->store, &fault), 0);
    size_t begin = world->log_length;
    ship(world, 0, LOG_MAX / 2);
    assert_true(world->log_length - begin > 100);
    assert_true(world->log[begin].again);
    follow_all(world, 0, 64);
    assert_equal(world, world->copies[0], world->receivers[0]);
}

/* The list that began last counts, and no piece of another comes into it. */
static void a_list_comes_in_pieces_and_another_takes_its_place(void **state)
{
    struct world *world = *state;
    const struct books *copy = world->copies[0];
    expect_many(world, world->receivers[0], "operation", 2500);
    expect_many(world, world->receivers[1], "operation", 3);
    ship(world, 0, 2);
    follow_all(world, 0, 64);
    books_assert(copy, "SELECT planned < 0 FROM operation", "1");
    books_assert(copy, "SELECT count(*) FROM expected", "1000");
    ship(world, 1, 100);
    ship(world, 0, 100);
    assert_int_equal(world->log_length, 5 + 3);
    follow_all(world, 0, 1);
    books_assert(copy, "SELECT planned, missing FROM operation", "3|3");
    follow_all(world, 1, 64);
    assert_equal(world, copy, world->copies[1]);
    expect_many(world, world->receivers[0], "operation", 1001);
    ship(world, 0, 100);
    follow_all(world, 0, 64);
    assert_equal(world, copy, world->receivers[0]);
}

/* What the copy has counted in a batch before the list belongs to no list. */
static void a_list_among_reports_counts_each_device_once(void **state)
{
    struct world *world = *state;
    static char lines[] = "a\nb\nc\n";
    books_add_result(world->receivers[0], &(struct support_result){.device = "a"});
    expect(world, world->receivers[0], NULL, "operation", lines);
    books_add_result(world->receivers[0], &(struct support_result){.device = "b"});
    ship(world, 0, 100);
    follow_all(world, 0, 64);
    follow_all(world, 1, 1);
    books_assert(world->copies[0], "SELECT planned, missing FROM operation", "3|1");
    assert_equal(world, world->copies[0], world->receivers[0]);
    assert_equal(world, world->copies[1], world->receivers[0]);
}

static void a_note_that_is_shipped_again_undoes_no_later_one(void **state)
{
    struct world *world = *state;
    struct fault fault = FAULT_NONE;
    note(world, world->receivers[0], "app", "named", "first");
    expect_many(world, world->receivers[0], "named", 2);
    world->clock_ms += 1000;
    note(world, world->receivers[1], "app", "named", "second");
    expect_many(world, world->receivers[1], "named", 5);
    ship(world, 0, 100);
    ship(world, 1, 100);
    size_t begin = world->log_length;
    assert_int_equal(store_journal_again(world->receivers[0]->store, &fault), 0);
    ship(world, 0, 100);
    follow_all(world, 0, 64);
    books_assert(world->copies[0], "SELECT note, planned FROM operation", "second|5");
    /* The other copy is one of books that had lost everything. */
    world->followed[1] = begin;
    follow_all(world, 1, 64);
    books_assert(world->copies[1], "SELECT note, planned FROM operation", "first|2");
    lists_assert_sound(world->copies[1]->folder);
}

static void entries_of_another_version_stop_nothing(void **state)
{
    struct world *world = *state;
    static const struct {
        int kind;
        const char *body;
    } entries[] = {
        {STORE_JOURNAL_NOTIFICATION, "{\"notifyType\":\"ofTheFuture\",\"deviceId\":\"d\"}"},
        {STORE_JOURNAL_NOTIFICATION, "no JSON"},
        {STORE_JOURNAL_LEFT, "never seen"},
        {STORE_JOURNAL_REFUSED, ""},
        {99, "{}"},
        {STORE_JOURNAL_NOTE, "no JSON"},
        {STORE_JOURNAL_NOTE, "{\"appId\":\"a\",\"operationId\":\"o\",\"note\":7}"},
        {STORE_JOURNAL_NOTE, "{\"appId\":\"a\",\"note\":\"n\"}"},
        {STORE_JOURNAL_EXPECTED,
         "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":7,\"step\":\"begin\"}"},
        {STORE_JOURNAL_EXPECTED,
         "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":-7,\"step\":\"saved\"}"},
        {STORE_JOURNAL_EXPECTED,
         "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":-7,\"step\":\"begin\"}"},
        {STORE_JOURNAL_EXPECTED,
         "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":-7,\"step\":\"other\"}"},
        {STORE_JOURNAL_EXPECTED, "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":-7,\"step\":"
                                 "\"devices\",\"devices\":[7,[],[7],[\"d\",7]]}"},
        {STORE_JOURNAL_EXPECTED,
         "{\"appId\":\"a\",\"operationId\":\"o\",\"list\":-7,\"step\":\"saved\"}"},
        {STORE_JOURNAL_NOTIFICATION, "{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}"},
    };
    for (size_t i = 0; i < LENGTH(entries); i++)
        world->log[world->log_length++] = (struct store_journaled){
            .number = (int64_t)i + 1,
            .kind = entries[i].kind,
            .received_ms = 1000,
            .deliveries = 1,
            .body = strdup(entries[i].body),
            .body_length = strlen(entries[i].body),
            .reason = strdup(""),
            .pointer = strdup(""),
        };
    follow_all(world, 0, 64);
    books_assert(world->copies[0], "SELECT notifyType FROM notifications",
                 "ofTheFuture\ndeviceDeleted");
    books_assert(world->copies[0], "SELECT body FROM quarantine", "no JSON");
    books_assert(world->copies[0], "SELECT app_id, note IS NULL, planned, missing FROM operation",
                 "a|1|1|1");
    lists_assert_sound(world->copies[0]->folder);
}

static void a_copy_knows_its_position(void **state)
{
    struct world *world = *state;
    struct store_reader *reader;
    struct store_position position;
    struct fault fault = FAULT_NONE;
    add_news(world, world->receivers[0]);
    ship(world, 0, 1);
    assert_int_equal(store_reader_new(&reader, world->receivers[0]->folder, &fault), 0);
    assert_int_equal(store_read_position(reader, &position, &fault), 0);
    assert_string_equal(position.generation, "");
    store_reader_free(reader);
    follow_all(world, 0, 1);
    assert_int_equal(store_reader_new(&reader, world->copies[0]->folder, &fault), 0);
    assert_int_equal(store_read_position(reader, &position, &fault), 0);
    assert_string_equal(position.generation, "g");
    assert_int_equal(position.number, 1);
    store_reader_free(reader);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int store_follow_tests(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(a_copy_of_one_receivers_log_has_its_documents),
        WORLD(copies_of_one_log_are_equal_however_they_follow),
        WORLD(an_outages_backlog_undoes_nothing),
        WORLD(of_what_both_receivers_got_the_first_time_counts),
        WORLD(a_log_out_of_order_ends_as_one_in_order),
        WORLD(a_clock_that_steps_back_is_taken_at_its_word),
        WORLD(what_is_shipped_again_changes_nothing),
        WORLD(a_list_comes_in_pieces_and_another_takes_its_place),
        WORLD(a_list_among_reports_counts_each_device_once),
        WORLD(a_note_that_is_shipped_again_undoes_no_later_one),
        WORLD(entries_of_another_version_stop_nothing),
        WORLD(a_copy_knows_its_position),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
