#!/usr/bin/env python3
"""What a power cut would have left of a state folder, from the journal that disk.c wrote.

Usage: powercut.py cuts JOURNAL WORK --receiver FILE --books SQL --final STORE [--count N] [--seed N]
       powercut.py cut JOURNAL BASE INTO [--seed N]

cuts  cuts the power at N moments, half of them just behind an answer, the others anywhere. Each time
      it lays out a folder in WORK that holds what was synced, and of the rest whatever SEED says:
      nothing, all, or any sectors of any write, any of the names made, renamed and removed. There
      the receiver must open the store, every notification answered until then must be kept as in
      STORE (the store as it was in the end), the counters must be a recount's (SQL says what is
      not), and the status file must be whole or absent. Prints a line of JSON; fails if anything
      was lost.
cut   lays out in INTO what a cut now would leave, where the journal began with the files of BASE.
"""

import argparse
import json
import os
import random
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys

CREATE, OPEN, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, UNLINK, RENAME, ANSWER, LOST = range(1, 11)
HEADER = struct.Struct("<IIQQQ")
SECTOR = 512
STORED = re.compile(rb'"result":"(stored|repeated)","seq":(\d+)')
QUARANTINED = re.compile(rb'"result":"quarantined","id":(\d+)')


def records(data, start=0):
    """Each record, with where it ends: kind, object, offset, since, payload."""
    at = start
    while at + HEADER.size <= len(data):
        kind, length, number, offset, since = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + length > len(data):
            return
        yield at + length, kind, number, offset, since, data[at : at + length]
        at += length


class File:
    """A file: what is surely on the disk, in a file of our own, and what is not yet."""

    def __init__(self, path):
        self.path = path
        self.pending = []  # (where in the journal, offset, bytes or None for a truncation)

    def change(self, out, offset, data):
        if data is None:
            os.ftruncate(out, offset)
        else:
            os.pwrite(out, data, offset)

    def settle(self, since):
        """What was written before SINCE is on the disk."""
        ready = [change for change in self.pending if change[0] <= since]
        if ready:
            self.pending = self.pending[len(ready) :]
            out = os.open(self.path, os.O_RDWR | os.O_CREAT)
            for _, offset, data in ready:
                self.change(out, offset, data)
            os.close(out)

    def lose(self, since):
        """A sync failed: what was written before will never reach the disk."""
        self.pending = [change for change in self.pending if change[0] > since]

    def lay_out(self, path, chance):
        shutil.copyfile(self.path, path)
        how = chance.choice(["nothing", "all", "sectors", "sectors"])
        if how == "nothing":
            return
        out = os.open(path, os.O_RDWR)
        size = os.fstat(out).st_size
        for _, offset, data in self.pending:
            if how == "all":
                self.change(out, offset, data)
            elif data is None:
                if chance.random() < 0.5:
                    self.change(out, offset, data)
            else:
                size = max(size, offset + len(data))
                for piece, at in sectors(offset, data):
                    if chance.random() < 0.5:
                        self.change(out, at, piece)
        if how == "sectors" and chance.random() < 0.3 and os.fstat(out).st_size < size:
            os.ftruncate(out, size)  # the size reached the disk, what stands there did not
        os.close(out)


def sectors(offset, data):
    """The pieces of DATA that lie in one sector each."""
    done = 0
    while done < len(data):
        length = min(SECTOR - (offset + done) % SECTOR, len(data) - done)
        yield data[done : done + length], offset + done
        done += length


class Disk:
    """A folder as a sequence of records leaves it."""

    def __init__(self, work, base=None):
        self.work = work
        self.count = 0
        self.by_number = {}
        self.names = {}  # on the disk
        self.seen = {}  # as programs see them
        self.pending = []  # (where in the journal, name, File or None)
        os.makedirs(work, exist_ok=True)
        for name in sorted(os.listdir(base)) if base else []:
            file = self.new_file()
            shutil.copyfile(os.path.join(base, name), file.path)
            self.names[name] = self.seen[name] = file

    def new_file(self):
        self.count += 1
        file = File(os.path.join(self.work, f"file-{self.count}"))
        open(file.path, "wb").close()
        return file

    def enter(self, at, name, file):
        self.pending.append((at, name, file))
        if file is None:
            self.seen.pop(name, None)
        else:
            self.seen[name] = file

    def take(self, at, kind, number, offset, since, payload):
        if kind == CREATE:
            file = self.by_number[number] = self.new_file()
            self.enter(at, payload[:-1].decode(), file)
        elif kind == OPEN:
            self.by_number[number] = self.seen[payload[:-1].decode()]
        elif kind == WRITE:
            self.by_number[number].pending.append((at, offset, payload))
        elif kind == TRUNCATE and number in self.by_number:
            self.by_number[number].pending.append((at, offset, None))
        elif kind == SYNC:
            self.by_number[number].settle(since)
        elif kind == LOST and number in self.by_number:
            self.by_number[number].lose(since)
        elif kind == SYNC_FOLDER:
            for _, name, file in [p for p in self.pending if p[0] <= since]:
                self.set(self.names, name, file)
            self.pending = [p for p in self.pending if p[0] > since]
        elif kind == UNLINK:
            self.enter(at, payload[:-1].decode(), None)
        elif kind == RENAME:
            old, new = payload[:-1].decode().split("\0")
            # One step: the new name comes with the old one's end, or neither does.
            self.pending.append((at, (old, new), self.seen[old]))
            self.seen[new] = self.seen.pop(old)

    @staticmethod
    def set(names, name, file):
        if isinstance(name, tuple):
            names.pop(name[0], None)
            names[name[1]] = file
        elif file is None:
            names.pop(name, None)
        else:
            names[name] = file

    def lay_out(self, folder, chance):
        """What a power cut now leaves, as CHANCE has it."""
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        names = dict(self.names)
        how = chance.choice(["nothing", "first ones", "some"])
        if how == "first ones":
            for _, name, file in self.pending[: chance.randint(0, len(self.pending))]:
                self.set(names, name, file)
        elif how == "some":
            for _, name, file in self.pending:
                if chance.random() < 0.5:
                    self.set(names, name, file)
        for name, file in names.items():
            path = os.path.join(folder, name)
            if name.endswith("-shm"):
                # Shared memory: whatever of it came to be written.
                with open(path, "wb") as out:
                    out.write(chance.randbytes(chance.choice([0, 3, 32768])))
            else:
                file.lay_out(path, chance)


