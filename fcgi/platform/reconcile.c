/* reconcile: upgrade-platform's command that compares the platform's tasks with the store. */
#include "config.h"

#include "base/json_writer.h"
#include "command/columns.h"
#include "command/command.h"
#include "platform/platform.h"
#include "platform/tasks.h"
#include "store/lists.h"
#include "store/plan.h"

#include <string.h>

/* What is wrong with a device. */
enum finding { FINDING_NONE, NO_PUSH, NO_RESULT, ENDS_DIFFER, NOT_AT_PLATFORM, UNKNOWN_STATUS };

static const char *const finding_texts[] = {
    [NO_PUSH] = "no push came",          [NO_RESULT] = "no result came",
    [ENDS_DIFFER] = "the ends differ",   [NOT_AT_PLATFORM] = "not at the platform",
    [UNKNOWN_STATUS] = "unknown status",
};

static const char *const state_texts[] = {
    [RECORD_IN_PROGRESS] = "IN_PROGRESS", [RECORD_SUCCESS] = "SUCCESS", [RECORD_FAIL] = "FAIL"};

/* One task, and what the store has of it. */
struct comparing {
    struct platform_call *call;
    struct store_reader *reader;
    const json_t *task;
    const char *operation_id;
    json_t *devices; /* as tasks_read_devices gives them; `here` is added: a state */
    int64_t total;   /* devices that the platform says there are */
    bool heard, pruned;
    int64_t going, success, fail, other, unknown; /* at the platform */
    int64_t here[3];                              /* by state */
    int64_t missing;                              /* devices of the platform without an upgrade */
    int64_t findings;
    struct buffer rows; /* of the findings, in JSON */
    struct columns table;
};

static const struct column columns[] = {
    {.title = "DEVICE", .key = true},
    {.title = "SUB-TASK", .key = true, .spare = 2},
    {.title = "PLATFORM", .elastic = true},
    {.title = "HERE"},
    {.title = "FINDING"},
    {.title = "DETAIL", .elastic = true, .optional = true, .spare = 1},
};

/* --- the store's side ------------------------------------------------------------------------- */

/* Adds what the store has to the devices; to those, too, that only the store has. */
static int add_upgrade(struct comparing *comparing, const struct store_upgrade_row *row,
                       struct fault *fault)
{
    json_t *device = json_object_get(comparing->devices, row->sub_operation_id);
    json_t *state = json_integer((json_int_t)row->state);
    comparing->here[row->state]++;
    if (device == NULL) {
        device = json_pack("{ss}", "deviceId", row->device_id);
        if (device == NULL ||
            json_object_set_new(comparing->devices, row->sub_operation_id, device) != 0)
            device = NULL;
    }
    return device != NULL && json_object_set_new(device, "here", state) == 0
               ? 0
               : fault_set(fault, "out of memory");
}

static int read_upgrades(struct comparing *comparing, int64_t operation, struct fault *fault)
{
    const struct store_upgrade_filter filter = {.operation = operation};
    struct store_rows rows = store_list_upgrades(comparing->reader, &filter, NULL, SIZE_MAX, fault);
    struct store_upgrade_row row;
    int result = 0;
    while (result == 0 && store_next_upgrade(&rows, &row))
        result = add_upgrade(comparing, &row, fault);
    return store_rows_end(&rows, NULL) != 0 ? -1 : result;
}

/* Reads the store after the platform: what came meanwhile is there. */
static int read_store(struct comparing *comparing, struct fault *fault)
{
    int64_t operation = 0;
    if (store_read_begin(comparing->reader, STORE_READ_MOST_MS, fault) != 0)
        return -1;
    struct store_rows rows = store_find_operations(comparing->reader,
                                                   comparing->call->settings.app_id,
                                                   comparing->operation_id, false, 1, fault);
    struct store_operation_row row;
    if (store_next_operation(&rows, &row)) {
        operation = row.id;
        comparing->heard = row.heard;
        comparing->pruned = row.pruned;
    }
    int result = store_rows_end(&rows, NULL);
    if (result == 0 && operation != 0)
        result = read_upgrades(comparing, operation, fault);
    store_read_end(comparing->reader);
    return result;
}

/* --- the comparison --------------------------------------------------------------------------- */

static enum finding judge(const json_t *device)
{
    const json_t *state = json_object_get(device, "here");
    json_int_t here = json_integer_value(state);
    if (json_object_get(device, "status") == NULL)
        return NOT_AT_PLATFORM;
    enum task_end end = tasks_end(platform_text(device, "status"));
    if (end == TASK_UNKNOWN)
        return UNKNOWN_STATUS;
    if (end == TASK_GOING)
        return FINDING_NONE;
    if (state == NULL)
        return NO_PUSH;
    if (here == RECORD_IN_PROGRESS)
        return end == TASK_OTHER_END ? FINDING_NONE : NO_RESULT;
    return (end == TASK_SUCCESS) == (here == RECORD_SUCCESS) ? FINDING_NONE : ENDS_DIFFER;
}

