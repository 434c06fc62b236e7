"""The model: what the platform pushes in a campaign, in which order and when, without sending it.

A campaign is a number of lanes. A lane is a sequence of pushes of which each waits until the one
before was answered 200, because their order decides how the books end: all pushes about one upgrade,
or one push that nothing depends on. Lanes know nothing of each other, and what a lane holds depends
on the seed alone: two campaigns of the same settings say the same, byte for byte.

Times are fractions of the campaign: it begins at 0 and its last push is due at 1.
"""

import json
import random
import time
from dataclasses import dataclass, field

import vocabulary as words

SW_RESULT, SW_STATE = "swUpgradeResultNotify", "swUpgradeStateChangeNotify"
FW_RESULT, FW_STATE = "fwUpgradeResultNotify", "fwUpgradeStateChangeNotify"

# A rollout: shares of the devices, and when each wave's first and last device begin.
WAVES = ((0.05, 0.00, 0.03), (0.15, 0.04, 0.14), (0.30, 0.18, 0.38), (0.50, 0.40, 0.74))
# How long an upgrade takes: the median and the longest.
DURATION, DURATION_MOST = 0.07, 0.22
# Each operation begins that much behind the one before.
STAGGER = 0.03
# One device in so many takes part in the next operation as well.
IN_TWO_OPERATIONS = 10
# One body for quarantine to so many devices, and one at least of each kind.
DEVICES_TO_A_BROKEN_BODY = 400


@dataclass(frozen=True)
class Settings:
    """What a campaign is made from. Shares are of upgrades, unless they say otherwise."""

    devices: int = 5000
    operations: int = 3
    seed: int = 1
    began: int = 1767225600  # seconds since 1970: what eventTime in device data counts from
    fail: float = 0.06
    retried: float = 0.35  # of failures: the same sub-task once more
    retried_anew: float = 0.10  # of failures: once more, as another sub-task
    stuck: float = 0.015
    contradictory: float = 0.015
    reversed: float = 0.004  # successes that turn out to be failures
    late: float = 0.05  # a state change comes after the result
    shuffled: float = 0.01  # results first, state changes in any order
    repeats: float = 0.02  # of pushes
    news: float = 0.3
    broken: bool = True


@dataclass
class Push:
    """One body to be pushed. CONTENT is None where the body is no notification."""

    at: float
    body: bytes
    content: dict | None = None


@dataclass
class Lane:
    """Pushes that must not overtake each other; NUMBER tells lanes apart and orders equals."""

    at: float
    number: int
    make: object  # called once, for the list of pushes
    pushes: list = field(default_factory=list)
    failed: int = 0  # how often in a row its next push was not answered 200
    slow: bool = False  # its next push was answered already, but late

    def unfold(self):
        """Makes the pushes: late, so that a campaign of any size takes little memory."""
        self.pushes = self.make()


@dataclass(frozen=True)
class Operation:
    """One upgrade task."""

    number: int
    operation_id: str
    firmware: bool
    target: str
    sources: tuple
    begins: float


@dataclass(frozen=True)
class Upgrade:
    """One device in one operation, before anything happens to it."""

    operation: Operation
    device_id: str
    sub_operation_id: str
    source: str
    begins: float
    duration: float

    def ids(self):
        return {
            "deviceId": self.device_id,
            "appId": words.APP_ID,
            "operationId": self.operation.operation_id,
            "subOperationId": self.sub_operation_id,
        }


def chance(rng, share):
    return rng.random() < share


def hex_id(rng, digits=24):
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def uuid(rng):
    digits = hex_id(rng, 32)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def spell(content, rng):
    """CONTENT as JSON: mostly as the platform's document shows it, at times in another order of its
    members, with other white space or with escapes."""
    if chance(rng, 0.8):
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    names = list(content)
    rng.shuffle(names)
    layout = rng.choice(({"separators": (",", ":")}, {}, {"indent": 4}, {"indent": "\t"}))
    ascii_only = chance(rng, 0.5)
    text = json.dumps({name: content[name] for name in names}, ensure_ascii=ascii_only, **layout)
    return (text + rng.choice(("", "\n", "\r\n"))).encode()


# --- what one push says -----------------------------------------------------------------------


def state_change(upgrade, step, rng):
    """That UPGRADE came to STEP, 0 to 3."""
    if not upgrade.operation.firmware:
        return {"notifyType": SW_STATE, **upgrade.ids(), "swUpgradeState": words.SW_STEPS[step]}
    number, text = words.FW_STEPS[step]
    # Some editions of the document print the step as a number.
    said = int(number) if chance(rng, 0.1) else number
    return {"notifyType": FW_STATE, **upgrade.ids(), "step": said, "stepDesc": text}


