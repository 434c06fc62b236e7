/* tasks: upgrade tasks and their sub-tasks as the platform tells them. */
#include "config.h"

#include "platform/tasks.h"

#include "platform/platform.h"

#include <string.h>
#include <time.h>

enum task_end tasks_end(const char *status)
{
    static const struct {
        const char *status;
        enum task_end end;
    } known[] = {
        {"wait", TASK_GOING},       {"waitting", TASK_GOING},  {"waiting", TASK_GOING},
        {"processing", TASK_GOING}, {"success", TASK_SUCCESS}, {"fail", TASK_FAIL},
        {"failed", TASK_FAIL},      {"stop", TASK_OTHER_END},  {"timeout", TASK_OTHER_END},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].status, status) == 0)
            return known[i].end;
    return TASK_UNKNOWN;
}

bool tasks_is_waiting(const char *status)
{
    return strncmp(status, "wait", 4) == 0 && tasks_end(status) == TASK_GOING;
}

static bool is_task(const json_t *task)
{
    return platform_text(task, "operationId")[0] != '\0' &&
           platform_text(task, "status")[0] != '\0';
}

static void add_path(struct buffer *path, const char *operation_id, const char *end)
{
    buffer_add_string(path, PLATFORM_OPERATIONS "/");
    session_add_escaped(path, operation_id);
    buffer_add_string(path, end);
    buffer_add(path, "", 1);
}

int tasks_read(struct session *session, const char *operation_id, json_t **task,
               struct fault *fault)
{
    struct buffer path = {0};
    *task = NULL;
    add_path(&path, operation_id, "");
    int result = path.failed ? fault_set(fault, "out of memory")
                             : session_call(session, "GET", path.bytes, NULL, task, fault);
    buffer_release(&path);
    if (result == 0 &&
        (!is_task(*task) || strcmp(platform_text(*task, "operationId"), operation_id) != 0))
        result = session_refuse("a task", *task, fault);
    return result == 0 ? 0 : fault_add(fault, "operation %.200s", operation_id);
}

/* --- all tasks -------------------------------------------------------------------------------- */

/* Reads the platform's yyyyMMdd'T'HHmmss'Z'. */
static bool read_time(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &tm);
    if (end == NULL || *end != '\0')
        return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

struct gathering {
    json_t *rows;
    bool running;
    int64_t now_ms;
};

static bool is_running(const json_t *task, int64_t now_ms)
{
    enum task_end end = tasks_end(platform_text(task, "status"));
    int64_t stopped_ms;
    return end == TASK_GOING || end == TASK_UNKNOWN ||
           !read_time(platform_text(task, "stopTime"), &stopped_ms) ||
           now_ms - stopped_ms < TASKS_ENDED_MS;
}

static int gather_task(void *owner, json_t *row, struct fault *fault)
{
    struct gathering *gathering = owner;
    if (!is_task(row))
        return session_refuse("the list of tasks", row, fault);
    if (gathering->running && !is_running(row, gathering->now_ms))
        return 0;
    return json_object_set(gathering->rows, platform_text(row, "operationId"), row) == 0
               ? 0
               : fault_set(fault, "out of memory");
}

int tasks_read_all(struct session *session, bool running, int64_t now_ms, json_t **tasks,
                   struct fault *fault)
{
    int64_t total;
    struct gathering gathering = {.rows = json_object(), .running = running, .now_ms = now_ms};
    *tasks = gathering.rows;
    return session_read_list(session, PLATFORM_OPERATIONS, "data", gather_task, &gathering, &total,
                             fault);
}

/* --- sub-tasks -------------------------------------------------------------------------------- */

static int gather_device(void *owner, json_t *row, struct fault *fault)
{
    const char *id = platform_text(row, "subOperationId"), *device = platform_text(row, "deviceId"),
               *status = platform_text(row, "status"), *detail = platform_text(row, "detailInfo");
    if (id[0] == '\0' || device[0] == '\0' || status[0] == '\0')
        return session_refuse("the list of sub-tasks", row, fault);
    json_t *kept = json_pack("{ssssss}", "deviceId", device, "status", status, "detailInfo",
                             detail);
    return json_object_set_new(owner, id, kept) == 0 ? 0 : fault_set(fault, "out of memory");
}

int tasks_read_devices(struct session *session, const char *operation_id, json_t **devices,
                       int64_t *total, struct fault *fault)
{
    struct buffer path = {0};
    *devices = json_object();
    *total = 0;
    add_path(&path, operation_id, "/subOperations");
    int result = path.failed || *devices == NULL ? fault_set(fault, "out of memory") : 0;
    for (int round = 0; result == 0 && round < TASKS_ROUNDS_MAX; round++) {
        result = session_read_list(session, path.bytes, "data", gather_device, *devices, total,
                                   fault);
        if ((int64_t)json_object_size(*devices) >= *total)
            break;
    }
    buffer_release(&path);
    return result == 0 ? 0 : fault_add(fault, "operation %.200s", operation_id);
}
