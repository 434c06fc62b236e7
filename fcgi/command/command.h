/* command: what the parts of upgrade-status share: its table of commands, and a call of one.
 *
 * Each command is one entry of one table: words, arguments, options, help, function. The help text
 * is printed from it, the completion uses it, and the man page is checked against it. */
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

#define COMMAND_PROGRAM "upgrade-status"

/* The most options of one command, and words after one. */
#define COMMAND_OPTIONS_MAX 10
#define COMMAND_WORDS_MAX 1000

/* Exit codes. Their meanings are in the table that --help prints. */
enum command_code {
    COMMAND_DONE = 0,
    COMMAND_UNUSABLE = 1,
    COMMAND_USAGE = 2,
    COMMAND_ABOVE = 3,
    COMMAND_MISSING = 4,
    COMMAND_FLAWS = 5,
    COMMAND_NOT_THERE = 6,
    COMMAND_REFUSED = 7,
};

/* One call: a command with its words and options. Everything is lent for the call. */
struct command_call {
    const struct command_entry *commands;     /* all commands; after the last, RUN is NULL */
    const struct command_option *all_options; /* after the last, WORD is NULL */
    const struct options *options;            /* the receiver's, with the state folder */
    const struct command_entry *command;
    struct term *term;
    struct store_reader *reader; /* not open yet */
    struct command_copy *copy;   /* of shared books, with --books; else NULL */
    const char *const *words;    /* after the command's own */
    size_t words_length;
    int64_t now_ms;         /* since 1970: the time from which ages are counted */
    struct buffer found_id; /* of command_find_operation */

    /* the options' values; NULL: not given */
    bool json, no_pager, help, version;
    bool csv, bom, raw, force, any_app, save, forget, stuck, contradictory;
    const char *state, *colour, *books, *copy_folder;
    const char *app_id, *longer_than, *fail_above, *min_finished;
    const char *operation_id, *error_code, *only;
    const char *since, *until, *before, *reason;
};

/* The kind of a word after a command, for the completion. */
enum command_word {
    COMMAND_WORD_NONE,
    COMMAND_WORD_OPERATION,
    COMMAND_WORD_DEVICE,
    COMMAND_WORD_QUARANTINED,
    COMMAND_WORD_APPLICATION,
    COMMAND_WORD_COMMAND,
    COMMAND_WORD_FILE,
    COMMAND_WORD_WHEN,  /* auto, always or never */
    COMMAND_WORD_STATE, /* SUCCESS, FAIL or IN_PROGRESS */
};

/* One option. */
struct command_option {
    const char *word;  /* without its -- */
    const char *value; /* the name of its value; NULL: a switch */
    const char *help;
    enum command_word completes; /* its value */
    bool everywhere;             /* every command takes it */
    size_t offset;               /* in struct command_call */
};

/* One command. RUN returns an exit code. If that is not COMMAND_DONE, FAULT says why, unless the
 * output has said it. */
struct command_entry {
    const char *words[2];  /* the second may be "" */
    const char *arguments; /* in the form of the help */
    const char *help;      /* in one line */
    const char *more;      /* further help; NULL: none */
    const char *options[COMMAND_OPTIONS_MAX + 1];
    size_t least, most;             /* number of words that it takes */
    bool own;                       /* it is about one receiver's own store, and takes no --books */
    enum command_word completes[2]; /* the first and second of them */
    int (*run)(struct command_call *call, struct fault *fault);
};

/* table.c: sets the tables of CALL. */
void command_set_table(struct command_call *call);

/* help.c: the command that the first of WORDS name, and in *TAKEN the number of those words; NULL
 * if there is none. Without words it is the command without words. */
const struct command_entry *command_find(const struct command_call *call, const char *const *words,
                                         size_t length, size_t *taken);

/* Says that WORDS begin with no command, or with what is half of one. Returns -1. */
int command_refuse(const struct command_call *call, const char *const *words, size_t length,
                   struct fault *fault);

/* The name of COMMAND in a message. Returns TEXT. */
#define COMMAND_NAME_SIZE 64
const char *command_name(const struct command_entry *command, char text[COMMAND_NAME_SIZE]);

