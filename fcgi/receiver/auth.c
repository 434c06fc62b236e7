/* auth: which notifications are accepted: by appId, and by signature. */
#include "config.h"

#include "receiver/auth.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest timestamp and nonce that are checked; the platform's are a dozen digits and some
 * letters. */
#define PART_MAX 256

#define HEX_LENGTH (2 * crypto_hash_sha256_BYTES)

struct auth {
    const struct options *options;
    char tokens[AUTH_TOKENS_MAX][AUTH_TOKEN_MAX + 1];
    size_t tokens_length;
};

/* A message never names a token, only its line. */
static int add_token(struct auth *auth, const char *token, int line, struct fault *fault)
{
    size_t length = strlen(token);
    bool plain = true;
    for (size_t i = 0; i < length; i++)
        plain = plain && isalnum((unsigned char)token[i]);
    if (!plain || length < AUTH_TOKEN_MIN || length > AUTH_TOKEN_MAX)
        return fault_set(fault, "line %d: a token is %d to %d letters and digits", line,
                         AUTH_TOKEN_MIN, AUTH_TOKEN_MAX);
    if (auth->tokens_length == AUTH_TOKENS_MAX)
        return fault_set(fault, "line %d: more than %d tokens", line, AUTH_TOKENS_MAX);
    memcpy(auth->tokens[auth->tokens_length++], token, length + 1);
    return 0;
}

static int read_tokens(struct auth *auth, FILE *file, struct fault *fault)
{
    char text[PART_MAX];
    int result = 0;
    for (int line = 1; result == 0 && fgets(text, sizeof text, file) != NULL; line++) {
        size_t length = strcspn(text, "\r\n");
        if (text[length] == '\0' && !feof(file))
            result = fault_set(fault, "line %d: too long", line);
        text[length] = '\0';
        if (result == 0 && length > 0 && text[0] != '#')
            result = add_token(auth, text, line, fault);
    }
    sodium_memzero(text, sizeof text);
    if (result == 0 && ferror(file))
        result = fault_set_errno(fault, errno, "cannot read it");
    if (result == 0 && auth->tokens_length == 0)
        result = fault_set(fault, "no token in it");
    return result;
}

static int load_tokens(struct auth *auth, const char *path, struct fault *fault)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fault_set_errno(fault, errno, "--token-file %s", path);
    int result = read_tokens(auth, file, fault);
    fclose(file);
    return result == 0 ? 0 : fault_add(fault, "--token-file %s", path);
}

int auth_new(struct auth **gives, const struct options *options, struct fault *fault)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return fault_set(fault, "auth: out of memory");
    auth->options = options;
    if (options->token_file != NULL && load_tokens(auth, options->token_file, fault) != 0) {
        auth_free(auth);
        return -1;
    }
    *gives = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    sodium_memzero(auth->tokens, sizeof auth->tokens);
    free(auth);
}

bool auth_accepts_app(const struct auth *auth, const char *app_id)
{
    const struct options_list *accepted = &auth->options->app_ids;
    for (size_t i = 0; i < accepted->length; i++)
        if (strcmp(accepted->items[i], app_id) == 0)
            return true;
    return accepted->length == 0;
}

bool auth_has_tokens(const struct auth *auth)
{
    return auth->tokens_length > 0;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sign(const char *token, const char *timestamp, const char *nonce,
                 char hex[HEX_LENGTH + 1])
{
    const char *parts[] = {token, timestamp, nonce};
    qsort(parts, 3, sizeof parts[0], compare_strings);
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < 3; i++)
        crypto_hash_sha256_update(&state, (const unsigned char *)parts[i], strlen(parts[i]));
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state, digest);
    sodium_bin2hex(hex, HEX_LENGTH + 1, digest, sizeof digest);
}

bool auth_accepts_signature(const struct auth *auth, const char *timestamp, const char *nonce,
                            const char *signature)
{
    if (auth->tokens_length == 0)
        return true;
    if (timestamp == NULL || nonce == NULL || signature == NULL || strlen(timestamp) > PART_MAX ||
        strlen(nonce) > PART_MAX || strlen(signature) != HEX_LENGTH)
        return false;
    bool accepted = false;
    for (size_t i = 0; i < auth->tokens_length; i++) {
        char hex[HEX_LENGTH + 1];
        sign(auth->tokens[i], timestamp, nonce, hex);
        accepted = sodium_memcmp(hex, signature, HEX_LENGTH) == 0 || accepted;
    }
    return accepted;
}
