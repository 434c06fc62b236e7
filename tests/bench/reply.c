/* reply: reads answers. They are a few hundred bytes and nearly always arrive whole, so each look
 * begins at the beginning. */
#include "config.h"

#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header of the head, which ends at END; NULL where it has none. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t length = strlen(name);
    const char *line = memmem(head, (size_t)(end - head), "\r\n", 2);
    while (line != NULL && line < end) {
        line += 2;
        if ((size_t)(end - line) > length && strncasecmp(line, name, length) == 0 &&
            line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
        line = memmem(line, (size_t)(end - line), "\r\n", 2);
    }
    return NULL;
}

static bool begins(const char *value, const char *word)
{
    return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

/* Whether the LENGTH bytes of chunks at BYTES are all of a body (RFC 9112, section 7.1). */
static enum reply_state read_chunks(const char *bytes, size_t length)
{
    for (size_t at = 0;;) {
        const char *line = bytes + at;
        if (memmem(line, length - at, "\r\n", 2) == NULL)
            return REPLY_MORE;
        char *end;
        unsigned long size = strtoul(line, &end, 16);
        if (end == line || size > REPLY_MAX)
            return REPLY_BROKEN;
        const char *data = (const char *)memmem(line, length - at, "\r\n", 2) + 2;
        at = (size_t)(data - bytes) + size + 2;
        if (at > length)
            return REPLY_MORE;
        if (size == 0)
            return REPLY_WHOLE;
    }
}

static enum reply_state measure(const char *head, const char *body, size_t length)
{
    const char *content_length = header(head, body - 2, "Content-Length");
    if (content_length != NULL)
        return length >= strtoul(content_length, NULL, 10) ? REPLY_WHOLE : REPLY_MORE;
    if (begins(header(head, body - 2, "Transfer-Encoding"), "chunked"))
        return read_chunks(body, length);
    return REPLY_BROKEN; /* a body up to the end of the connection: nothing here answers so */
}

static enum reply_result find_result(const char *body, size_t length)
{
    static const struct {
        const char *word;
        enum reply_result result;
    } words[] = {
        {"\"stored\"", REPLY_STORED},
        {"\"repeated\"", REPLY_REPEATED},
        {"\"quarantined\"", REPLY_QUARANTINED},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (memmem(body, length, words[i].word, strlen(words[i].word)) != NULL)
            return words[i].result;
    return REPLY_SILENT;
}

enum reply_state reply_read(struct reply *reply)
{
    const char *head = reply->bytes;
    const char *end = memmem(head, reply->length, "\r\n\r\n", 4);
    if (end == NULL)
        return reply->length < REPLY_MAX ? REPLY_MORE : REPLY_BROKEN;
    if (reply->length < 12 || memcmp(head, "HTTP/1.1 ", 9) != 0)
        return REPLY_BROKEN;
    const char *body = end + 4;
    size_t length = reply->length - (size_t)(body - head);
    enum reply_state state = measure(head, body, length);
    if (state == REPLY_MORE && reply->length == REPLY_MAX)
        return REPLY_BROKEN;
    if (state != REPLY_WHOLE)
        return state;
    reply->status = (int)strtol(head + 9, NULL, 10);
    reply->closes = begins(header(head, body - 2, "Connection"), "close");
    reply->result = find_result(body, length);
    return REPLY_WHOLE;
}
