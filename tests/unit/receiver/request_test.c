/* Requests: from a web server's bytes by way of libfcgi, and answers back to its socket. */
#include "config.h"

#include "base/clock.h"
#include "fastcgi.h"
#include "receiver/request.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX ((size_t)1000)

/* An answer that no socket's buffer takes whole. */
#define LARGE ((size_t)2 << 20)

/* A worker's memory file, a connection, and the request that is being read. */
struct peer {
    struct request_file file;
    int connection, end; /* ours and the web server's, both non-blocking */
    struct fcgi_reader reader;
    struct request request;
};

static int begin(void **state)
{
    struct fault fault = FAULT_NONE;
    return support_begin(state) != 0 || request_library_init(&fault) != 0 ? -1 : 0;
}

static int setup(void **state)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct fault fault = FAULT_NONE;
    int pair[2];
    assert_non_null(peer);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    peer->connection = pair[0];
    peer->end = pair[1];
    assert_int_equal(request_file_open(&peer->file, &fault), 0);
    fcgi_reader_init(&peer->reader, BODY_MAX);
    *state = peer;
    return 0;
}

static int teardown(void **state)
{
    struct peer *peer = *state;
    fcgi_reader_reset(&peer->reader);
    request_file_close(&peer->file);
    close(peer->connection);
    close(peer->end);
    free(peer);
    return 0;
}

