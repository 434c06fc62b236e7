/* view: the table of views, and the parameters of each. */
#include "config.h"

#include "view/view.h"

#include "base/units.h"
#include "view/pages.h"

#include <stdlib.h>
#include <string.h>

#define JSON "application/json"

static const struct view views[] = {
    {"overview.json", JSON, " after limit ", "totals and operations, the one changed last first",
     view_overview},
    {"operation.json", JSON, " operationId appId longerThan ",
     "one operation: counters, failures by error code, versions, progress, what is stuck",
     view_operation},
    {"upgrades.json", JSON,
     " operationId appId state errorCode contradictory longerThan after limit ",
     "upgrades of one operation", view_upgrades},
    {"failures.json", JSON, " operationId appId errorCode after limit ",
     "upgrades that failed, of one operation or of all", view_failures},
    {"failures.csv", "text/csv; charset=utf-8", " operationId appId errorCode bom after limit ",
     "the same as a table", view_failures_table},
    {"device.json", JSON, " deviceId after limit ", "one device's history across operations",
     view_device},
    {"search.json", JSON, " q limit ", "operations whose id begins so, and the device of that id",
     view_search},
    {"quarantine.json", JSON, " after limit ", "what is in quarantine, without the bodies",
     view_quarantine},
};

const struct view *view_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (strlen(views[i].name) == length && memcmp(views[i].name, name, length) == 0)
            return &views[i];
    return NULL;
}

bool view_is_table(const struct view *view)
{
    return view->write == view_failures_table;
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

static int set_state(struct view_query *query, size_t offset, const char *name, const char *value,
                     struct fault *fault)
{
    if (strcmp(value, "IN_PROGRESS") != 0 && strcmp(value, "SUCCESS") != 0 &&
        strcmp(value, "FAIL") != 0)
        return fault_set(fault, "%s: takes IN_PROGRESS, SUCCESS or FAIL", name);
    return set_word(query, offset, name, value, fault);
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
    int (*set)(struct view_query *query, size_t offset, const char *name, const char *value,
               struct fault *fault);
    size_t offset;
} parameters[] = {
    {"operationId", set_word, MEMBER(operation_id)},
    {"appId", set_word, MEMBER(app_id)},
    {"deviceId", set_word, MEMBER(device_id)},
    {"state", set_state, MEMBER(state)},
    {"errorCode", set_word, MEMBER(error_code)},
    {"q", set_word, MEMBER(search)},
    {"after", set_word, MEMBER(after)},
    {"contradictory", set_flag, MEMBER(contradictory)},
    {"bom", set_flag, MEMBER(byte_order_mark)},
    {"longerThan", set_seconds, MEMBER(stuck_s)},
    {"limit", set_limit, MEMBER(limit)},
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
        if (strcmp(parameters[i].name, name) == 0 && understands(view, name))
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
    enum view_result result = view->write(reader, query, out, next, fault);
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
