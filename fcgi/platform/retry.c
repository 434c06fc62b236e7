/* retry: upgrade-platform's command that makes a new task over the devices that failed. */
#include "config.h"

#include "base/json_writer.h"
#include "command/command.h"
#include "platform/platform.h"
#include "platform/tasks.h"

#include <string.h>

/* Most devices of a task. */
#define RETRY_CHUNK 256

struct retrying {
    struct platform_call *call;
    const char *operation_id;
    const char *path; /* of the new tasks */
    json_t *failed;   /* deviceIds */
};

/* The path for a new task of the same kind; NULL if it is unknown. */
static const char *path_of(const json_t *task)
{
    const char *type = platform_text(task, "operateType");
    return strcmp(type, "software_upgrade") == 0   ? PLATFORM_OPERATIONS "/softwareUpgrade"
           : strcmp(type, "firmware_upgrade") == 0 ? PLATFORM_OPERATIONS "/firmwareUpgrade"
                                                   : NULL;
}

/* Gathers the devices that failed, by what the platform says. */
static int gather_failed(struct retrying *retrying, struct fault *fault)
{
    json_t *devices, *device, *seen = json_object();
    const char *id;
    int64_t total;
    int result = tasks_read_devices(retrying->call->session, retrying->operation_id, &devices,
                                    &total, fault);
    if (result == 0 && (int64_t)json_object_size(devices) < total)
        result = fault_set(fault,
                           "the platform gave only %zu of %lld devices: ask again when the task "
                           "rests",
                           json_object_size(devices), (long long)total);
    json_object_foreach(devices, id, device)
    {
        const char *name = platform_text(device, "deviceId");
        if (result != 0 || tasks_end(platform_text(device, "status")) != TASK_FAIL ||
            json_object_get(seen, name) != NULL)
            continue;
        if (json_object_set_new(seen, name, json_true()) != 0 ||
            json_array_append_new(retrying->failed, json_string(name)) != 0)
            result = fault_set(fault, "out of memory");
    }
    json_decref(devices);
    json_decref(seen);
    return result;
}

/* The request for the devices from FROM on. */
static json_t *make_request(const struct retrying *retrying, size_t from)
{
    json_t *devices = json_array();
    size_t length = json_array_size(retrying->failed);
    for (size_t i = from; i < length && i < from + RETRY_CHUNK; i++)
        json_array_append(devices, json_array_get(retrying->failed, i));
    return json_pack("{sss{so}s{ss}}", "fileId", retrying->call->file, "targets", "devices",
                     devices, "policy", "executeType", "now");
}

/* Starts one task, and prints its id at once: what was started is known, if a later one fails. */
static int start_one(const struct retrying *retrying, size_t from, struct fault *fault)
{
    struct platform_call *call = retrying->call;
    json_t *request = make_request(retrying, from), *answer = NULL;
    size_t count = json_array_size(json_object_get(json_object_get(request, "targets"), "devices"));
    int result = request == NULL
                     ? fault_set(fault, "out of memory")
                     : session_call(call->session, "POST", retrying->path, request, &answer, fault);
    const char *id = platform_text(answer, "operationId");
    if (result == 0 && id[0] == '\0')
        result = session_refuse("a new task", answer, fault);
    struct buffer out = {0};
    if (result == 0 && call->json) {
        json_open(&out, NULL, '{');
        json_add_string(&out, "operationId", id);
        json_add_number(&out, "devices", (int64_t)count);
        json_close(&out, '}');
        buffer_add_string(&out, "\n");
    } else if (result == 0) {
        buffer_add_string(&out, "Started operation ");
        term_add_safe(&call->term, &out, id, 0);
        buffer_add_string(&out, " over ");
        command_add_count(&out, (int64_t)count, "device");
        buffer_add_string(&out, ".\n");
    }
    if (result == 0 && term_print(&call->term, &out, fault) != 0)
        result = -1;
    buffer_release(&out);
    json_decref(request);
    json_decref(answer);
    return result;
}

/* Tells what would be started. */
static int show(const struct retrying *retrying, struct fault *fault)
{
    struct platform_call *call = retrying->call;
    struct buffer out = {0};
    size_t length = json_array_size(retrying->failed), index;
    size_t tasks = (length + RETRY_CHUNK - 1) / RETRY_CHUNK;
    json_t *device;
    if (call->json) {
        json_open(&out, NULL, '{');
        json_add_string(&out, "operationId", retrying->operation_id);
        json_add_string(&out, "fileId", call->file);
        json_add_number(&out, "tasks", (int64_t)tasks);
        json_open(&out, "devices", '[');
        json_array_foreach(retrying->failed, index, device)
            json_add_string(&out, NULL, json_string_value(device));
        json_close(&out, ']');
        json_close(&out, '}');
        buffer_add_string(&out, "\n");
        return platform_print(call, &out, fault);
    }
    json_array_foreach(retrying->failed, index, device)
    {
        term_add_safe(&call->term, &out, json_string_value(device), 0);
        buffer_add_string(&out, "\n");
    }
    command_add_count(&out, (int64_t)length, "device");
    buffer_add_string(&out, " failed: ");
    command_add_count(&out, (int64_t)tasks, "new task");
    buffer_add_string(&out, ", with the file ");
    term_add_safe(&call->term, &out, call->file, 0);
    buffer_add_string(&out, ". Nothing is started yet. To start: add --start ");
    term_add_safe(&call->term, &out, retrying->operation_id, 0);
    buffer_add_string(&out, "\n");
    return platform_print(call, &out, fault);
}

static int show_or_start(const struct retrying *retrying, struct fault *fault)
{
    struct buffer out = {0};
    if (json_array_size(retrying->failed) == 0 && !retrying->call->json) {
        buffer_add_string(&out, "No device failed, by what the platform says: there is nothing to "
                                "start.\n");
        return platform_print(retrying->call, &out, fault);
    }
    if (retrying->call->start == NULL)
        return show(retrying, fault);
    for (size_t from = 0; from < json_array_size(retrying->failed); from += RETRY_CHUNK)
        if (start_one(retrying, from, fault) != 0)
            return PLATFORM_UNUSABLE;
    return PLATFORM_DONE;
}

int platform_retry(struct platform_call *call, struct fault *fault)
{
    struct retrying retrying = {.call = call, .operation_id = call->words[0]};
    json_t *task = NULL;
    int code = PLATFORM_UNUSABLE;
    if (call->file == NULL || call->file[0] == '\0')
        fault_set(fault, "retry: takes --file ID, the id of the package");
    else if (call->start != NULL && strcmp(call->start, retrying.operation_id) != 0)
        fault_set(fault, "--start %.200s: is not the operation %.200s; nothing is started",
                  call->start, retrying.operation_id);
    if (fault->set)
        return PLATFORM_USAGE;
    retrying.failed = json_array();
    if (tasks_read(call->session, retrying.operation_id, &task, fault) == 0) {
        retrying.path = path_of(task);
        if (retrying.path == NULL)
            session_refuse("a task", task, fault);
        else if (gather_failed(&retrying, fault) == 0)
            code = show_or_start(&retrying, fault);
    }
    json_decref(retrying.failed);
    json_decref(task);
    return code;
}
