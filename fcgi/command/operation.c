/* operation: upgrade-status's view of one operation, and its verdict for scripts. */
#include "config.h"

#include "base/units.h"
#include "command/columns.h"
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

static bool is_passed(const struct threshold *threshold, const struct term_bar *bar)
{
    int64_t finished = bar->success + bar->fail;
    return threshold->asked && finished >= threshold->finished &&
           units_is_above(bar->fail, finished, threshold->share);
}

/* --- the portrait ------------------------------------------------------------------------------
 */

static void add_heading(const struct term *term, struct buffer *out, const char *heading)
{
    buffer_add_string(out, "\n");
    term_begin_tone(term, out, TERM_STRONG);
    buffer_add_string(out, heading);
    term_end_tone(term, out, TERM_STRONG);
    buffer_add_string(out, "\n");
}

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
    buffer_addf(out, "  %-14s%s", what, command_time(call, time, at));
    buffer_addf(out, "  (%s)\n", command_ago(call, time, ago));
}

static void add_counts(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    const struct term_bar bar = command_bar(operation);
    int64_t finished = bar.success + bar.fail;
    char share[UNITS_TEXT_SIZE], remark[UNITS_TEXT_SIZE + 32] = "";
    buffer_add_string(out, "Operation ");
    term_begin_tone(call->term, out, TERM_STRONG);
    term_add_safe(call->term, out, whole_text(operation, "operationId"), 0);
    term_end_tone(call->term, out, TERM_STRONG);
    buffer_add_string(out, " of application ");
    term_add_safe(call->term, out, whole_text(operation, "appId"), 0);
    buffer_add_string(out, command_is(operation, "pruned") ? " (pruned: only counters are left)\n"
                                                           : "\n");
    if (call->term->is_terminal) {
        buffer_add_string(out, "  ");
        term_add_bar(call->term, out, &bar, COMMAND_BAR_WIDE);
        buffer_addf(out, "  %s finished\n",
                    units_share_text(finished, finished + bar.in_progress, share));
    }
    add_count(call, out, "success", TERM_GOOD, bar.success, "");
    if (finished > 0)
        snprintf(remark, sizeof remark, "%s of those finished",
                 units_share_text(bar.fail, finished, share));
    add_count(call, out, "fail", TERM_BAD, bar.fail, remark);
    add_count(call, out, "in progress", TERM_PLAIN, bar.in_progress, "");
    int64_t contradictory = whole_number(operation, "contradictory");
    add_count(call, out, "contradictory", TERM_WARN, contradictory,
              contradictory > 0 ? "ended with another version than the result says" : "");
    add_moment(call, out, "first", whole_text(operation, "firstAt"));
    add_moment(call, out, "last", whole_text(operation, "lastAt"));
}

static void add_failures(const struct command_call *call, const json_t *operation,
                         struct buffer *out)
{
    static const struct column columns[] = {
        {.title = "CODE", .elastic = true}, {.title = "COUNT", .right = true},
        {.title = "SHARE", .right = true},  {.title = "FIRST SEEN", .spare = 2},
        {.title = "LAST SEEN", .spare = 1}, {.title = "EXAMPLE", .elastic = true},
    };
    const json_t *failures = json_object_get(operation, "failures");
    if (json_array_size(failures) == 0)
        return;
    struct columns table;
    columns_init(&table, call->term, columns, sizeof columns / sizeof columns[0]);
    add_heading(call->term, out, "Failures");
    size_t i;
    json_t *failure;
    json_array_foreach(failures, i, failure)
    {
        const char *code = whole_text(failure, "errorCode");
        int64_t count = whole_number(failure, "count");
        char share[UNITS_TEXT_SIZE], time[COMMAND_TIME_SIZE];
        columns_add(&table, TERM_BAD, code[0] == '\0' ? "(none)" : code);
        columns_add_number(&table, TERM_PLAIN, count);
        columns_add(&table, TERM_PLAIN,
                    units_share_text(count, whole_number(operation, "fail"), share));
        columns_add(&table, TERM_PLAIN, command_time(call, whole_text(failure, "firstAt"), time));
        columns_add(&table, TERM_PLAIN, command_time(call, whole_text(failure, "lastAt"), time));
        columns_add(&table, TERM_PLAIN, whole_text(failure, "example"));
    }
    columns_write(&table, out);
    columns_release(&table);
    if (command_is(operation, "failuresMore"))
        buffer_add_string(out, "... and other codes, each as rare or rarer\n");
}

