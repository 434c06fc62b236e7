/* Answers: the exact bytes of each, and hostile text in them. */
#include "config.h"

#include "receiver/answer.h"
#include "support.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Compares the bytes, head and body, and releases TEXT. */
static void expect(struct buffer *text, const char *expected)
{
    assert_false(text->failed);
    buffer_add(text, "", 1);
    assert_string_equal(text->bytes, expected);
    buffer_release(text);
}

static void expect_problem(int status, const char *expected)
{
    struct buffer text = {0};
    answer_add_problem(&text, status, "why", "");
    expect(&text, expected);
}

static void each_problem_has_its_title_and_headers(void **state)
{
    expect_problem(400, "Status: 400 Bad Request\r\n"
                        "Content-Type: application/problem+json\r\n"
                        "Content-Length: 73\r\n\r\n"
                        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                        "\"detail\":\"why\"}\n");
    expect_problem(404, "Status: 404 Not Found\r\n"
                        "Content-Type: application/problem+json\r\n"
                        "Content-Length: 71\r\n\r\n"
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"why\"}\n");
    expect_problem(405, "Status: 405 Method Not Allowed\r\n"
                        "Content-Type: application/problem+json\r\n"
                        "Content-Length: 80\r\n"
                        "Allow: POST\r\n\r\n"
                        "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405,"
                        "\"detail\":\"why\"}\n");
    expect_problem(413, "Status: 413 Content Too Large\r\n"
                        "Content-Type: application/problem+json\r\n"
                        "Content-Length: 79\r\n\r\n"
                        "{\"type\":\"about:blank\",\"title\":\"Content Too Large\",\"status\":413,"
                        "\"detail\":\"why\"}\n");
    expect_problem(503,
                   "Status: 503 Service Unavailable\r\n"
                   "Content-Type: application/problem+json\r\n"
                   "Content-Length: 81\r\n"
                   "Retry-After: 5\r\n\r\n"
                   "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                   "\"detail\":\"why\"}\n");
}

/* Answers RECORD and compares status and bytes. */
static void expect_kept(const struct record *record, bool refuse_invalid, int status,
                        const char *expected)
{
    struct buffer text = {0};
    assert_int_equal(answer_add_kept(&text, record, refuse_invalid), status);
    expect(&text, expected);
}

static void stored_and_repeated_tell_the_number(void **state)
{
    struct record record = {.meaning = RECORD_RESULT, .outcome = RECORD_STORED, .seq = 12};
    for (int refuse = 0; refuse < 2; refuse++) {
        record.outcome = RECORD_STORED;
        expect_kept(&record, refuse, 200,
                    "Status: 200 OK\r\nContent-Type: application/json\r\n"
                    "Content-Length: 29\r\n\r\n{\"result\":\"stored\",\"seq\":12}\n");
        record.outcome = RECORD_REPEATED;
        expect_kept(&record, refuse, 200,
                    "Status: 200 OK\r\nContent-Type: application/json\r\n"
                    "Content-Length: 31\r\n\r\n{\"result\":\"repeated\",\"seq\":12}\n");
    }
    record = (struct record){.meaning = RECORD_NEWS, .outcome = RECORD_STORED, .seq = INT64_MAX};
    expect_kept(&record, false, 200,
                "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 46\r\n\r\n"
                "{\"result\":\"stored\",\"seq\":9223372036854775807}\n");
}

static void quarantined_tells_id_reason_and_pointer(void **state)
{
    struct record record = {.meaning = RECORD_QUARANTINE,
                            .outcome = RECORD_QUARANTINED,
                            .id = 3,
                            .verdict = {.reason = "missing", .pointer = "/deviceId"}};
    expect_kept(&record, false, 200,
                "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 73\r\n\r\n"
                "{\"result\":\"quarantined\",\"id\":3,\"reason\":\"missing\",\"pointer\":"
                "\"/deviceId\"}\n");
    record.outcome = RECORD_LOG_ONLY;
    record.verdict = (struct schema_verdict){.reason = "empty body"};
    expect_kept(&record, false, 200,
                "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n"
                "{\"result\":\"quarantined\",\"id\":null,\"reason\":\"empty body\"}\n");
}

