/* worker: the pool: accepts, reads, routes and answers. */
#include "config.h"

#include "worker.h"

#include "answer.h"
#include "connection.h"
#include "fault_point.h"
#include "handover.h"
#include "moment.h"
#include "progress.h"
#include "route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Events that a worker takes at a time: few, so that no other worker idles meanwhile. */
#define EVENTS_MAX 4

/* Connections that a worker accepts at a time. */
#define ACCEPT_MAX 16

/* What a worker reads from a connection at a time; and before a body, for which there may be no
 * room. */
#define READ_SIZE ((size_t)64 << 10)
#define READ_HEAD_SIZE ((size_t)4 << 10)

/* How often a drain looks for connections that have become idle. */
#define DRAIN_LOOK_MS 50

struct worker {
    struct worker_pool *pool;
    pthread_t thread;
    bool started;
    struct progress progress;
    struct request_file file;
    unsigned char bytes[READ_SIZE];
};

struct worker_pool {
    int listener;
    const struct options *options;
    const struct trust *trust;
    struct log *log;
    struct metrics *metrics;
    struct intake *intake;
    struct viewer *viewer;
    int epoll;
    int stop_event; /* readable when the threads are to end */
    int ping_event; /* written to see whether a worker takes it */
    struct progress ping;
    struct connection_list connections;
    size_t connections_max;
    atomic_size_t gathered; /* bytes of connections, without those of bodies */
    struct monitor room;    /* guards what follows */
    size_t taken;           /* bytes that bodies may take now */
    struct connection *first_waiting, **last_waiting; /* for room: owned by this line */
    atomic_bool draining;
    atomic_bool paused;        /* no descriptors: accepting waits for the next tick */
    atomic_bool short_of;      /* the same, and logged, until a connection is accepted again */
    atomic_size_t near_misses; /* since the last line about them */
    atomic_llong near_miss_ms; /* when that was; 0: never */
    atomic_int accept_error;   /* why the listening socket is of no use; 0: it is */
    struct worker *workers;
};

/* Puts the listening socket, which is disarmed by each of its events, back into the epoll set. */
static void arm_listener(struct worker_pool *pool, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = pool};
    epoll_ctl(pool->epoll, operation, pool->listener, &event);
}

static void count_held(struct worker_pool *pool, struct connection *connection)
{
    size_t held = connection->gather.params.capacity + connection->ahead.capacity;
    atomic_fetch_add_explicit(&pool->gathered, held - connection->held, memory_order_relaxed);
    connection->held = held;
}

/* Takes room for the body that begins; false where there is none. */
static bool take_room(struct worker_pool *pool, struct connection *connection)
{
    size_t size = WORKER_BODY_FACTOR * connection->gather.announced;
    bool fits = true;
    monitor_enter(&pool->room);
    if (connection->room == 0) {
        fits = pool->first_waiting == NULL &&
               (pool->taken == 0 || pool->taken + size <= WORKER_BODIES_MAX);
        connection->room = fits ? size : 0;
        pool->taken += connection->room;
    }
    monitor_leave(&pool->room);
    return fits;
}

/* The first that waits for room and finds some, which it takes; NULL: there is none. */
static struct connection *admit_one(struct worker_pool *pool)
{
    monitor_enter(&pool->room);
    struct connection *first = pool->first_waiting;
    size_t size = first == NULL ? 0 : WORKER_BODY_FACTOR * first->gather.announced;
    if (first != NULL && (pool->taken == 0 || pool->taken + size <= WORKER_BODIES_MAX)) {
        pool->first_waiting = first->next_waiting;
        if (pool->first_waiting == NULL)
            pool->last_waiting = &pool->first_waiting;
        pool->taken += size;
        first->room = size;
    } else {
        first = NULL;
    }
    monitor_leave(&pool->room);
    return first;
}

static void await(struct worker_pool *pool, struct connection *connection, bool begun,
                  int operation);

static void admit(struct worker_pool *pool)
{
    struct connection *connection;
    while ((connection = admit_one(pool)) != NULL)
        await(pool, connection, true, EPOLL_CTL_MOD);
}

