/* tally: counts and sorts. */
#include "config.h"

#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>

#define LATENCY_NS 100 /* of one unit */

int tally_init(struct tally *tally, uint64_t count)
{
    *tally = (struct tally){.latencies = calloc(count, sizeof *tally->latencies),
                            .capacity = count};
    return tally->latencies != NULL ? 0 : -1;
}

void tally_release(struct tally *tally)
{
    free(tally->latencies);
    tally->latencies = NULL;
}

void tally_answer(struct tally *tally, const struct reply *reply, int64_t latency_ns)
{
    bool known = reply->status >= 100 && reply->status < TALLY_STATUS_MAX;
    tally->statuses[known ? reply->status : TALLY_STATUS_MAX - 1]++;
    if (reply->status == 200)
        tally->results[reply->result]++;
    int64_t units = latency_ns / LATENCY_NS;
    tally->latencies[tally->answered++] = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

int tally_is_clean(const struct tally *tally)
{
    return tally->sent > 0 && tally->statuses[200] == tally->sent;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Microseconds that PER_MILLE of the answers took at most: the sample of that rank. */
static double percentile(const struct tally *tally, uint64_t per_mille)
{
    if (tally->answered == 0)
        return 0;
    uint64_t rank = (tally->answered * per_mille + 999) / 1000;
    return tally->latencies[rank > 0 ? rank - 1 : 0] * (LATENCY_NS / 1000.0);
}

static double mean(const struct tally *tally)
{
    double sum = 0;
    for (uint64_t i = 0; i < tally->answered; i++)
        sum += tally->latencies[i];
    return tally->answered > 0 ? sum / (double)tally->answered * (LATENCY_NS / 1000.0) : 0;
}

static void print_latencies(struct tally *tally, FILE *out)
{
    qsort(tally->latencies, tally->answered, sizeof *tally->latencies, compare);
    fprintf(out,
            "\"latencyUs\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
            "\"max\":%.1f}",
            mean(tally), percentile(tally, 500), percentile(tally, 900), percentile(tally, 990),
            percentile(tally, 999), percentile(tally, 1000));
}

void tally_print(struct tally *tally, double seconds, FILE *out)
{
    fprintf(out, "\"sent\":%" PRIu64 ",\"sentRepeats\":%" PRIu64 ",\"answered\":%" PRIu64,
            tally->sent, tally->sent_repeats, tally->answered);
    fprintf(out, ",\"stored\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"quarantined\":%" PRIu64,
            tally->results[REPLY_STORED], tally->results[REPLY_REPEATED],
            tally->results[REPLY_QUARANTINED]);
    fprintf(out, ",\"silent\":%" PRIu64 ",\"statuses\":{", tally->results[REPLY_SILENT]);
    const char *comma = "";
    for (int status = 0; status < TALLY_STATUS_MAX; status++)
        if (tally->statuses[status] > 0) {
            fprintf(out, "%s\"%d\":%" PRIu64, comma, status, tally->statuses[status]);
            comma = ",";
        }
    fprintf(out, "},\"broken\":%" PRIu64 ",\"unanswered\":%" PRIu64, tally->broken,
            tally->unanswered);
    fprintf(out, ",\"closed\":%" PRIu64 ",\"openedAgain\":%" PRIu64, tally->closed,
            tally->opened_again);
    fprintf(out, ",\"seconds\":%.3f,\"perSecond\":%.1f,\"latestSendUs\":%.1f,", seconds,
            seconds > 0 ? (double)tally->statuses[200] / seconds : 0,
            (double)tally->latest_ns / 1000);
    print_latencies(tally, out);
}
