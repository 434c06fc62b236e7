/* A check finds nothing in a sound store, and each kind of damage in one that is not. */
#include "config.h"

#include "lists.h"
#include "store/maintenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flaws {
    struct buffer text;
    int64_t count;
};

static void note_flaw(void *owner, const char *flaw)
{
    struct flaws *flaws = owner;
    buffer_addf(&flaws->text, "%s\n", flaw);
    flaws->count++;
}

/* Checks the books; gives the flaws. */
static char *check(const struct books *books, int64_t *count)
{
    struct store_reader *reader = lists_reader(books);
    struct flaws flaws = {.count = 0};
    struct fault fault = FAULT_NONE;
    lists_must(store_check(reader, NULL, note_flaw, &flaws, count, &fault), &fault);
    assert_int_equal(*count, flaws.count);
    buffer_add(&flaws.text, "", 1);
    store_reader_free(reader);
    return flaws.text.bytes;
}

static void assert_sound(const struct books *books)
{
    int64_t count;
    char *flaws = check(books, &count);
    if (count != 0)
        fail_msg("%s", flaws);
    free(flaws);
}

/* --- sound stores --- */

static int64_t quarantine(struct books *books, const char *body, int64_t received_ms)
{
    struct record *record = support_bytes(body, strlen(body));
    record->meaning = RECORD_QUARANTINE;
    record->received_ms = received_ms;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "not known yet");
    books_keep_one(books, record);
    int64_t id = record->id;
    support_record_free(record);
    return id;
}

static void requeue(struct books *books, const struct support_result *what, int64_t id)
{
    struct record *record = support_result(what);
    record->requeue_id = id;
    books_keep_one(books, record);
    assert_int_equal(record->outcome, RECORD_STORED);
    support_record_free(record);
}

static void an_empty_store_is_sound(void **state)
{
    assert_sound(*state);
}

static void news(struct books *books, int64_t received_ms)
{
    struct record *record = support_record("{\"notifyType\":\"deviceDeleted\",\"deviceId\":\"d\"}");
    record->received_ms = received_ms;
    books_keep_one(books, record);
    books_keep_one(books, record);
    support_record_free(record);
}

static void whatever_happens_to_a_store_it_stays_sound(void **state)
{
    struct books *books = *state;
    struct store_pruned pruned;
    struct fault fault = FAULT_NONE;
    uint64_t seed = 31;
    for (size_t round = 0; round < 4; round++) {
        news(books, 1764000000000 + (int64_t)round * 1000);
        lists_fill(books, 150, &seed);
        int64_t early = quarantine(books, "early", 1763000000000);
        int64_t late = quarantine(books, "late", 1764000050000);
        assert_sound(books);
        struct support_result what = {
            .app = "a",
            .operation = "o1",
            .sub_operation = "s0",
            .device = "d1",
            .result = "FAIL",
            .error_code = round % 2 == 0 ? "77" : "4",
            .description = (const char *[]){"1", "2", "3", "4", "5", "6"}[round],
            .current = "1",
            .received_ms = 1763000000000};
        requeue(books, &what, early);
        assert_sound(books);
        what.operation = round % 2 == 0 ? "o2" : "new";
        what.received_ms = 1764000050000;
        requeue(books, &what, late);
        assert_sound(books);
        if (round % 2 == 1) {
            lists_must(store_prune(books->store, round == 1 ? INT64_MAX : 1764000050001, NULL,
                                   &pruned, &fault),
                       &fault);
            assert_sound(books);
        }
    }
    lists_must(store_prune(books->store, INT64_MAX, NULL, &pruned, &fault), &fault);
    assert_true(pruned.operations > 0);
    books_assert(books, "SELECT count(*) FROM notification", "0");
    assert_sound(books);
    lists_fill(books, 100, &seed); /* of pruned operations */
    assert_sound(books);
}

/* --- damage --- */

/* A copy of the file, taken while nobody has it open. */
struct copy {
    char *bytes;
    size_t length;
};

static struct copy take_copy(struct books *books)
{
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    struct copy copy = {.length = 0};
    store_free(books->store);
    books->store = NULL;
    lists_must(store_checkpoint(reader, true, NULL, &fault), &fault);
    store_reader_free(reader);
    FILE *file = fopen(support_path(books->folder, "upgrades.db"), "r");
    assert_non_null(file);
    copy.bytes = malloc(4 << 20);
    assert_non_null(copy.bytes);
    copy.length = fread(copy.bytes, 1, 4 << 20, file);
    assert_true(copy.length > 0 && copy.length < 4 << 20);
    fclose(file);
    return copy;
}

