/* worker: a worker's loop: reads requests, has them kept and answers; and the threads that run it.
 */
#include "config.h"

#include "receiver/worker.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/json_writer.h"
#include "base/monitor.h"
#include "notification/callback_check.h"
#include "receiver/answer.h"
#include "receiver/pool.h"
#include "receiver/route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Events that a worker takes in a round. */
#define EVENTS_MAX WORKER_BATCH_MAX

/* Bytes that a worker reads from a connection at a time before a body, for which there may be no
 * room. */
#define READ_HEAD_SIZE ((size_t)4 << 10)

/* --- answers --- */

/* A kept record whose answer did not go out comes again, and is then a repeat: it deserves a line.
 */
static void log_unanswered(struct worker_pool *pool, int64_t seq, int status)
{
    struct buffer line = {0};
    metrics_add(pool->metrics, METRIC_unanswered, 1);
    log_begin(&line, "unanswered");
    buffer_addf(&line, ",\"status\":%d,\"seq\":%lld", status, (long long)seq);
    log_line(pool->log, &line);
}

/* Sends the worker's answer; false if it did not go out whole. */
static bool send_answer(struct worker *worker, struct connection *connection)
{
    if (!worker->answer.failed)
        return request_answer(&connection->request, connection->fd, worker->answer.bytes,
                              worker->answer.length) == 0;
    request_drop(&connection->request);
    return false;
}

/* Sends and counts it. The connection may be freed when this returns. */
static void reply(struct worker *worker, struct connection *connection, int status)
{
    struct worker_pool *pool = worker->pool;
    bool sent = send_answer(worker, connection);
    if (sent)
        metrics_count_answer(pool->metrics, status, connection->weighs);
    else
        log_unanswered(pool, connection->record.seq, status);
    pool_conclude(worker, connection, sent);
}

static void reject(struct worker *worker, struct connection *connection, int status,
                   const char *detail)
{
    buffer_clear(&worker->answer);
    answer_add_problem(&worker->answer, status, detail, "");
    reply(worker, connection, status);
}

/* Answers the kept requests, up to the journal's entry UP_TO. */
static void release_answers(struct worker *worker, int64_t up_to)
{
    while (worker->kept.first != NULL && worker->kept.first->record.entry <= up_to) {
        struct connection *connection = connection_line_take(&worker->kept);
        connection->held_until_ms = 0;
        buffer_clear(&worker->answer);
        int status = answer_add_kept(&worker->answer, &connection->record,
                                     worker->pool->options->refuse_invalid);
        FAULT_POINT(before_answer);
        reply(worker, connection, status);
        FAULT_POINT(after_answer);
    }
}

/* Answers all that still wait, though the books have not confirmed them. */
static void release_unconfirmed(struct worker *worker)
{
    struct connection *connection;
    if (!worker->pool->options->books_required) {
        release_answers(worker, INT64_MAX);
        return;
    }
    while ((connection = connection_line_take(&worker->kept)) != NULL) {
        connection->held_until_ms = 0;
        reject(worker, connection, 503,
               "the notification is kept here, but the shared books have not confirmed it");
    }
}

/* Holds the answer to a kept request. It costs no more than a connection that is idle: the body and
 * all that was read from it are freed. */
static void hold(struct worker *worker, struct connection *connection)
{
    record_release(&connection->record);
    buffer_release(&connection->reader.body);
    buffer_release(&connection->reader.params);
    pool_count_held(worker->pool, connection);
    pool_give_room(worker, connection, 0);
    connection->idle_since_ms = 0;
    connection->held_until_ms = worker->now_ms + (int64_t)worker->pool->options->books_wait_ms;
    connection_line_add(&worker->kept, connection);
}

/* Answers what the books have confirmed. If the first answer has waited too long, or the books are
 * away, answers all. Call it between rounds: an event of this round may belong to a connection that
 * this ends. */
static void settle_held(struct worker *worker)
{
    struct shipper *shipper = worker->pool->shipper;
    if (worker->kept.first == NULL)
        return;
    atomic_store(&worker->holding, true); /* before it looks, so that it misses no news */
    release_answers(worker, shipper_confirmed(shipper));
    struct connection *first = worker->kept.first;
    if (first != NULL && worker->now_ms >= first->held_until_ms)
        shipper_miss(shipper, first->record.entry);
    if (first != NULL && !shipper_is_confirming(shipper))
        release_unconfirmed(worker);
    first = worker->kept.first;
    if (first == NULL)
        atomic_store(&worker->holding, false);
    else if (first->held_until_ms < worker->look_ms)
        worker->look_ms = first->held_until_ms;
}

