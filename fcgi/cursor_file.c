/* cursor_file: how far a reader of notifications has come, in a file of its own that outlives it.
 */
#include "config.h"

#include "cursor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the file at most. */
#define SIZE_MAX_BYTES 256

/* The store's number in hexadecimal digits. */
#define NUMBER_DIGITS 16

/* Opens PATH and locks it. The lock is worth something only while PATH still leads to that file:
 * whoever had it before may have replaced it in between. Returns the descriptor; -1 with errno set,
 * EWOULDBLOCK where another process has it. */
static int open_locked(const char *path, int flags)
{
    for (;;) {
        struct stat opened, named;
        int fd = open(path, flags | O_RDWR | O_CLOEXEC, 0640);
        if (fd < 0)
            return -1;
        int error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
        if (error == 0 && fstat(fd, &opened) == 0 && stat(path, &named) == 0 &&
            opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
            return fd;
        close(fd);
        errno = error;
        if (error != 0)
            return -1;
    }
}

static int refuse(const char *path, int error, struct fault *fault)
{
    return error == EWOULDBLOCK ? fault_set(fault, "%s: another process goes by this cursor", path)
                                : fault_set_errno(fault, error, "%s", path);
}

static bool parse(const char *text, size_t length, struct cursor_file_place *place)
{
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    json_t *seq = json_object_get(json, "seq");
    const char *store = json_string_value(json_object_get(json, "store"));
    char *end = NULL;
    bool sound = json_is_integer(seq) && json_integer_value(seq) >= 0 && store != NULL &&
                 strlen(store) == NUMBER_DIGITS;
    if (sound) {
        place->seq = json_integer_value(seq);
        place->store = strtoull(store, &end, 16);
        sound = *end == '\0' && strspn(store, "0123456789abcdef") == NUMBER_DIGITS;
    }
    json_decref(json);
    return sound;
}

static int read_place(const struct cursor_file *file, struct cursor_file_place *place,
                      struct fault *fault)
{
    char text[SIZE_MAX_BYTES];
    ssize_t length = pread(file->fd, text, sizeof text, 0);
    if (length < 0)
        return fault_set_errno(fault, errno, "%s", file->path);
    struct cursor_file_place found;
    if (!parse(text, (size_t)length, &found))
        return fault_set(fault, "%s: is no cursor of this command", file->path);
    *place = found;
    return 0;
}

int cursor_file_open(struct cursor_file *file, const char *path, struct cursor_file_place *place,
                     bool *found, struct fault *fault)
{
    size_t size = strlen(path) + sizeof ".next";
    *file = (struct cursor_file){.path = strdup(path), .next_path = malloc(size), .fd = -1};
    if (file->path == NULL || file->next_path == NULL)
        return fault_set(fault, "out of memory");
    snprintf(file->next_path, size, "%s.next", path);
    file->fd = open_locked(path, 0);
    if (file->fd < 0 && errno != ENOENT)
        return refuse(path, errno, fault);
    *found = file->fd >= 0;
    return *found ? read_place(file, place, fault) : 0;
}

/* A rename lasts once the folder is synced. */
static int sync_folder(const struct cursor_file *file, struct fault *fault)
{
    char *copy = strdup(file->path);
    if (copy == NULL)
        return fault_set(fault, "out of memory");
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    int result = fd >= 0 && fsync(fd) == 0
                     ? 0
                     : fault_set_errno(fault, errno, "%s: cannot sync its folder", file->path);
    if (fd >= 0)
        close(fd);
    return result;
}

/* Fills the file that is to take the other's place. */
static int write_next(const struct cursor_file *file, int fd, const struct cursor_file_place *place,
                      struct fault *fault)
{
    char text[SIZE_MAX_BYTES];
    int length = snprintf(text, sizeof text, "{\"store\":\"%016" PRIx64 "\",\"seq\":%lld}\n",
                          place->store, (long long)place->seq);
    errno = 0;
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length || fsync(fd) != 0)
        return fault_set_errno(fault, errno != 0 ? errno : ENOSPC, "%s", file->next_path);
    return 0;
}

int cursor_file_move(struct cursor_file *file, const struct cursor_file_place *place,
                     struct fault *fault)
{
    int fd = open_locked(file->next_path, O_CREAT);
    if (fd < 0)
        return refuse(file->next_path, errno, fault);
    /* Where there was no file, somebody else may have made it since. */
    if (file->fd < 0 && access(file->path, F_OK) == 0) {
        close(fd);
        return refuse(file->path, EWOULDBLOCK, fault);
    }
    if (write_next(file, fd, place, fault) != 0) {
        close(fd);
        return -1;
    }
    if (rename(file->next_path, file->path) != 0) {
        fault_set_errno(fault, errno, "%s", file->path);
        close(fd);
        return -1;
    }
    if (file->fd >= 0)
        close(file->fd);
    file->fd = fd; /* locked since before it had the name */
    return sync_folder(file, fault);
}

void cursor_file_close(struct cursor_file *file)
{
    if (file->path != NULL && file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->next_path);
    *file = (struct cursor_file){.fd = -1};
}
