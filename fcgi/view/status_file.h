/* status_file: the status file, replaced as a whole; what stands in it is view_write_status's. */
#ifndef VIEW_STATUS_FILE_H
#define VIEW_STATUS_FILE_H

#include "base/buffer.h"
#include "base/fault.h"

/* Replaces FOLDER/status.json by TEXT, so that a reader sees the old file or the new one and a
 * power cut leaves one of them: temporary file, fsync, rename, fsync of the folder. Returns 0, or
 * -1, or 1 if another process is just replacing it. */
int status_replace(const char *folder, const struct buffer *text, struct fault *fault);

#endif
