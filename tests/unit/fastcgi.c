/* fastcgi: what a web server sends, built record by record, and what it gets, taken apart. */
#include "config.h"

#include "fastcgi.h"

#include "support.h"

#include <stdio.h>
#include <string.h>

void fastcgi_add(struct buffer *stream, unsigned type, unsigned id, const char *content,
                 size_t length, unsigned padding)
{
    const unsigned char header[] = {
        1,
        (unsigned char)type,
        (unsigned char)(id >> 8),
        (unsigned char)id,
        (unsigned char)(length >> 8),
        (unsigned char)length,
        (unsigned char)padding,
        0x5A, /* reserved: whatever stands there */
    };
    assert_true(length <= 0xFFFF && padding <= 0xFF);
    buffer_add(stream, (const char *)header, sizeof header);
    buffer_add(stream, content, length);
    for (unsigned i = 0; i < padding; i++)
        buffer_add(stream, "\xA5", 1);
}

void fastcgi_add_begin(struct buffer *stream, unsigned id, unsigned role, unsigned flags)
{
    const char content[8] = {(char)(role >> 8), (char)role, (char)flags, 0, 0, 0, 0, 0};
    fastcgi_add(stream, FASTCGI_BEGIN, id, content, sizeof content, 0);
}

void fastcgi_add_stream(struct buffer *stream, unsigned type, unsigned id,
                        const struct buffer *content, size_t part)
{
    for (size_t done = 0; done < content->length; done += part) {
        size_t left = content->length - done;
        fastcgi_add(stream, type, id, content->bytes + done, left < part ? left : part, 0);
    }
    fastcgi_add(stream, type, id, NULL, 0, 0);
}

static void add_length(struct buffer *params, size_t length)
{
    const char four[] = {(char)(length >> 24 | 0x80), (char)(length >> 16), (char)(length >> 8),
                         (char)length};
    if (length < 0x80)
        buffer_add(params, &four[3], 1);
    else
        buffer_add(params, four, sizeof four);
}

void fastcgi_add_param(struct buffer *params, const char *name, const char *value)
{
    add_length(params, strlen(name));
    add_length(params, strlen(value));
    buffer_add_string(params, name);
    buffer_add_string(params, value);
}

void fastcgi_add_post(struct buffer *stream, unsigned id, const char *body)
{
    struct buffer params = {0}, content = {0};
    char length[24];
    snprintf(length, sizeof length, "%zu", strlen(body));
    fastcgi_add_param(&params, "REQUEST_METHOD", "POST");
    fastcgi_add_param(&params, "REQUEST_URI", "/path");
    fastcgi_add_param(&params, "CONTENT_LENGTH", length);
    buffer_add_string(&content, body);
    fastcgi_add_begin(stream, id, FASTCGI_RESPONDER, 0);
    fastcgi_add_stream(stream, FASTCGI_PARAMS, id, &params, 0xFFFF);
    fastcgi_add_stream(stream, FASTCGI_STDIN, id, &content, 0xFFFF);
    buffer_release(&params);
    buffer_release(&content);
}

void fastcgi_read_answer(const char *bytes, size_t length, struct fastcgi_answer *answer)
{
    const unsigned char *b = (const unsigned char *)bytes;
    *answer = (struct fastcgi_answer){.ends = 0};
    while (length > 0) {
        assert_true(length >= 8);
        size_t content = (size_t)b[4] << 8 | b[5], whole = 8 + content + b[6];
        assert_true(length >= whole);
        assert_int_equal(b[0], 1);
        answer->id = (unsigned)b[2] << 8 | b[3];
        if (b[1] == FASTCGI_STDOUT && answer->ends == 0) {
            buffer_add(&answer->output, (const char *)b + 8, content);
        } else if (b[1] == FASTCGI_END && content == 8) {
            answer->ends++;
            answer->status = b[8] << 24 | b[9] << 16 | b[10] << 8 | b[11];
            answer->protocol = b[12];
        } else {
            answer->others++;
        }
        b += whole;
        length -= whole;
    }
}

enum fcgi_reader_result fastcgi_feed(struct fcgi_reader *reader, const unsigned char *bytes,
                                     size_t length, size_t *used)
{
    size_t more = 0;
    enum fcgi_reader_result result = fcgi_reader_feed(reader, bytes, length, used);
    if (result == FCGI_READER_BODY) {
        result = fcgi_reader_feed(reader, bytes + *used, length - *used, &more);
        *used += more;
    }
    return result;
}
