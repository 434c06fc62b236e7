/* show: upgrade-status's lists: all operations, and upgrades that failed. */
#include "config.h"

#include "base/units.h"
#include "command/columns.h"
#include "command/command.h"
#include "command/show.h"
#include "command/whole.h"

#include <string.h>

int command_show_document(struct command_call *call, const char *name, const char *list,
                          const struct view_query *query, whole_each *each, void *owner,
                          struct fault *fault)
{
    const struct view *view = view_find(name, strlen(name));
    enum view_result result;
    term_page(call->term);
    if (call->json || call->csv)
        result = whole_print(call->term, view, call->reader, query, call->csv ? NULL : list, fault);
    else
        result = whole_read(view, call->reader, query, each, owner, fault);
    return command_code_of(call, result);
}

size_t command_bar_width(const struct command_call *call)
{
    return call->term->width >= COMMAND_BAR_WIDE_FROM ? COMMAND_BAR_WIDE : COMMAND_BAR_NARROW;
}

struct term_bar command_bar(const json_t *operation)
{
    return (struct term_bar){.success = whole_number(operation, "success"),
                             .fail = whole_number(operation, "fail"),
                             .in_progress = whole_number(operation, "inProgress")};
}

bool command_is(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* A list being printed, and its table. */
struct listing {
    struct command_call *call;
    struct columns table;
    bool many_apps; /* several applications have operations */
};

/* --- operations ------------------------------------------------------------------------------- */

static const struct column operation_columns[] = {
    {.title = "OPERATION", .elastic = true},
    {.title = "APP", .elastic = true, .optional = true, .spare = 2},
    {.title = "PROGRESS", .optional = true, .spare = 1},
    {.title = "SUCCESS", .right = true},
    {.title = "FAIL", .right = true},
    {.title = "IN PROGRESS", .right = true},
    {.title = "FAILED", .right = true},
    {.title = "CONTRADICTORY", .right = true, .optional = true},
    {.title = "FIRST", .spare = 3},
    {.title = "LAST"},
    {.title = "NOTE", .elastic = true, .optional = true},
};

/* Adds remarks on an operation: on a terminal also on contradictory upgrades, which elsewhere have
 * a column of their own. */
static void add_note(struct listing *listing, const json_t *operation, int64_t contradictory)
{
    bool counted = contradictory > 0 && listing->call->term->is_terminal;
    struct buffer note = {0};
    if (counted)
        buffer_addf(&note, "%lld contradictory", (long long)contradictory);
    if (command_is(operation, "pruned"))
        buffer_add_string(&note, counted ? ", pruned" : "pruned");
    buffer_add(&note, "", 1);
    columns_add(&listing->table, counted ? TERM_WARN : TERM_FAINT, note.failed ? "" : note.bytes);
    buffer_release(&note);
}

static void add_operation(struct listing *listing, const json_t *operation)
{
    struct columns *table = &listing->table;
    struct command_call *call = listing->call;
    const struct term_bar bar = command_bar(operation);
    int64_t contradictory = whole_number(operation, "contradictory");
    char first[COMMAND_TIME_SIZE], last[COMMAND_TIME_SIZE], share[UNITS_TEXT_SIZE];
    columns_add(table, TERM_STRONG, whole_text(operation, "operationId"));
    columns_add(table, TERM_PLAIN, listing->many_apps ? whole_text(operation, "appId") : "");
    if (call->term->is_terminal)
        columns_add_bar(table, &bar, command_bar_width(call));
    else
        columns_add(table, TERM_PLAIN, "");
    columns_add_number(table, TERM_PLAIN, bar.success);
    columns_add_number(table, bar.fail > 0 ? TERM_BAD : TERM_PLAIN, bar.fail);
    columns_add_number(table, TERM_PLAIN, bar.in_progress);
    columns_add(table, TERM_PLAIN, units_share_text(bar.fail, bar.success + bar.fail, share));
    if (call->term->is_terminal)
        columns_add(table, TERM_PLAIN, "");
    else
        columns_add_number(table, TERM_PLAIN, contradictory);
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(operation, "firstAt"), first));
    columns_add(table, TERM_PLAIN,
                call->term->is_terminal
                    ? command_ago(call, whole_text(operation, "lastAt"), last)
                    : command_time(call, whole_text(operation, "lastAt"), last));
    add_note(listing, operation, contradictory);
}

