/* query: anything that may be asked of a store in which hostile texts stand.
 *
 * Promised: a view answers, refuses the question or knows no such thing, but never fails; the same
 * question gets the same bytes; a document is one line of JSON, a table is RFC 4180 without a
 * formula and says what the document says; pages one behind the other are the whole, however long
 * they are.
 * What stands behind the ? of a URL is read as it was written. */
#include "config.h"

#include "fuzz.h"

#include "base/query_string.h"
#include "base/utf8.h"
#include "books.h"
#include "notification/dispatch.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MS 1700000000000
#define ASKED_MAX 12
#define VALUE_MAX 5000
#define PAGES_MAX 1100

/* About how many pages are read of one question: more take time and tell no more. */
#define PAGES_SURE 10

static struct books *books;
static struct store_reader *reader;

/* What stands in the store, and is asked for. */
static const char *const texts[] = {
    "a",
    "b",
    "",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\ttab",
    "\r\nx",
    "say \"yes\", twice",
    "</script>",
    "<img src=x onerror=alert(1)>",
    "a%20b&c=d",
    "%",
    "_",
    "a_b%",
    "'; DROP --",
    "\303\244",
    "\303",
    "\342\200\256gnp.exe",
    "\342\200\250",
    "\033[2J\033[31m",
    "\360\237\223\266",
    "a\\u0041\\",
    "[0]",
    "$.x",
    "null",
    "{}",
};

/* --- the store --- */

static const char *text_of(uint64_t *seed)
{
    const char *text;
    do
        text = texts[support_random_below(seed, LENGTH(texts))];
    while (text[0] == '\0' || !utf8_is_valid(text, strlen(text)));
    return text;
}

static void add_some(uint64_t *seed)
{
    char longer[600];
    snprintf(longer, sizeof longer, "%0590d", (int)support_random_below(seed, 3));
    struct support_result what = {
        .app = text_of(seed),
        .operation = support_random_below(seed, 3) == 0 ? text_of(seed) : "operation",
        .sub_operation = text_of(seed),
        .device = support_random_below(seed, 20) == 0 ? longer : text_of(seed),
        .result = support_random_below(seed, 3) == 0 ? "SUCCESS" : "FAIL",
        .error_code = support_random_below(seed, 9) == 0 ? longer : text_of(seed),
        .current = text_of(seed),
        .target = text_of(seed),
        .description = text_of(seed),
        .received_ms = TIME_MS + (int64_t)support_random_below(seed, 1000000),
    };
    if (support_random_below(seed, 3) == 0)
        books_add_progress(books, &what, text_of(seed));
    else
        books_add_result(books, &what);
    const char *text = texts[support_random_below(seed, LENGTH(texts))];
    struct buffer news = {0};
    if (support_random_below(seed, 4) == 0) {
        buffer_add_string(&news, "{\"notifyType\":\"deviceAdded\",\"deviceId\":");
        buffer_add_json_string(&news, text, strlen(text));
        buffer_add_string(&news, "}");
    } else {
        buffer_add_string(&news, text);
    }
    struct record *record = support_bytes(news.length > 0 ? news.bytes : "", news.length);
    dispatch_read(record);
    record->received_ms = what.received_ms;
    books_keep_one(books, record);
    support_record_free(record);
    buffer_release(&news);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct fault fault = FAULT_NONE;
    uint64_t seed = 20261125;
    void *state;
    (void)argc;
    (void)argv;
    fuzz_begin();
    books_setup(&state);
    books = state;
    books_meddle(books, "UPDATE secret SET hash_key = x'000102030405060708090a0b0c0d0e0f'");
    books_reopen(books);
    for (int i = 0; i < 150; i++)
        add_some(&seed);
    fuzz_demand(store_reader_new(&reader, books->folder, &fault) == 0, "%s", fault.text);
    return 0;
}

/* --- what is asked --- */

static const char *const names[] = {
    "operationId", "appId", "deviceId",   "state",     "errorCode",     "q",
    "after",       "limit", "longerThan", "x",         "contradictory", "operationI",
    "sort",        "since", "until",      "failAbove", "reason"};

static const char *const documents[] = {
    "overview.json", "operation.json", "upgrades.json", "failures.json",  "failures.csv",
    "device.json",   "search.json",    "upgrades.csv",  "quarantine.csv", "quarantine.json",
    "errors.json",   "errors.csv",     "missing.json",  "operations.json"};

struct asked {
    const struct view *view;
    struct view_query query;
    char values[ASKED_MAX][VALUE_MAX + 1];
};

