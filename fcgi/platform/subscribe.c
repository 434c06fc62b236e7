/* subscribe: upgrade-platform's commands about subscriptions. It only adds: the platform wants the
 * certificates uploaded again for a URL that was deleted. */
#include "config.h"

#include "base/json_writer.h"
#include "command/columns.h"
#include "notification/schema.h"
#include "platform/platform.h"

#include <string.h>

/* The types of the upgrade family, which the platform subscribes at a path of their own. */
static const char *const family[] = {"swUpgradeResultNotify", "swUpgradeStateChangeNotify",
                                     "fwUpgradeResultNotify", "fwUpgradeStateChangeNotify"};
#define FAMILY (sizeof family / sizeof family[0])

static bool is_of_family(const char *type)
{
    for (size_t i = 0; i < FAMILY; i++)
        if (strcmp(family[i], type) == 0)
            return true;
    return false;
}

/* --- the list --------------------------------------------------------------------------------- */

/* A row's URL. Both spellings occur. */
static const char *url_of(const json_t *row)
{
    const char *url = platform_text(row, "callbackUrl");
    return url[0] != '\0' ? url : platform_text(row, "callbackurl");
}

static int gather(void *owner, json_t *row, struct fault *fault)
{
    if (platform_text(row, "notifyType")[0] == '\0' || url_of(row)[0] == '\0')
        return session_refuse("a subscription", row, fault);
    return json_array_append(owner, row) == 0 ? 0 : fault_set(fault, "out of memory");
}

/* Gives the subscriptions that the platform lists. */
static int read_list(struct platform_call *call, json_t **list, struct fault *fault)
{
    struct buffer path = {0};
    struct fault now = FAULT_NONE;
    int64_t total = 0;
    *list = json_array();
    buffer_add_string(&path, PLATFORM_SUBSCRIPTIONS "?appId=");
    session_add_escaped(&path, call->settings.app_id);
    buffer_add(&path, "", 1);
    int result = path.failed || *list == NULL
                     ? fault_set(&now, "out of memory")
                     : session_read_list(call->session, path.bytes, "subscriptions", gather, *list,
                                         &total, &now);
    buffer_release(&path);
    if (result != 0 && strcmp(session_error(call->session), SESSION_NOT_FOUND) == 0)
        return 0; /* there is none */
    return result == 0 ? 0 : fault_set(fault, "%s", now.text);
}

int platform_subscriptions(struct platform_call *call, struct fault *fault)
{
    static const struct column columns[] = {
        {.title = "NOTIFYTYPE"},
        {.title = "CALLBACK", .key = true},
        {.title = "SUBSCRIPTION", .optional = true, .spare = 1},
    };
    json_t *list, *row;
    size_t index;
    struct buffer out = {0};
    struct columns table;
    if (read_list(call, &list, fault) != 0) {
        json_decref(list);
        return PLATFORM_UNUSABLE;
    }
    columns_init(&table, &call->term, columns, sizeof columns / sizeof columns[0]);
    if (call->json)
        json_open(&out, NULL, '{'), json_open(&out, "subscriptions", '[');
    json_array_foreach(list, index, row)
    {
        const char *id = platform_text(row, "subscriptionId");
        if (!call->json) {
            columns_add(&table, TERM_PLAIN, platform_text(row, "notifyType"));
            columns_add(&table, TERM_PLAIN, url_of(row));
            columns_add(&table, TERM_PLAIN, id);
            continue;
        }
        json_open(&out, NULL, '{');
        json_add_string(&out, "notifyType", platform_text(row, "notifyType"));
        json_add_string(&out, "callbackUrl", url_of(row));
        json_add_string(&out, "subscriptionId", id[0] == '\0' ? NULL : id);
        json_close(&out, '}');
    }
    if (call->json) {
        json_close(&out, ']');
        json_close(&out, '}');
        buffer_add_string(&out, "\n");
    } else if (json_array_size(list) == 0) {
        buffer_add_string(&out, "The platform lists no subscription. It may leave out those of the "
                                "upgrade family.\n");
    } else {
        columns_write(&table, &out);
    }
    columns_release(&table);
    json_decref(list);
    return platform_print(call, &out, fault);
}

/* --- subscribing ------------------------------------------------------------------------------ */

static int check_types(const struct platform_call *call, struct fault *fault)
{
    for (size_t i = 0; i < call->words_length; i++)
        if (schema_find(call->words[i]) == NULL)
            return fault_set(fault, "%.100s: no such notifyType; schema/README.md lists them",
                             call->words[i]);
    return 0;
}

