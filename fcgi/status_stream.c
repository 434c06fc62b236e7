/* status_stream: upgrade-status's lines of notifications: as they come, and of a time. */
#include "config.h"

#include "cursor_file.h"
#include "measure.h"
#include "moment.h"
#include "notification.h"
#include "outflow.h"
#include "status_cmd.h"
#include "store_query.h"

#include <stdio.h>
#include <stdlib.h>

/* How often is looked for new notifications, and how often the cursor may move. */
#define LOOK_MS 100
#define CURSOR_MS 200

/* Notifications read at a time. */
#define CHUNK_MAX 256

/* --- follow -------------------------------------------------------------------------------------
 */

struct follow {
    struct status_call *call;
    struct outflow outflow;
    struct cursor_file cursor;
    bool has_cursor;
    struct cursor_file_place place; /* what the cursor's file says */
    int64_t cursor_ms;              /* when it was last moved */
    int64_t seq;                    /* of the last line written */
    uint64_t store;                 /* whose */
    int64_t opened;                 /* when STORE was found out, see store_reader_opened */
    int64_t version;                /* of the store, when all of it had been read */
    bool waiting;                   /* the store cannot be read now, and that was said */
};

static int read_store_number(struct follow *follow, uint64_t *number, struct fault *fault)
{
    struct store_cursor cursor = {.name = ""};
    if (store_read_cursor(follow->call->reader, &cursor, fault) != 0)
        return -1;
    *number = cursor.store;
    follow->opened = store_reader_opened(follow->call->reader);
    return 0;
}

/* The seq before the ten last notifications. */
static int find_last(struct follow *follow, struct fault *fault)
{
    struct store_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return fault_set(fault, "out of memory");
    int result = store_read_snapshot(follow->call->reader, snapshot, fault);
    if (result == 0) {
        size_t length = snapshot->records_length;
        follow->seq = length > 0 ? snapshot->records[length - 1].seq - 1 : snapshot->totals.seq;
        store_snapshot_release(snapshot);
    }
    free(snapshot);
    return result;
}

/* Finds where the lines begin, by cursor, option or the end of the store. */
static int begin(struct follow *follow, const int64_t *since, struct fault *fault)
{
    struct status_call *call = follow->call;
    bool found = false;
    if (read_store_number(follow, &follow->store, fault) != 0)
        return STATUS_UNUSABLE;
    if (call->cursor != NULL &&
        cursor_file_open(&follow->cursor, call->cursor, &follow->place, &found, fault) != 0)
        return STATUS_UNUSABLE;
    follow->has_cursor = call->cursor != NULL;
    if (found && follow->place.store != follow->store) {
        fault_set(fault, "%s belongs to another store than %s/upgrades.db; remove it to begin anew",
                  call->cursor, call->options->state);
        return STATUS_UNUSABLE;
    }
    if (found)
        follow->seq = follow->place.seq;
    else if (since != NULL)
        follow->seq = *since;
    else if (call->cursor == NULL && find_last(follow, fault) != 0)
        return STATUS_UNUSABLE;
    if (call->cursor != NULL && !found) {
        follow->place = (struct cursor_file_place){.seq = follow->seq, .store = follow->store};
        if (cursor_file_move(&follow->cursor, &follow->place, fault) != 0)
            return STATUS_UNUSABLE;
    }
    follow->version = -1;
    return STATUS_DONE;
}

/* Moves the cursor to what the reader has taken; not more often than needed, unless NOW. */
static int move_cursor(struct follow *follow, bool now, struct fault *fault)
{
    int64_t now_ms = moment_monotonic_ms();
    if (!follow->has_cursor || (!now && now_ms - follow->cursor_ms < CURSOR_MS))
        return 0;
    follow->cursor_ms = now_ms;
    if (outflow_note_taken(&follow->outflow, fault) != 0)
        return -1;
    if (follow->outflow.taken <= follow->place.seq)
        return 0;
    follow->place.seq = follow->outflow.taken;
    return cursor_file_move(&follow->cursor, &follow->place, fault);
}

/* Writes one line, however long its reader takes. */
static enum outflow_result write_line(struct follow *follow, const struct store_kept *kept,
                                      struct fault *fault)
{
    struct text line = {0};
    size_t written = 0;
    enum outflow_result result = OUTFLOW_DONE;
    notification_add_kept_line(kept->seq, kept->received_ms, kept->body, kept->body_length, &line);
    if (line.failed) {
        fault_set(fault, "out of memory");
        result = OUTFLOW_FAILED;
    }
    while (result == OUTFLOW_DONE && written < line.length) {
        result = outflow_write(&follow->outflow, line.bytes, line.length, kept->seq, CURSOR_MS,
                               &written, fault);
        if (result == OUTFLOW_DONE && move_cursor(follow, false, fault) != 0)
            result = OUTFLOW_FAILED;
    }
    text_release(&line);
    if (result == OUTFLOW_DONE)
        follow->seq = kept->seq;
    return result;
}

