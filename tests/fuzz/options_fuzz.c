/* options: any command line and any environment, and any token file.
 *
 * Promised: what is taken is within its bounds, what is not has a fault that says so and leaves
 * nothing behind; `--x=v`, `--x v` and the environment say the same; the last value of an option
 * wins; a signature is taken if, and only if, it was made with a token of the file. */
#include "config.h"

#include "fuzz.h"

#include "base/options.h"
#include "receiver/auth.h"
#include "support.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 64
#define SAID_MAX 80
#define VALUE_MAX 200

/* The options, as --help lists them. */
static struct word {
    char text[32], variable[64];
    bool has_value, is_list, is_number;
} words[WORDS_MAX];
static size_t words_length;
static int token_fd;

static void add_word(const char *line)
{
    static const char *const numbers[] = {" N ", " BYTES ", " SECONDS "};
    struct word *word = &words[words_length++];
    size_t length = strcspn(line, " ");
    fuzz_demand(words_length < WORDS_MAX && length < sizeof word->text, "--help is no longer");
    memcpy(word->text, line, length);
    word->has_value = isupper((unsigned char)line[length + 1]) != 0;
    for (size_t i = 0; i < LENGTH(numbers); i++)
        word->is_number = word->is_number || strncmp(line + length, numbers[i], 3) == 0;
    word->is_list = strstr(line, "may be repeated") != NULL;
    size_t used = (size_t)snprintf(word->variable, sizeof word->variable, "UPGRADE_RECEIVER_");
    for (const char *c = word->text; *c != '\0'; c++)
        word->variable[used++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* A usage longer than its column has its help on the same line all the same. */
static void read_help(void)
{
    char *help = NULL, *rest, *line;
    size_t length;
    FILE *file = open_memstream(&help, &length);
    options_print_help("fuzz", file);
    fclose(file);
    for (line = strtok_r(help, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, "  --", 4) == 0)
            add_word(line + 4);
    free(help);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    read_help();
    fuzz_demand(words_length > 10, "--help lists the options");
    token_fd = memfd_create("tokens", MFD_CLOEXEC);
    fuzz_demand(token_fd >= 0, "a memory file");
    return 0;
}

/* --- what is said --- */

struct said {
    const struct word *word;
    char value[VALUE_MAX + 1];
};

static void take_value(struct fuzz_input *input, char value[VALUE_MAX + 1])
{
    static const char *const few[] = {"0",       "1",         "2",
                                      "256",     "257",       "18446744073709551615",
                                      "1000000", "/callback", "9223372036854775808"};
    struct buffer text = {0};
    size_t picked = fuzz_below(input, 2 * LENGTH(few));
    if (picked < LENGTH(few)) {
        buffer_add_string(&text, few[picked]);
    } else {
        struct fuzz_input bytes = fuzz_take(input, fuzz_below(input, VALUE_MAX + 1));
        buffer_add(&text, (const char *)bytes.bytes, bytes.left);
    }
    buffer_add(&text, "", 1);
    snprintf(value, VALUE_MAX + 1, "%s", text.bytes);
    buffer_release(&text);
}

static void take_said(struct fuzz_input *input, struct said *said)
{
    said->word = &words[fuzz_below(input, words_length)];
    said->value[0] = '\0';
    if (said->word->has_value)
        take_value(input, said->value);
}

/* How an option and its value are written. */
enum style { IN_ONE, IN_TWO };

/* Reads the options said on a command line, which stays until the next one is read. */
static int read_said(struct options *options, const struct said *said, size_t count,
                     enum style style, struct fault *fault)
{
    static char memory[SAID_MAX][VALUE_MAX + 64], program[] = "fuzz";
    static char *argv[2 * SAID_MAX + 2];
    int argc = 0;
    argv[argc++] = program;
    for (size_t i = 0; i < count; i++) {
        bool value = said[i].word->has_value;
        snprintf(memory[i], sizeof memory[i], "--%s%s%s", said[i].word->text,
                 value && style == IN_ONE ? "=" : "",
                 value && style == IN_ONE ? said[i].value : "");
        argv[argc++] = memory[i];
        if (value && style == IN_TWO)
            argv[argc++] = (char *)(uintptr_t)said[i].value;
    }
    argv[argc] = NULL;
    *fault = FAULT_NONE;
    int result = options_read(options, argc, argv, fault);
    fuzz_demand((result == 0) != fault->set && (result == 0 || fault->text[0] != '\0'),
                "what is not taken has a fault");
    return result;
}

/* All that an operator can say, in one text. */
static void describe(const struct options *options, struct buffer *text)
{
    buffer_addf(text, "%s\n%zu %zu %zu %llu %llu\n%s\n%s\n%s\n%s %zu %d\n%d %d %d %d\n",
                options->state, options->workers, options->max_body, options->repeat_window_s,
                (unsigned long long)options->quarantine_max,
                (unsigned long long)options->quarantine_bytes,
                options->token_file == NULL ? "none" : options->token_file,
                options->log == NULL ? "stdout" : options->log,
                options->listen == NULL ? "stdin" : options->listen,
                options->books == NULL ? "alone" : options->books, options->books_wait_ms,
                options->books_required, options->refuse_invalid, options->check, options->version,
                options->help);
    const struct options_list *const lists[] = {&options->callbacks, &options->app_ids};
    for (size_t l = 0; l < LENGTH(lists); l++) {
        buffer_add_string(text, "list\n");
        for (size_t i = 0; i < lists[l]->length; i++)
            buffer_addf(text, "%s\n", lists[l]->items[i]);
    }
    buffer_add(text, "", 1);
}

static void check_bounds(const struct options *options)
{
    fuzz_demand(options->state[0] != '\0', "a state folder");
    fuzz_demand(options->workers >= 1 && options->workers <= 64, "%zu workers", options->workers);
    fuzz_demand(options->max_body >= 1 && options->max_body <= (size_t)64 << 20, "%zu bytes",
                options->max_body);
    fuzz_demand(options->repeat_window_s <= 7 * 24 * 3600, "%zu seconds", options->repeat_window_s);
    fuzz_demand(options->books_wait_ms >= 1 && options->books_wait_ms <= 8000, "%zu ms",
                options->books_wait_ms);
    fuzz_demand(options->quarantine_max <= INT64_MAX && options->quarantine_bytes <= INT64_MAX,
                "bounds that the store can hold");
    fuzz_demand(options->callbacks.length >= 1 && options->callbacks.length <= OPTIONS_LIST_MAX &&
                    options->app_ids.length <= OPTIONS_LIST_MAX,
                "%zu callbacks, %zu appIds", options->callbacks.length, options->app_ids.length);
    for (size_t i = 0; i < options->callbacks.length; i++)
        fuzz_demand(options->callbacks.items[i][0] == '/' &&
                        strpbrk(options->callbacks.items[i], "?#\n") == NULL,
                    "a path, not %s", options->callbacks.items[i]);
    for (size_t i = 0; i < options->app_ids.length; i++)
        fuzz_demand(options->app_ids.items[i][0] != '\0', "an appId");
}

/* Reads what is said, and describes what was taken: "" where it was not. The text is the fault's
 * then. */
static bool read_and_describe(const struct said *said, size_t count, enum style style,
                              struct buffer *text)
{
    struct options options;
    struct fault fault;
    bool taken = read_said(&options, said, count, style, &fault) == 0;
    if (taken) {
        check_bounds(&options);
        describe(&options, text);
        options_release(&options);
    } else {
        buffer_add(text, fault.text, strlen(fault.text) + 1);
    }
    fuzz_demand(options.callbacks.memory == NULL && options.app_ids.memory == NULL,
                "nothing is left behind");
    return taken;
}

static void demand_equal(const struct buffer *one, const struct buffer *other, const char *what)
{
    fuzz_demand(strcmp(one->bytes, other->bytes) == 0, "%s: %s is not %s", what, one->bytes,
                other->bytes);
}

/* --- equivalences --- */

/* Leaves only the last value of each option that has one value. */
static size_t keep_last(const struct said *said, size_t count, struct said *last)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t j = i + 1; j < count && !said[i].word->is_list; j++)
            again = again || said[j].word == said[i].word;
        if (!again)
            last[kept++] = said[i];
    }
    return kept;
}

