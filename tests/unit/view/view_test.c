/* What may be asked of the views, what becomes of it when it cannot be answered, and hostile ids.
 */
#include "config.h"

#include "hooks.h"
#include "lists.h"
#include "store/plan.h"
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- memory that is short for a moment: one realloc fails --- */

static size_t reallocs_left = SIZE_MAX;

static bool is_short(void)
{
    if (reallocs_left == 0) {
        reallocs_left = SIZE_MAX;
        return true;
    }
    if (reallocs_left != SIZE_MAX)
        reallocs_left--;
    return false;
}

/* --- what is asked --- */

static const struct view *named(const char *name)
{
    const struct view *view = view_find(name, strlen(name));
    assert_non_null(view);
    return view;
}

static const char *const names[] = {
    "overview.json",  "operation.json",  "device.json",    "search.json",      "operations.json",
    "operations.csv", "upgrades.json",   "upgrades.csv",   "failures.json",    "failures.csv",
    "errors.json",    "errors.csv",      "missing.json",   "missing.csv",      "quarantine.json",
    "quarantine.csv", "upgrades.jsonl",  "failures.jsonl", "operations.jsonl", "errors.jsonl",
    "missing.jsonl",  "quarantine.jsonl"};

static void views_are_found_by_their_names_alone(void **state)
{
    for (size_t i = 0; i < LENGTH(names); i++)
        assert_string_equal(named(names[i])->name, names[i]);
    assert_ptr_equal(view_find("overview.json.more", 13), named("overview.json"));
    static const char *const others[] = {
        "", "overview", "overview.jso", "overview.jsonx", "OVERVIEW.json", "/overview.json"};
    for (size_t i = 0; i < LENGTH(others); i++)
        assert_null(view_find(others[i], strlen(others[i])));
    assert_string_equal(view_type(named("failures.csv")), "text/csv; charset=utf-8");
    assert_string_equal(view_type(named("failures.json")), "application/json");
}

static void each_parameter_sets_its_member(void **state)
{
    struct view_query query = {.limit = 0};
    struct fault fault = FAULT_NONE;
    const struct view *view = named("upgrades.json");
    static const char *const pairs[][2] = {
        {"operationId", "o"},   {"appId", "a"},      {"state", "FAIL"}, {"errorCode", ""},
        {"contradictory", "1"}, {"longerThan", "0"}, {"after", "1.2"},  {"limit", "1000"}};
    for (size_t i = 0; i < LENGTH(pairs); i++)
        lists_must(view_set(&query, view, pairs[i][0], pairs[i][1], &fault), &fault);
    assert_string_equal(query.operation_id, "o");
    assert_string_equal(query.app_id, "a");
    assert_string_equal(query.state, "FAIL");
    assert_string_equal(query.error_code, "");
    assert_string_equal(query.after, "1.2");
    assert_true(query.contradictory && query.stuck_said);
    assert_int_equal(query.stuck_s, 0);
    assert_int_equal(query.limit, 1000);
    lists_must(view_set(&query, view, "longerThan", "316224000", &fault), &fault);
    assert_int_equal(query.stuck_s, VIEW_SECONDS_MAX);
    lists_must(view_set(&query, named("device.json"), "deviceId", "d", &fault), &fault);
    assert_string_equal(query.device_id, "d");
    lists_must(view_set(&query, named("search.json"), "q", "s", &fault), &fault);
    assert_string_equal(query.search, "s");
    view = named("operations.json");
    query = (struct view_query){.now_ms = 1764100000000};
    static const char *const of_operations[][2] = {{"state", "stalled"},
                                                   {"sort", "failures"},
                                                   {"failAbove", "0.050001"},
                                                   {"since", "1h"},
                                                   {"until", "2025-11-26T00:00:00Z"}};
    for (size_t i = 0; i < LENGTH(of_operations); i++)
        lists_must(view_set(&query, view, of_operations[i][0], of_operations[i][1], &fault),
                   &fault);
    assert_string_equal(query.state, "stalled");
    assert_string_equal(query.sort, "failures");
    assert_true(query.fail_above_said);
    assert_int_equal(query.fail_above, 50001);
    assert_int_equal(query.since_ms, 1764096400000);
    assert_int_equal(query.until_ms, 1764115200000);
    static const char *const shares[] = {"0", "1", "0.0", "1.000000", "0.5"};
    static const int64_t millionths[] = {0, 1000000, 0, 1000000, 500000};
    for (size_t i = 0; i < LENGTH(shares); i++) {
        lists_must(view_set(&query, view, "failAbove", shares[i], &fault), &fault);
        assert_int_equal(query.fail_above, millionths[i]);
    }
    lists_must(view_set(&query, named("quarantine.csv"), "reason", "r", &fault), &fault);
    assert_string_equal(query.reason, "r");
}

