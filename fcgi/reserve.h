/* reserve: what reading and writing JSON can fall back on. jansson (as of 2.14) does not look
 * whether it got memory for the next byte of a token, or of a text: the byte is left out, or the
 * end of the token is passed. So it is given more memory, beforehand, than it can ever take, and
 * what it made counts as not made where it had to take of that. Each thread has its own; nothing is
 * shared. */
#ifndef RESERVE_H
#define RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* Takes what a parse of LENGTH bytes, or writing them anew, needs at most; false when memory is
 * short. To be given back by the same thread with reserve_release, behind everything that was
 * allocated meanwhile is freed. */
bool reserve_take(size_t length);

/* Whether an allocation had to come out of the reserve. */
bool reserve_was_used(void);

void reserve_release(void);

/* For json_set_alloc_funcs: malloc, which falls back on the reserve between the calls above; and
 * the free that goes with it. */
void *reserve_malloc(size_t size);
void reserve_free(void *memory);

#endif