/* Reads what has come since the last line; FAULT says why it cannot be read. Another store than the
 * one begun with is a lasting fault: its numbers mean other notifications. */
static int read_new(struct follow *follow, struct store_kept *kept, size_t *count,
                    struct fault *fault)
{
    struct store_reader *reader = follow->call->reader;
    int64_t version;
    uint64_t number;
    if (store_read_version(reader, &version, fault) != 0)
        return -1;
    if (version == follow->version)
        return 0;
    if (store_read_after(reader, follow->seq, kept, CHUNK_MAX, count, fault) != 0)
        return -1;
    int result = 0;
    if (store_reader_opened(reader) != follow->opened) {
        result = read_store_number(follow, &number, fault);
        if (result == 0 && number != follow->store) {
            result = fault_set(fault, "%s/upgrades.db is another store now",
                               follow->call->options->state);
            fault->lasting = true;
        }
    }
    if (result != 0) {
        store_kept_release(kept, *count);
        *count = 0;
    } else if (*count == 0) {
        follow->version = version;
    }
    return result;
}

/* The same, but a store that cannot be read for a while is waited for; that is said once. */
static enum outflow_result await_new(struct follow *follow, struct store_kept *kept, size_t *count,
                                     struct fault *fault)
{
    struct fault trouble = FAULT_NONE;
    *count = 0;
    if (read_new(follow, kept, count, &trouble) == 0) {
        follow->waiting = false;
        return OUTFLOW_DONE;
    }
    store_reader_close(follow->call->reader);
    if (trouble.lasting) {
        *fault = trouble;
        return OUTFLOW_FAILED;
    }
    if (!follow->waiting)
        fprintf(stderr, STATUS_PROGRAM ": waiting: %s\n", trouble.text);
    follow->waiting = true;
    return OUTFLOW_DONE;
}

static enum outflow_result write_lines(struct follow *follow, struct fault *fault)
{
    struct store_kept kept[CHUNK_MAX];
    enum outflow_result result = OUTFLOW_DONE;
    while (result == OUTFLOW_DONE) {
        size_t count;
        result = await_new(follow, kept, &count, fault);
        for (size_t i = 0; i < count && result == OUTFLOW_DONE; i++)
            result = write_line(follow, &kept[i], fault);
        store_kept_release(kept, count);
        if (result == OUTFLOW_DONE && move_cursor(follow, false, fault) != 0)
            result = OUTFLOW_FAILED;
        if (result == OUTFLOW_DONE && count == 0)
            result = outflow_wait(&follow->outflow, LOOK_MS, fault);
    }
    return result;
}

int status_follow(struct status_call *call, struct fault *fault)
{
    struct follow follow = {.call = call};
    int64_t since;
    if (call->since != NULL && measure_number(call->since, 0, &since, fault) != 0) {
        fault_add(fault, "--since");
        return STATUS_USAGE;
    }
    int code = STATUS_UNUSABLE;
    if (outflow_open(&follow.outflow, fault) == 0)
        code = begin(&follow, call->since != NULL ? &since : NULL, fault);
    if (code == STATUS_DONE && write_lines(&follow, fault) == OUTFLOW_FAILED)
        code = STATUS_UNUSABLE;
    /* What the reader took until now need not come again. */
    if (code == STATUS_DONE && move_cursor(&follow, true, fault) != 0)
        code = STATUS_UNUSABLE;
    cursor_file_close(&follow.cursor);
    outflow_close(&follow.outflow);
    return code;
}

/* --- log
 * ------------------------------------------------------------------------------------------ */

static int print_between(struct status_call *call, int64_t since_ms, int64_t until_ms,
                         struct fault *fault)
{
    struct store_kept kept[CHUNK_MAX];
    struct text lines = {0};
    int64_t after = 0;
    size_t count = 0;
    int result;
    do {
        result = store_read_between(call->reader, since_ms, until_ms, after, kept, CHUNK_MAX,
                                    &count, fault);
        for (size_t i = 0; result == 0 && i < count; i++) {
            after = kept[i].seq;
            notification_add_kept_line(kept[i].seq, kept[i].received_ms, kept[i].body,
                                       kept[i].body_length, &lines);
        }
        if (result == 0) {
            store_kept_release(kept, count);
            result = term_print(call->term, &lines, fault);
        }
    } while (result == 0 && count > 0);
    text_release(&lines);
    return result;
}

int status_log(struct status_call *call, struct fault *fault)
{
    int64_t since_ms = 0, until_ms = INT64_MAX;
    if (call->since != NULL && measure_time(call->since, call->now_ms, &since_ms, fault) != 0) {
        fault_add(fault, "--since");
        return STATUS_USAGE;
    }
    if (call->until != NULL && measure_time(call->until, call->now_ms, &until_ms, fault) != 0) {
        fault_add(fault, "--until");
        return STATUS_USAGE;
    }
    term_page(call->term);
    return print_between(call, since_ms, until_ms, fault) == 0 ? STATUS_DONE : status_failed(call);
}
