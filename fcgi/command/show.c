/* show: what the views of upgrade-status share, and its lists: all operations, upgrades, and those
 * that failed. */
#include "config.h"

#include "command/show.h"

#include "base/units.h"
#include "notification/notification.h"

#include <string.h>
#include <strings.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* --- documents and tables ----------------------------------------------------------------------
 */

int command_show_document(struct command_call *call, const char *name,
                          const struct view_query *query, whole_each *each, void *owner,
                          struct fault *fault)
{
    const struct view *view = view_find(name, strlen(name));
    enum view_result result;
    term_page(call->term);
    if (call->json || call->csv)
        result = whole_print(call->term, view, call->reader, query, fault);
    else
        result = whole_read(view, call->reader, query, each, owner, fault);
    return command_code_of(call, result);
}

int command_read_document(const struct command_call *call, const char *name,
                          const struct view_query *query, struct buffer *text, json_t **document,
                          struct fault *fault)
{
    const struct view *view = view_find(name, strlen(name));
    int code = command_code_of(call, view_write(view, call->reader, query, 0, text, NULL, fault));
    *document = NULL;
    if (code != COMMAND_DONE || (*document = whole_parse(text->bytes, text->length)) != NULL)
        return code;
    fault_set(fault, "out of memory");
    return COMMAND_UNUSABLE;
}

/* A list being printed. */
struct listing {
    struct command_call *call;
    const struct command_list *list;
    struct columns table;
};

static int add_page(void *owner, json_t *page, bool first, struct fault *fault)
{
    struct listing *listing = owner;
    struct command_call *call = listing->call;
    const struct command_list *list = listing->list;
    const json_t *rows = json_object_get(page, list->rows);
    struct buffer out = {0};
    if (first && (call->term->is_terminal || list->add_head != NULL))
        command_add_receiver(call, &out);
    if (first && list->add_head != NULL)
        list->add_head(call, page, &out);
    if (first && json_array_size(rows) == 0)
        buffer_add_string(&out, list->none);
    else if (out.length > 0)
        buffer_add_string(&out, "\n");
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) list->table.add(call, &listing->table, row, page);
    columns_write(&listing->table, &out);
    int result = term_print(call->term, &out, fault);
    buffer_release(&out);
    return result;
}

int command_show_list(struct command_call *call, const struct command_list *list,
                      const struct view_query *query, struct fault *fault)
{
    struct listing listing = {.call = call, .list = list};
    struct view_query marked = *query;
    marked.byte_order_mark = call->bom;
    if (call->csv && call->json)
        fault_set(fault, "--csv and --json exclude each other");
    else if (call->bom && !call->csv)
        fault_set(fault, "--bom: only with --csv");
    else if (call->csv && call->term->is_terminal) /* strangers' texts are in it raw */
        fault_set(fault, "--csv is for a file or a pipe, not for a terminal");
    if (fault->set)
        return COMMAND_USAGE;
    columns_init(&listing.table, call->term, list->table.columns, list->table.length);
    int code = command_show_document(call, call->csv ? list->csv : list->document, &marked,
                                     add_page, &listing, fault);
    columns_release(&listing.table);
    return code;
}

void command_add_table(const struct command_call *call, const char *heading, const json_t *object,
                       const char *rows, const struct command_table *table, struct buffer *out)
{
    const json_t *array = json_object_get(object, rows);
    struct columns columns;
    size_t i;
    json_t *row;
    if (json_array_size(array) == 0)
        return;
    buffer_add_string(out, "\n");
    term_add_tone(call->term, out, TERM_STRONG, heading);
    buffer_add_string(out, "\n");
    columns_init(&columns, call->term, table->columns, table->length);
    json_array_foreach(array, i, row) table->add(call, &columns, row, object);
    columns_write(&columns, out);
    columns_release(&columns);
}

struct term_bar command_bar(const json_t *operation)
{
    return (struct term_bar){.success = whole_number(operation, "success"),
                             .fail = whole_number(operation, "fail"),
                             .in_progress = whole_number(operation, "inProgress"),
                             .missing = whole_number(operation, "missing")};
}

