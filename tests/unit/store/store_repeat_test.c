/* What the store takes for a repeat, and that a hash never decides it. */
#include "config.h"

#include "books.h"

#include "notification/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY(members)                                                                              \
    "{\"notifyType\":\"swUpgradeResultNotify\",\"deviceId\":\"d\",\"appId\":\"a\","                \
    "\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"1\",\"targetVersion\":\"1\"," \
    "\"sourceVersion\":\"0\",\"swUpgradeResult\":\"SUCCESS\",\"upgradeTime\":60,"                  \
    "\"resultDesc\":\"\",\"errorCode\":\"\"," members "\"description\":\"x\"}"

static const char body[] = BODY("\"more\":{\"b\":[1,2],\"a\":null},");

/* The same members the other way round, with other white space and other spellings. */
static const char body_reordered[] =
    "\r\n{ \"description\" : \"\\u0078\",\t\"more\":{\"a\":null ,\"b\": [1,\n2]},\"errorCode\":\"\""
    ",\"resultDesc\":\"\",\"upgradeTime\":60,\"swUpgradeResult\":\"SUCCESS\",\"sourceVersion\":"
    "\"0\",\"targetVersion\":\"1\",\"curVersion\":\"1\",\"subOperationId\":\"s\",\"operationId\":"
    "\"o\",\"appId\":\"a\",\"device\\u0049d\":\"d\",\"notifyType\":\"swUpgradeResultNotify\"} ";

/* Keeps BODY alone and checks what became of it. */
static void expect(struct books *books, const char *bytes, enum record_outcome outcome, int64_t seq,
                   int64_t deliveries)
{
    struct record *record = support_record(bytes);
    assert_int_not_equal(record->meaning, RECORD_QUARANTINE);
    books_keep_one(books, record);
    assert_int_equal(record->outcome, outcome);
    assert_int_equal(record->seq, seq);
    assert_int_equal(record->deliveries, deliveries);
    support_record_free(record);
}

static void the_same_bytes_again_are_a_repeat(void **state)
{
    struct books *books = *state;
    expect(books, body, RECORD_STORED, 1, 1);
    expect(books, body, RECORD_REPEATED, 1, 2);
    expect(books, body, RECORD_REPEATED, 1, 3);
    books_assert(books, "SELECT seq, deliveries FROM notifications", "1|3");
    books_assert(books, "SELECT success, fail FROM operations", "1|0");
    books_assert_recount(books);
}

static void a_body_with_members_in_another_order_is_a_repeat(void **state)
{
    struct books *books = *state;
    expect(books, body, RECORD_STORED, 1, 1);
    expect(books, body_reordered, RECORD_REPEATED, 1, 2);
    char *kept = books_query(books, "SELECT body FROM notifications");
    assert_string_equal(kept, body); /* as it came first */
    free(kept);
}

/* Its names have escapes, so it is kept in another spelling, and found all the same. */
static void a_body_kept_in_another_spelling_is_known_again(void **state)
{
    struct books *books = *state;
    expect(books, body_reordered, RECORD_STORED, 1, 1);
    expect(books, body, RECORD_REPEATED, 1, 2);
    expect(books, body_reordered, RECORD_REPEATED, 1, 3);
    books_assert(books, "SELECT deviceId, subOperationId, deliveries FROM notifications", "d|s|3");
    books_assert_recount(books);
}

static void other_content_under_the_same_ids_is_news(void **state)
{
    struct books *books = *state;
    const char *const others[] = {BODY("\"more\":{\"b\":[2,1],\"a\":null},"),
                                  BODY("\"more\":{\"b\":[1,2]},"),
                                  BODY("\"more\":{\"b\":[1,2.00000000000000000001],\"a\":null},"),
                                  BODY("\"more\":{\"b\":[1,2],\"a\":false},"), BODY("")};
    expect(books, body, RECORD_STORED, 1, 1);
    for (size_t i = 0; i < LENGTH(others); i++)
        expect(books, others[i], RECORD_STORED, (int64_t)i + 2, 1);
    for (size_t i = 0; i < LENGTH(others); i++)
        expect(books, others[i], RECORD_REPEATED, (int64_t)i + 2, 2);
    books_assert_recount(books);
}

