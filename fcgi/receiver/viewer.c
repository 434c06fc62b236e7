/* viewer: a few threads that answer requests to read. */
#include "config.h"

#include "receiver/viewer.h"

#include "base/clock.h"
#include "base/monitor.h"
#include "receiver/shared.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The last thread makes tables; those before it read the store for other answers. */
#define THREADS (VIEWER_THREADS + 1)

/* Requests that wait for the threads of one pace. */
struct queue {
    struct monitor monitor; /* guards what follows */
    struct read_request *first, **last;
    size_t waiting, most;
    bool stop;
};

struct reader_thread {
    struct viewer *viewer;
    struct queue *queue;
    struct store_reader *reader;
    struct store_reader *copy; /* of the shared books; NULL: there are none */
    pthread_t thread;
    bool started;
};

struct viewer {
    struct site site;
    struct viewer_limits limits;
    struct metrics *metrics;
    viewer_done *done;
    struct queue reads, tables;
    struct reader_thread threads[THREADS];
};

/* The request for the site. Some servers send the query twice, some within REQUEST_URI alone. */
static struct site_request request_of(const struct read_request *read_request)
{
    const struct request *request = read_request->request;
    const char *query = request_parameter(request, "QUERY_STRING");
    if (query == NULL && request->path[request->path_length] == '?')
        query = request->path + request->path_length + 1;
    return (struct site_request){
        .method = request->method,
        .path = request->path,
        .path_length = request->path_length,
        .query = query,
        .if_none_match = request_parameter(request, "HTTP_IF_NONE_MATCH"),
    };
}

/* Sets the deadline by which the peer must take the bytes sent now. */
static void allow(struct read_request *read_request)
{
    atomic_store_explicit(read_request->deadline_ms, clock_monotonic_ms() + VIEWER_TAKE_MS,
                          memory_order_relaxed);
}

/* Sends ANSWER and ends READ_REQUEST, which belongs to its owner when this returns. PATIENT: this
 * thread may wait for the peer. */
static void send_answer(struct viewer *viewer, struct read_request *read_request,
                        const struct buffer *answer, bool patient)
{
    bool sent = false;
    if (answer->failed)
        request_drop(read_request->request);
    else if (patient)
        sent = request_answer_patiently(read_request->request, read_request->socket, answer->bytes,
                                        answer->length, viewer->limits.send_ms) == 0;
    else
        sent = request_answer(read_request->request, read_request->socket, answer->bytes,
                              answer->length) == 0;
    viewer->done(read_request, sent);
}

/* Answers in the calling thread a request that takes no time, or for which there is none (DETAIL
 * says why). */
static void answer_at_once(struct viewer *viewer, struct read_request *read_request,
                           const char *detail)
{
    const struct site_request request = request_of(read_request);
    struct buffer answer = {0};
    if (detail == NULL)
        site_answer(&viewer->site, read_request->endpoint, &request, NULL, &read_request->part,
                    &answer);
    else
        site_refuse(&request, detail, &answer);
    send_answer(viewer, read_request, &answer, false);
    buffer_release(&answer);
}

/* Puts the request into the queue. False if the queue is full, which it never is for an answer that
 * goes on. */
static bool enqueue(struct queue *queue, struct read_request *read_request)
{
    monitor_enter(&queue->monitor);
    bool room = queue->waiting < queue->most || read_request->part.more;
    if (room) {
        read_request->next = NULL;
        *queue->last = read_request;
        queue->last = &read_request->next;
        queue->waiting++;
        monitor_wake(&queue->monitor);
    }
    monitor_leave(&queue->monitor);
    return room;
}

void viewer_take(struct viewer *viewer, struct read_request *read_request)
{
    enum site_pace pace = site_pace(read_request->endpoint);
    struct queue *queue = pace == SITE_STREAMS ? &viewer->tables : &viewer->reads;
    read_request->since_ms = clock_monotonic_ms();
    read_request->part = (struct site_part){.begun = false};
    allow(read_request);
    metrics_add(viewer->metrics, METRIC_views, 1);
    if (pace == SITE_AT_ONCE) {
        answer_at_once(viewer, read_request, NULL);
    } else if (!enqueue(queue, read_request)) {
        metrics_add(viewer->metrics, METRIC_views_refused, 1);
        answer_at_once(viewer, read_request, "too many are reading now");
    }
}

static void close_readers(struct reader_thread *thread)
{
    store_reader_close(thread->reader);
    if (thread->copy != NULL)
        store_reader_close(thread->copy);
}

/* The next read_request; NULL if the thread must end. Called without the lock. */
static struct read_request *next_request(struct reader_thread *thread)
{
    struct queue *queue = thread->queue;
    bool open = true;
    monitor_enter(&queue->monitor);
    int64_t until_ms = clock_monotonic_ms() + VIEWER_KEEP_MS;
    while (queue->first == NULL && !queue->stop) {
        if (!open) {
            monitor_wait(&queue->monitor);
        } else if (!monitor_wait_until(&queue->monitor, until_ms)) {
            close_readers(thread);
            open = false;
        }
    }
    struct read_request *read_request = queue->stop ? NULL : queue->first;
    if (read_request != NULL) {
        queue->first = read_request->next;
        queue->waiting--;
        if (queue->first == NULL)
            queue->last = &queue->first;
    }
    monitor_leave(&queue->monitor);
    return read_request;
}

