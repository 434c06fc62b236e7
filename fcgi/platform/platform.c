/* platform: upgrade-platform, the operator's command that asks the platform back: reads the command
 * line, and runs one command. */
#include "config.h"

#include "platform/platform.h"

#include "base/clock.h"
#include "base/owner.h"
#include "notification/content.h"

#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The configuration, unless --config says otherwise. */
#define CONFIG_DEFAULT "/etc/upgrade-receiver/platform.conf"

static const struct platform_entry commands[] = {
    {"check", " callback ca script ", 0, 0, true, platform_check},
    {"subscribe", " callback ca no-check json ", 0, 32, false, platform_subscribe},
    {"subscriptions", " json ", 0, 0, false, platform_subscriptions},
    {"reconcile", " all running keep json ", 0, PLATFORM_WORDS_MAX, false, platform_reconcile},
    {"retry", " file start json ", 1, 1, false, platform_retry},
};

static const struct {
    const char *word;
    bool has_value, everywhere;
    size_t offset;
} known[] = {
    {"all", false, false, offsetof(struct platform_call, all)},
    {"ca", true, false, offsetof(struct platform_call, ca)},
    {"callback", true, false, offsetof(struct platform_call, callback)},
    {"config", true, true, offsetof(struct platform_call, config)},
    {"file", true, false, offsetof(struct platform_call, file)},
    {"help", false, true, offsetof(struct platform_call, help)},
    {"json", false, false, offsetof(struct platform_call, json)},
    {"keep", false, false, offsetof(struct platform_call, keep)},
    {"no-check", false, false, offsetof(struct platform_call, no_check)},
    {"running", false, false, offsetof(struct platform_call, running)},
    {"script", true, false, offsetof(struct platform_call, script)},
    {"start", true, false, offsetof(struct platform_call, start)},
    {"state", true, true, offsetof(struct platform_call, state)},
    {"version", false, true, offsetof(struct platform_call, version)},
};
#define KNOWN (sizeof known / sizeof known[0])

static const char help[] =
    "Usage: " PLATFORM_PROGRAM " [OPTION]... COMMAND [WORD]... [OPTION]...\n\n"
    "Subscribes the receiver at the IoT platform, and asks back what became of\n"
    "upgrade tasks. It changes nothing at the platform but what a command says.\n"
    "\nCommands:\n"
    "  check                    whether the callback URL leads to this receiver\n"
    "  subscribe [TYPE]...      subscribe notifyTypes (those of the upgrade family)\n"
    "  subscriptions            list what is subscribed\n"
    "  reconcile [OPERATION]... compare tasks at the platform with what was received\n"
    "  retry OPERATION          a new task over the devices that failed\n"
    "\nOptions of every command:\n"
    "  --config FILE            (" CONFIG_DEFAULT ")\n"
    "  --state DIR              the receiver's state folder\n"
    "  --help                   print this text, then exit; also -h\n"
    "  --version                print the version, then exit\n"
    "\nOptions of a command, behind it:\n"
    "  --callback URL           check, subscribe: https://NAME:PORT/PATH\n"
    "  --ca FILE                check, subscribe: the root of its certificate\n"
    "  --script FILE            check: the program check-callback, if it is elsewhere\n"
    "  --no-check               subscribe: do not ask the callback URL first\n"
    "  --all                    reconcile: all tasks that the platform has\n"
    "  --running                reconcile: those that have not ended, or within a day\n"
    "  --keep                   reconcile: note in the store what was asked back\n"
    "  --file ID                retry: the software or firmware package\n"
    "  --start ID               retry: the operation once more: then it is started\n"
    "  --json                   print a JSON document\n"
    "\nThe configuration has lines of a name and a value: address https://HOST:PORT,\n"
    "app-id, secret-file; and if needed ca-file, cert-file and key-file,\n"
    "expected-name, callback-member, calls-per-minute, throttle-wait, timeout.\n"
    "\nExit codes:\n"
    "  0  done, and nothing to complain of\n"
    "  1  the platform, the store or a file cannot be used; nothing was changed\n"
    "  2  the command line or the configuration makes no sense\n"
    "  3  reconcile: platform and store differ, or a list could not be read whole\n"
    "  4  check, subscribe: the callback URL does not lead here\n";

int platform_print(struct platform_call *call, struct buffer *text, struct fault *fault)
{
    int printed = term_print(&call->term, text, fault);
    buffer_release(text);
    return printed == 0 || call->term.ended ? PLATFORM_DONE : PLATFORM_UNUSABLE;
}

const char *platform_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* --- the command line ------------------------------------------------------------------------- */

/* Takes the option at ARGV[*INDEX], and its value, which may be the argument after it. Sets TAKEN
 * to its bit. */
