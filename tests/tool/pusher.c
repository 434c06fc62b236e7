/* pusher: plays the platform. It posts the notifications of an invented campaign over kept
 * connections, repeats some, sends again what is not answered 200, and writes down what it was
 * told, so that a test can compare that with what the receiver has kept. */
#include "config.h"

#include "pusher_campaign.h"
#include "pusher_ledger.h"
#include "pusher_load.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

struct request {
    struct load_plan plan;
    const char *ledger;
    bool print;
    uint64_t print_index;
    uint64_t print_variant;
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static const char usage[] =
    "Usage: pusher --url URL [OPTION]...\n"
    "       pusher --print INDEX [--variant N] [--seed N]\n"
    "  --url URL          where to post\n"
    "  --cacert FILE      check the server's certificate against FILE (else it is not checked)\n"
    "  --count N          different notifications (1000)\n"
    "  --repeats N        repeats of notifications already sent (0)\n"
    "  --connections N    kept connections (64)\n"
    "  --seed N           another campaign (1)\n"
    "  --fresh            a new connection for each send\n"
    "  --rate N           sends a second (as fast as it goes)\n"
    "  --deadline SECONDS when to give up what is not answered 200 (600)\n"
    "  --ledger FILE      write what was answered, a line per index\n"
    "  --print INDEX      print a body and exit; --variant N: as repeat N would send it\n"
    "The summary goes to stdout as one line of JSON. Exit: 0 all answered 200, 1 not, 2 usage.\n";

static int take_number(const char *text, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || parsed > most)
        return -1;
    *number = parsed;
    return 0;
}

static int take_unsigned(const char *text, unsigned least, unsigned most, unsigned *number)
{
    uint64_t parsed;
    if (take_number(text, most, &parsed) != 0 || parsed < least)
        return -1;
    *number = (unsigned)parsed;
    return 0;
}

static int take_option(struct request *request, int option, const char *value)
{
    struct load_plan *plan = &request->plan;
    switch (option) {
    case 'u':
        plan->url = value;
        return 0;
    case 'a':
        plan->cacert = value;
        return 0;
    case 'l':
        request->ledger = value;
        return 0;
    case 'n':
        return take_number(value, 100000000, &plan->count);
    case 'r':
        return take_number(value, 100000000, &plan->repeats);
    case 's':
        return take_number(value, UINT32_MAX, &plan->seed);
    case 't':
        return take_number(value, 1000000, &plan->rate);
    case 'c':
        return take_unsigned(value, 1, 4096, &plan->connections);
    case 'd':
        return take_unsigned(value, 1, 86400, &plan->deadline_s);
    case 'f':
        plan->fresh = true;
        return 0;
    case 'p':
        request->print = true;
        return take_number(value, INT64_MAX, &request->print_index);
    case 'v':
        return take_number(value, INT64_MAX, &request->print_variant);
    default:
        return -1;
    }
}

static int take_options(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},
        {"cacert", required_argument, NULL, 'a'},
        {"count", required_argument, NULL, 'n'},
        {"repeats", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 't'},
        {"deadline", required_argument, NULL, 'd'},
        {"ledger", required_argument, NULL, 'l'},
        {"print", required_argument, NULL, 'p'},
        {"variant", required_argument, NULL, 'v'},
        {"fresh", no_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (take_option(request, option, optarg) != 0)
            return -1;
    if (optind != argc || (request->plan.url == NULL && !request->print))
        return -1;
    return request->plan.repeats > 0 && request->plan.count == 0 ? -1 : 0;
}

static void print_body(const struct request *request)
{
    struct campaign_notification notification;
    char body[CAMPAIGN_BODY_MAX];
    campaign_make(&notification, request->plan.seed, request->print_index);
    campaign_print(&notification, request->print_variant, body);
    puts(body);
}

static int compare_latencies(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one;
    uint32_t b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static double percentile_ms(const struct load_tally *tally, double share)
{
    if (tally->latencies == 0)
        return 0;
    size_t place = (size_t)(share * (double)(tally->latencies - 1));
    return tally->latencies_us[place] / 1000.0;
}

static void print_answers(const struct load_tally *tally)
{
    const char *separator = "";
    fputs("{\"answers\":{", stdout);
    for (unsigned status = 0; status < LOAD_STATUS_MAX; status++) {
        if (tally->answers[status] == 0)
            continue;
        printf("%s\"%u\":%" PRIu64, separator, status, tally->answers[status]);
        separator = ",";
    }
    fputs("}", stdout);
}

static void print_summary(struct load_tally *tally, const struct ledger *ledger)
{
    struct ledger_entry sum = {0};
    uint64_t sent = 0, answered = 0;
    for (size_t i = 0; i < ledger->length; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];
        sent += entry->sent;
        sum.stored += entry->stored;
        sum.repeated += entry->repeated;
        sum.other += entry->other;
        sum.unlike += entry->unlike;
    }
    for (unsigned status = 1; status < LOAD_STATUS_MAX; status++)
        answered += tally->answers[status];
    if (tally->latencies > 0)
        qsort(tally->latencies_us, tally->latencies, sizeof tally->latencies_us[0],
              compare_latencies);
    print_answers(tally);
    printf(",\"sent\":%" PRIu64 ",\"stored\":%u,\"repeated\":%u,\"other\":%u,\"unlike\":%u", sent,
           sum.stored, sum.repeated, sum.other, sum.unlike);
    printf(",\"resent\":%" PRIu64 ",\"givenUp\":%" PRIu64 ",\"neverSent\":%" PRIu64, tally->resent,
           tally->given_up, tally->never_sent);
    printf(",\"seconds\":%.2f,\"requestsPerSecond\":%.0f,\"p50Ms\":%.2f,\"p99Ms\":%.2f,"
           "\"maxMs\":%.2f}\n",
           tally->seconds, tally->seconds > 0 ? (double)answered / tally->seconds : 0,
           percentile_ms(tally, 0.5), percentile_ms(tally, 0.99), percentile_ms(tally, 1));
}

static int push(const struct request *request)
{
    struct ledger ledger;
    struct load_tally tally = {0};
    int code = EXIT_FAILURE;
    if (ledger_init(&ledger, request->plan.count) != 0 ||
        load_run(&request->plan, &ledger, &tally) != 0) {
        fputs("pusher: out of memory\n", stderr);
        goto end;
    }
    print_summary(&tally, &ledger);
    if (request->ledger != NULL &&
        ledger_write(&ledger, request->plan.seed, request->ledger) != 0) {
        perror(request->ledger);
        goto end;
    }
    code = tally.given_up + tally.never_sent == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
end:
    free(tally.latencies_us);
    ledger_release(&ledger);
    return code;
}

int main(int argc, char **argv)
{
    struct request request = {
        .plan = {.count = 1000, .connections = 64, .seed = 1, .deadline_s = 600, .stop = &stop},
    };
    if (take_options(&request, argc, argv) != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (request.print) {
        print_body(&request);
        return EXIT_SUCCESS;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return push(&request);
}
