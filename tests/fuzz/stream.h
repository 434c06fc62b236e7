/* stream: the bytes of a FastCGI connection, and what a receiver must make of them: read a second
 * time here, whole and without receiver/fcgi_reader.c. */
#ifndef STREAM_H
#define STREAM_H

#include "fuzz.h"
#include "receiver/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is looked at of one stream. */
#define STREAM_EVENTS_MAX 4096

/* A whole request, or bytes that are owed for a management record. */
struct stream_event {
    bool is_request;
    unsigned id;
    bool keep;
    struct buffer params, body; /* of a body that is too large, nothing */
    uint64_t body_length;
    bool body_too_large;
    unsigned char reply[16];
    size_t reply_length;
};

struct stream {
    struct stream_event events[STREAM_EVENTS_MAX];
    size_t length;
    bool broken; /* what follows the events is no FastCGI that the receiver takes */
    bool begun;  /* they are followed by the beginning of a request, or of a record */
};

/* Reads SIZE bytes with at most BODY_MAX bytes of body in a request. Gives *STREAM's texts. */
void stream_read(struct stream *stream, const unsigned char *bytes, size_t size, size_t body_max);
void stream_release(struct stream *stream);

/* The value of a parameter of EVENT's request as CGI has it: NAME=VALUE, cut at a NUL, the first
 * one counts. NULL where there is none; otherwise free it. */
char *stream_parameter(const struct stream_event *event, const char *name);

/* What CONTENT_LENGTH says of EVENT's body. */
enum request_body stream_body(const struct stream_event *event);

/* Appends what INPUT says: records that fit each other more often than chance has it, or the bytes
 * as they are. */
void stream_write(struct buffer *stream, struct fuzz_input *input);

#endif
