/* maintain: upgrade-status's commands on the store itself: check, prune, forget and erase. */
#include "config.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/units.h"
#include "command/command.h"
#include "store/maintenance.h"

#include <string.h>

/* --- check ------------------------------------------------------------------------------------ */

/* Progress and output of a check. */
struct checking {
    struct command_call *call;
    struct term_progress progress;
    int64_t flaws;
    struct buffer out;
    bool cannot_print;
    struct fault fault;
};

static void tell_flaw(void *owner, const char *flaw)
{
    struct checking *checking = owner;
    struct buffer *out = &checking->out;
    if (checking->call->json) {
        buffer_add_string(out, checking->flaws > 0 ? "," : "");
        buffer_add_json_string(out, flaw, strlen(flaw));
    } else {
        term_report_end(&checking->progress);
        term_add_safe(checking->call->term, out, flaw, 0);
        buffer_add_string(out, "\n");
    }
    checking->flaws++;
    if (!checking->cannot_print && term_print(checking->call->term, out, &checking->fault) != 0)
        checking->cannot_print = true;
}

/* Sets TOKEN to the last notification that a receiver's status file names. */
static bool read_written(const struct command_call *call, struct token *token)
{
    struct fault fault = FAULT_NONE;
    json_t *status = command_read_file(call);
    const char *text = json_string_value(json_object_get(status, "token"));
    bool is_there = text != NULL && token_read(text, token, &fault) == 0;
    json_decref(status);
    return is_there;
}

/* Whether the store has that notification: not if an older copy was put back. */
static int check_written(struct command_call *call, const struct token *token,
                         struct checking *checking, int64_t *flaws, struct fault *fault)
{
    struct store_standing standing;
    char text[TOKEN_TEXT_SIZE];
    struct buffer flaw = {0};
    if (store_read_standing(call->reader, token, &standing, fault) != 0)
        return -1;
    if (standing.holds)
        return 0;
    buffer_addf(&flaw, "status.json was written when the store had %s, which it does not have",
                token_write(token, text));
    buffer_add(&flaw, "", 1);
    tell_flaw(checking, flaw.failed ? "status.json" : flaw.bytes);
    buffer_release(&flaw);
    (*flaws)++;
    return 0;
}

int command_check(struct command_call *call, struct fault *fault)
{
    struct token written;
    /* Read this before the store: then the store has every notification that the file names. */
    bool is_written = read_written(call, &written);
    struct checking checking = {.call = call, .progress = {.what = "checking"}};
    const struct store_progress progress = {.owner = &checking.progress, .report = term_report};
    int64_t flaws = 0;
    if (call->json)
        buffer_add_string(&checking.out, "{\"flaws\":[");
    int result = store_check(call->reader, &progress, tell_flaw, &checking, &flaws, fault);
    if (result == 0 && is_written)
        result = check_written(call, &written, &checking, &flaws, fault);
    term_report_end(&checking.progress);
    int code = result == 0 ? flaws == 0 ? COMMAND_DONE : COMMAND_FLAWS : COMMAND_UNUSABLE;
    if (code != COMMAND_UNUSABLE && call->json)
        buffer_addf(&checking.out, "],\"sound\":%s}\n", flaws == 0 ? "true" : "false");
    else if (code == COMMAND_DONE)
        buffer_add_string(&checking.out, "The store is sound, and its counters are right.\n");
    if (code != COMMAND_UNUSABLE &&
        (checking.cannot_print || term_print(call->term, &checking.out, &checking.fault) != 0)) {
        if (!call->term->ended)
            code = COMMAND_UNUSABLE;
        if (checking.fault.set)
            *fault = checking.fault;
    }
    buffer_release(&checking.out);
    return code;
}

/* --- prune ------------------------------------------------------------------------------------ */

int command_read_before(const struct command_call *call, int64_t *before_ms, struct fault *fault)
{
    if (call->before == NULL)
        return fault_set(fault, "prune: takes --before TIME");
    if (units_time(call->before, call->now_ms, before_ms, fault) != 0)
        return fault_add(fault, "--before");
    if (*before_ms > call->now_ms)
        return fault_set(fault, "--before %s: that time is in the future", call->before);
    if (*before_ms > call->now_ms - STORE_PRUNE_AGE_MS && !call->force)
        return fault_set(fault,
                         "--before %s: younger than %d hours, and what the platform pushes again "
                         "would count as new; --force does it all the same",
                         call->before, (int)(STORE_PRUNE_AGE_MS / 3600000));
    return 0;
}

