/* auth: which notifications are accepted: by appId, and by signature. Both checks are off by
 * default: this generation of the platform signs nothing. */
#ifndef RECEIVER_AUTH_H
#define RECEIVER_AUTH_H

#include "base/fault.h"
#include "base/options.h"

#include <stdbool.h>

/* A token is 3 to 32 letters and digits (the successor platform's rule). */
#define AUTH_TOKEN_MIN 3
#define AUTH_TOKEN_MAX 32

/* Tokens that may be valid at once, so that they can be changed without a gap. */
#define AUTH_TOKENS_MAX 8

struct auth;

/* Reads the options' token file. OPTIONS is lent for the lifetime of *AUTH, which is given. The
 * file holds one token a line; empty lines and lines that begin with # are skipped. */
int auth_new(struct auth **auth, const struct options *options, struct fault *fault);

/* Wipes the tokens and frees AUTH. Safe on NULL. */
void auth_free(struct auth *auth);

/* Whether notifications of APP_ID are accepted; without a list, all are. Thread-safe. */
bool auth_accepts_app(const struct auth *auth, const char *app_id);

/* Whether requests must be signed. */
bool auth_has_tokens(const struct auth *auth);

/* Whether the request is signed with one of the tokens, as the successor platform signs: SHA-256,
 * in lower-case hex, of token, nonce and timestamp sorted as strings and joined. True if no token
 * is configured. The arguments are the headers' values, NULL if missing. The comparison takes the
 * same time wherever the signatures differ. Thread-safe. */
bool auth_accepts_signature(const struct auth *auth, const char *timestamp, const char *nonce,
                            const char *signature);

#endif
