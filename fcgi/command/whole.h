/* whole: the documents of view/view.h for an operator: whole lists instead of pages, as the bytes
 * that the view wrote or parsed. */
#ifndef COMMAND_WHOLE_H
#define COMMAND_WHOLE_H

#include "command/term.h"
#include "view/view.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Rows read per page. */
#define WHOLE_ROWS STORE_PAGE_MAX

/* Prints VIEW's document. If it has rows that come in pages, all of them are printed, one page at a
 * time, as one document of the same form, whose `next` is null. The pages of a table are printed
 * one after the other. */
enum view_result whole_print(struct term *term, const struct view *view,
                             struct store_reader *reader, const struct view_query *query,
                             struct fault *fault);

/* Gets a page, parsed and lent for the call. Another result than 0 ends the reading, which is then
 * VIEW_FAILED without a fault of its own. */
typedef int whole_each(void *owner, json_t *page, bool first, struct fault *fault);

/* Calls EACH for every page of VIEW's document; there is at least one. */
enum view_result whole_read(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, whole_each *each, void *owner,
                            struct fault *fault);

/* Parses LENGTH bytes of a document, or of a kept body, with any contents. jansson cannot hold each
 * number and each name, so it changes some (content_soften). Free the result with json_decref; NULL
 * if memory is short, or if the bytes are no JSON. */
json_t *whole_parse(const char *json, size_t length);

/* A member's text, "" if it is none; and its number, 0 if it is none. */
const char *whole_text(const json_t *object, const char *name);
int64_t whole_number(const json_t *object, const char *name);

#endif
