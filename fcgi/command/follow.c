/* follow: upgrade-status's lines of notifications: as they come, and of a period. */
#include "config.h"

#include "base/clock.h"
#include "base/units.h"
#include "command/show.h"
#include "notification/dispatch.h"
#include "notification/notification.h"
#include "store/lists.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often follow looks for new notifications. */
#define LOOK_MS 100

/* Notifications with which follow begins, unless an option says where. */
#define LAST_COUNT 10

/* Notifications read at a time. */
#define CHUNK_MAX 256

/* The lines being written: those of the receiver's log for programs, a table for people. */
struct lines {
    struct command_call *call;
    bool are_json;
    struct columns table;
    struct buffer out;
};

static const struct column line_columns[] = {
    {.title = "RECEIVED"},
    {.title = "DEVICE", .key = true},
    {.title = "OPERATION", .key = true},
    {.title = "RESULT", .elastic = true},
    {.title = "FROM", .elastic = true, .spare = 2},
    {.title = "TO", .elastic = true, .spare = 1},
    {.title = "NOTE", .elastic = true, .spare = 3},
};

static void begin_lines(struct lines *lines, struct command_call *call)
{
    *lines = (struct lines){.call = call, .are_json = call->json || !call->term->is_terminal};
    columns_init(&lines->table, call->term, line_columns,
                 sizeof line_columns / sizeof line_columns[0]);
    if (lines->are_json)
        return;
    command_add_receiver(call, &lines->out);
    buffer_add_string(&lines->out, "\n");
}

static void end_lines(struct lines *lines)
{
    columns_release(&lines->table);
    buffer_release(&lines->out);
}

/* Adds the error code of a failure and its cause, and that a result contradicts its version. */
static void add_remark(struct columns *table, const struct record *record)
{
    bool is_failure = record->meaning == RECORD_RESULT && record->state == RECORD_FAIL;
    const char *description = is_failure && record->description != NULL ? record->description : "";
    struct buffer note = {0};
    if (record->contradictory)
        buffer_addf(&note, "contradictory: now at %s", whole_text(record->json, "curVersion"));
    if (is_failure && record->error_code != NULL && record->error_code[0] != '\0')
        buffer_addf(&note, "%scode %s", note.length > 0 ? "; " : "", record->error_code);
    if (description[0] != '\0')
        buffer_addf(&note, "%s%s", note.length > 0 ? "; " : "", description);
    buffer_add(&note, "", 1);
    columns_add(table, record->contradictory ? TERM_WARN : TERM_PLAIN,
                note.failed ? "" : note.bytes);
    buffer_release(&note);
}

/* Adds the cells of a notification for people. */
static void add_cells(const struct command_call *call, struct columns *table,
                      const struct store_kept *kept)
{
    struct record record = {.body = kept->body, .body_length = kept->body_length};
    dispatch_read(&record);
    const char *news = command_news(record.json);
    const char *texts[] = {record.device_id, record.operation_id, news, record.source_version,
                           record.target_version};
    char received[CLOCK_TEXT_SIZE], time[COMMAND_TIME_SIZE], type[RECORD_ENVELOPE_TYPE_SIZE];
    columns_add(table, TERM_FAINT,
                command_time(call, clock_format(kept->received_ms, received), time));
    if (news[0] == '\0')
        texts[2] = command_type(record.json, type);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        columns_add(table,
                    i == 0   ? TERM_STRONG
                    : i == 2 ? command_state_tone(texts[2])
                             : TERM_PLAIN,
                    texts[i] != NULL ? texts[i] : "");
    add_remark(table, &record);
    record_release(&record);
}

static void add_line(struct lines *lines, const struct store_kept *kept)
{
    struct token token;
    if (!lines->are_json) {
        add_cells(lines->call, &lines->table, kept);
        return;
    }
    store_kept_token(kept, &token);
    notification_add_kept_line(&token, kept->received_ms, kept->body, kept->body_length,
                               &lines->out);
}

static int print_lines(struct lines *lines, struct fault *fault)
{
    columns_write(&lines->table, &lines->out);
    return term_print(lines->call->term, &lines->out, fault);
}

/* --- follow -------------------------------------------------------------------------------------
 */

struct follow {
    struct command_call *call;
    struct lines lines;
    struct token token; /* of the last line written */
    int64_t pruned_seq; /* notifications up to this one are known to be pruned */
    int64_t version;    /* of the store, when all of it was read */
    bool refused;       /* the store does not have the notifications after TOKEN */
    bool waiting;       /* the store cannot be read now, which was reported */
};

