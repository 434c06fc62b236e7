/* status_table: every command and option of upgrade-status, and the help made from them. */
#include "config.h"

#include "status_cmd.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MEMBER(name) offsetof(struct status_call, name)

static const struct status_option options[] = {
    {"state", "DIR", "the receiver's state folder (UPGRADE_RECEIVER_STATE, or its default)",
     STATUS_WORD_FILE, true, MEMBER(state)},
    {"json", NULL, "print the document that the status page reads, for programs", STATUS_WORD_NONE,
     true, MEMBER(json)},
    {"color", "WHEN", "auto (on a terminal, unless NO_COLOR is set), always or never",
     STATUS_WORD_WHEN, true, MEMBER(colour)},
    {"no-pager", NULL, "do not pass long output on a terminal to $PAGER", STATUS_WORD_NONE, true,
     MEMBER(no_pager)},
    {"version", NULL, "print the version, then exit", STATUS_WORD_NONE, true, MEMBER(version)},
    {"help", NULL, "print this text, or that of a command, then exit", STATUS_WORD_NONE, true,
     MEMBER(help)},
    {"app", "ID", "of this appId, where several have an operation of that name", STATUS_WORD_NONE,
     false, MEMBER(app_id)},
    {"longer-than", "TIME", "show upgrades in progress for longer than that (1h)", STATUS_WORD_NONE,
     false, MEMBER(longer_than)},
    {"fail-above", "SHARE", "exit 3 when a larger share than this has failed, such as 5%",
     STATUS_WORD_NONE, false, MEMBER(fail_above)},
    {"min-finished", "N", "but not before that many have finished (1)", STATUS_WORD_NONE, false,
     MEMBER(min_finished)},
    {"operation", "ID", "of this operation alone", STATUS_WORD_OPERATION, false,
     MEMBER(operation_id)},
    {"code", "CODE", "with this errorCode alone, '' being none", STATUS_WORD_NONE, false,
     MEMBER(error_code)},
    {"csv", NULL, "as CSV (RFC 4180) with a header line", STATUS_WORD_NONE, false, MEMBER(csv)},
    {"bom", NULL, "a byte order mark before it, without which Excel takes UTF-8 for something else",
     STATUS_WORD_NONE, false, MEMBER(bom)},
    {"raw", NULL, "also on a terminal, which then obeys what a stranger wrote", STATUS_WORD_NONE,
     false, MEMBER(raw)},
    {"since", "WHEN", "follow: behind a token, or start; log: a TIME, what came from it on",
     STATUS_WORD_NONE, false, MEMBER(since)},
    {"until", "TIME", "what came before that", STATUS_WORD_NONE, false, MEMBER(until)},
    {"before", "TIME", "what is older than that", STATUS_WORD_NONE, false, MEMBER(before)},
    {"reason", "TEXT", "bodies whose reason begins with that", STATUS_WORD_NONE, false,
     MEMBER(reason)},
    {"any-app", NULL, "of whatever appId, also those that the receiver does not accept",
     STATUS_WORD_NONE, false, MEMBER(any_app)},
    {"force", NULL, "prune what is younger than two days; follow although some was pruned",
     STATUS_WORD_NONE, false, MEMBER(force)},
};

#define OPTIONS (sizeof options / sizeof options[0])

