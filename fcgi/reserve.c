/* reserve: what reading and writing JSON can fall back on. */
#include "config.h"

#include "reserve.h"

#include <stdint.h>
#include <stdlib.h>

/* What jansson allocates for a byte of JSON, freed in between or not: `{},` costs most, some 70. */
#define PER_BYTE 128

/* For a byte that opens a level of nesting, of which there are so many at most. */
#define PER_LEVEL 256
#define LEVELS_MAX 2048

#define ALIGNMENT _Alignof(max_align_t)

static _Thread_local struct {
    char *bytes; /* NULL: none is taken */
    size_t size, used;
} reserve;

bool reserve_take(size_t length)
{
    size_t levels = length < LEVELS_MAX ? length : LEVELS_MAX;
    if (length > SIZE_MAX / 2 / PER_BYTE)
        return false;
    reserve.size = length * PER_BYTE + (levels + 1) * PER_LEVEL;
    reserve.used = 0;
    reserve.bytes = malloc(reserve.size);
    return reserve.bytes != NULL;
}

bool reserve_was_used(void)
{
    return reserve.used > 0;
}

void reserve_release(void)
{
    free(reserve.bytes);
    reserve.bytes = NULL;
}

void *reserve_malloc(size_t size)
{
    void *memory = malloc(size);
    if (memory != NULL || reserve.bytes == NULL || size > reserve.size - reserve.used)
        return memory;
    memory = reserve.bytes + reserve.used;
    size_t left = reserve.size - reserve.used;
    size_t taken = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    reserve.used += taken < left ? taken : left;
    return memory;
}

void reserve_free(void *memory)
{
    uintptr_t address = (uintptr_t)memory, first = (uintptr_t)reserve.bytes;
    if (reserve.bytes == NULL || address < first || address >= first + reserve.size)
        free(memory);
}