def result(upgrade, failure, arrived, rng):
    """That UPGRADE ended: with FAILURE, or well where that is None. ARRIVED: the device is at the
    target version now."""
    operation = upgrade.operation
    took = str(max(1, round(upgrade.duration * 3600 * rng.uniform(0.8, 1.2))))
    state = "SUCCESS" if failure is None else "FAIL"
    said = {
        "notifyType": FW_RESULT if operation.firmware else SW_RESULT,
        **upgrade.ids(),
        "curVersion": operation.target if arrived else upgrade.source,
        "targetVersion": operation.target,
        "sourceVersion": upgrade.source,
    }
    text = "Success" if failure is None else failure.description
    if operation.firmware:
        name = "Status" if chance(rng, 0.05) else "status"
        took = int(took) if chance(rng, 0.1) else took
        return {**said, name: state, "statusDesc": text, "upgradeTime": took}
    return {
        **said,
        "swUpgradeResult": state,
        "upgradeTime": took,
        "resultDesc": "Success" if failure is None else "Upgrade failed",
        "errorCode": "0" if failure is None else failure.code,
        "description": "" if failure is None else text,
    }


def some_failure(rng):
    return rng.choices(words.FAILURES, [failure.share for failure in words.FAILURES])[0]


# --- the course of one upgrade ----------------------------------------------------------------


def attempt(upgrade, failure, arrived, steps, begins, duration, rng):
    """State changes up to STEPS, then the result: pairs of time and content."""
    ends = (0.0, 0.45, 0.55, 0.97)
    said = [
        (begins + duration * (ends[step] + rng.uniform(0, 0.03)), state_change(upgrade, step, rng))
        for step in range(steps)
    ]
    share = 1.0 if steps == len(ends) else (0.3, 0.4, 0.6, 0.9)[steps]
    return said + [(begins + duration * share, result(upgrade, failure, arrived, rng))]


def disorder(said, settings, rng):
    """A state change that comes after the result, or all of them in any order behind it."""
    *changes, (ended, outcome) = said
    if len(changes) == 0:
        return said
    if chance(rng, settings.shuffled):
        rng.shuffle(changes)
        return [(ended, outcome)] + [(ended, change) for _, change in changes]
    if chance(rng, settings.late):
        _, change = changes.pop(rng.randrange(len(changes)))
        changes.append((ended, outcome))
        return changes + [(ended + rng.uniform(0.01, 0.05), change)]
    return said


def course(upgrade, settings, rng):
    """What is said about UPGRADE: pairs of time and content, in the order in which they are pushed.
    The second value is whether its failure is to be tried anew as another sub-task."""
    if chance(rng, settings.stuck):
        steps = rng.choice((1, 1, 2, 3, 3))
        said = attempt(upgrade, None, True, steps, upgrade.begins, upgrade.duration, rng)
        return said[:-1], False
    failure = some_failure(rng) if chance(rng, settings.fail) else None
    odd = chance(rng, settings.contradictory)
    arrived = (failure is None) != odd
    steps = 4 if failure is None else failure.steps
    said = attempt(upgrade, failure, arrived, steps, upgrade.begins, upgrade.duration, rng)
    said = disorder(said, settings, rng)
    ended = said[-1][0]
    if failure is None:
        if chance(rng, settings.reversed):
            late = result(upgrade, words.FAILURES[-2], False, rng)
            said.append((ended + rng.uniform(0.01, 0.03), late))
        return said, False
    if chance(rng, settings.retried):
        # The same state changes once more are repeats to the books: they say nothing new.
        again = None if chance(rng, 0.85) else some_failure(rng)
        steps = 4 if again is None else again.steps
        begins = ended + rng.uniform(0.01, 0.04)
        duration = upgrade.duration / 2
        return said + attempt(upgrade, again, again is None, steps, begins, duration, rng), False
    return said, chance(rng, settings.retried_anew)


def push_all(said, settings, rng):
    """Spells what is SAID; pushes some of it again, at once or when more has been said."""
    pushes, again = [], []
    for at, content in said:
        pushes.append(Push(at, spell(content, rng), content))
        if chance(rng, settings.repeats):
            repeat = Push(at, spell(content, rng), content)
            (pushes if chance(rng, 0.5) else again).append(repeat)
    pushes += again
    # None is due before the one ahead of it, nor when the campaign is over.
    latest = 0.0
    for push in pushes:
        latest = push.at = min(max(push.at, latest), 1.0)
    return pushes


# --- the campaign -----------------------------------------------------------------------------


