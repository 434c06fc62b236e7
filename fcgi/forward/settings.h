/* settings: the command line of upgrade-forward. */
#ifndef FORWARD_SETTINGS_H
#define FORWARD_SETTINGS_H

#include "base/buffer.h"
#include "base/fault.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most types that --forward-type may name. */
#define SETTINGS_TYPES_MAX 64

/* The events about operations. */
#define SETTINGS_FINISHED "operation.finished"
#define SETTINGS_FAILING "operation.failing"

enum settings_command { SETTINGS_FORWARD, SETTINGS_STATUS, SETTINGS_RESEND, SETTINGS_RESUME };

struct settings {
    enum settings_command command;
    const char *state;       /* the state folder */
    const char *name;        /* NULL: the only one */
    const char *to;          /* a URL */
    const char *secret_file; /* with the secrets that sign */
    const char *ca_file;     /* with authorities to trust; NULL: those of the system */
    const char *since;       /* where to begin; NULL: with the next notification */
    const char *types[SETTINGS_TYPES_MAX];
    size_t types_length;       /* 0: all */
    int64_t timeout_ms;        /* of one request */
    int64_t failing_share;     /* of failed among finished upgrades, in millionths */
    int64_t finished_after_ms; /* silence after which an operation without a list is finished */
    bool json, version, help;
    char cursor[STORE_CURSOR_NAME_MAX]; /* the name of its cursor */
};

/* Reads ARGV, which SETTINGS borrows. A failure says what is wrong with the command line. */
int settings_read(struct settings *settings, char **argv, struct fault *fault);

/* Whether events of TYPE are forwarded. */
bool settings_want(const struct settings *settings, const char *type);

/* Appends the help. */
void settings_add_help(struct buffer *out);

#endif
