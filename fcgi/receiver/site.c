/* site: the pages and documents that are read over HTTP, beside the callback. */
#include "config.h"

#include "receiver/site.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/query_string.h"
#include "receiver/answer.h"
#include "receiver/page.h"
#include "receiver/shared.h"
#include "view/metrics_text.h"
#include "view/view.h"

#include <sodium.h>
#include <string.h>

/* Sizes of a strong ETag: libsodium's shortest hash, in hex and in quotes, and a NUL. */
#define ETAG_BYTES crypto_generichash_BYTES_MIN
#define ETAG_SIZE (2 * ETAG_BYTES + 3)

/* The page may load from here and nowhere else, and nobody may frame it. */
#define PAGE_HEADERS                                                                     \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "          \
    "frame-ancestors 'none'\r\n"                                                         \
    "Referrer-Policy: no-referrer\r\n"

struct reply {
    int status;
    const char *type;
    bool tagged; /* with an ETag, and 304 to a client that has it */
    struct site_part *part;
    size_t endpoint_length; /* of its path */
    struct buffer headers, body;
};

struct site_endpoint {
    const char *path; /* if it ends in /, all paths beneath it too */
    enum site_pace pace;
    bool shared; /* it reads the copy of the shared books, if there are any */
    void (*answer)(const struct site *site, const struct site_request *request,
                   struct store_reader *reader, struct reply *reply);
};

static void set_problem(struct reply *reply, int status, const char *detail)
{
    reply->status = status;
    reply->type = "application/problem+json";
    reply->tagged = false;
    buffer_clear(&reply->headers);
    buffer_clear(&reply->body);
    answer_add_problem_body(&reply->body, status, detail, "");
}

/* --- the endpoints ---------------------------------------------------------------------------- */

static void lead_to_page(const struct site *site, const struct site_request *request,
                         struct store_reader *reader, struct reply *reply)
{
    (void)site;
    (void)request;
    (void)reader;
    reply->status = 308;
    reply->type = "text/plain; charset=utf-8";
    buffer_add_string(&reply->headers, "Location: status/\r\n");
    buffer_add_string(&reply->body, "the page is at status/\n");
}

static int read_query(const struct site_request *request, const struct view *view,
                      struct query_string *words, struct view_query *query, struct fault *fault)
{
    if (query_string_read(words, request->query == NULL ? "" : request->query, fault) != 0)
        return -1;
    for (size_t i = 0; i < words->length; i++)
        if (view_set(query, view, words->parameters[i].name, words->parameters[i].value, fault) !=
            0)
            return -1;
    return 0;
}

/* Adds the address of the next page, for clients that follow links and do not parse documents (RFC
 * 8288). */
static void add_link(const struct query_string *words, const struct store_page_token *next,
                     struct buffer *headers)
{
    buffer_add_string(headers, "Link: <?");
    for (size_t i = 0; i < words->length; i++)
        if (strcmp(words->parameters[i].name, "after") != 0)
            query_string_add(headers, words->parameters[i].name, words->parameters[i].value);
    query_string_add(headers, "after", next->text);
    buffer_add_string(headers, ">; rel=\"next\"\r\n");
}

/* The state of the process. Its texts are in the rest of the struct. */
struct process {
    struct view_process view;
    struct fault store_fault;
    struct shared_status books;
};

static void read_process(const struct site *site, struct process *process)
{
    commit_get_fault(site->commit, &process->store_fault);
    process->view = (struct view_process){
        .version = PACKAGE_VERSION,
        .start_ms = metrics_start_ms(site->metrics),
        .now_ms = clock_now_ms(),
        .store_fault = process->store_fault.set ? process->store_fault.text : NULL,
        .metrics = site->metrics,
        .quarantine_max = site->options->quarantine_max,
        .quarantine_bytes_max = site->options->quarantine_bytes,
        .books = shared_read(site->shared, &process->books),
    };
}

static void show_view(const struct site *site, const struct site_request *request,
                      const struct view *view, struct store_reader *reader, struct reply *reply)
{
    struct fault fault = FAULT_NONE;
    struct process process;
    read_process(site, &process);
    struct view_query query = {.now_ms = process.view.now_ms, .process = &process.view};
    struct query_string words = {.length = 0};
    struct store_page_token next = {""};
    enum view_result result = VIEW_MISUSED;
    bool asked = read_query(request, view, &words, &query, &fault) == 0;
    struct site_part *part = reply->part;
    /* Other forms than a document are whole unless the client asks for a page. */
    bool whole = view->form != VIEW_JSON && query.limit == 0;
    if (part->begun)
        query.after = part->next.text;
    if (asked)
        result = view_write(view, reader, &query, site->read_ms, &reply->body, &next, &fault);
    part->more = result == VIEW_DONE && whole && next.text[0] != '\0';
    if (part->more)
        buffer_add_string(&reply->headers, "Cache-Control: no-store\r\n");
    else if (result == VIEW_DONE && next.text[0] != '\0')
        add_link(&words, &next, &reply->headers);
    query_string_release(&words);
    part->next = next;
    reply->type = view_type(view);
    reply->tagged = !part->more;
    if (result != VIEW_DONE)
        set_problem(reply,
                    result == VIEW_MISUSED     ? 400
                    : result == VIEW_NOT_FOUND ? 404
                                               : 503,
                    fault.text);
}