static const struct status_command commands[] = {
    {.words = {"", ""},
     .arguments = "",
     .help = "all operations, the latest changed first",
     .more =
         "Each with a bar (done, failed, in progress), how many upgrades are in which state, the\n"
         "share of those finished that failed, and when it began and last changed.\n",
     .run = status_show_operations},
    {.words = {"operation", ""},
     .arguments = "ID",
     .help = "one operation: counts, failures by code, versions, what is stuck",
     .more =
         "With --fail-above it is for scripts that stop a campaign: exit code 3 tells that of at\n"
         "least --min-finished finished upgrades a larger share than SHARE has failed.\n",
     .options = {"app", "longer-than", "fail-above", "min-finished"},
     .least = 1,
     .most = 1,
     .completes = {STATUS_WORD_OPERATION},
     .run = status_show_operation},
    {.words = {"device", ""},
     .arguments = "ID",
     .help = "one device: its upgrades in all operations, and what it said",
     .least = 1,
     .most = 1,
     .completes = {STATUS_WORD_DEVICE},
     .run = status_show_device},
    {.words = {"failures", ""},
     .arguments = "",
     .help = "upgrades that failed, a line each",
     .options = {"operation", "app", "code", "csv", "bom"},
     .run = status_show_failures},
    {.words = {"follow", ""},
     .arguments = "",
     .help = "the last notifications, then each new one as it comes",
     .more =
         "Lines as in the receiver's log, but from the store: none is dropped, whatever happens "
         "to\n"
         "the log. Each has a token. A reader that keeps the token of the last line it is done\n"
         "with, and gives it to --since when it starts again, gets each line at least once;\n"
         "--since start begins with the first. A token that this store does not have is refused\n"
         "(an older copy was put back, or it is another store), and one behind which\n"
         "notifications were pruned, unless --force is given; the complaint says how to go on.\n",
     .options = {"since", "force"},
     .run = status_follow},
    {.words = {"log", ""},
     .arguments = "",
     .help = "the lines of notifications received in a time",
     .options = {"since", "until"},
     .run = status_log},
    {.words = {"quarantine", "list"},
     .arguments = "",
     .help = "what was not understood, a line each",
     .run = status_quarantine_list},
    {.words = {"quarantine", "show"},
     .arguments = "ID",
     .help = "one body, byte for byte; on a terminal with escapes",
     .options = {"raw"},
     .least = 1,
     .most = 1,
     .completes = {STATUS_WORD_QUARANTINED},
     .run = status_quarantine_show},
    {.words = {"quarantine", "retry"},
     .arguments = "[ID]...",
     .help = "read bodies (or all) again, after a schema was added or corrected",
     .more =
         "What is a notification now leaves quarantine and enters the books, with the time at "
         "which\n"
         "it was received. What came to a receiver that accepts certain appIds (--app-id) enters "
         "them\n"
         "only if its appId is in UPGRADE_RECEIVER_APP_ID, or with --app, which passes over all\n"
         "others, or with --any-app.\n",
     .options = {"app", "any-app"},
     .most = STATUS_WORDS_MAX,
     .completes = {STATUS_WORD_QUARANTINED, STATUS_WORD_QUARANTINED},
     .run = status_quarantine_retry},
    {.words = {"quarantine", "drop"},
     .arguments = "[ID]...",
     .help = "throw bodies away: those named, or by --reason and --before",
     .more =
         "With --reason and --before those for which both hold. They are gone for good; how many "
         "they\n"
         "were is printed. The count of what was ever quarantined stays.\n",
     .options = {"reason", "before"},
     .most = STATUS_WORDS_MAX,
     .completes = {STATUS_WORD_QUARANTINED, STATUS_WORD_QUARANTINED},
     .run = status_quarantine_drop},
    {.words = {"expect", ""},
     .arguments = "OPERATION FILE",
     .help = "which of the devices in FILE have not reported",
     .more =
         "FILE (- is standard input) has a deviceId on each line; empty lines and lines that "
         "begin\n"
         "with # are skipped. Of a device with several upgrades in the operation, the last result\n"
         "received decides, unless one in progress began after it. Exit code 0 tells that all of\n"
         "them have finished, 4 that some have not.\n",
     .options = {"app"},
     .least = 2,
     .most = 2,
     .completes = {STATUS_WORD_OPERATION, STATUS_WORD_FILE},
     .run = status_expect},
    {.words = {"check", ""},
     .arguments = "",
     .help = "whether the store is sound, and its counters are those of a recount",
     .more =
         "Reads the whole store, beside a running receiver or without one. Exit code 5 tells that\n"
         "something is wrong; each thing that is stands on a line.\n",
     .run = status_check},
    {.words = {"prune", ""},
     .arguments = "",
     .help = "take old notifications out of the store, and keep the counters",
     .more =
         "Takes out the notifications and upgrades of operations in which nothing has come since\n"
         "--before (which must be given), and other notifications older than that; what an\n"
         "application has not been told yet stays. The platform keeps what it could not push for\n"
         "a day, and what it pushes again after it was pruned counts as new: so nothing younger\n"
         "than two days goes without --force. The file keeps its size, and its room is used "
         "again.\n",
     .options = {"before", "force"},
     .run = status_prune},
    {.words = {"forget", ""},
     .arguments = "APPLICATION",
     .help = "forget an application that is gone, which holds up prune",
     .more =
         "The store keeps what each application has not got yet. One that is forgotten and comes\n"
         "again gets everything that the store has, from the first notification on. While a\n"
         "receiver delivers to it, it is not forgotten.\n",
     .least = 1,
     .most = 1,
     .completes = {STATUS_WORD_APPLICATION},
     .run = status_forget},
    {.words = {"complete", ""},
     .arguments = "-- WORD...",
     .help = "what the last WORD may become, for a shell's completion",
     .more = "WORD... is the command line behind " STATUS_PROGRAM
             ", its last word perhaps empty. An answer\n"
             "of / alone stands for the name of a file.\n",
     .least = 1,
     .most = STATUS_WORDS_MAX,
     .run = status_complete},
    {.words = {"help", ""},
     .arguments = "[COMMAND]",
     .help = "this text, or what there is to know of one command",
     .most = 2,
     .completes = {STATUS_WORD_COMMAND},
     .run = status_help},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

/* What the exit codes mean. */
static const struct {
    enum status_code code;
    const char *meaning;
} codes[] = {
    {STATUS_DONE, "done, and nothing to complain of"},
    {STATUS_UNUSABLE, "the store cannot be used, or the output cannot be written"},
    {STATUS_USAGE, "the command line makes no sense"},
    {STATUS_ABOVE, "operation --fail-above: a larger share has failed"},
    {STATUS_MISSING, "expect: some have not reported, or not finished"},
    {STATUS_FLAWS, "check: the store is not sound"},
    {STATUS_NOT_THERE, "there is no such operation, device, application or body in quarantine"},
    {STATUS_REFUSED, "follow: the store does not have the token, or not all behind it"},
};

const struct status_command *status_command_at(size_t index)
{
    return index < COMMANDS ? &commands[index] : NULL;
}

const struct status_option *status_option_at(size_t index)
{
    return index < OPTIONS ? &options[index] : NULL;
}

const struct status_command *status_find_command(const char *const *words, size_t length,
                                                 size_t *taken)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t own = commands[i].words[0][0] == '\0' ? 0 : commands[i].words[1][0] == '\0' ? 1 : 2;
        if (length < own || (own == 0 && length > 0))
            continue;
        if ((own < 1 || strcmp(words[0], commands[i].words[0]) == 0) &&
            (own < 2 || strcmp(words[1], commands[i].words[1]) == 0)) {
            *taken = own;
            return &commands[i];
        }
    }
    return NULL;
}

