/* command: upgrade-status, the operator's command on the store of a running or stopped receiver:
 * reads the command line by the table of commands, and runs one. */
#include "config.h"

#include "command/command.h"

#include "base/clock.h"
#include "notification/content.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A command line split into the words in their order, and the options, whose meaning depends on the
 * command. */
struct line {
    const char *words[COMMAND_WORDS_MAX + 2];
    size_t words_length;
};

static const struct command_option *find_option(const struct command_call *call, const char *word,
                                                size_t length)
{
    for (const struct command_option *option = call->all_options; option->word != NULL; option++)
        if (strlen(option->word) == length && memcmp(option->word, word, length) == 0)
            return option;
    return NULL;
}

/* Takes the option at ARGV[*INDEX], and its value, which may be the argument after it. */
static int take_option(struct command_call *call, char **argv, int *index, struct fault *fault)
{
    const char *argument = strcmp(argv[*index], "-h") == 0 ? "--help" : argv[*index];
    const char *word = argument + 2;
    size_t length = strncmp(argument, "--", 2) == 0 ? strcspn(word, "=") : 0;
    const struct command_option *option = length > 0 ? find_option(call, word, length) : NULL;
    if (option == NULL)
        return fault_set(fault, "%s: no such option", argument);
    void *member = (char *)call + option->offset;
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    if (option->value == NULL) {
        if (value != NULL)
            return fault_set(fault, "--%s: takes no value", option->word);
        *(bool *)member = true;
        return 0;
    }
    if (value == NULL && (value = argv[++*index]) == NULL)
        return fault_set(fault, "--%s: takes a value, %s", option->word, option->value);
    if (*(const char **)member != NULL)
        return fault_set(fault, "--%s: given twice", option->word);
    *(const char **)member = value;
    return 0;
}

/* Separates words and options; after -- all are words. */
static int take_apart(struct command_call *call, struct line *line, char **argv,
                      struct fault *fault)
{
    bool only_words = false;
    for (int i = 1; argv[i] != NULL; i++) {
        bool is_option = !only_words && argv[i][0] == '-' && argv[i][1] != '\0';
        if (is_option && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (is_option) {
            if (take_option(call, argv, &i, fault) != 0)
                return -1;
        } else if (line->words_length == COMMAND_WORDS_MAX) {
            return fault_set(fault, "more than %d words", COMMAND_WORDS_MAX);
        } else {
            line->words[line->words_length++] = argv[i];
        }
    }
    return 0;
}

/* Finds the command, and checks that it takes the words and options given. */
static int understand(struct command_call *call, const struct line *line, struct fault *fault)
{
    char name[COMMAND_NAME_SIZE];
    size_t taken = 0;
    call->command = command_find(call, line->words, line->words_length, &taken);
    if (call->command == NULL)
        return command_refuse(call, line->words, line->words_length, fault);
    command_name(call->command, name);
    for (const struct command_option *option = call->all_options; option->word != NULL; option++) {
        const void *member = (const char *)call + option->offset;
        bool is_given = option->value == NULL ? *(const bool *)member
                                              : *(const char *const *)member != NULL;
        if (is_given && !command_takes(call->command, option))
            return fault_set(fault, "--%s: not an option of %s", option->word, name);
    }
    if (call->books != NULL && call->command->own)
        return fault_set(fault,
                         "%s: is about one receiver's own store, and takes no --books: run it on "
                         "that machine",
                         name);
    call->words = line->words + taken;
    call->words_length = line->words_length - taken;
    if (call->help)
        return 0;
    if (call->words_length < call->command->least || call->words_length > call->command->most)
        return fault_set(fault, "%s: takes %s", name,
                         call->command->most > 0 ? call->command->arguments : "no further word");
    return 0;
}

static int read_colour(const struct command_call *call, enum term_when *when, struct fault *fault)
{
    static const char *const words[] = {
        [TERM_AUTO] = "auto", [TERM_NEVER] = "never", [TERM_ALWAYS] = "always"};
    *when = TERM_AUTO;
    if (call->colour == NULL)
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(call->colour, words[i]) == 0) {
            *when = (enum term_when)i;
            return 0;
        }
    return fault_set(fault, "--color %s: takes auto, always or never", call->colour);
}

/* Reads the receiver's options from the environment, as the receiver does. */
static int read_environment(const struct command_call *call, struct options *options,
                            struct fault *fault)
{
    char program[] = COMMAND_PROGRAM, word[] = "--state";
    char *arguments[] = {program, word, (char *)(uintptr_t)call->state, NULL};
    if (call->state == NULL)
        arguments[1] = NULL;
    return options_read(options, call->state == NULL ? 1 : 3, arguments, fault);
}

