/* show: what the lists of upgrade-status and its views of one operation and one device share. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include "command/columns.h"
#include "command/command.h"
#include "command/whole.h"
#include "notification/record.h"

/* Columns of a bar in a list. */
#define COMMAND_BAR_NARROW 10
#define COMMAND_BAR_WIDE 24
#define COMMAND_BAR_WIDE_FROM 140 /* columns of the terminal */

/* Adds the cells of ROW of the document PAGE. */
typedef void command_add_row(const struct command_call *call, struct columns *table,
                             const json_t *row, const json_t *page);

/* A table whose rows are objects of a document. */
struct command_table {
    const struct column *columns;
    size_t length; /* of them */
    command_add_row *add;
};

/* The document DOCUMENT, whose list ROWS comes in pages, as a table. */
struct command_list {
    const char *document, *rows;
    const char *csv; /* the document of --csv */
    struct command_table table;
    const char *none; /* said if there is no row */
    void (*add_head)(const struct command_call *call, const json_t *page, struct buffer *out);
};

/* The table of upgrades. */
struct command_table command_upgrade_table(void);

/* Prints LIST: with --json or --csv its document, otherwise the table, on a terminal below the line
 * of the receiver. Returns an exit code. */
int command_show_list(struct command_call *call, const struct command_list *list,
                      const struct view_query *query, struct fault *fault);

/* Appends HEADING and the table of OBJECT's member ROWS; nothing if that is empty. */
void command_add_table(const struct command_call *call, const char *heading, const json_t *object,
                       const char *rows, const struct command_table *table, struct buffer *out);

/* Prints the view NAME: with --json its document (all pages in one), otherwise through
 * EACH, in a pager if one is wanted. Returns an exit code. */
int command_show_document(struct command_call *call, const char *name,
                          const struct view_query *query, whole_each *each, void *owner,
                          struct fault *fault);

/* Reads the document NAME, which has one page, into TEXT, and parses it into *DOCUMENT; free that
 * with json_decref. Returns an exit code. */
int command_read_document(const struct command_call *call, const char *name,
                          const struct view_query *query, struct buffer *text, json_t **document,
                          struct fault *fault);

/* How an operation is found if its id was not given whole, or several applications have it. */
enum command_find {
    COMMAND_FIND_ANY,     /* a unique beginning is enough, of any application */
    COMMAND_FIND_SOLE,    /* the same, but of one application */
    COMMAND_FIND_VERDICT, /* the whole id, of one application: it may not have reported yet */
};

/* The operation that WORD names: that of this id, otherwise the only one whose id begins so. The
 * result is WORD, also if there is none, or lent by CALL. NULL if it is not clear which: FAULT
 * names the candidates. */
const char *command_find_operation(struct command_call *call, const char *word,
                                   enum command_find how, struct fault *fault);

/* The same for a device with an upgrade. Reads all upgrades. */
const char *command_find_device(struct command_call *call, const char *word, struct fault *fault);

/* Sets the time of --longer-than in QUERY, if it was given. */
int command_read_longer_than(const struct command_call *call, struct view_query *query,
                             struct fault *fault);

/* The bar of a document's OPERATION. */
struct term_bar command_bar(const json_t *operation);

/* Whether the document's OPERATION or UPGRADE has NAME set. */
bool command_is(const json_t *object, const char *name);

/* The tone in which a state is shown. */
enum term_tone command_state_tone(const char *state);

/* The result or step that a notification's BODY tells, "" if none; and its type, perhaps in TEXT.
 */
const char *command_news(const json_t *body);
const char *command_type(const json_t *body, char text[RECORD_ENVELOPE_TYPE_SIZE]);

#endif
