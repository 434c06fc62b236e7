/* What Prometheus reads: every number once, with the store or without it. */
#include "config.h"

#include "view/metrics_text.h"

#include "base/utf8.h"
#include "books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS 1800000000000

/* Gives what is exposed, NUL-terminated. */
static char *expose(struct books *books, const struct metrics *metrics)
{
    const struct view_process process = {
        .version = "1.2\\\"\n3",
        .start_ms = NOW_MS - 60001,
        .now_ms = NOW_MS,
        .metrics = metrics,
        .quarantine_max = 10,
        .quarantine_bytes_max = 1000,
    };
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    struct buffer text = {0};
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    exposition_write(&process, reader, 1000, &text);
    store_reader_free(reader);
    assert_false(text.failed);
    buffer_add(&text, "", 1);
    return text.bytes;
}

/* Fails the test where no line of TEXT is LINE. */
static void expect_line(const char *text, const char *line)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    support_assert_has(text, wanted);
}

/* Fails the test where TEXT describes a family twice or has two samples of one series: Prometheus
 * refuses such a text as a whole. */
static void expect_no_line_twice(const char *text)
{
    char *copy = strdup(text), *rest = NULL, *seen[400];
    size_t length = 0;
    assert_non_null(copy);
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *end = strrchr(line, ' ');
        assert_non_null(end);
        if (line[0] != '#')
            *end = '\0';
        for (size_t i = 0; i < length; i++)
            assert_string_not_equal(line, seen[i]);
        assert_true(length < LENGTH(seen));
        seen[length++] = line;
    }
    free(copy);
}

static void fill(struct books *books)
{
    books_add_progress(books, &(struct support_result){.device = "a", .received_ms = NOW_MS - 9000},
                       "downloading");
    for (int i = 0; i < 3; i++) /* a notification and two repeats */
        books_add_result(books, &(struct support_result){.device = "b", .received_ms = 1});
    books_add_result(books, &(struct support_result){.device = "c",
                                                     .result = "FAIL",
                                                     .error_code = "4",
                                                     .current = "2.0",
                                                     .received_ms = NOW_MS - 1500});
    struct record *quarantined = support_record("no JSON");
    books_keep_one(books, quarantined);
    support_record_free(quarantined);
    struct store_cursor cursor = {.name = "say \"hi\"\\"};
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    assert_int_equal(store_reader_new(&reader, books->folder, &fault), 0);
    assert_int_equal(store_read_token(reader, 1, &cursor.at, &fault), 0);
    store_reader_free(reader);
    assert_int_equal(store_keep(books->store, NULL, 0, &cursor, 0, &fault), 0);
}

