#!/usr/bin/env python3
"""People with the status page open: each asks for the same paths again and again over HTTPS.

Usage: viewers.py URL --cacert FILE [--viewers N] [--pause SECONDS] PATH...

Every viewer keeps its connection and tells what it has (If-None-Match), as a browser does. Ends at a
line or the end of stdin; then prints, as a line of JSON, how often each status was answered, the
slowest answer in milliseconds, and what went wrong.
"""

import argparse
import collections
import http.client
import json
import ssl
import sys
import threading
import time
import urllib.parse


class Viewers:
    def __init__(self, options):
        self.options = options
        self.url = urllib.parse.urlsplit(options.url)
        self.tls = ssl.create_default_context(cafile=options.cacert)
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.slowest_ms = 0.0
        self.wrong = []

    def connect(self):
        return http.client.HTTPSConnection(
            self.url.hostname, self.url.port, timeout=15, context=self.tls
        )

    def ask(self, connection, path, tags):
        headers = {"If-None-Match": tags[path]} if path in tags else {}
        began = time.monotonic()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took_ms = (time.monotonic() - began) * 1000
        if answer.status == 200 and path.endswith(".json"):
            json.loads(body)
        if "ETag" in answer.headers:
            tags[path] = answer.headers["ETag"]
        with self.lock:
            self.answers[answer.status] += 1
            self.slowest_ms = max(self.slowest_ms, took_ms)

    def look(self, number):
        """One viewer; they do not all begin at the same moment."""
        connection, tags = self.connect(), {}
        self.stop.wait(self.options.pause * number / self.options.viewers)
        while not self.stop.is_set():
            for path in self.options.paths:
                try:
                    self.ask(connection, path, tags)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    with self.lock:
                        self.wrong.append(f"{path}: {error!r}")
                    connection.close()
                    connection = self.connect()
            self.stop.wait(self.options.pause)
        connection.close()

    def run(self):
        threads = [threading.Thread(target=self.look, args=(i,)) for i in range(self.options.viewers)]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.readline()
        self.stop.set()
        for thread in threads:
            thread.join()
        print(
            json.dumps(
                {
                    "answers": {str(status): n for status, n in sorted(self.answers.items())},
                    "slowestMs": round(self.slowest_ms, 1),
                    "wrong": self.wrong[:5],
                }
            )
        )
        return 1 if self.wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--cacert", required=True)
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2.0)
    return Viewers(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
