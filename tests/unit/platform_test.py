#!/usr/bin/env python3
"""The platform that tests play: its model, its recount and its sending, without a server."""

import collections
import http.client
import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tool/campaign"))

import course  # noqa: E402
import recount  # noqa: E402
import sending  # noqa: E402

IDS = {"appId": "a", "operationId": "o", "subOperationId": "s", "deviceId": "d"}


def sw_state(step, **other):
    return {"notifyType": "swUpgradeStateChangeNotify", **IDS, "swUpgradeState": step, **other}


def sw_result(word, current="2", code="0", **other):
    return {
        "notifyType": "swUpgradeResultNotify",
        **IDS,
        "curVersion": current,
        "targetVersion": "2",
        "sourceVersion": "1",
        "swUpgradeResult": word,
        "upgradeTime": "9",
        "resultDesc": "",
        "errorCode": code,
        "description": "",
        **other,
    }


def fw_result(word, name="status", **other):
    return {
        "notifyType": "fwUpgradeResultNotify",
        **IDS,
        "curVersion": "1",
        "targetVersion": "2",
        "sourceVersion": "1",
        name: word,
        "statusDesc": "",
        "upgradeTime": 9,
        **other,
    }


class RecountTest(unittest.TestCase):
    def count(self, *contents):
        books = recount.Recount()
        for content in contents:
            books.take(content)
        return books.document(with_upgrades=True)

    def states(self, *contents):
        upgrades = self.count(*contents)["upgrades"]
        return [upgrades[name] for name in ("inProgress", "success", "fail", "contradictory")]

    def test_a_result_beats_any_state_change(self):
        late = self.count(sw_result("SUCCESS"), sw_state("updating"))
        self.assertEqual(late["upgrades"]["success"], 1)
        self.assertEqual(late["upgrades"]["inProgress"], 0)
        self.assertEqual(late["list"][0]["step"], "updating")

    def test_the_last_received_result_counts(self):
        fail = sw_result("FAIL", current="1", code="4")
        self.assertEqual(self.states(fail, sw_result("SUCCESS")), [0, 1, 0, 0])
        self.assertEqual(self.states(sw_result("SUCCESS"), fail), [0, 0, 1, 0])
        other = {**fail, "errorCode": "9"}
        failures = self.count(fail, other)["operations"][0]["failures"]
        self.assertEqual(failures, [{"errorCode": "9", "count": 1, "share": 1.0}])

    def test_a_repeat_changes_nothing(self):
        fail = sw_result("FAIL", current="1", code="4")
        again = dict(reversed(fail.items()))
        self.assertEqual(self.states(fail, sw_result("SUCCESS"), again), [0, 1, 0, 0])
        totals = self.count(fail, sw_result("SUCCESS"), again)["totals"]
        self.assertEqual((totals["notifications"], totals["repeats"]), (2, 1))
        steps = self.count(sw_state("downloading"), sw_state("idle"), sw_state("downloading"))
        self.assertEqual(steps["list"][0]["step"], "idle")

    def test_a_number_is_no_text(self):
        totals = self.count(fw_result("FAIL"), fw_result("FAIL", upgradeTime="9"))["totals"]
        self.assertEqual((totals["notifications"], totals["repeats"]), (2, 0))

    def test_firmware_has_two_names_for_its_result_and_no_error_code(self):
        for name in ("status", "Status"):
            operation = self.count(fw_result("FAIL", name))["operations"][0]
            self.assertEqual(operation["failures"], [{"errorCode": "", "count": 1, "share": 1.0}])

    def test_contradictory_is_what_the_counting_result_says(self):
        self.assertEqual(self.states(sw_result("SUCCESS", current="1")), [0, 1, 0, 1])
        self.assertEqual(self.states(sw_result("FAIL", current="2")), [0, 0, 1, 1])
        both = sw_result("SUCCESS", current="1"), sw_result("SUCCESS", current="2")
        self.assertEqual(self.states(*both), [0, 1, 0, 0])

    def test_each_body_in_quarantine_counts(self):
        totals = self.count(None, None)["totals"]
        self.assertEqual((totals["quarantined"], totals["notifications"]), (2, 0))

    def test_an_operation_is_of_its_application(self):
        said = self.count(
            sw_state("idle"),
            sw_result("FAIL", current="1", code="4", deviceId="e"),
            sw_result("SUCCESS", deviceId="f"),
            sw_result("SUCCESS", appId="b"),
        )
        one, other = said["operations"]
        self.assertEqual((one["appId"], other["appId"]), ("a", "b"))
        self.assertEqual((one["failureShare"], other["failureShare"]), (0.5, 0))
        moves = [{"from": "1", "to": "2", "success": 1, "fail": 1}]
        self.assertEqual(one["versions"], moves)
        self.assertIsNone(self.count(sw_state("idle"))["operations"][0]["failureShare"])