static void the_books_and_the_process_are_told(void **state)
{
    struct books *books = *state;
    struct metrics *metrics = metrics_new();
    fill(books);
    metrics_count_answer(metrics, 200, true);
    metrics_count_answer(metrics, 503, true);
    metrics_add(metrics, METRIC_log_lines_dropped, UINT64_C(5000000000));
    metrics_observe(metrics, METRIC_HISTOGRAM_commit_batch_records, 3);
    metrics_observe(metrics, METRIC_HISTOGRAM_commit_batch_records, 300);
    metrics_observe(metrics, METRIC_HISTOGRAM_commit_seconds, 700);
    metrics_observe(metrics, METRIC_HISTOGRAM_commit_seconds, 2000000);
    char *text = expose(books, metrics);
    static const char *const lines[] = {
        "upgrade_receiver_build_info{version=\"1.2\\\\\\\"\\n3\"} 1",
        "upgrade_receiver_start_time_seconds 1799999939.999",
        "upgrade_receiver_store_up 1",
        "upgrade_receiver_store_writable 1",
        "upgrade_receiver_quarantine_held_limit 10",
        "upgrade_receiver_quarantine_limit_bytes 1000",
        "upgrade_receiver_refused_in_a_row 1",
        "# TYPE upgrade_receiver_answers_total counter",
        "upgrade_receiver_answers_total{code=\"200\"} 1",
        "upgrade_receiver_answers_total{code=\"503\"} 1",
        "upgrade_receiver_answers_total{code=\"422\"} 0",
        "upgrade_receiver_log_lines_dropped_total 5000000000",
        "upgrade_receiver_commit_batch_records_bucket{le=\"2.0\"} 0",
        "upgrade_receiver_commit_batch_records_bucket{le=\"4.0\"} 1",
        "upgrade_receiver_commit_batch_records_bucket{le=\"256.0\"} 1",
        "upgrade_receiver_commit_batch_records_bucket{le=\"+Inf\"} 2",
        "upgrade_receiver_commit_batch_records_count 2",
        "upgrade_receiver_commit_batch_records_sum 303",
        "upgrade_receiver_commit_seconds_bucket{le=\"0.0005\"} 0",
        "upgrade_receiver_commit_seconds_bucket{le=\"0.001\"} 1",
        "upgrade_receiver_commit_seconds_bucket{le=\"1.0\"} 1",
        "upgrade_receiver_commit_seconds_bucket{le=\"+Inf\"} 2",
        "upgrade_receiver_commit_seconds_sum 2.000700",
        "upgrade_receiver_notifications_total{type=\"swUpgradeResultNotify\",result=\"SUCCESS\"} 1",
        "upgrade_receiver_notifications_total{type=\"swUpgradeResultNotify\",result=\"FAIL\"} 1",
        "upgrade_receiver_notifications_total{type=\"swUpgradeStateChangeNotify\"} 1",
        "upgrade_receiver_repeats_total 2",
        "upgrade_receiver_quarantined_total 1",
        "upgrade_receiver_quarantine_log_only_total 0",
        "upgrade_receiver_quarantine_held 1",
        "upgrade_receiver_quarantine_bytes 7",
        "upgrade_receiver_quarantine_full{notify_type=\"known\"} 0",
        "upgrade_receiver_quarantine_full{notify_type=\"unknown\"} 0",
        "upgrade_receiver_upgrades{state=\"IN_PROGRESS\"} 1",
        "upgrade_receiver_upgrades{state=\"SUCCESS\"} 1",
        "upgrade_receiver_upgrades{state=\"FAIL\"} 1",
        "upgrade_receiver_upgrades_contradictory 1",
        "# TYPE upgrade_receiver_operation_upgrades gauge",
        "upgrade_receiver_operation_upgrades{app=\"app\",operation=\"operation\",state=\"IN_"
        "PROGRESS\"} 1",
        "upgrade_receiver_operation_upgrades{app=\"app\",operation=\"operation\",state=\"SUCCESS\"}"
        " 1",
        "upgrade_receiver_operation_upgrades{app=\"app\",operation=\"operation\",state=\"FAIL\"} 1",
        "upgrade_receiver_operation_last_change_timestamp_seconds{app=\"app\",operation="
        "\"operation\"} 1799999998.500",
        "upgrade_receiver_cursor_backlog{application=\"say \\\"hi\\\"\\\\\"} 2",
        "upgrade_receiver_last_notification_age_seconds 1.500",
    };
    for (size_t i = 0; i < LENGTH(lines); i++)
        expect_line(text, lines[i]);
    free(text);
    metrics_free(metrics);
}

/* Takes a histogram's sample to the name of its family. */
static void cut_suffix(char *name)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    for (size_t i = 0; i < LENGTH(suffixes); i++) {
        size_t length = strlen(name), own = strlen(suffixes[i]);
        if (length > own && strcmp(name + length - own, suffixes[i]) == 0) {
            name[length - own] = '\0';
            return;
        }
    }
}

/* Each family stands once and in one piece, described before its samples; each sample once. */
static void each_family_is_in_one_piece(void **state)
{
    struct books *books = *state;
    fill(books);
    char *text = expose(books, NULL), *rest = NULL;
    expect_line(text, "# TYPE upgrade_receiver_notifications_total counter");
    expect_line(text, "# TYPE upgrade_receiver_build_info gauge");
    expect_no_line_twice(text);
    size_t families = 0;
    char family[128] = "";
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[128];
        if (strncmp(line, "# HELP ", 7) == 0) {
            snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            families++;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            assert_string_equal(name, family);
        } else if (line[0] != '#') {
            snprintf(name, sizeof name, "%.*s", (int)strcspn(line, "{ "), line);
            if (strcmp(name, family) != 0)
                cut_suffix(name);
            assert_string_equal(name, family);
        }
    }
    assert_true(families > 30);
    free(text);
}