static void check_command_line(const struct said *said, size_t count)
{
    static struct said last[SAID_MAX];
    struct buffer one = {0}, two = {0}, short_one = {0};
    bool taken = read_and_describe(said, count, IN_ONE, &one);
    fuzz_demand(read_and_describe(said, count, IN_TWO, &two) == taken, "--x=v is --x v");
    demand_equal(&one, &two, "--x=v and --x v");
    if (taken) {
        fuzz_demand(read_and_describe(last, keep_last(said, count, last), IN_ONE, &short_one),
                    "the last values are taken");
        demand_equal(&one, &short_one, "the last value wins");
    }
    buffer_release(&one);
    buffer_release(&two);
    buffer_release(&short_one);
}

/* Whether the option has the program do something else and end: no environment asks for that. */
static bool is_mode(const struct word *word)
{
    static const char *const modes[] = {"check", "help", "version"};
    bool is = false;
    for (size_t i = 0; i < LENGTH(modes); i++)
        is = is || strcmp(word->text, modes[i]) == 0;
    return is;
}

/* The environment and the command line read one option alike; a list in the environment is cut at
 * white space, and may be empty. */
static void check_environment(const struct said *said)
{
    struct buffer here = {0}, there = {0};
    if (is_mode(said->word))
        return;
    if (said->word->is_list && (said->value[0] == '\0' || strpbrk(said->value, " \t\r\n") != NULL))
        return;
    bool taken = read_and_describe(said, 1, IN_TWO, &here);
    setenv(said->word->variable, said->word->has_value ? said->value : "1", 1);
    bool as_well = read_and_describe(NULL, 0, IN_ONE, &there);
    unsetenv(said->word->variable);
    fuzz_demand(taken == as_well, "--%s '%s' is taken here and there", said->word->text,
                said->value);
    fuzz_demand(!taken || !said->word->is_number ||
                    strspn(said->value, "0123456789") == strlen(said->value),
                "a number is digits, not %s", said->value);
    if (taken)
        demand_equal(&here, &there, "command line and environment");
    else
        support_assert_has(there.bytes, said->word->variable);
    buffer_release(&here);
    buffer_release(&there);
}

