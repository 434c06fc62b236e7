/* pusher_campaign: the notifications of an invented upgrade campaign. Each is a function of a seed
 * and an index, so that a test can say at any time what was sent under which index. */
#ifndef PUSHER_CAMPAIGN_H
#define PUSHER_CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAMPAIGN_MEMBERS 13
#define CAMPAIGN_VALUE_MAX 128
#define CAMPAIGN_REPORT_MAX 56

/* Room for any printed body, white space and the final NUL included. */
#define CAMPAIGN_BODY_MAX 4096

/* A swUpgradeResultNotify: its members in the seed's order, each value as it stands in JSON. */
struct campaign_notification {
    char values[CAMPAIGN_MEMBERS][CAMPAIGN_VALUE_MAX];
};

/* A pseudo-random number, a function of A and B alone (splitmix64). */
uint64_t campaign_mix(uint64_t a, uint64_t b);

/* Fills NOTIFICATION. Different indexes give different bodies; different seeds share no operation
 * and no device. Now and then an index is a second result for a sub-task that reported before. */
void campaign_make(struct campaign_notification *notification, uint64_t seed, uint64_t index);

/* Prints NOTIFICATION as JSON, NUL-terminated, and returns its length. VARIANT 0 is compact, in the
 * seed's order of members; any other is the same content in another order with other white space.
 */
size_t campaign_print(const struct campaign_notification *notification, uint64_t variant,
                      char body[CAMPAIGN_BODY_MAX]);

/* Prints the swUpgradeStateChangeNotify of the same device and sub-task: that it has come to STEP.
 * Returns its length. */
size_t campaign_print_step(const struct campaign_notification *notification, const char *step,
                           char body[CAMPAIGN_BODY_MAX]);

/* Whether INDEX is a second result for a sub-task that reported before. */
bool campaign_is_retry(uint64_t index);

/* What tells the notification of INDEX from all others in a store: the text that ends its
 * description, "(report SEED-INDEX)". */
void campaign_report(uint64_t seed, uint64_t index, char report[CAMPAIGN_REPORT_MAX]);

#endif
