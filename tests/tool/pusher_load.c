/* pusher_load: sends a campaign through many kept connections at once, as the platform would: a
 * body that is not answered 200 is sent again after a pause. */
#include "config.h"

#include "pusher_load.h"

#include "pusher_campaign.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_US 50000 /* before a body is sent again */
#define ANSWER_MAX 512 /* bytes of an answer that are kept */
#define TIMEOUT_S 15L  /* the platform's */
#define CONNECT_TIMEOUT_S 5L
#define POLL_MAX_US 100000
#define RECENT                                                                        \
    64 /* every other repeat is of one of so many last sent: copies meet in one batch \
        */

/* One connection, and the body that it sends until it is answered. */
struct sender {
    CURL *easy;
    bool busy;    /* with a body */
    bool waiting; /* for an answer to it; else until due_us */
    int64_t due_us;
    uint64_t index;
    unsigned attempts;
    char body[CAMPAIGN_BODY_MAX];
    char answer[ANSWER_MAX];
    size_t answer_length;
};

struct load {
    const struct load_plan *plan;
    struct ledger *ledger;
    struct load_tally *tally;
    CURLM *multi;
    struct curl_slist *headers;
    struct sender *senders;
    size_t latencies_capacity;
    uint64_t next_index;  /* of the next different notification */
    uint64_t next_repeat; /* repeats begun so far */
    int64_t start_us;
    bool failed; /* out of memory */
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *argument)
{
    struct sender *sender = argument;
    size_t length = size * count;
    size_t room = sizeof sender->answer - sender->answer_length;
    size_t kept = length < room ? length : room;
    memcpy(sender->answer + sender->answer_length, bytes, kept);
    sender->answer_length += kept;
    return length;
}

static int open_sender(struct load *load, struct sender *sender)
{
    sender->easy = curl_easy_init();
    if (sender->easy == NULL)
        return -1;
    CURL *easy = sender->easy;
    curl_easy_setopt(easy, CURLOPT_URL, load->plan->url);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, load->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, sender);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, sender);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, load->plan->fresh ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (load->plan->cacert != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, load->plan->cacert);
    else
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    /* the certificate is checked, the name in it is not: tests connect by address */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    return 0;
}

static int open_load(struct load *load)
{
    const struct load_plan *plan = load->plan;
    if (curl_global_init(CURL_GLOBAL_ALL) != 0)
        return -1;
    load->multi = curl_multi_init();
    /* an empty Expect: no round trip before the body */
    load->headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *more = curl_slist_append(load->headers, "Expect:");
    load->senders = calloc(plan->connections, sizeof *load->senders);
    if (load->multi == NULL || more == NULL || load->senders == NULL)
        return -1;
    curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)plan->connections);
    for (unsigned i = 0; i < plan->connections; i++)
        if (open_sender(load, &load->senders[i]) != 0)
            return -1;
    return 0;
}

static void close_load(struct load *load)
{
    for (unsigned i = 0; load->senders != NULL && i < load->plan->connections; i++) {
        struct sender *sender = &load->senders[i];
        if (sender->waiting)
            curl_multi_remove_handle(load->multi, sender->easy);
        curl_easy_cleanup(sender->easy);
    }
    free(load->senders);
    if (load->multi != NULL)
        curl_multi_cleanup(load->multi);
    curl_slist_free_all(load->headers);
    curl_global_cleanup();
}

static uint64_t left_to_begin(const struct load *load)
{
    const struct load_plan *plan = load->plan;
    return plan->count - load->next_index + plan->repeats - load->next_repeat;
}

/* The index that the next repeat is of: one already sent. */
static uint64_t choose_repeated(const struct load *load)
{
    uint64_t random = campaign_mix(load->plan->seed + 2, load->next_repeat);
    uint64_t sent = load->next_index;
    if (random % 2 == 0 && sent > RECENT)
        return sent - 1 - (random >> 8) % RECENT;
    return (random >> 8) % sent;
}

/* Gives SENDER the next body, different or repeated; false when all are begun. */
static bool begin(struct load *load, struct sender *sender)
{
    const struct load_plan *plan = load->plan;
    uint64_t repeats = plan->repeats - load->next_repeat;
    uint64_t begun = load->next_index + load->next_repeat;
    uint64_t left = left_to_begin(load);
    if (left == 0)
        return false;
    uint64_t random = campaign_mix(plan->seed + 1, begun);
    uint64_t variant = 0;
    if (load->next_index > 0 && random % left < repeats) {
        sender->index = choose_repeated(load);
        variant = ++load->next_repeat;
    } else {
        sender->index = load->next_index++;
    }
    struct campaign_notification notification;
    campaign_make(&notification, plan->seed, sender->index);
    size_t length = campaign_print(&notification, variant, sender->body);
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDS, sender->body);
    curl_easy_setopt(sender->easy, CURLOPT_POSTFIELDSIZE, (long)length);
    sender->busy = true;
    sender->attempts = 0;
    sender->due_us = plan->rate == 0 ? 0 : load->start_us + (int64_t)(begun * 1000000 / plan->rate);
    return true;
}

