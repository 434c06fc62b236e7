/* disk: a disk for tests, preloaded into the receiver (LD_PRELOAD). Of the files in one folder it
 * writes a journal: each change with its bytes, each sync, and each answer that went out, in order;
 * powercut.py makes of it what a power cut would have left. And it fails calls while a file says
 * so.
 *
 * DISK_FOLDER   the folder, by its real path
 * DISK_JOURNAL  the journal, which is appended to (none where it is not set)
 * DISK_FORGETS  "data" or "folder": syncs of files, or of the folder, do not come into the journal,
 *               as if the program had left them out
 * DISK_CONTROL  a file with a line "CALLS ERRNO [once]": while it is there, each call of that kind
 *               (write, sync, create, truncate, rename, unlink, allocate, or all) fails so. once:
 *               the first such call removes the file. A sync that fails has lost what it was to
 *               write, as on Linux. With HANG in place of ERRNO such a call waits for as long as
 * the file says so, and works then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 65536

/* A full disk takes half of a write that is larger than this, then nothing. */
#define SHORT_WRITE_MIN 1024

enum kind { CREATE = 1, OPEN, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, UNLINK, RENAME, ANSWER, LOST };

/* A record of the journal, before LENGTH bytes: a name, two names with a NUL in between, or data.
 */
struct record {
    uint32_t kind;
    uint32_t length;
    uint64_t object; /* the file's inode */
    uint64_t offset; /* of a write; the size of a truncation */
    uint64_t since;  /* of a sync: where the journal ended when it began */
};

enum whose { OTHERS, FILE_OF_FOLDER, FOLDER };

static struct {
    enum whose whose;
    uint64_t object;
    unsigned errors; /* of the file's errors, those that this descriptor was told of */
} descriptors[DESCRIPTORS_MAX];

/* Each descriptor of a file is told once that a sync has failed, whoever called it, as on Linux. */
static struct {
    uint64_t object;
    unsigned errors;
} losses[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* from a change to its record */
static char folder[PATH_MAX];
static const char *control, *forgets = "";
static int journal = -1;
static uint64_t journal_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DISK_FOLDER");
    snprintf(folder, sizeof folder, "%s", path == NULL ? "/nowhere" : path);
    control = getenv("DISK_CONTROL");
    if (getenv("DISK_FORGETS") != NULL)
        forgets = getenv("DISK_FORGETS");
    path = getenv("DISK_JOURNAL");
    if (path == NULL)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          0600);
    /* Out of the way of descriptors that the program counts on. */
    journal = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
    close(fd);
    struct stat status;
    if (fstat(journal, &status) == 0)
        journal_length = (uint64_t)status.st_size;
}

/* --- the journal ----------------------------------------------------------------------------- */

/* Called with the lock held. */
static void note(enum kind kind, uint64_t object, uint64_t offset, uint64_t since, const void *data,
                 size_t length)
{
    if (journal < 0)
        return;
    struct record record = {.kind = kind,
                            .length = (uint32_t)length,
                            .object = object,
                            .offset = offset,
                            .since = since};
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)(uintptr_t)data, length}};
    int error = errno;
    if (syscall(SYS_writev, journal, parts, 2) != (long)(sizeof record + length))
        abort();
    errno = error;
    journal_length += sizeof record + length;
}

/* --- faults ---------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int number;
} errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}};

/* Whether a call of that kind is to fail now, with errno set. */
static bool fails_now(const char *call, bool *hangs)
{
    char line[128] = "", calls[64] = "", word[16] = "", once[16] = "";
    if (control == NULL)
        return false;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    long length = syscall(SYS_read, fd, line, sizeof line - 1);
    syscall(SYS_close, fd);
    char *rest = NULL;
    const char *part = length > 0 ? strtok_r(line, " \n", &rest) : NULL;
    for (char *to = calls; part != NULL; part = strtok_r(NULL, " \n", &rest)) {
        snprintf(to, sizeof word, "%s", part);
        to = to == calls ? word : once;
    }
    if (strcmp(calls, "all") != 0 && strcmp(calls, call) != 0)
        return false;
    *hangs = strcmp(word, "HANG") == 0;
    if (strcmp(once, "once") == 0 && syscall(SYS_unlinkat, AT_FDCWD, control, 0) != 0)
        return false; /* another thread's call was the one */
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(word, errors[i].word) == 0)
            errno = errors[i].number;
    return true;
}

