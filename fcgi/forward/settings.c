/* settings: the command line of upgrade-forward. */
#include "config.h"

#include "forward/settings.h"

#include "base/units.h"
#include "notification/schema.h"

#include <stdio.h>
#include <string.h>

#define STATE_DEFAULT "/var/lib/upgrade-receiver"
#define CURSOR_DEFAULT "forward"

/* Most characters of a name. */
#define NAME_MAX_LENGTH 40

/* Longest time of an option: ten years. A moment to count it from. */
#define DURATION_MOST_MS ((int64_t)10 * 366 * 24 * 3600 * 1000)
#define SOME_TIME_MS (2 * DURATION_MOST_MS)

struct entry {
    const char *word, *value; /* no VALUE: a switch */
    const char *help;
    int (*take)(struct settings *settings, const struct entry *entry, const char *value,
                struct fault *fault);
    size_t offset; /* of the member that it sets */
};

static void *member(struct settings *settings, const struct entry *entry)
{
    return (char *)settings + entry->offset;
}

static int take_text(struct settings *settings, const struct entry *entry, const char *value,
                     struct fault *fault)
{
    if (value[0] == '\0')
        return fault_set(fault, "--%s: empty", entry->word);
    *(const char **)member(settings, entry) = value;
    return 0;
}

static int take_name(struct settings *settings, const struct entry *entry, const char *value,
                     struct fault *fault)
{
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-");
    if (value[length] != '\0' || length == 0 || length > NAME_MAX_LENGTH)
        return fault_set(fault, "--%s %s: takes up to %d letters, digits, _ and -", entry->word,
                         value, NAME_MAX_LENGTH);
    return take_text(settings, entry, value, fault);
}

/* A word such as 30s or 1h30m, which units_time takes for a time before now. */
static int take_duration(struct settings *settings, const struct entry *entry, const char *value,
                         struct fault *fault)
{
    int64_t *ms = member(settings, entry), before = 0;
    if (strspn(value, "0123456789") == 0 || strchr(value, '-') != NULL ||
        units_time(value, SOME_TIME_MS, &before, NULL) != 0 || before >= SOME_TIME_MS ||
        before < SOME_TIME_MS - DURATION_MOST_MS)
        return fault_set(fault, "--%s %s: takes a time such as 30s, 10m or 2h", entry->word, value);
    *ms = SOME_TIME_MS - before;
    return 0;
}

static int take_share(struct settings *settings, const struct entry *entry, const char *value,
                      struct fault *fault)
{
    return units_share(value, member(settings, entry), fault) == 0
               ? 0
               : fault_add(fault, "--%s", entry->word);
}

/* An unknown type would be waited for in vain. Types with a dot are those of the successor's
 * envelope, which has many. */
static int take_type(struct settings *settings, const struct entry *entry, const char *value,
                     struct fault *fault)
{
    bool ours = strcmp(value, SETTINGS_FINISHED) == 0 || strcmp(value, SETTINGS_FAILING) == 0;
    bool envelope = strchr(value, '.') != NULL && strncmp(value, "operation.", 10) != 0;
    if (!ours && !envelope && schema_find(value) == NULL && strcmp(value, "commandStatus") != 0)
        return fault_set(fault,
                         "--%s %s: is no notifyType, and neither " SETTINGS_FINISHED
                         " nor " SETTINGS_FAILING,
                         entry->word, value);
    if (settings->types_length == SETTINGS_TYPES_MAX)
        return fault_set(fault, "--%s %s: more than %d of them", entry->word, value,
                         SETTINGS_TYPES_MAX);
    settings->types[settings->types_length++] = value;
    return 0;
}

static int take_switch(struct settings *settings, const struct entry *entry, const char *value,
                       struct fault *fault)
{
    (void)value;
    (void)fault;
    *(bool *)member(settings, entry) = true;
    return 0;
}

#define MEMBER(name) offsetof(struct settings, name)

static const struct entry entries[] = {
    {"to", "URL", "where to send: https, or http to this machine", take_text, MEMBER(to)},
    {"secret-file", "FILE", "the secrets that sign, whsec_ and base64, one a line", take_text,
     MEMBER(secret_file)},
    {"state", "DIR", "the receiver's state folder (" STATE_DEFAULT ")", take_text, MEMBER(state)},
    {"name", "NAME", "one of several that forward the same store", take_name, MEMBER(name)},
    {"forward-type", "TYPE", "forward this type alone, may be repeated (all)", take_type, 0},
    {"since", "TOKEN",
     "where to begin: LIFE:SEQ, start or now (now); counts at the first start alone", take_text,
     MEMBER(since)},
    {"timeout", "TIME", "how long one request may take (15s)", take_duration, MEMBER(timeout_ms)},
    {"ca-file", "FILE", "the authorities to trust, not those of the system", take_text,
     MEMBER(ca_file)},
    {"failing-share", "SHARE", "an operation is failing if more upgrades failed (10%)", take_share,
     MEMBER(failing_share)},
    {"finished-after", "TIME", "silence after which an operation without a list is finished (1h)",
     take_duration, MEMBER(finished_after_ms)},
    {"json", NULL, "status: print JSON", take_switch, MEMBER(json)},
    {"version", NULL, "print the version, then exit", take_switch, MEMBER(version)},
    {"help", NULL, "print this text, then exit", take_switch, MEMBER(help)},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

static const struct entry *find_entry(const char *word, size_t length)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (strlen(entries[i].word) == length && memcmp(entries[i].word, word, length) == 0)
            return &entries[i];
    return NULL;
}

