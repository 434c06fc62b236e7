/* check: whether a receiver could start and keep notifications, without writing anything. */
#ifndef RECEIVER_CHECK_H
#define RECEIVER_CHECK_H

#include "base/fault.h"
#include "base/options.h"

/* Free space that the store needs on its disk. */
#define CHECK_ROOM ((uint64_t)2 << 20)

/* Fails with the first thing that would make a start with OPTIONS, or its first notification, fail:
 * the token file, the state folder, its files, the store, free space, the log. Writes nothing. A
 * receiver may run on the folder meanwhile. If the process is root, it becomes the folder's owner
 * first, and stays so. */
int check_options(const struct options *options, struct fault *fault);

#endif
