#!/usr/bin/env python3
"""Sends the bodies of tests/cases to a running receiver and checks answer, log line and store.

Usage: check.py --url URL --certificate FILE --state DIR --log FILE --made DIR [--refuse-invalid] [CASE...]

A case is a folder KIND/RULE; without CASE all of them run, one after the other. In the folder:

body.*      the body, byte for byte; or
make        a bash program that prints it, with the functions `notification` and `body` (see make_all).
each        one line per variant: the words of a line are make's arguments, and the first one
            replaces {each} in the other files. Each variant counts as a case.
before*     bodies (before-1.json, ...) or a program (before) that are sent first, in order of name,
            and must be kept or quarantined.
request     JSON: method, path, headers, chunked (send the body in chunks), if it is not a plain POST.
expect      JSON, what differs from the kind's expectation below:
            status, result, reason (its first characters), pointer, headers (of the answer),
            contradictory (of the upgrade in the store), deliveries, respelled (true: the store may
            hold the content of the body in other bytes than it came in).

Whatever the kind: an answer names nothing that is not in the store, and nothing changes in the store
that the answer does not name. With --refuse-invalid the receiver has been started with that option: the
cases of `quarantined` alone are run, and are answered 400 or 422, but kept all the same. DIR keeps what the
programs made, for the next run. The output is a line "ok NAME" or "not ok NAME" for each case.
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import re
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.parse

CASES = pathlib.Path(__file__).resolve().parent
KINDS = {
    "accepted": {"status": 200, "result": "stored"},
    "repeated": {"status": 200, "result": "repeated", "deliveries": 2},
    "quarantined": {"status": 200, "result": "quarantined"},
    "rejected": {"status": 400},
}
EXPECTATIONS = {
    "status", "result", "reason", "pointer", "headers", "contradictory", "deliveries",
    "respelled",
}
TITLES = {
    400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large",
    422: "Unprocessable Content", 503: "Service Unavailable",
}
# The members in which a notification says how its upgrade ended, or how far it is; the first counts.
MEANINGS = {
    "swUpgradeResultNotify": {"result": True, "members": ["swUpgradeResult"]},
    "fwUpgradeResultNotify": {"result": True, "members": ["status", "Status"]},
    "swUpgradeStateChangeNotify": {"result": False, "members": ["swUpgradeState"]},
    "fwUpgradeStateChangeNotify": {"result": False, "members": ["step"]},
}
NO_OBJECT = ("empty body", "not JSON", "not a JSON object", "nested too deep", "too costly to parse")
CALLBACK = "/v1.0.0/messageReceiver"
PATIENCE_S = 20 * int(os.environ.get("SLOWER", "1"))
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Wrong(Exception):
    """What a case found that it should not have."""


def demand(condition, text):
    if not condition:
        raise Wrong(text)


def same(what, found, expected):
    demand(found == expected, f"{what}: found {shorten(found)}, expected {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:200]}... ({len(text)} characters)"


def text(value):
    """A column's value, where the sender may have said null or a number as well."""
    return value.decode() if isinstance(value, bytes) else value


def shown(value):
    """What a column shows of a member's value: a text ends at a NUL."""
    return value.split("\0")[0] if isinstance(value, str) else value


def chunks(body, size=1000):
    for start in range(0, len(body), size):
        yield body[start : start + size]