bool command_is(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

enum term_tone command_state_tone(const char *state)
{
    return strcmp(state, "SUCCESS") == 0 ? TERM_GOOD
           : strcmp(state, "FAIL") == 0  ? TERM_BAD
                                         : TERM_PLAIN;
}

const char *command_news(const json_t *body)
{
    /* A body may have members of other types as well. */
    static const struct {
        const char *type, *members[2];
    } told[] = {{"swUpgradeResultNotify", {"swUpgradeResult"}},
                {"swUpgradeStateChangeNotify", {"swUpgradeState"}},
                {"fwUpgradeResultNotify", {"status", "Status"}},
                {"fwUpgradeStateChangeNotify", {"stepDesc", "step"}},
                {NULL, {"status", "resultCode"}}};
    const char *type = whole_text(body, "notifyType");
    size_t i = 0;
    while (told[i].type != NULL && strcmp(told[i].type, type) != 0)
        i++;
    const char *text = whole_text(body, told[i].members[0]);
    return text[0] == '\0' && told[i].members[1] != NULL ? whole_text(body, told[i].members[1])
                                                         : text;
}

const char *command_type(const json_t *body, char text[RECORD_ENVELOPE_TYPE_SIZE])
{
    const char *type = notification_type(body, text);
    return type[0] != '\0' ? type : "commandStatus";
}

/* --- ids and times that are given ----------------------------------------------------------------
 */

/* Adds the members that OBJECT names to TEXT, as many as fit in a fault. */
static void add_names(json_t *object, struct buffer *text)
{
    size_t left = json_object_size(object), begin = text->length;
    const char *name;
    json_t *nothing;
    json_object_foreach(object, name, nothing)
    {
        if (text->length > begin && text->length + strlen(name) > FAULT_TEXT_MAX - 100)
            break;
        buffer_addf(text, "%s%s", text->length > begin ? ", " : "", name);
        left--;
    }
    if (left > 0)
        buffer_addf(text, " and %zu more", left);
}

/* The member NAME of the OPERATIONS that are of OPERATION_ID, or begin so, and of the call's --app.
 */
static json_t *collect(const struct command_call *call, const json_t *operations,
                       const char *operation_id, const char *name)
{
    json_t *found = json_object(), *operation;
    size_t i;
    json_array_foreach(
        operations, i,
        operation) if ((call->app_id == NULL ||
                        strcmp(whole_text(operation, "appId"), call->app_id) == 0) &&
                       (operation_id == NULL ||
                        strcmp(whole_text(operation, "operationId"), operation_id) == 0))
        json_object_set_new(found, whole_text(operation, name), json_null());
    return found;
}

/* The id in IDS, all of which begin with WORD, that WORD means. NULL if that is not clear. */
static const char *choose_id(json_t *ids, const char *word, const char *what, bool is_verdict,
                             struct fault *fault)
{
    const char *only = json_object_iter_key(json_object_iter(ids));
    if (only == NULL || json_object_get(ids, word) != NULL)
        return word;
    if (json_object_size(ids) == 1 && !is_verdict)
        return only;
    struct buffer names = {0};
    add_names(ids, &names);
    fault_set(fault, "%.100s: the beginning of %zu %s%s: %.*s%s", word, json_object_size(ids), what,
              json_object_size(ids) == 1 ? "" : "s", (int)names.length,
              names.failed ? "" : names.bytes,
              is_verdict ? "; --fail-above takes the whole ID" : "");
    buffer_release(&names);
    return NULL;
}

/* Keeps ID, which may be NULL or WORD, for the call. */
static const char *keep_id(struct command_call *call, const char *id, const char *word)
{
    if (id == NULL || id == word)
        return id;
    buffer_add(&call->found_id, id, strlen(id) + 1);
    return call->found_id.failed ? word : call->found_id.bytes;
}

const char *command_find_device(struct command_call *call, const char *word, struct fault *fault)
{
    json_t *ids = json_object();
    const char *id;
    struct store_rows rows = store_find_devices(call->reader, word, STORE_PAGE_MAX, NULL);
    while (store_next_expected(&rows, &id, NULL))
        json_object_set_new(ids, id, json_null());
    store_rows_end(&rows, NULL);
    id = keep_id(call, choose_id(ids, word, "device", false, fault), word);
    json_decref(ids);
    return id;
}

const char *command_find_operation(struct command_call *call, const char *word,
                                   enum command_find how, struct fault *fault)
{
    const struct view_query query = {.search = word, .limit = STORE_PAGE_MAX};
    struct buffer text = {0}, names = {0};
    json_t *document = NULL;
    if (word[0] == '\0')
        fault_set(fault, "an operation's ID is never empty");
    if (word[0] == '\0' || strlen(word) > VIEW_WORD_MAX ||
        command_read_document(call, "search.json", &query, &text, &document, NULL) != COMMAND_DONE)
        return word[0] == '\0' ? NULL : word;
    const json_t *operations = json_object_get(document, "operations");
    json_t *ids = collect(call, operations, NULL, "operationId");
    const char *id = choose_id(ids, word, "operation", how == COMMAND_FIND_VERDICT, fault);
    json_t *apps = collect(call, operations, id, "appId");
    if (id != NULL && how != COMMAND_FIND_ANY && json_object_size(apps) > 1) {
        add_names(apps, &names);
        fault_set(fault, "%.100s: an operation of several applications, name one with --app: %.*s",
                  id, (int)names.length, names.failed ? "" : names.bytes);
        id = NULL;
    }
    id = keep_id(call, id, word);
    json_decref(apps);
    json_decref(ids);
    json_decref(document);
    buffer_release(&names);
    buffer_release(&text);
    return id;
}

int command_read_longer_than(const struct command_call *call, struct view_query *query,
                             struct fault *fault)
{
    int64_t began_ms;
    if (call->longer_than == NULL)
        return 0;
    if (units_time(call->longer_than, call->now_ms, &began_ms, fault) != 0)
        return fault_add(fault, "--longer-than");
    if (began_ms > call->now_ms)
        return fault_set(fault, "--longer-than %s: that time is in the future", call->longer_than);
    query->stuck_said = true;
    query->stuck_s = (call->now_ms - began_ms) / 1000;
    return 0;
}

/* --- operations ------------------------------------------------------------------------------- */

/* What is left out first if a terminal is narrow: the time of the beginning, the bar, notes. */
static const struct column operation_columns[] = {
    {.title = "OPERATION", .key = true},
    {.title = "APP", .key = true, .varied = true},
    {.title = "PROGRESS", .optional = true, .spare = 5},
    {.title = "DONE", .right = true, .optional = true, .spare = 2},
    {.title = "SUCCESS", .right = true},
    {.title = "FAIL", .right = true},
    {.title = "IN PROGRESS", .right = true},
    {.title = "FAILED", .right = true, .spare = 1},
    {.title = "CONTRADICTORY", .right = true, .optional = true},
    {.title = "FIRST", .spare = 6},
    {.title = "LAST", .spare = 3},
    {.title = "NOTE", .elastic = true, .optional = true, .spare = 4},
};

/* Adds remarks on an operation: on a terminal also on contradictory upgrades, which elsewhere have
 * a column of their own. */
static void add_note(const struct command_call *call, struct columns *table,
                     const json_t *operation, int64_t contradictory)
{
    bool counted = contradictory > 0 && call->term->is_terminal;
    bool is_stalled = strcmp(whole_text(operation, "state"), "stalled") == 0;
    int64_t missing = whole_number(operation, "missing");
    const char *note = whole_text(operation, "note");
    struct buffer text = {0};
    if (is_stalled)
        buffer_add_string(&text, ", stalled");
    if (counted)
        buffer_addf(&text, ", %lld contradictory", (long long)contradictory);
    if (missing > 0)
        buffer_addf(&text, ", %lld missing", (long long)missing);
    if (command_is(operation, "pruned"))
        buffer_add_string(&text, ", pruned");
    if (note[0] != '\0')
        buffer_addf(&text, ", %s", note);
    buffer_add(&text, "\0\0", 3);
    columns_add(table, counted || is_stalled ? TERM_WARN : TERM_FAINT,
                text.failed || text.length == 3 ? "" : text.bytes + strlen(", "));
    buffer_release(&text);
}

static void add_operation(const struct command_call *call, struct columns *table,
                          const json_t *operation, const json_t *page)
{
    (void)page;
    const struct term_bar bar = command_bar(operation);
    const char *last = whole_text(operation, "lastAt");
    int64_t contradictory = whole_number(operation, "contradictory");
    int64_t finished = bar.success + bar.fail;
    char text[COMMAND_TIME_SIZE], share[UNITS_TEXT_SIZE];
    bool is_terminal = call->term->is_terminal;
    columns_add(table, TERM_STRONG, whole_text(operation, "operationId"));
    columns_add(table, TERM_PLAIN, whole_text(operation, "appId"));
    if (is_terminal)
        columns_add_bar(table, &bar,
                        call->term->width >= COMMAND_BAR_WIDE_FROM ? COMMAND_BAR_WIDE
                                                                   : COMMAND_BAR_NARROW);
    else
        columns_add(table, TERM_PLAIN, "");
    units_share_text(finished, is_terminal ? finished + bar.in_progress + bar.missing : 0, share);
    columns_add(table, TERM_PLAIN, share);
    columns_add_number(table, TERM_PLAIN, bar.success);
    columns_add_number(table, bar.fail > 0 ? TERM_BAD : TERM_PLAIN, bar.fail);
    columns_add_number(table, TERM_PLAIN, bar.in_progress);
    columns_add(table, TERM_PLAIN, units_share_text(bar.fail, finished, share));
    if (is_terminal)
        columns_add(table, TERM_PLAIN, "");
    else
        columns_add_number(table, TERM_PLAIN, contradictory);
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(operation, "firstAt"), text));
    columns_add(table, TERM_PLAIN,
                is_terminal ? command_ago(call, last, text) : command_time(call, last, text));
    add_note(call, table, operation, contradictory);
}

