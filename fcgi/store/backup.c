/* backup: copies a store into one file beside a running receiver, and makes such a file a store
 * again.
 *
 * A copy of the three files by other means may miss what the log holds, and integrity_check does
 * not notice. So SQLite copies the pages, in steps within one read transaction: the copy is the
 * state of one moment. Meanwhile the receiver's log cannot start again, so the fastest way is best.
 * Beside 800 notifications a second, for a store of 480 MB, this took 7 s and let the log grow by
 * 40 MB. VACUUM INTO took 9 s and 100 MB: it reads and writes row by row. Steps without the
 * transaction would not hold the log. But SQLite then begins again whenever the receiver commits:
 * after 20 s it had begun 358 times. The log is bounded by STORE_BACKUP_LOG_MOST: beyond that the
 * copy gives up, and also before the disk is so full that the receiver would refuse notifications.
 * Each step is synced, so that a sync of the receiver never waits for gigabytes of the copy.
 *
 * A copy is made in a folder of its own, FILE.partial. There it is checked, as a store, and then
 * gets its name. */
#include "config.h"

#include "store/engine.h"
#include "store/maintenance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Pages of one step: 4 MiB. */
#define STEP_PAGES 1024

/* Free space that a copy leaves on the disks, besides the length of the store's log. */
#define ROOM_LEFT ((int64_t)64 << 20)

/* A check reads all of the copy, much of it in no order. */
#define CHECK_CACHE "PRAGMA cache_size = -65536"

/* The folder in which a copy is made, and the copy in it. */
struct making {
    char folder[4096];
    char path[4096];
    int fd; /* of the copy; stays open so that each part can be synced */
};

/* Makes the folder NAME.partial with an empty copy in it. */
static int making_begin(struct making *making, const char *name, struct fault *fault)
{
    making->fd = -1;
    if ((size_t)snprintf(making->folder, sizeof making->folder, "%s.partial", name) >=
            sizeof making->folder ||
        (size_t)snprintf(making->path, sizeof making->path, "%s/upgrades.db", making->folder) >=
            sizeof making->path)
        return fault_set(fault, "%s: the path is too long", name);
    if (mkdir(making->folder, 0700) != 0)
        return errno == EEXIST
                   ? fault_set(fault,
                               "%s is there: another copy is being made, or one was stopped "
                               "before its end; if so, remove it",
                               making->folder)
                   : fault_set_errno(fault, errno, "cannot make %s", making->folder);
    making->fd = open(making->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (making->fd >= 0)
        return 0;
    fault_set_errno(fault, errno, "cannot make %s", making->path);
    rmdir(making->folder);
    return -1;
}

static void making_end(struct making *making)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    close(making->fd);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[sizeof making->path + 16];
        snprintf(path, sizeof path, "%s%s", making->path, suffixes[i]);
        unlink(path);
    }
    rmdir(making->folder);
}

/* Gives the copy its NAME, unless another file has it. */
static int give_name(const struct making *making, const char *name, struct fault *fault)
{
    struct stat status;
    int result = renameat2(AT_FDCWD, making->path, AT_FDCWD, name, RENAME_NOREPLACE);
    if (result != 0 && errno == EINVAL) { /* the file system cannot do that: NFS, for one */
        result = lstat(name, &status) == 0 ? -1 : rename(making->path, name);
        errno = result != 0 && errno == EINVAL ? EEXIST : errno;
    }
    return result == 0 ? store_sync_parent(name, fault)
                       : fault_set_errno(fault, errno, "cannot make %s", name);
}

