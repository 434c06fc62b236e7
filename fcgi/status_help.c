/* status_help: upgrade-status's help, and what the shell's completion asks it. */
#include "config.h"

#include "status_cmd.h"
#include "store_query.h"
#include "whole.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Ids offered, and notifications looked through for device ids. */
#define OFFERED_MAX 100
#define LOOKED_THROUGH_MAX 200

static int print(struct status_call *call, struct text *text, struct fault *fault)
{
    int printed = term_print(call->term, text, fault);
    text_release(text);
    return printed == 0 ? STATUS_DONE : status_failed(call);
}

int status_help(struct status_call *call, struct fault *fault)
{
    struct text help = {0};
    size_t taken;
    const struct status_command *command = status_find_command(call->words, call->words_length,
                                                               &taken);
    if (call->words_length == 0) {
        status_add_help(&help);
    } else if (command == NULL || taken < call->words_length) {
        fault_set(fault, "%s%s%s: no such command", call->words[0],
                  call->words_length > 1 ? " " : "", call->words_length > 1 ? call->words[1] : "");
        return STATUS_USAGE;
    } else {
        status_add_command_help(command, &help);
    }
    return print(call, &help, fault);
}

/* --- completion
 * ------------------------------------------------------------------------------------ */

/* What is being completed: the word that begins so, and the answers so far, a line each. */
struct completion {
    const char *prefix;
    struct text out;
};

/* Whether the word is among the answers already. */
static bool is_offered(const struct completion *completion, const char *word, size_t length)
{
    const char *line = completion->out.bytes;
    const char *end = line + completion->out.length;
    for (const char *next; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if ((size_t)(next - line) == length && memcmp(line, word, length) == 0)
            return true;
    }
    return false;
}

/* Offers a word that begins as it should. One that a shell would have to quote is not offered:
 * strangers choose ids, and the shell reads what is offered. */
static void offer(struct completion *completion, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)word[i]) && strchr("-._~@+,/%", word[i]) == NULL)
            return;
    if (length == 0 || strncmp(word, completion->prefix, strlen(completion->prefix)) != 0 ||
        is_offered(completion, word, length))
        return;
    text_add(&completion->out, word, length);
    text_add(&completion->out, "\n", 1);
}

static void offer_options(struct completion *completion, const struct status_command *command)
{
    const struct status_option *option;
    for (size_t i = 0; (option = status_option_at(i)) != NULL; i++) {
        if (!status_takes(command, option))
            continue;
        struct text word = {0};
        text_addf(&word, "--%s", option->word);
        text_add(&word, "", 1);
        if (!word.failed)
            offer(completion, word.bytes);
        text_release(&word);
    }
}

/* Offers the INDEX-th words of the commands that begin with the words before it. */
static void offer_commands(struct completion *completion, const char *const *words, size_t index)
{
    const struct status_command *command;
    for (size_t i = 0; index < 2 && (command = status_command_at(i)) != NULL; i++)
        if (index == 0 || strcmp(command->words[0], words[0]) == 0)
            offer(completion, command->words[index]);
}

static void offer_operations(struct completion *completion, struct store_reader *reader)
{
    struct store_rows rows = store_find_operations(reader, NULL, completion->prefix, true,
                                                   OFFERED_MAX, NULL);
    struct store_operation_row row;
    while (store_next_operation(&rows, &row))
        offer(completion, row.operation_id);
    store_rows_end(&rows, NULL);
}

static void offer_applications(struct completion *completion, struct store_reader *reader)
{
    struct store_overview overview;
    if (store_read_overview(reader, &overview, NULL) != 0)
        return;
    for (size_t i = 0; i < overview.cursors_length; i++)
        offer(completion, overview.cursors[i].name);
}

