/* fcgi_reader: turns the bytes of a web server's connection into one whole FastCGI request.
 *
 * libfcgi blocks its thread on a connection until a request is whole, and allocates as many bytes
 * as a length in the stream claims. So the reader first gathers the records from the bytes that
 * have arrived, with a bound on everything. Only a request that is whole and sane goes on
 * (request.h). The code follows the FastCGI specification 1.0, sections 3 and 5. */
#ifndef RECEIVER_FCGI_READER_H
#define RECEIVER_FCGI_READER_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of all parameters of one request: 10,000 small headers fit. */
#define FCGI_READER_PARAMS_MAX ((size_t)1 << 20)

/* Bytes of the reader's own answer to a management record. */
#define FCGI_READER_REPLY_SIZE 16

enum fcgi_reader_result {
    FCGI_READER_MORE,   /* not whole yet */
    FCGI_READER_BODY,   /* a body begins: reserve room for ANNOUNCED bytes, then go on feeding */
    FCGI_READER_WHOLE,  /* a request is whole */
    FCGI_READER_REPLY,  /* send REPLY, then go on feeding */
    FCGI_READER_BROKEN, /* no FastCGI that this receiver accepts: close the connection; see defect
                         */
};

/* One request being gathered. Initialize with fcgi_reader_init. */
struct fcgi_reader {
    size_t body_max; /* bytes of body kept */

    uint16_t request_id; /* 0: no request has begun */
    bool keep;           /* the web server wants to use the connection again */
    bool params_done;
    bool body_begun;
    bool whole;
    bool body_too_large;  /* the body was longer than body_max, and is not kept */
    bool body_excessive;  /* it was longer than announced, and is not kept */
    struct buffer params; /* name-value pairs, as they came */
    size_t announced;   /* bytes of body, BODY_MAX at most: from CONTENT_LENGTH, or BODY_MAX if that
                           is missing or no number */
    struct buffer body; /* standard input */
    uint64_t body_length; /* bytes of body that came, kept or not */
    const char *defect;   /* why it is broken: a constant string */

    unsigned char header[8]; /* of the record that is arriving */
    size_t header_length;
    size_t content_left, padding_left;
    unsigned char reply[FCGI_READER_REPLY_SIZE]; /* owed to the peer */
    size_t reply_length;
};

/* Makes READER ready for a request with at most BODY_MAX bytes of body. */
void fcgi_reader_init(struct fcgi_reader *reader, size_t body_max);

/* Frees what was gathered and makes it ready for the next request. */
void fcgi_reader_reset(struct fcgi_reader *reader);

/* Takes bytes that arrived. *USED is how many it took: fewer than LENGTH if the request became
 * whole (the rest belongs to the next request), a body begins, or a reply is owed. Keeps at most
 * the announced bytes of a body. If memory runs out, that is a defect. */
enum fcgi_reader_result fcgi_reader_feed(struct fcgi_reader *reader, const unsigned char *bytes,
                                         size_t length, size_t *used);

/* Whether a request has begun to arrive. */
bool fcgi_reader_has_begun(const struct fcgi_reader *reader);

#endif
