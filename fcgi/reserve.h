/* reserve: what reading and writing JSON takes its memory from, and falls back on. jansson (as of
 * 2.14) does not look whether it got memory for the next byte of a token, or of a text: the byte is
 * left out, or the end of the token is passed. So it is given more memory, beforehand, than it can
 * ever take, and what it made counts as not made where it had to take of that. Each thread has its
 * own; nothing is shared. */
#ifndef RESERVE_H
#define RESERVE_H

#include "arena.h"

#include <stdbool.h>
#include <stddef.h>

/* A thread keeps a reserve of up to so many bytes for its next use: enough for a body of 1.5 KiB.
 * They are addresses, not memory, until memory is short. */
#define RESERVE_KEPT_MAX ((size_t)640 << 10)

/* Has threads keep their reserves. Call it while there is one thread. */
void reserve_init(void);

/* Takes what a parse of LENGTH bytes, or writing them anew, needs at most; false when memory is
 * short. What is allocated until reserve_release, by the same thread, comes from ARENA, unless that
 * is NULL, and must be freed before it ends or never. */
bool reserve_take(size_t length, struct arena *arena);

/* Whether an allocation had to come out of the reserve. */
bool reserve_was_used(void);

void reserve_release(void);

/* For json_set_alloc_funcs: malloc, or between the calls above the arena, which falls back on the
 * reserve; and the free that goes with it. */
void *reserve_malloc(size_t size);
void reserve_free(void *memory);

#endif
