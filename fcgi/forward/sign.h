/* sign: the secrets of a webhook, its id and its signature, as Standard Webhooks has them. */
#ifndef FORWARD_SIGN_H
#define FORWARD_SIGN_H

#include "base/buffer.h"
#include "base/fault.h"

#include <stddef.h>
#include <stdint.h>

/* A secret is its key in base64 behind this. The key has so many bytes. */
#define SIGN_PREFIX "whsec_"
#define SIGN_KEY_MIN 24
#define SIGN_KEY_MAX 64

/* Most secrets: each signs, so that the other side can change to a new one. */
#define SIGN_SECRETS_MAX 4

/* Bytes of an id, with the NUL: msg_ and 128 bits of a hash in hexadecimal. */
#define SIGN_ID_SIZE (sizeof "msg_" + 32)

struct sign {
    struct sign_secret {
        unsigned char key[SIGN_KEY_MAX];
        size_t length;
    } secrets[SIGN_SECRETS_MAX];
    size_t count;
};

/* Adds a secret in its text form. A fault does not name it. */
int sign_add_secret(struct sign *sign, const char *text, struct fault *fault);

/* Reads the secrets in FILE, one a line; lines that are empty or begin with # do not count. The
 * file is for its owner, and a group that may read it (text_file_read). */
int sign_read_secrets(struct sign *sign, const char *file, struct fault *fault);

/* Forgets the secrets. */
void sign_release(struct sign *sign);

/* Makes the id of an event from what tells it from all others. Equal bytes have equal ids. */
void sign_make_id(const struct buffer *of, char id[SIGN_ID_SIZE]);

/* Appends the value of the header webhook-signature for a body that is sent at AT_S (seconds since
 * 1970): v1, and the signature in base64, for each secret. */
void sign_add_signatures(const struct sign *sign, const char *id, int64_t at_s,
                         const struct buffer *body, struct buffer *out);

#endif
