/* Bytes of a connection, cut anywhere, become whole requests or a named defect. */
#include "config.h"

#include "fastcgi.h"
#include "receiver/fcgi_reader.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)1000)

/* --- every split gives the same --- */

static void add_hex(struct buffer *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        buffer_addf(out, "%02x", (unsigned char)bytes[i]);
}

/* Notes what came of one call; a whole request is written down, and the next begun. */
static void note(struct fcgi_reader *reader, enum fcgi_reader_result result, struct buffer *story)
{
    switch (result) {
    case FCGI_READER_MORE:
    case FCGI_READER_BODY:
        break;
    case FCGI_READER_REPLY:
        buffer_add_string(story, "reply ");
        add_hex(story, (const char *)reader->reply, reader->reply_length);
        buffer_add_string(story, "\n");
        break;
    case FCGI_READER_WHOLE:
        buffer_addf(story, "request %u keep %d too large %d length %llu params ",
                    (unsigned)reader->request_id, reader->keep, reader->body_too_large,
                    (unsigned long long)reader->body_length);
        add_hex(story, reader->params.bytes, reader->params.length);
        buffer_add_string(story, " body ");
        add_hex(story, reader->body.bytes, reader->body.length);
        buffer_add_string(story, "\n");
        fcgi_reader_reset(reader);
        break;
    case FCGI_READER_BROKEN:
        buffer_addf(story, "broken: %s\n", reader->defect);
        break;
    }
}

/* Feeds one piece; false when the stream is broken. */
static bool feed(struct fcgi_reader *reader, const char *bytes, size_t length, struct buffer *story)
{
    while (length > 0) {
        size_t used = SIZE_MAX;
        enum fcgi_reader_result result = fcgi_reader_feed(reader, (const unsigned char *)bytes,
                                                          length, &used);
        assert_true(used <= length);
        if (result == FCGI_READER_MORE)
            assert_int_equal(used, length);
        note(reader, result, story);
        if (result == FCGI_READER_BROKEN)
            return false;
        bytes += used;
        length -= used;
    }
    return true;
}

/* What came of a stream cut at A and at B; free with buffer_release. */
static struct buffer tell(const struct buffer *stream, size_t a, size_t b)
{
    struct fcgi_reader reader;
    struct buffer story = {0};
    fcgi_reader_init(&reader, BODY_MAX);
    if (feed(&reader, stream->bytes, a, &story) &&
        feed(&reader, stream->bytes + a, b - a, &story) &&
        feed(&reader, stream->bytes + b, stream->length - b, &story))
        buffer_addf(&story, "%s\n", fcgi_reader_has_begun(&reader) ? "within a request" : "idle");
    fcgi_reader_reset(&reader);
    buffer_add(&story, "", 1);
    assert_false(story.failed);
    return story;
}

static struct buffer tell_byte_by_byte(const struct buffer *stream)
{
    struct fcgi_reader reader;
    struct buffer story = {0};
    bool sane = true;
    fcgi_reader_init(&reader, BODY_MAX);
    for (size_t i = 0; i < stream->length && sane; i++)
        sane = feed(&reader, stream->bytes + i, 1, &story);
    if (sane)
        buffer_addf(&story, "%s\n", fcgi_reader_has_begun(&reader) ? "within a request" : "idle");
    fcgi_reader_reset(&reader);
    buffer_add(&story, "", 1);
    return story;
}

static void expect_same_story(struct buffer story, const char *expected)
{
    assert_string_equal(story.bytes, expected);
    buffer_release(&story);
}

static void expect_one_story(const struct buffer *stream, const char *part)
{
    struct buffer whole = tell(stream, 0, 0);
    support_assert_has(whole.bytes, part);
    for (size_t i = 0; i <= stream->length; i++)
        expect_same_story(tell(stream, i, i), whole.bytes);
    uint64_t seed = 7;
    for (int i = 0; i < 2000; i++) {
        size_t b = support_random_below(&seed, stream->length + 1);
        expect_same_story(tell(stream, support_random_below(&seed, b + 1), b), whole.bytes);
    }
    expect_same_story(tell_byte_by_byte(stream), whole.bytes);
    buffer_release(&whole);
}

