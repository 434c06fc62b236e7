/* The upgrade family as a whole: random campaigns, in any order of arrival, in batches of any size,
 * end as the design's words say.
 *
 * CAMPAIGN_SEED sets the seed, which a failure names; CAMPAIGNS how many there are. */
#include "config.h"

#include "campaign.h"
#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_DEFAULT 20261124
#define CAMPAIGNS_DEFAULT 10000

/* Campaigns under way at once: their notifications arrive mixed with each other's. */
#define GROUP 200

#define BATCH_MAX 512

/* Two processes' stores on one folder, and what they must hold. */
struct world {
    char *folder;
    struct store_config config;
    struct store *stores[2];
    struct campaign_view *view;
    uint64_t first_seed, seed;
    int64_t clock_ms, seq;
    struct store_totals totals;
    struct campaign_kinds kinds;
};

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0' ? strtoull(value, NULL, 0) : otherwise;
}

static void open_stores(struct world *world)
{
    struct fault fault = FAULT_NONE;
    for (size_t i = 0; i < LENGTH(world->stores); i++)
        if (store_new(&world->stores[i], &world->config, &fault) != 0 ||
            store_open(world->stores[i], &fault) != 0)
            fail_msg("%s", fault.text);
}

static void close_stores(struct world *world)
{
    for (size_t i = 0; i < LENGTH(world->stores); i++) {
        store_free(world->stores[i]);
        world->stores[i] = NULL;
    }
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->folder = support_folder();
    world->config = (struct store_config){.folder = world->folder};
    world->first_seed = world->seed = number_from("CAMPAIGN_SEED", SEED_DEFAULT);
    world->clock_ms = 1764000000000;
    open_stores(world);
    world->view = campaign_view_new(world->folder);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    campaign_view_free(world->view);
    close_stores(world);
    support_folder_free(world->folder);
    free(world);
    return 0;
}

static void fail_campaign(const struct world *world, const struct campaign *campaign,
                          const char *what, const char *is, const char *must_be)
{
    struct buffer text = {0};
    campaign_describe(campaign, &text);
    buffer_add(&text, "", 1);
    fprintf(stderr, "%s\n%s is:\n%s\nnot:\n%s\n", text.bytes, what, is, must_be);
    buffer_release(&text);
    fail_msg("%s: another %s; CAMPAIGN_SEED=%llu shows it again", campaign->app_id, what,
             (unsigned long long)world->first_seed);
}

static void draw(const struct world *world, const struct campaign *campaign,
                 enum campaign_detail detail, struct buffer *out)
{
    buffer_clear(out);
    campaign_view_draw(world->view, campaign->app_id, detail, out);
    buffer_add(out, "", 1);
    assert_false(out->failed);
}

static void assert_drawing(const struct world *world, const struct campaign *campaign)
{
    struct buffer is = {0}, must_be = {0};
    draw(world, campaign, CAMPAIGN_ALL, &is);
    campaign_draw(campaign, CAMPAIGN_ALL, &must_be);
    buffer_add(&must_be, "", 1);
    if (strcmp(is.bytes, must_be.bytes) != 0)
        fail_campaign(world, campaign, "view", is.bytes, must_be.bytes);
    buffer_release(&is);
    buffer_release(&must_be);
}

/* What the store made of one record. */
static void assert_outcome(const struct world *world, const struct campaign *campaign,
                           const struct campaign_note *note, const struct record *record)
{
    char is[96], must_be[96];
    snprintf(is, sizeof is, "%d, seq %lld, deliveries %lld", (int)record->outcome,
             (long long)record->seq, (long long)record->deliveries);
    snprintf(must_be, sizeof must_be, "%d, seq %lld, deliveries %lld",
             note->repeat ? (int)RECORD_REPEATED : (int)RECORD_STORED, (long long)note->seq,
             (long long)note->deliveries);
    if (strcmp(is, must_be) != 0)
        fail_campaign(world, campaign, "outcome", is, must_be);
}

