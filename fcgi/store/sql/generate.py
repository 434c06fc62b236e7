#!/usr/bin/env python3
"""Turns a file of SQL into C.

Usage: generate.py text FILE NAME      > x.inc    one string, NAME: the file as it is
       generate.py statements FILE     > x.inc    X(name, "statement") for each statement

In a file of statements a line `-- name` or `-- name: what it is for` begins each, which ends with the line that
ends in a semicolon.
"""

import re
import sys

BEGINS = re.compile(r"-- ([a-z][a-z0-9_]*)(:.*)?$")


def c_string(line):
    return '"%s\\n"' % line.replace("\\", "\\\\").replace('"', '\\"')


def c_strings(lines):
    return "\n".join("    " + c_string(line) for line in lines)


def put_text(lines, name):
    print(f"static const char {name}[] =\n{c_strings(lines)};")


def put_statements(lines):
    name, statement = None, []
    for line in lines:
        begins = BEGINS.match(line)
        if begins and not statement:
            name = begins.group(1)
        elif name and (line or statement):
            statement.append(line)
            if line.endswith(";"):
                print(f"X({name},\n{c_strings(statement)})")
                name, statement = None, []
    if name:
        sys.exit(f"generate.py: {name}: no statement that ends with a semicolon")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("text", "statements"):
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        lines = file.read().splitlines()
    if sys.argv[1] == "text":
        put_text(lines, sys.argv[3])
    else:
        put_statements(lines)


if __name__ == "__main__":
    main()
