/* operations: says once that an operation is finished, and that too many of its upgrades fail. */
#include "config.h"

#include "forward/operations.h"

#include "base/clock.h"
#include "base/units.h"
#include "forward/notes.h"

#include <stdlib.h>
#include <string.h>

/* An operation counts as changed lately for so long after it could be finished. */
#define MARGIN_MS 60000

static void remember(struct operations *operations, const char *id)
{
    memcpy(operations->said[operations->next], id, SIGN_ID_SIZE);
    operations->next = (operations->next + 1) % OPERATIONS_SAID_MAX;
}

static bool is_said(const struct operations *operations, const char *id)
{
    for (size_t i = 0; i < OPERATIONS_SAID_MAX; i++)
        if (strcmp(operations->said[i], id) == 0)
            return true;
    return false;
}

/* The note's first line is since_ms; each of the others is an id, the oldest first. */
int operations_read(struct operations *operations, const struct settings *settings, bool *first,
                    struct fault *fault)
{
    struct buffer text = {0};
    char *rest = NULL;
    memset(operations, 0, sizeof *operations);
    operations->since_ms = clock_now_ms();
    int result = notes_read(settings, NOTES_SAID, &text, fault);
    *first = result == 1;
    const char *line = result == 0 ? strtok_r(text.bytes, "\n", &rest) : NULL;
    if (line != NULL && !units_digits(line, &operations->since_ms))
        line = NULL;
    while (line != NULL && (line = strtok_r(NULL, "\n", &rest)) != NULL)
        if (strlen(line) == SIGN_ID_SIZE - 1)
            remember(operations, line);
    buffer_release(&text);
    return result < 0 ? -1 : 0;
}

int operations_write(const struct operations *operations, const struct settings *settings,
                     struct fault *fault)
{
    struct buffer text = {0};
    buffer_addf(&text, "%lld\n", (long long)operations->since_ms);
    for (size_t i = 0; i < OPERATIONS_SAID_MAX; i++) {
        const char *id = operations->said[(operations->next + i) % OPERATIONS_SAID_MAX];
        if (id[0] != '\0')
            buffer_addf(&text, "%s\n", id);
    }
    int result = notes_write(settings, NOTES_SAID, &text, fault);
    buffer_release(&text);
    return result;
}

/* What one look has found. */
struct found {
    struct event events[OPERATIONS_LOOK_MAX];
    size_t count;
    bool idle;
    int64_t now_ms;
};

static int consider(const struct operations *operations, const struct settings *settings,
                    const char *type, const struct store_operation_row *row, struct found *found,
                    struct fault *fault)
{
    struct event *event = &found->events[found->count];
    if (!settings_want(settings, type))
        return 0;
    if (event_of_operation(type, row, event, fault) != 0)
        return -1;
    if (is_said(operations, event->id))
        event_release(event);
    else
        found->count++;
    return 0;
}

static int consider_row(const struct operations *operations, const struct settings *settings,
                        const struct store_operation_row *row, struct found *found,
                        struct fault *fault)
{
    int64_t quiet_before_ms = found->now_ms - settings->finished_after_ms;
    int result = 0;
    if (row->fail >= OPERATIONS_FAILED_MIN &&
        units_is_above(row->fail, row->success + row->fail, settings->failing_share))
        result = consider(operations, settings, SETTINGS_FAILING, row, found, fault);
    if (result == 0 && found->idle && row->heard && found->count < OPERATIONS_LOOK_MAX &&
        store_operation_state(row, quiet_before_ms) == STORE_FINISHED)
        result = consider(operations, settings, SETTINGS_FINISHED, row, found, fault);
    return result;
}

/* Reads a page of operations, the latest changed first. Returns 1 if there is another one to read.
 */
static int read_page(const struct operations *operations, const struct settings *settings,
                     struct store_reader *reader, struct store_page_token *at, struct found *found,
                     struct fault *fault)
{
    struct store_rows rows = store_list_operations(reader, at, STORE_PAGE_MAX, fault);
    struct store_operation_row row;
    int result = 0;
    bool done = false;
    while (result == 0 && !done && store_next_operation(&rows, &row)) {
        done = row.last_ms < operations->since_ms || found->count == OPERATIONS_LOOK_MAX;
        if (!done)
            result = consider_row(operations, settings, &row, found, fault);
    }
    if (store_rows_end(&rows, at) != 0 || result != 0)
        return -1;
    return done || at->text[0] == '\0' ? 0 : 1;
}

/* Sends what was found. Returns whether all of it is said. */
static bool say(struct operations *operations, struct sender *sender, struct found *found)
{
    bool all = true;
    for (size_t i = 0; i < found->count && all; i++) {
        all = send_event(sender, &found->events[i]) == SEND_DONE;
        if (all)
            remember(operations, found->events[i].id);
    }
    return all;
}

int operations_look(struct operations *operations, struct sender *sender,
                    struct store_reader *reader, bool idle, struct fault *fault)
{
    const struct settings *settings = sender->settings;
    struct found found = {.idle = idle, .now_ms = clock_now_ms()};
    struct store_page_token at = {.text = ""};
    int result = 1;
    if (clock_monotonic_ms() < operations->looked_ms + OPERATIONS_LOOK_MS)
        return 0;
    while (result > 0)
        result = read_page(operations, settings, reader, &at, &found, fault);
    bool all = result == 0 && say(operations, sender, &found);
    int64_t since_ms = found.now_ms - settings->finished_after_ms - MARGIN_MS;
    if (all && idle && found.count < OPERATIONS_LOOK_MAX && since_ms > operations->since_ms)
        operations->since_ms = since_ms;
    if (result == 0 && found.count > 0)
        result = operations_write(operations, settings, fault);
    for (size_t i = 0; i < found.count; i++)
        event_release(&found.events[i]);
    operations->looked_ms = clock_monotonic_ms();
    return result;
}
