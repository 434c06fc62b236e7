/* options: the operator's settings, from the command line and the environment. */
#include "config.h"

#include "base/options.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The prefix of an option's variable, and room for the longest name. */
#define PREFIX "UPGRADE_RECEIVER_"
#define VARIABLE_SIZE 64

#define STATE_DEFAULT "/var/lib/upgrade-receiver"
#define WORKERS_MAX 64
#define MAX_BODY_MAX ((uint64_t)64 << 20)

/* A week. The platform never repeats news later than that. */
#define REPEAT_WINDOW_MAX_S (7 * 24 * 3600)

/* Web servers wait longer for an answer, and so does the drain. */
#define BOOKS_WAIT_MAX_MS 8000

static const char *const callbacks_default[] = {"/v1.0.0/messageReceiver",
                                                "/v1.0.0/messageReceiver/cmd"};

/* One option: its word, the name of its value (NULL: a switch), its help, and the function that
 * reads it. */
struct option_entry {
    const char *word;
    const char *value;
    const char *help;
    int (*take)(struct options *options, const struct option_entry *entry, const char *value,
                struct fault *fault);
    size_t offset;     /* of the member that it sets */
    uint64_t min, max; /* of a number */
};

/* The member of OPTIONS that ENTRY sets. */
static void *member(struct options *options, const struct option_entry *entry)
{
    return (char *)options + entry->offset;
}

static int take_number(struct options *options, const struct option_entry *entry, const char *value,
                       struct fault *fault)
{
    int64_t parsed;
    if (!units_digits(value, &parsed) || (uint64_t)parsed < entry->min ||
        (uint64_t)parsed > entry->max)
        return fault_set(fault, "--%s %s: takes a whole number from %llu to %llu", entry->word,
                         value, (unsigned long long)entry->min, (unsigned long long)entry->max);
    *(uint64_t *)member(options, entry) = (uint64_t)parsed;
    return 0;
}

static int take_text(struct options *options, const struct option_entry *entry, const char *value,
                     struct fault *fault)
{
    if (value[0] == '\0')
        return fault_set(fault, "--%s: empty", entry->word);
    *(const char **)member(options, entry) = value;
    return 0;
}

static int take_item(struct options *options, const struct option_entry *entry, const char *value,
                     struct fault *fault)
{
    struct options_list *list = member(options, entry);
    if (value[0] == '\0')
        return fault_set(fault, "--%s: empty", entry->word);
    if (list->length == OPTIONS_LIST_MAX)
        return fault_set(fault, "--%s %s: more than %d of them", entry->word, value,
                         OPTIONS_LIST_MAX);
    list->items[list->length++] = value;
    return 0;
}

static int take_callback(struct options *options, const struct option_entry *entry,
                         const char *value, struct fault *fault)
{
    if (value[0] != '/' || strpbrk(value, "?# \t\r\n") != NULL)
        return fault_set(fault, "--%s %s: takes a path that begins with / and has no ?, # or space",
                         entry->word, value);
    return take_item(options, entry, value, fault);
}

static int take_switch(struct options *options, const struct option_entry *entry, const char *value,
                       struct fault *fault)
{
    bool *set = member(options, entry);
    if (value == NULL || strcmp(value, "1") == 0)
        *set = true;
    else if (strcmp(value, "0") == 0 || value[0] == '\0')
        *set = false;
    else
        return fault_set(fault, "--%s: takes 1 or 0 from the environment, not %s", entry->word,
                         value);
    return 0;
}

#define MEMBER(name) offsetof(struct options, name)

