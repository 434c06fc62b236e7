/* drop: upgrade-status's command that throws hopeless bodies in quarantine away. */
#include "config.h"

#include "base/units.h"
#include "command/command.h"
#include "store/lists.h"
#include "store/maintenance.h"

#include <string.h>

/* Which bodies are dropped, and the ids of one page of them. */
struct drop {
    const char *reason; /* the beginning of a reason */
    int64_t before_ms;
    int64_t ids[STORE_PAGE_MAX];
    size_t ids_length;
};

/* Drops all bodies that --reason and --before select. */
static int drop_matching(const struct command_call *call, struct store *store, struct drop *drop,
                         int64_t *dropped, struct fault *fault)
{
    struct store_page_token token = {""};
    do {
        struct store_rows rows = store_list_quarantined(call->reader, NULL, &token, STORE_PAGE_MAX,
                                                        fault);
        struct store_quarantined_row row;
        drop->ids_length = 0;
        while (store_next_quarantined(&rows, &row))
            if (row.received_ms < drop->before_ms &&
                strncmp(row.reason, drop->reason, strlen(drop->reason)) == 0)
                drop->ids[drop->ids_length++] = row.id;
        if (store_rows_end(&rows, &token) != 0 ||
            store_drop_quarantined(store, drop->ids, drop->ids_length, dropped, fault) != 0)
            return -1;
    } while (token.text[0] != '\0');
    return 0;
}

/* Drops the named bodies. Returns an exit code. */
static int drop_named(const struct command_call *call, struct store *store, struct drop *drop,
                      int64_t *dropped, struct fault *fault)
{
    int code = COMMAND_DONE;
    for (size_t i = 0; i < call->words_length; i++) {
        int64_t before = *dropped;
        if (store_drop_quarantined(store, &drop->ids[i], 1, dropped, fault) != 0)
            return COMMAND_UNUSABLE;
        if (*dropped == before && code == COMMAND_DONE) {
            fault_set(fault, "%lld is not in quarantine", (long long)drop->ids[i]);
            code = COMMAND_NOT_THERE;
        }
    }
    return code;
}

_Static_assert(COMMAND_WORDS_MAX <= STORE_PAGE_MAX, "a page has room for all ids that are named");

/* The user must select bodies in one of two ways. */
static int read_call(const struct command_call *call, struct drop *drop, struct fault *fault)
{
    bool is_described = call->reason != NULL || call->before != NULL;
    *drop = (struct drop){.reason = call->reason != NULL ? call->reason : "",
                          .before_ms = INT64_MAX};
    if (is_described == (call->words_length > 0))
        return fault_set(fault, "quarantine drop: takes IDs, or --reason and --before");
    if (command_read_ids(call, drop->ids, fault) != 0)
        return -1;
    if (call->before != NULL &&
        units_time(call->before, call->now_ms, &drop->before_ms, fault) != 0)
        return fault_add(fault, "--before");
    return 0;
}

int command_quarantine_drop(struct command_call *call, struct fault *fault)
{
    struct drop drop;
    struct store *store = NULL;
    int64_t dropped = 0;
    if (read_call(call, &drop, fault) != 0)
        return COMMAND_USAGE;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int code = COMMAND_DONE;
    if (call->words_length > 0)
        code = drop_named(call, store, &drop, &dropped, fault);
    else if (drop_matching(call, store, &drop, &dropped, fault) != 0)
        code = COMMAND_UNUSABLE;
    store_free(store);
    struct buffer out = {0};
    if (code == COMMAND_DONE || dropped > 0)
        buffer_addf(&out, call->json ? "{\"dropped\":%lld}\n" : "Dropped from quarantine: %lld.\n",
                    (long long)dropped);
    if (term_print(call->term, &out, fault) != 0)
        code = command_failed(call);
    buffer_release(&out);
    return code;
}
