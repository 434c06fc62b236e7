/* What can be read: each path answers with its type, its tag and its errors. */
#include "config.h"

#include "receiver/site.h"

#include "base/clock.h"
#include "books.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A site on books that a writer has; and the last answer, NUL-terminated, taken apart. */
struct fixture {
    struct books *books;
    struct options options;
    struct metrics *metrics;
    struct site site;
    struct store_reader *reader;
    char *answer;
    const char *body;
    size_t body_length;
    int pieces; /* of the answer */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct fault fault = FAULT_NONE;
    void *books;
    assert_non_null(fixture);
    books_setup(&books);
    fixture->books = books;
    fixture->metrics = metrics_new();
    fixture->options = (struct options){.state = fixture->books->folder, .quarantine_max = 7};
    fixture->site.options = &fixture->options;
    fixture->site.metrics = fixture->metrics;
    fixture->site.read_ms = 60000;
    assert_int_equal(store_reader_new(&fixture->reader, fixture->books->folder, &fault), 0);
    *state = fixture;
    return 0;
}

/* From here on the books are the writer's. OPEN_FAULT: they could not be opened. */
static void start(struct fixture *fixture, const char *open_fault)
{
    struct fault fault = FAULT_NONE, open = FAULT_NONE;
    if (open_fault != NULL)
        fault_set(&open, "%s", open_fault);
    assert_int_equal(commit_new(&fixture->site.commit, fixture->books->store,
                                open.set ? &open : NULL, NULL, fixture->metrics, &fault),
                     0);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    void *books = fixture->books;
    commit_free(fixture->site.commit);
    store_reader_free(fixture->reader);
    books_teardown(&books);
    metrics_free(fixture->metrics);
    free(fixture->answer);
    free(fixture);
    return 0;
}

/* Sends a request and takes the answer apart. */
static void ask_with(struct fixture *fixture, const struct site_request *request)
{
    struct site_request asked = *request;
    struct buffer text = {0};
    asked.path_length = strlen(asked.path);
    const struct site_endpoint *at = site_find(asked.path, asked.path_length);
    assert_non_null(at);
    bool reads = site_pace(at) == SITE_READS || site_pace(at) == SITE_STREAMS;
    struct site_part part = {.begun = false};
    fixture->pieces = 0;
    do {
        site_answer(&fixture->site, at, &asked, reads ? fixture->reader : NULL, &part, &text);
        assert_false(text.failed);
        fixture->pieces++;
    } while (part.more);
    free(fixture->answer);
    buffer_add(&text, "", 1);
    fixture->answer = text.bytes;
    char *end = strstr(fixture->answer, "\r\n\r\n");
    assert_non_null(end);
    end[2] = '\0'; /* the head, each line with its end */
    fixture->body = end + 4;
    fixture->body_length = text.length - 1 - (size_t)(fixture->body - fixture->answer);
    support_assert_has(fixture->answer, "X-Content-Type-Options: nosniff\r\n");
}

static void ask(struct fixture *fixture, const char *path)
{
    const struct site_request request = {.method = "GET", .path = path};
    ask_with(fixture, &request);
}

static void expect_status(const struct fixture *fixture, int status)
{
    char line[32];
    snprintf(line, sizeof line, "Status: %d ", status);
    if (strncmp(fixture->answer, line, strlen(line)) != 0)
        fail_msg("not %d: %s%s", status, fixture->answer, fixture->body);
}

static void expect_header(const struct fixture *fixture, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    support_assert_has(fixture->answer, whole);
}