static int64_t room_at(const char *path)
{
    struct statvfs disk;
    return statvfs(path, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize : INT64_MAX;
}

/* Fails if the disk of the new copy has no room for BYTES. */
static int require_room(const struct making *making, int64_t bytes, struct fault *fault)
{
    int64_t room = room_at(making->folder);
    return room >= bytes + ROOM_LEFT
               ? 0
               : fault_set(fault,
                           "%s: the copy takes %lld bytes, and %lld are free there; %lld must be "
                           "left",
                           making->folder, (long long)bytes, (long long)room, (long long)ROOM_LEFT);
}

/* Fails if going on would harm the receiver: its log must fit into the main file later. */
static int require_harmless(const struct store_reader *reader, int64_t log_most,
                            struct fault *fault)
{
    struct stat wal;
    int64_t bytes = stat(reader->files[STORE_WAL].path, &wal) == 0 ? wal.st_size : 0;
    if (bytes > log_most)
        return fault_set(fault,
                         "%s grew to %lld bytes, which is too long, while the store was copied: "
                         "try it when less comes, or copy to a faster disk",
                         reader->files[STORE_WAL].path, (long long)bytes);
    if (room_at(reader->files[STORE_DB].path) < bytes + ROOM_LEFT)
        return fault_set(fault, "%s: the disk is nearly full, and the receiver needs the rest",
                         reader->files[STORE_DB].path);
    return 0;
}

/* Copies the pages of the reader's moment to the database TO. */
static int copy_pages(struct store_reader *reader, sqlite3 *to, const struct making *making,
                      const struct store_copying *how, struct fault *fault)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", reader->db, "main");
    int code = backup != NULL ? SQLITE_OK : SQLITE_ERROR;
    int result = 0;
    while (result == 0 && code == SQLITE_OK) {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        int64_t of = sqlite3_backup_pagecount(backup);
        store_report(&how->copying, of - sqlite3_backup_remaining(backup), of);
        if (fdatasync(making->fd) != 0)
            result = fault_set_errno(fault, errno, "cannot sync %s", making->path);
        else if (code == SQLITE_OK)
            result = require_harmless(reader, how->log_most, fault);
    }
    sqlite3_backup_finish(backup);
    return result == 0 && code != SQLITE_DONE ? store_fault(to, fault, "cannot copy the store")
                                              : result;
}

/* The copy needs no log of its own: if it is not finished, it is thrown away. In the end it is no
 * file for a write-ahead log either, so that it can be read in a folder that cannot be written. */
static int copy_store(struct store_reader *reader, const struct making *making,
                      const struct store_copying *how, struct fault *fault)
{
    static const char setup[] = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -4096";
    sqlite3 *to = NULL;
    int64_t bytes = 0;
    if (store_read_begin(reader, 0, fault) != 0)
        return -1;
    /* The first read begins the moment that is copied. */
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_bytes), NULL, 0, 0,
                                              NULL, 1, fault);
    sqlite3_stmt *read = store_rows_next(&rows);
    if (read != NULL)
        bytes = sqlite3_column_int64(read, 0);
    int result = store_rows_end(&rows, NULL);
    if (result == 0)
        result = require_room(making, bytes, fault);
    if (result == 0 && (sqlite3_open_v2(making->path, &to, SQLITE_OPEN_READWRITE, NULL) != 0 ||
                        sqlite3_exec(to, setup, NULL, NULL, NULL) != SQLITE_OK))
        result = store_fault(to, fault, making->path);
    if (result == 0)
        result = copy_pages(reader, to, making, how, fault);
    store_read_end(reader);
    if (result == 0 &&
        sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        result = store_fault(to, fault, making->path);
    sqlite3_close(to);
    return result;
}

/* Says what is wrong with a copy, and how much. */
struct flaws {
    struct fault *fault;
    const char *name;
};

static void note_flaw(void *owner, const char *flaw)
{
    const struct flaws *flaws = owner;
    fault_set(flaws->fault, "%s: not made, because the store is not sound: %s", flaws->name, flaw);
}

static int read_copy(struct store_reader *reader, struct store_copy *copy, struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_copied), NULL, 0, 0,
                                              NULL, 1, fault);
    sqlite3_stmt *read = store_rows_next(&rows);
    if (read != NULL) {
        copy->notifications = sqlite3_column_int64(read, 0);
        copy->last.seq = sqlite3_column_int64(read, 1);
        store_life_copy(read, 2, copy->last.life);
    }
    return store_rows_end(&rows, NULL);
}

