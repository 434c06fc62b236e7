/* note: upgrade-status's command that keeps a note about an operation. */
#include "config.h"

#include "base/utf8.h"
#include "command/command.h"
#include "store/plan.h"

#include <string.h>

int command_note(struct command_call *call, struct fault *fault)
{
    const struct store_named named = {
        .app_id = call->app_id, .operation_id = call->words[0], .now_ms = call->now_ms};
    const char *text = call->words[1];
    size_t length = strlen(text);
    struct store *store = NULL;
    if (length > STORE_NOTE_MAX)
        fault_set(fault, "a note may have %d bytes, and this one has %zu", STORE_NOTE_MAX, length);
    else if (!utf8_is_valid(text, length))
        fault_set(fault, "a note must be UTF-8");
    if (fault->set)
        return COMMAND_USAGE;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_set_note(store, &named, text, fault);
    store_free(store);
    if (result > 0)
        fault_set(fault, "%s: no such operation", call->words[0]);
    return command_code_of_change(result, fault);
}
