#!/usr/bin/env python3
"""The IoT platform's own API, as upgrade-platform asks it: login, subscriptions, tasks and packages.

Usage: platform_api.py --certificate FILE --key FILE --port-file FILE --log FILE [--books FILE] [--mood FILE]
                       [--client-ca FILE]

Serves HTTPS on a free port of 127.0.0.1, whose number goes to --port-file. --books is what play_platform.py
--books wrote. With --client-ca, clients show a certificate of that authority. --log gets a line of JSON for each request. --mood is a JSON object, read again before each
request, of what the platform is to do wrong:

  life N            logins are good for N seconds (3600)
  throttle N        the next N calls are refused as too many
  knockOut N        behind the Nth call, somebody else logs in, again and again with "always": true
  member NAME       subscriptions must have the callback URL in a member of that name
  totalSize         lists have totalSize, and no totalCount
  moving N          before each of the next N pages the list is turned by one row
  short             lists say that they have one row more than they have
  repeated          management data is subscribed already
  error PATH CODE   calls whose path contains PATH have that error_code, under 200
  says PATH TEXT    calls whose path contains PATH are answered TEXT
  slow              nothing is answered
  status TEXT       the first sub-task has that status
  fail N            tasks have N more sub-tasks, which failed
  noList            subscriptions are not listed (100225)
"""

import argparse
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "campaign"))

import vocabulary  # noqa: E402

OPERATIONS = "/iodm/northbound/v1.5.0/operations"
SUBSCRIPTIONS = "/iocm/app/sub/v1.2.0/subscriptions"
SUBSCRIBE = "/iodm/app/sub/v1.1.0/subscribe"
LOGIN = "/iocm/app/sec/v1.1.0/login"
APP, SECRET = vocabulary.APP_ID, "se cret&+="


class Refused(Exception):
    """An answer with an error code."""

    def __init__(self, status, code, text=""):
        super().__init__(text)
        self.answer = status, {"error_code": code, "error_desc": text or f"error {code}"}


