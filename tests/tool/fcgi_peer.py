#!/usr/bin/env python3
"""A FastCGI client by hand, on a Unix socket, for what no web server sends.

Usage: fcgi_peer.py SOCKET post [OPTION]...         one request, its answer as a line of JSON, or --plain
       fcgi_peer.py SOCKET serve                    the same again and again, each --plain: stdin has the number
                                                    of OPTIONs and these, each ended by a NUL
       fcgi_peer.py SOCKET burst [OPTION]...        many requests at once
       fcgi_peer.py SOCKET keep [OPTION]...         many requests over kept connections
       fcgi_peer.py SOCKET hold ATTACK [OPTION]...  misbehaves until a line on stdin
       fcgi_peer.py SOCKET trial ATTACK [OPTION]... misbehaves, and posts good requests meanwhile
       fcgi_peer.py SOCKET fuzz [OPTION]...         sends mutated requests for a while
       fcgi_peer.py - list                          the attacks, a line each

An exit status of 0 says that every good request was answered 200 in time and every attack met the
answer it should; what was not so stands on stderr.
"""

import argparse
import json
import math
import os
import socket
import struct
import sys
import time

VERSION = 1
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN = (
    range(1, 12)
)
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONN = 1
REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)
RECORD_MAX = 65535
CALLBACK = "/v1.0.0/messageReceiver"
ANSWER_WAIT_S = 10.0 * int(os.environ.get("SLOWER", "1"))
# How soon a good request is answered. On a busy machine anything takes long.
GOOD_WITHIN_S = ANSWER_WAIT_S / 10 if os.environ.get("TEST_FULL") == "1" else ANSWER_WAIT_S


def record(kind, content=b"", request_id=1, padding=0, version=VERSION):
    header = struct.pack(">BBHHBx", version, kind, request_id, len(content), padding)
    return header + content + b"\0" * padding


def begin(role=RESPONDER, flags=0, request_id=1):
    return record(BEGIN, struct.pack(">HB5x", role, flags), request_id)


def stream(kind, content, request_id=1, chunk=RECORD_MAX, padding=0, end=True):
    """CONTENT cut into records of CHUNK bytes, and the empty record that ends it."""
    pieces = [content[at : at + chunk] for at in range(0, len(content), chunk)]
    records = [record(kind, piece, request_id, padding) for piece in pieces]
    return b"".join(records) + (record(kind, b"", request_id, padding) if end else b"")


def length_bytes(number):
    return struct.pack(">I", number | 1 << 31) if number > 127 else bytes([number])


def pairs(names):
    """The name-value block of a dictionary or a list of pairs."""
    block = bytearray()
    for name, value in names.items() if isinstance(names, dict) else names:
        name, value = name.encode(), value.encode()
        block += length_bytes(len(name)) + length_bytes(len(value)) + name + value
    return bytes(block)


def parameters(body, method="POST", path=CALLBACK, **more):
    """What nginx sends with a request; a value of None leaves the parameter out."""
    names = {
        "QUERY_STRING": "",
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SCRIPT_NAME": path,
        "REQUEST_URI": path,
        "DOCUMENT_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": "https",
        "HTTPS": "on",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "localhost",
    }
    names.update(more)
    return {name: value for name, value in names.items() if value is not None}


def request(body, keep=False, request_id=1, chunk=RECORD_MAX, padding=0, **names):
    """A whole, correct request."""
    return (
        begin(flags=KEEP_CONN if keep else 0, request_id=request_id)
        + stream(PARAMS, pairs(parameters(body, **names)), request_id, chunk, padding)
        + stream(STDIN, body, request_id, chunk, padding)
    )


serial = 0


def notification(device="good"):
    """A correct body that was not used before; DEVICE begins its deviceId."""
    global serial
    serial += 1
    mark = f"{os.getpid()}-{time.time_ns()}-{serial}"
    return json.dumps(
        {
            "notifyType": "swUpgradeResultNotify",
            "deviceId": f"{device}-{mark}",
            "appId": "fcgi_peer",
            "operationId": "operation",
            "subOperationId": mark,
            "curVersion": "1.5",
            "targetVersion": "1.5",
            "sourceVersion": "1.0",
            "swUpgradeResult": "SUCCESS",
            "upgradeTime": "60",
            "resultDesc": "",
            "errorCode": "",
            "description": "",
        }
    ).encode()


