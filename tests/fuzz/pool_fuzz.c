/* pool: any bytes from several web servers at once, to a pool of workers that runs.
 *
 * Promised: whatever comes, each whole request gets its answer, in order and as it should be, each
 * management record its reply, and each connection its end; what goes to the store are the bodies
 * that came. The store is none: it takes what it is given. The workers are the only threads: each
 * keeps what it has read, one at a time, since commit gives them turns. */
#include "config.h"

#include "stream.h"

#include "base/clock.h"
#include "fastcgi.h"
#include "notification/dispatch.h"
#include "receiver/site.h"
#include "receiver/viewer.h"
#include "receiver/worker.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 3
#define BODY_MAX ((size_t)2000)
#define PATIENCE_MS 10000

/* Answers that a socket holds for a peer that does not read yet; of more, some may be lost, and the
 * connection with them. */
#define EVENTS_SURE 64

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;
static atomic_uint_fast64_t kept; /* a sum over all bodies that went to the store */
static int64_t last_seq;          /* for whoever has the turn */

/* --- the store: the linker puts this in place of store_keep --- */

int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, int64_t confirmed, struct fault *fault);

int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, int64_t confirmed, struct fault *fault)
{
    static atomic_bool taken;
    (void)store;
    (void)cursor;
    (void)fault;
    fuzz_demand(!atomic_exchange(&taken, true), "one turn at a time");
    for (size_t i = 0; i < count; i++) {
        struct record *record = records[i];
        atomic_fetch_add(&kept, fuzz_seed((const uint8_t *)record->body, record->body_length));
        record->seq = record->id = ++last_seq;
        record->outcome = record->meaning == RECORD_QUARANTINE ? RECORD_QUARANTINED : RECORD_STORED;
    }
    atomic_store(&taken, false);
    return 0;
}

/* --- the pool --- */

static int listen_somewhere(void)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "pool-fuzz-%ld",
                          (long)getpid());
    address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    fuzz_demand(bind(listener, (struct sockaddr *)&address, address_length) == 0 &&
                    listen(listener, 16) == 0,
                "a listening socket");
    return listener;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct options options; /* lent to the pool, as all else here, until the program ends */
    static struct worker_pool *pool;
    static struct commit *commit;
    static struct intake *intake;
    static struct viewer *viewer;
    char *none[] = {(char[]){"pool"}, NULL};
    struct log *log;
    struct auth *auth;
    struct fault fault = FAULT_NONE;
    (void)argc;
    (void)argv;
    fuzz_begin();
    fuzz_demand(options_read(&options, 1, none, &fault) == 0, "%s", fault.text);
    options.workers = 2;
    options.max_body = BODY_MAX;
    options.state = "/nowhere"; /* there is nothing to be read, and that is an answer too */
    fuzz_demand(log_start(&log, "/dev/null", NULL, &fault) == 0 &&
                    auth_new(&auth, &options, &fault) == 0 &&
                    worker_new(&pool, listen_somewhere(), &options, auth, log, NULL, &fault) == 0 &&
                    commit_new(&commit, (struct store *)&kept, NULL, log, NULL, &fault) == 0 &&
                    intake_new(&intake, &options, auth, commit, NULL, log, NULL, &fault) == 0 &&
                    viewer_start(&viewer, &options, &VIEWER_LIMITS, commit, NULL, NULL,
                                 worker_seen_off, &fault) == 0 &&
                    worker_start(pool, intake, viewer, &fault) == 0,
                "%s", fault.text);
    return 0;
}

/* --- what must come --- */

static const char *const callbacks[] = {"/v1.0.0/messageReceiver", "/v1.0.0/messageReceiver/cmd"};

static bool is_callback(const char *uri)
{
    for (size_t i = 0; i < LENGTH(callbacks); i++)
        if (strcspn(uri, "?") == strlen(callbacks[i]) &&
            strncmp(uri, callbacks[i], strlen(callbacks[i])) == 0)
            return true;
    return false;
}

/* What the viewer answers is not looked at here. */
#define ANY_STATUS 0

/* The status of EVENT's answer, and what stands in it. */
static int judge(const struct stream_event *event, const char **part)
{
    char *uri = stream_parameter(event, "REQUEST_URI");
    char *method = stream_parameter(event, "REQUEST_METHOD");
    int status = 200;
    *part = "about:blank";
    if (uri != NULL && !is_callback(uri) && site_find(uri, strcspn(uri, "?")) != NULL)
        status = ANY_STATUS;
    else if (uri == NULL || !is_callback(uri))
        status = 404;
    else if (method == NULL || strcmp(method, "POST") != 0)
        status = 405;
    else if (stream_body(event) != REQUEST_BODY_WHOLE)
        status = stream_body(event) == REQUEST_BODY_INCOMPLETE ? 400 : 413;
    free(uri);
    free(method);
    if (status != 200)
        return status;
    struct record record = {.body = event->body.length > 0 ? event->body.bytes : "",
                            .body_length = event->body.length};
    *part = dispatch_read(&record) == DISPATCH_NOTIFICATION ? "\"stored\"" : "\"quarantined\"";
    record_release(&record);
    return 200;
}

/* --- a web server --- */

struct peer {
    int fd;
    struct buffer stream, received;
    size_t sent;
    bool finished; /* sending */
    bool ended;    /* the receiver has closed it */
    struct stream expected;
};

static struct peer peers[CONNECTIONS_MAX];