/* Whether the file NAME of the state folder can be used (MODE): 0, or the error. */
static int try_access(const struct command_call *call, const char *name, int mode)
{
    struct buffer path = {0};
    buffer_addf(&path, "%s%s", call->options->state, name);
    buffer_add(&path, "", 1);
    int error = path.failed ? ENOMEM : access(path.bytes, mode) == 0 ? 0 : errno;
    buffer_release(&path);
    return error;
}

/* Adds to FAULT why the user cannot open the store. */
static void explain(const struct command_call *call, struct fault *fault)
{
    static const struct {
        const char *name;
        int mode;
        const char *what;
    } needs[] = {
        {"", X_OK, "may not look into the folder"},
        {"/upgrades.db", R_OK, "may not read the store"},
        {"/upgrades.db-wal", R_OK, "may not read the store's log, upgrades.db-wal"},
        {"/upgrades.db-shm", R_OK, "may not read the log's index, upgrades.db-shm"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (try_access(call, needs[i].name, needs[i].mode) == EACCES) {
            fault_add(fault, "you %s", needs[i].what);
            return;
        }
    /* SQLite reads through an index of the write-ahead log, and makes one if there is none. */
    if (try_access(call, "/upgrades.db", F_OK) == 0 &&
        try_access(call, "/upgrades.db-shm", F_OK) == ENOENT &&
        try_access(call, "", W_OK) == EACCES)
        fault_add(fault, "no receiver has the store open, and you may not make upgrades.db-shm in "
                         "the folder, which it takes to read it");
}

static int run(struct command_call *call, struct fault *fault)
{
    if (call->help)
        return command_own_help(call, fault);
    if (store_reader_new(&call->reader, call->options->state, fault) != 0)
        return COMMAND_UNUSABLE;
    int code = call->command->run(call, fault);
    if (code == COMMAND_UNUSABLE && call->copy == NULL &&
        strcmp(call->command->words[0], "books") != 0)
        explain(call, fault);
    store_reader_free(call->reader);
    buffer_release(&call->found_id);
    return code;
}

/* Runs the command when everything is known about it. */
static int start(struct command_call *call, struct fault *fault)
{
    struct options options;
    enum term_when colours;
    if (read_colour(call, &colours, fault) != 0 || read_environment(call, &options, fault) != 0)
        return COMMAND_USAGE;
    struct term term;
    term_open(&term, colours, !call->no_pager);
    call->options = &options;
    call->term = &term;
    call->now_ms = clock_now_ms();
    bool reads_books = call->books != NULL && !call->help &&
                       strcmp(call->command->words[0], "books") != 0;
    int code = reads_books ? command_begin_copy(call, &options, fault) : COMMAND_DONE;
    if (code == COMMAND_DONE)
        code = run(call, fault);
    command_end_copy(call);
    term_close(&term);
    options_release(&options);
    return code;
}

static int print_version(struct fault *fault)
{
    struct term term;
    struct buffer text = {0};
    term_open(&term, TERM_NEVER, false);
    buffer_addf(&text, "%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
    int printed = term_print(&term, &text, fault);
    buffer_release(&text);
    return printed == 0 || term.ended ? COMMAND_DONE : COMMAND_UNUSABLE;
}

/* If a standard descriptor is closed, the next file opened would get it, and the output would be
 * written into that file. */
static void fill_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    (void)argc;
    umask(0027);
    setlocale(LC_CTYPE, "");
    content_init();
    store_library_init();
    fill_descriptors();
    struct line line = {.words_length = 0};
    struct command_call call = {.words_length = 0};
    command_set_table(&call);
    struct fault fault = FAULT_NONE;
    int code;
    if (sodium_init() < 0) {
        fault_set(&fault, "libsodium cannot start");
        code = COMMAND_UNUSABLE;
    } else if (take_apart(&call, &line, argv, &fault) != 0) {
        code = COMMAND_USAGE;
    } else if (call.version) {
        code = print_version(&fault);
    } else if (understand(&call, &line, &fault) != 0) {
        code = COMMAND_USAGE;
    } else {
        code = start(&call, &fault);
    }
    if (fault.set)
        term_complain(COMMAND_PROGRAM, fault.text);
    if (code == COMMAND_USAGE)
        fprintf(stderr, "Try '" COMMAND_PROGRAM " --help'.\n");
    return code;
}