static void what_is_kept_nowhere_is_503_whatever_else_is_asked_for(void **state)
{
    static const char answer[] =
        "Status: 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 124\r\nRetry-After: 5\r\n\r\n{\"type\":\"about:blank\",\"title\":"
        "\"Service Unavailable\",\"status\":503,\"detail\":\"quarantine is full, and the log "
        "reaches nobody\"}\n";
    struct record record = {.meaning = RECORD_QUARANTINE, .outcome = RECORD_REFUSED};
    expect_kept(&record, false, 503, answer);
    expect_kept(&record, true, 503, answer);
}

static void invalid_bodies_are_refused_where_that_is_asked_for(void **state)
{
    struct record record = {.meaning = RECORD_QUARANTINE,
                            .outcome = RECORD_QUARANTINED,
                            .id = 3,
                            .verdict = {.reason = "not JSON: x"}};
    expect_kept(&record, true, 400,
                "Status: 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
                "Content-Length: 81\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Bad Request\","
                "\"status\":400,\"detail\":\"not JSON: x\"}\n");
    record.verdict = (struct schema_verdict){.reason = "missing", .pointer = "/deviceId"};
    expect_kept(&record, true, 422,
                "Status: 422 Unprocessable Content\r\nContent-Type: application/problem+json\r\n"
                "Content-Length: 109\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Unprocessable "
                "Content\",\"status\":422,\"detail\":\"missing\",\"pointer\":\"/deviceId\"}\n");
}

/* The body of an answer whose Content-Length is right; free with json_decref. */
static json_t *read_body(const struct buffer *text)
{
    char *copy = calloc(1, text->length + 1);
    assert_non_null(copy);
    memcpy(copy, text->bytes, text->length);
    char *body = strstr(copy, "\r\n\r\n"), *length = strstr(copy, "Content-Length: ");
    assert_true(body != NULL && length != NULL && length < body);
    body += 4;
    assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body));
    json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    free(copy);
    return json;
}

static void hostile_text_stays_text(void **state)
{
    static const char hostile[] = "\"}\r\n\r\nSet-Cookie: \\ \x01 </script> \342\200\250";
    struct buffer text = {0};
    answer_add_problem(&text, 503, hostile, "");
    json_t *json = read_body(&text);
    assert_string_equal(json_string_value(json_object_get(json, "detail")), hostile);
    assert_int_equal(json_object_size(json), 4);
    json_decref(json);
    buffer_release(&text);

    struct record record = {.meaning = RECORD_QUARANTINE, .outcome = RECORD_QUARANTINED, .id = 1};
    memcpy(record.verdict.reason, hostile, sizeof hostile);
    memcpy(record.verdict.pointer, "/\"\n\xFF", 5);
    for (int refuse = 0; refuse < 2; refuse++) {
        answer_add_kept(&text, &record, refuse);
        json = read_body(&text);
        assert_string_equal(json_string_value(json_object_get(json, refuse ? "detail" : "reason")),
                            hostile);
        assert_string_equal(json_string_value(json_object_get(json, "pointer")),
                            "/\"\n\357\277\275");
        assert_int_equal(json_object_size(json), refuse ? 5 : 4);
        json_decref(json);
        buffer_release(&text);
    }
}

static void a_failed_text_stays_failed(void **state)
{
    struct buffer text = {0};
    text.failed = true;
    answer_add_problem(&text, 503, "why", "");
    assert_true(text.failed);
    assert_int_equal(text.length, 0);
    buffer_release(&text);
}

int answer_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_problem_has_its_title_and_headers),
        cmocka_unit_test(stored_and_repeated_tell_the_number),
        cmocka_unit_test(quarantined_tells_id_reason_and_pointer),
        cmocka_unit_test(what_is_kept_nowhere_is_503_whatever_else_is_asked_for),
        cmocka_unit_test(invalid_bodies_are_refused_where_that_is_asked_for),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(a_failed_text_stays_failed),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
