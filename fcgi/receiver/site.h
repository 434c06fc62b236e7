/* site: what can be read over HTTP beside the callback: the status page, its documents, metrics and
 * health. One request in, one CGI response out; who runs it, and when, is viewer.h's. */
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

/* Seconds after which what was answered 503 may come again. */
#define SITE_RETRY_AFTER "1"

/* What the answers are made from; all is lent. */
struct site {
    const struct options *options;
    struct commit *commit;
    const struct metrics *metrics;
    int64_t start_ms;    /* of the process, since 1970 */
    int read_ms;         /* how long the store may be read for one answer */
    atomic_bool leaving; /* the process ends: not ready any more */
};

/* What an answer takes, and so in whose thread it can be made. */
enum site_pace {
    SITE_AT_ONCE, /* nothing: in any */
    SITE_READS,   /* the store, for read_ms at most */
    SITE_STREAMS, /* the same for each of its pieces, of which there may be any number */
};

struct site_place; /* a row of the table of paths */

/* The request, whose texts are lent; NULL where the web server sent none. */
struct site_request {
    const char *method, *path;
    size_t path_length;
    const char *query; /* behind the ?, not decoded */
    const char *if_none_match;
};

/* How far an answer in pieces has come. Zero-initialize it before the first. */
struct site_part {
    bool begun, more;             /* a piece was made; another follows it */
    struct store_page_token next; /* where that begins */
};

/* The place at a path; NULL where there is none. */
const struct site_place *site_find(const char *path, size_t length);
enum site_pace site_pace(const struct site_place *place);

/* Appends the whole response, or for SITE_STREAMS its next piece (a page of the store, of no more
 * bytes than a document has, read from a snapshot of its own) and tells in PART whether another
 * follows. OUT is failed if an answer that has begun cannot go on: it must be cut off. READER, of
 * the calling thread, may be NULL for SITE_AT_ONCE. Thread-safe. */
void site_answer(const struct site *site, const struct site_place *place,
                 const struct site_request *request, struct store_reader *reader,
                 struct site_part *part, struct buffer *out);

/* Appends the response for which there is no time: 503. */
void site_refuse(const struct site_request *request, const char *detail, struct buffer *out);

#endif