static int take_option(struct platform_call *call, char **argv, int *index, unsigned *taken,
                       struct fault *fault)
{
    const char *argument = strcmp(argv[*index], "-h") == 0 ? "--help" : argv[*index];
    const char *word = argument + 2;
    size_t length = strncmp(argument, "--", 2) == 0 ? strcspn(word, "=") : 0;
    for (size_t i = 0; i < KNOWN; i++) {
        if (strlen(known[i].word) != length || memcmp(known[i].word, word, length) != 0)
            continue;
        void *member = (char *)call + known[i].offset;
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        if ((*taken & 1U << i) != 0)
            return fault_set(fault, "--%s: given twice", known[i].word);
        *taken |= 1U << i;
        if (!known[i].has_value && value != NULL)
            return fault_set(fault, "--%s: takes no value", known[i].word);
        if (!known[i].has_value) {
            *(bool *)member = true;
            return 0;
        }
        if (value == NULL && (value = argv[++*index]) == NULL)
            return fault_set(fault, "--%s: takes a value", known[i].word);
        *(const char **)member = value;
        return 0;
    }
    return fault_set(fault, "%s: no such option", argument);
}

/* Whether the command takes the options that are given. */
static int check_options(const struct platform_call *call, unsigned taken, struct fault *fault)
{
    for (size_t i = 0; i < KNOWN; i++) {
        char word[32];
        snprintf(word, sizeof word, " %s ", known[i].word);
        if ((taken & 1U << i) != 0 && !known[i].everywhere &&
            strstr(call->command->options, word) == NULL)
            return fault_set(fault, "--%s: not an option of %s", known[i].word,
                             call->command->word);
    }
    return 0;
}

static int read_line(struct platform_call *call, char **argv, struct fault *fault)
{
    unsigned taken = 0;
    bool only_words = false;
    for (int i = 1; argv[i] != NULL; i++) {
        bool is_option = !only_words && argv[i][0] == '-' && argv[i][1] != '\0';
        if (is_option && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (is_option) {
            if (take_option(call, argv, &i, &taken, fault) != 0)
                return -1;
        } else if (call->command == NULL) {
            for (size_t c = 0; c < sizeof commands / sizeof commands[0]; c++)
                if (strcmp(commands[c].word, argv[i]) == 0)
                    call->command = &commands[c];
            if (call->command == NULL)
                return fault_set(fault, "%s: no such command", argv[i]);
        } else if (call->words_length == call->command->most) {
            return fault_set(fault, "%s: too many words", call->command->word);
        } else {
            call->words[call->words_length++] = argv[i];
        }
    }
    if (call->help || call->version)
        return 0;
    if (call->command == NULL)
        return fault_set(fault, "which command?");
    if (call->words_length < call->command->least)
        return fault_set(fault, "%s: takes an OPERATION", call->command->word);
    return check_options(call, taken, fault);
}

/* Reads the receiver's options from the environment, for the state folder. */
static int read_environment(struct platform_call *call, struct fault *fault)
{
    char program[] = PLATFORM_PROGRAM, word[] = "--state";
    char *arguments[] = {program, word, (char *)(uintptr_t)call->state, NULL};
    if (call->state == NULL)
        arguments[1] = NULL;
    return options_read(&call->options, call->state == NULL ? 1 : 3, arguments, fault);
}

/* --- the run ---------------------------------------------------------------------------------- */

static int print_help(struct platform_call *call, struct fault *fault)
{
    struct buffer text = {0};
    if (call->version)
        buffer_addf(&text, "%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
    else
        buffer_add_string(&text, help);
    return platform_print(call, &text, fault);
}

static int run(struct platform_call *call, struct fault *fault)
{
    if (call->help || call->version)
        return print_help(call, fault);
    if (read_environment(call, fault) != 0)
        return PLATFORM_USAGE;
    if (!call->command->local &&
        settings_read(&call->settings, call->config == NULL ? CONFIG_DEFAULT : call->config,
                      fault) != 0)
        return PLATFORM_USAGE;
    /* Files of the state folder are made by its owner. */
    if (owner_become(call->options.state, fault) != 0 ||
        (!call->command->local &&
         session_new(&call->session, &call->settings, call->options.state, fault) != 0))
        return PLATFORM_UNUSABLE;
    return call->command->run(call, fault);
}

int main(int argc, char **argv)
{
    (void)argc;
    umask(0027);
    setlocale(LC_CTYPE, "");
    content_init();
    store_library_init();
    struct platform_call call = {.words_length = 0};
    struct fault fault = FAULT_NONE;
    int code = PLATFORM_UNUSABLE;
    term_open(&call.term, TERM_AUTO, false);
    if (sodium_init() < 0) {
        fault_set(&fault, "libsodium cannot start");
    } else if (read_line(&call, argv, &fault) != 0) {
        code = PLATFORM_USAGE;
    } else {
        call.now_ms = clock_now_ms();
        code = run(&call, &fault);
    }
    term_close(&call.term);
    session_free(call.session);
    settings_release(&call.settings);
    options_release(&call.options);
    if (fault.set)
        term_complain(PLATFORM_PROGRAM, fault.text);
    if (code == PLATFORM_USAGE && call.command == NULL)
        fprintf(stderr, "Try '" PLATFORM_PROGRAM " --help'.\n");
    return code;
}
