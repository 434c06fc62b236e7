/* The unit tests: runs the group that is named, or tells the names. make check gives each group a
 * process of its own, so that what one leaves behind, or a crash, is not another's.
 *
 *   unit x | unit x_test.c
 */
#include "config.h"

#include "support.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct group {
    const char *name;
    int (*run)(void);
} groups[] = {
#define GROUP(name) {#name, name##_tests},
#include "groups.inc"
#undef GROUP
};

/* Whether WORD names GROUP: as it is, or as the file of its tests, wherever that is. */
static bool is_named(const struct group *group, const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash == NULL ? word : slash + 1;
    size_t length = strlen(group->name);
    if (strncmp(name, group->name, length) != 0)
        return false;
    const char *rest = name + length;
    return *rest == '\0' || strcmp(rest, "_test") == 0 || strcmp(rest, "_test.c") == 0;
}

/* Tells how long it took, for the list of the slowest. */
static int run(const struct group *group)
{
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    int result = group->run();
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("# took %lld ms\n", (long long)(ended.tv_sec - begun.tv_sec) * 1000 +
                                   (ended.tv_nsec - begun.tv_nsec) / 1000000);
    return result;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < LENGTH(groups); i++) {
        if (is_named(&groups[i], argv[1]))
            return run(&groups[i]);
    }
    fprintf(stderr, "Usage: %s GROUP, one of:", argv[0]);
    for (size_t i = 0; i < LENGTH(groups); i++)
        fprintf(stderr, " %s", groups[i].name);
    fprintf(stderr, "\n");
    return 99; /* make check: an error, not a failed test */
}