/* A value that suits the parameter NAME, or now and then any. */
static void take_value(struct fuzz_input *input, const char *name, char value[VALUE_MAX + 1])
{
    static const char *const states[] = {"IN_PROGRESS", "SUCCESS", "FAIL", "running", "stalled"};
    static const char *const moments[] = {"1h", "2023-11-14", "2023-11-14T22:20:00Z", "7d", "1"};
    static const char *const orders[] = {"latest", "failures", "name"};
    static const char *const shares[] = {"0", "0.5", "1", "0.333333", "2"};
    static const char *const numbers[] = {"1", "7", "60", "0", "1000", "1001", "3700", "+1"};
    static const char *const places[] = {"1", "1.2", "9.9.9", "1.1.1.1", "", "9223372036854775808"};
    struct buffer text = {0};
    unsigned how = fuzz_byte(input) % 8;
    if (how == 0) {
        struct fuzz_input bytes = fuzz_take(input, fuzz_byte(input));
        size_t times = fuzz_byte(input) % 8 == 0 ? 1 + fuzz_byte(input) : 1;
        for (size_t i = 0; i < times; i++)
            buffer_add(&text, (const char *)bytes.bytes, bytes.left);
    } else if (strcmp(name, "state") == 0) {
        buffer_add_string(&text, states[fuzz_below(input, LENGTH(states))]);
    } else if (strcmp(name, "limit") == 0 || strcmp(name, "longerThan") == 0) {
        buffer_add_string(&text, numbers[fuzz_below(input, LENGTH(numbers))]);
    } else if (strcmp(name, "since") == 0 || strcmp(name, "until") == 0) {
        buffer_add_string(&text, moments[fuzz_below(input, LENGTH(moments))]);
    } else if (strcmp(name, "sort") == 0) {
        buffer_add_string(&text, orders[fuzz_below(input, LENGTH(orders))]);
    } else if (strcmp(name, "failAbove") == 0) {
        buffer_add_string(&text, shares[fuzz_below(input, LENGTH(shares))]);
    } else if (strcmp(name, "reason") == 0) {
        buffer_add_string(&text, "not JSON");
    } else if (strcmp(name, "contradictory") == 0) {
        buffer_add_string(&text, "1");
    } else if (strcmp(name, "after") == 0) {
        buffer_add_string(&text, places[fuzz_below(input, LENGTH(places))]);
    } else if (how < 4 && strcmp(name, "operationId") == 0) {
        buffer_add_string(&text, "operation");
    } else {
        buffer_add_string(&text, texts[fuzz_below(input, LENGTH(texts))]);
    }
    buffer_add(&text, "", 1);
    snprintf(value, VALUE_MAX + 1, "%s", text.bytes);
    buffer_release(&text);
}

/* Whether NAME is a word in the view's list. */
static bool is_listed(const struct view *view, const char *name)
{
    char word[32];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(view->parameters, word) != NULL;
}

/* Reads a question; false where it was refused, as it had to be. */
static bool take_question(struct fuzz_input *input, struct asked *asked)
{
    const char *document = documents[fuzz_below(input, LENGTH(documents))];
    asked->view = view_find(document, strlen(document));
    asked->query = (struct view_query){.now_ms = TIME_MS + 4000000};
    for (size_t i = 0; i < ASKED_MAX && input->left > 0; i++) {
        struct fault fault = FAULT_NONE;
        const char *name = names[fuzz_below(input, LENGTH(names))];
        if (!is_listed(asked->view, name) && fuzz_byte(input) % 8 != 0)
            continue;
        take_value(input, name, asked->values[i]);
        int result = view_set(&asked->query, asked->view, name, asked->values[i], &fault);
        fuzz_demand((result == 0) != fault.set, "what is refused has a fault");
        fuzz_demand(result != 0 || is_listed(asked->view, name), "%s is asked of %s", name,
                    asked->view->name);
        fuzz_demand(result != 0 || strlen(asked->values[i]) <= VIEW_WORD_MAX, "a word is bounded");
        if (result != 0 && is_listed(asked->view, name))
            return false;
    }
    fuzz_demand(asked->query.limit <= STORE_PAGE_MAX, "a limit is bounded");
    return true;
}

/* --- what is answered --- */

/* Appends the answer; what else it says is the result. */
static enum view_result answer(const struct asked *asked, const struct view_query *query,
                               struct buffer *out, struct store_page_token *next)
{
    struct fault fault = FAULT_NONE;
    size_t before = out->length;
    enum view_result result = view_write(asked->view, reader, query, 0, out, next, &fault);
    fuzz_demand(result != VIEW_FAILED, "%s: %s", asked->view->name, fault.text);
    fuzz_demand((result == VIEW_DONE) != fault.set, "what is not answered has a fault");
    fuzz_demand(result == VIEW_DONE || (out->length == before && next->text[0] == '\0'),
                "what is not answered leaves nothing behind");
    fuzz_demand(strspn(next->text, "0123456789.") == strlen(next->text), "a place, not %s",
                next->text);
    return result;
}

