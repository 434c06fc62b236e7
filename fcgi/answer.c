/* answer: what the platform is told, as a CGI response. */
#include "config.h"

#include "answer.h"

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
    text_addf(text, "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
              statuses[row].status, statuses[row].title, type, body->length, statuses[row].header);
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

int answer_add_kept(struct text *text, const struct record *record, bool refuse_invalid)
{
    bool quarantined = record->meaning == RECORD_QUARANTINE;
    if (quarantined && refuse_invalid) {
        int status = refusal_status(&record->verdict);
        add_problem(text, status, record->verdict.reason, record->verdict.pointer);
        return status;
    }
    struct text body = {0};
    if (quarantined)
        add_quarantined(&body, record);
    else
        text_addf(&body, "{\"result\":\"%s\",\"seq\":%lld",
                  record->outcome == RECORD_REPEATED ? "repeated" : "stored",
                  (long long)record->seq);
    text_add_string(&body, "}\n");
    add_response(text, find_status(200), "application/json", &body);
    return 200;
}
