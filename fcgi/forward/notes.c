/* notes: the small files of a forwarder in the state folder, named after its cursor. */
#include "config.h"

#include "forward/notes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int name_file(const struct settings *settings, const char *what, const char *end,
                     char path[PATH_MAX], struct fault *fault)
{
    int length = snprintf(path, PATH_MAX, "%s/%s.%s%s", settings->state, settings->cursor, what,
                          end);
    return length > 0 && length < PATH_MAX
               ? 0
               : fault_set(fault, "%s: the path is too long", settings->state);
}

bool notes_exist(const struct settings *settings, const char *what)
{
    char path[PATH_MAX];
    return name_file(settings, what, "", path, NULL) == 0 && access(path, F_OK) == 0;
}

int notes_write(const struct settings *settings, const char *what, const struct buffer *text,
                struct fault *fault)
{
    char path[PATH_MAX], made[PATH_MAX];
    if (name_file(settings, what, "", path, fault) != 0 ||
        name_file(settings, what, ".tmp", made, fault) != 0)
        return -1;
    if (text->failed)
        return fault_set(fault, "%s: out of memory", path);
    int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    int error = fd < 0 ? errno : buffer_write(text, fd) != 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (error == 0 && rename(made, path) != 0)
        error = errno;
    return error == 0 ? 0 : fault_set_errno(fault, error, "cannot write %s", path);
}

int notes_read(const struct settings *settings, const char *what, struct buffer *text,
               struct fault *fault)
{
    char path[PATH_MAX], bytes[4096];
    if (name_file(settings, what, "", path, fault) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : fault_set_errno(fault, errno, "cannot open %s", path);
    ssize_t length;
    while ((length = read(fd, bytes, sizeof bytes)) > 0 && text->length < NOTES_BYTES_MAX)
        buffer_add(text, bytes, (size_t)length);
    int error = length < 0 ? errno : 0;
    close(fd);
    buffer_add(text, "", 1);
    if (error == 0 && text->failed)
        error = ENOMEM;
    return error == 0 ? 0 : fault_set_errno(fault, error, "cannot read %s", path);
}

int notes_remove(const struct settings *settings, const char *what, struct fault *fault)
{
    char path[PATH_MAX];
    if (name_file(settings, what, "", path, fault) != 0)
        return -1;
    return unlink(path) == 0 || errno == ENOENT
               ? 0
               : fault_set_errno(fault, errno, "cannot remove %s", path);
}
