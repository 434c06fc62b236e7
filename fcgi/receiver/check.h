/* check: whether a receiver could start and keep notifications, found out without writing. */
#ifndef RECEIVER_CHECK_H
#define RECEIVER_CHECK_H

#include "base/fault.h"
#include "base/options.h"

/* Room that the store asks for on its disk. */
#define CHECK_ROOM ((uint64_t)2 << 20)

/* Fails with the first thing that a start with OPTIONS, or its first notification, would fail for:
 * the token file, the state folder, its files, the store, room on the disk, the log. Writes
 * nothing; a receiver may run on the folder meanwhile. Root looks with the eyes of the folder's
 * owner, and is that user from then on. */
int check_options(const struct options *options, struct fault *fault);

#endif
