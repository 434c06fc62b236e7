/* body: any bytes as the body of a notification: parsed, checked, dispatched, logged, answered.
 *
 * Promised: the same bytes get the same verdict, and so does the same content in another spelling;
 * equal content has an equal hash; SQLite finds the members by which the views name a notification;
 * log line and answer are JSON that says what came; quarantine keeps the bytes. */
#include "config.h"

#include "fuzz.h"

#include "base/utf8.h"
#include "notification/content.h"
#include "notification/dispatch.h"
#include "notification/notification.h"
#include "receiver/answer.h"
#include "support.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned char key[CONTENT_KEY_SIZE] = "sixteen bytes: k";

/* What the views ask for in a body. */
static const char *const members[] = {"notifyType", "appId", "deviceId", "operationId",
                                      "subOperationId"};
static sqlite3_stmt *extract;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    sqlite3 *db;
    fuzz_demand(sqlite3_open(":memory:", &db) == SQLITE_OK &&
                    sqlite3_prepare_v2(db,
                                       "SELECT json_valid(?1), json_extract(?1, '$.notifyType'),"
                                       " json_extract(?1, '$.appId'),"
                                       " json_extract(?1, '$.deviceId'),"
                                       " json_extract(?1, '$.operationId'),"
                                       " json_extract(?1, '$.subOperationId')",
                                       -1, &extract, NULL) == SQLITE_OK,
                "SQLite knows JSON");
    return 0;
}

/* A record of its own bytes, dispatched. */
static enum dispatch_result read_body(struct record *record, const char *bytes, size_t length)
{
    *record = (struct record){.body = fuzz_copy(bytes, length), .body_length = length};
    enum dispatch_result result = dispatch_read(record);
    fuzz_demand(result != DISPATCH_NO_MEMORY, "there is memory");
    fuzz_demand((result == DISPATCH_QUARANTINE) == (record->meaning == RECORD_QUARANTINE) &&
                    (result == DISPATCH_QUARANTINE) == (record->json == NULL),
                "a record for quarantine says so");
    fuzz_demand(length == 0 || memcmp(record->body, bytes, length) == 0, "a body stays as it came");
    return result;
}

static void release(struct record *record)
{
    record_release(record);
    free((char *)record->body);
}

static void demand_same(const struct record *one, const struct record *other)
{
    fuzz_demand(one->meaning == other->meaning, "one meaning, not %d and %d", one->meaning,
                other->meaning);
    if (one->meaning == RECORD_QUARANTINE) {
        fuzz_demand(strcmp(one->verdict.reason, other->verdict.reason) == 0 &&
                        strcmp(one->verdict.pointer, other->verdict.pointer) == 0,
                    "one verdict, not '%s' at '%s' and '%s' at '%s'", one->verdict.reason,
                    one->verdict.pointer, other->verdict.reason, other->verdict.pointer);
        return;
    }
    fuzz_demand(strcmp(one->notify_type, other->notify_type) == 0 &&
                    strcmp(one->app_id, other->app_id) == 0 &&
                    strcmp(one->device_id, other->device_id) == 0 &&
                    strcmp(one->operation_id, other->operation_id) == 0 &&
                    strcmp(one->sub_operation_id, other->sub_operation_id) == 0,
                "the same ids");
    if (one->meaning == RECORD_RESULT)
        fuzz_demand(one->state == other->state && one->contradictory == other->contradictory &&
                        strcmp(one->error_code, other->error_code) == 0,
                    "the same result");
}

/* --- the log line and the answer --- */

/* Demands a CGI response with STATUS, and gives the JSON in it. */
static json_t *read_answer(const struct buffer *answer, int status)
{
    char expected[32];
    snprintf(expected, sizeof expected, "Status: %d ", status);
    fuzz_demand(!answer->failed && answer->length > strlen(expected) &&
                    memcmp(answer->bytes, expected, strlen(expected)) == 0,
                "an answer begins with %s", expected);
    const char *end = memmem(answer->bytes, answer->length, "\r\n\r\n", 4);
    const char *announced = memmem(answer->bytes, answer->length, "Content-Length: ", 16);
    fuzz_demand(end != NULL && announced != NULL && announced < end, "an answer has a head");
    struct buffer body = {.bytes = (char *)(uintptr_t)end + 4};
    body.length = answer->length - (size_t)(body.bytes - answer->bytes);
    fuzz_demand(strtoull(announced + 16, NULL, 10) == body.length, "it is as long as announced");
    return fuzz_read_line(&body);
}