static void what_is_not_understood_is_a_fault_that_says_so(void **state)
{
    static const struct {
        const char *view, *name, *value, *part;
    } wrong[] = {
        {"overview.json", "operationId", "o", "operationId: not a parameter of overview.json"},
        {"overview.json", "", "o", "not a parameter"},
        {"overview.json", "Limit", "1", "not a parameter"},
        {"overview.json", "limi", "1", "not a parameter"},
        {"overview.json", " after limit ", "1", "not a parameter"},
        {"operation.json", "after", "1", "not a parameter"},
        {"upgrades.json", "Id", "1", "not a parameter"},
        {"overview.json", "limit", "0", "from 1 to 1000"},
        {"overview.json", "limit", "1001", "from 1 to 1000"},
        {"overview.json", "limit", "", "whole number"},
        {"overview.json", "limit", " 5", "whole number"},
        {"overview.json", "limit", "+5", "whole number"},
        {"overview.json", "limit", "5x", "whole number"},
        {"overview.json", "limit", "99999999999999999999", "whole number"},
        {"operation.json", "longerThan", "-1", "whole number"},
        {"operation.json", "longerThan", "1.5", "whole number"},
        {"operation.json", "longerThan", "316224001", "from 0 to 316224000"},
        {"upgrades.json", "state", "fail", "IN_PROGRESS, SUCCESS or FAIL"},
        {"upgrades.json", "state", "", "IN_PROGRESS, SUCCESS or FAIL"},
        {"upgrades.json", "state", "running", "IN_PROGRESS, SUCCESS or FAIL"},
        {"upgrades.csv", "state", "or", "IN_PROGRESS, SUCCESS or FAIL"},
        {"upgrades.jsonl", "bom", "1", "bom: not a parameter of upgrades.jsonl"},
        {"operations.json", "state", "FAIL", "state: takes running, stalled or finished"},
        {"operations.json", "state", "stalled or", "takes running, stalled or finished"},
        {"operations.json", "state", "stalled or finished", "takes running, stalled or finished"},
        {"operations.json", "state", "run", "takes running, stalled or finished"},
        {"operations.json", "sort", "size", "sort: takes latest, failures or name"},
        {"operations.json", "sort", "", "sort: takes latest, failures or name"},
        {"operations.json", "failAbove", "1.1", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "5%", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "-0.1", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "0.", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", ".5", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "0.5x", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "0x1", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "failAbove", "0.0000001", "failAbove: takes a share from 0 to 1"},
        {"operations.json", "since", "yesterday", "since: "},
        {"operations.json", "until", "2025-02-30", "until: "},
        {"upgrades.json", "contradictory", "0", "takes 1"},
        {"upgrades.json", "contradictory", "true", "takes 1"},
    };
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct view_query query = {.limit = 0};
        struct fault fault = FAULT_NONE;
        assert_int_equal(
            view_set(&query, named(wrong[i].view), wrong[i].name, wrong[i].value, &fault), -1);
        support_assert_fault(&fault, wrong[i].part);
    }
}

