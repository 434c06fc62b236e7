/* Options: defaults, environment, command line, which of them wins, and each error. */
#include "config.h"

#include "base/options.h"
#include "store/store.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* As many as an option that may be repeated, once too often, and its values. */
#define WORDS_MAX (2 * (OPTIONS_LIST_MAX + 1))

/* Takes every variable of the receiver out of the environment. */
static int setup(void **state)
{
    char name[256];
    for (char **entry = environ; *entry != NULL;) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, "UPGRADE_RECEIVER_", 17) != 0 || length >= sizeof name) {
            entry++;
            continue;
        }
        memcpy(name, *entry, length);
        name[length] = '\0';
        unsetenv(name); /* what follows moves up */
    }
    return 0;
}

static int read_words(struct options *options, const char *const *words, struct fault *fault)
{
    static char *argv[WORDS_MAX + 2];
    int argc = 1;
    argv[0] = (char *)"upgrade-receiver";
    for (; *words != NULL; words++) {
        assert_in_range(argc, 1, WORDS_MAX);
        argv[argc++] = (char *)*words;
    }
    argv[argc] = NULL;
    return options_read(options, argc, argv, fault);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_WORDS ((const char *const[]){NULL})

/* Reads WORDS, which must be right; release with options_release. */
static struct options read_right(const char *const *words)
{
    struct options options;
    struct fault fault = FAULT_NONE;
    if (read_words(&options, words, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_false(fault.set);
    return options;
}

static void read_wrong(const char *const *words, const char *part)
{
    struct options options;
    struct fault fault = FAULT_NONE;
    assert_int_equal(read_words(&options, words, &fault), -1);
    support_assert_fault(&fault, part);
}

static void there_are_defaults(void **state)
{
    struct options options = read_right(NO_WORDS);
    assert_string_equal(options.state, "/var/lib/upgrade-receiver");
    assert_int_equal(options.callbacks.length, 2);
    assert_string_equal(options.callbacks.items[0], "/v1.0.0/messageReceiver");
    assert_string_equal(options.callbacks.items[1], "/v1.0.0/messageReceiver/cmd");
    assert_int_equal(options.workers, 1);
    assert_int_equal(options.max_body, 1048576);
    assert_int_equal(options.quarantine_max, 10000);
    assert_int_equal(options.quarantine_bytes, 67108864);
    assert_int_equal(options.repeat_window_s, 600);
    assert_int_equal(options.app_ids.length, 0);
    assert_null(options.token_file);
    assert_null(options.log);
    assert_null(options.listen);
    assert_null(options.books);
    assert_int_equal(options.books_wait_ms, 2000);
    assert_false(options.books_required);
    assert_false(options.refuse_invalid || options.check || options.version || options.help);
    options_release(&options);
}

static void expect_all(const struct options *options)
{
    assert_string_equal(options->state, "/s");
    assert_int_equal(options->callbacks.length, 1);
    assert_string_equal(options->callbacks.items[0], "/c");
    assert_int_equal(options->workers, 3);
    assert_int_equal(options->max_body, 4);
    assert_int_equal(options->quarantine_max, 6);
    assert_int_equal(options->quarantine_bytes, 7);
    assert_int_equal(options->repeat_window_s, 8);
    assert_int_equal(options->app_ids.length, 1);
    assert_string_equal(options->app_ids.items[0], "a");
    assert_string_equal(options->token_file, "/t");
    assert_string_equal(options->log, "/l");
    assert_string_equal(options->listen, "unix:/n");
    assert_string_equal(options->books, "service=b");
    assert_int_equal(options->books_wait_ms, 9);
    assert_true(options->refuse_invalid && options->books_required);
}

static void every_option_is_taken_from_the_command_line(void **state)
{
    struct options options = read_right(
        WORDS("--state", "/s", "--callback", "/c", "--workers", "3", "--max-body", "4",
              "--quarantine-max", "6", "--quarantine-bytes", "7", "--repeat-window", "8",
              "--app-id", "a", "--token-file", "/t", "--log", "/l", "--listen", "unix:/n",
              "--books", "service=b", "--books-wait", "9", "--books-required", "--refuse-invalid",
              "--check", "--version", "--help"));
    expect_all(&options);
    assert_true(options.check && options.version && options.help);
    options_release(&options);
    options = read_right(WORDS("--state=/s", "--callback=/c", "--workers=3", "--max-body=4",
                               "--quarantine-max=6", "--quarantine-bytes=7", "--repeat-window=8",
                               "--app-id=a", "--token-file=/t", "--log=/l", "--listen=unix:/n",
                               "--books=service=b", "--books-wait=9", "--books-required",
                               "--refuse-invalid", "--check", "--version", "--help"));
    expect_all(&options);
    options_release(&options);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void set_all(void)
{
    set("UPGRADE_RECEIVER_STATE", "/s");
    set("UPGRADE_RECEIVER_CALLBACK", "/c");
    set("UPGRADE_RECEIVER_WORKERS", "3");
    set("UPGRADE_RECEIVER_MAX_BODY", "4");
    set("UPGRADE_RECEIVER_QUARANTINE_MAX", "6");
    set("UPGRADE_RECEIVER_QUARANTINE_BYTES", "7");
    set("UPGRADE_RECEIVER_REPEAT_WINDOW", "8");
    set("UPGRADE_RECEIVER_APP_ID", "a");
    set("UPGRADE_RECEIVER_TOKEN_FILE", "/t");
    set("UPGRADE_RECEIVER_LOG", "/l");
    set("UPGRADE_RECEIVER_LISTEN", "unix:/n");
    set("UPGRADE_RECEIVER_BOOKS", "service=b");
    set("UPGRADE_RECEIVER_BOOKS_WAIT", "9");
    set("UPGRADE_RECEIVER_BOOKS_REQUIRED", "1");
    set("UPGRADE_RECEIVER_REFUSE_INVALID", "1");
}

static void every_option_is_taken_from_the_environment(void **state)
{
    set_all();
    struct options options = read_right(NO_WORDS);
    expect_all(&options);
    options_release(&options);
}

/* Or a service would print something and end, for ever. */
static void a_mode_is_not_taken_from_the_environment(void **state)
{
    set("UPGRADE_RECEIVER_CHECK", "1");
    set("UPGRADE_RECEIVER_VERSION", "1");
    set("UPGRADE_RECEIVER_HELP", "no");
    struct options options = read_right(NO_WORDS);
    assert_false(options.check || options.version || options.help);
    options_release(&options);
}

static void variables_that_set_nothing_are_found(void **state)
{
    static const char *const variables[] = {"PATH=/bin",
                                            "UPGRADE_RECEIVER_STATE=/s",
                                            "UPGRADE_RECEIVER_STAT=/s",
                                            "UPGRADE_RECEIVER_MAX_BODY=1",
                                            "UPGRADE_RECEIVER_VERSION=1",
                                            "UPGRADE_RECEIVER_max_body=1",
                                            "UPGRADE_RECEIVER_",
                                            NULL};
    static const char *const found[] = {"UPGRADE_RECEIVER_STAT", "UPGRADE_RECEIVER_VERSION",
                                        "UPGRADE_RECEIVER_max_body", "UPGRADE_RECEIVER_"};
    const char *const *at = variables;
    struct buffer name = {0};
    for (size_t i = 0; i < LENGTH(found); i++) {
        assert_true(options_next_unknown(&at, &name));
        assert_int_equal(name.length, strlen(found[i]));
        assert_memory_equal(name.bytes, found[i], name.length);
    }
    assert_false(options_next_unknown(&at, &name));
    buffer_release(&name);
}

static void the_command_line_wins_over_the_environment(void **state)
{
    set_all();
    struct options options = read_right(WORDS(
        "--state", "/S", "--callback", "/C", "--callback", "/D", "--workers", "13", "--max-body",
        "14", "--quarantine-max", "16", "--quarantine-bytes", "17", "--repeat-window", "18",
        "--app-id", "A", "--app-id", "B", "--token-file", "/T", "--log", "/L"));
    assert_string_equal(options.state, "/S");
    assert_int_equal(options.callbacks.length, 2);
    assert_string_equal(options.callbacks.items[0], "/C");
    assert_string_equal(options.callbacks.items[1], "/D");
    assert_int_equal(options.workers, 13);
    assert_int_equal(options.max_body, 14);
    assert_int_equal(options.quarantine_max, 16);
    assert_int_equal(options.quarantine_bytes, 17);
    assert_int_equal(options.repeat_window_s, 18);
    assert_int_equal(options.app_ids.length, 2);
    assert_string_equal(options.app_ids.items[0], "A");
    assert_string_equal(options.app_ids.items[1], "B");
    assert_string_equal(options.token_file, "/T");
    assert_string_equal(options.log, "/L");
    options_release(&options);
}

/* One list on the command line leaves the other as the environment has it. */
static void lists_win_each_for_itself(void **state)
{
    set("UPGRADE_RECEIVER_CALLBACK", "/a /b");
    set("UPGRADE_RECEIVER_APP_ID", "one\ttwo");
    struct options options = read_right(WORDS("--callback", "/C"));
    assert_int_equal(options.callbacks.length, 1);
    assert_string_equal(options.callbacks.items[0], "/C");
    assert_int_equal(options.app_ids.length, 2);
    assert_string_equal(options.app_ids.items[0], "one");
    assert_string_equal(options.app_ids.items[1], "two");
    options_release(&options);
    options = read_right(WORDS("--app-id", "three"));
    assert_int_equal(options.callbacks.length, 2);
    assert_int_equal(options.app_ids.length, 1);
    assert_string_equal(options.app_ids.items[0], "three");
    options_release(&options);
}

static void the_last_of_several_wins(void **state)
{
    struct options options = read_right(WORDS("--workers", "5", "--workers=6", "--state=a=b"));
    assert_int_equal(options.workers, 6);
    assert_string_equal(options.state, "a=b");
    options_release(&options);
}

static void switches_of_the_environment_are_1_or_0(void **state)
{
    static const char *const off[] = {"0", ""};
    struct options options;
    for (size_t i = 0; i < LENGTH(off); i++) {
        set("UPGRADE_RECEIVER_REFUSE_INVALID", off[i]);
        options = read_right(NO_WORDS);
        assert_false(options.refuse_invalid);
        options_release(&options);
    }
    options = read_right(WORDS("--refuse-invalid"));
    assert_true(options.refuse_invalid);
    options_release(&options);
    set("UPGRADE_RECEIVER_REFUSE_INVALID", "yes");
    read_wrong(NO_WORDS, "UPGRADE_RECEIVER_REFUSE_INVALID: --refuse-invalid: takes 1 or 0");
}

static void callbacks_of_the_environment_are_separated_by_white_space(void **state)
{
    set("UPGRADE_RECEIVER_CALLBACK", "\t/a  /b/c\n/d ");
    struct options options = read_right(NO_WORDS);
    assert_int_equal(options.callbacks.length, 3);
    assert_string_equal(options.callbacks.items[0], "/a");
    assert_string_equal(options.callbacks.items[1], "/b/c");
    assert_string_equal(options.callbacks.items[2], "/d");
    assert_string_equal(getenv("UPGRADE_RECEIVER_CALLBACK"), "\t/a  /b/c\n/d ");
    options_release(&options);
    set("UPGRADE_RECEIVER_CALLBACK", " ");
    options = read_right(NO_WORDS);
    assert_int_equal(options.callbacks.length, 2);
    options_release(&options);
}

static void sixty_four_callbacks_can_be_set_and_no_more(void **state)
{
    const char *words[2 * (OPTIONS_LIST_MAX + 1) + 1] = {NULL};
    for (size_t i = 0; i < 2 * OPTIONS_LIST_MAX; i++)
        words[i] = i % 2 == 0 ? "--callback" : "/x";
    struct options options = read_right(words);
    assert_int_equal(options.callbacks.length, OPTIONS_LIST_MAX);
    options_release(&options);
    words[2 * OPTIONS_LIST_MAX] = "--callback";
    words[2 * OPTIONS_LIST_MAX + 1] = "/one-more";
    read_wrong(words, "--callback /one-more: more than 64 of them");
    char many[3 * (OPTIONS_LIST_MAX + 1) + 1] = "";
    for (size_t i = 0; i <= OPTIONS_LIST_MAX; i++)
        memcpy(many + 3 * i, "/a ", 4);
    set("UPGRADE_RECEIVER_CALLBACK", many);
    read_wrong(NO_WORDS, "UPGRADE_RECEIVER_CALLBACK: --callback /a: more than 64 of them");
}

static void a_callback_is_a_path(void **state)
{
    static const char *const wrong[] = {"",     "a",    "v1/a",  "http://host/a", "/a?b",
                                        "/a#b", "/a b", "/a\nb", "/a\tb"};
    for (size_t i = 0; i < LENGTH(wrong); i++)
        read_wrong(WORDS("--callback", wrong[i]), "takes a path that begins with /");
    static const char *const right[] = {"/", "/a%20b", "/\303\251", "/a/./../b"};
    for (size_t i = 0; i < LENGTH(right); i++) {
        struct options options = read_right(WORDS("--callback", right[i]));
        assert_string_equal(options.callbacks.items[0], right[i]);
        options_release(&options);
    }
    set("UPGRADE_RECEIVER_CALLBACK", "/a b");
    read_wrong(NO_WORDS, "UPGRADE_RECEIVER_CALLBACK: --callback b: takes a path");
}

static void a_number_is_a_whole_number_within_its_bounds(void **state)
{
    static const char *const wrong[] = {"",   " 1",   "1 ",  "+1",  "-1",
                                        "1k", "0x10", "1.0", "one", "99999999999999999999"};
    for (size_t i = 0; i < LENGTH(wrong); i++)
        read_wrong(WORDS("--workers", wrong[i]), "takes a whole number");
    static const struct {
        const char *word, *least, *too_little, *most, *too_much;
    } bounds[] = {
        {"--workers", "1", "0", "64", "65"},
        {"--max-body", "1", "0", "67108864", "67108865"},
        {"--repeat-window", "0", NULL, "604800", "604801"},
        {"--quarantine-max", "0", NULL, "9223372036854775807", "9223372036854775808"},
        {"--quarantine-bytes", "0", NULL, "9223372036854775807", "9223372036854775808"},
        {"--books-wait", "1", "0", "8000", "8001"},
    };
    for (size_t i = 0; i < LENGTH(bounds); i++) {
        struct options options = read_right(WORDS(bounds[i].word, bounds[i].least));
        options_release(&options);
        options = read_right(WORDS(bounds[i].word, bounds[i].most));
        options_release(&options);
        read_wrong(WORDS(bounds[i].word, bounds[i].too_much), "takes ");
        read_wrong(WORDS(bounds[i].word, bounds[i].too_much), bounds[i].word);
        if (bounds[i].too_little != NULL)
            read_wrong(WORDS(bounds[i].word, bounds[i].too_little), "takes ");
    }
    set("UPGRADE_RECEIVER_MAX_BODY", "1M");
    read_wrong(NO_WORDS, "UPGRADE_RECEIVER_MAX_BODY: --max-body 1M: takes a whole number from");
}

static void words_that_are_no_options_are_named(void **state)
{
    read_wrong(WORDS("state"), "state: not an option");
    read_wrong(WORDS("-s"), "-s: not an option");
    read_wrong(WORDS(""), ": not an option");
    read_wrong(WORDS("--"), "--: no such option");
    read_wrong(WORDS("--stat", "/s"), "--stat: no such option");
    read_wrong(WORDS("--queue", "5"), "--queue: no such option"); /* there was one */
    read_wrong(WORDS("--states", "/s"), "--states: no such option");
    read_wrong(WORDS("--State", "/s"), "--State: no such option");
    read_wrong(WORDS("--=x"), "--=x: no such option");
    read_wrong(WORDS("--check", "now"), "now: not an option");
}

static void values_are_demanded_or_refused(void **state)
{
    read_wrong(WORDS("--state"), "--state: takes a value, DIR");
    read_wrong(WORDS("--check", "--log"), "--log: takes a value, FILE");
    read_wrong(WORDS("--state="), "--state: empty");
    read_wrong(WORDS("--log", ""), "--log: empty");
    read_wrong(WORDS("--app-id", ""), "--app-id: empty");
    read_wrong(WORDS("--token-file="), "--token-file: empty");
    read_wrong(WORDS("--check=1"), "--check: takes no value");
    read_wrong(WORDS("--refuse-invalid="), "--refuse-invalid: takes no value");
    set("UPGRADE_RECEIVER_STATE", "");
    read_wrong(NO_WORDS, "UPGRADE_RECEIVER_STATE: --state: empty");
}

static void the_help_names_every_option(void **state)
{
    static const char *const lines[] = {"  --state DIR ",
                                        "  --callback PATH ",
                                        "  --workers N ",
                                        "  --max-body BYTES ",
                                        "  --repeat-window SECONDS ",
                                        "  --quarantine-max N ",
                                        "  --quarantine-bytes BYTES",
                                        "  --app-id ID ",
                                        "  --token-file FILE ",
                                        "  --log FILE ",
                                        "  --refuse-invalid ",
                                        "  --books CONNINFO ",
                                        "  --books-wait MS ",
                                        "  --books-required ",
                                        "  --check ",
                                        "  --version ",
                                        "  --help ",
                                        "UPGRADE_RECEIVER_MAX_BODY"};
    char *help = NULL;
    size_t length;
    FILE *out = open_memstream(&help, &length);
    assert_non_null(out);
    options_print_help("receiver", out);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < LENGTH(lines); i++)
        support_assert_has(help, lines[i]);
    free(help);
}

static void releasing_nothing_is_safe(void **state)
{
    struct options options = {0};
    options_release(&options);
    options_release(&options);
}

static void the_stores_part_is_the_stores_configuration(void **state)
{
    struct options options = read_right(WORDS("--state", "/s", "--quarantine-max", "3",
                                              "--quarantine-bytes", "4", "--repeat-window", "5"));
    struct store_config config;
    store_config_read(&options, &config);
    assert_string_equal(config.folder, "/s");
    assert_int_equal(config.quarantine_max, 3);
    assert_int_equal(config.quarantine_bytes, 4);
    assert_int_equal(config.repeat_window_ms, 5000);
    options_release(&options);
}

#define CLEAN(test) cmocka_unit_test_setup_teardown(test, setup, setup)

int options_tests(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN(the_stores_part_is_the_stores_configuration),
        CLEAN(there_are_defaults),
        CLEAN(every_option_is_taken_from_the_command_line),
        CLEAN(every_option_is_taken_from_the_environment),
        CLEAN(a_mode_is_not_taken_from_the_environment),
        CLEAN(variables_that_set_nothing_are_found),
        CLEAN(the_command_line_wins_over_the_environment),
        CLEAN(lists_win_each_for_itself),
        CLEAN(the_last_of_several_wins),
        CLEAN(switches_of_the_environment_are_1_or_0),
        CLEAN(callbacks_of_the_environment_are_separated_by_white_space),
        CLEAN(sixty_four_callbacks_can_be_set_and_no_more),
        CLEAN(a_callback_is_a_path),
        CLEAN(a_number_is_a_whole_number_within_its_bounds),
        CLEAN(words_that_are_no_options_are_named),
        CLEAN(values_are_demanded_or_refused),
        CLEAN(the_help_names_every_option),
        CLEAN(releasing_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
