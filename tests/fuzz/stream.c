/* stream: the bytes of a FastCGI connection, and what a receiver must make of them. */
#include "config.h"

#include "stream.h"

#include "fastcgi.h"
#include "receiver/fcgi_reader.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading --- */

/* One record that begins at BYTES, as far as it has come. */
struct record_head {
    unsigned version, type, id;
    size_t content, padding;
};

/* The request under way. */
struct state {
    struct stream_event event;
    bool params_done, stdin_done;
};

static bool read_number(const struct buffer *params, size_t *at, size_t *number)
{
    const unsigned char *b = (const unsigned char *)params->bytes;
    size_t size = *at < params->length && b[*at] >= 0x80 ? 4 : 1;
    if (params->length - *at < size)
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number = *number << 8 | b[*at + i];
    if (size == 4)
        *number &= 0x7FFFFFFF;
    *at += size;
    return true;
}

/* Reads the pair at *AT; false where the parameters end before it does. */
static bool read_pair(const struct buffer *params, size_t *at, size_t *name, size_t *value)
{
    size_t next = *at;
    if (!read_number(params, &next, name) || !read_number(params, &next, value) ||
        params->length - next < *name + *value)
        return false;
    *at = next;
    return true;
}

static bool params_are_whole(const struct buffer *params)
{
    size_t name, value;
    for (size_t at = 0; at < params->length; at += name + value)
        if (!read_pair(params, &at, &name, &value))
            return false;
    return true;
}

static void add_reply(struct stream *stream, unsigned type)
{
    struct stream_event *event = &stream->events[stream->length++];
    const unsigned char values[8] = {1, FASTCGI_GET_VALUES_RESULT};
    const unsigned char unknown[16] = {1, FASTCGI_UNKNOWN, 0, 0, 0, 8, 0, 0, (unsigned char)type};
    *event = (struct stream_event){.is_request = false};
    event->reply_length = type == FASTCGI_GET_VALUES ? sizeof values : sizeof unknown;
    memcpy(event->reply, type == FASTCGI_GET_VALUES ? values : unknown, event->reply_length);
}

/* Whether a record may come now, as its head alone tells. */
static bool may_come(const struct state *state, const struct record_head *head)
{
    if (head->version != 1)
        return false;
    if (head->id == 0)
        return head->type != FASTCGI_BEGIN;
    if (head->type == FASTCGI_BEGIN)
        return state->event.id == 0 && head->content == 8;
    if (head->id != state->event.id)
        return false;
    if (head->type == FASTCGI_PARAMS)
        return !state->params_done &&
               state->event.params.length + head->content <= FCGI_READER_PARAMS_MAX;
    return head->type == FASTCGI_STDIN && state->params_done;
}

/* Takes CAME bytes of a record's content; false where they are not what may come. */
static bool take(struct state *state, const struct record_head *head, const unsigned char *content,
                 size_t came, size_t body_max)
{
    struct stream_event *event = &state->event;
    switch (head->type) {
    case FASTCGI_BEGIN:
        event->id = head->id;
        event->keep = came > 2 && (content[2] & FASTCGI_KEEP) != 0;
        return !(came > 0 && content[0] != 0) && !(came > 1 && content[1] != FASTCGI_RESPONDER);
    case FASTCGI_PARAMS:
        buffer_add(&event->params, (const char *)content, came);
        state->params_done = head->content == 0;
        return head->content != 0 || params_are_whole(&event->params);
    default:
        event->body_length += came;
        if (event->body.length + head->content > body_max)
            event->body_too_large = true;
        if (event->body_too_large)
            buffer_release(&event->body);
        else
            buffer_add(&event->body, (const char *)content, came);
        state->stdin_done = head->content == 0;
        return true;
    }
}

static struct record_head read_head(const unsigned char *b)
{
    return (struct record_head){.version = b[0],
                                .type = b[1],
                                .id = (unsigned)b[2] << 8 | b[3],
                                .content = (size_t)b[4] << 8 | b[5],
                                .padding = b[6]};
}

void stream_read(struct stream *stream, const unsigned char *bytes, size_t size, size_t body_max)
{
    struct state state = {.params_done = false};
    stream->length = 0;
    stream->broken = false;
    size_t at = 0;
    while (size - at >= 8 && !stream->broken) {
        struct record_head head = read_head(bytes + at);
        size_t left = size - at - 8, came = left < head.content ? left : head.content;
        bool whole = left >= head.content + head.padding;
        if (stream->length == STREAM_EVENTS_MAX || !may_come(&state, &head))
            stream->broken = true;
        else if (head.id == 0)
            add_reply(stream, head.type);
        else if (!take(&state, &head, bytes + at + 8, came, body_max))
            stream->broken = true;
        if (!whole)
            break;
        at += 8 + head.content + head.padding;
        if (state.stdin_done && !stream->broken) {
            stream->events[stream->length] = state.event;
            stream->events[stream->length++].is_request = true;
            state = (struct state){.params_done = false};
        }
    }
    stream->begun = state.event.id != 0 || at < size;
    buffer_release(&state.event.params);
    buffer_release(&state.event.body);
}

