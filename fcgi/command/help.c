/* help: the table of commands: which command is meant, what it takes, and the help. */
#include "config.h"

#include "command/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Columns of the help, and those before what a command or an option does. */
#define WIDTH 80
#define INDENT 26

/* Meanings of the exit codes. */
static const struct {
    enum command_code code;
    const char *meaning;
} codes[] = {
    {COMMAND_DONE, "done, and nothing to complain of"},
    {COMMAND_UNUSABLE, "the store or the books cannot be used, or the output cannot be written"},
    {COMMAND_USAGE, "the command line makes no sense"},
    {COMMAND_ABOVE, "operation --fail-above: a larger share has failed"},
    {COMMAND_MISSING, "expect: some have not reported, or not finished"},
    {COMMAND_FLAWS, "check, backup, restore, books check: something is not sound"},
    {COMMAND_NOT_THERE, "no such operation, device, application or body in quarantine, or several"},
    {COMMAND_REFUSED, "follow: the store does not have the token, or not all behind it"},
};

const struct command_entry *command_find(const struct command_call *call, const char *const *words,
                                         size_t length, size_t *taken)
{
    for (const struct command_entry *command = call->commands; command->run != NULL; command++) {
        const char *const *own = command->words;
        size_t count = own[0][0] == '\0' ? 0 : own[1][0] == '\0' ? 1 : 2;
        if (length < count || (count == 0 && length > 0))
            continue;
        if ((count < 1 || strcmp(words[0], own[0]) == 0) &&
            (count < 2 || strcmp(words[1], own[1]) == 0)) {
            *taken = count;
            return command;
        }
    }
    return NULL;
}

int command_refuse(const struct command_call *call, const char *const *words, size_t length,
                   struct fault *fault)
{
    struct buffer seconds = {0};
    for (const struct command_entry *command = call->commands; command->run != NULL; command++)
        if (strcmp(command->words[0], words[0]) == 0 && command->words[1][0] != '\0')
            buffer_addf(&seconds, "%s%s", seconds.length > 0 ? ", " : "", command->words[1]);
    if (seconds.length > 0 && !seconds.failed)
        fault_set(fault, "%s%s%s: takes one of %.*s", words[0], length > 1 ? " " : "",
                  length > 1 ? words[1] : "", (int)seconds.length, seconds.bytes);
    else
        fault_set(fault, "%s: no such command", words[0]);
    buffer_release(&seconds);
    return -1;
}

const char *command_name(const struct command_entry *command, char text[COMMAND_NAME_SIZE])
{
    const char *const *words = command->words;
    snprintf(text, COMMAND_NAME_SIZE, "%s%s%s",
             words[0][0] == '\0' ? "the list of all operations" : words[0],
             words[1][0] == '\0' ? "" : " ", words[1]);
    return text;
}

bool command_takes(const struct command_entry *command, const struct command_option *option)
{
    if (option->everywhere || command == NULL)
        return true;
    for (size_t i = 0; command->options[i] != NULL; i++)
        if (strcmp(command->options[i], option->word) == 0)
            return true;
    return false;
}

static void add_usage(const struct command_entry *command, struct buffer *out)
{
    size_t begin = out->length;
    const char *const parts[] = {command->words[0], command->words[1], command->arguments};
    for (size_t i = 0; i < 3; i++)
        if (parts[i][0] != '\0')
            buffer_addf(out, "%s%s", out->length > begin ? " " : "", parts[i]);
}

/* Adds the words of TEXT from PLACE on, in as many lines as they take, each INDENT columns in, and
 * ends the last line. */
static void add_words(struct buffer *out, size_t place, size_t indent, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, " \n");
        if (place > indent && place + 1 + length > WIDTH) {
            buffer_addf(out, "\n%*s", (int)indent, "");
            place = indent;
        }
        buffer_addf(out, "%s%.*s", place > 0 ? " " : "", (int)length, text);
        place += (place > 0) + length;
        text += length + strspn(text + length, " \n");
    }
    buffer_add_string(out, "\n");
}