class Client:
    """One kept HTTPS connection; a new one where the server closed it."""

    def __init__(self, url, certificate):
        parts = urllib.parse.urlsplit(url)
        context = ssl.create_default_context(cafile=certificate)
        self.connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, context=context, timeout=PATIENCE_S
        )

    def send(self, body, request):
        headers = {"Content-Type": "application/json", **request.get("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        chunked = request.get("chunked", False)
        method = request.get("method", "POST")
        try:
            self.connection.request(
                method,
                request.get("path", CALLBACK),
                body=chunks(body) if chunked else body,
                headers=headers,
                encode_chunked=chunked,
            )
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise Wrong(f"no answer: {error!r}") from error


class Log:
    """The lines of the log as they come."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""

    def lines(self):
        self.rest += self.file.read()
        *whole, self.rest = self.rest.split(b"\n")
        return [strict_json(line) for line in whole]

    def skip(self):
        self.file.seek(0, os.SEEK_END)
        self.rest = b""

    def next_line(self):
        """The line of one body, as soon as it is there; a second one would be a fault."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            # The line of a request refused earlier may come late.
            found = [line for line in self.lines() if line["event"] not in ("rejected", "misdirected")]
            if found:
                demand(len(found) == 1, f"{len(found)} log lines: {shorten(found)}")
                return found[0]
            time.sleep(0.002)
        raise Wrong("no log line came")


class Store:
    """What the views say."""

    def __init__(self, state):
        self.database = sqlite3.connect(
            f"file:{urllib.parse.quote(os.path.abspath(state))}/upgrades.db?mode=ro",
            uri=True,
            timeout=PATIENCE_S,
            isolation_level=None,
        )
        self.database.row_factory = sqlite3.Row
        self.database.text_factory = bytes

    def rows(self, query, *arguments):
        return self.database.execute(query, arguments).fetchall()

    def counts(self):
        notifications, deliveries = self.rows(
            "SELECT count(*), coalesce(sum(deliveries), 0) FROM notifications"
        )[0]
        return {
            "notifications": notifications,
            "repeats": deliveries - notifications,
            "quarantined": self.rows("SELECT count(*) FROM quarantine")[0][0],
        }


def strict_json(text):
    """Duplicate members of our own answers and lines would be a fault."""

    def members(pairs):
        demand(len(dict(pairs)) == len(pairs), f"duplicate members: {shorten(text)}")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=members)
    except ValueError as error:
        raise Wrong(f"not JSON ({error}): {shorten(text)}") from error


def is_program(path):
    return not path.suffix and os.access(path, os.X_OK)


class Case:
    def __init__(self, folder, words, made):
        self.folder = folder
        self.made = made
        self.kind = folder.parent.name
        self.words = words
        self.name = "/".join([self.kind, folder.name, *words])
        self.request = json.loads(self.text("request", "{}"))
        own = json.loads(self.text("expect", "{}"))
        unknown = set(own) - EXPECTATIONS
        if unknown:
            raise Wrong(f"{self.name}: expect has unknown members {sorted(unknown)}")
        self.expect = {**KINDS[self.kind], **own}
        if self.expect.get("result") == "quarantined" and "reason" not in self.expect:
            raise Wrong(f"{self.name}: expect names no reason")

    def text(self, name, default):
        path = self.folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else default
        return text.replace("{each}", self.words[0]) if self.words else text

    def refuse(self):
        """Expects the answer of a receiver that refuses what is invalid."""
        self.name = "refused/" + self.name
        no_object = self.expect["reason"].startswith(NO_OBJECT)
        self.expect["status"] = 400 if no_object else 422

    def program(self, path):
        name = "\0".join([self.kind, self.folder.name, path.name, *self.words])
        kept = self.made / hashlib.sha256(name.encode()).hexdigest()
        return path, kept

    def make(self, path):
        if not is_program(path):
            return path.read_bytes()
        _, kept = self.program(path)
        demand(kept.exists(), f"{path.name} has failed")
        return kept.read_bytes()

    def programs(self):
        """The programs of the case, and where what they print is kept."""
        paths = [*self.folder.glob("before*"), *self.folder.glob("make")]
        return [self.program(path) for path in sorted(paths) if is_program(path)]

    def body(self):
        found = [path for path in self.folder.glob("body*")] + list(self.folder.glob("make"))
        if not found:
            return b""
        demand(len(found) == 1, f"{len(found)} bodies: {found}")
        return self.make(found[0])

    def before(self):
        return [self.make(path) for path in sorted(self.folder.glob("before*"))]


class Run:
    def __init__(self, client, store, log, refuses):
        self.client = client
        self.refuses = refuses
        self.store = store
        self.log = log

    def run(self, case):
        first = None
        for body in case.before():
            status, _, answer = self.client.send(body, {})
            demand(status == 200, f"the body before was answered {status}: {shorten(answer)}")
            first = first or (strict_json(answer), body)
            self.log.next_line()
        body = case.body()
        before = self.store.counts()
        status, headers, answer = self.client.send(body, case.request)
        self.check_answer(case, status, headers, answer)
        after = self.store.counts()
        growth = {name: after[name] - before[name] for name in after}
        result = case.expect.get("result")
        same("growth", growth, {
            "notifications": int(result == "stored"),
            "repeats": int(result == "repeated"),
            "quarantined": int(result == "quarantined"),
        })
        if result is None:
            self.check_rejected(case)
            return
        named = strict_json(answer)
        if self.refuses:
            # What refuses does not tell under which number it was kept all the same.
            self.check_verdict("answer", case, {**named, "reason": named["detail"]})
            named = {"result": result, "id": self.store.rows("SELECT max(id) FROM quarantine")[0][0]}
        self.check_log(case, body, named, first)
        if result == "quarantined":
            self.check_quarantine(case, body, named["id"])
        else:
            self.check_notification(case, body, named["seq"], first)

    def check_answer(self, case, status, headers, answer):
        expect = case.expect
        demand(status == expect["status"], f"answered {status}, not {expect['status']}: {shorten(answer)}")
        for name, value in expect.get("headers", {}).items():
            same(f"header {name}", headers.get(name), value)
        demand("nginx/" not in headers.get("Server", ""), "nginx tells its version")
        if status == 200:
            self.check_result(case, headers, strict_json(answer))
        elif case.request.get("method") != "HEAD":
            problem = strict_json(answer)
            same("Content-Type", headers.get("Content-Type"), "application/problem+json")
            same("problem's status", problem.get("status"), status)
            same("problem's type", problem.get("type"), "about:blank")
            same("problem's title", problem.get("title"), TITLES[status])
            demand(problem.get("detail"), "the problem has no detail")

    @staticmethod
    def check_result(case, headers, answer):
        expect = case.expect
        same("Content-Type", headers.get("Content-Type"), "application/json")
        same("result", answer.get("result"), expect["result"])
        if expect["result"] != "quarantined":
            same("members of the answer", sorted(answer), ["result", "seq"])
            return
        Run.check_verdict("answer", case, answer)
        same("further members of the answer", sorted(set(answer) - {"reason", "pointer"}),
             ["id", "result"])

    @staticmethod
    def check_verdict(where, case, found):
        expect = case.expect
        reason = found.get("reason") or ""
        demand(reason.startswith(expect["reason"]),
               f"{where}: reason {reason!r} does not begin with {expect['reason']!r}")
        same(f"pointer of the {where}", found.get("pointer"), expect.get("pointer"))

    def check_log(self, case, body, answer, first):
        line = self.log.next_line()
        demand(TIME.fullmatch(line.get("time", "")), f"time of the log line: {line.get('time')}")
        if answer["result"] == "quarantined":
            same("event", line["event"], "quarantined")
            same("id in the log", line["id"], answer["id"])
            self.check_verdict("log line", case, line)
            return
        same("event", line["event"], "notification")
        same("seq in the log", line["seq"], answer["seq"])
        same("repeat in the log", line["repeat"], answer["result"] == "repeated")
        same("body in the log", line["body"], json.loads(body))
        if answer["result"] == "repeated":
            same("seq", answer["seq"], first[0]["seq"])
            same("deliveries in the log", line["deliveries"], case.expect["deliveries"])

    def check_quarantine(self, case, body, number):
        rows = self.store.rows("SELECT * FROM quarantine WHERE id = ?", number)
        demand(len(rows) == 1, f"{len(rows)} rows in quarantine with id {number}")
        same("body in quarantine", rows[0]["body"], body)
        demand(TIME.fullmatch(rows[0]["receivedAt"].decode()), f"receivedAt: {rows[0]['receivedAt']}")
        self.check_verdict("quarantine", case, {
            "reason": rows[0]["reason"].decode(),
            "pointer": (rows[0]["pointer"] or b"").decode() or None,
        })

    def check_notification(self, case, body, seq, first):
        rows = self.store.rows("SELECT * FROM notifications WHERE seq = ?", seq)
        demand(len(rows) == 1, f"{len(rows)} notifications with seq {seq}")
        row = rows[0]
        kept = first[1] if case.kind == "repeated" else body
        if case.expect.get("respelled"):
            same("body in the store", strict_json(row["body"]), json.loads(kept))
        else:
            same("body in the store", row["body"], kept)
        same("deliveries", row["deliveries"], case.expect.get("deliveries", 1))
        demand(TIME.fullmatch(row["receivedAt"].decode()), f"receivedAt: {row['receivedAt']}")
        said = json.loads(body)
        for name in ("notifyType", "appId", "deviceId", "operationId", "subOperationId"):
            if name in said:
                same(f"{name} in the store", text(row[name]), said[name])
        if "resource" in said:
            same("type in the store", text(row["notifyType"]), f"{said['resource']}.{said['event']}")
            header = said["notify_data"].get("header") or {}
            same("device in the store", text(row["deviceId"]), header.get("device_id"))
        if case.kind == "accepted":
            self.check_upgrade(case, said, seq)

    def check_upgrade(self, case, said, seq):
        rows = self.store.rows("SELECT * FROM upgrades WHERE seq = ?", seq)
        meaning = MEANINGS.get(said.get("notifyType"))
        if meaning is None:
            same("upgrades of a notification that is news", len(rows), 0)
            return
        demand(len(rows) == 1, f"{len(rows)} upgrades whose state comes from seq {seq}")
        row = rows[0]
        for name in ("appId", "deviceId", "operationId", "subOperationId", "curVersion",
                     "targetVersion", "sourceVersion", "resultDesc", "errorCode", "description"):
            if name in said:
                same(f"{name} of the upgrade", text(row[name]), shown(said[name]))
        found = next(said[name] for name in meaning["members"] if name in said)
        if meaning["result"]:
            same("state", row["state"].decode(), found)
        else:
            same("state", row["state"].decode(), "IN_PROGRESS")
            same("step", text(row["step"]), found)
        if "statusDesc" in said:
            same("resultDesc of the upgrade", row["resultDesc"].decode(), said["statusDesc"])
        if "contradictory" in case.expect:
            same("contradictory", bool(row["contradictory"]), case.expect["contradictory"])

    def check_rejected(self, case):
        """A refused request leaves at most a line that says so; never one of a notification."""
        for line in self.log.lines():
            if line["event"] == "misdirected":
                same("status of a near miss", case.expect["status"], 404)
                continue
            same("event", line["event"], "rejected")
            same("status in the log", line["status"], case.expect["status"])


def read_cases(names, made):
    folders = [CASES / name for name in names] or sorted(
        folder for kind in KINDS for folder in (CASES / kind).iterdir()
    )
    for folder in folders:
        each = folder / "each"
        if each.exists():
            for line in each.read_text(encoding="utf-8").splitlines():
                yield Case(folder, line.split(), made)
        else:
            yield Case(folder, [], made)


def make_all(cases):
    """Runs the programs of which it is not kept what they print: all by one bash, and one jq."""
    wanted = {}
    for case in cases:
        for path, kept in case.programs():
            if not kept.exists():
                wanted[kept] = [str(path), str(len(case.words)), *case.words]
    if not wanted:
        return
    new = {kept: kept.with_suffix(".new") for kept in wanted}
    texts = [text for kept, words in wanted.items() for text in (str(new[kept]), *words)]
    said = subprocess.run(
        ["bash", CASES / "make_all"], input="".join(f"{text}\0" for text in texts).encode(),
        stdout=subprocess.PIPE, timeout=20 * PATIENCE_S, check=True,
    ).stdout.split()
    demand(len(said) == len(wanted), f"{len(said)} of {len(wanted)} programs have ended")
    edit_bodies([path for path, status in zip(new.values(), said, strict=True) if status == b"0"])
    for (kept, words), status in zip(wanted.items(), said, strict=True):
        if status == b"0":
            new[kept].replace(kept)
        else:
            print(f"# {' '.join(words)} ended with status {status.decode()}")


# Input is a list of documents with what is to be changed in each.
EDIT = """
.[] | reduce .changes[] as $change (.document;
    ($change.place | split("/") | map(if test("^[0-9]+$") then tonumber else . end)) as $place
    | if $change | has("value") then setpath($place; $change.value) else delpaths([$place]) end)
"""


def edit_bodies(files):
    """Puts into the files the bodies that programs have called for, see body in make_all."""
    asked = [(path, path.with_suffix(".new.body")) for path in files]
    asked = [(path, body) for path, body in asked if body.exists()]
    if not asked:
        return
    jobs = []
    for _, body in asked:
        kind, *words = body.read_text(encoding="utf-8").split("\0")[:-1]
        document = (CASES / "types" / "full" / f"{kind}.json").read_text(encoding="utf-8")
        changes = ",".join(change(word) for word in words)
        jobs.append(f'{{"document":{document},"changes":[{changes}]}}')
        body.unlink()
    made = subprocess.run(
        ["jq", "-c", EDIT], input=f"[{','.join(jobs)}]".encode(),
        stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True,
    ).stdout.splitlines(keepends=True)
    for (path, _), line in zip(asked, made, strict=True):
        path.write_bytes(line)


def change(word):
    """One of body's words as JSON, for EDIT."""
    if len(word) > 1 and word[0] == "-":
        return json.dumps({"place": word[1:]})
    found = re.fullmatch(r"([^:=]+)(:=|=)(.*)", word, re.DOTALL)
    demand(found, f"{word}: not PLACE=TEXT, PLACE:=JSON or -PLACE")
    value = found[3] if found[2] == ":=" else json.dumps(found[3])
    return f'{{"place":{json.dumps(found[1])},"value":{value}}}'


def main():
    parser = argparse.ArgumentParser()
    for name in ("url", "certificate", "state", "log", "made"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--refuse-invalid", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    log = Log(options.log)
    log.skip()
    run = Run(
        Client(options.url, options.certificate), Store(options.state), log, options.refuse_invalid
    )
    failed = 0
    cases = list(read_cases(options.cases, pathlib.Path(options.made)))
    make_all(cases)
    for case in cases:
        if options.refuse_invalid and case.kind != "quarantined":
            continue
        if options.refuse_invalid:
            case.refuse()
        try:
            run.run(case)
            print(f"ok {case.name}")
        except (Wrong, OSError, ValueError, KeyError, AttributeError, sqlite3.Error) as error:
            failed += 1
            print(f"not ok {case.name}\n# {type(error).__name__}: {error}")
            # What this case still has to say is not the next one's.
            time.sleep(0.1)
            log.skip()
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
