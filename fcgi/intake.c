/* intake: the story of one notification, from its bytes to its answer. */
#include "config.h"

#include "intake.h"

#include "answer.h"
#include "dispatch.h"
#include "fault_point.h"
#include "moment.h"
#include "monitor.h"
#include "notification.h"

#include <stdlib.h>

struct intake {
    const struct options *options;
    const struct trust *trust;
    struct log *log;
    struct commit *commit;
    /* NULL: nobody to deliver to. Atomic, since the writer may be at work before it is set: for the
     * delivery's cursor. */
    struct delivery *_Atomic delivery;
    intake_reply *reply;
    struct monitor large; /* held by whoever parses a large body */
    bool failing;         /* the writer's: the store's fault is logged already */
    bool full[2];       /* the writer's: that quarantine is full is logged already, of bodies of no
                           known notifyType and of the others */
    struct text lines;  /* the writer's: log lines of one batch */
    struct text answer; /* the writer's */
    struct metrics *metrics;
};

static void refuse(struct intake *intake, struct ticket *ticket, const char *detail,
                   struct text *answer)
{
    record_release(&ticket->record);
    text_clear(answer);
    answer_add_problem(answer, 503, detail);
    intake->reply(ticket, 503, answer);
}

/* What the body says, with nothing left of the parse that takes so much more memory. */
static void read_body(struct intake *intake, struct record *record, struct fault *fault)
{
    enum dispatch_result what = dispatch_read(record);
    if (what == DISPATCH_NOTIFICATION && record->app_id[0] != '\0' &&
        !trust_accepts_app(intake->trust, record->app_id))
        dispatch_quarantine(record, DISPATCH_APP_NOT_ACCEPTED, "/appId");
    else if (what == DISPATCH_NO_MEMORY ||
             (what == DISPATCH_NOTIFICATION && notification_settle(record) != 0))
        fault_set(fault, "out of memory");
}

/* The beginning: what is it? Then to the writer, who keeps it or does not. */
void intake_take(struct intake *intake, struct ticket *ticket)
{
    struct fault fault = FAULT_NONE;
    const bool large = ticket->record.body_length > INTAKE_SMALL_MAX;
    ticket->record.received_ms = moment_now_ms();
    if (large)
        monitor_enter(&intake->large);
    read_body(intake, &ticket->record, &fault);
    if (large)
        monitor_leave(&intake->large);
    if (!fault.set && ticket->record.meaning == RECORD_QUARANTINE)
        ticket->record.log_gone = !log_reaches(intake->log);
    /* An accepted notification fares as the platform's do, whoever sent it. */
    if (!fault.set && ticket->record.meaning != RECORD_QUARANTINE)
        ticket->weighs = true;
    ticket->record.any_app = intake->options->app_ids.length == 0;
    FAULT_POINT(parsed);
    if (!fault.set && commit_submit(intake->commit, ticket, &fault) == 0) {
        FAULT_POINT(queued);
        return;
    }
    struct text answer = {0};
    refuse(intake, ticket, fault.text, &answer);
    text_release(&answer);
}

/* Says once that quarantine is full, and again after it had room in between. */
static void watch_quarantine(struct intake *intake, const struct record *record)
{
    bool full = record->outcome == RECORD_LOG_ONLY || record->outcome == RECORD_REFUSED;
    bool *said = &intake->full[record->known];
    if (full && !*said)
        log_event(intake->log, "fault", "fault",
                  record->known
                      ? "quarantine is full: bodies go to the log alone until some are "
                        "taken out"
                      : "quarantine is full for bodies of no known notifyType: they go to "
                        "the log alone until some are taken out");
    if (full || record->outcome == RECORD_QUARANTINED)
        *said = full;
}

