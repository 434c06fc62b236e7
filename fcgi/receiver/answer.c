/* answer: the answers to the platform, as CGI responses. */
#include "config.h"

#include "receiver/answer.h"

#include "base/json_writer.h"
#include "notification/callback_check.h"

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
static void add_response(struct buffer *text, size_t row, const char *type, struct buffer *body)
{
    buffer_add_string(text, "Status: ");
    buffer_add_number(text, statuses[row].status);
    buffer_add_string(text, " ");
    buffer_add_string(text, statuses[row].title);
    buffer_add_string(text, "\r\nContent-Type: ");
    buffer_add_string(text, type);
    buffer_add_string(text, "\r\nContent-Length: ");
    buffer_add_number(text, (int64_t)body->length);
    buffer_add_string(text, "\r\n");
    buffer_add_string(text, statuses[row].header);
    buffer_add_string(text, "\r\n");
    buffer_add(text, body->bytes, body->length);
    if (body->failed)
        text->failed = true;
    buffer_release(body);
}

static size_t find_status(int status)
{
    size_t row = 0;
    while (row < sizeof statuses / sizeof statuses[0] - 1 && statuses[row].status != status)
        row++;
    return row;
}

const char *answer_title(int status)
{
    return statuses[find_status(status)].title;
}

void answer_begin_problem_body(struct buffer *body, int status, const char *detail)
{
    json_open(body, NULL, '{');
    json_add_string(body, "type", "about:blank");
    json_add_string(body, "title", answer_title(status));
    json_add_number(body, "status", status);
    json_add_string(body, "detail", detail);
}

void answer_add_problem_body(struct buffer *body, int status, const char *detail,
                             const char *pointer)
{
    answer_begin_problem_body(body, status, detail);
    if (pointer[0] != '\0')
        json_add_string(body, "pointer", pointer);
    json_close(body, '}');
    buffer_add_string(body, "\n");
}

void answer_add_problem(struct buffer *text, int status, const char *detail, const char *pointer)
{
    struct buffer body = {0};
    answer_add_problem_body(&body, status, detail, pointer);
    add_response(text, find_status(status), "application/problem+json", &body);
}

void answer_add_here(struct buffer *text)
{
    struct buffer body = {0};
    buffer_add_string(&body, "{\"result\":\"" CALLBACK_CHECK_ANSWER "\"}\n");
    add_response(text, find_status(200), "application/json", &body);
}

static void add_quarantined(struct buffer *body, const struct record *record)
{
    buffer_add_string(body, "{\"result\":\"quarantined\"");
    if (record->outcome == RECORD_QUARANTINED)
        json_add_number(body, "id", record->id);
    else
        json_add_null(body, "id");
    json_add_string(body, "reason", record->verdict.reason);
    if (record->verdict.pointer[0] != '\0')
        json_add_string(body, "pointer", record->verdict.pointer);
}

static void add_seq(struct buffer *body, const struct record *record)
{
    buffer_add_string(body, record->outcome == RECORD_REPEATED ? "{\"result\":\"repeated\",\"seq\":"
                                                               : "{\"result\":\"stored\",\"seq\":");
    buffer_add_number(body, record->seq);
}

int answer_add_kept(struct buffer *text, const struct record *record, bool refuse_invalid)
{
    bool quarantined = record->meaning == RECORD_QUARANTINE;
    if (record->outcome == RECORD_REFUSED) {
        answer_add_problem(text, 503, "quarantine is full, and the log reaches nobody", "");
        return 503;
    }
    if (quarantined && refuse_invalid) {
        /* A body that is no JSON object has no member to point at. */
        int status = record->verdict.pointer[0] == '\0' ? 400 : 422;
        answer_add_problem(text, status, record->verdict.reason, record->verdict.pointer);
        return status;
    }
    struct buffer body = {0};
    if (quarantined)
        add_quarantined(&body, record);
    else
        add_seq(&body, record);
    buffer_add_string(&body, "}\n");
    add_response(text, find_status(200), "application/json", &body);
    return 200;
}