static int take_command(struct settings *settings, const char *word, struct fault *fault)
{
    static const char *const words[] = {
        [SETTINGS_STATUS] = "status", [SETTINGS_RESEND] = "resend", [SETTINGS_RESUME] = "resume"};
    for (size_t i = SETTINGS_STATUS; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(word, words[i]) == 0 && settings->command == SETTINGS_FORWARD) {
            settings->command = (enum settings_command)i;
            return 0;
        }
    return fault_set(fault, "%s: takes options, and one of status, resend and resume", word);
}

static int take_arguments(struct settings *settings, char **argv, struct fault *fault)
{
    for (int i = 1; argv[i] != NULL; i++) {
        const char *word = argv[i] + 2;
        if (argv[i][0] != '-') {
            if (take_command(settings, argv[i], fault) != 0)
                return -1;
            continue;
        }
        size_t length = strncmp(argv[i], "--", 2) == 0 ? strcspn(word, "=") : 0;
        const struct entry *entry = find_entry(word, length);
        if (length == 0 || entry == NULL)
            return fault_set(fault, "%s: no such option", argv[i]);
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        if (entry->value == NULL && value != NULL)
            return fault_set(fault, "--%s: takes no value", entry->word);
        if (entry->value != NULL && value == NULL && (value = argv[++i]) == NULL)
            return fault_set(fault, "--%s: takes a value, %s", entry->word, entry->value);
        if (entry->take(settings, entry, value, fault) != 0)
            return -1;
    }
    return 0;
}

static int check_since(const struct settings *settings, struct fault *fault)
{
    struct token token;
    if (settings->since == NULL)
        return settings->command == SETTINGS_RESEND
                   ? fault_set(fault, "resend: takes --since LIFE:SEQ or start, after which"
                                      " notifications are sent again")
                   : 0;
    if (strcmp(settings->since, "now") == 0)
        return 0;
    return token_read(settings->since, &token, fault) == 0 ? 0 : fault_add(fault, "--since");
}

int settings_read(struct settings *settings, char **argv, struct fault *fault)
{
    *settings = (struct settings){
        .state = STATE_DEFAULT,
        .timeout_ms = 15000,
        .failing_share = UNITS_WHOLE / 10,
        .finished_after_ms = (int64_t)3600 * 1000,
    };
    if (take_arguments(settings, argv, fault) != 0)
        return -1;
    if (settings->help || settings->version)
        return 0;
    snprintf(settings->cursor, sizeof settings->cursor, CURSOR_DEFAULT "%s%s",
             settings->name != NULL ? "-" : "", settings->name != NULL ? settings->name : "");
    if (settings->command == SETTINGS_FORWARD &&
        (settings->to == NULL || settings->secret_file == NULL))
        return fault_set(fault, "takes --to URL and --secret-file FILE");
    return check_since(settings, fault);
}

bool settings_want(const struct settings *settings, const char *type)
{
    for (size_t i = 0; i < settings->types_length; i++)
        if (strcmp(settings->types[i], type) == 0)
            return true;
    return settings->types_length == 0;
}

void settings_add_help(struct buffer *out)
{
    buffer_add_string(
        out,
        "Usage: upgrade-forward --to URL --secret-file FILE [OPTION]...\n"
        "       upgrade-forward status | resume | resend --since TOKEN [OPTION]...\n"
        "\n"
        "Sends each notification that an upgrade-receiver has kept to a URL, in order, at least\n"
        "once, signed as Standard Webhooks has it. Without a command it does so until SIGTERM.\n"
        "\n"
        "  status                   how far it is, and what is wrong\n"
        "  resend                   send the notifications after --since again\n"
        "  resume                   go on after the other side answered 410\n"
        "\n");
    for (size_t i = 0; i < ENTRIES; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "--%s%s%s", entries[i].word, entries[i].value ? " " : "",
                 entries[i].value ? entries[i].value : "");
        buffer_addf(out, "  %-24s %s\n", usage, entries[i].help);
    }
}