static void repeats_within_a_batch_are_counted(void **state)
{
    struct books *books = *state;
    struct record *records[] = {support_record(body), support_record(BODY("")),
                                support_record(body_reordered), support_record(body)};
    books_keep(books, records, LENGTH(records));
    const int64_t seqs[] = {1, 2, 1, 1}, deliveries[] = {1, 1, 2, 3};
    for (size_t i = 0; i < LENGTH(records); i++) {
        assert_int_equal(records[i]->outcome, i < 2 ? RECORD_STORED : RECORD_REPEATED);
        assert_int_equal(records[i]->seq, seqs[i]);
        assert_int_equal(records[i]->deliveries, deliveries[i]);
    }
    books_assert_recount(books);
    support_records_free(records, LENGTH(records));
}

static void a_repeat_is_known_after_the_store_was_opened_again(void **state)
{
    struct books *books = *state;
    expect(books, body, RECORD_STORED, 1, 1);
    books_reopen(books);
    expect(books, body_reordered, RECORD_REPEATED, 1, 2);
    expect(books, BODY(""), RECORD_STORED, 2, 1);
}

static void news_without_an_upgrade_is_kept_once_as_well(void **state)
{
    struct books *books = *state;
    const char *const bodies[] = {"{\"notifyType\":\"bindDevice\",\"deviceId\":\"d\"}",
                                  "{\"deviceId\":\"d\",\"notifyType\":\"bindDevice\"}",
                                  "{\"deviceId\":\"e\",\"notifyType\":\"bindDevice\"}",
                                  "{\"notifyType\":\"bindDevice\"}"};
    const int64_t seqs[] = {1, 1, 2, 3};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        struct record *record = support_meant(bodies[i], RECORD_NEWS);
        books_keep_one(books, record);
        assert_int_equal(record->seq, seqs[i]);
        assert_int_equal(record->outcome, i == 1 ? RECORD_REPEATED : RECORD_STORED);
        support_record_free(record);
    }
    books_assert(books, "SELECT (SELECT count(*) FROM upgrades), (SELECT count(*) FROM operations)",
                 "0|0");
    books_assert(books, "SELECT notifyType, deviceId, operationId FROM notifications WHERE seq = 3",
                 "bindDevice|NULL|NULL");
    books_assert_recount(books);
}

/* --- different things with one hash --- */

