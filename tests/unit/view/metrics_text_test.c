/* What Prometheus reads: every number once, with the store or without it. */
#include "config.h"

#include "view/metrics_text.h"

#include "books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS 1800000000000

/* Gives what is exposed, NUL-terminated. */
static char *expose(struct books *books, const struct metrics *metrics)
{
    const struct exposition_process process = {
        .version = "1.2\\\"\n3",
        .start_ms = NOW_MS - 60001,
        .now_ms = NOW_MS,
        .metrics = metrics,
        .store_writable = true,
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
    assert_int_equal(store_keep(books->store, NULL, 0, &cursor, &fault), 0);
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
    char *seen[400];
    size_t length = 0, families = 0;
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
        char *end = line[0] == '#' ? line + strlen(line) : strrchr(line, ' ');
        *end = '\0';
        for (size_t i = 0; i < length; i++)
            assert_string_not_equal(line, seen[i]);
        assert_true(length < LENGTH(seen));
        seen[length++] = line;
    }
    assert_true(families > 30);
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
    free(text);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

int metrics_text_tests(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(the_books_and_the_process_are_told),
        FRESH(each_family_is_in_one_piece),
        FRESH(without_a_store_the_process_still_speaks),
        FRESH(an_empty_store_has_no_age),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