/* The last answer is a problem, and its detail has PART in it. */
static void expect_problem(const struct fixture *fixture, int status, const char *part)
{
    expect_status(fixture, status);
    expect_header(fixture, "Content-Type: application/problem+json");
    assert_null(strstr(fixture->answer, "ETag"));
    json_t *json = json_loads(fixture->body, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
    support_assert_has(json_string_value(json_object_get(json, "detail")), part);
    json_decref(json);
}

/* Copies the value of the answer's ETag. */
static void copy_etag(const struct fixture *fixture, char etag[64])
{
    const char *line = strstr(fixture->answer, "\r\nETag: ");
    assert_non_null(line);
    line += strlen("\r\nETag: ");
    snprintf(etag, 64, "%.*s", (int)strcspn(line, "\r"), line);
    assert_true(strlen(etag) > 20 && etag[0] == '"' && etag[strlen(etag) - 1] == '"');
}

static void the_page_comes_with_what_it_may_load(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    ask(fixture, "/status/");
    expect_status(fixture, 200);
    expect_header(fixture, "Content-Type: text/html; charset=utf-8");
    expect_header(fixture, "Referrer-Policy: no-referrer");
    expect_header(fixture, "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                           "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
                           "form-action 'none'; frame-ancestors 'none'");
    expect_header(fixture, "Cache-Control: no-cache");
    ask(fixture, "/status/app.js");
    expect_header(fixture, "Content-Type: text/javascript; charset=utf-8");
    ask(fixture, "/status");
    expect_status(fixture, 308);
    expect_header(fixture, "Location: status/");
}

static void a_document_is_sent_again_only_when_it_changed(void **state)
{
    struct fixture *fixture = *state;
    char etag[64], again[64], list[256];
    books_add_result(fixture->books, &(struct support_result){.device = "a"});
    start(fixture, NULL);
    ask(fixture, "/status/overview.json");
    expect_status(fixture, 200);
    expect_header(fixture, "Content-Type: application/json");
    expect_header(fixture, "Cache-Control: no-cache");
    copy_etag(fixture, etag);
    char length[64];
    snprintf(length, sizeof length, "Content-Length: %zu", fixture->body_length);
    expect_header(fixture, length);

    static const char *const lists[] = {"%s", "W/%s", "\"a\", %s", "\"a,b\",W/\"c\" ,\tW/%s, \"d\"",
                                        "*",  " * "};
    for (size_t i = 0; i < LENGTH(lists); i++) {
        struct buffer text = {0};
        const char *place_of = strstr(lists[i], "%s");
        if (place_of == NULL) {
            buffer_add_string(&text, lists[i]);
        } else {
            buffer_add(&text, lists[i], (size_t)(place_of - lists[i]));
            buffer_add_string(&text, etag);
            buffer_add_string(&text, place_of + 2);
        }
        buffer_add(&text, "", 1);
        ask_with(fixture, &(struct site_request){.method = "GET",
                                                 .path = "/status/overview.json",
                                                 .if_none_match = text.bytes});
        expect_status(fixture, 304);
        assert_int_equal(fixture->body_length, 0);
        copy_etag(fixture, again);
        assert_string_equal(again, etag);
        assert_null(strstr(fixture->answer, "Content-Length"));
        buffer_release(&text);
    }
    static const char *const others[] = {"",       "\"\"", "\"a\"", "a",    "W/",
                                         "\"%s\"", ",,",   "\"a",   "\"*\""};
    for (size_t i = 0; i < LENGTH(others); i++) {
        ask_with(fixture, &(struct site_request){.method = "GET",
                                                 .path = "/status/overview.json",
                                                 .if_none_match = others[i]});
        expect_status(fixture, 200);
    }
    /* without its quotes it is another tag */
    snprintf(list, sizeof list, "%.*s", (int)strlen(etag) - 2, etag + 1);
    ask_with(fixture, &(struct site_request){
                          .method = "GET", .path = "/status/overview.json", .if_none_match = list});
    expect_status(fixture, 200);
    metrics_add(fixture->metrics, METRIC_log_lines_dropped, 1); /* which the document tells */
    ask_with(fixture, &(struct site_request){
                          .method = "GET", .path = "/status/overview.json", .if_none_match = etag});
    expect_status(fixture, 200);
}

static void head_has_the_head_alone(void **state)
{
    struct fixture *fixture = *state;
    char etag[64], of_get[64];
    start(fixture, NULL);
    ask(fixture, "/status/overview.json");
    copy_etag(fixture, of_get);
    size_t length = fixture->body_length;
    ask_with(fixture, &(struct site_request){.method = "HEAD", .path = "/status/overview.json"});
    expect_status(fixture, 200);
    copy_etag(fixture, etag);
    assert_string_equal(etag, of_get);
    assert_int_equal(fixture->body_length, 0);
    char line[64];
    snprintf(line, sizeof line, "Content-Length: %zu", length);
    expect_header(fixture, line);
}

static void what_is_wrong_with_a_request_is_said(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    ask(fixture, "/status/nothing");
    expect_problem(fixture, 404, "nothing at this path");
    ask(fixture, "/status/../metrics");
    expect_problem(fixture, 404, "nothing at this path");
    static const char *const methods[] = {"POST", "DELETE", "get", "", "GET, HEAD", "HEA"};
    for (size_t i = 0; i < LENGTH(methods); i++) {
        ask_with(fixture, &(struct site_request){.method = methods[i], .path = "/metrics"});
        expect_problem(fixture, 405, "read only");
        expect_header(fixture, "Allow: GET, HEAD");
    }
    static const char *const queries[][2] = {{"wrong=1", "wrong"},         {"limit=0", "limit"},
                                             {"limit=x", "limit"},         {"limit=%zz", "hex"},
                                             {"limit=1&limit=2", "twice"}, {"after=%00", "NUL"}};
    for (size_t i = 0; i < LENGTH(queries); i++) {
        ask_with(fixture, &(struct site_request){.method = "GET",
                                                 .path = "/status/overview.json",
                                                 .query = queries[i][0]});
        expect_problem(fixture, 400, queries[i][1]);
    }
    ask_with(fixture, &(struct site_request){.method = "GET",
                                             .path = "/status/operation.json",
                                             .query = "operationId=none"});
    expect_problem(fixture, 404, "none");
}

static void a_further_page_is_linked(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++) {
        char device[8];
        snprintf(device, sizeof device, "d%d", i);
        books_add_result(fixture->books, &(struct support_result){.operation = "an op&",
                                                                  .device = device,
                                                                  .result = "FAIL",
                                                                  .current = "1",
                                                                  .error_code = "4"});
    }
    start(fixture, NULL);
    char query[512] = "operationId=an+op%26&limit=1";
    for (int page = 1; page <= 3; page++) {
        ask_with(fixture, &(struct site_request){
                              .method = "GET", .path = "/status/failures.csv", .query = query});
        expect_status(fixture, 200);
        expect_header(fixture, "Content-Type: text/csv; charset=utf-8");
        const char *device = strstr(fixture->body, ",\"d");
        assert_non_null(device); /* one a page, each another */
        assert_null(strstr(device + 1, ",\"d"));
        const char *link = strstr(fixture->answer, "\r\nLink: <?");
        if (page == 3) {
            assert_null(link);
            break;
        }
        support_assert_has(link, "<?operationId=an%20op%26&limit=1&after=");
        support_assert_has(link, ">; rel=\"next\"\r\n");
        link += strlen("\r\nLink: <?");
        snprintf(query, sizeof query, "%.*s", (int)strcspn(link, ">"), link);
    }
}

