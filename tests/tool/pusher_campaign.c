/* pusher_campaign: the notifications of an invented upgrade campaign. */
#include "config.h"

#include "pusher_campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEVICES 10000    /* of one operation */
#define DEVICE_STEP 7919 /* prime: walks through all devices in no obvious order */
#define RETRY_EVERY 50   /* one index in so many reports again for an earlier sub-task */

enum member {
    NOTIFY_TYPE,
    DEVICE_ID,
    APP_ID,
    OPERATION_ID,
    SUB_OPERATION_ID,
    CUR_VERSION,
    TARGET_VERSION,
    SOURCE_VERSION,
    SW_UPGRADE_RESULT,
    UPGRADE_TIME,
    RESULT_DESC,
    ERROR_CODE,
    DESCRIPTION,
};

static const char *const names[CAMPAIGN_MEMBERS] = {
    "\"notifyType\"",      "\"deviceId\"",    "\"appId\"",         "\"operationId\"",
    "\"subOperationId\"",  "\"curVersion\"",  "\"targetVersion\"", "\"sourceVersion\"",
    "\"swUpgradeResult\"", "\"upgradeTime\"", "\"resultDesc\"",    "\"errorCode\"",
    "\"description\"",
};

static const struct {
    const char *code;
    const char *cause;
} failures[] = {
    {"1", "Device in use"},
    {"4", "Low battery"},
    {"5", "Not enough storage for the new firmware package"},
    {"9", "Out of memory"},
    {"10", "Integrity check failure for new downloaded package"},
    {"127", "Connection lost during \\\"downloading\\\" process"},
    {"", "Waiting for the device online timeout \\u2013 \xe8\xae\xbe\xe5\xa4\x87"},
};

#define FAILURES (sizeof failures / sizeof failures[0])

static void set(char *value, const char *text)
{
    snprintf(value, CAMPAIGN_VALUE_MAX, "%s", text);
}

uint64_t campaign_mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b * UINT64_C(0xd1342543de82ef95))) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void make_uuid(char *value, uint64_t seed, uint64_t kind, uint64_t number)
{
    uint64_t high = campaign_mix(seed * 2 + 1, campaign_mix(kind, number));
    uint64_t low = campaign_mix(high, number);
    snprintf(value, CAMPAIGN_VALUE_MAX,
             "\"%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64 "\"",
             high >> 32, high >> 16 & 0xffff, high & 0xfff, low >> 52, low & 0xffffffffffff);
}

static void make_app_id(char *value, uint64_t seed)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    value[0] = '"';
    for (unsigned i = 1; i <= 28; i++)
        value[i] = letters[campaign_mix(seed, i) % 64];
    memcpy(value + 29, "\"", 2);
}

static void make_versions(struct campaign_notification *notification, uint64_t operation,
                          bool reached)
{
    snprintf(notification->values[TARGET_VERSION], CAMPAIGN_VALUE_MAX, "\"2.%" PRIu64 "\"",
             operation + 1);
    snprintf(notification->values[SOURCE_VERSION], CAMPAIGN_VALUE_MAX, "\"2.%" PRIu64 "\"",
             operation);
    memcpy(notification->values[CUR_VERSION],
           notification->values[reached ? TARGET_VERSION : SOURCE_VERSION], CAMPAIGN_VALUE_MAX);
}

void campaign_report(uint64_t seed, uint64_t index, char report[CAMPAIGN_REPORT_MAX])
{
    snprintf(report, CAMPAIGN_REPORT_MAX, "(report %" PRIu64 "-%" PRIu64 ")", seed, index);
}

static void make_result(struct campaign_notification *notification, uint64_t seed, uint64_t index,
                        uint64_t random)
{
    char report[CAMPAIGN_REPORT_MAX];
    campaign_report(seed, index, report);
    bool success = random % 100 < 88;
    const char *code = success ? "0" : failures[(random >> 8) % FAILURES].code;
    const char *cause = success ? "Upgrade finished" : failures[(random >> 8) % FAILURES].cause;
    char(*values)[CAMPAIGN_VALUE_MAX] = notification->values;
    set(values[SW_UPGRADE_RESULT], success ? "\"SUCCESS\"" : "\"FAIL\"");
    set(values[RESULT_DESC], success ? "\"upgrade success\"" : "\"upgrade failed\"");
    snprintf(values[ERROR_CODE], CAMPAIGN_VALUE_MAX, "\"%s\"", code);
    snprintf(values[DESCRIPTION], CAMPAIGN_VALUE_MAX, "\"%s %s\"", cause, report);
    /* a string in some editions of the platform's document, an integer in others */
    const char *quote = (random >> 16) % 3 == 0 ? "" : "\"";
    snprintf(values[UPGRADE_TIME], CAMPAIGN_VALUE_MAX, "%s%" PRIu64 "%s", quote,
             60 + (random >> 24) % 1800, quote);
}

