"""The platform's words: steps, versions, error codes and texts, with how often each is met.

Codes and texts are those that public pages of the platform name. No real body of a result is public,
so their shares are invented.
"""

import json
from collections import namedtuple

APP_ID = "Zk3vXq7LmP0aT9sRwE2bYc5uHd8N"

SW_STEPS = ("downloading", "downloaded", "updating", "idle")
# Step and stepDesc of a firmware upgrade, in the same order.
FW_STEPS = (("1", "downloading"), ("2", "downloaded"), ("3", "updating"), ("0", "idle"))

# Of each operation: a target version, and the versions that devices come from.
SW_VERSIONS = (
    ("V2.4.0", ("V2.3.1", "V2.3.0", "V2.1.7")),
    ("V2.4.1", ("V2.4.0", "V2.3.1", "V2.3.0")),
    ("V3.0.0", ("V2.4.1", "V2.4.0", "V2.1.7")),
)
FW_VERSIONS = (
    ("B657SP05", ("B657SP03", "B657SP01", "B656SP07")),
    ("B658SP01", ("B657SP05", "B657SP03", "B656SP07")),
)
SOURCE_SHARES = (70, 22, 8)

# A way to fail: errorCode ("": the device never said one), description, share, and how many of the
# four steps are reported before.
Failure = namedtuple("Failure", "code description share steps")
FAILURES = (
    Failure("", "Waiting for the device online timeout", 20, 0),
    Failure("", "Device Abnormal is not online", 8, 1),
    Failure("", "\u7b49\u5f85\u8bbe\u5907\u4e0a\u7ebf\u8d85\u65f6", 2, 0),
    Failure("4", "Low battery", 18, 2),
    Failure("5", "Not enough storage for the new firmware package", 14, 1),
    Failure("127", "Connection lost during downloading process", 12, 1),
    Failure("10", "Integrity check failure for new downloaded package", 9, 2),
    Failure("1", "Device in use", 8, 2),
    Failure("9", "Out of memory", 5, 3),
    Failure("10", "Install failed", 3, 3),
    Failure("127", "Internal error", 1, 3),
)


def broken_bodies(result):
    """Bodies that belong in quarantine, made from a whole RESULT's members."""

    def spell(body):
        return json.dumps(body).encode()

    without = {name: value for name, value in result.items() if name != "errorCode"}
    whole = spell(result)
    return (
        spell(without),
        whole[: len(whole) // 2],
        spell({"subscription": "test", "appId": result["appId"]}),
        spell({**result, "curVersion": None}),
        spell({**result, "swUpgradeResult": "TIMEOUT"}),
        spell({**result, "notifyType": "deviceShadowChanged"}),
        spell({**result, "operationId": ""}),
        whole.replace(b'"description": "', b'"description": "\xff\xfe'),
        b"",
    )
