/* operation: upgrade-status's view of one operation, and its verdict for scripts. */
#include "config.h"

#include "base/units.h"
#include "command/show.h"

#include <stdio.h>
#include <string.h>

/* Above this share, and from this number on, too many have failed. ASKED: --fail-above was given.
 */
struct threshold {
    bool asked;
    int64_t share; /* in millionths */
    int64_t finished;
};

static int read_threshold(const struct command_call *call, struct threshold *threshold,
                          struct fault *fault)
{
    *threshold = (struct threshold){.asked = call->fail_above != NULL, .finished = 1};
    if (call->min_finished != NULL && call->fail_above == NULL)
        return fault_set(fault, "--min-finished means nothing without --fail-above");
    if (call->fail_above != NULL && units_share(call->fail_above, &threshold->share, fault) != 0)
        return fault_add(fault, "--fail-above");
    if (call->min_finished != NULL &&
        units_number(call->min_finished, 1, &threshold->finished, fault) != 0)
        return fault_add(fault, "--min-finished");
    return 0;
}

/* --- the portrait ------------------------------------------------------------------------------
 */

static void add_count(const struct command_call *call, struct buffer *out, const char *what,
                      enum term_tone tone, int64_t count, const char *remark)
{
    buffer_addf(out, "  %-14s", what);
    term_begin_tone(call->term, out, count > 0 ? tone : TERM_PLAIN);
    buffer_addf(out, "%10lld", (long long)count);
    term_end_tone(call->term, out, count > 0 ? tone : TERM_PLAIN);
    buffer_addf(out, "%s%s\n", remark[0] != '\0' ? "  " : "", remark);
}

static void add_moment(const struct command_call *call, struct buffer *out, const char *what,
                       const char *time)
{
    char at[COMMAND_TIME_SIZE], ago[COMMAND_TIME_SIZE];
    if (time[0] == '\0')
        return;
    buffer_addf(out, "  %-14s%s", what, command_time(call, time, at));
    buffer_addf(out, "  (%s)\n", command_ago(call, time, ago));
}

/* Adds how it goes, what it upgrades and to which versions, and the operators' note. */
static void add_state(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    const char *state = whole_text(operation, "state"), *kind = whole_text(operation, "software");
    const char *note = whole_text(operation, "note");
    enum term_tone tone = strcmp(state, "stalled") == 0 ? TERM_WARN : TERM_PLAIN;
    size_t i;
    json_t *target;
    buffer_addf(out, "  %-14s", "state");
    term_add_tone(call->term, out, tone,
                  whole_text(operation, "firstAt")[0] != '\0' ? state : "not begun");
    buffer_addf(out, "%s%s", kind[0] != '\0' ? "; " : "", kind);
    json_array_foreach(json_object_get(operation, "targetVersions"), i, target)
    {
        buffer_add_string(out, i == 0 ? " to " : ", ");
        term_add_safe(call->term, out, whole_text(target, "version"), 0);
    }
    buffer_add_string(out, "\n");
    if (note[0] == '\0')
        return;
    buffer_addf(out, "  %-14s", "note");
    term_add_safe(call->term, out, note, 0);
    buffer_add_string(out, "\n");
}

static void add_counts(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    const struct term_bar bar = command_bar(operation);
    int64_t finished = bar.success + bar.fail;
    int64_t missing = bar.missing, planned = whole_number(operation, "planned");
    char share[UNITS_TEXT_SIZE], remark[UNITS_TEXT_SIZE + 32] = "";
    buffer_add_string(out, "Operation ");
    term_add_tone(call->term, out, TERM_STRONG, whole_text(operation, "operationId"));
    buffer_add_string(out, " of application ");
    term_add_safe(call->term, out, whole_text(operation, "appId"), 0);
    buffer_add_string(out, command_is(operation, "pruned") ? " (pruned: only counters are left)\n"
                                                           : "\n");
    add_state(call, operation, out);
    if (call->term->is_terminal && finished + bar.in_progress + missing > 0) {
        buffer_add_string(out, "  ");
        term_add_bar(call->term, out, &bar, COMMAND_BAR_WIDE);
        buffer_addf(out, "  %s finished, of those %s\n",
                    units_share_text(finished, finished + bar.in_progress + missing, share),
                    planned > 0 ? "planned or reported" : "reported");
    }
    add_count(call, out, "success", TERM_GOOD, bar.success, "");
    if (finished > 0)
        snprintf(remark, sizeof remark, "%s of those finished",
                 units_share_text(bar.fail, finished, share));
    add_count(call, out, "fail", TERM_BAD, bar.fail, remark);
    add_count(call, out, "in progress", TERM_PLAIN, bar.in_progress, "");
    snprintf(remark, sizeof remark, "of %lld planned", (long long)planned);
    if (planned > 0)
        add_count(call, out, "missing", TERM_WARN, missing, remark);
    int64_t contradictory = whole_number(operation, "contradictory");
    add_count(call, out, "contradictory", TERM_WARN, contradictory,
              contradictory > 0 ? "ended with another version than the result says" : "");
    add_moment(call, out, "first", whole_text(operation, "firstAt"));
    add_moment(call, out, "last", whole_text(operation, "lastAt"));
}

