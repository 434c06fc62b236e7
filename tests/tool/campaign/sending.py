"""Pushes a campaign over HTTPS on kept connections, as the platform does: only 200 counts, within 15
seconds; anything else is pushed again, later."""

import heapq
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from collections import Counter

ANSWER_WAIT_S = 15.0
# What was slow is pushed again: the platform took it for lost. Its own patience is ANSWER_WAIT_S;
# less shows what a receiver makes of it.
SLOW_S = 5.0
RETRY_S, RETRY_MOST_S = 0.5, 8.0
# After so many failures in a row the platform silences the address, or the whole host.
SILENCED_AFTER = 10


class Schedule:
    """Lanes by when their next push is due; gives each to one sender at a time, at most RATE a
    second. Thread-safe."""

    def __init__(self, lanes, seconds, rate, deadline):
        self.seconds = seconds
        self.pause = 1 / rate if rate else 0.0
        self.began = time.monotonic()
        self.deadline = self.began + deadline
        self.next_slot = self.began
        self.due = [(self._time_of(lane.at), lane.at, lane.number, lane) for lane in lanes]
        heapq.heapify(self.due)
        self.under_way = 0
        self.stopped = False
        # Senders queue up at the turn, so that a single one waits for the time to come.
        self.turn = threading.Lock()
        self.changed = threading.Condition()

    def _time_of(self, at):
        return self.began + at * self.seconds

    def take(self):
        """The next lane with a push that is due; None when there will be none any more."""
        with self.turn, self.changed:
            while not self.stopped and (self.due or self.under_way):
                now = time.monotonic()
                if now >= self.deadline:
                    self.stopped = True
                    break
                until = max(self.due[0][0], self.next_slot) if self.due else self.deadline
                if until <= now:
                    self.next_slot = max(self.next_slot, now - self.pause) + self.pause
                    self.under_way += 1
                    return heapq.heappop(self.due)[-1]
                self.changed.wait(min(until, self.deadline) - now)
            return None

    def give_back(self, lane, delay=0.0):
        """After a push: the lane waits for its next one, or DELAY seconds; it may be at its end."""
        with self.changed:
            self.under_way -= 1
            if lane.pushes:
                at = lane.pushes[0].at
                due = max(self._time_of(at), time.monotonic() + delay if delay else 0.0)
                heapq.heappush(self.due, (due, at, lane.number, lane))
            self.changed.notify()

    def stop(self):
        with self.changed:
            self.stopped = True
            self.changed.notify()

    def left(self):
        """Lanes that did not come to their end."""
        with self.changed:
            return len(self.due) + self.under_way


class Tally:
    """What was sent and answered. Thread-safe."""

    def __init__(self, recount):
        self.recount = recount
        self.lock = threading.Lock()
        self.sent = 0
        self.answers = Counter()  # by status; 0: none came
        self.results = Counter()  # what a 200 said had become of the body
        self.slow = 0
        self.in_a_row = self.in_a_row_most = self.silenced = 0
        self.seconds = []
        self.closed = False

    def close(self):
        """What is answered from now on does not count: summary and recount are of one moment."""
        with self.lock:
            self.closed = True

    def count_send(self):
        with self.lock:
            self.sent += 1

    def count_answer(self, push, status, result, seconds):
        with self.lock:
            if self.closed:
                return
            self.answers[status] += 1
            self.seconds.append(seconds)
            if status == 200:
                self.in_a_row = 0
                self.results[result] += 1
                self.slow += seconds > SLOW_S
                self.recount.take(push.content)
                return
            self.in_a_row += 1
            self.in_a_row_most = max(self.in_a_row_most, self.in_a_row)
            self.silenced += self.in_a_row == SILENCED_AFTER

    def summary(self):
        with self.lock:
            sorted_s = sorted(self.seconds)
            unanswered = self.sent - self.answers[200]
            return {
                "sent": self.sent,
                "answers": {str(status): self.answers[status] for status in sorted(self.answers)},
                "results": dict(sorted(self.results.items())),
                "unanswered": unanswered,
                "failuresInARow": self.in_a_row_most,
                "silenced": self.silenced,
                "slow": self.slow,
                "p50Ms": milliseconds(sorted_s, 0.5),
                "p99Ms": milliseconds(sorted_s, 0.99),
            }

    def expected(self, with_upgrades):
        """The recount. Each push that was not answered 200 may have been kept all the same, and then
        the next try is one more repeat (or one more body in quarantine) than is counted here."""
        with self.lock:
            said = self.recount.document(with_upgrades)
            said["unanswered"] = self.sent - self.answers[200]
            return said


def milliseconds(sorted_s, share):
    if not sorted_s:
        return 0.0
    return round(sorted_s[int(share * (len(sorted_s) - 1))] * 1000, 2)


class Sender(threading.Thread):
    """One kept connection, and the lanes that it takes from SCHEDULE."""

    def __init__(self, target, schedule, tally):
        super().__init__(daemon=True)
        self.target = target
        self.schedule = schedule
        self.tally = tally
        self.connection = None

    def run(self):
        while (lane := self.schedule.take()) is not None:
            if not lane.pushes:
                lane.unfold()
            self.schedule.give_back(lane, self._push(lane))

    def _push(self, lane):
        """Sends the lane's next push; returns the seconds to wait before the following one."""
        push = lane.pushes[0]
        self.tally.count_send()
        began = time.monotonic()
        status, result = self._post(push.body)
        seconds = time.monotonic() - began
        self.tally.count_answer(push, status, result, seconds)
        if status == 200:
            lane.failed = 0
            # what was slow stays at the head, and so comes once more
            if seconds <= SLOW_S or lane.slow:
                lane.pushes.pop(0)
            lane.slow = seconds > SLOW_S and not lane.slow
            return 0.0
        lane.failed += 1
        return min(RETRY_S * 2 ** (lane.failed - 1), RETRY_MOST_S)

    def _post(self, body):
        """Status and result of the answer; 0 and None where there was none."""
        try:
            if self.connection is None:
                self.connection = self.target.connect()
            self.connection.request("POST", self.target.path, body, self.target.HEADERS)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self._disconnect()
            return answer.status, result_of(text) if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            self._disconnect()
            return 0, None

    def _disconnect(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def result_of(text):
    try:
        return str(json.loads(text)["result"])
    except (ValueError, KeyError, TypeError):
        return "no result"


class Target:
    """Where to push: a URL, and the certificate that its server must show."""

    HEADERS = {"Content-Type": "application/json", "User-Agent": "platform"}

    def __init__(self, url, cacert):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{url}: no https URL")
        self.host = parts.hostname
        self.port = parts.port or 443
        self.path = parts.path or "/"
        try:
            self.context = ssl.create_default_context(cafile=cacert)
        except OSError as error:
            raise ValueError(f"{cacert}: {error.strerror or error}") from error

    def connect(self):
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=ANSWER_WAIT_S, context=self.context
        )


def send(target, schedule, tally, connections, stopped_by):
    """Sends until all was answered 200, the schedule came to its deadline, or a signal's handler has
    put something into STOPPED_BY. Senders that wait for an answer then are left behind."""
    senders = [Sender(target, schedule, tally) for _ in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        while sender.is_alive() and not schedule.stopped and not stopped_by:
            sender.join(0.1)
    schedule.stop()
    tally.close()
