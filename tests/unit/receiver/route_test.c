/* Where a request goes: callbacks first, then what can be read, then nowhere. */
#include "config.h"

#include "receiver/route.h"
#include "support.h"

#include <string.h>

static const struct options options = {
    .callbacks = {.items = {"/push", "/metrics"}, .length = 2},
};

/* Routes a request that libfcgi need not be asked about: no token is configured. */
static struct route find_with(char **parameters, const char *method, const char *path,
                              enum request_body body)
{
    struct auth *auth = NULL;
    struct fault fault = FAULT_NONE;
    assert_int_equal(auth_new(&auth, &options, &fault), 0);
    const struct request request = {.fcgx.envp = parameters,
                                    .method = method,
                                    .path = path,
                                    .path_length = strcspn(path, "?"),
                                    .body = body};
    const struct route route = route_find(&options, auth, &request);
    auth_free(auth);
    return route;
}

static struct route find(const char *method, const char *path, enum request_body body)
{
    char *no_parameters[] = {NULL};
    return find_with(no_parameters, method, path, body);
}

static struct route find_misdirected(const char *method, const char *path)
{
    char misdirected[] = ROUTE_MISDIRECTED "=1", *parameters[] = {misdirected, NULL};
    return find_with(parameters, method, path, REQUEST_BODY_WHOLE);
}

static void expect_back(const char *method, const char *path, enum request_body body, int status,
                        bool logged)
{
    const struct route route = find(method, path, body);
    assert_int_equal(route.to, ROUTE_BACK);
    assert_int_equal(route.status, status);
    assert_int_equal(route.logged, logged);
    assert_true(strlen(route.detail) > 10);
}

static void a_notification_goes_to_intake(void **state)
{
    assert_int_equal(find("POST", "/push", REQUEST_BODY_WHOLE).to, ROUTE_INTAKE);
    assert_int_equal(find("POST", "/push?a=1", REQUEST_BODY_WHOLE).to, ROUTE_INTAKE);
    expect_back("GET", "/push", REQUEST_BODY_WHOLE, 405, false);
    expect_back("POST", "/push", REQUEST_BODY_INCOMPLETE, 400, true);
    expect_back("POST", "/push", REQUEST_BODY_TOO_LARGE, 413, true);
}

static void what_can_be_read_has_a_place(void **state)
{
    static const char *const paths[] = {
        "/status",       "/status/",     "/status/overview.json?a=1",
        "/status/a/b/c", "/health/live", "/health/ready"};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        /* the endpoint judges the method */
        const struct route route = find("POST", paths[i], REQUEST_BODY_INCOMPLETE);
        assert_int_equal(route.to, ROUTE_VIEW);
        assert_ptr_equal(route.endpoint, site_find(paths[i], strcspn(paths[i], "?")));
        assert_non_null(route.endpoint);
    }
}

static void a_callback_path_wins(void **state)
{
    assert_int_equal(find("POST", "/metrics", REQUEST_BODY_WHOLE).to, ROUTE_INTAKE);
    expect_back("GET", "/metrics", REQUEST_BODY_WHOLE, 405, false);
}

static void other_paths_lead_nowhere(void **state)
{
    static const char *const paths[] = {"",          "/",          "/pus",     "/push/",
                                        "/statuses", "/metrics/",  "/health/", "/health/live/",
                                        "/health",   "/health/li", "status/"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        expect_back("GET", paths[i], REQUEST_BODY_WHOLE, 404, false);
}

/* What looks like a callback path to a person, and is not to the receiver. */
static void a_post_that_nearly_meets_a_callback_names_it(void **state)
{
    static const struct {
        const char *path, *near_miss;
    } tried[] = {
        {"/push/", "/push"},
        {"/PUSH", "/push"},
        {"//push", "/push"},
        {"/push/cmd", "/push"},
        {"/api/push?a=1", "/push"},
        {"/pus", "/push"},
        {"/metrics%20", "/metrics"},
        {"/me", NULL},
        {"/pxush", NULL},
        {"/", NULL},
        {"", NULL},
        {"/...../", NULL},
        {"/wp-login.php", NULL},
    };
    for (size_t i = 0; i < LENGTH(tried); i++) {
        const struct route route = find("POST", tried[i].path, REQUEST_BODY_WHOLE);
        assert_int_equal(route.status, 404);
        assert_true(route.misdirected);
        if (tried[i].near_miss == NULL)
            assert_null(route.near_miss);
        else
            assert_string_equal(route.near_miss, tried[i].near_miss);
        assert_false(find("GET", tried[i].path, REQUEST_BODY_WHOLE).misdirected);
    }
}

/* The web server says that it does not pass a path on: it is nothing, whatever it would be here. */
static void what_the_web_server_does_not_pass_on_is_nothing(void **state)
{
    static const char *const paths[] = {"/push", "/metrics", "/status/", "/health/live"};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        const struct route route = find_misdirected("POST", paths[i]);
        assert_int_equal(route.to, ROUTE_BACK);
        assert_int_equal(route.status, 404);
        assert_true(route.misdirected);
        assert_int_equal(route.near_miss != NULL, i < 2);
    }
}

int route_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notification_goes_to_intake),
        cmocka_unit_test(what_can_be_read_has_a_place),
        cmocka_unit_test(a_callback_path_wins),
        cmocka_unit_test(other_paths_lead_nowhere),
        cmocka_unit_test(a_post_that_nearly_meets_a_callback_names_it),
        cmocka_unit_test(what_the_web_server_does_not_pass_on_is_nothing),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
