/* app_recorder: an application that writes down the seq of each notification it is handed, for
 * scenarios of delivery.
 *
 *     app_recorder RECEIVER-OPTION...
 *
 * APP_RECORD  the file it appends to: a line "start" when it starts, then a line per notification,
 *             each synced before the callback returns
 * APP_NAME    the cursor's name (the library's own where it is not set)
 * APP_GATE    a file: while it is there, nothing is taken. Where it holds "hang", the callback does
 *             not return; otherwise it fails, and the attempt is written down as "refused". */
#include <fcntl.h>
#include <inttypes.h>
#include <push_message_receiver.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All lines have the same length, which divides a page: a process killed while it writes leaves a
 * whole line or none. */
#define LINE_LENGTH 64

struct recorder {
    int file;
    const char *gate;
};

static int put_line(const struct recorder *recorder, int64_t seq, const char *what)
{
    char line[LINE_LENGTH + 1];
    snprintf(line, sizeof line, "%-10s %020" PRId64 "%*s", what, seq, LINE_LENGTH - 31, "\n");
    return write(recorder->file, line, LINE_LENGTH) == LINE_LENGTH && fsync(recorder->file) == 0
               ? 0
               : -1;
}

/* Whether the gate is there; it holds what to do. */
static bool read_gate(const struct recorder *recorder, char word[8])
{
    memset(word, 0, 8);
    int fd = recorder->gate == NULL ? -1 : open(recorder->gate, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, word, 7);
    close(fd);
    return length >= 0;
}

static int record(void *application, const struct push_notification *notification)
{
    const struct recorder *recorder = application;
    char word[8];
    if (!read_gate(recorder, word))
        return put_line(recorder, notification->seq, "taken");
    put_line(recorder, notification->seq, "refused");
    while (strncmp(word, "hang", 4) == 0)
        pause();
    return 1;
}

int main(int argc, char **argv)
{
    const char *path = getenv("APP_RECORD");
    struct recorder recorder = {.file = -1, .gate = getenv("APP_GATE")};
    if (path != NULL)
        recorder.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (recorder.file < 0 || put_line(&recorder, 0, "start") != 0) {
        perror("app_recorder: APP_RECORD");
        return 1;
    }
    const struct push_message_receiver receiver = {
        .application = &recorder, .name = getenv("APP_NAME"), .handle_other = record};
    return push_message_receiver_run(&receiver, argc, argv);
}