static void add_finding(struct comparing *comparing, const char *id, const json_t *device,
                        enum finding finding)
{
    const json_t *state = json_object_get(device, "here");
    const char *status = json_string_value(json_object_get(device, "status"));
    const char *here = state == NULL ? NULL : state_texts[json_integer_value(state)];
    const char *detail = platform_text(device, "detailInfo");
    comparing->findings++;
    if (comparing->call->json) {
        struct buffer *rows = &comparing->rows;
        json_open(rows, NULL, '{');
        json_add_string(rows, "deviceId", platform_text(device, "deviceId"));
        json_add_string(rows, "subOperationId", id);
        json_add_string(rows, "platform", status);
        json_add_string(rows, "here", here);
        json_add_string(rows, "finding", finding_texts[finding]);
        json_add_string(rows, "detailInfo", detail);
        json_close(rows, '}');
        return;
    }
    struct columns *table = &comparing->table;
    columns_add(table, TERM_PLAIN, platform_text(device, "deviceId"));
    columns_add(table, TERM_PLAIN, id);
    columns_add(table, TERM_PLAIN, status == NULL ? "-" : status);
    columns_add(table, TERM_PLAIN, here == NULL ? "-" : here);
    columns_add(table, TERM_WARN, finding_texts[finding]);
    columns_add(table, TERM_PLAIN, detail);
}

static void compare(struct comparing *comparing)
{
    const char *id;
    json_t *device;
    json_object_foreach(comparing->devices, id, device)
    {
        int64_t *counts[] = {&comparing->going, &comparing->success, &comparing->fail,
                             &comparing->other, &comparing->unknown};
        if (json_object_get(device, "status") != NULL) {
            ++*counts[tasks_end(platform_text(device, "status"))];
            comparing->missing += json_object_get(device, "here") == NULL;
        }
        /* Of what was pruned here, nothing is left to compare. */
        enum finding finding = comparing->pruned ? FINDING_NONE : judge(device);
        if (finding != FINDING_NONE)
            add_finding(comparing, id, device, finding);
    }
}

/* Devices of the platform that were read. */
static int64_t read_devices(const struct comparing *comparing)
{
    return comparing->going + comparing->success + comparing->fail + comparing->other +
           comparing->unknown;
}

/* Whether something is to be looked at. */
static bool differs(const struct comparing *comparing)
{
    return comparing->findings > 0 || read_devices(comparing) < comparing->total;
}

/* --- the output ------------------------------------------------------------------------------- */

static void add_json(const struct comparing *comparing, struct buffer *out)
{
    const json_t *task = comparing->task;
    json_open(out, NULL, '{');
    json_add_string(out, "operationId", comparing->operation_id);
    json_add_string(out, "operateType", json_string_value(json_object_get(task, "operateType")));
    json_add_string(out, "status", platform_text(task, "status"));
    json_add_string(out, "createTime", json_string_value(json_object_get(task, "createTime")));
    json_add_bool(out, "heard", comparing->heard);
    json_add_bool(out, "pruned", comparing->pruned);
    json_add_number(out, "planned", comparing->total);
    json_add_bool(out, "complete", read_devices(comparing) >= comparing->total);
    json_open(out, "platform", '{');
    json_add_number(out, "going", comparing->going);
    json_add_number(out, "success", comparing->success);
    json_add_number(out, "fail", comparing->fail);
    json_add_number(out, "otherEnd", comparing->other);
    json_add_number(out, "unknown", comparing->unknown);
    json_close(out, '}');
    json_open(out, "here", '{');
    json_add_number(out, "inProgress", comparing->here[RECORD_IN_PROGRESS]);
    json_add_number(out, "success", comparing->here[RECORD_SUCCESS]);
    json_add_number(out, "fail", comparing->here[RECORD_FAIL]);
    json_add_number(out, "missing", comparing->missing);
    json_close(out, '}');
    json_open(out, "findings", '[');
    if (comparing->rows.length > 0)
        buffer_add(out, comparing->rows.bytes, comparing->rows.length);
    out->failed = out->failed || comparing->rows.failed;
    json_close(out, ']');
    json_close(out, '}');
}

