/* platform: what the parts of upgrade-platform share: its commands, and a call of one. */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include "base/fault.h"
#include "base/options.h"
#include "command/term.h"
#include "platform/session.h"
#include "platform/settings.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLATFORM_PROGRAM "upgrade-platform"

/* The most words after a command. */
#define PLATFORM_WORDS_MAX 1000

/* The platform's paths. */
#define PLATFORM_OPERATIONS "/iodm/northbound/v1.5.0/operations"
#define PLATFORM_SUBSCRIPTIONS "/iocm/app/sub/v1.2.0/subscriptions"
#define PLATFORM_SUBSCRIBE_MANAGEMENT "/iodm/app/sub/v1.1.0/subscribe"

/* Exit codes. Their meanings are in the help. */
enum platform_code {
    PLATFORM_DONE = 0,
    PLATFORM_UNUSABLE = 1,
    PLATFORM_USAGE = 2,
    PLATFORM_DIFFERS = 3,
    PLATFORM_UNREACHABLE = 4,
};

/* One call: a command with its words and options. Everything is lent for the call. */
struct platform_call {
    const struct platform_entry *command;
    const char *words[PLATFORM_WORDS_MAX]; /* after the command's own */
    size_t words_length;
    struct options options; /* the receiver's, with the state folder */
    struct settings settings;
    struct session *session;
    struct term term;
    int64_t now_ms; /* since 1970 */

    /* the options' values; NULL: not given */
    bool json, help, version, all, running, keep, no_check;
    const char *state, *config, *callback, *ca, *script, *file, *start;
};

/* One command. RUN returns an exit code. If that is not PLATFORM_DONE, FAULT says why, unless the
 * output has said it. */
struct platform_entry {
    const char *word;
    const char *options; /* each between two spaces */
    size_t least, most;  /* number of words that it takes */
    bool local;          /* it asks nothing of the platform */
    int (*run)(struct platform_call *call, struct fault *fault);
};

/* The commands. */
int platform_check(struct platform_call *call, struct fault *fault);
int platform_subscribe(struct platform_call *call, struct fault *fault);
int platform_subscriptions(struct platform_call *call, struct fault *fault);
int platform_reconcile(struct platform_call *call, struct fault *fault);
int platform_retry(struct platform_call *call, struct fault *fault);

/* check.c: the length of a URL's scheme, host and port; 0: it has none. */
size_t platform_server_length(const char *url);

/* check.c: whether --callback is given, and has what the platform wants. */
int platform_check_url(const struct platform_call *call, struct fault *fault);

/* check.c: whether a body sent to the callback URL reaches the receiver of the state folder.
 * Returns an exit code; PLATFORM_UNREACHABLE: it does not, and FAULT says why. */
int platform_reach(const struct platform_call *call, struct fault *fault);

/* Prints and releases TEXT, and returns an exit code. */
int platform_print(struct platform_call *call, struct buffer *text, struct fault *fault);

/* A member's text; "" if it is none. */
const char *platform_text(const json_t *object, const char *name);

#endif
