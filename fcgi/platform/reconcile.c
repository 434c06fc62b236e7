/* reconcile: upgrade-platform's command that compares the platform's tasks with the store. */
#include "config.h"

#include "command/columns.h"
#include "command/command.h"
#include "platform/compare.h"
#include "store/follow.h"
#include "store/journal.h"
#include "store/plan.h"

#include <stdio.h>

#include <string.h>

/* What the store keeps of what was asked back: findings, and bytes of them. */
#define KEPT_FINDINGS 100
#define KEPT_BYTES ((size_t)64 << 10)

static const struct column columns[] = {
    {.title = "DEVICE", .key = true},
    {.title = "SUB-TASK", .spare = 2},
    {.title = "PLATFORM", .elastic = true},
    {.title = "HERE"},
    {.title = "FINDING"},
    {.title = "DETAIL", .elastic = true, .optional = true, .spare = 1},
};

/* --- the output ------------------------------------------------------------------------------- */

static void add_table(const struct platform_call *call, const struct comparison *comparison,
                      struct buffer *out)
{
    struct columns table;
    const char *id;
    json_t *device;
    columns_init(&table, &call->term, columns, sizeof columns / sizeof columns[0]);
    json_object_foreach(comparison->devices, id, device)
    {
        enum finding finding = comparison_finding(device);
        const char *status = platform_text(device, "status");
        if (finding == FINDING_NONE)
            continue;
        columns_add(&table, TERM_PLAIN, platform_text(device, "deviceId"));
        columns_add(&table, TERM_PLAIN, id);
        columns_add(&table, TERM_PLAIN, status[0] == '\0' ? "-" : status);
        columns_add(&table, TERM_PLAIN, comparison_here(device));
        columns_add(&table, TERM_WARN, finding_text(finding));
        columns_add(&table, TERM_PLAIN, platform_text(device, "detailInfo"));
    }
    buffer_add_string(out, "\n");
    columns_write(&table, out);
    buffer_add_string(out, "\n");
    columns_release(&table);
}

/* Adds the counts of both sides. */
static void add_counts(const struct comparison *comparison, struct buffer *out)
{
    const int64_t *ends = comparison->ends, *here = comparison->here;
    buffer_addf(out, "  platform: %lld success, %lld fail, %lld not ended",
                (long long)ends[TASK_SUCCESS], (long long)ends[TASK_FAIL],
                (long long)ends[TASK_GOING]);
    if (comparison->waiting > 0)
        buffer_addf(out, " (%lld of them waiting)", (long long)comparison->waiting);
    if (ends[TASK_OTHER_END] > 0)
        buffer_addf(out, ", %lld stopped or timed out", (long long)ends[TASK_OTHER_END]);
    if (ends[TASK_UNKNOWN] > 0)
        buffer_addf(out, ", %lld unknown", (long long)ends[TASK_UNKNOWN]);
    buffer_addf(out,
                "\n  here:     %lld success, %lld fail, %lld in progress, %lld never reported\n",
                (long long)here[RECORD_SUCCESS], (long long)here[RECORD_FAIL],
                (long long)here[RECORD_IN_PROGRESS], (long long)comparison->missing);
}

/* KEPT is what keep returned, or -1 if nothing was to be kept. */
static void add_text(const struct platform_call *call, const struct comparison *comparison,
                     int kept, struct buffer *out)
{
    const struct term *term = &call->term;
    const char *why = comparison->pruned   ? " It was pruned here: nothing to compare."
                      : !comparison->heard ? " Nothing was ever received of it."
                                           : "";
    buffer_add_string(out, "Operation ");
    term_add_safe(term, out, comparison->operation_id, 0);
    buffer_add_string(out, " (");
    term_add_safe(term, out, platform_text(comparison->task, "status"), 0);
    buffer_add_string(out, "): ");
    command_add_count(out, comparison->total, "device");
    buffer_addf(out, " planned.%s\n", why);
    add_counts(comparison, out);
    if (comparison_read(comparison) < comparison->total)
        buffer_addf(
            out, "  The platform gave only %lld of them: its list changed meanwhile, ask again.\n",
            (long long)comparison_read(comparison));
    if (kept == 1)
        buffer_add_string(out, "  Its list of devices is an operator's, and stays.\n");
    if (comparison_differs(comparison))
        add_table(call, comparison, out);
    else
        buffer_add_string(out, "  Nothing differs.\n");
}

/* --- what is kept --------------------------------------------------------------------------- */

/* Gives the devices of the platform. */
struct giving {
    json_t *statuses; /* by device */
    void *at;
};

static const char *give_device(void *owner, const char **told)
{
    struct giving *giving = owner;
    if (giving->at == NULL)
        return NULL;
    const char *id = json_object_iter_key(giving->at);
    *told = json_string_value(json_object_iter_value(giving->at));
    giving->at = json_object_iter_next(giving->statuses, giving->at);
    return id;
}

/* Keeps in the store what was asked back. A list that was not read whole, or nothing, is not kept.
 * Returns 0, or 1 if an operator's list of devices stays, or -1. */
