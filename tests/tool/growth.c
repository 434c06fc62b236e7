/* growth: makes stores of a given size, and reads what people look at most, so that
 * tests/bench/growth can compare what that costs on a small store and on a large one, and
 * tests/bench/books_copy on a store and on a copy of shared books.
 *
 * Both stores show as much as there is room for: more operations than a page holds, and in the last
 * one more failures, intervals and stuck upgrades than a document takes. */
#include "config.h"

#include "notification/dispatch.h"
#include "postgres/batch.h"
#include "pusher_campaign.h"
#include "store/store.h"
#include "view/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED 1
#define BATCH 4096         /* records in a transaction: how fast the disk is does not matter here */
#define CHECKPOINT_EVERY 4 /* batches */
#define DEVICES 10000      /* of a full operation, as pusher_campaign has it */
#define OPERATIONS_LEAST 55 /* a page has 50 */
#define DEVICES_LEAST 60    /* enough for all error codes */
#define COUNT_LEAST ((uint64_t)OPERATIONS_LEAST * DEVICES_LEAST)
#define SEND_MS 60000                      /* longest time for a transaction of shared books */
#define STUCK_EVERY 20                     /* one device in so many never reports a result */
#define DAY_MS (INT64_C(24) * 3600 * 1000) /* each operation takes one */
#define BEGAN_MS INT64_C(1767225600000)

/* What a store of COUNT notifications is made of: how many devices each operation has but the last,
 * which is full where there are enough. */
struct shape {
    uint64_t count, operations, devices;
};

static struct shape shape_of(uint64_t count)
{
    struct shape shape = {.count = count, .operations = (count + DEVICES - 1) / DEVICES};
    if (shape.operations < OPERATIONS_LEAST)
        shape.operations = OPERATIONS_LEAST;
    uint64_t others = shape.operations - 1;
    uint64_t last = count - others * DEVICES_LEAST;
    if (last > DEVICES)
        last = DEVICES;
    shape.devices = (count - last + others - 1) / others;
    return shape;
}

/* The I-th notification: its operation, its number there, and how many that operation has. */
static void place_of(const struct shape *shape, uint64_t i, uint64_t *operation, uint64_t *number,
                     uint64_t *of)
{
    uint64_t last = shape->operations - 1;
    *operation = i / shape->devices < last ? i / shape->devices : last;
    *number = i - *operation * shape->devices;
    *of = *operation < last ? shape->devices : shape->count - last * shape->devices;
}

/* The notifications of one transaction, with the text that its record lends. */
struct chunk {
    char bodies[BATCH][CAMPAIGN_BODY_MAX];
    struct record records[BATCH];
    struct record *pointers[BATCH];
};

/* Prints the I-th notification: a result, or a state change of a device that then stays silent. */
static size_t print_body(const struct shape *shape, uint64_t i, int64_t *received_ms, char *body)
{
    struct campaign_notification notification;
    uint64_t operation, number, of;
    place_of(shape, i, &operation, &number, &of);
    *received_ms = BEGAN_MS + (int64_t)operation * DAY_MS + (int64_t)(number * DAY_MS / of);
    campaign_make(&notification, SEED, operation * DEVICES + number);
    if (number % STUCK_EVERY != 0)
        return campaign_print(&notification, 0, body);
    return campaign_print_step(&notification, "downloading", body);
}

static int fill_chunk(struct chunk *chunk, const struct shape *shape, uint64_t first, size_t count,
                      struct fault *fault)
{
    for (size_t b = 0; b < count; b++) {
        struct record *record = &chunk->records[b];
        *record = (struct record){.body = chunk->bodies[b]};
        record->body_length = print_body(shape, first + b, &record->received_ms, chunk->bodies[b]);
        chunk->pointers[b] = record;
        if (dispatch_read(record) != DISPATCH_NOTIFICATION)
            return fault_set(fault, "notification %llu is none: %s",
                             (unsigned long long)(first + b), chunk->bodies[b]);
    }
    return 0;
}