static void send_body(struct load *load, struct sender *sender)
{
    load->ledger->entries[sender->index].sent++;
    load->tally->resent += sender->attempts > 0;
    sender->attempts++;
    sender->waiting = true;
    sender->answer_length = 0;
    curl_multi_add_handle(load->multi, sender->easy);
}

static void note_latency(struct load *load, CURL *easy)
{
    struct load_tally *tally = load->tally;
    if (tally->latencies == load->latencies_capacity) {
        size_t capacity = load->latencies_capacity * 2 + 1024;
        uint32_t *grown = realloc(tally->latencies_us, capacity * sizeof *grown);
        if (grown == NULL) {
            load->failed = true;
            return;
        }
        tally->latencies_us = grown;
        load->latencies_capacity = capacity;
    }
    curl_off_t total_us = 0;
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total_us);
    tally->latencies_us[tally->latencies++] = (uint32_t)total_us;
}

static void note_answer(struct load *load, struct sender *sender, CURLcode code)
{
    long status = 0;
    if (code == CURLE_OK) {
        curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &status);
        note_latency(load, sender->easy);
    }
    if (status < 0 || status >= LOAD_STATUS_MAX)
        status = LOAD_STATUS_MAX - 1;
    load->tally->answers[status]++;
    if (status == 200) {
        ledger_enter(&load->ledger->entries[sender->index], sender->answer, sender->answer_length);
        sender->busy = false;
    } else {
        sender->due_us = now_us() + PAUSE_US;
    }
}

static void take_answers(struct load *load)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(load->multi, &left)) != NULL) {
        struct sender *sender = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &sender);
        curl_multi_remove_handle(load->multi, message->easy_handle);
        sender->waiting = false;
        note_answer(load, sender, code);
    }
}

/* Sends all that is due. Returns how long nothing more is, and through BUSY whether any sender
 * has a body. */
static int64_t send_due(struct load *load, bool *busy)
{
    int64_t now = now_us();
    int64_t wait_us = POLL_MAX_US;
    *busy = false;
    for (unsigned i = 0; i < load->plan->connections; i++) {
        struct sender *sender = &load->senders[i];
        if (!sender->busy && !begin(load, sender))
            continue;
        *busy = true;
        if (sender->waiting)
            continue;
        if (sender->due_us <= now)
            send_body(load, sender);
        else if (sender->due_us - now < wait_us)
            wait_us = sender->due_us - now;
    }
    return wait_us;
}

/* Whether a sender is free and a body is left for it. */
static bool may_begin(const struct load *load)
{
    if (left_to_begin(load) == 0)
        return false;
    for (unsigned i = 0; i < load->plan->connections; i++)
        if (!load->senders[i].busy)
            return true;
    return false;
}

static void run(struct load *load)
{
    int64_t end_us = load->start_us + (int64_t)load->plan->deadline_s * 1000000;
    while (!*load->plan->stop && !load->failed && now_us() < end_us) {
        bool busy;
        int running;
        int64_t wait_us = send_due(load, &busy);
        if (!busy)
            break;
        curl_multi_perform(load->multi, &running);
        take_answers(load);
        if (!may_begin(load))
            curl_multi_poll(load->multi, NULL, 0, (int)((wait_us + 999) / 1000), NULL);
    }
}

int load_run(const struct load_plan *plan, struct ledger *ledger, struct load_tally *tally)
{
    struct load load = {.plan = plan, .ledger = ledger, .tally = tally, .start_us = now_us()};
    memset(tally, 0, sizeof *tally);
    load.failed = open_load(&load) != 0;
    if (!load.failed)
        run(&load);
    for (unsigned i = 0; load.senders != NULL && i < plan->connections; i++)
        tally->given_up += load.senders[i].busy && load.senders[i].attempts > 0;
    tally->never_sent = left_to_begin(&load);
    tally->seconds = (double)(now_us() - load.start_us) / 1e6;
    close_load(&load);
    return load.failed ? -1 : 0;
}
