/* settings: what upgrade-platform is told in its configuration file. */
#include "config.h"

#include "platform/settings.h"

#include "base/text_file.h"
#include "base/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The names of the file. */
static const struct {
    const char *name;
    size_t offset;
    bool is_number;
    int64_t least; /* of a number */
} names[] = {
    {"address", offsetof(struct settings, address), false, 0},
    {"app-id", offsetof(struct settings, app_id), false, 0},
    {"secret-file", offsetof(struct settings, secret_file), false, 0},
    {"ca-file", offsetof(struct settings, ca_file), false, 0},
    {"cert-file", offsetof(struct settings, cert_file), false, 0},
    {"key-file", offsetof(struct settings, key_file), false, 0},
    {"expected-name", offsetof(struct settings, expected_name), false, 0},
    {"callback-member", offsetof(struct settings, callback_member), false, 0},
    {"calls-per-minute", offsetof(struct settings, calls_per_minute), true, 1},
    {"throttle-wait", offsetof(struct settings, throttle_wait_s), true, 0},
    {"timeout", offsetof(struct settings, timeout_s), true, 1},
};

/* Takes one line, NAME VALUE. */
static int take_line(struct settings *settings, char *line, struct fault *fault)
{
    char *name = line + strspn(line, " \t");
    if (*name == '\0' || *name == '#')
        return 0;
    char *value = name + strcspn(name, " \t");
    if (*value != '\0')
        *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end > 0 && strchr(" \t\r", value[end - 1]) != NULL; end--)
        value[end - 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, name) != 0)
            continue;
        void *member = (char *)settings + names[i].offset;
        if (*value == '\0')
            return fault_set(fault, "%s: takes a value", name);
        if (names[i].is_number)
            return units_number(value, names[i].least, member, fault) == 0
                       ? 0
                       : fault_add(fault, "%s", name);
        *(const char **)member = value;
        return 0;
    }
    return fault_set(fault, "%.100s: no such name", name);
}

/* Whether a value is a plain https://HOST:PORT. */
static bool is_address(const char *text)
{
    static const char scheme[] = "https://";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = text + sizeof scheme - 1;
    return *host != '\0' && strpbrk(host, "/?#@ ") == NULL;
}

static int check(struct settings *settings, struct fault *fault)
{
    if (settings->address == NULL || settings->app_id == NULL || settings->secret_file == NULL)
        return fault_set(fault, "%s is missing",
                         settings->address == NULL  ? "address"
                         : settings->app_id == NULL ? "app-id"
                                                    : "secret-file");
    if (!is_address(settings->address))
        return fault_set(fault, "address %.200s: write https://HOST:PORT", settings->address);
    if ((settings->cert_file == NULL) != (settings->key_file == NULL))
        return fault_set(fault, "cert-file and key-file go together");
    if (settings->callback_member != NULL &&
        strcmp(settings->callback_member, "callbackurl") != 0 &&
        strcmp(settings->callback_member, "callbackUrl") != 0)
        return fault_set(fault, "callback-member takes callbackurl or callbackUrl");
    return 0;
}

/* Whether the files that libcurl will read can be read, and the key by nobody else. */
static int check_files(const struct settings *settings, struct fault *fault)
{
    const char *const files[][2] = {{"ca-file", settings->ca_file},
                                    {"cert-file", settings->cert_file}};
    struct buffer key = {0};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i][1] != NULL && access(files[i][1], R_OK) != 0)
            return fault_set_errno(fault, errno, "cannot read %s %s", files[i][0], files[i][1]);
    if (settings->key_file == NULL)
        return 0;
    int result = text_file_read(settings->key_file, SETTINGS_FILE_MAX, true, &key, fault);
    text_file_wipe(&key);
    return result == 0 ? 0 : fault_add(fault, "key-file");
}

static int read_secret(struct settings *settings, struct fault *fault)
{
    const char *path = settings->secret_file;
    if (text_file_read(path, SETTINGS_SECRET_MAX, true, &settings->secret, fault) != 0)
        return fault_add(fault, "secret-file");
    char *secret = settings->secret.bytes;
    size_t length = strcspn(secret, "\r\n");
    if (length == 0 || secret[length + strspn(secret + length, "\r\n")] != '\0')
        return fault_set(fault, "secret-file: %s: takes one line, the secret", path);
    secret[length] = '\0';
    return 0;
}

int settings_read(struct settings *settings, const char *path, struct fault *fault)
{
    *settings = (struct settings){.calls_per_minute = SETTINGS_CALLS_DEFAULT,
                                  .throttle_wait_s = SETTINGS_THROTTLE_DEFAULT,
                                  .timeout_s = SETTINGS_TIMEOUT_DEFAULT};
    if (text_file_read(path, SETTINGS_FILE_MAX, false, &settings->text, fault) != 0)
        return fault_add(fault, "the configuration, which upgrade-platform(8) describes");
    char *rest = settings->text.bytes;
    for (int number = 1; rest != NULL; number++)
        if (take_line(settings, strsep(&rest, "\n"), fault) != 0)
            return fault_add(fault, "%s: line %d", path, number);
    if (check(settings, fault) != 0)
        return fault_add(fault, "%s", path);
    return check_files(settings, fault) != 0 ? -1 : read_secret(settings, fault);
}

void settings_release(struct settings *settings)
{
    text_file_wipe(&settings->secret);
    buffer_release(&settings->text);
}