/* Gives back what the connection has of the room, but for SIZE bytes. */
static void give_room(struct worker_pool *pool, struct connection *connection, size_t size)
{
    if (connection->room <= size)
        return;
    monitor_enter(&pool->room);
    pool->taken -= connection->room - size;
    connection->room = size;
    bool waiting = pool->first_waiting != NULL;
    monitor_leave(&pool->room);
    if (waiting)
        admit(pool);
}

static void drop(struct worker_pool *pool, struct connection *connection)
{
    atomic_fetch_sub_explicit(&pool->gathered, connection->held, memory_order_relaxed);
    gather_reset(&connection->gather);
    give_room(pool, connection, 0);
    connection_close(&pool->connections, connection);
}

/* A request has begun to arrive: its time runs. */
static void note_begun(struct connection *connection, int64_t now_ms)
{
    if (atomic_load_explicit(&connection->idle_since_ms, memory_order_relaxed) != 0)
        atomic_store_explicit(&connection->deadline_ms, now_ms + WORKER_REQUEST_MS,
                              memory_order_relaxed);
    atomic_store_explicit(&connection->idle_since_ms, 0, memory_order_relaxed);
}

/* Puts the connection in the line for room, which owns it then: no event comes for it. */
static void wait_for_room(struct worker_pool *pool, struct connection *connection)
{
    note_begun(connection, moment_monotonic_ms());
    connection->next_waiting = NULL;
    monitor_enter(&pool->room);
    *pool->last_waiting = connection;
    pool->last_waiting = &connection->next_waiting;
    monitor_leave(&pool->room);
    admit(pool); /* there may be room since it was looked for */
}

/* Gives the connection to the epoll set until bytes arrive. It may be another thread's, or freed,
 * when this returns. */
static void await(struct worker_pool *pool, struct connection *connection, bool begun,
                  int operation)
{
    int64_t now_ms = moment_monotonic_ms();
    if (begun) {
        note_begun(connection, now_ms);
    } else {
        if (operation == EPOLL_CTL_ADD)
            atomic_store_explicit(&connection->deadline_ms, now_ms + WORKER_FIRST_BYTE_MS,
                                  memory_order_relaxed);
        atomic_store_explicit(&connection->idle_since_ms, now_ms, memory_order_relaxed);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
                                .data.ptr = connection};
    /* Bytes read ahead want a worker at once; the socket is writable, which is as good an event as
     * any. */
    if (connection->ahead.length > 0)
        event.events |= EPOLLOUT;
    if (handover_give(pool->epoll, operation, connection->fd, &event) != 0)
        drop(pool, connection);
}

static void log_broken(struct worker_pool *pool, const char *reason)
{
    metrics_add(pool->metrics, METRIC_broken_streams, 1);
    log_event(pool->log, "broken", "reason", reason);
}

/* A kept record whose answer did not go out comes again, and is then a repeat: worth a line. */
static void log_unanswered(struct worker_pool *pool, const struct ticket *ticket, int status)
{
    struct text line = {0};
    metrics_add(pool->metrics, METRIC_unanswered, 1);
    log_begin(&line, "unanswered");
    text_addf(&line, ",\"status\":%d,\"seq\":%lld", status, (long long)ticket->record.seq);
    log_end(&line);
    log_lines(pool->log, &line, 1);
    text_release(&line);
}

/* The request is answered, or could not be. It may be another thread's connection, or freed, when
 * this returns. */
static void conclude(struct worker_pool *pool, struct connection *connection, bool sent)
{
    bool keep = sent && connection->gather.keep;
    /* While draining, an answer is the last one but for what has arrived already: from here on the
     * web server cannot send, and tries elsewhere; what it has sent is read, then the end. */
    if (keep && atomic_load(&pool->draining))
        shutdown(connection->fd, SHUT_RD);
    gather_reset(&connection->gather);
    count_held(pool, connection);
    give_room(pool, connection, 0);
    if (keep)
        await(pool, connection, false, EPOLL_CTL_MOD);
    else
        drop(pool, connection);
}

