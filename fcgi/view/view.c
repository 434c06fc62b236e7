/* view: the table of views, and the parameters of each. */
#include "config.h"

#include "view/view.h"

#include "base/units.h"
#include "view/pages.h"

#include <stdlib.h>
#include <string.h>

/* A list in its three forms. */
#define LIST(name, parameters, help, write)                                                        \
    {name ".json", VIEW_JSON, parameters " after limit ", help, write},                            \
        {name ".csv", VIEW_CSV, parameters " bom after limit ", "the same as CSV", write},         \
    {                                                                                              \
        name ".jsonl", VIEW_JSON_LINES, parameters " after limit ", "the same, a line each", write \
    }

static const struct view views[] = {
    {"overview.json", VIEW_JSON, " longerThan after limit ",
     "totals and operations, the one changed last first", view_overview},
    LIST("operations", " state appId failAbove since until sort q longerThan",
         "operations, those that the query selects, in its order", view_operations),
    {"operation.json", VIEW_JSON, " operationId appId longerThan ",
     "one operation: counters, failures by error code, versions, progress, what is stuck",
     view_operation},
    LIST("upgrades", " operationId appId state errorCode contradictory longerThan",
         "upgrades of one operation", view_upgrades),
    LIST("failures", " operationId appId errorCode",
         "upgrades that failed, of one operation or of all", view_failures),
    LIST("errors", " operationId appId", "failures by error code, of one operation or of all",
         view_errors),
    LIST("missing", " operationId appId",
         "devices of an operation's saved list that have not reported", view_missing),
    {"device.json", VIEW_JSON, " deviceId after limit ", "one device's history across operations",
     view_device},
    {"search.json", VIEW_JSON, " q longerThan limit ",
     "operations whose id begins so, and the device of that id", view_search},
    LIST("quarantine", " reason", "what is in quarantine, without the bodies", view_quarantine),
};

const struct view *view_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (strlen(views[i].name) == length && memcmp(views[i].name, name, length) == 0)
            return &views[i];
    return NULL;
}

const char *view_type(const struct view *view)
{
    static const char *const types[] = {
        [VIEW_JSON] = "application/json",
        [VIEW_CSV] = "text/csv; charset=utf-8",
        [VIEW_JSON_LINES] = "application/jsonl",
    };
    return types[view->form];
}

/* --- parameters ------------------------------------------------------------------------------- */

#define WORDS 3

/* One parameter, and how its value is read into a member of the query. */
struct parameter {
    const char *name;
    const char *of; /* only of views whose name begins so; NULL: of all */
    int (*set)(struct view_query *query, void *member, const struct parameter *parameter,
               const char *value, struct fault *fault);
    size_t offset;            /* of the member */
    const char *words[WORDS]; /* of set_one_of */
};

static int read_number(const char *name, const char *value, int64_t least, int64_t most,
                       int64_t *number, struct fault *fault)
{
    if (!units_digits(value, number) || *number < least || *number > most)
        return fault_set(fault, "%s: takes a whole number from %lld to %lld", name,
                         (long long)least, (long long)most);
    return 0;
}

static int set_word(struct view_query *query, void *member, const struct parameter *parameter,
                    const char *value, struct fault *fault)
{
    (void)query;
    (void)parameter;
    (void)fault;
    *(const char **)member = value;
    return 0;
}

static int set_one_of(struct view_query *query, void *member, const struct parameter *parameter,
                      const char *value, struct fault *fault)
{
    const char *const *words = parameter->words;
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(value, words[i]) == 0)
            return set_word(query, member, parameter, value, fault);
    return fault_set(fault, "%s: takes %s, %s or %s", parameter->name, words[0], words[1],
                     words[2]);
}

/* A share such as 0.05, with six decimals at most. */
static int set_share(struct view_query *query, void *member, const struct parameter *parameter,
                     const char *value, struct fault *fault)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(value, digits);
    const char *rest = value + whole;
    size_t decimals = *rest == '.' ? strspn(rest + 1, digits) : 0;
    double share = strtod(value, NULL);
    if (whole != 1 || (*rest == '.' && decimals == 0) || decimals > 6 ||
        rest[decimals > 0 ? 1 + decimals : 0] != '\0' || share > 1)
        return fault_set(fault, "%s: takes a share from 0 to 1, such as 0.05", parameter->name);
    query->fail_above_said = true;
    *(int64_t *)member = (int64_t)(share * UNITS_WHOLE + 0.5);
    return 0;
}

static int set_time(struct view_query *query, void *member, const struct parameter *parameter,
                    const char *value, struct fault *fault)
{
    return units_time(value, query->now_ms, member, fault) == 0
               ? 0
               : fault_add(fault, "%s", parameter->name);
}

