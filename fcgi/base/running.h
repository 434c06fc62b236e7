/* running: which receivers run on a state folder. Each holds a lock on a byte of running.lock,
 * whose place in the file is its process id: the kernel takes the lock away when the process ends,
 * however it ends. To look takes no lock, so that looking hinders nobody, and a lock that only a
 * writer of the file can take counts alone: whoever may only read the folder cannot pretend that
 * one runs. */
#ifndef BASE_RUNNING_H
#define BASE_RUNNING_H

#include <stddef.h>

/* Receivers on one folder that are told of. */
#define RUNNING_MAX 64

/* Makes FOLDER's file say that this process runs, and keeps it so: call it now and then with what
 * it returned (-1 at first). Gives a descriptor, which is closed to say the opposite, or -1 where
 * that cannot be said now. */
int running_keep(int fd, const char *folder);

/* Finds the process ids of the receivers on FOLDER: how many, or -1 with errno set where the file
 * cannot be read. */
int running_find(const char *folder, long pids[RUNNING_MAX]);

#endif
