/* compare: one task at the platform, and what the store has of it. */
#ifndef PLATFORM_COMPARE_H
#define PLATFORM_COMPARE_H

#include "base/buffer.h"
#include "base/fault.h"
#include "platform/platform.h"
#include "platform/tasks.h"
#include "store/lists.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is to be looked at in a device. */
enum finding { FINDING_NONE, NO_PUSH, NO_RESULT, ENDS_DIFFER, NOT_AT_PLATFORM, UNKNOWN_STATUS };
#define FINDINGS (UNKNOWN_STATUS + 1)

/* One task, and what the store has of it. */
struct comparison {
    const json_t *task; /* lent */
    const char *operation_id;
    json_t *devices; /* as tasks_read_devices gives them, and those that only the store has; added
                        are `here`, a state, and `finding`, each if there is one */
    int64_t total;   /* devices that the platform says there are */
    bool heard, pruned;
    bool is_operators;              /* an operator saved the list of devices that it has */
    int64_t ends[TASK_UNKNOWN + 1]; /* devices at the platform by what their status means */
    int64_t waiting;                /* of those going: they have not begun */
    int64_t here[3];                /* upgrades in the store by state */
    int64_t missing;                /* devices of the platform without an upgrade */
    int64_t found[FINDINGS];
    int64_t lost; /* of those without a push: the platform says that they succeeded */
};

/* Asks the platform for the devices of TASK, which is lent, and compares them with the store.
 * Release COMPARISON with comparison_release, also after a failure. */
int comparison_make(struct platform_call *call, struct store_reader *reader, const json_t *task,
                    struct comparison *comparison, struct fault *fault);
void comparison_release(struct comparison *comparison);

/* Devices of the platform that were read: fewer than there are, if its list changed too often. */
int64_t comparison_read(const struct comparison *comparison);

/* Whether something is to be looked at. */
bool comparison_differs(const struct comparison *comparison);

/* The finding of one of the devices, its state here ("-": none), and the finding in words. */
enum finding comparison_finding(const json_t *device);
const char *comparison_here(const json_t *device);
const char *finding_text(enum finding finding);

/* Appends the comparison as a JSON object, with findings as long as they are no more than MOST, nor
 * longer than BYTES together. */
void comparison_add_json(const struct comparison *comparison, size_t most, size_t bytes,
                         struct buffer *out);

#endif
