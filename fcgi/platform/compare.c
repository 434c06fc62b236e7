/* compare: one task at the platform, and what the store has of it. */
#include "config.h"

#include "platform/compare.h"

#include "base/json_writer.h"

static const char *const state_texts[] = {
    [RECORD_IN_PROGRESS] = "IN_PROGRESS", [RECORD_SUCCESS] = "SUCCESS", [RECORD_FAIL] = "FAIL"};

/* --- the store's side ------------------------------------------------------------------------- */

/* Adds what the store has to the devices; to those, too, that only the store has. */
static int add_upgrade(struct comparison *comparison, const struct store_upgrade_row *row,
                       struct fault *fault)
{
    json_t *device = json_object_get(comparison->devices, row->sub_operation_id);
    json_t *state = json_integer((json_int_t)row->state);
    comparison->here[row->state]++;
    if (device == NULL) {
        device = json_pack("{ss}", "deviceId", row->device_id);
        if (device == NULL ||
            json_object_set_new(comparison->devices, row->sub_operation_id, device) != 0)
            device = NULL;
    }
    return device != NULL && json_object_set_new(device, "here", state) == 0
               ? 0
               : fault_set(fault, "out of memory");
}

static int read_upgrades(struct comparison *comparison, struct store_reader *reader,
                         int64_t operation, struct fault *fault)
{
    const struct store_upgrade_filter filter = {.operation = operation};
    struct store_rows rows = store_list_upgrades(reader, &filter, NULL, SIZE_MAX, fault);
    struct store_upgrade_row row;
    int result = 0;
    while (result == 0 && store_next_upgrade(&rows, &row))
        result = add_upgrade(comparison, &row, fault);
    return store_rows_end(&rows, NULL) != 0 ? -1 : result;
}

/* Whether the list of an operation is an operator's: the platform's has its status of each device.
 */
static int read_list(struct comparison *comparison, struct store_reader *reader, int64_t operation,
                     struct fault *fault)
{
    struct store_rows rows = store_list_expected(reader, operation, false, NULL, 1, fault);
    const char *device_id, *told;
    comparison->is_operators = store_next_expected(&rows, &device_id, &told) && told[0] == '\0';
    return store_rows_end(&rows, NULL);
}