/* Sends one subscription, with the URL in MEMBER. */
static int post(struct platform_call *call, const char *type, const char *member,
                struct fault *fault)
{
    json_t *answer = NULL;
    bool of_family = is_of_family(type);
    json_t *body = json_pack("{ssss}", "notifyType", type, member, call->callback);
    if (body == NULL ||
        (!of_family &&
         json_object_set_new(body, "appId", json_string(call->settings.app_id)) != 0)) {
        json_decref(body);
        return fault_set(fault, "out of memory, or the URL is no UTF-8");
    }
    int result = session_call(call->session, "POST",
                              of_family ? PLATFORM_SUBSCRIBE_MANAGEMENT : PLATFORM_SUBSCRIPTIONS,
                              body, &answer, fault);
    if (result == 0 && !of_family && platform_text(answer, "subscriptionId")[0] == '\0')
        result = session_refuse("a subscription", answer, fault);
    json_decref(body);
    json_decref(answer);
    return result;
}

/* Subscribes TYPE, and gives what the platform answered. The pages of the platform disagree about
 * the member's name. If it refuses the one, the other is tried once. */
static int subscribe(struct platform_call *call, const char *type, const char **outcome,
                     struct fault *fault)
{
    const char *chosen = call->settings.callback_member;
    const char *member = chosen != NULL       ? chosen
                         : is_of_family(type) ? "callbackurl"
                                              : "callbackUrl";
    struct fault now = FAULT_NONE;
    *outcome = "subscribed";
    int result = post(call, type, member, &now);
    const char *code = session_error(call->session);
    if (result != 0 && chosen == NULL &&
        (strcmp(code, SESSION_CALLBACK_ILLEGAL) == 0 || strcmp(code, SESSION_BAD_INPUT) == 0)) {
        struct fault again = FAULT_NONE;
        result = post(call, type,
                      strcmp(member, "callbackurl") == 0 ? "callbackUrl" : "callbackurl", &again);
        if (result != 0)
            now = again;
    }
    if (result != 0 && strcmp(session_error(call->session), SESSION_SUBSCRIBED) == 0) {
        *outcome = "already subscribed";
        return 0;
    }
    return result == 0 ? 0 : fault_set(fault, "%s: %s", type, now.text);
}

/* Whether TYPE is listed with the URL. Warns of what is listed elsewhere, once. */
static bool is_listed(const struct platform_call *call, const json_t *list, const char *type,
                      bool *warned)
{
    size_t index, server = platform_server_length(call->callback);
    json_t *row;
    bool listed = false;
    json_array_foreach(list, index, row)
    {
        const char *url = url_of(row);
        listed = listed || (strcmp(platform_text(row, "notifyType"), type) == 0 &&
                            strcmp(url, call->callback) == 0);
        if (*warned || (strlen(url) >= server && platform_server_length(url) == server &&
                        memcmp(url, call->callback, server) == 0))
            continue;
        struct buffer text = {0};
        buffer_addf(&text,
                    "warning: the platform also pushes to %.300s; it may want one address and port "
                    "for all callbacks of an application",
                    url);
        buffer_add(&text, "", 1);
        if (!text.failed)
            term_complain(PLATFORM_PROGRAM, text.bytes);
        buffer_release(&text);
        *warned = true;
    }
    return listed;
}

static int print_outcome(struct platform_call *call, const char *type, const char *outcome,
                         struct fault *fault)
{
    struct buffer out = {0};
    if (call->json) {
        json_open(&out, NULL, '{');
        json_add_string(&out, "notifyType", type);
        json_add_string(&out, "outcome", outcome);
        json_close(&out, '}');
        buffer_add_string(&out, "\n");
    } else {
        buffer_addf(&out, "%s: %s\n", type, outcome);
    }
    return platform_print(call, &out, fault);
}

/* Subscribes what LIST has not. Each outcome is printed at once: what was done is known, if a later
 * one fails. */
static int subscribe_all(struct platform_call *call, const json_t *list, struct fault *fault)
{
    size_t length = call->words_length > 0 ? call->words_length : FAMILY;
    bool warned = false;
    for (size_t i = 0; i < length; i++) {
        const char *type = call->words_length > 0 ? call->words[i] : family[i];
        const char *outcome = "listed already";
        if (!is_listed(call, list, type, &warned) && subscribe(call, type, &outcome, fault) != 0)
            return PLATFORM_UNUSABLE;
        int code = print_outcome(call, type, outcome, fault);
        if (code != PLATFORM_DONE)
            return code;
    }
    return PLATFORM_DONE;
}

int platform_subscribe(struct platform_call *call, struct fault *fault)
{
    json_t *list = NULL;
    if (platform_check_url(call, fault) != 0 || check_types(call, fault) != 0)
        return PLATFORM_USAGE;
    int reached = call->no_check ? PLATFORM_DONE : platform_reach(call, fault);
    if (reached != PLATFORM_DONE)
        return reached;
    int code = read_list(call, &list, fault) == 0 ? subscribe_all(call, list, fault)
                                                  : PLATFORM_UNUSABLE;
    json_decref(list);
    return code;
}
