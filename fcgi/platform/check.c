/* check: upgrade-platform's command that looks whether the callback URL leads to this receiver. */
#include "config.h"

#include "notification/callback_check.h"
#include "platform/platform.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds that the platform waits for the receiver's answer. Most bytes of it. */
#define ANSWER_S 15
#define ANSWER_MAX 65536

size_t platform_server_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host == NULL ? 0 : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

int platform_check_url(const struct platform_call *call, struct fault *fault)
{
    const char *url = call->callback;
    if (url == NULL)
        return fault_set(fault, "%s: takes --callback URL", call->command->word);
    size_t server = platform_server_length(url);
    const char *bracket = memrchr(url, ']', server), *colon = memrchr(url, ':', server);
    if (strncmp(url, "https://", 8) != 0 || server <= 8 || strpbrk(url, "?#@ ") != NULL)
        return fault_set(fault, "--callback %.200s: write https://NAME:PORT/PATH", url);
    if (colon == url + 5 || colon == url + server - 1 || (bracket != NULL && colon < bracket))
        return fault_set(fault, "--callback %.200s: has no port; the platform wants one, also 443",
                         url);
    if (url[server] != '/' || url[server + 1] == '\0')
        return fault_set(fault, "--callback %.200s: has no path", url);
    return 0;
}

/* Whether the answer is that of the receiver of this state folder. */
static int judge(const struct http_answer *answer, struct fault *fault)
{
    struct buffer text = {0};
    json_t *said = json_loadb(answer->body.bytes, answer->body.length, 0, NULL);
    const char *result = platform_text(said, "result");
    bool here = answer->status == 200 && strcmp(result, CALLBACK_CHECK_ANSWER) == 0;
    if (!here && strcmp(result, "quarantined") == 0)
        buffer_add_string(&text, "another receiver is there, or one with another state folder");
    else if (!here && answer->status == 401)
        buffer_add_string(&text,
                          "a receiver that takes only signed requests is there, with another "
                          "state folder");
    else if (!here)
        buffer_add_string(&text, "no receiver of this state folder is there");
    buffer_addf(&text, " (HTTP %ld): ", answer->status);
    http_add_beginning(answer, &text);
    buffer_add(&text, "", 1);
    json_decref(said);
    if (!here)
        fault_set(fault, "%s", text.failed ? "out of memory" : text.bytes);
    buffer_release(&text);
    return here ? PLATFORM_DONE : PLATFORM_UNREACHABLE;
}

int platform_reach(const struct platform_call *call, struct fault *fault)
{
    const struct http_peer peer = {.ca_file = call->ca,
                                   .distrusted = "name the root of its certificate with --ca; the "
                                                 "name in it must be that of the URL",
                                   .timeout_s = ANSWER_S,
                                   .answer_max = ANSWER_MAX};
    struct buffer headers = {0};
    struct http_answer answer = {.status = 0};
    struct http *http = NULL;
    char body[CALLBACK_CHECK_SIZE];
    if (callback_check_begin(call->options.state, body, fault) != 0)
        return PLATFORM_UNUSABLE;
    int code = PLATFORM_UNREACHABLE;
    buffer_addf(&headers, "Content-Type: application/json%c", 0);
    const struct http_request request = {.method = "POST",
                                         .url = call->callback,
                                         .headers = &headers,
                                         .body = body,
                                         .length = strlen(body)};
    if (http_new(&http, &peer, fault) == 0 && http_send(http, &request, &answer, fault) == 0)
        code = judge(&answer, fault);
    callback_check_end(call->options.state);
    http_free(http);
    buffer_release(&headers);
    buffer_release(&answer.body);
    if (code != PLATFORM_DONE)
        fault_add(fault, "%s does not lead to this receiver", call->callback);
    return code;
}

/* Runs check-callback, which looks at name, certificates and path as the platform will. Returns its
 * exit status, or -1 if it cannot be run. */
static int run_script(const struct platform_call *call, struct fault *fault)
{
    const char *path = call->script == NULL ? CHECK_CALLBACK : call->script;
    const char *words[] = {path, "--ca", call->ca, call->callback, NULL};
    const char *plain[] = {path, call->callback, NULL};
    pid_t pid;
    int status,
        error = posix_spawn(&pid, path, NULL, NULL,
                            (char **)(uintptr_t)(call->ca == NULL ? plain : words), environ);
    if (error != 0)
        return fault_set_errno(fault, error, "%s", path);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fault_set_errno(fault, errno, "%s", path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : fault_set(fault, "%s: was killed", path);
}

int platform_check(struct platform_call *call, struct fault *fault)
{
    struct fault no_script = FAULT_NONE;
    struct buffer out = {0};
    if (platform_check_url(call, fault) != 0)
        return PLATFORM_USAGE;
    int looked = run_script(call, &no_script);
    if (looked < 0)
        buffer_addf(&out, "unknown certificates: %s: name check-callback with --script\n",
                    no_script.text);
    int code = platform_reach(call, fault);
    if (code == PLATFORM_DONE)
        buffer_add_string(&out, "ok      here: what is pushed to this URL reaches this receiver\n");
    if (code == PLATFORM_DONE && looked > 0)
        code = PLATFORM_UNREACHABLE;
    int printed = platform_print(call, &out, fault);
    return code != PLATFORM_DONE ? code : printed;
}