/* Two requests and management records, with all that the specification allows. */
static struct buffer rich_stream(void)
{
    struct buffer stream = {0}, params = {0};
    char value[300];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    fastcgi_add(&stream, FASTCGI_GET_VALUES, 0, "\x0F\0FCGI_MPXS_CONNS", 17, 7);
    fastcgi_add_begin(&stream, 0x1234, FASTCGI_RESPONDER, FASTCGI_KEEP);
    fastcgi_add_param(&params, "REQUEST_METHOD", "POST");
    fastcgi_add_param(&params, "HTTP_LONG", value);
    fastcgi_add_param(&params, "", "");
    fastcgi_add(&stream, FASTCGI_PARAMS, 0x1234, params.bytes, 3, 5);
    fastcgi_add(&stream, FASTCGI_PARAMS, 0x1234, params.bytes + 3, params.length - 3, 255);
    fastcgi_add(&stream, 77, 0, "what is this", 12, 1);
    fastcgi_add(&stream, FASTCGI_PARAMS, 0x1234, NULL, 0, 9);
    fastcgi_add(&stream, FASTCGI_STDIN, 0x1234, "{\"a\":", 5, 3);
    fastcgi_add(&stream, FASTCGI_STDIN, 0x1234, "1}", 2, 0);
    fastcgi_add(&stream, FASTCGI_STDIN, 0x1234, NULL, 0, 8);
    fastcgi_add_post(&stream, 1, "{}");
    buffer_release(&params);
    return stream;
}

static void every_split_of_a_stream_gives_the_same_requests(void **state)
{
    struct buffer stream = rich_stream();
    expect_one_story(&stream, "request 4660 keep 1 too large 0 length 7 params ");
    expect_one_story(&stream, " body 7b2261223a317d\nrequest 1 keep 0 too large 0 length 2");
    expect_one_story(&stream, " body 7b7d\nidle\n");
    buffer_release(&stream);
}

static void every_split_of_a_broken_stream_breaks_it_the_same_way(void **state)
{
    struct buffer stream = rich_stream();
    fastcgi_add_begin(&stream, 2, 2, 0); /* an authorizer */
    fastcgi_add_post(&stream, 3, "{}");
    expect_one_story(&stream, "\nbroken: a role that is not responder\n");
    buffer_release(&stream);
}

static void a_stream_that_ends_early_is_within_a_request(void **state)
{
    struct buffer stream = {0};
    fastcgi_add_post(&stream, 1, "{\"a\":1}");
    for (size_t length = 1; length < stream.length; length++) {
        struct buffer cut = {.bytes = stream.bytes, .length = length};
        expect_same_story(tell(&cut, 0, 0), "within a request\n");
    }
    buffer_release(&stream);
}

/* --- management records --- */

/* Tells STREAM and compares the story's beginning with EXPECTED. */
static void expect_story(struct buffer *stream, const char *expected)
{
    struct buffer story = tell(stream, 0, 0);
    if (strncmp(story.bytes, expected, strlen(expected)) != 0)
        fail_msg("'%s' does not begin with '%s'", story.bytes, expected);
    buffer_release(&story);
    buffer_release(stream);
}

static void get_values_is_answered_with_no_value(void **state)
{
    struct buffer stream = {0};
    fastcgi_add(&stream, FASTCGI_GET_VALUES, 0, "\x0E\0FCGI_MAX_CONNS", 16, 0);
    expect_story(&stream, "reply 010a000000000000\nidle\n");
}

static void an_unknown_management_record_is_answered_by_its_type(void **state)
{
    struct buffer stream = {0};
    fastcgi_add(&stream, 200, 0, "x", 1, 7);
    expect_story(&stream, "reply 010b000000080000c800000000000000\nidle\n");
}

