/* fcgi_reader: turns the bytes of a web server's connection into one whole FastCGI request. */
#include "config.h"

#include "receiver/fcgi_reader.h"

#include <string.h>

/* Record types and roles from the FastCGI specification, section 8. */
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

void fcgi_reader_init(struct fcgi_reader *reader, size_t body_max)
{
    *reader = (struct fcgi_reader){.body_max = body_max};
}

void fcgi_reader_reset(struct fcgi_reader *reader)
{
    size_t body_max = reader->body_max;
    buffer_release(&reader->params);
    buffer_release(&reader->body);
    fcgi_reader_init(reader, body_max);
}

/* Whether the last record is complete, so that the next byte begins a header. */
static bool is_between_records(const struct fcgi_reader *reader)
{
    return reader->content_left == 0 && reader->padding_left == 0 &&
           (reader->header_length == 0 || reader->header_length == HEADER_SIZE);
}

bool fcgi_reader_has_begun(const struct fcgi_reader *reader)
{
    return reader->request_id != 0 || !is_between_records(reader);
}

static enum fcgi_reader_result broken(struct fcgi_reader *reader, const char *defect)
{
    reader->defect = defect;
    return FCGI_READER_BROKEN;
}

static unsigned record_type(const struct fcgi_reader *reader)
{
    return reader->header[1];
}

static uint16_t record_id(const struct fcgi_reader *reader)
{
    return (uint16_t)(reader->header[2] << 8 | reader->header[3]);
}

/* Reads one length of a name-value pair at *AT; false if the parameters end within it. */
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

/* The number in a CONTENT_LENGTH of LENGTH digits, MOST at most. MOST if it is no number. */
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

/* Whether every name and value lies within the parameters. Also reads the announced length. */
static bool read_pairs(struct fcgi_reader *reader)
{
    static const char name_wanted[] = "CONTENT_LENGTH";
    const struct buffer *params = &reader->params;
    size_t at = 0;
    bool found = false; /* the first one, as libfcgi takes it */
    reader->announced = reader->body_max;
    while (at < params->length) {
        size_t name, value;
        if (!read_length(params, &at, &name) || !read_length(params, &at, &value) ||
            name > params->length - at || value > params->length - at - name)
            return false;
        const char *bytes = params->bytes + at;
        if (!found && name == sizeof name_wanted - 1 && memcmp(bytes, name_wanted, name) == 0) {
            reader->announced = read_announced(bytes + name, value, reader->body_max);
            found = true;
        }
        at += name + value;
    }
    return true;
}

/* A management record (request id 0). The answer is that of the specification's section 4: no value
 * known, no type known. The record's content is skipped. */
static enum fcgi_reader_result owe_reply(struct fcgi_reader *reader)
{
    if (record_type(reader) == GET_VALUES) {
        const unsigned char none[] = {FASTCGI_VERSION, GET_VALUES_RESULT, 0, 0, 0, 0, 0, 0};
        memcpy(reader->reply, none, sizeof none);
        reader->reply_length = sizeof none;
    } else {
        const unsigned char unknown[] = {FASTCGI_VERSION,
                                         UNKNOWN_TYPE,
                                         0,
                                         0,
                                         0,
                                         8,
                                         0,
                                         0,
                                         reader->header[1],
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0};
        memcpy(reader->reply, unknown, sizeof unknown);
        reader->reply_length = sizeof unknown;
    }
    return FCGI_READER_REPLY;
}

/* A record of the body has begun. */
static enum fcgi_reader_result begin_body(struct fcgi_reader *reader)
{
    if (reader->content_left == 0) {
        reader->whole = true;
        return FCGI_READER_MORE;
    }
    uint64_t length = reader->body_length + reader->content_left;
    reader->body_too_large = length > reader->body_max;
    reader->body_excessive = length > reader->announced;
    if (reader->body_excessive)
        buffer_release(&reader->body);
    if (reader->body_begun)
        return FCGI_READER_MORE;
    reader->body_begun = true;
    return FCGI_READER_BODY;
}

