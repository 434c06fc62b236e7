/* Signatures are those of Standard Webhooks, and secrets are read with care. */
#include "config.h"

#include "forward/sign.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The vector of the reference libraries. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define AT_S 1614265330
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void the_vector_of_the_reference_libraries_has_its_signature(void **state)
{
    struct sign sign = {.count = 0};
    struct fault fault = FAULT_NONE;
    struct buffer body = {0}, out = {0};
    buffer_add_string(&body, BODY);
    assert_int_equal(sign_add_secret(&sign, SECRET, &fault), 0);
    sign_add_signatures(&sign, ID, AT_S, &body, &out);
    assert_int_equal(out.length, strlen(SIGNATURE));
    assert_memory_equal(out.bytes, SIGNATURE, out.length);
    /* Two secrets: both sign, with a space between. */
    buffer_clear(&out);
    assert_int_equal(sign_add_secret(&sign, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &fault), 0);
    sign_add_signatures(&sign, ID, AT_S, &body, &out);
    assert_int_equal(out.length, 2 * strlen(SIGNATURE) + 1);
    assert_memory_equal(out.bytes, SIGNATURE " v1,", strlen(SIGNATURE " v1,"));
    buffer_release(&body);
    buffer_release(&out);
    sign_release(&sign);
}

static void a_secret_that_is_none_is_refused_without_its_text(void **state)
{
    static const char *const wrong[] = {
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", /* no prefix */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*",
        /* 65 bytes */
        "whsec_"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "A="};
    struct sign sign = {.count = 0};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct fault fault = FAULT_NONE;
        assert_int_equal(sign_add_secret(&sign, wrong[i], &fault), -1);
        assert_null(strstr(fault.text, "MfKQ"));
    }
    assert_int_equal(sign.count, 0);
}

static int read_file(struct sign *sign, const char *text, mode_t mode, struct fault *fault)
{
    char path[] = "sign_test.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    memset(sign, 0, sizeof *sign);
    *fault = FAULT_NONE;
    int result = sign_read_secrets(sign, path, fault);
    unlink(path);
    return result;
}

static void a_file_of_secrets_is_not_for_others(void **state)
{
    struct sign sign;
    struct fault fault;
    assert_int_equal(read_file(&sign, "# old\n" SECRET "\n\n" SECRET "\r\n", 0400, &fault), 0);
    assert_int_equal(sign.count, 2);
    assert_int_equal(read_file(&sign, SECRET, 0600, &fault), 0);
    assert_int_equal(read_file(&sign, SECRET "\n", 0640, &fault), 0);
    assert_int_equal(read_file(&sign, SECRET "\n", 0420, &fault), -1);
    assert_non_null(strstr(fault.text, "others can read or change it"));
    assert_int_equal(read_file(&sign, SECRET "\n", 0404, &fault), -1);
    assert_int_equal(read_file(&sign, "# nothing\n", 0400, &fault), -1);
    assert_int_equal(read_file(&sign, SECRET "\nwhsec_x\n", 0400, &fault), -1);
    assert_non_null(strstr(fault.text, "line 2"));
    char much[5000];
    memset(much, '#', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    assert_int_equal(read_file(&sign, much, 0400, &fault), -1);
    assert_non_null(strstr(fault.text, "longer than"));
    assert_int_equal(
        read_file(&sign, SECRET "\n" SECRET "\n" SECRET "\n" SECRET "\n" SECRET, 0400, &fault), -1);
}

static void an_id_is_made_of_the_bytes(void **state)
{
    struct buffer one = {0}, other = {0};
    char id[SIGN_ID_SIZE], same[SIGN_ID_SIZE];
    buffer_add(&one, "a\0b", 3);
    buffer_add(&other, "a\0c", 3);
    sign_make_id(&one, id);
    sign_make_id(&one, same);
    assert_string_equal(id, same);
    assert_int_equal(strlen(id), 36);
    assert_memory_equal(id, "msg_", 4);
    sign_make_id(&other, same);
    assert_string_not_equal(id, same);
    buffer_release(&one);
    buffer_release(&other);
}

int sign_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_the_reference_libraries_has_its_signature),
        cmocka_unit_test(a_secret_that_is_none_is_refused_without_its_text),
        cmocka_unit_test(a_file_of_secrets_is_not_for_others),
        cmocka_unit_test(an_id_is_made_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
