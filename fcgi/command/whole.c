/* whole: the documents of view/view.h for an operator: whole lists instead of pages, as the bytes
 * that the view wrote or parsed. */
#include "config.h"

#include "command/whole.h"

#include "notification/content.h"

#include <string.h>

const char *whole_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

int64_t whole_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

json_t *whole_parse(const char *json, size_t length)
{
    struct buffer soft = {0};
    content_soften(json, length, &soft);
    json_t *parsed = soft.failed ? NULL : json_loadb(soft.bytes, soft.length, JSON_ALLOW_NUL, NULL);
    buffer_release(&soft);
    return parsed;
}

/* Reads the page that begins at TOKEN, and sets TOKEN to the next one. */
static enum view_result read_page(const struct view *view, struct store_reader *reader,
                                  const struct view_query *query, struct buffer *text,
                                  struct store_page_token *token, struct fault *fault)
{
    struct view_query page = *query;
    struct store_page_token next;
    if (token->text[0] != '\0')
        page.after = token->text;
    if (page.limit == 0)
        page.limit = WHOLE_ROWS;
    buffer_clear(text);
    enum view_result result = view_write(view, reader, &page, 0, text, &next, fault);
    if (result == VIEW_DONE)
        *token = next;
    return result;
}

/* Appends to OUT the printable part of the page in TEXT. END gets the end of the first page, for
 * when all rows are out: `next`, the last member, is null there. */
static void add_page(const struct buffer *text, const struct view_rows *rows,
                     const struct store_page_token *next, bool first, struct buffer *end,
                     struct buffer *out)
{
    const char *after = text->bytes + rows->end;
    size_t tail = text->length - rows->end;
    if (first && next->text[0] != '\0') {
        buffer_add(end, after, tail - strlen("\"\"}\n") - strlen(next->text));
        buffer_add_string(end, "null}\n");
    } else if (first) {
        buffer_add(end, after, tail);
    }
    if (first)
        buffer_add(out, text->bytes, rows->begin);
    else if (rows->end > rows->begin)
        buffer_add(out, ",", 1);
    buffer_add(out, text->bytes + rows->begin, rows->end - rows->begin);
}

enum view_result whole_print(struct term *term, const struct view *view,
                             struct store_reader *reader, const struct view_query *query,
                             struct fault *fault)
{
    struct view_rows rows = {0};
    struct view_query marked = *query;
    struct store_page_token token = {.text = ""};
    struct buffer page = {0}, out = {0}, end = {0};
    enum view_result result;
    bool first = true;
    marked.rows = &rows;
    do {
        result = read_page(view, reader, &marked, &page, &token, fault);
        if (result != VIEW_DONE)
            break;
        if (rows.begin == 0)
            buffer_add(&out, page.bytes, page.length);
        else
            add_page(&page, &rows, &token, first, &end, &out);
        first = false;
        if (token.text[0] == '\0')
            buffer_add(&out, end.bytes, end.length);
        out.failed = out.failed || end.failed;
        if (term_print(term, &out, fault) != 0)
            result = VIEW_FAILED;
    } while (result == VIEW_DONE && token.text[0] != '\0');
    buffer_release(&end);
    buffer_release(&page);
    buffer_release(&out);
    return result;
}

enum view_result whole_read(const struct view *view, struct store_reader *reader,
                            const struct view_query *query, whole_each *each, void *owner,
                            struct fault *fault)
{
    struct store_page_token token = {.text = ""};
    struct buffer text = {0};
    enum view_result result;
    bool first = true;
    do {
        result = read_page(view, reader, query, &text, &token, fault);
        if (result != VIEW_DONE)
            break;
        json_t *page = whole_parse(text.bytes, text.length);
        if (page == NULL) {
            fault_set(fault, "out of memory");
            result = VIEW_FAILED;
        } else if (each(owner, page, first, fault) != 0) {
            result = VIEW_FAILED;
        }
        json_decref(page);
        first = false;
    } while (result == VIEW_DONE && token.text[0] != '\0');
    buffer_release(&text);
    return result;
}
