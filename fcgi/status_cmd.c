/* status_cmd: upgrade-status, the operator's command on the store of a running or stopped receiver.
 */
#include "config.h"

#include "content.h"
#include "dispatch.h"
#include "moment.h"
#include "options.h"
#include "store.h"
#include "text.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_UNUSABLE 1 /* the store */
#define EXIT_USAGE 2    /* the command line */

/* Bodies read from quarantine at a time. */
#define CHUNK_MAX 64

/* Bodies that can be named in one command. */
#define IDS_MAX 1000

/* What a command works on: the words behind its own. */
struct invocation {
    const struct options *options;
    const int64_t *ids; /* that were named */
    size_t ids_length;
    struct store_reader *reader;
};

static int complain(int code, const struct fault *fault)
{
    fprintf(stderr, "upgrade-status: %s\n", fault->text);
    return code;
}

static int print(struct text *text)
{
    size_t written = text->failed ? 0 : fwrite(text->bytes, 1, text->length, stdout);
    int result = !text->failed && written == text->length ? 0 : -1;
    text_release(text);
    return result;
}

static void add_member(struct text *text, const char *name, const char *value)
{
    text_addf(text, ",\"%s\":", name);
    text_add_json_string(text, value, strlen(value));
}

static int read_id(const char *word, int64_t *id, struct fault *fault)
{
    char *end;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0 || number == 0)
        return fault_set(fault, "%s: not a number from quarantine", word);
    *id = number;
    return 0;
}

/* Calls EACH for every body in quarantine, or for the one numbered ONLY when that is not 0. */
static int walk_quarantine(struct invocation *invocation, int64_t only,
                           int (*each)(void *context, const struct store_quarantined *body,
                                       struct fault *fault),
                           void *context, struct fault *fault)
{
    struct store_quarantined bodies[CHUNK_MAX];
    int64_t after = only != 0 ? only - 1 : 0;
    size_t count, found = 0;
    int result = 0;
    do {
        if (store_read_quarantined(invocation->reader, after, bodies, only != 0 ? 1 : CHUNK_MAX,
                                   &count, fault) != 0)
            return -1;
        for (size_t i = 0; i < count && result == 0; i++) {
            after = bodies[i].id;
            if (only != 0 && bodies[i].id != only)
                continue;
            found++;
            result = each(context, &bodies[i], fault);
        }
        store_quarantined_release(bodies, count);
    } while (result == 0 && count > 0 && only == 0);
    if (result == 0 && only != 0 && found == 0)
        return fault_set(fault, "%lld is not in quarantine", (long long)only);
    return result;
}

static int list_one(void *context, const struct store_quarantined *body, struct fault *fault)
{
    (void)context;
    char time[MOMENT_TEXT_SIZE];
    struct text line = {0};
    text_addf(&line, "{\"id\":%lld,\"receivedAt\":\"%s\",\"bytes\":%zu", (long long)body->id,
              moment_format(body->received_ms, time), body->body_length);
    add_member(&line, "reason", body->reason);
    if (body->pointer[0] != '\0')
        add_member(&line, "pointer", body->pointer);
    text_add_string(&line, "}\n");
    return print(&line) == 0 ? 0 : fault_set(fault, "cannot write to stdout");
}

static int quarantine_list(struct invocation *invocation, struct fault *fault)
{
    return walk_quarantine(invocation, 0, list_one, NULL, fault);
}

static int show_one(void *context, const struct store_quarantined *body, struct fault *fault)
{
    (void)context;
    return fwrite(body->body, 1, body->body_length, stdout) == body->body_length
               ? 0
               : fault_set(fault, "cannot write to stdout");
}

static int quarantine_show(struct invocation *invocation, struct fault *fault)
{
    return walk_quarantine(invocation, invocation->ids[0], show_one, NULL, fault);
}

static const char *outcome_word(const struct record *record)
{
    switch (record->outcome) {
    case RECORD_STORED:
        return "stored";
    case RECORD_REPEATED:
        return "repeated";
    case RECORD_GONE:
        return "gone";
    default:
        return "quarantined";
    }
}

static int report_retry(const struct record *record, struct fault *fault)
{
    struct text line = {0};
    text_addf(&line, "{\"id\":%lld,\"result\":\"%s\"", (long long)record->requeue_id,
              outcome_word(record));
    if (record->seq != 0)
        text_addf(&line, ",\"seq\":%lld", (long long)record->seq);
    if (record->meaning == RECORD_QUARANTINE) {
        add_member(&line, "reason", record->verdict.reason);
        if (record->verdict.pointer[0] != '\0')
            add_member(&line, "pointer", record->verdict.pointer);
    }
    text_add_string(&line, "}\n");
    return print(&line) == 0 ? 0 : fault_set(fault, "cannot write to stdout");
}

/* What retry_one needs beside the body. */
struct retry {
    struct store *store;
    bool named; /* the operator named this body */
};

/* Reads a body again; what is a notification now moves from quarantine into the books, in one
 * transaction, as one received when it was. Its appId may not be among the accepted ones: only an
 * operator who names the body overrides that. */
