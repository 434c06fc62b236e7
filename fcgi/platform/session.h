/* session: calls of the platform's own API: login, throttle, errors and pages.
 *
 * Only the newest login counts at the platform. So all runs on a machine share one, which is kept
 * in the state folder and renewed under a lock. */
#ifndef PLATFORM_SESSION_H
#define PLATFORM_SESSION_H

#include "base/fault.h"
#include "http/http.h"
#include "platform/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The files of the state folder with the login, and with its lock. */
#define SESSION_LOGIN_FILE "platform-login.json"
#define SESSION_LOCK_FILE "platform-login.lock"

/* The part of a login's life, in tenths, after which it is renewed. */
#define SESSION_LIFE_TENTHS 8

/* How often a call that was refused for their number is made again. */
#define SESSION_THROTTLED_MAX 8

/* Rows of a page, and the most bytes of a path. */
#define SESSION_PAGE_ROWS 100
#define SESSION_PATH_MAX 2048

/* Error codes of the platform. */
#define SESSION_BAD_TOKEN "1010005"
#define SESSION_THROTTLED "1010009"
#define SESSION_CALLBACK_ILLEGAL "100222"
#define SESSION_NOT_FOUND "100225"
#define SESSION_SUBSCRIBED "100227"
#define SESSION_BAD_INPUT "100228"
#define SESSION_NO_TASK "123009"
#define SESSION_NO_PAGE "123029"

/* Bytes of an error code, with the NUL. */
#define SESSION_CODE_SIZE 32

struct session;

/* Gives *SESSION. SETTINGS and FOLDER, the state folder, are lent. Nothing is sent yet. */
int session_new(struct session **session, const struct settings *settings, const char *folder,
                struct fault *fault);
void session_free(struct session *session);

/* The error code of the platform with which the last call failed; "": it had none. */
const char *session_error(const struct session *session);

/* Makes one call, and gives its answer, which the caller frees with json_decref. *ANSWER is NULL if
 * the platform answered nothing. BODY may be NULL. Waits if there were too many calls, and logs in
 * as needed. Fails if the status is not 2xx, if the answer is no JSON, or if it has an error_code.
 */
int session_call(struct session *session, const char *method, const char *path, const json_t *body,
                 json_t **answer, struct fault *fault);

/* Takes one row of a list, lent. Another result than 0 ends the reading, which then fails. */
typedef int session_each(void *owner, json_t *row, struct fault *fault);

/* Calls EACH with every row of all pages of the list MEMBER at PATH, which has no pageNo yet. A row
 * may come twice, and one may be left out, if the list changes meanwhile. *TOTAL is how many rows
 * the platform says there are. */
int session_read_list(struct session *session, const char *path, const char *member,
                      session_each *each, void *owner, int64_t *total, struct fault *fault);

/* Appends TEXT such that it can be a part of a path or of a query. */
void session_add_escaped(struct buffer *path, const char *text);

/* Sets FAULT: the answer to WHAT is not as it should be. Returns -1. */
int session_refuse(const char *what, const json_t *answer, struct fault *fault);

#endif