/* --- the platform's own account --------------------------------------------------------------- */

static const struct column finding_columns[] = {
    {.title = "DEVICE", .key = true},
    {.title = "SUB-TASK", .spare = 2},
    {.title = "PLATFORM"},
    {.title = "HERE THEN"},
    {.title = "FINDING"},
    {.title = "DETAIL", .elastic = true, .spare = 1},
};

static void add_finding(const struct command_call *call, struct columns *table,
                        const json_t *finding, const json_t *said)
{
    (void)call;
    (void)said;
    const char *platform = whole_text(finding, "platform"), *here = whole_text(finding, "here");
    columns_add(table, TERM_PLAIN, whole_text(finding, "deviceId"));
    columns_add(table, TERM_PLAIN, whole_text(finding, "subOperationId"));
    columns_add(table, TERM_PLAIN, platform[0] == '\0' ? "-" : platform);
    columns_add(table, TERM_PLAIN, here[0] == '\0' ? "-" : here);
    columns_add(table, TERM_WARN, whole_text(finding, "finding"));
    columns_add(table, TERM_PLAIN, whole_text(finding, "detailInfo"));
}

/* Adds what the platform said when it was asked last, and when that was. */
static void add_platform(const struct command_call *call, const json_t *operation,
                         struct buffer *out)
{
    const struct command_table findings = {
        finding_columns, sizeof finding_columns / sizeof finding_columns[0], add_finding};
    const json_t *platform = json_object_get(operation, "platform");
    const json_t *said = json_object_get(platform, "said");
    const json_t *counts = json_object_get(said, "platform"),
                 *found = json_object_get(said, "found");
    if (said == NULL)
        return;
    buffer_add_string(out, "\nThe platform, when it was asked\n");
    add_moment(call, out, "asked", whole_text(platform, "askedAt"));
    add_count(call, out, "planned", TERM_PLAIN, whole_number(said, "planned"), "");
    add_count(call, out, "success", TERM_GOOD, whole_number(counts, "success"), "");
    add_count(call, out, "fail", TERM_BAD, whole_number(counts, "fail"), "");
    add_count(call, out, "not ended", TERM_PLAIN, whole_number(counts, "going"), "");
    add_count(call, out, "waiting", TERM_PLAIN, whole_number(counts, "waiting"),
              "of those not ended");
    add_count(call, out, "no push came", TERM_BAD, whole_number(found, "noPushOfSuccess"),
              "the platform says success");
    add_count(call, out, "ends differ", TERM_BAD, whole_number(found, "endsDiffer"),
              "ended otherwise here");
    command_add_table(call, "Differs from what was here then", said, "findings", &findings, out);
    if (command_is(said, "findingsMore"))
        buffer_add_string(out,
                          "... and more: upgrade-platform reconcile OPERATION names them all\n");
}

static const struct column failure_columns[] = {
    {.title = "CODE", .key = true},     {.title = "COUNT", .right = true},
    {.title = "SHARE", .right = true},  {.title = "FIRST SEEN", .spare = 2},
    {.title = "LAST SEEN", .spare = 1}, {.title = "EXAMPLE", .elastic = true},
};

static void add_failure(const struct command_call *call, struct columns *table,
                        const json_t *failure, const json_t *operation)
{
    const char *code = whole_text(failure, "errorCode");
    int64_t count = whole_number(failure, "count");
    char share[UNITS_TEXT_SIZE], time[COMMAND_TIME_SIZE];
    columns_add(table, TERM_BAD, code[0] == '\0' ? "(none)" : code);
    columns_add_number(table, TERM_PLAIN, count);
    columns_add(table, TERM_PLAIN, units_share_text(count, whole_number(operation, "fail"), share));
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(failure, "firstAt"), time));
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(failure, "lastAt"), time));
    columns_add(table, TERM_PLAIN, whole_text(failure, "example"));
}

static const struct column version_columns[] = {
    {.title = "FROM", .elastic = true},
    {.title = "TO", .elastic = true},
    {.title = "SUCCESS", .right = true},
    {.title = "FAIL", .right = true},
};

