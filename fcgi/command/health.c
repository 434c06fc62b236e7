/* health: the state of the receiver, in one line above all operations. */
#include "config.h"

#include "base/clock.h"
#include "base/running.h"
#include "command/command.h"
#include "command/whole.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* If less is free on the disk, the receiver's probe fails. */
#define ROOM_MIN ((uint64_t)1 << 20)

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

json_t *command_read_file(const struct command_call *call)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/status.json", call->options->state);
    struct buffer text = {0};
    FILE *file = fopen(path, "re");
    json_t *status = NULL;
    if (file == NULL)
        return NULL;
    char bytes[4096];
    size_t length;
    while ((length = fread(bytes, 1, sizeof bytes, file)) > 0)
        buffer_add(&text, bytes, length);
    if (!text.failed)
        status = whole_parse(text.bytes, text.length);
    fclose(file);
    buffer_release(&text);
    return status;
}

static bool is_full(const struct command_call *call)
{
    struct statvfs disk;
    return statvfs(call->options->state, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN;
}

/* The state of a running receiver by its STATUS, or why that is out of date. */
static enum term_tone judge(const struct command_call *call, const json_t *status,
                            struct buffer *out)
{
    const json_t *store = json_object_get(status, "store");
    const char *warning = text_of(json_object_get(status, "log"), "warning");
    char now[CLOCK_TEXT_SIZE], since[COMMAND_TIME_SIZE];
    if (json_is_false(json_object_get(store, "ok"))) {
        buffer_addf(out,
                    "answers 503 since %s: ", command_time(call, text_of(store, "since"), since));
        term_add_safe(call->term, out, text_of(store, "fault"), 0);
        return TERM_BAD;
    }
    if (is_full(call)) {
        buffer_add_string(out, "the disk of the state folder is full");
        return TERM_BAD;
    }
    if (strcmp(text_of(status, "nextBefore"), clock_format(call->now_ms, now)) < 0) {
        buffer_addf(out, "does not write its status file, the last is from %s",
                    command_time(call, text_of(status, "time"), since));
        return TERM_BAD;
    }
    buffer_add_string(out, "keeping notifications");
    if (warning[0] == '\0')
        return TERM_GOOD;
    buffer_add_string(out, "; ");
    term_add_safe(call->term, out, warning, 0);
    return TERM_WARN;
}

static void add_running(const struct command_call *call, const long *pids, int count,
                        const json_t *status, struct buffer *out)
{
    long pid = (long)json_integer_value(json_object_get(status, "pid"));
    char since[COMMAND_TIME_SIZE];
    int its = 0;
    while (its < count && pids[its] != pid)
        its++;
    if (count > 1)
        buffer_addf(out, "%d receivers run; ", count);
    if (its == count) { /* it has just started, or cannot write the file */
        buffer_addf(out, "running, pid %ld: no status file of it yet", pids[0]);
        return;
    }
    struct buffer state = {0};
    enum term_tone tone = judge(call, status, &state);
    buffer_addf(out, "running since %s, pid %ld: ",
                command_time(call, text_of(status, "startedAt"), since), pid);
    term_begin_tone(call->term, out, tone);
    buffer_add(out, state.bytes, state.length);
    term_end_tone(call->term, out, tone);
    buffer_release(&state);
}

void command_add_receiver(const struct command_call *call, struct buffer *out)
{
    long pids[RUNNING_MAX];
    char time[COMMAND_TIME_SIZE];
    int count = running_find(call->options->state, pids);
    int error = errno;
    json_t *status = command_read_file(call);
    buffer_add_string(out, "receiver: ");
    if (count < 0) {
        buffer_addf(out, "cannot tell whether it runs: running.lock: %s", strerror(error));
    } else if (count > 0) {
        add_running(call, pids, count, status, out);
    } else {
        term_begin_tone(call->term, out, TERM_BAD);
        buffer_add_string(out, "not running");
        term_end_tone(call->term, out, TERM_BAD);
        if (status != NULL)
            buffer_addf(out, ", its last status file is from %s",
                        command_time(call, text_of(status, "time"), time));
    }
    buffer_add_string(out, "\n");
    json_decref(status);
}
