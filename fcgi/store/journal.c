/* journal: entries for shared books, added in the transaction that keeps what they say. */
#include "config.h"

#include "store/engine.h"
#include "store/journal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Most entries that a transaction adds for what was kept without a journal: of a batch, which
 * others wait for, and of an opening. */
#define FILL_BATCH 200
#define FILL_OPENING 20000

int store_journal_begin(struct store *store, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    sqlite3_stmt *read = store_statement(store, STORE_read_journal_state);
    int step = sqlite3_step(read);
    journal->begins = false;
    if (step == SQLITE_ROW) {
        journal->changed = sqlite3_column_int(read, 0) == 0;
        journal->number = sqlite3_column_int64(read, 1);
        journal->seq = sqlite3_column_int64(read, 2);
        journal->quarantine_id = sqlite3_column_int64(read, 3);
        journal->again_seq = sqlite3_column_int64(read, 4);
        journal->again_quarantine_id = sqlite3_column_int64(read, 5);
        journal->plan = sqlite3_column_int64(read, 6);
    } else {
        store_fault(store->db, fault, "cannot read the journal");
    }
    sqlite3_reset(read);
    return step == SQLITE_ROW ? 0 : -1;
}

/* Begins a life with the entry FIRST. */
static int begin_life(struct store *store, int64_t first, struct fault *fault)
{
    unsigned char bytes[(TOKEN_LIFE_SIZE - 1) / 2];
    char life[TOKEN_LIFE_SIZE];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(life, sizeof life, bytes, sizeof bytes);
    sqlite3_stmt *begin = store_statement(store, STORE_begin_journal_life);
    sqlite3_bind_int64(begin, 1, first);
    sqlite3_bind_text(begin, 2, life, -1, SQLITE_STATIC);
    store->journal.begins = true;
    return store_run(store, begin, "cannot begin a life of the journal", fault);
}

int store_journal_next(struct store *store, int64_t *number, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    if (!journal->alive && !journal->begins && begin_life(store, journal->number + 1, fault) != 0)
        return -1;
    journal->changed = true;
    *number = ++journal->number;
    return 0;
}

int store_journal_notification(struct store *store, struct record *record, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    bool is_new = record->outcome == RECORD_STORED;
    if (is_new ? record->seq != journal->seq + 1 : record->seq > journal->seq)
        return 0; /* it comes with those that have no entries yet, in their order */
    if (store_journal_next(store, &record->entry, fault) != 0)
        return -1;
    sqlite3_stmt *add = store_statement(store, STORE_journal_notification);
    sqlite3_bind_int64(add, 1, record->entry);
    sqlite3_bind_int(add, 2, STORE_JOURNAL_NOTIFICATION);
    sqlite3_bind_int64(add, 3, record->received_ms);
    sqlite3_bind_int64(add, 4, record->seq);
    sqlite3_bind_text(add, 5, record->requeue_id != 0 ? STORE_JOURNAL_RETRIED : "", -1,
                      SQLITE_STATIC);
    if (is_new)
        journal->seq = record->seq;
    return store_run(store, add, "cannot journal a notification", fault);
}

/* Adds an entry of the body ID in quarantine. */
static int journal_body(struct store *store, enum store_journal_kind kind, int64_t id,
                        int64_t *number, struct fault *fault)
{
    if (store_journal_next(store, number, fault) != 0)
        return -1;
    sqlite3_stmt *add = store_statement(store, STORE_journal_body);
    sqlite3_bind_int64(add, 1, *number);
    sqlite3_bind_int(add, 2, kind);
    sqlite3_bind_int64(add, 3, id);
    return store_run(store, add, "cannot journal a quarantined body", fault);
}

int store_journal_quarantined(struct store *store, struct record *record, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    if (record->id != journal->quarantine_id + 1)
        return 0;
    journal->quarantine_id = record->id;
    return journal_body(store, STORE_JOURNAL_QUARANTINED, record->id, &record->entry, fault);
}

int store_journal_left(struct store *store, int64_t id, struct fault *fault)
{
    int64_t number;
    if (id > store->journal.quarantine_id)
        return 0;
    return journal_body(store, STORE_JOURNAL_LEFT, id, &number, fault);
}

/* Runs ADD, which adds MOST entries at most of rows after AFTER. *ADDED is how many. */
static int fill(struct store *store, enum store_statement which, enum store_journal_kind kind,
                const int64_t numbers[3], int64_t *added, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    sqlite3_stmt *add = store_statement(store, which);
    sqlite3_bind_int(add, 1, kind);
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(add, i + 2, numbers[i]);
    sqlite3_bind_int64(add, 5, journal->number);
    if (store_run(store, add, "cannot journal what was kept before", fault) != 0)
        return -1;
    *added = sqlite3_changes(store->db);
    if (*added > 0 && !journal->alive && !journal->begins &&
        begin_life(store, journal->number + 1, fault) != 0)
        return -1;
    journal->number += *added;
    journal->changed = true;
    return 0;
}