static void a_word_has_a_bound(void **state)
{
    char word[VIEW_WORD_MAX + 2], name[200];
    struct view_query query = {.limit = 0};
    struct fault fault = FAULT_NONE;
    memset(word, 'x', sizeof word);
    word[VIEW_WORD_MAX] = '\0';
    lists_must(view_set(&query, named("search.json"), "q", word, &fault), &fault);
    word[VIEW_WORD_MAX] = 'x';
    word[VIEW_WORD_MAX + 1] = '\0';
    assert_int_equal(view_set(&query, named("search.json"), "q", word, &fault), -1);
    support_assert_fault(&fault, "q: longer than 4096 bytes");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    fault = FAULT_NONE;
    assert_int_equal(view_set(&query, named("search.json"), name, "x", &fault), -1);
    assert_true(strlen(fault.text) < 100); /* a name is cut where it is told of */
}

/* --- results --- */

static enum view_result ask(struct store_reader *reader, const char *name,
                            const struct view_query *query, struct buffer *out, struct fault *fault)
{
    return view_write(named(name), reader, query, 0, out, NULL, fault);
}

static void what_cannot_be_shown_says_why_and_leaves_the_text(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    char long_place[STORE_PAGE_TOKEN_MAX + 8];
    memset(long_place, '1', sizeof long_place);
    long_place[sizeof long_place - 1] = '\0';
    books_add_progress(books, &(struct support_result){.operation = "o"}, "x");
    const struct {
        const char *name;
        struct view_query query;
        enum view_result result;
        const char *part;
    } asked[] = {
        {"operation.json", {0}, VIEW_MISUSED, "operationId: is missing"},
        {"upgrades.json", {0}, VIEW_MISUSED, "operationId: is missing"},
        {"device.json", {0}, VIEW_MISUSED, "deviceId: is missing"},
        {"search.json", {0}, VIEW_MISUSED, "q: is missing"},
        {"search.json", {.search = ""}, VIEW_MISUSED, "q: is missing"},
        {"failures.json", {.app_id = "app"}, VIEW_MISUSED, "appId: goes with operationId"},
        {"failures.csv", {.app_id = "app"}, VIEW_MISUSED, "appId: goes with operationId"},
        {"operation.json", {.operation_id = "O"}, VIEW_NOT_FOUND, "no operation O has been"},
        {"operation.json", {.operation_id = "o", .app_id = "b"}, VIEW_NOT_FOUND, "no operation o"},
        {"upgrades.json", {.operation_id = ""}, VIEW_NOT_FOUND, "no operation "},
        {"failures.csv", {.operation_id = "x"}, VIEW_NOT_FOUND, "no operation x"},
        {"device.json", {.device_id = "x"}, VIEW_NOT_FOUND, "no device x has been heard of"},
        {"overview.json", {.after = "x"}, VIEW_MISUSED, "after: not a token"},
        {"overview.json", {.after = "1.2.3"}, VIEW_MISUSED, "after: not a token"},
        {"overview.json", {.after = long_place}, VIEW_MISUSED, "after: not a token"},
        {"upgrades.json",
         {.operation_id = "o", .after = "1.2"},
         VIEW_MISUSED,
         "after: not a token"},
        {"failures.json", {.after = "1"}, VIEW_MISUSED, "after: not a token"},
        {"failures.csv", {.after = "1.2.3"}, VIEW_MISUSED, "after: not a token"},
        {"device.json", {.device_id = "device", .after = "-"}, VIEW_MISUSED, "after: not a token"},
        {"quarantine.json", {.after = "a"}, VIEW_MISUSED, "after: not a token"},
        {"operations.json", {.after = "1"}, VIEW_MISUSED, "after: not a token"},
        {"operations.csv", {.sort = "name", .after = "1.2"}, VIEW_MISUSED, "after: not a token"},
        {"operations.json", {.since_ms = 5, .until_ms = 5}, VIEW_MISUSED, "until: is not after"},
        {"missing.json", {0}, VIEW_MISUSED, "operationId: is missing"},
        {"missing.jsonl", {.operation_id = "O"}, VIEW_NOT_FOUND, "no operation O has been"},
        {"missing.csv", {.operation_id = "o", .after = "1.2"}, VIEW_MISUSED, "after: not a token"},
        {"errors.json", {.after = "1.2"}, VIEW_MISUSED, "after: not a token"},
        {"errors.json", {.app_id = "app"}, VIEW_MISUSED, "appId: goes with operationId"},
        {"errors.csv", {.operation_id = "x"}, VIEW_NOT_FOUND, "no operation x"},
    };
    for (size_t i = 0; i < LENGTH(asked); i++) {
        struct buffer out = {0};
        struct fault fault = FAULT_NONE;
        buffer_add_string(&out, "before\n");
        assert_int_equal(ask(reader, asked[i].name, &asked[i].query, &out, &fault),
                         asked[i].result);
        support_assert_fault(&fault, asked[i].part);
        assert_int_equal(out.length, 7);
        assert_memory_equal(out.bytes, "before\n", 7);
        assert_int_equal(
            ask(reader, "overview.json", &(struct view_query){.limit = 1}, &out, &fault),
            VIEW_DONE); /* behind what stands there */
        assert_memory_equal(out.bytes, "before\n{\"seq\":1", 15);
        buffer_release(&out);
    }
    store_reader_free(reader);
}

