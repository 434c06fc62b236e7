/* lists: what the store's lists give, as text to be compared with what SQL says of the books. */
#include "config.h"

#include "lists.h"

#include "store/maintenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store_reader *lists_reader(const struct books *books)
{
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    lists_must(store_reader_new(&reader, books->folder, &fault), &fault);
    return reader;
}

void lists_must(int result, const struct fault *fault)
{
    if (result != 0)
        fail_msg("%d: %s", result, fault->text);
}

static void tell_flaw(void *owner, const char *flaw)
{
    (void)owner;
    fail_msg("%s", flaw);
}

void lists_assert_sound(const char *folder)
{
    struct store_reader *reader = NULL;
    struct fault fault = FAULT_NONE;
    int64_t flaws;
    lists_must(store_reader_new(&reader, folder, &fault), &fault);
    lists_must(store_check(reader, NULL, tell_flaw, NULL, &flaws, &fault), &fault);
    assert_int_equal(flaws, 0);
    store_reader_free(reader);
}

static void end_row(struct lists *lists)
{
    buffer_add(&lists->rows, "\n", 1);
    lists->count++;
}

static bool is_full(const struct lists *lists)
{
    return lists->page_rows > 0 && lists->count >= lists->page_rows;
}

static int end_list(struct lists *lists, struct store_rows *rows, struct store_page_token *next)
{
    int result = store_rows_end(rows, next);
    lists->more = rows->more;
    return result;
}

