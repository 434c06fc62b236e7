#!/usr/bin/env python3
"""Holds a listening Unix socket while the program behind it comes and goes.

Usage: hold.py SOCKET PIDFILE [--restart] -- PROGRAM [ARGUMENT]...

Runs PROGRAM with the socket as file descriptor 0; stdout and stderr are passed on. The socket stays
open for as long as the holder lives, so connections wait rather than being refused while there is no
program.

PIDFILE       holds the program's process id while it runs, and is absent while it does not.
PIDFILE.exit  holds the exit status of the last program that ended: 128 + N after signal N.
--restart     starts the program again whenever it ends.
SIGUSR1       starts the program where none runs.
SIGTERM       passed to the program; the holder then ends with the program's status. A program that
              has not ended after STOP_WAIT_S is killed, which makes that status 137.

If the holder dies, the kernel kills the program: a broken test leaves nothing behind.
"""

# signal, socket and subprocess would take longer to read than all that is done here.
import _signal as signal
import _socket as socket
import ctypes
import os
import sys
import time

BACKLOG = 4096
STOP_WAIT_S = 10 * int(os.environ.get("SLOWER", "1"))
# A program that ends by itself this soon is not started again at once, or it would eat a processor.
TOO_SOON_S = 0.2
PR_SET_PDEATHSIG = 1
AWAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}

libc = ctypes.CDLL(None, use_errno=True)

# The tests' own, which a receiver would take for an option with a slip in its name.
for own in ("UPGRADE_RECEIVER_BIN", "UPGRADE_RECEIVER_TEST_FULL"):
    os.environ.pop(own, None)


def listen(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    # Web servers of other users must get in; the folder around the socket keeps strangers out.
    os.chmod(path, 0o666)
    listening.listen(BACKLOG)
    return listening


def write_whole(path, text):
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(text)
    os.rename(path + ".new", path)


class Holder:
    def __init__(self, listening, pidfile, arguments):
        self.listening = listening
        self.pidfile = pidfile
        self.arguments = arguments
        self.child = None  # its process id
        self.started = 0.0
        self.status = 0

    def become_child(self):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # What Python ignores.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.dup2(self.listening.fileno(), 0)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execvp(self.arguments[0], self.arguments)

    def start(self):
        self.child = os.fork()
        if self.child == 0:
            try:
                self.become_child()
            except OSError as error:
                print(f"hold.py: {self.arguments[0]}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(127)
        self.started = time.monotonic()
        write_whole(self.pidfile, f"{self.child}\n")

    def reap(self, how=os.WNOHANG):
        """Whether the program has just ended."""
        if self.child is None:
            return False
        pid, status = os.waitpid(self.child, how)
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self.status = code if code >= 0 else 128 - code
        write_whole(self.pidfile + ".exit", f"{self.status}\n")
        try:
            os.unlink(self.pidfile)
        except FileNotFoundError:
            pass
        self.child = None
        return True

    def ended_too_soon(self):
        return self.status < 128 and time.monotonic() - self.started < TOO_SOON_S

    def stop(self):
        if self.child is not None:
            os.kill(self.child, signal.SIGTERM)
            end = time.monotonic() + STOP_WAIT_S
            while not self.reap():
                left = end - time.monotonic()
                if left <= 0 or signal.sigtimedwait({signal.SIGCHLD}, left) is None:
                    print(f"hold.py: no end within {STOP_WAIT_S} s of SIGTERM", file=sys.stderr)
                    os.kill(self.child, signal.SIGKILL)
                    self.reap(0)
                    break
        return self.status

    def run(self, restart):
        self.start()
        while True:
            came = signal.sigwait(AWAITED)
            if came in (signal.SIGTERM, signal.SIGINT):
                return self.stop()
            ended = self.reap()
            if ended and restart:
                if self.ended_too_soon() and signal.sigtimedwait(
                    {signal.SIGTERM, signal.SIGINT}, TOO_SOON_S
                ):
                    return self.stop()
                self.start()
            elif came == signal.SIGUSR1 and self.child is None:
                self.start()


def main(arguments):
    if "--" not in arguments:
        sys.exit(__doc__)
    split = arguments.index("--")
    own, program = arguments[:split], arguments[split + 1 :]
    restart = "--restart" in own
    names = [word for word in own if word != "--restart"]
    if len(names) != 2 or not program:
        sys.exit(__doc__)
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)
    path, pidfile = names
    holder = Holder(listen(path), pidfile, program)
    try:
        return holder.run(restart)
    finally:
        os.unlink(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
