/* expect: upgrade-status's command that finds devices of a list that have not reported, and keeps
 * the list in the store. */
#include "config.h"

#include "base/utf8.h"
#include "command/command.h"
#include "command/roster.h"
#include "store/lists.h"
#include "store/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Bytes of output gathered before they are printed. */
#define PRINT_BYTES ((size_t)64 << 10)

struct expectation {
    struct roster roster;
    int64_t operation; /* the operation's number in the store */
    struct buffer app_id;
    bool overflow; /* more unexpected devices reported than fit the roster */
};

/* Numbers of the list's devices by progress, and of devices that reported and are not in it. */
struct tally {
    int64_t expected, success, fail, in_progress, missing, unexpected;
};

static int read_list(const char *path, struct roster *roster, struct fault *fault)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "%s", path);
    int result = roster_read(roster, fd, is_stdin ? "standard input" : path, fault);
    if (!is_stdin)
        close(fd);
    return result;
}

static void note_upgrade(struct expectation *expectation, const struct store_upgrade_row *row)
{
    struct roster_entry *entry = roster_add(&expectation->roster, row->device_id);
    if (entry == NULL)
        /* It is not in the list: the roster has those of the list already. */
        expectation->overflow = true;
    else if (row->state == RECORD_IN_PROGRESS)
        roster_note_progress(entry, row->began_ms);
    else
        roster_note_result(entry, row->state == RECORD_SUCCESS, row->state_ms, row->seq);
}

/* Reads the list that was saved for the operation. Returns an exit code. */
static int read_saved(struct command_call *call, const struct store_operation_row *row,
                      struct expectation *expectation, struct fault *fault)
{
    if (!row->has_plan) {
        fault_set(fault, "operation %s has no saved list: name a FILE", call->words[0]);
        return COMMAND_NOT_THERE;
    }
    struct store_rows rows = store_list_expected(call->reader, row->id, false, NULL, SIZE_MAX,
                                                 fault);
    const char *id;
    bool fits = true;
    while (fits && store_next_expected(&rows, &id, NULL)) {
        struct roster_entry *entry = roster_add(&expectation->roster, id);
        fits = entry != NULL;
        if (fits)
            entry->expected = true;
    }
    if (store_rows_end(&rows, NULL) != 0)
        return COMMAND_UNUSABLE;
    if (fits)
        return COMMAND_DONE;
    fault_set(fault, "the saved list has more ids than can be held");
    return COMMAND_UNUSABLE;
}

/* Finds the operation, and the saved list if the call names no file. Returns an exit code. */
static int find_operation(struct command_call *call, struct expectation *expectation,
                          struct fault *fault)
{
    struct store_rows rows = store_find_operations(call->reader, call->app_id, call->words[0],
                                                   false, 1, fault);
    struct store_operation_row row;
    int code = COMMAND_DONE;
    if (store_next_operation(&rows, &row)) {
        expectation->operation = row.id;
        buffer_add(&expectation->app_id, row.app_id, strlen(row.app_id) + 1);
        if (call->words_length < 2)
            code = read_saved(call, &row, expectation, fault);
    }
    if (store_rows_end(&rows, NULL) != 0)
        return COMMAND_UNUSABLE;
    if (expectation->operation != 0)
        return code;
    fault_set(fault, "%s: no such operation", call->words[0]);
    return COMMAND_NOT_THERE;
}

/* Notes the reports of every device of the operation, from one snapshot. Returns an exit code. */
static int read_upgrades(struct command_call *call, struct expectation *expectation,
                         struct fault *fault)
{
    if (store_read_begin(call->reader, STORE_READ_MOST_MS, fault) != 0)
        return COMMAND_UNUSABLE;
    int code = find_operation(call, expectation, fault);
    const struct store_upgrade_filter filter = {.operation = expectation->operation};
    if (code == COMMAND_DONE) {
        struct store_rows rows = store_list_upgrades(call->reader, &filter, NULL, SIZE_MAX, fault);
        struct store_upgrade_row row;
        while (store_next_upgrade(&rows, &row))
            note_upgrade(expectation, &row);
        if (store_rows_end(&rows, NULL) != 0)
            code = COMMAND_UNUSABLE;
    }
    store_read_end(call->reader);
    return code;
}

