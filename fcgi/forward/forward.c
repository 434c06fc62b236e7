/* forward: upgrade-forward sends what a receiver keeps to a URL of the operator. */
#include "config.h"

#include "base/buffer.h"
#include "base/owner.h"
#include "forward/run.h"
#include "forward/settings.h"
#include "forward/sign.h"
#include "forward/stop.h"
#include "forward/tell.h"
#include "http/http.h"
#include "notification/content.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "upgrade-forward"

/* Exit codes. */
enum { DONE = 0, UNUSABLE = 1, USAGE = 2 };

static int forward(const struct settings *settings, struct fault *fault)
{
    struct sign sign = {.count = 0};
    int code = UNUSABLE;
    stop_begin();
    /* Root reads the secret; the state folder's owner does the rest. */
    if (http_check_url(settings->to, fault) != 0) {
        fault_add(fault, "--to");
        code = USAGE;
    } else if (sign_read_secrets(&sign, settings->secret_file, fault) != 0)
        fault_add(fault, "--secret-file");
    else if (owner_become(settings->state, fault) == 0 && run_forward(settings, &sign, fault) == 0)
        code = DONE;
    sign_release(&sign);
    return code;
}

static int obey(const struct settings *settings, struct buffer *out, struct fault *fault)
{
    if (settings->help)
        settings_add_help(out);
    else if (settings->version)
        buffer_add_string(out, PACKAGE_NAME " " PACKAGE_VERSION "\n");
    else if (settings->command == SETTINGS_STATUS)
        return tell_status(settings, out, fault) == 0 ? DONE : UNUSABLE;
    else if (settings->command == SETTINGS_RESEND)
        return tell_resend(settings, out, fault) == 0 ? DONE : UNUSABLE;
    else if (settings->command == SETTINGS_RESUME)
        return tell_resume(settings, out, fault) == 0 ? DONE : UNUSABLE;
    else
        return forward(settings, fault);
    return DONE;
}

int main(int argc, char **argv)
{
    (void)argc;
    umask(0027);
    content_init();
    store_library_init();
    struct settings settings;
    struct buffer out = {0};
    struct fault fault = FAULT_NONE;
    int code = USAGE;
    if (sodium_init() < 0) {
        fault_set(&fault, "libsodium cannot start");
        code = UNUSABLE;
    } else if (settings_read(&settings, argv, &fault) == 0) {
        code = obey(&settings, &out, &fault);
    }
    if (out.length > 0 && (out.failed || buffer_write(&out, STDOUT_FILENO) != 0))
        code = UNUSABLE;
    if (fault.set)
        fprintf(stderr, PROGRAM ": %s\n", fault.text);
    if (fault.set && code == USAGE)
        fputs("Try '" PROGRAM " --help'.\n", stderr);
    buffer_release(&out);
    return code;
}
