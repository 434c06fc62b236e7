#!/usr/bin/env python3
"""Plays the IoT platform in an upgrade campaign.

Usage: play_platform.py --url URL [OPTION]...

Pushes to the callback URL, over HTTPS, what the platform pushes while it upgrades a fleet of devices:
state changes and results of software and firmware operations, in waves, some of them again, late or
out of order; failures and retried sub-tasks; devices that never finish; data of devices beside; and a
few bodies that are no notification at all. What is not answered 200 comes again, later.

What is sent depends on --seed and the other settings alone; when it is sent, on the answers as well.

--expect FILE gets a recount of what the books must say in the end, in the words of the documents that
the receiver serves. The summary goes to stdout as one line of JSON, for each campaign where --campaigns
asks for several. Exit: 0 all was answered 200 in the end, 1 not (also when stopped by SIGINT or
SIGTERM), 2 usage.

campaign/course.py is the model, campaign/recount.py the recount, campaign/sending.py the sending.
"""

import argparse
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "campaign"))

import course  # noqa: E402
import recount  # noqa: E402
import sending  # noqa: E402


def number(least, most, kind=int):
    def take(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"takes {least} to {most}")
        return value

    return take


def read_options(arguments):
    own = course.Settings
    parser = argparse.ArgumentParser(
        prog="play_platform.py", description="Plays the IoT platform in an upgrade campaign."
    )
    add = parser.add_argument
    share = number(0, 1, float)
    add("--url", required=True, help="the callback URL, https")
    add("--cacert", help="the certificate, or its authority, that the server must show")
    add("--devices", type=number(1, 1000000), default=own.devices, help="%(default)s")
    add("--operations", type=number(1, 1000), default=own.operations, help="%(default)s")
    add("--seconds", type=number(0, 86400, float), default=0, help="0: as fast as it goes")
    add("--rate", type=number(1, 100000), default=800, help="most pushes a second (%(default)s)")
    add("--connections", type=number(1, 256), default=16, help="%(default)s")
    add("--seed", type=number(0, 2**63), default=own.seed, help="another campaign (%(default)s)")
    add("--campaigns", type=number(0, 1000000), default=1, help="one after the other; 0: for ever")
    add("--deadline", type=number(1, 172800, float), help="seconds until it gives up (--seconds + 300)")
    add("--fail", type=share, default=own.fail, help="share of first tries that fail (%(default)s)")
    add("--began", type=number(0, 2**40), default=own.began, help="time in the devices' data, since 1970")
    add("--no-stuck", action="store_true", help="every device finishes")
    add("--no-repeats", action="store_true", help="nothing is pushed again without a reason")
    add("--no-disorder", action="store_true", help="nothing is late or out of order")
    add("--no-contradictory", action="store_true", help="versions are what results say")
    add("--no-news", action="store_true", help="no data of devices beside")
    add("--no-broken", action="store_true", help="nothing for quarantine")
    add("--results-alone", type=number(1, 1000), metavar="N", help="each N-th campaign has no state changes")
    add("--lose", type=number(2, 1000000), metavar="N", help="one push in N is lost, and all of one upgrade in N")
    add("--books", metavar="FILE", help="write what the platform itself knows, for platform_api.py")
    add("--expect", metavar="FILE", help="write what the books must say in the end")
    add("--expect-upgrades", action="store_true", help="with a list of all upgrades in it")
    options = parser.parse_args(arguments)
    if options.expect and options.campaigns != 1:
        parser.error("--expect is for one campaign")
    if options.books and options.campaigns != 1:
        parser.error("--books is for one campaign")
    return options


def settings_of(options, number):
    """Of the campaign of that NUMBER, the first being 0."""
    off = {}
    if options.no_stuck:
        off["stuck"] = 0.0
    if options.no_repeats:
        off["repeats"] = 0.0
    if options.no_disorder:
        off.update(late=0.0, shuffled=0.0)
    if options.no_contradictory:
        off["contradictory"] = 0.0
    if options.no_news:
        off["news"] = 0.0
    return course.Settings(
        devices=options.devices,
        operations=options.operations,
        seed=options.seed + number,
        began=options.began + round(number * options.seconds),
        fail=options.fail,
        broken=not options.no_broken,
        **off,
    )


