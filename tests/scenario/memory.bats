#!/usr/bin/env bats
# Memory that runs out, and memory that is taken: no answer lies, nothing ends the process, and it stays
# within a bound whatever the connections and the history.
#
# UPGRADE_RECEIVER_TEST_FULL=1 fails each allocation, not one in 96, opens ten thousand
# connections, not 2,000, and keeps a million notifications, not 10,000.

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


for _ in range(40):  # until SQLite's cache has as many pages as it may
    ask(body())
counts = []
for _ in range(9):
    text = body()
    arm(0, 0)
    fcgi_peer.post(where, text, 10)
    counts.append(disarm()[0])
most = sorted(counts)[4]  # in others housekeeping may have taken some as well
answers = collections.Counter()
tried = failed = 0
for first in range(1, most + 1, int(stride)):
    for last in (first, 1 << 40):
        text = body()
        arm(first, last)
        answer, seconds = fcgi_peer.post(where, text, 10)
        failed += disarm()[1] > 0
        tried += 1
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
    local kind pid first stride=96 kept
    needs_plain_build "the tool's allocations are not those of the C library"
    if [[ $TEST_FULL == 1 ]]; then stride=1; fi
    head -c 40 /dev/zero >"$T/memory"
    preload memory "MEMORY_CONTROL=$T/memory"
    receiver_start --workers 2
    read_pid
    first=$pid
    for kind in result second repeat quarantine escaped large; do
        fail_allocations "$kind" "$stride" || fail "$kind: $(<"$T/allocations.out")"
        read_pid
        equal "process id" "$pid" "$first"
        # A sample may have no allocation whose failure is answered.
        jq -e --argjson stride "$stride" \
            '., .allocations > 10 and .failed >= .tried * 0.7 and ($stride > 1 or (.answers["503"] // 0) > 0)' \
            "$T/allocations.out" || fail "nothing failed: $(<"$T/allocations.out")"
        if [[ $kind != quarantine ]]; then
            kept=$(sql "SELECT count(*), count(DISTINCT body) FROM notifications WHERE deviceId LIKE '$kind-%'")
            equal "kept twice" "${kept#*|}" "${kept%|*}"
        fi
    done
    books_add_up
    status_matches_books
    receiver_stop
}

# bats test_tags=full
@test "a limit on all memory under load" {
    # With the process held to the memory that it has, large notifications are answered 200, 503 or not at all; it goes on, serves again when the limit is lifted, and lost nothing.
    needs_plain_build "the tool takes address space of its own"
    receiver_start --workers 2
    keep_some before 5
    local pid size i
    pid=$(receiver_pid)
    local bodies=() large rounds=2
    if [[ $TEST_FULL == 1 ]]; then rounds=3; fi
    notification description@<(head -c 900000 /dev/zero | tr '\0' x) >"$T/large.json"
    large=$(<"$T/large.json")
    for ((i = 1; i <= 24; i++)); do
        printf '%s\n' "${large/device-1/large-$i}" >"$T/large-$i.json"
        bodies+=(--body "$T/large-$i.json")
    done
    size=$(awk '/^VmSize/ {print $2 * 1024}' "/proc/$pid/status")
    prlimit --pid "$pid" --as="$size:"
    for ((i = 1; i <= rounds; i++)); do
        peer burst --peers 24 "${bodies[@]}" --wait 2 >"$T/burst.out" || true
        jq -e '.answers | keys - ["0", "200", "503"] == []' "$T/burst.out" >/dev/null ||
            fail "answered $(<"$T/burst.out")"
        kill -0 "$pid" || fail "it ended: $(<"$T/stderr")"
    done
    jq -e '.answers["200"] != 24' "$T/burst.out" >/dev/null || fail "there was memory for all: $(<"$T/burst.out")"
    prlimit --pid "$pid" --as=unlimited:
    serves_again "$pid"
    wait_for "$PATIENCE" all_stored "${bodies[@]}"
    equal "kept twice" "$(sql "SELECT count(*) - count(DISTINCT deviceId) FROM notifications WHERE deviceId LIKE 'large-%'")" 0
    equal "kept" "$(kept before)" 5
    books_add_up
}

all_stored() {
    peer burst --peers 24 "$@" >"$T/burst.out" && jq -e '.answers == {"200": 24}' "$T/burst.out" >/dev/null
}

# Resident memory, in KiB, that README.md promises: at 10,000 connections, each within a request, and
# whatever was kept.
RSS_MAX=65536