static void check_answer(const struct record *record)
{
    const bool quarantined = record->meaning == RECORD_QUARANTINE;
    for (int refuse = 0; refuse <= 1; refuse++) {
        struct buffer answer = {0};
        int status = answer_add_kept(&answer, record, refuse != 0);
        json_t *json = read_answer(&answer, status);
        fuzz_demand(
            status ==
                (quarantined && refuse ? record->verdict.pointer[0] == '\0' ? 400 : 422 : 200),
            "status %d", status);
        if (quarantined) {
            fuzz_demand_string(json, refuse ? "detail" : "reason", record->verdict.reason);
            if (record->verdict.pointer[0] != '\0')
                fuzz_demand_string(json, "pointer", record->verdict.pointer);
        } else {
            fuzz_demand(json_integer_value(json_object_get(json, "seq")) == record->seq,
                        "an answer tells the seq");
        }
        json_decref(json);
        buffer_release(&answer);
    }
}

/* The whole body in a log line, where quarantine is full. */
static void check_logged_bytes(const json_t *line, const struct record *record)
{
    const json_t *plain = json_object_get(line, "body");
    const json_t *coded = json_object_get(line, "bodyBase64");
    fuzz_demand(json_is_string(plain) != json_is_string(coded), "a body, in one form");
    size_t length = json_string_length(plain);
    char *bytes = NULL;
    if (plain == NULL) {
        size_t most = json_string_length(coded);
        bytes = malloc(most + 1);
        fuzz_demand(bytes != NULL &&
                        sodium_base642bin((unsigned char *)bytes, most, json_string_value(coded),
                                          json_string_length(coded), NULL, &length, NULL,
                                          sodium_base64_VARIANT_ORIGINAL) == 0,
                    "base64");
    }
    fuzz_demand(length == record->body_length &&
                    (length == 0 || memcmp(plain != NULL ? json_string_value(plain) : bytes,
                                           record->body, length) == 0),
                "the log has the body byte for byte");
    free(bytes);
}

static void check_line(const struct record *record)
{
    struct buffer text = {0};
    notification_add_log_line(record, &text);
    json_t *line = fuzz_read_line(&text);
    if (record->meaning == RECORD_QUARANTINE) {
        fuzz_demand_string(line, "event", "quarantined");
        fuzz_demand_string(line, "reason", record->verdict.reason);
        if (record->outcome == RECORD_LOG_ONLY)
            check_logged_bytes(line, record);
        else
            fuzz_demand(json_integer_value(json_object_get(line, "id")) == record->id, "an id");
    } else {
        const json_t *body = json_object_get(line, "body");
        fuzz_demand_string(line, "event", "notification");
        fuzz_demand(body != NULL && json_equal(body, record->json),
                    "a log line says what came: %.*s", (int)text.length, text.bytes);
        fuzz_demand(json_integer_value(json_object_get(line, "seq")) == record->seq, "a seq");
        fuzz_demand(json_is_true(json_object_get(line, "repeat")) ==
                        (record->outcome == RECORD_REPEATED),
                    "a repeat says so");
    }
    json_decref(line);
    buffer_release(&text);
}

static void check_outcome(struct record *record, enum record_outcome outcome)
{
    record->outcome = outcome;
    record->seq = record->id = 12;
    record->deliveries = 3;
    check_line(record);
    check_answer(record);
}

/* --- what is kept --- */

/* Demands that SQLite, which compares names as they are spelled, finds what the receiver found. */
static void check_extracted(const struct record *record)
{
    size_t length;
    const char *text = record_text(record, &length);
    sqlite3_bind_text(extract, 1, text, (int)length, SQLITE_STATIC);
    fuzz_demand(sqlite3_step(extract) == SQLITE_ROW && sqlite3_column_int(extract, 0) == 1,
                "SQLite reads %.*s", (int)length, text);
    for (size_t i = 0; i < LENGTH(members); i++) {
        const json_t *member = json_object_get(record->json, members[i]);
        const char *found = (const char *)sqlite3_column_text(extract, (int)i + 1);
        if (json_is_string(member))
            fuzz_demand(found != NULL && strcmp(found, json_string_value(member)) == 0,
                        "SQLite finds %s in %.*s", members[i], (int)length, text);
    }
    sqlite3_reset(extract);
    fuzz_demand(content_equals(record->body, record->body_length, text, length, key),
                "what is kept says what came");
}

/* --- the same content, and another --- */

