/* http: one request at a time to a server, on a connection that is kept (libcurl). */
#include "config.h"

#include "http/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a body that an error shows. */
#define BEGINNING_MAX 160

/* Most bytes of a server's name and port. */
#define SERVER_MAX 300

struct http {
    const struct http_peer *peer;
    CURL *curl;
    char server[SERVER_MAX]; /* of the last request */
    char error[CURL_ERROR_SIZE];
};

/* A URL and its parts, each NULL if it is missing. */
struct url {
    CURLU *whole;
    char *scheme, *user, *host, *port;
};

/* --- the URL ---------------------------------------------------------------------------------- */

static void split(struct url *url, const char *text)
{
    *url = (struct url){.whole = curl_url()};
    if (url->whole == NULL || curl_url_set(url->whole, CURLUPART_URL, text, 0) != CURLUE_OK)
        return;
    curl_url_get(url->whole, CURLUPART_SCHEME, &url->scheme, 0);
    curl_url_get(url->whole, CURLUPART_USER, &url->user, 0);
    curl_url_get(url->whole, CURLUPART_HOST, &url->host, 0);
    curl_url_get(url->whole, CURLUPART_PORT, &url->port, CURLU_DEFAULT_PORT);
}

static void release(struct url *url)
{
    curl_free(url->scheme);
    curl_free(url->user);
    curl_free(url->host);
    curl_free(url->port);
    curl_url_cleanup(url->whole);
}

/* Whether HOST, as libcurl gives it, is this machine for sure. */
static bool is_this_machine(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "[::1]") == 0;
}

static int judge(const struct url *url, struct fault *fault)
{
    if (url->scheme == NULL || url->host == NULL || url->port == NULL)
        return fault_set(fault, "is no URL");
    if (url->user != NULL)
        return fault_set(fault, "has a name or a password in it, which every user of this machine "
                                "could read: leave them out");
    if (strcmp(url->scheme, "https") == 0 ||
        (strcmp(url->scheme, "http") == 0 && is_this_machine(url->host)))
        return 0;
    return fault_set(fault, "takes https, or http to localhost");
}

int http_check_url(const char *text, struct fault *fault)
{
    struct url url;
    split(&url, text);
    int result = judge(&url, fault);
    release(&url);
    return result == 0 ? 0 : fault_add(fault, "%.200s", text);
}

/* --- a request -------------------------------------------------------------------------------- */

int http_new(struct http **gives, const struct http_peer *peer, struct fault *fault)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (http->curl = curl_easy_init()) == NULL) {
        free(http);
        return fault_set(fault, "libcurl cannot start");
    }
    http->peer = peer;
    *gives = http;
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    curl_easy_cleanup(http->curl);
    curl_global_cleanup();
    free(http);
}

/* The lists that a request lends to libcurl. */
struct lists {
    struct curl_slist *headers, *connect_to;
};

static bool add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

/* With an expected name, the request is for that name, and the connection goes to the address: so
 * libcurl itself verifies the name. */
static bool set_url(struct http *http, const struct url *url, struct lists *lists)
{
    const char *name = http->peer->expected_name;
    char to[SERVER_MAX + 2];
    snprintf(http->server, sizeof http->server, "%s:%s", url->host, url->port);
    snprintf(to, sizeof to, "::%s", http->server);
    if (name != NULL && (curl_url_set(url->whole, CURLUPART_HOST, name, 0) != CURLUE_OK ||
                         !add(&lists->connect_to, to)))
        return false;
    curl_easy_setopt(http->curl, CURLOPT_CURLU, url->whole);
    curl_easy_setopt(http->curl, CURLOPT_CONNECT_TO, lists->connect_to);
    return true;
}

static bool set_headers(struct http *http, const struct buffer *lines, struct lists *lists)
{
    /* An empty Expect keeps libcurl from asking before a long body. */
    bool good = !lines->failed && add(&lists->headers, "Expect:");
    for (size_t at = 0; good && at < lines->length; at += strlen(lines->bytes + at) + 1)
        good = add(&lists->headers, lines->bytes + at);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, lists->headers);
    return good;
}