/* Gathers and reads a request with PARAMS (released) and BODY. */
static void read_request(struct peer *peer, struct buffer *params, const char *body)
{
    struct buffer stream = {0}, content = {0};
    struct fault fault = FAULT_NONE;
    size_t used;
    buffer_add_string(&content, body);
    fastcgi_add_begin(&stream, 0x0102, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_add_stream(&stream, FASTCGI_PARAMS, 0x0102, params, 0xFFFF);
    fastcgi_add_stream(&stream, FASTCGI_STDIN, 0x0102, &content, 0xFFFF);
    fcgi_reader_reset(&peer->reader);
    assert_int_equal(
        fastcgi_feed(&peer->reader, (const unsigned char *)stream.bytes, stream.length, &used),
        FCGI_READER_WHOLE);
    if (request_read(&peer->request, &peer->file, &peer->reader, &fault) != 0)
        fail_msg("%s", fault.text);
    buffer_release(&stream);
    buffer_release(&content);
    buffer_release(params);
}

/* A request with these parameters alone, ended by NULL. */
static void read_with(struct peer *peer, const char *const *names_and_values, const char *body)
{
    struct buffer params = {0};
    for (; *names_and_values != NULL; names_and_values += 2)
        fastcgi_add_param(&params, names_and_values[0], names_and_values[1]);
    read_request(peer, &params, body);
}

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_path(const struct peer *peer, const char *path)
{
    assert_int_equal(peer->request.path_length, strlen(path));
    assert_memory_equal(peer->request.path, path, strlen(path));
}

/* Reads all that has come to the web server. */
static struct fastcgi_answer receive(struct peer *peer)
{
    struct buffer bytes = {0};
    char part[4096];
    ssize_t received;
    while ((received = recv(peer->end, part, sizeof part, 0)) > 0)
        buffer_add(&bytes, part, (size_t)received);
    struct fastcgi_answer answer;
    fastcgi_read_answer(bytes.bytes, bytes.length, &answer);
    buffer_release(&bytes);
    return answer;
}

/* Answers the request that was read and compares what the web server gets. */
static void answer(struct peer *peer, const char *text)
{
    assert_int_equal(request_answer(&peer->request, peer->connection, text, strlen(text)), 0);
    struct fastcgi_answer got = receive(peer);
    assert_int_equal(got.output.length, strlen(text));
    assert_memory_equal(got.output.bytes, text, strlen(text));
    assert_int_equal(got.id, 0x0102);
    assert_int_equal(got.ends, 1);
    assert_int_equal(got.status, 0);
    assert_int_equal(got.protocol, 0);
    assert_int_equal(got.others, 0);
    buffer_release(&got.output);
}

static void a_request_is_read_and_its_answer_goes_to_the_socket(void **state)
{
    struct peer *peer = *state;
    read_with(peer, WITH("REQUEST_METHOD", "POST", "REQUEST_URI", "/a/b", "CONTENT_LENGTH", "7"),
              "{\"a\":1}");
    assert_string_equal(peer->request.method, "POST");
    expect_path(peer, "/a/b");
    assert_int_equal(peer->request.body, REQUEST_BODY_WHOLE);
    assert_int_equal(peer->reader.body.length, 7); /* it stays there */
    answer(peer, "Status: 200 OK\r\n\r\n{}\n");
}

static void an_answer_is_not_followed_by_the_end_of_the_connection(void **state)
{
    struct peer *peer = *state;
    char byte;
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    answer(peer, "Status: 200 OK\r\n\r\n");
    assert_int_equal(recv(peer->end, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Reads from the peer's end as a slow web server does, until it has what it wants. */
static void *read_slowly(void *argument)
{
    struct peer *peer = argument;
    static char part[10000];
    size_t got = 0;
    while (got < LARGE) {
        ssize_t received = recv(peer->end, part, sizeof part, 0);
        if (received > 0)
            got += (size_t)received;
        else
            support_sleep_ms(1);
    }
    return NULL;
}

static void an_answer_of_any_size_waits_for_its_peer(void **state)
{
    struct peer *peer = *state;
    pthread_t reader;
    char *large = malloc(LARGE);
    assert_non_null(large);
    memset(large, 'x', LARGE);
    read_with(peer, WITH("REQUEST_METHOD", "GET"), "");
    assert_int_equal(request_answer(&peer->request, peer->connection, large, LARGE), -1);
    while (recv(peer->end, large, LARGE, 0) > 0)
        continue; /* what of it went out */
    memset(large, 'x', LARGE);
    read_with(peer, WITH("REQUEST_METHOD", "GET"), "");
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, peer), 0);
    assert_int_equal(
        request_answer_patiently(&peer->request, peer->connection, large, LARGE, 600000), 0);
    pthread_join(reader, NULL);
    assert_true(fcntl(peer->connection, F_GETFL) & O_NONBLOCK);
    free(large);
}

static void a_peer_that_takes_nothing_is_given_up(void **state)
{
    struct peer *peer = *state;
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    read_with(peer, WITH("REQUEST_METHOD", "GET"), "");
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(request_answer_patiently(&peer->request, peer->connection, large, LARGE, 200),
                     -1);
    assert_true(clock_monotonic_ms() - before_ms >= 190);
    assert_true(fcntl(peer->connection, F_GETFL) & O_NONBLOCK);
    free(large);
}

static void many_requests_go_through_one_memory_file(void **state)
{
    struct peer *peer = *state;
    for (int i = 0; i < 200; i++) {
        char path[400], text[64];
        size_t length = (size_t)(i * 37 % 300); /* longer and shorter than the one before */
        memset(path, 'x', sizeof path);
        path[0] = '/';
        snprintf(path + length + 1, 24, "%d?q", i);
        read_with(peer, WITH("REQUEST_URI", path, "REQUEST_METHOD", i % 2 ? "GET" : "POST"), "");
        assert_string_equal(peer->request.method, i % 2 ? "GET" : "POST");
        assert_int_equal(peer->request.path_length, strlen(path) - 2);
        snprintf(text, sizeof text, "Status: 200 OK\r\n\r\n%d", i);
        answer(peer, text);
    }
}

static void the_path_ends_at_the_query(void **state)
{
    static const char *const uris[][2] = {{"/a", "/a"},
                                          {"/a?b=/c?d", "/a"},
                                          {"/a/?", "/a/"},
                                          {"?a", ""},
                                          {"", ""},
                                          {"/%3Fa", "/%3Fa"},
                                          {"//a", "//a"},
                                          {"/a#b", "/a#b"},
                                          {"http://h/a?b", "http://h/a"}};
    struct peer *peer = *state;
    for (size_t i = 0; i < LENGTH(uris); i++) {
        read_with(peer, WITH("REQUEST_URI", uris[i][0]), "");
        expect_path(peer, uris[i][1]);
        request_drop(&peer->request);
    }
}

static void what_the_web_server_did_not_send_is_empty(void **state)
{
    struct peer *peer = *state;
    read_with(peer, WITH("OTHER", "x"), "");
    assert_string_equal(peer->request.method, "");
    expect_path(peer, "");
    assert_int_equal(peer->request.body, REQUEST_BODY_WHOLE);
    answer(peer, "Status: 404 Not Found\r\n\r\n");
    struct buffer none = {0};
    read_request(peer, &none, "");
    assert_string_equal(peer->request.method, "");
    request_drop(&peer->request);
}

static void the_body_is_judged_by_content_length(void **state)
{
    static const struct {
        const char *content_length, *body;
        enum request_body judged;
    } cases[] = {
        {"0", "", REQUEST_BODY_WHOLE},
        {"", "", REQUEST_BODY_WHOLE},
        {"", "{}", REQUEST_BODY_WHOLE}, /* chunked: the end of the stream is the end */
        {"2", "{}", REQUEST_BODY_WHOLE},
        {"0002", "{}", REQUEST_BODY_WHOLE},
        {"3", "{}", REQUEST_BODY_INCOMPLETE},
        {"1", "{}", REQUEST_BODY_INCOMPLETE},
        {"2", "", REQUEST_BODY_INCOMPLETE},
        {"0", "{}", REQUEST_BODY_INCOMPLETE},
        {"-2", "{}", REQUEST_BODY_INCOMPLETE},
        {"+2", "{}", REQUEST_BODY_INCOMPLETE},
        {" 2", "{}", REQUEST_BODY_INCOMPLETE},
        {"2 ", "{}", REQUEST_BODY_INCOMPLETE},
        {"2, 2", "{}", REQUEST_BODY_INCOMPLETE},
        {"0x2", "{}", REQUEST_BODY_INCOMPLETE},
        {"2.0", "{}", REQUEST_BODY_INCOMPLETE},
        {"two", "{}", REQUEST_BODY_INCOMPLETE},
        {"18446744073709551615", "{}", REQUEST_BODY_INCOMPLETE},
        {"18446744073709551618", "{}", REQUEST_BODY_INCOMPLETE}, /* 2 beyond 2^64 */
    };
    struct peer *peer = *state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        read_with(peer, WITH("CONTENT_LENGTH", cases[i].content_length), cases[i].body);
        if (peer->request.body != cases[i].judged)
            fail_msg("'%s' for '%s' is judged %d", cases[i].content_length, cases[i].body,
                     peer->request.body);
        request_drop(&peer->request);
    }
    read_with(peer, WITH("OTHER", "x"), "{}"); /* none at all */
    assert_int_equal(peer->request.body, REQUEST_BODY_WHOLE);
    request_drop(&peer->request);
}

static void without_a_length_what_can_only_be_a_half_is_one(void **state)
{
    static const struct {
        const char *encoding, *body;
        enum request_body judged;
    } cases[] = {
        {"chunked", "{}", REQUEST_BODY_WHOLE},
        {"chunked", " {\"a\": {}}\n", REQUEST_BODY_WHOLE},
        {"chunked", "{\"a\": {}", REQUEST_BODY_INCOMPLETE},
        {"chunked", "\r\n\t {", REQUEST_BODY_INCOMPLETE},
        {"chunked", "{\"a\": \"\xe8\xae", REQUEST_BODY_INCOMPLETE}, /* cut within a character */
        {"chunked", "", REQUEST_BODY_INCOMPLETE},
        {"chunked", "  ", REQUEST_BODY_INCOMPLETE},
        {"chunked", "{\"a\": \"}\\\"}", REQUEST_BODY_INCOMPLETE},
        {"chunked", "{\"a\": [{}, tru", REQUEST_BODY_INCOMPLETE},
        {"chunked", "{\"a\":}", REQUEST_BODY_WHOLE}, /* all of it, and wrong: for quarantine */
        {"chunked", "{\"a\":1,\"a\":2}", REQUEST_BODY_WHOLE},
        {"chunked", "{\"a\":\"\xff}]\"}", REQUEST_BODY_WHOLE},
        {"chunked", "{}{", REQUEST_BODY_WHOLE},
        {"chunked", "no JSON", REQUEST_BODY_WHOLE}, /* no beginning of a notification */
        {"chunked", "[1", REQUEST_BODY_WHOLE},
        {NULL, "", REQUEST_BODY_WHOLE},
        {NULL, "{\"a\"", REQUEST_BODY_INCOMPLETE},
    };
    struct peer *peer = *state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        if (cases[i].encoding == NULL)
            read_with(peer, WITH("OTHER", "x"), cases[i].body);
        else
            read_with(peer, WITH("HTTP_TRANSFER_ENCODING", cases[i].encoding), cases[i].body);
        if (peer->request.body != cases[i].judged)
            fail_msg("'%s' is judged %d", cases[i].body, peer->request.body);
        request_drop(&peer->request);
    }
    read_with(peer, WITH("CONTENT_LENGTH", "1"), "{"); /* announced as what it is */
    assert_int_equal(peer->request.body, REQUEST_BODY_WHOLE);
    request_drop(&peer->request);
}

