/* post: sends events over HTTP, one at a time, on one connection that is kept (libcurl). */
#include "config.h"

#include "forward/post.h"

#include "forward/stop.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct post {
    CURL *curl;
    size_t taken; /* bytes of the answer's body */
    char error[CURL_ERROR_SIZE];
};

static size_t take_body(char *bytes, size_t size, size_t length, void *owner)
{
    struct post *post = owner;
    (void)bytes;
    post->taken += size * length;
    return post->taken > POST_ANSWER_MAX ? 0 : size * length;
}

static int look_for_stop(void *owner, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up)
{
    (void)owner, (void)down_total, (void)down, (void)up_total, (void)up;
    return stop_wait(0) ? 1 : 0;
}

/* Whether HOST, as libcurl gives it, is this machine for sure. */
static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "[::1]") == 0;
}

/* Takes a URL by its parts, each NULL if it is missing. */
static int judge_url(const char *scheme, const char *host, const char *user, struct fault *fault)
{
    if (scheme == NULL || host == NULL)
        return fault_set(fault, "is no URL");
    if (user != NULL)
        return fault_set(fault, "has a name or a password in it, which every user of this machine"
                                " could read; the secret signs, leave them out");
    if (strcmp(scheme, "https") != 0 && !(strcmp(scheme, "http") == 0 && is_this_machine(host)))
        return fault_set(fault, "takes https, or http to localhost");
    return 0;
}

static int check_url(const char *url, struct fault *fault)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
        curl_url_get(parts, CURLUPART_USER, &user, 0);
    }
    int result = judge_url(scheme, host, user, fault);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return result == 0 ? 0 : fault_add(fault, "--to %s", url);
}

static void set_options(struct post *post, const struct settings *settings)
{
    CURL *curl = post->curl;
    curl_easy_setopt(curl, CURLOPT_URL, settings->to);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "upgrade-forward/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    if (settings->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, settings->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

int post_new(struct post **gives, const struct settings *settings, struct fault *fault)
{
    if (check_url(settings->to, fault) != 0)
        return -1;
    struct post *post = calloc(1, sizeof *post);
    if (post == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (post->curl = curl_easy_init()) == NULL) {
        free(post);
        return fault_set(fault, "libcurl cannot start");
    }
    set_options(post, settings);
    *gives = post;
    return 0;
}

void post_free(struct post *post)
{
    if (post == NULL)
        return;
    curl_easy_cleanup(post->curl);
    curl_global_cleanup();
    free(post);
}

static struct curl_slist *make_headers(const char *id, int64_t at_s,
                                       const struct buffer *signatures)
{
    struct curl_slist *headers = NULL;
    struct buffer text = {0};
    /* Each line ends with a NUL. An empty Expect keeps libcurl from asking before a long body. */
    buffer_addf(&text, "webhook-id: %s%c", id, 0);
    buffer_addf(&text, "webhook-timestamp: %lld%c", (long long)at_s, 0);
    buffer_add_string(&text, "webhook-signature: ");
    buffer_add(&text, signatures->bytes, signatures->length);
    buffer_addf(&text, "%cContent-Type: application/json%cExpect:%c", 0, 0, 0);
    size_t at = 0;
    while (!text.failed && at < text.length) {
        struct curl_slist *more = curl_slist_append(headers, text.bytes + at);
        if (more == NULL) {
            curl_slist_free_all(headers);
            headers = NULL;
            break;
        }
        headers = more;
        at += strlen(text.bytes + at) + 1;
    }
    buffer_release(&text);
    return headers;
}

static void read_answer(struct post *post, CURLcode result, struct post_answer *answer)
{
    curl_off_t asked = 0;
    *answer = (struct post_answer){.status = 0};
    /* An answer that is too long, or cut behind its head, is one. */
    curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &asked);
    answer->retry_after_s = asked > 0 ? asked : 0;
    if (answer->status >= 100 && answer->status < 200)
        answer->status = 0;
    if (answer->status > 0)
        snprintf(answer->problem, sizeof answer->problem, "it answered %ld%s", answer->status,
                 answer->status >= 300 && answer->status < 400 ? ", and a redirect is not followed"
                                                               : "");
    else
        snprintf(answer->problem, sizeof answer->problem, "%s",
                 post->error[0] != '\0' ? post->error : curl_easy_strerror(result));
}

int post_send(struct post *post, const char *id, int64_t at_s, const struct buffer *signatures,
              const struct buffer *body, struct post_answer *answer, struct fault *fault)
{
    struct curl_slist *headers = make_headers(id, at_s, signatures);
    if (headers == NULL)
        return fault_set(fault, "out of memory");
    post->taken = 0;
    post->error[0] = '\0';
    curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body->bytes);
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->length);
    read_answer(post, curl_easy_perform(post->curl), answer);
    curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return 0;
}
