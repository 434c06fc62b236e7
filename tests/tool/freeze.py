#!/usr/bin/env python3
"""Stops some threads of a process, as a bug or a broken disk would, until a line comes on stdin.

Usage: freeze.py PID NAME...

Stops the threads of PID that have one of the NAMEs (by ptrace: the others go on), and prints how many.
"""

import ctypes
import os
import pathlib
import sys

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
__WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {thread}")


def main(pid, *names):
    threads = [
        int(task.name)
        for task in pathlib.Path("/proc", pid, "task").iterdir()
        if (task / "comm").read_text().strip() in names
    ]
    for thread in threads:
        ptrace(PTRACE_SEIZE, thread)
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, __WALL)
    print(len(threads), flush=True)
    sys.stdin.readline()
    for thread in threads:
        ptrace(PTRACE_DETACH, thread)


if __name__ == "__main__":
    main(*sys.argv[1:])