def unfolded(lanes):
    lanes = list(lanes)
    for lane in lanes:
        lane.unfold()
    return lanes


def is_result(push):
    return push.content is not None and recount.result_word(push.content) is not None


def is_upgrade(lane):
    return lane.pushes[0].content is not None and "subOperationId" in lane.pushes[0].content


def news_of(lane):
    """Its pushes without the repeats."""
    news, seen = [], []
    for push in lane.pushes:
        if push.content not in seen:
            seen.append(push.content)
            news.append(push)
    return news


def words_of(lane):
    return [recount.result_word(push.content) for push in news_of(lane) if is_result(push)]


class CourseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = course.Settings(devices=2000, seed=7)
        cls.campaign = course.Campaign(cls.settings)
        cls.lanes = unfolded(cls.campaign.lanes())
        cls.upgrades = [lane for lane in cls.lanes if is_upgrade(lane)]

    def test_the_seed_decides_every_byte(self):
        backwards = list(course.Campaign(self.settings).lanes())
        for lane in reversed(backwards):
            lane.unfold()
        for one, other in zip(self.lanes, backwards, strict=True):
            self.assertEqual(one.pushes, other.pushes)
        another = course.Campaign(course.Settings(devices=2000, seed=8))
        ids = {operation.operation_id for operation in self.campaign.operations}
        self.assertTrue(ids.isdisjoint(operation.operation_id for operation in another.operations))

    def test_bodies_say_their_content(self):
        spellings = set()
        for push in (push for lane in self.lanes for push in lane.pushes):
            if push.content is not None:
                self.assertEqual(json.loads(push.body), push.content)
                spellings.add((push.body[:2], push.body[-1:]))
        # compact, with spaces, indented; with and without an end of line
        self.assertGreater(len(spellings), 3)

    def test_repeats_are_spelled_anew(self):
        bodies = collections.defaultdict(list)
        for push in (push for lane in self.lanes for push in lane.pushes):
            if push.content is not None:
                bodies[recount.digest(push.content)].append(push.body)
        repeated = [found for found in bodies.values() if len(found) > 1]
        self.assertGreater(len(repeated), 100)
        self.assertTrue(any(len(set(found)) > 1 for found in repeated))

    def test_every_type_is_there(self):
        kinds = {push.content["notifyType"] for lane in self.lanes for push in lane.pushes if push.content}
        self.assertEqual(
            kinds,
            {course.SW_RESULT, course.SW_STATE, course.FW_RESULT, course.FW_STATE}
            | {"deviceDataChanged", "deviceInfoChanged"},
        )

    def test_time_goes_on_within_a_lane(self):
        for lane in self.lanes:
            times = [push.at for push in lane.pushes]
            self.assertEqual(times, sorted(times))
            self.assertTrue(0 <= times[0] and times[-1] <= 1)
            self.assertLessEqual(lane.at, times[0])

    def test_one_lane_has_all_about_an_upgrade(self):
        owners = {}
        for lane in self.upgrades:
            for push in lane.pushes:
                key = tuple(push.content[name] for name in recount.IDS)
                self.assertEqual(owners.setdefault(key, lane.number), lane.number)

    def test_no_two_lanes_say_the_same(self):
        owners = {}
        for lane in self.lanes:
            for push in lane.pushes:
                if push.content is not None:
                    mark = recount.digest(push.content)
                    self.assertEqual(owners.setdefault(mark, lane.number), lane.number)

    def test_a_campaign_has_all_kinds_of_course(self):
        courses = collections.Counter(tuple(words_of(lane)) for lane in self.upgrades)
        of = len(self.upgrades)
        self.assertGreater(courses[("SUCCESS",)], 0.85 * of)
        self.assertTrue(0.01 * of < courses[("FAIL",)] < 0.08 * of)
        self.assertTrue(0.005 * of < courses[()] < 0.03 * of)
        self.assertGreater(courses[("FAIL", "SUCCESS")], 0)
        self.assertGreater(courses[("SUCCESS", "FAIL")], 0)

    def test_some_state_changes_come_after_the_result(self):
        late = first = 0
        for lane in self.upgrades:
            results = [is_result(push) for push in news_of(lane)]
            if sum(results) == 1 and not results[-1]:
                late += not results[0]
                first += results[0]
        self.assertGreater(late, 0.03 * len(self.upgrades))
        self.assertGreater(first, 0.003 * len(self.upgrades))

    def test_some_repeats_come_when_more_was_said(self):
        late = 0
        for lane in self.upgrades:
            contents = [push.content for push in lane.pushes]
            late += len(words_of(lane)) == 1 and contents[-1] in contents[:-2]
        self.assertGreater(late, 0.02 * len(self.upgrades))

    def test_a_rollout_comes_in_waves(self):
        begins = sorted(lane.at for lane in self.upgrades)
        begun = [sum(at < limit for at in begins) / len(begins) for limit in (0.04, 0.16, 0.8)]
        self.assertTrue(0.02 < begun[0] < 0.08, begun)
        self.assertTrue(0.10 < begun[1] < 0.22, begun)
        self.assertGreater(begun[2], 0.97)

    def test_what_is_switched_off_is_not_there(self):
        plain = course.Settings(
            devices=400, stuck=0, repeats=0, late=0, shuffled=0, contradictory=0, news=0, broken=False
        )
        lanes = unfolded(course.Campaign(plain).lanes())
        books = recount.Recount()
        for push in (push for lane in lanes for push in lane.pushes):
            books.take(push.content)
        said = books.document()
        self.assertEqual(said["upgrades"]["inProgress"], 0)
        self.assertEqual(said["upgrades"]["contradictory"], 0)
        self.assertEqual(said["totals"]["quarantined"], 0)
        self.assertTrue(all(is_upgrade(lane) for lane in lanes))
        self.assertTrue(all(is_result(lane.pushes[-1]) for lane in lanes))

    def test_a_single_device_makes_a_campaign(self):
        for operations in (1, 3):
            self.assertTrue(unfolded(course.Campaign(course.Settings(1, operations)).lanes()))


