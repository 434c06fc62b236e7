/* answer: what the platform is told, as a CGI response. */
#include "config.h"

#include "receiver/answer.h"

#include <string.h>

static const struct {
    int status;
    const char *title;
    const char *header; /* a further header line, or "" */
} statuses[] = {
    {200, "OK", ""},
    {304, "Not Modified", ""},
    {308, "Permanent Redirect", ""},
    {400, "Bad Request", ""},
    {401, "Unauthorized", "WWW-Authenticate: Signature\r\n"},
    {404, "Not Found", ""},
    {405, "Method Not Allowed", "Allow: POST\r\n"},
    {413, "Content Too Large", ""},
    {422, "Unprocessable Content", ""},
    {503, "Service Unavailable", "Retry-After: " ANSWER_RETRY_AFTER "\r\n"},
};

/* Appends head and BODY; BODY is released. */
static void add_response(struct text *text, size_t row, const char *type, struct text *body)
{
    text_add_string(text, "Status: ");
    text_add_number(text, statuses[row].status);
    text_add_string(text, " ");
    text_add_string(text, statuses[row].title);
    text_add_string(text, "\r\nContent-Type: ");
    text_add_string(text, type);
    text_add_string(text, "\r\nContent-Length: ");
    text_add_number(text, (int64_t)body->length);
    text_add_string(text, "\r\n");
    text_add_string(text, statuses[row].header);
    text_add_string(text, "\r\n");
    text_add(text, body->bytes, body->length);
    if (body->failed)
        text->failed = true;
    text_release(body);
}

static size_t find_status(int status)
{
    size_t row = 0;
    while (row < sizeof statuses / sizeof statuses[0] - 1 && statuses[row].status != status)
        row++;
    return row;
}

static void add_member(struct text *body, const char *name, const char *value)
{
    text_addf(body, ",\"%s\":", name);
    text_add_json_string(body, value, strlen(value));
}

const char *answer_title(int status)
{
    return statuses[find_status(status)].title;
}

static void add_problem_body(struct text *body, int status, const char *detail, const char *pointer)
{
    text_addf(body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d",
              answer_title(status), status);
    add_member(body, "detail", detail);
    if (pointer[0] != '\0')
        add_member(body, "pointer", pointer);
    text_add_string(body, "}\n");
}

void answer_add_problem_body(struct text *body, int status, const char *detail)
{
    add_problem_body(body, status, detail, "");
}

static void add_problem(struct text *text, int status, const char *detail, const char *pointer)
{
    struct text body = {0};
    add_problem_body(&body, status, detail, pointer);
    add_response(text, find_status(status), "application/problem+json", &body);
}

void answer_add_problem(struct text *text, int status, const char *detail)
{
    add_problem(text, status, detail, "");
}

/* A body that is no JSON object has no place in it to point at. */
static int refusal_status(const struct schema_verdict *verdict)
{
    return verdict->pointer[0] == '\0' ? 400 : 422;
}

static void add_quarantined(struct text *body, const struct record *record)
{
    text_add_string(body, "{\"result\":\"quarantined\",\"id\":");
    if (record->outcome == RECORD_QUARANTINED)
        text_addf(body, "%lld", (long long)record->id);
    else
        text_add_string(body, "null");
    add_member(body, "reason", record->verdict.reason);
    if (record->verdict.pointer[0] != '\0')
        add_member(body, "pointer", record->verdict.pointer);
}

static void add_seq(struct text *body, const struct record *record)
{
    text_add_string(body, record->outcome == RECORD_REPEATED ? "{\"result\":\"repeated\",\"seq\":"
                                                             : "{\"result\":\"stored\",\"seq\":");
    text_add_number(body, record->seq);
}

int answer_add_kept(struct text *text, const struct record *record, bool refuse_invalid)
{
    bool quarantined = record->meaning == RECORD_QUARANTINE;
    if (record->outcome == RECORD_REFUSED) {
        add_problem(text, 503, "quarantine is full, and the log reaches nobody", "");
        return 503;
    }
    if (quarantined && refuse_invalid) {
        int status = refusal_status(&record->verdict);
        add_problem(text, status, record->verdict.reason, record->verdict.pointer);
        return status;
    }
    struct text body = {0};
    if (quarantined)
        add_quarantined(&body, record);
    else
        add_seq(&body, record);
    text_add_string(&body, "}\n");
    add_response(text, find_status(200), "application/json", &body);
    return 200;
}