/* Adds the contents of quarantine, whether it is full, and the bodies that only the log has. */
static void add_quarantine(const struct command_call *call, const json_t *page, struct buffer *out)
{
    const json_t *quarantine = json_object_get(page, "quarantine");
    int64_t held = whole_number(quarantine, "held");
    int64_t log_only = whole_number(json_object_get(page, "totals"), "quarantineLogOnly");
    const char *full = whole_text(quarantine, "fullSince");
    const char *unknown_full = whole_text(quarantine, "unknownFullSince");
    enum term_tone tone = full[0] != '\0' || unknown_full[0] != '\0' ? TERM_BAD
                          : held + log_only > 0                      ? TERM_WARN
                                                                     : TERM_PLAIN;
    char time[COMMAND_TIME_SIZE];
    term_begin_tone(call->term, out, tone);
    buffer_addf(out, "%lld in quarantine", (long long)held);
    if (full[0] != '\0')
        buffer_addf(out, ", full since %s", command_time(call, full, time));
    else if (unknown_full[0] != '\0')
        buffer_addf(out, ", full for unknown notifyTypes since %s",
                    command_time(call, unknown_full, time));
    if (log_only > 0)
        buffer_addf(out, ", %lld more went to the log alone", (long long)log_only);
    term_end_tone(call->term, out, tone);
}

