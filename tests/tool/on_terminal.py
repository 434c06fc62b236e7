#!/usr/bin/env python3
"""Runs a command on a terminal of its own and prints what it wrote there.

Usage: on_terminal.py COLUMNS COMMAND [WORD]...

The exit status is the command's.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

ROWS = 40


def main(columns, command):
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        os.execvp(command[0], command)
    while True:
        try:
            written = os.read(terminal, 65536)
        except OSError:  # the last process has closed its side
            break
        if not written:
            break
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
