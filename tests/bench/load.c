/* load: the load generator of tests/bench.
 *
 * The pusher (tests/tool) plays the platform with libcurl, which takes more of a processor for a
 * request than the receiver does: beside it, on the same machine, every receiver would look alike.
 * So this one has all requests ready before it starts (requests.h), and speaks HTTP/1.1 on kept
 * connections by hand (peer.h, reply.h). */
#include "config.h"

#include "drive.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* What stands on the command line: numbers, then texts, then a switch. */
enum {
    PORT,
    CONNECTIONS,
    COUNT,
    SECONDS,
    RATE,
    REPEATS,
    SEED,
    NUMBERS,
    CACERT = NUMBERS,
    PATH,
    ALL_RANDOM,
    HELP
};

static const struct option words[] = {
    [PORT] = {"port", required_argument, NULL, PORT},
    [CONNECTIONS] = {"connections", required_argument, NULL, CONNECTIONS},
    [COUNT] = {"count", required_argument, NULL, COUNT},
    [SECONDS] = {"seconds", required_argument, NULL, SECONDS},
    [RATE] = {"rate", required_argument, NULL, RATE},
    [REPEATS] = {"repeats", required_argument, NULL, REPEATS},
    [SEED] = {"seed", required_argument, NULL, SEED},
    [CACERT] = {"cacert", required_argument, NULL, CACERT},
    [PATH] = {"path", required_argument, NULL, PATH},
    [ALL_RANDOM] = {"random", no_argument, NULL, ALL_RANDOM},
    [HELP] = {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static const struct {
    double least, most, otherwise;
    const char *help;
} numbers[NUMBERS] = {
    [PORT] = {1, 65535, 0, "where the web server listens, on 127.0.0.1"},
    [CONNECTIONS] = {1, DRIVE_CONNECTIONS_MAX, 64, "kept open, each with one request at a time"},
    [COUNT] = {1, (double)REQUESTS_MAX, 100000, "requests, the repeats included"},
    [SECONDS] = {0, 86400, 0, "after which nothing more is sent; 0: until all is"},
    [RATE] = {0, 1e6, 0,
              "requests a second, latencies counted from when each was to be sent;\n"
              "                   0: each connection sends when it has its answer"},
    [REPEATS] = {0, 99, 0, "percent of the requests that are byte for byte an earlier one"},
    [SEED] = {0, 1e15, 1, "different seeds share no notification"},
};

struct options {
    double numbers[NUMBERS];
    const char *cacert, *path;
    bool all_random;
};

static volatile sig_atomic_t stop;

static void ask_to_stop(int number)
{
    (void)number;
    stop = 1;
}

static void usage(FILE *out)
{
    fputs("Usage: load --port N [OPTION]...\n\n"
          "Posts notifications and prints one line of JSON. Exits 1 where not each was answered "
          "200.\n"
          "\n",
          out);
    for (int i = 0; i < NUMBERS; i++)
        fprintf(out, "  --%s N%*s%s (%g)\n", words[i].name, 13 - (int)strlen(words[i].name), "",
                numbers[i].help, numbers[i].otherwise);
    fputs("  --cacert FILE    by TLS 1.3, trusting that certificate; without it plain HTTP\n"
          "  --path PATH      (/v1.0.0/messageReceiver)\n"
          "  --random         every id its own, instead of campaigns of 10,000 devices\n",
          out);
}

static void read_number(struct options *options, int which, const char *value)
{
    char *end;
    double found = strtod(value, &end);
    if (end == value || *end != '\0' ||
        !(found >= numbers[which].least && found <= numbers[which].most)) {
        fprintf(stderr, "load: --%s takes a number from %.16g to %.16g\n", words[which].name,
                numbers[which].least, numbers[which].most);
        exit(2);
    }
    options->numbers[which] = found;
}

static void read_options(struct options *options, int argc, char **argv)
{
    int option;
    for (int i = 0; i < NUMBERS; i++)
        options->numbers[i] = numbers[i].otherwise;
    while ((option = getopt_long(argc, argv, "", words, NULL)) != -1) {
        if (option >= 0 && option < NUMBERS) {
            read_number(options, option, optarg);
        } else if (option == CACERT) {
            options->cacert = optarg;
        } else if (option == PATH) {
            options->path = optarg;
        } else if (option == ALL_RANDOM) {
            options->all_random = true;
        } else {
            usage(option == HELP ? stdout : stderr);
            exit(option == HELP ? 0 : 2);
        }
    }
    if (options->numbers[PORT] < 1 || optind != argc) {
        usage(stderr);
        exit(2);
    }
}

static void print_summary(const struct drive_plan *plan, struct drive_outcome *outcome)
{
    printf("{\"connections\":%u,\"tls\":%s,\"rate\":%llu,\"bodies\":\"%s\",\"bodyBytes\":%zu,",
           plan->connections, plan->target.tls != NULL ? "true" : "false",
           (unsigned long long)plan->rate, plan->requests.all_random ? "random" : "campaign",
           outcome->body_bytes);
    tally_print(&outcome->tally, outcome->seconds, stdout);
    printf(",\"generatorCpuSeconds\":%.3f}\n", outcome->cpu_seconds);
}

int main(int argc, char **argv)
{
    struct options options = {.path = "/v1.0.0/messageReceiver"};
    read_options(&options, argc, argv);
    const double *number = options.numbers;
    struct drive_plan plan = {
        .target = {.port = (uint16_t)number[PORT]},
        .requests = {.path = options.path,
                     .count = (uint64_t)number[COUNT],
                     .repeats = number[REPEATS] / 100,
                     .seed = (uint64_t)number[SEED],
                     .all_random = options.all_random},
        .connections = (unsigned)number[CONNECTIONS],
        .seconds = number[SECONDS],
        .rate = (uint64_t)number[RATE],
        .stop = &stop,
    };
    if (options.cacert != NULL && (plan.target.tls = peer_trust(options.cacert)) == NULL) {
        fprintf(stderr, "load: %s cannot be used\n", options.cacert);
        return 1;
    }
    const struct sigaction action = {.sa_handler = ask_to_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* the kernel may be 50 us late by default */
    prctl(PR_SET_TIMERSLACK, 1UL);
    struct drive_outcome outcome;
    int result = 1;
    if (drive_run(&plan, &outcome) == 0) {
        print_summary(&plan, &outcome);
        result = tally_is_clean(&outcome.tally) ? 0 : 1;
    }
    tally_release(&outcome.tally);
    SSL_CTX_free(plan.target.tls);
    return result;
}
