/* model: what the books must say after any sequence of records. */
#include "config.h"

#include "model.h"

#include "notification/dispatch.h"

#include <stdlib.h>
#include <string.h>

/* --- quarantine --- */

/* Since when there has been no room for bodies like RECORD's. */
static int64_t *full_since(struct store_totals *totals, const struct record *record)
{
    return record->known ? &totals->quarantine_full_ms : &totals->quarantine_unknown_full_ms;
}

static void take_quarantined(struct model *model, const struct record *record)
{
    struct store_totals *totals = &model->totals;
    totals->quarantined++;
    uint64_t count = model->config.quarantine_max, bytes = model->config.quarantine_bytes;
    if ((uint64_t)totals->quarantine_held >= count ||
        (uint64_t)totals->quarantine_bytes + record->body_length > bytes ||
        (!record->known && ((uint64_t)totals->quarantine_unknown_held >=
                                count - count / STORE_QUARANTINE_KNOWN_SHARE ||
                            (uint64_t)totals->quarantine_unknown_bytes + record->body_length >
                                bytes - bytes / STORE_QUARANTINE_KNOWN_SHARE))) {
        totals->quarantine_log_only++;
        int64_t *full_ms = full_since(totals, record);
        if (*full_ms == 0)
            *full_ms = record->received_ms;
        fuzz_demand(record->outcome == RECORD_LOG_ONLY, "quarantine is full");
        return;
    }
    *full_since(totals, record) = 0;
    totals->quarantine_held++;
    totals->quarantine_bytes += (int64_t)record->body_length;
    totals->quarantine_unknown_held += record->known ? 0 : 1;
    totals->quarantine_unknown_bytes += record->known ? 0 : (int64_t)record->body_length;
    model->quarantine_id++;
    fuzz_demand(record->outcome == RECORD_QUARANTINED && record->id == model->quarantine_id,
                "quarantined as %lld, not %lld", (long long)model->quarantine_id,
                (long long)record->id);
    model->quarantined[model->quarantined_length++] = (struct model_quarantined){
        .id = record->id,
        .received_ms = record->received_ms,
        .known = record->known,
        .body = fuzz_copy(record->body, record->body_length),
        .length = record->body_length,
        .verdict = record->verdict};
}

/* Takes the body that RECORD comes from out of quarantine; false where it is not there. */
static bool leave_quarantine(struct model *model, const struct record *record)
{
    for (size_t i = 0; i < model->quarantined_length; i++) {
        struct model_quarantined *quarantined = &model->quarantined[i];
        if (quarantined->id != record->requeue_id)
            continue;
        model->totals.quarantine_held--;
        model->totals.quarantine_full_ms = model->totals.quarantine_unknown_full_ms = 0;
        model->totals.quarantine_bytes -= (int64_t)quarantined->length;
        model->totals.quarantine_unknown_held -= quarantined->known ? 0 : 1;
        model->totals.quarantine_unknown_bytes -= quarantined->known ? 0
                                                                     : (int64_t)quarantined->length;
        free(quarantined->body);
        model->quarantined_length--;
        memmove(quarantined, quarantined + 1,
                (model->quarantined_length - i) * sizeof *quarantined);
        model->requeued = true;
        return true;
    }
    return false;
}

/* --- notifications --- */

static bool is_of_upgrade(const struct record *record)
{
    return record->meaning == RECORD_PROGRESS || record->meaning == RECORD_RESULT;
}

/* Any key will do. What is the same is what the body fuzz target looks at. */
static const unsigned char key[CONTENT_KEY_SIZE] = "sixteen bytes: k";

/* The notification that RECORD repeats; NULL where it is one of its own. */
static struct model_note *find_same(struct model *model, const struct record *record)
{
    for (size_t i = model->notes_length; i-- > 0;) {
        struct model_note *note = &model->notes[i];
        if (!content_equals(note->text, note->length, record->body, record->body_length, key))
            continue;
        int64_t apart_ms = llabs(record->received_ms - note->received_ms);
        return is_of_upgrade(record) || apart_ms <= model->config.repeat_window_ms ? note : NULL;
    }
    return NULL;
}

/* Notes RECORD, a copy whose texts become the note's: those of the record end with it. */
static struct model_note *add_note(struct model *model, struct record *record)
{
    fuzz_demand(model->notes_length < MODEL_MAX, "the model has room");
    struct model_note *note = &model->notes[model->notes_length++];
    const char *text = record_text(record, &note->length);
    note->text = fuzz_copy(text, note->length);
    note->received_ms = record->received_ms;
    note->deliveries = 1;
    record->body = note->text;
    record->body_length = note->length;
    record->rendered = NULL;
    record->memory = (struct arena){0};
    fuzz_demand(dispatch_read(record) == DISPATCH_NOTIFICATION, "what is kept is a notification");
    /* where a name has to be escaped, it is spelled anew each time that it is read */
    free(record->rendered);
    record->rendered = NULL;
    note->memory = record->memory;
    note->json = record->json;
    model->totals.notifications++;
    model->totals.seq++;
    return note;
}

/* --- upgrades --- */

static struct model_operation *find_operation(struct model *model, const struct record *record)
{
    for (size_t i = 0; i < model->operations_length; i++)
        if (strcmp(model->operations[i].app_id, record->app_id) == 0 &&
            strcmp(model->operations[i].operation_id, record->operation_id) == 0)
            return &model->operations[i];
    struct model_operation *operation = &model->operations[model->operations_length++];
    *operation = (struct model_operation){.app_id = record->app_id,
                                          .operation_id = record->operation_id,
                                          .first_ms = record->received_ms,
                                          .last_ms = record->received_ms,
                                          .last_seq = model->totals.seq};
    return operation;
}

