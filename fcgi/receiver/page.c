/* page: the files of the status page, embedded in the program. */
#include "config.h"

#include "receiver/page.h"

#include <string.h>

#include "receiver/page_table.inc"

const struct page_file *page_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}
