/* term: where an operator's command prints: a terminal with its width, colours and pager, or a
 * pipe.
 *
 * Everything that comes out of the store is a stranger's text. term_add_safe shows it such that it
 * moves no cursor, ends no line and changes no colour. */
#ifndef COMMAND_TERM_H
#define COMMAND_TERM_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Columns where nobody tells, and the fewest that a layout is made for. */
#define TERM_WIDTH_DEFAULT 80
#define TERM_WIDTH_MIN 20

enum term_when {
    TERM_AUTO, /* on a terminal */
    TERM_NEVER,
    TERM_ALWAYS,
};

/* What a text means; the terminal decides how that looks. */
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
    bool utf8;    /* as the locale has it; otherwise what is not ASCII is escaped */
    bool colours; /* tones are shown */
    bool paged;   /* long output goes to a pager */
    size_t width; /* columns; 0: no limit, nothing is cut */
    pid_t pager;  /* 0: none runs */
    bool ended;   /* nobody reads any more */
};

/* Finds out what stdout is. COLOURS and PAGED are what the operator asks for; NO_COLOR, TERM,
 * COLUMNS and the locale are looked at as well. Ignores SIGPIPE from then on. */
void term_open(struct term *term, enum term_when colours, bool paged);

/* From now on the output goes through the operator's pager ($PAGER, otherwise less, which passes on
 * what fits the screen), where there is a terminal and one is wanted. */
void term_page(struct term *term);

/* Prints TEXT and empties it. Fails where it cannot be written, or memory ran out. Where nobody
 * reads any more it fails without a fault, and ENDED is set: that is an end, not an error. */
int term_print(struct term *term, struct buffer *text, struct fault *fault);

/* Ends the output, waits for the pager. */
void term_close(struct term *term);

/* Appends the beginning or the end of TONE, nothing where tones are not shown. */
void term_begin_tone(const struct term *term, struct buffer *text, enum term_tone tone);
void term_end_tone(const struct term *term, struct buffer *text, enum term_tone tone);

/* Appends a stranger's text, in WIDTH columns at most (0: no limit): a longer one is cut, and ends
 * with a mark. Controls, separators, bidirectional marks and what the locale cannot show become
 * escapes. Returns the columns taken. */
size_t term_add_safe(const struct term *term, struct buffer *text, const char *string,
                     size_t width);

/* The same for LENGTH bytes, among which there may be NULs. */
size_t term_add_safe_bytes(const struct term *term, struct buffer *text, const char *bytes,
                           size_t length, size_t width);

/* Prints "PROGRAM: STRING" on stderr: with escapes where that is a terminal, for an error may quote
 * what a stranger wrote. */
void term_complain(const char *program, const char *string);

/* One part of a bar. */
struct term_bar {
    int64_t success, fail, in_progress;
};

/* Appends a bar of WIDTH columns, in which each part that is not 0 has one column at least. */
void term_add_bar(const struct term *term, struct buffer *text, const struct term_bar *bar,
                  size_t width);

/* How far a long work is, on stderr where that is a terminal: one line that is drawn again. */
struct term_progress {
    const char *what;
    int64_t last_ms;
    bool drawn;
};

/* For struct store_progress, with a struct term_progress as owner. */
void term_report(void *progress, int64_t done, int64_t of);

/* Takes the line away again. */
void term_report_end(struct term_progress *progress);

#endif
