/* shipper: sends the journal to the shared books. */
#include "config.h"

#include "postgres/shipper.h"

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/monitor.h"
#include "base/utf8.h"
#include "postgres/batch.h"
#include "postgres/link.h"
#include "store/journal.h"
#include "store/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

/* How long one wait for the server takes before the thread looks whether it should end. */
#define SLICE_MS 250

/* Pause between two calls that bring the books back, while nothing is left to ship. */
#define PROBE_MS 20

/* Life of calls without an entry, before the journal has one. */
#define NO_LIFE "probe"

/* Version of the schema, and the question for it and for the server's clock. */
#define BOOKS_VERSION 1
#define EXAMINE_SQL "SELECT version, " BATCH_CLOCK_SQL " FROM upgrade_books.about_1()"
#define EXAMINE_MS 2000

struct shipper {
    struct shipper_config config;
    char receiver[128];            /* this machine's name, for people who read the books */
    int stop_fd;                   /* readable at the end */
    atomic_int_fast64_t noted;     /* the last entry that is known */
    atomic_int_fast64_t confirmed; /* the last entry that the books have */
    atomic_int_fast64_t wanted;    /* the thread waits for this entry */
    atomic_int state;

    /* the thread's own: */
    struct link *link;
    struct store_reader *reader;
    int64_t opened;             /* how often the reader had opened the store */
    int lock_fd;                /* of the process that ships; -1: another does */
    int64_t alone;              /* up to this entry, each is sent in a batch of its own */
    char refused[8];            /* SQLSTATE with which the next entry was refused; "": none */
    char life[TOKEN_LIFE_SIZE]; /* of the last batch */
    bool backlog;               /* more was left than the last batch took */
    unsigned quick;   /* batches in a row that were confirmed quickly, without a backlog */
    int64_t well_ms;  /* when the books last answered well; monotonic */
    int64_t fault_ms; /* since when they have not; 0: they have */
    bool clocks_differ;
    struct batch batch;

    pthread_t thread;
    struct monitor monitor; /* guards what follows; woken by news and at the end */
    bool stop;
    int64_t since_ms;        /* when the state changed */
    int64_t first, first_ms; /* an entry that was not confirmed, and when it was received */
    char fault[FAULT_TEXT_MAX];
    char name[SHIPPER_NAME_SIZE];
};

/* --- the state, for all threads --- */

int64_t shipper_confirmed(const struct shipper *shipper)
{
    return atomic_load(&shipper->confirmed);
}

bool shipper_is_confirming(const struct shipper *shipper)
{
    return atomic_load(&shipper->state) == SHIPPER_CONFIRMING;
}

const char *shipper_state_word(enum shipper_state state)
{
    return state == SHIPPER_CONFIRMING ? "confirming" : state == SHIPPER_AWAY ? "away" : "refused";
}

static void log_state(struct shipper *shipper, enum shipper_state state, const char *why)
{
    struct buffer line = {0};
    log_begin(&line, "books");
    buffer_addf(&line, ",\"state\":\"%s\"", shipper_state_word(state));
    if (why != NULL) {
        buffer_add_string(&line, ",\"fault\":");
        buffer_add_json_string(&line, why, strlen(why));
    }
    log_end(&line);
    log_lines(shipper->config.log, &line, 1);
    buffer_release(&line);
}

/* Sets the state, and logs a change once. WHY is NULL if the books answer. */
static void set_state(struct shipper *shipper, enum shipper_state state, const char *why)
{
    monitor_enter(&shipper->monitor);
    bool changed = atomic_load(&shipper->state) != (int)state;
    if (changed) {
        shipper->since_ms = clock_now_ms();
        atomic_store(&shipper->state, (int)state);
        log_state(shipper, state, why);
    }
    snprintf(shipper->fault, sizeof shipper->fault, "%s", why != NULL ? why : "");
    monitor_leave(&shipper->monitor);
    if (changed)
        shipper->config.hear(shipper->config.holder);
}

