/* tell: what an operator asks of a forwarder, or tells it: status, resend, resume. */
#include "config.h"

#include "forward/tell.h"

#include "base/json_writer.h"
#include "base/owner.h"
#include "forward/notes.h"
#include "store/lists.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct state {
    struct store_cursor cursor;
    struct store_totals totals;
    bool lost;
    int running;           /* -1: unknown */
    struct buffer trouble; /* empty: none */
};

/* Whether a process forwards under this name. */
static int is_running(const struct settings *settings)
{
    int fd;
    int result = store_lock_delivery(settings->state, settings->cursor, &fd, NULL);
    if (result == 0)
        close(fd);
    return result;
}

static int read_state(const struct settings *settings, struct store_reader *reader,
                      struct state *state, struct fault *fault)
{
    struct store_overview overview;
    struct store_standing standing;
    snprintf(state->cursor.name, sizeof state->cursor.name, "%s", settings->cursor);
    if (store_read_overview(reader, &overview, fault) != 0 ||
        store_read_cursor(reader, &state->cursor, fault) != 0 ||
        store_read_standing(reader, &state->cursor.at, &standing, fault) != 0 ||
        notes_read(settings, NOTES_TROUBLE, &state->trouble, fault) < 0)
        return -1;
    state->totals = overview.totals;
    state->lost = !standing.holds;
    state->running = is_running(settings);
    return 0;
}

static void add_json(const struct state *state, const json_t *trouble, struct buffer *out)
{
    char token[TOKEN_TEXT_SIZE];
    json_open(out, NULL, '{');
    json_add_string(out, "name", state->cursor.name);
    json_add_string(out, "token", token_write(&state->cursor.at, token));
    json_add_number(out, "backlog", state->totals.seq - state->cursor.at.seq);
    json_add_bool(out, "lost", state->lost);
    if (state->running < 0)
        json_add_null(out, "running");
    else
        json_add_bool(out, "running", state->running > 0);
    if (trouble != NULL)
        json_add_json(out, "trouble", state->trouble.bytes, strlen(state->trouble.bytes));
    else
        json_add_null(out, "trouble");
    json_close(out, '}');
    buffer_add_string(out, "\n");
}

static const char *text_of(const json_t *trouble, const char *name)
{
    const char *text = json_string_value(json_object_get(trouble, name));
    return text != NULL ? text : "";
}

static void add_text(const struct state *state, const json_t *trouble, struct buffer *out)
{
    static const char *const running[] = {"cannot tell whether it runs", "not running", "running"};
    char token[TOKEN_TEXT_SIZE];
    buffer_addf(out, "%s: %s\n", state->cursor.name, running[state->running + 1]);
    if (state->cursor.at.seq == 0)
        buffer_add_string(out, "nothing was sent yet");
    else
        buffer_addf(out, "sent up to %s", token_write(&state->cursor.at, token));
    buffer_addf(out, "; %lld wait\n", (long long)(state->totals.seq - state->cursor.at.seq));
    if (state->lost)
        buffer_add_string(out, "the store does not have that notification, so nothing is sent: "
                               "upgrade-forward resend --since start\n");
    if (trouble != NULL)
        buffer_addf(out, "%s since %s: %s\n",
                    json_is_true(json_object_get(trouble, "paused")) ? "paused" : "tries again",
                    text_of(trouble, "since"), text_of(trouble, "problem"));
}

int tell_status(const struct settings *settings, struct buffer *out, struct fault *fault)
{
    struct state state = {.running = -1};
    struct store_reader *reader = NULL;
    int result = store_reader_new(&reader, settings->state, fault);
    if (result == 0)
        result = read_state(settings, reader, &state, fault);
    json_t *trouble = state.trouble.length > 0 ? json_loads(state.trouble.bytes, 0, NULL) : NULL;
    if (result == 0 && settings->json)
        add_json(&state, trouble, out);
    else if (result == 0)
        add_text(&state, trouble, out);
    json_decref(trouble);
    buffer_release(&state.trouble);
    store_reader_free(reader);
    return result;
}

/* Reads where to begin, and checks that the store has it. */
static int read_since(const struct settings *settings, struct store_reader *reader,
                      struct token *since, struct store_standing *standing, struct fault *fault)
{
    if (strcmp(settings->since, "now") == 0) {
        struct store_overview overview;
        if (store_read_overview(reader, &overview, fault) != 0)
            return -1;
        store_totals_token(&overview.totals, since);
    } else if (token_read(settings->since, since, fault) != 0) {
        return -1;
    }
    if (store_read_standing(reader, since, standing, fault) != 0)
        return -1;
    return standing->holds ? 0
                           : store_refuse_token(since, standing,
                                                "to send all that it has use --since start", fault);
}

int tell_resend(const struct settings *settings, struct buffer *out, struct fault *fault)
{
    struct store_reader *reader = NULL;
    struct store_standing standing;
    struct token since;
    struct buffer note = {0};
    char text[TOKEN_TEXT_SIZE];
    int result = owner_become(settings->state, fault);
    if (result == 0)
        result = store_reader_new(&reader, settings->state, fault);
    if (result == 0)
        result = read_since(settings, reader, &since, &standing, fault);
    if (result == 0) {
        buffer_addf(&note, "%s\n", token_write(&since, text));
        result = notes_write(settings, NOTES_RESEND, &note, fault);
    }
    if (result == 0) {
        buffer_addf(out, "%s sends again what came after %s, %s.\n", settings->cursor, text,
                    is_running(settings) == 1 ? "from now on" : "when it is started");
        if (standing.pruned_seq > since.seq)
            buffer_addf(out, "Of the notifications up to %lld some were pruned: they are gone.\n",
                        (long long)standing.pruned_seq);
    }
    buffer_release(&note);
    store_reader_free(reader);
    return result;
}

int tell_resume(const struct settings *settings, struct buffer *out, struct fault *fault)
{
    if (owner_become(settings->state, fault) != 0)
        return -1;
    bool paused = notes_exist(settings, NOTES_TROUBLE);
    if (notes_remove(settings, NOTES_TROUBLE, fault) != 0)
        return -1;
    buffer_addf(out, paused ? "%s goes on.\n" : "%s was not paused.\n", settings->cursor);
    return 0;
}