/* Adds what went, as words or as members. */
static void add_rows(const struct command_call *call, const struct store_pruned *rows,
                     struct buffer *out)
{
    const struct {
        const char *one, *name;
        int64_t count;
    } counts[] = {{"notification", "notifications", rows->notifications},
                  {"upgrade", "upgrades", rows->upgrades},
                  {"operation", "operations", rows->operations}};
    for (size_t i = 0; i < 3; i++) {
        if (call->json) {
            json_add_number(out, counts[i].name, counts[i].count);
        } else {
            buffer_add_string(out, i == 1 ? ", " : i == 2 ? " of " : "");
            command_add_count(out, counts[i].count, counts[i].one);
        }
    }
}

/* Adds the last members: what stays, since an application has not got it yet. */
static void add_left(const struct store_pruned *rows, struct buffer *out)
{
    json_add_number(out, "undelivered", rows->undelivered);
    json_add_string(out, "behind", rows->behind[0] != '\0' ? rows->behind : NULL);
}

static void add_pruned(const struct command_call *call, const struct store_pruned *pruned,
                       int64_t before_ms, struct buffer *out)
{
    char time[CLOCK_TEXT_SIZE];
    if (call->json) {
        json_open(out, NULL, '{');
        json_add_time(out, "before", before_ms);
        add_rows(call, pruned, out);
        add_left(pruned, out);
        json_close(out, '}');
        buffer_add_string(out, "\n");
        return;
    }
    buffer_addf(out, "Taken out from before %s: ", clock_format(before_ms, time));
    add_rows(call, pruned, out);
    buffer_add_string(out, ".\nTheir counters stay.\n");
    if (pruned->behind[0] == '\0')
        return;
    buffer_add_string(out, "Left: what application ");
    term_add_safe(call->term, out, pruned->behind, 0);
    buffer_add_string(out, " has not got yet, ");
    command_add_count(out, pruned->undelivered, "operation");
    buffer_add_string(out, " among it. If that application is gone:\n"
                           "  " COMMAND_PROGRAM " forget ");
    term_add_safe(call->term, out, pruned->behind, 0);
    buffer_add_string(out, "\n");
}

int command_prune(struct command_call *call, struct fault *fault)
{
    struct term_progress bar = {.what = "pruning"};
    const struct store_progress progress = {.owner = &bar, .report = term_report};
    struct store *store = NULL;
    struct store_pruned pruned;
    int64_t before_ms = 0;
    if (command_read_before(call, &before_ms, fault) != 0)
        return COMMAND_USAGE;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_prune(store, before_ms, &progress, &pruned, fault);
    term_report_end(&bar);
    store_free(store);
    if (result != 0)
        return COMMAND_UNUSABLE;
    struct buffer out = {0};
    add_pruned(call, &pruned, before_ms, &out);
    return command_print(call, &out, fault);
}

/* --- forget ----------------------------------------------------------------------------------- */

int command_forget(struct command_call *call, struct fault *fault)
{
    struct store *store = NULL;
    bool found = false;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_forget(store, call->words[0], &found, fault);
    store_free(store);
    if (result == 0 && !found)
        fault_set(fault, "%s: there is no such application", call->words[0]);
    return result != 0 ? COMMAND_UNUSABLE : found ? COMMAND_DONE : COMMAND_NOT_THERE;
}

/* --- erase ------------------------------------------------------------------------------------ */

static void add_erased(const struct command_call *call, const struct store_erased *erased,
                       struct buffer *out)
{
    const struct store_pruned *rows = &erased->rows;
    if (call->json) {
        json_open(out, NULL, '{');
        add_rows(call, rows, out);
        json_add_number(out, "quarantined", erased->quarantined);
        add_left(rows, out);
        json_add_bool(out, "emptied", erased->emptied);
        json_close(out, '}');
        buffer_add_string(out, "\n");
        return;
    }
    buffer_add_string(out, "Erased: ");
    add_rows(call, rows, out);
    buffer_add_string(out, ", ");
    command_add_count(out, erased->quarantined, "body");
    buffer_add_string(out, " in quarantine.\nTheir counters stay.\n");
    if (rows->undelivered > 0) {
        buffer_add_string(out, "Left: ");
        command_add_count(out, rows->undelivered, "notification");
        buffer_add_string(out, ", which application ");
        term_add_safe(call->term, out, rows->behind, 0);
        buffer_add_string(out, " has not got yet, or others of their operations.\n"
                               "Erase the device again when it has, or forget the application.\n");
    }
    if (!erased->emptied)
        buffer_add_string(out, "The store's log, upgrades.db-wal, still has what was erased: "
                               "another process reads it.\nErase the device again later.\n");
}

int command_erase(struct command_call *call, struct fault *fault)
{
    struct store *store = NULL;
    struct store_erased erased;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_erase(store, call->words[0], &erased, fault);
    store_free(store);
    if (result != 0)
        return COMMAND_UNUSABLE;
    struct buffer out = {0};
    add_erased(call, &erased, &out);
    return command_print(call, &out, fault);
}
