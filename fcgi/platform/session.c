/* session: calls of the platform's own API: login, throttle, errors and pages. */
#include "config.h"

#include "platform/session.h"

#include "base/clock.h"
#include "base/text_file.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOGIN_PATH "/iocm/app/sec/v1.1.0/login"
#define FORM_TYPE "application/x-www-form-urlencoded"

/* Most bytes of an answer. */
#define ANSWER_MAX ((size_t)16 << 20)

#define MINUTE_MS 60000

/* Bytes of a body that an error shows. */
#define BEGINNING_MAX 160

/* Longest life of a login that is believed, in seconds: a year. */
#define LIFE_MAX_S ((int64_t)366 * 24 * 3600)

struct session {
    const struct settings *settings;
    const char *folder;
    struct http_peer peer;
    struct http *http;
    struct http_answer answer;
    char *token;      /* NULL: not logged in */
    int64_t renew_ms; /* when a new one is due, on the clock that never steps */
    char code[SESSION_CODE_SIZE];
    int64_t minute_ms; /* when the current minute began */
    int64_t calls;     /* made in it */
};

int session_new(struct session **gives, const struct settings *settings, const char *folder,
                struct fault *fault)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return fault_set(fault, "out of memory");
    *session = (struct session){.settings = settings,
                                .folder = folder,
                                .peer = {.ca_file = settings->ca_file,
                                         .cert_file = settings->cert_file,
                                         .key_file = settings->key_file,
                                         .expected_name = settings->expected_name,
                                         .distrusted = "name the authority with ca-file, and the "
                                                       "name in its certificate with expected-name",
                                         .timeout_s = settings->timeout_s,
                                         .answer_max = ANSWER_MAX}};
    *gives = session;
    return http_new(&session->http, &session->peer, fault);
}

static void forget_token(struct session *session)
{
    if (session->token != NULL)
        sodium_memzero(session->token, strlen(session->token));
    free(session->token);
    session->token = NULL;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    http_free(session->http);
    text_file_wipe(&session->answer.body);
    forget_token(session);
    free(session);
}

const char *session_error(const struct session *session)
{
    return session->code;
}

void session_add_escaped(struct buffer *path, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if ((*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') ||
            strchr("-._~", *c) != NULL)
            buffer_addf(path, "%c", *c);
        else
            buffer_addf(path, "%%%02X", *c);
}

/* --- one exchange ----------------------------------------------------------------------------- */

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* Waits until one more call keeps within the calls of a minute. */
static void wait_turn(struct session *session)
{
    int64_t now_ms = clock_monotonic_ms();
    if (session->calls > 0 && now_ms - session->minute_ms < MINUTE_MS &&
        session->calls >= session->settings->calls_per_minute) {
        sleep_ms(session->minute_ms + MINUTE_MS - now_ms);
        now_ms = clock_monotonic_ms();
    }
    if (session->calls == 0 || now_ms - session->minute_ms >= MINUTE_MS) {
        session->minute_ms = now_ms;
        session->calls = 0;
    }
    session->calls++;
}

struct call {
    const char *method, *path;
    const char *type, *body; /* of the type; NULL: none */
    bool with_token;
};

/* Makes CALL once, and reads the answer into the session. */
static int exchange(struct session *session, const struct call *call, struct fault *fault)
{
    struct buffer url = {0}, headers = {0};
    buffer_addf(&url, "%s%s%c", session->settings->address, call->path, 0);
    buffer_addf(&headers, "Content-Type: %s%cAccept: application/json%c", call->type, 0, 0);
    if (call->with_token)
        buffer_addf(&headers, "app_key: %s%cAuthorization: Bearer %s%c", session->settings->app_id,
                    0, session->token, 0);
    const struct http_request request = {.method = call->method,
                                         .url = url.bytes,
                                         .headers = &headers,
                                         .body = call->body,
                                         .length = call->body == NULL ? 0 : strlen(call->body)};
    wait_turn(session);
    int result = url.failed ? fault_set(fault, "out of memory")
                            : http_send(session->http, &request, &session->answer, fault);
    text_file_wipe(&headers);
    buffer_release(&url);
    return result;
}

/* Fails with the beginning of the body, or, if it may hold a token, without. */
static int complain(const struct session *session, const char *what, bool show, struct fault *fault)
{
    struct buffer text = {0};
    buffer_addf(&text, "%s (HTTP %ld)", what, session->answer.status);
    if (show) {
        buffer_add_string(&text, ": ");
        http_add_beginning(&session->answer, &text);
    }
    buffer_add(&text, "", 1);
    fault_set(fault, "%s", text.failed ? what : text.bytes);
    buffer_release(&text);
    return -1;
}

/* What an error code means to the operator. */
static const char *explain(const char *code)
{
    static const struct {
        const char *code, *meaning;
    } meanings[] = {
        {SESSION_BAD_TOKEN, ": another program logs in with the same appId, and ends this login"},
        {SESSION_THROTTLED, ": too many calls; other programs with this appId count, too"},
        {SESSION_CALLBACK_ILLEGAL, ": the platform does not like the callback URL"},
        {"100217", ": the application is not authorised"},
        {SESSION_NO_TASK, ": there is no such task at the platform"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i].code, code) == 0)
            return meanings[i].meaning;
    return "";
}

