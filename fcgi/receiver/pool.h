/* pool: the connections of the workers, from accept to close: who waits for bytes, for room in
 * memory or for a viewer, and until when. It knows nothing of what a request says; worker.c does,
 * and includes this, as no other file does. All functions belong to the worker's thread, except
 * pool_put_into_inbox. */
#ifndef RECEIVER_POOL_H
#define RECEIVER_POOL_H

#include "base/monitor.h"
#include "receiver/connection.h"
#include "receiver/worker.h"

/* Bytes that a worker reads from a connection at a time. */
#define POOL_READ_SIZE ((size_t)64 << 10)

struct worker {
    struct worker_pool *pool;
    pthread_t thread;
    bool started;
    atomic_int_fast64_t round_ms; /* when its round began */

    /* the thread's own: */
    int64_t now_ms; /* when its round began */
    int64_t look_ms;
    int epoll;
    bool listening;           /* it listens to the pool's socket */
    bool paused;              /* it does not listen, for lack of descriptors */
    struct connection *first; /* all its connections */
    struct connection_line for_room;
    struct connection_line read_ahead; /* with bytes already read, for which no event comes */
    struct connection_line batch;      /* whose notifications are kept next */
    size_t batch_length, batch_bytes;
    struct connection_line kept; /* their answers wait for the books, in the order of entry */
    struct request_file file;
    struct buffer answer;
    unsigned char bytes[POOL_READ_SIZE];

    int bell; /* readable if the inbox has a connection, the books have news, or the pool drains */
    atomic_bool holding; /* KEPT is not empty: the books' news is for this worker */
    struct monitor monitor;
    struct connection_line inbox; /* connections that are new, or come back from a viewer */
};

struct worker_pool {
    int listener;
    const struct options *options;
    const struct auth *auth;
    struct log *log;
    struct metrics *metrics;
    struct intake *intake;
    struct viewer *viewer;
    struct shipper *shipper; /* answers wait for its confirmation; NULL: they do not wait */
    size_t connections_max;  /* of all together */
    atomic_size_t connections;
    atomic_size_t taken;            /* bytes of memory reserved for bodies */
    atomic_size_t gathered;         /* bytes of connections, except those of bodies */
    atomic_int_fast64_t drained_ms; /* when the pool gives up all peers; 0: it does not drain */
    atomic_bool short_of;           /* of descriptors; logged once, until an accept works */
    atomic_size_t near_misses;      /* since the last line about them */
    atomic_llong near_miss_ms;      /* time of that line; 0: never */
    atomic_int accept_error;        /* why the listening socket is unusable; 0: it is usable */
    struct worker *workers;
};

/* Counts the bytes that the connection holds now, except those of its body, in the pool's total. */
void pool_count_held(struct worker_pool *pool, struct connection *connection);

/* Reserves room for the body that begins; false if there is none. */
bool pool_take_room(struct worker *worker, struct connection *connection);

/* Reserves room for waiting connections, the first come first, as long as there is some. */
void pool_admit(struct worker *worker);

/* Gives back the connection's room, except SIZE bytes. Other workers see it when they look at the
 * time. */
void pool_give_room(struct worker *worker, struct connection *connection, size_t size);

/* Waits for bytes from the connection from now on, or no more. If it cannot, it drops it. */
void pool_arm(struct worker *worker, struct connection *connection);
void pool_disarm(struct worker *worker, struct connection *connection);

/* Closes and frees the connection. */
void pool_drop(struct worker *worker, struct connection *connection);

/* A request has begun to arrive: its time runs. */
void pool_note_begun(struct worker *worker, struct connection *connection);

/* The request is answered, or could not be. The connection may be freed when this returns. */
void pool_conclude(struct worker *worker, struct connection *connection, bool sent);

/* Counts and logs a connection that is closed for what came on it. */
void pool_log_broken(struct worker_pool *pool, const char *reason);

/* Whether the worker listens to the pool's socket; and accepts some connections from it. */
void pool_listen(struct worker *worker, bool on);
void pool_accept(struct worker *worker);

/* Gives the connection, which is new or comes back from a viewer, to its worker. Thread-safe. The
 * worker takes what has come. */
void pool_put_into_inbox(struct connection *connection);
void pool_empty_inbox(struct worker *worker);

/* End connections: those whose deadline has passed; at most MOST that have been idle since
 * SINCE_MS; and those that should have had room before UNTIL_MS. */
void pool_end_late(struct worker *worker);
void pool_end_idle(struct worker *worker, size_t most, int64_t since_ms);
void pool_drop_late(struct worker *worker, int64_t until_ms);

#endif
