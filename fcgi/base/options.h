/* options: what the operator asked for, from the command line and the environment. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Values that an option which may be repeated can have. */
#define OPTIONS_LIST_MAX 64

/* The values of an option that may be repeated. */
struct options_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t length;
    char *memory; /* holds them where they come from the environment */
};

struct options {
    const char *state;             /* the state folder */
    struct options_list callbacks; /* paths, each begins with '/' */
    size_t workers;                /* threads that read and check requests */
    size_t max_body;               /* bytes of one body */
    size_t repeat_window_s;        /* how long equal news is a repeat */
    uint64_t quarantine_max;       /* bodies held in quarantine */
    uint64_t quarantine_bytes;     /* bytes of them */
    struct options_list app_ids;   /* accepted ones; none: all */
    const char *token_file;        /* tokens that sign requests; NULL: not checked */
    const char *log;               /* a file; NULL: stdout */
    bool refuse_invalid;           /* 400 or 422 instead of 200 for what is quarantined */
    bool check;                    /* see whether all is usable, then exit */
    bool version;                  /* print the version, then exit */
    bool help;                     /* print the help, then exit */
};

/* Reads the environment (UPGRADE_RECEIVER_STATE and so on), then ARGC and ARGV, which win. OPTIONS
 * then points into argv and the environment, both of which must outlive it. Fails with the
 * name of the option at fault. */
int options_read(struct options *options, int argc, char **argv, struct fault *fault);

/* The next variable from *AT on (environ at first) whose name begins as those of options do, though
 * no option has it: its name goes into NAME, *AT behind it. False when there are no more. */
bool options_next_unknown(const char *const **at, struct buffer *name);

/* Frees what options_read copied. Safe on a zeroed struct. */
void options_release(struct options *options);

/* Prints the usage text of PROGRAM; its option list is the table that options_read follows. */
void options_print_help(const char *program, FILE *out);

#endif
