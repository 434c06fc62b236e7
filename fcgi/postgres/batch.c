/* batch: entries of the journal as the parameters of keep_1. */
#include "config.h"

#include "postgres/batch.h"

#include "base/utf8.h"
#include "notification/dispatch.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

/* Flags of an entry in the log. */
#define FLAG_KNOWN 1
#define FLAG_ANY_APP 2

/* The parameters, in the order of keep_1. */
enum parameter {
    LIFE,
    FIRST,
    RECEIVER,
    KIND,
    RECEIVED_AT,
    AGAIN,
    DELIVERIES,
    NOTIFY_TYPE,
    APP,
    OPERATION,
    SUB_OPERATION,
    DEVICE,
    STATE,
    REASON,
    POINTER,
    FLAGS,
    BODY,
};

/* Type of each array's elements, as PostgreSQL numbers its own types (pg_type.dat). */
#define BOOL 16
#define BYTEA 17
#define INT2 21
#define INT4 23
#define INT8 20
#define TEXT 25
static const uint32_t types[BATCH_PARAMETERS] = {
    [KIND] = INT2,        [RECEIVED_AT] = INT8, [AGAIN] = BOOL,     [DELIVERIES] = INT4,
    [NOTIFY_TYPE] = TEXT, [APP] = TEXT,         [OPERATION] = TEXT, [SUB_OPERATION] = TEXT,
    [DEVICE] = TEXT,      [STATE] = TEXT,       [REASON] = TEXT,    [POINTER] = TEXT,
    [FLAGS] = INT4,       [BODY] = BYTEA,
};

static void add_u32(struct buffer *out, uint32_t number)
{
    uint32_t wire = htonl(number);
    buffer_add(out, (const char *)&wire, sizeof wire);
}

static void add_i64(struct buffer *out, int64_t number)
{
    add_u32(out, (uint32_t)((uint64_t)number >> 32));
    add_u32(out, (uint32_t)(uint64_t)number);
}

/* The head of an array of one dimension that begins at 1 and may have a NULL (array_recv). */
static void begin_array(struct buffer *out, uint32_t type, size_t count)
{
    add_u32(out, count > 0 ? 1 : 0);
    add_u32(out, 1);
    add_u32(out, type);
    if (count > 0) {
        add_u32(out, (uint32_t)count);
        add_u32(out, 1);
    }
}

/* Elements: their length, then their bytes. */
static void add_bytes(struct buffer *out, const char *bytes, size_t length)
{
    add_u32(out, (uint32_t)length);
    buffer_add(out, bytes, length);
}

static void add_small(struct buffer *out, int number)
{
    const char bytes[] = {(char)(number >> 8), (char)number};
    add_bytes(out, bytes, sizeof bytes);
}

static void add_number(struct buffer *out, int64_t number)
{
    add_u32(out, sizeof(uint32_t));
    add_u32(out, (uint32_t)(number > INT_MAX ? INT_MAX : number));
}

static void add_big(struct buffer *out, int64_t number)
{
    add_u32(out, sizeof number);
    add_i64(out, number);
}

static void add_null(struct buffer *out)
{
    add_u32(out, UINT32_MAX);
}

/* A text that is for people alone; NULL if it is missing or empty. */
static void add_cut(struct buffer *out, const char *text)
{
    if (text == NULL || text[0] == '\0')
        add_null(out);
    else
        add_bytes(out, text, utf8_cut(text, BATCH_TEXT_MAX));
}

/* Adds the columns that only a notification has; all are NULL if RECORD is none. An operation is
 * known by all bytes of its appId, which may be empty, and of its operationId. */
static void add_content(struct batch *batch, const struct record *record)
{
    struct buffer *to = batch->columns;
    bool upgrade = record->meaning == RECORD_PROGRESS || record->meaning == RECORD_RESULT;
    add_cut(&to[NOTIFY_TYPE], record->notify_type);
    if (upgrade || record->meaning == RECORD_NOTE) {
        add_bytes(&to[APP], record->app_id, strlen(record->app_id));
        add_bytes(&to[OPERATION], record->operation_id, strlen(record->operation_id));
    } else {
        add_cut(&to[APP], record->app_id);
        add_null(&to[OPERATION]);
    }
    add_cut(&to[SUB_OPERATION], record->sub_operation_id);
    add_cut(&to[DEVICE], record->device_id);
    add_cut(&to[STATE],
            upgrade ? record_state_word(record->meaning == RECORD_RESULT ? record->state
                                                                         : RECORD_IN_PROGRESS)
                    : NULL);
}