static int look_for_stop(void *owner, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up)
{
    const struct http_peer *peer = owner;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return peer->is_stopped != NULL && peer->is_stopped();
}

/* What is the same in all requests. */
static void set_peer(struct http *http)
{
    const struct http_peer *peer = http->peer;
    CURL *curl = http->curl;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)peer->timeout_s);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, peer);
    if (peer->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, peer->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* nothing but that file is trusted */
    }
    if (peer->cert_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, peer->cert_file);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, peer->key_file);
    }
}

/* --- its answer ------------------------------------------------------------------------------- */

struct taker {
    struct buffer *body;
    size_t most;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *owner)
{
    const struct taker *taker = owner;
    if (taker->body->length + size * count > taker->most)
        return 0;
    buffer_add(taker->body, bytes, size * count);
    return taker->body->failed ? 0 : size * count;
}

/* What may be wrong, and what to do; NULL: CODE says enough. */
static const char *explain(const struct http *http, CURLcode code)
{
    bool shows_own = http->peer->cert_file != NULL;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return http->peer->distrusted;
    case CURLE_SSL_CONNECT_ERROR:
        return shows_own ? "is this the HTTPS port, and does it take your certificate?"
                         : "is this the HTTPS port? It may want a certificate of your own";
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return shows_own ? "it may not take your certificate"
               : strstr(http->error, "certificate required") != NULL
                   ? "it wants a certificate of your own"
                   : NULL;
    case CURLE_SSL_CERTPROBLEM:
        return "certificate and key are PEM, and belong together";
    case CURLE_SSL_CACERT_BADFILE:
        return "the authority's file is PEM";
    case CURLE_WRITE_ERROR:
        return "the answer is too long";
    default:
        return NULL;
    }
}

static int read_answer(const struct http *http, CURLcode code, struct http_answer *answer,
                       struct fault *fault)
{
    curl_off_t asked = 0;
    const char *more = explain(http, code);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked);
    answer->retry_after_s = asked > 0 ? asked : 0;
    if (answer->status < 200)
        answer->status = 0;
    buffer_add(&answer->body, "", 1);
    if (!answer->body.failed)
        answer->body.length--;
    else if (code == CURLE_OK)
        code = CURLE_OUT_OF_MEMORY;
    return code == CURLE_OK
               ? 0
               : fault_set(fault, "%s: %s%s%s", http->server,
                           http->error[0] != '\0' ? http->error : curl_easy_strerror(code),
                           more != NULL ? ": " : "", more != NULL ? more : "");
}

int http_send(struct http *http, const struct http_request *request, struct http_answer *answer,
              struct fault *fault)
{
    CURL *curl = http->curl;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    struct taker taker = {.body = &answer->body, .most = http->peer->answer_max};
    struct lists lists = {.headers = NULL};
    struct url url;
    buffer_clear(&answer->body);
    answer->status = 0;
    split(&url, request->url);
    if (judge(&url, fault) != 0) {
        release(&url);
        return fault_add(fault, "%.200s", request->url);
    }
    curl_easy_reset(curl);
    http->error[0] = '\0';
    if (set_url(http, &url, &lists) && set_headers(http, request->headers, &lists)) {
        set_peer(http);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
        if (request->body != NULL) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
        }
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taker);
        code = curl_easy_perform(curl);
    }
    int result = read_answer(http, code, answer, fault);
    curl_easy_reset(curl); /* it borrows nothing any more */
    curl_slist_free_all(lists.headers);
    curl_slist_free_all(lists.connect_to);
    release(&url);
    return result;
}

void http_add_beginning(const struct http_answer *answer, struct buffer *text)
{
    size_t length = answer->body.length < BEGINNING_MAX ? answer->body.length : BEGINNING_MAX;
    if (length == 0) {
        buffer_add_string(text, "nothing");
        return;
    }
    buffer_add_json_string(text, answer->body.bytes, length);
    if (length < answer->body.length)
        buffer_add_string(text, "…");
}