void worker_reply(struct ticket *ticket, int status, const struct text *answer)
{
    struct connection *connection = connection_of(ticket);
    struct worker_pool *pool = connection->owner;
    bool sent = false;
    if (answer->failed)
        request_drop(&connection->request);
    else
        sent = request_answer(&connection->request, connection->fd, answer->bytes,
                              answer->length) == 0;
    if (sent)
        metrics_count_answer(pool->metrics, status, ticket->weighs);
    else
        log_unanswered(pool, ticket, status);
    conclude(pool, connection, sent);
}

void worker_seen_off(struct visit *visit, bool sent)
{
    struct connection *connection = connection_of_visit(visit);
    atomic_store_explicit(&connection->deadline_ms, 0, memory_order_relaxed);
    conclude(connection->owner, connection, sent);
}

static void reject(struct connection *connection, int status, const char *detail)
{
    struct text answer = {0};
    answer_add_problem(&answer, status, detail);
    worker_reply(&connection->ticket, status, &answer);
    text_release(&answer);
}

static void log_rejected(struct worker_pool *pool, const struct route *route)
{
    struct text line = {0};
    log_begin(&line, "rejected");
    text_addf(&line, ",\"status\":%d,\"reason\":\"%s\"", route->status, route->detail);
    log_end(&line);
    log_lines(pool->log, &line, 1);
    text_release(&line);
}

/* Somebody posts to what is nearly a callback path: the platform, perhaps, and for ever. The path
 * is a stranger's, so lines are few, and each tells of all since the one before. */
static void log_near_miss(struct worker_pool *pool, const struct request *request,
                          const char *callback)
{
    long long now_ms = moment_monotonic_ms(), last_ms = atomic_load(&pool->near_miss_ms);
    atomic_fetch_add(&pool->near_misses, 1);
    if ((last_ms != 0 && now_ms - last_ms < WORKER_NEAR_MISS_MS) ||
        !atomic_compare_exchange_strong(&pool->near_miss_ms, &last_ms, now_ms))
        return;
    struct text line = {0};
    log_begin(&line, "misdirected");
    text_add_string(&line, ",\"path\":");
    text_add_json_string(&line, request->path, request->path_length);
    text_add_string(&line, ",\"callback\":");
    text_add_json_string(&line, callback, strlen(callback));
    text_addf(&line, ",\"count\":%zu", atomic_exchange(&pool->near_misses, 0));
    log_end(&line);
    log_lines(pool->log, &line, 1);
    text_release(&line);
}

static void count_misdirected(struct worker_pool *pool, const struct request *request,
                              const struct route *route)
{
    metrics_add(pool->metrics, METRIC_misdirected, 1);
    if (route->near_miss == NULL)
        return;
    metrics_add(pool->metrics, METRIC_near_misses, 1);
    log_near_miss(pool, request, route->near_miss);
}

static void take_in(struct worker_pool *pool, struct connection *connection)
{
    const struct text *body = &connection->gather.body;
    connection->ticket.record = (struct record){.body = body->length > 0 ? body->bytes : "",
                                                .body_length = body->length};
    intake_take(pool->intake, &connection->ticket);
}

static void show(struct worker_pool *pool, struct connection *connection,
                 const struct site_place *place)
{
    connection->visit = (struct visit){
        .request = &connection->request,
        .socket = connection->fd,
        .place = place,
        .deadline_ms = &connection->deadline_ms,
    };
    viewer_take(pool->viewer, &connection->visit);
}

/* The whole request is there: who wants it? */
static void hand_over(struct worker_pool *pool, struct connection *connection)
{
    const struct route route = route_find(pool->options, pool->trust, &connection->request);
    connection->ticket = (struct ticket){.weighs = route.is_signed};
    metrics_add(pool->metrics, METRIC_requests, 1);
    switch (route.to) {
    case ROUTE_INTAKE:
        take_in(pool, connection);
        break;
    case ROUTE_VIEW:
        show(pool, connection, route.place);
        break;
    case ROUTE_BACK:
        if (route.logged)
            log_rejected(pool, &route);
        if (route.misdirected)
            count_misdirected(pool, &connection->request, &route);
        reject(connection, route.status, route.detail);
        break;
    }
}

