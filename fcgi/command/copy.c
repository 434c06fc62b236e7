/* copy: with --books a command reads a copy of shared books, which is brought up to date first. And
 * what is done to a store's own part in shared books. */
#include "config.h"

#include "base/clock.h"
#include "base/running.h"
#include "command/command.h"
#include "postgres/follower.h"
#include "store/journal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* How often follow asks the shared books for more. */
#define REFRESH_MS 1000

/* Bytes of the hash that names the copy of some books. */
#define NAME_BYTES 8

struct command_copy {
    struct link *link;
    struct follower *follower;
    struct term_progress bar;
    char folder[4096];
    int64_t refreshed_ms;
    struct fault fault; /* of the last time */
    struct follower_state state;
};

static int make_folder(const char *path, struct fault *fault)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST
               ? 0
               : fault_set_errno(fault, errno, "cannot make %s", path);
}

/* Finds a folder for the copy of CONNINFO's books in the user's cache, and makes those above it. */
static int find_folder(const char *conninfo, char *path, size_t size, struct fault *fault)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    char name[2 * NAME_BYTES + 1];
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache != NULL && cache[0] == '/')
        snprintf(path, size, "%s", cache);
    else if (home != NULL && home[0] == '/')
        snprintf(path, size, "%s/.cache", home);
    else
        return fault_set(fault, "there is no folder for a copy of the shared books: name one with "
                                "--copy, or set HOME");
    crypto_generichash(hash, sizeof hash, (const unsigned char *)conninfo, strlen(conninfo), NULL,
                       0);
    sodium_bin2hex(name, sizeof name, hash, NAME_BYTES);
    if (make_folder(path, fault) != 0)
        return -1;
    size_t length = strlen(path);
    snprintf(path + length, size - length, "/upgrade-receiver");
    if (make_folder(path, fault) != 0)
        return -1;
    length = strlen(path);
    snprintf(path + length, size - length, "/%s", name);
    return 0;
}

static int follow_books(struct command_copy *copy, struct fault *fault)
{
    int result = follower_run(copy->follower, &copy->state, fault);
    term_report_end(&copy->bar);
    copy->refreshed_ms = clock_monotonic_ms();
    return result;
}

int command_begin_copy(struct command_call *call, struct options *options, struct fault *fault)
{
    struct command_copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        fault_set(fault, "out of memory");
        return COMMAND_UNUSABLE;
    }
    call->copy = copy;
    copy->bar.what = "copying the shared books";
    if (link_new(&copy->link, call->books, -1, fault) != 0) {
        fault_add(fault, "--books");
        return COMMAND_USAGE;
    }
    if (call->copy_folder != NULL)
        snprintf(copy->folder, sizeof copy->folder, "%s", call->copy_folder);
    else if (find_folder(call->books, copy->folder, sizeof copy->folder, fault) != 0)
        return COMMAND_UNUSABLE;
    struct follower_config config = {.folder = copy->folder,
                                     .tells = {.owner = &copy->bar, .report = term_report},
                                     .waits = true};
    store_config_read(options, &config.store);
    options->state = copy->folder;
    return follower_new(&copy->follower, copy->link, &config, fault) == 0 &&
                   follow_books(copy, fault) == 0
               ? COMMAND_DONE
               : COMMAND_UNUSABLE;
}

int command_refresh(struct command_call *call, struct fault *fault)
{
    struct command_copy *copy = call->copy;
    if (copy == NULL)
        return 0;
    if (clock_monotonic_ms() - copy->refreshed_ms >= REFRESH_MS) {
        copy->fault = FAULT_NONE;
        follow_books(copy, &copy->fault);
    }
    if (!copy->fault.set)
        return 0;
    *fault = copy->fault;
    return -1;
}

void command_add_books(const struct command_call *call, struct buffer *out)
{
    buffer_add_string(out, "shared books: ");
    term_add_safe(call->term, out, link_name(call->copy->link), 0);
    buffer_addf(out, ", %lld entries\n", (long long)call->copy->state.number);
}

void command_end_copy(struct command_call *call)
{
    struct command_copy *copy = call->copy;
    if (copy == NULL)
        return;
    follower_free(copy->follower);
    link_free(copy->link);
    free(copy);
    call->copy = NULL;
}

/* --- books reship ----------------------------------------------------------------------------- */

int command_books_reship(struct command_call *call, struct fault *fault)
{
    struct store_journal_state state;
    struct store *store = NULL;
    struct buffer out = {0};
    long pids[RUNNING_MAX];
    if (running_find(call->options->state, pids) > 0) {
        fault_set(fault, "a receiver runs on %s, pid %ld: stop it first", call->options->state,
                  pids[0]);
        return COMMAND_UNUSABLE;
    }
    if (store_journal_state(call->reader, &state, fault) != 0)
        return COMMAND_UNUSABLE;
    if (!state.kept) {
        fault_set(fault,
                  "%s has never been shipped to shared books: a receiver with --books ships "
                  "all of it",
                  call->options->state);
        return COMMAND_UNUSABLE;
    }
    if (command_open_store(call, &store, fault) != 0)
        return COMMAND_UNUSABLE;
    int result = store_journal_again(store, fault);
    store_free(store);
    if (result != 0 || store_journal_state(call->reader, &state, fault) != 0)
        return COMMAND_UNUSABLE;
    buffer_addf(&out,
                call->json ? "{\"entries\":%lld}\n"
                           : "The receiver will ship %lld entries at its next start.\n",
                (long long)(state.last - state.first + 1));
    return command_print(call, &out, fault);
}