static struct tally count(const struct roster *roster)
{
    struct tally tally = {0};
    for (size_t i = 0; i < roster->length; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (!entry->expected) {
            tally.unexpected++;
            continue;
        }
        tally.expected++;
        enum roster_where where = roster_where(entry);
        int64_t *counts[] = {&tally.missing, &tally.in_progress, &tally.fail, &tally.success};
        ++*counts[where];
    }
    return tally;
}

static int print_some(struct command_call *call, struct buffer *out, struct fault *fault)
{
    return out->length < PRINT_BYTES && !out->failed ? 0 : term_print(call->term, out, fault);
}

/* Appends the ids of the devices in one state, as members of a JSON array. */
static int add_ids_json(struct command_call *call, const struct roster *roster,
                        enum roster_where where, struct buffer *out, struct fault *fault)
{
    bool first = true;
    for (size_t i = 0; i < roster->length; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (!entry->expected || roster_where(entry) != where)
            continue;
        const char *id = roster_id(roster, entry);
        buffer_add_string(out, first ? "" : ",");
        buffer_add_json_string(out, id, strlen(id));
        first = false;
        if (print_some(call, out, fault) != 0)
            return -1;
    }
    return 0;
}

static int print_json(struct command_call *call, const struct expectation *expectation,
                      const struct tally *tally, struct buffer *out, struct fault *fault)
{
    buffer_add_string(out, "{\"appId\":");
    buffer_add_json_string(out, expectation->app_id.bytes, expectation->app_id.length - 1);
    buffer_add_string(out, ",\"operationId\":");
    buffer_add_json_string(out, call->words[0], strlen(call->words[0]));
    buffer_addf(out,
                ",\"expected\":%lld,\"success\":%lld,\"fail\":%lld,\"inProgress\":%lld,"
                "\"missing\":%lld,\"unexpected\":%lld,\"unexpectedMore\":%s,\"missingDevices\":[",
                (long long)tally->expected, (long long)tally->success, (long long)tally->fail,
                (long long)tally->in_progress, (long long)tally->missing,
                (long long)tally->unexpected, expectation->overflow ? "true" : "false");
    if (add_ids_json(call, &expectation->roster, ROSTER_MISSING, out, fault) != 0)
        return -1;
    buffer_add_string(out, "],\"inProgressDevices\":[");
    if (add_ids_json(call, &expectation->roster, ROSTER_IN_PROGRESS, out, fault) != 0)
        return -1;
    buffer_add_string(out, "]}\n");
    return term_print(call->term, out, fault);
}

/* Appends the lines of the devices in one state. */
static int add_ids(struct command_call *call, const struct roster *roster, enum roster_where where,
                   const char *word, struct buffer *out, struct fault *fault)
{
    for (size_t i = 0; i < roster->length; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (!entry->expected || roster_where(entry) != where)
            continue;
        term_begin_tone(call->term, out, where == ROSTER_MISSING ? TERM_WARN : TERM_PLAIN);
        buffer_addf(out, "%-12s", word);
        term_end_tone(call->term, out, where == ROSTER_MISSING ? TERM_WARN : TERM_PLAIN);
        term_add_safe(call->term, out, roster_id(roster, entry), 0);
        buffer_add_string(out, "\n");
        if (print_some(call, out, fault) != 0)
            return -1;
    }
    return 0;
}

static int print_lines(struct command_call *call, const struct expectation *expectation,
                       const struct tally *tally, struct buffer *out, struct fault *fault)
{
    command_add_count(out, tally->expected, "device");
    buffer_addf(out, ": %lld finished (%lld SUCCESS, %lld FAIL), %lld in progress, %lld missing\n",
                (long long)tally->success + (long long)tally->fail, (long long)tally->success,
                (long long)tally->fail, (long long)tally->in_progress, (long long)tally->missing);
    if (tally->unexpected > 0)
        buffer_addf(out, "not in the list, but reported: %s%lld\n",
                    expectation->overflow ? "more than " : "", (long long)tally->unexpected);
    if (add_ids(call, &expectation->roster, ROSTER_MISSING, "missing", out, fault) != 0 ||
        add_ids(call, &expectation->roster, ROSTER_IN_PROGRESS, "in progress", out, fault) != 0)
        return -1;
    return term_print(call->term, out, fault);
}