static int retry_one(void *context, const struct store_quarantined *body, struct fault *fault)
{
    const struct retry *retry = context;
    if (!retry->named && strcmp(body->reason, DISPATCH_APP_NOT_ACCEPTED) == 0)
        return 0;
    struct record record = {.body = body->body,
                            .body_length = body->body_length,
                            .received_ms = body->received_ms,
                            .requeue_id = body->id};
    struct record *records[] = {&record};
    int result = 0;
    switch (dispatch_read(&record)) {
    case DISPATCH_NO_MEMORY:
        result = fault_set(fault, "out of memory");
        break;
    case DISPATCH_NOTIFICATION:
        result = store_keep(retry->store, records, 1, NULL, fault);
        break;
    case DISPATCH_QUARANTINE:
        break;
    }
    if (result == 0)
        result = report_retry(&record, fault);
    record_release(&record);
    return result;
}

static int quarantine_retry(struct invocation *invocation, struct fault *fault)
{
    const struct options *options = invocation->options;
    const struct store_config config = {.folder = options->state,
                                        .quarantine_max = options->quarantine_max,
                                        .quarantine_bytes = options->quarantine_bytes,
                                        .repeat_window_ms = (int64_t)options->repeat_window_s *
                                                            1000};
    struct retry retry = {.named = invocation->ids_length > 0};
    int64_t version;
    /* A store is not made where there is none: the folder is a wrong one. */
    if (store_read_version(invocation->reader, &version, fault) != 0)
        return -1;
    if (store_new(&retry.store, &config, fault) != 0)
        return -1;
    int result = store_open(retry.store, fault);
    if (result == 0 && !retry.named)
        result = walk_quarantine(invocation, 0, retry_one, &retry, fault);
    for (size_t i = 0; result == 0 && i < invocation->ids_length; i++)
        result = walk_quarantine(invocation, invocation->ids[i], retry_one, &retry, fault);
    store_free(retry.store);
    return result;
}

/* Every command: two words, what follows them, what it does. */
static const struct command {
    const char *words[2];
    const char *arguments;
    const char *help;
    int least, most; /* arguments */
    int (*run)(struct invocation *invocation, struct fault *fault);
} commands[] = {
    {{"quarantine", "list"},
     "",
     "what is in quarantine, a line of JSON each",
     0,
     0,
     quarantine_list},
    {{"quarantine", "show"}, "ID", "the body, byte for byte", 1, 1, quarantine_show},
    {{"quarantine", "retry"},
     "[ID]...",
     "read them (or all) again, after a schema was added or corrected",
     0,
     IDS_MAX,
     quarantine_retry},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *out)
{
    fputs("Usage: upgrade-status [--state DIR] COMMAND\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "%s %s %s", commands[i].words[0], commands[i].words[1],
                 commands[i].arguments);
        fprintf(out, "  %-28s %s\n", usage, commands[i].help);
    }
    fputs("\nThe state folder is that of the receiver (UPGRADE_RECEIVER_STATE, or --state).\n"
          "Exit codes: 0 done, 1 the store cannot be used or the ID is not there, 2 wrong usage.\n",
          out);
}

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (argc >= 2 && strcmp(argv[0], commands[i].words[0]) == 0 &&
            strcmp(argv[1], commands[i].words[1]) == 0 && argc - 2 >= commands[i].least &&
            argc - 2 <= commands[i].most)
            return &commands[i];
    return NULL;
}

static int run_command(const struct command *command, struct invocation *invocation)
{
    struct fault fault = FAULT_NONE;
    int result = store_reader_new(&invocation->reader, invocation->options->state, &fault);
    if (result == 0)
        result = command->run(invocation, &fault);
    if (result == 0 && fflush(stdout) != 0)
        result = fault_set_errno(&fault, errno, "cannot write to stdout");
    store_reader_free(invocation->reader);
    return result == 0 ? 0 : complain(EXIT_UNUSABLE, &fault);
}

static int run(const struct options *options, int argc, char **argv)
{
    const struct command *command = find_command(argc, argv);
    if (command == NULL) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    int64_t ids[IDS_MAX];
    struct fault fault = FAULT_NONE;
    struct invocation invocation = {
        .options = options, .ids = ids, .ids_length = (size_t)(argc - 2)};
    for (size_t i = 0; i < invocation.ids_length; i++)
        if (read_id(argv[i + 2], &ids[i], &fault) != 0)
            return complain(EXIT_USAGE, &fault);
    return run_command(command, &invocation);
}

int main(int argc, char **argv)
{
    umask(0027);
    content_init();
    int words = 1; /* where the command begins */
    while (words < argc && strncmp(argv[words], "--", 2) == 0)
        words += strcmp(argv[words], "--state") == 0 && words + 1 < argc ? 2 : 1;
    struct options options;
    struct fault fault = FAULT_NONE;
    if (options_read(&options, words, argv, &fault) != 0)
        return complain(EXIT_USAGE, &fault);
    int code = 0;
    if (options.help)
        print_help(stdout);
    else if (options.version)
        printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
    else if (sodium_init() < 0)
        code = complain(EXIT_UNUSABLE, &(struct fault){.text = "libsodium cannot start"});
    else
        code = run(&options, argc - words, argv + words);
    options_release(&options);
    return code;
}