/* Sets the session's error code, if the answer has one. */
static bool read_code(struct session *session, const json_t *answer)
{
    const json_t *code = json_object_get(answer, "error_code");
    session->code[0] = '\0';
    if (json_is_integer(code))
        snprintf(session->code, sizeof session->code, "%lld", (long long)json_integer_value(code));
    else if (code != NULL && !json_is_null(code))
        snprintf(session->code, sizeof session->code, "%s",
                 json_is_string(code) ? json_string_value(code) : "?");
    return session->code[0] != '\0';
}

/* Judges the session's answer, and gives it parsed: NULL if it is empty. */
static int judge(struct session *session, json_t **parsed, struct fault *fault)
{
    const struct http_answer *answer = &session->answer;
    bool is_good = answer->status >= 200 && answer->status < 300;
    session->code[0] = '\0';
    *parsed = answer->body.length == 0
                  ? NULL
                  : json_loadb(answer->body.bytes, answer->body.length, 0, NULL);
    if (*parsed == NULL && answer->body.length > 0)
        return complain(session, "the answer is no JSON: is this the platform's API port?", true,
                        fault);
    if (read_code(session, *parsed)) {
        const char *why = json_string_value(json_object_get(*parsed, "error_desc"));
        fault_set(fault, "the platform answers error %s (HTTP %ld): %.200s%s", session->code,
                  answer->status, why == NULL ? "without a reason" : why, explain(session->code));
    } else if (!is_good) {
        complain(session, "the platform refuses", true, fault);
    } else {
        return 0;
    }
    json_decref(*parsed);
    *parsed = NULL;
    return -1;
}

/* Makes CALL, and again after a pause if there were too many. */
static int ask(struct session *session, const struct call *call, json_t **parsed,
               struct fault *fault)
{
    for (int tries = 0;; tries++) {
        struct fault now = FAULT_NONE;
        if (exchange(session, call, fault) != 0)
            return -1;
        if (judge(session, parsed, &now) == 0)
            return 0;
        if (strcmp(session->code, SESSION_THROTTLED) != 0 || tries == SESSION_THROTTLED_MAX)
            return fault_set(fault, "%s", now.text);
        sleep_ms(session->settings->throttle_wait_s * 1000 + randombytes_uniform(250));
    }
}

/* --- the login -------------------------------------------------------------------------------- */

static int path_of(const struct session *session, const char *name, char path[SESSION_PATH_MAX],
                   struct fault *fault)
{
    int length = snprintf(path, SESSION_PATH_MAX, "%s/%s", session->folder, name);
    return length > 0 && length < SESSION_PATH_MAX
               ? 0
               : fault_set(fault, "%s: the path is too long", session->folder);
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL && strcmp(value, text) == 0;
}