/* The file or document whose name is behind the path of the endpoint. */
static void show_named(const struct site *site, const struct site_request *request,
                       struct store_reader *reader, struct reply *reply)
{
    const char *name = request->path + reply->endpoint_length;
    size_t length = request->path_length - reply->endpoint_length;
    const struct page_file *file = page_find(name, length);
    const struct view *view = view_find(name, length);
    if (file != NULL) {
        reply->type = file->type;
        reply->tagged = true;
        buffer_add_string(&reply->headers, PAGE_HEADERS);
        buffer_add(&reply->body, file->bytes, file->length);
    } else if (view != NULL) {
        show_view(site, request, view, reader, reply);
    } else {
        set_problem(reply, 404, "there is nothing at this path");
    }
}

/* Says how far a copy of the shared books is that cannot be read yet. Programs see the member
 * `copy` of the problem. */
static void set_copy_problem(const struct site *site, struct reply *reply)
{
    struct shared_status status;
    const char *fault = shared_read(site->shared, &status)->copy_fault;
    struct buffer detail = {0};
    if (fault != NULL)
        buffer_addf(&detail, "there is no copy of the shared books yet: %s", fault);
    else if (status.head > 0)
        buffer_addf(&detail, "the copy of the shared books is being made: %lld of %lld entries",
                    (long long)status.copied, (long long)status.head);
    else
        buffer_add_string(&detail, "the copy of the shared books is not made yet");
    buffer_add_string(&detail, "; what this receiver got itself is under /status/local/");
    buffer_add(&detail, "", 1);
    set_problem(reply, 503, "");
    buffer_clear(&reply->body);
    answer_begin_problem_body(&reply->body, 503, detail.failed ? "" : detail.bytes);
    json_open(&reply->body, "copy", '{');
    json_add_number(&reply->body, "entries", status.copied);
    json_add_number(&reply->body, "of", status.head);
    json_add_string(&reply->body, "fault", fault);
    json_close(&reply->body, '}');
    json_close(&reply->body, '}');
    buffer_add_string(&reply->body, "\n");
    buffer_release(&detail);
}

static void show_shared(const struct site *site, const struct site_request *request,
                        struct store_reader *reader, struct reply *reply)
{
    int64_t version;
    show_named(site, request, reader, reply);
    if (reply->status == 503 && site->shared != NULL &&
        store_read_version(reader, &version, NULL) != 0)
        set_copy_problem(site, reply);
}

static void show_metrics(const struct site *site, const struct site_request *request,
                         struct store_reader *reader, struct reply *reply)
{
    (void)request;
    struct process process;
    read_process(site, &process);
    reply->type = EXPOSITION_TYPE;
    buffer_add_string(&reply->headers, "Cache-Control: no-store\r\n");
    exposition_write(&process.view, reader, site->read_ms, &reply->body);
}

/* Health in the form that monitors know (the Internet draft "Health Check Response Format for HTTP
 * APIs"). */
static void set_health(struct reply *reply, const char *output)
{
    reply->status = output == NULL ? 200 : 503;
    reply->type = "application/health+json";
    buffer_add_string(&reply->headers, "Cache-Control: no-store\r\n");
    json_open(&reply->body, NULL, '{');
    json_add_string(&reply->body, "status", output == NULL ? "pass" : "fail");
    if (output != NULL)
        json_add_string(&reply->body, "output", output);
    json_close(&reply->body, '}');
    buffer_add_string(&reply->body, "\n");
}

static void tell_live(const struct site *site, const struct site_request *request,
                      struct store_reader *reader, struct reply *reply)
{
    (void)site;
    (void)request;
    (void)reader;
    set_health(reply, NULL);
}

static void tell_ready(const struct site *site, const struct site_request *request,
                       struct store_reader *reader, struct reply *reply)
{
    (void)request;
    (void)reader;
    struct fault fault = FAULT_NONE;
    if (atomic_load(&site->leaving))
        fault_set(&fault, "the receiver is stopping");
    else
        commit_is_ready(site->commit, &fault);
    set_health(reply, fault.set ? fault.text : NULL);
}

