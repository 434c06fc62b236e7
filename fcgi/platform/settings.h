/* settings: what upgrade-platform is told in its configuration file. */
#ifndef PLATFORM_SETTINGS_H
#define PLATFORM_SETTINGS_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stdbool.h>
#include <stdint.h>

/* Most bytes of the configuration file, and of the secret. */
#define SETTINGS_FILE_MAX ((size_t)64 << 10)
#define SETTINGS_SECRET_MAX 1024

/* Calls in a minute, unless the file says otherwise. The platform takes 100 for all that uses the
 * appId. */
#define SETTINGS_CALLS_DEFAULT 80

/* Seconds to wait when the platform says that there were too many calls, and for one answer. */
#define SETTINGS_THROTTLE_DEFAULT 15
#define SETTINGS_TIMEOUT_DEFAULT 30

struct settings {
    /* NULL: not given. ADDRESS is https://HOST:PORT without a path. */
    const char *address, *app_id, *secret_file;
    const char *ca_file, *cert_file, *key_file, *expected_name;
    const char *callback_member; /* callbackurl or callbackUrl */
    int64_t calls_per_minute, throttle_wait_s, timeout_s;

    struct buffer text;   /* holds the above */
    struct buffer secret; /* with a NUL */
};

/* Reads the configuration file PATH: lines of a name and a value, empty ones, and those that begin
 * with #. Reads the secret from its file, which others may neither read nor write. Release SETTINGS
 * with settings_release, also after a failure. */
int settings_read(struct settings *settings, const char *path, struct fault *fault);

/* Wipes the secret, and frees what settings_read took. Safe on a zeroed struct. */
void settings_release(struct settings *settings);

#endif
