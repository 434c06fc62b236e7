/* term: an operator's terminal or pipe: its width, colours and pager.
 *
 * Every text from the store is a stranger's. term_add_safe shows it such that it moves no cursor,
 * ends no line and changes no colour. */
#ifndef COMMAND_TERM_H
#define COMMAND_TERM_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The width if it is unknown, and the least width for a layout. */
#define TERM_WIDTH_DEFAULT 80
#define TERM_WIDTH_MIN 20

enum term_when {
    TERM_AUTO, /* on a terminal */
    TERM_NEVER,
    TERM_ALWAYS,
};

/* The meaning of a text; the terminal decides how that looks. */
enum term_tone {
    TERM_PLAIN,
    TERM_GOOD,
    TERM_BAD,
    TERM_WARN,
    TERM_FAINT,
    TERM_STRONG,
};

struct term {
    bool is_terminal;
    bool utf8;    /* of the locale; otherwise other characters than ASCII are escaped */
    bool colours; /* tones are shown */
    bool paged;   /* long output goes to a pager */
    size_t width; /* columns; 0: no limit, nothing is cut */
    pid_t pager;  /* 0: none runs */
    bool ended;   /* nobody reads any more */
};

/* Finds out what stdout is. COLOURS and PAGED are the operator's choice; NO_COLOR, TERM, COLUMNS
 * and the locale count, too. Ignores SIGPIPE from then on. */
void term_open(struct term *term, enum term_when colours, bool paged);

/* From now on the output goes through the operator's pager ($PAGER, otherwise less, which passes on
 * output that fits the screen), if there is a terminal and a pager is wanted. */
void term_page(struct term *term);

/* Prints TEXT and empties it. Fails if it cannot be written, or memory ran out. If nobody reads any
 * more it fails without a fault, and sets ENDED: that is an end, not an error. */
int term_print(struct term *term, struct buffer *text, struct fault *fault);

/* Ends the output, and waits for the pager. */
void term_close(struct term *term);

/* Appends the beginning or the end of TONE; nothing if tones are not shown. */
void term_begin_tone(const struct term *term, struct buffer *text, enum term_tone tone);
void term_end_tone(const struct term *term, struct buffer *text, enum term_tone tone);

/* Appends a stranger's text, in at most WIDTH columns (0: no limit). A longer one is cut, and ends
 * with a mark. Controls, separators, bidirectional marks and characters that the locale cannot show
 * become escapes. Returns the columns taken. */
size_t term_add_safe(const struct term *term, struct buffer *text, const char *string,
                     size_t width);

/* Appends a whole text of a stranger, with its tone. */
void term_add_tone(const struct term *term, struct buffer *text, enum term_tone tone,
                   const char *string);

/* The same as term_add_safe for LENGTH bytes, which may contain NULs. */
size_t term_add_safe_bytes(const struct term *term, struct buffer *text, const char *bytes,
                           size_t length, size_t width);

/* Prints "PROGRAM: STRING" on stderr; on a terminal with escapes, because an error may quote a
 * stranger. */
void term_complain(const char *program, const char *string);

/* The parts of a bar. */
struct term_bar {
    int64_t success, fail, in_progress;
    int64_t missing; /* left blank */
};

/* Appends a bar of WIDTH columns, in which each part that is not 0 or missing has at least one
 * column. */
void term_add_bar(const struct term *term, struct buffer *text, const struct term_bar *bar,
                  size_t width);

/* The progress of a long work, on stderr if that is a terminal: one line that is drawn again. */
struct term_progress {
    const char *what;
    int64_t last_ms;
    bool drawn;
};

/* For struct store_progress, with a struct term_progress as owner. */
void term_report(void *progress, int64_t done, int64_t of);

/* Removes the line. */
void term_report_end(struct term_progress *progress);

#endif
