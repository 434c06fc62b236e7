/* running: the receivers that run on a state folder. Each locks the byte of running.lock whose
 * offset is its process id. The kernel removes the lock when the process ends in any way. A look
 * takes no lock, so it never disturbs a receiver. Only locks count that need write access to the
 * file. So a user who can only read the folder cannot fake a receiver. */
#ifndef BASE_RUNNING_H
#define BASE_RUNNING_H

#include <stddef.h>

/* Most receivers listed for one folder. */
#define RUNNING_MAX 64

/* Marks this process as running in FOLDER's file, and keeps the mark. Call it from time to time
 * with its last result (-1 at first). Returns a descriptor, or -1 if the mark cannot be set now.
 * Close the descriptor to remove the mark. */
int running_keep(int fd, const char *folder);

/* Finds the process ids of the receivers on FOLDER. Returns their number, or -1 with errno if the
 * file cannot be read. */
int running_find(const char *folder, long pids[RUNNING_MAX]);

#endif
