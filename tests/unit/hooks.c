/* hooks: calls that a test has a say in. */
#include "config.h"

#include "hooks.h"

#include <stddef.h>

static bool (*malloc_fails)(void), (*realloc_fails)(void);

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void hooks_malloc(bool (*fails)(void))
{
    malloc_fails = fails;
}

void hooks_realloc(bool (*fails)(void))
{
    realloc_fails = fails;
}

void *__wrap_malloc(size_t size)
{
    return malloc_fails != NULL && malloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return realloc_fails != NULL && realloc_fails() ? NULL : __real_realloc(memory, size);
}