static void add_text(struct comparing *comparing, struct buffer *out)
{
    const struct term *term = &comparing->call->term;
    const char *why = comparing->pruned   ? " It was pruned here: nothing to compare."
                      : !comparing->heard ? " Nothing was ever received of it."
                                          : "";
    buffer_add_string(out, "Operation ");
    term_add_safe(term, out, comparing->operation_id, 0);
    buffer_add_string(out, " (");
    term_add_safe(term, out, platform_text(comparing->task, "status"), 0);
    buffer_addf(out,
                "): %lld devices planned.%s\n  platform: %lld success, %lld fail, %lld going, %lld "
                "ended otherwise, %lld unknown\n  here:     %lld success, %lld fail, %lld in "
                "progress, %lld never reported\n",
                (long long)comparing->total, why, (long long)comparing->success,
                (long long)comparing->fail, (long long)comparing->going,
                (long long)comparing->other, (long long)comparing->unknown,
                (long long)comparing->here[RECORD_SUCCESS], (long long)comparing->here[RECORD_FAIL],
                (long long)comparing->here[RECORD_IN_PROGRESS], (long long)comparing->missing);
    if (read_devices(comparing) < comparing->total)
        buffer_addf(out, "  The platform gave only %lld of the devices: ask again.\n",
                    (long long)read_devices(comparing));
    if (comparing->findings == 0)
        return;
    buffer_add_string(out, "\n");
    columns_write(&comparing->table, out);
    buffer_add_string(out, "\n");
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

/* Notes in the store what was asked back: which devices there are, and how the platform says that
 * each is. A list that was not read whole, or nothing, is no list. */
static int keep(const struct comparing *comparing, struct store *store, struct fault *fault)
{
    const struct store_named named = {.app_id = comparing->call->settings.app_id,
                                      .operation_id = comparing->operation_id,
                                      .now_ms = comparing->call->now_ms};
    struct giving giving = {.statuses = json_object()};
    struct store_planned planned;
    const char *id;
    json_t *device;
    if (comparing->pruned || comparing->total == 0 || read_devices(comparing) < comparing->total) {
        json_decref(giving.statuses);
        return 0;
    }
    json_object_foreach(comparing->devices, id, device)
    {
        json_t *status = json_object_get(device, "status");
        if (status != NULL)
            json_object_set(giving.statuses, platform_text(device, "deviceId"), status);
    }
    giving.at = json_object_iter(giving.statuses);
    int result = store_save_expected(store, &named, give_device, &giving, &planned, fault);
    json_decref(giving.statuses);
    return result == 0 ? 0 : fault_add(fault, "operation %.200s", comparing->operation_id);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Compares one task, and prints it. Returns an exit code. */
static int reconcile_one(struct platform_call *call, struct store_reader *reader,
                         struct store *store, const json_t *task, struct buffer *out,
                         struct fault *fault)
{
    struct comparing comparing = {.call = call,
                                  .reader = reader,
                                  .task = task,
                                  .operation_id = platform_text(task, "operationId")};
    int code = PLATFORM_UNUSABLE;
    columns_init(&comparing.table, &call->term, columns, sizeof columns / sizeof columns[0]);
    if (tasks_read_devices(call->session, comparing.operation_id, &comparing.devices,
                           &comparing.total, fault) == 0 &&
        read_store(&comparing, fault) == 0) {
        compare(&comparing);
        if (call->json)
            add_json(&comparing, out), buffer_add_string(out, "\n");
        else
            add_text(&comparing, out);
        code = differs(&comparing) ? PLATFORM_DIFFERS : PLATFORM_DONE;
        if (term_print(&call->term, out, fault) != 0 ||
            (store != NULL && keep(&comparing, store, fault) != 0))
            code = PLATFORM_UNUSABLE;
    }
    columns_release(&comparing.table);
    buffer_release(&comparing.rows);
    json_decref(comparing.devices);
    return code;
}

/* Compares the tasks of an object. Returns an exit code. */
static int reconcile_each(struct platform_call *call, struct store_reader *reader, json_t *tasks,
                          struct fault *fault)
{
    struct command_call opening = {.options = &call->options, .reader = reader};
    struct store *store = NULL;
    int code = PLATFORM_DONE;
    if (call->keep && command_open_store(&opening, &store, fault) != 0)
        return PLATFORM_UNUSABLE;
    struct buffer out = {0};
    const char *id;
    json_t *task;
    json_object_foreach(tasks, id, task)
    {
        int one = reconcile_one(call, reader, store, task, &out, fault);
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

int platform_reconcile(struct platform_call *call, struct fault *fault)
{
    struct store_reader *reader = NULL;
    json_t *tasks = NULL;
    int64_t version;
    if ((call->words_length > 0) + call->all + call->running != 1) {
        fault_set(fault, "reconcile: takes OPERATIONs, or --all, or --running");
        return PLATFORM_USAGE;
    }
    int code = PLATFORM_UNUSABLE;
    if (store_reader_new(&reader, call->options.state, fault) == 0 &&
        store_read_version(reader, &version, fault) == 0) {
        int result = -1;
        if (call->words_length == 0)
            result = tasks_read_all(call->session, call->running, call->now_ms, &tasks, fault);
        else if ((tasks = json_object()) != NULL)
            result = read_named(call, tasks, fault);
        if (result == 0)
            code = reconcile_each(call, reader, tasks, fault);
    }
    store_reader_free(reader);
    json_decref(tasks);
    return code;
}
