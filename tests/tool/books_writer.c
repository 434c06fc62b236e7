/* books_writer: keeps entries in shared books, batch by batch, as a receiver's shipper does.
 *
 *     books_writer CONNINFO LIFE BATCH [BATCHES [REPORT]]
 *
 * Sends batches of BATCH entries of the life LIFE, numbered from 1, each body "LIFE NUMBER" and
 * some bytes, until BATCHES of them are acknowledged, or standard input ends. A batch whose fate is
 * unknown is sent again under its numbers, on a new connection if it must. Prints
 * "acknowledged N" whenever REPORT more batches are acknowledged, and at the end that and the
 * rate. Exit code 1: the books refused a batch. */
#include "config.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "postgres/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS 14
#define WAIT_MS 500
#define BODY_BYTES 400

#define KEEP \
    "SELECT upgrade_books.keep_1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)"

/* One array each, as a text: kind to body. */
static void add_entry(struct buffer columns[COLUMNS], const char *life, int64_t number)
{
    buffer_addf(&columns[0], "1");
    buffer_addf(&columns[1], "%" PRId64, INT64_C(1767323045000) + number);
    buffer_addf(&columns[2], "f");
    buffer_addf(&columns[3], "1");
    buffer_addf(&columns[4], "swUpgradeResultNotify");
    buffer_addf(&columns[5], "an-application");
    buffer_addf(&columns[6], "operation-%" PRId64, number / 10000);
    buffer_addf(&columns[7], "sub-%" PRId64, number);
    buffer_addf(&columns[8], "device-%" PRId64, number % 10000);
    buffer_addf(&columns[9], "SUCCESS");
    buffer_addf(&columns[10], "NULL");
    buffer_addf(&columns[11], "NULL");
    buffer_addf(&columns[12], "1");
    char body[BODY_BYTES];
    int length = snprintf(body, sizeof body, "%s %" PRId64 " ", life, number);
    buffer_addf(&columns[13], "\"\\\\x");
    for (int i = 0; i < BODY_BYTES; i++)
        buffer_addf(&columns[13], "%02x", i < length ? (unsigned char)body[i] : 'a' + i % 23);
    buffer_addf(&columns[13], "\"");
}

static void make_batch(struct buffer columns[COLUMNS], const char *life, int64_t first, long batch)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        buffer_clear(&columns[c]);
        buffer_addf(&columns[c], "{");
    }
    for (long i = 0; i < batch; i++) {
        for (size_t c = 0; c < COLUMNS && i > 0; c++)
            buffer_addf(&columns[c], ",");
        add_entry(columns, life, first + i);
    }
    for (size_t c = 0; c < COLUMNS; c++) {
        buffer_addf(&columns[c], "}");
        buffer_add(&columns[c], "", 1);
    }
}

/* Sends one batch until its fate is known. Returns the outcome: done, refused or stopped. */
static enum link_outcome keep(struct link *link, const char *life, int64_t first,
                              const struct buffer columns[COLUMNS], struct fault *fault)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, first);
    struct link_parameter parameters[COLUMNS + 3] = {
        {.bytes = life}, {.bytes = number}, {.bytes = "books_writer"}};
    for (size_t c = 0; c < COLUMNS; c++)
        parameters[c + 3].bytes = columns[c].bytes;
    for (;;) {
        *fault = FAULT_NONE;
        if (link_connect(link, fault) != 0) {
            if (link_is_stopped(link))
                return LINK_STOPPED;
            fprintf(stderr, "%s\n", fault->text);
            continue;
        }
        enum link_outcome outcome = link_call(link, KEEP, parameters, COLUMNS + 3, WAIT_MS, fault);
        while (outcome == LINK_LATE)
            outcome = link_wait(link, WAIT_MS, fault);
        if (outcome == LINK_DONE || outcome == LINK_REFUSED || outcome == LINK_STOPPED)
            return outcome;
        fprintf(stderr, "%s\n", fault->text);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: books_writer CONNINFO LIFE BATCH [BATCHES [REPORT]]\n");
        return 2;
    }
    const char *life = argv[2];
    long batch = strtol(argv[3], NULL, 10);
    long batches = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    long report = argc > 5 ? strtol(argv[5], NULL, 10) : 0;
    struct buffer columns[COLUMNS] = {{0}};
    struct link *link;
    struct fault fault = FAULT_NONE;
    /* Without a number of batches, standard input says when to stop. */
    if (link_new(&link, argv[1], batches > 0 ? -1 : 0, &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        return 1;
    }
    enum link_outcome outcome = LINK_DONE;
    int64_t done = 0, began_us = 0, reported_us = 0;
    for (long i = 0; batches == 0 || i < batches; i++) {
        make_batch(columns, life, done + 1, batch);
        outcome = keep(link, life, done + 1, columns, &fault);
        if (outcome != LINK_DONE)
            break;
        done = link_number(link, 0, 0);
        int64_t now_us = clock_monotonic_us();
        /* Not the first, in which a session's plans are made. */
        if (i == 0)
            began_us = reported_us = now_us;
        if (report > 0 && (i + 1) % report == 0) {
            printf("acknowledged %" PRId64 " (%.0f a second)\n", done,
                   (double)report * (double)batch * 1e6 / (double)(now_us - reported_us + 1));
            fflush(stdout);
            reported_us = now_us;
        }
    }
    double seconds = (double)(clock_monotonic_us() - began_us + 1) / 1e6;
    printf("acknowledged %" PRId64 " (%.0f a second)\n", done, (double)(done - batch) / seconds);
    if (outcome == LINK_REFUSED)
        fprintf(stderr, "%s\n", fault.text);
    for (size_t c = 0; c < COLUMNS; c++)
        buffer_release(&columns[c]);
    link_free(link);
    return outcome == LINK_REFUSED ? 1 : 0;
}
