/* send: one event, again and again until the other side has it, or refuses it for good. */
#include "config.h"

#include "forward/send.h"

#include "base/clock.h"
#include "base/json_writer.h"
#include "forward/notes.h"
#include "forward/pause.h"
#include "forward/stop.h"

/* How often a long wait looks whether an operator has asked for something. */
#define LOOK_MS 500

#define GONE 410

/* Appends a line to the log: EVENT, and WHY, unless it is NULL. */
static void log_about(const struct sender *sender, const char *name, const struct event *event,
                      const char *why)
{
    struct buffer line = {0};
    log_begin(&line, name);
    if (event->seq > 0)
        json_add_number(&line, "seq", event->seq);
    json_add_string(&line, "id", event->id);
    if (why != NULL)
        json_add_string(&line, "why", why);
    log_end(&line);
    log_lines(sender->log, &line, 1);
    buffer_release(&line);
}

static bool is_broken(const struct sender *sender, int64_t ms)
{
    return stop_wait(ms) || notes_exist(sender->settings, NOTES_RESEND);
}

/* Waits for MS milliseconds; false if something has come up. */
static bool wait_for(const struct sender *sender, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    for (int64_t left = ms; left > 0; left = until_ms - clock_monotonic_ms())
        if (is_broken(sender, left < LOOK_MS ? left : LOOK_MS))
            return false;
    return true;
}

/* Writes down what is wrong, for `status`. If that fails, the log still has it. */
static void note_trouble(struct sender *sender, const char *problem, bool paused)
{
    struct buffer text = {0};
    json_open(&text, NULL, '{');
    json_add_time(&text, "since", clock_now_ms());
    json_add_bool(&text, "paused", paused);
    json_add_string(&text, "problem", problem);
    json_close(&text, '}');
    buffer_add_string(&text, "\n");
    sender->noted = notes_write(sender->settings, NOTES_TROUBLE, &text, NULL) == 0;
    buffer_release(&text);
}

static void end_trouble(struct sender *sender, const struct event *event, unsigned failures)
{
    if (failures > 0)
        log_about(sender, "recovered", event, NULL);
    if (sender->noted)
        sender->noted = notes_remove(sender->settings, NOTES_TROUBLE, NULL) != 0;
}

static bool is_refused(long status)
{
    return status == 400 || status == 413 || status == 415 || status == 422 || status == 431;
}

/* Returns 0 if the other side has taken EVENT; FAULT says why not. */
static int try_once(struct sender *sender, const struct event *event, struct fault *fault)
{
    struct buffer headers = {0};
    int64_t at_s = clock_now_ms() / 1000;
    buffer_addf(&headers, "User-Agent: upgrade-forward/" PACKAGE_VERSION "%c", 0);
    buffer_addf(&headers, "Content-Type: application/json%cwebhook-id: %s%c", 0, event->id, 0);
    buffer_addf(&headers, "webhook-timestamp: %lld%c", (long long)at_s, 0);
    buffer_add_string(&headers, "webhook-signature: ");
    sign_add_signatures(sender->sign, event->id, at_s, &event->body, &headers);
    buffer_add(&headers, "", 1);
    const struct http_request request = {.method = "POST",
                                         .url = sender->settings->to,
                                         .headers = &headers,
                                         .body = event->body.bytes,
                                         .length = event->body.length};
    struct fault failed = FAULT_NONE;
    http_send(sender->http, &request, &sender->answer, &failed);
    buffer_release(&headers);
    long status = sender->answer.status;
    if (status == 0)
        return fault_set(fault, "%s", failed.text);
    if (status >= 200 && status < 300)
        return 0;
    return fault_set(fault, "it answered %ld%s", status,
                     status >= 300 && status < 400 ? ", and a redirect is not followed" : "");
}

/* The other side wants no more. False if the process is to end. */
static bool wait_for_operator(struct sender *sender, const struct event *event)
{
    note_trouble(sender, "it answered 410: it wants no more webhooks", true);
    log_about(sender, "paused", event,
              "it answered 410: it wants no more webhooks; upgrade-forward resume, or a restart,"
              " goes on");
    /* Without the note nobody could resume: a restart remains. */
    while (!sender->noted || notes_exist(sender->settings, NOTES_TROUBLE))
        if (stop_wait(LOOK_MS))
            return false;
    sender->noted = false;
    log_about(sender, "resumed", event, NULL);
    return true;
}

enum send_result send_event(struct sender *sender, const struct event *event)
{
    const struct http_answer *answer = &sender->answer;
    unsigned failures = 0, refused = 0;
    struct fault fault = FAULT_NONE;
    for (; try_once(sender, event, &fault) != 0; fault = FAULT_NONE) {
        if (is_broken(sender, 0))
            return SEND_BROKEN;
        if (answer->status == GONE) {
            if (!wait_for_operator(sender, event))
                return SEND_BROKEN;
            continue;
        }
        if (++failures == 1)
            log_about(sender, "failing", event, fault.text);
        if (failures == SEND_NOTED_AFTER)
            note_trouble(sender, fault.text, false);
        if (is_refused(answer->status) && ++refused == SEND_REFUSED_MOST) {
            log_about(sender, "passedOver", event, fault.text);
            return SEND_DONE;
        }
        if (!wait_for(sender, pause_after(failures, answer->retry_after_s)))
            return SEND_BROKEN;
    }
    end_trouble(sender, event, failures);
    return SEND_DONE;
}
