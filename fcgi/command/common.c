/* common: functions that the commands of upgrade-status share. */
#include "config.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/units.h"
#include "command/command.h"
#include "store/journal.h"

#include <stdio.h>
#include <string.h>

int command_failed(const struct command_call *call)
{
    return call->term->ended ? COMMAND_DONE : COMMAND_UNUSABLE;
}

int command_code_of(const struct command_call *call, enum view_result result)
{
    switch (result) {
    case VIEW_DONE:
        return COMMAND_DONE;
    case VIEW_NOT_FOUND:
        return COMMAND_NOT_THERE;
    case VIEW_MISUSED:
        return COMMAND_USAGE;
    default:
        return command_failed(call);
    }
}

int command_code_of_change(int result, const struct fault *fault)
{
    if (result >= 0)
        return result == 0 ? COMMAND_DONE : COMMAND_NOT_THERE;
    return fault->misused ? COMMAND_USAGE : COMMAND_UNUSABLE;
}

int command_read_ids(const struct command_call *call, int64_t ids[COMMAND_WORDS_MAX],
                     struct fault *fault)
{
    for (size_t i = 0; i < call->words_length; i++)
        if (units_number(call->words[i], 1, &ids[i], fault) != 0)
            return -1;
    return 0;
}

const char *command_time(const struct command_call *call, const char *time,
                         char text[COMMAND_TIME_SIZE])
{
    snprintf(text, COMMAND_TIME_SIZE, "%s", time);
    size_t second = strlen("2026-01-02T03:04:05");
    if (call->term->is_terminal && strlen(time) > second) {
        text[strlen("2026-01-02")] = ' ';
        memcpy(text + second, "Z", 2);
    }
    return text;
}

const char *command_ago(const struct command_call *call, const char *time,
                        char text[COMMAND_TIME_SIZE])
{
    char age[UNITS_TEXT_SIZE];
    int64_t ms;
    text[0] = '\0';
    if (units_time(time, call->now_ms, &ms, NULL) != 0)
        return text;
    units_age(call->now_ms - ms, age);
    snprintf(text, COMMAND_TIME_SIZE, strcmp(age, "now") == 0 ? "just %s" : "%s ago", age);
    return text;
}

void command_add_count(struct buffer *out, int64_t count, const char *one)
{
    size_t length = strlen(one);
    bool ends_in_y = one[length - 1] == 'y';
    buffer_addf(out, "%lld %.*s%s", (long long)count, (int)(length - (ends_in_y && count != 1)),
                one,
                count == 1  ? ""
                : ends_in_y ? "ies"
                            : "s");
}

int command_open_store(struct command_call *call, struct store **store, struct fault *fault)
{
    struct store_config config;
    int64_t version;
    struct store_journal_state journal;
    if (call->copy != NULL)
        return fault_set(fault,
                         "shared books can only be read with --books: change what is kept on "
                         "the machine of its receiver");
    store_config_read(call->options, &config);
    /* If there is no store, the folder is a wrong one: do not make one. */
    if (owner_become(call->options->state, fault) != 0 ||
        store_read_version(call->reader, &version, fault) != 0 ||
        store_journal_state(call->reader, &journal, fault) != 0)
        return -1;
    config.journal = journal.kept; /* what this command changes is for shared books, too */
    if (store_new(store, &config, fault) != 0)
        return -1;
    if (store_open(*store, fault) == 0)
        return 0;
    store_free(*store);
    *store = NULL;
    return -1;
}

int command_print(struct command_call *call, struct buffer *text, struct fault *fault)
{
    int printed = term_print(call->term, text, fault);
    buffer_release(text);
    return printed == 0 ? COMMAND_DONE : command_failed(call);
}
