/* table: every command and option of upgrade-status. */
#include "config.h"

#include "command/command.h"

#include <stddef.h>

#define MEMBER(name) offsetof(struct command_call, name)

static const struct command_option options[] = {
    {"state", "DIR", "the receiver's state folder (UPGRADE_RECEIVER_STATE, or its default)",
     COMMAND_WORD_FILE, true, MEMBER(state)},
    {"books", "CONNINFO", "of these shared books in PostgreSQL, from a copy of them",
     COMMAND_WORD_NONE, true, MEMBER(books)},
    {"copy", "DIR", "the copy's folder (one in XDG_CACHE_HOME, or ~/.cache)", COMMAND_WORD_FILE,
     true, MEMBER(copy_folder)},
    {"json", NULL, "print the document that the status page reads, for programs", COMMAND_WORD_NONE,
     true, MEMBER(json)},
    {"color", "WHEN", "auto (on a terminal, unless NO_COLOR is set), always or never",
     COMMAND_WORD_WHEN, true, MEMBER(colour)},
    {"no-pager", NULL, "do not pass long output on a terminal to $PAGER", COMMAND_WORD_NONE, true,
     MEMBER(no_pager)},
    {"version", NULL, "print the version, then exit", COMMAND_WORD_NONE, true, MEMBER(version)},
    {"help", NULL, "print this text, or that of a command, then exit; also -h", COMMAND_WORD_NONE,
     true, MEMBER(help)},
    {"app", "ID", "of this appId, if several have an operation with that ID", COMMAND_WORD_NONE,
     false, MEMBER(app_id)},
    {"longer-than", "TIME", "show upgrades in progress for longer than that (1h)",
     COMMAND_WORD_NONE, false, MEMBER(longer_than)},
    {"fail-above", "SHARE", "exit 3 when a larger share than this has failed, such as 5%",
     COMMAND_WORD_NONE, false, MEMBER(fail_above)},
    {"min-finished", "N", "but not before that many have finished (1)", COMMAND_WORD_NONE, false,
     MEMBER(min_finished)},
    {"operation", "ID", "of this operation", COMMAND_WORD_OPERATION, false, MEMBER(operation_id)},
    {"code", "CODE", "with this errorCode; '' is none", COMMAND_WORD_NONE, false,
     MEMBER(error_code)},
    {"only", "STATE", "in that state: SUCCESS, FAIL or IN_PROGRESS", COMMAND_WORD_STATE, false,
     MEMBER(only)},
    {"stuck", NULL, "in progress for longer than an hour, or than --longer-than", COMMAND_WORD_NONE,
     false, MEMBER(stuck)},
    {"contradictory", NULL, "that ended with another version than the result says",
     COMMAND_WORD_NONE, false, MEMBER(contradictory)},
    {"csv", NULL, "as CSV (RFC 4180) with a header line", COMMAND_WORD_NONE, false, MEMBER(csv)},
    {"bom", NULL, "begin with a byte order mark, by which Excel knows UTF-8", COMMAND_WORD_NONE,
     false, MEMBER(bom)},
    {"raw", NULL, "print it as it is on a terminal, too; the terminal obeys it", COMMAND_WORD_NONE,
     false, MEMBER(raw)},
    {"since", "WHEN", "from that TIME on; follow: or after a token, or start", COMMAND_WORD_NONE,
     false, MEMBER(since)},
    {"until", "TIME", "up to that TIME", COMMAND_WORD_NONE, false, MEMBER(until)},
    {"before", "TIME", "older than that TIME", COMMAND_WORD_NONE, false, MEMBER(before)},
    {"reason", "TEXT", "bodies whose reason begins with that", COMMAND_WORD_NONE, false,
     MEMBER(reason)},
    {"any-app", NULL, "of any appId, also of one that the receiver does not accept",
     COMMAND_WORD_NONE, false, MEMBER(any_app)},
    {"save", NULL, "keep FILE as the operation's list", COMMAND_WORD_NONE, false, MEMBER(save)},
    {"forget", NULL, "remove the list that was saved", COMMAND_WORD_NONE, false, MEMBER(forget)},
    {"force", NULL, "prune younger than two days; follow although some were pruned",
     COMMAND_WORD_NONE, false, MEMBER(force)},
    {.word = NULL},
};

