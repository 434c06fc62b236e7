#include "config.h"

#include "postgres/libpq.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libpq.so.5"

/* Writes the address of NAME to the pointer at MEMBER. */
static int find(void *library, const char *name, void *member, struct fault *fault)
{
    void *address = dlsym(library, name);
    if (address == NULL)
        return fault_set(fault, LIBRARY ": is too old: it has no %s", name);
    memcpy(member, &address, sizeof address);
    return 0;
}

int libpq_open(struct libpq *libpq, struct fault *fault)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return fault_set(
            fault, "shared books need PostgreSQL's client library: install libpq5 (%s)", dlerror());
#define FIND(name)                                      \
    if (find(library, #name, &libpq->name, fault) != 0) \
        return -1;
    LIBPQ_FUNCTIONS(FIND)
#undef FIND
    return 0;
}