bool status_takes(const struct status_command *command, const struct status_option *option)
{
    if (option->everywhere || command == NULL)
        return true;
    for (size_t i = 0; command->options[i] != NULL; i++)
        if (strcmp(command->options[i], option->word) == 0)
            return true;
    return false;
}

static void add_usage(const struct status_command *command, struct text *out)
{
    size_t begin = out->length;
    const char *const parts[] = {command->words[0], command->words[1], command->arguments};
    for (size_t i = 0; i < 3; i++)
        if (parts[i][0] != '\0')
            text_addf(out, "%s%s", out->length > begin ? " " : "", parts[i]);
}

/* A line of the help: USAGE in its column, then WHAT. */
static void add_line(struct text *out, struct text *usage, const char *what)
{
    text_addf(out, "  %-24.*s %s\n", (int)usage->length, usage->length > 0 ? usage->bytes : "",
              what);
    text_clear(usage);
}

static void add_options(const struct status_command *command, bool everywhere, struct text *out)
{
    struct text usage = {0};
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct status_option *option = &options[i];
        if (option->everywhere != everywhere || !status_takes(command, option))
            continue;
        text_addf(&usage, "--%s%s%s", option->word, option->value != NULL ? " " : "",
                  option->value != NULL ? option->value : "");
        add_line(out, &usage, option->help);
    }
    text_release(&usage);
}

void status_add_help(struct text *out)
{
    struct text usage = {0};
    text_add_string(out, "Usage: " STATUS_PROGRAM " [OPTION]... [COMMAND [WORD]... [OPTION]...]\n\n"
                         "Shows how upgrades go, from the store of a running or stopped receiver.\n"
                         "\nCommands; without one, " STATUS_PROGRAM " shows");
    text_addf(out, " %s:\n", commands[0].help);
    for (size_t i = 1; i < COMMANDS; i++) {
        add_usage(&commands[i], &usage);
        add_line(out, &usage, commands[i].help);
    }
    text_add_string(out, "\nOptions of every command:\n");
    add_options(NULL, true, out);
    text_add_string(out, "\nOptions of a command, behind it (" STATUS_PROGRAM
                         " help COMMAND tells which it takes):\n");
    add_options(NULL, false, out);
    text_add_string(out, "\nA TIME is 2026-01-02T03:04:05Z, a date, or how long ago: 45s, 30m, 2h, "
                         "7d, 1w.\nTimes and dates are in UTC.\n\nExit codes:\n");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        text_addf(out, "  %d  %s\n", codes[i].code, codes[i].meaning);
    text_release(&usage);
}

void status_add_command_help(const struct status_command *command, struct text *out)
{
    text_add_string(out, "Usage: " STATUS_PROGRAM);
    struct text usage = {0};
    add_usage(command, &usage);
    if (usage.length > 0)
        text_addf(out, " %.*s", (int)usage.length, usage.bytes);
    text_release(&usage);
    text_addf(out, " [OPTION]...\n\n%c%s.\n", toupper((unsigned char)command->help[0]),
              command->help + 1);
    if (command->more != NULL)
        text_addf(out, "\n%s", command->more);
    if (command->options[0] != NULL) {
        text_add_string(out, "\nIts options:\n");
        add_options(command, false, out);
    }
    text_add_string(out, "\nOptions of every command:\n");
    add_options(command, true, out);
}
