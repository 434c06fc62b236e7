/* options: the operator's settings, from the command line and the environment. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Most values of an option that may be repeated. */
#define OPTIONS_LIST_MAX 64

/* The values of an option that may be repeated. */
struct options_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t length;
    char *memory; /* holds the values if they come from the environment */
};

struct options {
    const char *state;             /* the state folder */
    struct options_list callbacks; /* paths, each with '/' at the beginning */
    uint64_t workers;              /* threads that read and check requests */
    uint64_t max_body;             /* most bytes of one body */
    uint64_t repeat_window_s;      /* how long equal news is a repeat */
    uint64_t quarantine_max;       /* most bodies in quarantine */
    uint64_t quarantine_bytes;     /* most bytes of bodies in quarantine */
    struct options_list app_ids;   /* accepted ones; empty: all */
    const char *token_file;        /* tokens that sign requests; NULL: not checked */
    const char *log;               /* a file; NULL: stdout */
    const char *listen;            /* where to make the socket; NULL: it is on descriptor 0 */
    const char *books;             /* libpq's words for the shared books; NULL: there are none */
    uint64_t books_wait_ms;        /* longest wait for them */
    bool books_required;           /* answer 503 while they are away */
    bool refuse_invalid;           /* answer quarantined bodies with 400 or 422 instead of 200 */
    bool check;                    /* check whether all is usable, then exit */
    bool version;                  /* print the version, then exit */
    bool help;                     /* print the help, then exit */
};

/* Reads the environment (UPGRADE_RECEIVER_STATE and so on), then ARGC and ARGV, which override it.
 * OPTIONS then points into argv and the environment. Both must outlive it. A failure names the
 * wrong option. */
int options_read(struct options *options, int argc, char **argv, struct fault *fault);

/* Finds the next variable from *AT on (environ at first) that has the prefix of options but belongs
 * to no option. Sets NAME, and moves *AT after it. Returns false if there are no more. */
bool options_next_unknown(const char *const **at, struct buffer *name);

/* Frees the copies that options_read made. Safe on a zeroed struct. */
void options_release(struct options *options);

/* Prints the usage text of PROGRAM, from the table that options_read uses. */
void options_print_help(const char *program, FILE *out);

#endif
