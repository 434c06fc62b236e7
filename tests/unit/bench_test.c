/* The load generator of tests/bench: it sends what it says, and takes no answer for another. */
#include "config.h"

#include "reply.h"
#include "requests.h"
#include "support.h"
#include "tally.h"

#include "notification/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 5000

/* --- requests --- */

static struct record *record_of(const struct requests *requests, uint64_t i)
{
    const struct request_span *span = &requests->spans[i];
    const char *head = requests->bytes + span->start;
    const char *body = memmem(head, span->length, "\r\n\r\n", 4);
    assert_non_null(body);
    return support_bytes(body + 4, span->length - (size_t)(body + 4 - head));
}

static int compare_bodies(const void *a, const void *b)
{
    const struct record *left = *(struct record *const *)a, *right = *(struct record *const *)b;
    size_t least = left->body_length < right->body_length ? left->body_length : right->body_length;
    int order = memcmp(left->body, right->body, least);
    return order != 0 ? order
                      : (left->body_length > right->body_length) -
                            (left->body_length < right->body_length);
}

/* Each is a notification, and as many of them are like another as are marked as repeats. */
static void assert_sound(const struct requests_plan *plan)
{
    static struct record *records[COUNT];
    struct requests requests;
    uint64_t repeats = 0, alike = 0, results = 0;
    assert_int_equal(requests_prepare(&requests, plan), 0);
    assert_int_equal(requests.count, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        records[i] = record_of(&requests, i);
        assert_int_equal(dispatch_read(records[i]), DISPATCH_NOTIFICATION);
        repeats += requests.spans[i].repeat;
        results += records[i]->meaning == RECORD_RESULT;
    }
    qsort(records, COUNT, sizeof records[0], compare_bodies);
    for (uint64_t i = 1; i < COUNT; i++)
        alike += compare_bodies(&records[i - 1], &records[i]) == 0;
    assert_int_equal(alike, repeats);
    assert_int_equal(repeats, (uint64_t)(plan->repeats * COUNT));
    /* a quarter of what is new are results, and the rest says how far devices are */
    assert_in_range(results, COUNT / 6, COUNT / 3);
    for (uint64_t i = 0; i < COUNT; i++)
        support_record_free(records[i]);
    requests_release(&requests);
}

static void a_campaign_repeats_only_what_is_to_repeat(void **state)
{
    assert_sound(&(struct requests_plan){.path = "/", .count = COUNT, .seed = 1});
    assert_sound(&(struct requests_plan){.path = "/", .count = COUNT, .seed = 2, .repeats = 0.25});
}

static void random_ids_repeat_only_what_is_to_repeat(void **state)
{
    assert_sound(&(struct requests_plan){
        .path = "/", .count = COUNT, .seed = 1, .repeats = 0.25, .all_random = true});
}

static void a_request_is_as_long_as_it_says(void **state)
{
    struct requests requests;
    const struct requests_plan plan = {.path = "/callback", .count = 1, .seed = 1};
    assert_int_equal(requests_prepare(&requests, &plan), 0);
    const char *end = memmem(requests.bytes, requests.length, "\r\n\r\n", 4);
    const char *length = memmem(requests.bytes, requests.length, "Content-Length: ", 16);
    assert_memory_equal(requests.bytes, "POST /callback HTTP/1.1\r\n", 25);
    assert_int_equal(strtoul(length + 16, NULL, 10), requests.bytes + requests.length - (end + 4));
    requests_release(&requests);
}

/* --- answers --- */

/* Hands the answer over byte by byte: it is whole with its last one, and not before. */
static void assert_whole(struct reply *reply, const char *text)
{
    reply->length = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        reply->bytes[reply->length++] = text[i];
        assert_int_equal(reply_read(reply), text[i + 1] == '\0' ? REPLY_WHOLE : REPLY_MORE);
    }
}

static enum reply_state read_at_once(struct reply *reply, const char *text)
{
    reply->length = strlen(text);
    memcpy(reply->bytes, text, reply->length);
    return reply_read(reply);
}

static void an_answer_is_whole_with_its_last_byte(void **state)
{
    static struct reply reply;
    assert_whole(&reply,
                 "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{\"result\":\"stored\",\"seq\":12}");
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.result, REPLY_STORED);
    assert_false(reply.closes);
    assert_whole(&reply,
                 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n"
                 "11\r\n{\"result\": \"repea\r\n5\r\nted\"}\r\n0\r\n\r\n");
    assert_true(reply.closes);
    assert_whole(&reply, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(reply.status, 503);
    assert_int_equal(reply.result, REPLY_SILENT);
}

static void what_is_no_answer_is_broken(void **state)
{
    static struct reply reply;
    assert_int_equal(read_at_once(&reply, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
                     REPLY_BROKEN);
    assert_int_equal(read_at_once(&reply, "HTTP/1.1 200 OK\r\n\r\n"), REPLY_BROKEN);
    assert_int_equal(
        read_at_once(&reply, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        REPLY_BROKEN);
    memset(reply.bytes, 'x', REPLY_MAX);
    reply.length = REPLY_MAX;
    assert_int_equal(reply_read(&reply), REPLY_BROKEN);
}

/* --- what is told of them --- */

static void percentiles_are_those_of_the_samples(void **state)
{
    struct tally tally;
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(tally_init(&tally, 1000), 0);
    for (int64_t i = 1000; i > 0; i--) {
        tally.sent++;
        tally_answer(&tally, &(struct reply){.status = 200}, i * 1000);
    }
    assert_true(tally_is_clean(&tally));
    FILE *out = open_memstream(&text, &size);
    tally_print(&tally, 2, out);
    fclose(out);
    assert_non_null(strstr(text, "\"perSecond\":500.0"));
    assert_non_null(
        strstr(text, "\"p50\":500.0,\"p90\":900.0,\"p99\":990.0,\"p999\":999.0,\"max\":1000.0"));
    free(text);
    tally_release(&tally);
}

static void one_that_is_not_answered_200_is_not_clean(void **state)
{
    struct tally tally;
    assert_int_equal(tally_init(&tally, 2), 0);
    assert_false(tally_is_clean(&tally));
    tally.sent = 2;
    tally_answer(&tally, &(struct reply){.status = 200}, 1);
    assert_false(tally_is_clean(&tally));
    tally_answer(&tally, &(struct reply){.status = 503}, 1);
    assert_false(tally_is_clean(&tally));
    tally_release(&tally);
}

int bench_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_campaign_repeats_only_what_is_to_repeat),
        cmocka_unit_test(random_ids_repeat_only_what_is_to_repeat),
        cmocka_unit_test(a_request_is_as_long_as_it_says),
        cmocka_unit_test(an_answer_is_whole_with_its_last_byte),
        cmocka_unit_test(what_is_no_answer_is_broken),
        cmocka_unit_test(percentiles_are_those_of_the_samples),
        cmocka_unit_test(one_that_is_not_answered_200_is_not_clean),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