static void add_version(const struct command_call *call, struct columns *table,
                        const json_t *version, const json_t *operation)
{
    (void)call;
    (void)operation;
    int64_t fail = whole_number(version, "fail");
    columns_add(table, TERM_PLAIN, whole_text(version, "from"));
    columns_add(table, TERM_PLAIN, whole_text(version, "to"));
    columns_add_number(table, TERM_PLAIN, whole_number(version, "success"));
    columns_add_number(table, fail > 0 ? TERM_BAD : TERM_PLAIN, fail);
}

static void add_stuck(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    const json_t *stuck = json_object_get(operation, "stuck");
    const struct command_table table = command_upgrade_table();
    int64_t count = whole_number(stuck, "count");
    size_t shown = json_array_size(json_object_get(stuck, "upgrades"));
    char age[UNITS_TEXT_SIZE];
    struct buffer heading = {0};
    int64_t longer_ms = whole_number(stuck, "longerThan") * 1000;
    buffer_addf(&heading, "In progress for longer than %s: %lld%s",
                longer_ms > 0 ? units_age(longer_ms, age) : "0 s", (long long)count,
                command_is(stuck, "more") ? " or more" : "");
    buffer_add(&heading, "", 1);
    command_add_table(call, heading.failed ? "" : heading.bytes, stuck, "upgrades", &table, out);
    buffer_release(&heading);
    if ((int64_t)shown < count)
        buffer_addf(
            out, "... the %zu oldest; all: " COMMAND_PROGRAM " upgrades --stuck --operation ID\n",
            shown);
}

static void add_others(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    const json_t *others = json_object_get(operation, "alsoIn");
    size_t i;
    json_t *other;
    json_array_foreach(others, i, other)
    {
        buffer_add_string(out, i == 0 ? "\nApplications that have an operation of this name too "
                                        "(--app ID shows it): "
                                      : ", ");
        term_add_safe(call->term, out, json_string_value(other), 0);
    }
    if (i > 0)
        buffer_add_string(out, "\n");
}

static void add_portrait(const struct command_call *call, const json_t *operation,
                         struct buffer *out)
{
    const struct command_table failures = {
        failure_columns, sizeof failure_columns / sizeof failure_columns[0], add_failure};
    const struct command_table versions = {
        version_columns, sizeof version_columns / sizeof version_columns[0], add_version};
    if (call->term->is_terminal) {
        command_add_receiver(call, out);
        buffer_add_string(out, "\n");
    }
    add_counts(call, operation, out);
    add_platform(call, operation, out);
    command_add_table(call, "Failures", operation, "failures", &failures, out);
    if (command_is(operation, "failuresMore"))
        buffer_add_string(out, "... and other codes, each as rare or rarer\n");
    command_add_table(call, "Versions", operation, "versions", &versions, out);
    if (command_is(operation, "versionsMore"))
        buffer_add_string(out, "... and other versions, each as rare or rarer\n");
    add_stuck(call, operation, out);
    add_others(call, operation, out);
}

/* --- the command --------------------------------------------------------------------------------
 */

/* Prints the OPERATION that was read as TEXT. */
static int print(struct command_call *call, struct buffer *text, const json_t *operation,
                 struct fault *fault)
{
    struct buffer out = {0};
    if (call->json)
        return term_print(call->term, text, fault);
    term_page(call->term);
    add_portrait(call, operation, &out);
    int result = term_print(call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_operation(struct command_call *call, struct fault *fault)
{
    struct view_query query = {
        .now_ms = call->now_ms, .operation_id = call->words[0], .app_id = call->app_id};
    struct threshold threshold;
    struct buffer text = {0};
    json_t *operation = NULL;
    if (read_threshold(call, &threshold, fault) != 0 ||
        command_read_longer_than(call, &query, fault) != 0)
        return COMMAND_USAGE;
    query.operation_id = command_find_operation(
        call, call->words[0], threshold.asked ? COMMAND_FIND_VERDICT : COMMAND_FIND_ANY, fault);
    if (query.operation_id == NULL)
        return COMMAND_NOT_THERE;
    int code = command_read_document(call, "operation.json", &query, &text, &operation, fault);
    if (code == COMMAND_DONE && print(call, &text, operation, fault) != 0)
        code = command_failed(call);
    const struct term_bar bar = command_bar(operation);
    int64_t finished = bar.success + bar.fail;
    if (code == COMMAND_DONE && threshold.asked && finished >= threshold.finished &&
        units_is_above(bar.fail, finished, threshold.share)) {
        char share[UNITS_TEXT_SIZE];
        fault_set(fault, "FAIL is %s of the finished (%lld of %lld), above --fail-above %s",
                  units_share_text(bar.fail, finished, share), (long long)bar.fail,
                  (long long)finished, call->fail_above);
        code = COMMAND_ABOVE;
    }
    json_decref(operation);
    buffer_release(&text);
    return code;
}
