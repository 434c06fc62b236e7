#!/usr/bin/env python3
"""How long a receiver takes to be ready: start_time.py RECEIVER STATE prints milliseconds.

From the fork to the start line of its log, behind which it takes requests.
"""

import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60


def main():
    receiver, state = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        began = time.monotonic()
        process = subprocess.Popen([receiver, "--state", state], stdin=listener, stdout=subprocess.PIPE)
        line = process.stdout.readline()
        took_ms = (time.monotonic() - began) * 1000
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        if b'"event":"start"' not in line or process.returncode != 0:
            sys.exit(f"{receiver} does not start: {line.decode()}")
        print(f"{took_ms:.1f}")


if __name__ == "__main__":
    main()