static void assert_deliveries(const struct world *world, const struct campaign *campaign)
{
    for (size_t i = 0; i < campaign->length; i++) {
        const struct campaign_note *note = &campaign->notes[i];
        int64_t must_be = 0;
        for (size_t j = 0; j < campaign->length; j++)
            must_be += campaign_is_same(note, &campaign->notes[j]);
        const char *app_id;
        int64_t is = campaign_view_deliveries(world->view, note->seq, &app_id);
        if (is != must_be || strcmp(app_id, campaign->app_id) != 0) {
            char is_text[96], must_be_text[96];
            snprintf(is_text, sizeof is_text, "%lld of %s", (long long)is, app_id);
            snprintf(must_be_text, sizeof must_be_text, "%lld of %s", (long long)must_be,
                     campaign->app_id);
            fail_campaign(world, campaign, "number of deliveries", is_text, must_be_text);
        }
    }
}

static void assert_totals(const struct world *world)
{
    struct store_reader *reader;
    struct store_overview overview;
    struct fault fault = FAULT_NONE;
    if (store_reader_new(&reader, world->folder, &fault) != 0 ||
        store_read_overview(reader, &overview, &fault) != 0)
        fail_msg("%s", fault.text);
    const struct store_totals *is = &overview.totals, *must_be = &world->totals;
    assert_int_equal(is->seq, must_be->seq);
    assert_int_equal(is->notifications, must_be->notifications);
    assert_int_equal(is->repeats, must_be->repeats);
    assert_int_equal(is->in_progress, must_be->in_progress);
    assert_int_equal(is->success, must_be->success);
    assert_int_equal(is->fail, must_be->fail);
    assert_int_equal(is->contradictory, must_be->contradictory);
    assert_int_equal(is->quarantined, 0);
    store_reader_free(reader);
}

static void assert_kinds(const struct world *world)
{
    struct buffer is = {0}, must_be = {0};
    campaign_view_draw_kinds(world->view, &is);
    buffer_add(&is, "", 1);
    campaign_draw_kinds(&world->kinds, &must_be);
    buffer_add(&must_be, "", 1);
    assert_string_equal(is.bytes, must_be.bytes);
    buffer_release(&is);
    buffer_release(&must_be);
}

/* Sizes of batches: single ones often enough, large ones mostly, so that the disk is synced rarely.
 */
static size_t pick_batch_size(struct world *world)
{
    size_t most = support_random_below(&world->seed, 4) == 0 ? 4 : BATCH_MAX;
    return 1 + support_random_below(&world->seed, most);
}

/* Records of one transaction, whose campaigns they are, and what must become of each. */
struct batch {
    struct record *records[BATCH_MAX];
    const struct campaign *campaigns[BATCH_MAX];
    struct campaign_note expected[BATCH_MAX];
    size_t length;
};

/* Takes the next notifications of campaigns picked by chance, each campaign's in their order. */
static void fill_batch(struct world *world, struct campaign *campaigns, size_t count, size_t left,
                       struct batch *batch)
{
    size_t size = pick_batch_size(world);
    batch->length = 0;
    while (batch->length < size && batch->length < left) {
        struct campaign *campaign = &campaigns[support_random_below(&world->seed, count)];
        if (campaign->received == campaign->length)
            continue;
        world->clock_ms += (int64_t)support_random_below(&world->seed, 3) * 501;
        struct record *record = campaign_record(campaign, campaign->received, &world->seed);
        record->received_ms = world->clock_ms;
        batch->records[batch->length] = record;
        batch->campaigns[batch->length] = campaign;
        batch->expected[batch->length++] = *campaign_receive(campaign, world->clock_ms,
                                                             &world->seq);
    }
}

static void keep_batch(struct world *world, struct batch *batch)
{
    struct fault fault = FAULT_NONE;
    struct store *store = world->stores[support_random_below(&world->seed, LENGTH(world->stores))];
    if (store_keep(store, batch->records, batch->length, NULL, 0, &fault) != 0)
        fail_msg("%s", fault.text);
    for (size_t i = 0; i < batch->length; i++) {
        assert_outcome(world, batch->campaigns[i], &batch->expected[i], batch->records[i]);
        campaign_record_free(batch->records[i]);
    }
}