/* Keeps the batch, and answers it, or holds the answers. */
static void keep_batch(struct worker *worker)
{
    struct record *records[WORKER_BATCH_MAX];
    struct fault fault = FAULT_NONE;
    struct connection *connection;
    size_t count = 0;
    for (connection = worker->batch.first; connection != NULL;
         connection = connection->next_in_line)
        records[count++] = &connection->record;
    if (count == 0)
        return;
    worker->batch_length = worker->batch_bytes = 0;
    bool kept = intake_keep(worker->pool->intake, records, count, &fault) == 0;
    bool books = worker->pool->shipper != NULL;
    int64_t last = 0; /* entry that the batch has added to the journal */
    for (size_t i = 0; books && i < count; i++)
        last = records[i]->entry > last ? records[i]->entry : last;
    if (kept && books)
        shipper_note(worker->pool->shipper, last);
    while ((connection = connection_line_take(&worker->batch)) != NULL)
        if (!kept)
            reject(worker, connection, 503, "the notification could not be kept");
        else if (books)
            hold(worker, connection);
        else
            connection_line_add(&worker->kept, connection);
    if (!books)
        release_answers(worker, INT64_MAX);
}

/* --- requests --- */

static void log_rejected(struct worker_pool *pool, const struct route *route)
{
    struct buffer line = {0};
    log_begin(&line, "rejected");
    buffer_addf(&line, ",\"status\":%d,\"reason\":\"%s\"", route->status, route->detail);
    log_line(pool->log, &line);
}

/* A POST came to a path that is nearly a callback path, perhaps from the platform, which may repeat
 * it for ever. The sender chooses the path, so lines are few, and each counts all since the one
 * before. */
static void log_near_miss(struct worker_pool *pool, const struct request *request,
                          const char *callback)
{
    long long now_ms = clock_monotonic_ms(), last_ms = atomic_load(&pool->near_miss_ms);
    metrics_add(pool->metrics, METRIC_near_misses, 1);
    atomic_fetch_add(&pool->near_misses, 1);
    if ((last_ms != 0 && now_ms - last_ms < WORKER_NEAR_MISS_MS) ||
        !atomic_compare_exchange_strong(&pool->near_miss_ms, &last_ms, now_ms))
        return;
    struct buffer line = {0};
    log_begin(&line, "misdirected");
    buffer_add_string(&line, ",\"path\":");
    buffer_add_json_string(&line, request->path, request->path_length);
    json_add_string(&line, "callback", callback);
    buffer_addf(&line, ",\"count\":%zu", atomic_exchange(&pool->near_misses, 0));
    log_line(pool->log, &line);
}

/* A notification: reads its body, and puts it into the batch. */
static void take_in(struct worker *worker, struct connection *connection)
{
    const struct buffer *body = &connection->reader.body;
    struct record *record = &connection->record;
    struct fault fault = FAULT_NONE;
    record->body = body->length > 0 ? body->bytes : "";
    record->body_length = body->length;
    if (intake_read(worker->pool->intake, record, &fault) != 0) {
        reject(worker, connection, 503, fault.text);
        return;
    }
    /* The platform's notifications get the same answer as this one, from any sender. */
    connection->weighs = connection->weighs || record->meaning != RECORD_QUARANTINE;
    connection_line_add(&worker->batch, connection);
    worker->batch_length++;
    worker->batch_bytes += body->length;
    if (worker->batch_length == WORKER_BATCH_MAX || worker->batch_bytes >= WORKER_BATCH_BYTES_MAX)
        keep_batch(worker);
}

