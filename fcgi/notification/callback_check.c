/* callback_check: a body that asks whether a callback URL leads to the receiver of a state folder.
 */
#include "config.h"

#include "notification/callback_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEFORE "{\"upgradeReceiverCheck\":\""
#define AFTER "\"}"
#define NONCE_BYTES 24
#define NONCE_DIGITS ((size_t)2 * NONCE_BYTES)
#define BODY_LENGTH (sizeof BEFORE - 1 + NONCE_DIGITS + sizeof AFTER - 1)

_Static_assert(BODY_LENGTH < CALLBACK_CHECK_SIZE, "the body must fit");

static bool find_file(const char *folder, char *path, size_t size)
{
    return (size_t)snprintf(path, size, "%s/" CALLBACK_CHECK_FILE, folder) < size;
}

int callback_check_begin(const char *folder, char body[CALLBACK_CHECK_SIZE], struct fault *fault)
{
    unsigned char random[NONCE_BYTES];
    char nonce[NONCE_DIGITS + 1], path[4096];
    if (!find_file(folder, path, sizeof path))
        return fault_set(fault, "%s: the path is too long", folder);
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(nonce, sizeof nonce, random, sizeof random);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot make %s", path);
    bool written = write(fd, nonce, NONCE_DIGITS) == (ssize_t)NONCE_DIGITS;
    close(fd);
    if (!written) {
        unlink(path);
        return fault_set(fault, "cannot write %s", path);
    }
    snprintf(body, CALLBACK_CHECK_SIZE, BEFORE "%s" AFTER, nonce);
    return 0;
}

void callback_check_end(const char *folder)
{
    char path[4096];
    if (find_file(folder, path, sizeof path))
        unlink(path);
}

/* Reads the nonce of FOLDER, if there is one that still counts. */
static bool read_nonce(const char *folder, char nonce[NONCE_DIGITS])
{
    char path[4096];
    struct stat status;
    if (!find_file(folder, path, sizeof path))
        return false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &status) == 0 && status.st_size == (off_t)NONCE_DIGITS &&
                time(NULL) - status.st_mtime <= CALLBACK_CHECK_S &&
                status.st_mtime - time(NULL) <= CALLBACK_CHECK_S &&
                read(fd, nonce, NONCE_DIGITS) == (ssize_t)NONCE_DIGITS;
    close(fd);
    return good;
}

bool callback_check_is(const char *folder, const char *body, size_t length)
{
    char nonce[NONCE_DIGITS];
    return length == BODY_LENGTH && memcmp(body, BEFORE, sizeof BEFORE - 1) == 0 &&
           memcmp(body + length - (sizeof AFTER - 1), AFTER, sizeof AFTER - 1) == 0 &&
           read_nonce(folder, nonce) &&
           sodium_memcmp(body + sizeof BEFORE - 1, nonce, NONCE_DIGITS) == 0;
}