/* Whatever both say, the command line wins. */
static void check_both(const struct said *said, size_t count, size_t here)
{
    struct buffer both = {0}, alone = {0};
    for (size_t i = here; i < count; i++)
        setenv(said[i].word->variable, said[i].value, 1);
    bool taken = read_and_describe(said, here, IN_ONE, &both);
    for (size_t i = here; i < count; i++)
        unsetenv(said[i].word->variable);
    bool all_here = true;
    for (size_t i = here; i < count; i++) {
        bool found = false;
        for (size_t j = 0; j < here; j++)
            found = found || said[j].word == said[i].word;
        all_here = all_here && found;
    }
    if (taken && all_here) {
        fuzz_demand(read_and_describe(said, here, IN_ONE, &alone), "it is taken alone as well");
        demand_equal(&both, &alone, "the command line wins");
    }
    buffer_release(&both);
    buffer_release(&alone);
}

/* Words that are no option, and values that are missing. */
static void check_any_argument(struct fuzz_input *input)
{
    char argument[VALUE_MAX + 1], program[] = "fuzz";
    char *argv[] = {program, argument, NULL};
    struct options options;
    struct fault fault = FAULT_NONE;
    take_value(input, argument);
    if (options_read(&options, 2, argv, &fault) == 0)
        check_bounds(&options);
    else
        fuzz_demand(fault.set && fault.text[0] != '\0', "a fault");
    options_release(&options);
}

/* --- tokens --- */

/* Signs as the successor platform does, a second time and in another way. */
static void sign(const char *token, const char *timestamp, const char *nonce,
                 char hex[2 * crypto_hash_sha256_BYTES + 1])
{
    const char *parts[] = {token, timestamp, nonce};
    struct buffer text = {0};
    unsigned char digest[crypto_hash_sha256_BYTES];
    bool used[3] = {false};
    for (int n = 0; n < 3; n++) {
        int least = -1;
        for (int i = 0; i < 3; i++)
            if (!used[i] && (least < 0 || strcmp(parts[i], parts[least]) < 0))
                least = i;
        used[least] = true;
        buffer_add_string(&text, parts[least]);
    }
    crypto_hash_sha256(digest, (const unsigned char *)text.bytes, text.length);
    sodium_bin2hex(hex, 2 * sizeof digest + 1, digest, sizeof digest);
    buffer_release(&text);
}