/* Reads the store after the platform: what came meanwhile is there. */
static int read_store(struct comparison *comparison, struct store_reader *reader,
                      const char *app_id, struct fault *fault)
{
    int64_t operation = 0;
    bool has_plan = false;
    if (store_read_begin(reader, STORE_READ_MOST_MS, fault) != 0)
        return -1;
    struct store_rows rows = store_find_operations(reader, app_id, comparison->operation_id, false,
                                                   1, fault);
    struct store_operation_row row;
    if (store_next_operation(&rows, &row)) {
        operation = row.id;
        comparison->heard = row.heard;
        comparison->pruned = row.pruned;
        has_plan = row.has_plan;
    }
    int result = store_rows_end(&rows, NULL);
    if (result == 0 && has_plan)
        result = read_list(comparison, reader, operation, fault);
    if (result == 0 && operation != 0)
        result = read_upgrades(comparison, reader, operation, fault);
    store_read_end(reader);
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

static int count_device(struct comparison *comparison, json_t *device, struct fault *fault)
{
    const char *status = platform_text(device, "status");
    enum task_end end = tasks_end(status);
    /* Of what was pruned here, nothing is left to compare. */
    enum finding finding = comparison->pruned ? FINDING_NONE : judge(device);
    if (status[0] != '\0') {
        comparison->ends[end]++;
        comparison->waiting += tasks_is_waiting(status);
        comparison->missing += json_object_get(device, "here") == NULL;
    }
    if (finding == FINDING_NONE)
        return 0;
    comparison->found[finding]++;
    comparison->lost += finding == NO_PUSH && end == TASK_SUCCESS;
    return json_object_set_new(device, "finding", json_integer(finding)) == 0
               ? 0
               : fault_set(fault, "out of memory");
}

int comparison_make(struct platform_call *call, struct store_reader *reader, const json_t *task,
                    struct comparison *comparison, struct fault *fault)
{
    const char *id;
    json_t *device;
    *comparison = (struct comparison){.task = task,
                                      .operation_id = platform_text(task, "operationId")};
    int result = tasks_read_devices(call->session, comparison->operation_id, &comparison->devices,
                                    &comparison->total, fault);
    if (result == 0)
        result = read_store(comparison, reader, call->settings.app_id, fault);
    if (result != 0)
        return -1;
    json_object_foreach(comparison->devices, id, device) if (result == 0)
        result = count_device(comparison, device, fault);
    return result;
}

void comparison_release(struct comparison *comparison)
{
    json_decref(comparison->devices);
}

int64_t comparison_read(const struct comparison *comparison)
{
    int64_t read = 0;
    for (int end = 0; end <= TASK_UNKNOWN; end++)
        read += comparison->ends[end];
    return read;
}

bool comparison_differs(const struct comparison *comparison)
{
    int64_t findings = 0;
    for (int finding = 0; finding < FINDINGS; finding++)
        findings += comparison->found[finding];
    return findings > 0 || comparison_read(comparison) < comparison->total;
}

enum finding comparison_finding(const json_t *device)
{
    return (enum finding)json_integer_value(json_object_get(device, "finding"));
}

const char *comparison_here(const json_t *device)
{
    const json_t *state = json_object_get(device, "here");
    return state == NULL ? "-" : state_texts[json_integer_value(state)];
}

const char *finding_text(enum finding finding)
{
    static const char *const texts[] = {
        [FINDING_NONE] = "",
        [NO_PUSH] = "no push came",
        [NO_RESULT] = "no result came",
        [ENDS_DIFFER] = "the ends differ",
        [NOT_AT_PLATFORM] = "not at the platform",
        [UNKNOWN_STATUS] = "unknown status",
    };
    return texts[finding];
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void add_finding(struct buffer *out, const char *id, const json_t *device)
{
    bool is_here = json_object_get(device, "here") != NULL;
    json_open(out, NULL, '{');
    json_add_string(out, "deviceId", platform_text(device, "deviceId"));
    json_add_string(out, "subOperationId", id);
    json_add_string(out, "platform", json_string_value(json_object_get(device, "status")));
    json_add_string(out, "here", is_here ? comparison_here(device) : NULL);
    json_add_string(out, "finding", finding_text(comparison_finding(device)));
    json_add_string(out, "detailInfo", platform_text(device, "detailInfo"));
    json_close(out, '}');
}

static void add_findings(const struct comparison *comparison, size_t most, size_t bytes,
                         struct buffer *out)
{
    bool more = false;
    size_t count = 0;
    const char *id;
    json_t *device;
    json_open(out, "findings", '[');
    size_t end = bytes < SIZE_MAX - out->length ? out->length + bytes : SIZE_MAX;
    json_object_foreach(comparison->devices, id, device)
    {
        size_t before = out->length;
        if (more || comparison_finding(device) == FINDING_NONE)
            continue;
        if (count++ < most)
            add_finding(out, id, device);
        more = count > most || out->length > end;
        if (more)
            out->length = before;
    }
    json_close(out, ']');
    json_add_bool(out, "findingsMore", more);
}

static void add_counts(const struct comparison *comparison, struct buffer *out)
{
    const int64_t *ends = comparison->ends, *here = comparison->here, *found = comparison->found;
    json_open(out, "platform", '{');
    json_add_number(out, "going", ends[TASK_GOING]);
    json_add_number(out, "waiting", comparison->waiting);
    json_add_number(out, "success", ends[TASK_SUCCESS]);
    json_add_number(out, "fail", ends[TASK_FAIL]);
    json_add_number(out, "otherEnd", ends[TASK_OTHER_END]);
    json_add_number(out, "unknown", ends[TASK_UNKNOWN]);
    json_close(out, '}');
    json_open(out, "here", '{');
    json_add_number(out, "inProgress", here[RECORD_IN_PROGRESS]);
    json_add_number(out, "success", here[RECORD_SUCCESS]);
    json_add_number(out, "fail", here[RECORD_FAIL]);
    json_add_number(out, "missing", comparison->missing);
    json_close(out, '}');
    json_open(out, "found", '{');
    json_add_number(out, "noPush", found[NO_PUSH]);
    json_add_number(out, "noPushOfSuccess", comparison->lost);
    json_add_number(out, "noResult", found[NO_RESULT]);
    json_add_number(out, "endsDiffer", found[ENDS_DIFFER]);
    json_add_number(out, "notAtPlatform", found[NOT_AT_PLATFORM]);
    json_add_number(out, "unknownStatus", found[UNKNOWN_STATUS]);
    json_close(out, '}');
}

void comparison_add_json(const struct comparison *comparison, size_t most, size_t bytes,
                         struct buffer *out)
{
    const json_t *task = comparison->task;
    json_open(out, NULL, '{');
    json_add_string(out, "operationId", comparison->operation_id);
    json_add_string(out, "operateType", json_string_value(json_object_get(task, "operateType")));
    json_add_string(out, "status", platform_text(task, "status"));
    json_add_string(out, "createTime", json_string_value(json_object_get(task, "createTime")));
    json_add_bool(out, "heard", comparison->heard);
    json_add_bool(out, "pruned", comparison->pruned);
    json_add_number(out, "planned", comparison->total);
    json_add_bool(out, "complete", comparison_read(comparison) >= comparison->total);
    add_counts(comparison, out);
    add_findings(comparison, most, bytes, out);
    json_close(out, '}');
}