/* How often TEXT has PART. */
static size_t count_parts(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static void only_the_latest_operations_have_their_own(void **state)
{
    struct books *books = *state;
    struct record *records[EXPOSITION_OPERATIONS + 5 + 1];
    for (int i = 0; i < EXPOSITION_OPERATIONS + 5; i++) {
        char operation[16];
        snprintf(operation, sizeof operation, "op-%d", i);
        records[i] = support_result(
            &(struct support_result){.operation = operation, .received_ms = i + 1});
    }
    records[LENGTH(records) - 1] = support_result(
        &(struct support_result){.operation = "op-0", .device = "late", .received_ms = NOW_MS});
    books_keep(books, records, LENGTH(records));
    support_records_free(records, LENGTH(records));
    char *text = expose(books, NULL);
    assert_int_equal(count_parts(text, "\nupgrade_receiver_operation_upgrades{"),
                     3 * EXPOSITION_OPERATIONS);
    assert_int_equal(
        count_parts(text, "\nupgrade_receiver_operation_last_change_timestamp_seconds{"),
        EXPOSITION_OPERATIONS);
    support_assert_has(text, "operation=\"op-0\",state=\"SUCCESS\"} 2\n");
    support_assert_has(text, "operation=\"op-24\",state=\"SUCCESS\"} 1\n");
    support_assert_has(text, "operation=\"op-6\"");
    assert_null(strstr(text, "operation=\"op-5\""));
    free(text);
}

/* Gives an id of LENGTH times PART, and END. */
static char *long_id(const char *part, size_t length, const char *end)
{
    struct buffer id = {0};
    for (size_t i = 0; i < length; i++)
        buffer_add_string(&id, part);
    buffer_add(&id, end, strlen(end) + 1);
    assert_false(id.failed);
    return id.bytes;
}

/* The parts of TEXT that are label values, in the text's form: valid UTF-8, no longer than a cut id
 * of escaped characters. */
static void check_labels(char *text)
{
    for (char *at = text; (at = strstr(at, "=\"")) != NULL;) {
        char *begin = at += 2;
        while (*at != '"') {
            assert_true(*at != '\n' && *at != '\0');
            at += *at == '\\' ? 2 : 1;
        }
        size_t length = (size_t)(at - begin);
        assert_true(length <= 2 * EXPOSITION_ID_MAX + sizeof "…" + 20);
        assert_true(utf8_is_valid(begin, length));
    }
}

/* Ids that are equal where they are cut, that look like a cut one, that end within a character, or
 * that have characters of the format: each operation has labels of its own. */
static void hostile_ids_are_cut_and_stay_apart(void **state)
{
    struct books *books = *state;
    char *ids[] = {
        long_id("x", 4096, "1"),
        long_id("x", 4096, "2"),
        long_id("x", EXPOSITION_ID_MAX, ""),
        long_id("x", EXPOSITION_ID_MAX, "y"),
        long_id("x", EXPOSITION_ID_MAX - 5, "…1"),
        long_id("x", EXPOSITION_ID_MAX, "…1"),
        long_id("x", EXPOSITION_ID_MAX, "…2"),
        long_id("\xF0\x9F\x92\xA9", 1000, ""),
        long_id("\xF0\x9F\x92\xA9", EXPOSITION_ID_MAX / 4, ""),
        long_id("xy\xE2\x82\xAC", 400, ""),
        long_id("\"", EXPOSITION_ID_MAX, ""),
        long_id("\\", 4096, ""),
        long_id("\n", 4096, ""),
        long_id("\\n", 4096, ""),
        long_id("\"} 1\nupgrade_receiver_store_up 0\n#", 1, ""),
    };
    assert_true(LENGTH(ids) <= EXPOSITION_OPERATIONS);
    struct record *records[LENGTH(ids)];
    for (size_t i = 0; i < LENGTH(ids); i++)
        records[i] = support_result(&(struct support_result){
            .app = i % 2 == 0 ? "app" : ids[0], .operation = ids[i], .received_ms = 1});
    books_keep(books, records, LENGTH(records));
    support_records_free(records, LENGTH(records));
    for (size_t i = 0; i < LENGTH(ids); i++)
        free(ids[i]);
    char *text = expose(books, NULL);
    assert_int_equal(count_parts(text, "\nupgrade_receiver_operation_upgrades{"), 3 * LENGTH(ids));
    support_assert_has(text, "operation=\"\\\"} 1\\nupgrade_receiver_store_up 0\\n#\",state");
    expect_line(text, "upgrade_receiver_store_up 1");
    check_labels(text);
    assert_null(strstr(text, "\xEF\xBF\xBD")); /* instead of a character that was cut */
    expect_no_line_twice(text);
    free(text);
}

static void without_a_store_the_process_still_speaks(void **state)
{
    struct books *books = *state;
    books_meddle(books, "PRAGMA user_version = 0; DROP TABLE totals");
    char *text = expose(books, NULL);
    expect_line(text, "upgrade_receiver_store_up 0");
    expect_line(text, "upgrade_receiver_store_writable 1");
    assert_null(strstr(text, "upgrade_receiver_notifications"));
    assert_null(strstr(text, "upgrade_receiver_repeats"));
    free(text);
}

static void an_empty_store_has_no_age(void **state)
{
    char *text = expose(*state, NULL);
    expect_line(text, "upgrade_receiver_store_up 1");
    expect_line(text, "upgrade_receiver_repeats_total 0");
    assert_null(strstr(text, "last_notification_age"));
    assert_null(strstr(text, "cursor_backlog"));
    assert_null(strstr(text, "operation_"));
    free(text);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int metrics_text_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(the_books_and_the_process_are_told),
        FRESH(each_family_is_in_one_piece),
        FRESH(without_a_store_the_process_still_speaks),
        FRESH(only_the_latest_operations_have_their_own),
        FRESH(hostile_ids_are_cut_and_stay_apart),
        FRESH(an_empty_store_has_no_age),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