/* Delivers the campaigns, mixed, in batches. */
static void deliver(struct world *world, struct campaign *campaigns, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        left += campaigns[i].length;
    while (left > 0) {
        struct batch batch;
        fill_batch(world, campaigns, count, left, &batch);
        keep_batch(world, &batch);
        left -= batch.length;
    }
    for (size_t i = 0; i < count; i++) {
        campaign_add_totals(&campaigns[i], &world->totals);
        campaign_count_kinds(&campaigns[i], &world->kinds);
    }
}

/* Each campaign depends on its number and the first seed alone. */
static void make_up(const struct world *world, struct campaign *campaign, const char *prefix,
                    size_t number)
{
    char app_id[48];
    snprintf(app_id, sizeof app_id, "%s-%zu", prefix, number);
    uint64_t seed = world->first_seed ^ (number + 1) << 32;
    campaign_make_up(campaign, app_id, &seed);
    campaign_shuffle(campaign, &seed);
}

static void random_campaigns_end_as_the_model_says(void **state)
{
    struct world *world = *state;
    size_t campaigns_count = (size_t)number_from("CAMPAIGNS", CAMPAIGNS_DEFAULT);
    struct campaign group[GROUP];
    for (size_t done = 0; done < campaigns_count; done += GROUP) {
        for (size_t i = 0; i < GROUP; i++)
            make_up(world, &group[i], "random", done + i);
        deliver(world, group, GROUP);
        for (size_t i = 0; i < GROUP; i++) {
            assert_drawing(world, &group[i]);
            assert_deliveries(world, &group[i]);
        }
        assert_totals(world);
        assert_kinds(world);
        if (support_random_below(&world->seed, 5) == 0) { /* a restart changes nothing */
            close_stores(world);
            open_stores(world);
        }
    }
    lists_assert_sound(
        world->folder); /* every counter, the timeline among them, is what its rows add up to */
}

/* --- what does not depend on the order --- */

#define ORDERS 5

/* Whoever follows the order of results alone, and leaves state changes and repeats wherever they
 * come, ends the same: a result beats any state change, whenever it came. */
static void only_the_order_of_results_matters(void **state)
{
    struct world *world = *state;
    size_t campaigns_count = (size_t)number_from("CAMPAIGNS", CAMPAIGNS_DEFAULT) / 10;
    for (size_t done = 0; done < campaigns_count; done += GROUP / ORDERS) {
        struct campaign group[GROUP];
        for (size_t i = 0; i < GROUP; i++) {
            struct campaign *campaign = &group[i];
            if (i % ORDERS == 0) {
                make_up(world, campaign, "ordered", done + i / ORDERS);
                continue;
            }
            *campaign = group[i - 1];
            snprintf(campaign->app_id, sizeof campaign->app_id, "ordered-%zu-%zu",
                     done + i / ORDERS, i % ORDERS);
            campaign_shuffle_around_results(campaign, &world->seed);
        }
        deliver(world, group, GROUP);
        for (size_t i = 0; i < GROUP; i++) {
            struct buffer first = {0}, other = {0};
            draw(world, &group[i - i % ORDERS], CAMPAIGN_WITHOUT_ORDER, &first);
            draw(world, &group[i], CAMPAIGN_WITHOUT_ORDER, &other);
            if (strcmp(first.bytes, other.bytes) != 0)
                fail_campaign(world, &group[i], "end in another order", other.bytes, first.bytes);
            buffer_release(&first);
            buffer_release(&other);
            assert_deliveries(world, &group[i]);
        }
    }
}

/* One upgrade of a device: SUCCESS or FAIL is the only result there is, told twice, among three
 * state changes. In none of the 120 orders is the upgrade anything else in the end. */
static const struct campaign_note one_result[] = {
    {.kind = CAMPAIGN_SW_STATE, .sw_step = "downloading"},
    {.kind = CAMPAIGN_SW_RESULT,
     .number = "60",
     .current = "1.0",
     .target = "2.0",
     .error_code = "4",
     .text = ""},
    {.kind = CAMPAIGN_SW_STATE, .sw_step = "updating"},
    {.kind = CAMPAIGN_SW_RESULT,
     .number = "60",
     .current = "1.0",
     .target = "2.0",
     .error_code = "4",
     .text = ""},
    {.kind = CAMPAIGN_FW_STATE, .number = "0"},
};