/* Hands a whole request to its destination. */
static void handle(struct worker *worker, struct connection *connection)
{
    struct worker_pool *pool = worker->pool;
    struct fault fault = FAULT_NONE;
    atomic_store_explicit(&connection->deadline_ms, 0, memory_order_relaxed);
    pool_give_room(worker, connection, WORKER_BODY_FACTOR * connection->reader.body.length);
    if (request_read(&connection->request, &worker->file, &connection->reader, &fault) != 0) {
        pool_log_broken(pool, fault.text);
        pool_drop(worker, connection);
        return;
    }
    FAULT_POINT(request_read);
    const struct route route = route_find(pool->options, pool->auth, &connection->request);
    connection->weighs = route.is_signed;
    connection->record = (struct record){.seq = 0};
    /* Does the operator ask whether a callback path leads here? That needs no signature, for the
     * nonce is in the state folder. Nothing is kept, and no counter changes. */
    const struct buffer *body = &connection->reader.body;
    if ((route.to == ROUTE_INTAKE || (route.to == ROUTE_BACK && route.status == 401)) &&
        callback_check_is(pool->options->state, body->bytes, body->length)) {
        buffer_clear(&worker->answer);
        answer_add_here(&worker->answer);
        pool_conclude(worker, connection, send_answer(worker, connection));
        return;
    }
    metrics_add(pool->metrics, METRIC_requests, 1);
    switch (route.to) {
    case ROUTE_INTAKE:
        take_in(worker, connection);
        break;
    case ROUTE_VIEW:
        /* A viewer has the connection until the answer is sent. */
        pool_disarm(worker, connection);
        connection->read_request = (struct read_request){
            .request = &connection->request,
            .socket = connection->fd,
            .endpoint = route.endpoint,
            .deadline_ms = &connection->deadline_ms,
        };
        viewer_take(pool->viewer, &connection->read_request);
        break;
    case ROUTE_BACK:
        if (route.logged)
            log_rejected(pool, &route);
        if (route.misdirected)
            metrics_add(pool->metrics, METRIC_misdirected, 1);
        if (route.near_miss != NULL)
            log_near_miss(pool, &connection->request, route.near_miss);
        reject(worker, connection, route.status, route.detail);
        break;
    }
}

/* --- bytes --- */

/* The next step of a connection after some of its bytes were taken. */
enum step { STEP_AWAIT, STEP_WAIT_FOR_ROOM, STEP_HANDLE, STEP_DROP };