static const struct site_endpoint endpoints[] = {
    {"/status", SITE_AT_ONCE, false, lead_to_page},
    {"/status/local/", SITE_READS, false, show_named},
    {"/status/", SITE_READS, true, show_shared},
    {"/metrics", SITE_READS, false, show_metrics},
    {"/health/live", SITE_AT_ONCE, false, tell_live},
    {"/health/ready", SITE_AT_ONCE, false, tell_ready},
};

/* Lists that are sent whole, page by page, in other forms than a document. */
static const struct site_endpoint shared_list = {"/status/", SITE_STREAMS, true, show_shared};
static const struct site_endpoint own_list = {"/status/local/", SITE_STREAMS, false, show_named};

/* --- the answer ---------------------------------------------------------------------------------
 */

const struct site_endpoint *site_find(const char *path, size_t length)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        size_t own = strlen(endpoints[i].path);
        bool beneath = endpoints[i].path[own - 1] == '/' && length > own;
        if ((length != own && !beneath) || memcmp(path, endpoints[i].path, own) != 0)
            continue;
        const struct view *view = beneath ? view_find(path + own, length - own) : NULL;
        if (view != NULL && view->form != VIEW_JSON)
            return endpoints[i].shared ? &shared_list : &own_list;
        return &endpoints[i];
    }
    return NULL;
}

bool site_reads_copy(const struct site *site, const struct site_endpoint *endpoint)
{
    return site->shared != NULL && endpoint->shared;
}

enum site_pace site_pace(const struct site_endpoint *endpoint)
{
    return endpoint->pace;
}

static void make_etag(const struct buffer *body, char etag[ETAG_SIZE])
{
    unsigned char hash[ETAG_BYTES];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)body->bytes, body->length, NULL,
                       0);
    etag[0] = '"';
    sodium_bin2hex(etag + 1, ETAG_SIZE - 1, hash, sizeof hash);
    etag[ETAG_SIZE - 2] = '"';
    etag[ETAG_SIZE - 1] = '\0';
}

/* Whether ETAG, with its quotes, is in an If-None-Match header, compared weakly (RFC 9110, section
 * 13.1.2). */
static bool has_etag(const char *list, const char *etag)
{
    return list != NULL && (list[strspn(list, " \t")] == '*' || strstr(list, etag) != NULL);
}

static void add_head(struct reply *reply, const struct site_request *request, struct buffer *out)
{
    char etag[ETAG_SIZE] = "";
    if (reply->tagged) {
        make_etag(&reply->body, etag);
        if (has_etag(request->if_none_match, etag))
            reply->status = 304;
    }
    buffer_addf(out, "Status: %d %s\r\nX-Content-Type-Options: nosniff\r\n", reply->status,
                answer_title(reply->status));
    if (reply->status != 304)
        buffer_addf(out, "Content-Type: %s\r\n", reply->type);
    if (reply->status != 304 && !reply->part->more)
        buffer_addf(out, "Content-Length: %zu\r\n", reply->body.length);
    if (reply->tagged)
        buffer_addf(out, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
    if (reply->status == 503)
        buffer_add_string(out, "Retry-After: " SITE_RETRY_AFTER "\r\n");
    buffer_add(out, reply->headers.bytes, reply->headers.length);
    buffer_add_string(out, "\r\n");
}

/* Puts the response together: head, and the body if the method asks for it; or the next piece of an
 * answer that has begun. */
static void finish(struct reply *reply, const struct site_request *request, struct buffer *out)
{
    struct site_part *part = reply->part;
    bool head_only = strcmp(request->method, "HEAD") == 0;
    bool broken = part->begun && reply->status != 200;
    if (!part->begun)
        add_head(reply, request, out);
    if (reply->status != 304 && !head_only)
        buffer_add(out, reply->body.bytes, reply->body.length);
    part->begun = true;
    part->more = part->more && !head_only;
    if (reply->headers.failed || reply->body.failed || broken)
        out->failed = true;
    buffer_release(&reply->headers);
    buffer_release(&reply->body);
}

void site_answer(const struct site *site, const struct site_endpoint *endpoint,
                 const struct site_request *request, struct store_reader *reader,
                 struct site_part *part, struct buffer *out)
{
    struct reply reply = {.status = 200, .part = part, .endpoint_length = strlen(endpoint->path)};
    part->more = false;
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0) {
        endpoint->answer(site, request, reader, &reply);
    } else {
        set_problem(&reply, 405, "this path can be read only");
        buffer_add_string(&reply.headers, "Allow: GET, HEAD\r\n");
    }
    finish(&reply, request, out);
}

void site_refuse(const struct site_request *request, const char *detail, struct buffer *out)
{
    struct site_part part = {.begun = false};
    struct reply reply = {.status = 503, .part = &part};
    set_problem(&reply, 503, detail);
    finish(&reply, request, out);
}