/* Reads the entry's notification, and adds its columns. A body that this version cannot read has
 * none. */
static int add_notification(struct batch *batch, const struct store_journaled *entry)
{
    struct record record = {.body = entry->body, .body_length = entry->body_length};
    enum dispatch_result result = dispatch_read(&record);
    if (result == DISPATCH_NOTIFICATION)
        add_content(batch, &record);
    else if (result == DISPATCH_QUARANTINE)
        add_content(batch, &(struct record){.meaning = RECORD_NEWS});
    record_release(&record);
    return result == DISPATCH_NO_MEMORY ? -1 : 0;
}

/* Adds the operation of a note or of a list, so that the entry goes when that is pruned. */
static int add_plan(struct batch *batch, const struct store_journaled *entry)
{
    struct arena memory = {0};
    const json_t *json = NULL;
    struct schema_verdict verdict;
    struct record record = {.meaning = RECORD_NEWS};
    enum content_result result = content_read(entry->body, entry->body_length, &memory, &json,
                                              &verdict);
    if (result == CONTENT_OBJECT) {
        record.app_id = json_string_value(json_object_get(json, "appId"));
        record.operation_id = json_string_value(json_object_get(json, "operationId"));
    }
    if (record.app_id != NULL && record.operation_id != NULL)
        record.meaning = RECORD_NOTE;
    add_content(batch, &record);
    content_release(&memory, json);
    return result == CONTENT_NO_MEMORY ? -1 : 0;
}

static int add_entry(struct batch *batch, const struct store_journaled *entry, const char *refused)
{
    struct buffer *to = batch->columns;
    int result = 0;
    add_small(&to[KIND], refused != NULL ? STORE_JOURNAL_REFUSED : entry->kind);
    add_big(&to[RECEIVED_AT], entry->received_ms);
    add_bytes(&to[AGAIN], entry->again ? "\1" : "\0", 1);
    add_number(&to[DELIVERIES], entry->deliveries);
    if (refused == NULL && entry->kind == STORE_JOURNAL_NOTIFICATION)
        result = add_notification(batch, entry);
    else if (refused == NULL &&
             (entry->kind == STORE_JOURNAL_NOTE || entry->kind == STORE_JOURNAL_EXPECTED))
        result = add_plan(batch, entry);
    else
        add_content(batch, &(struct record){.meaning = RECORD_NEWS});
    add_cut(&to[REASON], refused != NULL ? refused : entry->reason);
    add_cut(&to[POINTER], refused != NULL ? NULL : entry->pointer);
    add_number(&to[FLAGS], (entry->known ? FLAG_KNOWN : 0) | (entry->any_app ? FLAG_ANY_APP : 0));
    if (refused != NULL)
        add_null(&to[BODY]);
    else
        add_bytes(&to[BODY], entry->body, entry->body_length);
    return result;
}

int batch_make(struct batch *batch, const char *life, int64_t first, const char *receiver,
               const struct store_journaled *entries, size_t count, const char *refused,
               struct fault *fault)
{
    struct buffer *to = batch->columns;
    int result = 0;
    for (size_t i = 0; i < BATCH_PARAMETERS; i++) {
        buffer_clear(&to[i]);
        if (types[i] != 0)
            begin_array(&to[i], types[i], count);
    }
    buffer_add_string(&to[LIFE], life);
    add_i64(&to[FIRST], first);
    buffer_add_string(&to[RECEIVER], receiver);
    for (size_t i = 0; i < count && result == 0; i++)
        result = add_entry(batch, &entries[i], refused);
    for (size_t i = 0; i < BATCH_PARAMETERS; i++) {
        if (to[i].failed)
            result = -1;
        batch->parameters[i] = (struct link_parameter){
            .bytes = to[i].bytes, .length = to[i].length, .binary = true};
    }
    return result == 0 ? 0 : fault_set(fault, "out of memory");
}

void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < BATCH_PARAMETERS; i++)
        buffer_release(&batch->columns[i]);
}
