/* term: an operator's terminal or pipe: its width, colours and pager. */
#include "config.h"

#include "command/term.h"

#include "base/clock.h"
#include "base/units.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

/* Time between two drawings of a progress line. */
#define REPORT_MS 100

#define REPORT_WIDTH 30

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

static size_t find_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int64_t width;
    if (columns == NULL || units_number(columns, 1, &width, NULL) != 0)
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
                    ? size.ws_col
                    : TERM_WIDTH_DEFAULT;
    return width < TERM_WIDTH_MIN ? TERM_WIDTH_MIN : (size_t)width;
}

void term_open(struct term *term, enum term_when colours, bool paged)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    const char *kind = getenv("TERM");
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    bool plain = kind == NULL || strcmp(kind, "dumb") == 0 || is_set("NO_COLOR");
    *term = (struct term){
        .is_terminal = is_terminal,
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .colours = colours == TERM_ALWAYS || (colours == TERM_AUTO && is_terminal && !plain),
        .paged = paged && is_terminal,
        .width = is_terminal ? find_width() : 0,
    };
}

/* Starts COMMAND with its stdin from FD. */
static int start_pager(const char *command, int fd, pid_t *pid)
{
    char shell[] = "sh", option[] = "-c";
    char *const words[] = {shell, option, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t restored;
    sigemptyset(&restored);
    sigaddset(&restored, SIGPIPE);
    sigaddset(&restored, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &restored);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    /* As in git: colours stay, and less does not stop for output that fits one screen. */
    setenv("LESS", "FRX", 0);
    setenv("LV", "-c", 0);
    int error = posix_spawn(pid, "/bin/sh", &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? 0 : -1;
}

void term_page(struct term *term)
{
    const char *command = getenv("PAGER");
    if (command == NULL)
        command = "command -v less >/dev/null && exec less; exec cat";
    int ends[2];
    if (!term->paged || term->pager != 0 || command[0] == '\0' || strcmp(command, "cat") == 0 ||
        pipe2(ends, O_CLOEXEC) != 0)
        return;
    if (start_pager(command, ends[0], &term->pager) == 0) {
        dup2(ends[1], STDOUT_FILENO);
        signal(SIGINT, SIG_IGN); /* Ctrl-C is for the pager, and this waits for its end */
    } else {
        term->pager = 0;
    }
    close(ends[0]);
    close(ends[1]);
}

int term_print(struct term *term, struct buffer *text, struct fault *fault)
{
    if (text->failed)
        return fault_set(fault, "out of memory");
    if (!term->ended && buffer_write(text, STDOUT_FILENO) != 0) {
        if (errno != EPIPE)
            return fault_set_errno(fault, errno, "cannot write to stdout");
        term->ended = true;
    }
    buffer_clear(text);
    return term->ended ? -1 : 0;
}

void term_close(struct term *term)
{
    if (term->pager == 0)
        return;
    close(STDOUT_FILENO);
    while (waitpid(term->pager, NULL, 0) < 0 && errno == EINTR)
        continue;
    term->pager = 0;
}

static const char *tone_code(enum term_tone tone)
{
    switch (tone) {
    case TERM_GOOD:
        return "32";
    case TERM_BAD:
        return "31";
    case TERM_WARN:
        return "33";
    case TERM_FAINT:
        return "2";
    case TERM_STRONG:
        return "1";
    default:
        return NULL;
    }
}

void term_begin_tone(const struct term *term, struct buffer *text, enum term_tone tone)
{
    const char *code = tone_code(tone);
    if (term->colours && code != NULL)
        buffer_addf(text, "\x1B[%sm", code);
}

void term_end_tone(const struct term *term, struct buffer *text, enum term_tone tone)
{
    if (term->colours && tone_code(tone) != NULL)
        buffer_add_string(text, "\x1B[0m");
}

void term_add_tone(const struct term *term, struct buffer *text, enum term_tone tone,
                   const char *string)
{
    term_begin_tone(term, text, tone);
    term_add_safe(term, text, string, 0);
    term_end_tone(term, text, tone);
}

/* One character of LENGTH bytes, as it is shown: columns and bytes. */
struct shown {
    char bytes[16];
    size_t length, width;
};

static struct shown show(const struct term *term, const char *bytes, size_t size)
{
    struct shown shown = {0};
    uint32_t point = size == 0 ? 0xFFFD : utf8_code_point(bytes, size);
    int width = point < 0x80 ? 1 : wcwidth((wchar_t)point);
    if (point == '\\') {
        /* Otherwise a text could fake an escape. */
        shown.length = shown.width = 2;
        memcpy(shown.bytes, "\\\\", 2);
    } else if (utf8_is_unsafe(point) || width < 0 || (point >= 0x80 && !term->utf8)) {
        int length = snprintf(shown.bytes, sizeof shown.bytes,
                              point > 0xFFFF ? "\\U%08x" : "\\u%04x", (unsigned)point);
        shown.length = shown.width = (size_t)length;
    } else if (size == 0) {
        shown = (struct shown){.bytes = "\357\277\275", .length = 3, .width = 1};
    } else {
        memcpy(shown.bytes, bytes, size);
        shown.length = size;
        shown.width = (size_t)width;
    }
    return shown;
}

size_t term_add_safe_bytes(const struct term *term, struct buffer *text, const char *string,
                           size_t length, size_t width)
{
    size_t left = length, taken = 0;
    size_t cut_length = text->length, cut_width = 0; /* where the mark would be */
    while (left > 0) {
        size_t size = utf8_length(string, left);
        struct shown shown = show(term, string, size);
        if (width > 0 && taken + shown.width > width) {
            text->length = cut_length;
            buffer_add_string(text, term->utf8 ? "\342\200\246" : "~");
            return cut_width + 1;
        }
        buffer_add(text, shown.bytes, shown.length);
        taken += shown.width;
        if (taken < width) {
            cut_length = text->length;
            cut_width = taken;
        }
        string += size > 0 ? size : 1;
        left -= size > 0 ? size : 1;
    }
    return taken;
}

size_t term_add_safe(const struct term *term, struct buffer *text, const char *string, size_t width)
{
    return term_add_safe_bytes(term, text, string, strlen(string), width);
}

void term_complain(const char *program, const char *string)
{
    const struct term term = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    struct buffer line = {0};
    if (isatty(STDERR_FILENO) == 1)
        term_add_safe(&term, &line, string, 0);
    else
        buffer_add_string(&line, string);
    buffer_add(&line, "", 1);
    fprintf(stderr, "%s: %s\n", program, line.failed ? "out of memory" : line.bytes);
    buffer_release(&line);
}

/* Columns of a bar for its parts: each has its share, and at least one if it is not 0. */
static void share_out(const int64_t parts[3], size_t columns[3], size_t width)
{
    int64_t whole = parts[0] + parts[1] + parts[2];
    size_t given = 0, largest = 0;
    for (size_t i = 0; i < 3; i++) {
        columns[i] = whole > 0 ? (size_t)((double)parts[i] / (double)whole * (double)width) : 0;
        if (columns[i] == 0 && parts[i] > 0)
            columns[i] = 1;
        given += columns[i];
        if (parts[i] > parts[largest])
            largest = i;
    }
    if (whole > 0) /* the largest part gets the rounding error */
        columns[largest] += width - given;
}

void term_add_bar(const struct term *term, struct buffer *text, const struct term_bar *bar,
                  size_t width)
{
    static const struct {
        enum term_tone tone;
        const char *block, *letter;
    } looks[] = {
        {TERM_GOOD, "\342\226\210", "#"},  /* full block */
        {TERM_BAD, "\342\226\223", "x"},   /* dark shade */
        {TERM_FAINT, "\342\226\221", "."}, /* light shade */
    };
    const int64_t parts[3] = {bar->success, bar->fail, bar->in_progress};
    size_t columns[3], drawn = 0;
    if (bar->missing > 0) {
        double reported = (double)bar->success + (double)bar->fail + (double)bar->in_progress;
        size_t filled = (size_t)(reported / (reported + (double)bar->missing) * (double)width);
        share_out(parts, columns, filled < 3 ? 3 : filled);
    } else {
        share_out(parts, columns, width);
    }
    for (size_t i = 0; i < 3; i++) {
        if (columns[i] == 0)
            continue;
        term_begin_tone(term, text, looks[i].tone);
        for (size_t c = 0; c < columns[i]; c++, drawn++)
            buffer_add_string(text, term->utf8 ? looks[i].block : looks[i].letter);
        term_end_tone(term, text, looks[i].tone);
    }
    for (; drawn < width; drawn++)
        buffer_add_string(text, " ");
}

void term_report(void *owner, int64_t done, int64_t of)
{
    struct term_progress *progress = owner;
    int64_t now_ms = clock_monotonic_ms();
    if (of <= 0 || isatty(STDERR_FILENO) != 1 ||
        (progress->drawn && done < of && now_ms - progress->last_ms < REPORT_MS))
        return;
    progress->last_ms = now_ms;
    progress->drawn = true;
    const struct term plain = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    const struct term_bar bar = {.success = done, .in_progress = of > done ? of - done : 0};
    struct buffer line = {0};
    buffer_addf(&line, "\r%s ", progress->what);
    term_add_bar(&plain, &line, &bar, REPORT_WIDTH);
    buffer_addf(&line, " %3lld%%", (long long)((double)done * 100 / (double)of));
    if (!line.failed)
        fwrite(line.bytes, 1, line.length, stderr);
    buffer_release(&line);
}

void term_report_end(struct term_progress *progress)
{
    if (progress->drawn)
        fputs("\r\x1B[K", stderr);
    progress->drawn = false;
}