static bool is_token(const char *line)
{
    size_t length = strlen(line);
    for (const char *c = line; *c != '\0'; c++)
        if (strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", *c) == NULL)
            return false;
    return length >= AUTH_TOKEN_MIN && length <= AUTH_TOKEN_MAX;
}

/* Whether each line of the file that is not empty and no comment is a token; counts them. */
static bool are_tokens(const char *file, size_t *count)
{
    char line[VALUE_MAX + 1];
    *count = 0;
    for (const char *at = file; *at != '\0'; at += at[0] == '\n') {
        size_t length = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, at);
        line[strcspn(line, "\r")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            if (!is_token(line))
                return false;
            (*count)++;
        }
        at += length;
    }
    return *count > 0 && *count <= AUTH_TOKENS_MAX;
}

static void check_signatures(const struct auth *auth, const char *file, const char *timestamp,
                             const char *nonce)
{
    char hex[2 * crypto_hash_sha256_BYTES + 1], token[VALUE_MAX + 1];
    snprintf(token, sizeof token, "%s", file + strspn(file, "\r\n"));
    token[strcspn(token, "\r\n")] = '\0';
    if (token[0] != '#') {
        sign(token, timestamp, nonce, hex);
        fuzz_demand(auth_accepts_signature(auth, timestamp, nonce, hex), "signed with %s", token);
        char *digit = &hex[(strlen(timestamp) + 7 * strlen(nonce)) % (sizeof hex - 1)];
        *digit = *digit == '0' ? '1' : '0';
        fuzz_demand(!auth_accepts_signature(auth, timestamp, nonce, hex), "a wrong digit");
    }
    sign("no token of theirs", timestamp, nonce, hex);
    fuzz_demand(!auth_accepts_signature(auth, timestamp, nonce, hex), "another token");
    fuzz_demand(!auth_accepts_signature(auth, timestamp, nonce, NULL), "no signature");
    fuzz_demand(!auth_accepts_signature(auth, timestamp, nonce, nonce) ||
                    strlen(nonce) == 2 * crypto_hash_sha256_BYTES,
                "no signature either");
}

static void check_tokens(struct fuzz_input *input)
{
    char path[64], timestamp[VALUE_MAX + 1], nonce[VALUE_MAX + 1], file[VALUE_MAX + 1];
    struct options options = {.state = "."};
    struct auth *auth;
    struct fault fault = FAULT_NONE;
    size_t count;
    take_value(input, timestamp);
    take_value(input, nonce);
    take_value(input, file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", token_fd);
    options.token_file = path;
    fuzz_demand(ftruncate(token_fd, 0) == 0 &&
                    pwrite(token_fd, file, strlen(file), 0) == (ssize_t)strlen(file),
                "a memory file can be written");
    bool tokens = are_tokens(file, &count);
    bool taken = auth_new(&auth, &options, &fault) == 0;
    fuzz_demand(taken == tokens && taken != fault.set, "the tokens are %s: %s",
                tokens ? "taken" : "refused", fault.text);
    if (!taken)
        return;
    check_signatures(auth, file, timestamp, nonce);
    auth_free(auth);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct said said[SAID_MAX];
    struct fuzz_input input = {bytes, size};
    check_tokens(&input);
    check_any_argument(&input);
    size_t here = fuzz_below(&input, SAID_MAX), count = 0;
    while (input.left > 0 && count < SAID_MAX) {
        take_said(&input, &said[count]);
        check_environment(&said[count]);
        count++;
        /* The same again and again, until there are more than an option takes. */
        for (bool more = fuzz_byte(&input) % 16 == 0; more && count < SAID_MAX; count++)
            said[count] = said[count - 1];
    }
    here = here < count ? here : count;
    check_command_line(said, count);
    check_both(said, count, here);
    return 0;
}
