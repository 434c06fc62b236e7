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

/* How a receiver that can keep notifications has answered, by its STATUS: not well if none of what
 * came was one. */
static enum term_tone judge_answers(const struct command_call *call, const json_t *status,
                                    struct buffer *out)
{
    const json_t *process = json_object_get(status, "process");
    const json_t *totals = json_object_get(status, "totals");
    const char *warning = whole_text(json_object_get(status, "log"), "warning");
    int64_t refused = whole_number(process, "refused_in_a_row");
    int64_t unsigned_ones = whole_number(process, "answers_401");
    int64_t misses = whole_number(process, "near_misses");
    int64_t quarantined = whole_number(totals, "quarantined");
    enum term_tone tone = TERM_BAD;
    if (unsigned_ones > 0 && whole_number(process, "answers_200") == 0) {
        buffer_addf(out, "answered 401 (%lld) and never 200 since then", (long long)unsigned_ones);
    } else if (whole_number(totals, "notifications") == 0 && quarantined > 0) {
        buffer_add_string(out, "no notification yet, all that came is in quarantine");
    } else {
        buffer_add_string(out, "keeping notifications");
        tone = refused + misses > 0 || warning[0] != '\0' ? TERM_WARN : TERM_GOOD;
    }
    if (refused > 0)
        buffer_addf(out, "; answers other than 200 since the last 200: %lld", (long long)refused);
    if (misses > 0)
        buffer_addf(out, "; POSTs on nearly a callback path: %lld", (long long)misses);
    buffer_add_string(out, warning[0] != '\0' ? "; " : "");
    term_add_safe(call->term, out, warning, 0);
    return tone;
}

/* The state of a running receiver by its STATUS, or why that is out of date. */
static enum term_tone judge(const struct command_call *call, const json_t *status,
                            struct buffer *out)
{
    const json_t *store = json_object_get(status, "store");
    char now[CLOCK_TEXT_SIZE], since[COMMAND_TIME_SIZE];
    struct statvfs disk;
    if (json_is_false(json_object_get(store, "ok"))) {
        buffer_addf(
            out, "answers 503 since %s: ", command_time(call, whole_text(store, "since"), since));
        term_add_safe(call->term, out, whole_text(store, "fault"), 0);
        return TERM_BAD;
    }
    if (statvfs(call->options->state, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_MIN) {
        buffer_add_string(out, "the disk of the state folder is full");
        return TERM_BAD;
    }
    if (strcmp(whole_text(status, "nextBefore"), clock_format(call->now_ms, now)) < 0) {
        buffer_addf(out, "does not write its status file, the last is from %s",
                    command_time(call, whole_text(status, "time"), since));
        return TERM_BAD;
    }
    return judge_answers(call, status, out);
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
                command_time(call, whole_text(status, "startedAt"), since), pid);
    term_begin_tone(call->term, out, tone);
    buffer_add(out, state.bytes, state.length);
    term_end_tone(call->term, out, tone);
    buffer_release(&state);
}

void command_add_receiver(const struct command_call *call, struct buffer *out)
{
    long pids[RUNNING_MAX];
    char time[COMMAND_TIME_SIZE];
    if (call->copy != NULL) {
        command_add_books(call, out);
        return;
    }
    int count = running_find(call->options->state, pids);
    int error = errno;
    json_t *status = command_read_file(call);
    buffer_add_string(out, "receiver: ");
    if (count < 0) {
        buffer_addf(out, "cannot tell whether it runs: running.lock: %s", strerror(error));
    } else if (count > 0) {
        add_running(call, pids, count, status, out);
    } else {
        term_add_tone(call->term, out, TERM_BAD, "not running");
        if (status != NULL)
            buffer_addf(out, ", its last status file is from %s",
                        command_time(call, whole_text(status, "time"), time));
    }
    buffer_add_string(out, "\n");
    json_decref(status);
}