static int set_flag(struct view_query *query, void *member, const struct parameter *parameter,
                    const char *value, struct fault *fault)
{
    (void)query;
    if (strcmp(value, "1") != 0)
        return fault_set(fault, "%s: takes 1", parameter->name);
    *(bool *)member = true;
    return 0;
}

static int set_limit(struct view_query *query, void *member, const struct parameter *parameter,
                     const char *value, struct fault *fault)
{
    int64_t number;
    (void)query;
    if (read_number(parameter->name, value, 1, STORE_PAGE_MAX, &number, fault) != 0)
        return -1;
    *(size_t *)member = (size_t)number;
    return 0;
}

static int set_seconds(struct view_query *query, void *member, const struct parameter *parameter,
                       const char *value, struct fault *fault)
{
    query->stuck_said = true;
    return read_number(parameter->name, value, 0, VIEW_SECONDS_MAX, member, fault);
}

#define MEMBER(name) offsetof(struct view_query, name)

static const struct parameter parameters[] = {
    {"operationId", NULL, set_word, MEMBER(operation_id), {NULL}},
    {"appId", NULL, set_word, MEMBER(app_id), {NULL}},
    {"deviceId", NULL, set_word, MEMBER(device_id), {NULL}},
    {"state", "operations.", set_one_of, MEMBER(state), {"running", "stalled", "finished"}},
    {"state", NULL, set_one_of, MEMBER(state), {"IN_PROGRESS", "SUCCESS", "FAIL"}},
    {"errorCode", NULL, set_word, MEMBER(error_code), {NULL}},
    {"q", NULL, set_word, MEMBER(search), {NULL}},
    {"after", NULL, set_word, MEMBER(after), {NULL}},
    {"contradictory", NULL, set_flag, MEMBER(contradictory), {NULL}},
    {"bom", NULL, set_flag, MEMBER(byte_order_mark), {NULL}},
    {"longerThan", NULL, set_seconds, MEMBER(stuck_s), {NULL}},
    {"limit", NULL, set_limit, MEMBER(limit), {NULL}},
    {"sort", NULL, set_one_of, MEMBER(sort), {"latest", "failures", "name"}},
    {"failAbove", NULL, set_share, MEMBER(fail_above), {NULL}},
    {"since", NULL, set_time, MEMBER(since_ms), {NULL}},
    {"until", NULL, set_time, MEMBER(until_ms), {NULL}},
    {"reason", NULL, set_word, MEMBER(reason), {NULL}},
};

/* Whether NAME is one of the view's parameters. */
static bool understands(const struct view *view, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = view->parameters; (at = strstr(at, name)) != NULL; at += length)
        if (at[-1] == ' ' && at[length] == ' ')
            return true;
    return false;
}

int view_set(struct view_query *query, const struct view *view, const char *name, const char *value,
             struct fault *fault)
{
    if (strlen(value) > VIEW_WORD_MAX)
        return fault_set(fault, "%.40s: longer than %d bytes", name, VIEW_WORD_MAX);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        if (strcmp(parameters[i].name, name) == 0 && understands(view, name) &&
            (parameters[i].of == NULL ||
             strncmp(view->name, parameters[i].of, strlen(parameters[i].of)) == 0))
            return parameters[i].set(query, (char *)query + parameters[i].offset, &parameters[i],
                                     value, fault);
    return fault_set(fault, "%.40s: not a parameter of %s", name, view->name);
}

enum view_result view_write(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, int64_t limit_ms, struct buffer *out,
                            struct store_page_token *next, struct fault *fault)
{
    struct store_page_token ignored;
    size_t before = out->length;
    if (out->failed) {
        fault_set(fault, "out of memory");
        return VIEW_FAILED;
    }
    if (next == NULL)
        next = &ignored;
    next->text[0] = '\0';
    if (query->after != NULL && strlen(query->after) >= STORE_PAGE_TOKEN_MAX) {
        fault_set(fault, "after: not a token that a page has given");
        return VIEW_MISUSED;
    }
    if (store_read_begin(reader, limit_ms, fault) != 0)
        return VIEW_FAILED;
    struct view_query formed = *query;
    formed.form = view->form;
    enum view_result result = view->write(reader, &formed, out, next, fault);
    store_read_end(reader);
    if (result == VIEW_DONE && out->failed) {
        fault_set(fault, "out of memory");
        result = VIEW_FAILED;
    }
    if (result != VIEW_DONE) {
        out->length = before;
        out->failed = false;
    }
    return result;
}
