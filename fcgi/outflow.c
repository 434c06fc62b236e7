/* outflow: lines written to a reader that may be slow, and how many of them it has really taken. */
#include "config.h"

#include "outflow.h"

#include "moment.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

int outflow_open(struct outflow *outflow, struct fault *fault)
{
    struct stat status;
    sigset_t signals;
    *outflow = (struct outflow){.fd = STDOUT_FILENO, .signals_fd = -1};
    if (fstat(outflow->fd, &status) != 0)
        return fault_set_errno(fault, errno, "stdout");
    outflow->kind = S_ISFIFO(status.st_mode)   ? OUTFLOW_PIPE
                    : S_ISSOCK(status.st_mode) ? OUTFLOW_SOCKET
                    : S_ISREG(status.st_mode)  ? OUTFLOW_FILE
                                               : OUTFLOW_OTHER;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
        (outflow->signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return fault_set_errno(fault, errno, "signals");
    return 0;
}

void outflow_close(struct outflow *outflow)
{
    if (outflow->signals_fd >= 0)
        close(outflow->signals_fd);
    free(outflow->lines);
    *outflow = (struct outflow){.signals_fd = -1};
}

/* Waits until stdout is ready for EVENTS (0: for nothing), or MS have passed; READY says which. */
static enum outflow_result await(const struct outflow *outflow, short events, int ms, bool *ready,
                                 struct fault *fault)
{
    struct pollfd fds[] = {{.fd = outflow->fd, .events = events},
                           {.fd = outflow->signals_fd, .events = POLLIN}};
    int count = poll(fds, 2, ms < 0 ? 0 : ms);
    *ready = false;
    if (count < 0 && errno != EINTR) {
        fault_set_errno(fault, errno, "cannot wait for stdout");
        return OUTFLOW_FAILED;
    }
    if (count <= 0)
        return OUTFLOW_DONE;
    if (fds[1].revents != 0)
        return OUTFLOW_STOPPED;
    /* POLLHUP is a terminal that has gone, POLLERR a pipe without a reader. */
    if (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL))
        return OUTFLOW_ENDED;
    *ready = (fds[0].revents & events) != 0;
    return OUTFLOW_DONE;
}

enum outflow_result outflow_wait(struct outflow *outflow, int ms, struct fault *fault)
{
    bool ready;
    return await(outflow, 0, ms, &ready, fault);
}

/* Notes that the line of SEQ ends here. */
static int note_line(struct outflow *outflow, int64_t seq, struct fault *fault)
{
    if (outflow->lines_length == outflow->lines_capacity) {
        size_t capacity = outflow->lines_capacity == 0 ? 256 : 2 * outflow->lines_capacity;
        struct outflow_line *lines = realloc(outflow->lines, capacity * sizeof *lines);
        if (lines == NULL)
            return fault_set(fault, "out of memory");
        outflow->lines = lines;
        outflow->lines_capacity = capacity;
    }
    outflow->lines[outflow->lines_length++] = (struct outflow_line){outflow->written, seq};
    return 0;
}

enum outflow_result outflow_write(struct outflow *outflow, const char *line, size_t length,
                                  int64_t seq, int wait_ms, size_t *written, struct fault *fault)
{
    int64_t until_ms = moment_monotonic_ms() + wait_ms;
    while (*written < length) {
        bool ready;
        enum outflow_result result = await(outflow, POLLOUT,
                                           (int)(until_ms - moment_monotonic_ms()), &ready, fault);
        if (result != OUTFLOW_DONE)
            return result;
        if (!ready && moment_monotonic_ms() >= until_ms)
            return OUTFLOW_DONE;
        if (!ready)
            continue;
        /* A pipe that is ready takes so much without blocking: one can stop at any time. */
        size_t size = length - *written < PIPE_BUF ? length - *written : PIPE_BUF;
        ssize_t got = write(outflow->fd, line + *written, size);
        if (got < 0 && errno == EPIPE)
            return OUTFLOW_ENDED;
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            fault_set_errno(fault, errno, "cannot write to stdout");
            return OUTFLOW_FAILED;
        }
        if (got > 0) {
            *written += (size_t)got;
            outflow->written += (uint64_t)got;
        }
    }
    return note_line(outflow, seq, fault) == 0 ? OUTFLOW_DONE : OUTFLOW_FAILED;
}

/* Sets *UNREAD to how many of the bytes written the reader has not taken. */
static int count_unread(const struct outflow *outflow, uint64_t *unread, struct fault *fault)
{
    int waiting = 0;
    switch (outflow->kind) {
    case OUTFLOW_PIPE:
        if (ioctl(outflow->fd, FIONREAD, &waiting) != 0)
            return fault_set_errno(fault, errno, "cannot tell what was read");
        *unread = (uint64_t)waiting;
        return 0;
    case OUTFLOW_SOCKET:
        /* Tells whether something waits, but in another measure than bytes. */
        if (ioctl(outflow->fd, SIOCOUTQ, &waiting) != 0)
            return fault_set_errno(fault, errno, "cannot tell what was read");
        *unread = waiting > 0 ? UINT64_MAX : 0;
        return 0;
    case OUTFLOW_FILE:
        *unread = 0;
        return fdatasync(outflow->fd) == 0 ? 0 : fault_set_errno(fault, errno, "stdout");
    default:
        *unread = 0;
        return 0;
    }
}

int outflow_note_taken(struct outflow *outflow, struct fault *fault)
{
    uint64_t unread;
    size_t taken = 0;
    if (outflow->lines_length == 0)
        return 0;
    if (count_unread(outflow, &unread, fault) != 0)
        return -1;
    uint64_t read = unread < outflow->written ? outflow->written - unread : 0;
    while (taken < outflow->lines_length && outflow->lines[taken].end <= read)
        outflow->taken = outflow->lines[taken++].seq;
    outflow->lines_length -= taken;
    memmove(outflow->lines, outflow->lines + taken, outflow->lines_length * sizeof *outflow->lines);
    return 0;
}