static void put_back(const struct books *books, const struct copy *copy)
{
    unlink(support_path(books->folder, "upgrades.db-wal"));
    unlink(support_path(books->folder, "upgrades.db-shm"));
    unlink(support_path(books->folder, "upgrades.db"));
    FILE *file = fopen(support_path(books->folder, "upgrades.db"), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(copy->bytes, 1, copy->length, file), copy->length);
    assert_int_equal(fclose(file), 0);
}

#define ONE_FAIL "(SELECT id FROM upgrade WHERE state = 2 ORDER BY id LIMIT 1)"
#define ONE_SUCCESS "(SELECT id FROM upgrade WHERE state = 1 ORDER BY id LIMIT 1)"

#define ONE_STEP "(SELECT max(step_seq) FROM upgrade WHERE step_seq <> seq)"

static const struct {
    const char *sql, *flaw;
} damages[] = {
    /* the file */
    {"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql ="
     " 'CREATE INDEX operation_latest ON operation (first_at)' WHERE name = 'operation_latest'",
     "operation_latest"},
    /* totals */
    {"UPDATE totals SET seq = seq + 1", "totals: seq is 81, counted 80"},
    {"UPDATE totals SET notifications = notifications - 1, seq = seq - 1", "totals: notifications"},
    {"UPDATE totals SET repeats = 9", "totals: repeats is 9, counted"},
    {"UPDATE totals SET in_progress = -1", "totals: in_progress is -1"},
    {"UPDATE totals SET success = success + 1", "totals: success is"},
    {"UPDATE totals SET fail = fail + 1", "totals: fail is"},
    {"UPDATE totals SET contradictory = contradictory + 1", "totals: contradictory is"},
    {"UPDATE totals SET quarantine_held = 2", "totals: quarantine_held is 2, counted 1"},
    {"UPDATE totals SET quarantine_bytes = 2", "totals: quarantine_bytes is 2, counted 4"},
    {"UPDATE totals SET quarantine_id = 0", "totals: quarantine_id is 0, counted 1"},
    {"UPDATE totals SET pruned_notifications = 1", "totals: notifications"},
    {"UPDATE totals SET pruned_repeats = 1", "totals: repeats"},
    {"UPDATE notification SET deliveries = 7 WHERE seq = 3", "totals: repeats"},
    {"DELETE FROM quarantined", "totals: quarantine_held is 1, counted 0"},
    {"UPDATE quarantined SET body = 'longer than before'", "totals: quarantine_bytes"},
    {"DELETE FROM notification WHERE seq = 5", "totals: notifications is 80, counted 79"},
    {"DELETE FROM operation WHERE id = 1", "totals: "},
    /* type counts */
    {"UPDATE type_count SET count = count + CASE result WHEN 'FAIL' THEN 1 WHEN 'SUCCESS' THEN -1 "
     "ELSE 0"
     " END WHERE notify_type = 'swUpgradeResultNotify'",
     "totals: swUpgradeResultNotify FAIL is counted"},
    {"DELETE FROM type_count", "totals: notifications is 80, counted 0"},
    {"UPDATE type_count SET notify_type = 'x' WHERE notify_type = 'deviceDeleted'",
     "totals: x  is counted"},
    /* operations */
    {"UPDATE operation SET in_progress = in_progress + 1 WHERE id = 1", "operation o2 of a: "},
    {"UPDATE operation SET success = success + 1, fail = fail - 1 WHERE id = 1", "; counted "},
    {"UPDATE operation SET contradictory = 99 WHERE id = 1", "99 contradictory; counted"},
    {"UPDATE operation SET last_at = 5 WHERE id = 1", "were not received when it says"},
    {"UPDATE operation SET first_at = 5 WHERE id = 1", "were not received when it says"},
    {"UPDATE operation SET last_seq = 1 WHERE id = 2", "were not received when it says"},
    {"UPDATE operation SET operation_id = 'renamed' WHERE id = 1", NULL}, /* no counter */
    /* failures */
    {"UPDATE failure SET count = count + 1 WHERE (operation, error_code) ="
     " (SELECT operation, error_code FROM upgrade WHERE id = " ONE_FAIL ")",
     "times, and the store has it "},
    {"DELETE FROM failure", "' is counted 0 times, and the store has it "},
    {"INSERT INTO failure VALUES (1, 'never', 3, 1, 1, '')",
     "errorCode 'never' is counted 3 times, and the store has it 0 times"},
    {"UPDATE upgrade SET error_code = 'other' WHERE id = " ONE_FAIL,
     "errorCode 'other' is counted 0 times, and the store has it 1 times"},
    /* versions */
    {"UPDATE transition SET success = success + 2", ": 2 SUCCESS and 0 FAIL more than counted"},
    {"UPDATE transition SET source = 'x' WHERE operation = 1 AND target = '2.0'",
     "from x to 2.0: "},
    {"DELETE FROM transition WHERE operation = 1", "more than counted"},
    /* timeline */
    {"UPDATE timeline SET fail = fail + 1 WHERE operation = 1", "its timeline does not add up"},
    {"DELETE FROM timeline", "its timeline does not add up"},
    /* upgrades */
    {"UPDATE upgrade SET seq = 4242 WHERE id = 2",
     "an upgrade, 2, whose notification 4242 is gone"},
    {"UPDATE upgrade SET device = device + 1 WHERE id = 2", "an upgrade, 2, whose notification"},
    {"UPDATE upgrade SET operation = 77 WHERE id = 2", "upgrade 2 is of no operation"},
    {"UPDATE upgrade SET step_seq = 4242 WHERE id = 2",
     "an upgrade, 2, whose last step, notification 4242, is gone"},
    {"UPDATE upgrade SET state = 1 WHERE id = " ONE_FAIL, "its state is not what notification"},
    {"UPDATE upgrade SET state = 0 WHERE id = " ONE_SUCCESS, "its state is not what notification"},
    {"UPDATE upgrade SET contradictory = 1 - contradictory WHERE id = " ONE_FAIL,
     "its state is not what notification"},
    {"UPDATE notification SET body = replace(body, 'SUCCESS', 'FAIL')",
     "its state is not what notification"},
    {"DELETE FROM upgrade WHERE id = 3", "has no upgrade"},
    {"INSERT INTO upgrade SELECT 999, operation, device, sub_operation, device_id,"
     " sub_operation_id, state, contradictory, seq,"
     " step_seq, error_code, began_at FROM upgrade WHERE id = 1",
     "; counted "},
    /* lookup */
    {"DELETE FROM lookup WHERE seq = 7", "totals: notifications is 80, counted 79"},
    {"INSERT INTO lookup VALUES (1, 2, 3, 4, 5, 4242)", "an entry of notification 4242, which is"},
    {"UPDATE lookup SET content = content + 1 WHERE seq = 7", "an entry of notification 7, which"},
    {"UPDATE lookup SET device = device + 1 WHERE seq = 7", "an entry of notification 7, which"},
    {"UPDATE lookup SET operation = 3 - operation WHERE seq = 7",
     "an entry of notification 7, which"},
    {"UPDATE lookup SET seq = seq + 1 WHERE seq = 7", "an entry of notification 8, which"},
    {"UPDATE lookup SET sub_operation = 1 WHERE operation = 0", "an entry of notification 80"},
    {"UPDATE lookup SET upgrade = 1 WHERE operation = 0", "an entry of notification 80"},
    {"UPDATE lookup SET sub_operation = sub_operation + 1 WHERE seq = 7",
     "lookup: notification 7 is not of upgrade"},
    {"UPDATE lookup SET upgrade = 4242 WHERE seq = 7", "notification 7 has no upgrade"},
    {"UPDATE lookup SET upgrade = (SELECT id FROM upgrade u WHERE u.operation = lookup.operation"
     " AND u.device <> lookup.device) WHERE seq = 7",
     "lookup: notification 7 is not of upgrade"},
    {"UPDATE notification SET device = device + 1 WHERE seq = " ONE_STEP ";"
     "UPDATE lookup SET device = device + 1 WHERE seq = " ONE_STEP,
     " is not of upgrade "},
    {"UPDATE notification SET operation = 3 - operation WHERE seq = " ONE_STEP ";"
     "UPDATE lookup SET operation = 3 - operation WHERE seq = " ONE_STEP,
     " is not of upgrade "},
    /* of the same hashes, by another text */
    {"UPDATE notification SET body = replace(body, '\"subOperationId\":\"', "
     "'\"subOperationId\":\"x')"
     " WHERE seq = " ONE_STEP,
     " is not of upgrade "},
    {"UPDATE notification SET body = replace(body, '\"deviceId\":\"', '\"deviceId\":\"x')"
     " WHERE seq = " ONE_STEP,
     " is not of upgrade "},
    {"INSERT INTO lookup SELECT operation, device, sub_operation, 4242, content, seq FROM lookup"
     " WHERE seq = 7; DELETE FROM lookup WHERE seq = 8",
     "lookup: notification 7 is of two upgrades"},
    {"UPDATE lookup SET upgrade = 4242 WHERE seq = (SELECT seq FROM upgrade WHERE id = 2);"
     "UPDATE operation SET pruned = 1",
     "lookup: upgrade 2 is not where its notification is"},
    /* the rest */
    {"UPDATE time_index SET first_at = first_at + 1", "was not received when the time index says"},
    {"UPDATE time_index SET last_at = last_at - 1", "was not received when the time index says"},
    {"DELETE FROM time_index", "notification 1 was not received when the time index says"},
    {"INSERT INTO cursor SELECT 'failures', id, 81 FROM life",
     "application failures was told 81 of 80 notifications"},
    {"INSERT INTO cursor VALUES ('failures', '0123456789abcdef', 80)",
     "application failures was told a notification 80 of another life"},
    {"UPDATE life SET first_seq = 81", "life: none for notification 1"},
    {"INSERT INTO life VALUES (81, '0123456789abcdef')",
     "life: 0123456789abcdef has no notification"},
    {"INSERT INTO life SELECT 80, id FROM life", "life: more than one has the same id"},
};

