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

/* The end of the JSON string that begins at C, or END. */
static const char *skip_string(const char *c, const char *end)
{
    for (c++; c < end && *c != '"'; c++)
        if (*c == '\\')
            c++;
    return c < end ? c + 1 : end;
}

/* The end of the value that begins at C: the comma or bracket that follows it. */
static const char *skip_value(const char *c, const char *end)
{
    size_t depth = 0;
    while (c < end) {
        if (*c == '"') {
            c = skip_string(c, end);
            continue;
        }
        bool closes = *c == '}' || *c == ']';
        if (depth == 0 && (closes || *c == ','))
            return c;
        if (*c == '{' || *c == '[')
            depth++;
        else if (closes)
            depth--;
        c++;
    }
    return c;
}

static const char *skip_blanks(const char *c, const char *end)
{
    while (c < end && (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\r'))
        c++;
    return c;
}

bool whole_find(const char *json, size_t length, const char *name, struct whole_span *span)
{
    const char *end = json + length;
    const char *c = skip_blanks(json, end);
    size_t name_length = strlen(name);
    while (c < end && (*c == '{' || *c == ',')) {
        const char *word = skip_blanks(c + 1, end);
        if (word == end || *word != '"')
            return false;
        const char *word_end = skip_string(word, end);
        const char *value = skip_blanks(word_end, end); /* the colon */
        value = value < end ? skip_blanks(value + 1, end) : end;
        c = skip_value(value, end);
        if ((size_t)(word_end - word) == name_length + 2 &&
            memcmp(word + 1, name, name_length) == 0) {
            *span = (struct whole_span){.bytes = value, .length = (size_t)(c - value)};
            return true;
        }
    }
    return false;
}

/* Reads the page that begins at PLACE, and sets PLACE to the next one. */
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

/* A document that is printed page by page. The rest of the first page, after its list, waits until
 * all rows are out. */
struct printing {
    const char *list;
    bool rows; /* some rows are out already */
    struct buffer rest;
};

/* Appends to OUT the printable part of the page in TEXT. */
static void add_page(struct printing *printing, const struct buffer *text, bool first,
                     struct buffer *out)
{
    struct whole_span list, next;
    if (printing->list == NULL || !whole_find(text->bytes, text->length, printing->list, &list) ||
        list.length < 2) {
        buffer_add(out, text->bytes, text->length);
        return;
    }
    const char *behind = list.bytes + list.length - 1; /* from its bracket on */
    const char *end = text->bytes + text->length;
    if (first) {
        buffer_add(out, text->bytes, (size_t)(list.bytes + 1 - text->bytes));
        if (whole_find(text->bytes, text->length, "next", &next) && next.bytes > behind) {
            buffer_add(&printing->rest, behind, (size_t)(next.bytes - behind));
            buffer_add_string(&printing->rest, "null");
            behind = next.bytes + next.length;
        }
        buffer_add(&printing->rest, behind, (size_t)(end - behind));
    }
    const char *rows = skip_blanks(list.bytes + 1, list.bytes + list.length - 1);
    size_t length = (size_t)(list.bytes + list.length - 1 - rows);
    if (length > 0 && printing->rows)
        buffer_add(out, ",", 1);
    buffer_add(out, rows, length);
    printing->rows = printing->rows || length > 0;
}

enum view_result whole_print(struct term *term, const struct view *view,
                             struct store_reader *reader, const struct view_query *query,
                             const char *list, struct fault *fault)
{
    struct printing printing = {.list = list};
    struct store_page_token token = {.text = ""};
    struct buffer page = {0}, out = {0};
    enum view_result result;
    bool first = true;
    do {
        result = read_page(view, reader, query, &page, &token, fault);
        if (result != VIEW_DONE)
            break;
        add_page(&printing, &page, first, &out);
        first = false;
        if (token.text[0] == '\0')
            buffer_add(&out, printing.rest.bytes, printing.rest.length);
        out.failed = out.failed || printing.rest.failed;
        if (term_print(term, &out, fault) != 0)
            result = VIEW_FAILED;
    } while (result == VIEW_DONE && token.text[0] != '\0');
    buffer_release(&printing.rest);
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
