/* whole: the documents of view/view.h for an operator: whole lists instead of pages, as the bytes
 * that the view wrote or parsed. */
#ifndef COMMAND_WHOLE_H
#define COMMAND_WHOLE_H

#include "command/term.h"
#include "view/view.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Rows that one page is read with. */
#define WHOLE_ROWS STORE_PAGE_MAX

/* Prints VIEW's document as it is. Where LIST names a member that comes in pages, all of them are
 * printed as one document of the same form, a page at a time, whose `next` is null. The pages of a
 * table (LIST is NULL) are printed one behind the other. */
enum view_result whole_print(struct term *term, const struct view *view,
                             struct store_reader *reader, const struct view_query *query,
                             const char *list, struct fault *fault);

/* What gets a page, parsed and lent for the call; another result than 0 ends the reading, which is
 * then VIEW_FAILED without a fault of its own. */
typedef int whole_each(void *owner, json_t *page, bool first, struct fault *fault);

/* Calls EACH for every page of VIEW's document, of which there is one at least. */
enum view_result whole_read(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, whole_each *each, void *owner,
                            struct fault *fault);

/* Parses LENGTH bytes of a document, or of a body that was kept, whatever is in it: jansson
 * cannot hold each number and each name, so some are others then (content_soften). To be freed with
 * json_decref; NULL if memory is short, or if they are no JSON. */
json_t *whole_parse(const char *json, size_t length);

/* Where a member's value stands in the LENGTH bytes of a valid JSON object. */
struct whole_span {
    const char *bytes;
    size_t length;
};

/* Sets SPAN to the value of the object's own member NAME, a name without escapes. */
bool whole_find(const char *json, size_t length, const char *name, struct whole_span *span);

/* A member's text, "" where it is none; and its number, 0 where it is none. */
const char *whole_text(const json_t *object, const char *name);
int64_t whole_number(const json_t *object, const char *name);

#endif