static void open_peer(struct peer *peer, struct fuzz_input part)
{
    buffer_clear(&peer->stream);
    buffer_clear(&peer->received);
    peer->sent = 0;
    peer->finished = peer->ended = false;
    stream_write(&peer->stream, &part);
    stream_read(&peer->expected, (const unsigned char *)peer->stream.bytes, peer->stream.length,
                BODY_MAX);
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fuzz_demand(connect(peer->fd, (struct sockaddr *)&address, address_length) == 0,
                "a connection is taken");
}

/* Sends a piece of what is left; behind the last one, the end. */
static void send_piece(struct peer *peer, uint64_t *seed)
{
    size_t left = peer->stream.length - peer->sent;
    size_t piece = 1 + support_random_below(seed, support_random_below(seed, 4) == 0 ? 16 : 65536);
    ssize_t sent = left == 0 ? 0
                             : send(peer->fd, peer->stream.bytes + peer->sent,
                                    piece < left ? piece : left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        peer->sent += (size_t)sent;
    peer->finished = peer->sent == peer->stream.length || (sent < 0 && errno != EAGAIN);
    if (peer->finished)
        shutdown(peer->fd, SHUT_WR);
}

static void receive(struct peer *peer)
{
    char bytes[4096];
    ssize_t received = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (received > 0)
        buffer_add(&peer->received, bytes, (size_t)received);
    else if (received == 0 || errno != EAGAIN)
        peer->ended = true;
}

/* Sends and receives until every connection has ended. */
static void exchange(size_t count, uint64_t *seed)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd polled[CONNECTIONS_MAX];
        size_t open = 0;
        for (size_t i = 0; i < count; i++) {
            polled[i] = (struct pollfd){
                .fd = peers[i].ended ? -1 : peers[i].fd,
                .events = (short)(POLLIN | (peers[i].finished ? 0 : POLLOUT))};
            open += !peers[i].ended;
        }
        if (open == 0)
            return;
        fuzz_demand(clock_monotonic_ms() < until_ms, "a connection ends");
        poll(polled, (nfds_t)count, 100);
        for (size_t i = 0; i < count; i++) {
            if ((polled[i].revents & POLLOUT) != 0)
                send_piece(&peers[i], seed);
            if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
                receive(&peers[i]);
        }
    }
}

/* Takes one whole answer from the front of what was received, and demands what EVENT asks for. */
static void check_answer(const struct stream_event *event, const char **bytes, size_t *left)
{
    size_t length = 0;
    bool last = false;
    while (!last) {
        const unsigned char *b = (const unsigned char *)*bytes + length;
        fuzz_demand(*left - length >= 8, "a whole answer");
        size_t record = 8 + ((size_t)b[4] << 8 | b[5]) + b[6];
        fuzz_demand(*left - length >= record, "a whole record");
        last = b[1] == FASTCGI_END;
        length += record;
    }
    struct fastcgi_answer answer;
    const char *part;
    char begin[16];
    int status = judge(event, &part);
    fastcgi_read_answer(*bytes, length, &answer);
    fuzz_demand(answer.id == event->id && answer.ends == 1 && answer.others == 0 &&
                    answer.status == 0 && answer.protocol == 0,
                "an answer to request %u", event->id);
    snprintf(begin, sizeof begin, "Status: %d ", status);
    if (status == ANY_STATUS) {
        begin[strlen("Status: ")] = '\0';
        part = begin;
    }
    buffer_add(&answer.output, "", 1);
    fuzz_demand(strncmp(answer.output.bytes, begin, strlen(begin)) == 0 &&
                    strstr(answer.output.bytes, part) != NULL,
                "%s and %s in %s", begin, part, answer.output.bytes);
    buffer_release(&answer.output);
    *bytes += length;
    *left -= length;
}

/* Gives the sum over the bodies that must have gone to the store. */
static uint64_t check_peer(const struct peer *peer)
{
    const char *bytes = peer->received.bytes, *part;
    size_t left = peer->received.length;
    uint64_t sum = 0;
    bool open = true;
    for (size_t i = 0; i < peer->expected.length && open; i++) {
        const struct stream_event *event = &peer->expected.events[i];
        if (event->is_request) {
            if (judge(event, &part) == 200)
                sum += fuzz_seed((const uint8_t *)event->body.bytes, event->body.length);
            check_answer(event, &bytes, &left);
            open = event->keep;
        } else {
            fuzz_demand(left >= event->reply_length &&
                            memcmp(bytes, event->reply, event->reply_length) == 0,
                        "the reply that is owed");
            bytes += event->reply_length;
            left -= event->reply_length;
        }
    }
    fuzz_demand(left == 0, "nothing that nobody asked for");
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input input = {bytes, size};
    uint64_t seed = fuzz_seed(bytes, size), sum = 0;
    size_t count = 1 + fuzz_below(&input, CONNECTIONS_MAX);
    bool sure = true;
    atomic_store(&kept, 0);
    for (size_t i = 0; i < count; i++) {
        open_peer(&peers[i], fuzz_take(&input, input.left / (count - i)));
        sure = sure && peers[i].expected.length <= EVENTS_SURE;
    }
    exchange(count, &seed);
    for (size_t i = 0; i < count; i++) {
        if (sure)
            sum += check_peer(&peers[i]);
        close(peers[i].fd);
        stream_release(&peers[i].expected);
    }
    fuzz_demand(!sure || atomic_load(&kept) == sum, "the store gets the bodies that came");
    return 0;
}