static int keep_all(struct store *store, struct store_reader *reader, const struct shape *shape,
                    struct fault *fault)
{
    struct chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return fault_set(fault, "out of memory");
    int result = 0;
    for (uint64_t i = 0, batches = 0; i < shape->count && result == 0; i += BATCH, batches++) {
        size_t count = shape->count - i < BATCH ? (size_t)(shape->count - i) : BATCH;
        memset(chunk->records, 0, sizeof chunk->records);
        result = fill_chunk(chunk, shape, i, count, fault);
        if (result == 0)
            result = store_keep(store, chunk->pointers, count, NULL, 0, fault);
        for (size_t b = 0; b < count; b++)
            record_release(&chunk->records[b]);
        if (result == 0 && batches % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1)
            result = store_checkpoint(reader, false, NULL, fault);
    }
    free(chunk);
    return result == 0 ? store_checkpoint(reader, true, NULL, fault) : -1;
}

static int build(const char *folder, uint64_t count, struct fault *fault)
{
    const struct store_config config = {.folder = folder, .repeat_window_ms = 1};
    const struct shape shape = shape_of(count);
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    int result = -1;
    if (store_make_folder(folder, fault) == 0 && store_new(&store, &config, fault) == 0 &&
        store_open(store, fault) == 0 && store_reader_new(&reader, folder, fault) == 0)
        result = keep_all(store, reader, &shape, fault);
    store_reader_free(reader);
    store_free(store);
    return result;
}

/* Sends one chunk to the log of shared books, as a receiver would. */
static int send_chunk(struct link *link, struct batch *batch, const struct chunk *chunk,
                      uint64_t first, size_t count, struct fault *fault)
{
    struct store_journaled *entries = calloc(count, sizeof *entries);
    int result = entries == NULL ? fault_set(fault, "out of memory") : 0;
    for (size_t b = 0; b < count && result == 0; b++) {
        const struct record *record = &chunk->records[b];
        entries[b] = (struct store_journaled){.kind = STORE_JOURNAL_NOTIFICATION,
                                              .received_ms = record->received_ms,
                                              .deliveries = 1,
                                              .body = (char *)(uintptr_t)record->body,
                                              .body_length = record->body_length,
                                              .known = record->known};
    }
    if (result == 0 &&
        (result = batch_make(batch, "growth", (int64_t)first + 1, "growth", entries, count, NULL,
                             fault)) == 0 &&
        link_call(link, BATCH_SQL, batch->parameters, BATCH_PARAMETERS, SEND_MS, fault) !=
            LINK_DONE)
        result = fault_set(fault, "the books do not confirm");
    free(entries);
    return result;
}

/* Fills the log of shared books with what a store of COUNT notifications has. */
static int fill_books(const char *conninfo, uint64_t count, struct fault *fault)
{
    const struct shape shape = shape_of(count);
    struct chunk *chunk = calloc(1, sizeof *chunk);
    struct batch batch = {.columns = {{0}}};
    struct link *link = NULL;
    int result = chunk == NULL ? fault_set(fault, "out of memory") : 0;
    if (result == 0 && (result = link_new(&link, conninfo, -1, fault)) == 0)
        result = link_connect(link, fault);
    for (uint64_t i = 0; i < count && result == 0; i += BATCH) {
        size_t length = count - i < BATCH ? (size_t)(count - i) : BATCH;
        memset(chunk->records, 0, sizeof chunk->records);
        result = fill_chunk(chunk, &shape, i, length, fault);
        if (result == 0)
            result = send_chunk(link, &batch, chunk, i, length, fault);
        for (size_t b = 0; b < length; b++)
            record_release(&chunk->records[b]);
    }
    batch_release(&batch);
    link_free(link);
    free(chunk);
    return result;
}

/* What is read: a view, or the status file. */
struct reading {
    struct store_reader *reader;
    const struct view *view; /* NULL: the status file */
    struct view_query query;
    struct buffer out;
    struct store_page_token next;
};

static int read_once(struct reading *reading, struct fault *fault)
{
    buffer_clear(&reading->out);
    if (reading->view != NULL)
        return view_write(reading->view, reading->reader, &reading->query, 0, &reading->out,
                          &reading->next, fault) == VIEW_DONE
                   ? 0
                   : -1;
    return view_write_status(reading->reader,
                             &(struct view_process){.now_ms = reading->query.now_ms}, &reading->out,
                             fault);
}

