/* deaf_listener: for a commit whose tickets nobody waits for. */
#ifndef DEAF_LISTENER_H
#define DEAF_LISTENER_H

#include "commit.h"

extern const struct commit_listener deaf_listener;

#endif
