/* figures: what the books hold, as members of a JSON object that is open. */
#include "config.h"

#include "figures.h"

#include "document.h"

void figures_received(struct text *out, const struct store_totals *totals)
{
    document_number(out, "notifications", totals->notifications);
    document_number(out, "repeats", totals->repeats);
    document_number(out, "quarantined", totals->quarantined);
    document_number(out, "quarantineLogOnly", totals->quarantine_log_only);
}

static void add_time(struct text *out, const char *name, int64_t ms)
{
    if (ms != 0)
        document_time(out, name, ms);
    else
        document_null(out, name);
}

void figures_quarantine(struct text *out, const struct store_totals *totals)
{
    document_number(out, "held", totals->quarantine_held);
    document_number(out, "bytes", totals->quarantine_bytes);
    add_time(out, "fullSince", totals->quarantine_full_ms);
    add_time(out, "unknownFullSince", totals->quarantine_unknown_full_ms);
}

void figures_upgrades(struct text *out, int64_t in_progress, int64_t success, int64_t fail,
                      int64_t contradictory)
{
    document_number(out, "inProgress", in_progress);
    document_number(out, "success", success);
    document_number(out, "fail", fail);
    document_number(out, "contradictory", contradictory);
}

static void add_token(struct text *out, const struct token *token)
{
    char text[TOKEN_TEXT_SIZE];
    document_string(out, "token", token_write(token, text));
}

void figures_token(struct text *out, const struct store_totals *totals)
{
    struct token token;
    store_totals_token(totals, &token);
    add_token(out, &token);
}

void figures_applications(struct text *out, const struct store_cursor cursors[], size_t length,
                          int64_t seq)
{
    for (size_t i = 0; i < length; i++) {
        document_open(out, NULL, '{');
        document_string(out, "name", cursors[i].name);
        document_number(out, "cursor", cursors[i].at.seq);
        add_token(out, &cursors[i].at);
        document_bool(out, "lost", cursors[i].lost);
        document_number(out, "backlog", seq - cursors[i].at.seq);
        document_close(out, '}');
    }
}

void figures_notification(struct text *out, const struct store_kept *kept)
{
    document_number(out, "seq", kept->seq);
    document_time(out, "receivedAt", kept->received_ms);
    document_number(out, "deliveries", kept->deliveries);
    if (kept->body != NULL) {
        document_json(out, "body", kept->body, kept->body_length);
    } else {
        document_null(out, "body");
        document_number(out, "bodyBytes", (int64_t)kept->body_length);
    }
}
