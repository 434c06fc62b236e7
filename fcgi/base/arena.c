/* arena: memory that is taken in small pieces and freed as a whole. */
#include "config.h"

#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

/* The first chunk has at least this size. Each further one is twice as large as the one before. */
#define CHUNK_MIN ((size_t)1 << 10)

#define ALIGNMENT _Alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of BYTES */
    max_align_t bytes[];
};

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t wanted = arena->chunks == NULL ? arena->expected : 2 * arena->chunks->size;
    if (wanted < CHUNK_MIN)
        wanted = CHUNK_MIN;
    if (wanted < size)
        wanted = size;
    if (arena->most != 0 && wanted > arena->most - arena->size)
        wanted = arena->most - arena->size;
    arena->full = wanted < size;
    if (arena->full || wanted > SIZE_MAX / 4)
        return NULL;
    struct arena_chunk *chunk = malloc(sizeof *chunk + wanted);
    if (chunk == NULL)
        return NULL;
    chunk->next = arena->chunks;
    chunk->size = wanted;
    chunk->used = 0;
    arena->chunks = chunk;
    arena->size += wanted;
    return chunk;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || size > chunk->size - chunk->used)
        chunk = add_chunk(arena, size);
    if (chunk == NULL)
        return NULL;
    void *memory = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    return memory;
}

void arena_release(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    arena->size = 0;
}
