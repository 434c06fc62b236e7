/* steps: takes notifications of an invented campaign through the receiver's own functions, each
 * step in a function of its own, for callgrind to count its instructions
 * (tests/bench/instructions).
 *
 * One thread, batches of one size, and nothing that differs from run to run: the store's secret,
 * the seed of jansson's tables and the time are fixed. So what is not here is what threads do to
 * each other: waiting for connections, handing over, the log's thread, and checkpoints, which run
 * beside the writer. */
#include "config.h"

#include "notification/content.h"
#include "notification/dispatch.h"
#include "notification/notification.h"
#include "pusher_campaign.h"
#include "receiver/answer.h"
#include "receiver/fcgi_reader.h"
#include "receiver/request.h"
#include "store/store.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32            /* notifications in a transaction */
#define BATCHES_BEFORE 64   /* until the store and all memory are as they stay */
#define BATCHES 128         /* that are counted */
#define CHECKPOINT_EVERY 32 /* batches */
#define READ_SIZE ((size_t)64 << 10)
#define BODY_MAX ((size_t)1 << 20)

/* The input. */
#define SEED 1
#define DEVICES 10000   /* of an operation, as pusher_campaign has it */
#define OPERATIONS 4    /* that run at the same time */
#define REPORTS 3       /* of a device: two steps and the result */
#define REPORT_LAG 40   /* devices between two reports of one */
#define REPEAT_EVERY 20 /* one notification in so many came before */
#define REPEAT_BACK 201 /* so many before: no repeat itself */
#define BEGAN_MS INT64_C(1767225600000)
#define EVERY_MS 2

/* What stands in the place of the system's, where the linker is told so. */
int64_t __wrap_clock_now_ms(void);
void __wrap_randombytes_buf(void *bytes, size_t length);

static int64_t now_ms = BEGAN_MS;

int64_t __wrap_clock_now_ms(void)
{
    return now_ms;
}

void __wrap_randombytes_buf(void *bytes, size_t length)
{
    memset(bytes, 0x5a, length);
}

/* --- the input ----------------------------------------------------------------------------------
 */

/* Prints the N-th notification that arrives, and returns its length. */
static size_t print_body(uint64_t n, char body[CAMPAIGN_BODY_MAX])
{
    static const char *const states[REPORTS - 1] = {"downloading", "updating"};
    struct campaign_notification notification;
    if (n % REPEAT_EVERY == REPEAT_EVERY - 1 && n >= REPEAT_BACK)
        n -= REPEAT_BACK;
    uint64_t report = n % REPORTS;
    uint64_t device = n / REPORTS + (REPORTS - 1 - report) * REPORT_LAG;
    campaign_make(&notification, SEED, device % OPERATIONS * DEVICES + device / OPERATIONS);
    return report < REPORTS - 1 ? campaign_print_step(&notification, states[report], body)
                                : campaign_print(&notification, 0, body);
}

/* Appends a record as nginx sends it, padded to a multiple of 8. */
static void add_record(struct buffer *stream, unsigned type, const char *content, size_t length)
{
    size_t padding = (8 - length % 8) % 8;
    const char header[] = {1, (char)type, 0, 1, (char)(length >> 8), (char)length, (char)padding,
                           0};
    buffer_add(stream, header, sizeof header);
    buffer_add(stream, content, length);
    buffer_add(stream, "\0\0\0\0\0\0\0", padding);
}

static void add_parameter(struct buffer *parameters, const char *name, const char *value)
{
    const char lengths[] = {(char)strlen(name), (char)strlen(value)};
    buffer_add(parameters, lengths, sizeof lengths);
    buffer_add_string(parameters, name);
    buffer_add_string(parameters, value);
}

/* Makes STREAM the request of the N-th notification, with the parameters that the site file of
 * nginx/ sends. */
static void make_stream(uint64_t n, struct buffer *stream)
{
    static const char begin[] = {0, 1, 1, 0, 0, 0, 0, 0};
    char body[CAMPAIGN_BODY_MAX], length_text[24];
    size_t length = print_body(n, body);
    struct buffer parameters = {0};
    snprintf(length_text, sizeof length_text, "%zu", length);
    add_parameter(&parameters, "REQUEST_METHOD", "POST");
    add_parameter(&parameters, "REQUEST_URI", "/v1.0.0/messageReceiver");
    add_parameter(&parameters, "CONTENT_LENGTH", length_text);
    buffer_clear(stream);
    add_record(stream, 1, begin, sizeof begin);
    add_record(stream, 4, parameters.bytes, parameters.length);
    add_record(stream, 4, "", 0);
    add_record(stream, 5, body, length);
    add_record(stream, 5, "", 0);
    buffer_release(&parameters);
}

