/* The command line of upgrade-forward. */
#include "config.h"

#include "forward/settings.h"
#include "support.h"

#include <string.h>

#define MOST_WORDS 20

/* Reads a command line whose words have a space between them. */
static int read_line(const char *line, struct settings *settings, struct fault *fault)
{
    static char text[512];
    char *words[MOST_WORDS + 1] = {NULL}, *rest = NULL;
    size_t count = 0;
    snprintf(text, sizeof text, "upgrade-forward %s", line);
    for (char *word = strtok_r(text, " ", &rest); word != NULL && count < MOST_WORDS;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    *fault = FAULT_NONE;
    return settings_read(settings, words, fault);
}

#define NEEDED "--to https://h/p --secret-file f "

static void options_are_read_with_their_bounds(void **state)
{
    struct settings settings;
    struct fault fault;
    assert_int_equal(read_line(NEEDED, &settings, &fault), 0);
    assert_string_equal(settings.cursor, "forward");
    assert_int_equal(settings.timeout_ms, 15000);
    assert_int_equal(settings.finished_after_ms, 3600000);
    assert_true(settings_want(&settings, "anything"));
    assert_int_equal(read_line(NEEDED "--name=two --timeout 1m30s --finished-after=2h"
                                      " --failing-share 2.5% --since start",
                               &settings, &fault),
                     0);
    assert_string_equal(settings.cursor, "forward-two");
    assert_int_equal(settings.timeout_ms, 90000);
    assert_int_equal(settings.finished_after_ms, 7200000);
    assert_int_equal(settings.failing_share, 25000);
    assert_int_equal(read_line("status --json --state s", &settings, &fault), 0);
    assert_int_equal(settings.command, SETTINGS_STATUS);
}

static void types_are_known_ones(void **state)
{
    struct settings settings;
    struct fault fault;
    assert_int_equal(read_line(NEEDED "--forward-type operation.finished --forward-type"
                                      " commandStatus --forward-type batchtask.update"
                                      " --forward-type deviceAdded",
                               &settings, &fault),
                     0);
    assert_true(settings_want(&settings, "deviceAdded"));
    assert_true(settings_want(&settings, "batchtask.update"));
    assert_false(settings_want(&settings, "deviceDeleted"));
    assert_false(settings_want(&settings, SETTINGS_FAILING));
    assert_int_equal(read_line(NEEDED "--forward-type operation.finishd", &settings, &fault), -1);
    assert_int_equal(read_line(NEEDED "--forward-type devicAdded", &settings, &fault), -1);
}

static void what_is_wrong_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "--to https://h/p",
                                        "--secret-file f",
                                        "stop",
                                        "status resend",
                                        "resend",
                                        "resend --since yesterday",
                                        NEEDED "--since 12",
                                        NEEDED "--timeout 0s",
                                        NEEDED "--timeout 5",
                                        NEEDED "--timeout 2026-01-01",
                                        NEEDED "--timeout today",
                                        NEEDED "--failing-share 5",
                                        NEEDED "--failing-share 100%",
                                        NEEDED "--name a/b",
                                        NEEDED "--name",
                                        NEEDED "--json=1",
                                        NEEDED "--insecure",
                                        NEEDED "-",
                                        NEEDED "-k"};
    struct settings settings;
    struct fault fault;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        assert_int_equal(read_line(wrong[i], &settings, &fault), -1);
        assert_true(fault.set);
    }
}

int settings_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_with_their_bounds),
        cmocka_unit_test(types_are_known_ones),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