static void a_store_that_cannot_be_read_fails_every_view(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    const struct view_query query = {
        .operation_id = "operation", .device_id = "device", .search = "x", .after = NULL};
    for (int broken = 0; broken < 3; broken++) {
        if (broken == 0)
            books_meddle(books, "DROP VIEW failures; DROP VIEW operations; DROP VIEW upgrades;"
                                "ALTER TABLE operation RENAME TO gone;"
                                "ALTER TABLE failure RENAME TO gone_also;"
                                "ALTER TABLE quarantined RENAME TO gone_too;"
                                "ALTER TABLE upgrade RENAME TO gone_as_well");
        else if (broken == 1)
            books_meddle(books, "PRAGMA user_version = 1");
        else
            unlink(support_path(books->folder, "upgrades.db"));
        store_reader_close(reader);
        for (size_t i = 0; i < LENGTH(names); i++) {
            struct buffer out = {0};
            struct fault fault = FAULT_NONE;
            struct store_page_token next = {"?"};
            assert_int_equal(view_write(named(names[i]), reader, &query, 0, &out, &next, &fault),
                             VIEW_FAILED);
            support_assert_fault(&fault, "upgrades.db");
            assert_int_equal(out.length, 0);
            assert_string_equal(next.text, "");
            buffer_release(&out);
        }
        struct buffer out = {0};
        struct fault fault = FAULT_NONE;
        assert_int_equal(
            ask(reader, "quarantine.json", &(struct view_query){.after = "1"}, &out, &fault),
            VIEW_FAILED); /* not the asker's mistake, though it gave a token */
        buffer_release(&out);
    }
    store_reader_free(reader);
}

static void a_document_that_takes_too_long_fails(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    books_add_progress(books, &(struct support_result){.device = "d"}, "x");
    books_meddle(books,
                 "WITH RECURSIVE c(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM c WHERE"
                 " i < 20000) INSERT INTO notification SELECT i, i, 1, n.device, i, 1,"
                 " n.body FROM c, notification n WHERE n.seq = 1;"
                 "INSERT INTO lookup SELECT l.operation, l.device, l.sub_operation,"
                 " l.upgrade, n.content, n.seq FROM lookup l, notification n WHERE n.seq > 1");
    struct buffer out = {0};
    struct fault fault = FAULT_NONE;
    const struct view_query query = {.device_id = "d"};
    assert_int_equal(view_write(named("device.json"), reader, &query, 1, &out, NULL, &fault),
                     VIEW_FAILED);
    support_assert_fault(&fault, "longer than it may");
    assert_int_equal(out.length, 0);
    fault = FAULT_NONE;
    assert_int_equal(view_write(named("device.json"), reader, &query, 60000, &out, NULL, &fault),
                     VIEW_DONE);
    buffer_release(&out);
    store_reader_free(reader);
}