/* Checks a whole copy as a store, and reads what it has. Returns 1 if it is not sound. */
static int examine(const struct making *making, const char *name, const struct store_copying *how,
                   struct store_copy *copy, struct fault *fault)
{
    struct flaws flaws = {.fault = fault, .name = name};
    struct store_reader *reader = NULL;
    struct stat status;
    int64_t count = 0;
    if (fsync(making->fd) != 0 || fstat(making->fd, &status) != 0)
        return fault_set_errno(fault, errno, "cannot sync %s", making->path);
    copy->bytes = status.st_size;
    int result = store_reader_new(&reader, making->folder, fault);
    if (result == 0)
        result = store_reader_open(reader, fault);
    if (result == 0 && sqlite3_exec(reader->db, CHECK_CACHE, NULL, NULL, NULL) != SQLITE_OK)
        result = store_fault(reader->db, fault, making->path);
    if (result == 0)
        result = store_check(reader, &how->checking, note_flaw, &flaws, &count, fault);
    if (result == 0)
        result = read_copy(reader, copy, fault);
    store_reader_free(reader);
    return result != 0 ? -1 : count > 0 ? 1 : 0;
}

int store_backup(struct store_reader *reader, const char *file, const struct store_copying *how,
                 struct store_copy *copy, struct fault *fault)
{
    struct making making;
    struct stat status;
    if (store_reader_open(reader, fault) != 0)
        return -1;
    if (lstat(file, &status) == 0)
        return fault_set(fault, "%s is there already: name another file, or move it away", file);
    if (making_begin(&making, file, fault) != 0)
        return -1;
    int result = copy_store(reader, &making, how, fault);
    if (result == 0)
        result = examine(&making, file, how, copy, fault);
    if (result == 0)
        result = give_name(&making, file, fault);
    making_end(&making);
    return result;
}

/* --- restore ---------------------------------------------------------------------------------- */

/* Fails if FOLDER has any file of a store: its log would be taken for that of the new one. */
static int require_none(const struct store_file files[STORE_FILES], const char *folder,
                        struct fault *fault)
{
    struct stat status;
    for (size_t i = 0; i < STORE_FILES; i++)
        if (lstat(files[i].path, &status) == 0)
            return fault_set(fault,
                             "%s is there: to put another store in its place, move the old one and "
                             "its log away, such as by: mkdir %s/old && mv %s* %s/old",
                             files[i].path, folder, files[STORE_DB].path, folder);
    return 0;
}

/* Fails if a log belongs to FILE, because FILE alone is then not all of the store. */
static int require_whole(const char *file, struct fault *fault)
{
    static const char *const suffixes[] = {"-wal", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[4096];
        struct stat status;
        snprintf(path, sizeof path, "%s%s", file, suffixes[i]);
        if (stat(path, &status) == 0 && status.st_size > 0)
            return fault_set(fault,
                             "%s: this is not the whole store, the rest is in %s; take a file that "
                             "upgrade-status backup has made",
                             file, path);
    }
    return 0;
}

static int copy_bytes(int from, const char *file, const struct making *making,
                      const struct store_progress *progress, struct fault *fault)
{
    static char bytes[1 << 20];
    struct stat status;
    ssize_t length;
    off_t at = 0;
    if (fstat(from, &status) != 0 || !S_ISREG(status.st_mode))
        return fault_set(fault, "%s is not a file", file);
    while ((length = pread(from, bytes, sizeof bytes, at)) > 0) {
        for (ssize_t done = 0, written; done < length; done += written)
            if ((written = pwrite(making->fd, bytes + done, (size_t)(length - done), at + done)) <=
                0)
                return fault_set_errno(fault, errno, "cannot write %s", making->path);
        at += length;
        store_report(progress, at, status.st_size);
    }
    return length == 0 ? 0 : fault_set_errno(fault, errno, "cannot read %s", file);
}

int store_restore(const char *folder, int from, const char *file, const struct store_copying *how,
                  struct store_copy *copy, struct fault *fault)
{
    struct store_file files[STORE_FILES] = {{.path = NULL}};
    struct making making;
    char name[4096];
    int result = store_files_init(files, folder, fault);
    if (result == 0)
        result = require_none(files, folder, fault);
    if (result == 0)
        result = require_whole(file, fault);
    snprintf(name, sizeof name, "%s/restore", folder);
    if (result == 0 && (result = making_begin(&making, name, fault)) == 0) {
        result = copy_bytes(from, file, &making, &how->copying, fault);
        if (result == 0)
            result = examine(&making, files[STORE_DB].path, how, copy, fault);
        if (result == 0)
            result = give_name(&making, files[STORE_DB].path, fault);
        making_end(&making);
    }
    store_files_release(files);
    return result == -1 ? fault_add(fault, "%s", file) : result;
}