static void handle(struct worker *worker, struct connection *connection)
{
    struct fault fault = FAULT_NONE;
    atomic_store_explicit(&connection->deadline_ms, 0, memory_order_relaxed);
    give_room(worker->pool, connection, WORKER_BODY_FACTOR * connection->gather.body.length);
    connection->ticket = (struct ticket){.next = NULL};
    if (request_read(&connection->request, &worker->file, &connection->gather, &fault) != 0) {
        log_broken(worker->pool, fault.text);
        drop(worker->pool, connection);
        return;
    }
    FAULT_POINT(request_read);
    hand_over(worker->pool, connection);
}

/* What is to become of a connection after some of its bytes were taken. */
enum step { STEP_AWAIT, STEP_WAIT_FOR_ROOM, STEP_HANDLE, STEP_DROP };

/* Feeds LENGTH bytes that arrived; what comes behind a whole request is set aside. */
static enum step feed(struct worker_pool *pool, struct connection *connection,
                      const unsigned char *bytes, size_t length)
{
    struct gather *gather = &connection->gather;
    while (length > 0) {
        size_t used;
        enum gather_result result = gather_feed(gather, bytes, length, &used);
        bytes += used;
        length -= used;
        bool room = result != GATHER_BODY || take_room(pool, connection);
        if (result == GATHER_WHOLE || !room) {
            text_add(&connection->ahead, (const char *)bytes, length);
            if (connection->ahead.failed)
                return STEP_DROP;
            count_held(pool, connection);
            return room ? STEP_HANDLE : STEP_WAIT_FOR_ROOM;
        }
        if (result == GATHER_REPLY && send(connection->fd, gather->reply, gather->reply_length,
                                           MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return STEP_DROP;
        if (result == GATHER_BROKEN) {
            log_broken(pool, gather->defect);
            return STEP_DROP;
        }
    }
    count_held(pool, connection);
    if (atomic_load_explicit(&pool->gathered, memory_order_relaxed) > WORKER_HEADS_MAX) {
        log_broken(pool, "too many bytes of parameters");
        return STEP_DROP;
    }
    return STEP_AWAIT;
}

static enum step feed_ahead(struct worker_pool *pool, struct connection *connection)
{
    struct text ahead = connection->ahead;
    connection->ahead = (struct text){0};
    enum step step = feed(pool, connection, (const unsigned char *)ahead.bytes, ahead.length);
    text_release(&ahead);
    return step;
}

/* The connection ended, or failed, or has nothing to say now. */
static enum step see_end(struct worker_pool *pool, const struct connection *connection,
                         ssize_t received)
{
    bool begun = gather_has_begun(&connection->gather);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return STEP_AWAIT;
    if (begun)
        log_broken(pool, "the connection ended within a request");
    return STEP_DROP;
}

static void serve(struct worker *worker, struct connection *connection)
{
    struct worker_pool *pool = worker->pool;
    enum step step;
    handover_take(connection);
    if (connection->ahead.length > 0) {
        step = feed_ahead(pool, connection);
    } else {
        size_t most = connection->gather.body_begun ? READ_SIZE : READ_HEAD_SIZE;
        ssize_t received = recv(connection->fd, worker->bytes, most, MSG_DONTWAIT);
        step = received > 0 ? feed(pool, connection, worker->bytes, (size_t)received)
                            : see_end(pool, connection, received);
    }
    switch (step) {
    case STEP_AWAIT:
        await(pool, connection, gather_has_begun(&connection->gather), EPOLL_CTL_MOD);
        break;
    case STEP_WAIT_FOR_ROOM:
        wait_for_room(pool, connection);
        break;
    case STEP_HANDLE:
        handle(worker, connection);
        break;
    case STEP_DROP:
        drop(pool, connection);
        break;
    }
}

int worker_adopt(struct worker_pool *pool, int fd)
{
    struct connection *connection = connection_open(&pool->connections, fd, pool->options->max_body,
                                                    pool);
    if (connection == NULL)
        return -1;
    metrics_add(pool->metrics, METRIC_connections, 1);
    await(pool, connection, false, EPOLL_CTL_ADD);
    return 0;
}

/* Accepts one connection: 0, or the error that ended accepting for now. */
static int accept_one(struct worker_pool *pool)
{
    if (connection_count(&pool->connections) >= pool->connections_max)
        return EMFILE;
    int fd = accept4(pool->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno;
    if (worker_adopt(pool, fd) != 0) {
        close(fd);
        return ENOMEM;
    }
    if (atomic_load_explicit(&pool->short_of, memory_order_relaxed))
        atomic_store(&pool->short_of, false);
    return 0;
}

static void accept_some(struct worker_pool *pool)
{
    int error = 0;
    for (int i = 0; i < ACCEPT_MAX && (error == 0 || error == EINTR || error == ECONNABORTED); i++)
        error = accept_one(pool);
    switch (error) {
    case 0:
    case EINTR:
    case ECONNABORTED:
    case EAGAIN:
        if (!atomic_load(&pool->draining))
            arm_listener(pool, EPOLL_CTL_MOD);
        break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        atomic_store(&pool->paused, true);
        if (!atomic_exchange(&pool->short_of, true))
            log_event(pool->log, "fault", "fault", "no more connections can be accepted now");
        break;
    default:
        atomic_store(&pool->accept_error, error);
        break;
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct worker_pool *pool = worker->pool;
    pthread_setname_np(pthread_self(), "worker");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        progress_rest(&worker->progress);
        int count = epoll_wait(pool->epoll, events, EVENTS_MAX, -1);
        bool stop = false;
        for (int i = 0; i < count; i++) {
            progress_step(&worker->progress);
            if (events[i].data.ptr == NULL)
                stop = true;
            else if (events[i].data.ptr == &pool->ping)
                progress_rest(&pool->ping);
            else if (events[i].data.ptr == pool)
                accept_some(pool);
            else
                serve(worker, events[i].data.ptr);
        }
        if (stop)
            return NULL;
    }
}

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

int worker_new(struct worker_pool **gives, int listener, const struct options *options,
               const struct trust *trust, struct log *log, struct metrics *metrics,
               struct fault *fault)
{
    struct worker_pool *pool = calloc(1, sizeof *pool);
    struct worker *workers = calloc(options->workers, sizeof *workers);
    if (pool == NULL || workers == NULL) {
        free(workers);
        free(pool);
        return fault_set(fault, "workers: out of memory");
    }
    pool->listener = listener;
    pool->options = options;
    pool->trust = trust;
    pool->log = log;
    pool->metrics = metrics;
    pool->workers = workers;
    pool->connections_max = connections_limit();
    pool->last_waiting = &pool->first_waiting;
    monitor_init(&pool->room);
    connection_list_init(&pool->connections);
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->ping_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
    /* edge-triggered: each write is an event for one worker, and nobody need read it */
    struct epoll_event ping = {.events = EPOLLIN | EPOLLET, .data.ptr = &pool->ping};
    if (pool->epoll < 0 || pool->stop_event < 0 || pool->ping_event < 0 ||
        set_nonblocking(listener) != 0 ||
        epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->stop_event, &stop) != 0 ||
        epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->ping_event, &ping) != 0) {
        fault_set_errno(fault, errno, "workers: cannot wait for connections");
        worker_free(pool);
        return -1;
    }
    *gives = pool;
    return 0;
}

/* Ends the threads that run. */
static void join(struct worker_pool *pool)
{
    const uint64_t one = 1;
    ssize_t written = write(pool->stop_event, &one, sizeof one);
    (void)written; /* an eventfd takes its first 1 */
    for (size_t i = 0; i < pool->options->workers; i++)
        if (pool->workers[i].started) {
            pthread_join(pool->workers[i].thread, NULL);
            request_file_close(&pool->workers[i].file);
            pool->workers[i].started = false;
        }
}

int worker_start(struct worker_pool *pool, struct intake *intake, struct viewer *viewer,
                 struct fault *fault)
{
    pool->intake = intake;
    pool->viewer = viewer;
    if (request_library_init(fault) != 0)
        return -1;
    for (size_t i = 0; i < pool->options->workers; i++) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        if (request_file_open(&worker->file, fault) != 0) {
            join(pool);
            return -1;
        }
        int error = pthread_create(&worker->thread, NULL, work, worker);
        if (error != 0) {
            request_file_close(&worker->file);
            join(pool);
            return fault_set_errno(fault, error, "workers: cannot start a thread");
        }
        worker->started = true;
    }
    if (pool->listener >= 0)
        arm_listener(pool, EPOLL_CTL_ADD);
    return 0;
}