static bool fails(const char *call)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    bool hangs = false;
    while (fails_now(call, &hangs)) {
        if (!hangs)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* --- whose is it ----------------------------------------------------------------------------- */

/* The name within the folder, or NULL. */
static const char *name_of(int at, const char *path)
{
    size_t length = strlen(folder);
    if (path[0] == '/')
        return strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
    return at >= 0 && at < DESCRIPTORS_MAX && descriptors[at].whose == FOLDER ? path : NULL;
}

static bool is_ours(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX && descriptors[fd].whose != OTHERS;
}

/* How many syncs of the file failed; ONE_MORE: this one did. Called with the lock held. */
static unsigned errors_of(uint64_t object, bool one_more)
{
    size_t i = 0;
    while (i < sizeof losses / sizeof losses[0] - 1 && losses[i].object != object &&
           losses[i].object != 0)
        i++;
    losses[i].object = object;
    return losses[i].errors += one_more;
}

/* Finds out what a new descriptor is. Called with the lock held. */
static const char *adopt(int fd, char path[PATH_MAX])
{
    char link[64];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (fd >= DESCRIPTORS_MAX || length < 0 || fstat(fd, &status) != 0)
        return NULL;
    path[length] = '\0';
    const char *name = name_of(-1, path);
    descriptors[fd].object = status.st_ino;
    descriptors[fd].errors = errors_of(status.st_ino, false);
    descriptors[fd].whose = strcmp(path, folder) == 0 ? FOLDER
                            : name != NULL            ? FILE_OF_FOLDER
                                                      : OTHERS;
    return name;
}

/* --- calls ----------------------------------------------------------------------------------- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    const char *name = name_of(at, path);
    if (name == NULL && strcmp(path, folder) != 0)
        return (int)syscall(SYS_openat, at, path, flags, mode);
    bool is_new = name != NULL && (flags & O_CREAT) != 0 && faccessat(at, path, F_OK, 0) != 0;
    bool changes = name != NULL && (flags & O_ACCMODE) != O_RDONLY;
    if ((is_new || ((flags & O_TRUNC) != 0 && changes)) && fails("create"))
        return -1;
    if (changes && fails("all") && errno == EROFS)
        return -1;
    char real[PATH_MAX];
    pthread_mutex_lock(&lock);
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && (name = adopt(fd, real)) != NULL) {
        note(is_new ? CREATE : OPEN, descriptors[fd].object, 0, 0, name, strlen(name) + 1);
        if (!is_new && (flags & O_TRUNC) != 0)
            note(TRUNCATE, descriptors[fd].object, 0, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define DEFINE_OPEN(name)                            \
    int name(const char *path, int flags, ...)       \
    {                                                \
        va_list arguments;                           \
        va_start(arguments, flags);                  \
        mode_t mode = mode_of(flags, arguments);     \
        va_end(arguments);                           \
        return open_at(AT_FDCWD, path, flags, mode); \
    }
#define DEFINE_OPENAT(name)                            \
    int name(int at, const char *path, int flags, ...) \
    {                                                  \
        va_list arguments;                             \
        va_start(arguments, flags);                    \
        mode_t mode = mode_of(flags, arguments);       \
        va_end(arguments);                             \
        return open_at(at, path, flags, mode);         \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        descriptors[fd].whose = OTHERS;
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset)
{
    if (fails("write")) {
        if ((errno != ENOSPC && errno != EDQUOT) || length < SHORT_WRITE_MIN)
            return -1;
        length /= 2;
    }
    pthread_mutex_lock(&lock);
    ssize_t written = offset < 0 ? syscall(SYS_write, fd, bytes, length)
                                 : syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (written > 0) {
        off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) - written : offset;
        note(WRITE, descriptors[fd].object, (uint64_t)at, 0, bytes, (size_t)written);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    static const char mark[] = "{\"result\":\"";
    if (is_ours(fd))
        return write_at(fd, bytes, length, -1);
    if (journal >= 0 && memmem(bytes, length, mark, sizeof mark - 1) != NULL) {
        pthread_mutex_lock(&lock);
        note(ANSWER, 0, 0, 0, bytes, length);
        pthread_mutex_unlock(&lock);
    }
    return syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return is_ours(fd) ? write_at(fd, bytes, length, offset)
                       : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t size)
{
    if (is_ours(fd) && fails("truncate"))
        return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0 && is_ours(fd))
        note(TRUNCATE, descriptors[fd].object, (uint64_t)size, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    if (is_ours(fd) && fails("allocate"))
        return errno;
    return REAL(posix_fallocate)(fd, offset, length);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    return posix_fallocate(fd, offset, length);
}

static int sync_file(int fd, long call)
{
    if (!is_ours(fd))
        return (int)syscall(call, fd);
    bool is_folder = descriptors[fd].whose == FOLDER;
    pthread_mutex_lock(&lock);
    uint64_t since = journal_length;
    pthread_mutex_unlock(&lock);
    bool failed = fails("sync");
    int result = failed ? -1 : (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    if (failed && errno == EIO)
        note(LOST, descriptors[fd].object, 0, since, NULL, 0);
    unsigned known = errors_of(descriptors[fd].object, failed && errno == EIO);
    if (!failed && descriptors[fd].errors != known) {
        result = -1;
        errno = EIO;
    }
    descriptors[fd].errors = known;
    if (result == 0 && strcmp(forgets, is_folder ? "folder" : "data") != 0)
        note(is_folder ? SYNC_FOLDER : SYNC, descriptors[fd].object, 0, since, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

int unlinkat(int at, const char *path, int flags)
{
    const char *name = name_of(at, path);
    if (name != NULL && fails("unlink"))
        return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (result == 0 && name != NULL)
        note(UNLINK, 0, 0, 0, name, strlen(name) + 1);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    const char *old_name = name_of(from_at, from), *new_name = name_of(to_at, to);
    char names[2 * NAME_MAX + 2];
    if (old_name != NULL && fails("rename"))
        return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_renameat, from_at, from, to_at, to);
    if (result == 0 && old_name != NULL && new_name != NULL) {
        int length = snprintf(names, sizeof names, "%s%c%s", old_name, '\0', new_name);
        note(RENAME, 0, 0, 0, names, (size_t)length + 1);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
