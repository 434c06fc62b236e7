/* hold: keeps a listening Unix socket while the program behind it comes and goes.
 *
 * Usage: hold SOCKET PIDFILE [--restart] -- PROGRAM [ARGUMENT]...
 *
 * Runs PROGRAM with the socket as file descriptor 0. Stdout and stderr are passed on. While there
 * is no program, connections wait: they are not refused.
 *
 * PIDFILE       has the program's process id while it runs. While it does not, there is no such
 * file. PIDFILE.exit  has the exit status of the last program that ended: 128 + N after signal N.
 * --restart     starts the program again whenever it ends.
 * SIGUSR1       starts the program if none runs.
 * SIGTERM       is passed to the program. The holder then ends with the program's status. It kills
 * a program that has not ended after STOP_S; the status is then 137.
 *
 * If the holder dies, the kernel kills the program: a broken test leaves nothing behind. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096

/* Seconds, times SLOWER. */
#define STOP_S 10

/* Descriptors below this may be open, from whatever started the holder. */
#define OPEN_MOST 1024

/* A program that ends by itself this soon is not started again at once: it would eat a processor.
 */
#define TOO_SOON_NS 200000000

struct holder {
    int listening;
    const char *pidfile;
    char *const *program;
    pid_t child; /* 0: none */
    struct timespec started;
    int status;
    sigset_t awaited;
};

static void give_up(const char *what)
{
    fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
    exit(127);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        give_up(path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Web servers of other users must get in. The folder around the socket keeps strangers out. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0666) != 0 || listen(fd, BACKLOG) != 0)
        give_up(path);
    return fd;
}

/* Writes NUMBER to the file PIDFILE with SUFFIX, which never has half of it. */
static void write_number(const struct holder *holder, const char *suffix, int number)
{
    char path[4096], new[4096];
    snprintf(path, sizeof path, "%s%s", holder->pidfile, suffix);
    snprintf(new, sizeof new, "%s%s.new", holder->pidfile, suffix);
    FILE *file = fopen(new, "w");
    if (file == NULL || fprintf(file, "%d\n", number) < 0 || fclose(file) != 0 ||
        rename(new, path) != 0)
        give_up(path);
}

static void become_child(const struct holder *holder)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(holder->listening, 0);
    for (int fd = 3; fd < OPEN_MOST; fd++)
        close(fd);
    /* The tests' own, which a receiver would take for an option with a slip in its name. */
    unsetenv("UPGRADE_RECEIVER_BIN");
    unsetenv("UPGRADE_RECEIVER_TEST_FULL");
    execvp(holder->program[0], holder->program);
    fprintf(stderr, "hold: %s: %s\n", holder->program[0], strerror(errno));
    _exit(127);
}

static void start(struct holder *holder)
{
    clock_gettime(CLOCK_MONOTONIC, &holder->started);
    holder->child = fork();
    if (holder->child < 0)
        give_up("fork");
    if (holder->child == 0)
        become_child(holder);
    write_number(holder, "", holder->child);
}

/* Whether the program has just ended. OPTIONS are those of waitpid. */
static bool reap(struct holder *holder, int options)
{
    int status;
    if (holder->child == 0 || waitpid(holder->child, &status, options) != holder->child)
        return false;
    holder->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    write_number(holder, ".exit", holder->status);
    unlink(holder->pidfile);
    holder->child = 0;
    return true;
}

static int64_t since_ns(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - then->tv_sec) * 1000000000LL + now.tv_nsec - then->tv_nsec;
}

static int stop(struct holder *holder)
{
    const char *slower = getenv("SLOWER");
    int64_t limit_ns = STOP_S * 1000000000LL * (slower == NULL ? 1 : strtol(slower, NULL, 10));
    const struct timespec look = {.tv_nsec = 100000000};
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    if (holder->child != 0)
        kill(holder->child, SIGTERM);
    while (holder->child != 0 && !reap(holder, WNOHANG)) {
        sigtimedwait(&ended, NULL, &look);
        if (since_ns(&began) < limit_ns)
            continue;
        fprintf(stderr, "hold: no end within %lld s of SIGTERM\n",
                (long long)(limit_ns / 1000000000));
        kill(holder->child, SIGKILL);
        reap(holder, 0);
    }
    return holder->status;
}

static int run(struct holder *holder, bool restart)
{
    const struct timespec pause = {.tv_nsec = TOO_SOON_NS};
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    start(holder);
    while (true) {
        int came;
        sigwait(&holder->awaited, &came);
        if (came == SIGTERM || came == SIGINT)
            return stop(holder);
        bool ended = reap(holder, WNOHANG);
        bool too_soon = holder->status < 128 && since_ns(&holder->started) < TOO_SOON_NS;
        if (ended && restart && too_soon && sigtimedwait(&stops, NULL, &pause) > 0)
            return stop(holder);
        if (holder->child == 0 && ((ended && restart) || came == SIGUSR1))
            start(holder);
    }
}

int main(int argc, char **argv)
{
    bool restart = argc > 3 && strcmp(argv[3], "--restart") == 0;
    int dashes = restart ? 4 : 3;
    if (argc < dashes + 2 || strcmp(argv[dashes], "--") != 0) {
        fputs("usage: hold SOCKET PIDFILE [--restart] -- PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    struct holder holder = {.pidfile = argv[2], .program = argv + dashes + 1};
    sigemptyset(&holder.awaited);
    sigaddset(&holder.awaited, SIGCHLD);
    sigaddset(&holder.awaited, SIGTERM);
    sigaddset(&holder.awaited, SIGINT);
    sigaddset(&holder.awaited, SIGUSR1);
    sigprocmask(SIG_BLOCK, &holder.awaited, NULL);
    holder.listening = listen_at(argv[1]);
    int status = run(&holder, restart);
    unlink(argv[1]);
    return status;
}