/* Results that disagree, one of them told again, and a state change. */
static const struct campaign_note three_results[] = {
    {.kind = CAMPAIGN_SW_RESULT,
     .number = "60",
     .current = "1.0",
     .target = "2.0",
     .error_code = "4",
     .text = ""},
    {.kind = CAMPAIGN_SW_RESULT,
     .number = "60",
     .success = true,
     .current = "2.0",
     .target = "2.0",
     .error_code = "",
     .text = ""},
    {.kind = CAMPAIGN_FW_RESULT, .number = "60", .current = "2.0", .target = "2.0", .text = ""},
    {.kind = CAMPAIGN_SW_RESULT,
     .number = "60",
     .current = "1.0",
     .target = "2.0",
     .error_code = "4",
     .text = ""},
    {.kind = CAMPAIGN_SW_STATE, .sw_step = "updating"},
};

#define PERMUTATIONS 120 /* of five */

static void deliver_in_every_order(struct world *world, const char *prefix,
                                   const struct campaign_note notes[5],
                                   struct campaign campaigns[PERMUTATIONS])
{
    for (size_t i = 0; i < PERMUTATIONS; i++) {
        struct campaign *campaign = &campaigns[i];
        *campaign = (struct campaign){.length = 5};
        snprintf(campaign->app_id, sizeof campaign->app_id, "%s-%zu", prefix, i);
        memcpy(campaign->notes, notes, 5 * sizeof notes[0]);
        campaign_permute(campaign, i);
    }
    deliver(world, campaigns, PERMUTATIONS);
    for (size_t i = 0; i < PERMUTATIONS; i++) {
        assert_drawing(world, &campaigns[i]);
        assert_deliveries(world, &campaigns[i]);
    }
}

static void one_result_stands_in_every_order(void **state)
{
    struct world *world = *state;
    struct campaign campaigns[PERMUTATIONS];
    static const char must_be[] =
        "upgrade|operation-0|sub/0|t\303\251l\303\251phone-0|FAIL|1.0|2.0|1.0|60||4||0\n"
        "operation|operation-0|0|0|1|0\n"
        "failure|operation-0|4|1\n"
        "move|operation-0|1.0|2.0|0|1\n";
    deliver_in_every_order(world, "one", one_result, campaigns);
    for (size_t i = 0; i < PERMUTATIONS; i++) {
        struct buffer is = {0};
        draw(world, &campaigns[i], CAMPAIGN_WITHOUT_ORDER, &is);
        if (strcmp(is.bytes, must_be) != 0)
            fail_campaign(world, &campaigns[i], "end", is.bytes, must_be);
        buffer_release(&is);
    }
}

/* Of results that disagree, the one that was told for the first time last. */
static void the_last_of_three_results_stands_in_every_order(void **state)
{
    struct world *world = *state;
    struct campaign campaigns[PERMUTATIONS];
    static const char *const ends[] = {
        "FAIL|1.0|2.0|1.0|60||4||0\noperation|operation-0|0|0|1|0\nfailure|operation-0|4|1\n",
        "SUCCESS|2.0|2.0|1.0|60||||0\noperation|operation-0|0|1|0|0\n",
        ("FAIL|2.0|2.0|1.0|60||NULL|NULL|1\noperation|operation-0|0|0|1|1\n"
         "failure|operation-0||1\n"),
    };
    size_t seen[LENGTH(ends)] = {0};
    deliver_in_every_order(world, "three", three_results, campaigns);
    for (size_t i = 0; i < PERMUTATIONS; i++) {
        size_t last = 0;
        for (size_t j = 0; j < 5; j++) {
            const struct campaign_note *note = &campaigns[i].notes[j];
            if (campaign_is_result(note) && !note->repeat)
                last = note->kind == CAMPAIGN_FW_RESULT ? 2 : note->success ? 1 : 0;
        }
        struct buffer is = {0};
        draw(world, &campaigns[i], CAMPAIGN_WITHOUT_ORDER, &is);
        if (strstr(is.bytes, ends[last]) == NULL)
            fail_campaign(world, &campaigns[i], "end", is.bytes, ends[last]);
        buffer_release(&is);
        seen[last]++;
    }
    for (size_t i = 0; i < LENGTH(ends); i++)
        assert_true(seen[i] > 0);
}

