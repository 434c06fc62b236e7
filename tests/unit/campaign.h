/* campaign: random upgrade campaigns whose notifications are spelled in many ways, and a plain
 * model of what the books must say once they have arrived.
 *
 * The model is written from the words of the design (upgrade, operation, repeat, contradictory),
 * not from the store: it keeps every notification and looks through all of them for each answer. */
#ifndef CAMPAIGN_H
#define CAMPAIGN_H

#include "base/buffer.h"
#include "store/store.h"
#include "support.h"

#define CAMPAIGN_OPERATIONS_MAX 2
#define CAMPAIGN_SUB_OPERATIONS_MAX 3
#define CAMPAIGN_DEVICES_MAX 4
#define CAMPAIGN_NOTES_MAX 12

enum campaign_kind {
    CAMPAIGN_SW_STATE,
    CAMPAIGN_FW_STATE,
    CAMPAIGN_SW_RESULT,
    CAMPAIGN_FW_RESULT,
};

/* What one notification says. Equal notes are repeats of each other, however they are spelled. */
struct campaign_note {
    enum campaign_kind kind;
    size_t operation, sub_operation, device;
    const char *number;  /* fw's step, or upgradeTime */
    bool is_integer;     /* the number is one to JSON; a string otherwise */
    const char *extra;   /* a member that no edition knows, as JSON; NULL: not there */
    const char *sw_step; /* of a software state change */
    bool success;        /* from here on, of a result */
    const char *current, *target;
    const char *text;       /* resultDesc and description, or statusDesc */
    const char *error_code; /* of a software result */
    bool capital_status;    /* of a firmware result: Status, not status */

    /* when and as what it arrived, set by campaign_receive */
    int64_t received_ms;
    bool repeat;
    int64_t seq, deliveries;
};

struct campaign {
    char app_id[48];
    struct campaign_note notes[CAMPAIGN_NOTES_MAX]; /* in the order of arrival */
    size_t length;
    size_t received; /* of them, so far */
};

/* Makes up a campaign; what it is depends on *SEED alone. */
void campaign_make_up(struct campaign *campaign, const char *app_id, uint64_t *seed);

/* Brings the notes into another order. */
void campaign_shuffle(struct campaign *campaign, uint64_t *seed);

/* The same, but of any two different results of one upgrade, that which came first stays first. */
void campaign_shuffle_around_results(struct campaign *campaign, uint64_t *seed);

/* Brings the notes into their PERMUTATION-th order, of LENGTH! orders. */
void campaign_permute(struct campaign *campaign, size_t permutation);

bool campaign_is_result(const struct campaign_note *note);

/* Whether two notes say the same. */
bool campaign_is_same(const struct campaign_note *a, const struct campaign_note *b);

/* Gives a record of the note at INDEX, spelled as *SEED has it and read by dispatch; to be freed
 * with campaign_record_free. */
struct record *campaign_record(const struct campaign *campaign, size_t index, uint64_t *seed);
void campaign_record_free(struct record *record);

/* The model: the next note arrives at a store whose last number is *SEQ. Gives the note, with what
 * must become of it. */
const struct campaign_note *campaign_receive(struct campaign *campaign, int64_t received_ms,
                                             int64_t *seq);

/* The model: adds to TOTALS what the campaign, received whole, adds to a store's. */
void campaign_add_totals(const struct campaign *campaign, struct store_totals *totals);

/* What a portrait shows. */
enum campaign_detail {
    CAMPAIGN_ALL,
    CAMPAIGN_WITHOUT_ORDER, /* without numbers, times and steps, which depend on arrival */
};

/* The model: writes what upgrades, operations, failures and moves must hold of the campaign. */
void campaign_draw(const struct campaign *campaign, enum campaign_detail detail,
                   struct buffer *out);

/* Notifications by what they are: results by whether they say SUCCESS. */
struct campaign_kinds {
    int64_t counts[4][2];
};

/* The model: adds to KINDS what the campaign, received whole, adds; and writes them. */
void campaign_count_kinds(const struct campaign *campaign, struct campaign_kinds *kinds);
void campaign_draw_kinds(const struct campaign_kinds *kinds, struct buffer *out);

/* Writes the campaign for a person: each note in the order of arrival. */
void campaign_describe(const struct campaign *campaign, struct buffer *out);

struct campaign_view;

/* Gives an eye on the views of the store in FOLDER, as anyone with the sqlite3 shell has. */
struct campaign_view *campaign_view_new(const char *folder);
void campaign_view_free(struct campaign_view *view);

/* Writes what the views hold of APP_ID, in the words of campaign_draw. */
void campaign_view_draw(struct campaign_view *view, const char *app_id, enum campaign_detail detail,
                        struct buffer *out);

/* Writes the store's kinds, in the words of campaign_draw_kinds. */
void campaign_view_draw_kinds(struct campaign_view *view, struct buffer *out);

/* The deliveries of notification SEQ, and in *APP_ID (lent until the next call) whose it is; 0
 * where there is none. */
int64_t campaign_view_deliveries(struct campaign_view *view, int64_t seq, const char **app_id);

#endif