int lists_read_operations(struct lists *lists, struct store_rows rows,
                          struct store_page_token *next)
{
    struct store_operation_row row;
    while (!is_full(lists) && store_next_operation(&rows, &row)) {
        buffer_addf(&lists->rows, "%lld|%s|%s|%lld|%lld|%lld|%lld|%lld|%lld|%d", (long long)row.id,
                    row.app_id, row.operation_id, (long long)row.in_progress,
                    (long long)row.success, (long long)row.fail, (long long)row.contradictory,
                    (long long)row.first_ms, (long long)row.last_ms, row.pruned);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_failures(struct lists *lists, struct store_rows rows, struct store_page_token *next)
{
    struct store_failure_row row;
    while (!is_full(lists) && store_next_failure(&rows, &row)) {
        buffer_addf(&lists->rows, "%s|%lld|%lld|%lld|%s", row.error_code, (long long)row.count,
                    (long long)row.first_ms, (long long)row.last_ms, row.example);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_transitions(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next)
{
    struct store_transition_row row;
    while (!is_full(lists) && store_next_transition(&rows, &row)) {
        buffer_addf(&lists->rows, "%s|%s|%lld|%lld", row.source, row.target, (long long)row.success,
                    (long long)row.fail);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_timeline(struct lists *lists, struct store_rows rows, struct store_page_token *next)
{
    struct store_timeline_row row;
    while (!is_full(lists) && store_next_timeline(&rows, &row)) {
        buffer_addf(&lists->rows, "%lld|%lld|%lld|%lld", (long long)row.at_ms,
                    (long long)row.in_progress, (long long)row.success, (long long)row.fail);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_upgrades(struct lists *lists, struct store_rows rows, struct store_page_token *next)
{
    struct store_upgrade_row row;
    while (!is_full(lists) && store_next_upgrade(&rows, &row)) {
        buffer_addf(&lists->rows, "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%d|%lld|%lld|%lld|%lld",
                    row.app_id, row.operation_id, row.sub_operation_id, row.device_id,
                    record_state_word(row.state), row.step, row.current, row.target, row.source,
                    row.upgrade_time, row.result_desc, row.error_code, row.description,
                    row.contradictory, (long long)row.seq, (long long)row.began_ms,
                    (long long)row.last_ms, (long long)row.operation);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_notifications(struct lists *lists, struct store_rows rows,
                             struct store_page_token *next)
{
    struct store_kept kept;
    while (!is_full(lists) && store_next_notification(&rows, &kept)) {
        assert_int_equal(strlen(kept.body), kept.body_length);
        buffer_addf(&lists->rows, "%lld|%lld|%lld|%s", (long long)kept.seq,
                    (long long)kept.received_ms, (long long)kept.deliveries, kept.body);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_type_counts(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next)
{
    struct store_type_count_row row;
    while (!is_full(lists) && store_next_type_count(&rows, &row)) {
        buffer_addf(&lists->rows, "%s|%s|%lld", row.notify_type, row.result, (long long)row.count);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

int lists_read_quarantined(struct lists *lists, struct store_rows rows,
                           struct store_page_token *next)
{
    struct store_quarantined_row row;
    while (!is_full(lists) && store_next_quarantined(&rows, &row)) {
        buffer_addf(&lists->rows, "%lld|%lld|%s|%s|%zu", (long long)row.id,
                    (long long)row.received_ms, row.reason, row.pointer, row.body_length);
        end_row(lists);
    }
    return end_list(lists, &rows, next);
}

const char *lists_text(struct lists *lists)
{
    buffer_add(&lists->rows, "", 1);
    assert_false(lists->rows.failed);
    lists->rows.length--;
    return lists->rows.bytes;
}

void lists_assert(struct lists *lists, const char *expected)
{
    const char *rows = lists_text(lists);
    if (strcmp(rows, expected) != 0)
        fail_msg("it is:\n%s\nnot:\n%s", rows, expected);
    lists_free(lists);
}

void lists_assert_query(struct lists *lists, const struct books *books, const char *sql)
{
    char *expected = books_query(books, sql);
    size_t length = strlen(expected);
    if (length > 0) { /* it has no line end behind the last row */
        expected = realloc(expected, length + 2);
        assert_non_null(expected);
        memcpy(expected + length, "\n", 2);
    }
    lists_assert(lists, expected);
    free(expected);
}

void lists_free(struct lists *lists)
{
    buffer_release(&lists->rows);
    lists->count = 0;
}

/* --- random books --- */

#define ONE_OF(array, seed) (array)[support_random_below(seed, LENGTH(array))]

/* A firmware result or state change: error codes and steps of its own kind. */
static struct record *make_firmware(const struct support_result *what, uint64_t *seed)
{
    char body[1024];
    if (support_random_below(seed, 2) == 0)
        snprintf(body, sizeof body,
                 "{\"notifyType\":\"fwUpgradeStateChangeNotify\",\"appId\":\"%s\","
                 "\"operationId\":\"%s\",\"subOperationId\":\"%s\",\"deviceId\":\"%s\","
                 "\"step\":%zu}",
                 what->app, what->operation, what->sub_operation, what->device,
                 support_random_below(seed, 4));
    else
        snprintf(body, sizeof body,
                 "{\"notifyType\":\"fwUpgradeResultNotify\",\"appId\":\"%s\","
                 "\"operationId\":\"%s\",\"subOperationId\":\"%s\",\"deviceId\":\"%s\","
                 "\"curVersion\":\"%s\",\"targetVersion\":\"%s\",\"sourceVersion\":\"0\","
                 "\"%s\":\"%s\",\"statusDesc\":\"%s\",\"upgradeTime\":%zu}",
                 what->app, what->operation, what->sub_operation, what->device, what->current,
                 what->target, support_random_below(seed, 2) == 0 ? "status" : "Status",
                 what->result, what->description, support_random_below(seed, 9));
    struct record *record = support_record(body);
    record->received_ms = what->received_ms;
    return record;
}

static struct record *make_record(int64_t received_ms, uint64_t *seed)
{
    static const char *const operations[] = {"o1", "o2", "o3", "o'4", "o%5"};
    static const char *const codes[] = {"", "4", "5", "it's"};
    static const char *const versions[] = {"1.0", "2.0", "3.0"};
    static const char *const descriptions[] = {"", "Low battery", "\303\251t\303\251 \\\"vu\\\""};
    char device[16], sub[16];
    snprintf(device, sizeof device, "d%zu", support_random_below(seed, 24));
    snprintf(sub, sizeof sub, "s%zu", support_random_below(seed, 2));
    const struct support_result what = {
        .app = support_random_below(seed, 4) == 0 ? "b" : "a",
        .operation = ONE_OF(operations, seed),
        .sub_operation = sub,
        .device = device,
        .result = support_random_below(seed, 2) == 0 ? "SUCCESS" : "FAIL",
        .error_code = ONE_OF(codes, seed),
        .current = ONE_OF(versions, seed),
        .target = ONE_OF(versions, seed),
        .description = ONE_OF(descriptions, seed),
        .received_ms = received_ms,
    };
    switch (support_random_below(seed, 5)) {
    case 0:
        return support_progress(&what, ONE_OF(versions, seed));
    case 1:
        return make_firmware(&what, seed);
    default:
        return support_result(&what);
    }
}

size_t lists_next_size(size_t size, size_t rows)
{
    return size < 16 || size + 10 > rows ? size + 1 : size + 8;
}

void lists_fill(struct books *books, size_t count, uint64_t *seed)
{
    struct record *records[64];
    int64_t at_ms = 1764000000000;
    while (count > 0) {
        size_t batch = 1 + support_random_below(seed, LENGTH(records));
        batch = batch < count ? batch : count;
        for (size_t i = 0; i < batch; i++)
            records[i] = make_record(at_ms += (int64_t)support_random_below(seed, 3) * 700, seed);
        books_keep(books, records, batch);
        support_records_free(records, batch);
        count -= batch;
    }
}
