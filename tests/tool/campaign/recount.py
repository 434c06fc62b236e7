"""What the books must say in the end: a plain recount of what was answered 200.

Knows nothing of the model nor of the receiver's answers, only the bodies in the order in which they
were first answered, and the words of the design: equal content is a repeat; a result beats any state
change, whenever it came; among results the last received counts.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

RESULTS = {
    "swUpgradeResultNotify": ("swUpgradeResult",),
    "fwUpgradeResultNotify": ("status", "Status"),
}
STEPS = {"swUpgradeStateChangeNotify": "swUpgradeState", "fwUpgradeStateChangeNotify": "step"}
IDS = ("appId", "operationId", "subOperationId", "deviceId")


@dataclass
class Standing:
    """How one upgrade stands."""

    state: str = "IN_PROGRESS"
    step: str = ""
    contradictory: bool = False
    error_code: str = ""
    source: str = ""
    target: str = ""
    current: str = ""


def result_word(content):
    """SUCCESS or FAIL, None where CONTENT is no result."""
    for name in RESULTS.get(content["notifyType"], ()):
        if name in content:
            return content[name]
    return None


def digest(content):
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class Recount:
    """Takes each body that was answered 200; tells what the books must say of them."""

    def __init__(self):
        self.kept = set()
        self.repeats = 0
        self.quarantined = 0
        self.upgrades = {}
        self.kinds = Counter()

    def take(self, content):
        """CONTENT: what the body says; None where it is no notification."""
        if content is None:
            self.quarantined += 1
            return
        mark = digest(content)
        if mark in self.kept:
            self.repeats += 1
            return
        self.kept.add(mark)
        word = result_word(content)
        self.kinds[content["notifyType"], word or ""] += 1
        if content["notifyType"] in STEPS or word is not None:
            self._take_upgrade(content, word)

    def _take_upgrade(self, content, word):
        key = tuple(content[name] for name in IDS)
        standing = self.upgrades.setdefault(key, Standing())
        if word is None:
            standing.step = str(content[STEPS[content["notifyType"]]])
            return
        arrived = content["curVersion"] == content["targetVersion"]
        standing.state = word
        standing.contradictory = (word == "SUCCESS") != arrived
        standing.error_code = content.get("errorCode", "")
        standing.source = content["sourceVersion"]
        standing.target = content["targetVersion"]
        standing.current = content["curVersion"]

    def document(self, with_upgrades=False):
        """In the words of overview.json and operation.json; operations by id."""
        operations = {}
        for (app_id, operation_id, _, _), standing in self.upgrades.items():
            operations.setdefault((operation_id, app_id), []).append(standing)
        said = {
            "totals": {
                "notifications": len(self.kept),
                "repeats": self.repeats,
                "quarantined": self.quarantined,
                "quarantineLogOnly": 0,
            },
            "upgrades": count_states(self.upgrades.values()),
            "kinds": [
                {"notifyType": kind, "result": word, "count": count}
                for (kind, word), count in sorted(self.kinds.items())
            ],
            "operations": [
                operation_document(app_id, operation_id, standings)
                for (operation_id, app_id), standings in sorted(operations.items())
            ],
        }
        if with_upgrades:
            said["list"] = [upgrade_document(*item) for item in sorted(self.upgrades.items(), key=by_ids)]
        return said


def by_ids(item):
    return item[0]


def count_states(standings):
    states = Counter(standing.state for standing in standings)
    return {
        "inProgress": states["IN_PROGRESS"],
        "success": states["SUCCESS"],
        "fail": states["FAIL"],
        "contradictory": sum(standing.contradictory for standing in standings),
    }


def operation_document(app_id, operation_id, standings):
    counts = count_states(standings)
    finished = counts["success"] + counts["fail"]
    failures = Counter(one.error_code for one in standings if one.state == "FAIL")
    return {
        "appId": app_id,
        "operationId": operation_id,
        **counts,
        "failureShare": counts["fail"] / finished if finished else None,
        "failures": [
            {"errorCode": code, "count": count, "share": count / counts["fail"]}
            for code, count in sorted(failures.items(), key=most_first)
        ],
        "versions": versions_document(standings),
    }


def most_first(counted):
    return -counted[1], counted[0]


def versions_document(standings):
    """From which version to which, of upgrades that have ended; the most frequent first."""
    moves = {}
    for standing in standings:
        if standing.state != "IN_PROGRESS":
            moves.setdefault((standing.source, standing.target), Counter())[standing.state] += 1
    return [
        {"from": source, "to": target, "success": ended["SUCCESS"], "fail": ended["FAIL"]}
        for (source, target), ended in sorted(
            moves.items(), key=lambda move: (-move[1].total(), move[0])
        )
    ]


def upgrade_document(ids, standing):
    return {
        **dict(zip(IDS, ids)),
        "state": standing.state,
        "step": standing.step,
        "curVersion": standing.current,
        "targetVersion": standing.target,
        "sourceVersion": standing.source,
        "errorCode": standing.error_code,
        "contradictory": standing.contradictory,
    }