def write_whole(path, document):
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(document, out, ensure_ascii=False, indent=1)
        out.write("\n")
    os.rename(path + ".new", path)


def lossy(lanes, one_in):
    """The LANES without all pushes about one upgrade in ONE_IN, and one in ONE_IN of the others."""
    for lane in lanes:
        kept = [
            push
            for number, push in enumerate(lane.make())
            if "operationId" not in (push.content or {})
            or (lane.number % one_in != 0 and (lane.number + number) % one_in != 0)
        ]
        lane.make = lambda kept=kept: kept
        if kept:
            yield lane


def results_alone(lanes):
    """The LANES without state changes: a platform to which only results are subscribed."""
    for lane in lanes:
        kept = [push for push in lane.make() if "StateChange" not in (push.content or {}).get("notifyType", "")]
        lane.make = lambda kept=kept: kept
        if kept:
            yield lane


STATUSES = {"SUCCESS": "success", "FAIL": "fail", "IN_PROGRESS": "processing"}


def platform_books(campaign):
    """Tasks and sub-tasks as the platform's own API tells them, after the whole campaign."""
    known = recount.Recount()
    for lane in campaign.lanes():
        for push in lane.make():
            if push.content is not None and "operationId" in push.content:
                known.take(push.content)
    operations = {
        operation.operation_id: {
            "operationId": operation.operation_id,
            "createTime": "20260101T000000Z",
            "operateType": "firmware_upgrade" if operation.firmware else "software_upgrade",
            "status": "processing",
            "devices": [],
        }
        for operation in campaign.operations
    }
    for upgrade in known.document(True)["list"]:
        operations[upgrade["operationId"]]["devices"].append(
            {
                "subOperationId": upgrade["subOperationId"],
                "deviceId": upgrade["deviceId"],
                "status": STATUSES[upgrade["state"]],
                "detailInfo": None,
            }
        )
    return {"operations": list(operations.values())}


def push(options, target, number, stopped_by):
    """Runs the campaign of that NUMBER; whether all was answered 200 in the end."""
    settings = settings_of(options, number)
    campaign = course.Campaign(settings)
    deadline = options.deadline or options.seconds + 300
    lanes = campaign.lanes()
    if options.lose:
        lanes = lossy(lanes, options.lose)
    if options.results_alone and (number + 1) % options.results_alone == 0:
        lanes = results_alone(lanes)
    schedule = sending.Schedule(lanes, options.seconds, options.rate, deadline)
    tally = sending.Tally(recount.Recount())
    began = time.monotonic()
    sending.send(target, schedule, tally, options.connections, stopped_by)
    summary = {
        "seed": settings.seed,
        "devices": settings.devices,
        "operations": [operation.operation_id for operation in campaign.operations],
        "seconds": round(time.monotonic() - began, 2),
        **tally.summary(),
        "lanesLeft": schedule.left(),
        "stoppedBy": stopped_by[0] if stopped_by else None,
    }
    if options.books:
        write_whole(options.books, platform_books(campaign))
    if options.expect:
        write_whole(options.expect, tally.expected(options.expect_upgrades))
    print(json.dumps(summary), flush=True)
    return summary["lanesLeft"] == 0


def push_all(options, target):
    stopped_by = []
    for awaited in (signal.SIGINT, signal.SIGTERM):
        signal.signal(awaited, lambda came, _: stopped_by.append(signal.Signals(came).name))
    number, well = 0, True
    while not stopped_by and (number < options.campaigns or options.campaigns == 0):
        well = push(options, target, number, stopped_by) and well
        number += 1
    return 0 if well else 1


def main(arguments):
    options = read_options(arguments)
    try:
        target = sending.Target(options.url, options.cacert)
    except ValueError as error:
        print(f"play_platform.py: {error}", file=sys.stderr)
        return 2
    status = push_all(options, target)
    # Not by way of the interpreter's end, which would wait for senders that wait for an answer.
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