/* Feeds LENGTH bytes that arrived. Bytes after a whole request are set aside. */
static enum step feed(struct worker *worker, struct connection *connection,
                      const unsigned char *bytes, size_t length)
{
    struct worker_pool *pool = worker->pool;
    struct fcgi_reader *reader = &connection->reader;
    while (length > 0) {
        size_t used;
        enum fcgi_reader_result result = fcgi_reader_feed(reader, bytes, length, &used);
        bytes += used;
        length -= used;
        bool room = result != FCGI_READER_BODY ||
                    (worker->for_room.first == NULL && pool_take_room(worker, connection));
        if (result == FCGI_READER_WHOLE || !room) {
            buffer_add(&connection->ahead, (const char *)bytes, length);
            if (connection->ahead.failed)
                return STEP_DROP;
            pool_count_held(pool, connection);
            return room ? STEP_HANDLE : STEP_WAIT_FOR_ROOM;
        }
        if (result == FCGI_READER_REPLY && send(connection->fd, reader->reply, reader->reply_length,
                                                MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return STEP_DROP;
        if (result == FCGI_READER_BROKEN) {
            pool_log_broken(pool, reader->defect);
            return STEP_DROP;
        }
    }
    pool_count_held(pool, connection);
    if (atomic_load_explicit(&pool->gathered, memory_order_relaxed) > WORKER_HEADS_MAX) {
        pool_log_broken(pool, "too many bytes of parameters");
        return STEP_DROP;
    }
    return STEP_AWAIT;
}

static void take_step(struct worker *worker, struct connection *connection, enum step step)
{
    switch (step) {
    case STEP_AWAIT:
        if (fcgi_reader_has_begun(&connection->reader))
            pool_note_begun(worker, connection);
        else
            connection->idle_since_ms = worker->now_ms;
        pool_arm(worker, connection);
        break;
    case STEP_WAIT_FOR_ROOM:
        pool_note_begun(worker, connection);
        pool_disarm(worker, connection);
        connection_line_add(&worker->for_room, connection);
        break;
    case STEP_HANDLE:
        handle(worker, connection);
        break;
    case STEP_DROP:
        pool_drop(worker, connection);
        break;
    }
}

/* Takes the bytes that have arrived, unless earlier ones still wait in the queue. */
static void read_some(struct worker *worker, struct connection *connection)
{
    if (connection->ahead.length > 0)
        return;
    if (connection->held_until_ms != 0) { /* it is read, or its end seen, after its answer */
        pool_disarm(worker, connection);
        return;
    }
    size_t most = connection->reader.body_begun ? POOL_READ_SIZE : READ_HEAD_SIZE;
    ssize_t received = recv(connection->fd, worker->bytes, most, MSG_DONTWAIT);
    enum step step = STEP_DROP; /* the connection ended, or failed */
    if (received > 0)
        step = feed(worker, connection, worker->bytes, (size_t)received);
    else if (received < 0 && (errno == EAGAIN || errno == EINTR))
        step = STEP_AWAIT;
    else if (fcgi_reader_has_begun(&connection->reader))
        pool_log_broken(worker->pool, "the connection ended within a request");
    take_step(worker, connection, step);
}

/* Takes the bytes that were read before. Connections that join the queue meanwhile are for the next
 * round. */
static void read_ahead(struct worker *worker)
{
    struct connection_line line = {.first = worker->read_ahead.first};
    struct connection *connection;
    connection_line_init(&worker->read_ahead);
    while ((connection = connection_line_take(&line)) != NULL) {
        struct buffer ahead = connection->ahead;
        connection->ahead = (struct buffer){0};
        take_step(worker, connection,
                  feed(worker, connection, (const unsigned char *)ahead.bytes, ahead.length));
        buffer_release(&ahead);
    }
}

void worker_seen_off(struct read_request *read_request, bool sent)
{
    struct connection *connection = (struct connection *)(void *)((char *)read_request -
                                                                  offsetof(struct connection,
                                                                           read_request));
    atomic_store_explicit(&connection->deadline_ms, 0, memory_order_relaxed);
    connection->sent = sent;
    pool_put_into_inbox(connection);
}

int worker_adopt(struct worker_pool *pool, int fd)
{
    struct connection *connection = connection_new(fd, pool->options->max_body, &pool->workers[0]);
    if (connection == NULL)
        return -1;
    atomic_fetch_add_explicit(&pool->connections, 1, memory_order_relaxed);
    pool_put_into_inbox(connection);
    return 0;
}

/* --- the time --- */

/* Accepts no more connections, ends the idle ones, and in the end all. */
static void drain(struct worker *worker, int64_t drained_ms)
{
    pool_listen(worker, false);
    pool_end_idle(worker, SIZE_MAX, worker->now_ms - WORKER_LINGER_MS);
    if (worker->now_ms < drained_ms)
        return;
    pool_drop_late(worker, INT64_MAX);
    release_unconfirmed(worker);
    for (struct connection *c = worker->first; c != NULL; c = c->next)
        shutdown(c->fd, SHUT_RDWR);
}

/* Does the work that is due at a time. */
static void look_at_time(struct worker *worker)
{
    int64_t drained_ms = atomic_load(&worker->pool->drained_ms);
    worker->look_ms = worker->now_ms + (drained_ms != 0 ? WORKER_DRAIN_LOOK_MS : WORKER_LOOK_MS);
    pool_end_late(worker);
    pool_drop_late(worker, worker->now_ms);
    pool_admit(worker);
    if (drained_ms != 0) {
        drain(worker, drained_ms);
    } else if (worker->paused) {
        pool_end_idle(worker, WORKER_EVICT_MAX, worker->now_ms - WORKER_EVICT_IDLE_MS);
        worker->paused = false;
        pool_listen(worker, true);
    }
}

/* --- the loop --- */

static int64_t begin_round(struct worker *worker)
{
    worker->now_ms = clock_monotonic_ms();
    atomic_store_explicit(&worker->round_ms, worker->now_ms, memory_order_relaxed);
    return worker->now_ms;
}

/* Waits for events, and reads all that has arrived. */
static void read_all(struct worker *worker)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t pause_ms = worker->look_ms - clock_monotonic_ms();
    if (pause_ms < 0 || worker->read_ahead.first != NULL)
        pause_ms = 0;
    int count = epoll_wait(worker->epoll, events, EVENTS_MAX, (int)pause_ms);
    begin_round(worker);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr == worker)
            pool_empty_inbox(worker);
        else if (events[i].data.ptr == worker->pool)
            pool_accept(worker);
        else
            read_some(worker, events[i].data.ptr);
    read_ahead(worker);
}

static bool is_over(const struct worker *worker)
{
    int64_t drained_ms = atomic_load(&worker->pool->drained_ms);
    return drained_ms != 0 &&
           (worker->first == NULL || worker->now_ms >= drained_ms + WORKER_LOOK_MS);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    pthread_setname_np(pthread_self(), "worker");
    pool_listen(worker, true);
    while (!is_over(worker)) {
        read_all(worker);
        keep_batch(worker);
        if (worker->pool->shipper != NULL)
            settle_held(worker);
        if (worker->now_ms >= worker->look_ms)
            look_at_time(worker);
    }
    return NULL;
}

/* --- the pool --- */

static size_t connections_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * WORKER_SPARE_DESCRIPTORS)
        return WORKER_SPARE_DESCRIPTORS;
    return limit.rlim_cur - WORKER_SPARE_DESCRIPTORS;
}