class Answer:
    def __init__(self, status, result):
        self.status = status
        self.result = result
        self.will_close = status == 503

    def read(self):
        return json.dumps({"result": self.result}).encode()


class Server:
    """Stands in for a Target and its connections; ANSWERS are (status, seconds) in turn, then 200s.
    Status 0 breaks the connection."""

    path = "/"
    HEADERS = {}

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []
        self.connections = 0
        self.lock = threading.Lock()
        self.under_way = self.under_way_most = 0

    def connect(self):
        self.connections += 1
        return self

    def close(self):
        pass

    def request(self, _method, _path, body, _headers):
        with self.lock:
            self.bodies.append(body)

    def getresponse(self):
        with self.lock:
            self.under_way += 1
            self.under_way_most = max(self.under_way_most, self.under_way)
            status, seconds = self.answers.pop(0) if self.answers else (200, 0)
        time.sleep(seconds)
        with self.lock:
            self.under_way -= 1
        if status == 0:
            raise http.client.RemoteDisconnected
        return Answer(status, "stored")


def lane_of(number, *texts, at=0.0):
    return course.Lane(at, number, lambda: [course.Push(at, text, None) for text in texts])


class SendingTest(unittest.TestCase):
    def setUp(self):
        self.before = sending.RETRY_S, sending.SLOW_S
        sending.RETRY_S, sending.SLOW_S = 0.001, 5.0

    def tearDown(self):
        sending.RETRY_S, sending.SLOW_S = self.before

    def send(self, server, *lanes, seconds=0, rate=0, deadline=20, connections=1, stopped_by=()):
        schedule = sending.Schedule(lanes, seconds, rate, deadline)
        tally = sending.Tally(recount.Recount())
        began = time.monotonic()
        sending.send(server, schedule, tally, connections, stopped_by)
        self.took = time.monotonic() - began
        return {**tally.summary(), "left": schedule.left(), **tally.expected(False)["totals"]}

    def test_a_lane_is_sent_in_order_whatever_is_answered(self):
        server = Server((0, 0), (503, 0), (200, 0), (503, 0), (200, 0))
        said = self.send(server, lane_of(1, b"a", b"b", b"c"), connections=4)
        self.assertEqual(server.bodies, [b"a", b"a", b"a", b"b", b"b", b"c"])
        self.assertEqual(said["answers"], {"0": 1, "200": 3, "503": 2})
        self.assertEqual((said["unanswered"], said["failuresInARow"], said["left"]), (3, 2, 0))
        self.assertEqual(said["quarantined"], 3)

    def test_a_connection_is_kept_until_it_breaks_or_is_closed(self):
        for status, connections in ((200, 1), (0, 2), (503, 2)):
            server = Server((status, 0))
            self.send(server, lane_of(1, b"a", b"b"))
            self.assertEqual(server.connections, connections)

    def test_ten_failures_in_a_row_silence_once(self):
        said = self.send(Server(*[(503, 0)] * 12), lane_of(1, b"a"), lane_of(2, b"b"))
        self.assertEqual((said["failuresInARow"], said["silenced"]), (12, 1))

    def test_what_was_slow_is_pushed_again_once(self):
        sending.SLOW_S = 0.05
        server = Server(*[(200, 0.1)] * 3)
        said = self.send(server, lane_of(1, b"a", b"b"))
        self.assertEqual(server.bodies, [b"a", b"a", b"b", b"b"])
        self.assertEqual(said["slow"], 3)

    def test_lanes_do_not_wait_for_each_other(self):
        server = Server(*[(200, 1)] * 4)  # long enough for four threads to begin
        lanes = [lane_of(number, b"%d" % number) for number in range(4)]
        self.send(server, *lanes, connections=4)
        self.assertEqual(server.under_way_most, 4)

    def test_sent_by_time_then_by_number(self):
        server = Server()
        late, early = lane_of(1, b"late", at=0.3), lane_of(2, b"early", at=0.1)
        self.send(server, late, early, seconds=1)
        self.assertEqual(server.bodies, [b"early", b"late"])
        self.assertGreaterEqual(self.took, 0.3)
        server = Server()
        self.send(server, late, early)
        self.assertEqual(server.bodies, [b"early", b"late"])

    def test_the_rate_is_kept(self):
        self.send(Server(), lane_of(1, *[b"x"] * 20), lane_of(2, *[b"y"] * 20), rate=100, connections=4)
        self.assertGreaterEqual(self.took, 0.35)

    def test_it_gives_up_at_the_deadline(self):
        sending.RETRY_S = 0.05
        said = self.send(Server(*[(503, 0)] * 1000), lane_of(1, b"a"), deadline=0.5)
        self.assertEqual((said["left"], said["quarantined"]), (1, 0))
        self.assertLess(self.took, 5)

    def test_a_signal_ends_it_at_once(self):
        said = self.send(Server((200, 3)), lane_of(1, b"a"), stopped_by=["SIGINT"])
        self.assertEqual(said["left"], 1)
        self.assertLess(self.took, 2)


if __name__ == "__main__":
    unittest.main()
