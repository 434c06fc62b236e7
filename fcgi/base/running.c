/* running: the receivers that run on a state folder. */
#include "config.h"

#include "base/running.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *folder, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/running.lock", folder);
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
}

int running_keep(int fd, const char *folder)
{
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_nlink > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    fd = open_file(folder, O_RDWR | O_CREAT);
    if (fd < 0)
        return -1;
    /* Fails if a receiver in another process name space has the same id. Its lock says the same. */
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)getpid(), .l_len = 1};
    fcntl(fd, F_OFD_SETLK, &lock);
    return fd;
}

int running_find(const char *folder, long pids[RUNNING_MAX])
{
    int fd = open_file(folder, O_RDONLY), count = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    for (off_t from = 0; count < RUNNING_MAX; from = pids[count++] + 1) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = from};
        if (fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
            break;
        pids[count] = (long)lock.l_start;
    }
    close(fd);
    return count;
}