bool campaign_is_retry(uint64_t index)
{
    return index % RETRY_EVERY == RETRY_EVERY - 1;
}

void campaign_make(struct campaign_notification *notification, uint64_t seed, uint64_t index)
{
    /* the index whose sub-task this one reports for: itself, or an earlier one of its operation */
    uint64_t task = index;
    if (campaign_is_retry(index))
        task = index - 1 - campaign_mix(seed, index) % (RETRY_EVERY - 1);
    uint64_t operation = task / DEVICES;
    uint64_t device = task % DEVICES * DEVICE_STEP % DEVICES;
    uint64_t random = campaign_mix(campaign_mix(seed, UINT64_C(0x5eed)), index);

    memset(notification, 0, sizeof *notification);
    set(notification->values[NOTIFY_TYPE], "\"swUpgradeResultNotify\"");
    make_uuid(notification->values[DEVICE_ID], seed, DEVICE_ID, device);
    make_app_id(notification->values[APP_ID], seed);
    make_uuid(notification->values[OPERATION_ID], seed, OPERATION_ID, operation);
    make_uuid(notification->values[SUB_OPERATION_ID], seed, SUB_OPERATION_ID, task);
    make_result(notification, seed, index, random);
    bool success = strcmp(notification->values[SW_UPGRADE_RESULT], "\"SUCCESS\"") == 0;
    bool contradictory = (random >> 48) % 100 == 0;
    make_versions(notification, operation, success != contradictory);
}

static size_t print_text(char *body, size_t length, const char *text)
{
    size_t width = strlen(text);
    memcpy(body + length, text, width);
    return length + width;
}

/* Appends white space where JSON allows it, some of it chosen by *RANDOM; none where it is 0. */
static size_t print_space(char *body, size_t length, uint64_t *random)
{
    static const char *const spaces[] = {"", " ", "", "\n", "\t", "  ", "\r\n", "\n    "};
    if (*random == 0)
        return length;
    *random = campaign_mix(*random, length) | 1;
    return print_text(body, length, spaces[*random >> 61]);
}

/* The order in which the members are printed: the seed's where *RANDOM is 0. */
static void shuffle(unsigned order[CAMPAIGN_MEMBERS], uint64_t *random)
{
    for (unsigned i = 0; i < CAMPAIGN_MEMBERS; i++)
        order[i] = i;
    for (unsigned i = CAMPAIGN_MEMBERS; *random != 0 && i > 1; i--) {
        *random = campaign_mix(*random, i) | 1;
        unsigned other = (unsigned)((*random >> 32) % i);
        unsigned kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

size_t campaign_print(const struct campaign_notification *notification, uint64_t variant,
                      char body[CAMPAIGN_BODY_MAX])
{
    unsigned order[CAMPAIGN_MEMBERS];
    uint64_t random = variant == 0 ? 0 : campaign_mix(variant, 0) | 1;
    shuffle(order, &random);
    size_t length = 0;
    for (unsigned i = 0; i < CAMPAIGN_MEMBERS; i++) {
        length = print_text(body, length, i == 0 ? "{" : ",");
        length = print_space(body, length, &random);
        length = print_text(body, length, names[order[i]]);
        length = print_space(body, length, &random);
        length = print_text(body, length, ":");
        length = print_space(body, length, &random);
        length = print_text(body, length, notification->values[order[i]]);
        length = print_space(body, length, &random);
    }
    length = print_text(body, length, "}");
    length = print_space(body, length, &random);
    body[length] = '\0';
    return length;
}

size_t campaign_print_step(const struct campaign_notification *notification, const char *step,
                           char body[CAMPAIGN_BODY_MAX])
{
    static const enum member members[] = {DEVICE_ID, APP_ID, OPERATION_ID, SUB_OPERATION_ID};
    size_t length = print_text(body, 0, "{\"notifyType\":\"swUpgradeStateChangeNotify\"");
    for (unsigned i = 0; i < sizeof members / sizeof members[0]; i++) {
        length = print_text(body, length, ",");
        length = print_text(body, length, names[members[i]]);
        length = print_text(body, length, ":");
        length = print_text(body, length, notification->values[members[i]]);
    }
    length = print_text(body, length, ",\"swUpgradeState\":\"");
    length = print_text(body, length, step);
    length = print_text(body, length, "\"}");
    body[length] = '\0';
    return length;
}
