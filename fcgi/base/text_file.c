/* text_file: a small file of text that an operator wrote, read whole; also one with secrets. */
#include "config.h"

#include "base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads FD into the room that TEXT has, for no copy is to be left behind. Stops at MOST + 1. */
static int read_all(int fd, size_t most, struct buffer *text, struct fault *fault)
{
    ssize_t length = 1;
    buffer_reserve(text, most + 2);
    if (text->failed)
        return fault_set(fault, "out of memory");
    while (length > 0 && text->length <= most) {
        length = read(fd, text->bytes + text->length, most + 1 - text->length);
        if (length < 0)
            return fault_set_errno(fault, errno, "cannot read it");
        text->length += (size_t)length;
    }
    text->bytes[text->length] = '\0';
    if (text->length > most)
        return fault_set(fault, "longer than %zu bytes", most);
    return strlen(text->bytes) == text->length ? 0 : fault_set(fault, "has a NUL in it");
}

int text_file_read(const char *path, size_t most, bool secrets, struct buffer *text,
                   struct fault *fault)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), result;
    if (fd < 0 || fstat(fd, &status) != 0)
        result = fault_set_errno(fault, errno, "cannot open it");
    else if (secrets && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        result = fault_set(fault,
                           "its mode is %04o, so others can read or change it: chmod 0600 it, or "
                           "0640 and chown it to root and a group that may read it",
                           (unsigned)status.st_mode & 07777U);
    else
        result = read_all(fd, most, text, fault);
    if (fd >= 0)
        close(fd);
    return result == 0 ? 0 : fault_add(fault, "%s", path);
}

void text_file_wipe(struct buffer *text)
{
    if (text->bytes != NULL)
        explicit_bzero(text->bytes, text->capacity);
    buffer_release(text);
}