/* Logs the batch, in seq order; false if its lines may reach nobody. */
static bool log_batch(struct intake *intake, struct ticket **tickets, size_t count)
{
    size_t lines = 0;
    text_clear(&intake->lines);
    for (size_t i = 0; i < count; i++) {
        watch_quarantine(intake, &tickets[i]->record);
        if (tickets[i]->record.outcome == RECORD_REFUSED)
            continue;
        notification_add_log_line(&tickets[i]->record, &intake->lines);
        lines++;
    }
    bool logged = log_lines(intake->log, &intake->lines, lines);
    if (intake->lines.capacity > INTAKE_LINES_KEPT_MAX)
        text_release(&intake->lines);
    return logged;
}

/* What is kept by the log alone is kept if the log has taken it and somebody has the log: asked
 * behind the line, because whoever read the log may be gone since the body came. */
static void judge_log_only(struct intake *intake, struct record *record, bool logged)
{
    if (record->outcome == RECORD_LOG_ONLY && !(logged && log_reaches(intake->log)))
        record->outcome = RECORD_REFUSED;
    if (record->outcome == RECORD_REFUSED)
        metrics_add(intake->metrics, METRIC_quarantine_refused, 1);
}

/* The good end: the batch is on disk. First the log, then the answers. */
static void tell_kept(void *owner, struct ticket **tickets, size_t count)
{
    struct intake *intake = owner;
    bool logged = log_batch(intake, tickets, count);
    FAULT_POINT(logged);
    for (size_t i = 0; i < count; i++) {
        struct record *record = &tickets[i]->record;
        judge_log_only(intake, record, logged);
        text_clear(&intake->answer);
        int status = answer_add_kept(&intake->answer, record, intake->options->refuse_invalid);
        record_release(record);
        FAULT_POINT(before_answer);
        intake->reply(tickets[i], status, &intake->answer);
        FAULT_POINT(after_answer);
    }
    delivery_wake(intake->delivery);
}

/* The bad end: nothing of the batch is kept. */
static void tell_failed(void *owner, struct ticket **tickets, size_t count,
                        const struct fault *fault)
{
    struct intake *intake = owner;
    if (!intake->failing)
        log_event(intake->log, "fault", "fault", fault->text);
    intake->failing = true;
    for (size_t i = 0; i < count; i++)
        refuse(intake, tickets[i], "the notification could not be kept", &intake->answer);
}

static void tell_recovered(void *owner, uint64_t refused)
{
    struct intake *intake = owner;
    intake->failing = false;
    text_clear(&intake->lines);
    log_begin(&intake->lines, "recovered");
    text_addf(&intake->lines, ",\"refused\":%llu", (unsigned long long)refused);
    log_end(&intake->lines);
    log_lines(intake->log, &intake->lines, 1);
}

int intake_start(struct intake **gives, const struct options *options, const struct trust *trust,
                 struct store *store, const struct fault *open_fault, struct log *log,
                 struct metrics *metrics, intake_reply *reply, struct fault *fault)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return fault_set(fault, "intake: out of memory");
    *intake = (struct intake){
        .options = options, .trust = trust, .log = log, .metrics = metrics, .reply = reply};
    monitor_init(&intake->large);
    const struct commit_listener listener = {
        .owner = intake, .kept = tell_kept, .failed = tell_failed, .recovered = tell_recovered};
    if (open_fault != NULL) {
        intake->failing = true;
        log_event(log, "fault", "fault", open_fault->text);
    }
    if (commit_start(&intake->commit, store, open_fault, options->queue, &listener, metrics,
                     fault) != 0) {
        monitor_release(&intake->large);
        free(intake);
        return -1;
    }
    *gives = intake;
    return 0;
}

void intake_wake(struct intake *intake, struct delivery *delivery)
{
    intake->delivery = delivery;
}

struct commit *intake_commit(struct intake *intake)
{
    return intake->commit;
}

void intake_stop(struct intake *intake)
{
    if (intake == NULL)
        return;
    commit_stop(intake->commit);
    monitor_release(&intake->large);
    text_release(&intake->lines);
    text_release(&intake->answer);
    free(intake);
}