/* Wherever memory runs out: the text is as it was before, and can be written to. */
static void a_document_for_which_memory_is_short_leaves_the_text(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    uint64_t seed = 61;
    lists_fill(books, 120, &seed);
    const struct view_query query = {.operation_id = "o1",
                                     .device_id = "d1",
                                     .search = "d1",
                                     .limit = 30,
                                     .now_ms = 1764100000000};
    size_t failures = 0;
    hooks_realloc(is_short);
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct buffer whole = {0};
        struct fault none = FAULT_NONE;
        buffer_add_string(&whole, "before\n");
        assert_int_equal(view_write(named(names[i]), reader, &query, 0, &whole, NULL, &none),
                         VIEW_DONE);
        for (size_t left = 0;; left++) {
            struct buffer out = {0};
            struct fault fault = FAULT_NONE;
            buffer_add_string(&out, "before\n");
            reallocs_left = left;
            enum view_result result = view_write(named(names[i]), reader, &query, 0, &out, NULL,
                                                 &fault);
            bool whole_again = reallocs_left != SIZE_MAX; /* none has failed */
            reallocs_left = SIZE_MAX;
            assert_memory_equal(out.bytes, "before\n", 7);
            if (result == VIEW_DONE) { /* nothing is left out, whatever it was */
                assert_int_equal(out.length, whole.length);
                assert_memory_equal(out.bytes, whole.bytes, whole.length);
                buffer_release(&out);
                if (whole_again)
                    break;
                continue;
            }
            assert_int_equal(result, VIEW_FAILED);
            assert_string_equal(fault.text, "out of memory");
            assert_int_equal(out.length, 7);
            buffer_add_string(&out, "behind");
            assert_false(out.failed);
            assert_memory_equal(out.bytes, "before\nbehind", 13);
            buffer_release(&out);
            failures++;
        }
        buffer_release(&whole);
    }
    assert_true(failures > 10);
    store_reader_free(reader);
}

/* --- bytes --- */

static void equal_books_give_equal_bytes(void **state)
{
    struct books *books = *state;
    uint64_t seed = 62;
    lists_fill(books, 150, &seed);
    const struct view_query query = {
        .operation_id = "o1", .device_id = "d1", .search = "d1", .now_ms = 1764100000000};
    struct buffer first = {0}, second = {0};
    for (int round = 0; round < 2; round++) {
        struct store_reader *reader = lists_reader(books);
        struct buffer *out = round == 0 ? &first : &second;
        for (size_t i = 0; i < LENGTH(names); i++) {
            struct fault fault = FAULT_NONE;
            assert_int_equal(view_write(named(names[i]), reader, &query, 0, out, NULL, &fault),
                             VIEW_DONE);
        }
        store_reader_free(reader);
        books_reopen(books);
        support_sleep_ms(3);
    }
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.bytes, second.bytes, first.length);
    buffer_release(&first);
    buffer_release(&second);
}

