/* books: upgrade-status's commands on shared books in PostgreSQL. */
#include "config.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/units.h"
#include "command/command.h"
#include "postgres/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Connects to the books that the command line or the environment names. Returns an exit code;
 * *LINK is to be freed in any case. */
static int open_books(const struct command_call *call, struct link **link, struct fault *fault)
{
    const char *conninfo = call->books != NULL ? call->books : getenv("UPGRADE_RECEIVER_BOOKS");
    *link = NULL;
    if (conninfo == NULL || conninfo[0] == '\0') {
        fault_set(fault, "takes --books CONNINFO, or UPGRADE_RECEIVER_BOOKS in the environment");
        return COMMAND_USAGE;
    }
    if (link_new(link, conninfo, -1, fault) != 0) {
        fault_add(fault, "--books");
        return COMMAND_USAGE;
    }
    return link_connect(*link, fault) == 0 ? COMMAND_DONE : COMMAND_UNUSABLE;
}

/* Ends a call: frees LINK, and prints OUT if CODE is good. Returns an exit code. */
static int finish(struct command_call *call, struct link *link, int code, struct buffer *out,
                  struct fault *fault)
{
    link_free(link);
    if (code != COMMAND_DONE && code != COMMAND_FLAWS) {
        buffer_release(out);
        return code;
    }
    int printed = command_print(call, out, fault);
    return printed == COMMAND_DONE ? code : printed;
}

int command_books_init(struct command_call *call, struct fault *fault)
{
    struct link *link;
    struct buffer out = {0};
    int code = open_books(call, &link, fault);
    if (code == COMMAND_DONE && admin_init(link, fault) != 0)
        code = COMMAND_UNUSABLE;
    if (code == COMMAND_DONE)
        buffer_addf(&out,
                    call->json ? "{\"version\":%d}\n"
                               : "The shared books of version %d are made. Grant "
                                 "upgrade_books_receiver to the receivers' logins.\n",
                    ADMIN_VERSION);
    return finish(call, link, code, &out, fault);
}

int command_books_upgrade(struct command_call *call, struct fault *fault)
{
    struct link *link;
    struct buffer out = {0};
    int from = 0;
    int code = open_books(call, &link, fault);
    if (code == COMMAND_DONE && admin_upgrade(link, &from, fault) != 0)
        code = COMMAND_UNUSABLE;
    int now = from > ADMIN_VERSION ? from : ADMIN_VERSION;
    if (code == COMMAND_DONE && call->json)
        buffer_addf(&out, "{\"from\":%d,\"version\":%d}\n", from, now);
    else if (code == COMMAND_DONE && from < now)
        buffer_addf(&out, "The shared books were of version %d, and are of version %d now.\n", from,
                    now);
    else if (code == COMMAND_DONE)
        buffer_addf(&out, "The shared books are of version %d already.\n", now);
    return finish(call, link, code, &out, fault);
}

/* --- check ------------------------------------------------------------------------------------ */

struct checking {
    const struct command_call *call;
    struct buffer *out;
    int64_t flaws;
};

static void tell_flaw(void *owner, const char *flaw)
{
    struct checking *checking = owner;
    if (checking->call->json) {
        json_add_string(checking->out, NULL, flaw);
    } else {
        term_add_safe(checking->call->term, checking->out, flaw, 0);
        buffer_add_string(checking->out, "\n");
    }
    checking->flaws++;
}

static void add_state(const struct command_call *call, const struct link *link,
                      const struct admin_state *state, struct buffer *out)
{
    if (call->json) {
        json_open(out, NULL, '{');
        json_add_string(out, "name", link_name(link));
        json_add_number(out, "version", state->version);
        json_add_string(out, "generation", state->generation);
        json_add_number(out, "head", state->head);
        json_add_bool(out, "mayKeep", state->may_keep);
        json_add_bool(out, "mayRead", state->may_read);
        json_add_bool(out, "mayPrune", state->may_prune);
        json_add_bool(out, "standby", state->has_standby);
        json_open(out, "flaws", '[');
        return;
    }
    term_add_safe(call->term, out, link_name(link), 0);
    buffer_addf(out, ": version %d, %lld entries\nThis login may read%s%s.\n", state->version,
                (long long)state->head, state->may_keep ? ", keep" : "",
                state->may_prune ? ", prune" : "");
    buffer_add_string(out, state->has_standby
                               ? "A commit waits for a standby.\n"
                               : "No commit waits for a standby (synchronous_standby_names is "
                                 "empty): if this server's disk is lost, all is.\n");
}

int command_books_check(struct command_call *call, struct fault *fault)
{
    struct link *link;
    struct admin_state state = {.version = 0};
    struct buffer out = {0};
    struct checking checking = {.call = call, .out = &out};
    int64_t flaws = 0;
    int code = open_books(call, &link, fault);
    if (code == COMMAND_DONE && admin_look(link, &state, fault) != 0)
        code = COMMAND_UNUSABLE;
    if (code == COMMAND_DONE)
        add_state(call, link, &state, &out);
    if (code == COMMAND_DONE && state.may_prune &&
        admin_check(link, tell_flaw, &checking, &flaws, fault) != 0)
        code = COMMAND_UNUSABLE;
    if (code == COMMAND_DONE && flaws > 0)
        code = COMMAND_FLAWS;
    if (call->json)
        buffer_addf(&out, "],\"sound\":%s}\n",
                    state.may_prune ? flaws == 0 ? "true" : "false" : "null");
    else if (state.may_prune && flaws == 0)
        buffer_add_string(&out, "The log is sound.\n");
    return finish(call, link, code, &out, fault);
}

/* --- prune ------------------------------------------------------------------------------------ */

int command_books_prune(struct command_call *call, struct fault *fault)
{
    struct link *link;
    struct buffer out = {0};
    int64_t before_ms = 0, periods = 0, entries = 0;
    if (command_read_before(call, &before_ms, fault) != 0)
        return COMMAND_USAGE;
    int code = open_books(call, &link, fault);
    if (code == COMMAND_DONE && admin_prune(link, before_ms, &periods, &entries, fault) != 0)
        code = COMMAND_UNUSABLE;
    if (call->json)
        buffer_addf(&out, "{\"periods\":%lld,\"entries\":%lld}\n", (long long)periods,
                    (long long)entries);
    else if (periods == 0)
        buffer_add_string(&out, "Nothing to prune: no whole period of operations is older.\n");
    else
        buffer_addf(&out, "Pruned %lld %s with %lld entries.\n", (long long)periods,
                    periods == 1 ? "period" : "periods", (long long)entries);
    return finish(call, link, code, &out, fault);
}