/* Sets the token to the one before the first notification received since SINCE_MS; if that is
 * INT64_MAX, before the last notifications. */
static int find_first(struct follow *follow, int64_t since_ms, struct fault *fault)
{
    struct store_reader *reader = follow->call->reader;
    struct store_overview overview;
    struct store_kept kept;
    if (store_read_overview(reader, &overview, fault) != 0)
        return -1;
    int64_t seq = overview.totals.seq;
    if (since_ms < INT64_MAX) {
        size_t count;
        if (store_read_between(reader, since_ms, INT64_MAX, 0, &kept, 1, &count, fault) != 0)
            return -1;
        seq = count > 0 ? kept.seq - 1 : seq;
        store_kept_release(&kept, count);
        return store_read_token(reader, seq, &follow->token, fault);
    }
    struct store_rows rows = store_list_latest(reader, LAST_COUNT, fault);
    while (store_next_notification(&rows, &kept))
        seq = kept.seq - 1;
    if (store_rows_end(&rows, NULL) != 0)
        return -1;
    return store_read_token(reader, seq, &follow->token, fault);
}

/* Finds where the lines begin: after the token SINCE, otherwise by SINCE_MS. If the user names a
 * token, a later check reports that notifications after it were pruned. Without a token, or with
 * --force, follow goes on with the notifications that are left. */
static int begin(struct follow *follow, const struct token *since, int64_t since_ms,
                 struct fault *fault)
{
    const struct command_call *call = follow->call;
    struct store_standing standing;
    follow->version = -1;
    if (since != NULL)
        follow->token = *since;
    else if (find_first(follow, since_ms, fault) != 0)
        return -1;
    if (store_read_standing(call->reader, &follow->token, &standing, fault) != 0)
        return -1;
    if (call->force || since == NULL || since->seq == 0)
        follow->pruned_seq = standing.pruned_seq;
    return 0;
}

/* Whether the store has all notifications after the token; if not, FAULT says how to go on. */
static int check_token(struct follow *follow, struct fault *fault)
{
    const struct token *token = &follow->token;
    const struct command_call *call = follow->call;
    struct store_standing standing;
    char text[TOKEN_TEXT_SIZE];
    if (store_read_standing(call->reader, token, &standing, fault) != 0)
        return -1;
    follow->refused = true;
    if (!standing.holds) {
        char hint[128];
        snprintf(hint, sizeof hint,
                 standing.end.seq > 0
                     ? "to go on from there use --since %s, to read all that it has,"
                       " --since start"
                     : "to read all that it has use --since start",
                 token_write(&standing.end, text));
        if (call->copy != NULL && standing.end.seq == 0)
            return fault_set(fault,
                             "the copy of the shared books does not have %s: it was made anew since"
                             " (the log or this program is another), or it is another copy; to read"
                             " all that it has use --since start, or what was received from a time"
                             " on, --since TIME",
                             token_write(token, text));
        return store_refuse_token(token, &standing, hint, fault);
    }
    if (standing.pruned_seq > token->seq && standing.pruned_seq > follow->pruned_seq)
        return fault_set(
            fault,
            "of the notifications behind %s, some of %lld to %lld were pruned; to go on"
            " with those that are left: --since %s --force",
            token_write(token, text), (long long)token->seq + 1, (long long)standing.pruned_seq,
            text);
    follow->refused = false;
    return 0;
}

/* Reads the notifications since the last line. FAULT says why it cannot. */
static int read_new(struct follow *follow, struct store_kept *kept, size_t *count,
                    struct fault *fault)
{
    struct store_reader *reader = follow->call->reader;
    int64_t version;
    if (store_read_version(reader, &version, fault) != 0)
        return -1;
    if (version == follow->version)
        return 0;
    if (store_read_begin(reader, 0, fault) != 0)
        return -1;
    int result = check_token(follow, fault);
    if (result == 0)
        result = store_read_after(reader, follow->token.seq, kept, CHUNK_MAX, count, fault);
    store_read_end(reader);
    if (result == 0 && *count == 0)
        follow->version = version;
    return result;
}

/* The same, but waits for a store that cannot be read for a while, or for shared books that are
 * away, and reports that once. */
