/* The status file: what stands in it, valid JSON and bounded whatever came; replaced at once. */
#include "config.h"

#include "base/utf8.h"
#include "lists.h"
#include "store/engine.h"
#include "view/status_file.h"
#include "view/view.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads what READER's status file would say; free with json_decref. */
static json_t *read_status(struct store_reader *reader, const struct view_process *process)
{
    struct buffer text = {0};
    struct fault fault = FAULT_NONE;
    json_error_t error;
    lists_must(view_write_status(reader, process, &text, &fault), &fault);
    assert_false(text.failed);
    assert_in_range(text.length, 1, VIEW_DOCUMENT_MAX);
    assert_true(utf8_is_valid(text.bytes, text.length));
    for (size_t i = 0; i < text.length; i++) /* safe to look at, too */
        assert_true(text.bytes[i] == '\n' ||
                    ((unsigned char)text.bytes[i] >= 0x20 && text.bytes[i] != 0x7F));
    json_t *json = json_loadb(text.bytes, text.length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%s in %.*s", error.text, (int)text.length, text.bytes);
    buffer_release(&text);
    return json;
}

static json_t *show(const struct books *books, const struct view_process *process)
{
    struct store_reader *reader = lists_reader(books);
    json_t *json = read_status(reader, process);
    store_reader_free(reader);
    return json;
}

static const json_t *get(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (value == NULL)
        fail_msg("no %s", name);
    return value;
}

static const json_t *get_item(const json_t *json, const char *name, size_t index)
{
    return json_array_get(get(json, name), index);
}

static const char *get_text(const json_t *json, const char *name)
{
    return json_string_value(get(json, name));
}

static int64_t get_number(const json_t *json, const char *name)
{
    assert_true(json_is_integer(get(json, name)));
    return json_integer_value(get(json, name));
}

/* Takes what differs from run to run out of JSON and fails where the rest is not EXPECTED, in which
 * ' stands for a quotation mark. */
static void expect_json(json_t *json, const char *expected)
{
    json_error_t error;
    char *text = strdup(expected);
    assert_non_null(text);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *wanted = json_loads(text, 0, &error);
    if (wanted == NULL)
        fail_msg("%s in %s", error.text, text);
    json_object_del(json, "version");
    json_object_del(json, "pid");
    json_object_del(json, "process");
    json_object_del(json, "token");
    char *found = json_dumps(json, 0);
    if (!json_equal(json, wanted))
        fail_msg("is %s, not %s", found, text);
    free(found);
    free(text);
    json_decref(wanted);
}

static void an_empty_store_has_a_status(void **state)
{
    json_t *json = show(*state, &(struct view_process){.version = "1", .now_ms = 1});
    assert_string_equal(get_text(json, "version"), "1");
    assert_string_equal(get_text(json, "token"), "start");
    assert_int_equal(get_number(json, "pid"), getpid());
    assert_true(json_is_object(get(json, "process")));
    expect_json(json,
                "{'time':'1970-01-01T00:00:00.001Z','startedAt':'1970-01-01T00:00:00.000Z',"
                "'nextBefore':null,'books':null,'seq':0,'lastAt':null,"
                "'store':{'ok':true,'fault':null,'since':null},"
                "'log':{'linesDropped':0,'warning':null},'totals':{'notifications':0,'repeats':0,"
                "'quarantined':0,'quarantineLogOnly':0},'upgrades':{'inProgress':0,'success':0,"
                "'fail':0,'contradictory':0},'quarantine':{'held':0,'bytes':0,"
                "'fullSince':null,'unknownFullSince':null},'applications':[],"
                "'operations':[],'records':[]}");
    json_decref(json);
}

static void all_that_is_in_the_books_is_shown(void **state)
{
    struct books *books = *state;
    struct support_result what = {
        .result = "FAIL", .error_code = "4", .device = "a", .current = "1", .received_ms = 1};
    books_add_result(books, &what);
    what.received_ms = 2;
    books_add_result(books, &what); /* a repeat */
    books_add_result(books,
                     &(struct support_result){.device = "b", .current = "1", .received_ms = 3});
    books_add_progress(books, &(struct support_result){.device = "c", .received_ms = 4}, "idle");
    struct record *record = support_record("no JSON");
    books_keep_one(books, record);
    support_record_free(record);
    books_meddle(books, "INSERT INTO cursor SELECT 'failures', id, 1 FROM life");
    const struct view_books shared = {.name = "books/upgrades",
                                      .state = "away",
                                      .since_ms = 6,
                                      .fault = "gone",
                                      .behind_records = 5,
                                      .behind_ms = 4999,
                                      .copy_behind_records = 3,
                                      .copy_behind_ms = 6001,
                                      .copy_fault = "no room",
                                      .required = true};
    json_t *json = show(books, &(struct view_process){.version = "1",
                                                      .books = &shared,
                                                      .store_fault = "disk \"full\"\n",
                                                      .fault_ms = 9,
                                                      .start_ms = 8,
                                                      .next_ms = 60000});
    support_assert_has(get_text(json, "token"), ":3");
    support_assert_has(get_text(get_item(json, "applications", 0), "token"), ":1");
    json_object_del(json_array_get(json_object_get(json, "applications"), 0), "token");
    for (size_t i = 0; i < 3; i++) /* a body is as it came */
        assert_string_equal(get_text(get(get_item(json, "records", i), "body"), "deviceId"),
                            i == 0   ? "c"
                            : i == 1 ? "b"
                                     : "a");
    for (size_t i = 0; i < 3; i++)
        json_object_del(json_array_get(json_object_get(json, "records"), i), "body");
    expect_json(
        json,
        "{'time':'1970-01-01T00:00:00.000Z','startedAt':'1970-01-01T00:00:00.008Z',"
        "'nextBefore':'1970-01-01T00:01:00.000Z','seq':3,'lastAt':'1970-01-01T00:00:00.004Z',"
        "'store':{'ok':false,'fault':'disk \\'full\\'\\n','since':'1970-01-01T00:00:00.009Z'},"
        "'log':{'linesDropped':0,'warning':null},"
        "'books':{'name':'books/upgrades','state':'away','since':'1970-01-01T00:00:00.006Z',"
        "'fault':'gone','behindRecords':5,'behindSeconds':4,'copyBehindRecords':3,"
        "'copyBehindSeconds':6,'copyFault':'no room','required':true},"
        "'totals':{'notifications':3,'repeats':1,'quarantined':1,'quarantineLogOnly':0},"
        "'upgrades':{'inProgress':1,'success':1,'fail':1,'contradictory':1},"
        "'quarantine':{'held':1,'bytes':7,'fullSince':null,'unknownFullSince':null},"
        "'applications':[{'name':'failures','cursor':1,'lost':false,'backlog':2}],"
        "'operations':[{'appId':'app','operationId':'operation','inProgress':1,'success':1,"
        "'fail':1,'contradictory':1,'failureShare':0.5,'firstAt':'1970-01-01T00:00:00.001Z',"
        "'lastAt':'1970-01-01T00:00:00.004Z','pruned':false,'failures':[{'errorCode':'4',"
        "'count':1,'share':1.0,'firstAt':'1970-01-01T00:00:00.001Z',"
        "'lastAt':'1970-01-01T00:00:00.001Z','example':''}],'failuresMore':false}],"
        "'records':[{'seq':3,'receivedAt':'1970-01-01T00:00:00.004Z','deliveries':1},"
        "{'seq':2,'receivedAt':'1970-01-01T00:00:00.003Z','deliveries':1},"
        "{'seq':1,'receivedAt':'1970-01-01T00:00:00.001Z','deliveries':2}]}");
    json_decref(json);
}

static void the_process_shows_its_counters_and_its_log(void **state)
{
    struct metrics *metrics = metrics_new();
    metrics_add(metrics, METRIC_log_lines_dropped, 7);
    metrics_add(metrics, METRIC_requests, 9);
    metrics_set_gauge(metrics, METRIC_GAUGE_log_fault, 1);
    json_t *json = show(
        *state,
        &(struct view_process){.version = "1", .metrics = metrics, .log_warning = "gone \"away\""});
    const json_t *process = get(json, "process");
    assert_int_equal(get_number(get(json, "log"), "linesDropped"), 7);
    assert_string_equal(get_text(get(json, "log"), "warning"), "gone \"away\"");
    assert_int_equal(json_object_size(process), METRIC_COUNT + METRIC_GAUGE_COUNT);
    assert_int_equal(get_number(process, "requests"), 9);
    assert_int_equal(get_number(process, "log_fault"), 1);
    json_decref(json);
    metrics_free(metrics);
}

static void there_are_ten_of_each_the_latest_or_most_frequent_first(void **state)
{
    struct books *books = *state;
    char name[32];
    struct support_result what = {.result = "FAIL", .device = name, .error_code = name};
    for (int i = 1; i <= 25; i++) {
        snprintf(name, sizeof name, "o%d", i);
        books_add_result(books, &(struct support_result){.operation = name});
    }
    what.operation = "o3";
    for (int code = 1; code <= 11; code++)
        for (int device = 0; device < code; device++) {
            char code_text[16];
            snprintf(code_text, sizeof code_text, "%d", code);
            snprintf(name, sizeof name, "%d-%d", code, device);
            what.error_code = code_text;
            books_add_result(books, &what);
        }
    json_t *json = show(books, &(struct view_process){.version = "1", .now_ms = 0});
    assert_int_equal(json_array_size(get(json, "operations")), 10);
    const json_t *operation = get_item(json, "operations", 0);
    assert_string_equal(get_text(operation, "operationId"), "o3");
    assert_string_equal(get_text(get_item(json, "operations", 1), "operationId"), "o25");
    assert_string_equal(get_text(get_item(json, "operations", 9), "operationId"), "o17");
    assert_int_equal(json_array_size(get(operation, "failures")), 10);
    assert_true(json_is_true(get(operation, "failuresMore")));
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(get_number(get_item(operation, "failures", i), "count"), 11 - i);
    assert_string_equal(get_text(get_item(operation, "failures", 0), "errorCode"), "11");
    assert_int_equal(json_array_size(get(json, "records")), 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(get_number(get_item(json, "records", i), "seq"), 25 + 66 - i);
    json_decref(json);
}

static void a_long_body_is_left_out_and_its_length_told(void **state)
{
    struct books *books = *state;
    struct record *record = support_result(&(struct support_result){.description = ""});
    size_t rest = VIEW_BODY_MAX - record->body_length;
    support_record_free(record);
    char *description = calloc(1, rest + 2);
    assert_non_null(description);
    for (size_t more = 0; more < 2; more++) {
        memset(description, 'x', rest + more);
        books_add_result(books, &(struct support_result){.description = description});
    }
    json_t *json = show(books, &(struct view_process){.version = "1", .now_ms = 0});
    const json_t *longer = get_item(json, "records", 0), *fits = get_item(json, "records", 1);
    assert_true(json_is_null(get(longer, "body")));
    assert_int_equal(get_number(longer, "bodyBytes"), VIEW_BODY_MAX + 1);
    assert_int_equal(json_string_length(get(get(fits, "body"), "description")), rest);
    assert_null(json_object_get(fits, "bodyBytes"));
    json_decref(json);
    free(description);
}

/* Ten operations of ten error codes each whose texts are as hostile as they can be, and in bodies
 * that are as long as they may be: all bytes of them become six. */
static void whatever_came_it_is_bounded_and_text_stays_text(void **state)
{
    static const char rubbish[] = "\x01\"\\\n\342\200\256\302\205\x7F{},";
    static char id[2 * VIEW_ID_MAX + 1], description[VIEW_BODY_MAX], code[300];
    struct books *books = *state;
    struct support_result what = {
        .app = id, .operation = id, .result = "FAIL", .error_code = code, .current = "1"};
    memset(code, '\x7F', sizeof code - 1);
    memset(description, '\x7F', VIEW_BODY_MAX - 400);
    for (size_t i = 0; i < 100; i++) {
        for (size_t at = 0; at + sizeof rubbish < sizeof id; at += sizeof rubbish - 1)
            memcpy(id + at, rubbish, sizeof rubbish);
        id[0] = code[0] = (char)('0' + i / 10);
        code[1] = (char)('0' + i % 10);
        what.device = code;
        books_add_result(books, &what);
    }
    for (size_t i = 0; i < 10; i++) {
        description[0] = (char)('0' + i);
        books_add_result(books, &(struct support_result){.description = description});
    }
    char fault[FAULT_TEXT_MAX];
    memset(fault, 0xFF, sizeof fault - 1);
    fault[sizeof fault - 1] = '\0';
    json_t *json = show(
        books, &(struct view_process){.version = "1", .now_ms = INT64_MAX, .store_fault = fault});
    const json_t *operation = get_item(json, "operations", 9);
    const char *shown = get_text(operation, "operationId");
    assert_memory_equal(shown, "1", 1);
    assert_memory_equal(shown + 1, id + 1, VIEW_ID_MAX - sizeof rubbish);
    assert_string_equal(shown + strlen(shown) - strlen("…"), "…");
    assert_int_equal(get_number(operation, "operationIdBytes"), strlen(id));
    assert_int_equal(json_array_size(get(operation, "failures")), 10);
    for (size_t i = 0; i < 10; i++)
        assert_true(json_is_object(get(get_item(json, "records", i), "body")));
    json_decref(json);
}

/* Keeps a notification more whenever the reader asks for something. */
static int keep_more(unsigned event, void *books, void *statement, void *text)
{
    (void)event;
    (void)statement;
    (void)text;
    char device[32];
    snprintf(device, sizeof device, "%lld",
             (long long)books_number(books, "SELECT notifications FROM totals"));
    books_add_result(books, &(struct support_result){.device = device});
    return 0;
}

static void it_is_of_one_moment(void **state)
{
    struct books *books = *state;
    struct store_reader *reader = lists_reader(books);
    struct fault fault = FAULT_NONE;
    int64_t version;
    lists_must(store_read_version(reader, &version, &fault), &fault);
    sqlite3_trace_v2(reader->db, SQLITE_TRACE_STMT, keep_more, books);
    json_t *json = read_status(reader, &(struct view_process){.version = "1", .now_ms = 0});
    int64_t seq = get_number(json, "seq");
    assert_true(seq < books_number(books, "SELECT seq FROM totals"));
    assert_int_equal(get_number(get(json, "totals"), "notifications"), seq);
    assert_int_equal(get_number(get(json, "upgrades"), "success"), seq);
    assert_int_equal(get_number(get_item(json, "operations", 0), "success"), seq);
    assert_int_equal(get_number(get_item(json, "records", 0), "seq"), seq);
    json_decref(json);
    store_reader_free(reader);
}

/* --- the file --- */

static int setup_folder(void **state)
{
    *state = support_folder();
    return 0;
}

static int teardown_folder(void **state)
{
    support_folder_free(*state);
    return 0;
}

/* Replaces the status file by CONTENT: 0 or -1. */
static int replace(const char *folder, const char *content, struct fault *fault)
{
    struct buffer text = {0};
    buffer_add_string(&text, content);
    int result = status_replace(folder, &text, fault);
    buffer_release(&text);
    return result;
}

static void expect_file(const char *folder, const char *content)
{
    char *found = support_read_file(support_path(folder, "status.json"));
    assert_string_equal(found, content);
    free(found);
    assert_int_equal(support_count_files(folder, "status.json"), 1); /* and nothing beside it */
}

static void the_file_is_replaced_and_no_other_left(void **state)
{
    struct fault fault = FAULT_NONE;
    struct stat status;
    mode_t before = umask(0);
    assert_int_equal(replace(*state, "a longer text than the next", &fault), 0);
    umask(before);
    expect_file(*state, "a longer text than the next");
    assert_int_equal(stat(support_path(*state, "status.json"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    ino_t first = status.st_ino;
    FILE *reader = fopen(support_path(*state, "status.json"), "r");
    assert_non_null(reader);
    assert_int_equal(replace(*state, "new", &fault), 0);
    expect_file(*state, "new");
    assert_int_equal(stat(support_path(*state, "status.json"), &status), 0);
    assert_int_not_equal(status.st_ino, first);
    char old[40] = ""; /* whoever has it open reads the old one to its end */
    assert_int_equal(fread(old, 1, sizeof old, reader), 27);
    assert_string_equal(old, "a longer text than the next");
    fclose(reader);
}

static void a_text_that_failed_leaves_the_old_file(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(replace(*state, "old", &fault), 0);
    struct buffer text = {.failed = true};
    assert_int_equal(status_replace(*state, &text, &fault), -1);
    support_assert_fault(&fault, "status.json: out of memory");
    expect_file(*state, "old");
}

static void a_disk_without_room_leaves_the_old_file(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(replace(*state, "old", &fault), 0);
    support_limit_file_size(4);
    assert_int_equal(replace(*state, "too long for it", &fault), -1);
    support_limit_file_size(RLIM_INFINITY);
    support_assert_fault(&fault, "cannot write");
    support_assert_fault(&fault, strerror(EFBIG));
    expect_file(*state, "old");
    fault = FAULT_NONE;
    assert_int_equal(replace(*state, "new", &fault), 0);
    expect_file(*state, "new");
}

static void a_missing_folder_is_named(void **state)
{
    struct fault fault = FAULT_NONE;
    const char *missing = support_path(*state, "missing");
    assert_int_equal(replace(missing, "x", &fault), -1);
    support_assert_fault(&fault, missing);
    assert_int_equal(support_count_files(*state, ""), 0);
}

static void a_folder_in_the_files_place_is_a_fault(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(mkdir(support_path(*state, "status.json"), 0700), 0);
    assert_int_equal(replace(*state, "x", &fault), -1);
    support_assert_fault(&fault, "cannot rename");
    assert_int_equal(support_count_files(*state, "status.json"), 1);
}

/* What somebody put where the temporary file will be is not written through. */
static void a_link_in_the_temporary_files_place_is_not_followed(void **state)
{
    struct fault fault = FAULT_NONE;
    char *elsewhere = support_folder();
    support_write_file(support_path(elsewhere, "precious"), "precious");
    assert_int_equal(
        symlink(support_path(elsewhere, "precious"), support_path(*state, "status.json.tmp")), 0);
    assert_int_equal(replace(*state, "x", &fault), -1);
    support_assert_fault(&fault, "status.json.tmp");
    char *precious = support_read_file(support_path(elsewhere, "precious"));
    assert_string_equal(precious, "precious");
    free(precious);
    support_folder_free(elsewhere);
}

static void what_a_killed_process_left_is_written_over(void **state)
{
    struct fault fault = FAULT_NONE;
    support_write_file(support_path(*state, "status.json.tmp"), "half of something longer");
    assert_int_equal(replace(*state, "new", &fault), 0);
    expect_file(*state, "new");
}

static void two_processes_never_write_into_one_file(void **state)
{
    struct fault fault = FAULT_NONE;
    assert_int_equal(replace(*state, "old", &fault), 0);
    /* whoever may read the folder can lock it, and is no such process */
    int other = open(*state, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(replace(*state, "old", &fault), 0);
    close(other);
    other = open(support_path(*state, "status.lock"), O_RDONLY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(replace(*state, "new", &fault), 1);
    assert_false(fault.set);
    expect_file(*state, "old");
    close(other);
    assert_int_equal(replace(*state, "new", &fault), 0);
    expect_file(*state, "new");
}

#define BOOKS(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, setup_folder, teardown_folder)

int status_tests(void)
{
    const struct CMUnitTest tests[] = {
        BOOKS(an_empty_store_has_a_status),
        BOOKS(all_that_is_in_the_books_is_shown),
        BOOKS(the_process_shows_its_counters_and_its_log),
        BOOKS(there_are_ten_of_each_the_latest_or_most_frequent_first),
        BOOKS(a_long_body_is_left_out_and_its_length_told),
        BOOKS(whatever_came_it_is_bounded_and_text_stays_text),
        BOOKS(it_is_of_one_moment),
        FOLDER(the_file_is_replaced_and_no_other_left),
        FOLDER(a_text_that_failed_leaves_the_old_file),
        FOLDER(a_disk_without_room_leaves_the_old_file),
        FOLDER(a_missing_folder_is_named),
        FOLDER(a_folder_in_the_files_place_is_a_fault),
        FOLDER(a_link_in_the_temporary_files_place_is_not_followed),
        FOLDER(what_a_killed_process_left_is_written_over),
        FOLDER(two_processes_never_write_into_one_file),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
