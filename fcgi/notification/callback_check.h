/* callback_check: a body that asks whether a callback URL leads to the receiver of a state folder.
 * It has a nonce that is in a file of that folder for a short time. */
#ifndef NOTIFICATION_CALLBACK_CHECK_H
#define NOTIFICATION_CALLBACK_CHECK_H

#include "base/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* The file in the state folder, and for how long it counts. */
#define CALLBACK_CHECK_FILE "callback-check"
#define CALLBACK_CHECK_S 60

/* Bytes of such a body, with the NUL. */
#define CALLBACK_CHECK_SIZE 128

/* What the receiver answers, as `result`. */
#define CALLBACK_CHECK_ANSWER "here"

/* Writes a new nonce into FOLDER, in the place of an older one, and gives the BODY that bears it.
 */
int callback_check_begin(const char *folder, char body[CALLBACK_CHECK_SIZE], struct fault *fault);

/* Removes the nonce. */
void callback_check_end(const char *folder);

/* Whether the body of LENGTH bytes bears the nonce of FOLDER. Any other body costs no access to a
 * file. Thread-safe. */
bool callback_check_is(const char *folder, const char *body, size_t length);

#endif
