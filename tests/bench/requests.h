/* requests: all that the load generator will send, made before the clock starts: whole HTTP
 * requests one behind the other in memory, so that sending one costs no more than its bytes. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More would not fit into the memory of an ordinary machine: about 0.6 KiB each. */
#define REQUESTS_MAX UINT64_C(4000000)

struct requests_plan {
    const char *path;
    uint64_t count;  /* with the repeats */
    double repeats;  /* the share of them that repeats an earlier one, 0 to below 1 */
    uint64_t seed;   /* different seeds share no notification */
    bool all_random; /* instead of a campaign: every id its own, the worst for any index */
};

struct request_span {
    size_t start;
    uint32_t length;
    bool repeat;
};

struct requests {
    char *bytes;
    size_t length, capacity;
    struct request_span *spans;
    uint64_t count;
    size_t body_bytes; /* of all bodies, repeats included */
};

/* Fills REQUESTS; free with requests_release, also after a failure. 0, or -1 where memory is short.
 */
int requests_prepare(struct requests *requests, const struct requests_plan *plan);
void requests_release(struct requests *requests);

#endif
