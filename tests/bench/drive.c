/* drive: the loop of the load generator. */
#include "config.h"

#include "drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define NS INT64_C(1000000000)
#define PAUSE_NS (NS / 10) /* between two looks at the time, at most */
#define LINGER_NS                                                                  \
    (15 * NS) /* how long the last answers are waited for: as long as the platform \
               */

struct drive {
    const struct drive_plan *plan;
    struct tally *tally;
    struct requests requests;
    struct peer *peers;
    struct peer **idle; /* a stack */
    unsigned idle_count, dead;
    uint64_t next;
    int epoll;
    int64_t start_ns, end_ns; /* no request is sent behind the end */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static void watch(struct drive *drive, struct peer *peer, int operation, bool writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = peer};
    epoll_ctl(drive->epoll, operation, peer->fd, &event);
}

static int open_peer(struct drive *drive, struct peer *peer)
{
    if (peer_open(peer, &drive->plan->target) != 0)
        return -1;
    watch(drive, peer, EPOLL_CTL_ADD, false);
    drive->idle[drive->idle_count++] = peer;
    return 0;
}

/* The connection has ended. Another takes its place: opening it holds up the rest, so it shows. */
static void replace(struct drive *drive, struct peer *peer)
{
    if (peer->busy) {
        drive->tally->broken++;
    } else {
        drive->tally->closed++;
        for (unsigned i = 0; i < drive->idle_count; i++)
            if (drive->idle[i] == peer)
                drive->idle[i--] = drive->idle[--drive->idle_count];
    }
    peer_close(peer);
    drive->tally->opened_again++;
    if (open_peer(drive, peer) != 0)
        drive->dead++;
}

/* When the next request is to be sent: NOW where it is as soon as a connection is free. */
static int64_t due_ns(const struct drive *drive, int64_t now)
{
    uint64_t rate = drive->plan->rate;
    if (rate == 0)
        return now;
    return drive->start_ns + (int64_t)(drive->next / rate * NS + drive->next % rate * NS / rate);
}

static bool is_through(const struct drive *drive, int64_t now)
{
    return *drive->plan->stop || drive->next == drive->requests.count || now >= drive->end_ns;
}

/* Sends whatever is due and has a connection. */
static void send_due(struct drive *drive)
{
    int64_t now = now_ns();
    while (drive->idle_count > 0 && !is_through(drive, now)) {
        int64_t due = due_ns(drive, now);
        if (due > now)
            return;
        struct peer *peer = drive->idle[--drive->idle_count];
        const struct request_span *span = &drive->requests.spans[drive->next++];
        peer->since_ns = due;
        drive->tally->sent++;
        drive->tally->sent_repeats += span->repeat;
        if (now - due > drive->tally->latest_ns)
            drive->tally->latest_ns = now - due;
        if (peer_send(peer, drive->requests.bytes + span->start, span->length) != 0)
            replace(drive, peer);
        else if (peer->out_left > 0)
            watch(drive, peer, EPOLL_CTL_MOD, true);
        now = now_ns();
    }
}

static void take(struct drive *drive, struct peer *peer, uint32_t events)
{
    if ((events & EPOLLOUT) != 0) {
        if (peer_flush(peer) != 0) {
            replace(drive, peer);
            return;
        }
        watch(drive, peer, EPOLL_CTL_MOD, peer->out_left > 0);
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    switch (peer_receive(peer)) {
    case PEER_WAITS:
        break;
    case PEER_ANSWERED:
        tally_answer(drive->tally, &peer->reply, now_ns() - peer->since_ns);
        drive->idle[drive->idle_count++] = peer;
        if (peer->reply.closes)
            replace(drive, peer);
        break;
    case PEER_BROKEN:
        replace(drive, peer);
        break;
    }
}

/* How long nothing will be due. */
static struct timespec pause_of(const struct drive *drive)
{
    int64_t now = now_ns(), pause = PAUSE_NS;
    if (drive->idle_count > 0 && !is_through(drive, now)) {
        int64_t left = due_ns(drive, now) - now;
        pause = left < 0 ? 0 : left < PAUSE_NS ? left : PAUSE_NS;
    }
    return (struct timespec){.tv_sec = pause / NS, .tv_nsec = pause % NS};
}

static void run(struct drive *drive)
{
    struct epoll_event events[EVENTS_MAX];
    const unsigned connections = drive->plan->connections;
    drive->start_ns = now_ns();
    drive->end_ns = drive->plan->seconds > 0
                        ? drive->start_ns + (int64_t)(drive->plan->seconds * (double)NS)
                        : INT64_MAX - LINGER_NS;
    for (int64_t give_up_ns = INT64_MAX;;) {
        send_due(drive);
        int64_t now = now_ns();
        if (is_through(drive, now)) {
            if (give_up_ns == INT64_MAX)
                give_up_ns = now + LINGER_NS;
            if (drive->idle_count + drive->dead == connections || now > give_up_ns)
                break;
        } else if (drive->dead == connections) {
            break;
        }
        const struct timespec pause = pause_of(drive);
        int count = epoll_pwait2(drive->epoll, events, EVENTS_MAX, &pause, NULL);
        for (int i = 0; i < count; i++) {
            take(drive, events[i].data.ptr, events[i].events);
            send_due(drive);
        }
    }
    drive->end_ns = now_ns();
    drive->tally->unanswered = connections - drive->idle_count - drive->dead;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int prepare(struct drive *drive)
{
    const struct drive_plan *plan = drive->plan;
    drive->peers = calloc(plan->connections, sizeof *drive->peers);
    drive->idle = calloc(plan->connections, sizeof(struct peer *));
    drive->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (drive->peers == NULL || drive->idle == NULL || drive->epoll < 0 ||
        tally_init(drive->tally, plan->requests.count) != 0 ||
        requests_prepare(&drive->requests, &plan->requests) != 0) {
        fprintf(stderr, "load: out of memory\n");
        return -1;
    }
    for (unsigned i = 0; i < plan->connections; i++)
        drive->peers[i].fd = -1;
    for (unsigned i = 0; i < plan->connections; i++)
        if (open_peer(drive, &drive->peers[i]) != 0) {
            fprintf(stderr, "load: cannot connect to 127.0.0.1:%u\n", plan->target.port);
            return -1;
        }
    return 0;
}

int drive_run(const struct drive_plan *plan, struct drive_outcome *outcome)
{
    struct drive drive = {.plan = plan, .tally = &outcome->tally};
    *outcome = (struct drive_outcome){0};
    int result = prepare(&drive);
    if (result == 0) {
        double cpu = cpu_seconds();
        run(&drive);
        outcome->cpu_seconds = cpu_seconds() - cpu;
        outcome->seconds = (double)(drive.end_ns - drive.start_ns) / (double)NS;
        outcome->body_bytes = drive.requests.body_bytes / drive.requests.count;
    }
    for (unsigned i = 0; drive.peers != NULL && i < plan->connections; i++)
        peer_close(&drive.peers[i]);
    if (drive.epoll >= 0)
        close(drive.epoll);
    free(drive.peers);
    free(drive.idle);
    requests_release(&drive.requests);
    return result;
}