static void add_application(const struct command_call *call, const json_t *application,
                            struct buffer *out)
{
    buffer_add_string(out, "application ");
    term_add_safe(call->term, out, whole_text(application, "name"), 0);
    if (command_is(application, "lost"))
        buffer_add_string(out, ": gets nothing, since the store does not have what it was told"
                               " last; " COMMAND_PROGRAM " help forget\n");
    else
        buffer_addf(out, ": told up to %lld, waiting for it: %lld\n",
                    (long long)whole_number(application, "cursor"),
                    (long long)whole_number(application, "backlog"));
}

/* Adds the totals of the store, above the table. */
static void add_totals(const struct command_call *call, const json_t *page, struct buffer *out)
{
    const json_t *totals = json_object_get(page, "totals");
    const struct term_bar upgrades = command_bar(json_object_get(page, "upgrades"));
    int64_t contradictory = whole_number(json_object_get(page, "upgrades"), "contradictory");
    const char *last = whole_text(page, "lastAt");
    char ago[COMMAND_TIME_SIZE];
    command_add_count(out, whole_number(totals, "notifications"), "notification");
    if (last[0] != '\0')
        buffer_addf(out, ", the last %s", command_ago(call, last, ago));
    buffer_add_string(out, "; ");
    command_add_count(out, whole_number(totals, "repeats"), "repeat");
    buffer_add_string(out, "; ");
    add_quarantine(call, page, out);
    buffer_add_string(out, "\n");
    command_add_count(out, upgrades.success, "upgrade");
    buffer_addf(out, " ended in SUCCESS, %lld in FAIL, in progress: %lld", (long long)upgrades.fail,
                (long long)upgrades.in_progress);
    if (contradictory > 0)
        buffer_addf(out, "; contradictory: %lld", (long long)contradictory);
    buffer_add_string(out, "\n");
    size_t i;
    json_t *application;
    json_array_foreach(json_object_get(page, "applications"), i, application)
        add_application(call, application, out);
}

int command_show_operations(struct command_call *call, struct fault *fault)
{
    static const struct command_list list = {
        .document = "overview.json",
        .csv = "operations.csv",
        .rows = "operations",
        .table = {operation_columns, LENGTH(operation_columns), add_operation},
        .none = "No operations yet.\n",
        .add_head = add_totals,
    };
    const struct view_query query = {.now_ms = call->now_ms};
    return command_show_list(call, &list, &query, fault);
}

/* --- upgrades --------------------------------------------------------------------------------- */