@test "thousands of connections take a bounded amount of memory" {
    # 2,000 connections, or ten thousand, that each had a notification answered and have then sent half of the next: good requests are answered at once, and memory stays within the bound that the README tells.
    if (($(ulimit -Hn) < 10200)); then skip "a process may not have 10,200 descriptors"; fi
    ulimit -n 10200
    receiver_start
    local pid rss crowd=2000
    if [[ $TEST_FULL == 1 ]]; then crowd=10000; fi
    pid=$(receiver_pid)
    rss=$(rss_kib "$pid")
    PYTHONPATH=$TESTS/tool stay crowd "$PYTHON" -c '
import sys
import fcgi_peer

peers = []
half = fcgi_peer.begin(flags=fcgi_peer.KEEP_CONN) + fcgi_peer.stream(
    fcgi_peer.PARAMS, fcgi_peer.pairs(fcgi_peer.parameters(b"x" * 600)))
half += fcgi_peer.stream(fcgi_peer.STDIN, b"x" * 300, end=False)
for _ in range(int(sys.argv[2]) // 100):
    some = [fcgi_peer.Peer(sys.argv[1], 30) for _ in range(100)]
    for peer in some:
        peer.send(fcgi_peer.request(fcgi_peer.notification("crowd"), keep=True))
    for peer in some:
        assert peer.read(wait=30).status == 200
    peers += some
print("kept", flush=True)
sys.stdin.readline()
for peer in peers:
    assert peer.send(half)
print("half", flush=True)
sys.stdin.readline()
' "$T/socket" "$crowd"
    wait_for 120 grep -q kept "$T/crowd.out"
    (($(open_sockets "$pid") > crowd)) || fail "only $(open_sockets "$pid") sockets"
    echo "resident: $rss KiB at the start, $(rss_kib "$pid") KiB with $crowd kept connections"
    stores_one
    in_time "the answer" "$answer_ms" 1000
    echo >&"${stays[crowd]}"
    wait_for 60 grep -q half "$T/crowd.out"
    pause 1 # it may still read
    rss=$(rss_kib "$pid")
    echo "$rss KiB with $crowd halves of requests"
    ((rss < RSS_MAX)) || fail "$rss KiB"
    stores_one
    leave crowd
    wait_for "$PATIENCE" sockets_are_few
    equal kept "$(sql "SELECT count(*) FROM notifications WHERE deviceId LIKE 'crowd-%'")" "$crowd"
    books_add_up
}

sockets_are_few() {
    (($(open_sockets "$pid") < 20))
}

@test "a long history takes a bounded amount of memory" {
    # While notifications are kept, 10,000 or a million, memory stays within the bound that the README tells, and does not grow from the first third to the last.
    local count=10000 pid third last
    if [[ $TEST_FULL == 1 ]]; then count=1000000; fi
    receiver_start --log "$T/own.log"
    nginx_start
    pid=$(receiver_pid)
    push --count $((count / 3)) --seed 1 --deadline 1200
    third=$(rss_kib "$pid")
    push --count $((count - count / 3)) --seed 2 --deadline 1200
    last=$(rss_kib "$pid")
    echo "resident: $third KiB after a third, $last KiB after $count; $(pushed .requestsPerSecond) a second"
    ((last < RSS_MAX)) || fail "$last KiB"
    ((last < third + 8192)) || fail "from $third to $last KiB"
    equal kept "$(sql 'SELECT count(*) FROM notifications')" "$count"
}

peak_mib() {
    awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$(receiver_pid)/status"
}

@test "bodies that are dear to parse, and many large ones at once, stay within a bound" {
    # A dozen bodies, or two, whose parse would take 70 MiB each are quarantined as too costly; then 80 bodies of 1 MiB, for which there is no room at once, are all kept, if need be when they come again; and the receiver has at no time held more than it may.
    cat >"$T/large.py" <<'PYTHON'
import collections
import concurrent.futures
import sys
import time
import fcgi_peer

where, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
until = time.monotonic() + 120


def body():
    if kind == "costly":
        return b'{"notifyType":"deviceAdded","deviceId":"1","x":[{}' + 340000 * b",{}" + b"]}"
    text = fcgi_peer.notification()
    return text.replace(b'"description": ""', b'"description": "' + 1040000 * b"x" + b'"')


def push(_):
    data = fcgi_peer.request(body())
    answer = fcgi_peer.Answer()
    while answer.status != 200 and time.monotonic() < until:
        peer = fcgi_peer.Peer(where, 60)
        for at in range(0, len(data), 65536):
            if not peer.send(data[at : at + 65536]):
                break
        answer = peer.read(wait=60)
        peer.close()
    return f"{answer.status} {'too costly to parse' in answer.body}"


with concurrent.futures.ThreadPoolExecutor(count) as pool:
    print(dict(collections.Counter(pool.map(push, range(count)))))
PYTHON
    local peak count=12
    if [[ $TEST_FULL == 1 ]]; then count=24; fi
    receiver_start --workers 8
    export PYTHONPATH=$TESTS/tool
    equal "costly ones" "$("$PYTHON" "$T/large.py" "$T/socket" costly "$count")" "{'200 True': $count}"
    peak=$(peak_mib)
    ((peak < 256)) || fail "$count costly bodies took $peak MiB"
    equal "large ones" "$("$PYTHON" "$T/large.py" "$T/socket" large 80)" "{'200 False': 80}"
    peak=$(peak_mib)
    ((peak < 512)) || fail "80 large bodies took $peak MiB"
}
