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

static int read_number(const char *name, const char *value, int64_t least, int64_t most,
                       int64_t *number, struct fault *fault)
{
    if (!units_digits(value, number) || *number < least || *number > most)
        return fault_set(fault, "%s: takes a whole number from %lld to %lld", name,
                         (long long)least, (long long)most);
    return 0;
}

static void *member(struct view_query *query, size_t offset)
{
    return (char *)query + offset;
}

static int set_word(struct view_query *query, size_t offset, const char *name, const char *value,
                    struct fault *fault)
{
    (void)name;
    (void)fault;
    *(const char **)member(query, offset) = value;
    return 0;
}

/* Sets one of the WORDS. */
static int set_one_of(struct view_query *query, size_t offset, const char *const words[3],
                      const char *name, const char *value, struct fault *fault)
{
    for (size_t i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0)
            return set_word(query, offset, name, value, fault);
    return fault_set(fault, "%s: takes %s, %s or %s", name, words[0], words[1], words[2]);
}

static int set_state(struct view_query *query, size_t offset, const char *name, const char *value,
                     struct fault *fault)
{
    static const char *const words[3] = {"IN_PROGRESS", "SUCCESS", "FAIL"};
    return set_one_of(query, offset, words, name, value, fault);
}

static int set_operation_state(struct view_query *query, size_t offset, const char *name,
                               const char *value, struct fault *fault)
{
    static const char *const words[3] = {"running", "stalled", "finished"};
    return set_one_of(query, offset, words, name, value, fault);
}

static int set_sort(struct view_query *query, size_t offset, const char *name, const char *value,
                    struct fault *fault)
{
    static const char *const words[3] = {"latest", "failures", "name"};
    return set_one_of(query, offset, words, name, value, fault);
}

/* A share such as 0.05, with six decimals at most. */
static int set_share(struct view_query *query, size_t offset, const char *name, const char *value,
                     struct fault *fault)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(value, digits);
    const char *rest = value + whole;
    size_t decimals = *rest == '.' ? strspn(rest + 1, digits) : 0;
    double share = strtod(value, NULL);
    if (whole != 1 || (*rest == '.' && decimals == 0) || decimals > 6 ||
        rest[decimals > 0 ? 1 + decimals : 0] != '\0' || share > 1)
        return fault_set(fault, "%s: takes a share from 0 to 1, such as 0.05", name);
    query->fail_above_said = true;
    *(int64_t *)member(query, offset) = (int64_t)(share * UNITS_WHOLE + 0.5);
    return 0;
}

static int set_time(struct view_query *query, size_t offset, const char *name, const char *value,
                    struct fault *fault)
{
    if (units_time(value, query->now_ms, member(query, offset), fault) == 0)
        return 0;
    return fault_add(fault, "%s", name);
}

static int set_flag(struct view_query *query, size_t offset, const char *name, const char *value,
                    struct fault *fault)
{
    if (strcmp(value, "1") != 0)
        return fault_set(fault, "%s: takes 1", name);
    *(bool *)member(query, offset) = true;
    return 0;
}

static int set_limit(struct view_query *query, size_t offset, const char *name, const char *value,
                     struct fault *fault)
{
    int64_t number;
    if (read_number(name, value, 1, STORE_PAGE_MAX, &number, fault) != 0)
        return -1;
    *(size_t *)member(query, offset) = (size_t)number;
    return 0;
}

static int set_seconds(struct view_query *query, size_t offset, const char *name, const char *value,
                       struct fault *fault)
{
    query->stuck_said = true;
    return read_number(name, value, 0, VIEW_SECONDS_MAX, member(query, offset), fault);
}

#define MEMBER(name) offsetof(struct view_query, name)

static const struct {
    const char *name;
    const char *of; /* only of views whose name begins so; NULL: of all */
    int (*set)(struct view_query *query, size_t offset, const char *name, const char *value,
               struct fault *fault);
    size_t offset;
} parameters[] = {
    {"operationId", NULL, set_word, MEMBER(operation_id)},
    {"appId", NULL, set_word, MEMBER(app_id)},
    {"deviceId", NULL, set_word, MEMBER(device_id)},
    {"state", "operations.", set_operation_state, MEMBER(state)},
    {"state", NULL, set_state, MEMBER(state)},
    {"errorCode", NULL, set_word, MEMBER(error_code)},
    {"q", NULL, set_word, MEMBER(search)},
    {"after", NULL, set_word, MEMBER(after)},
    {"contradictory", NULL, set_flag, MEMBER(contradictory)},
    {"bom", NULL, set_flag, MEMBER(byte_order_mark)},
    {"longerThan", NULL, set_seconds, MEMBER(stuck_s)},
    {"limit", NULL, set_limit, MEMBER(limit)},
    {"sort", NULL, set_sort, MEMBER(sort)},
    {"failAbove", NULL, set_share, MEMBER(fail_above)},
    {"since", NULL, set_time, MEMBER(since_ms)},
    {"until", NULL, set_time, MEMBER(until_ms)},
    {"reason", NULL, set_word, MEMBER(reason)},
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
            return parameters[i].set(query, parameters[i].offset, name, value, fault);
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