static void a_body_that_is_too_large_is_told_from_one_that_is_cut(void **state)
{
    struct peer *peer = *state;
    char body[BODY_MAX + 2];
    memset(body, 'x', sizeof body);
    body[BODY_MAX + 1] = '\0';
    read_with(peer, WITH("CONTENT_LENGTH", "1001"), body);
    assert_int_equal(peer->request.body, REQUEST_BODY_TOO_LARGE);
    request_drop(&peer->request);
    read_with(peer, WITH("OTHER", ""), body);
    assert_int_equal(peer->request.body, REQUEST_BODY_TOO_LARGE);
    request_drop(&peer->request);
    read_with(peer, WITH("CONTENT_LENGTH", "5000"), body);
    assert_int_equal(peer->request.body, REQUEST_BODY_INCOMPLETE);
    request_drop(&peer->request);
    body[BODY_MAX] = '\0';
    read_with(peer, WITH("CONTENT_LENGTH", "1000"), body);
    assert_int_equal(peer->request.body, REQUEST_BODY_WHOLE);
    request_drop(&peer->request);
}

static void one_parameter_may_be_as_long_as_all_may_be(void **state)
{
    struct peer *peer = *state;
    struct buffer params = {0};
    fastcgi_add_param(&params, "REQUEST_METHOD", "POST");
    size_t length = FCGI_READER_PARAMS_MAX - params.length - 5 - strlen("REQUEST_URI");
    char *uri = calloc(1, length + 1);
    assert_non_null(uri);
    memset(uri, 'u', length);
    fastcgi_add_param(&params, "REQUEST_URI", uri);
    assert_int_equal(params.length, FCGI_READER_PARAMS_MAX);
    read_request(peer, &params, "");
    assert_string_equal(peer->request.method, "POST");
    assert_int_equal(peer->request.path_length, length);
    assert_memory_equal(peer->request.path, uri, length);
    answer(peer, "Status: 404 Not Found\r\n\r\n");
    free(uri);
}

