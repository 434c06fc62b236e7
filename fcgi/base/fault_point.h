/* fault_point: named steps at which a test can kill the process. Only a build by `make
 * CPPFLAGS=-DENABLE_FAULT_POINTS` has them.
 *
 * FAULT_POINTS names a folder in the environment. If the folder has a file with the name of a step,
 * the process that reaches the step removes the file and kills itself with SIGKILL. The next
 * process then passes the step. */
#ifndef BASE_FAULT_POINT_H
#define BASE_FAULT_POINT_H

/* X(name, where it is). */
#define FAULT_POINT_TABLE(X)                                               \
    X(request_read, "a request is whole, and libfcgi has read it")         \
    X(parsed, "its body is checked")                                       \
    X(begun, "a transaction has begun")                                    \
    X(put, "its records are in the tables")                                \
    X(before_commit, "its counters are as well")                           \
    X(after_commit, "it is on disk")                                       \
    X(logged, "its log lines are handed over")                             \
    X(before_answer, "its first answer is about to go out")                \
    X(after_answer, "its first answer is out, the others are not")         \
    X(status_written, "the new status file has its temporary name")        \
    X(status_renamed, "it has its own, not synced yet")                    \
    X(before_checkpoint, "the store's log is about to be copied")          \
    X(after_checkpoint, "it is copied to the main file")                   \
    X(books_before_send, "entries are about to go to the shared books")    \
    X(books_sent, "they are sent, or the server even has them")            \
    X(books_answered, "the server has answered, and nobody knows it yet")  \
    X(books_confirmed, "they are confirmed, and still in the journal")     \
    X(delivered, "a callback has returned, the cursor is still before it") \
    X(cursor_moved, "the cursor is moved, in a transaction that is open")  \
    X(store_made, "the store's file is there, and empty")                  \
    X(tables_made, "its tables are made, not committed")                   \
    X(tables_committed, "they are committed")

enum fault_point {
#define X(name, where) FAULT_POINT_##name,
    FAULT_POINT_TABLE(X)
#undef X
        FAULT_POINT_COUNT
};

#ifdef ENABLE_FAULT_POINTS
void fault_point_pass(enum fault_point point);
#define FAULT_POINT(name) fault_point_pass(FAULT_POINT_##name)
#else
#define FAULT_POINT(name) ((void)FAULT_POINT_##name)
#endif

#endif