static int64_t number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                 : json_integer_value(value);
}

/* How long a login is used. */
static int64_t good_for_ms(int64_t life_s)
{
    return life_s > LIFE_MAX_S ? 0 : life_s * 1000 / 10 * SESSION_LIFE_TENTHS;
}

/* Takes the login that another run has kept, unless that is used up, or is the one that the
 * platform has refused. */
static bool take_kept(struct session *session, const char *path)
{
    json_t *kept = json_load_file(path, 0, NULL);
    const char *token = json_string_value(json_object_get(kept, "accessToken"));
    int64_t age_ms = clock_now_ms() - number_of(kept, "loggedInMs");
    int64_t good_ms = good_for_ms(number_of(kept, "lifeS"));
    bool good = token != NULL && is_text(kept, "address", session->settings->address) &&
                is_text(kept, "appId", session->settings->app_id) && age_ms >= 0 &&
                age_ms < good_ms && (session->token == NULL || strcmp(token, session->token) != 0);
    char *copy = good ? strdup(token) : NULL;
    json_decref(kept);
    if (copy == NULL)
        return false;
    forget_token(session);
    session->token = copy;
    session->renew_ms = clock_monotonic_ms() + good_ms - age_ms;
    return true;
}

/* Keeps the login for other runs. Nothing is lost if that fails: they log in themselves. */
static void keep_login(const struct session *session, const char *path, int64_t life_s)
{
    char new_path[SESSION_PATH_MAX + 8];
    snprintf(new_path, sizeof new_path, "%s.new", path);
    unlink(new_path);
    int fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    json_t *kept = json_pack("{sssssssIsI}", "address", session->settings->address, "appId",
                             session->settings->app_id, "accessToken", session->token, "loggedInMs",
                             (json_int_t)clock_now_ms(), "lifeS", (json_int_t)life_s);
    if (fd < 0 || kept == NULL || json_dumpfd(kept, fd, JSON_COMPACT) != 0 ||
        rename(new_path, path) != 0)
        unlink(new_path);
    if (fd >= 0)
        close(fd);
    json_decref(kept);
}

/* Takes token and life of the platform's answer to a login. */
static int take_login(struct session *session, const json_t *answer, int64_t *life_s,
                      struct fault *fault)
{
    const char *token = json_string_value(json_object_get(answer, "accessToken"));
    *life_s = number_of(answer, "expiresIn");
    if (token == NULL || token[0] == '\0' || strpbrk(token, "\r\n") != NULL)
        return complain(session, "the answer to the login has no accessToken", false, fault);
    if (*life_s <= 0 || *life_s > LIFE_MAX_S)
        return complain(session, "the answer to the login has no expiresIn in seconds", false,
                        fault);
    char *copy = strdup(token);
    if (copy == NULL)
        return fault_set(fault, "out of memory");
    forget_token(session);
    session->token = copy;
    session->renew_ms = clock_monotonic_ms() + good_for_ms(*life_s);
    return 0;
}

static int post_login(struct session *session, const char *path, struct fault *fault)
{
    struct buffer form = {0};
    json_t *answer = NULL;
    int64_t life_s = 0;
    buffer_add_string(&form, "appId=");
    session_add_escaped(&form, session->settings->app_id);
    buffer_add_string(&form, "&secret=");
    session_add_escaped(&form, session->settings->secret.bytes);
    buffer_add(&form, "", 1);
    const struct call call = {
        .method = "POST", .path = LOGIN_PATH, .type = FORM_TYPE, .body = form.bytes};
    int result = form.failed ? fault_set(fault, "out of memory")
                             : ask(session, &call, &answer, fault);
    text_file_wipe(&form);
    if (result == 0)
        result = take_login(session, answer, &life_s, fault);
    json_decref(answer);
    if (result == 0)
        keep_login(session, path, life_s);
    return result == 0 ? 0 : fault_add(fault, "login");
}