/* --- the steps ----------------------------------------------------------------------------------
 */

/* A request under way: what the receiver has in a connection. */
struct visitor {
    struct fcgi_reader reader;
    struct request request;
    struct record record;
};

struct bench {
    struct store *store;
    struct store_reader *reader;
    struct request_file file;
    int socket, peer; /* the receiver's end, and the web server's */
    unsigned char bytes[READ_SIZE];
    struct visitor visitors[BATCH];
    struct record *records[BATCH];
    struct buffer stream, lines, answer;
    uint64_t repeats;
};

/* The functions that callgrind tells apart, by their names. */
int steps_read(struct bench *bench, struct visitor *visitor, struct fault *fault);
int steps_dispatch(struct visitor *visitor, struct fault *fault);
int steps_store(struct bench *bench, struct fault *fault);
void steps_log(struct bench *bench);
int steps_answer(struct bench *bench, struct visitor *visitor, struct fault *fault);
void steps_release(struct visitor *visitor);
int steps_count(struct bench *bench, struct fault *fault);

__attribute__((noinline)) int steps_read(struct bench *bench, struct visitor *visitor,
                                         struct fault *fault)
{
    size_t used, more;
    ssize_t received = recv(bench->socket, bench->bytes, READ_SIZE, MSG_DONTWAIT);
    if (received <= 0 ||
        fcgi_reader_feed(&visitor->reader, bench->bytes, (size_t)received, &used) !=
            FCGI_READER_BODY ||
        fcgi_reader_feed(&visitor->reader, bench->bytes + used, (size_t)received - used, &more) !=
            FCGI_READER_WHOLE)
        return fault_set(fault, "a request did not arrive whole");
    return request_read(&visitor->request, &bench->file, &visitor->reader, fault);
}

/* Parses and checks: what content_read takes in it is the parsing. */
__attribute__((noinline)) int steps_dispatch(struct visitor *visitor, struct fault *fault)
{
    const struct buffer *body = &visitor->reader.body;
    visitor->record = (struct record){
        .body = body->bytes, .body_length = body->length, .received_ms = now_ms};
    if (dispatch_read(&visitor->record) != DISPATCH_NOTIFICATION)
        return fault_set(fault, "no notification: %s", visitor->record.verdict.reason);
    return 0;
}

__attribute__((noinline)) int steps_store(struct bench *bench, struct fault *fault)
{
    return store_keep(bench->store, bench->records, BATCH, NULL, 0, fault);
}

__attribute__((noinline)) void steps_log(struct bench *bench)
{
    buffer_clear(&bench->lines);
    for (size_t i = 0; i < BATCH; i++)
        notification_add_log_line(bench->records[i], &bench->lines);
}

__attribute__((noinline)) int steps_answer(struct bench *bench, struct visitor *visitor,
                                           struct fault *fault)
{
    buffer_clear(&bench->answer);
    int status = answer_add_kept(&bench->answer, &visitor->record, false);
    int result = request_answer(&visitor->request, bench->socket, bench->answer.bytes,
                                bench->answer.length);
    fcgi_reader_reset(&visitor->reader);
    return result == 0 && status == 200 ? 0 : fault_set(fault, "a request was not answered 200");
}

/* Gives back what parsing took. */
__attribute__((noinline)) void steps_release(struct visitor *visitor)
{
    record_release(&visitor->record);
}

/* --- a run --------------------------------------------------------------------------------------
 */

/* The web server reads all that was answered. */
static int drain(struct bench *bench, struct fault *fault)
{
    ssize_t received;
    while ((received = recv(bench->peer, bench->bytes, READ_SIZE, MSG_DONTWAIT)) > 0)
        continue;
    return received < 0 && errno == EAGAIN ? 0 : fault_set(fault, "no answers can be read");
}

static int arrive(struct bench *bench, uint64_t n, struct visitor *visitor, struct fault *fault)
{
    now_ms = BEGAN_MS + (int64_t)n * EVERY_MS;
    make_stream(n, &bench->stream);
    if (bench->stream.failed || send(bench->peer, bench->stream.bytes, bench->stream.length, 0) !=
                                    (ssize_t)bench->stream.length)
        return fault_set(fault, "a request cannot be sent");
    return steps_read(bench, visitor, fault) == 0 ? steps_dispatch(visitor, fault) : -1;
}

static int leave(struct bench *bench, struct visitor *visitor, struct fault *fault)
{
    bench->repeats += visitor->record.outcome == RECORD_REPEATED;
    int result = steps_answer(bench, visitor, fault);
    steps_release(visitor);
    return result;
}

