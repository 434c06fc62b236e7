/* reserve: what reading and writing JSON takes its memory from, and falls back on. */
#include "config.h"

#include "reserve.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* What jansson allocates for a byte of JSON, freed in between or not: `{},` costs most, some 70. */
#define PER_BYTE 128

/* For a byte that opens a level of nesting, of which there are so many at most. */
#define PER_LEVEL 256
#define LEVELS_MAX 2048

#define ALIGNMENT _Alignof(max_align_t)

static _Thread_local struct {
    bool taken;
    char *bytes; /* kept for the next use where they are few, and freed when the thread ends */
    size_t size, used;
    bool keeps; /* it is freed when the thread ends */
    struct arena *arena;
} reserve;

/* Whose destructor frees what a thread has kept. */
static pthread_key_t key;
static bool has_key;

void reserve_init(void)
{
    if (!has_key)
        has_key = pthread_key_create(&key, free) == 0;
}

static void drop(void)
{
    free(reserve.bytes);
    reserve.bytes = NULL;
    reserve.size = 0;
    if (has_key)
        pthread_setspecific(key, NULL);
}

static bool grow(size_t size)
{
    drop();
    reserve.bytes = malloc(size);
    if (reserve.bytes == NULL)
        return false;
    reserve.size = size;
    reserve.keeps = has_key && pthread_setspecific(key, reserve.bytes) == 0;
    return true;
}

bool reserve_take(size_t length, struct arena *arena)
{
    size_t levels = length < LEVELS_MAX ? length : LEVELS_MAX;
    if (length > SIZE_MAX / 2 / PER_BYTE)
        return false;
    size_t size = length * PER_BYTE + (levels + 1) * PER_LEVEL;
    if (reserve.size < size && !grow(size))
        return false;
    reserve.taken = true;
    reserve.used = 0;
    reserve.arena = arena;
    return true;
}

bool reserve_was_used(void)
{
    return reserve.used > 0;
}

void reserve_release(void)
{
    reserve.taken = false;
    reserve.arena = NULL;
    if (!reserve.keeps || reserve.size > RESERVE_KEPT_MAX)
        drop();
}

void *reserve_malloc(size_t size)
{
    void *memory = reserve.arena != NULL ? arena_take(reserve.arena, size) : malloc(size);
    if (memory != NULL || !reserve.taken || size > reserve.size - reserve.used)
        return memory;
    memory = reserve.bytes + reserve.used;
    size_t left = reserve.size - reserve.used;
    size_t taken = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    reserve.used += taken < left ? taken : left;
    return memory;
}

static bool is_of_reserve(const void *memory)
{
    uintptr_t address = (uintptr_t)memory, first = (uintptr_t)reserve.bytes;
    return address >= first && address - first < reserve.size;
}

void reserve_free(void *memory)
{
    if (reserve.taken && is_of_reserve(memory))
        return;
    if (reserve.arena != NULL && arena_holds(reserve.arena, memory))
        return;
    free(memory);
}