/* A record's header has arrived whole. */
static enum fcgi_reader_result begin_record(struct fcgi_reader *reader)
{
    const unsigned char *h = reader->header;
    reader->content_left = (size_t)h[4] << 8 | h[5];
    reader->padding_left = h[6];
    if (h[0] != FASTCGI_VERSION)
        return broken(reader, "no FastCGI version 1 record");
    if (record_id(reader) == 0)
        return record_type(reader) == BEGIN_REQUEST ? broken(reader, "a request numbered 0")
                                                    : owe_reply(reader);
    if (record_type(reader) == BEGIN_REQUEST) {
        if (reader->request_id != 0)
            return broken(reader, "a request within a request");
        if (reader->content_left != BEGIN_SIZE)
            return broken(reader, "a malformed begin of a request");
        reader->request_id = record_id(reader);
        return FCGI_READER_MORE;
    }
    if (record_id(reader) != reader->request_id)
        return broken(reader, "a record of no request");
    switch (record_type(reader)) {
    case PARAMS:
        if (reader->params_done)
            return broken(reader, "parameters after their end");
        if (reader->content_left > FCGI_READER_PARAMS_MAX - reader->params.length)
            return broken(reader, "too many parameters");
        reader->params_done = reader->content_left == 0;
        return reader->params_done && !read_pairs(reader)
                   ? broken(reader, "a parameter is longer than all parameters")
                   : FCGI_READER_MORE;
    case STDIN:
        if (!reader->params_done)
            return broken(reader, "a body before the parameters");
        return begin_body(reader);
    case ABORT_REQUEST:
        return broken(reader, "the web server gave the request up");
    default:
        return broken(reader, "a record of a type that no responder gets");
    }
}

/* Content of the record that is arriving. */
static enum fcgi_reader_result take_content(struct fcgi_reader *reader, const unsigned char *bytes,
                                            size_t length)
{
    if (record_id(reader) == 0)
        return FCGI_READER_MORE;
    switch (record_type(reader)) {
    case BEGIN_REQUEST:
        for (size_t i = 0; i < length; i++) {
            size_t at = BEGIN_SIZE - reader->content_left + i;
            if ((at == 0 && bytes[i] != 0) || (at == 1 && bytes[i] != RESPONDER))
                return broken(reader, "a role that is not responder");
            if (at == 2)
                reader->keep = (bytes[i] & KEEP_CONN) != 0;
        }
        return FCGI_READER_MORE;
    case PARAMS:
        buffer_add(&reader->params, (const char *)bytes, length);
        break;
    default:
        reader->body_length += length;
        if (!reader->body_excessive && reader->announced < reader->body_max)
            buffer_reserve(&reader->body, reader->announced);
        if (!reader->body_excessive)
            buffer_add(&reader->body, (const char *)bytes, length);
        break;
    }
    return reader->params.failed || reader->body.failed ? broken(reader, "out of memory")
                                                        : FCGI_READER_MORE;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum fcgi_reader_result fcgi_reader_feed(struct fcgi_reader *reader, const unsigned char *bytes,
                                         size_t length, size_t *used)
{
    size_t at = 0;
    enum fcgi_reader_result result = FCGI_READER_MORE;
    /* A record is over when all its bytes have come; the request is whole when its last record is
     * over. */
    while (result == FCGI_READER_MORE) {
        bool between = is_between_records(reader);
        if (between)
            reader->header_length = 0;
        if (between && reader->whole) {
            result = FCGI_READER_WHOLE;
        } else if (at == length) {
            break;
        } else if (reader->header_length < HEADER_SIZE) {
            size_t part = least(HEADER_SIZE - reader->header_length, length - at);
            memcpy(reader->header + reader->header_length, bytes + at, part);
            reader->header_length += part;
            at += part;
            if (reader->header_length == HEADER_SIZE)
                result = begin_record(reader);
        } else if (reader->content_left > 0) {
            size_t part = least(reader->content_left, length - at);
            result = take_content(reader, bytes + at, part);
            reader->content_left -= part;
            at += part;
        } else {
            size_t part = least(reader->padding_left, length - at);
            reader->padding_left -= part;
            at += part;
        }
    }
    *used = at;
    return result;
}
