#!/usr/bin/env python3
"""A webhook's other side: takes what upgrade-forward sends, checks each signature, and fails as it is told.

Usage: webhook.py PORT_FILE RECORD [--certificate FILE --key FILE] [--secret FILE] [--fail LIST] [--every N]

Listens on a free port of 127.0.0.1, which it writes to PORT_FILE. RECORD gets a line of JSON for each request: number,
id, seq, type, the connection's number, status (what it was answered), signed (whether a signature is right), and with
--whole also headers and body as they came.

LIST is what becomes of the first requests, and then of every Nth (--every; the last word of LIST again and again):
  ok         200
  NUMBER     that status, such as 503
  NUMBER:S   that status, and Retry-After: S
  NUMBER@S   the same with the date in S seconds
  close      the connection ends without an answer
  hang       no answer until the other side goes away
  redirect   302 to /elsewhere, where 200 is the answer
  long       200 with an endless body

The file RECORD.fail, if it is there, replaces LIST: its words count for the next requests, and it is removed.
"""

import argparse
import base64
import email.utils
import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import sys
import time


class Other(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    number = connections = 0

    def setup(self):
        super().setup()
        Other.connections += 1
        self.connection_number = Other.connections

    def log_message(self, *_):
        pass

    def is_signed(self, body):
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        for secret in options.secrets:
            key = base64.b64decode(secret[len("whsec_"):])
            right = "v1," + base64.b64encode(hmac.new(key, head + body, hashlib.sha256).digest()).decode()
            if right not in self.headers["webhook-signature"].split(" "):
                return False
        return abs(time.time() - int(self.headers["webhook-timestamp"])) < 300

    def note(self, body, status):
        said = json.loads(body)
        line = {
            "number": Other.number, "id": self.headers["webhook-id"], "seq": said["data"].get("seq"), "type": said["type"],
            "connection": self.connection_number, "status": status, "signed": self.is_signed(body), "path": self.path,
        }
        if options.whole:
            line |= {"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body.decode()}
        record.write(json.dumps(line) + "\n")
        record.flush()

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Other.number += 1
        what = next_fate()
        if what == "ok":
            what = "200"
        self.note(body, int(what) if what.isdigit() else what)
        if what == "redirect":
            return self.answer(302, [("Location", "/elsewhere")])
        if what == "close":
            self.close_connection = True
            return self.connection.close()
        if what == "hang":
            self.close_connection = True
            return self.connection.recv(1)
        if what == "long":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        status, _, after = what.replace("@", ":").partition(":")
        if after and "@" in what:
            after = email.utils.formatdate(time.time() + int(after), usegmt=True)
        return self.answer(int(status), [("Retry-After", after)] if after else [])


def next_fate():
    told = options.record + ".fail"
    if os.path.exists(told):
        with open(told, encoding="utf-8") as file:
            options.fates = file.read().split()
        os.remove(told)
    if options.fates:
        return options.fates.pop(0)
    if options.every and Other.number % options.every == 0:
        return options.last
    return "ok"


class Server(http.server.HTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, ValueError)):
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", options.port), Other)
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(options.port_file + ".new", "w", encoding="utf-8") as file:
        file.write(f"{server.server_port}\n")
    os.rename(options.port_file + ".new", options.port_file)
    server.serve_forever()


parser = argparse.ArgumentParser()
parser.add_argument("port_file")
parser.add_argument("record")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--secret")
parser.add_argument("--fail", default="")
parser.add_argument("--every", type=int, default=0)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--whole", action="store_true")
options = parser.parse_args()
options.fates = options.fail.split()
options.last = options.fates[-1] if options.fates else "503"
if options.every:
    options.fates = options.fates[:-1]
options.secrets = []
if options.secret:
    with open(options.secret, encoding="utf-8") as lines:
        options.secrets = [line.strip() for line in lines if line.startswith("whsec_")]
socket.setdefaulttimeout(None)
with open(options.record, "a", encoding="utf-8") as record:
    main()
