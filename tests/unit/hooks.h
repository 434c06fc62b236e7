/* hooks: calls that a test has a say in. The linker leads them here (--wrap), and they go on to
 * what they name unless the test has them fail. */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdbool.h>

/* Asked at each malloc, and at each realloc: whether it fails. NULL: none does. */
void hooks_malloc(bool (*fails)(void));
void hooks_realloc(bool (*fails)(void));

#endif
