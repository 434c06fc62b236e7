/* arena: memory that is taken in small pieces and freed as a whole. Use it for data that consists
 * of many small pieces and is then only read, such as a parsed body. A piece costs a few
 * instructions, and one call frees all of them. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* Zero-initialize; release with arena_release. Only one thread at a time may use it, but the thread
 * may change between calls. */
struct arena {
    struct arena_chunk *chunks; /* the current one first */
    size_t expected;            /* bytes that the first chunk should hold; 0: unknown */
    size_t most;                /* most bytes in all chunks; 0: no limit */
    size_t size;                /* bytes in all chunks now */
    bool full;                  /* the last request would have exceeded MOST */
};

/* Returns SIZE bytes, aligned for any type. They last until arena_release. NULL if memory is short
 * or ARENA is full. */
void *arena_take(struct arena *arena, size_t size);

/* Frees all memory of ARENA. It is then empty and can be used again. */
void arena_release(struct arena *arena);

#endif
