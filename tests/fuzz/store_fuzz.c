/* store: any sequence of notifications, with any texts, into the books.
 *
 * Promised: each outcome is what a plain model tells (model.c), and views, readers and the status
 * document give back what was put in; every counter is what a recount finds. The store's hashes
 * only find candidates: half of the inputs run with hashes that collide all the time. */
#include "config.h"

#include "compare.h"

#include "base/clock.h"
#include "books.h"
#include "notification/content.h"
#include "notification/dispatch.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 48
#define BATCH_MAX 16
#define WINDOW_MS 1000
#define TIME_MS 1700000000000

/* Inputs after which what the store has logged is copied to its main file. */
#define CHECKPOINT_EVERY 500

static struct books *books;
static struct store_reader *reader;
static sqlite3 *db;
static struct model model;
static uint64_t hash_mask;

/* --- hashes that collide: the linker puts these in the place of the real ones --- */

uint64_t __real_content_hash(const char *body, size_t length,
                             const unsigned char key[CONTENT_KEY_SIZE]);
uint64_t __wrap_content_hash(const char *body, size_t length,
                             const unsigned char key[CONTENT_KEY_SIZE]);
uint64_t __real_content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE]);
uint64_t __wrap_content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE]);

uint64_t __wrap_content_hash(const char *body, size_t length,
                             const unsigned char key[CONTENT_KEY_SIZE])
{
    return __real_content_hash(body, length, key) & hash_mask;
}

uint64_t __wrap_content_hash_string(const char *string, const unsigned char key[CONTENT_KEY_SIZE])
{
    return __real_content_hash_string(string, key) & hash_mask;
}

/* --- an empty store for each input --- */

int __wrap_store_life_check(struct store *store, struct fault *fault);

/* It is emptied while it is open, and takes that for another store. */
int __wrap_store_life_check(struct store *store, struct fault *fault)
{
    (void)store;
    (void)fault;
    return 0;
}

