/* notify: reports to a supervisor, by the protocol of systemd: datagrams of NAME=VALUE lines to the
 * socket that $NOTIFY_SOCKET names (sd_notify(3), "Notes"). It is a page of code; libsystemd would
 * add half a dozen libraries. */
#ifndef RECEIVER_NOTIFY_H
#define RECEIVER_NOTIFY_H

#include "base/fault.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd;              /* -1: no supervisor wants reports */
    int64_t watchdog_ms; /* a process that is silent for so long is ended; 0: it is not */
    struct sockaddr_un address;
    socklen_t address_length;
};

/* Reads the environment: NOTIFY_SOCKET, and WATCHDOG_USEC unless WATCHDOG_PID is another process's.
 * Without NOTIFY_SOCKET, notify_tell does nothing. */
int notify_open(struct notify *notify, struct fault *fault);
void notify_close(struct notify *notify);

/* Sends LINES, such as "READY=1\nSTATUS=receiving", and never waits. */
int notify_tell(const struct notify *notify, const char *lines, struct fault *fault);

#endif
