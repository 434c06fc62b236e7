/* table: every command and option of upgrade-status. */
#include "config.h"

#include "command/command.h"

#include <stddef.h>

#define MEMBER(name) offsetof(struct command_call, name)

static const struct command_option options[] = {
    {"state", "DIR", "the receiver's state folder (UPGRADE_RECEIVER_STATE, or its default)",
     COMMAND_WORD_FILE, true, MEMBER(state)},
    {"json", NULL, "print the document that the status page reads, for programs", COMMAND_WORD_NONE,
     true, MEMBER(json)},
    {"color", "WHEN", "auto (on a terminal, unless NO_COLOR is set), always or never",
     COMMAND_WORD_WHEN, true, MEMBER(colour)},
    {"no-pager", NULL, "do not pass long output on a terminal to $PAGER", COMMAND_WORD_NONE, true,
     MEMBER(no_pager)},
    {"version", NULL, "print the version, then exit", COMMAND_WORD_NONE, true, MEMBER(version)},
    {"help", NULL, "print this text, or that of a command, then exit", COMMAND_WORD_NONE, true,
     MEMBER(help)},
    {"app", "ID", "of this appId, where several have an operation of that name", COMMAND_WORD_NONE,
     false, MEMBER(app_id)},
    {"longer-than", "TIME", "show upgrades in progress for longer than that (1h)",
     COMMAND_WORD_NONE, false, MEMBER(longer_than)},
    {"fail-above", "SHARE", "exit 3 when a larger share than this has failed, such as 5%",
     COMMAND_WORD_NONE, false, MEMBER(fail_above)},
    {"min-finished", "N", "but not before that many have finished (1)", COMMAND_WORD_NONE, false,
     MEMBER(min_finished)},
    {"operation", "ID", "of this operation alone", COMMAND_WORD_OPERATION, false,
     MEMBER(operation_id)},
    {"code", "CODE", "with this errorCode alone, '' being none", COMMAND_WORD_NONE, false,
     MEMBER(error_code)},
    {"csv", NULL, "as CSV (RFC 4180) with a header line", COMMAND_WORD_NONE, false, MEMBER(csv)},
    {"bom", NULL, "a byte order mark before it, without which Excel takes UTF-8 for something else",
     COMMAND_WORD_NONE, false, MEMBER(bom)},
    {"raw", NULL, "also on a terminal, which then obeys what a stranger wrote", COMMAND_WORD_NONE,
     false, MEMBER(raw)},
    {"since", "WHEN", "follow: behind a token, or start; log: a TIME, what came from it on",
     COMMAND_WORD_NONE, false, MEMBER(since)},
    {"until", "TIME", "what came before that", COMMAND_WORD_NONE, false, MEMBER(until)},
    {"before", "TIME", "what is older than that", COMMAND_WORD_NONE, false, MEMBER(before)},
    {"reason", "TEXT", "bodies whose reason begins with that", COMMAND_WORD_NONE, false,
     MEMBER(reason)},
    {"any-app", NULL, "of whatever appId, also those that the receiver does not accept",
     COMMAND_WORD_NONE, false, MEMBER(any_app)},
    {"force", NULL, "prune what is younger than two days; follow although some was pruned",
     COMMAND_WORD_NONE, false, MEMBER(force)},
    {.word = NULL},
};

static const struct command_entry commands[] = {
    {.words = {"", ""},
     .arguments = "",
     .help = "all operations, the latest changed first",
     .more =
         "Each with a bar (done, failed, in progress), how many upgrades are in which state, the\n"
         "share of those finished that failed, and when it began and last changed.\n",
     .run = command_show_operations},
    {.words = {"operation", ""},
     .arguments = "ID",
     .help = "one operation: counts, failures by code, versions, what is stuck",
     .more =
         "With --fail-above it is for scripts that stop a campaign: exit code 3 tells that of at\n"
         "least --min-finished finished upgrades a larger share than SHARE has failed.\n",
     .options = {"app", "longer-than", "fail-above", "min-finished"},
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_OPERATION},
     .run = command_show_operation},
    {.words = {"device", ""},
     .arguments = "ID",
     .help = "one device: its upgrades in all operations, and what it said",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_DEVICE},
     .run = command_show_device},
    {.words = {"failures", ""},
     .arguments = "",
     .help = "upgrades that failed, a line each",
     .options = {"operation", "app", "code", "csv", "bom"},
     .run = command_show_failures},
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
     .run = command_follow},
    {.words = {"log", ""},
     .arguments = "",
     .help = "the lines of notifications received in a time",
     .options = {"since", "until"},
     .run = command_log},
    {.words = {"quarantine", "list"},
     .arguments = "",
     .help = "what was not understood, a line each",
     .run = command_quarantine_list},
    {.words = {"quarantine", "show"},
     .arguments = "ID",
     .help = "one body, byte for byte; on a terminal with escapes",
     .options = {"raw"},
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_QUARANTINED},
     .run = command_quarantine_show},
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
     .most = COMMAND_WORDS_MAX,
     .completes = {COMMAND_WORD_QUARANTINED, COMMAND_WORD_QUARANTINED},
     .run = command_quarantine_retry},
    {.words = {"quarantine", "drop"},
     .arguments = "[ID]...",
     .help = "throw bodies away: those named, or by --reason and --before",
     .more =
         "With --reason and --before those for which both hold. They are gone for good; how many "
         "they\n"
         "were is printed. The count of what was ever quarantined stays.\n",
     .options = {"reason", "before"},
     .most = COMMAND_WORDS_MAX,
     .completes = {COMMAND_WORD_QUARANTINED, COMMAND_WORD_QUARANTINED},
     .run = command_quarantine_drop},
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
     .completes = {COMMAND_WORD_OPERATION, COMMAND_WORD_FILE},
     .run = command_expect},
    {.words = {"check", ""},
     .arguments = "",
     .help = "whether the store is sound, and its counters are those of a recount",
     .more =
         "Reads the whole store, beside a running receiver or without one. Exit code 5 tells that\n"
         "something is wrong; each thing that is stands on a line.\n",
     .run = command_check},
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
     .run = command_prune},
    {.words = {"forget", ""},
     .arguments = "APPLICATION",
     .help = "forget an application that is gone, which holds up prune",
     .more =
         "The store keeps what each application has not got yet. One that is forgotten and comes\n"
         "again gets everything that the store has, from the first notification on. While a\n"
         "receiver delivers to it, it is not forgotten.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_APPLICATION},
     .run = command_forget},
    {.words = {"complete", ""},
     .arguments = "-- WORD...",
     .help = "what the last WORD may become, for a shell's completion",
     .more = "WORD... is the command line behind " COMMAND_PROGRAM
             ", its last word perhaps empty. An answer\n"
             "of / alone stands for the name of a file.\n",
     .least = 1,
     .most = COMMAND_WORDS_MAX,
     .run = command_complete},
    {.words = {"help", ""},
     .arguments = "[COMMAND]",
     .help = "this text, or what there is to know of one command",
     .most = 2,
     .completes = {COMMAND_WORD_COMMAND},
     .run = command_help},
    {.run = NULL},
};

void command_set_table(struct command_call *call)
{
    call->commands = commands;
    call->all_options = options;
}