/* Asks every view about an upgrade with these ids; each document must be sound. */
static void ask_all(struct books *books, const struct support_result *what)
{
    struct store_reader *reader = lists_reader(books);
    const struct view_query query = {.operation_id = what->operation,
                                     .app_id = what->app,
                                     .device_id = what->device,
                                     .search = what->device,
                                     .now_ms = 1764000009000};
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct buffer out = {0};
        struct fault fault = FAULT_NONE;
        struct view_query one = query;
        if (strcmp(names[i], "failures.csv") == 0)
            one.app_id = one.operation_id = NULL;
        lists_must((int)view_write(named(names[i]), reader, &one, 0, &out, NULL, &fault), &fault);
        if (named(names[i])->form == VIEW_JSON) {
            json_error_t error;
            json_t *read = json_loadb(out.bytes, out.length, JSON_REJECT_DUPLICATES, &error);
            if (read == NULL)
                fail_msg("%s: %s", names[i], error.text);
            json_decref(read);
            for (size_t c = 0; c + 1 < out.length; c++)
                assert_true((unsigned char)out.bytes[c] >= 0x20 && out.bytes[c] != 0x7F);
            assert_null(memmem(out.bytes, out.length, "\xE2\x80\xAE", 3));
        }
        buffer_release(&out);
    }
    store_reader_free(reader);
}

static void hostile_ids_are_safe_in_every_document(void **state)
{
    struct books *books = *state;
    static const char *const hostile[] = {
        "\"",
        "\\",
        "'",
        "';DROP TABLE upgrade;--",
        "%s%n",
        "{}",
        "\n",
        "\r\n\t",
        "\x01\x7F",
        ("\xE2\x80\xAE"
         "exe"),
        "\xE2\x80\xA8",
        "</script><script>",
        "=1+1",
        "..",
        "/",
        " ",
        "\xC2\x85",
        "\xF4\x8F\xBF\xBF",
    };
    for (size_t i = 0; i < LENGTH(hostile); i++) {
        const struct support_result what = {.app = hostile[i],
                                            .operation = hostile[i],
                                            .sub_operation = hostile[i],
                                            .device = hostile[i],
                                            .result = "FAIL",
                                            .error_code = hostile[i],
                                            .current = hostile[i],
                                            .target = hostile[i],
                                            .description = hostile[i],
                                            .received_ms = 1764000000000};
        books_add_progress(books, &what, hostile[i]);
        books_add_result(books, &what);
        ask_all(books, &what);
    }
    books_assert_recount(books);
}

static void what_is_long_is_cut_and_says_how_long(void **state)
{
    struct books *books = *state;
    size_t length = 48 << 10;
    char *id = malloc(length + 1);
    assert_non_null(id);
    memset(id, '"', length);
    id[length] = '\0';
    const struct support_result what = {.app = id,
                                        .operation = id,
                                        .sub_operation = id,
                                        .device = id,
                                        .result = "FAIL",
                                        .error_code = id,
                                        .description = id,
                                        .received_ms = 1764000000000};
    books_add_result(books, &what);
    ask_all(books, &what);
    struct store_reader *reader = lists_reader(books);
    struct buffer out = {0};
    struct fault fault = FAULT_NONE;
    assert_int_equal(
        ask(reader, "operation.json", &(struct view_query){.operation_id = id}, &out, &fault),
        VIEW_DONE);
    json_t *operation = json_loadb(out.bytes, out.length, 0, NULL);
    const json_t *failure = json_array_get(json_object_get(operation, "failures"), 0);
    assert_int_equal(json_string_length(json_object_get(operation, "operationId")),
                     VIEW_ID_MAX + strlen("…"));
    assert_int_equal(json_integer_value(json_object_get(operation, "operationIdBytes")), length);
    assert_int_equal(json_string_length(json_object_get(failure, "example")), 256);
    char code[256]; /* it is counted by its beginning and a hash */
    snprintf(code, sizeof code, "%s", json_string_value(json_object_get(failure, "errorCode")));
    assert_int_equal(strlen(code), 200 + strlen("…") + 32);
    json_decref(operation);
    /* Failures are found by what is shown of the code, and by all of it. */
    const char *const codes[] = {code, id};
    for (size_t i = 0; i < LENGTH(codes); i++) {
        buffer_clear(&out);
        const struct view_query query = {.operation_id = id, .error_code = codes[i]};
        assert_int_equal(ask(reader, "failures.json", &query, &out, &fault), VIEW_DONE);
        json_t *failures = json_loadb(out.bytes, out.length, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(failures, "failures")), 1);
        json_decref(failures);
    }
    /* What is told of an id is cut. */
    id[length - 1] = 'x';
    fault = FAULT_NONE;
    assert_int_equal(
        ask(reader, "device.json", &(struct view_query){.device_id = id}, &out, &fault),
        VIEW_NOT_FOUND);
    assert_true(strlen(fault.text) < 300);
    buffer_release(&out);
    store_reader_free(reader);
    free(id);
}