static struct model_upgrade *find_upgrade(struct model *model, struct model_operation *operation,
                                          const struct record *record)
{
    for (size_t i = 0; i < model->upgrades_length; i++) {
        struct model_upgrade *upgrade = &model->upgrades[i];
        if (upgrade->operation == operation && strcmp(upgrade->device_id, record->device_id) == 0 &&
            strcmp(upgrade->sub_operation_id, record->sub_operation_id) == 0)
            return upgrade;
    }
    return NULL;
}

static struct model_upgrade *add_upgrade(struct model *model, struct model_operation *operation,
                                         const struct record *record, struct model_note *note)
{
    struct model_upgrade *upgrade = &model->upgrades[model->upgrades_length++];
    *upgrade = (struct model_upgrade){.operation = operation,
                                      .device_id = record->device_id,
                                      .sub_operation_id = record->sub_operation_id,
                                      .state = RECORD_IN_PROGRESS,
                                      .note = note};
    return upgrade;
}

static struct model_failure *find_failure(struct model *model, struct model_operation *operation,
                                          const char *error_code, int64_t received_ms)
{
    for (size_t i = 0; i < model->failures_length; i++)
        if (model->failures[i].operation == operation &&
            strcmp(model->failures[i].error_code, error_code) == 0)
            return &model->failures[i];
    struct model_failure *failure = &model->failures[model->failures_length++];
    *failure = (struct model_failure){.operation = operation,
                                      .error_code = error_code,
                                      .first_ms = received_ms,
                                      .last_ms = received_ms};
    return failure;
}

static void count(struct model *model, const struct model_upgrade *upgrade, int by)
{
    struct model_operation *operation = upgrade->operation;
    struct store_totals *totals = &model->totals;
    int64_t *const counters[][2] = {{&operation->in_progress, &totals->in_progress},
                                    {&operation->success, &totals->success},
                                    {&operation->fail, &totals->fail}};
    *counters[upgrade->state][0] += by;
    *counters[upgrade->state][1] += by;
    operation->contradictory += upgrade->contradictory ? by : 0;
    totals->contradictory += upgrade->contradictory ? by : 0;
    if (upgrade->state == RECORD_FAIL)
        find_failure(model, operation, upgrade->error_code, 0)->count += by;
}

static void take_progress(struct model *model, struct model_operation *operation,
                          const struct record *record, struct model_note *note)
{
    struct model_upgrade *upgrade = find_upgrade(model, operation, record);
    if (upgrade == NULL) {
        upgrade = add_upgrade(model, operation, record, note);
        count(model, upgrade, 1);
    } else if (record->requeue_id != 0 && record->received_ms < upgrade->note->received_ms) {
        return; /* it comes late from quarantine */
    }
    upgrade->step = note;
    if (upgrade->state == RECORD_IN_PROGRESS)
        upgrade->note = note;
}

static void take_result(struct model *model, struct model_operation *operation,
                        const struct record *record, struct model_note *note)
{
    struct model_upgrade *upgrade = find_upgrade(model, operation, record);
    bool history = record->requeue_id != 0 && upgrade != NULL &&
                   upgrade->state != RECORD_IN_PROGRESS &&
                   record->received_ms < upgrade->note->received_ms;
    if (record->state == RECORD_FAIL) {
        struct model_failure *failure = find_failure(model, operation, record->error_code,
                                                     record->received_ms);
        if (record->requeue_id == 0)
            failure->last_ms = record->received_ms;
    }
    if (history)
        return;
    if (upgrade == NULL)
        upgrade = add_upgrade(model, operation, record, note);
    else
        count(model, upgrade, -1);
    upgrade->state = record->state;
    upgrade->contradictory = record->contradictory;
    upgrade->error_code = record->error_code;
    upgrade->note = note;
    count(model, upgrade, 1);
}

static void take_notification(struct model *model, struct record *record)
{
    struct model_note *note = find_same(model, record);
    bool repeat = note != NULL;
    if (record->requeue_id == 0)
        model->totals.last_ms = record->received_ms;
    if (repeat) {
        note->deliveries++;
        model->totals.repeats++;
    } else {
        note = add_note(model, record);
    }
    int64_t seq = note - model->notes + 1;
    fuzz_demand(record->outcome == (repeat ? RECORD_REPEATED : RECORD_STORED) &&
                    record->seq == seq && record->deliveries == note->deliveries,
                "%s %lld, delivered %lld times, not outcome %d, %lld, %lld times: %.*s",
                repeat ? "a repeat of" : "stored as", (long long)seq, (long long)note->deliveries,
                record->outcome, (long long)record->seq, (long long)record->deliveries,
                (int)record->body_length, record->body);
    if (repeat || !is_of_upgrade(record))
        return;
    struct model_operation *operation = find_operation(model, record);
    if (record->requeue_id == 0) {
        operation->last_ms = record->received_ms;
        operation->last_seq = seq;
    }
    if (record->meaning == RECORD_PROGRESS)
        take_progress(model, operation, record, note);
    else
        take_result(model, operation, record, note);
}

void model_take(struct model *model, const struct record *record)
{
    struct record copy = *record;
    if (record->requeue_id != 0 && !leave_quarantine(model, record))
        fuzz_demand(record->outcome == RECORD_GONE, "it left quarantine before");
    else if (record->meaning == RECORD_QUARANTINE)
        take_quarantined(model, record);
    else
        take_notification(model, &copy);
}

void model_release(struct model *model)
{
    for (size_t i = 0; i < model->notes_length; i++) {
        content_release(&model->notes[i].memory, model->notes[i].json);
        free(model->notes[i].text);
    }
    for (size_t i = 0; i < model->quarantined_length; i++)
        free(model->quarantined[i].body);
    *model = (struct model){.config = model->config};
}
