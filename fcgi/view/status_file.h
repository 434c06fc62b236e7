/* status_file: replaces the status file as a whole. view_write_status writes its contents. */
#ifndef VIEW_STATUS_FILE_H
#define VIEW_STATUS_FILE_H

#include "base/buffer.h"
#include "base/fault.h"

/* Replaces FOLDER/status.json by TEXT: temporary file, fsync, rename, fsync of the folder. A reader
 * sees the old file or the new one, and one of them survives a power cut. Returns 0, or -1, or 1 if
 * another process is replacing it now. */
int status_replace(const char *folder, const struct buffer *text, struct fault *fault);

#endif