static int await_new(struct follow *follow, struct store_kept *kept, size_t *count,
                     struct fault *fault)
{
    struct fault away = FAULT_NONE, trouble = FAULT_NONE;
    *count = 0;
    command_refresh(follow->call, &away);
    if (read_new(follow, kept, count, &trouble) != 0) {
        store_reader_close(follow->call->reader);
    } else if (!away.set) {
        follow->waiting = false;
        return 0;
    }
    const struct fault *reason = trouble.set ? &trouble : &away;
    if (follow->refused || reason->lasting) {
        *fault = *reason;
        return -1;
    }
    if (!follow->waiting)
        fprintf(stderr, COMMAND_PROGRAM ": waiting: %s\n", reason->text);
    follow->waiting = true;
    return 0;
}

static int write_lines(struct follow *follow, const struct store_kept *kept, size_t count,
                       struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        add_line(&follow->lines, &kept[i]);
    int result = print_lines(&follow->lines, fault);
    if (result == 0 && count > 0)
        store_kept_token(&kept[count - 1], &follow->token);
    return result;
}

/* Waits until it is time to look again. Returns -1 if nobody reads any more: a pipe without a
 * reader, a terminal that has gone. */
static int wait_to_look(struct follow *follow)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    if (poll(&out, 1, LOOK_MS) <= 0 || out.revents == 0)
        return 0;
    follow->call->term->ended = true;
    return -1;
}

static int follow_store(struct follow *follow, struct fault *fault)
{
    struct store_kept kept[CHUNK_MAX];
    size_t count;
    int result;
    do {
        result = await_new(follow, kept, &count, fault);
        if (result == 0)
            result = write_lines(follow, kept, count, fault);
        store_kept_release(kept, count);
        if (result == 0 && count == 0)
            result = wait_to_look(follow);
    } while (result == 0);
    return result;
}

/* Reads --since: a token, or a time. */
static int read_since(const struct command_call *call, struct token *token, bool *is_token,
                      int64_t *since_ms, struct fault *fault)
{
    *is_token = call->since != NULL && token_read(call->since, token, NULL) == 0;
    *since_ms = INT64_MAX;
    if (call->since == NULL || *is_token ||
        units_time(call->since, call->now_ms, since_ms, NULL) == 0)
        return 0;
    return fault_set(fault,
                     "--since %s: neither a token (LIFE:SEQ, as each line has it, or start) nor a "
                     "time (2026-01-02T03:04:05Z, today, 1h30m)",
                     call->since);
}

int command_follow(struct command_call *call, struct fault *fault)
{
    struct follow follow = {.call = call};
    struct token since;
    bool is_token;
    int64_t since_ms;
    if (read_since(call, &since, &is_token, &since_ms, fault) != 0)
        return COMMAND_USAGE;
    begin_lines(&follow.lines, call);
    if (begin(&follow, is_token ? &since : NULL, since_ms, fault) == 0)
        follow_store(&follow, fault);
    end_lines(&follow.lines);
    return follow.refused ? COMMAND_REFUSED : command_failed(call);
}

/* --- log -------------------------------------------------------------------------------------- */

static int print_between(struct lines *lines, int64_t since_ms, int64_t until_ms,
                         struct fault *fault)
{
    struct store_kept kept[CHUNK_MAX];
    int64_t after = 0;
    size_t count = 0;
    int result;
    do {
        result = store_read_between(lines->call->reader, since_ms, until_ms, after, kept, CHUNK_MAX,
                                    &count, fault);
        for (size_t i = 0; result == 0 && i < count; i++) {
            after = kept[i].seq;
            add_line(lines, &kept[i]);
        }
        if (result == 0) {
            store_kept_release(kept, count);
            result = print_lines(lines, fault);
        }
    } while (result == 0 && count > 0);
    if (result == 0 && !lines->are_json && !lines->table.begun) {
        buffer_add_string(&lines->out, "No notification was received in that time.\n");
        result = print_lines(lines, fault);
    }
    return result;
}

int command_log(struct command_call *call, struct fault *fault)
{
    struct lines lines;
    int64_t since_ms = 0, until_ms = INT64_MAX;
    if (call->since != NULL && units_time(call->since, call->now_ms, &since_ms, fault) != 0) {
        fault_add(fault, "--since");
        return COMMAND_USAGE;
    }
    if (call->until != NULL && units_time(call->until, call->now_ms, &until_ms, fault) != 0) {
        fault_add(fault, "--until");
        return COMMAND_USAGE;
    }
    term_page(call->term);
    begin_lines(&lines, call);
    int result = print_between(&lines, since_ms, until_ms, fault);
    end_lines(&lines);
    return result == 0 ? COMMAND_DONE : command_failed(call);
}
