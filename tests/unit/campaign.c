/* campaign: random upgrade campaigns, and a plain model of what the books must say of them. */
#include "config.h"

#include "campaign.h"

#include "base/clock.h"
#include "notification/dispatch.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_VERSION "1.0"

static const char *const sw_steps[] = {"downloading", "downloaded", "updating", "idle",
                                       "otacreated"};
static const char *const fw_steps[] = {"0", "1", "2", "3"};
static const char *const versions[] = {"1.3", "1.5", "2.0"};
static const char *const times[] = {"0", "60", "61"};
static const char *const texts[] = {"", "Low battery", "d\303\251j\303\240 \"vu\""};
static const char *const extras[] = {"null", "7", "{\"errorCode\":\"5\",\"a\":[1,{}]}"};
static const char *const error_codes[] = {"", "127", "4", "5"}; /* sorted, as the views are read */

#define ONE_OF(array, seed) (array)[support_random_below(seed, LENGTH(array))]

/* --- making up --- */

bool campaign_is_result(const struct campaign_note *note)
{
    return note->kind == CAMPAIGN_SW_RESULT || note->kind == CAMPAIGN_FW_RESULT;
}

static void make_up_what_is_said(struct campaign_note *note, uint64_t *seed)
{
    note->kind = (enum campaign_kind)support_random_below(seed, 4);
    if (note->kind == CAMPAIGN_SW_STATE)
        note->sw_step = ONE_OF(sw_steps, seed);
    if (note->kind != CAMPAIGN_SW_STATE)
        note->is_integer = support_random_below(seed, 4) == 0;
    if (note->kind == CAMPAIGN_FW_STATE)
        note->number = ONE_OF(fw_steps, seed);
    if (support_random_below(seed, 10) == 0)
        note->extra = ONE_OF(extras, seed);
    if (!campaign_is_result(note))
        return;
    note->number = ONE_OF(times, seed);
    note->success = support_random_below(seed, 2) == 0;
    note->current = ONE_OF(versions, seed);
    note->target = ONE_OF(versions, seed);
    note->text = ONE_OF(texts, seed);
    if (note->kind == CAMPAIGN_SW_RESULT)
        note->error_code = ONE_OF(error_codes, seed);
    else
        note->capital_status = support_random_below(seed, 2) == 0;
}

void campaign_make_up(struct campaign *campaign, const char *app_id, uint64_t *seed)
{
    *campaign = (struct campaign){.length = 1 + support_random_below(seed, CAMPAIGN_NOTES_MAX)};
    snprintf(campaign->app_id, sizeof campaign->app_id, "%s", app_id);
    size_t operations = 1 + support_random_below(seed, CAMPAIGN_OPERATIONS_MAX);
    size_t sub_operations = 1 + support_random_below(seed, CAMPAIGN_SUB_OPERATIONS_MAX);
    size_t devices = 1 + support_random_below(seed, CAMPAIGN_DEVICES_MAX);
    size_t upgrades_length = 1 + support_random_below(seed, 4);
    struct campaign_note upgrades[4];
    for (size_t i = 0; i < upgrades_length; i++)
        upgrades[i] = (struct campaign_note){
            .operation = support_random_below(seed, operations),
            .sub_operation = support_random_below(seed, sub_operations),
            .device = support_random_below(seed, devices),
        };
    for (size_t i = 0; i < campaign->length; i++) {
        struct campaign_note *note = &campaign->notes[i];
        if (i > 0 && support_random_below(seed, 4) == 0) {
            *note = campaign->notes[support_random_below(seed, i)];
            continue;
        }
        *note = upgrades[support_random_below(seed, upgrades_length)];
        make_up_what_is_said(note, seed);
    }
}

/* --- order --- */

static void swap(struct campaign *campaign, size_t a, size_t b)
{
    struct campaign_note note = campaign->notes[a];
    campaign->notes[a] = campaign->notes[b];
    campaign->notes[b] = note;
}

void campaign_shuffle(struct campaign *campaign, uint64_t *seed)
{
    for (size_t i = campaign->length; i > 1; i--)
        swap(campaign, i - 1, support_random_below(seed, i));
}