/* Keeps results and state changes whose every text is long, and six times as long in JSON. */
#define LONG_ROWS 40
#define LONG_TEXT 4200

static void keep_long(struct books *books, char texts[LONG_ROWS][LONG_TEXT])
{
    struct record *records[2 * LONG_ROWS];
    for (size_t i = 0; i < LONG_ROWS; i++) {
        memset(texts[i], '\x01', LONG_TEXT - 1);
        texts[i][LONG_TEXT - 1] = '\0';
        texts[i][i] = 'x';
        struct support_result what = {.operation = texts[0],
                                      .app = texts[0],
                                      .device = "device",
                                      .sub_operation = texts[i],
                                      .result = "FAIL",
                                      .error_code = texts[i],
                                      .current = texts[i],
                                      .target = texts[i],
                                      .description = texts[i]};
        records[2 * i] = support_result(&what);
        what.app = texts[i]; /* the same operation in another application */
        records[2 * i + 1] = support_progress(&what, texts[i]);
    }
    books_keep(books, records, 2 * LONG_ROWS);
    support_records_free(records, 2 * LONG_ROWS);
}

/* Gives the ids of a list, each as long as it may be. */
static const char *give_long(void *owner, const char **told)
{
    (void)told;
    static char id[VIEW_ID_MAX + 1];
    size_t *left = owner;
    if (*left == 0)
        return NULL;
    memset(id, '\x01', VIEW_ID_MAX);
    id[--*left] = 'x';
    return id;
}

static void expect_long(struct books *books, const char *operation)
{
    const struct store_named named = {.app_id = operation, .operation_id = operation};
    struct store_planned planned;
    struct fault fault = FAULT_NONE;
    size_t left = 400;
    lists_must(store_save_expected(books->store, &named, give_long, &left, &planned, &fault),
               &fault);
    assert_int_equal(planned.missing, 400);
}

/* Keeps bodies in quarantine, with a reason and a place as long as they may be. */
static void hold_long(struct books *books)
{
    struct record *records[100];
    for (size_t batch = 0; batch < 4; batch++) {
        for (size_t i = 0; i < LENGTH(records); i++) {
            struct schema_verdict *verdict = &(records[i] = support_record("nothing"))->verdict;
            memset(verdict->reason, '\x01', sizeof verdict->reason - 1);
            memset(verdict->pointer, '\x01', sizeof verdict->pointer - 1);
        }
        books_keep(books, records, LENGTH(records));
        support_records_free(records, LENGTH(records));
    }
}