bool worker_is_stuck(struct worker_pool *pool, int64_t limit_ms)
{
    const uint64_t one = 1;
    bool stuck = progress_is_stuck(&pool->ping, limit_ms);
    progress_begin(&pool->ping);
    ssize_t written = write(pool->ping_event, &one, sizeof one);
    (void)written; /* full after more calls than there will be */
    for (size_t i = 0; i < pool->options->workers; i++)
        stuck = stuck || progress_is_stuck(&pool->workers[i].progress, limit_ms);
    return stuck;
}

/* The first in the line for room whose time has passed, taken out of it; NULL: there is none. */
static struct connection *take_late(struct worker_pool *pool, int64_t now_ms)
{
    monitor_enter(&pool->room);
    struct connection **at = &pool->first_waiting, *late;
    while (*at != NULL && atomic_load_explicit(&(*at)->deadline_ms, memory_order_relaxed) > now_ms)
        at = &(*at)->next_waiting;
    late = *at;
    if (late != NULL)
        *at = late->next_waiting;
    if (late != NULL && *at == NULL)
        pool->last_waiting = at;
    monitor_leave(&pool->room);
    return late;
}

/* Closes those who have waited for room for too long. */
static void drop_late(struct worker_pool *pool, int64_t now_ms)
{
    struct connection *late;
    while ((late = take_late(pool, now_ms)) != NULL) {
        log_broken(pool, "there was no room for its body in time");
        drop(pool, late);
    }
}