/* Whether COMMAND (NULL: any of them) takes OPTION. */
bool command_takes(const struct command_entry *command, const struct command_option *option);

/* Prints the help of the call's command for --help, and returns an exit code. */
int command_own_help(struct command_call *call, struct fault *fault);

/* The commands. */
int command_show_operations(struct command_call *call, struct fault *fault);
int command_show_operation(struct command_call *call, struct fault *fault);
int command_show_device(struct command_call *call, struct fault *fault);
int command_show_failures(struct command_call *call, struct fault *fault);
int command_show_upgrades(struct command_call *call, struct fault *fault);
int command_follow(struct command_call *call, struct fault *fault);
int command_log(struct command_call *call, struct fault *fault);
int command_quarantine_list(struct command_call *call, struct fault *fault);
int command_quarantine_show(struct command_call *call, struct fault *fault);
int command_quarantine_retry(struct command_call *call, struct fault *fault);
int command_quarantine_drop(struct command_call *call, struct fault *fault);
int command_expect(struct command_call *call, struct fault *fault);
int command_note(struct command_call *call, struct fault *fault);
int command_check(struct command_call *call, struct fault *fault);
int command_backup(struct command_call *call, struct fault *fault);
int command_restore(struct command_call *call, struct fault *fault);
int command_prune(struct command_call *call, struct fault *fault);
int command_erase(struct command_call *call, struct fault *fault);
int command_forget(struct command_call *call, struct fault *fault);
int command_books_reship(struct command_call *call, struct fault *fault);
int command_books_init(struct command_call *call, struct fault *fault);
int command_books_upgrade(struct command_call *call, struct fault *fault);
int command_books_check(struct command_call *call, struct fault *fault);
int command_books_prune(struct command_call *call, struct fault *fault);
int command_help(struct command_call *call, struct fault *fault);
int command_complete(struct command_call *call, struct fault *fault);

/* common.c: shared by the commands. The exit code for the result of a view. */
int command_code_of(const struct command_call *call, enum view_result result);

/* The exit code for the result of a change to the store: 0 done, above 0 not there, else FAULT. */
int command_code_of_change(int result, const struct fault *fault);

/* The exit code if output or store failed; COMMAND_DONE if it is only that nobody reads any more.
 */
int command_failed(const struct command_call *call);

/* Prints and releases TEXT, and returns an exit code. */
int command_print(struct command_call *call, struct buffer *text, struct fault *fault);

/* Reads the call's words as ids of bodies in quarantine. */
int command_read_ids(const struct command_call *call, int64_t ids[COMMAND_WORDS_MAX],
                     struct fault *fault);

/* Appends "1 upgrade", "2 upgrades", or "2 bodies" if ONE is "body". */
void command_add_count(struct buffer *out, int64_t count, const char *one);

/* Writes a time of a document: on a terminal in the form for people ("2026-01-02 03:04:05Z"),
 * elsewhere as it is; and how long ago that is. Both return TEXT. */
#define COMMAND_TIME_SIZE 96
const char *command_time(const struct command_call *call, const char *time,
                         char text[COMMAND_TIME_SIZE]);
const char *command_ago(const struct command_call *call, const char *time,
                        char text[COMMAND_TIME_SIZE]);

/* maintain.c: reads --before of a prune, and checks that it is not too young. */
int command_read_before(const struct command_call *call, int64_t *before_ms, struct fault *fault);

/* health.c: reads status.json; free it with json_decref. NULL if there is none. */
json_t *command_read_file(const struct command_call *call);

/* Appends the line with the state of the receiver, or of the shared books that CALL reads. */
void command_add_receiver(const struct command_call *call, struct buffer *out);

/* copy.c: brings the copy of the books in CALL->books up to date, and sets the state folder in
 * OPTIONS to it. Returns an exit code. End frees it in any case. Refresh brings it up to date
 * again, once a second at most. Add appends a line about the books. */
int command_begin_copy(struct command_call *call, struct options *options, struct fault *fault);
int command_refresh(struct command_call *call, struct fault *fault);
void command_add_books(const struct command_call *call, struct buffer *out);
void command_end_copy(struct command_call *call);

/* Opens the store for writing; does not make it if there is none. */
int command_open_store(struct command_call *call, struct store **store, struct fault *fault);

#endif