/* Gets a login other than the session's own: that of another run, or a new one. Only one process at
 * a time does so. */
static int log_in(struct session *session, struct fault *fault)
{
    char path[SESSION_PATH_MAX];
    if (path_of(session, SESSION_LOGIN_FILE, path, fault) != 0)
        return -1;
    int lock = store_lock_file(session->folder, SESSION_LOCK_FILE, fault);
    if (lock < 0)
        return -1;
    while (flock(lock, LOCK_EX) != 0 && errno == EINTR)
        ;
    int result = take_kept(session, path) ? 0 : post_login(session, path, fault);
    close(lock);
    return result;
}

/* --- calls ------------------------------------------------------------------------------------ */

int session_call(struct session *session, const char *method, const char *path, const json_t *body,
                 json_t **answer, struct fault *fault)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    int result = -1;
    *answer = NULL;
    if (body != NULL && text == NULL)
        return fault_set(fault, "out of memory");
    for (int tries = 0; result != 0 && tries < 2; tries++) {
        struct fault now = FAULT_NONE;
        /* The second time, the platform has refused the token. */
        bool is_due = session->token == NULL || clock_monotonic_ms() >= session->renew_ms;
        if ((is_due || tries > 0) && log_in(session, fault) != 0)
            break;
        const struct call call = {.method = method,
                                  .path = path,
                                  .type = "application/json",
                                  .body = text,
                                  .with_token = true};
        result = ask(session, &call, answer, &now);
        if (result != 0 && (tries > 0 || strcmp(session->code, SESSION_BAD_TOKEN) != 0)) {
            fault_set(fault, "%s", now.text);
            break;
        }
    }
    free(text);
    return result;
}

int session_refuse(const char *what, const json_t *answer, struct fault *fault)
{
    char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
    fault_set(fault, "the answer to %s is not understood: %.*s", what, BEGINNING_MAX,
              text == NULL ? "" : text);
    free(text);
    return -1;
}

/* The number of rows that there are, by the page ANSWER; -1 if it does not say. */
static int64_t total_of(const json_t *answer)
{
    const json_t *total = json_object_get(answer, "totalCount");
    if (total == NULL || json_is_null(total))
        total = json_object_get(answer, "totalSize");
    return json_is_integer(total) && json_integer_value(total) >= 0 ? json_integer_value(total)
                                                                    : -1;
}

int session_read_list(struct session *session, const char *path, const char *member,
                      session_each *each, void *owner, int64_t *total, struct fault *fault)
{
    int64_t seen = 0;
    for (int64_t page = 0;; page++) {
        struct buffer own = {0};
        struct fault now = FAULT_NONE;
        json_t *answer, *rows, *row;
        size_t index;
        buffer_addf(&own, "%s%cpageNo=%lld&pageSize=%d", path,
                    strchr(path, '?') == NULL ? '?' : '&', (long long)page, SESSION_PAGE_ROWS);
        buffer_add(&own, "", 1);
        int result = own.failed ? fault_set(&now, "out of memory")
                                : session_call(session, "GET", own.bytes, NULL, &answer, &now);
        buffer_release(&own);
        if (result != 0 && page > 0 && strcmp(session->code, SESSION_NO_PAGE) == 0)
            return 0; /* the list has become shorter */
        if (result != 0)
            return fault_set(fault, "%s", now.text);
        rows = json_object_get(answer, member);
        *total = total_of(answer);
        if (!json_is_array(rows) || *total < 0)
            result = session_refuse("a list", answer, fault);
        json_array_foreach(rows, index, row) if (result == 0) result = each(owner, row, fault);
        size_t length = json_array_size(rows);
        json_decref(answer);
        seen += (int64_t)length;
        if (result != 0 || length == 0 || seen >= *total)
            return result;
    }
}