static bool is_table(const struct asked *asked)
{
    return strstr(asked->view->name, ".csv") != NULL;
}

/* The array that a document's pages cut up. */
static const json_t *paged(const json_t *document, const struct asked *asked)
{
    static const struct {
        const char *view, *member;
    } pages[] = {{"overview.json", "operations"},   {"upgrades.json", "upgrades"},
                 {"failures.json", "failures"},     {"device.json", "history"},
                 {"quarantine.json", "bodies"},     {"search.json", "operations"},
                 {"operations.json", "operations"}, {"errors.json", "errors"},
                 {"missing.json", "devices"}};
    for (size_t i = 0; i < LENGTH(pages); i++)
        if (strcmp(asked->view->name, pages[i].view) == 0)
            return json_object_get(document, pages[i].member);
    return NULL;
}

/* Reads pages of MOST rows from where the question begins. Documents' rows go into ROWS, tables one
 * behind the other into TABLE. */
static void read_pages(const struct asked *asked, size_t most, json_t *rows, struct buffer *table)
{
    struct view_query query = asked->query;
    struct store_page_token next = {""}, place;
    struct buffer page = {0};
    query.limit = most;
    for (int pages = 0; pages == 0 || next.text[0] != '\0'; pages++) {
        fuzz_demand(pages < PAGES_MAX, "pages come to an end");
        place = next;
        if (pages > 0)
            query.after = place.text;
        buffer_clear(&page);
        fuzz_demand(answer(asked, &query, is_table(asked) ? table : &page, &next) == VIEW_DONE,
                    "a page that was named is there");
        if (is_table(asked))
            continue;
        json_t *document = fuzz_read_line(&page);
        const json_t *part = paged(document, asked), *named = json_object_get(document, "next");
        fuzz_demand(json_array_size(part) <= most, "a page of %zu, not %zu", most,
                    json_array_size(part));
        if (named != NULL)
            fuzz_demand(next.text[0] == '\0' ? json_is_null(named)
                                             : strcmp(json_string_value(named), next.text) == 0,
                        "the document names the next page");
        fuzz_demand(part == NULL || json_array_extend(rows, (json_t *)part) == 0, "memory");
        json_decref(document);
    }
    buffer_release(&page);
}

static void check_pages(const struct asked *asked, size_t most)
{
    json_t *short_ones = json_array(), *whole = json_array();
    struct buffer short_table = {0}, table = {0};
    read_pages(asked, STORE_PAGE_MAX, whole, &table);
    size_t least = (json_array_size(whole) + table.length / 200) / PAGES_SURE;
    if (most < least)
        most = least;
    read_pages(asked, most, short_ones, &short_table);
    fuzz_demand(json_equal(short_ones, whole), "%zu rows in pages of %zu are the %zu rows",
                json_array_size(short_ones), most, json_array_size(whole));
    fuzz_demand(
        short_table.length == table.length &&
            (table.length == 0 || memcmp(short_table.bytes, table.bytes, table.length) == 0),
        "the table in pages of %zu is the table", most);
    json_decref(short_ones);
    json_decref(whole);
    buffer_release(&short_table);
    buffer_release(&table);
}

/* --- tables --- */

/* Takes one field off the front, without its quotes; *LAST is whether its line ends behind it. */
static char *take_field(const char **at, const char *end, bool *last)
{
    struct buffer field = {0};
    bool quoted = **at == '"';
    *at += quoted;
    while (*at < end && (quoted || (**at != ',' && **at != '\r'))) {
        if (quoted && **at == '"' && *++*at != '"')
            break;
        buffer_add(&field, (*at)++, 1);
    }
    *last = **at == '\r';
    fuzz_demand(*at < end && (*last || **at == ','), "a field ends");
    *at += *last ? 2 : 1;
    buffer_add(&field, "", 1);
    return field.bytes;
}

static void check_field(const char *field, const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    const char *expected = json_is_string(value)  ? json_string_value(value)
                           : json_is_true(value)  ? "1"
                           : json_is_false(value) ? "0"
                                                  : number;
    bool number_text = field[0] != '\0' && field[1] != '\0' && strchr("+-", field[0]) != NULL &&
                       strspn(field + 1, "0123456789.") == strlen(field + 1);
    fuzz_demand(number_text || field[0] == '\0' || strchr("=+-@\t\r\n", field[0]) == NULL,
                "no formula: %s", field);
    fuzz_demand(strcmp(field, expected) == 0 ||
                    (field[0] == '\'' && strcmp(field + 1, expected) == 0),
                "%s is %s, not %s", name, expected, field);
}