static bool has_many_apps(const json_t *operations)
{
    const char *one = whole_text(json_array_get(operations, 0), "appId");
    size_t i;
    json_t *operation;
    json_array_foreach(operations, i,
                       operation) if (strcmp(whole_text(operation, "appId"), one) != 0) return true;
    return false;
}

/* Adds the contents of quarantine, whether it is full, and the bodies that only the log has. */
static void add_quarantine(const struct command_call *call, const json_t *page, struct buffer *out)
{
    const json_t *quarantine = json_object_get(page, "quarantine");
    int64_t held = whole_number(quarantine, "held");
    int64_t log_only = whole_number(json_object_get(page, "totals"), "quarantineLogOnly");
    const char *full = whole_text(quarantine, "fullSince");
    const char *unknown_full = whole_text(quarantine, "unknownFullSince");
    enum term_tone tone = full[0] != '\0' || unknown_full[0] != '\0' ? TERM_BAD
                          : held + log_only > 0                      ? TERM_WARN
                                                                     : TERM_PLAIN;
    char time[COMMAND_TIME_SIZE];
    term_begin_tone(call->term, out, tone);
    buffer_addf(out, "%lld in quarantine", (long long)held);
    if (full[0] != '\0')
        buffer_addf(out, ", full since %s", command_time(call, full, time));
    else if (unknown_full[0] != '\0')
        buffer_addf(out, ", full for unknown notifyTypes since %s",
                    command_time(call, unknown_full, time));
    if (log_only > 0)
        buffer_addf(out, ", %lld more went to the log alone", (long long)log_only);
    term_end_tone(call->term, out, tone);
}

/* Adds the totals of the store, above the table. */
static void add_totals(const struct command_call *call, const json_t *page, struct buffer *out)
{
    const json_t *totals = json_object_get(page, "totals");
    const json_t *upgrades = json_object_get(page, "upgrades");
    const char *last = whole_text(page, "lastAt");
    char ago[COMMAND_TIME_SIZE];
    buffer_addf(out, "%lld notifications", (long long)whole_number(totals, "notifications"));
    if (last[0] != '\0')
        buffer_addf(out, ", the last %s", command_ago(call, last, ago));
    buffer_addf(out, "; %lld repeats; ", (long long)whole_number(totals, "repeats"));
    add_quarantine(call, page, out);
    buffer_addf(out, "\n%lld upgrades ended in SUCCESS, %lld in FAIL, %lld are in progress",
                (long long)whole_number(upgrades, "success"),
                (long long)whole_number(upgrades, "fail"),
                (long long)whole_number(upgrades, "inProgress"));
    if (whole_number(upgrades, "contradictory") > 0)
        buffer_addf(out, "; contradictory: %lld",
                    (long long)whole_number(upgrades, "contradictory"));
    buffer_add_string(out, "\n");
    size_t i;
    json_t *application;
    json_array_foreach(json_object_get(page, "applications"), i, application)
    {
        buffer_add_string(out, "application ");
        term_add_safe(call->term, out, whole_text(application, "name"), 0);
        if (json_is_true(json_object_get(application, "lost")))
            buffer_add_string(out, ": gets nothing, since the store does not have what it was told"
                                   " last; " COMMAND_PROGRAM " help forget\n");
        else
            buffer_addf(out, ": told up to %lld, %lld wait for it\n",
                        (long long)whole_number(application, "cursor"),
                        (long long)whole_number(application, "backlog"));
    }
}

