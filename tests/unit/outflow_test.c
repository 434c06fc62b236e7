/* Outflow: what the reader has taken is told from what was only written. */
#include "config.h"

#include "outflow.h"
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An outflow whose stdout is one end of a pipe, a socket pair or a file, and the other end. */
struct flow {
    struct outflow outflow;
    int reader;
    int stdout_copy;
};

static void open_flow(struct flow *flow, int writer, int reader)
{
    flow->reader = reader;
    flow->stdout_copy = dup(STDOUT_FILENO);
    assert_true(dup2(writer, STDOUT_FILENO) >= 0);
    close(writer);
    assert_int_equal(outflow_open(&flow->outflow, NULL), 0);
}

static void close_flow(struct flow *flow)
{
    outflow_close(&flow->outflow);
    dup2(flow->stdout_copy, STDOUT_FILENO);
    close(flow->stdout_copy);
    if (flow->reader >= 0)
        close(flow->reader);
}

static void open_pipe(struct flow *flow)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    open_flow(flow, ends[1], ends[0]);
}

static void write_line(struct flow *flow, const char *line, int64_t seq)
{
    size_t written = 0;
    assert_int_equal(outflow_write(&flow->outflow, line, strlen(line), seq, 1000, &written, NULL),
                     OUTFLOW_DONE);
    assert_int_equal(written, strlen(line));
}

static int64_t taken(struct flow *flow)
{
    assert_int_equal(outflow_note_taken(&flow->outflow, NULL), 0);
    return flow->outflow.taken;
}

static void take(struct flow *flow, size_t bytes)
{
    char buffer[256];
    assert_int_equal(read(flow->reader, buffer, bytes), bytes);
}

static void a_line_counts_when_all_of_it_was_read(void **state)
{
    struct flow flow;
    open_pipe(&flow);
    write_line(&flow, "12345\n", 7);
    write_line(&flow, "12345\n", 9);
    assert_int_equal(taken(&flow), 0);
    take(&flow, 5);
    assert_int_equal(taken(&flow), 0);
    take(&flow, 1);
    assert_int_equal(taken(&flow), 7);
    take(&flow, 6);
    assert_int_equal(taken(&flow), 9);
    write_line(&flow, "1\n", 10);
    assert_int_equal(taken(&flow), 9);
    close_flow(&flow);
}

static void what_a_dead_reader_left_in_the_pipe_does_not_count(void **state)
{
    struct flow flow;
    size_t written = 0;
    open_pipe(&flow);
    write_line(&flow, "12345\n", 7);
    write_line(&flow, "12345\n", 9);
    take(&flow, 6);
    close(flow.reader);
    flow.reader = -1;
    assert_int_equal(outflow_wait(&flow.outflow, 1000, NULL), OUTFLOW_ENDED);
    assert_int_equal(outflow_write(&flow.outflow, "x\n", 2, 11, 1000, &written, NULL),
                     OUTFLOW_ENDED);
    assert_int_equal(taken(&flow), 7);
    close_flow(&flow);
}

static void a_reader_that_stalls_is_not_waited_for(void **state)
{
    struct flow flow;
    enum { LINE = 1 << 20 };
    char *line = malloc(LINE);
    size_t written = 0;
    memset(line, 'x', LINE);
    open_pipe(&flow);
    assert_int_equal(outflow_write(&flow.outflow, line, LINE, 7, 50, &written, NULL), OUTFLOW_DONE);
    assert_true(written > 0 && written < LINE);
    assert_int_equal(taken(&flow), 0);
    /* the rest comes when there is room */
    size_t before = written;
    for (int i = 0; i < 256; i++)
        take(&flow, 256);
    assert_int_equal(outflow_write(&flow.outflow, line, LINE, 7, 50, &written, NULL), OUTFLOW_DONE);
    assert_true(written > before);
    free(line);
    close_flow(&flow);
}

static void a_socket_counts_when_it_is_empty(void **state)
{
    struct flow flow;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    open_flow(&flow, ends[1], ends[0]);
    write_line(&flow, "12345\n", 7);
    write_line(&flow, "12345\n", 9);
    assert_int_equal(taken(&flow), 0);
    take(&flow, 12);
    assert_int_equal(taken(&flow), 9);
    close_flow(&flow);
}

static void a_file_counts_at_once(void **state)
{
    struct flow flow;
    char *folder = support_folder();
    int fd = open(support_path(folder, "lines"), O_WRONLY | O_CREAT, 0600);
    open_flow(&flow, fd, -1);
    write_line(&flow, "12345\n", 7);
    assert_int_equal(taken(&flow), 7);
    close_flow(&flow);
    support_folder_free(folder);
}

static void a_signal_ends_the_wait(void **state)
{
    struct flow flow;
    size_t written = 0;
    open_pipe(&flow);
    kill(getpid(), SIGTERM);
    assert_int_equal(outflow_wait(&flow.outflow, 5000, NULL), OUTFLOW_STOPPED);
    assert_int_equal(outflow_write(&flow.outflow, "x\n", 2, 1, 5000, &written, NULL),
                     OUTFLOW_STOPPED);
    /* taken away, or it would come when the signals are let through */
    sigset_t signals;
    int number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    assert_int_equal(sigwait(&signals, &number), 0);
    close_flow(&flow);
}

int outflow_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_counts_when_all_of_it_was_read),
        cmocka_unit_test(what_a_dead_reader_left_in_the_pipe_does_not_count),
        cmocka_unit_test(a_reader_that_stalls_is_not_waited_for),
        cmocka_unit_test(a_socket_counts_when_it_is_empty),
        cmocka_unit_test(a_file_counts_at_once),
        cmocka_unit_test(a_signal_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
