/* show: shared by the lists of upgrade-status and its views of one operation and one device. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include "command/command.h"
#include "command/whole.h"

/* Columns of a bar in a list. */
#define COMMAND_BAR_NARROW 10
#define COMMAND_BAR_WIDE 24
#define COMMAND_BAR_WIDE_FROM 140 /* columns of the terminal */

/* Prints the view NAME: with --json its document (all pages of LIST in one), otherwise through
 * EACH, in a pager if one is wanted. Returns an exit code. */
int command_show_document(struct command_call *call, const char *name, const char *list,
                          const struct view_query *query, whole_each *each, void *owner,
                          struct fault *fault);

/* The width of a bar in a list. */
size_t command_bar_width(const struct command_call *call);

/* The bar of a document's OPERATION. */
struct term_bar command_bar(const json_t *operation);

/* Whether the document's OPERATION or UPGRADE has NAME set. */
bool command_is(const json_t *object, const char *name);

#endif
