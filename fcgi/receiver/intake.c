/* intake: reads, keeps and logs bodies. */
#include "config.h"

#include "receiver/intake.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/monitor.h"
#include "notification/dispatch.h"
#include "notification/notification.h"

#include <stdlib.h>

struct intake {
    const struct options *options;
    const struct auth *auth;
    struct commit *commit;
    struct delivery *delivery;
    struct log *log;
    struct metrics *metrics;
    struct monitor large; /* held while a large body is parsed */
    /* used by the thread that has the turn: */
    bool full[2]; /* full quarantine is logged already, for bodies of no known notifyType and for
                     the others */
    struct buffer lines; /* log lines of one batch */
};

int intake_new(struct intake **gives, const struct options *options, const struct auth *auth,
               struct commit *commit, struct delivery *delivery, struct log *log,
               struct metrics *metrics, struct fault *fault)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return fault_set(fault, "intake: out of memory");
    *intake = (struct intake){.options = options,
                              .auth = auth,
                              .commit = commit,
                              .delivery = delivery,
                              .log = log,
                              .metrics = metrics};
    monitor_init(&intake->large);
    *gives = intake;
    return 0;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    monitor_release(&intake->large);
    buffer_release(&intake->lines);
    free(intake);
}

/* Reads the body's content, and frees the parse tree, which takes so much more memory. */
static int read_body(struct intake *intake, struct record *record)
{
    enum dispatch_result what = dispatch_read(record);
    if (what == DISPATCH_NO_MEMORY)
        return -1;
    if (what != DISPATCH_NOTIFICATION)
        return 0;
    if (record->app_id[0] == '\0' || auth_accepts_app(intake->auth, record->app_id))
        return notification_settle(record);
    dispatch_quarantine(record, DISPATCH_APP_NOT_ACCEPTED,
                        record->notify_type == record->envelope_type ? "/notify_data" : "/appId");
    return 0;
}

int intake_read(struct intake *intake, struct record *record, struct fault *fault)
{
    const bool large = record->body_length > INTAKE_SMALL_MAX;
    record->received_ms = clock_now_ms();
    if (large)
        monitor_enter(&intake->large);
    int result = read_body(intake, record);
    if (large)
        monitor_leave(&intake->large);
    if (result != 0)
        return fault_set(fault, "out of memory");
    record->any_app = intake->options->app_ids.length == 0;
    if (record->meaning == RECORD_QUARANTINE)
        record->log_gone = !log_reaches(intake->log);
    FAULT_POINT(parsed);
    return 0;
}

/* Logs once that quarantine is full, and again if it had room in between. */
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
static bool log_batch(struct intake *intake, struct record **records, size_t count)
{
    size_t lines = 0;
    buffer_clear(&intake->lines);
    for (size_t i = 0; i < count; i++) {
        watch_quarantine(intake, records[i]);
        if (records[i]->outcome == RECORD_REFUSED)
            continue;
        notification_add_log_line(records[i], &intake->lines);
        lines++;
    }
    bool logged = log_lines(intake->log, &intake->lines, lines);
    if (intake->lines.capacity > INTAKE_LINES_KEPT_MAX)
        buffer_release(&intake->lines);
    return logged;
}

int intake_keep(struct intake *intake, struct record **records, size_t count, struct fault *fault)
{
    if (commit_keep(intake->commit, records, count, fault) != 0)
        return -1;
    bool logged = log_batch(intake, records, count);
    commit_leave(intake->commit);
    FAULT_POINT(logged);
    for (size_t i = 0; i < count; i++) {
        /* A body that goes to the log alone is kept if the log has taken it and is read. This is
         * checked after the line, because the reader may be gone since the body came. */
        if (records[i]->outcome == RECORD_LOG_ONLY && !(logged && log_reaches(intake->log)))
            records[i]->outcome = RECORD_REFUSED;
        if (records[i]->outcome == RECORD_REFUSED)
            metrics_add(intake->metrics, METRIC_quarantine_refused, 1);
    }
    delivery_wake(intake->delivery);
    return 0;
}