static void a_management_record_without_content_leaves_nothing_begun(void **state)
{
    struct buffer stream = {0};
    fastcgi_add(&stream, FASTCGI_GET_VALUES, 0, NULL, 0, 0);
    expect_story(&stream, "reply 010a000000000000\nidle\n");
}

static void many_management_records_hold_no_memory(void **state)
{
    struct fcgi_reader reader;
    struct buffer stream = {0}, story = {0};
    char *content = calloc(1, 0xFFFF);
    assert_non_null(content);
    for (int i = 0; i < 10; i++)
        fastcgi_add(&stream, FASTCGI_GET_VALUES, 0, content, 0xFFFF, 255);
    fcgi_reader_init(&reader, BODY_MAX);
    assert_true(feed(&reader, stream.bytes, stream.length, &story));
    assert_int_equal((reader.params.capacity + reader.body.capacity), 0);
    assert_false(fcgi_reader_has_begun(&reader));
    fcgi_reader_reset(&reader);
    buffer_release(&stream);
    buffer_release(&story);
    free(content);
}

/* --- defects --- */

/* BEGIN, whole and sane, for the defects that come behind it. */
static void begin(struct buffer *stream)
{
    fastcgi_add_begin(stream, 1, FASTCGI_RESPONDER, 0);
}

static void a_record_of_another_version_is_a_defect(void **state)
{
    struct buffer stream = {0};
    begin(&stream);
    stream.bytes[0] = 2;
    expect_story(&stream, "broken: no FastCGI version 1 record\n");
    buffer_add_string(&stream, "GET / HTTP/1.1\r\n\r\n");
    expect_story(&stream, "broken: no FastCGI version 1 record\n");
}

static void a_request_numbered_0_is_a_defect(void **state)
{
    struct buffer stream = {0};
    fastcgi_add_begin(&stream, 0, FASTCGI_RESPONDER, 0);
    expect_story(&stream, "broken: a request numbered 0\n");
}

static void a_request_within_a_request_is_a_defect(void **state)
{
    struct buffer stream = {0};
    begin(&stream);
    fastcgi_add_begin(&stream, 2, FASTCGI_RESPONDER, 0);
    expect_story(&stream, "broken: a request within a request\n");
    begin(&stream);
    begin(&stream);
    expect_story(&stream, "broken: a request within a request\n");
}

static void a_begin_of_another_size_is_a_defect(void **state)
{
    static const char content[16] = {0, FASTCGI_RESPONDER};
    static const size_t sizes[] = {0, 7, 9, 16};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct buffer stream = {0};
        fastcgi_add(&stream, FASTCGI_BEGIN, 1, content, sizes[i], 0);
        expect_story(&stream, "broken: a malformed begin of a request\n");
    }
}

static void roles_other_than_responder_are_a_defect(void **state)
{
    static const unsigned roles[] = {0, 2, 3, 0x100, 0x101, 0xFFFF};
    for (size_t i = 0; i < LENGTH(roles); i++) {
        struct buffer stream = {0};
        fastcgi_add_begin(&stream, 1, roles[i], 0);
        expect_story(&stream, "broken: a role that is not responder\n");
    }
}

static void records_of_no_request_are_a_defect(void **state)
{
    static const unsigned types[] = {FASTCGI_ABORT, FASTCGI_END, FASTCGI_PARAMS, FASTCGI_STDIN, 99};
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct buffer stream = {0};
        fastcgi_add(&stream, types[i], 1, "x", 1, 0);
        expect_story(&stream, "broken: a record of no request\n");
        begin(&stream);
        fastcgi_add(&stream, types[i], 2, "x", 1, 0);
        expect_story(&stream, "broken: a record of no request\n");
    }
}

static void parameters_after_their_end_are_a_defect(void **state)
{
    struct buffer stream = {0};
    begin(&stream);
    fastcgi_add(&stream, FASTCGI_PARAMS, 1, NULL, 0, 0);
    fastcgi_add(&stream, FASTCGI_PARAMS, 1, "\1\1ab", 4, 0);
    expect_story(&stream, "broken: parameters after their end\n");
}

