#!/usr/bin/env python3
"""Peers that misbehave over HTTPS, many at once, while good requests are answered.

Usage: https_attacks.py PORT CERTIFICATE ATTACK[,ATTACK...] --peers N [--goods N] [--within SECONDS] [--wait SECONDS]
       https_attacks.py PORT CERTIFICATE ATTACK --peers N --stay [--source ADDRESS]

Each peer makes its connection and sends what ATTACK says; those that dribble send a byte each 50 ms.
With --stay they send one each second, and one whose connection is closed comes again after five, until
SIGTERM; "here" is printed when each of them has come once.
Meanwhile good notifications are posted, which must be answered 200 within SECONDS. Then each peer is
read to its end: the statuses that came (0: none) are printed as a line of JSON, with the time that the
slowest good request took. Fails where a status is not among those of the table below.
"""

import argparse
import collections
import json
import re
import socket
import ssl
import sys
import threading
import time

import fcgi_peer

PATH = "/v1.0.0/messageReceiver"
# What the peers of an attack dribble behind what they sent at first.
SLOW = b"x" * 100000


def head(*more, method="POST", path=PATH, length=None, host="localhost"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join([*lines, *more]) + "\r\n\r\n").encode()


def half(text):
    return text[: len(text) // 2]


# name: what is sent at first, what is dribbled, and the statuses that may come: none at all (0) where
# the connection is ended without one, or the peers have left before.
ATTACKS = {
    "silent": (lambda body: b"", b"", {0}),
    "slow-headers": (lambda body: half(head(length=len(body))), SLOW, {0, 400, 408}),
    "slow-body": (lambda body: head(length=5000) + half(body), SLOW, {0, 400, 408}),
    "half-body": (lambda body: head(length=len(body)) + half(body), b"", {0, 400, 408}),
    "slow-chunks": (
        lambda body: head("Transfer-Encoding: chunked") + b"400\r\n", SLOW, {0, 400, 408}),
    "bad-chunks": (lambda body: head("Transfer-Encoding: chunked") + b"zz\r\n" + body, b"", {400}),
    "half-chunks": (
        lambda body: head("Transfer-Encoding: chunked") + b"%x\r\n" % len(body) + half(body), b"", {0, 400, 408}),
    "length-and-chunks": (
        lambda body: head("Transfer-Encoding: chunked", length=3) + b"0\r\n\r\n" + body, b"", {0, 400}),
    "two-lengths": (lambda body: head("Content-Length: 5", length=len(body)) + body, b"", {400}),
    "negative-length": (lambda body: head(length=-1) + body, b"", {400}),
    "huge-length": (lambda body: head(length=1 << 62) + body, b"", {413}),
    "large-body": (lambda body: head(length=2 << 20) + b"x" * (1 << 16), b"", {413}),
    "huge-header": (lambda body: head("X: " + "x" * 200000, length=len(body)) + body, b"", {0, 400}),
    "many-headers": (
        lambda body: head(*[f"X-{i}: {i}" for i in range(20000)], length=len(body)) + body, b"", {0, 400}),
    "huge-uri": (lambda body: head(path=PATH + "?" + "x" * 100000), b"", {0, 400, 414}),
    "odd-method": (lambda body: head(method="x" * 50, length=len(body)) + body, b"", {400, 405}),
    "no-host": (lambda body: head(length=len(body)).replace(b"Host: localhost\r\n", b"") + body, b"", {400}),
    "nul-in-header": (lambda body: head("X: a\0b", length=len(body)) + body, b"", {400}),
    "noise": (lambda body: bytes(range(256)) * 8, b"", {0, 400}),
    "other-host": (lambda body: head(length=len(body), host="elsewhere") + body, b"", {200}),
    "pipelined": (lambda body: (head(length=len(body)) + body) * 2, b"", {200}),
}
# Those that do not get as far as HTTPS.
PLAIN = {
    "no-handshake": (lambda body: b"", b"", {0}),
    "half-handshake": (lambda body: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 20, b"", {0}),
    "plain-http": (lambda body: head(length=len(body)) + body, b"", {400}),
    "plain-noise": (lambda body: bytes(range(256)) * 8, b"", {0, 400}),
}


class Peer:
    def __init__(self, port, context, first, source="127.0.0.1"):
        self.status = 0
        self.gone = False
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        try:
            if context is not None:
                self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            self.socket.settimeout(0.5)
            self.socket.sendall(first)
        except (OSError, ssl.SSLError):
            self.gone = True

    def dribble(self, byte):
        try:
            self.socket.send(byte)
        except (OSError, ssl.SSLError):
            self.gone = True

    def read(self, wait):
        """The status of its answer, as far as one comes."""
        try:
            self.socket.settimeout(wait)
            answer = self.socket.recv(4096)
            found = re.match(rb"HTTP/1.[01] (\d+)", answer)
            self.status = int(found[1]) if found else 0
        except (OSError, ssl.SSLError):
            pass
        self.socket.close()
        return self.status


def post_good(port, context, within):
    start = time.monotonic()
    body = fcgi_peer.notification("good")
    peer = Peer(port, context, head("Connection: close", length=len(body)) + body)
    status = peer.read(within + 5)
    took = time.monotonic() - start
    if status != 200 or took > within:
        sys.exit(f"a good request was answered {status} after {took:.2f} s")
    return took


def stay(count, come):
    """COUNT peers that send a byte each second, and come again after they were sent away."""
    def one():
        peer = come()
        arrived.release()
        while True:
            time.sleep(1)
            peer.dribble(b"x")
            if peer.gone:
                peer.socket.close()
                time.sleep(5)
                peer = come()

    arrived = threading.Semaphore(0)
    threading.stack_size(256 << 10)
    for _ in range(count):
        threading.Thread(target=one, daemon=True).start()
    for _ in range(count):
        arrived.acquire()
    print("here", flush=True)
    threading.Event().wait()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1])
    parser.add_argument("port", type=int)
    parser.add_argument("certificate")
    parser.add_argument("attacks", help="NAME[,NAME...]")
    parser.add_argument("--peers", type=int, default=50)
    parser.add_argument("--goods", type=int, default=3)
    parser.add_argument("--within", type=float, default=2 * fcgi_peer.GOOD_WITHIN_S)
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--source", default="127.0.0.1", help="where the peers come from")
    parser.add_argument("--wait", type=float, default=0.3, help="for an answer, at the end")
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.certificate)
    for name in options.attacks.split(","):
        attack(name, context, options)


def attack(name, context, options):
    make, slow, expected = (ATTACKS | PLAIN)[name]
    theirs = context if name in ATTACKS else None

    def come():
        return Peer(options.port, theirs, make(fcgi_peer.notification("bad")), options.source)

    if options.stay:
        stay(options.peers, come)
    peers = [come() for _ in range(options.peers)]
    ended = threading.Event()

    def dribble():
        for i in range(len(slow)):
            for peer in peers:
                peer.dribble(slow[i : i + 1])
            if ended.wait(0.05):
                return

    thread = threading.Thread(target=dribble)
    thread.start()
    slowest = max(post_good(options.port, context, options.within) for _ in range(options.goods))
    ended.set()
    thread.join()
    statuses = collections.Counter()
    for number, peer in enumerate(peers):
        # Who may get nothing is not waited for twice.
        statuses[peer.read(options.wait if number == 0 or 0 not in expected else 0.005)] += 1
    print(json.dumps({"attack": name, "statuses": statuses, "slowestGoodMs": round(slowest * 1000)}))
    if set(statuses) - expected:
        sys.exit(f"{name}: {dict(statuses)}, not {expected}")


if __name__ == "__main__":
    main()
