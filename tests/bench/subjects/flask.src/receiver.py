"""A receiver of upgrade notifications to measure against: the official SDK's Flask application, with a
store behind it. A thread of each worker commits what the others have received, in groups; DATA in the
environment names its folder."""

import hashlib
import json
import os
import queue
import threading
import time

from flask import Flask, Response, request

from store import Store

MAX_GROUP = 512

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1 << 20
waiting = queue.SimpleQueue()


class Notification:
    __slots__ = ("row", "state", "written", "repeated", "fault")

    def __init__(self, text, members):
        def optional(name):
            value = members.get(name)
            return value if isinstance(value, str) else ""

        self.row = (
            int(time.time() * 1000), members["notifyType"], optional("appId"), members["deviceId"],
            members["operationId"], optional("subOperationId"), text.decode(),
            hashlib.sha256(text).digest()[:16],
        )
        result = members.get("swUpgradeResult") or members.get("status")
        self.state = result if result in ("SUCCESS", "FAIL") else "IN_PROGRESS"
        # A lock that its owner waits for: half of a threading.Event.
        self.written = threading.Lock()
        self.written.acquire()
        self.repeated = False
        self.fault = None


def write():
    store = Store(os.environ["DATA"])
    while True:
        group = [waiting.get()]
        try:
            while len(group) < MAX_GROUP:
                group.append(waiting.get_nowait())
        except queue.Empty:
            pass
        try:
            store.keep(group)
        except Exception as fault:  # whatever it is, the platform is to send them again
            app.logger.error("%s", fault)
            for notification in group:
                notification.fault = fault
        for notification in group:
            notification.written.release()


threading.Thread(target=write, daemon=True).start()


def answer(status, result):
    return Response(f'{{"result":"{result}"}}\n', status, mimetype="application/json")


@app.route("/v1.0.0/messageReceiver", methods=["POST"])
def message_receiver():
    text = request.get_data(cache=False)
    try:
        members = json.loads(text)
    except ValueError:
        return answer(400, "no JSON")
    if not isinstance(members, dict):
        return answer(400, "no object")
    for name in ("notifyType", "deviceId", "operationId"):
        if not isinstance(members.get(name), str):
            return answer(400, f"{name} missing")
    notification = Notification(text, members)
    waiting.put(notification)
    notification.written.acquire()
    if notification.fault:
        return answer(503, "cannot be kept")
    return answer(200, "repeated" if notification.repeated else "stored")