/* Sends a piece, and queues the request for its next turn. Until then its peer has no deadline. */
static void send_piece(struct reader_thread *thread, struct read_request *read_request,
                       const struct buffer *piece)
{
    allow(read_request);
    int result = request_send_patiently(read_request->request, read_request->socket, piece->bytes,
                                        piece->length, thread->viewer->limits.send_ms);
    atomic_store_explicit(read_request->deadline_ms, 0, memory_order_relaxed);
    if (result == 0)
        enqueue(thread->queue, read_request);
    else
        thread->viewer->done(read_request, false);
}

static void serve(struct reader_thread *thread, struct read_request *read_request)
{
    struct viewer *viewer = thread->viewer;
    const struct site_request request = request_of(read_request);
    struct buffer answer = {0};
    if (read_request->part.begun)
        allow(read_request);
    if (!read_request->part.begun &&
        clock_monotonic_ms() - read_request->since_ms > viewer->limits.wait_ms)
        site_refuse(&request, "too many are reading now", &answer);
    else
        site_answer(&viewer->site, read_request->endpoint, &request,
                    site_reads_copy(&viewer->site, read_request->endpoint) ? thread->copy
                                                                           : thread->reader,
                    &read_request->part, &answer);
    /* While the store fails, readers must not hold on to its files (store/store.h). */
    struct fault fault;
    commit_get_fault(viewer->site.commit, &fault);
    if (fault.set)
        close_readers(thread);
    if (read_request->part.more && !answer.failed)
        send_piece(thread, read_request, &answer);
    else
        send_answer(viewer, read_request, &answer, true);
    buffer_release(&answer);
}

static void *attend(void *argument)
{
    struct reader_thread *thread = argument;
    /* Linux has a priority for each thread, which begins with that of the thread that started it.
     * If it cannot be lowered, all threads have the same. */
    int own = getpriority(PRIO_PROCESS, (id_t)gettid());
    setpriority(PRIO_PROCESS, (id_t)gettid(), own + VIEWER_NICE);
    struct read_request *read_request;
    while ((read_request = next_request(thread)) != NULL)
        serve(thread, read_request);
    return NULL;
}

static void init_queue(struct queue *queue, size_t most)
{
    queue->last = &queue->first;
    queue->most = most;
    monitor_init(&queue->monitor);
}

static int start_thread(struct viewer *viewer, size_t number, struct fault *fault)
{
    struct reader_thread *thread = &viewer->threads[number];
    thread->viewer = viewer;
    thread->queue = number < VIEWER_THREADS ? &viewer->reads : &viewer->tables;
    const struct shared *shared = viewer->site.shared;
    if (store_reader_new(&thread->reader, viewer->site.options->state, fault) != 0 ||
        (shared != NULL && store_reader_new(&thread->copy, shared_copy_folder(shared), fault) != 0))
        return fault_add(fault, "viewer");
    int error = pthread_create(&thread->thread, NULL, attend, thread);
    if (error != 0)
        return fault_set_errno(fault, error, "viewer: cannot start a thread");
    thread->started = true;
    return 0;
}

int viewer_start(struct viewer **gives, const struct options *options,
                 const struct viewer_limits *limits, struct commit *commit, struct shared *shared,
                 struct metrics *metrics, viewer_done *done, struct fault *fault)
{
    struct viewer *viewer = calloc(1, sizeof *viewer);
    if (viewer == NULL)
        return fault_set(fault, "viewer: out of memory");
    viewer->site.options = options;
    viewer->site.commit = commit;
    viewer->site.shared = shared;
    viewer->site.metrics = metrics;
    viewer->site.read_ms = limits->read_ms;
    viewer->limits = *limits;
    viewer->metrics = metrics;
    viewer->done = done;
    init_queue(&viewer->reads, VIEWER_QUEUE_MAX);
    init_queue(&viewer->tables, VIEWER_TABLES_MAX);
    for (size_t i = 0; i < THREADS; i++)
        if (start_thread(viewer, i, fault) != 0) {
            viewer_stop(viewer);
            return -1;
        }
    *gives = viewer;
    return 0;
}

void viewer_leave(struct viewer *viewer)
{
    if (viewer != NULL)
        atomic_store(&viewer->site.leaving, true);
}

/* Ends the requests to read that no thread takes any more. */
static void drop_waiting(struct viewer *viewer, struct queue *queue)
{
    while (queue->first != NULL) {
        struct read_request *read_request = queue->first;
        queue->first = read_request->next;
        request_drop(read_request->request);
        viewer->done(read_request, false);
    }
}

void viewer_stop(struct viewer *viewer)
{
    if (viewer == NULL)
        return;
    monitor_set(&viewer->reads.monitor, &viewer->reads.stop);
    monitor_set(&viewer->tables.monitor, &viewer->tables.stop);
    for (size_t i = 0; i < THREADS; i++) {
        struct reader_thread *thread = &viewer->threads[i];
        if (thread->started)
            pthread_join(thread->thread, NULL);
        store_reader_free(thread->reader);
        store_reader_free(thread->copy);
    }
    drop_waiting(viewer, &viewer->reads);
    drop_waiting(viewer, &viewer->tables);
    monitor_release(&viewer->reads.monitor);
    monitor_release(&viewer->tables.monitor);
    free(viewer);
}
