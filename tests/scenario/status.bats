#!/usr/bin/env bats
# The status file can be read at any moment and tells what is in the books.

load lib
load faults

# watch_status SECONDS: reads the file all the time; prints how often, how many versions it saw, the
# shortest time between two in milliseconds, and what was no valid JSON.
watch_status() {
    "$PYTHON" - "$T/state/status.json" "$1" <<'PYTHON'
import json, os, sys, time

path, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
reads, times, wrong, last_seq = 0, [], [], 0
while time.monotonic() < end:
    with open(path, "rb") as file:
        changed, text = os.fstat(file.fileno()).st_mtime_ns, file.read()
    reads += 1
    try:
        seq = json.loads(text)["seq"]
    except (ValueError, KeyError) as error:
        wrong.append(f"{error}: {text[:80]!r}")
        continue
    if seq < last_seq:
        wrong.append(f"seq {seq} after {last_seq}")
    last_seq = seq
    if not times or times[-1] != changed:
        times.append(changed)
    time.sleep(0.005)
gaps = [(b - a) / 1e6 for a, b in zip(times, times[1:])]
print(json.dumps({"reads": reads, "versions": len(times), "shortest": min(gaps, default=0),
                  "longest": max(gaps, default=0), "wrong": wrong[:3]}))
PYTHON
}

# soon SECONDS FILTER: until the filter is true of the file; SECONDS is how long that may take on a machine that
# is idle.
soon() {
    local limit=$PATIENCE
    if [[ $TEST_FULL == 1 ]]; then limit=$1; fi
    wait_for "$limit" status_is "$2"
}

@test "the status file is valid at any moment and written at most once a second" {
    # Read all the time under load, it is always whole JSON, never goes back, and is replaced about once a second, not more often.
    local seconds=3
    if [[ $TEST_FULL == 1 ]]; then seconds=5; fi
    receiver_start
    nginx_start
    wait_for_status '.seq == 0'
    push_behind --count 100000 --rate 300 --connections 16 --deadline 60
    watch_status "$seconds" >"$T/watched"
    push_stop
    # The clock of file times ticks every 4 ms or so. How long it took at most is for a machine that is idle.
    jq -e --argjson slower "$SLOWER" --argjson seconds "$seconds" --arg full "$TEST_FULL" '.,
        .wrong == [] and .reads > 100 and .versions >= 2 and .versions <= $seconds + 2
        and .shortest > (if $slower == 1 then 950 else 500 end)
        and ($full != "1" or .reads > 300 and .versions >= $seconds - 1 and .longest < 2000 * $slower)' "$T/watched"
    status_matches_books
}

@test "the status file follows the last commit within two seconds" {
    # A notification, a repeat, a quarantined body: each stands in the file within two seconds, and the file then rests.
    receiver_start
    local changed
    send deviceId=a
    soon 2 '.totals.notifications == 1 and .seq == 1 and .records[0].seq == 1'
    send deviceId=a
    soon 2 '.totals.repeats == 1 and .records[0].deliveries == 2'
    send swUpgradeResult=FAIL deviceId=b curVersion=1.0
    soon 2 '.upgrades.fail == 1 and .operations[0].failures[0].errorCode == "***"'
    send -deviceId
    soon 2 '.totals.quarantined == 1 and .quarantine.held == 1'
    status_matches_books
    changed=$(stat -c %y "$T/state/status.json")
    pause 2.5
    equal "the file of an idle receiver" "$(stat -c %y "$T/state/status.json")" "$changed"
}

@test "the status file is right again after SIGKILL" {
    # Killed before the file could tell the last notifications, the receiver corrects it after the restart without a new one.
    receiver_start
    local i
    for i in 1 2; do
        peer burst --peers 20 >/dev/null
        receiver_kill
        receiver_restart
        soon 2 ".seq == $((i * 20)) and .pid == $(<"$T/pid")"
        status_matches_books
    done
}

@test "the status file is made again where it is missing or damaged" {
    # The file can be deleted or overwritten; the next start, and the next notification, make it again from the store.
    receiver_start
    send deviceId=a
    wait_for_status '.seq == 1'
    rm "$T/state/status.json"
    send deviceId=b
    wait_for_status '.seq == 2'
    receiver_kill
    head -c 100 /dev/urandom >"$T/state/status.json"
    receiver_restart
    wait_for_status '.seq == 2'
}

