/* status_file: replaces the status file as a whole. */
#include "config.h"

#include "view/status_file.h"

#include "base/fault_point.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TEMPORARY "status.json.tmp"

static int write_file(int folder, const char *name, const struct buffer *text, struct fault *fault)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot make %s", name);
    int result = buffer_write(text, fd) == 0
                     ? 0
                     : fault_set_errno(fault, errno, "cannot write %s", name);
    if (result == 0 && fsync(fd) != 0)
        result = fault_set_errno(fault, errno, "cannot sync %s", name);
    close(fd);
    return result;
}

/* Call it with the lock on the folder held. It overwrites the temporary file of a killed
 * process. */
static int replace(int folder, const struct buffer *text, struct fault *fault)
{
    int result = write_file(folder, TEMPORARY, text, fault);
    FAULT_POINT(status_written);
    if (result == 0 && renameat(folder, TEMPORARY, folder, "status.json") != 0)
        result = fault_set_errno(fault, errno, "cannot rename %s", TEMPORARY);
    if (result != 0) {
        unlinkat(folder, TEMPORARY, 0);
        return -1;
    }
    FAULT_POINT(status_renamed);
    return fsync(folder) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync its folder");
}

int status_replace(const char *folder, const struct buffer *text, struct fault *fault)
{
    if (text->failed)
        return fault_set(fault, "status.json: out of memory");
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fault_set_errno(fault, errno, "cannot open %s", folder);
    int lock = store_lock_file(folder, "status.lock", fault);
    if (lock < 0) {
        close(directory);
        return -1;
    }
    int result = flock(lock, LOCK_EX | LOCK_NB);
    if (result == 0)
        result = replace(directory, text, fault);
    else if (errno == EWOULDBLOCK)
        result = 1;
    else
        fault_set_errno(fault, errno, "cannot lock %s/status.lock", folder);
    close(lock);
    close(directory);
    return result;
}