/* The table has a line for each row of the same question's document. */
static void check_table(const struct asked *asked)
{
    struct asked other = *asked;
    json_t *rows = json_array();
    struct buffer table = {0};
    char *columns[32];
    size_t width = 0, lines = 0;
    bool last = false;
    char document[32];
    snprintf(document, sizeof document, "%.*s.json", (int)strcspn(asked->view->name, "."),
             asked->view->name);
    other.view = view_find(document, strlen(document));
    other.query.after = NULL;
    read_pages(&other, STORE_PAGE_MAX, rows, NULL);
    other.view = asked->view;
    read_pages(&other, STORE_PAGE_MAX, NULL, &table);
    buffer_add(&table, "", 1);
    const char *at = table.bytes, *end = table.bytes + table.length - 1;
    while (!last)
        columns[width++] = take_field(&at, end, &last);
    while (at < end) {
        const json_t *row = json_array_get(rows, lines++);
        fuzz_demand(row != NULL, "no more lines than rows");
        for (size_t i = 0; i < width; i++) {
            char *field = take_field(&at, end, &last);
            check_field(field, row, columns[i]);
            free(field);
            fuzz_demand(last == (i == width - 1), "a line has %zu fields", width);
        }
    }
    fuzz_demand(lines == json_array_size(rows), "a line for each row");
    for (size_t i = 0; i < width; i++)
        free(columns[i]);
    json_decref(rows);
    buffer_release(&table);
}

/* --- in a URL --- */

/* Demands that the pairs of ONE, written and read again, are the same. */
static void check_written(const struct query_string *one)
{
    struct query_string other = {.length = 0};
    struct fault fault = FAULT_NONE;
    struct buffer text = {0};
    for (size_t i = 0; i < one->length; i++)
        query_string_add(&text, one->parameters[i].name, one->parameters[i].value);
    buffer_add(&text, "", 1);
    if (text.length > QUERY_STRING_MAX) { /* %XX for each byte: it need not fit any more */
        buffer_release(&text);
        return;
    }
    fuzz_demand(query_string_read(&other, text.bytes, &fault) == 0, "%s: %s", text.bytes,
                fault.text);
    fuzz_demand(other.length == one->length, "%zu pairs in %s", one->length, text.bytes);
    for (size_t i = 0; i < one->length; i++)
        fuzz_demand(strcmp(one->parameters[i].name, other.parameters[i].name) == 0 &&
                        strcmp(one->parameters[i].value, other.parameters[i].value) == 0,
                    "%s is read as it was written", text.bytes);
    query_string_release(&other);
    buffer_release(&text);
}

static void check_query_string(const uint8_t *bytes, size_t size)
{
    struct query_string query = {.length = 0};
    struct fault fault = FAULT_NONE;
    char *text = malloc(size + 1);
    fuzz_demand(text != NULL, "there is memory");
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (query_string_read(&query, text, &fault) == 0) {
        fuzz_demand(strlen(text) <= QUERY_STRING_MAX && query.length <= QUERY_STRING_PARAMETERS,
                    "a query is bounded");
        for (size_t i = 0; i < query.length; i++)
            fuzz_demand(
                utf8_is_valid(query.parameters[i].name, strlen(query.parameters[i].name)) &&
                    utf8_is_valid(query.parameters[i].value, strlen(query.parameters[i].value)),
                "names and values are text");
        check_written(&query);
        query_string_release(&query);
    } else {
        fuzz_demand(fault.set, "what is refused has a fault");
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct asked asked;
    if (size > 0)
        check_query_string(bytes + 1, size - 1); /* behind the byte that picks a length of pages */
    struct fuzz_input input = {bytes, size};
    struct buffer once = {0}, twice = {0};
    struct store_page_token next, again;
    size_t most = 1 + fuzz_below(&input, 40);
    if (!take_question(&input, &asked))
        return 0;
    enum view_result result = answer(&asked, &asked.query, &once, &next);
    fuzz_demand(answer(&asked, &asked.query, &twice, &again) == result, "the same question");
    fuzz_demand(once.length == twice.length && strcmp(next.text, again.text) == 0 &&
                    (once.length == 0 || memcmp(once.bytes, twice.bytes, once.length) == 0),
                "the same answer");
    if (result == VIEW_DONE) {
        if (!is_table(&asked))
            json_decref(fuzz_read_line(&once));
        if (is_listed(asked.view, "after"))
            check_pages(&asked, most);
        if (is_table(&asked))
            check_table(&asked);
    }
    buffer_release(&once);
    buffer_release(&twice);
    return 0;
}