class Answers:
    """What was answered until now."""

    def __init__(self):
        self.deliveries = {}
        self.quarantined = set()

    def take(self, payload):
        for found in STORED.finditer(payload):
            seq = int(found[2])
            self.deliveries[seq] = self.deliveries.get(seq, 0) + 1
        for found in QUARANTINED.finditer(payload):
            self.quarantined.add(int(found[1]))


def read_store(path):
    db = sqlite3.connect(path)
    kept = {row[0]: row[1:] for row in db.execute("SELECT seq, body, deliveries FROM notification")}
    bodies = dict(db.execute("SELECT id, body FROM quarantined"))
    db.close()
    return kept, bodies


def start_and_stop(folder, receiver):
    """What a receiver that starts in FOLDER, and is stopped at once, complains of; "": nothing."""
    path = folder + ".socket"
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with subprocess.Popen(
            [receiver, "--state", folder], stdin=listener, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            began = process.stdout.readline()
            process.terminate()
            said, complaints = process.communicate()
    faults = [line for line in (began + said).splitlines() if '"event":"fault"' in line]
    if process.returncode != 0:
        faults.append(f"exit code {process.returncode} {complaints.strip()}")
    return " ".join(faults)


def judge(folder, answers, final, receiver, books):
    """What is not as promised in FOLDER."""
    complaints = start_and_stop(folder, receiver)
    if complaints:
        yield f"the store does not open: {complaints}"
        return
    try:
        kept, bodies = read_store(os.path.join(folder, "upgrades.db"))
    except sqlite3.Error as error:
        yield f"the store cannot be read: {error}"
        return
    for seq, count in answers.deliveries.items():
        if seq not in kept:
            yield f"notification {seq} is lost"
        elif kept[seq][0] != final[0][seq][0]:
            yield f"notification {seq} is another one"
        elif kept[seq][1] < count:
            yield f"notification {seq} was answered {count} times, {kept[seq][1]} deliveries are kept"
    for number in answers.quarantined:
        if bodies.get(number) != final[1][number]:
            yield f"quarantined body {number} is lost"
    wrong = subprocess.run(
        ["sqlite3", ":memory:"],
        input=f"ATTACH '{folder}/upgrades.db' AS books;\n{books}",
        capture_output=True, text=True, check=False,
    )
    for line in (wrong.stdout + wrong.stderr).splitlines():
        yield f"the books do not add up: {line}"
    status = os.path.join(folder, "status.json")
    if os.path.exists(status):
        with open(status, "rb") as file:
            try:
                json.loads(file.read())
            except ValueError:
                yield "the status file is torn"


def choose_moments(data, count, chance):
    """Where the journal is cut: ends of records, half of them of answers."""
    ends, answers = [], []
    for end, kind, *_ in records(data):
        (answers if kind == ANSWER else ends).append(end)
    half = min(count // 2, len(answers))
    moments = chance.sample(answers, half) + chance.sample(ends, min(count - half, len(ends)))
    return sorted(moments)


def run_cuts(options):
    chance = random.Random(options.seed)
    with open(options.journal, "rb") as file:
        data = file.read()
    with open(options.books, encoding="utf-8") as file:
        books = file.read()
    final = read_store(options.final)
    disk = Disk(os.path.join(options.work, "disk"))
    answers = Answers()
    moments = choose_moments(data, options.count, chance)
    lost, kinds, dropped, next_cut = [], {}, 0, 0
    for at, kind, number, offset, since, payload in records(data):
        if kind == ANSWER:
            answers.take(payload)
        else:
            disk.take(at, kind, number, offset, since, payload)
        kinds[kind] = kinds.get(kind, 0) + 1
        if next_cut < len(moments) and moments[next_cut] == at:
            next_cut += 1
            folder = os.path.join(options.work, "after")
            disk.lay_out(folder, chance)
            dropped += sum(len(file.pending) for file in disk.by_number.values())
            lost += [f"cut at {at}: {what}" for what in judge(folder, answers, final, options.receiver, books)]
    print(json.dumps({
        "seed": options.seed, "cuts": next_cut, "answered": sum(answers.deliveries.values()),
        "writes": kinds.get(WRITE, 0), "syncs": kinds.get(SYNC, 0), "notSyncedAtCuts": dropped,
        "lost": len(lost),
    }))
    print("\n".join(lost[:10]), file=sys.stderr)
    return 1 if lost else 0


def run_cut(options):
    with open(options.journal, "rb") as file:
        data = file.read()
    disk = Disk(options.into + ".disk", options.work)
    for record in records(data):
        if record[1] != ANSWER:
            disk.take(*record)
    disk.lay_out(options.into, random.Random(options.seed))
    shutil.rmtree(options.into + ".disk")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", choices=["cuts", "cut"])
    parser.add_argument("journal")
    parser.add_argument("work")
    parser.add_argument("into", nargs="?")
    parser.add_argument("--receiver")
    parser.add_argument("--books")
    parser.add_argument("--final")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return run_cuts(options) if options.command == "cuts" else run_cut(options)


if __name__ == "__main__":
    sys.exit(main())