static const struct command_entry commands[] = {
    {.words = {"", ""},
     .arguments = "",
     .help = "all operations, the latest changed first",
     .more = "Each with a bar (succeeded, failed, in progress), how many of the upgrades that\n"
             "have reported are DONE, how many are in which state, the share of those\n"
             "finished that FAILED, and when it began and last changed. A narrow terminal\n"
             "shows less of that, but each ID whole.\n",
     .options = {"csv", "bom"},
     .run = command_show_operations},
    {.words = {"operation", ""},
     .arguments = "ID",
     .help = "one operation: counts, failures by code, versions, what is stuck",
     .more = "The beginning of an ID is enough if no other begins so. With --fail-above, which\n"
             "takes the whole ID, it is for scripts that stop a campaign: exit code 3 tells\n"
             "that of at least --min-finished finished upgrades a larger share than SHARE has\n"
             "failed.\n",
     .options = {"app", "longer-than", "fail-above", "min-finished"},
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_OPERATION},
     .run = command_show_operation},
    {.words = {"device", ""},
     .arguments = "ID",
     .help = "one device: its upgrades in all operations, and what it said",
     .more = "The beginning of an ID is enough if no other begins so; it takes longer.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_DEVICE},
     .run = command_show_device},
    {.words = {"upgrades", ""},
     .arguments = "",
     .help = "upgrades of one operation, a line each",
     .more = "--operation must be given. The other options select some of its upgrades.\n",
     .options = {"operation", "app", "only", "code", "stuck", "longer-than", "contradictory", "csv",
                 "bom"},
     .run = command_show_upgrades},
    {.words = {"failures", ""},
     .arguments = "",
     .help = "upgrades that failed, a line each",
     .options = {"operation", "app", "code", "csv", "bom"},
     .run = command_show_failures},
    {.words = {"follow", ""},
     .arguments = "",
     .help = "the last notifications, then each new one as it comes",
     .more = "On a terminal each is a row for people, in a pipe or with --json a line. The\n"
             "lines are those of the receiver's log, but from the store: none is dropped,\n"
             "even if the log fails. Each has a token. Keep the token of the last line that\n"
             "you are done with, and give it to --since when you start again: you get each\n"
             "line at least once. --since start begins with the first. follow refuses a token\n"
             "that this store does not have (somebody put an older copy back, or it is\n"
             "another store). It also refuses one after which notifications were pruned,\n"
             "unless --force is given. The complaint says how to go on.\n",
     .options = {"since", "force"},
     .run = command_follow},
    {.words = {"log", ""},
     .arguments = "",
     .help = "the lines of notifications received in a time",
     .more = "As follow shows them, the oldest first.\n",
     .options = {"since", "until"},
     .run = command_log},
    {.words = {"quarantine", "list"},
     .arguments = "",
     .help = "bodies in quarantine, a line each",
     .options = {"csv", "bom"},
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
     .own = true,
     .arguments = "[ID]...",
     .help = "read bodies (or all) again, after a schema was added or corrected",
     .more = "A body that is a notification now leaves quarantine and enters the books, with\n"
             "the time at which it was received. If the receiver accepts only certain appIds\n"
             "(--app-id), the body's appId must be in UPGRADE_RECEIVER_APP_ID, or be that of\n"
             "--app, which skips all others. --any-app accepts every appId.\n",
     .options = {"app", "any-app"},
     .most = COMMAND_WORDS_MAX,
     .completes = {COMMAND_WORD_QUARANTINED, COMMAND_WORD_QUARANTINED},
     .run = command_quarantine_retry},
    {.words = {"quarantine", "drop"},
     .own = true,
     .arguments = "[ID]...",
     .help = "throw bodies away: those named, or by --reason and --before",
     .more = "With both --reason and --before a body must match both. The bodies are gone for\n"
             "good; the command prints their number. The total of quarantined bodies stays.\n",
     .options = {"reason", "before"},
     .most = COMMAND_WORDS_MAX,
     .completes = {COMMAND_WORD_QUARANTINED, COMMAND_WORD_QUARANTINED},
     .run = command_quarantine_drop},
    {.words = {"expect", ""},
     .arguments = "OPERATION [FILE]",
     .help = "which of the devices in FILE have not reported",
     .more = "Without FILE the list is the one that was saved. --save keeps FILE as the\n"
             "operation's list, in place of an earlier one, and compares nothing. The page\n"
             "then shows how many devices are planned, and which are missing. With --app the\n"
             "operation need not have a notification yet. --forget removes the list.\n"
             "FILE (- is standard input) has a deviceId on each line. Empty lines and lines\n"
             "that begin with # are skipped. If a device has several upgrades in the\n"
             "operation, the last result received decides, unless one in progress began after\n"
             "it. Exit code 0 means that all of them have finished, 4 that some have not.\n",
     .options = {"app", "save", "forget"},
     .least = 1,
     .most = 2,
     .completes = {COMMAND_WORD_OPERATION, COMMAND_WORD_FILE},
     .run = command_expect},
    {.words = {"note", ""},
     .own = true,
     .arguments = "OPERATION TEXT",
     .help = "keep a note about an operation, for all who look at it",
     .more = "TEXT has 500 bytes at most, and replaces an earlier note; '' removes it. With\n"
             "--app the operation need not have a notification yet.\n",
     .options = {"app"},
     .least = 2,
     .most = 2,
     .completes = {COMMAND_WORD_OPERATION},
     .run = command_note},
    {.words = {"check", ""},
     .arguments = "",
     .help = "whether the store is sound, and its counters are those of a recount",
     .more = "Reads the whole store, with or without a running receiver, and prints each\n"
             "fault on a line. Exit code 5 means that there is one.\n",
     .run = command_check},
    {.words = {"backup", ""},
     .own = true,
     .arguments = "FILE",
     .help = "copy the store into the new FILE, beside a running receiver",
     .more = "FILE is the store as it is at one moment, with all that was answered 200 before.\n"
             "It is checked as check does it, synced, and alone: no -wal or -shm belongs to\n"
             "it. There must be no FILE yet. While the pages are copied, the receiver's log,\n"
             "upgrades.db-wal, grows; the command gives up if that has 1 GiB, or if the disk\n"
             "is nearly full.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_FILE},
     .run = command_backup},
    {.words = {"restore", ""},
     .own = true,
     .arguments = "FILE",
     .help = "make the state folder's store from a FILE of backup",
     .more = "No receiver may run on the state folder, and it must have no store: move the old\n"
             "upgrades.db away with its -wal and -shm. FILE stays as it is; its copy is\n"
             "checked before it is used. As root, the command works as the owner of the\n"
             "folder. A reader with a token of what came after the backup is told so by\n"
             "follow.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_FILE},
     .run = command_restore},
    {.words = {"prune", ""},
     .own = true,
     .arguments = "",
     .help = "take old notifications out of the store, and keep the counters",
     .more = "Removes the notifications and upgrades of operations in which nothing has come\n"
             "since --before (which must be given), and other older notifications.\n"
             "Notifications that an application has not got yet stay. The platform keeps for\n"
             "a day what it could not push. If it pushes one again after it was pruned, it\n"
             "counts as new. So nothing younger than two days goes without --force. The file\n"
             "keeps its size; the store uses the free room again.\n",
     .options = {"before", "force"},
     .run = command_prune},
    {.words = {"erase", ""},
     .own = true,
     .arguments = "DEVICE",
     .help = "take all of one device out of the store, and keep the counters",
     .more = "Removes the device's notifications and upgrades, and the bodies in quarantine\n"
             "that have its id as a text. Their bytes leave upgrades.db and its log. An\n"
             "upgrade in progress stays counted so. Notifications that an application has\n"
             "not got yet stay; the command says so. The log, backups, what was delivered,\n"
             "and what others say of the device are not touched; status.json follows when a\n"
             "receiver runs.\n"
             "If the platform pushes one of these notifications again, it counts as new.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_DEVICE},
     .run = command_erase},
    {.words = {"forget", ""},
     .own = true,
     .arguments = "APPLICATION",
     .help = "forget an application that is gone, which holds up prune",
     .more = "The store keeps what each application has not got yet. One that is forgotten\n"
             "and comes again gets everything that the store has, from the first notification\n"
             "on. While a receiver delivers to it, it is not forgotten.\n",
     .least = 1,
     .most = 1,
     .completes = {COMMAND_WORD_APPLICATION},
     .run = command_forget},
    {.words = {"books", "init"},
     .arguments = "",
     .help = "make shared books in an empty database, with their roles",
     .more = "CONNINFO is what libpq takes, such as 'service=upgrades' or 'host=db1,db2\n"
             "dbname=upgrades user=owner sslmode=verify-full'. No password may be in it. The\n"
             "login must be allowed to make roles and a schema. Then make logins, and grant\n"
             "them upgrade_books_receiver, _operator or _reader.\n",
     .run = command_books_init},
    {.words = {"books", "upgrade"},
     .arguments = "",
     .help = "bring shared books to the version of this program",
     .more = "Receivers of earlier versions go on working: upgrade the books first, then the\n"
             "machines, one by one.\n",
     .run = command_books_upgrade},
    {.words = {"books", "check"},
     .arguments = "",
     .help = "whether shared books can be used, and are sound",
     .more = "Tells what the login may do, and whether commits wait for a standby. A login\n"
             "with upgrade_books_operator also reads the whole log and prints each flaw on a\n"
             "line. Exit code 5 means that there is one.\n",
     .run = command_books_check},
    {.words = {"books", "prune"},
     .arguments = "",
     .help = "take old operations out of shared books",
     .more = "Operations are kept by the period in which they began: 30 days, or 50 million\n"
             "entries. A period goes, with all its operations, if nothing of them has come\n"
             "since --before (which must be given), and another has begun.\n"
             "What is counted of them goes, too. Receivers and readers make their copies anew\n"
             "then. Nothing younger than two days goes without --force.\n",
     .options = {"before", "force"},
     .run = command_books_prune},
    {.words = {"books", "reship"},
     .own = true,
     .arguments = "",
     .help = "have the receiver ship all that its store has once more",
     .more = "For shared books that lost what they had confirmed, such as a database that was\n"
             "put back from a backup. What the books still have is not counted twice. No\n"
             "receiver may run on the state folder meanwhile.\n",
     .run = command_books_reship},
    {.words = {"complete", ""},
     .own = true,
     .arguments = "-- WORD...",
     .help = "what the last WORD may become, for a shell's completion",
     .more = "WORD... is the command line after " COMMAND_PROGRAM "; its last word may be\n"
             "empty. The answer / alone means the name of a file.\n",
     .least = 1,
     .most = COMMAND_WORDS_MAX,
     .run = command_complete},
    {.words = {"help", ""},
     .arguments = "[COMMAND]",
     .help = "this text, or the help of one command",
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
