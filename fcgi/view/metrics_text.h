/* metrics_text: metrics for Prometheus: the store's totals and the counters of this process, in
 * Prometheus' text format 0.0.4. */
#ifndef VIEW_METRICS_TEXT_H
#define VIEW_METRICS_TEXT_H

#include "base/buffer.h"
#include "base/metrics.h"
#include "store/store.h"
#include "view/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Content-Type of the text. */
#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* How many operations have metrics of their own: those that changed last. Prometheus keeps a series
 * for each that was ever among them. */
#define EXPOSITION_OPERATIONS 20

/* Longest id in a label, in bytes. A longer id is cut, and ends in "…" and a number that only this
 * operation has, so no two operations have the same labels. */
#define EXPOSITION_ID_MAX 128

/* Appends all metrics. If the store cannot be read within LIMIT_MS, its metrics are left out and
 * upgrade_receiver_store_up is 0. */
void exposition_write(const struct view_process *process, struct store_reader *reader,
                      int64_t limit_ms, struct buffer *out);

#endif
