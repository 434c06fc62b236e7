/* model: what the books must say after any sequence of records, in plain arrays: written after the
 * README's words, without hashes, indexes or SQL. */
#ifndef MODEL_H
#define MODEL_H

#include "fuzz.h"
#include "notification/record.h"
#include "store/store.h"

/* Records that a model takes. */
#define MODEL_MAX 64

/* A notification. */
struct model_note {
    struct arena memory;
    const json_t *json; /* in MEMORY; holds its ids */
    char *text;         /* as it is kept */
    size_t length;
    int64_t received_ms, deliveries;
};

struct model_operation {
    const char *app_id, *operation_id;
    int64_t in_progress, success, fail, contradictory;
    int64_t first_ms, last_ms, last_seq;
};

struct model_upgrade {
    struct model_operation *operation;
    const char *sub_operation_id, *device_id;
    enum record_state state;
    bool contradictory;
    const char *error_code;  /* of a FAIL */
    struct model_note *note; /* that the state comes from */
    struct model_note *step; /* the last state change; NULL: none */
};

struct model_failure {
    struct model_operation *operation;
    const char *error_code;
    int64_t count, first_ms, last_ms;
};

struct model_quarantined {
    int64_t id, received_ms;
    bool known;
    char *body;
    size_t length;
    struct schema_verdict verdict;
};

struct model {
    struct store_config config;         /* its bounds and its window count */
    struct model_note notes[MODEL_MAX]; /* the one numbered SEQ at SEQ - 1 */
    struct model_operation operations[MODEL_MAX];
    struct model_upgrade upgrades[MODEL_MAX];
    struct model_failure failures[MODEL_MAX];
    struct model_quarantined quarantined[MODEL_MAX];
    size_t notes_length, operations_length, upgrades_length, failures_length, quarantined_length;
    struct store_totals totals;
    int64_t quarantine_id;
    bool requeued; /* something came out of quarantine */
};

/* Takes a record that the store has kept, and demands that the store told of it what the model
 * tells. */
void model_take(struct model *model, const struct record *record);

void model_release(struct model *model);

#endif
