/* listen: the listening socket of --listen, which the receiver makes and removes itself. */
#ifndef RECEIVER_LISTEN_H
#define RECEIVER_LISTEN_H

#include "base/fault.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

/* Mode of a socket for which none is given. */
#define LISTEN_MODE 0660

/* What --listen asks for. */
struct listen_address {
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    mode_t mode;
    bool has_group;
    gid_t group;
};

/* A socket that was made, to be removed at the end. */
struct listen_socket {
    struct listen_address address;
    int fd; /* -1: none */
    dev_t device;
    ino_t inode; /* of the file that bind made */
};

/* Reads unix:PATH[,MODE[,GROUP]]. PATH is absolute, MODE octal, GROUP a name or a number. */
int listen_read(const char *text, struct listen_address *address, struct fault *fault);

/* Whether listen_open could make the socket. Writes nothing and connects to nothing: a receiver may
 * listen there. */
int listen_check(const struct listen_address *address, struct fault *fault);

/* Makes the socket. Replaces that of a dead process. Refuses a socket on which a process listens,
 * and a file that is no socket. Nobody can connect before its mode and group are set. */
int listen_open(const struct listen_address *address, struct listen_socket *socket,
                struct fault *fault);

/* Removes the file, if it is still the one that listen_open made. The socket stays open, for what
 * is connected. Does nothing if there is none. */
void listen_remove(struct listen_socket *socket);

#endif
