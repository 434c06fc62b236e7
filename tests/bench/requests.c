/* requests: prepares what the load generator sends. */
#include "config.h"

#include "requests.h"

#include "pusher_campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Devices of a campaign that go through their steps side by side. */
#define WAVE 500

#define HEAD_MAX 512

/* Half of the repeats are of one of so many sent last: the copies meet in one batch. */
#define RECENT 64

static const char *const steps[] = {"downloading", "downloaded", "updating"};
#define STEPS (sizeof steps / sizeof steps[0])

/* Where the invented notifications have got to. */
struct source {
    const struct requests_plan *plan;
    uint64_t wave;
    unsigned step, number; /* STEPS: the results */
};

/* One of so many notifications without anything in common: a device in each step, and one result.
 */
static size_t next_random(struct source *source, char body[CAMPAIGN_BODY_MAX])
{
    struct campaign_notification notification;
    uint64_t index = source->number++;
    campaign_make(&notification, campaign_mix(source->plan->seed, index), 0);
    return index % (STEPS + 1) < STEPS
               ? campaign_print_step(&notification, steps[index % (STEPS + 1)], body)
               : campaign_print(&notification, 0, body);
}

/* Moves on by one device, step or wave, and returns the campaign's index of that device. */
static uint64_t advance(struct source *source)
{
    uint64_t index = source->wave * WAVE + source->number;
    if (++source->number == WAVE) {
        source->number = 0;
        if (++source->step > STEPS) {
            source->step = 0;
            source->wave++;
        }
    }
    return index;
}

/* One of a campaign: the devices of a wave report each step, then their results. */
static size_t next_of_campaign(struct source *source, char body[CAMPAIGN_BODY_MAX])
{
    struct campaign_notification notification;
    for (;;) {
        unsigned step = source->step;
        uint64_t index = advance(source);
        /* a second result has no steps: they would repeat those of the first */
        if (step < STEPS && campaign_is_retry(index))
            continue;
        campaign_make(&notification, source->plan->seed, index);
        return step < STEPS ? campaign_print_step(&notification, steps[step], body)
                            : campaign_print(&notification, 0, body);
    }
}

static int reserve(struct requests *requests, size_t length)
{
    if (requests->capacity - requests->length >= length)
        return 0;
    size_t capacity = requests->capacity * 2 + ((size_t)1 << 20);
    char *grown = realloc(requests->bytes, capacity);
    if (grown == NULL)
        return -1;
    requests->bytes = grown;
    requests->capacity = capacity;
    return 0;
}

static int add_new(struct requests *requests, struct source *source)
{
    char body[CAMPAIGN_BODY_MAX];
    size_t length = source->plan->all_random ? next_random(source, body)
                                             : next_of_campaign(source, body);
    if (reserve(requests, HEAD_MAX + length) != 0)
        return -1;
    char *at = requests->bytes + requests->length;
    int head = snprintf(at, HEAD_MAX,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        source->plan->path, length);
    if (head < 0 || head >= HEAD_MAX)
        return -1;
    memcpy(at + head, body, length);
    requests->spans[requests->count++] = (struct request_span){
        .start = requests->length, .length = (uint32_t)((size_t)head + length)};
    requests->length += (size_t)head + length;
    requests->body_bytes += length;
    return 0;
}

/* Byte for byte what was sent before: what receivers count as a repeat that compare nothing else.
 */
static void add_repeat(struct requests *requests, uint64_t random)
{
    uint64_t sent = requests->count, back = sent;
    if (random % 2 == 0 && sent > RECENT)
        back = RECENT;
    struct request_span span = requests->spans[sent - 1 - (random >> 8) % back];
    span.repeat = true;
    requests->spans[requests->count++] = span;
    const char *head = requests->bytes + span.start;
    const char *body = memmem(head, span.length, "\r\n\r\n", 4);
    requests->body_bytes += span.length - (size_t)(body + 4 - head);
}

int requests_prepare(struct requests *requests, const struct requests_plan *plan)
{
    struct source source = {.plan = plan};
    double repeats = 0;
    *requests = (struct requests){.spans = calloc(plan->count, sizeof *requests->spans)};
    if (requests->spans == NULL)
        return -1;
    while (requests->count < plan->count) {
        uint64_t random = campaign_mix(plan->seed + 1, requests->count);
        repeats += plan->repeats;
        if (repeats >= 1 && requests->count > 0) {
            repeats -= 1;
            add_repeat(requests, random);
        } else if (add_new(requests, &source) != 0) {
            return -1;
        }
    }
    return 0;
}

void requests_release(struct requests *requests)
{
    free(requests->bytes);
    free(requests->spans);
    *requests = (struct requests){0};
}
