/* outflow: lines written to a reader that may be slow, and how many of them it has really taken.
 *
 * What was written to a pipe is not what was read from it: a reader that dies leaves the rest
 * behind. The kernel tells how much of it is still there. */
#ifndef OUTFLOW_H
#define OUTFLOW_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line that the reader may not have taken yet. */
struct outflow_line {
    uint64_t end; /* bytes written when it was whole */
    int64_t seq;
};

struct outflow {
    int fd;         /* lent; stdout */
    int signals_fd; /* readable when it is time to stop */
    enum { OUTFLOW_PIPE, OUTFLOW_SOCKET, OUTFLOW_FILE, OUTFLOW_OTHER } kind;
    uint64_t written; /* bytes */
    struct outflow_line *lines;
    size_t lines_length, lines_capacity;
    int64_t taken; /* the last line that the reader has, 0: none yet */
};

enum outflow_result {
    OUTFLOW_DONE,
    OUTFLOW_STOPPED, /* SIGTERM or SIGINT came */
    OUTFLOW_ENDED,   /* nobody reads any more */
    OUTFLOW_FAILED,  /* the fault says why */
};

/* Begins an outflow to stdout. SIGTERM and SIGINT are taken as the wish to stop from then on. */
int outflow_open(struct outflow *outflow, struct fault *fault);
void outflow_close(struct outflow *outflow);

/* Writes a whole line, or as much as the reader takes within WAIT_MS: *WRITTEN, which is 0 for a
 * new line, says how far it has come. OUTFLOW_DONE means that it is whole where *WRITTEN is LENGTH.
 */
enum outflow_result outflow_write(struct outflow *outflow, const char *line, size_t length,
                                  int64_t seq, int wait_ms, size_t *written, struct fault *fault);

/* Waits for MS, or until there is a reason not to. */
enum outflow_result outflow_wait(struct outflow *outflow, int ms, struct fault *fault);

/* Sets OUTFLOW->taken by what the reader has taken; a file is synced for that. */
int outflow_note_taken(struct outflow *outflow, struct fault *fault);

#endif