static void a_body_before_the_end_of_the_parameters_is_a_defect(void **state)
{
    struct buffer stream = {0};
    begin(&stream);
    fastcgi_add(&stream, FASTCGI_PARAMS, 1, "\1\1ab", 4, 0);
    fastcgi_add(&stream, FASTCGI_STDIN, 1, "{}", 2, 0);
    expect_story(&stream, "broken: a body before the parameters\n");
}

static void an_abort_is_a_defect(void **state)
{
    struct buffer stream = {0};
    begin(&stream);
    fastcgi_add(&stream, FASTCGI_ABORT, 1, NULL, 0, 0);
    expect_story(&stream, "broken: the web server gave the request up\n");
}

static void records_that_no_responder_gets_are_a_defect(void **state)
{
    static const unsigned types[] = {FASTCGI_END,
                                     FASTCGI_STDOUT,
                                     FASTCGI_STDERR,
                                     FASTCGI_DATA,
                                     FASTCGI_GET_VALUES,
                                     FASTCGI_GET_VALUES_RESULT,
                                     FASTCGI_UNKNOWN,
                                     0,
                                     12,
                                     255};
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct buffer stream = {0};
        begin(&stream);
        fastcgi_add(&stream, types[i], 1, "x", 1, 0);
        expect_story(&stream, "broken: a record of a type that no responder gets\n");
    }
}

static void parameters_that_reach_past_their_end_are_a_defect(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } params[] = {
        {"\1", 1},
        {"\1\1a", 3},
        {"\2\1a", 3},
        {"\x7F\1a", 3},
        {"\x80", 1},
        {"\x80\0\0", 3},
        {"\1\x80\0\0", 4},
        {"\1\xFF\xFF\xFF\xFF"
         "a",
         6},
        {"\xFF\xFF\xFF\xFF\1a", 6},
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8},
        {"\1\1ab\1", 5},
        {"\1\1ab\0\5abcd", 10},
    };
    for (size_t i = 0; i < LENGTH(params); i++) {
        struct buffer stream = {0};
        begin(&stream);
        fastcgi_add(&stream, FASTCGI_PARAMS, 1, params[i].bytes, params[i].length, 0);
        fastcgi_add(&stream, FASTCGI_PARAMS, 1, NULL, 0, 0);
        expect_story(&stream, "broken: a parameter is longer than all parameters\n");
    }
}

/* --- limits --- */

/* BEGIN and parameters of LENGTH bytes in all: one pair with an empty name. */
static struct buffer with_params(size_t length)
{
    struct buffer stream = {0}, params = {0};
    char *value = calloc(1, length - 4);
    assert_non_null(value);
    memset(value, 'v', length - 5);
    fastcgi_add_param(&params, "", value);
    assert_int_equal(params.length, length);
    begin(&stream);
    fastcgi_add_stream(&stream, FASTCGI_PARAMS, 1, &params, 0xFFFF);
    buffer_release(&params);
    free(value);
    return stream;
}

static void parameters_are_taken_up_to_their_limit(void **state)
{
    struct buffer stream = with_params(FCGI_READER_PARAMS_MAX);
    expect_story(&stream, "within a request\n");
    stream = with_params(FCGI_READER_PARAMS_MAX + 1);
    expect_story(&stream, "broken: too many parameters\n");
}

/* A request with a body of LENGTH bytes in records of PART. */
static struct buffer with_body(size_t length, size_t part)
{
    struct buffer stream = {0}, body = {0};
    for (size_t i = 0; i < length; i++)
        buffer_add(&body, "b", 1);
    begin(&stream);
    fastcgi_add(&stream, FASTCGI_PARAMS, 1, NULL, 0, 0);
    fastcgi_add_stream(&stream, FASTCGI_STDIN, 1, &body, part);
    buffer_release(&body);
    return stream;
}

