/* complete: how the last word of a command line may go on, for the shell's completion. */
#include "config.h"

#include "command/command.h"
#include "command/whole.h"
#include "store/lists.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The most ids offered, and notifications searched for device ids. */
#define OFFERED_MAX 100
#define LOOKED_THROUGH_MAX 200

/* One completion: the beginning of the word, and the answers so far, a line each. */
struct completion {
    const char *prefix;
    struct buffer out;
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

/* Offers a word that begins with the text to complete. A word that a shell would have to quote is
 * not offered: strangers choose ids, and the shell reads the offers. */
static void offer(struct completion *completion, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)word[i]) && strchr("-._~@+,/%", word[i]) == NULL)
            return;
    if (length == 0 || strncmp(word, completion->prefix, strlen(completion->prefix)) != 0 ||
        is_offered(completion, word, length))
        return;
    buffer_add(&completion->out, word, length);
    buffer_add(&completion->out, "\n", 1);
}

static void offer_options(struct completion *completion, const struct command_call *call,
                          const struct command_entry *command)
{
    for (const struct command_option *option = call->all_options; option->word != NULL; option++) {
        if (!command_takes(command, option))
            continue;
        struct buffer word = {0};
        buffer_addf(&word, "--%s", option->word);
        buffer_add(&word, "", 1);
        if (!word.failed)
            offer(completion, word.bytes);
        buffer_release(&word);
    }
}

/* Offers the INDEX-th words of the commands that begin with the words before it. */
static void offer_commands(struct completion *completion, const struct command_call *call,
                           const char *const *words, size_t index)
{
    for (const struct command_entry *command = call->commands; index < 2 && command->run != NULL;
         command++)
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

/* Offers the devices that reported last: there is no list of all by name. */
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
    struct store_rows rows = store_list_quarantined(reader, NULL, NULL, OFFERED_MAX, NULL);
    struct store_quarantined_row row;
    while (store_next_quarantined(&rows, &row)) {
        char word[32];
        snprintf(word, sizeof word, "%lld", (long long)row.id);
        offer(completion, word);
    }
    store_rows_end(&rows, NULL);
}

static void offer_word(struct completion *completion, struct command_call *call,
                       enum command_word what)
{
    switch (what) {
    case COMMAND_WORD_OPERATION:
        offer_operations(completion, call->reader);
        break;
    case COMMAND_WORD_DEVICE:
        offer_devices(completion, call->reader);
        break;
    case COMMAND_WORD_APPLICATION:
        offer_applications(completion, call->reader);
        break;
    case COMMAND_WORD_QUARANTINED:
        offer_quarantined(completion, call->reader);
        break;
    case COMMAND_WORD_WHEN:
        offer(completion, "auto");
        offer(completion, "always");
        offer(completion, "never");
        break;
    case COMMAND_WORD_STATE:
        offer(completion, "SUCCESS");
        offer(completion, "FAIL");
        offer(completion, "IN_PROGRESS");
        break;
    case COMMAND_WORD_FILE:
        /* The shell completes file names itself. */
        buffer_add_string(&completion->out, "/\n");
        break;
    default:
        break;
    }
}

/* Splits the words of a line as main does, without its complaints. Returns the option whose value
 * comes last, or NULL; *LENGTH is the number of WORDS that are no options. */
static const struct command_option *sort_out(const struct command_call *call, const char **words,
                                             size_t *length)
{
    const struct command_option *waiting = NULL;
    *length = 0;
    for (size_t i = 0; i + 1 < call->words_length; i++) {
        const char *word = call->words[i];
        const struct command_option *option = call->all_options;
        if (waiting != NULL) {
            waiting = NULL;
            continue;
        }
        while (option->word != NULL &&
               (strncmp(word, "--", 2) != 0 || strcmp(word + 2, option->word) != 0))
            option++;
        if (option->word != NULL && option->value != NULL)
            waiting = option;
        else if (word[0] != '-' || word[1] == '\0')
            words[(*length)++] = word;
    }
    return waiting;
}

int command_complete(struct command_call *call, struct fault *fault)
{
    struct completion completion = {.prefix = ""};
    const char *words[COMMAND_WORDS_MAX];
    size_t length, taken;
    if (call->words_length == 0)
        return COMMAND_DONE;
    completion.prefix = call->words[call->words_length - 1];
    const struct command_option *waiting = sort_out(call, words, &length);
    const struct command_entry *command = NULL;
    for (size_t known = length < 2 ? length : 2; known > 0 && command == NULL; known--)
        command = command_find(call, words, known, &taken);
    if (waiting != NULL) {
        offer_word(&completion, call, waiting->completes);
    } else if (completion.prefix[0] == '-') {
        offer_options(&completion, call, command);
    } else if (command == NULL) {
        offer_commands(&completion, call, words, length);
    } else if (command->completes[0] == COMMAND_WORD_COMMAND) {
        offer_commands(&completion, call, words + taken, length - taken);
    } else if (length - taken < command->most) {
        size_t place = length - taken < 2 ? length - taken : 1;
        offer_word(&completion, call, command->completes[place]);
    }
    return command_print(call, &completion.out, fault);
}