void shipper_get_status(struct shipper *shipper, struct shipper_status *status)
{
    int64_t confirmed = atomic_load(&shipper->confirmed), now_ms = clock_now_ms();
    int64_t behind = atomic_load(&shipper->noted) - confirmed;
    monitor_enter(&shipper->monitor);
    *status = (struct shipper_status){
        .state = (enum shipper_state)atomic_load(&shipper->state),
        .since_ms = shipper->since_ms,
        .behind_records = behind > 0 ? behind : 0,
    };
    if (behind > 0 && shipper->first > confirmed && shipper->first_ms < now_ms)
        status->behind_ms = now_ms - shipper->first_ms;
    memcpy(status->fault, shipper->fault, sizeof status->fault);
    memcpy(status->name, shipper->name, sizeof status->name);
    monitor_leave(&shipper->monitor);
}

static void raise(atomic_int_fast64_t *number, int64_t to)
{
    int64_t before = atomic_load(number);
    while (before < to && !atomic_compare_exchange_weak(number, &before, to))
        continue;
}

void shipper_note(struct shipper *shipper, int64_t entry)
{
    raise(&shipper->noted, entry);
    if (entry < atomic_load(&shipper->wanted))
        return;
    monitor_enter(&shipper->monitor);
    monitor_wake(&shipper->monitor);
    monitor_leave(&shipper->monitor);
}

void shipper_miss(struct shipper *shipper, int64_t entry)
{
    char why[FAULT_TEXT_MAX];
    if (!shipper_is_confirming(shipper) || entry <= shipper_confirmed(shipper))
        return;
    monitor_enter(&shipper->monitor);
    memcpy(why, shipper->fault, sizeof why);
    monitor_leave(&shipper->monitor);
    if (why[0] == '\0')
        snprintf(why, sizeof why, "they have not confirmed entry %lld within %lld ms",
                 (long long)entry, (long long)shipper->config.wait_ms);
    set_state(shipper, SHIPPER_AWAY, why);
}

/* --- waiting --- */

static bool is_stopped(struct shipper *shipper)
{
    monitor_enter(&shipper->monitor);
    bool stop = shipper->stop;
    monitor_leave(&shipper->monitor);
    return stop;
}

/* Waits until ENTRY is noted, for MS at most, or until the end. Returns whether it is noted. */
static bool wait_for(struct shipper *shipper, int64_t entry, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    atomic_store(&shipper->wanted, entry);
    monitor_enter(&shipper->monitor);
    while (!shipper->stop && atomic_load(&shipper->noted) < entry &&
           monitor_wait_until(&shipper->monitor, until_ms))
        continue;
    monitor_leave(&shipper->monitor);
    atomic_store(&shipper->wanted, INT64_MAX);
    return atomic_load(&shipper->noted) >= entry;
}

static void pause_for(struct shipper *shipper, int64_t ms)
{
    wait_for(shipper, INT64_MAX, ms);
}

/* --- the journal --- */

static void note_first(struct shipper *shipper, int64_t first, int64_t received_ms)
{
    monitor_enter(&shipper->monitor);
    shipper->first = first;
    shipper->first_ms = received_ms;
    monitor_leave(&shipper->monitor);
}

/* Looks at the journal: entries of other processes, and those that were confirmed and removed. */
static int look(struct shipper *shipper, struct fault *fault)
{
    struct store_journal_state journal;
    if (store_journal_state(shipper->reader, &journal, fault) != 0)
        return -1;
    int64_t opened = store_reader_opened(shipper->reader);
    if (opened != shipper->opened) { /* another store has numbers of its own */
        shipper->opened = opened;
        shipper->alone = 0;
        atomic_store(&shipper->noted, journal.last);
        atomic_store(&shipper->confirmed, journal.first - 1);
    }
    int64_t confirmed = shipper_confirmed(shipper);
    raise(&shipper->noted, journal.last);
    if (journal.first > confirmed)
        note_first(shipper, journal.first, journal.received_ms);
    if (journal.first - 1 > confirmed) {
        raise(&shipper->confirmed, journal.first - 1);
        shipper->config.hear(shipper->config.holder);
    }
    return 0;
}