static void add_versions(const struct command_call *call, const json_t *operation,
                         struct buffer *out)
{
    static const struct column columns[] = {
        {.title = "FROM", .elastic = true},
        {.title = "TO", .elastic = true},
        {.title = "SUCCESS", .right = true},
        {.title = "FAIL", .right = true},
    };
    const json_t *versions = json_object_get(operation, "versions");
    if (json_array_size(versions) == 0)
        return;
    struct columns table;
    columns_init(&table, call->term, columns, sizeof columns / sizeof columns[0]);
    add_heading(call->term, out, "Versions");
    size_t i;
    json_t *version;
    json_array_foreach(versions, i, version)
    {
        int64_t fail = whole_number(version, "fail");
        columns_add(&table, TERM_PLAIN, whole_text(version, "from"));
        columns_add(&table, TERM_PLAIN, whole_text(version, "to"));
        columns_add_number(&table, TERM_PLAIN, whole_number(version, "success"));
        columns_add_number(&table, fail > 0 ? TERM_BAD : TERM_PLAIN, fail);
    }
    columns_write(&table, out);
    columns_release(&table);
    if (command_is(operation, "versionsMore"))
        buffer_add_string(out, "... and other versions, each as rare or rarer\n");
}

static void add_stuck(const struct command_call *call, const json_t *operation, struct buffer *out)
{
    static const struct column columns[] = {
        {.title = "DEVICE", .elastic = true},
        {.title = "SUB-OPERATION", .elastic = true, .spare = 1},
        {.title = "STEP", .elastic = true},
        {.title = "SINCE"},
        {.title = "LAST STEP", .spare = 2},
    };
    const json_t *stuck = json_object_get(operation, "stuck");
    const json_t *upgrades = json_object_get(stuck, "upgrades");
    char age[UNITS_TEXT_SIZE];
    if (json_array_size(upgrades) == 0)
        return;
    struct buffer heading = {0};
    buffer_addf(&heading, "In progress for longer than %s: %lld%s",
                units_age(whole_number(stuck, "longerThan") * 1000, age),
                (long long)whole_number(stuck, "count"),
                command_is(stuck, "more") ? " or more" : "");
    buffer_add(&heading, "", 1);
    if (!heading.failed)
        add_heading(call->term, out, heading.bytes);
    buffer_release(&heading);
    struct columns table;
    columns_init(&table, call->term, columns, sizeof columns / sizeof columns[0]);
    size_t i;
    json_t *upgrade;
    json_array_foreach(upgrades, i, upgrade)
    {
        char time[COMMAND_TIME_SIZE];
        columns_add(&table, TERM_WARN, whole_text(upgrade, "deviceId"));
        columns_add(&table, TERM_PLAIN, whole_text(upgrade, "subOperationId"));
        columns_add(&table, TERM_PLAIN, whole_text(upgrade, "step"));
        columns_add(&table, TERM_PLAIN, command_time(call, whole_text(upgrade, "beganAt"), time));
        columns_add(&table, TERM_PLAIN, command_time(call, whole_text(upgrade, "lastAt"), time));
    }
    columns_write(&table, out);
    columns_release(&table);
    if ((int64_t)i < whole_number(stuck, "count"))
        buffer_addf(out, "... the %zu oldest\n", i);
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
    add_counts(call, operation, out);
    add_failures(call, operation, out);
    add_versions(call, operation, out);
    add_stuck(call, operation, out);
    add_others(call, operation, out);
}

/* --- the command --------------------------------------------------------------------------------
 */

/* Prints OPERATION, which was parsed from DOCUMENT. */
static int print(struct command_call *call, struct buffer *document, const json_t *operation,
                 struct fault *fault)
{
    struct buffer out = {0};
    int result;
    if (call->json)
        return term_print(call->term, document, fault);
    term_page(call->term);
    add_portrait(call, operation, &out);
    result = term_print(call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_operation(struct command_call *call, struct fault *fault)
{
    struct view_query query = {
        .now_ms = call->now_ms, .operation_id = call->words[0], .app_id = call->app_id};
    struct threshold threshold;
    int64_t began_ms;
    if (read_threshold(call, &threshold, fault) != 0)
        return COMMAND_USAGE;
    if (call->longer_than != NULL) {
        if (units_time(call->longer_than, call->now_ms, &began_ms, fault) != 0)
            return fault_add(fault, "--longer-than"), COMMAND_USAGE;
        if (began_ms > call->now_ms)
            return fault_set(fault, "--longer-than %s: that time is in the future",
                             call->longer_than),
                   COMMAND_USAGE;
        query.stuck_said = true;
        query.stuck_s = (call->now_ms - began_ms) / 1000;
    }
    struct buffer document = {0};
    json_t *operation = NULL;
    int code = command_code_of(call, view_write(view_find("operation.json", 14), call->reader,
                                                &query, 0, &document, NULL, fault));
    if (code == COMMAND_DONE &&
        (document.failed || (operation = whole_parse(document.bytes, document.length)) == NULL)) {
        fault_set(fault, "out of memory");
        code = COMMAND_UNUSABLE;
    }
    if (code == COMMAND_DONE && print(call, &document, operation, fault) != 0)
        code = command_failed(call);
    const struct term_bar bar = command_bar(operation);
    if (code == COMMAND_DONE && is_passed(&threshold, &bar))
        code = COMMAND_ABOVE;
    json_decref(operation);
    buffer_release(&document);
    return code;
}