void campaign_permute(struct campaign *campaign, size_t permutation)
{
    for (size_t i = campaign->length; i > 1; i--) {
        swap(campaign, i - 1, permutation % i);
        permutation /= i;
    }
}

static bool is_same_upgrade(const struct campaign_note *a, const struct campaign_note *b)
{
    return a->operation == b->operation && a->sub_operation == b->sub_operation &&
           a->device == b->device;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool campaign_is_same(const struct campaign_note *a, const struct campaign_note *b)
{
    return a->kind == b->kind && is_same_upgrade(a, b) && is_same_text(a->number, b->number) &&
           a->is_integer == b->is_integer && is_same_text(a->extra, b->extra) &&
           is_same_text(a->sw_step, b->sw_step) && a->success == b->success &&
           is_same_text(a->current, b->current) && is_same_text(a->target, b->target) &&
           is_same_text(a->text, b->text) && is_same_text(a->error_code, b->error_code) &&
           a->capital_status == b->capital_status;
}

static size_t find_first(const struct campaign_note *notes, size_t length,
                         const struct campaign_note *note)
{
    size_t i = 0;
    while (i < length && !campaign_is_same(&notes[i], note))
        i++;
    return i;
}

/* Whether NEXT may come behind those placed: no other result of its upgrade that came before it
 * in CAMPAIGN is still to come for the first time. */
static bool may_come(const struct campaign *campaign, const struct campaign *placed,
                     const struct campaign_note *next)
{
    size_t first = find_first(campaign->notes, campaign->length, next);
    for (size_t i = 0; campaign_is_result(next) && i < first; i++)
        if (campaign_is_result(&campaign->notes[i]) && is_same_upgrade(&campaign->notes[i], next) &&
            find_first(placed->notes, placed->length, &campaign->notes[i]) == placed->length)
            return false;
    return true;
}

void campaign_shuffle_around_results(struct campaign *campaign, uint64_t *seed)
{
    struct campaign placed = {.length = 0};
    bool taken[CAMPAIGN_NOTES_MAX] = {false};
    while (placed.length < campaign->length) {
        size_t i = support_random_below(seed, campaign->length);
        if (taken[i] || !may_come(campaign, &placed, &campaign->notes[i]))
            continue;
        taken[i] = true;
        placed.notes[placed.length++] = campaign->notes[i];
    }
    memcpy(campaign->notes, placed.notes, sizeof campaign->notes);
}

/* --- spelling --- */

#define MEMBERS_MAX 16

/* One member of a body; VALUE is text, or JSON as it stands. */
struct member {
    const char *name, *value;
    bool is_json;
};

struct members {
    struct member list[MEMBERS_MAX];
    size_t length;
};

static void add_member(struct members *members, const char *name, const char *value, bool is_json)
{
    assert_true(members->length < MEMBERS_MAX);
    members->list[members->length++] = (struct member){name, value, is_json};
}

static void add_result_members(struct members *members, const struct campaign_note *note)
{
    const char *result = note->success ? "SUCCESS" : "FAIL";
    add_member(members, "curVersion", note->current, false);
    add_member(members, "targetVersion", note->target, false);
    add_member(members, "sourceVersion", SOURCE_VERSION, false);
    add_member(members, "upgradeTime", note->number, note->is_integer);
    if (note->kind == CAMPAIGN_SW_RESULT) {
        add_member(members, "swUpgradeResult", result, false);
        add_member(members, "resultDesc", note->text, false);
        add_member(members, "description", note->text, false);
        add_member(members, "errorCode", note->error_code, false);
    } else {
        add_member(members, note->capital_status ? "Status" : "status", result, false);
        add_member(members, "statusDesc", note->text, false);
    }
}

static void add_members(struct members *members, const struct campaign_note *note)
{
    static const char *const types[] = {"swUpgradeStateChangeNotify", "fwUpgradeStateChangeNotify",
                                        "swUpgradeResultNotify", "fwUpgradeResultNotify"};
    add_member(members, "notifyType", types[note->kind], false);
    if (note->kind == CAMPAIGN_SW_STATE)
        add_member(members, "swUpgradeState", note->sw_step, false);
    else if (note->kind == CAMPAIGN_FW_STATE)
        add_member(members, "step", note->number, note->is_integer);
    else
        add_result_members(members, note);
    if (note->extra != NULL)
        add_member(members, "later", note->extra, true);
}

/* One character in RARELY is spelled as an escape. */
static void spell_string(struct buffer *out, const char *string, size_t rarely, uint64_t *seed)
{
    buffer_add(out, "\"", 1);
    for (const unsigned char *byte = (const unsigned char *)string; *byte != '\0'; byte++) {
        bool is_two = (*byte & 0xE0) == 0xC0;
        unsigned point = is_two ? (*byte & 0x1Fu) << 6 | (byte[1] & 0x3Fu) : *byte;
        if (support_random_below(seed, rarely) == 0 || point == '"')
            buffer_addf(out, support_random_below(seed, 2) == 0 ? "\\u%04x" : "\\u%04X", point);
        else
            buffer_add(out, (const char *)byte, is_two ? 2 : 1);
        byte += is_two;
    }
    buffer_add(out, "\"", 1);
}

static void spell_space(struct buffer *out, uint64_t *seed)
{
    static const char *const spaces[] = {"", "", "", " ", "\n  ", "\t\r\n"};
    buffer_add_string(out, ONE_OF(spaces, seed));
}

static void spell(struct buffer *out, struct members *members, uint64_t *seed)
{
    size_t rarely_in_names = support_random_below(seed, 8) == 0 ? 40 : 1000000;
    spell_space(out, seed);
    for (size_t left = members->length; left > 0; left--) {
        buffer_add_string(out, left == members->length ? "{" : ",");
        size_t pick = support_random_below(seed, left);
        struct member member = members->list[pick];
        members->list[pick] = members->list[left - 1];
        spell_space(out, seed);
        spell_string(out, member.name, rarely_in_names, seed);
        spell_space(out, seed);
        buffer_add_string(out, ":");
        spell_space(out, seed);
        if (member.is_json)
            buffer_add_string(out, member.value);
        else
            spell_string(out, member.value, 20, seed);
        spell_space(out, seed);
    }
    buffer_add_string(out, "}");
    spell_space(out, seed);
}

/* The ids as they are in bodies and views. */
struct ids {
    char operation[32], sub_operation[32], device[32];
};

static struct ids name(size_t operation, size_t sub_operation, size_t device)
{
    struct ids ids;
    snprintf(ids.operation, sizeof ids.operation, "operation-%zu", operation);
    snprintf(ids.sub_operation, sizeof ids.sub_operation, "sub/%zu", sub_operation);
    snprintf(ids.device, sizeof ids.device, "t\303\251l\303\251phone-%zu", device);
    return ids;
}

struct record *campaign_record(const struct campaign *campaign, size_t index, uint64_t *seed)
{
    const struct campaign_note *note = &campaign->notes[index];
    const struct ids ids = name(note->operation, note->sub_operation, note->device);
    struct members members = {.length = 0};
    add_member(&members, "appId", campaign->app_id, false);
    add_member(&members, "operationId", ids.operation, false);
    add_member(&members, "subOperationId", ids.sub_operation, false);
    add_member(&members, "deviceId", ids.device, false);
    add_members(&members, note);
    struct buffer body = {0};
    spell(&body, &members, seed);
    assert_false(body.failed);
    struct record *record = support_bytes(body.bytes, body.length);
    buffer_release(&body);
    if (dispatch_read(record) != DISPATCH_NOTIFICATION)
        fail_msg("%s at %s: %s", record->verdict.reason, record->verdict.pointer, record->body);
    return record;
}

void campaign_record_free(struct record *record)
{
    record_release(record);
    support_record_free(record);
}

/* --- the model --- */

const struct campaign_note *campaign_receive(struct campaign *campaign, int64_t received_ms,
                                             int64_t *seq)
{
    struct campaign_note *note = &campaign->notes[campaign->received];
    struct campaign_note *first =
        &campaign->notes[find_first(campaign->notes, campaign->received, note)];
    note->received_ms = received_ms;
    note->repeat = first != note;
    if (!note->repeat) {
        note->seq = ++*seq;
        note->deliveries = 1;
    } else {
        note->seq = first->seq;
        note->deliveries = ++first->deliveries;
    }
    campaign->received++;
    return note;
}

/* An upgrade, by the notifications that its state and its step come from. */
struct upgrade {
    const struct campaign_note *result; /* the last one received, or NULL */
    const struct campaign_note *step;   /* the last state change received, or NULL */
};

/* False where no notification is of this upgrade. */
static bool find_upgrade(const struct campaign *campaign, const struct campaign_note *ids,
                         struct upgrade *upgrade)
{
    *upgrade = (struct upgrade){.result = NULL};
    for (size_t i = 0; i < campaign->received; i++) {
        const struct campaign_note *note = &campaign->notes[i];
        if (note->repeat || !is_same_upgrade(note, ids))
            continue;
        if (campaign_is_result(note))
            upgrade->result = note;
        else
            upgrade->step = note;
    }
    return upgrade->result != NULL || upgrade->step != NULL;
}

static bool is_contradictory(const struct campaign_note *result)
{
    bool arrived = strcmp(result->current, result->target) == 0;
    return result->success ? !arrived : arrived;
}

static const char *error_code(const struct campaign_note *result)
{
    return result->error_code != NULL ? result->error_code : "";
}

typedef void upgrade_visitor(void *argument, const struct campaign_note *ids,
                             const struct upgrade *upgrade);

static void visit_upgrades(const struct campaign *campaign, size_t operation,
                           upgrade_visitor *visit, void *argument)
{
    struct campaign_note ids = {.operation = operation};
    struct upgrade upgrade;
    for (; ids.sub_operation < CAMPAIGN_SUB_OPERATIONS_MAX; ids.sub_operation++)
        for (ids.device = 0; ids.device < CAMPAIGN_DEVICES_MAX; ids.device++)
            if (find_upgrade(campaign, &ids, &upgrade))
                visit(argument, &ids, &upgrade);
}

struct counters {
    int64_t in_progress, success, fail, contradictory;
    int64_t failures[LENGTH(error_codes)];
    int64_t arrived[LENGTH(versions)], missed[LENGTH(versions)]; /* by target version */
};

static void count_upgrade(void *argument, const struct campaign_note *ids,
                          const struct upgrade *upgrade)
{
    struct counters *counters = argument;
    const struct campaign_note *result = upgrade->result;
    if (result == NULL) {
        counters->in_progress++;
        return;
    }
    counters->contradictory += is_contradictory(result);
    counters->success += result->success;
    counters->fail += !result->success;
    for (size_t i = 0; !result->success && i < LENGTH(error_codes); i++)
        counters->failures[i] += strcmp(error_codes[i], error_code(result)) == 0;
    for (size_t i = 0; i < LENGTH(versions); i++)
        if (strcmp(versions[i], result->target) == 0)
            (result->success ? counters->arrived : counters->missed)[i]++;
}

void campaign_add_totals(const struct campaign *campaign, struct store_totals *totals)
{
    struct counters counters = {.success = 0};
    for (size_t i = 0; i < CAMPAIGN_OPERATIONS_MAX; i++)
        visit_upgrades(campaign, i, count_upgrade, &counters);
    totals->in_progress += counters.in_progress;
    totals->success += counters.success;
    totals->fail += counters.fail;
    totals->contradictory += counters.contradictory;
    for (size_t i = 0; i < campaign->received; i++) {
        totals->repeats += campaign->notes[i].repeat;
        totals->notifications += !campaign->notes[i].repeat;
        totals->seq += !campaign->notes[i].repeat;
    }
}

struct drawing {
    enum campaign_detail detail;
    struct buffer *out;
};

static const char *or_null(const char *text)
{
    return text != NULL ? text : "NULL";
}

static void draw_upgrade(void *argument, const struct campaign_note *note_ids,
                         const struct upgrade *upgrade)
{
    const struct drawing *drawing = argument;
    const struct campaign_note *result = upgrade->result, *step = upgrade->step;
    const struct ids ids = name(note_ids->operation, note_ids->sub_operation, note_ids->device);
    buffer_addf(drawing->out, "upgrade|%s|%s|%s|", ids.operation, ids.sub_operation, ids.device);
    if (result == NULL)
        buffer_add_string(drawing->out, "IN_PROGRESS|NULL|NULL|NULL|NULL|NULL|NULL|NULL|0");
    else
        buffer_addf(drawing->out, "%s|%s|%s|" SOURCE_VERSION "|%s|%s|%s|%s|%d",
                    result->success ? "SUCCESS" : "FAIL", result->current, result->target,
                    result->number, result->text, or_null(result->error_code),
                    result->kind == CAMPAIGN_SW_RESULT ? result->text : "NULL",
                    is_contradictory(result));
    if (drawing->detail == CAMPAIGN_ALL)
        buffer_addf(drawing->out, "|%s|%lld",
                    step == NULL                      ? "NULL"
                    : step->kind == CAMPAIGN_SW_STATE ? step->sw_step
                                                      : step->number,
                    (long long)(result != NULL ? result->seq : step->seq));
    buffer_add_string(drawing->out, "\n");
}

/* Ends a line, with the times of the first and the last notification of OPERATION, or, where CODE
 * is not NULL, of those that failed with it. */
static void draw_times(const struct campaign *campaign, size_t operation, const char *code,
                       const struct drawing *drawing)
{
    const struct campaign_note *first = NULL, *last = NULL;
    for (size_t i = 0; i < campaign->received; i++) {
        const struct campaign_note *note = &campaign->notes[i];
        bool counts = code == NULL || (campaign_is_result(note) && !note->success &&
                                       strcmp(error_code(note), code) == 0);
        if (note->operation != operation || note->repeat || !counts)
            continue;
        first = first == NULL ? note : first;
        last = note;
    }
    char first_at[CLOCK_TEXT_SIZE], last_at[CLOCK_TEXT_SIZE];
    if (first != NULL && drawing->detail == CAMPAIGN_ALL)
        buffer_addf(drawing->out, "|%s|%s", clock_format(first->received_ms, first_at),
                    clock_format(last->received_ms, last_at));
    buffer_add_string(drawing->out, "\n");
}

void campaign_draw(const struct campaign *campaign, enum campaign_detail detail, struct buffer *out)
{
    struct drawing drawing = {.detail = detail, .out = out};
    struct counters counters[CAMPAIGN_OPERATIONS_MAX] = {{.success = 0}};
    for (size_t i = 0; i < CAMPAIGN_OPERATIONS_MAX; i++)
        visit_upgrades(campaign, i, draw_upgrade, &drawing);
    for (size_t i = 0; i < CAMPAIGN_OPERATIONS_MAX; i++) {
        const struct counters *c = &counters[i];
        visit_upgrades(campaign, i, count_upgrade, &counters[i]);
        if (c->in_progress + c->success + c->fail == 0)
            continue;
        buffer_addf(out, "operation|%s|%lld|%lld|%lld|%lld", name(i, 0, 0).operation,
                    (long long)c->in_progress, (long long)c->success, (long long)c->fail,
                    (long long)c->contradictory);
        draw_times(campaign, i, NULL, &drawing);
    }
    for (size_t i = 0; i < CAMPAIGN_OPERATIONS_MAX; i++)
        for (size_t code = 0; code < LENGTH(error_codes); code++) {
            if (counters[i].failures[code] == 0)
                continue;
            buffer_addf(out, "failure|%s|%s|%lld", name(i, 0, 0).operation, error_codes[code],
                        (long long)counters[i].failures[code]);
            draw_times(campaign, i, error_codes[code], &drawing);
        }
    for (size_t i = 0; i < CAMPAIGN_OPERATIONS_MAX; i++)
        for (size_t v = 0; v < LENGTH(versions); v++)
            if (counters[i].arrived[v] + counters[i].missed[v] > 0)
                buffer_addf(out, "move|%s|" SOURCE_VERSION "|%s|%lld|%lld\n",
                            name(i, 0, 0).operation, versions[v], (long long)counters[i].arrived[v],
                            (long long)counters[i].missed[v]);
}

void campaign_count_kinds(const struct campaign *campaign, struct campaign_kinds *kinds)
{
    for (size_t i = 0; i < campaign->received; i++) {
        const struct campaign_note *note = &campaign->notes[i];
        if (!note->repeat)
            kinds->counts[note->kind][campaign_is_result(note) && note->success]++;
    }
}

void campaign_draw_kinds(const struct campaign_kinds *kinds, struct buffer *out)
{
    static const struct {
        const char *type, *results[2];
        enum campaign_kind kind;
    } lines[] = {
        {"fwUpgradeResultNotify", {"FAIL", "SUCCESS"}, CAMPAIGN_FW_RESULT},
        {"fwUpgradeStateChangeNotify", {"", NULL}, CAMPAIGN_FW_STATE},
        {"swUpgradeResultNotify", {"FAIL", "SUCCESS"}, CAMPAIGN_SW_RESULT},
        {"swUpgradeStateChangeNotify", {"", NULL}, CAMPAIGN_SW_STATE},
    };
    for (size_t i = 0; i < LENGTH(lines); i++)
        for (size_t result = 0; result < 2; result++)
            if (kinds->counts[lines[i].kind][result] > 0)
                buffer_addf(out, "%s|%s|%lld\n", lines[i].type, lines[i].results[result],
                            (long long)kinds->counts[lines[i].kind][result]);
}

void campaign_describe(const struct campaign *campaign, struct buffer *out)
{
    for (size_t i = 0; i < campaign->length; i++) {
        const struct campaign_note *note = &campaign->notes[i];
        struct ids ids = name(note->operation, note->sub_operation, note->device);
        buffer_addf(out, "%zu: %s %s %s %s ", i, campaign->app_id, ids.operation, ids.sub_operation,
                    ids.device);
        if (campaign_is_result(note))
            buffer_addf(out, "%s %s, %s of %s, error '%s', time %s, '%s'",
                        note->kind == CAMPAIGN_SW_RESULT ? "sw" : "fw",
                        note->success ? "SUCCESS" : "FAIL", note->current, note->target,
                        error_code(note), note->number, note->text);
        else
            buffer_addf(out, "%s step %s", note->kind == CAMPAIGN_SW_STATE ? "sw" : "fw",
                        note->kind == CAMPAIGN_SW_STATE ? note->sw_step : note->number);
        buffer_addf(out, "%s%s%s -> %lld%s\n", note->is_integer ? ", integer" : "",
                    note->extra != NULL ? ", later: " : "", note->extra != NULL ? note->extra : "",
                    (long long)note->seq, note->repeat ? " again" : "");
    }
}

/* --- the views --- */

enum query {
    UPGRADES,
    OPERATIONS,
    FAILURES,
    MOVES,
    KINDS,
    BARE_UPGRADES, /* without what depends on arrival */
    BARE_OPERATIONS,
    BARE_FAILURES,
    DELIVERIES,
    QUERIES,
};

#define UPGRADE_COLUMNS                                                                          \
    "SELECT 'upgrade', operationId, subOperationId, deviceId, state, curVersion, targetVersion," \
    " sourceVersion, upgradeTime, resultDesc, errorCode, description, contradictory"
#define OPERATION_COLUMNS \
    "SELECT 'operation', operationId, inProgress, success, fail, contradictory"
#define FAILURE_COLUMNS "SELECT 'failure', operationId, errorCode, count"

static const char *const queries[QUERIES] = {
    [UPGRADES] = UPGRADE_COLUMNS ", step, seq FROM upgrades WHERE appId = ?1 ORDER BY 2, 3, 4",
    [OPERATIONS] = OPERATION_COLUMNS
    ", firstAt, lastAt FROM operations WHERE appId = ?1 ORDER BY 2",
    [FAILURES] = FAILURE_COLUMNS ", firstAt, lastAt FROM failures WHERE appId = ?1 ORDER BY 2, 3",
    [MOVES] = "SELECT 'move', operation_id, source, target, transition.success, transition.fail"
              " FROM transition JOIN operation ON id = operation WHERE app_id = ?1"
              " AND transition.success + transition.fail > 0 ORDER BY 2, 4",
    [KINDS] = "SELECT notify_type, result, count FROM type_count WHERE count > 0 ORDER BY 1, 2",
    [BARE_UPGRADES] = UPGRADE_COLUMNS " FROM upgrades WHERE appId = ?1 ORDER BY 2, 3, 4",
    [BARE_OPERATIONS] = OPERATION_COLUMNS " FROM operations WHERE appId = ?1 ORDER BY 2",
    [BARE_FAILURES] = FAILURE_COLUMNS " FROM failures WHERE appId = ?1 ORDER BY 2, 3",
    [DELIVERIES] = "SELECT deliveries, appId FROM notifications WHERE seq = ?1",
};

struct campaign_view {
    sqlite3 *db;
    sqlite3_stmt *statements[QUERIES];
    char app_id[sizeof((struct campaign *)0)->app_id];
};

struct campaign_view *campaign_view_new(const char *folder)
{
    struct campaign_view *view = calloc(1, sizeof *view);
    assert_non_null(view);
    assert_int_equal(
        sqlite3_open_v2(support_path(folder, "upgrades.db"), &view->db, SQLITE_OPEN_READONLY, NULL),
        SQLITE_OK);
    sqlite3_busy_timeout(view->db, 5000);
    for (size_t i = 0; i < QUERIES; i++)
        if (sqlite3_prepare_v2(view->db, queries[i], -1, &view->statements[i], NULL) != SQLITE_OK)
            fail_msg("%s: %s", queries[i], sqlite3_errmsg(view->db));
    return view;
}

void campaign_view_free(struct campaign_view *view)
{
    for (size_t i = 0; i < QUERIES; i++)
        sqlite3_finalize(view->statements[i]);
    sqlite3_close(view->db);
    free(view);
}

static void draw_rows(struct campaign_view *view, enum query query, const char *app_id,
                      struct buffer *out)
{
    sqlite3_stmt *statement = view->statements[query];
    sqlite3_bind_text(statement, 1, app_id, -1, SQLITE_STATIC);
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            buffer_addf(out, "%s%s", i > 0 ? "|" : "",
                        or_null((const char *)sqlite3_column_text(statement, i)));
        buffer_add_string(out, "\n");
    }
    if (step != SQLITE_DONE)
        fail_msg("%s: %s", queries[query], sqlite3_errmsg(view->db));
    sqlite3_reset(statement);
}

void campaign_view_draw(struct campaign_view *view, const char *app_id, enum campaign_detail detail,
                        struct buffer *out)
{
    bool all = detail == CAMPAIGN_ALL;
    draw_rows(view, all ? UPGRADES : BARE_UPGRADES, app_id, out);
    draw_rows(view, all ? OPERATIONS : BARE_OPERATIONS, app_id, out);
    draw_rows(view, all ? FAILURES : BARE_FAILURES, app_id, out);
    draw_rows(view, MOVES, app_id, out);
}

void campaign_view_draw_kinds(struct campaign_view *view, struct buffer *out)
{
    draw_rows(view, KINDS, "", out);
}

int64_t campaign_view_deliveries(struct campaign_view *view, int64_t seq, const char **app_id)
{
    sqlite3_stmt *statement = view->statements[DELIVERIES];
    sqlite3_bind_int64(statement, 1, seq);
    int64_t deliveries = 0;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        deliveries = sqlite3_column_int64(statement, 0);
        snprintf(view->app_id, sizeof view->app_id, "%s",
                 or_null((const char *)sqlite3_column_text(statement, 1)));
    }
    sqlite3_reset(statement);
    *app_id = view->app_id;
    return deliveries;
}