static void each_damage_is_found_and_named(void **state)
{
    struct books *books = *state;
    uint64_t seed = 32;
    lists_fill(books, 79, &seed);
    books_meddle(books, "DELETE FROM cursor");
    news(books, 1764000000000);
    quarantine(books, "held", 1764000000000);
    for (int more = 0; books_number(books, "SELECT seq FROM totals") < 80; more++) {
        char device[32]; /* some were repeats */
        snprintf(device, sizeof device, "more%d", more);
        books_add_progress(books, &(struct support_result){.device = device}, "x");
    }
    assert_sound(books);
    struct copy copy = take_copy(books);
    for (size_t i = 0; i < LENGTH(damages); i++) {
        int64_t count;
        put_back(books, &copy);
        books_meddle(books, damages[i].sql);
        char *flaws = check(books, &count);
        if ((damages[i].flaw == NULL) != (count == 0) ||
            (damages[i].flaw != NULL && strstr(flaws, damages[i].flaw) == NULL))
            fail_msg("%s: %lld flaws:\n%s", damages[i].sql, (long long)count, flaws);
        free(flaws);
    }
    put_back(books, &copy);
    assert_sound(books);
    free(copy.bytes);
}

/* Bytes of the file that are wrong are a flaw, or end the check with a fault. */
static void a_page_of_rubbish_is_found(void **state)
{
    struct books *books = *state;
    uint64_t seed = 33;
    lists_fill(books, 200, &seed);
    struct copy copy = take_copy(books);
    for (size_t page = 2; page < copy.length / 4096; page += 7) {
        char *bytes = malloc(copy.length);
        assert_non_null(bytes);
        memcpy(bytes, copy.bytes, copy.length);
        memset(bytes + page * 4096, 0xA5, 4096);
        put_back(books, &(struct copy){.bytes = bytes, .length = copy.length});
        free(bytes);
        struct store_reader *reader = lists_reader(books);
        struct flaws flaws = {.count = 0};
        struct fault fault = FAULT_NONE;
        int64_t count = 0;
        int result = store_check(reader, NULL, note_flaw, &flaws, &count, &fault);
        assert_true(result == -1 || count > 0);
        assert_int_equal(result == -1, fault.set);
        buffer_release(&flaws.text);
        store_reader_free(reader);
    }
    free(copy.bytes);
}

