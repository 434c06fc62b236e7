#!/usr/bin/env python3
"""Stands for the supervisor that a program tells how it is (sd_notify).

Usage: notified.py SOCKET FILE

Binds the datagram socket SOCKET and appends each line of what comes to FILE, with the seconds of the
monotonic clock before it, until it is killed.
"""

import os
import socket
import sys
import time


def main(path, file):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(path)
    os.chmod(path, 0o666)
    with open(file, "a", encoding="utf-8", buffering=1) as out:
        while True:
            for line in told.recv(65536).decode().split("\n"):
                out.write(f"{time.monotonic():.3f} {line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
