/* notify: reports to a supervisor, by the protocol of systemd. */
#include "config.h"

#include "receiver/notify.h"

#include "base/units.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A path, or after an @ a name in the kernel's own (abstract) name space. */
static int read_address(struct notify *notify, const char *name, struct fault *fault)
{
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 ||
        length >= sizeof notify->address.sun_path)
        return fault_set(fault, "NOTIFY_SOCKET: not the name of a socket");
    notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->address.sun_path, name, length);
    if (name[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

/* The positive number in the variable NAME; 0 if it is not set or is no such number. */
static int64_t read_number(const char *name)
{
    const char *value = getenv(name);
    int64_t number;
    return value != NULL && units_digits(value, &number) ? number : 0;
}

int notify_open(struct notify *notify, struct fault *fault)
{
    *notify = (struct notify){.fd = -1};
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL || name[0] == '\0')
        return 0;
    if (read_address(notify, name, fault) != 0)
        return -1;
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0)
        return fault_set_errno(fault, errno, "NOTIFY_SOCKET: cannot make a socket");
    int64_t watched_pid = read_number("WATCHDOG_PID");
    if (watched_pid == 0 || watched_pid == getpid())
        notify->watchdog_ms = read_number("WATCHDOG_USEC") / 1000;
    return 0;
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

int notify_tell(const struct notify *notify, const char *lines, struct fault *fault)
{
    if (notify->fd < 0)
        return 0;
    if (sendto(notify->fd, lines, strlen(lines), MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&notify->address, notify->address_length) < 0)
        return fault_set_errno(fault, errno, "NOTIFY_SOCKET: cannot tell the supervisor");
    return 0;
}
