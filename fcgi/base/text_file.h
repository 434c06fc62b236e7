/* text_file: a small file of text that an operator wrote, read whole; also one with secrets. */
#ifndef BASE_TEXT_FILE_H
#define BASE_TEXT_FILE_H

#include "base/buffer.h"
#include "base/fault.h"

/* Reads the file PATH, of at most MOST bytes, into the empty TEXT, with a NUL behind them. Refuses
 * a file with a NUL in it, and one with SECRETS that users other than its owner and its group can
 * read, or that others than its owner can change. FAULT names the file, and nothing of what is in
 * it. Release TEXT with text_file_wipe, also after a failure. */
int text_file_read(const char *path, size_t most, bool secrets, struct buffer *text,
                   struct fault *fault);

/* Overwrites TEXT, and frees it. */
void text_file_wipe(struct buffer *text);

#endif
