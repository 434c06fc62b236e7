/* compare: the model with what people and programs read of the store. */
#ifndef COMPARE_H
#define COMPARE_H

#include "model.h"

#include <sqlite3.h>

/* Prepares the queries. */
void compare_begin(sqlite3 *db);

/* Demands that each view has the model's rows, and no others. */
void compare_views(const struct model *model);

/* Demands that READER gives what the model has, and that the status document is JSON. */
void compare_readers(const struct model *model, struct store_reader *reader);

void compare_quarantined(const struct model_quarantined *expected,
                         const struct store_quarantined *found);

#endif