/* --- beside a receiver --- */

struct beside {
    struct books *books;
    int64_t reports, of;
    bool writes; /* between the recounts something is kept */
};

static void report(void *owner, int64_t done, int64_t of)
{
    struct beside *beside = owner;
    assert_int_equal(done, beside->reports++);
    assert_true(done <= of);
    beside->of = of;
    char device[32];
    snprintf(device, sizeof device, "beside%lld", (long long)done);
    if (beside->writes)
        books_add_result(beside->books, &(struct support_result){.device = device});
}

static void a_check_tells_how_far_it_is_and_holds_nothing_between(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books), *other = lists_reader(books);
    struct beside beside = {.books = books, .writes = true};
    const struct store_progress progress = {.owner = &beside, .report = report};
    struct flaws flaws = {.count = 0};
    struct fault fault = FAULT_NONE;
    int64_t count;
    uint64_t seed = 34;
    lists_fill(books, 100, &seed);
    lists_must(store_check(reader, &progress, note_flaw, &flaws, &count, &fault), &fault);
    assert_int_equal(count, 0);
    assert_int_equal(beside.reports, beside.of + 1);
    assert_true(beside.of > 8);
    /* The log can be emptied: no reader stands in it. */
    lists_must(store_checkpoint(other, true, NULL, &fault), &fault);
    char *wal = support_read_file(support_path(books->folder, "upgrades.db-wal"));
    assert_int_equal(wal[0], '\0');
    free(wal);
    store_reader_free(reader);
    store_reader_free(other);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_check_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_store_is_sound),
        TEST(whatever_happens_to_a_store_it_stays_sound),
        TEST(each_damage_is_found_and_named),
        TEST(a_page_of_rubbish_is_found),
        TEST(a_check_tells_how_far_it_is_and_holds_nothing_between),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