static void read_hash_key(const struct books *books, unsigned char key[CONTENT_KEY_SIZE])
{
    char *hex = books_query(books, "SELECT hex(hash_key) FROM secret");
    for (size_t i = 0; i < CONTENT_KEY_SIZE; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        key[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    free(hex);
}

/* The lower half of the hash of something that INDEX is spelled into. */
typedef uint32_t hash_of_index(uint32_t index, const unsigned char key[CONTENT_KEY_SIZE]);

static const char *id_of(uint32_t index)
{
    static char ids[4][16];
    static size_t next;
    char *id = ids[next++ % LENGTH(ids)];
    snprintf(id, sizeof ids[0], "id-%x", (unsigned)index);
    return id;
}

static uint32_t hash_of_id(uint32_t index, const unsigned char key[CONTENT_KEY_SIZE])
{
    return (uint32_t)content_hash_string(id_of(index), key);
}

static struct support_result described(uint32_t index)
{
    return (struct support_result){.description = id_of(index)};
}

static uint32_t hash_of_described(uint32_t index, const unsigned char key[CONTENT_KEY_SIZE])
{
    static json_t *json; /* parsed once, not once for each of a hundred thousand */
    if (json == NULL) {
        struct support_result what = described(0);
        struct record *record = support_result(&what);
        json = json_deep_copy(record->json);
        support_record_free(record);
    }
    if (key == NULL) {
        json_decref(json);
        json = NULL;
        return 0;
    }
    json_object_set_new(json, "description", json_string(id_of(index)));
    char *text = json_dumps(json, JSON_COMPACT);
    uint32_t hash = (uint32_t)content_hash(text, strlen(text), key);
    free(text);
    return hash;
}

struct hashed {
    uint32_t hash, index;
};

/* Finds two indexes with the same hash: of 32 bits, among some 80,000. */
static void find_collision(hash_of_index *hash, const unsigned char key[CONTENT_KEY_SIZE],
                           uint32_t *first, uint32_t *second)
{
    const uint32_t slots = 1U << 20; /* of a table of what was seen: far more than are needed */
    struct hashed *seen = calloc(slots, sizeof *seen);
    assert_non_null(seen);
    for (uint32_t index = 1;; index++) {
        assert_true(index < slots);
        uint32_t is = hash(index, key), slot = is % slots;
        while (seen[slot].index != 0 && seen[slot].hash != is)
            slot = (slot + 1) % slots;
        if (seen[slot].index != 0) {
            *first = seen[slot].index;
            *second = index;
            break;
        }
        seen[slot] = (struct hashed){.hash = is, .index = index};
    }
    free(seen);
}

static void contents_with_one_hash_are_two_notifications(void **state)
{
    struct books *books = *state;
    unsigned char key[CONTENT_KEY_SIZE];
    uint32_t first, second;
    read_hash_key(books, key);
    find_collision(hash_of_described, key, &first, &second);
    hash_of_described(0, NULL);
    struct support_result one = described(first), other = described(second);
    struct record *records[] = {support_result(&one), support_result(&other), support_result(&one),
                                support_result(&other)};
    books_keep(books, records, LENGTH(records));
    const int64_t seqs[] = {1, 2, 1, 2};
    for (size_t i = 0; i < LENGTH(records); i++)
        assert_int_equal(records[i]->seq, seqs[i]);
    books_assert(books,
                 "SELECT count(DISTINCT content), count(*), sum(deliveries) FROM"
                 " notification",
                 "1|2|4");
    support_records_free(records, LENGTH(records));
}

static void devices_and_sub_operations_with_one_hash_are_different_upgrades(void **state)
{
    struct books *books = *state;
    unsigned char key[CONTENT_KEY_SIZE];
    uint32_t first, second;
    read_hash_key(books, key);
    find_collision(hash_of_id, key, &first, &second);
    for (unsigned i = 0; i < 8; i++)
        books_add_result(books, &(struct support_result){
                                    .device = id_of(i & 1 ? first : second),
                                    .sub_operation = id_of(i & 2 ? first : second),
                                    .result = i & 4 ? "SUCCESS" : "FAIL",
                                    .error_code = "7",
                                    .current = i & 4 ? "2.0" : "1.0",
                                });
    books_assert(books,
                 "SELECT count(*), count(DISTINCT device), count(DISTINCT sub_operation)"
                 " FROM upgrade",
                 "4|1|1");
    books_assert(books,
                 "SELECT count(*), count(DISTINCT deviceId || ' ' || subOperationId),"
                 " group_concat(DISTINCT state) FROM upgrades",
                 "4|4|SUCCESS");
    books_assert(books, "SELECT success, fail FROM operations", "4|0");
    books_assert_recount(books);
}

static void the_parts_of_a_key_are_told_apart(void **state)
{
    struct books *books = *state;
    const struct support_result keys[] = {
        {.app = "a", .operation = "bc", .sub_operation = "d", .device = "e"},
        {.app = "ab", .operation = "c", .sub_operation = "d", .device = "e"},
        {.app = "a", .operation = "b", .sub_operation = "cd", .device = "e"},
        {.app = "a", .operation = "bc", .sub_operation = "e", .device = "d"},
        {.app = "bc", .operation = "a", .sub_operation = "d", .device = "e"},
        {.app = "A", .operation = "bc", .sub_operation = "d", .device = "e"},
        {.app = "a", .operation = "bc", .sub_operation = "d ", .device = "e"},
        {.app = "a", .operation = "bc", .sub_operation = "d", .device = "\303\251"},
        {.app = "a", .operation = "bc", .sub_operation = "d", .device = "e\314\201"},
    };
    for (size_t i = 0; i < LENGTH(keys); i++)
        books_add_result(books, &keys[i]);
    char expected[32];
    snprintf(expected, sizeof expected, "%zu|%zu|1", LENGTH(keys), LENGTH(keys));
    books_assert(books,
                 "SELECT (SELECT count(*) FROM notifications),"
                 " (SELECT count(*) FROM upgrades),"
                 " (SELECT max(deliveries) FROM notifications)",
                 expected);
    books_assert(books, "SELECT count(*) FROM operations", "5");
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int store_repeat_tests(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(the_same_bytes_again_are_a_repeat),
        OPEN(a_body_with_members_in_another_order_is_a_repeat),
        OPEN(a_body_kept_in_another_spelling_is_known_again),
        OPEN(other_content_under_the_same_ids_is_news),
        OPEN(repeats_within_a_batch_are_counted),
        OPEN(a_repeat_is_known_after_the_store_was_opened_again),
        OPEN(news_without_an_upgrade_is_kept_once_as_well),
        OPEN(contents_with_one_hash_are_two_notifications),
        OPEN(devices_and_sub_operations_with_one_hash_are_different_upgrades),
        OPEN(the_parts_of_a_key_are_told_apart),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
