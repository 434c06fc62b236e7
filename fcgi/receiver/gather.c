/* gather: bytes from a web server's connection -> one whole FastCGI request. */
#include "config.h"

#include "receiver/gather.h"

#include <string.h>

/* Record types and roles of the FastCGI specification, section 8. */
enum record_type {
    BEGIN_REQUEST = 1,
    ABORT_REQUEST = 2,
    PARAMS = 4,
    STDIN = 5,
    GET_VALUES = 9,
    GET_VALUES_RESULT = 10,
    UNKNOWN_TYPE = 11,
};
#define FASTCGI_VERSION 1
#define RESPONDER 1
#define KEEP_CONN 1
#define HEADER_SIZE 8
#define BEGIN_SIZE 8

void gather_init(struct gather *gather, size_t body_max)
{
    *gather = (struct gather){.body_max = body_max};
}

void gather_reset(struct gather *gather)
{
    size_t body_max = gather->body_max;
    buffer_release(&gather->params);
    buffer_release(&gather->body);
    gather_init(gather, body_max);
}

/* Whether nothing of a record is left, so that the next byte is a header's. */
static bool is_between_records(const struct gather *gather)
{
    return gather->content_left == 0 && gather->padding_left == 0 &&
           (gather->header_length == 0 || gather->header_length == HEADER_SIZE);
}

bool gather_has_begun(const struct gather *gather)
{
    return gather->request_id != 0 || !is_between_records(gather);
}

size_t gather_held(const struct gather *gather)
{
    return gather->params.capacity + gather->body.capacity;
}

static enum gather_result broken(struct gather *gather, const char *defect)
{
    gather->defect = defect;
    return GATHER_BROKEN;
}

static unsigned record_type(const struct gather *gather)
{
    return gather->header[1];
}

static uint16_t record_id(const struct gather *gather)
{
    return (uint16_t)(gather->header[2] << 8 | gather->header[3]);
}

/* Reads one length of a name-value pair at *AT; false where the parameters end within it. */
static bool read_length(const struct buffer *params, size_t *at, size_t *length)
{
    const unsigned char *b = (const unsigned char *)params->bytes + *at;
    size_t left = params->length - *at;
    if (left >= 1 && b[0] < 0x80) {
        *length = b[0];
        *at += 1;
        return true;
    }
    if (left < 4)
        return false;
    *length = (size_t)(b[0] & 0x7F) << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    *at += 4;
    return true;
}

/* The bytes that a CONTENT_LENGTH of LENGTH digits tells, MOST at most, and also where it tells no
 * number. */
static size_t read_announced(const char *digits, size_t length, size_t most)
{
    size_t announced = 0;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return most;
        announced = announced * 10 + (size_t)(digits[i] - '0');
        if (announced >= most)
            return most;
    }
    return length == 0 ? most : announced;
}

/* Whether every name and value lies within the parameters; and what is announced there. */
static bool read_pairs(struct gather *gather)
{
    static const char name_wanted[] = "CONTENT_LENGTH";
    const struct buffer *params = &gather->params;
    size_t at = 0;
    bool found = false; /* the first one, which is libfcgi's too */
    gather->announced = gather->body_max;
    while (at < params->length) {
        size_t name, value;
        if (!read_length(params, &at, &name) || !read_length(params, &at, &value) ||
            name > params->length - at || value > params->length - at - name)
            return false;
        const char *bytes = params->bytes + at;
        if (!found && name == sizeof name_wanted - 1 && memcmp(bytes, name_wanted, name) == 0) {
            gather->announced = read_announced(bytes + name, value, gather->body_max);
            found = true;
        }
        at += name + value;
    }
    return true;
}

/* A management record (request id 0): answered as the specification's section 4 asks, with no value
 * known and no type known. Its content is skipped. */
static enum gather_result owe_reply(struct gather *gather)
{
    if (record_type(gather) == GET_VALUES) {
        const unsigned char none[] = {FASTCGI_VERSION, GET_VALUES_RESULT, 0, 0, 0, 0, 0, 0};
        memcpy(gather->reply, none, sizeof none);
        gather->reply_length = sizeof none;
    } else {
        const unsigned char unknown[] = {FASTCGI_VERSION,
                                         UNKNOWN_TYPE,
                                         0,
                                         0,
                                         0,
                                         8,
                                         0,
                                         0,
                                         gather->header[1],
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0};
        memcpy(gather->reply, unknown, sizeof unknown);
        gather->reply_length = sizeof unknown;
    }
    return GATHER_REPLY;
}

