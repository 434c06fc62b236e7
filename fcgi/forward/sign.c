/* sign: the secrets of a webhook, its id and its signature, as Standard Webhooks has them. */
#include "config.h"

#include "forward/sign.h"

#include "base/text_file.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Most bytes of a file of secrets. */
#define FILE_MAX 4096

int sign_add_secret(struct sign *sign, const char *text, struct fault *fault)
{
    const size_t prefix = sizeof SIGN_PREFIX - 1;
    if (strncmp(text, SIGN_PREFIX, prefix) != 0)
        return fault_set(fault, "a secret begins with " SIGN_PREFIX);
    if (sign->count == SIGN_SECRETS_MAX)
        return fault_set(fault, "more than %d secrets", SIGN_SECRETS_MAX);
    struct sign_secret *secret = &sign->secrets[sign->count];
    const char *base64 = text + prefix;
    if (sodium_base642bin(secret->key, sizeof secret->key, base64, strlen(base64), NULL,
                          &secret->length, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        secret->length < SIGN_KEY_MIN)
        return fault_set(fault, "a secret has %d to %d bytes in base64 behind " SIGN_PREFIX,
                         SIGN_KEY_MIN, SIGN_KEY_MAX);
    sign->count++;
    return 0;
}

int sign_read_secrets(struct sign *sign, const char *file, struct fault *fault)
{
    struct buffer text = {0};
    int result = text_file_read(file, FILE_MAX, true, &text, fault);
    char *rest = text.bytes;
    for (int number = 1; result == 0 && rest != NULL; number++) {
        char *line = strsep(&rest, "\n");
        line[strcspn(line, "\r")] = '\0';
        if (line[0] != '\0' && line[0] != '#' && sign_add_secret(sign, line, fault) != 0)
            result = fault_add(fault, "%s: line %d", file, number);
    }
    if (result == 0 && sign->count == 0)
        result = fault_set(fault, "%s: no secret in it", file);
    text_file_wipe(&text);
    return result;
}

void sign_release(struct sign *sign)
{
    sodium_memzero(sign, sizeof *sign);
}

void sign_make_id(const struct buffer *of, char id[SIGN_ID_SIZE])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)of->bytes, of->length);
    memcpy(id, "msg_", sizeof "msg_" - 1);
    sodium_bin2hex(id + sizeof "msg_" - 1, SIGN_ID_SIZE - (sizeof "msg_" - 1), hash, 16);
}

void sign_add_signatures(const struct sign *sign, const char *id, int64_t at_s,
                         const struct buffer *body, struct buffer *out)
{
    char head[SIGN_ID_SIZE + 64];
    int length = snprintf(head, sizeof head, "%s.%lld.", id, (long long)at_s);
    for (size_t i = 0; i < sign->count; i++) {
        crypto_auth_hmacsha256_state state;
        unsigned char mac[crypto_auth_hmacsha256_BYTES];
        crypto_auth_hmacsha256_init(&state, sign->secrets[i].key, sign->secrets[i].length);
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)head, (size_t)length);
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)body->bytes, body->length);
        crypto_auth_hmacsha256_final(&state, mac);
        buffer_add_string(out, i > 0 ? " v1," : "v1,");
        buffer_add_base64(out, (const char *)mac, sizeof mac);
    }
}