/* Prints the answer; returns an exit code. */
static int answer(struct command_call *call, const struct expectation *expectation,
                  struct fault *fault)
{
    const struct tally tally = count(&expectation->roster);
    struct buffer out = {0};
    term_page(call->term);
    int result = call->json ? print_json(call, expectation, &tally, &out, fault)
                            : print_lines(call, expectation, &tally, &out, fault);
    buffer_release(&out);
    if (result != 0 && !call->term->ended)
        return COMMAND_UNUSABLE;
    return tally.missing + tally.in_progress > 0 ? COMMAND_MISSING : COMMAND_DONE;
}

/* --- the saved list --------------------------------------------------------------------------- */

/* Gives the ids of a roster. */
struct giving {
    const struct roster *roster;
    size_t given;
};

static const char *give_id(void *owner, const char **told)
{
    (void)told;
    struct giving *giving = owner;
    const struct roster *roster = giving->roster;
    return giving->given < roster->length ? roster_id(roster, &roster->entries[giving->given++])
                                          : NULL;
}

/* Whether all ids are UTF-8, as those of notifications are. */
static int check_ids(const struct roster *roster, const char *path, struct fault *fault)
{
    for (size_t i = 0; i < roster->length; i++) {
        const char *id = roster_id(roster, &roster->entries[i]);
        if (!utf8_is_valid(id, strlen(id)))
            return fault_set(fault, "%s: device %zu is not UTF-8: convert the file", path, i + 1);
    }
    return 0;
}

/* Saves the roster as the operation's list. Returns an exit code. */
static int save(struct command_call *call, const struct roster *roster, struct fault *fault)
{
    const struct store_named named = {
        .app_id = call->app_id, .operation_id = call->words[0], .now_ms = call->now_ms};
    struct giving giving = {.roster = roster};
    struct store_planned planned;
    struct store *store = NULL;
    if (check_ids(roster, call->words[1], fault) != 0)
        return COMMAND_USAGE;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_save_expected(store, &named, give_id, &giving, &planned, fault);
    store_free(store);
    if (result != 0)
        return command_code_of_change(result, fault);
    struct buffer out = {0};
    if (call->json) {
        buffer_addf(&out, "{\"planned\":%lld,\"missing\":%lld}\n", (long long)planned.planned,
                    (long long)planned.missing);
    } else {
        buffer_add_string(&out, "Saved: ");
        command_add_count(&out, planned.planned, "device");
        buffer_addf(&out, ", %lld missing\n", (long long)planned.missing);
    }
    return command_print(call, &out, fault);
}

static int forget(struct command_call *call, struct fault *fault)
{
    const struct store_named named = {
        .app_id = call->app_id, .operation_id = call->words[0], .now_ms = call->now_ms};
    struct store *store = NULL;
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_forget_expected(store, &named, fault);
    store_free(store);
    if (result > 0)
        fault_set(fault, "%s: no such operation, or it has no saved list", call->words[0]);
    return command_code_of_change(result, fault);
}

/* Whether the options and the words go together. */
static int check_call(const struct command_call *call, struct fault *fault)
{
    bool has_file = call->words_length > 1;
    if (call->forget && (call->save || has_file))
        return fault_set(fault, "--forget takes no FILE and no --save");
    return call->save && !has_file ? fault_set(fault, "--save takes a FILE") : 0;
}

static int save_or_compare(struct command_call *call, struct expectation *expectation,
                           struct fault *fault)
{
    struct roster *roster = &expectation->roster;
    if (call->words_length > 1) {
        if (read_list(call->words[1], roster, fault) != 0)
            return COMMAND_USAGE;
        if (roster->length == 0) {
            fault_set(fault, "%s: names no device", call->words[1]);
            return COMMAND_USAGE;
        }
    }
    if (call->save)
        return save(call, roster, fault);
    int code = read_upgrades(call, expectation, fault);
    return code == COMMAND_DONE ? answer(call, expectation, fault) : code;
}

int command_expect(struct command_call *call, struct fault *fault)
{
    struct expectation expectation = {.operation = 0};
    if (check_call(call, fault) != 0)
        return COMMAND_USAGE;
    if (call->forget)
        return forget(call, fault);
    roster_init(&expectation.roster);
    int code = save_or_compare(call, &expectation, fault);
    buffer_release(&expectation.app_id);
    roster_release(&expectation.roster);
    return code;
}
