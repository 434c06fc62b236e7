#!/usr/bin/env bats
# The log: one line per notification, in seq order, that nothing can break or delay.

load lib
load faults

# check_log FILE [COUNT]: every line is strict JSON in printable text with time and event, however one
# splits lines; the seqs of new notifications rise by one from 1, to COUNT where it is given.
check_log() {
    "$PYTHON" - "$@" <<'PYTHON'
import json, re, sys

def refuse(name):
    raise ValueError(f"{name} is no JSON")

def unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a member stands twice")
    return dict(pairs)

with open(sys.argv[1], "rb") as file:
    data = file.read()
text = data.decode("utf-8")
assert not text or text.endswith("\n"), "the last line has no end"
assert text.splitlines() == text.split("\n")[:-1], "something else than a newline splits a line"
bad = re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text)
assert not bad, f"a control character in the log: {bad and text[max(0, bad.start() - 60):bad.end()]!r}"
expected = 1
for line in text.splitlines():
    entry = json.loads(line, parse_constant=refuse, object_pairs_hook=unique)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), line[:80]
    if entry["event"] == "notification" and not entry["repeat"]:
        assert entry["seq"] == expected, f"seq {entry['seq']} where {expected} is due"
        expected += 1
    elif entry["event"] == "notification":
        assert 0 < entry["seq"] < expected, f"a repeat of {entry['seq']} before {expected}"
        assert entry["deliveries"] > 1
if len(sys.argv) > 2:
    assert expected - 1 == int(sys.argv[2]), f"{expected - 1} notifications, not {sys.argv[2]}"
PYTHON
}

@test "one line per notification, in seq order" {
    # Under load from 64 connections each notification and each repeat is one line, in the order of seq, with the body as in the store.
    local count=1500
    if [[ $TEST_FULL == 1 ]]; then count=5000; fi
    receiver_start
    nginx_start
    push --count "$count" --repeats $((count / 10)) --deadline 40
    wait_for "$PATIENCE" lines_reached $((count + count / 10))
    check_log "$LOG" "$count"
    equal repeats "$(grep -c '"repeat":true' "$LOG")" "$(sql 'SELECT sum(deliveries - 1) FROM notifications')"
    jq -cS 'select(.event == "notification" and .repeat == false) | .body' "$LOG" >"$T/logged"
    sql 'SELECT body FROM notifications ORDER BY seq' | jq -cS . >"$T/kept"
    cmp "$T/logged" "$T/kept"
}

lines_reached() {
    (($(grep -c '"event":"notification"' "$LOG") >= $1))
}

# wait_for_line PATTERN: until grep finds it in the log; cheaper than wait_for_log.
wait_for_line() {
    wait_for "$PATIENCE" grep -q -- "$1" "$LOG"
}

@test "start and stop are lines, and so are a fault and its end" {
    # The log tells when the receiver starts, stops, cannot keep notifications, and can again: each once, not once a request.
    receiver_start
    send deviceId=a
    lock_store
    local i
    for i in 1 2 3 4; do send "deviceId=refused-$i"; done
    answered 503
    pause 2.5
    unlock_store
    wait_for_line '"event":"recovered"'
    wait_for "$PATIENCE" stores_one
    receiver_stop
    check_log "$LOG"
    jq -es 'def count(is): map(select(is)) | length;
        count(.event == "start" and (.version | type) == "string" and .pid > 0) == 1
        and count(.event == "fault" and (.fault | length) > 10) == 1
        and count(.event == "recovered") == 1 and count(.event == "stop") == 1 and .[-1].event == "stop"' "$LOG"
}

# hostile_text: writes bodies whose every string is an attempt on the log to $T/hostile-*.json.
hostile_text() {
    "$PYTHON" - "$T" <<'PYTHON'
import json, sys

texts = ["a\nb", "a\r\nb", "\u2028\u2029", "\u0085\u009b31m", "\x1b[2J\x1b]0;owned\x07", "\x7f\x0b\x0c",
         '","event":"stop","x":"', "\\\"\\u000a\\", "\\", "\u202egnp.exe", "\u200e\u061c\u2066", "\ufeffx",
         "\x1c\x1d\x1e", '"}\n{"time":"2026-01-01T00:00:00.000Z","event":"notification","seq":1}',
         "%s%n%d", "\U000e0001\U0001f600", "\ufffe\uffff", "</script><script>", "\u0000".replace("\0", "\\0"),
         "".join(map(chr, range(1, 0x20))), "".join(map(chr, range(0x7f, 0xa0)))]
base = {"notifyType": "swUpgradeResultNotify", "curVersion": "1", "targetVersion": "2",
        "sourceVersion": "1", "swUpgradeResult": "FAIL", "upgradeTime": "1"}
number = 0
for text in texts:
    body = dict(base, deviceId="d" + text, appId=text + "a", operationId=text + "o",
                subOperationId=f"{number}" + text, resultDesc=text, errorCode=text, description=text)
    body[text] = {text: [text, {text: None}]}
    for ascii, indent in ((True, None), (False, None), (False, "\t")):
        if indent:
            body["again"] = True
        elif not ascii:
            body["raw"] = True
        with open(f"{sys.argv[1]}/hostile-{number}.json", "w", encoding="utf-8", newline="") as out:
            json.dump(body, out, ensure_ascii=ascii, indent=indent)
        number += 1
PYTHON
}

