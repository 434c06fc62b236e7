/* figures: what the books hold, as members of a JSON object that is open. The status file and the
 * documents lay out their lines differently, and say the same in them. */
#ifndef FIGURES_H
#define FIGURES_H

#include "store.h"
#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* What was received: the members of `totals`; and what quarantine holds. */
void figures_received(struct text *out, const struct store_totals *totals);
void figures_quarantine(struct text *out, const struct store_totals *totals);

/* How many upgrades there are: in all, or of one operation. */
void figures_upgrades(struct text *out, int64_t in_progress, int64_t success, int64_t fail,
                      int64_t contradictory);

/* The token of the last notification, from which a reader can go on. */
void figures_token(struct text *out, const struct store_totals *totals);

/* Elements of an array that is open: the applications, and what waits for each if the last
 * notification is SEQ. */
void figures_applications(struct text *out, const struct store_cursor cursors[], size_t length,
                          int64_t seq);

/* One notification. A body that was left out is null, with its size. */
void figures_notification(struct text *out, const struct store_kept *kept);

#endif
