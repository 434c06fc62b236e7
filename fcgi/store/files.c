/* files: the three files of a store, and whether their paths still lead to the files that were
 * opened. A removed or replaced file can still be written, but the data is lost. Two processes with
 * different lock files (-shm) overwrite each other's commits. */
#include "config.h"

#include "store/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

/* Each transaction calls this, so it asks only for the inode. Since Linux 6.13, a file whose times
 * were read gets new times at the next write. A file system without a journal syncs them with an
 * extra write. A missing file has inode 0. */
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

/* Sets HELD to a descriptor of this process for each of FILES, -1: it has none open. Returns false
 * if /proc cannot be read. */
static bool find_held(const struct store_file files[STORE_FILES], int held[STORE_FILES])
{
    for (int i = 0; i < STORE_FILES; i++)
        held[i] = -1;
    DIR *descriptors = opendir("/proc/self/fd");
    if (descriptors == NULL)
        return false;
    for (struct dirent *entry; (entry = readdir(descriptors)) != NULL;) {
        struct stat status;
        /* by name: another thread may close it now */
        if (entry->d_name[0] == '.' || fstatat(dirfd(descriptors), entry->d_name, &status, 0) != 0)
            continue;
        for (int i = 0; i < STORE_FILES; i++)
            if (status.st_dev == files[i].device && status.st_ino == files[i].inode)
                held[i] = (int)strtol(entry->d_name, NULL, 10);
    }
    closedir(descriptors);
    return true;
}

int store_files_require(const struct store_file files[STORE_FILES], struct fault *fault)
{
    int held[STORE_FILES];
    if (!find_held(files, held))
        return 0;
    for (size_t i = 0; i < STORE_FILES; i++)
        if (held[i] < 0 && files[i].inode != 0)
            return fault_set(fault,
                             "%s was removed or replaced, and the old one is still read here",
                             files[i].path);
    return 0;
}

/* Asks through SQLite's own descriptor: closing one of ours would drop SQLite's locks. */
int64_t store_files_holder(const struct store_file files[STORE_FILES], int first, int length)
{
    int held[STORE_FILES];
    struct flock bytes = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = length};
    return find_held(files, held) && fcntl(held[STORE_SHM], F_GETLK, &bytes) == 0 &&
                   bytes.l_type != F_UNLCK && bytes.l_pid > 0
               ? bytes.l_pid
               : 0;
}

void store_give_to_owner(int fd, const char *folder)
{
    struct stat status;
    if (geteuid() == 0 && stat(folder, &status) == 0 &&
        fchown(fd, status.st_uid, status.st_gid) != 0)
        return; /* the owner gets the error when it opens the file */
}

int store_sync_folder(const char *folder, struct fault *fault)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open %s", folder);
    int result = fsync(fd) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync %s", folder);
    close(fd);
    return result;
}

int store_sync_parent(const char *path, struct fault *fault)
{
    char *copy = strdup(path);
    int result = copy == NULL ? fault_set(fault, "out of memory")
                              : store_sync_folder(dirname(copy), fault);
    free(copy);
    return result;
}

/* Checks the marks in the main file. Only with "immutable" does SQLite create no file, take no lock
 * and, as root, change no file's owner. It does not read the log, so a store that was just made may
 * seem empty. Such a store is still accepted. */
static int examine_layout(const struct store_file files[STORE_FILES], struct fault *fault)
{
    sqlite3 *db = NULL;
    char uri[4096];
    size_t length = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *c = files[STORE_DB].path; *c != '\0' && length + 40 < sizeof uri; c++)
        length += (size_t)snprintf(uri + length, sizeof uri - length,
                                   strchr("%?#", *c) != NULL ? "%%%02X" : "%c", (unsigned char)*c);
    snprintf(uri + length, sizeof uri - length, "?mode=ro&immutable=1");
    int result = -1;
    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
        store_fault(db, fault, "cannot open the store");
    else
        result = store_layout_check(db, fault);
    sqlite3_close(db);
    return result;
}

static int examine_files(const struct store_file files[STORE_FILES], bool *exists,
                         struct fault *fault)
{
    *exists = access(files[STORE_DB].path, F_OK) == 0;
    if (!*exists && errno != ENOENT && errno != ENOTDIR)
        return fault_set_errno(fault, errno, "%s", files[STORE_DB].path);
    if (!*exists)
        return 0;
    for (size_t i = 0; i < STORE_FILES; i++)
        if (faccessat(AT_FDCWD, files[i].path, R_OK | W_OK, AT_EACCESS) != 0 && errno != ENOENT)
            return fault_set_errno(fault, errno, "cannot write %s", files[i].path);
    return examine_layout(files, fault) == 0 ? 0 : fault_add(fault, "%s", files[STORE_DB].path);
}

int store_examine(const char *folder, bool *exists, struct fault *fault)
{
    struct store_file files[STORE_FILES] = {{.path = NULL}};
    *exists = false;
    int result = store_files_init(files, folder, fault);
    if (result == 0)
        result = examine_files(files, exists, fault);
    store_files_release(files);
    return result;
}