@test "hostile text in a notification cannot break a line" {
    # Line ends of every kind, terminal escapes, quotes and look-alike lines in any member, written raw or as \u escapes, stay within their line, and mean what was sent.
    receiver_start
    hostile_text
    local bodies=() file count
    for file in "$T"/hostile-*.json; do bodies+=(--body "$file"); done
    count=$((${#bodies[@]} / 2))
    peer burst --peers "$((2 * count))" "${bodies[@]}" >"$T/burst.out"
    equal results "$(jq -cS .results "$T/burst.out")" "{\"repeated\":$count,\"stored\":$count}"
    wait_for "$PATIENCE" lines_reached "$((2 * count))"
    check_log "$LOG" "$count"
    jq -cS 'select(.event == "notification" and .repeat == false) | .body' "$LOG" | sort >"$T/logged"
    cat "$T"/hostile-*.json | jq -cS . | sort >"$T/sent"
    cmp "$T/logged" "$T/sent"
}

@test "hostile bytes in quarantine cannot break a line" {
    # Bodies that are no notification are told by line, reason and pointer; at the bound the body itself is in the log: as text or base64, whole.
    receiver_start --quarantine-max 2
    hostile_text
    local i=0 file q=() s=() bodies=(--body "$T/q-0")
    printf 'a\nb' >"$T/q-0"
    for file in "$T"/hostile-{0,1,4,5,9,38,41,44,59,61}.json; do
        i=$((i + 1))
        {
            IFS= read -r -d '' "q[$i]"
            IFS= read -r -d '' "s[$i]"
        } < <(jq -j '(.notifyType = .description | tojson + "\n\u0000"),
            (del(.deviceId) | .description = 7 | tojson + "\n\u0000")' "$file")
        printf %s "${q[i]}" >"$T/q-$i"
        { printf '\n\xff\xfe\x00"\r\n\xe2\x80\xa8\xc2\x85\x1b[2J'; cat "$file"; } >"$T/r-$i"
        printf %s "${s[i]}" >"$T/s-$i"
        bodies+=(--body "$T/q-$i" --body "$T/r-$i" --body "$T/s-$i")
    done
    peer burst --peers 31 "${bodies[@]}" >"$T/burst.out"
    equal results "$(jq -c .results "$T/burst.out")" '{"quarantined":31}'
    wait_for_log '.event == "quarantined"' 31
    check_log "$LOG" 0
    log_lines '.event == "quarantined" and .id == null' >"$T/whole"
    equal "bodies in the log" "$(grep -c . "$T/whole")" 29
    "$PYTHON" - "$T" <<'PYTHON'
import base64, glob, json, sys

sent = [open(name, "rb").read() for name in glob.glob(sys.argv[1] + "/[qrs]-*")]
for line in open(sys.argv[1] + "/whole", encoding="utf-8"):
    entry = json.loads(line)
    body = base64.b64decode(entry["bodyBase64"]) if "bodyBase64" in entry else entry["body"].encode()
    assert body in sent, f"not what was sent: {body[:80]!r}"
    sent.remove(body)
assert len(sent) == 2
PYTHON
}

# posts_large COUNT BYTES: so many notifications of about that size, one after the other; each is stored, in
# no time.
posts_large() {
    local longest
    longest=$(PYTHONPATH=$TESTS/tool "$PYTHON" -S -c '
import sys
import fcgi_peer

longest = 0
for _ in range(int(sys.argv[2])):
    body = fcgi_peer.notification("large").replace(
        b"\"description\": \"\"", b"\"description\": \"" + b"x" * int(sys.argv[3]) + b"\"")
    answer, seconds = fcgi_peer.post(sys.argv[1], body)
    assert answer.status == 200 and "\"stored\"" in answer.body, answer.describe()
    longest = max(longest, seconds)
print(int(longest * 1000))
' "$T/socket" "$1" "$2")
    in_time "an answer" "$longest" 1000
}

# sum_of_log: of a log that is whole: how many notifications it has, how many lines it says to have lost, and
# whether seq rises.
sum_of_log() {
    jq -cs 'map(select(.event == "notification").seq) as $seqs |
        [($seqs | length), (map(select(.event == "linesDropped").lines) | add), ($seqs == ($seqs | unique))]' "$LOG"
}

@test "a stalled stdout delays nothing, and what is lost is counted" {
    # Nobody reads stdout: answers come as before, memory is bounded, dropped lines stand in the status file, and are reported when lines flow again.
    mkfifo "$T/stdout"
    exec {reader}<>"$T/stdout"
    RECEIVER_STDOUT=$T/stdout receiver_start
    local rss dropped count=14 # more than the 8 MiB that wait
    if [[ $TEST_FULL == 1 ]]; then count=20; fi
    rss=$(rss_kib "$(receiver_pid)")
    posts_large "$count" 800000
    (($(rss_kib "$(receiver_pid)") - rss < 65536)) || fail "memory grew"
    wait_for_status '.log.linesDropped > 0'
    background drain cat "$T/stdout"
    LOG=$T/drain.out
    exec {reader}>&-
    wait_for_line '"event":"linesDropped"'
    send deviceId=after
    wait_for_line '"event":"notification".*"deviceId":"after"'
    dropped=$(grep '"event":"linesDropped"' "$LOG" | jq -s 'map(.lines) | add')
    wait_for_status ".log.linesDropped == $dropped"
    receiver_stop
    wait_for_line '"event":"stop".*}$'
    equal "told, dropped, in seq order" "$(sum_of_log)" "[$((count + 1 - dropped)),$dropped,true]"
}

# bats test_tags=full
@test "a slow reader of stdout delays nothing, and loses whole lines only" {
    # A reader that takes a little each moment, far less than comes: answers come as before, each line it reads is whole and in order, and what it did not get is counted.
    mkfifo "$T/stdout"
    exec {reader}<>"$T/stdout"
    RECEIVER_STDOUT=$T/stdout receiver_start
    background slow "$PYTHON" -c '
import os, sys, time

source = os.open(sys.argv[1], os.O_RDONLY)
while data := os.read(source, 32768):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    if not os.path.exists(sys.argv[2]):
        time.sleep(0.3 * int(sys.argv[3]))
' "$T/stdout" "$T/hurry" "$SLOWER"
    local sum dropped count=16 # more than the 8 MiB that wait
    if [[ $TEST_FULL == 1 ]]; then count=25; fi
    posts_large "$count" 700000
    wait_for_status '.log.linesDropped > 0'
    : >"$T/hurry"
    exec {reader}>&-
    LOG=$T/slow.out
    send deviceId=after
    wait_for_line '"event":"notification".*"deviceId":"after"'
    receiver_stop
    wait_for_line '"event":"stop".*}$'
    equal "whole lines" "$(tail -c 1 "$LOG" | od -An -tx1)" " 0a"
    sum=$(sum_of_log)
    [[ $sum =~ ^\[[0-9]+,([0-9]+),true\]$ ]] || fail "nothing was dropped, or not in seq order: $sum"
    dropped=${BASH_REMATCH[1]}
    equal "told, dropped, in seq order" "$sum" "[$((count + 1 - dropped)),$dropped,true]"
    equal "the end" "$(tail -n 1 "$LOG" | jq -r .event)" stop
}

@test "a stdout that is closed, full or gone delays nothing" {
    # Started with a closed stdout, on a full device, or with a reader that goes away, the receiver answers as ever and writes nothing elsewhere.
    local how ways=(closed full gone)
    # Where stdout is closed, valgrind's own file takes its place.
    if [[ $UNDER == valgrind ]]; then ways=(full gone); fi
    for how in "${ways[@]}"; do
        start_with_stdout "$how"
        keep_some "$how" 2
        in_time "$how: the answer" "$answer_ms" 1000
        if [[ $how == closed ]]; then
            wait_for_status '.totals.notifications > 0'
        else
            wait_for_status '.totals.notifications > 0 and .log.linesDropped > 0'
        fi
        receiver_stop
        # descriptor 1 must not have become a file of the state folder
        equal "$how: log lines in" "$(grep -l '"event":"' "$T"/state/*)" ''
    done
    books_add_up
    equal notifications "$(sql 'SELECT count(*) FROM notifications')" $((2 * ${#ways[@]}))
}

start_with_stdout() {
    case $1 in
    closed)
        # shellcheck disable=SC2016 # the inner shell expands them
        RECEIVER_WRAP=(bash -c 'exec "$@" >&-' -)
        RECEIVER_STDOUT=/dev/null receiver_start
        RECEIVER_WRAP=()
        ;;
    full) RECEIVER_STDOUT=/dev/full receiver_start ;;
    gone)
        mkfifo "$T/stdout"
        # shellcheck disable=SC2016 # the inner shell expands it
        background reader bash -c 'exec sleep 60 <"$0"' "$T/stdout"
        RECEIVER_STDOUT=$T/stdout receiver_start
        kill -s KILL "$background_pid"
        wait_for "$PATIENCE" has_ended "$background_pid"
        ;;
    esac
}

@test "--log FILE is opened again on SIGHUP and no line is lost" {
    # Under load the file is renamed and SIGHUP sent, again and again: together the files have each notification once, in order.
    local i pid times=10 rate=500 logs=()
    if [[ $TEST_FULL == 1 ]]; then times=30 rate=0; fi
    receiver_start --log "$T/own.log"
    nginx_start
    read_pid
    push_behind --count 100000 --repeats 1000 --deadline 60 --rate "$rate"
    for ((i = 1; i <= times; i++)); do
        wait_for "$PATIENCE" lines_reached 20
        mv "$T/own.log" "$T/own.log.$i"
        logs+=("$T/own.log.$i")
        kill -s HUP "$pid"
        wait_for "$PATIENCE" test -e "$T/own.log"
    done
    push_stop
    receiver_stop
    cat "${logs[@]}" "$T/own.log" >"$T/all.log"
    check_log "$T/all.log" "$(sql 'SELECT count(*) FROM notifications')"
    equal "lines" "$(grep -c '"event":"notification"' "$T/all.log")" \
        "$(sql 'SELECT sum(deliveries) FROM notifications')"
    equal "modes" "$(find "$T" -maxdepth 1 -name 'own.log*' -perm /0137)" ''
    [[ ! -s $T/log ]] || fail "on stdout: $(<"$T/log")"
}

@test "a log that cannot be opened again is told, tried again, and what it loses is counted" {
    # Renamed, its path made a folder, SIGHUP: line, warning and metric say so; once the renamed file is deleted lines are lost and counted; the path is good again: lines flow, without another SIGHUP.
    receiver_start --log "$T/own.log"
    keep_some before 1
    mv "$T/own.log" "$T/old.log"
    mkdir "$T/own.log"
    kill -s HUP "$(receiver_pid)"
    LOG=$T/old.log
    wait_for_log '.event == "fault" and (.fault | test("own.log: Is a directory"))'
    wait_for_status '(.log.warning | test("own.log: Is a directory")) and .process.log_fault == 1'
    send deviceId=old
    wait_for_line '"deviceId":"old"'
    rm "$T/old.log"
    send deviceId=lost
    wait_for_status '.log.linesDropped == 1'
    rmdir "$T/own.log"
    LOG=$T/own.log
    wait_for_status '.log.warning == null and .process.log_fault == 0'
    send deviceId=after
    wait_for_line '"deviceId":"after"'
    equal told "$(log_lines '.event == "linesDropped"' | jq .lines)" 1
}

# bats test_tags=full
@test "SIGHUP with the log on stdout changes nothing" {
    # Without --log a SIGHUP neither ends the receiver nor loses a line.
    receiver_start
    local pid same
    read_pid
    same=$pid
    kill -s HUP "$pid"
    keep_some a 2
    read_pid
    equal "process id" "$pid" "$same"
    wait_for "$PATIENCE" lines_reached 2
    check_log "$LOG" 2
}

# bats test_tags=full
@test "large notifications that arrive at once all have their line" {
    # Twenty notifications of almost 1 MiB that come together are all told: lines are dropped for a slow reader only.
    receiver_start
    send deviceId=first
    local bodies=() i count
    "$PYTHON" -S - "$T" <<'PYTHON'
import json, sys

body = {"notifyType": "swUpgradeResultNotify", "appId": "a", "operationId": "o", "subOperationId": "s",
        "curVersion": "1", "targetVersion": "1", "sourceVersion": "1", "swUpgradeResult": "SUCCESS",
        "upgradeTime": 1, "resultDesc": "", "errorCode": "", "description": "x" * 1000000}
for number in range(1, 21):
    with open(f"{sys.argv[1]}/large-{number}.json", "w", encoding="utf-8") as out:
        json.dump(dict(body, deviceId=f"large-{number}"), out)
PYTHON
    for ((i = 1; i <= 20; i++)); do bodies+=(--body "$T/large-$i.json"); done
    peer burst --peers 20 "${bodies[@]}" >"$T/burst.out"
    equal answers "$(jq -c .results "$T/burst.out")" '{"stored":20}'
    count=$(sql 'SELECT count(*) FROM notifications')
    wait_for "$PATIENCE" lines_reached "$count"
    check_log "$LOG" "$count"
    receiver_stop
    equal dropped "$(grep -c '"event":"linesDropped"' "$LOG")" 0
}