void stream_release(struct stream *stream)
{
    for (size_t i = 0; i < stream->length; i++) {
        buffer_release(&stream->events[i].params);
        buffer_release(&stream->events[i].body);
    }
    stream->length = 0;
}

char *stream_parameter(const struct stream_event *event, const char *name)
{
    const struct buffer *params = &event->params;
    size_t name_length, value_length;
    for (size_t at = 0; at < params->length; at += name_length + value_length) {
        fuzz_demand(read_pair(params, &at, &name_length, &value_length), "whole parameters");
        struct buffer pair = {0};
        buffer_add(&pair, params->bytes + at, name_length);
        buffer_add_string(&pair, "=");
        buffer_add(&pair, params->bytes + at + name_length, value_length);
        buffer_add(&pair, "", 1);
        size_t length = strlen(name);
        bool same = strncmp(pair.bytes, name, length) == 0 && pair.bytes[length] == '=';
        char *value = same ? strdup(pair.bytes + length + 1) : NULL;
        buffer_release(&pair);
        if (same)
            return value;
    }
    return NULL;
}

/* Whether an object that begins at the front ends somewhere: its brackets outside of texts do. */
static bool is_closed(const char *bytes, size_t length)
{
    bool within = false, escaped = false;
    int open = 0;
    for (size_t i = 0; i < length; i++) {
        if (within) {
            within = escaped || bytes[i] != '"';
            escaped = !escaped && bytes[i] == '\\';
            continue;
        }
        within = bytes[i] == '"';
        open += (bytes[i] == '{' || bytes[i] == '[') - (bytes[i] == '}' || bytes[i] == ']');
        if (open == 0)
            return true;
    }
    return false;
}

/* Whether a body without a length has come to its end, as far as can be told. */
static bool seems_whole(const struct stream_event *event)
{
    const struct buffer *body = &event->body;
    size_t at = 0;
    while (at < body->length && (body->bytes[at] == ' ' || body->bytes[at] == '\t' ||
                                 body->bytes[at] == '\r' || body->bytes[at] == '\n'))
        at++;
    if (at < body->length)
        return body->bytes[at] != '{' || is_closed(body->bytes + at, body->length - at);
    char *encoding = stream_parameter(event, "HTTP_TRANSFER_ENCODING");
    bool chunked = encoding != NULL;
    free(encoding);
    return !chunked;
}

enum request_body stream_body(const struct stream_event *event)
{
    char *announced = stream_parameter(event, "CONTENT_LENGTH");
    bool known = announced != NULL && announced[0] != '\0', fits = true;
    if (known) {
        uint64_t number = 0;
        for (const char *c = announced; *c != '\0'; c++) {
            fits = fits && *c >= '0' && *c <= '9' && number < UINT64_MAX / 10 - 1;
            number = number * 10 + (uint64_t)(*c - '0');
        }
        fits = fits && number == event->body_length;
    }
    free(announced);
    if (fits && event->body_too_large)
        return REQUEST_BODY_TOO_LARGE;
    return fits && (known || seems_whole(event)) ? REQUEST_BODY_WHOLE : REQUEST_BODY_INCOMPLETE;
}

/* --- writing --- */

static const char *const names[] = {"REQUEST_METHOD",  "REQUEST_URI",
                                    "CONTENT_LENGTH",  "HTTP_NONCE",
                                    "SCRIPT_NAME",     "",
                                    "REQUEST_METHO",   "CONTENT_TYPE",
                                    "REQUEST_METHOD=", "HTTP_TRANSFER_ENCODING"};
static const char *const values[] = {"POST",
                                     "GET",
                                     "/v1.0.0/messageReceiver",
                                     "/v1.0.0/messageReceiver?a=b",
                                     "/v1.0.0/messageReceiver/cmd",
                                     "/",
                                     "/status/",
                                     "/status/overview.json?limit=1",
                                     "/metrics",
                                     "/health/live",
                                     "",
                                     "0",
                                     "5",
                                     "18446744073709551616"};

static void add_text(struct buffer *text, struct fuzz_input *input)
{
    struct fuzz_input bytes = fuzz_take(input, fuzz_byte(input));
    buffer_add(text, (const char *)bytes.bytes, bytes.left);
}

/* A pair of which either half is a word that means something, or any bytes. */
static void add_pair(struct buffer *params, struct fuzz_input *input)
{
    struct buffer name = {0}, value = {0};
    size_t picked = fuzz_below(input, 2 * LENGTH(names));
    if (picked < LENGTH(names))
        buffer_add_string(&name, names[picked]);
    else
        add_text(&name, input);
    picked = fuzz_below(input, 2 * LENGTH(values));
    if (picked < LENGTH(values))
        buffer_add_string(&value, values[picked]);
    else
        add_text(&value, input);
    buffer_add(&name, "", 1);
    buffer_add(&value, "", 1);
    fastcgi_add_param(params, name.bytes, value.bytes);
    buffer_release(&name);
    buffer_release(&value);
}

/* Content that need not be in the input: records of LENGTH times the letter A; as parameters, whole
 * pairs, since an A is the length 65. */