#define FAILURES 2500 /* in three pages of the store */

static void fail_many(struct books *books)
{
    struct record *records[FAILURES];
    for (int i = 0; i < FAILURES; i++) {
        char device[8];
        snprintf(device, sizeof device, "d%d", i);
        records[i] = support_result(&(struct support_result){
            .device = device, .result = "FAIL", .current = "1", .error_code = "4"});
    }
    books_keep(books, records, FAILURES);
    support_records_free(records, FAILURES);
}

static void a_table_is_whole_however_long(void **state)
{
    struct fixture *fixture = *state;
    fail_many(fixture->books);
    start(fixture, NULL);
    ask_with(fixture, &(struct site_request){
                          .method = "GET", .path = "/status/failures.csv", .query = "bom=1"});
    expect_status(fixture, 200);
    expect_header(fixture, "Content-Type: text/csv; charset=utf-8");
    assert_null(strstr(fixture->answer, "Content-Length"));
    assert_null(strstr(fixture->answer, "Link"));
    assert_int_equal(fixture->pieces, 3);
    assert_memory_equal(fixture->body,
                        "\xEF\xBB\xBF"
                        "appId,operationId,",
                        3 + strlen("appId,operationId,"));
    assert_null(strstr(fixture->body + 4, "appId"));
    const char *line = fixture->body;
    for (int i = FAILURES; i-- > 0;) { /* the newest first */
        char device[16];
        snprintf(device, sizeof device, ",\"d%d\",", i);
        line = strstr(line, "\r\n");
        assert_non_null(line);
        line += 2;
        const char *found = strstr(line, device);
        assert_true(found != NULL && found < strstr(line, "\r\n"));
    }
    assert_string_equal(strstr(line, "\r\n"), "\r\n");

    ask_with(fixture, &(struct site_request){.method = "GET",
                                             .path = "/status/upgrades.jsonl",
                                             .query = "operationId=operation"});
    expect_header(fixture, "Content-Type: application/jsonl");
    assert_int_equal(fixture->pieces, 3);
    size_t lines = 0;
    for (const char *at = fixture->body; (at = strstr(at, "}\n")) != NULL; at++)
        lines++;
    assert_int_equal(lines, FAILURES);

    ask_with(fixture, &(struct site_request){.method = "HEAD", .path = "/status/failures.csv"});
    expect_status(fixture, 200);
    assert_int_equal(fixture->pieces, 1);
    assert_int_equal(fixture->body_length, 0);
}

