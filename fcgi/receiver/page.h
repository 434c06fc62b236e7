/* page: the files of the status page, embedded in the program. They are the files in fcgi/page/ at
 * build time: a new one needs no line here. */
#ifndef RECEIVER_PAGE_H
#define RECEIVER_PAGE_H

#include <stddef.h>

struct page_file {
    const char *name; /* "" is the page itself */
    const char *type; /* its Content-Type */
    const char *bytes;
    size_t length;
};

/* The file named NAME; NULL if there is none. */
const struct page_file *page_find(const char *name, size_t length);

#endif
