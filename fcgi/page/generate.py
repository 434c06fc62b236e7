#!/usr/bin/env python3
"""Turns the files of the status page into the C table that fcgi/receiver/page.c serves them from.

Usage: generate.py FOLDER > page_table.inc

Every file in FOLDER whose name ends in one of the suffixes below is embedded; index.html is served
at the folder's own path. A file with another ending ends the build, unless it is this program: it
would silently be missing from the page.
"""

import os
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
INDEX = "index.html"
LINE = 96  # bytes of a file in one line of the table


class Unsupported(Exception):
    """A file cannot be served as it is."""


def c_string(data):
    """A C string literal; octal escapes, which no following digit can lengthen past three."""
    return '"%s"' % "".join(
        chr(b) if 0x20 <= b < 0x7F and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data
    )


def files(folder):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith((".", "__")) or name == os.path.basename(__file__) or os.path.isdir(path):
            continue
        suffix = os.path.splitext(name)[1]
        if suffix not in TYPES:
            raise Unsupported(f"{path}: no Content-Type is known for {suffix or 'a name without an ending'}")
        if any(not (c.isascii() and (c.isalnum() or c in "-_.")) for c in name):
            raise Unsupported(f"{path}: the name has other characters than letters, digits, -, _ and .")
        with open(path, "rb") as file:
            yield name, TYPES[suffix], file.read()


def generate(folder):
    rows = []
    print("/* Made by fcgi/page/generate.py from the files beside it. */")
    for number, (name, content_type, data) in enumerate(files(folder), 1):
        print(f"static const char file_{number}[] =")
        lines = [data[at : at + LINE] for at in range(0, len(data), LINE)] or [b""]
        print("\n".join("    " + c_string(line) for line in lines) + ";")
        served = "" if name == INDEX else name
        rows.append(f'    {{"{served}", "{content_type}", file_{number}, {len(data)}}},')
    if not any(row.startswith('    {""') for row in rows):
        raise Unsupported(f"{folder}: no {INDEX} there")
    print("static const struct page_file table[] = {")
    print("\n".join(rows))
    print("};")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py FOLDER > page_table.inc")
    try:
        generate(sys.argv[1])
    except (Unsupported, OSError) as problem:
        sys.exit(f"generate.py: {problem}")


if __name__ == "__main__":
    main()
