#!/usr/bin/env bats
# Memory that runs out, and memory that is taken: no answer lies, nothing ends the process, and it stays
# within a bound whatever the connections and the history.
#
# UPGRADE_RECEIVER_TEST_FULL=1 fails each allocation, not each third, and keeps a million
# notifications, not 30,000.

# lib.bash clears the environment of the receiver's options, and of this with them.
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults

# fail_allocations KIND STRIDE: requests of KIND, each of which meets an allocation that fails: the first,
# the one STRIDE further, and so on to the last that such a request takes; each alone, then with all
# behind it. Whatever was answered, the same is sent again without a fault, and must then be kept,
# once. What was sent and answered goes to $T/allocations.out.
fail_allocations() {
    PYTHONPATH=$TESTS/tool "$PYTHON" - "$T/socket" "$T/memory" "$@" >"$T/allocations.out" <<'PYTHON'
import collections, json, mmap, struct, sys, time
import fcgi_peer

where, control, kind, stride = sys.argv[1:]
file = open(control, "r+b")
shared = mmap.mmap(file.fileno(), 40)


def arm(first, last):
    shared[0:40] = struct.pack("<5q", 0, 0, first, last, 0)
    shared[0:8] = struct.pack("<q", 1)


def disarm():
    shared[0:8] = bytes(8)
    return struct.unpack("<5q", shared[0:40])[1::3]


def body():
    """A body that was not sent before; for some kinds, behind another that it follows."""
    text = fcgi_peer.notification(kind)
    if kind == "quarantine":
        return text.replace(b"swUpgradeResultNotify", b"unknown")
    if kind == "escaped":
        return text.replace(b'"resultDesc"', b'"result\\u0044esc"')
    if kind == "large":
        return text.replace(b'"description": ""', b'"description": "' + b"x" * 300000 + b'"')
    if kind == "second":  # another result of the same upgrade
        ask(text.replace(b"SUCCESS", b"FAIL").replace(b'"errorCode": ""', b'"errorCode": "4"'))
    if kind == "repeat":
        ask(text)
    return text


def ask(text):
    for _ in range(200):
        answer, _ = fcgi_peer.post(where, text, 10)
        if answer.status == 200:
            return json.loads(answer.body)["result"]
        time.sleep(0.02)
    sys.exit(f"still no 200: {answer.describe()}")


for _ in range(5):
    ask(body())
counts = []
for _ in range(9):
    text = body()
    arm(0, 0)
    fcgi_peer.post(where, text, 10)
    counts.append(disarm()[0])
most = sorted(counts)[4]  # in others the upkeep may have taken some as well
answers = collections.Counter()
tried = failed = 0
for first in range(1, most + 1, int(stride)):
    for last in (first, 1 << 40):
        text = body()
        arm(first, last)
        answer, seconds = fcgi_peer.post(where, text, 10)
        failed += disarm()[1] > 0
        tried += 1
        assert seconds < 5, f"allocation {first}: answered after {seconds} s"
        # A connection that is closed without an answer is 502 for the web server, which asks again.
        assert answer.status in (0, 200, 503), answer.describe()
        answers[answer.status] += 1
        result = json.loads(answer.body)["result"] if answer.status == 200 else None
        again = ask(text)
        if kind == "quarantine":
            assert result in (None, "quarantined") and again == "quarantined", (result, again)
        elif answer.status == 200:
            assert result == ("repeated" if kind == "repeat" else "stored"), (first, result)
            assert again == "repeated", (first, again)
print(json.dumps({"allocations": most, "tried": tried, "failed": failed, "answers": answers}))
PYTHON
}

@test "each allocation of a request that fails" {
    # Each allocation that a request takes fails, alone and with all behind it: it is answered 200 and kept, or 503, or sent away unanswered, never told a lie; the process goes on, and the books add up.
    local kind pid stride=3 kept
    if [[ $TEST_FULL == 1 ]]; then stride=1; fi
    head -c 40 /dev/zero >"$T/memory"
    preload memory "MEMORY_CONTROL=$T/memory"
    receiver_start --workers 2
    pid=$(receiver_pid)
    for kind in result second repeat quarantine escaped large; do
        fail_allocations "$kind" "$stride" || fail "$kind: $(<"$T/allocations.out")"
        cat "$T/allocations.out"
        equal "process id" "$(receiver_pid)" "$pid"
        jq -e '.allocations > 20 and .failed >= .tried * 0.7 and (.answers["503"] // 0) > 0' \
            "$T/allocations.out" >/dev/null || fail "nothing failed: $(<"$T/allocations.out")"
        if [[ $kind != quarantine ]]; then
            kept=$(sql "SELECT count(*), count(DISTINCT body) FROM notifications WHERE deviceId LIKE '$kind-%'")
            equal "kept twice" "${kept#*|}" "${kept%|*}"
        fi
    done
    books_add_up
    status_matches_books
    receiver_stop
}
