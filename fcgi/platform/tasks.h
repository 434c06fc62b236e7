/* tasks: upgrade tasks and their sub-tasks as the platform tells them. Its words are open: an
 * unknown status is kept as it came. */
#ifndef PLATFORM_TASKS_H
#define PLATFORM_TASKS_H

#include "base/fault.h"
#include "platform/session.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* How often the sub-tasks are read again, if fewer came than there are: pages may change meanwhile.
 */
#define TASKS_ROUNDS_MAX 3

/* A task that ended less than this ago counts as running: its last pushes may still come. */
#define TASKS_ENDED_MS ((int64_t)24 * 3600 * 1000)

/* What a status means. */
enum task_end { TASK_GOING, TASK_SUCCESS, TASK_FAIL, TASK_OTHER_END, TASK_UNKNOWN };

/* The meaning of a STATUS of a task or a sub-task. */
enum task_end tasks_end(const char *status);

/* Whether it is that of a sub-task that has not begun. */
bool tasks_is_waiting(const char *status);

/* Gives the task OPERATION_ID; free it with json_decref. */
int tasks_read(struct session *session, const char *operation_id, json_t **task,
               struct fault *fault);

/* Gives all tasks, an object by operationId. With RUNNING, those alone that have not ended long
 * before NOW_MS. */
int tasks_read_all(struct session *session, bool running, int64_t now_ms, json_t **tasks,
                   struct fault *fault);

/* Gives the sub-tasks of a task, an object by subOperationId. Each has deviceId, status and
 * detailInfo, all of them texts. *TOTAL is how many the platform says there are; with fewer in the
 * object, the list could not be read whole. */
int tasks_read_devices(struct session *session, const char *operation_id, json_t **devices,
                       int64_t *total, struct fault *fault);

#endif