static void a_table_that_cannot_go_on_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    static const struct site_request request = {
        .method = "GET", .path = "/status/failures.csv", .path_length = 20};
    struct site_part part = {.begun = false};
    struct buffer text = {0};
    const struct site_endpoint *at = site_find(request.path, request.path_length);
    fail_many(fixture->books);
    start(fixture, NULL);
    site_answer(&fixture->site, at, &request, fixture->reader, &part, &text);
    assert_false(text.failed);
    assert_true(part.more);
    books_meddle(fixture->books, "DROP TABLE upgrade");
    site_answer(&fixture->site, at, &request, fixture->reader, &part, &text);
    assert_true(text.failed); /* nobody may take it for all */
    buffer_release(&text);
}

static void a_store_that_cannot_be_read_is_503_and_metrics_go_on(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    books_meddle(fixture->books, "DROP TABLE totals");
    ask(fixture, "/status/overview.json");
    expect_problem(fixture, 503, "");
    expect_header(fixture, "Retry-After: 1");
    ask(fixture, "/metrics");
    expect_status(fixture, 200);
    expect_header(fixture, "Cache-Control: no-store");
    expect_header(fixture, "Content-Type: text/plain; version=0.0.4; charset=utf-8");
    support_assert_has(fixture->body, "\nupgrade_receiver_store_up 0\n");
}

static void health_is_that_of_the_writer(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, NULL);
    ask(fixture, "/health/live");
    expect_status(fixture, 200);
    expect_header(fixture, "Content-Type: application/health+json");
    expect_header(fixture, "Cache-Control: no-store");
    assert_string_equal(fixture->body, "{\"status\":\"pass\"}\n");
    ask(fixture, "/health/ready");
    expect_status(fixture, 503);
    expect_header(fixture, "Retry-After: 1");
    assert_string_equal(
        fixture->body,
        "{\"status\":\"fail\",\"output\":\"nothing has been written to the store yet\"}\n");
    commit_tend(fixture->site.commit); /* that is done now */
    ask(fixture, "/health/ready");
    expect_status(fixture, 200);
    expect_header(fixture, "Content-Type: application/health+json");
    expect_header(fixture, "Cache-Control: no-store");
    assert_string_equal(fixture->body, "{\"status\":\"pass\"}\n");
    atomic_store(&fixture->site.leaving, true);
    ask(fixture, "/health/ready");
    expect_status(fixture, 503);
    expect_header(fixture, "Retry-After: 1");
    assert_string_equal(fixture->body,
                        "{\"status\":\"fail\",\"output\":\"the receiver is stopping\"}\n");
    ask(fixture, "/health/live");
    expect_status(fixture, 200);
}

static void a_store_that_fails_is_told_as_what_it_is(void **state)
{
    struct fixture *fixture = *state;
    store_free(fixture->books->store); /* none is open: the writer's probes cannot work */
    fixture->books->store = NULL;
    struct fault fault = FAULT_NONE;
    const struct store_config config = {.folder = "/nonexistent/folder"};
    assert_int_equal(store_new(&fixture->books->store, &config, &fault), 0);
    start(fixture, "the \"disk\" is full");
    ask(fixture, "/health/ready");
    expect_status(fixture, 503);
    support_assert_has(fixture->body,
                       "{\"status\":\"fail\",\"output\":\"the \\\"disk\\\" is full\"}\n");
    ask(fixture, "/status/overview.json");
    expect_status(fixture, 200); /* it can still be read */
    support_assert_has(fixture->body, "\"storeFault\":\"the \\\"disk\\\" is full\"");
    ask(fixture, "/metrics");
    support_assert_has(fixture->body, "\nupgrade_receiver_store_writable 0\n");
    support_assert_has(fixture->body, "\nupgrade_receiver_store_up 1\n");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int site_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(the_page_comes_with_what_it_may_load),
        FRESH(a_document_is_sent_again_only_when_it_changed),
        FRESH(head_has_the_head_alone),
        FRESH(what_is_wrong_with_a_request_is_said),
        FRESH(a_further_page_is_linked),
        FRESH(a_table_is_whole_however_long),
        FRESH(a_table_that_cannot_go_on_is_cut_off),
        FRESH(a_store_that_cannot_be_read_is_503_and_metrics_go_on),
        FRESH(health_is_that_of_the_writer),
        FRESH(a_store_that_fails_is_told_as_what_it_is),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