/* Reads the one number that WHICH returns, with COUNT numbers bound. */
static int read_number(struct store *store, enum store_statement which, const int64_t *numbers,
                       int count, int64_t *number, struct fault *fault)
{
    sqlite3_stmt *read = store_statement(store, which);
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(read, i + 1, numbers[i]);
    int step = sqlite3_step(read);
    if (step == SQLITE_ROW)
        *number = sqlite3_column_int64(read, 0);
    else
        store_fault(store->db, fault, "cannot read the journal");
    sqlite3_reset(read);
    return step == SQLITE_ROW ? 0 : -1;
}

static int fill_notifications(struct store *store, int64_t most, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    const int64_t numbers[] = {journal->seq, most, journal->again_seq};
    int64_t added;
    if (fill(store, STORE_journal_notifications, STORE_JOURNAL_NOTIFICATION, numbers, &added,
             fault) != 0)
        return -1;
    journal->seq = store->ledger.totals.seq;
    return added < most
               ? 0
               : read_number(store, STORE_journaled_seq, &journal->number, 1, &journal->seq, fault);
}

static int fill_quarantined(struct store *store, int64_t most, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    const int64_t numbers[] = {journal->quarantine_id, most, journal->again_quarantine_id};
    int64_t added;
    if (fill(store, STORE_journal_bodies, STORE_JOURNAL_QUARANTINED, numbers, &added, fault) != 0)
        return -1;
    journal->quarantine_id = store->ledger.quarantine_id;
    return added < most ? 0
                        : read_number(store, STORE_next_quarantined, numbers, 2,
                                      &journal->quarantine_id, fault);
}

int store_journal_finish(struct store *store, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    int64_t most = journal->opening ? FILL_OPENING : FILL_BATCH;
    if (journal->seq < store->ledger.totals.seq && fill_notifications(store, most, fault) != 0)
        return -1;
    if (journal->quarantine_id < store->ledger.quarantine_id &&
        fill_quarantined(store, most, fault) != 0)
        return -1;
    if (!journal->changed)
        return 0;
    const int64_t values[] = {
        journal->number,
        journal->seq,
        journal->quarantine_id,
        journal->again_seq,
        journal->again_quarantine_id,
        journal->plan,
    };
    sqlite3_stmt *write = store_statement(store, STORE_write_journal_state);
    for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++)
        sqlite3_bind_int64(write, i + 1, values[i]);
    return store_run(store, write, "cannot write the journal", fault);
}

int store_journal_confirm(struct store *store, int64_t confirmed, struct fault *fault)
{
    sqlite3_stmt *confirm = store_statement(store, STORE_confirm_journal);
    sqlite3_bind_int64(confirm, 1, confirmed);
    return store_run(store, confirm, "cannot remove confirmed entries", fault);
}

int store_journal_begin_again(struct store *store, void *argument, struct fault *fault)
{
    (void)argument;
    struct store_journal *journal = &store->journal;
    int64_t first;
    if (read_number(store, STORE_journal_first, NULL, 0, &first, fault) != 0)
        return -1;
    sqlite3_stmt *end = store_statement(store, STORE_end_journal_lives);
    sqlite3_bind_int64(end, 1, first);
    if (store_run(store, end, "cannot end a life of the journal", fault) != 0 ||
        begin_life(store, first, fault) != 0)
        return -1;
    journal->seq = journal->quarantine_id = journal->plan = 0;
    journal->again_seq = store->ledger.totals.seq;
    journal->again_quarantine_id = store->ledger.quarantine_id;
    journal->changed = true;
    return 0;
}

int store_journal_end(struct store *store, bool *found, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    if (!store->config.journal && store_journal_begin(store, fault) != 0)
        return -1;
    *found = !journal->changed;
    store->config.journal = false;
    return store_run(store, store_statement(store, STORE_forget_journal), "cannot end the journal",
                     fault) != 0
               ? -1
               : store_run(store, store_statement(store, STORE_forget_journal_state),
                           "cannot end the journal", fault);
}

int store_journal_state(struct store_reader *reader, struct store_journal_state *state,
                        struct fault *fault)
{
    if (store_reader_open(reader, fault) != 0)
        return -1;
    sqlite3_stmt *read = store_reader_prepare(reader, store_text(STORE_TEXT_journal_state), fault);
    if (read == NULL)
        return -1;
    struct store_journal_state found = {.kept = false};
    int step;
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        found.kept = sqlite3_column_int(read, 0) != 0;
        found.last = sqlite3_column_int64(read, 1);
        found.first = sqlite3_column_int64(read, 2);
        found.received_ms = sqlite3_column_int64(read, 3);
    }
    if (store_reader_finish(reader, read, step, fault) != 0)
        return -1;
    *state = found;
    return 0;
}