/* Adds USAGE in its column, then WHAT. */
static void add_line(struct buffer *out, struct buffer *usage, const char *what)
{
    buffer_addf(out, "  %-*.*s", INDENT - 2, (int)usage->length,
                usage->length > 0 ? usage->bytes : "");
    add_words(out, INDENT, INDENT, what);
    buffer_clear(usage);
}

static void add_options(const struct command_call *call, const struct command_entry *command,
                        bool everywhere, struct buffer *out)
{
    struct buffer usage = {0};
    for (const struct command_option *option = call->all_options; option->word != NULL; option++) {
        if (option->everywhere != everywhere || !command_takes(command, option))
            continue;
        buffer_addf(&usage, "--%s%s%s", option->word, option->value != NULL ? " " : "",
                    option->value != NULL ? option->value : "");
        add_line(out, &usage, option->help);
    }
    buffer_release(&usage);
}

static void add_help(const struct command_call *call, struct buffer *out)
{
    struct buffer usage = {0};
    buffer_add_string(out,
                      "Usage: " COMMAND_PROGRAM " [OPTION]... [COMMAND [WORD]... [OPTION]...]\n\n"
                      "Shows how upgrades go, from the store of a running or stopped receiver.\n"
                      "\nCommands; without one, it shows");
    buffer_addf(out, " %s:\n", call->commands->help);
    for (const struct command_entry *command = call->commands + 1; command->run != NULL;
         command++) {
        add_usage(command, &usage);
        add_line(out, &usage, command->help);
    }
    buffer_add_string(out, "\nOptions of every command:\n");
    add_options(call, NULL, true, out);
    buffer_add_string(out, "\nOptions of a command, behind it ('help COMMAND' tells which it "
                           "takes):\n");
    add_options(call, NULL, false, out);
    buffer_add_string(
        out, "\nA TIME is 2026-01-02T03:04:05Z, a date, today, yesterday, or how long ago:\n"
             "45s, 30m, 1h30m, 7d, 1w. Times and dates are in UTC.\n\nExit codes:\n");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        buffer_addf(out, "  %d  %s\n", codes[i].code, codes[i].meaning);
    buffer_release(&usage);
}

static void add_command_help(const struct command_call *call, const struct command_entry *command,
                             struct buffer *out)
{
    buffer_add_string(out, "Usage: " COMMAND_PROGRAM);
    struct buffer usage = {0};
    add_usage(command, &usage);
    if (usage.length > 0)
        buffer_addf(out, " %.*s", (int)usage.length, usage.bytes);
    buffer_release(&usage);
    buffer_addf(out, " [OPTION]...\n\n%c%s.\n", toupper((unsigned char)command->help[0]),
                command->help + 1);
    if (command->more != NULL) {
        buffer_add_string(out, "\n");
        add_words(out, 0, 0, command->more);
    }
    if (command->options[0] != NULL) {
        buffer_add_string(out, "\nIts options:\n");
        add_options(call, command, false, out);
    }
    buffer_add_string(out, "\nOptions of every command:\n");
    add_options(call, command, true, out);
}

int command_own_help(struct command_call *call, struct fault *fault)
{
    struct buffer help = {0};
    if (call->words_length + strlen(call->command->words[0]) == 0)
        add_help(call, &help);
    else
        add_command_help(call, call->command, &help);
    return command_print(call, &help, fault);
}

int command_help(struct command_call *call, struct fault *fault)
{
    struct buffer help = {0};
    size_t taken;
    const struct command_entry *command = command_find(call, call->words, call->words_length,
                                                       &taken);
    if (call->words_length == 0) {
        add_help(call, &help);
    } else if (command == NULL || taken < call->words_length) {
        command_refuse(call, call->words, call->words_length, fault);
        return COMMAND_USAGE;
    } else {
        add_command_help(call, command, &help);
    }
    return command_print(call, &help, fault);
}