static int add_operations(void *owner, json_t *page, bool first, struct fault *fault)
{
    struct listing *listing = owner;
    const json_t *operations = json_object_get(page, "operations");
    struct buffer out = {0};
    if (first) {
        /* In a pipe the form is the same for all contents. */
        listing->many_apps = !listing->call->term->is_terminal || has_many_apps(operations);
        command_add_receiver(listing->call, &out);
        add_totals(listing->call, page, &out);
        buffer_add_string(&out, json_array_size(operations) > 0 ? "\n" : "No operations yet.\n");
    }
    size_t i;
    json_t *operation;
    json_array_foreach(operations, i, operation) add_operation(listing, operation);
    if (i > 0)
        columns_write(&listing->table, &out);
    int result = term_print(listing->call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_operations(struct command_call *call, struct fault *fault)
{
    const struct view_query query = {.now_ms = call->now_ms};
    struct listing listing = {.call = call};
    columns_init(&listing.table, call->term, operation_columns,
                 sizeof operation_columns / sizeof operation_columns[0]);
    int code = command_show_document(call, "overview.json", "operations", &query, add_operations,
                                     &listing, fault);
    columns_release(&listing.table);
    return code;
}

/* --- failures --------------------------------------------------------------------------------- */

static const struct column failure_columns[] = {
    {.title = "DEVICE", .elastic = true},
    {.title = "OPERATION", .elastic = true},
    {.title = "CODE", .elastic = true},
    {.title = "DESCRIPTION", .elastic = true},
    {.title = "FROM", .elastic = true, .spare = 3},
    {.title = "TO", .elastic = true, .spare = 2},
    {.title = "AT", .spare = 1},
    {.title = "NOTE", .optional = true},
};

static void add_failure(struct listing *listing, const json_t *upgrade)
{
    struct columns *table = &listing->table;
    const char *description = whole_text(upgrade, "description");
    char at[COMMAND_TIME_SIZE];
    if (description[0] == '\0')
        description = whole_text(upgrade, "resultDesc");
    columns_add(table, TERM_STRONG, whole_text(upgrade, "deviceId"));
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "operationId"));
    columns_add(table, TERM_BAD, whole_text(upgrade, "errorCode"));
    columns_add(table, TERM_PLAIN, description);
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "sourceVersion"));
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "targetVersion"));
    columns_add(table, TERM_PLAIN, command_time(listing->call, whole_text(upgrade, "lastAt"), at));
    columns_add(table, TERM_WARN, command_is(upgrade, "contradictory") ? "contradictory" : "");
}

static int add_failures(void *owner, json_t *page, bool first, struct fault *fault)
{
    struct listing *listing = owner;
    struct buffer out = {0};
    size_t i;
    json_t *upgrade;
    json_array_foreach(json_object_get(page, "failures"), i, upgrade) add_failure(listing, upgrade);
    if (i > 0)
        columns_write(&listing->table, &out);
    else if (first)
        buffer_add_string(&out, "No upgrade has failed.\n");
    int result = term_print(listing->call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_failures(struct command_call *call, struct fault *fault)
{
    const struct view_query query = {.now_ms = call->now_ms,
                                     .operation_id = call->operation_id,
                                     .app_id = call->app_id,
                                     .error_code = call->error_code};
    struct listing listing = {.call = call};
    if (call->csv && call->json) {
        fault_set(fault, "--csv and --json exclude each other");
        return COMMAND_USAGE;
    }
    if (call->bom && !call->csv) {
        fault_set(fault, "--bom: only with --csv");
        return COMMAND_USAGE;
    }
    /* Devices' texts are in it raw. */
    if (call->csv && call->term->is_terminal) {
        fault_set(fault, "--csv is for a file or a pipe, not for a terminal");
        return COMMAND_USAGE;
    }
    struct buffer bom = {0};
    if (call->bom)
        buffer_add_string(&bom, "\357\273\277");
    int printed = term_print(call->term, &bom, fault);
    buffer_release(&bom);
    if (printed != 0)
        return command_failed(call);
    columns_init(&listing.table, call->term, failure_columns,
                 sizeof failure_columns / sizeof failure_columns[0]);
    int code = command_show_document(call, call->csv ? "failures.csv" : "failures.json", "failures",
                                     &query, add_failures, &listing, fault);
    columns_release(&listing.table);
    return code;
}