static const struct option_entry entries[] = {
    {"state", "DIR", "the state folder: store and status file (" STATE_DEFAULT ")", take_text,
     MEMBER(state), 0, 0},
    {"listen", "ADDRESS",
     "make the socket at unix:PATH[,MODE,GROUP], do not take descriptor 0; MODE is 0660", take_text,
     MEMBER(listen), 0, 0},
    {"callback", "PATH",
     "a callback path, may be repeated (/v1.0.0/messageReceiver and the same with /cmd)",
     take_callback, MEMBER(callbacks), 0, 0},
    {"workers", "N", "threads that take requests, each with connections of its own (1)",
     take_number, MEMBER(workers), 1, WORKERS_MAX},
    {"max-body", "BYTES", "largest body taken, a larger one is answered 413 (1048576)", take_number,
     MEMBER(max_body), 1, MAX_BODY_MAX},
    {"repeat-window", "SECONDS",
     "how long the same news (not of an upgrade) counts as a repeat (600)", take_number,
     MEMBER(repeat_window_s), 0, REPEAT_WINDOW_MAX_S},
    {"quarantine-max", "N", "bodies held in quarantine, more go to the log alone (10000)",
     take_number, MEMBER(quarantine_max), 0, INT64_MAX},
    {"quarantine-bytes", "BYTES", "bytes held in quarantine, more go to the log alone (67108864)",
     take_number, MEMBER(quarantine_bytes), 0, INT64_MAX},
    {"app-id", "ID", "accept this appId, may be repeated; others are quarantined (all)", take_item,
     MEMBER(app_ids), 0, 0},
    {"token-file", "FILE",
     "check each request's signature with the tokens in FILE, one a line; 401 when it is wrong",
     take_text, MEMBER(token_file), 0, 0},
    {"log", "FILE", "write the log to FILE, not to stdout; opened again on SIGHUP", take_text,
     MEMBER(log), 0, 0},
    {"refuse-invalid", NULL, "answer 400 or 422, not 200, to what goes to quarantine", take_switch,
     MEMBER(refuse_invalid), 0, 0},
    {"books", "CONNINFO",
     "ship what is kept to shared books in PostgreSQL, and answer when they have it", take_text,
     MEMBER(books), 0, 0},
    {"books-wait", "MS", "longest wait for the books; then they are away, for a time (2000)",
     take_number, MEMBER(books_wait_ms), 1, BOOKS_WAIT_MAX_MS},
    {"books-required", NULL, "answer 503, not 200, while the books are away", take_switch,
     MEMBER(books_required), 0, 0},
    {"check", NULL, "see whether a start would work, write nothing, exit", take_switch,
     MEMBER(check), 0, 0},
    {"version", NULL, "print the version, then exit", take_switch, MEMBER(version), 0, 0},
    {"help", NULL, "print this text, then exit", take_switch, MEMBER(help), 0, 0},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

static void set_defaults(struct options *options)
{
    *options = (struct options){
        .state = STATE_DEFAULT,
        .workers = 1,
        .max_body = (size_t)1 << 20,
        .repeat_window_s = 600,
        .quarantine_max = 10000,
        .quarantine_bytes = (uint64_t)64 << 20,
        .books_wait_ms = 2000,
    };
}

static bool is_list(const struct option_entry *entry)
{
    return entry->take == take_callback || entry->take == take_item;
}

/* Takes values separated by white space, from the environment. Cuts up a copy. */
static int take_list(struct options *options, const struct option_entry *entry, const char *value,
                     struct fault *fault)
{
    struct options_list *list = member(options, entry);
    list->memory = strdup(value);
    if (list->memory == NULL)
        return fault_set(fault, "out of memory");
    char *rest = NULL;
    for (char *item = strtok_r(list->memory, " \t\r\n", &rest); item != NULL;
         item = strtok_r(NULL, " \t\r\n", &rest))
        if (entry->take(options, entry, item, fault) != 0)
            return -1;
    return 0;
}

/* An option that makes the program do something else. Only the command line has it. */
static bool is_mode(const struct option_entry *entry)
{
    return entry->offset == MEMBER(check) || entry->offset == MEMBER(version) ||
           entry->offset == MEMBER(help);
}

/* Writes the name of ENTRY's environment variable to NAME. */
static void name_variable(const struct option_entry *entry, char name[VARIABLE_SIZE])
{
    size_t used = sizeof PREFIX - 1;
    memcpy(name, PREFIX, used);
    for (const char *c = entry->word; *c != '\0'; c++)
        name[used++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    name[used] = '\0';
}

static bool is_variable(const char *word, size_t length)
{
    char name[VARIABLE_SIZE];
    for (size_t i = 0; i < ENTRIES; i++) {
        name_variable(&entries[i], name);
        if (!is_mode(&entries[i]) && strlen(name) == length && memcmp(name, word, length) == 0)
            return true;
    }
    return false;
}

bool options_next_unknown(const char *const **at, struct buffer *name)
{
    for (; **at != NULL; ++*at) {
        size_t length = strcspn(**at, "=");
        if (strncmp(**at, PREFIX, sizeof PREFIX - 1) != 0 || is_variable(**at, length))
            continue;
        buffer_clear(name);
        buffer_add(name, **at, length);
        ++*at;
        return true;
    }
    return false;
}

static int read_environment(struct options *options, struct fault *fault)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct option_entry *entry = &entries[i];
        char name[VARIABLE_SIZE];
        name_variable(entry, name);
        const char *value = getenv(name);
        if (value == NULL || is_mode(entry))
            continue;
        int error = is_list(entry) ? take_list(options, entry, value, fault)
                                   : entry->take(options, entry, value, fault);
        if (error != 0)
            return fault_add(fault, "%s", name);
    }
    return 0;
}

