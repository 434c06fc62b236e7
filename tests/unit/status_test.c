/* The status file: valid JSON whatever the ids, bounded, replaced at once. */
#include "config.h"

#include "status.h"
#include "support.h"

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

/* Formats the snapshot and parses what comes out; free with json_decref. */
static json_t *format(const struct store_snapshot *snapshot, const struct status_process *process)
{
    struct text text = {0};
    json_error_t error;
    status_format(snapshot, process, &text);
    assert_false(text.failed);
    assert_true(text_is_utf8(text.bytes, text.length));
    for (size_t i = 0; i < text.length; i++) /* safe to look at, too */
        assert_true(text.bytes[i] == '\n' ||
                    ((unsigned char)text.bytes[i] >= 0x20 && text.bytes[i] != 0x7F));
    json_t *json = json_loadb(text.bytes, text.length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        fail_msg("%s in %.*s", error.text, (int)text.length, text.bytes);
    text_release(&text);
    return json;
}

/* Takes what depends on the process out of JSON and fails where the rest is not EXPECTED, in which
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
    json_object_del(json, "startedAt");
    json_object_del(json, "nextBefore");
    char *found = json_dumps(json, 0);
    if (!json_equal(json, wanted))
        fail_msg("is %s, not %s", found, text);
    free(found);
    free(text);
    json_decref(wanted);
}

#define LIFE "0123456789abcdef"

static struct store_snapshot *new_snapshot(void)
{
    struct store_snapshot *snapshot = calloc(1, sizeof *snapshot);
    assert_non_null(snapshot);
    return snapshot;
}

static void an_empty_store_has_a_status(void **state)
{
    struct store_snapshot *snapshot = new_snapshot();
    const struct status_process process = {.time_ms = 1};
    json_t *json = format(snapshot, &process);
    assert_true(json_is_null(json_object_get(json, "nextBefore")));
    assert_string_equal(json_string_value(json_object_get(json, "version")), PACKAGE_VERSION);
    assert_int_equal(json_integer_value(json_object_get(json, "pid")), getpid());
    assert_true(json_is_object(json_object_get(json, "process")));
    expect_json(json,
                "{'time':'1970-01-01T00:00:00.001Z','seq':0,'token':'start','store':{'ok':true,'"
                "fault':null,'since':null},"
                "'log':{'linesDropped':0,'warning':null},'totals':{'notifications':0,'repeats':0,"
                "'quarantined':0,'quarantineLogOnly':0},'upgrades':{'inProgress':0,'success':0,"
                "'fail':0,'contradictory':0},'quarantine':{'held':0,'bytes':0,"
                "'fullSince':null,'unknownFullSince':null},'applications':[],"
                "'operations':[],'records':[]}");
    json_decref(json);
    free(snapshot);
}

static void all_of_a_snapshot_is_shown(void **state)
{
    struct store_snapshot *snapshot = new_snapshot();
    snapshot->totals = (struct store_totals){.seq = 101,
                                             .life = LIFE,
                                             .notifications = 102,
                                             .repeats = 103,
                                             .quarantined = 104,
                                             .quarantine_log_only = 105,
                                             .in_progress = 106,
                                             .success = 107,
                                             .fail = 108,
                                             .contradictory = 109,
                                             .quarantine_held = 110,
                                             .quarantine_bytes = 111,
                                             .quarantine_full_ms = 112};
    snapshot->operations_length = 2;
    snapshot->operations[0] = (struct store_operation){
        .app_id = "a",
        .operation_id = "o",
        .in_progress = 1,
        .success = 2,
        .fail = 3,
        .contradictory = 4,
        .first_ms = 5,
        .last_ms = 6,
        .failures = {{.error_code = "4", .count = 2, .first_ms = 7, .last_ms = 8},
                     {.error_code = "", .count = 1, .first_ms = 9, .last_ms = 10}},
        .failures_length = 2};
    snapshot->operations[1] = (struct store_operation){.app_id = "b", .operation_id = "p"};
    snapshot->records_length = 2;
    snapshot->records[0] = (struct store_kept){.seq = 2,
                                               .received_ms = 11,
                                               .deliveries = 3,
                                               .body = strdup("{\"a\":\n1.0}"),
                                               .body_length = 10};
    snapshot->records[1] = (struct store_kept){.seq = 1, .deliveries = 1, .body_length = 20000};
    json_t *json = format(snapshot, &(struct status_process){.store_fault = "disk \"full\"\n",
                                                             .fault_ms = 9,
                                                             .start_ms = 8,
                                                             .next_ms = 60000});
    assert_string_equal(json_string_value(json_object_get(json, "startedAt")),
                        "1970-01-01T00:00:00.008Z");
    assert_string_equal(json_string_value(json_object_get(json, "nextBefore")),
                        "1970-01-01T00:01:00.000Z");
    expect_json(
        json,
        "{'time':'1970-01-01T00:00:00.000Z','seq':101,'token':'" LIFE ":101',"
        "'store':{'ok':false,'fault':'disk \\'full\\'\\n','since':'1970-01-01T00:00:00.009Z'},"
        "'log':{'linesDropped':0,'warning':null},"
        "'totals':{'notifications':102,'repeats':103,'quarantined':104,'quarantineLogOnly':105},"
        "'upgrades':{'inProgress':106,'success':107,'fail':108,'contradictory':109},"
        "'quarantine':{'held':110,'bytes':111,'fullSince':'1970-01-01T00:00:00.112Z',"
        "'unknownFullSince':null},'applications':[],"
        "'operations':[{'appId':'a','operationId':'o','inProgress':1,'success':2,'fail':3,"
        "'contradictory':4,'firstAt':'1970-01-01T00:00:00.005Z',"
        "'lastAt':'1970-01-01T00:00:00.006Z','failures':[{'errorCode':'4','count':2,"
        "'firstAt':'1970-01-01T00:00:00.007Z','lastAt':'1970-01-01T00:00:00.008Z'},"
        "{'errorCode':'','count':1,'firstAt':'1970-01-01T00:00:00.009Z',"
        "'lastAt':'1970-01-01T00:00:00.010Z'}]},"
        "{'appId':'b','operationId':'p','inProgress':0,'success':0,'fail':0,'contradictory':0,"
        "'firstAt':'1970-01-01T00:00:00.000Z','lastAt':'1970-01-01T00:00:00.000Z','failures':[]}],"
        "'records':[{'seq':2,'receivedAt':'1970-01-01T00:00:00.011Z','deliveries':3,"
        "'body':{'a':1.0}},{'seq':1,'receivedAt':'1970-01-01T00:00:00.000Z','deliveries':1,"
        "'body':null,'bodyBytes':20000}]}");
    json_decref(json);
    store_snapshot_release(snapshot);
    free(snapshot);
}

static void the_process_shows_its_counters(void **state)
{
    struct store_snapshot *snapshot = new_snapshot();
    struct metrics *metrics = metrics_new();
    metrics_add(metrics, METRIC_log_lines_dropped, 7);
    metrics_add(metrics, METRIC_requests, 9);
    json_t *json = format(snapshot, &(struct status_process){.metrics = metrics});
    const json_t *log = json_object_get(json, "log"), *process = json_object_get(json, "process");
    assert_int_equal(json_integer_value(json_object_get(log, "linesDropped")), 7);
    assert_int_equal(json_object_size(process), METRIC_COUNT + METRIC_GAUGE_COUNT);
    assert_int_equal(json_integer_value(json_object_get(process, "requests")), 9);
    json_decref(json);
    metrics_free(metrics);
    free(snapshot);
}

static void a_log_that_nobody_reads_is_a_warning(void **state)
{
    struct store_snapshot *snapshot = new_snapshot();
    json_t *json = format(snapshot, &(struct status_process){.log_warning = "gone \"away\""});
    const json_t *log = json_object_get(json, "log");
    assert_string_equal(json_string_value(json_object_get(log, "warning")), "gone \"away\"");
    json_decref(json);
    free(snapshot);
}

/* Ids and bodies as hostile as they can be, and as many. */
static struct store_snapshot *hostile_snapshot(void)
{
    static const char rubbish[] = "\x01\"\\\n\342\200\256\302\205\x7F{},";
    struct store_snapshot *snapshot = new_snapshot();
    snapshot->operations_length = STORE_SNAPSHOT_OPERATIONS;
    for (size_t o = 0; o < STORE_SNAPSHOT_OPERATIONS; o++) {
        struct store_operation *operation = &snapshot->operations[o];
        memset(operation->app_id, 1, STORE_SNAPSHOT_TEXT_MAX - 1);
        for (size_t i = 0; i + sizeof rubbish < STORE_SNAPSHOT_TEXT_MAX; i += sizeof rubbish - 1)
            memcpy(operation->operation_id + i, rubbish, sizeof rubbish);
        operation->success = INT64_MAX;
        operation->fail = INT64_MIN;
        operation->first_ms = INT64_MIN;
        operation->last_ms = INT64_MAX;
        operation->failures_length = STORE_SNAPSHOT_FAILURES;
        for (size_t f = 0; f < STORE_SNAPSHOT_FAILURES; f++) {
            memset(operation->failures[f].error_code, 0x7F, STORE_SNAPSHOT_TEXT_MAX - 1);
            operation->failures[f].first_ms = operation->failures[f].last_ms = INT64_MAX;
        }
    }
    snapshot->records_length = STORE_SNAPSHOT_RECORDS;
    for (size_t r = 0; r < STORE_SNAPSHOT_RECORDS; r++) {
        struct store_kept *record = &snapshot->records[r];
        record->body_length = STORE_SNAPSHOT_BODY_MAX;
        record->body = malloc(STORE_SNAPSHOT_BODY_MAX + 1);
        assert_non_null(record->body);
        memset(record->body, 0x7F, STORE_SNAPSHOT_BODY_MAX); /* six bytes each, the most there is */
        memcpy(record->body, "{\"\":\"", 5);
        memcpy(record->body + STORE_SNAPSHOT_BODY_MAX - 2, "\"}", 3);
    }
    return snapshot;
}

static void hostile_ids_stay_text(void **state)
{
    struct store_snapshot *snapshot = hostile_snapshot();
    char fault[FAULT_TEXT_MAX];
    memset(fault, 0xFF, sizeof fault - 1);
    fault[sizeof fault - 1] = '\0';
    json_t *json = format(snapshot, &(struct status_process){.store_fault = fault});
    const json_t *operation = json_array_get(json_object_get(json, "operations"), 9);
    assert_string_equal(json_string_value(json_object_get(operation, "operationId")),
                        snapshot->operations[9].operation_id);
    assert_string_equal(json_string_value(json_object_get(operation, "appId")),
                        snapshot->operations[9].app_id);
    json_decref(json);
    store_snapshot_release(snapshot);
    free(snapshot);
}

static void the_size_is_bounded_whatever_the_snapshot(void **state)
{
    struct store_snapshot *snapshot = hostile_snapshot();
    struct text text = {0};
    const size_t texts = STORE_SNAPSHOT_OPERATIONS * (2 + STORE_SNAPSHOT_FAILURES);
    status_format(snapshot, &(struct status_process){.time_ms = INT64_MAX}, &text);
    assert_in_range(text.length, 1,
                    texts * (6 * STORE_SNAPSHOT_TEXT_MAX + 400) +
                        STORE_SNAPSHOT_RECORDS * (6 * STORE_SNAPSHOT_BODY_MAX + 400) + 8192);
    text_release(&text);
    store_snapshot_release(snapshot);
    free(snapshot);
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
    struct text text = {0};
    text_add_string(&text, content);
    int result = status_replace(folder, &text, fault);
    text_release(&text);
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
    struct text text = {.failed = true};
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

#define FOLDER(test) cmocka_unit_test_setup_teardown(test, setup_folder, teardown_folder)

int status_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_has_a_status),
        cmocka_unit_test(all_of_a_snapshot_is_shown),
        cmocka_unit_test(the_process_shows_its_counters),
        cmocka_unit_test(a_log_that_nobody_reads_is_a_warning),
        cmocka_unit_test(hostile_ids_stay_text),
        cmocka_unit_test(the_size_is_bounded_whatever_the_snapshot),
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