static int set_nonblocking(int listener)
{
    int flags = listener < 0 ? 0 : fcntl(listener, F_GETFL);
    if (listener < 0 || flags < 0)
        return flags;
    return fcntl(listener, F_SETFL, flags | O_NONBLOCK);
}

static int init_worker(struct worker *worker, struct worker_pool *pool, struct fault *fault)
{
    worker->pool = pool;
    worker->file.fd = -1;
    connection_line_init(&worker->for_room);
    connection_line_init(&worker->read_ahead);
    connection_line_init(&worker->batch);
    connection_line_init(&worker->kept);
    connection_line_init(&worker->inbox);
    monitor_init(&worker->monitor);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
    if (worker->epoll < 0 || worker->bell < 0 ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->bell, &event) != 0)
        return fault_set_errno(fault, errno, "workers: cannot wait for connections");
    return request_file_open(&worker->file, fault);
}

int worker_new(struct worker_pool **gives, int listener, const struct options *options,
               const struct auth *auth, struct log *log, struct metrics *metrics,
               struct fault *fault)
{
    struct worker_pool *pool = calloc(1, sizeof *pool);
    struct worker *workers = calloc(options->workers, sizeof *workers);
    if (pool == NULL || workers == NULL) {
        free(workers);
        free(pool);
        return fault_set(fault, "workers: out of memory");
    }
    *pool = (struct worker_pool){
        .listener = listener,
        .options = options,
        .auth = auth,
        .log = log,
        .metrics = metrics,
        .workers = workers,
        .connections_max = connections_limit(),
    };
    int result = 0;
    for (size_t i = 0; i < options->workers; i++)
        if (init_worker(&workers[i], pool, fault) != 0)
            result = -1;
    if (set_nonblocking(listener) != 0)
        result = fault_set_errno(fault, errno, "workers: cannot wait for connections");
    if (result == 0 && request_library_init(fault) == 0) {
        *gives = pool;
        return 0;
    }
    worker_free(pool);
    return -1;
}

int worker_start(struct worker_pool *pool, struct intake *intake, struct viewer *viewer,
                 struct fault *fault)
{
    pool->intake = intake;
    pool->viewer = viewer;
    for (size_t i = 0; i < pool->options->workers; i++) {
        struct worker *worker = &pool->workers[i];
        begin_round(worker);
        int error = pthread_create(&worker->thread, NULL, work, worker);
        if (error != 0) {
            worker_drain(pool);
            return fault_set_errno(fault, error, "workers: cannot start a thread");
        }
        worker->started = true;
    }
    return 0;
}

void worker_hold(struct worker_pool *pool, struct shipper *shipper)
{
    pool->shipper = shipper;
}

void worker_hear(void *owner)
{
    struct worker_pool *pool = owner;
    for (size_t i = 0; i < pool->options->workers; i++)
        if (atomic_load(&pool->workers[i].holding))
            monitor_ring(pool->workers[i].bell);
}

int worker_check(struct worker_pool *pool, struct fault *fault)
{
    int error = atomic_load(&pool->accept_error);
    return error == 0 ? 0 : fault_set_errno(fault, error, "the listening socket cannot be used");
}

bool worker_is_stuck(struct worker_pool *pool, int64_t limit_ms)
{
    int64_t since_ms = clock_monotonic_ms() - limit_ms;
    for (size_t i = 0; i < pool->options->workers; i++)
        if (atomic_load_explicit(&pool->workers[i].round_ms, memory_order_relaxed) < since_ms)
            return true;
    return false;
}

void worker_drain(struct worker_pool *pool)
{
    atomic_store(&pool->drained_ms, clock_monotonic_ms() + WORKER_DRAIN_MS);
    viewer_leave(pool->viewer);
    for (size_t i = 0; i < pool->options->workers; i++)
        monitor_ring(pool->workers[i].bell);
    for (size_t i = 0; i < pool->options->workers; i++)
        if (pool->workers[i].started)
            pthread_join(pool->workers[i].thread, NULL);
}

static void release_worker(struct worker *worker)
{
    struct connection *connection;
    while ((connection = connection_line_take(&worker->inbox)) != NULL)
        if (connection->read_request.endpoint == NULL)
            connection_free(connection);
    while (worker->first != NULL)
        pool_drop(worker, worker->first);
    request_file_close(&worker->file);
    buffer_release(&worker->answer);
    monitor_release(&worker->monitor);
    if (worker->epoll >= 0)
        close(worker->epoll);
    if (worker->bell >= 0)
        close(worker->bell);
}

void worker_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->options->workers; i++)
        release_worker(&pool->workers[i]);
    free(pool->workers);
    free(pool);
}