/* Reads the next entries: of one life, and without a gap. */
static int read_entries(struct shipper *shipper, struct store_journaled *entries, size_t *count,
                        struct fault *fault)
{
    int64_t after = shipper_confirmed(shipper);
    size_t most = shipper->alone > after ? 1 : SHIPPER_BATCH_MAX, read = 0, same = 0;
    if (store_journal_read(shipper->reader, after, entries, most, &read, fault) != 0)
        return -1;
    while (same < read && entries[same].number == entries[0].number + (int64_t)same &&
           strcmp(entries[same].life, entries[0].life) == 0)
        same++;
    store_journal_release(entries + same, read - same);
    shipper->backlog = same < read || read == SHIPPER_BATCH_MAX;
    if (same > 0)
        note_first(shipper, entries[0].number, entries[0].received_ms);
    *count = same;
    return 0;
}

/* The books have all up to ENTRY. */
static void confirm(struct shipper *shipper, int64_t entry)
{
    atomic_store(&shipper->confirmed, entry);
    shipper->refused[0] = '\0';
    shipper->config.confirm(shipper->config.store, entry);
    shipper->config.hear(shipper->config.holder);
}

/* --- the books --- */

/* They do not work. If only a person can help, or they have not worked for as long as an answer may
 * wait, nobody waits for them. */
static void note_fault(struct shipper *shipper, const struct fault *fault)
{
    int64_t now_ms = clock_monotonic_ms();
    if (shipper->fault_ms == 0)
        shipper->fault_ms = now_ms;
    bool late = now_ms - shipper->fault_ms >= shipper->config.wait_ms;
    enum shipper_state state = SHIPPER_CONFIRMING;
    if (fault->lasting)
        state = SHIPPER_REFUSED;
    else if (late || !shipper_is_confirming(shipper))
        state = SHIPPER_AWAY;
    shipper->quick = 0;
    set_state(shipper, state, fault->text);
}

/* They confirmed a batch, MS after it was sent. Are they back? */
static void note_well(struct shipper *shipper, int64_t ms)
{
    bool back = shipper_is_confirming(shipper);
    shipper->well_ms = clock_monotonic_ms();
    shipper->fault_ms = 0;
    shipper->quick = ms < SHIPPER_BACK_MS && !shipper->backlog ? shipper->quick + 1 : 0;
    if (shipper->quick >= SHIPPER_BACK_COUNT)
        back = true;
    set_state(shipper, back ? SHIPPER_CONFIRMING : SHIPPER_AWAY, NULL);
}

/* Whether only a person can help: authorization, no such database, a schema of another version or
 * none, missing rights; or entries that are lost. */
