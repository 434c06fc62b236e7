/* view_pages: what each view writes; for the table in view.c alone. */
#ifndef VIEW_PAGES_H
#define VIEW_PAGES_H

#include "view.h"

/* Each appends a document of the moment that the reader has begun, and sets NEXT to where the next
 * page begins. QUERY's numbers are in their bounds. */
typedef enum view_result view_page(struct store_reader *reader, const struct view_query *query,
                                   struct text *out, struct store_place *next, struct fault *fault);

view_page view_overview;
view_page view_operation;
view_page view_upgrades;
view_page view_failures;
view_page view_failures_table;
view_page view_device;
view_page view_search;
view_page view_quarantine;

#endif