static void run(const char *sql)
{
    fuzz_demand(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
}

/* For each table: what empties it, and what puts the rows of a new store back. */
static struct buffer reset = {0};

static int add_reset(void *none, int count, char **names, char **columns)
{
    struct buffer copy = {0};
    (void)none;
    (void)count;
    (void)columns;
    buffer_addf(&copy, "CREATE TEMP TABLE \"new %s\" AS SELECT * FROM main.%s", names[0], names[0]);
    buffer_add(&copy, "", 1);
    run(copy.bytes);
    buffer_release(&copy);
    buffer_addf(&reset, "DELETE FROM main.%s; INSERT INTO main.%s SELECT * FROM temp.\"new %s\";",
                names[0], names[0], names[0]);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct fault fault = FAULT_NONE;
    void *state;
    (void)argc;
    (void)argv;
    fuzz_begin();
    hash_mask = UINT64_MAX;
    books_setup(&state);
    books = state;
    books_meddle(books, "UPDATE secret SET hash_key = x'000102030405060708090a0b0c0d0e0f'");
    books->config.quarantine_max = 4;
    books->config.quarantine_bytes = 2000;
    books->config.repeat_window_ms = WINDOW_MS;
    books_reopen(books);
    fuzz_demand(store_reader_new(&reader, books->folder, &fault) == 0, "%s", fault.text);
    fuzz_demand(sqlite3_open(support_path(books->folder, "upgrades.db"), &db) == SQLITE_OK,
                "SQLite opens the store");
    run("PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY");
    buffer_add_string(&reset, "BEGIN IMMEDIATE;");
    fuzz_demand(sqlite3_exec(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", add_reset,
                             NULL, NULL) == SQLITE_OK,
                "%s", sqlite3_errmsg(db));
    buffer_add(&reset, "COMMIT", 7);
    compare_begin(db);
    return 0;
}

static void empty_store(void)
{
    static unsigned inputs;
    struct fault fault = FAULT_NONE;
    if (++inputs % CHECKPOINT_EVERY == 0)
        fuzz_demand(store_checkpoint(reader, true, NULL, &fault) == 0, "%s", fault.text);
    run(reset.bytes);
    model_release(&model);
    model.config = books->config;
}

/* --- from the input to records --- */

/* What happens in one input. */
struct story {
    struct fuzz_input input;
    uint64_t seed;
    int64_t now_ms;
    struct record *batch[BATCH_MAX];
    size_t batch_length;
    size_t records; /* in all */
};

static void flush(struct story *story)
{
    books_keep(books, story->batch, story->batch_length);
    for (size_t i = 0; i < story->batch_length; i++)
        model_take(&model, story->batch[i]);
    support_records_free(story->batch, story->batch_length);
    story->batch_length = 0;
}

static void put(struct story *story, struct record *record)
{
    if (record->requeue_id == 0)
        record->received_ms = story->now_ms;
    story->batch[story->batch_length++] = record;
    story->records++;
    if (story->batch_length == BATCH_MAX)
        flush(story);
}

static struct record *dispatched(const char *body, size_t length)
{
    struct record *record = support_bytes(body, length);
    fuzz_demand(dispatch_read(record) != DISPATCH_NO_MEMORY, "there is memory");
    return record;
}

/* A member whose value is one of few texts, so that they meet again, or any text: now and then a
 * long one. */
static void set_text(json_t *json, const char *name, struct fuzz_input *input)
{
    static const char *const few[] = {"a", "b", "a", "b", "\303\244", ""};
    struct buffer text = {0};
    size_t picked = fuzz_below(input, 3 * LENGTH(few));
    if (picked < 2 * LENGTH(few)) {
        buffer_add_string(&text, few[picked % LENGTH(few)]);
    } else {
        struct fuzz_input bytes = fuzz_take(input, fuzz_below(input, 40));
        size_t times = picked == 2 * LENGTH(few) ? 1 + fuzz_below(input, 40) : 1;
        for (size_t i = 0; i < times; i++)
            fuzz_add_utf8(&text, bytes);
    }
    buffer_add(&text, "", 1);
    json_object_set_new(json, name, json_string(text.bytes));
    buffer_release(&text);
}

static void set_texts(json_t *json, const char *const *names, struct fuzz_input *input)
{
    for (; *names != NULL; names++)
        set_text(json, *names, input);
}

/* Spells JSON, which is released, some way, and puts it. */
static struct record *spelled(struct story *story, json_t *json)
{
    struct buffer body = {0};
    fuzz_respell(&body, json, &story->seed);
    struct record *record = dispatched(body.bytes, body.length);
    buffer_release(&body);
    json_decref(json);
    return record;
}

static struct record *make_upgrade(struct story *story, unsigned kind)
{
    static const char *const types[] = {"swUpgradeResultNotify", "swUpgradeStateChangeNotify",
                                        "fwUpgradeResultNotify", "fwUpgradeStateChangeNotify"};
    static const char *const ids[] = {"appId", "operationId", "subOperationId", "deviceId", NULL};
    static const char *const of_result[] = {"curVersion", "targetVersion", "sourceVersion", NULL};
    static const char *const of_sw[] = {"errorCode", "resultDesc", "description", NULL};
    struct fuzz_input *input = &story->input;
    json_t *json = json_object();
    const char *result = fuzz_byte(input) % 2 == 0 ? "FAIL" : "SUCCESS";
    json_object_set_new(json, "notifyType", json_string(types[kind]));
    set_texts(json, ids, input);
    if (kind == 1) {
        set_text(json, "swUpgradeState", input);
    } else if (kind == 3) {
        set_text(json, "step", input);
    } else {
        set_texts(json, of_result, input);
        json_object_set_new(json, "upgradeTime", json_integer((json_int_t)fuzz_byte(input) - 128));
        json_object_set_new(json, kind == 0 ? "swUpgradeResult" : "status", json_string(result));
        set_text(json, "statusDesc", input);
        if (kind == 0)
            set_texts(json, of_sw, input);
    }
    return spelled(story, json);
}

static struct record *make_news(struct story *story)
{
    json_t *json = json_pack("{ss}", "notifyType", "deviceAdded");
    set_text(json, "deviceId", &story->input);
    set_text(json, "gatewayId", &story->input);
    return spelled(story, json);
}

/* Something kept before, in another spelling. */
static struct record *make_again(struct story *story)
{
    if (model.notes_length == 0)
        return NULL;
    size_t picked = fuzz_below(&story->input, model.notes_length);
    return spelled(story, json_deep_copy(model.notes[picked].json));
}

/* A body that was quarantined for its appId, which is accepted by now. */
static struct record *make_retried(struct story *story)
{
    struct store_quarantined quarantined;
    struct fault fault = FAULT_NONE;
    size_t count;
    if (model.quarantined_length == 0)
        return NULL;
    size_t picked = fuzz_below(&story->input, model.quarantined_length);
    const struct model_quarantined *expected = &model.quarantined[picked];
    fuzz_demand(store_read_quarantined(reader, expected->id - 1, &quarantined, 1, &count, &fault) ==
                        0 &&
                    count == 1,
                "a quarantined body is there");
    compare_quarantined(expected, &quarantined);
    struct record *record = dispatched(quarantined.body, quarantined.body_length);
    record->requeue_id = quarantined.id;
    record->received_ms = quarantined.received_ms;
    store_quarantined_release(&quarantined, 1);
    if (record->meaning != RECORD_QUARANTINE)
        return record;
    support_record_free(record); /* it is no notification now either, and stays */
    return NULL;
}

static struct record *make_bytes(struct story *story)
{
    struct fuzz_input bytes = fuzz_take(&story->input, fuzz_below(&story->input, 65536));
    return dispatched((const char *)bytes.bytes, bytes.left);
}

/* What happens beside the records. */
static void interrupt(struct story *story)
{
    struct fault fault = FAULT_NONE;
    switch (fuzz_byte(&story->input) % 8) {
    case 0:
        flush(story);
        store_reader_close(reader);
        books_reopen(books);
        break;
    case 1:
        fuzz_demand(store_probe(books->store, &fault) == 0, "%s", fault.text);
        break;
    case 2:
        fuzz_demand(store_checkpoint(reader, fuzz_byte(&story->input) % 2 == 0, NULL, &fault) == 0,
                    "%s", fault.text);
        break;
    default:
        story->now_ms += (int64_t)fuzz_byte(&story->input) * 20 - 1280;
        break;
    }
}

static void go_on(struct story *story)
{
    struct record *record = NULL;
    unsigned what = fuzz_byte(&story->input) % 16;
    switch (what) {
    case 0:
    case 1:
    case 2:
    case 3:
        record = make_upgrade(story, what);
        break;
    case 4:
    case 5:
        record = make_upgrade(story, 0);
        break;
    case 6:
        record = make_news(story);
        break;
    case 7:
    case 8:
        record = make_bytes(story);
        break;
    case 9:
    case 10:
        record = make_again(story);
        break;
    case 11:
        record = make_upgrade(story, fuzz_byte(&story->input) % 4);
        if (record->meaning != RECORD_QUARANTINE)
            dispatch_quarantine(record, DISPATCH_APP_NOT_ACCEPTED, "/appId");
        break;
    case 12:
        record = make_retried(story);
        break;
    case 13:
        interrupt(story);
        break;
    default:
        flush(story);
        break;
    }
    if (record != NULL)
        put(story, record);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct story story = {
        .input = {bytes, size}, .seed = fuzz_seed(bytes, size), .now_ms = TIME_MS};
    hash_mask = fuzz_byte(&story.input) % 2 == 0 ? UINT64_MAX : 1;
    empty_store();
    while (story.input.left > 0 && story.records < RECORDS_MAX)
        go_on(&story);
    flush(&story);
    compare_views(&model);
    compare_readers(&model, reader);
    /* A body from quarantine does not count as an operation's last. */
    if (!model.requeued && story.seed % 16 == 0)
        books_assert_recount(books);
    return 0;
}
