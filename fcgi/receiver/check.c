/* check: whether a receiver could start and keep notifications, without writing anything. */
#include "config.h"

#include "receiver/check.h"

#include "base/owner.h"
#include "postgres/shipper.h"
#include "receiver/auth.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int may(const char *path, int mode, struct fault *fault)
{
    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0)
        return 0;
    return fault_set_errno(fault, errno, "user %ld may not %s %s", (long)geteuid(),
                           mode & X_OK ? "make files in" : "write to", path);
}

/* Whether PATH, which does not exist, can be created. */
static int check_parent(const char *path, struct fault *fault)
{
    char *copy = strdup(path);
    struct stat status;
    if (copy == NULL)
        return fault_set(fault, "out of memory");
    const char *parent = dirname(copy);
    int result;
    if (stat(parent, &status) == 0 && !S_ISDIR(status.st_mode))
        result = fault_set_errno(fault, ENOTDIR, "%s", parent);
    else
        result = may(parent, W_OK | X_OK, fault);
    free(copy);
    return result == 0 ? 0 : fault_add(fault, "cannot make %s", path);
}

/* Whether PATH is a writable file, or can be created as one. It may be a device or a pipe. */
static int check_file(const char *path, struct fault *fault)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        bool link = lstat(path, &status) == 0;
        if (errno != ENOENT || link)
            return fault_set_errno(fault, ENOENT, "%s%s", path,
                                   link ? " is a link that leads nowhere" : "");
        return check_parent(path, fault);
    }
    if (S_ISDIR(status.st_mode) || S_ISSOCK(status.st_mode))
        return fault_set(fault, "%s is a %s", path, S_ISDIR(status.st_mode) ? "folder" : "socket");
    return may(path, W_OK, fault);
}

/* The owner of a state folder must be able to read and write the files in it. */
static int check_files(const char *folder, struct fault *fault)
{
    static const char *const names[] = {"upgrades.db", "upgrades.db-wal", "upgrades.db-shm",
                                        "turn.lock", "writer.lock"};
    struct stat status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (lstat(path, &status) != 0 && errno == ENOENT)
            continue;
        if (may(path, R_OK | W_OK, fault) != 0)
            return -1;
    }
    return 0;
}

static int check_folder(const char *folder, struct fault *fault)
{
    struct stat status;
    struct statvfs disk;
    bool exists;
    if (stat(folder, &status) != 0)
        return errno == ENOENT ? check_parent(folder, fault)
                               : fault_set_errno(fault, errno, "%s", folder);
    if (!S_ISDIR(status.st_mode))
        return fault_set_errno(fault, ENOTDIR, "%s", folder);
    if (may(folder, W_OK | X_OK, fault) != 0 || check_files(folder, fault) != 0 ||
        store_examine(folder, &exists, fault) != 0)
        return -1;
    if (statvfs(folder, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < CHECK_ROOM)
        return fault_set_errno(fault, ENOSPC, "%s", folder);
    return 0;
}

int check_options(const struct options *options, struct fault *fault)
{
    struct auth *auth = NULL;
    if (owner_become(options->state, fault) != 0 || auth_new(&auth, options, fault) != 0)
        return -1;
    auth_free(auth);
    if (check_folder(options->state, fault) != 0)
        return fault_add(fault, "--state");
    if (options->books != NULL && shipper_check(options->books, fault) != 0)
        return fault_add(fault, "--books");
    if (options->log != NULL && check_file(options->log, fault) != 0)
        return fault_add(fault, "--log");
    return 0;
}