static void there_may_be_ten_thousand_parameters(void **state)
{
    struct peer *peer = *state;
    struct buffer params = {0};
    for (int i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "HTTP_X_HEADER_%d", i);
        fastcgi_add_param(&params, name, "value");
    }
    fastcgi_add_param(&params, "REQUEST_METHOD", "POST");
    read_request(peer, &params, "");
    assert_string_equal(peer->request.method, "POST");
    answer(peer, "Status: 404 Not Found\r\n\r\n");
}

static void a_long_answer_arrives_whole(void **state)
{
    struct peer *peer = *state;
    char *text = calloc(1, 60001);
    assert_non_null(text);
    memset(text, 'a', 60000);
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    answer(peer, text);
    free(text);
}

static void an_answer_to_a_peer_that_is_gone_fails(void **state)
{
    struct peer *peer = *state;
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    shutdown(peer->end, SHUT_RDWR);
    assert_int_equal(request_answer(&peer->request, peer->connection, "Status: 200 OK\r\n\r\n", 18),
                     -1);
}

static void an_answer_to_a_peer_that_takes_nothing_fails_and_does_not_wait(void **state)
{
    struct peer *peer = *state;
    static const char rubbish[4096];
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    while (send(peer->connection, rubbish, sizeof rubbish, 0) > 0)
        continue;
    assert_int_equal(request_answer(&peer->request, peer->connection, "Status: 200 OK\r\n\r\n", 18),
                     -1);
    while (recv(peer->end, (char[4096]){0}, 4096, 0) > 0)
        continue;
    read_with(peer, WITH("REQUEST_METHOD", "POST"), ""); /* the worker's next request */
    answer(peer, "Status: 200 OK\r\n\r\n");
}

