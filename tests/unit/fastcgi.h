/* fastcgi: what a web server sends, built record by record, and what it gets, taken apart. */
#ifndef FASTCGI_H
#define FASTCGI_H

#include "base/buffer.h"
#include "receiver/fcgi_reader.h"

#include <stddef.h>
#include <stdint.h>

/* Record types of the FastCGI specification, section 8. */
enum {
    FASTCGI_BEGIN = 1,
    FASTCGI_ABORT = 2,
    FASTCGI_END = 3,
    FASTCGI_PARAMS = 4,
    FASTCGI_STDIN = 5,
    FASTCGI_STDOUT = 6,
    FASTCGI_STDERR = 7,
    FASTCGI_DATA = 8,
    FASTCGI_GET_VALUES = 9,
    FASTCGI_GET_VALUES_RESULT = 10,
    FASTCGI_UNKNOWN = 11,
};

#define FASTCGI_RESPONDER 1
#define FASTCGI_KEEP 1

/* Appends one record, CONTENT (65,535 bytes at most) and PADDING bytes behind it. */
void fastcgi_add(struct buffer *stream, unsigned type, unsigned id, const char *content,
                 size_t length, unsigned padding);

void fastcgi_add_begin(struct buffer *stream, unsigned id, unsigned role, unsigned flags);

/* Appends content in records of at most PART bytes, and the empty record that ends it. */
void fastcgi_add_stream(struct buffer *stream, unsigned type, unsigned id,
                        const struct buffer *content, size_t part);

/* Appends a name-value pair to PARAMS. */
void fastcgi_add_param(struct buffer *params, const char *name, const char *value);

/* A whole request: POST of BODY (CONTENT_LENGTH fits) to /path, not kept. */
void fastcgi_add_post(struct buffer *stream, unsigned id, const char *body);

/* fcgi_reader_feed, for whoever has room for a body. */
enum fcgi_reader_result fastcgi_feed(struct fcgi_reader *reader, const unsigned char *bytes,
                                     size_t length, size_t *used);

/* What a web server was sent: standard output put together, and how the request ended. */
struct fastcgi_answer {
    struct buffer output;
    unsigned id;
    int ends;     /* END_REQUEST records */
    int status;   /* in the last one */
    int protocol; /* in the last one; 0: complete */
    int others;   /* records of other types, or with content after the end */
};

/* Takes LENGTH bytes apart; fails the test where they are no whole records of request ID. */
void fastcgi_read_answer(const char *bytes, size_t length, struct fastcgi_answer *answer);

#endif