static enum gather_result end_params(struct gather *gather)
{
    if (!read_pairs(gather))
        return broken(gather, "a parameter is longer than all parameters");
    gather->params_done = true;
    return GATHER_MORE;
}

/* A record of the body has begun. */
static enum gather_result begin_body(struct gather *gather)
{
    if (gather->content_left == 0) {
        gather->whole = true;
        return GATHER_MORE;
    }
    uint64_t length = gather->body_length + gather->content_left;
    gather->body_too_large = length > gather->body_max;
    gather->body_excessive = length > gather->announced;
    if (gather->body_excessive)
        buffer_release(&gather->body);
    if (gather->body_begun)
        return GATHER_MORE;
    gather->body_begun = true;
    return GATHER_BODY;
}

/* A record's header has arrived whole. */
static enum gather_result begin_record(struct gather *gather)
{
    const unsigned char *h = gather->header;
    gather->content_left = (size_t)h[4] << 8 | h[5];
    gather->padding_left = h[6];
    if (h[0] != FASTCGI_VERSION)
        return broken(gather, "no FastCGI version 1 record");
    if (record_id(gather) == 0)
        return record_type(gather) == BEGIN_REQUEST ? broken(gather, "a request numbered 0")
                                                    : owe_reply(gather);
    if (record_type(gather) == BEGIN_REQUEST) {
        if (gather->request_id != 0)
            return broken(gather, "a request within a request");
        if (gather->content_left != BEGIN_SIZE)
            return broken(gather, "a malformed begin of a request");
        gather->request_id = record_id(gather);
        return GATHER_MORE;
    }
    if (record_id(gather) != gather->request_id)
        return broken(gather, "a record of no request");
    switch (record_type(gather)) {
    case PARAMS:
        if (gather->params_done)
            return broken(gather, "parameters after their end");
        if (gather->content_left > GATHER_PARAMS_MAX - gather->params.length)
            return broken(gather, "too many parameters");
        return gather->content_left == 0 ? end_params(gather) : GATHER_MORE;
    case STDIN:
        if (!gather->params_done)
            return broken(gather, "a body before the parameters");
        return begin_body(gather);
    case ABORT_REQUEST:
        return broken(gather, "the web server gave the request up");
    default:
        return broken(gather, "a record of a type that no responder gets");
    }
}

/* Content of the record that is arriving. */
static enum gather_result take_content(struct gather *gather, const unsigned char *bytes,
                                       size_t length)
{
    if (record_id(gather) == 0)
        return GATHER_MORE;
    switch (record_type(gather)) {
    case BEGIN_REQUEST:
        for (size_t i = 0; i < length; i++) {
            size_t at = BEGIN_SIZE - gather->content_left + i;
            if ((at == 0 && bytes[i] != 0) || (at == 1 && bytes[i] != RESPONDER))
                return broken(gather, "a role that is not responder");
            if (at == 2)
                gather->keep = (bytes[i] & KEEP_CONN) != 0;
        }
        return GATHER_MORE;
    case PARAMS:
        buffer_add(&gather->params, (const char *)bytes, length);
        break;
    default:
        gather->body_length += length;
        if (!gather->body_excessive && gather->announced < gather->body_max)
            buffer_reserve(&gather->body, gather->announced);
        if (!gather->body_excessive)
            buffer_add(&gather->body, (const char *)bytes, length);
        break;
    }
    return gather->params.failed || gather->body.failed ? broken(gather, "out of memory")
                                                        : GATHER_MORE;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum gather_result gather_feed(struct gather *gather, const unsigned char *bytes, size_t length,
                               size_t *used)
{
    size_t at = 0;
    enum gather_result result = GATHER_MORE;
    /* A record is over when nothing of it is left; the request is whole when its last one is over.
     */
    while (result == GATHER_MORE) {
        bool between = is_between_records(gather);
        if (between)
            gather->header_length = 0;
        if (between && gather->whole) {
            result = GATHER_WHOLE;
        } else if (at == length) {
            break;
        } else if (gather->header_length < HEADER_SIZE) {
            size_t part = least(HEADER_SIZE - gather->header_length, length - at);
            memcpy(gather->header + gather->header_length, bytes + at, part);
            gather->header_length += part;
            at += part;
            if (gather->header_length == HEADER_SIZE)
                result = begin_record(gather);
        } else if (gather->content_left > 0) {
            size_t part = least(gather->content_left, length - at);
            result = take_content(gather, bytes + at, part);
            gather->content_left -= part;
            at += part;
        } else {
            size_t part = least(gather->padding_left, length - at);
            gather->padding_left -= part;
            at += part;
        }
    }
    *used = at;
    return result;
}