static void a_request_may_be_dropped_without_an_answer(void **state)
{
    struct peer *peer = *state;
    char byte;
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    request_drop(&peer->request);
    assert_int_equal(recv(peer->end, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

/* fcgi_reader lets no such parameters pass; if it did, the worker must not lose its file for good.
 */
static void parameters_that_libfcgi_refuses_fail_and_the_next_request_is_read(void **state)
{
    struct peer *peer = *state;
    struct fault fault = FAULT_NONE;
    fcgi_reader_reset(&peer->reader);
    peer->reader.request_id = 1;
    buffer_add(&peer->reader.params, "\x7F\x01x", 3);
    assert_int_equal(request_read(&peer->request, &peer->file, &peer->reader, &fault), -1);
    support_assert_fault(&fault, "libfcgi cannot read a request");
    read_with(peer, WITH("REQUEST_METHOD", "POST"), "");
    answer(peer, "Status: 200 OK\r\n\r\n");
}

static void a_file_may_be_closed_twice(void **state)
{
    struct request_file file;
    struct fault fault = FAULT_NONE;
    assert_int_equal(request_file_open(&file, &fault), 0);
    request_file_close(&file);
    request_file_close(&file);
    assert_int_equal(file.fd, -1);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int request_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_request_is_read_and_its_answer_goes_to_the_socket),
        FRESH(an_answer_is_not_followed_by_the_end_of_the_connection),
        FRESH(an_answer_of_any_size_waits_for_its_peer),
        FRESH(a_peer_that_takes_nothing_is_given_up),
        FRESH(many_requests_go_through_one_memory_file),
        FRESH(the_path_ends_at_the_query),
        FRESH(what_the_web_server_did_not_send_is_empty),
        FRESH(the_body_is_judged_by_content_length),
        FRESH(without_a_length_what_can_only_be_a_half_is_one),
        FRESH(a_body_that_is_too_large_is_told_from_one_that_is_cut),
        FRESH(one_parameter_may_be_as_long_as_all_may_be),
        FRESH(there_may_be_ten_thousand_parameters),
        FRESH(a_long_answer_arrives_whole),
        FRESH(an_answer_to_a_peer_that_is_gone_fails),
        FRESH(an_answer_to_a_peer_that_takes_nothing_fails_and_does_not_wait),
        FRESH(a_request_may_be_dropped_without_an_answer),
        FRESH(parameters_that_libfcgi_refuses_fail_and_the_next_request_is_read),
        cmocka_unit_test(a_file_may_be_closed_twice),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