static void a_body_is_kept_up_to_its_limit_and_counted_beyond(void **state)
{
    static const size_t parts[] = {1, 7, 999, 1000, 0xFFFF};
    for (size_t i = 0; i < LENGTH(parts); i++) {
        struct buffer stream = with_body(BODY_MAX, parts[i]);
        expect_story(&stream, "request 1 keep 0 too large 0 length 1000 params  body 6262626262");
        stream = with_body(BODY_MAX + 1, parts[i]);
        expect_story(&stream, "request 1 keep 0 too large 1 length 1001 params  body \nidle\n");
        stream = with_body(3 * BODY_MAX, parts[i]);
        expect_story(&stream, "request 1 keep 0 too large 1 length 3000 params  body \nidle\n");
    }
}

static void a_body_that_is_too_large_is_not_held(void **state)
{
    struct buffer stream = with_body(200 * BODY_MAX, 0xFFFF), story = {0};
    struct fcgi_reader reader;
    fcgi_reader_init(&reader, BODY_MAX);
    for (size_t i = 0; i + 8 < stream.length; i++) { /* all but its end */
        assert_true(feed(&reader, stream.bytes + i, 1, &story));
        assert_true((reader.params.capacity + reader.body.capacity) <= 2 * BODY_MAX);
    }
    assert_int_equal((reader.params.capacity + reader.body.capacity), 0);
    fcgi_reader_reset(&reader);
    buffer_release(&stream);
    buffer_release(&story);
}

/* --- one behind the other --- */

static void a_whole_request_leaves_the_next_ones_bytes(void **state)
{
    struct fcgi_reader reader;
    struct buffer stream = {0};
    size_t used, first;
    fastcgi_add_post(&stream, 1, "{\"a\":1}");
    first = stream.length;
    fastcgi_add_post(&stream, 2, "{}");
    fcgi_reader_init(&reader, BODY_MAX);
    const unsigned char *bytes = (const unsigned char *)stream.bytes;
    assert_int_equal(fastcgi_feed(&reader, bytes, stream.length, &used), FCGI_READER_WHOLE);
    assert_int_equal(used, first);
    assert_true(fcgi_reader_has_begun(&reader));
    assert_int_equal(fcgi_reader_feed(&reader, bytes + used, 1, &used), FCGI_READER_WHOLE);
    assert_int_equal(used, 0); /* nothing more until it was reset */
    fcgi_reader_reset(&reader);
    assert_false(fcgi_reader_has_begun(&reader));
    assert_int_equal((reader.params.capacity + reader.body.capacity), 0);
    assert_int_equal(reader.body_max, BODY_MAX);
    assert_int_equal(fastcgi_feed(&reader, bytes + first, stream.length - first, &used),
                     FCGI_READER_WHOLE);
    assert_int_equal(reader.request_id, 2);
    assert_int_equal(reader.body.length, 2);
    fcgi_reader_reset(&reader);
    buffer_release(&stream);
}

