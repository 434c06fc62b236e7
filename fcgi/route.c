/* route: where a whole request goes. */
#include "config.h"

#include "route.h"

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

static bool is_signed(const struct trust *trust, const struct request *request)
{
    return trust_accepts_signature(trust, request_parameter(request, "HTTP_TIMESTAMP"),
                                   request_parameter(request, "HTTP_NONCE"),
                                   request_parameter(request, "HTTP_SIGNATURE"));
}

static struct route back(int status, const char *detail, bool logged)
{
    return (struct route){.to = ROUTE_BACK, .status = status, .detail = detail, .logged = logged};
}

struct route route_find(const struct options *options, const struct trust *trust,
                        const struct request *request)
{
    if (!is_callback(options, request)) {
        const struct site_place *place = site_find(request->path, request->path_length);
        return place == NULL ? back(404, "there is nothing at this path", false)
                             : (struct route){.to = ROUTE_VIEW, .place = place};
    }
    if (strcmp(request->method, "POST") != 0)
        return back(405, "this path takes notifications by POST", false);
    if (!is_signed(trust, request))
        return back(401, "the request is not signed with a token known here", true);
    if (request->body == REQUEST_BODY_INCOMPLETE)
        return back(400, "the body is not as long as announced", true);
    if (request->body == REQUEST_BODY_TOO_LARGE)
        return back(413, "the body is larger than the limit", true);
    return (struct route){.to = ROUTE_INTAKE};
}