class Answer:
    """One request's answer, decoded; STATUS is 0 where none came."""

    def __init__(self):
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.app_status = None
        self.protocol_status = None
        self.others = []  # (type, request id, content) of records that belong to no answer
        self.closed = False

    def head(self):
        head, _, body = bytes(self.stdout).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        return {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}, body

    @property
    def whole(self):
        return self.app_status is not None

    @property
    def status(self):
        if not self.whole or not self.stdout:
            return 0
        headers, _ = self.head()
        return int(headers.get("status", "200").split()[0])

    @property
    def body(self):
        return self.head()[1].decode("utf-8", "replace")

    def describe(self):
        headers, _ = self.head()
        return {
            "status": self.status,
            "headers": headers if self.stdout else {},
            "body": self.body,
            "appStatus": self.app_status,
            "protocolStatus": self.protocol_status,
            "closed": self.closed,
            "others": [(kind, number, content.hex()) for kind, number, content in self.others],
        }


class Peer:
    """A connection. What it sends may be refused at any point: GONE then says so."""

    def __init__(self, path, timeout=ANSWER_WAIT_S):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.gone = False
        self.stopped = False
        self.buffer = bytearray()
        self.answers = {}
        try:
            self.socket.connect(path)
        except OSError:
            self.gone = True

    def send(self, data):
        if self.gone:
            return False
        try:
            self.socket.sendall(data)
        except OSError:
            self.gone = True
        return not self.gone

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.gone = True

    def close(self):
        self.stopped = True
        self.socket.close()

    def answer(self, request_id=1):
        return self.answers.setdefault(request_id, Answer())

    def take(self, kind, request_id, content):
        answer = self.answer(request_id if request_id else 1)
        if kind == STDOUT:
            answer.stdout += content
        elif kind == STDERR:
            answer.stderr += content
        elif kind == END and len(content) == 8:
            answer.app_status, answer.protocol_status = struct.unpack(">IB3x", content)
        else:
            answer.others.append((kind, request_id, content))

    def read_some(self):
        """Reads what comes next; False where the connection is at its end."""
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        self.buffer += data
        while len(self.buffer) >= 8:
            _, kind, request_id, length, padding = struct.unpack(">BBHHBx", self.buffer[:8])
            if len(self.buffer) < 8 + length + padding:
                break
            self.take(kind, request_id, bytes(self.buffer[8 : 8 + length]))
            del self.buffer[: 8 + length + padding]
        return bool(data)

    def read(self, request_id=1, wait=ANSWER_WAIT_S):
        """The answer to REQUEST_ID, as far as it comes within WAIT seconds."""
        end = time.monotonic() + wait
        answer = self.answer(request_id)
        while not answer.whole:
            left = end - time.monotonic()
            if left <= 0:
                break
            self.socket.settimeout(left)
            if not self.read_some():
                answer.closed = time.monotonic() < end
                break
        return answer

    def next(self, request_id=1):
        """Forgets the answer to REQUEST_ID, so that the next one can be read."""
        self.answers.pop(request_id, None)


def post(where, body, wait=ANSWER_WAIT_S, sent=None, **more):
    """One good request on a connection of its own: its answer and how many seconds it took."""
    start = time.monotonic()
    peer = Peer(where, wait)
    peer.send(request(body, **more))
    if sent:
        sent()
    answer = peer.read(wait=wait)
    peer.close()
    return answer, time.monotonic() - start


def read_bodies(options):
    """The bodies of the files named, or as many new notifications as there are peers."""
    if not options.body:
        return [notification("burst") for _ in range(options.peers)]
    bodies = []
    for name in options.body:
        with sys.stdin.buffer if name == "-" else open(name, "rb") as source:
            bodies.append(source.read())
    return bodies


def run_post(options):
    body = read_bodies(options)[0]
    names = {}
    for word in options.param:
        name, is_set, value = word.partition("=")
        names[name] = value if is_set else None
    answer, seconds = post(
        options.socket, body, options.wait, method=options.method, path=options.path, **names
    )
    if options.plain:
        retry = answer.head()[0].get("retry-after", "")
        print(f"{answer.status} {math.ceil(seconds * 1000)} {retry}\n{answer.body}\0", end="")
    else:
        print(json.dumps(dict(answer.describe(), ms=round(seconds * 1000, 1))))
    return 0 if answer.whole else 1