static int keep(const struct platform_call *call, const struct comparison *comparison,
                struct store *store, struct fault *fault)
{
    const struct store_named named = {.app_id = call->settings.app_id,
                                      .operation_id = comparison->operation_id,
                                      .now_ms = call->now_ms};
    struct giving giving = {.statuses = json_object()};
    struct buffer said = {0};
    const char *id;
    json_t *device;
    if (comparison->pruned || comparison->total == 0 ||
        comparison_read(comparison) < comparison->total) {
        json_decref(giving.statuses);
        return 0;
    }
    json_object_foreach(comparison->devices, id, device)
    {
        json_t *status = json_object_get(device, "status");
        if (status != NULL)
            json_object_set(giving.statuses, platform_text(device, "deviceId"), status);
    }
    giving.at = json_object_iter(giving.statuses);
    comparison_add_json(comparison, KEPT_FINDINGS, KEPT_BYTES, &said);
    buffer_add(&said, "", 1);
    int result = said.failed ? fault_set(fault, "out of memory")
                             : store_keep_asked(store, &named, said.bytes,
                                                comparison->is_operators ? NULL : give_device,
                                                &giving, fault);
    buffer_release(&said);
    json_decref(giving.statuses);
    return result >= 0 ? result : fault_add(fault, "operation %.200s", comparison->operation_id);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Compares one task, keeps what was asked back unless STORE is NULL, and prints it. Returns an exit
 * code. */
static int reconcile_one(struct platform_call *call, struct store_reader *reader,
                         struct store *store, const json_t *task, struct buffer *out,
                         struct fault *fault)
{
    struct comparison comparison;
    int code = PLATFORM_UNUSABLE;
    if (comparison_make(call, reader, task, &comparison, fault) == 0) {
        int kept = store == NULL ? -1 : keep(call, &comparison, store, fault);
        if (call->json)
            comparison_add_json(&comparison, SIZE_MAX, SIZE_MAX, out), buffer_add_string(out, "\n");
        else
            add_text(call, &comparison, kept, out);
        if (term_print(&call->term, out, fault) == 0 && (store == NULL || kept >= 0))
            code = comparison_differs(&comparison) ? PLATFORM_DIFFERS : PLATFORM_DONE;
    }
    comparison_release(&comparison);
    return code;
}

/* Compares the tasks of an object with what was RECEIVED. OWN is the store itself. Returns an exit
 * code. */
static int reconcile_each(struct platform_call *call, struct store_reader *own,
                          struct store_reader *received, json_t *tasks, struct fault *fault)
{
    struct command_call opening = {.options = &call->options, .reader = own};
    struct store *store = NULL;
    int code = PLATFORM_DONE;
    if (call->keep && command_open_store(&opening, &store, fault) != 0)
        return PLATFORM_UNUSABLE;
    struct buffer out = {0};
    const char *id;
    json_t *task;
    json_object_foreach(tasks, id, task)
    {
        int one = reconcile_one(call, received, store, task, &out, fault);
        if (one != PLATFORM_DONE)
            code = one;
        if (one == PLATFORM_UNUSABLE)
            break;
    }
    buffer_release(&out);
    store_free(store);
    return code;
}

/* Gives the tasks that the call's words name, an object by operationId. */
static int read_named(struct platform_call *call, json_t *tasks, struct fault *fault)
{
    for (size_t i = 0; i < call->words_length; i++) {
        json_t *task;
        if (tasks_read(call->session, call->words[i], &task, fault) != 0) {
            json_decref(task);
            return -1;
        }
        if (json_object_set_new(tasks, call->words[i], task) != 0)
            return fault_set(fault, "out of memory");
    }
    return 0;
}

/* Opens OWN, the store, and SHARED, if the store is one of several that share books: the receiver's
 * copy of these, as the store has what came to this machine alone. */
static int open_readers(const struct platform_call *call, struct store_reader **own,
                        struct store_reader **shared, struct fault *fault)
{
    struct store_journal_state journal;
    char folder[SESSION_PATH_MAX];
    int64_t version;
    if (store_reader_new(own, call->options.state, fault) != 0 ||
        store_read_version(*own, &version, fault) != 0 ||
        store_journal_state(*own, &journal, fault) != 0)
        return -1;
    if (!journal.kept)
        return 0;
    snprintf(folder, sizeof folder, "%s/" STORE_COPY_FOLDER, call->options.state);
    if (store_reader_new(shared, folder, fault) != 0 ||
        store_read_version(*shared, &version, fault) != 0)
        return fault_add(fault, "the copy of the shared books");
    if (journal.first <= journal.last)
        term_complain(PLATFORM_PROGRAM,
                      "warning: what this machine has kept is not all in the shared books yet, so "
                      "devices may be named that have reported");
    return 0;
}

int platform_reconcile(struct platform_call *call, struct fault *fault)
{
    struct store_reader *own = NULL, *shared = NULL;
    json_t *tasks = NULL;
    if ((call->words_length > 0) + call->all + call->running != 1) {
        fault_set(fault, "reconcile: takes OPERATIONs, or --all, or --running");
        return PLATFORM_USAGE;
    }
    int code = PLATFORM_UNUSABLE;
    if (open_readers(call, &own, &shared, fault) == 0) {
        int result = -1;
        if (call->words_length == 0)
            result = tasks_read_all(call->session, call->running, call->now_ms, &tasks, fault);
        else if ((tasks = json_object()) != NULL)
            result = read_named(call, tasks, fault);
        if (result == 0)
            code = reconcile_each(call, own, shared == NULL ? own : shared, tasks, fault);
    }
    store_reader_free(shared);
    store_reader_free(own);
    json_decref(tasks);
    return code;
}
