/* backup: upgrade-status's commands that copy the store into a file, and make it a store again. */
#include "config.h"

#include "base/json_writer.h"
#include "base/owner.h"
#include "base/running.h"
#include "command/command.h"
#include "store/maintenance.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The two parts of a copy, each with a line of progress. */
struct parts {
    struct term_progress copying, checking;
};

static void report_checking(void *owner, int64_t done, int64_t of)
{
    struct parts *parts = owner;
    term_report_end(&parts->copying);
    term_report(&parts->checking, done, of);
}

static struct store_copying copying_of(struct parts *parts)
{
    *parts = (struct parts){.copying = {.what = "copying"}, .checking = {.what = "checking"}};
    return (struct store_copying){
        .copying = {.owner = &parts->copying, .report = term_report},
        .checking = {.owner = parts, .report = report_checking},
        .log_most = STORE_BACKUP_LOG_MOST,
    };
}

static void parts_end(struct parts *parts)
{
    term_report_end(&parts->copying);
    term_report_end(&parts->checking);
}

/* Prints what the copy in FILE has, if it was made. RESULT is that of the store. */
static int tell(struct command_call *call, int result, const char *file,
                const struct store_copy *copy, struct fault *fault)
{
    char token[TOKEN_TEXT_SIZE];
    struct buffer out = {0};
    if (result != 0)
        return result > 0 ? COMMAND_FLAWS : COMMAND_UNUSABLE;
    if (call->json) {
        json_open(&out, NULL, '{');
        json_add_string(&out, "file", file);
        json_add_number(&out, "notifications", copy->notifications);
        json_add_number(&out, "seq", copy->last.seq);
        json_add_string(&out, "token", token_write(&copy->last, token));
        json_add_number(&out, "bytes", copy->bytes);
        json_close(&out, '}');
        buffer_add_string(&out, "\n");
    } else {
        term_add_safe(call->term, &out, file, 0);
        buffer_add_string(&out, ": ");
        command_add_count(&out, copy->notifications, "notification");
        buffer_addf(&out, ", the last has seq %lld; %lld bytes; it is sound\n",
                    (long long)copy->last.seq, (long long)copy->bytes);
    }
    return command_print(call, &out, fault);
}

int command_backup(struct command_call *call, struct fault *fault)
{
    struct parts parts;
    struct store_copying how = copying_of(&parts);
    struct store_copy copy = {.bytes = 0};
    int result = store_backup(call->reader, call->words[0], &how, &copy, fault);
    parts_end(&parts);
    return tell(call, result, call->words[0], &copy, fault);
}

/* Fails if a receiver runs on the state folder, or might. */
static int require_stopped(const struct command_call *call, struct fault *fault)
{
    long pids[RUNNING_MAX];
    int count = running_find(call->options->state, pids);
    if (count < 0)
        return fault_set_errno(fault, errno, "%s/running.lock: cannot tell whether a receiver runs",
                               call->options->state);
    return count == 0 ? 0
                      : fault_set(fault,
                                  "a receiver runs on %s, process %ld: stop it first, and what "
                                  "starts it again",
                                  call->options->state, pids[0]);
}

int command_restore(struct command_call *call, struct fault *fault)
{
    struct parts parts;
    struct store_copying how = copying_of(&parts);
    struct store_copy copy = {.bytes = 0};
    const char *file = call->words[0];
    /* Open it first: the owner of the folder may not be allowed to read it. */
    int from = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (from < 0) {
        fault_set_errno(fault, errno, "%s", file);
        return COMMAND_UNUSABLE;
    }
    int result = -1;
    if (require_stopped(call, fault) == 0 && owner_become(call->options->state, fault) == 0)
        result = store_restore(call->options->state, from, file, &how, &copy, fault);
    parts_end(&parts);
    close(from);
    struct buffer made = {0};
    buffer_addf(&made, "%s/upgrades.db", call->options->state);
    buffer_add(&made, "", 1);
    int code = tell(call, result, made.failed ? "upgrades.db" : made.bytes, &copy, fault);
    buffer_release(&made);
    return code;
}
