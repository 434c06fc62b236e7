/* Trust: signatures with a token, and lists of applications. The signatures were computed with
 * Python's hashlib. */
#include "config.h"

#include "receiver/auth.h"
#include "support.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    char *folder;
    struct options options;
    struct auth *auth;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->folder = support_folder();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    auth_free(fixture->auth);
    support_folder_free(fixture->folder);
    free(fixture);
    return 0;
}

/* Begins anew with a token file that holds TEXT; NULL: no token file. */
static int open_with(struct fixture *fixture, const char *text, struct fault *fault)
{
    auth_free(fixture->auth);
    fixture->auth = NULL;
    fixture->options.token_file = NULL;
    if (text != NULL) {
        fixture->options.token_file = support_path(fixture->folder, "tokens");
        support_write_file(fixture->options.token_file, text);
    }
    return auth_new(&fixture->auth, &fixture->options, fault);
}

static void use_tokens(struct fixture *fixture, const char *text)
{
    struct fault fault = FAULT_NONE;
    if (open_with(fixture, text, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* --- signatures --- */

struct signature {
    const char *token, *timestamp, *nonce, *signature;
};

static const struct signature signatures[] = {
    {"Token9", "1700000000", "zebra",
     "bfd3d1666eaa51f675851bb49712038680850170798f160b443ffab084ad65ca"}, /* timestamp, token, nonce
                                                                           */
    {"0abc", "1700000000", "zebra",
     "d170150b2999091cf7895bf4ec7962f2385048f6d772dff16bbca7b0106682f0"}, /* token, timestamp, nonce
                                                                           */
    {"zzz", "1700000000", "abc",
     "43d81f8910f51f32e82802139e313dd7caf938a785b6fe7a99607014185e14ba"}, /* timestamp, nonce, token
                                                                           */
    {"Abc", "b", "a",
     "66737e166b9b592b9e3d3a0957b50e85ef26842e7d339c3d74977bba2b28bd32"}, /* token, nonce, timestamp
                                                                           */
    {"zzz", "b", "a",
     "286945ff300a55cae64abdf99cb4aecef74164e466f1ef83b55374f4b34b0242"}, /* nonce, timestamp, token
                                                                           */
    {"bbb", "c", "a",
     "a7bf42db7950566354433f1b91530bd3fef670b33bc63c0968063b252bcd7945"}, /* nonce, token, timestamp
                                                                           */
    {"abc", "abc", "abc",
     "76b99ab4be8521d78b19bcff7d1078aabeb477bd134f404094c92cd39f051c3e"}, /* all the same */
    {"ab1", "ab", "abc",
     "fe57e3e01ec0e97bf0119ea37fb211cf33ce0ff943da11b8a8beda22db1dea01"}, /* one is the beginning of
                                                                             another */
    {"Zed", "a", "B",
     "5449ee42aad3aa41bef47a061380fd957c1c8c222916ebf3693781f055df6bbf"}, /* by bytes, not as a
                                                                             dictionary sorts */
    {"abc", "\303\251", "z",
     "21cc00ce211862052ffbe254ec75dbfbb5f80384c7a1edb6c9bb572b4a46104e"}, /* a byte above 127 comes
                                                                             last */
    {"0123456789abcdefABCDEF0123456789", "1764000000123", "NnNnNnNnNnNnNnNn",
     "a87ab313669a3fd86eea0392a92100229d30d98a48da1cd1277fe7779501f50b"}, /* the longest token */
};

static bool accepts(const struct fixture *fixture, const struct signature *s)
{
    return auth_accepts_signature(fixture->auth, s->timestamp, s->nonce, s->signature);
}

static void known_signatures_are_accepted(void **state)
{
    for (size_t i = 0; i < LENGTH(signatures); i++) {
        use_tokens(*state, signatures[i].token);
        if (!accepts(*state, &signatures[i]))
            fail_msg("signature %zu, of %s, is refused", i, signatures[i].token);
    }
}

static void a_signature_fits_its_own_token_timestamp_and_nonce_only(void **state)
{
    for (size_t i = 0; i < LENGTH(signatures); i++)
        for (size_t j = 0; j < LENGTH(signatures); j++) {
            struct signature changed[4] = {signatures[i], signatures[i], signatures[i],
                                           signatures[i]};
            changed[0].token = signatures[j].token;
            changed[1].timestamp = signatures[j].timestamp;
            changed[2].nonce = signatures[j].nonce;
            changed[3].signature = signatures[j].signature;
            for (size_t k = 0; k < LENGTH(changed); k++) {
                bool same = strcmp(changed[k].token, signatures[i].token) == 0 &&
                            strcmp(changed[k].timestamp, signatures[i].timestamp) == 0 &&
                            strcmp(changed[k].nonce, signatures[i].nonce) == 0 &&
                            strcmp(changed[k].signature, signatures[i].signature) == 0;
                use_tokens(*state, changed[k].token);
                assert_int_equal(accepts(*state, &changed[k]), same);
            }
        }
}

static void every_digit_of_a_signature_counts(void **state)
{
    const struct signature *known = &signatures[0];
    use_tokens(*state, known->token);
    for (size_t i = 0; i < 64; i++) {
        char wrong[65];
        memcpy(wrong, known->signature, sizeof wrong);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        assert_false(auth_accepts_signature(((struct fixture *)*state)->auth, known->timestamp,
                                            known->nonce, wrong));
    }
}

static void parts_that_are_not_sorted_are_refused(void **state)
{
    /* of token, nonce, timestamp in this order, as another reader of the rule might join them */
    struct signature joined = signatures[0];
    joined.signature = "fc0db0ff71d70b548aac0d1d537e1b8a0f002b66180abefa5aef83c3620c7f41";
    use_tokens(*state, joined.token);
    assert_false(accepts(*state, &joined));
}

static void upper_case_hex_is_refused(void **state)
{
    struct signature known = signatures[0];
    char upper[65];
    for (size_t i = 0; i < sizeof upper; i++)
        upper[i] = (char)toupper((unsigned char)known.signature[i]);
    use_tokens(*state, known.token);
    known.signature = upper;
    assert_false(accepts(*state, &known));
}

static void missing_headers_are_refused(void **state)
{
    struct signature none[4] = {signatures[0], signatures[0], signatures[0], signatures[0]};
    none[0].timestamp = NULL;
    none[1].nonce = NULL;
    none[2].signature = NULL;
    none[3].timestamp = none[3].nonce = none[3].signature = NULL;
    use_tokens(*state, signatures[0].token);
    for (size_t i = 0; i < LENGTH(none); i++)
        assert_false(accepts(*state, &none[i]));
}

static void short_and_long_signatures_are_refused(void **state)
{
    struct signature known = signatures[0];
    const char *whole = known.signature;
    char cut[67];
    use_tokens(*state, known.token);
    for (size_t length = 0; length < 64; length++) {
        snprintf(cut, sizeof cut, "%.*s", (int)length, whole);
        known.signature = cut;
        assert_false(accepts(*state, &known));
    }
    snprintf(cut, sizeof cut, "%s0", whole);
    assert_false(accepts(*state, &known));
    snprintf(cut, sizeof cut, "%s ", whole);
    assert_false(accepts(*state, &known));
    snprintf(cut, sizeof cut, " %s", whole);
    assert_false(accepts(*state, &known));
}

static void parts_are_looked_at_up_to_256_bytes(void **state)
{
    char ones[258], twos[258];
    memset(ones, '1', sizeof ones);
    memset(twos, '2', sizeof twos);
    ones[256] = twos[256] = '\0';
    struct signature longest = {"abc", ones, twos,
                                "f67b03399fc5674f8c00daae59393536cecf8a6af22373040c3125b5d7763afd"};
    use_tokens(*state, longest.token);
    assert_true(accepts(*state, &longest));

    ones[256] = twos[256] = '1';
    ones[257] = twos[257] = '\0';
    struct signature longer = {"abc", ones, "2",
                               "16fdc21dd457bfead7201bebb05eb05502d6d2e0f12bb35cd0a0d7ca77490756"};
    assert_false(accepts(*state, &longer));
    memset(twos, '2', 257);
    longer = (struct signature){"abc", "1", twos,
                                "9c49184694b299cb7793bd3514e34c2a33535f9f407495e88e5a5dcf5c0cc9a5"};
    assert_false(accepts(*state, &longer));
}

/* Of one timestamp and nonce, by three tokens and by the empty one. */
static const struct signature by_old = {
    NULL, "1700000000", "n", "a91fe5a98f5242b54c8e3815868ade65b75e4043dfacdd807e13589c99bcb646"};
static const struct signature by_new = {
    NULL, "1700000000", "n", "de85e5172440d0a136b87883c0b70163312805a817233d088ba70204dbc76013"};
static const struct signature by_third = {
    NULL, "1700000000", "n", "ebb127f4cd5ec24570fe862ff1ec7d6075493befa59607603eadeed958673f8f"};
static const struct signature by_none = {
    NULL, "1700000000", "n", "b54a9193a6298586fe9d8927a302556effbffd177ba7f4603d7c0852284f572f"};

static void each_of_several_tokens_signs(void **state)
{
    use_tokens(*state, "# in use until the first of May\noldtoken\n\nnewtoken\n");
    assert_true(accepts(*state, &by_old));
    assert_true(accepts(*state, &by_new));
    assert_false(accepts(*state, &by_third));
    assert_false(accepts(*state, &by_none));
    use_tokens(*state, "newtoken\n");
    assert_false(accepts(*state, &by_old));
    assert_true(accepts(*state, &by_new));
}

static void eight_tokens_are_the_most(void **state)
{
    struct fault fault = FAULT_NONE;
    use_tokens(*state, "aaa\nbbb\nccc\nddd\neee\nfff\noldtoken\nnewtoken\n");
    assert_true(accepts(*state, &by_old));
    assert_true(accepts(*state, &by_new));
    assert_int_equal(open_with(*state, "aaa\nbbb\nccc\nddd\neee\nfff\nggg\nhhh\nsecret\n", &fault),
                     -1);
    support_assert_fault(&fault, "line 9");
    support_assert_fault(&fault, "more than 8");
    assert_null(strstr(fault.text, "secret"));
}

static void without_a_token_file_everything_is_accepted(void **state)
{
    struct fixture *fixture = *state;
    use_tokens(fixture, NULL);
    assert_true(accepts(fixture, &by_none));
    assert_true(auth_accepts_signature(fixture->auth, NULL, NULL, NULL));
    assert_true(auth_accepts_signature(fixture->auth, "", "", "x"));
}

/* --- the token file --- */

static void token_files_of_any_line_end_are_read(void **state)
{
    static const char *const files[] = {
        "oldtoken",           "oldtoken\n",    "oldtoken\r\n",
        "\n\r\noldtoken\n\n", "# a\noldtoken", "#\n#newtoken\noldtoken",
        "aaa\r\noldtoken",
    };
    for (size_t i = 0; i < LENGTH(files); i++) {
        use_tokens(*state, files[i]);
        assert_true(accepts(*state, &by_old));
        assert_false(accepts(*state, &by_new));
    }
}

static const struct {
    const char *file, *reason;
} refused_files[] = {
    {"", "no token"},
    {"\n\n# nothing\n", "no token"},
    {"s3\n", "line 1"},
    {"good1token\ns3cret-\n", "line 2"},
    {"s3cret \n", "line 1"},
    {" s3cret\n", "line 1"},
    {"s3cret with words\n", "line 1"},
    {"s3cr\303\251t\n", "line 1"},
    {"s3cret7890123456789012345678901234\n", "line 1"}, /* 34 */
    {"s3cret789012345678901234567890123\n", "line 1"},  /* 33 */
    {"#\n\ns3cret;\n", "line 3"},
};

/* No fault shows a token, not even a wrong one: it may be the right one with a slip in it. */
static void bad_token_files_are_refused_and_no_token_is_told(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < LENGTH(refused_files); i++) {
        struct fault fault = FAULT_NONE;
        if (open_with(fixture, refused_files[i].file, &fault) != -1)
            fail_msg("'%s' is accepted", refused_files[i].file);
        assert_null(fixture->auth);
        support_assert_fault(&fault, refused_files[i].reason);
        support_assert_fault(&fault, fixture->options.token_file);
        support_assert_fault(&fault, "--token-file");
        if (strstr(fault.text, "s3cr") != NULL || strstr(fault.text, "good1token") != NULL)
            fail_msg("a token is told: %s", fault.text);
    }
}

static void a_line_too_long_is_refused_and_not_told(void **state)
{
    char line[1024];
    memset(line, 's', sizeof line);
    line[sizeof line - 1] = '\0';
    struct fault fault = FAULT_NONE;
    assert_int_equal(open_with(*state, line, &fault), -1);
    support_assert_fault(&fault, "line 1");
    assert_null(strstr(fault.text, "ssssssss"));
}

static void tokens_of_3_and_of_32_characters_are_accepted(void **state)
{
    use_tokens(*state, "abc\n0123456789abcdefABCDEF0123456789\n");
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault = FAULT_NONE;
    fixture->options.token_file = support_path(fixture->folder, "none");
    assert_int_equal(auth_new(&fixture->auth, &fixture->options, &fault), -1);
    support_assert_fault(&fault, "No such file");
    assert_null(fixture->auth);

    fault = FAULT_NONE;
    fixture->options.token_file = fixture->folder;
    assert_int_equal(auth_new(&fixture->auth, &fixture->options, &fault), -1);
    support_assert_fault(&fault, "Is a directory");
}

/* --- applications --- */

static void without_a_list_every_application_is_accepted(void **state)
{
    struct fixture *fixture = *state;
    use_tokens(fixture, NULL);
    assert_true(auth_accepts_app(fixture->auth, "any"));
    assert_true(auth_accepts_app(fixture->auth, ""));
}

static void with_a_list_only_its_applications_are_accepted(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.app_ids = (struct options_list){.items = {"one", "two"}, .length = 2};
    use_tokens(fixture, NULL);
    assert_true(auth_accepts_app(fixture->auth, "one"));
    assert_true(auth_accepts_app(fixture->auth, "two"));
    static const char *const others[] = {"", "on", "ones", "One", "three", "one "};
    for (size_t i = 0; i < LENGTH(others); i++)
        assert_false(auth_accepts_app(fixture->auth, others[i]));
}

static void the_last_of_a_full_list_is_accepted(void **state)
{
    struct fixture *fixture = *state;
    struct options_list *list = &fixture->options.app_ids;
    while (list->length < OPTIONS_LIST_MAX)
        list->items[list->length++] = "other";
    list->items[OPTIONS_LIST_MAX - 1] = "last";
    use_tokens(fixture, NULL);
    assert_true(auth_accepts_app(fixture->auth, "last"));
    assert_false(auth_accepts_app(fixture->auth, "none"));
}

static void freeing_nothing_is_safe(void **state)
{
    auth_free(NULL);
}

#define DESK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int auth_tests(void)
{
    const struct CMUnitTest tests[] = {
        DESK(known_signatures_are_accepted),
        DESK(a_signature_fits_its_own_token_timestamp_and_nonce_only),
        DESK(every_digit_of_a_signature_counts),
        DESK(parts_that_are_not_sorted_are_refused),
        DESK(upper_case_hex_is_refused),
        DESK(missing_headers_are_refused),
        DESK(short_and_long_signatures_are_refused),
        DESK(parts_are_looked_at_up_to_256_bytes),
        DESK(each_of_several_tokens_signs),
        DESK(eight_tokens_are_the_most),
        DESK(without_a_token_file_everything_is_accepted),
        DESK(token_files_of_any_line_end_are_read),
        DESK(bad_token_files_are_refused_and_no_token_is_told),
        DESK(a_line_too_long_is_refused_and_not_told),
        DESK(tokens_of_3_and_of_32_characters_are_accepted),
        DESK(a_file_that_cannot_be_read_is_refused),
        DESK(without_a_list_every_application_is_accepted),
        DESK(with_a_list_only_its_applications_are_accepted),
        DESK(the_last_of_a_full_list_is_accepted),
        cmocka_unit_test(freeing_nothing_is_safe),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