class Campaign:
    """All lanes of a campaign, made from SETTINGS."""

    def __init__(self, settings):
        self.settings = settings
        self.operations = [self._operation(number) for number in range(settings.operations)]
        self._count = 0

    def lanes(self):
        """Every lane, in no order of time."""
        self._count = 0
        upgrades = 0
        for operation, device, rank, of in self._members():
            upgrades += 1
            yield from self._upgrade_lanes(operation, device, rank, of)
        yield from self._news_lanes(round(self.settings.news * upgrades))
        if self.settings.broken:
            yield from self._broken_lanes()

    def _rng(self, *what):
        return random.Random(f"{self.settings.seed} {what}")

    def _lane(self, at, make):
        self._count += 1
        return Lane(at, self._count, make)

    def _operation(self, number):
        firmware = number % 3 == 1
        versions = words.FW_VERSIONS if firmware else words.SW_VERSIONS
        target, sources = versions[number % len(versions)]
        rng = self._rng("operation", number)
        return Operation(number, hex_id(rng), firmware, target, sources, STAGGER * number)

    def _members(self):
        """Operation, device, its rank in the rollout, and how many devices the operation has. The
        first operation has the most devices, the second half as many, and so on."""
        rng = self._rng("members")
        weights = [1 / (operation.number + 1) for operation in self.operations]
        members = [[] for _ in self.operations]
        for device in range(self.settings.devices):
            # the first devices see to it that no operation is without one
            number = device if device < len(members) else rng.choices(range(len(members)), weights)[0]
            members[number].append(device)
            if chance(rng, 1 / IN_TWO_OPERATIONS) and len(members) > 1:
                members[(number + 1) % len(members)].append(device)
        for operation, devices in zip(self.operations, members):
            rng.shuffle(devices)
            for rank, device in enumerate(devices):
                yield operation, device, rank, len(devices)

    def _device_id(self, device):
        return uuid(self._rng("device", device))

    def _begins(self, operation, rank, of, rng):
        """When the device of that RANK begins: its wave decides."""
        share, place = 0.0, (rank + 0.5) / of
        for size, first, last in WAVES:
            if place < share + size:
                at = first + (last - first) * (place - share) / size
                return (operation.begins + at + rng.uniform(0, 0.01)) * 0.97
            share += size
        return operation.begins + WAVES[-1][2]

    def _upgrade(self, operation, device, begins, rng):
        duration = min(DURATION * rng.lognormvariate(0, 0.5), DURATION_MOST)
        source = rng.choices(operation.sources, words.SOURCE_SHARES)[0]
        device_id = self._device_id(device)
        return Upgrade(operation, device_id, hex_id(rng), source, begins, duration)

    def _upgrade_lanes(self, operation, device, rank, of):
        name = (operation.number, device)
        upgrade = self._upgrade(
            operation,
            device,
            self._begins(operation, rank, of, self._rng("begins", *name)),
            self._rng("upgrade", *name),
        )

        def said():
            return course(upgrade, self.settings, self._rng("course", *name))

        def pushes():
            return push_all(said()[0], self.settings, self._rng("pushes", *name))

        yield self._lane(upgrade.begins, pushes)
        told, anew = said()
        if anew:
            yield self._anew_lane(operation, device, told[-1][0] + 0.02)

    def _anew_lane(self, operation, device, begins):
        """The device is tried once more, as a sub-task of its own."""
        rng = self._rng("anew", operation.number, device)
        upgrade = self._upgrade(operation, device, begins, rng)
        duration = upgrade.duration / 2
        said = attempt(upgrade, None, True, 4, begins, duration, rng)
        return self._lane(begins, lambda: push_all(said, self.settings, rng))

    def _news_lanes(self, count):
        """What devices report beside."""
        for number in range(count):
            at = self._rng("news", number).random()
            yield self._lane(at, lambda number=number, at=at: self._news(number, at))

    def _news(self, number, at):
        rng = self._rng("what news", number)
        device_id = self._device_id(rng.randrange(self.settings.devices))
        # a moment of its own, so that no two say the same
        moment = time.gmtime(self.settings.began + number)
        if chance(rng, 0.8):
            service = {
                "serviceId": "battery",
                "serviceType": "battery",
                "data": {"batteryLevel": rng.randint(5, 100)},
                "eventTime": time.strftime("%Y%m%dT%H%M%SZ", moment),
            }
            content = {"notifyType": "deviceDataChanged", "requestId": None, "service": service}
        else:
            info = {
                "nodeId": None,
                "status": rng.choice(("ONLINE", "OFFLINE")),
                "signalStrength": str(-rng.randint(60, 120)),
                "description": time.strftime("seen %Y-%m-%d %H:%M:%S", moment),
            }
            content = {"notifyType": "deviceInfoChanged", "deviceInfo": info}
        content = {**content, "deviceId": device_id, "gatewayId": device_id}
        return push_all([(at, content)], self.settings, rng)

    def _broken_lanes(self):
        """Bodies for quarantine: pushed once each, and answered 200 like any other."""
        rng = self._rng("broken")
        operation = self.operations[0]
        kinds = len(words.broken_bodies(result(self._upgrade(operation, 0, 0, rng), None, True, rng)))
        for number in range(max(kinds, self.settings.devices // DEVICES_TO_A_BROKEN_BODY)):
            device = rng.randrange(self.settings.devices)
            upgrade = self._upgrade(operation, device, 0, rng)
            whole = result(upgrade, None, True, self._rng("a broken result", number))
            body = words.broken_bodies(whole)[number % kinds]
            at = rng.random()
            yield self._lane(at, lambda at=at, body=body: [Push(at, body)])