/* Two spellings of each of two bodies in every order: two notifications, two deliveries each. */
static void repeats_are_counted_in_every_order(void **state)
{
    struct world *world = *state;
    struct campaign campaigns[24];
    for (size_t i = 0; i < LENGTH(campaigns); i++) {
        struct campaign *campaign = &campaigns[i];
        *campaign = (struct campaign){.length = 4};
        snprintf(campaign->app_id, sizeof campaign->app_id, "twice-%zu", i);
        campaign->notes[0] = campaign->notes[1] = one_result[0];
        campaign->notes[2] = campaign->notes[3] = one_result[1];
        campaign_permute(campaign, i);
    }
    int64_t seq = world->seq;
    deliver(world, campaigns, LENGTH(campaigns));
    assert_int_equal(world->seq - seq, 2 * LENGTH(campaigns));
    for (size_t i = 1; i <= 2 * LENGTH(campaigns); i++) {
        const char *app_id;
        assert_int_equal(campaign_view_deliveries(world->view, seq + (int64_t)i, &app_id), 2);
    }
    assert_totals(world);
}

/* A state change behind the result never takes it back, but it is the step that is shown. */
static void the_step_is_the_last_one_reported(void **state)
{
    struct world *world = *state;
    struct campaign campaign = {.app_id = "step", .length = 4};
    campaign.notes[0] = one_result[0];
    campaign.notes[1] = one_result[1];
    campaign.notes[2] = one_result[4];
    campaign.notes[3] = one_result[0]; /* a repeat is nothing new */
    deliver(world, &campaign, 1);
    struct buffer is = {0};
    draw(world, &campaign, CAMPAIGN_ALL, &is);
    support_assert_has(is.bytes, "|FAIL|1.0|2.0|1.0|60||4||0|0|2\n");
    buffer_release(&is);
}

/* A firmware result has no errorCode of its own; where it carries a member of that name, what is
 * counted for the failure must be what is taken back. */
static void a_firmware_failure_is_taken_back_whole(void **state)
{
    struct world *world = *state;
    static const char *const codes[] = {"\"5\"", "5", "null", "{}"};
    for (size_t i = 0; i < LENGTH(codes); i++) {
        struct record *records[2];
        char app_id[32], body[512];
        snprintf(app_id, sizeof app_id, "firmware-%zu", i);
        for (size_t j = 0; j < 2; j++) {
            snprintf(
                body, sizeof body,
                "{\"notifyType\":\"fwUpgradeResultNotify\",\"deviceId\":\"d\",\"appId\":\"%s\","
                "\"operationId\":\"o\",\"subOperationId\":\"s\",\"curVersion\":\"%s\","
                "\"targetVersion\":\"2\",\"sourceVersion\":\"1\",\"status\":\"%s\","
                "\"statusDesc\":\"\",\"upgradeTime\":\"60\",\"errorCode\":%s}",
                app_id, j == 0 ? "1" : "2", j == 0 ? "FAIL" : "SUCCESS", codes[i]);
            records[j] = support_record(body);
            assert_int_equal(records[j]->meaning, RECORD_RESULT);
            records[j]->received_ms = world->clock_ms;
        }
        struct fault fault = FAULT_NONE;
        assert_int_equal(store_keep(world->stores[0], records, 2, NULL, 0, &fault), 0);
        for (size_t j = 0; j < 2; j++)
            campaign_record_free(records[j]);
        struct buffer is = {0};
        campaign_view_draw(world->view, app_id, CAMPAIGN_WITHOUT_ORDER, &is);
        buffer_add(&is, "", 1);
        support_assert_has(is.bytes, "operation|o|0|1|0|0\n");
        if (strstr(is.bytes, "failure|") != NULL)
            fail_msg("a failure stays behind, with errorCode %s:\n%s", codes[i], is.bytes);
        buffer_release(&is);
    }
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int books_property_tests(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(random_campaigns_end_as_the_model_says),
        WORLD(only_the_order_of_results_matters),
        WORLD(one_result_stands_in_every_order),
        WORLD(the_last_of_three_results_stands_in_every_order),
        WORLD(repeats_are_counted_in_every_order),
        WORLD(the_step_is_the_last_one_reported),
        WORLD(a_firmware_failure_is_taken_back_whole),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