static const struct option_entry *find_entry(const char *word, size_t length)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (strlen(entries[i].word) == length && memcmp(entries[i].word, word, length) == 0)
            return &entries[i];
    return NULL;
}

/* The command line overrides the environment: its first value replaces all values from there. */
static void forget_environment(struct options_list *list)
{
    if (list->memory != NULL)
        list->length = 0;
    free(list->memory);
    list->memory = NULL;
}

static int read_arguments(struct options *options, int argc, char **argv, struct fault *fault)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strncmp(argument, "--", 2) != 0)
            return fault_set(fault, "%s: not an option", argument);
        const char *word = argument + 2;
        size_t length = strcspn(word, "=");
        const struct option_entry *entry = find_entry(word, length);
        if (entry == NULL)
            return fault_set(fault, "%s: no such option", argument);
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        if (entry->value == NULL && value != NULL)
            return fault_set(fault, "--%s: takes no value", entry->word);
        if (entry->value != NULL && value == NULL && (value = argv[++i]) == NULL)
            return fault_set(fault, "--%s: takes a value, %s", entry->word, entry->value);
        if (is_list(entry))
            forget_environment(member(options, entry));
        if (entry->take(options, entry, value, fault) != 0)
            return -1;
    }
    return 0;
}

int options_read(struct options *options, int argc, char **argv, struct fault *fault)
{
    set_defaults(options);
    if (read_environment(options, fault) != 0 || read_arguments(options, argc, argv, fault) != 0) {
        options_release(options);
        return -1;
    }
    if (options->callbacks.length == 0) {
        memcpy(options->callbacks.items, callbacks_default, sizeof callbacks_default);
        options->callbacks.length = sizeof callbacks_default / sizeof callbacks_default[0];
    }
    return 0;
}

void options_release(struct options *options)
{
    forget_environment(&options->callbacks);
    forget_environment(&options->app_ids);
}

void options_print_help(const char *program, FILE *out)
{
    fprintf(
        out,
        "Usage: %s [OPTION]... with a listening socket on file descriptor 0, or --listen\n"
        "\n"
        "Receives the notifications of software upgrades that an IoT platform pushes, behind a\n"
        "web server that speaks FastCGI: spawn-fcgi -n -s SOCKET -- %s [OPTION]...\n"
        "\n",
        program, program);
    for (size_t i = 0; i < ENTRIES; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "--%s%s%s", entries[i].word, entries[i].value ? " " : "",
                 entries[i].value ? entries[i].value : "");
        fprintf(out, "  %-26s %s\n", usage, entries[i].help);
    }
    fputs("\nEach option but the last three is also an environment variable: --max-body is\n"
          "UPGRADE_RECEIVER_MAX_BODY. "
          "A switch is set there by 1; the values of an option that may be\n"
          "repeated are separated by white space.\n",
          out);
}