class Platform:
    """What it knows, and how it is disposed."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.token, self.good_until, self.logins = None, 0.0, 0
        self.subscriptions = []
        self.started = []
        self.mood, self.mood_text, self.calls = {}, None, 0
        self.books = {"operations": []}
        if options.books:
            with open(options.books, encoding="utf-8") as file:
                self.books = json.load(file)

    def read_mood(self):
        try:
            with open(self.options.mood, encoding="utf-8") as file:
                text = file.read()
        except (OSError, TypeError):
            text = "{}"
        if text != self.mood_text:
            self.mood_text, self.mood, self.calls = text, json.loads(text), 0

    def log_in(self, form):
        if form != {"appId": [APP], "secret": [SECRET]}:
            raise Refused(401, "100208", "AppId or secret is not right")
        self.logins += 1
        life = self.mood.get("life", 3600)
        self.token, self.good_until = f"token{self.logins}", time.monotonic() + life
        return 200, {"accessToken": self.token, "tokenType": "bearer", "refreshToken": "r", "expiresIn": life, "scope": "default"}

    def check(self, headers):
        self.calls += 1
        if self.mood.get("throttle", 0) >= self.calls:
            raise Refused(403, "1010009", "app throttle exceed")
        knock_out = self.mood.get("knockOut")
        if knock_out and (self.calls == knock_out or (self.mood.get("always") and self.calls >= knock_out)):
            self.token = None
        good = headers.get("Authorization") == f"Bearer {self.token}" and time.monotonic() < self.good_until
        if not good or headers.get("app_key") != APP:
            raise Refused(403, "1010005", "app_key or access_token is invalid")

    # --- lists ---

    def page(self, rows, member, query):
        number, size = int(query.get("pageNo", ["0"])[0]), int(query.get("pageSize", ["10"])[0])
        if size > 100:
            raise Refused(400, "100228", "pageSize")
        if self.mood.get("moving", 0) > 0:
            self.mood["moving"] -= 1
            rows.append(rows.pop(0))
        total = "totalSize" if self.mood.get("totalSize") else "totalCount"
        count = len(rows) + bool(self.mood.get("short"))
        return 200, {member: rows[number * size : (number + 1) * size], "pageNo": number, "pageSize": size, total: count}

    def task(self, operation_id):
        for operation in self.books["operations"]:
            if operation["operationId"] == operation_id:
                return operation
        raise Refused(404, "123009", "The operation does not exist")

    def devices_of(self, operation):
        rows = operation["devices"]
        for number in range(len(rows), len(rows) + self.mood.get("fail", 0)):
            device = {"subOperationId": f"failed{number}", "deviceId": f"device{number}", "status": "fail"}
            rows.append(device)
        self.mood["fail"] = 0
        if rows and "status" in self.mood:
            rows[0]["status"] = self.mood["status"]
        return rows

    def tasks(self, path, query):
        parts = path[len(OPERATIONS) + 1 :].split("/")
        if parts == [""]:
            plain = [{k: v for k, v in one.items() if k != "devices"} for one in self.books["operations"]]
            return self.page(plain, "data", query)
        operation = self.task(urllib.parse.unquote(parts[0]))
        if parts[1:] == ["subOperations"]:
            return self.page(self.devices_of(operation), "data", query)
        return 200, {k: v for k, v in operation.items() if k != "devices"}

    # --- changes ---

    def subscribe(self, body, is_management):
        member = self.mood.get("member", "callbackurl" if is_management else "callbackUrl")
        if not isinstance(body.get(member), str) or not body.get("notifyType"):
            raise Refused(400, "100228", "invalid input: callbackurl")
        if self.mood.get("repeated"):
            raise Refused(409, "100227", "The resource is existing.")
        row = {"subscriptionId": f"sub{len(self.subscriptions)}", "notifyType": body["notifyType"], "callbackUrl": body[member]}
        self.subscriptions.append(row)
        return (200, None) if is_management else (201, row)

    def start(self, kind, body):
        devices = body["targets"]["devices"]
        if len(devices) > 256 or not body.get("fileId"):
            raise Refused(400, "100228", "targets")
        self.started.append({"kind": kind, "file": body["fileId"], "devices": devices})
        return 200, {"operationId": f"retry{len(self.started)}"}

    def answer(self, method, path, query, headers, body):
        if path == LOGIN and method == "POST":
            return self.log_in(urllib.parse.parse_qs(body))
        self.check(headers)
        said = self.mood.get("says")
        if said and said[0] in path:
            return 200, said[1]
        error = self.mood.get("error")
        if error and error[0] in path:
            return 200, {"error_code": error[1], "error_desc": "as the mood is"}
        parsed = json.loads(body) if body else None
        if method == "GET" and path == SUBSCRIPTIONS:
            if self.mood.get("noList"):
                raise Refused(404, "100225", "The resource is not found")
            return self.page(list(self.subscriptions), "subscriptions", query)
        if method == "GET" and path.startswith(OPERATIONS):
            return self.tasks(path, query)
        if method == "POST" and path in (SUBSCRIPTIONS, SUBSCRIBE):
            return self.subscribe(parsed, path == SUBSCRIBE)
        if method == "POST" and path.startswith(OPERATIONS + "/"):
            return self.start(path.rsplit("/", 1)[1], parsed)
        raise Refused(404, "100404", "no such thing")


def handler_for(platform):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            parts = urllib.parse.urlsplit(self.path)
            with platform.lock:
                platform.read_mood()
                slow = platform.mood.get("slow")
                try:
                    query = urllib.parse.parse_qs(parts.query)
                    status, said = platform.answer(self.command, parts.path, query, self.headers, body)
                except Refused as refused:
                    status, said = refused.answer
                line = {"method": self.command, "path": self.path, "status": status}
                if parts.path != LOGIN:
                    line.update(body=json.loads(body) if body else None)
                with open(platform.options.log, "a", encoding="utf-8") as log:
                    log.write(json.dumps(line) + "\n")
            if slow:
                time.sleep(60)
            text = b"" if said is None else (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = serve

    return Handler


def main():
    parser = argparse.ArgumentParser(description="The IoT platform's own API.")
    for name in ("certificate", "key", "port-file", "log"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("books", "mood", "client-ca"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_for(Platform(options)))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    if options.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options.client_ca)
    # Each connection shakes hands in its own thread, when it is first read.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(options.port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(server.server_address[1]))
    os.rename(options.port_file + ".new", options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