static bool is_lasting(const char *sqlstate)
{
    static const char *const classes[] = {"28", "3D", "3F", "42", "UR"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* Looks whether the books are usable, and sets *CLOCK_MS to the server's clock. If they are not,
 * closes the link. */
static int examine(struct link *link, int64_t *clock_ms, struct fault *fault)
{
    enum link_outcome outcome = link_call(link, EXAMINE_SQL, NULL, 0, EXAMINE_MS, fault);
    int64_t version = outcome == LINK_DONE ? link_number(link, 0, 0) : 0;
    bool lasting = outcome == LINK_REFUSED && is_lasting(link_sqlstate(link));
    *clock_ms = outcome == LINK_DONE ? link_number(link, 0, 1) : 0;
    if (outcome == LINK_DONE && version == BOOKS_VERSION)
        return 0;
    if (outcome == LINK_DONE)
        fault_set(fault, "the schema has version %lld, this program knows version %d",
                  (long long)version, BOOKS_VERSION);
    else
        fault_set(fault, "%s does not answer", link_name(link));
    if (outcome == LINK_DONE || lasting) {
        fault_add(fault, "no books that this program can use (upgrade-status books init makes "
                         "them, books check tells more)");
        fault->lasting = true;
    }
    link_close(link);
    return -1;
}

/* The server's clock was CLOCK_MS at some time since SENT_MS of this machine's. Says so once if
 * they differ: results count in the order in which they were received. */
static void compare_clocks(struct shipper *shipper, int64_t clock_ms, int64_t sent_ms)
{
    int64_t now_ms = clock_now_ms();
    int64_t ahead_ms = clock_ms > now_ms ? clock_ms - now_ms : 0;
    int64_t behind_ms = clock_ms < sent_ms ? sent_ms - clock_ms : 0;
    bool differ = ahead_ms > SHIPPER_CLOCK_MS || behind_ms > SHIPPER_CLOCK_MS;
    if (differ && !shipper->clocks_differ) {
        char text[160];
        snprintf(
            text, sizeof text,
            "the clock of the shared books is %lld s %s this machine's: set both by NTP, results "
            "count in the order of their times",
            (long long)(ahead_ms > 0 ? ahead_ms : behind_ms) / 1000,
            ahead_ms > 0 ? "ahead of" : "behind");
        log_event(shipper->config.log, "fault", "fault", text);
    }
    shipper->clocks_differ = differ;
}

/* Are the books there, and usable? */
static int ask(struct shipper *shipper, struct fault *fault)
{
    int64_t clock_ms, sent_ms = clock_now_ms();
    if (examine(shipper->link, &clock_ms, fault) != 0)
        return -1;
    compare_clocks(shipper, clock_ms, sent_ms);
    return 0;
}

static int connect_to_books(struct shipper *shipper, struct fault *fault)
{
    int result = link_connect(shipper->link, fault);
    monitor_enter(&shipper->monitor);
    snprintf(shipper->name, sizeof shipper->name, "%s", link_name(shipper->link));
    monitor_leave(&shipper->monitor);
    return result == 0 ? ask(shipper, fault) : -1;
}

/* Whether the server refuses the content of an entry, and will do so for ever. */
static bool is_poison(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
           strncmp(sqlstate, "54", 2) == 0;
}

/* The server refused the batch of COUNT entries that begins with ENTRY. If it is for their content,
 * each is sent alone, and then without its content. Otherwise the refusal is a fault. */
static int judge_refusal(struct shipper *shipper, int64_t entry, size_t count, struct fault *fault)
{
    const char *sqlstate = link_sqlstate(shipper->link);
    if (is_poison(sqlstate) && count > 1) {
        shipper->alone = entry + (int64_t)count - 1;
        *fault = FAULT_NONE;
        return 0;
    }
    if (is_poison(sqlstate) && count == 1 && shipper->refused[0] == '\0') {
        char text[FAULT_TEXT_MAX];
        snprintf(shipper->refused, sizeof shipper->refused, "%s", sqlstate);
        snprintf(text, sizeof text,
                 "the shared books refuse entry %lld and keep its number alone: %.400s",
                 (long long)entry, fault->text);
        log_event(shipper->config.log, "fault", "fault", text);
        *fault = FAULT_NONE;
        return 0;
    }
    if (strcmp(sqlstate, "UR001") == 0)
        fault_add(fault, "the shared books have lost entries that they had confirmed; to send all "
                         "again, stop the receiver and run upgrade-status books reship");
    fault->lasting = is_lasting(sqlstate);
    return -1;
}

/* Waits for the end of the command under way, as long as it takes: one that is given up would keep
 * its lock and its connection in the server. */
static enum link_outcome await(struct shipper *shipper, enum link_outcome outcome,
                               struct fault *fault)
{
    while (outcome == LINK_LATE && !is_stopped(shipper))
        outcome = link_wait(shipper->link, SLICE_MS, fault);
    return outcome;
}

/* The batch that was sent at BEGAN_MS is committed, where the server's settings want it. */
static int take_confirmation(struct shipper *shipper, int64_t last, bool any, int64_t began_ms,
                             struct fault *fault)
{
    int64_t kept = link_number(shipper->link, 0, 0);
    if (kept < last)
        return fault_set(fault, "the shared books say that they have entry %lld, not %lld",
                         (long long)kept, (long long)last);
    if (any)
        confirm(shipper, last);
    FAULT_POINT(books_confirmed);
    note_well(shipper, clock_monotonic_ms() - began_ms);
    return 0;
}

/* Sends COUNT entries, and notes what became of them. */
static int send_entries(struct shipper *shipper, const struct store_journaled *entries,
                        size_t count, struct fault *fault)
{
    int64_t first = count > 0 ? entries[0].number : shipper_confirmed(shipper) + 1;
    if (count > 0)
        memcpy(shipper->life, entries[0].life, sizeof shipper->life);
    if (batch_make(&shipper->batch, shipper->life, first, shipper->receiver, entries, count,
                   shipper->refused[0] != '\0' ? shipper->refused : NULL, fault) != 0)
        return -1;
    int64_t began_ms = clock_monotonic_ms(), sent_ms = clock_now_ms();
    FAULT_POINT(books_before_send);
    enum link_outcome outcome = link_call(shipper->link, BATCH_SQL, shipper->batch.parameters,
                                          BATCH_PARAMETERS, SLICE_MS, fault);
    FAULT_POINT(books_sent);
    outcome = await(shipper, outcome, fault);
    FAULT_POINT(books_answered);
    switch (outcome) {
    case LINK_DONE:
        compare_clocks(shipper, link_number(shipper->link, 0, 1), sent_ms);
        return take_confirmation(shipper, first + (int64_t)count - 1, count > 0, began_ms, fault);
    case LINK_REFUSED:
        return judge_refusal(shipper, first, count, fault);
    case LINK_LATE:
    case LINK_STOPPED:
        return 0;
    case LINK_UNKNOWN:
    case LINK_LOST:
        break;
    }
    return -1;
}

/* Nothing is to be shipped: are the books still there? */
static int ask_when_idle(struct shipper *shipper, struct fault *fault)
{
    if (ask(shipper, fault) != 0)
        return -1;
    shipper->well_ms = clock_monotonic_ms();
    shipper->fault_ms = 0;
    return 0;
}

/* Ships what the journal has, or asks whether the books are back. */
static int ship_some(struct shipper *shipper, struct fault *fault)
{
    struct store_journaled entries[SHIPPER_BATCH_MAX];
    size_t count;
    if (read_entries(shipper, entries, &count, fault) != 0)
        return -1;
    int result = 0;
    if (count > 0 || !shipper_is_confirming(shipper))
        result = send_entries(shipper, entries, count, fault);
    else if (clock_monotonic_ms() - shipper->well_ms >= SHIPPER_IDLE_MS)
        result = ask_when_idle(shipper, fault);
    store_journal_release(entries, count);
    return result;
}

/* Waits until there is something to ship, then for more of it. */
static int gather(struct shipper *shipper, struct fault *fault)
{
    int64_t next = shipper_confirmed(shipper) + 1;
    int64_t wait_ms = shipper_is_confirming(shipper) ? SHIPPER_LOOK_MS : PROBE_MS;
    if (shipper->backlog || shipper->alone >= next)
        return 0;
    if (!wait_for(shipper, next, wait_ms))
        return look(shipper, fault);
    wait_for(shipper, next + SHIPPER_GATHER - 1, SHIPPER_GATHER_MS);
    return 0;
}

/* --- the process that ships, and the others --- */

static int ship(struct shipper *shipper, struct fault *fault)
{
    if (!link_is_connected(shipper->link) &&
        (look(shipper, fault) != 0 || connect_to_books(shipper, fault) != 0))
        return -1;
    if (gather(shipper, fault) != 0)
        return -1;
    return is_stopped(shipper) ? 0 : ship_some(shipper, fault);
}

/* Takes the lock of the process that ships: 0, or 1 if another has it, or -1. */
static int take_over(struct shipper *shipper, struct fault *fault)
{
    int fd = store_lock_file(shipper->config.folder, STORE_JOURNAL_LOCK, fault);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        shipper->lock_fd = fd;
        return 0;
    }
    int error = errno;
    close(fd);
    return error == EWOULDBLOCK ? 1 : fault_set_errno(fault, error, "cannot lock books.lock");
}

/* Another process ships. Its confirmations are seen in the journal. */
static int watch(struct shipper *shipper, struct fault *fault)
{
    int64_t next = shipper_confirmed(shipper) + 1;
    if (wait_for(shipper, next, SHIPPER_LOOK_MS))
        pause_for(shipper, SHIPPER_WATCH_MS);
    if (look(shipper, fault) != 0)
        return -1;
    if (shipper_confirmed(shipper) >= atomic_load(&shipper->noted))
        set_state(shipper, SHIPPER_CONFIRMING, NULL);
    return 0;
}

static void *run(void *argument)
{
    struct shipper *shipper = argument;
    pthread_setname_np(pthread_self(), "shipper");
    while (!is_stopped(shipper)) {
        struct fault fault = FAULT_NONE;
        int result = shipper->lock_fd < 0 ? take_over(shipper, &fault) : 0;
        if (shipper->config.is_failing(shipper->config.store)) {
            store_reader_close(shipper->reader);
            pause_for(shipper, SHIPPER_PAUSE_MS);
            continue;
        }
        if (result == 0)
            result = ship(shipper, &fault);
        else if (result == 1)
            result = watch(shipper, &fault);
        if (is_stopped(shipper) || result == 0)
            continue;
        note_fault(shipper, &fault);
        pause_for(shipper, SHIPPER_PAUSE_MS);
    }
    return NULL;
}

static void name_machine(char *name, size_t size)
{
    if (gethostname(name, size) != 0 || !utf8_is_valid(name, strnlen(name, size)))
        snprintf(name, size, "unknown");
    name[size - 1] = '\0';
}

int shipper_start(struct shipper **gives, const struct shipper_config *config, struct fault *fault)
{
    struct shipper *shipper = calloc(1, sizeof *shipper);
    if (shipper == NULL)
        return fault_set(fault, "--books: out of memory");
    shipper->config = *config;
    shipper->lock_fd = -1;
    shipper->since_ms = clock_now_ms();
    shipper->well_ms = clock_monotonic_ms();
    shipper->wanted = INT64_MAX;
    snprintf(shipper->life, sizeof shipper->life, NO_LIFE);
    name_machine(shipper->receiver, sizeof shipper->receiver);
    monitor_init(&shipper->monitor);
    shipper->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = shipper->stop_fd < 0 ? errno : 0;
    if (error == 0 && link_new(&shipper->link, config->conninfo, shipper->stop_fd, fault) == 0 &&
        store_reader_new(&shipper->reader, config->folder, fault) == 0)
        error = pthread_create(&shipper->thread, NULL, run, shipper);
    if (error != 0)
        fault_set_errno(fault, error, "cannot start a thread");
    if (fault->set) {
        shipper_free(shipper);
        return fault_add(fault, "--books");
    }
    *gives = shipper;
    return 0;
}

void shipper_stop(struct shipper *shipper)
{
    if (shipper == NULL)
        return;
    monitor_enter(&shipper->monitor);
    shipper->stop = true;
    monitor_wake(&shipper->monitor);
    monitor_leave(&shipper->monitor);
    monitor_ring(shipper->stop_fd);
    pthread_join(shipper->thread, NULL);
}

void shipper_free(struct shipper *shipper)
{
    if (shipper == NULL)
        return;
    if (shipper->lock_fd >= 0)
        close(shipper->lock_fd);
    if (shipper->stop_fd >= 0)
        close(shipper->stop_fd);
    link_free(shipper->link);
    store_reader_free(shipper->reader);
    batch_release(&shipper->batch);
    monitor_release(&shipper->monitor);
    free(shipper);
}

int shipper_check(const char *conninfo, struct fault *fault)
{
    struct link *link = NULL;
    int64_t clock_ms;
    int result = link_new(&link, conninfo, -1, fault);
    if (result == 0)
        result = link_connect(link, fault);
    if (result == 0)
        result = examine(link, &clock_ms, fault);
    link_free(link);
    return result;
}