static const struct column upgrade_columns[] = {
    {.title = "DEVICE", .key = true},
    {.title = "OPERATION", .key = true, .optional = true},
    {.title = "CODE", .key = true, .optional = true},
    {.title = "STATE", .optional = true},
    {.title = "STEP", .elastic = true, .optional = true, .spare = 2},
    {.title = "DESCRIPTION", .elastic = true, .optional = true, .spare = 1},
    {.title = "FROM", .elastic = true, .spare = 7},
    {.title = "TO", .elastic = true, .spare = 6},
    {.title = "BEGAN", .spare = 5},
    {.title = "LAST", .spare = 4},
    {.title = "NOTE", .optional = true, .spare = 3},
};

static void add_upgrade(const struct command_call *call, struct columns *table,
                        const json_t *upgrade, const json_t *page)
{
    (void)page;
    bool of_any_state = call->command->run == command_show_upgrades;
    bool of_all = call->command->run == command_show_failures && call->operation_id == NULL;
    const char *state = whole_text(upgrade, "state");
    bool is_failure = strcmp(state, "FAIL") == 0;
    /* A step may have members of a result, which mean nothing. */
    bool has_ended = is_failure || strcmp(state, "SUCCESS") == 0;
    const char *description = has_ended ? whole_text(upgrade, "description") : "";
    char time[COMMAND_TIME_SIZE];
    if (description[0] == '\0' && has_ended)
        description = whole_text(upgrade, "resultDesc");
    columns_add(table, TERM_STRONG, whole_text(upgrade, "deviceId"));
    columns_add(table, TERM_PLAIN, of_all ? whole_text(upgrade, "operationId") : "");
    columns_add(table, TERM_BAD, is_failure ? whole_text(upgrade, "errorCode") : "");
    columns_add(table, command_state_tone(state), of_any_state ? state : "");
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "step"));
    columns_add(table, TERM_PLAIN, description);
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "sourceVersion"));
    columns_add(table, TERM_PLAIN, whole_text(upgrade, "targetVersion"));
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(upgrade, "beganAt"), time));
    columns_add(table, TERM_PLAIN, command_time(call, whole_text(upgrade, "lastAt"), time));
    columns_add(table, TERM_WARN, command_is(upgrade, "contradictory") ? "contradictory" : "");
}

struct command_table command_upgrade_table(void)
{
    return (struct command_table){upgrade_columns, LENGTH(upgrade_columns), add_upgrade};
}

/* Prints LIST with the operation of --operation, if there is one. */
static int show_upgrades(struct command_call *call, struct command_list *list,
                         struct view_query *query, struct fault *fault)
{
    query->now_ms = call->now_ms;
    query->app_id = call->app_id;
    query->error_code = call->error_code;
    list->table = command_upgrade_table();
    if (call->operation_id != NULL) {
        query->operation_id = command_find_operation(call, call->operation_id, COMMAND_FIND_SOLE,
                                                     fault);
        if (query->operation_id == NULL)
            return COMMAND_NOT_THERE;
    }
    return command_show_list(call, list, query, fault);
}

int command_show_upgrades(struct command_call *call, struct fault *fault)
{
    static const char *const states[] = {"SUCCESS", "FAIL", "IN_PROGRESS"};
    struct command_list list = {.document = "upgrades.json",
                                .csv = "upgrades.csv",
                                .rows = "upgrades",
                                .none = "No such upgrade is in the store.\n"};
    struct view_query query = {.stuck_said = call->stuck,
                               .stuck_s = VIEW_STUCK_DEFAULT_S,
                               .contradictory = call->contradictory};
    if (call->operation_id == NULL) {
        fault_set(fault, "upgrades: takes --operation ID");
        return COMMAND_USAGE;
    }
    for (size_t i = 0; call->only != NULL && i < LENGTH(states); i++)
        if (strcasecmp(call->only, states[i]) == 0)
            query.state = states[i];
    if (call->only != NULL && query.state == NULL) {
        fault_set(fault, "--only %s: takes SUCCESS, FAIL or IN_PROGRESS", call->only);
        return COMMAND_USAGE;
    }
    if (command_read_longer_than(call, &query, fault) != 0)
        return COMMAND_USAGE;
    return show_upgrades(call, &list, &query, fault);
}

int command_show_failures(struct command_call *call, struct fault *fault)
{
    struct command_list list = {.document = "failures.json",
                                .csv = "failures.csv",
                                .rows = "failures",
                                .none = "No upgrade that failed is in the store.\n"};
    struct view_query query = {.limit = 0};
    return show_upgrades(call, &list, &query, fault);
}
