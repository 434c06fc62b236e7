/* listen: the listening socket of --listen.
 *
 * To look whether a socket is dead, to remove it and to make another one are three steps. So a
 * receiver does them under a lock of the folder: otherwise one of two that start together could
 * remove the new socket of the other, which would then wait for ever. */
#include "config.h"

#include "receiver/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "unix:"

/* How often the lock of the folder is tried, and the pause between two: 2 s in all. */
#define LOCK_TRIES 200
#define LOCK_PAUSE_MS 10

static int read_mode(const char *text, size_t length, mode_t *mode)
{
    *mode = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '7')
            return -1;
        *mode = *mode * 8 + (mode_t)(text[i] - '0');
    }
    return length >= 3 && length <= 4 && *mode <= 0777 ? 0 : -1;
}

static int read_group(const char *text, gid_t *group)
{
    const struct group *named = getgrnam(text);
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && number < (gid_t)-1;
    if (named == NULL && !is_number)
        return -1;
    *group = named != NULL ? named->gr_gid : (gid_t)number;
    return 0;
}

int listen_read(const char *text, struct listen_address *address, struct fault *fault)
{
    const char *path = text + strlen(PREFIX);
    *address = (struct listen_address){.mode = LISTEN_MODE};
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0 || path[0] != '/')
        return fault_set(fault, "%s: takes unix:PATH[,MODE,GROUP], with a PATH that begins with /",
                         text);
    size_t length = strcspn(path, ",");
    if (length >= sizeof address->path)
        return fault_set(fault, "%s: the path of a socket has %zu bytes at most", text,
                         sizeof address->path - 1);
    memcpy(address->path, path, length);
    if (path[length] == '\0')
        return 0;
    const char *mode = path + length + 1;
    size_t mode_length = strcspn(mode, ",");
    if (read_mode(mode, mode_length, &address->mode) != 0)
        return fault_set(fault, "%s: the mode is an octal number up to 0777, such as 0660", text);
    if (mode[mode_length] == '\0')
        return 0;
    address->has_group = true;
    if (read_group(mode + mode_length + 1, &address->group) != 0)
        return fault_set(fault, "%s: there is no group '%s'", text, mode + mode_length + 1);
    return 0;
}

/* --- what is there already */

/* Whether PATH leads to nothing (0) or to a socket (1). */
static int find_socket(const char *path, struct fault *fault)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : fault_set_errno(fault, errno, "%s", path);
    return S_ISSOCK(status.st_mode)
               ? 1
               : fault_set(fault, "%s is there, and is no socket: name another path, or move it",
                           path);
}

static struct sockaddr_un name_of(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    return name;
}

/* Removes the socket at PATH if no process listens on it. */
static int remove_dead(const char *path, struct fault *fault)
{
    const struct sockaddr_un name = name_of(path);
    int found = find_socket(path, fault);
    if (found <= 0)
        return found;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot make a socket");
    int error = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    if (error == 0 || error == EAGAIN) /* EAGAIN: more wait for it than may */
        return fault_set(fault, "another process listens on %s: stop it, or name another path",
                         path);
    if (error != ECONNREFUSED)
        return fault_set_errno(fault, error, "cannot tell whether a process listens on %s", path);
    return unlink(path) == 0 ? 0 : fault_set_errno(fault, errno, "cannot remove the old %s", path);
}

/* Opens the folder of PATH with a lock; the lock ends when the descriptor is closed. */
static int lock_folder(const char *path, struct fault *fault)
{
    char copy[sizeof((struct sockaddr_un *)0)->sun_path];
    snprintf(copy, sizeof copy, "%s", path);
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "%s", folder);
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
        if (i == LOCK_TRIES || errno != EWOULDBLOCK) {
            fault_set_errno(fault, errno, "another process holds a lock of %s", folder);
            close(fd);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

/* --- the own one */

int listen_check(const struct listen_address *address, struct fault *fault)
{
    char copy[sizeof address->path];
    snprintf(copy, sizeof copy, "%s", address->path);
    if (find_socket(address->path, fault) < 0)
        return -1;
    const char *folder = dirname(copy);
    if (faccessat(AT_FDCWD, folder, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return fault_set_errno(fault, errno, "user %ld may not make a socket in %s",
                               (long)geteuid(), folder);
    gid_t groups[1024];
    int count = getgroups(1024, groups);
    bool is_member = !address->has_group || geteuid() == 0 || address->group == getegid();
    for (int i = 0; i < count; i++)
        is_member = is_member || groups[i] == address->group;
    return is_member ? 0
                     : fault_set(fault,
                                 "user %ld may not give %s to group %ld, to which it does not "
                                 "belong",
                                 (long)geteuid(), address->path, (long)address->group);
}

/* Binds a socket that only its owner could connect to, then sets group and mode. A connection is
 * refused before it listens. */
static int make(const struct listen_address *address, struct listen_socket *made,
                struct fault *fault)
{
    const struct sockaddr_un name = name_of(address->path);
    struct stat status;
    made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0177);
    int bound = made->fd < 0 ? -1 : bind(made->fd, (const struct sockaddr *)&name, sizeof name);
    int error = errno;
    umask(mask);
    if (bound != 0)
        return fault_set_errno(fault, error, "cannot make the socket %s", address->path);
    if (lstat(address->path, &status) != 0)
        return fault_set_errno(fault, errno, "%s", address->path);
    made->device = status.st_dev;
    made->inode = status.st_ino;
    if (address->has_group && chown(address->path, (uid_t)-1, address->group) != 0)
        return fault_set_errno(fault, errno, "cannot give %s to group %ld", address->path,
                               (long)address->group);
    if (chmod(address->path, address->mode) != 0 || listen(made->fd, SOMAXCONN) != 0)
        return fault_set_errno(fault, errno, "cannot listen on %s", address->path);
    return 0;
}

/* Removes the own file. The folder is locked. */
static void remove_own(struct listen_socket *made)
{
    struct stat status;
    if (made->inode != 0 && lstat(made->address.path, &status) == 0 &&
        status.st_dev == made->device && status.st_ino == made->inode)
        unlink(made->address.path);
    made->inode = 0;
}

int listen_open(const struct listen_address *address, struct listen_socket *made,
                struct fault *fault)
{
    *made = (struct listen_socket){.address = *address, .fd = -1};
    int folder = lock_folder(address->path, fault);
    if (folder < 0)
        return -1;
    int result = remove_dead(address->path, fault);
    if (result == 0)
        result = make(address, made, fault);
    if (result != 0) {
        remove_own(made);
        if (made->fd >= 0)
            close(made->fd);
        made->fd = -1;
    }
    close(folder);
    return result;
}

void listen_remove(struct listen_socket *made)
{
    if (made->inode == 0)
        return;
    int folder = lock_folder(made->address.path, NULL);
    remove_own(made);
    if (folder >= 0)
        close(folder);
}