static void a_body_is_announced_before_it_is_kept(void **state)
{
    static const struct {
        const char *length; /* NULL: not told */
        size_t announced, kept;
    } cases[] = {{"7", 7, 7},         {"3", 3, 0},
                 {"10", 10, 7},       {"0", 0, 0},
                 {NULL, BODY_MAX, 7}, {"", BODY_MAX, 7},
                 {"7x", BODY_MAX, 7}, {"99999999999999999999999", BODY_MAX, 7}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct fcgi_reader reader;
        struct buffer stream = {0}, params = {0}, body = {0};
        size_t used, rest;
        if (cases[i].length != NULL)
            fastcgi_add_param(&params, "CONTENT_LENGTH", cases[i].length);
        buffer_add_string(&body, "{\"a\":1}");
        fastcgi_add_begin(&stream, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
        fastcgi_add_stream(&stream, FASTCGI_PARAMS, 1, &params, 0xFFFF);
        fastcgi_add_stream(&stream, FASTCGI_STDIN, 1, &body, 0xFFFF);
        fcgi_reader_init(&reader, BODY_MAX);
        const unsigned char *bytes = (const unsigned char *)stream.bytes;
        assert_int_equal(fcgi_reader_feed(&reader, bytes, stream.length, &used), FCGI_READER_BODY);
        assert_int_equal(reader.announced, cases[i].announced);
        assert_int_equal(reader.body.capacity, 0);
        assert_int_equal(fcgi_reader_feed(&reader, bytes + used, stream.length - used, &rest),
                         FCGI_READER_WHOLE);
        assert_int_equal(used + rest, stream.length);
        assert_int_equal(reader.body.length, cases[i].kept);
        assert_int_equal(reader.body_length, 7);
        fcgi_reader_reset(&reader);
        buffer_release(&stream);
        buffer_release(&params);
        buffer_release(&body);
    }
}

static void feeding_nothing_changes_nothing(void **state)
{
    struct fcgi_reader reader;
    size_t used = 1;
    fcgi_reader_init(&reader, BODY_MAX);
    assert_int_equal(fcgi_reader_feed(&reader, (const unsigned char *)"", 0, &used),
                     FCGI_READER_MORE);
    assert_int_equal(used, 0);
    assert_false(fcgi_reader_has_begun(&reader));
    fcgi_reader_reset(&reader);
}

/* Random bytes behind sane beginnings: whatever comes of it, memory stays bounded and sound. */
static void noise_is_survived(void **state)
{
    uint64_t seed = 3;
    for (int i = 0; i < 3000; i++) {
        struct buffer stream = rich_stream();
        for (size_t n = support_random_below(&seed, 8) + 1; n > 0; n--)
            stream.bytes[support_random_below(&seed, stream.length)] = (char)support_random(&seed);
        struct buffer story = tell(&stream, 0, support_random_below(&seed, stream.length));
        assert_true(story.length > 0);
        buffer_release(&story);
        buffer_release(&stream);
    }
}

int fcgi_reader_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_of_a_stream_gives_the_same_requests),
        cmocka_unit_test(every_split_of_a_broken_stream_breaks_it_the_same_way),
        cmocka_unit_test(a_stream_that_ends_early_is_within_a_request),
        cmocka_unit_test(get_values_is_answered_with_no_value),
        cmocka_unit_test(an_unknown_management_record_is_answered_by_its_type),
        cmocka_unit_test(a_management_record_without_content_leaves_nothing_begun),
        cmocka_unit_test(many_management_records_hold_no_memory),
        cmocka_unit_test(a_record_of_another_version_is_a_defect),
        cmocka_unit_test(a_request_numbered_0_is_a_defect),
        cmocka_unit_test(a_request_within_a_request_is_a_defect),
        cmocka_unit_test(a_begin_of_another_size_is_a_defect),
        cmocka_unit_test(roles_other_than_responder_are_a_defect),
        cmocka_unit_test(records_of_no_request_are_a_defect),
        cmocka_unit_test(parameters_after_their_end_are_a_defect),
        cmocka_unit_test(a_body_before_the_end_of_the_parameters_is_a_defect),
        cmocka_unit_test(an_abort_is_a_defect),
        cmocka_unit_test(records_that_no_responder_gets_are_a_defect),
        cmocka_unit_test(parameters_that_reach_past_their_end_are_a_defect),
        cmocka_unit_test(parameters_are_taken_up_to_their_limit),
        cmocka_unit_test(a_body_is_kept_up_to_its_limit_and_counted_beyond),
        cmocka_unit_test(a_body_that_is_too_large_is_not_held),
        cmocka_unit_test(a_whole_request_leaves_the_next_ones_bytes),
        cmocka_unit_test(a_body_is_announced_before_it_is_kept),
        cmocka_unit_test(feeding_nothing_changes_nothing),
        cmocka_unit_test(noise_is_survived),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