/* The devices that were heard of last: no list of all is kept by name. */
static void offer_devices(struct completion *completion, struct store_reader *reader)
{
    struct store_kept kept[LOOKED_THROUGH_MAX];
    struct store_overview overview;
    size_t count = 0;
    if (store_read_overview(reader, &overview, NULL) != 0 ||
        store_read_after(reader, overview.totals.seq - LOOKED_THROUGH_MAX, kept, LOOKED_THROUGH_MAX,
                         &count, NULL) != 0)
        return;
    for (size_t i = count; i > 0; i--) {
        json_t *body = whole_parse(kept[i - 1].body, kept[i - 1].body_length);
        offer(completion, whole_text(body, "deviceId"));
        json_decref(body);
    }
    store_kept_release(kept, count);
}

static void offer_quarantined(struct completion *completion, struct store_reader *reader)
{
    struct store_rows rows = store_list_quarantined(reader, NULL, OFFERED_MAX, NULL);
    struct store_quarantined_row row;
    while (store_next_quarantined(&rows, &row)) {
        char word[32];
        snprintf(word, sizeof word, "%lld", (long long)row.id);
        offer(completion, word);
    }
    store_rows_end(&rows, NULL);
}

static void offer_word(struct completion *completion, struct status_call *call,
                       enum status_word what)
{
    switch (what) {
    case STATUS_WORD_OPERATION:
        offer_operations(completion, call->reader);
        break;
    case STATUS_WORD_DEVICE:
        offer_devices(completion, call->reader);
        break;
    case STATUS_WORD_APPLICATION:
        offer_applications(completion, call->reader);
        break;
    case STATUS_WORD_QUARANTINED:
        offer_quarantined(completion, call->reader);
        break;
    case STATUS_WORD_WHEN:
        offer(completion, "auto");
        offer(completion, "always");
        offer(completion, "never");
        break;
    case STATUS_WORD_FILE:
        /* The shell knows its files. */
        text_add_string(&completion->out, "/\n");
        break;
    default:
        break;
    }
}

/* Takes the words of a line apart as main does, without its complaints. Returns the option whose
 * value stands at the end, or NULL; *LENGTH is how many of WORDS are no options. */
static const struct status_option *sort_out(const char *const *line, size_t line_length,
                                            const char **words, size_t *length)
{
    const struct status_option *waiting = NULL;
    *length = 0;
    for (size_t i = 0; i < line_length; i++) {
        const struct status_option *option = NULL;
        if (waiting != NULL) {
            waiting = NULL;
            continue;
        }
        for (size_t o = 0; strncmp(line[i], "--", 2) == 0 && (option = status_option_at(o)); o++)
            if (strcmp(line[i] + 2, option->word) == 0)
                break;
        if (option != NULL && option->value != NULL)
            waiting = option;
        else if (line[i][0] != '-' || line[i][1] == '\0')
            words[(*length)++] = line[i];
    }
    return waiting;
}

int status_complete(struct status_call *call, struct fault *fault)
{
    struct completion completion = {.prefix = ""};
    const char *words[STATUS_WORDS_MAX];
    size_t length, taken;
    if (call->words_length == 0)
        return STATUS_DONE;
    completion.prefix = call->words[call->words_length - 1];
    const struct status_option *waiting = sort_out(call->words, call->words_length - 1, words,
                                                   &length);
    const struct status_command *command = NULL;
    for (size_t known = length < 2 ? length : 2; known > 0 && command == NULL; known--)
        command = status_find_command(words, known, &taken);
    if (waiting != NULL) {
        offer_word(&completion, call, waiting->completes);
    } else if (completion.prefix[0] == '-') {
        offer_options(&completion, command);
    } else if (command == NULL) {
        offer_commands(&completion, words, length);
    } else if (command->completes[0] == STATUS_WORD_COMMAND) {
        offer_commands(&completion, words + taken, length - taken);
    } else if (length - taken < command->most) {
        size_t place = length - taken < 2 ? length - taken : 1;
        offer_word(&completion, call, command->completes[place]);
    }
    return print(call, &completion.out, fault);
}
