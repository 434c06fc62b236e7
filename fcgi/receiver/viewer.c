/* viewer: a few threads that answer what can be read. */
#include "config.h"

#include "receiver/viewer.h"

#include "base/clock.h"
#include "base/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Behind those that read the store for answers comes the one that makes tables. */
#define THREADS (VIEWER_THREADS + 1)

/* Visits that wait for the threads of one pace. */
struct lane {
    struct monitor monitor; /* guards what follows */
    struct visit *first, **last;
    size_t waiting, most;
    bool stop;
};

struct desk {
    struct viewer *viewer;
    struct lane *lane;
    struct store_reader *reader;
    pthread_t thread;
    bool started;
};

struct viewer {
    struct site site;
    struct viewer_limits limits;
    struct metrics *metrics;
    viewer_done *done;
    struct lane reads, tables;
    struct desk desks[THREADS];
};

/* What the site is asked. Some servers send the query twice, some within REQUEST_URI alone. */
static struct site_request request_of(const struct visit *visit)
{
    const struct request *request = visit->request;
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

/* Until when the peer has to take what is sent now. */
static void allow(struct visit *visit)
{
    atomic_store_explicit(visit->deadline_ms, clock_monotonic_ms() + VIEWER_TAKE_MS,
                          memory_order_relaxed);
}

/* Sends ANSWER and ends the visit, which is its owner's when this returns. PATIENT: this thread may
 * wait for the peer. */
static void send_answer(struct viewer *viewer, struct visit *visit, const struct buffer *answer,
                        bool patient)
{
    bool sent = false;
    if (answer->failed)
        request_drop(visit->request);
    else if (patient)
        sent = request_answer_patiently(visit->request, visit->socket, answer->bytes,
                                        answer->length, viewer->limits.send_ms) == 0;
    else
        sent = request_answer(visit->request, visit->socket, answer->bytes, answer->length) == 0;
    viewer->done(visit, sent);
}

/* In the calling thread: what takes no time, or has no time (DETAIL says why). */
static void answer_at_once(struct viewer *viewer, struct visit *visit, const char *detail)
{
    const struct site_request request = request_of(visit);
    struct buffer answer = {0};
    if (detail == NULL)
        site_answer(&viewer->site, visit->place, &request, NULL, &visit->part, &answer);
    else
        site_refuse(&request, detail, &answer);
    send_answer(viewer, visit, &answer, false);
    buffer_release(&answer);
}

/* Puts the visit into the queue; false if that is full, which it never is for one that goes on. */
static bool queue(struct lane *lane, struct visit *visit)
{
    monitor_enter(&lane->monitor);
    bool room = lane->waiting < lane->most || visit->part.more;
    if (room) {
        visit->next = NULL;
        *lane->last = visit;
        lane->last = &visit->next;
        lane->waiting++;
        monitor_wake(&lane->monitor);
    }
    monitor_leave(&lane->monitor);
    return room;
}

void viewer_take(struct viewer *viewer, struct visit *visit)
{
    enum site_pace pace = site_pace(visit->place);
    struct lane *lane = pace == SITE_STREAMS ? &viewer->tables : &viewer->reads;
    visit->since_ms = clock_monotonic_ms();
    visit->part = (struct site_part){.begun = false};
    allow(visit);
    metrics_add(viewer->metrics, METRIC_views, 1);
    if (pace == SITE_AT_ONCE) {
        answer_at_once(viewer, visit, NULL);
    } else if (!queue(lane, visit)) {
        metrics_add(viewer->metrics, METRIC_views_refused, 1);
        answer_at_once(viewer, visit, "too many are reading now");
    }
}

/* The next visit, NULL when the thread is to end. Called without the lock. */
static struct visit *next_visit(struct desk *desk)
{
    struct lane *lane = desk->lane;
    bool open = true;
    monitor_enter(&lane->monitor);
    int64_t until_ms = clock_monotonic_ms() + VIEWER_KEEP_MS;
    while (lane->first == NULL && !lane->stop) {
        if (!open) {
            monitor_wait(&lane->monitor);
        } else if (!monitor_wait_until(&lane->monitor, until_ms)) {
            store_reader_close(desk->reader);
            open = false;
        }
    }
    struct visit *visit = lane->stop ? NULL : lane->first;
    if (visit != NULL) {
        lane->first = visit->next;
        lane->waiting--;
        if (lane->first == NULL)
            lane->last = &lane->first;
    }
    monitor_leave(&lane->monitor);
    return visit;
}

/* Sends a piece, and has the visit wait for its next turn: for that its peer need not hurry. */
static void send_piece(struct desk *desk, struct visit *visit, const struct buffer *piece)
{
    allow(visit);
    int result = request_send_patiently(visit->request, visit->socket, piece->bytes, piece->length,
                                        desk->viewer->limits.send_ms);
    atomic_store_explicit(visit->deadline_ms, 0, memory_order_relaxed);
    if (result == 0)
        queue(desk->lane, visit);
    else
        desk->viewer->done(visit, false);
}

static void serve(struct desk *desk, struct visit *visit)
{
    struct viewer *viewer = desk->viewer;
    const struct site_request request = request_of(visit);
    struct buffer answer = {0};
    if (visit->part.begun)
        allow(visit);
    if (!visit->part.begun && clock_monotonic_ms() - visit->since_ms > viewer->limits.wait_ms)
        site_refuse(&request, "too many are reading now", &answer);
    else
        site_answer(&viewer->site, visit->place, &request, desk->reader, &visit->part, &answer);
    /* While the store fails, readers must not hold on to its files (store/store.h). */
    struct fault fault;
    commit_get_fault(viewer->site.commit, &fault);
    if (fault.set)
        store_reader_close(desk->reader);
    if (visit->part.more && !answer.failed)
        send_piece(desk, visit, &answer);
    else
        send_answer(viewer, visit, &answer, true);
    buffer_release(&answer);
}

static void *attend(void *argument)
{
    struct desk *desk = argument;
    /* Linux has a priority for each thread, which begins with that of the thread that started it.
     * Where it cannot be lowered, all are equal. */
    int own = getpriority(PRIO_PROCESS, (id_t)gettid());
    setpriority(PRIO_PROCESS, (id_t)gettid(), own + VIEWER_NICE);
    struct visit *visit;
    while ((visit = next_visit(desk)) != NULL)
        serve(desk, visit);
    return NULL;
}

static void init_lane(struct lane *lane, size_t most)
{
    lane->last = &lane->first;
    lane->most = most;
    monitor_init(&lane->monitor);
}

static int start_desk(struct viewer *viewer, size_t number, struct fault *fault)
{
    struct desk *desk = &viewer->desks[number];
    desk->viewer = viewer;
    desk->lane = number < VIEWER_THREADS ? &viewer->reads : &viewer->tables;
    if (store_reader_new(&desk->reader, viewer->site.options->state, fault) != 0)
        return fault_add(fault, "viewer");
    int error = pthread_create(&desk->thread, NULL, attend, desk);
    if (error != 0)
        return fault_set_errno(fault, error, "viewer: cannot start a thread");
    desk->started = true;
    return 0;
}

int viewer_start(struct viewer **gives, const struct options *options,
                 const struct viewer_limits *limits, struct commit *commit, struct metrics *metrics,
                 viewer_done *done, struct fault *fault)
{
    struct viewer *viewer = calloc(1, sizeof *viewer);
    if (viewer == NULL)
        return fault_set(fault, "viewer: out of memory");
    viewer->site.options = options;
    viewer->site.commit = commit;
    viewer->site.metrics = metrics;
    viewer->site.start_ms = clock_now_ms();
    viewer->site.read_ms = limits->read_ms;
    viewer->limits = *limits;
    viewer->metrics = metrics;
    viewer->done = done;
    init_lane(&viewer->reads, VIEWER_QUEUE_MAX);
    init_lane(&viewer->tables, VIEWER_TABLES_MAX);
    for (size_t i = 0; i < THREADS; i++)
        if (start_desk(viewer, i, fault) != 0) {
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

/* Ends the visits that no thread takes any more. */
static void drop_waiting(struct viewer *viewer, struct lane *lane)
{
    while (lane->first != NULL) {
        struct visit *visit = lane->first;
        lane->first = visit->next;
        request_drop(visit->request);
        viewer->done(visit, false);
    }
}

static void stop_lane(struct lane *lane)
{
    monitor_enter(&lane->monitor);
    lane->stop = true;
    monitor_wake(&lane->monitor);
    monitor_leave(&lane->monitor);
}

void viewer_stop(struct viewer *viewer)
{
    if (viewer == NULL)
        return;
    stop_lane(&viewer->reads);
    stop_lane(&viewer->tables);
    for (size_t i = 0; i < THREADS; i++) {
        struct desk *desk = &viewer->desks[i];
        if (desk->started)
            pthread_join(desk->thread, NULL);
        store_reader_free(desk->reader);
    }
    drop_waiting(viewer, &viewer->reads);
    drop_waiting(viewer, &viewer->tables);
    monitor_release(&viewer->reads.monitor);
    monitor_release(&viewer->tables.monitor);
    free(viewer);
}