int worker_tick(struct worker_pool *pool, struct fault *fault)
{
    int64_t now_ms = moment_monotonic_ms();
    connection_end_late(&pool->connections, now_ms);
    drop_late(pool, now_ms);
    if (atomic_load(&pool->paused)) {
        connection_end_idle(&pool->connections, CONNECTION_EVICT_MAX,
                            now_ms - CONNECTION_EVICT_IDLE_MS);
        atomic_store(&pool->paused, false);
        arm_listener(pool, EPOLL_CTL_MOD);
    }
    int error = atomic_load(&pool->accept_error);
    return error == 0 ? 0 : fault_set_errno(fault, error, "the listening socket cannot be used");
}

void worker_drain(struct worker_pool *pool)
{
    int64_t now_ms = moment_monotonic_ms(), until_ms = now_ms + WORKER_DRAIN_MS;
    atomic_store(&pool->draining, true);
    viewer_leave(pool->viewer);
    epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->listener, NULL);
    do {
        now_ms = moment_monotonic_ms();
        connection_end_idle(&pool->connections, SIZE_MAX, now_ms - WORKER_LINGER_MS);
    } while (!connection_wait_none(&pool->connections, now_ms + DRAIN_LOOK_MS) &&
             now_ms < until_ms);
    drop_late(pool, INT64_MAX);
    connection_end_all(&pool->connections);
    connection_wait_none(&pool->connections, until_ms + WORKER_TICK_MS);
    join(pool);
}

void worker_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->connections.first != NULL)
        connection_close(&pool->connections, pool->connections.first);
    connection_list_release(&pool->connections);
    monitor_release(&pool->room);
    if (pool->epoll >= 0)
        close(pool->epoll);
    if (pool->stop_event >= 0)
        close(pool->stop_event);
    if (pool->ping_event >= 0)
        close(pool->ping_event);
    free(pool->workers);
    free(pool);
}
