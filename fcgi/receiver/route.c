/* route: the destination of a whole request. */
#include "config.h"

#include "receiver/route.h"

#include <ctype.h>
#include <string.h>

static bool is_callback(const struct options *options, const struct request *request)
{
    const struct options_list *paths = &options->callbacks;
    for (size_t i = 0; i < paths->length; i++)
        if (strlen(paths->items[i]) == request->path_length &&
            memcmp(paths->items[i], request->path, request->path_length) == 0)
            return true;
    return false;
}

static struct route back(int status, const char *detail, bool logged)
{
    return (struct route){.to = ROUTE_BACK, .status = status, .detail = detail, .logged = logged};
}

/* Whether the letters and digits of PART follow each other in TEXT, ignoring case. */
static bool holds(const char *text, size_t length, const char *part, size_t part_length)
{
    for (size_t start = 0; start < length; start++) {
        size_t at = start, of = 0, met = 0;
        while (of < part_length) {
            while (of < part_length && !isalnum((unsigned char)part[of]))
                of++;
            while (at < length && !isalnum((unsigned char)text[at]))
                at++;
            if (of == part_length || at == length ||
                tolower((unsigned char)text[at]) != tolower((unsigned char)part[of]))
                break;
            at++;
            of++;
            met++;
        }
        if (of == part_length && met > 0)
            return true;
    }
    return false;
}

/* The callback path that PATH contains, or that contains PATH if that is more than half as long;
 * NULL if there is none. */
static const char *find_near_miss(const struct options *options, const char *path, size_t length)
{
    const struct options_list *callbacks = &options->callbacks;
    for (size_t i = 0; i < callbacks->length; i++) {
        const char *callback = callbacks->items[i];
        size_t own = strlen(callback);
        if (holds(path, length, callback, own) ||
            (length > own / 2 && holds(callback, own, path, length)))
            return callback;
    }
    return NULL;
}

static struct route elsewhere(const struct options *options, const struct request *request)
{
    struct route route = back(404, "there is nothing at this path", false);
    route.misdirected = strcmp(request->method, "POST") == 0;
    if (route.misdirected && request->path_length <= ROUTE_NEAR_MISS_MAX)
        route.near_miss = find_near_miss(options, request->path, request->path_length);
    return route;
}

/* Judges a request on a callback path. */
static struct route find_callback(const struct auth *auth, const struct request *request)
{
    if (strcmp(request->method, "POST") != 0)
        return back(405, "this path takes notifications by POST", false);
    if (!auth_accepts_signature(auth, request_parameter(request, "HTTP_TIMESTAMP"),
                                request_parameter(request, "HTTP_NONCE"),
                                request_parameter(request, "HTTP_SIGNATURE")))
        return back(401, "the request is not signed with a token known here", true);
    struct route route = {.to = ROUTE_INTAKE};
    if (request->body == REQUEST_BODY_INCOMPLETE)
        route = back(400, "the body is not as long as announced", true);
    else if (request->body == REQUEST_BODY_TOO_LARGE)
        route = back(413, "the body is larger than the limit", true);
    route.is_signed = auth_has_tokens(auth);
    return route;
}

struct route route_find(const struct options *options, const struct auth *auth,
                        const struct request *request)
{
    if (request_parameter(request, ROUTE_MISDIRECTED) != NULL)
        return elsewhere(options, request);
    if (is_callback(options, request))
        return find_callback(auth, request);
    const struct site_endpoint *endpoint = site_find(request->path, request->path_length);
    return endpoint == NULL ? elsewhere(options, request)
                            : (struct route){.to = ROUTE_VIEW, .endpoint = endpoint};
}
