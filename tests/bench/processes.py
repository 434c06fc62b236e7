#!/usr/bin/env python3
"""What the processes of a session take: python3 processes.py SESSION prints a line of JSON.

cpuSeconds      user and system time so far, with that of children that have ended and were waited for
rssKb, pssKb    resident memory now; in PSS, what processes share is counted once
processes       how many there are
"""

import json
import os
import pathlib
import sys

TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat behind the name (proc(5)).
SESSION, UTIME, STIME, CUTIME, CSTIME = 3, 11, 12, 13, 14


def members(session):
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[SESSION]) == session:
            yield place, fields


def memory(place):
    sizes = {"Rss": 0, "Pss": 0}
    for line in (place / "smaps_rollup").read_text().splitlines():
        name, _, size = line.partition(":")
        if name in sizes:
            sizes[name] = int(size.split()[0])
    return sizes["Rss"], sizes["Pss"]


def main():
    found = {"cpuSeconds": 0.0, "rssKb": 0, "pssKb": 0, "processes": 0}
    for place, fields in members(int(sys.argv[1])):
        try:
            rss, pss = memory(place)
        except OSError:  # it has just ended
            continue
        ticks = sum(int(fields[field]) for field in (UTIME, STIME, CUTIME, CSTIME))
        found["cpuSeconds"] += ticks / TICKS
        found["rssKb"] += rss
        found["pssKb"] += pss
        found["processes"] += 1
    found["cpuSeconds"] = round(found["cpuSeconds"], 2)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
