/* batch: entries of the journal as the parameters of keep_1, which adds them to the books' log. The
 * server parses no body: it gets as columns what people and the log's order need. */
#ifndef POSTGRES_BATCH_H
#define POSTGRES_BATCH_H

#include "base/buffer.h"
#include "base/fault.h"
#include "postgres/link.h"
#include "store/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parameters of keep_1. */
#define BATCH_PARAMETERS 17

/* Bytes of a text that is for people alone; a longer one is cut at a character's boundary. */
#define BATCH_TEXT_MAX 512

/* The server's clock, in ms since 1970. */
#define BATCH_CLOCK_SQL "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

/* The call. Its one row is how far the books have that life, and the server's clock. */
#define BATCH_SQL                                                                       \
    "SELECT upgrade_books.keep_1($1::text, $2::bigint, $3::text, $4::smallint[], "      \
    "$5::bigint[], $6::boolean[], $7::integer[], $8::text[], $9::text[], $10::text[], " \
    "$11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::integer[], " \
    "$17::bytea[]), " BATCH_CLOCK_SQL

struct batch {
    struct buffer columns[BATCH_PARAMETERS];
    struct link_parameter parameters[BATCH_PARAMETERS]; /* lent by COLUMNS */
};

/* Fills BATCH, which is zero or was used before, with COUNT entries of one life whose numbers have
 * no gap. COUNT may be 0: the call then only waits for a commit of the server; LIFE and FIRST are
 * those of the entry that comes next. RECEIVER is the name of this machine. If REFUSED is not NULL,
 * the entries go without their content, as refused by the server with that SQLSTATE. Returns -1 if
 * memory is short. Free with batch_release. */
int batch_make(struct batch *batch, const char *life, int64_t first, const char *receiver,
               const struct store_journaled *entries, size_t count, const char *refused,
               struct fault *fault);
void batch_release(struct batch *batch);

#endif