def run_burst(options):
    """A request on each of N connections at the same time; the bodies named in turn. The file --sent
    is there once all are sent."""
    bodies = read_bodies(options)
    import concurrent.futures
    import threading

    left = threading.Semaphore(options.peers - 1)

    def sent():
        if options.sent and not left.acquire(blocking=False):
            open(options.sent, "w").close()

    jobs = [bodies[i % len(bodies)] for i in range(options.peers)]
    with concurrent.futures.ThreadPoolExecutor(options.peers) as pool:
        answers = list(pool.map(lambda body: post(options.socket, body, options.wait, sent), jobs))
    report = {"answers": {}, "results": {}, "seqs": [], "retryAfter": 0}
    for answer, _ in answers:
        report["answers"][answer.status] = report["answers"].get(answer.status, 0) + 1
        report["retryAfter"] += "retry-after" in answer.head()[0]
        if answer.status == 200:
            said = json.loads(answer.body)
            report["results"][said["result"]] = report["results"].get(said["result"], 0) + 1
            report["seqs"].append(said.get("seq"))
    report["seqs"].sort(key=str)
    report["ms"] = sorted(round(seconds * 1000, 1) for _, seconds in answers)
    print(json.dumps(report))
    return 0 if all(answer.whole for answer, _ in answers) else 1


def run_keep(options):
    """Uses N kept connections in rounds, --pause seconds apart; with --idle they then stay open
    until a line comes on stdin."""
    peers = [Peer(options.socket) for _ in range(options.peers)]
    slowest, wrong = 0.0, 0
    for turn in range(options.requests):
        time.sleep(options.pause if turn > 0 else 0)
        for peer in peers:
            start = time.monotonic()
            peer.next()
            peer.send(request(notification("kept"), keep=True))
            wrong += peer.read().status != 200
            slowest = max(slowest, time.monotonic() - start)
    report = {"answers": options.peers * options.requests, "wrong": wrong}
    print(json.dumps(dict(report, slowestMs=round(slowest * 1000, 1))), flush=True)
    if options.idle:
        sys.stdin.readline()
    for peer in peers:
        peer.close()
    return 1 if wrong or slowest > options.within else 0


def run_serve(options):
    """What cannot be answered gets an empty line, and its reason stands on stderr."""
    def text():
        read = b""
        while not read.endswith(b"\0"):
            byte = sys.stdin.buffer.read1(1)
            if not byte:
                sys.exit(0)
            read += byte
        return os.fsdecode(read[:-1])

    while True:
        words = [text() for _ in range(int(text()))]
        try:
            run_post(parse([options.socket, "post", "--plain", *words]))
        except (Exception, SystemExit) as error:
            print(repr(error), file=sys.stderr)
            print("\n\0", end="")
        sys.stdout.flush()


COMMANDS = {"post": run_post, "burst": run_burst, "keep": run_keep, "serve": run_serve}


def parse(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1])
    parser.add_argument("socket")
    parser.add_argument("command", choices=[*COMMANDS, "hold", "trial", "fuzz", "list"])
    parser.add_argument("attack", nargs="?")
    parser.add_argument("--body", action="append", help="file, or - for stdin (a notification)")
    parser.add_argument("--plain", action="store_true", help="status, milliseconds, Retry-After; body")
    parser.add_argument("--method", default="POST")
    parser.add_argument("--path", default=CALLBACK)
    parser.add_argument("--param", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("--wait", type=float, default=ANSWER_WAIT_S, help="for an answer, seconds")
    parser.add_argument("--peers", type=int, default=1, help="connections")
    parser.add_argument("--sent", metavar="FILE", help="made when the whole burst is sent")
    parser.add_argument("--requests", type=int, default=1, help="on each kept connection")
    parser.add_argument("--pause", type=float, default=0, help="between rounds, seconds")
    parser.add_argument("--idle", action="store_true", help="leave kept connections open")
    parser.add_argument("--goods", type=int, default=3, help="good requests during a trial")
    parser.add_argument("--within", type=float, default=GOOD_WITHIN_S, help="for a good answer, seconds")
    parser.add_argument("--seconds", type=float, default=10.0, help="of fuzzing")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    if options.command in COMMANDS:
        return COMMANDS[options.command](options)
    import fcgi_attacks

    return fcgi_attacks.run(options)


if __name__ == "__main__":
    sys.modules["fcgi_peer"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
