/* status: the status file, a snapshot of the books for cat, jq and monitoring. */
#ifndef STATUS_H
#define STATUS_H

#include "fault.h"
#include "metrics.h"
#include "store.h"
#include "text.h"

/* What the process itself has to say beside the books. */
struct status_process {
    int64_t time_ms;               /* since 1970 */
    int64_t start_ms;              /* when the process started */
    int64_t next_ms;               /* when the file is replaced at the latest; 0: never, it ends */
    const char *store_fault;       /* why the store cannot keep records now; NULL: it can */
    int64_t fault_ms;              /* since when */
    const char *log_warning;       /* why nobody reads the log; NULL: somebody may */
    const struct metrics *metrics; /* of this process; NULL: none */
};

/* Appends the status as JSON, a member a line. Its size is bounded by the snapshot's. */
void status_format(const struct store_snapshot *snapshot, const struct status_process *process,
                   struct text *text);

/* Replaces FOLDER/status.json by TEXT, so that a reader sees the old file or the new one and a
 * power cut leaves one of them: temporary file, fsync, rename, fsync of the folder. Returns 0, or
 * -1, or 1 where another process is just replacing it. */
int status_replace(const char *folder, const struct text *text, struct fault *fault);

#endif
