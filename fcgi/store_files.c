/* store_files: the three files of a store, and whether their names still lead to those that were
 * opened. A file that was removed or replaced can still be written to, but nobody will find it
 * again; and two processes with different files of locks (-shm) write over each other's commits. */
#include "config.h"

#include "store_sqlite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *const names[STORE_FILES] = {"upgrades.db", "upgrades.db-wal", "upgrades.db-shm"};

int store_files_init(struct store_file files[STORE_FILES], const char *folder, struct fault *fault)
{
    for (size_t i = 0; i < STORE_FILES; i++) {
        size_t size = strlen(folder) + 1 + strlen(names[i]) + 1;
        files[i].path = malloc(size);
        if (files[i].path == NULL)
            return fault_set(fault, "out of memory");
        snprintf(files[i].path, size, "%s/%s", folder, names[i]);
    }
    return 0;
}

void store_files_release(struct store_file files[STORE_FILES])
{
    for (size_t i = 0; i < STORE_FILES; i++)
        free(files[i].path);
}

/* Asks for nothing but which file it is, as it does with each transaction: since Linux 6.13 a file
 * whose times somebody has looked at gets new ones with the next write, which a file system without
 * a journal syncs by a write of its own. A file that is not there has inode 0. */
static int identify(const char *path, dev_t *device, ino_t *inode)
{
    struct statx status;
    *device = 0;
    *inode = 0;
    if (statx(AT_FDCWD, path, 0, STATX_INO, &status) != 0)
        return -1;
    *device = makedev(status.stx_dev_major, status.stx_dev_minor);
    *inode = status.stx_ino;
    return 0;
}

int store_files_note(struct store_file files[STORE_FILES])
{
    for (size_t i = STORE_FILES; i-- > 0;)
        if (identify(files[i].path, &files[i].device, &files[i].inode) != 0 && i == STORE_DB)
            return -1;
    return 0;
}

bool store_file_changed(const struct store_file *file)
{
    dev_t device;
    ino_t inode;
    identify(file->path, &device, &inode);
    return device != file->device || inode != file->inode;
}

int store_files_check(const struct store_file files[STORE_FILES], struct fault *fault)
{
    for (size_t i = 0; i < STORE_FILES; i++)
        if (store_file_changed(&files[i]))
            return fault_set(fault, "%s is no longer the file that was opened", files[i].path);
    return 0;
}

/* How many of FILES this process has open under any descriptor; those that are not there count. */
static size_t count_held(const struct store_file files[STORE_FILES], DIR *descriptors)
{
    bool held[STORE_FILES] = {false};
    for (struct dirent *entry; (entry = readdir(descriptors)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(descriptors), entry->d_name, &status, 0) != 0)
            continue;
        for (size_t i = 0; i < STORE_FILES; i++)
            held[i] |= status.st_dev == files[i].device && status.st_ino == files[i].inode;
    }
    size_t count = 0;
    for (size_t i = 0; i < STORE_FILES; i++)
        count += held[i] || files[i].inode == 0;
    return count;
}

int store_files_require(const struct store_file files[STORE_FILES], struct fault *fault)
{
    DIR *descriptors = opendir("/proc/self/fd");
    if (descriptors == NULL)
        return 0; /* nobody can tell */
    size_t count = count_held(files, descriptors);
    closedir(descriptors);
    return count == STORE_FILES
               ? 0
               : fault_set(fault, "a file of the store was removed or replaced, and the old one is"
                                  " still read here");
}