static void add_fill(struct buffer *stream, unsigned type, unsigned id, size_t length, size_t times)
{
    if (type == FASTCGI_PARAMS)
        length -= length % ('A' + 'A' + 2);
    char *fill = malloc(length + 1);
    fuzz_demand(fill != NULL, "there is memory");
    memset(fill, 'A', length);
    for (; length > 0 && times > 0; times--)
        fastcgi_add(stream, type, id, fill, length, 0);
    free(fill);
}

/* Appends a CONTENT_LENGTH: mostly the right one, and each way in which it may be wrong. */
static void add_length(struct buffer *params, size_t length, unsigned how)
{
    static const char *const before[] = {"", "+", " ", "0", "0x", "-"};
    struct buffer value = {0};
    buffer_addf(&value, "%s%zu%s", how < LENGTH(before) ? before[how] : "", length + (how == 6),
                how == 7 ? "x" : "");
    buffer_add(&value, "", 1);
    fastcgi_add_param(params, "CONTENT_LENGTH", value.bytes);
    buffer_release(&value);
}

/* A whole POST, with a length that fits or does not. */
static void add_post(struct buffer *stream, struct fuzz_input *input, unsigned id)
{
    struct buffer params = {0}, body = {0};
    unsigned how = fuzz_byte(input);
    size_t part = 1 + fuzz_below(input, 1000);
    struct fuzz_input bytes = fuzz_take(input, fuzz_below(input, 2048));
    buffer_add(&body, (const char *)bytes.bytes, bytes.left);
    fastcgi_add_param(&params, "REQUEST_METHOD", "POST");
    fastcgi_add_param(&params, "REQUEST_URI", values[2 + how % 3]);
    if ((how & 8) == 0)
        add_length(&params, body.length, how >> 4);
    fastcgi_add_begin(stream, id, FASTCGI_RESPONDER, (how & 4) == 0 ? FASTCGI_KEEP : 0);
    fastcgi_add_stream(stream, FASTCGI_PARAMS, id, &params, part);
    fastcgi_add_stream(stream, FASTCGI_STDIN, id, &body, part);
    buffer_release(&params);
    buffer_release(&body);
}

/* A record of any type and number, which need not end where it says. */
static void add_any_record(struct buffer *stream, struct fuzz_input *input, unsigned id)
{
    unsigned type = fuzz_byte(input) % 16;
    unsigned number = fuzz_byte(input) % 4 == 0 ? fuzz_byte(input) : id;
    struct fuzz_input content = fuzz_take(input, fuzz_byte(input));
    fastcgi_add(stream, type, number, (const char *)content.bytes, content.left,
                fuzz_byte(input) % 4 == 0 ? fuzz_byte(input) : 0);
}

static void add_step(struct buffer *stream, struct fuzz_input *input, unsigned id)
{
    struct buffer content = {0};
    unsigned step = fuzz_byte(input) % 16;
    switch (step) {
    case 0:
        fastcgi_add_begin(stream, id, FASTCGI_RESPONDER, fuzz_byte(input));
        break;
    case 1:
    case 2:
        add_pair(&content, input);
        fastcgi_add(stream, FASTCGI_PARAMS, id, content.bytes, content.length,
                    fuzz_byte(input) % 4 == 0 ? fuzz_byte(input) : 0);
        break;
    case 3:
    case 4:
        fastcgi_add(stream, step == 3 ? FASTCGI_PARAMS : FASTCGI_STDIN, id, NULL, 0, 0);
        break;
    case 5:
        add_text(&content, input);
        if (content.length > 0)
            fastcgi_add(stream, FASTCGI_STDIN, id, content.bytes, content.length,
                        fuzz_byte(input) % 4 == 0 ? fuzz_byte(input) : 0);
        break;
    case 6:
        add_fill(stream, fuzz_byte(input) % 2 == 0 ? FASTCGI_PARAMS : FASTCGI_STDIN, id,
                 fuzz_below(input, 65536), 1 + fuzz_byte(input) % 20);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        add_post(stream, input, id);
        break;
    case 11:
        add_text(stream, input);
        break;
    case 12:
        fastcgi_add(stream, FASTCGI_GET_VALUES, 0, NULL, 0, fuzz_byte(input));
        break;
    case 13: /* parameters of any bytes, and their end */
        add_text(&content, input);
        fastcgi_add(stream, FASTCGI_PARAMS, id, content.bytes, content.length, 0);
        if (content.length > 0)
            fastcgi_add(stream, FASTCGI_PARAMS, id, NULL, 0, 0);
        break;
    default:
        add_any_record(stream, input, id);
        break;
    }
    buffer_release(&content);
}

void stream_write(struct buffer *stream, struct fuzz_input *input)
{
    unsigned how = fuzz_byte(input);
    if (how % 2 == 0) {
        buffer_add(stream, (const char *)input->bytes, input->left);
        fuzz_take(input, input->left);
        return;
    }
    unsigned id = 1 + how / 2;
    for (int steps = 0; input->left > 0 && steps < 64; steps++)
        add_step(stream, input, id);
}
