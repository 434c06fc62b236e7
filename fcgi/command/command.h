/* command: what the parts of upgrade-status share: its table of commands, and a call of one.
 *
 * Each command is one entry of one table: words, arguments, options, help, function. The help text
 * is printed from it, the completion asks it, and the man page is checked against it. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "base/fault.h"
#include "base/options.h"
#include "command/term.h"
#include "store/store.h"
#include "view/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATUS_PROGRAM "upgrade-status"

/* Options of one command, and words behind one. */
#define STATUS_OPTIONS_MAX 5
#define STATUS_WORDS_MAX 1000

/* Exit codes. What each means stands in the table that --help prints. */
enum status_code {
    STATUS_DONE = 0,
    STATUS_UNUSABLE = 1,
    STATUS_USAGE = 2,
    STATUS_ABOVE = 3,
    STATUS_MISSING = 4,
    STATUS_FLAWS = 5,
    STATUS_NOT_THERE = 6,
    STATUS_REFUSED = 7,
};

/* One call: a command with its words and options. Everything is lent for its time. */
struct status_call {
    const struct status_command *commands;   /* all there are; behind the last, RUN is NULL */
    const struct status_option *all_options; /* behind the last, WORD is NULL */
    const struct options *options;           /* the receiver's, of which the state folder is one */
    const struct status_command *command;
    struct term *term;
    struct store_reader *reader; /* not open yet */
    const char *const *words;    /* behind the command's own */
    size_t words_length;
    int64_t now_ms; /* since 1970: what ages are counted from */

    /* what options said; NULL: not given */
    bool json, no_pager, help, version;
    bool csv, bom, raw, force, any_app;
    const char *state, *colour;
    const char *app_id, *longer_than, *fail_above, *min_finished;
    const char *operation_id, *error_code;
    const char *since, *until, *before, *reason;
};

/* What a word behind a command is, for the completion. */
enum status_word {
    STATUS_WORD_NONE,
    STATUS_WORD_OPERATION,
    STATUS_WORD_DEVICE,
    STATUS_WORD_QUARANTINED,
    STATUS_WORD_APPLICATION,
    STATUS_WORD_COMMAND,
    STATUS_WORD_FILE,
    STATUS_WORD_WHEN, /* auto, always or never */
};

/* One option. */
struct status_option {
    const char *word;  /* without its -- */
    const char *value; /* the name of its value; NULL: a switch */
    const char *help;
    enum status_word completes; /* its value */
    bool everywhere;            /* every command takes it */
    size_t offset;              /* in struct status_call */
};

/* One command. RUN returns an exit code; where that is not STATUS_DONE, FAULT says why unless the
 * output has said it. */
struct status_command {
    const char *words[2];  /* the second may be "" */
    const char *arguments; /* as the help shows them */
    const char *help;      /* in one line */
    const char *more;      /* what else to know, in lines of 80 columns; NULL: nothing */
    const char *options[STATUS_OPTIONS_MAX + 1];
    size_t least, most;            /* words that it takes */
    enum status_word completes[2]; /* the first and second of them */
    int (*run)(struct status_call *call, struct fault *fault);
};

/* table.c: sets the tables that CALL goes by. */
void status_set_table(struct status_call *call);

/* help.c: the command that the first of WORDS name, and in *TAKEN how many that were; NULL
 * if there is none. Without words it is the one without words. */
const struct status_command *status_find_command(const struct status_call *call,
                                                 const char *const *words, size_t length,
                                                 size_t *taken);

/* Whether COMMAND (NULL: any of them) takes OPTION. */
bool status_takes(const struct status_command *command, const struct status_option *option);

/* Prints the help of the call's command for --help, and returns an exit code. */
int status_own_help(struct status_call *call, struct fault *fault);

/* The commands. */
int status_show_operations(struct status_call *call, struct fault *fault);
int status_show_operation(struct status_call *call, struct fault *fault);
int status_show_device(struct status_call *call, struct fault *fault);
int status_show_failures(struct status_call *call, struct fault *fault);
int status_follow(struct status_call *call, struct fault *fault);
int status_log(struct status_call *call, struct fault *fault);
int status_quarantine_list(struct status_call *call, struct fault *fault);
int status_quarantine_show(struct status_call *call, struct fault *fault);
int status_quarantine_retry(struct status_call *call, struct fault *fault);
int status_quarantine_drop(struct status_call *call, struct fault *fault);
int status_expect(struct status_call *call, struct fault *fault);
int status_check(struct status_call *call, struct fault *fault);
int status_prune(struct status_call *call, struct fault *fault);
int status_forget(struct status_call *call, struct fault *fault);
int status_help(struct status_call *call, struct fault *fault);
int status_complete(struct status_call *call, struct fault *fault);

/* common.c: what they have in common. The exit code for what a view said. */
int status_code_of(const struct status_call *call, enum view_result result);

/* The exit code where output or store failed: STATUS_DONE where it is only that nobody reads any
 * more. */
int status_failed(const struct status_call *call);

/* Prints and releases TEXT, and returns an exit code. */
int status_print(struct status_call *call, struct buffer *text, struct fault *fault);

/* Reads the call's words as ids of bodies in quarantine. */
int status_read_ids(const struct status_call *call, int64_t ids[STATUS_WORDS_MAX],
                    struct fault *fault);

/* Writes a time of a document: as a person reads it on a terminal ("2026-01-02 03:04:05"), as it
 * is elsewhere; and how long ago that is. Both return TEXT. */
#define STATUS_TIME_SIZE 96
const char *status_time(const struct status_call *call, const char *time,
                        char text[STATUS_TIME_SIZE]);
const char *status_ago(const struct status_call *call, const char *time,
                       char text[STATUS_TIME_SIZE]);

/* health.c: reads status.json, which is to be freed with json_decref; NULL if there is none.
 */
json_t *status_read_file(const struct status_call *call);

/* Appends the line that says how the receiver is. */
void status_add_receiver(const struct status_call *call, struct buffer *out);

/* A store to be written to, opened; it is not made where there is none. */
int status_open_store(struct status_call *call, struct store **store, struct fault *fault);

#endif
