/* cursor_file: how far a reader of notifications has come, in a file of its own that outlives it.
 *
 * The file holds a seq and the number of the store that it belongs to. It is replaced as a whole
 * and synced, so whatever happens it says where the reader was, or was a moment before. One process
 * at a time has it: a second one is told so. */
#ifndef CURSOR_FILE_H
#define CURSOR_FILE_H

#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

/* What the file says. */
struct cursor_file_place {
    int64_t seq;    /* of the last notification that the reader has taken */
    uint64_t store; /* the store's number */
};

struct cursor_file {
    char *path, *next_path; /* its own, and that of the file which will replace it */
    int fd;                 /* the file, locked; -1: there is none yet */
};

/* Opens the file at PATH, and sets *FOUND and, where it is there, PLACE. Fails where it cannot be
 * read, holds something else, or another process has it. Close it in any case. */
int cursor_file_open(struct cursor_file *file, const char *path, struct cursor_file_place *place,
                     bool *found, struct fault *fault);

/* Replaces the file, or makes it; it is on disk when this returns 0. */
int cursor_file_move(struct cursor_file *file, const struct cursor_file_place *place,
                     struct fault *fault);

/* Safe on a zeroed struct. */
void cursor_file_close(struct cursor_file *file);

#endif
