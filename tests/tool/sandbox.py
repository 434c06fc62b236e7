#!/usr/bin/env python3
"""Runs a program under the system call filter of a systemd service, without systemd.

Usage: sandbox.py UNIT [--user NAME] -- PROGRAM [ARGUMENT]...

Becomes PROGRAM, run by root as NAME, with what UNIT's SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute
leave of the system calls; the first other one kills it (SIGSYS), whatever SystemCallErrorNumber says.
The groups of calls are those that systemd-analyze knows.
"""

import argparse
import ctypes
import functools
import os
import pwd
import socket
import subprocess
import sys

ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
COMPARE_EQUAL, COMPARE_MASKED = 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
PR_SET_NO_NEW_PRIVS = 38
PROT_ARGUMENT = {"mmap": 2, "mprotect": 2, "pkey_mprotect": 2}


class Comparison(ctypes.Structure):
    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


@functools.cache
def group(name):
    """The calls of a group such as @file-system, with those of the groups in it."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    words = [line.strip() for line in text.splitlines()[1:]]
    return frozenset().union(*(expand(word) for word in words if word and word[0] != "#"))


def expand(word):
    return group(word) if word.startswith("@") else frozenset([word])


def read_unit(path):
    with open(path, encoding="utf-8") as unit:
        lines = [line.strip() for line in unit]
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and line[0] != "#"]


def allowed_calls(settings):
    allowed = set()
    for name, value in settings:
        if name != "SystemCallFilter":
            continue
        calls = frozenset().union(*(expand(word) for word in value.lstrip("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


def comparisons(call, settings):
    """Under which conditions CALL is allowed; one of them must hold, an empty one always does."""
    values = dict(settings)
    if call == "socket" and "RestrictAddressFamilies" in values:
        families = [getattr(socket, name) for name in values["RestrictAddressFamilies"].split()]
        return [[Comparison(0, COMPARE_EQUAL, family, 0)] for family in families]
    if call in PROT_ARGUMENT and values.get("MemoryDenyWriteExecute") == "yes":
        argument = PROT_ARGUMENT[call]
        if call != "mmap":
            return [[Comparison(argument, COMPARE_MASKED, PROT_EXEC, 0)]]
        both = PROT_WRITE | PROT_EXEC
        return [[Comparison(argument, COMPARE_MASKED, both, p)] for p in (0, PROT_WRITE, PROT_EXEC)]
    return [[]]


def load(settings):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]
    context = library.seccomp_init(ctypes.c_uint32(KILL_PROCESS))
    for call in sorted(allowed_calls(settings)):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            continue  # of another architecture
        for tests in comparisons(call, settings):
            array = (Comparison * max(1, len(tests)))(*tests)
            if library.seccomp_rule_add_array(context, ALLOW, number, len(tests), array) != 0:
                sys.exit(f"sandbox.py: {call} cannot be allowed")
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if library.seccomp_load(context) != 0:
        sys.exit("sandbox.py: the filter cannot be loaded")


def become(name):
    user = pwd.getpwnam(name)
    os.setgroups([user.pw_gid])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1])
    parser.add_argument("unit")
    parser.add_argument("--user")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    settings = read_unit(options.unit)
    allowed_calls(settings)  # asked for while programs may still be started
    if options.user and os.geteuid() == 0:
        become(options.user)
    load(settings)
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main()