/* Gives JSON with one thing in it changed. */
static json_t *alter(const json_t *json, uint64_t *seed)
{
    json_t *altered = json_deep_copy(json);
    fuzz_demand(altered != NULL, "there is memory");
    size_t size = json_object_size(altered), picked = support_random_below(seed, size + 1);
    void *iter = json_object_iter(altered);
    for (size_t i = 0; i < picked && iter != NULL; i++)
        iter = json_object_iter_next(altered, iter);
    if (iter == NULL) {
        char name[32];
        snprintf(name, sizeof name, "new-%llx", (unsigned long long)support_random(seed));
        json_object_set_new(altered, name, json_null());
        return altered;
    }
    json_t *value = json_object_iter_value(iter);
    if (json_is_string(value) || json_is_integer(value)) {
        struct buffer text = {0};
        buffer_add_string(&text, json_is_string(value) ? json_string_value(value) : "");
        buffer_add(&text, "!", 2);
        json_object_iter_set_new(altered, iter, json_string(text.bytes));
        buffer_release(&text);
    } else {
        json_object_iter_set_new(altered, iter, json_pack("[O]", value));
    }
    return altered;
}

/* Whether what jansson made of a body is all that it says. */
static bool is_exact(const json_t *json)
{
    size_t index;
    json_t *item;
    bool exact = !json_is_real(json);
    json_array_foreach(json, index, item) exact = exact && is_exact(item);
    for (void *iter = json_object_iter((json_t *)json); iter != NULL;
         iter = json_object_iter_next((json_t *)json, iter))
        exact = exact && strchr(json_object_iter_key(iter), 1) == NULL &&
                is_exact(json_object_iter_value(iter));
    return exact;
}

static void check_content(const struct record *record, const char *bytes, size_t length,
                          uint64_t *seed)
{
    json_t *json, *again;
    struct schema_verdict verdict;
    if (support_parse(bytes, length, &json, &verdict) != CONTENT_OBJECT)
        return;
    struct buffer first = {0}, other = {0};
    fuzz_demand(content_equals(bytes, length, bytes, length, key), "it equals itself");
    if (!is_exact(json)) {
        fuzz_respell(&first, json, seed);
        bytes = first.bytes;
        length = first.length;
    }
    fuzz_respell(&other, json, seed);
    fuzz_demand(support_parse(other.bytes, other.length, &again, &verdict) == CONTENT_OBJECT,
                "%.*s is JSON too", (int)other.length, other.bytes);
    fuzz_demand(content_hash(bytes, length, key) == content_hash(other.bytes, other.length, key),
                "%.*s has the same hash", (int)other.length, other.bytes);
    fuzz_demand(content_equals(bytes, length, other.bytes, other.length, key), "%.*s is the same",
                (int)other.length, other.bytes);
    json_decref(again);

    struct record twin;
    read_body(&twin, other.bytes, other.length);
    demand_same(record, &twin);
    if (twin.json != NULL)
        check_extracted(&twin);
    release(&twin);

    again = alter(json, seed);
    buffer_clear(&other);
    fuzz_respell(&other, again, seed);
    fuzz_demand(!content_equals(bytes, length, other.bytes, other.length, key),
                "%.*s is something else", (int)other.length, other.bytes);
    fuzz_demand(content_hash(bytes, length, key) != content_hash(other.bytes, other.length, key),
                "%.*s has another hash", (int)other.length, other.bytes);
    json_decref(again);
    json_decref(json);
    buffer_release(&first);
    buffer_release(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint64_t seed = fuzz_seed(bytes, size);
    struct record record, again;
    read_body(&record, (const char *)bytes, size);
    read_body(&again, (const char *)bytes, size);
    demand_same(&record, &again);
    release(&again);

    if (record.meaning == RECORD_QUARANTINE) {
        fuzz_demand(record.verdict.reason[0] != '\0', "quarantine has a reason");
        fuzz_demand(utf8_is_valid(record.verdict.reason, strlen(record.verdict.reason)) &&
                        utf8_is_valid(record.verdict.pointer, strlen(record.verdict.pointer)),
                    "a verdict of whole characters: %s at %s", record.verdict.reason,
                    record.verdict.pointer);
        check_outcome(&record, RECORD_QUARANTINED);
        check_outcome(&record, RECORD_LOG_ONLY);
    } else {
        check_extracted(&record);
        check_outcome(&record, RECORD_STORED);
        check_outcome(&record, RECORD_REPEATED);
    }
    check_content(&record, (const char *)bytes, size, &seed);
    fuzz_demand(size == 0 || memcmp(record.body, bytes, size) == 0, "a body stays as it came");
    release(&record);
    return 0;
}