static int take_batch(struct bench *bench, uint64_t batch, struct fault *fault)
{
    int result = 0;
    for (size_t i = 0; i < BATCH && result == 0; i++)
        result = arrive(bench, batch * BATCH + i, &bench->visitors[i], fault);
    if (result == 0)
        result = steps_store(bench, fault);
    if (result == 0)
        steps_log(bench);
    for (size_t i = 0; i < BATCH && result == 0; i++)
        result = leave(bench, &bench->visitors[i], fault);
    if (result == 0)
        result = drain(bench, fault);
    return result == 0 && batch % CHECKPOINT_EVERY == 0
               ? store_checkpoint(bench->reader, false, NULL, fault)
               : result;
}

/* The one function in which callgrind counts. */
__attribute__((noinline)) int steps_count(struct bench *bench, struct fault *fault)
{
    int result = 0;
    bench->repeats = 0;
    for (uint64_t i = 0; i < BATCHES && result == 0; i++)
        result = take_batch(bench, BATCHES_BEFORE + i, fault);
    return result;
}

static int open_bench(struct bench *bench, const char *folder, struct fault *fault)
{
    const struct store_config config = {.folder = folder, .repeat_window_ms = 1};
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) != 0)
        return fault_set_errno(fault, errno, "no sockets");
    bench->socket = sockets[0];
    bench->peer = sockets[1];
    for (size_t i = 0; i < BATCH; i++) {
        fcgi_reader_init(&bench->visitors[i].reader, BODY_MAX);
        bench->records[i] = &bench->visitors[i].record;
    }
    return request_library_init(fault) == 0 && request_file_open(&bench->file, fault) == 0 &&
                   store_make_folder(folder, fault) == 0 &&
                   store_new(&bench->store, &config, fault) == 0 &&
                   store_open(bench->store, fault) == 0 &&
                   store_reader_new(&bench->reader, folder, fault) == 0
               ? 0
               : -1;
}

static void close_bench(struct bench *bench)
{
    for (size_t i = 0; i < BATCH; i++)
        fcgi_reader_reset(&bench->visitors[i].reader);
    buffer_release(&bench->stream);
    buffer_release(&bench->lines);
    buffer_release(&bench->answer);
    store_reader_free(bench->reader);
    store_free(bench->store);
    request_file_close(&bench->file);
    close(bench->socket);
    close(bench->peer);
    free(bench);
}

/* Says how many notifications were counted, and how many of them were repeats. */
static int run(const char *folder, struct fault *fault)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL)
        return fault_set(fault, "out of memory");
    *bench = (struct bench){.file.fd = -1, .socket = -1, .peer = -1};
    int result = open_bench(bench, folder, fault);
    for (uint64_t i = 0; i < BATCHES_BEFORE && result == 0; i++)
        result = take_batch(bench, i, fault);
    if (result == 0)
        result = steps_count(bench, fault);
    if (result == 0)
        printf("%d %" PRIu64 "\n", BATCH * BATCHES, bench->repeats);
    close_bench(bench);
    return result;
}

/* Says what figures depend on beside the receiver: figures of different lines are not compared. */
static void tell_circumstances(void)
{
    uint64_t hash = BATCHES_BEFORE * 1000 + BATCHES;
    struct buffer stream = {0};
    for (uint64_t n = 0; n < (uint64_t)BATCH * (BATCHES_BEFORE + BATCHES); n++) {
        make_stream(n, &stream);
        for (size_t i = 0; i < stream.length; i++)
            hash = campaign_mix(hash, (unsigned char)stream.bytes[i]);
    }
    buffer_release(&stream);
    printf("gcc %s, glibc %s, jansson %s, SQLite %s, libsodium %s, input %08" PRIx64 "\n",
           __VERSION__, gnu_get_libc_version(), jansson_version_str(), sqlite3_libversion(),
           sodium_version_string(), hash >> 32);
}

int main(int argc, char **argv)
{
    struct fault fault = FAULT_NONE;
    if (argc < 2 || argc > 3 || (argc == 2 && strcmp(argv[1], "about") != 0) ||
        (argc == 3 && strcmp(argv[1], "run") != 0)) {
        fputs("Usage: steps run FOLDER | about\n", stderr);
        return 2;
    }
    if (argc == 2) {
        tell_circumstances();
        return 0;
    }
    json_object_seed(SEED);
    content_init();
    store_library_init();
    if (sodium_init() < 0)
        fault_set(&fault, "libsodium cannot start");
    else
        run(argv[2], &fault);
    if (fault.set)
        fprintf(stderr, "steps: %s\n", fault.text);
    return fault.set ? 1 : 0;
}