@test "the status file is bounded, whatever the history" {
    # Many operations, error codes, long ids and large bodies: the file stays under 1 MiB, lists ten at most of each, and stays valid.
    local count=150
    if [[ $TEST_FULL == 1 ]]; then count=300; fi
    receiver_start
    "$PYTHON" -S - "$T" "$count" <<'PYTHON'
import json, sys

sys.path.insert(0, sys.argv[1])
base = {"notifyType": "swUpgradeResultNotify", "curVersion": "1", "targetVersion": "2",
        "sourceVersion": "1", "swUpgradeResult": "FAIL", "upgradeTime": 1, "resultDesc": ""}
for i in range(int(sys.argv[2])):
    long = ["x" * 20000, "\u2028\x01" * 6000, "\u00e9" * 9000, "\U0001f600" * 5000, "\"\\" * 8000][i % 5]
    body = dict(base, deviceId=f"{i}{long}", appId=f"a{i % 40}{long}", operationId=f"{i % 60}{long}",
                subOperationId=f"{i}", errorCode=f"{i}{long[:60]}", description=long)
    with open(f"{sys.argv[1]}/large-{i}.json", "w", encoding="utf-8") as out:
        json.dump(body, out, ensure_ascii=i % 2 == 0)
PYTHON
    local bodies=() i
    for ((i = 0; i < count; i++)); do bodies+=(--body "$T/large-$i.json"); done
    for ((i = 0; i < count; i += 50)); do
        peer burst --peers 50 "${bodies[@]:2*i:100}" >"$T/burst.out"
        equal answers "$(jq -c .results "$T/burst.out")" '{"stored":50}'
    done
    wait_for_status ".seq == $count"
    local size
    size=$(stat -c %s "$T/state/status.json")
    ((size < 1048576)) || fail "status.json has $size bytes"
    status_is "(.operations | length) == 10 and (.records | length) == 10
        and ([.operations[].failures | length] | max <= 10)
        and [.records[].seq] == [range($count; $count - 10; -1)]"
    "$PYTHON" -c 'import json, sys; json.loads(open(sys.argv[1], encoding="utf-8").read())' \
        "$T/state/status.json"
    books_add_up
}

@test "no temporary file stays behind, and nobody else can read the folder's files" {
    # Killed in the middle of replacing the file, the receiver leaves nothing that the next one does not tidy up.
    receiver_start
    local i
    for i in 1 2 3; do
        peer burst --peers 3 >/dev/null
        kill_within_replacement "$(receiver_pid)"
        wait_for "$PATIENCE" receiver_has_ended
        receiver_restart
    done
    wait_for "$PATIENCE" only_known_files || fail "left behind: $(ls "$T/state")"
    equal "files open to others" "$(find "$T/state" -type f -perm /0137)" ''
}

# Kills PID as soon as a temporary file can be seen, or after 1.5 s.
kill_within_replacement() {
    "$PYTHON" - "$T/state" "$1" <<'PYTHON'
import os, signal, sys, time

end = time.monotonic() + 1.5
known = {"status.json"}
while time.monotonic() < end:
    if any("status" in name and name not in known for name in os.listdir(sys.argv[1])):
        break
os.kill(int(sys.argv[2]), signal.SIGKILL)
PYTHON
}

only_known_files() {
    [[ $(cd "$T/state" && ls) =~ ^(status.json|status.lock|running.lock|turn.lock|upgrades.db|upgrades.db-shm|upgrades.db-wal|writer.lock|[[:space:]])*$ ]]
}

@test "the status file tells a fault of the store, and its end" {
    # While the store is locked by another program the file says so within two seconds, and says it is well within two of the end.
    receiver_start
    send deviceId=a
    lock_store
    send deviceId=b
    answered 503
    soon 2 '.store.ok == false and (.store.fault | type) == "string"'
    unlock_store
    soon 4 '.store.ok == true and .store.fault == null'
    wait_for "$PATIENCE" stores_one
}
