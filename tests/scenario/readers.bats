#!/usr/bin/env bats
# Readers are served beside the callback, and never at its expense.

load lib
load faults
load views

@test "twenty who look all the time cost the callback no answer" {
    # While twenty viewers poll without much of a pause, every notification is answered 200 at the first try, and the viewers get documents.
    receiver_start
    nginx_start
    some_history
    stay viewers "$PYTHON" "$TESTS/tool/viewers.py" "$URL" --cacert "$CERTIFICATE" --viewers 20 --pause 0.2 \
        /status/overview.json '/status/operation.json?operationId=op' /metrics
    wait_for "$PATIENCE" grep -q ready "$T/viewers.out"
    local count=1500
    if [[ $TEST_FULL == 1 ]]; then count=4000; fi
    push --count "$count" --connections 32 --deadline 90
    leave viewers
    cat "$T/viewers.out" "$T/push.out"
    equal answers "$(pushed '.answers | keys[]')" 200
    equal wrong "$(jq -c 'objects | .wrong' <(tail -n 1 "$T/viewers.out"))" '[]'
    jq -e '.answers["200"] > 20' <(tail -n 1 "$T/viewers.out") || fail "nobody saw anything"
    request /metrics
    [[ $body == *$'\nupgrade_receiver_answers_total{code="503"} 0\n'* ]] || fail "views are counted as answers"
    [[ $body == *$'\nupgrade_receiver_refused_in_a_row 0\n'* ]] || fail "views are counted as refusals"
}

# stay_slow NAME OPTION...: readers of a large table that take nothing until leave NAME.
stay_slow() {
    stay "$1" "$PYTHON" "$TESTS/tool/slow_readers.py" "$T/socket" '/status/failures.json?limit=1000' "${@:2}"
    wait_for "$PATIENCE" grep -q asked "$T/$1.out"
}

# many_failures COUNT: so many failed upgrades with long descriptions.
many_failures() {
    "$PYTHON" - "$T" "$1" <<'PYTHON'
import json, sys

for i in range(int(sys.argv[2])):
    with open(f"{sys.argv[1]}/failed-{i}.json", "w") as out:
        json.dump({"notifyType": "swUpgradeResultNotify", "appId": "a", "operationId": "op", "subOperationId": "s",
                   "deviceId": f"d{i}", "curVersion": "1", "targetVersion": "2", "sourceVersion": "1",
                   "swUpgradeResult": "FAIL", "upgradeTime": 1, "resultDesc": "", "errorCode": "4",
                   "description": "x" * 3000}, out)
PYTHON
    local bodies=() i
    for ((i = 0; i < $1; i++)); do bodies+=(--body "$T/failed-$i.json"); done
    peer burst --peers "$1" "${bodies[@]}" >"$T/burst.out"
    equal kept "$(jq -c .results "$T/burst.out")" "{\"stored\":$1}"
}

@test "a view under way when SIGTERM comes is answered whole" {
    # A large table that its reader has not taken yet is sent to the end while the receiver drains, which exits 0 in time.
    receiver_start
    many_failures 300
    stay_slow slow --read
    kill -s TERM "$(receiver_pid)"
    pause 0.5
    leave slow
    wait_for "$PATIENCE" receiver_has_ended
    equal "exit status" "$(<"$T/pid.exit")" 0
    grep -q '^whole [0-9]\{6\}' "$T/slow.out" || fail "$(<"$T/slow.out")"
    log_has '.event == "stop"'
}

@test "readers that never take their answers delay no stop and no notification" {
    # Forty readers that ask for large tables and read nothing: notifications are kept at once all the while, health is told, and SIGTERM ends the receiver within five seconds (--full looks at the clock).
    receiver_start
    nginx_start
    many_failures 300
    stay_slow stuck --peers 40 --begun 8 # two are being served, and six were refused
    request /status/overview.json
    problem 503 'too many'
    equal retry "$(header Retry-After)" 1
    request /health/live
    expect_answer 200
    request /health/ready
    expect_answer 200
    local i start took
    for i in 1 2 3 4 5; do
        send "subOperationId=$i"
        answered 200 stored
        in_time "an answer" "$answer_ms" 1000
    done
    stay_slow others --peers 40
    start=${EPOCHREALTIME//./}
    kill -s TERM "$(receiver_pid)"
    wait_for "$PATIENCE" receiver_has_ended
    took=$(((${EPOCHREALTIME//./} - start) / 1000))
    equal "exit status" "$(<"$T/pid.exit")" 0
    in_time "the stop" "$took" 5000
    leave stuck
    leave others
}

# bats test_tags=full
@test "readers that were stuck are seen off in the end" {
    # Viewers whose peers take nothing are free again after a while, without a stop.
    receiver_start
    many_failures 300
    stay_slow stuck --peers 10
    wait_for 30 looks_fine
    leave stuck
}

looks_fine() {
    pause 0.5
    send_body /dev/null --path /status/overview.json --method GET
    [[ $status_code == 200 ]]
}
