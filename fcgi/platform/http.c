/* http: one HTTPS request at a time, over libcurl. */
#include "config.h"

#include "platform/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a body that an error shows. */
#define BEGINNING_MAX 160

/* Longest host with its port. */
#define HOST_MAX 300

struct http {
    const struct http_peer *peer;
    CURL *curl;
    char error[CURL_ERROR_SIZE];
};

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

static size_t take_bytes(char *bytes, size_t size, size_t count, void *owner)
{
    struct buffer *body = owner;
    if (body->length + size * count > HTTP_ANSWER_MAX)
        return 0;
    buffer_add(body, bytes, size * count);
    return body->failed ? 0 : size * count;
}

/* The URL's host and port: what lies between the scheme and the path. */
static int split_url(const char *url, char host[HOST_MAX], const char **path, struct fault *fault)
{
    static const char scheme[] = "https://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return fault_set(fault, "%.200s: does not begin with https://", url);
    const char *from = url + sizeof scheme - 1;
    size_t length = strcspn(from, "/?#");
    if (length == 0 || length >= HOST_MAX || memchr(from, '@', length) != NULL)
        return fault_set(fault, "%.200s: not understood: write https://HOST:PORT/PATH", url);
    snprintf(host, HOST_MAX, "%.*s", (int)length, from);
    *path = from + length;
    return 0;
}

/* Where the host ends, and ":PORT" or nothing begins. */
static const char *port_of(const char *host)
{
    const char *bracket = strrchr(host, ']'),
               *colon = strrchr(bracket == NULL ? host : bracket, ':');
    return colon == NULL ? host + strlen(host) : colon;
}

/* With an expected name, the request is for that name, and the connection goes to the address: so
 * libcurl itself verifies the name. Sets URL and *TO. */
static bool set_name(const struct http *http, const char *host, const char *path,
                     struct buffer *url, struct curl_slist **to)
{
    const char *name = http->peer->expected_name, *port = port_of(host);
    if (name == NULL) {
        buffer_addf(url, "https://%s%s", host, path);
    } else {
        char from_to[3 * HOST_MAX];
        snprintf(from_to, sizeof from_to, "::%.*s:%s", (int)(port - host), host,
                 *port == ':' ? port + 1 : "443");
        *to = curl_slist_append(NULL, from_to);
        buffer_addf(url, "https://%s%s%s", name, port, path);
    }
    buffer_add(url, "", 1);
    return !url->failed && (name == NULL || *to != NULL);
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value)
{
    struct buffer line = {0};
    if (value == NULL)
        return true;
    buffer_addf(&line, "%s: %s", name, value);
    buffer_add(&line, "", 1);
    struct curl_slist *longer = line.failed ? NULL : curl_slist_append(*headers, line.bytes);
    buffer_release(&line);
    if (longer != NULL)
        *headers = longer;
    return longer != NULL;
}

static bool set_headers(const struct http_request *request, struct curl_slist **headers)
{
    struct buffer bearer = {0};
    if (request->token != NULL) {
        buffer_addf(&bearer, "Bearer %s", request->token);
        buffer_add(&bearer, "", 1);
    }
    bool done = !bearer.failed && add_header(headers, "Content-Type", request->type) &&
                add_header(headers, "Accept", "application/json") &&
                add_header(headers, "Expect", "") &&
                add_header(headers, "app_key", request->app_key) &&
                add_header(headers, "Authorization", bearer.bytes);
    buffer_release(&bearer);
    return done;
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
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)peer->timeout_s);
    if (peer->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, peer->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* nothing but that file is trusted */
    }
    if (peer->cert_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, peer->cert_file);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, peer->key_file);
    }
}

static const char *explain(CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return ": name the authority with ca-file, and the name in its certificate with "
               "expected-name";
    case CURLE_SSL_CONNECT_ERROR:
        return ": is this the HTTPS port?";
    case CURLE_WRITE_ERROR:
        return ": the answer is too long";
    default:
        return "";
    }
}

int http_send(struct http *http, const struct http_request *request, struct http_answer *answer,
              struct fault *fault)
{
    char host[HOST_MAX];
    const char *path = "";
    struct buffer url = {0};
    struct curl_slist *headers = NULL, *to = NULL;
    CURL *curl = http->curl;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    buffer_clear(&answer->body);
    if (split_url(request->url, host, &path, fault) != 0)
        return -1;
    curl_easy_reset(curl);
    http->error[0] = '\0';
    if (set_name(http, host, path, &url, &to) && set_headers(request, &headers)) {
        set_peer(http);
        curl_easy_setopt(curl, CURLOPT_URL, url.bytes);
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, to);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
        if (request->body != NULL)
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body);
        code = curl_easy_perform(curl);
    }
    curl_slist_free_all(headers);
    curl_slist_free_all(to);
    buffer_release(&url);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
        buffer_add(&answer->body, "", 1);
        if (!answer->body.failed) {
            answer->body.length--;
            return 0;
        }
    }
    return fault_set(fault, "%s: %s%s", host,
                     http->error[0] != '\0' ? http->error : curl_easy_strerror(code),
                     explain(code));
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