/* The one function into which callgrind looks, by its name. */
int growth_read_often(struct reading *reading, unsigned times, struct fault *fault);
__attribute__((noinline)) int growth_read_often(struct reading *reading, unsigned times,
                                                struct fault *fault)
{
    int result = 0;
    for (unsigned i = 0; i < times && result == 0; i++)
        result = read_once(reading, fault);
    return result;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

#define ID_SIZE 256

/* The id of the operation that was changed last, which both stores have filled. */
static int last_operation(struct store_reader *reader, char id[ID_SIZE], struct fault *fault)
{
    struct store_rows rows = store_list_operations(reader, NULL, 1, fault);
    struct store_operation_row row;
    id[0] = '\0';
    if (store_next_operation(&rows, &row))
        snprintf(id, ID_SIZE, "%s", row.operation_id);
    if (store_rows_end(&rows, NULL) != 0)
        return -1;
    return id[0] != '\0' ? 0 : fault_set(fault, "no operation");
}

/* Sets the parameters of a view: NAME and VALUE in turn. Without operationId it is that operation.
 */
static int set_query(struct reading *reading, const char *operation, char **words,
                     struct fault *fault)
{
    const struct view *view = reading->view;
    reading->query.now_ms = BEGAN_MS + 10000 * DAY_MS;
    if (view != NULL && strstr(view->parameters, " operationId ") != NULL)
        reading->query.operation_id = operation;
    for (; words[0] != NULL && words[1] != NULL; words += 2)
        if (view == NULL || view_set(&reading->query, view, words[0], words[1], fault) != 0)
            return -1;
    return 0;
}

/* Reads WHAT once, which opens the files, then as often as TIMES says; prints how long one took,
 * how long it is, and the token of its next page. */
static int read_what(const char *folder, const char *what, unsigned times, char **words,
                     struct fault *fault)
{
    char operation[ID_SIZE];
    struct reading reading = {.view = view_find(what, strlen(what))};
    int result = -1;
    if (reading.view == NULL && strcmp(what, "status.json") != 0)
        return fault_set(fault, "%s: no such document", what);
    if (store_reader_new(&reading.reader, folder, fault) != 0 ||
        last_operation(reading.reader, operation, fault) != 0)
        goto end;
    if (set_query(&reading, operation, words, fault) != 0 || read_once(&reading, fault) != 0)
        goto end;
    int64_t began = now_us();
    result = growth_read_often(&reading, times, fault);
    if (result == 0)
        printf("%.1f %zu %s\n", (double)(now_us() - began) / times, reading.out.length,
               reading.next.text);
end:
    buffer_release(&reading.out);
    store_reader_free(reading.reader);
    return result;
}

static int take_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || parsed == 0)
        return -1;
    *number = parsed;
    return 0;
}

int main(int argc, char **argv)
{
    struct fault fault = FAULT_NONE;
    uint64_t number;
    int result;
    if (argc == 4 && strcmp(argv[1], "build") == 0 && take_number(argv[3], &number) == 0 &&
        number >= COUNT_LEAST) {
        result = build(argv[2], number, &fault);
    } else if (argc == 4 && strcmp(argv[1], "log") == 0 && take_number(argv[3], &number) == 0 &&
               number >= COUNT_LEAST) {
        result = fill_books(argv[2], number, &fault);
    } else if (argc >= 5 && strcmp(argv[1], "read") == 0 && take_number(argv[4], &number) == 0 &&
               number <= 1000000) {
        result = read_what(argv[2], argv[3], (unsigned)number, argv + 5, &fault);
    } else {
        fprintf(
            stderr,
            "Usage: growth build FOLDER COUNT    a store of so many notifications, %d at least\n"
            "       growth log CONNINFO COUNT    the same in the log of shared books\n"
            "       growth read FOLDER DOCUMENT TIMES [NAME VALUE]...\n"
            "                                    prints microseconds and bytes of one reading,\n"
            "                                    and the token of its next page\n"
            "DOCUMENT: a view such as overview.json with its parameters, or status.json\n",
            (int)COUNT_LEAST);
        return 2;
    }
    if (result != 0)
        fprintf(stderr, "growth: %s\n", fault.text);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
