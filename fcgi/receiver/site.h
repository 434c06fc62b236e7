/* site: the pages and documents that are read over HTTP, beside the callback: the status page, its
 * documents, metrics and health. It turns one request into one CGI response; viewer.h decides in
 * which thread, and when. */
#ifndef RECEIVER_SITE_H
#define RECEIVER_SITE_H

#include "base/buffer.h"
#include "base/metrics.h"
#include "base/options.h"
#include "receiver/commit.h"
#include "store/lists.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds after which a client may repeat a request that was answered 503. */
#define SITE_RETRY_AFTER "1"

struct shared;

/* The sources of the answers; all is lent. */
struct site {
    const struct options *options;
    struct commit *commit;
    const struct metrics *metrics;
    struct shared *shared; /* the shared books; NULL: no --books */
    int read_ms;           /* time limit for reading the store, for one answer */
    atomic_bool leaving;   /* the process ends, and is not ready any more */
};

/* What an answer needs, which decides in which thread it is made. */
enum site_pace {
    SITE_AT_ONCE, /* nothing: any thread */
    SITE_READS,   /* the store, for read_ms at most */
    SITE_STREAMS, /* the same for each of its pieces, of any number */
};

struct site_endpoint; /* a row of the table of paths */

/* The request, whose texts are lent; NULL if the web server sent none. */
struct site_request {
    const char *method, *path;
    size_t path_length;
    const char *query; /* after the ?, not decoded */
    const char *if_none_match;
};

/* Progress of an answer in pieces. Zero-initialize it before the first. */
struct site_part {
    bool begun, more;             /* a piece was made, and another follows */
    struct store_page_token next; /* where the next piece begins */
};

/* The endpoint at a path; NULL if there is none. */
const struct site_endpoint *site_find(const char *path, size_t length);
/* Whether it reads the copy of the shared books, not the receiver's own store. */
bool site_reads_copy(const struct site *site, const struct site_endpoint *endpoint);
enum site_pace site_pace(const struct site_endpoint *endpoint);

/* Appends the whole response. For SITE_STREAMS, appends its next piece: a page of the store, at
 * most as long as a document, read from a snapshot of its own. PART tells whether another piece
 * follows. OUT is failed if an answer that has begun cannot go on: it must be cut off. READER, of
 * the calling thread, may be NULL for SITE_AT_ONCE. Thread-safe. */
void site_answer(const struct site *site, const struct site_endpoint *endpoint,
                 const struct site_request *request, struct store_reader *reader,
                 struct site_part *part, struct buffer *out);

/* Appends the response if there is no time for an answer: 503. */
void site_refuse(const struct site_request *request, const char *detail, struct buffer *out);

#endif
