/* follow: applies entries of the log of shared books to a copy, and notes how far it has come. */
#include "config.h"

#include "notification/dispatch.h"
#include "notification/notification.h"
#include "store/engine.h"
#include "store/follow.h"

#include <stdio.h>
#include <string.h>

static void set_quarantined(const struct store_journaled *entry, struct record *record)
{
    record->meaning = RECORD_QUARANTINE;
    record->known = entry->known;
    record->any_app = entry->any_app;
    snprintf(record->verdict.reason, sizeof record->verdict.reason, "%s", entry->reason);
    snprintf(record->verdict.pointer, sizeof record->verdict.pointer, "%s", entry->pointer);
}

/* Reads the body of a notification, as another version may have understood it. */
static int read_notification(struct record *record, struct fault *fault)
{
    enum dispatch_result result = dispatch_read(record);
    if (result == DISPATCH_NOTIFICATION)
        return 0;
    struct schema_verdict verdict;
    if (result == DISPATCH_QUARANTINE &&
        content_read(record->body, record->body_length, &record->memory, &record->json, &verdict) ==
            CONTENT_OBJECT) {
        record->meaning = RECORD_NEWS;
        notification_read_ids(record);
        return 0;
    }
    return result == DISPATCH_QUARANTINE ? 0 : fault_set(fault, "out of memory");
}

int store_follow_read(const struct store_journaled *entry, struct record *record,
                      struct fault *fault)
{
    *record = (struct record){
        .body = entry->body,
        .body_length = entry->body_length,
        .received_ms = entry->received_ms,
        .followed = true,
        .again = entry->again,
        .times = entry->deliveries,
    };
    switch (entry->kind) {
    case STORE_JOURNAL_NOTIFICATION:
        if (strcmp(entry->reason, STORE_JOURNAL_RETRIED) == 0)
            record->requeue_id = -1;
        return read_notification(record, fault);
    case STORE_JOURNAL_QUARANTINED:
        set_quarantined(entry, record);
        return 0;
    case STORE_JOURNAL_LEFT:
        record->meaning = RECORD_LEFT;
        return 0;
    case STORE_JOURNAL_NOTE:
        record->meaning = RECORD_NOTE;
        return 0;
    case STORE_JOURNAL_EXPECTED:
        record->meaning = RECORD_EXPECTED;
        return 0;
    default:
        return 1;
    }
}

static int put(struct store *store, struct record *record, struct fault *fault)
{
    int64_t id;
    if (record->meaning == RECORD_NOTE || record->meaning == RECORD_EXPECTED)
        return store_plan_follow(store, record, fault);
    if (record->meaning != RECORD_LEFT && record->meaning != RECORD_QUARANTINE)
        return store_books_put(store, record, fault);
    if (record->meaning == RECORD_QUARANTINE && !record->again)
        return store_books_put(store, record, fault);
    if (store_books_find_body(store, record, &id, fault) != 0)
        return -1;
    if (record->meaning == RECORD_QUARANTINE)
        return id != 0 ? 0 : store_books_put(store, record, fault);
    return id == 0 || store_books_drop(store, id, fault) >= 0 ? 0 : -1;
}

static int write_position(struct store *store, const struct store_position *position,
                          struct fault *fault)
{
    const char *const texts[] = {position->generation, position->life, position->program};
    sqlite3_stmt *write = NULL;
    if (sqlite3_prepare_v2(store->db, store_text(STORE_TEXT_write_position), -1, &write, NULL) !=
        SQLITE_OK)
        return store_fault(store->db, fault, "cannot note the position");
    for (int i = 0; i < 3; i++)
        sqlite3_bind_text(write, i + 1, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(write, 4, position->number);
    sqlite3_bind_int64(write, 5, position->life_number);
    int result = store_run(store, write, "cannot note the position", fault);
    sqlite3_finalize(write);
    return result;
}

/* The arguments of store_follow. */
struct batch {
    struct record **records;
    size_t count;
    const struct store_position *position;
};

static int follow_batch(struct store *store, void *argument, struct fault *fault)
{
    const struct batch *batch = argument;
    for (size_t i = 0; i < batch->count; i++)
        if (put(store, batch->records[i], fault) != 0)
            return -1;
    return write_position(store, batch->position, fault);
}

int store_follow(struct store *store, struct record **records, size_t count,
                 const struct store_position *position, struct fault *fault)
{
    struct batch batch = {.records = records, .count = count, .position = position};
    return store_transact(store, follow_batch, &batch, fault);
}

int store_read_position(struct store_reader *reader, struct store_position *position,
                        struct fault *fault)
{
    struct store_position found = {.number = 0};
    char *const texts[] = {found.generation, found.life, found.program};
    *position = found;
    if (store_reader_open(reader, fault) != 0)
        return -1;
    if (sqlite3_table_column_metadata(reader->db, NULL, "position", NULL, NULL, NULL, NULL, NULL,
                                      NULL) != SQLITE_OK)
        return 0;
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_position), fault);
    if (read == NULL)
        return -1;
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        for (int i = 0; i < 3; i++)
            snprintf(texts[i], STORE_POSITION_TEXT_MAX, "%s", store_column_text(read, i));
        found.number = sqlite3_column_int64(read, 3);
        found.life_number = sqlite3_column_int64(read, 4);
    }
    if (store_reader_finish(reader, read, step, fault) != 0)
        return -1;
    *position = found;
    return 0;
}
