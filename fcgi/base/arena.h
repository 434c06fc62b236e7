/* arena: memory that is taken bit by bit, and given back as a whole. For what is made of many small
 * pieces and then only read, such as a parsed body: a piece costs a few instructions, and freeing
 * all of them one call. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* Zero-initialize; release with arena_release. Not for two threads at once, but each call may come
 * from another one. */
struct arena {
    struct arena_chunk *chunks; /* the one in use first */
    size_t expected;            /* bytes: what the first chunk should hold; 0: not known */
    size_t most;                /* bytes that all chunks may hold; 0: any */
    size_t size;                /* bytes that they hold now */
    bool full;                  /* what was asked for last would have been more */
};

/* SIZE bytes, aligned for anything, which last until arena_release; NULL when memory is short, or
 * ARENA is full. */
void *arena_take(struct arena *arena, size_t size);

/* Frees all that was taken. ARENA is empty then, and can be used again. */
void arena_release(struct arena *arena);

#endif