/* Whatever was received, no document is larger than VIEW_DOCUMENT_MAX; NEXT leads to the rest. */
static void every_document_has_a_bound_in_bytes(void **state)
{
    struct books *books = *state;
    static char texts[LONG_ROWS][LONG_TEXT];
    struct store_reader *reader = lists_reader(books);
    keep_long(books, texts);
    hold_long(books);
    expect_long(books, texts[0]);
    for (size_t v = 0; v < LENGTH(names); v++) {
        struct store_page_token next = {""};
        size_t pages = 0, rows = 0;
        bool all_operations = strncmp(names[v], "operations.", 11) == 0;
        do {
            struct buffer out = {0};
            struct fault fault = FAULT_NONE;
            const struct store_page_token after = next;
            const struct view_query query = {.operation_id = texts[0],
                                             .app_id = all_operations ? NULL : texts[0],
                                             .device_id = "device",
                                             .search = "x",
                                             .stuck_said = strcmp(names[v], "operation.json") == 0,
                                             .now_ms = INT64_MAX,
                                             .limit = 1000,
                                             .after = after.text[0] != '\0' ? after.text : NULL};
            buffer_add_string(&out, "[");
            if (view_write(named(names[v]), reader, &query, 0, &out, &next, &fault) != VIEW_DONE)
                fail_msg("%s: %s", names[v], fault.text);
            if (out.length > VIEW_DOCUMENT_MAX)
                fail_msg("%s has %zu bytes", names[v], out.length);
            for (const char *at = out.bytes, *end = at + out.length;
                 (at = memmem(at, (size_t)(end - at), "\"descriptionBytes\":", 19)) != NULL; at++)
                rows++;
            buffer_release(&out);
            pages++;
        } while (next.text[0] != '\0');
        if (strcmp(names[v], "failures.json") == 0)
            assert_int_equal(rows, LONG_ROWS);
        bool is_one = strcmp(names[v], "operation.json") == 0 ||
                      strcmp(names[v], "search.json") == 0;
        /* as CSV these are short: no escapes, or keys (store/engine.h) */
        bool is_short = strncmp(names[v], "errors.", 7) == 0 ||
                        (strstr(names[v], ".csv") != NULL && strcmp(names[v], "missing.csv") != 0);
        if (is_one ? pages != 1 : (pages < 2 && !is_short) || pages >= 2 * LONG_ROWS)
            fail_msg("%s has %zu pages", names[v], pages);
    }
    store_reader_free(reader);
    lists_assert_sound(
        books->folder); /* the counters are those of the texts, however they are cut */
}

/* Keeps a result whose body has LENGTH bytes, and says whether the device's document shows it. */
static bool is_body_shown(struct books *books, const char *device, size_t length)
{
    struct support_result what = {.device = device, .description = ""};
    struct record *record = support_result(&what);
    char *description = calloc(1, length - record->body_length + 1);
    assert_non_null(description);
    memset(description, 'x', length - record->body_length);
    support_record_free(record);
    what.description = description;
    record = support_result(&what);
    assert_int_equal(record->body_length, length);
    books_keep(books, &record, 1);
    support_record_free(record);
    free(description);

    struct store_reader *reader = lists_reader(books);
    struct buffer out = {0};
    struct fault fault = FAULT_NONE;
    assert_int_equal(
        ask(reader, "device.json", &(struct view_query){.device_id = device}, &out, &fault),
        VIEW_DONE);
    buffer_add(&out, "", 1);
    bool left_out = strstr(out.bytes, "\"body\":null,\"bodyBytes\":") != NULL;
    buffer_release(&out);
    store_reader_free(reader);
    return !left_out;
}

static void a_body_that_is_too_long_is_told_by_its_length(void **state)
{
    struct books *books = *state;
    assert_true(is_body_shown(books, "at", VIEW_BODY_MAX));
    assert_false(is_body_shown(books, "above", VIEW_BODY_MAX + 1));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int view_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_found_by_their_names_alone),
        cmocka_unit_test(each_parameter_sets_its_member),
        cmocka_unit_test(what_is_not_understood_is_a_fault_that_says_so),
        cmocka_unit_test(a_word_has_a_bound),
        TEST(what_cannot_be_shown_says_why_and_leaves_the_text),
        TEST(a_store_that_cannot_be_read_fails_every_view),
        TEST(a_document_that_takes_too_long_fails),
        TEST(a_document_for_which_memory_is_short_leaves_the_text),
        TEST(equal_books_give_equal_bytes),
        TEST(hostile_ids_are_safe_in_every_document),
        TEST(what_is_long_is_cut_and_says_how_long),
        TEST(every_document_has_a_bound_in_bytes),
        TEST(a_body_that_is_too_long_is_told_by_its_length),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
