#!/usr/bin/env bats
# upgrade-forward: what was kept reaches a URL of the operator, at least once, in order and signed.
#
# FORWARD_COUNT and FORWARD_KILLS set the scale of the kills at random: 50,000 notifications and twenty kills.

export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults
load delivery
load status_command
load forward

# requests FILTER: of the record, those for which the jq FILTER is true.
requests() {
    jq -c "select($1)" "$T/record"
}

# tells TEXT: whether `status --json` has it.
tells() {
    [[ $(forward status --json) == *"$1"* ]]
}

took_event() {
    [[ -n $(requests ".type == \"$1\" and .status == 200") ]]
}

@test "whatever the other side does, each notification arrives in order, signed, and the backlog is shown" {
    # Failures of all kinds, none of which is passed over; what a redirect names is not asked; a flood of an answer is cut.
    receiver_start
    other_start --whole
    other_fails 200 503 close 200 500 301 200 redirect 401 200 404 429:1 200 503@2 hang 200 long 200
    many 23 >"$T/many"
    head -n 20 "$T/many" >"$T/first"
    post_lines "$T/first"
    forward_start --since start --timeout 1s
    wait_for "$PATIENCE" took 20
    wait_for "$PATIENCE" tells '"backlog":0,"lost":false,"running":true,"trouble":null'
    # Retry-After was obeyed, also as a date: the next request came no earlier. A connection is kept over all but what
    # breaks it: close, hang and long.
    equal "requests, after 429 and 503, elsewhere, connections, good bodies" "$(jq -sc '[
        length,
        ([.[].headers["webhook-timestamp"] | tonumber] as $at | [.[].status] | index("429:1", "503@2") | $at[. + 1] > $at[.]),
        (map(select(.path != "/hook")) | length),
        (map(.connection) | max),
        (map(select(.status == 200).body | fromjson | select(.type == "swUpgradeResultNotify" and .timestamp == .data.receivedAt
            and .data.notification.operationId == "many" and (.data.token | test("^[0-9a-f]{16}:[0-9]+$")))) | length)]' "$T/record")" \
        '[30,true,true,0,4,19]'
    forward_stop
    # Stopped, it is behind, and says so.
    tail -n 3 "$T/many" >"$T/rest"
    post_lines "$T/rest"
    forward status >"$T/status"
    diff "$T/status" - <<STATUS
forward: not running
sent up to $(sql 'SELECT life || ":20" FROM cursor'); 3 wait
STATUS
    # Killed while one is under way, it goes on with that one, if not with those before it.
    other_fails 200 hang 200
    forward_start
    hangs() { took 21 && [[ $arrived == *'"seq": 22, '*'"status": "hang"'* ]]; }
    wait_for "$PATIENCE" hangs
    forward_kill
    forward_start
    wait_for "$PATIENCE" took 23
    first_arrivals 23
    forward_stop
}

# bats test_tags=full
@test "410 pauses until resume or a restart; what is refused for good is passed over; resend sends it again" {
    # The same notification has the same id each time.
    receiver_start
    other_start
    other_fails 410 200 413 413 413 413 413 413 200 410
    many 4 >"$T/many"
    post_lines "$T/many"
    forward_start --since start
    wait_for "$PATIENCE" said paused
    equal "trouble" "$(forward status | sed -nE 's/ since [^ ]*: /: /; 3p')" "paused: it answered 410: it wants no more webhooks"
    equal "resume" "$(forward resume)" "forward goes on."
    wait_for "$PATIENCE" said paused 2
    equal "passed over" "$(grep -o '"event":"passedOver","seq":[0-9]*' "$T/forward.out")" '"event":"passedOver","seq":2'
    equal "statuses" "$(jq -s -c 'map([.seq, .status])' "$T/record")" \
        '[[1,410],[1,200],[2,413],[2,413],[2,413],[2,413],[2,413],[2,413],[3,200],[4,410]]'
    forward_kill
    forward_start
    wait_for "$PATIENCE" took 4
    mv "$T/record" "$T/before"
    equal "resend" "$(forward resend --since start)" "forward sends again what came after start, from now on."
    forward_kill
    stop_process "$(<"$T/background/other")" TERM
    other_start
    forward_start
    wait_for "$PATIENCE" took 4
    first_arrivals 4
    equal "ids" "$(jq -r .id "$T/record" | sort -u)" "$(jq -r .id "$T/before" | sort -u)"
    # A token that the store does not have.
    if forward resend --since 0123456789abcdef:3 2>"$T/err"; then fail "resend of another store"; fi
    grep -q -- '--since start' "$T/err"
    forward_stop
}

# bats test_tags=full
@test "equal news is another event, and equal results of two stores are one" {
    # The id of a result is made of its content, so a consumer behind two receivers gets it once; a heartbeat may come again.
    receiver_start --repeat-window 0
    other_start
    printf '{"notifyType":"deviceDeleted","deviceId":"d","gatewayId":null}\n' >"$T/many"
    cat "$T/many" "$T/many" >"$T/lines"
    notification deviceId=d-1 >>"$T/lines"
    post_lines "$T/lines"
    forward_start --since start
    wait_for "$PATIENCE" took 3
    first_arrivals 3
    forward_stop
    receiver_stop
    empty_state
    mv "$T/record" "$T/before"
    stop_process "$(<"$T/background/other")" TERM
    other_start
    receiver_start --repeat-window 0
    notification deviceId=d-1 >"$T/lines"
    post_lines "$T/lines"
    forward_start --since start
    wait_for "$PATIENCE" took 1
    forward_stop
    equal "id" "$(jq -r .id "$T/record")" "$(jq -r 'select(.type == "swUpgradeResultNotify") | .id' "$T/before")"
}

# bats test_tags=full
@test "the library of Standard Webhooks takes every request" {
    # Of npm, in the version that tests/webhook names; a try again has a timestamp and a signature of its own.
    cp "$TESTS"/webhook/* "$T/"
    (cd "$T" && npm ci --no-audit --no-fund --loglevel=error)
    receiver_start
    other_start --whole --fail 503 --every 5
    many 100 >"$T/many"
    printf '{"notifyType": "deviceDeleted",\t"deviceId":"d\\u0041\xe2\x80\xa8", "gatewayId":null, "n":1.50e0}\n' >>"$T/many"
    post_lines "$T/many"
    forward_start --since start
    wait_for "$PATIENCE" took 101
    first_arrivals 101
    forward_stop
    equal "verified" "$(cd "$T" && node verify.mjs secret record)" "$(wc -l <"$T/record")"
}

# bats test_tags=full
@test "the answers to the platform do not wait for the forwarder, whether the other side is quick or hangs" {
    # The slowest of 3,200 answers on 16 connections, without a forwarder and beside one.
    local slowest
    receiver_start
    keep_many 200 "$T/socket" --peers 16
    slowest=$(jq .slowestMs "$T/keep.out")
    other_start
    forward_start --since start
    keep_many 200 "$T/socket" --peers 16
    slowest+=" $(jq .slowestMs "$T/keep.out")"
    in_time "the slowest answer beside a quick forwarder" "$(jq '.slowestMs | floor' "$T/keep.out")" 1000
    other_fails hang hang hang hang
    keep_many 200 "$T/socket" --peers 16
    slowest+=" $(jq .slowestMs "$T/keep.out")"
    in_time "the slowest answer beside a forwarder that hangs" "$(jq '.slowestMs | floor' "$T/keep.out")" 1000
    echo "# slowest answers in ms, without, quick, hanging: $slowest" >&3
    forward_stop
}

# bats test_tags=full
@test "it needs no more system calls than its unit gives it" {
    needs_plain_build "the filter forbids what the tool itself does"
    command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
    ((EUID == 0)) || skip "it takes root to run as another user"
    # Root would give files to their owner, which the filter does not let it.
    chown www-data: "$T/state"
    receiver_start
    other_start
    many 10 >"$T/many"
    post_lines "$T/many"
    install -m 0755 "$FORWARD_BIN" "$T/upgrade-forward"
    install -m 0644 "$CERTIFICATE" "$T/certificate.pem"
    chown www-data: "$T/secret"
    background forward "$PYTHON" "$TESTS/tool/sandbox.py" "${RECEIVER_BIN%/*/*}/nginx/upgrade-forward.service" --user www-data -- \
        "$T/upgrade-forward" --state "$T/state" --to "$HOOK" --secret-file "$T/secret" --ca-file "$T/certificate.pem" --since start
    forward_pid=$background_pid
    wait_for "$PATIENCE" took 10
    first_arrivals 10
    forward_stop
}

# forward_under_kills COUNT KILLS
forward_under_kills() {
    local kill
    forward_start --since start
    for ((kill = 1; kill <= $2; kill++)); do
        wait_for $((PATIENCE * 60)) took $((kill * $1 / ($2 + 1)))
        receiver_kill
        forward_kill
        forward_start
    done
    wait_for $((PATIENCE * 60)) took "$1"
    first_arrivals "$1"
    memory=$(awk '$1 == "VmHWM:" {print $2}' "/proc/$forward_pid/status")
    [[ -n $UNDER ]] || ((memory < 64 * 1024)) || fail "it took $memory kB"
    forward_stop
}

# bats test_tags=full
@test "killed at random while every fifth request fails, it sends each notification at least once, in order" {
    # SIGKILL of the forwarder, and of the receiver beside it.
    local memory count=${FORWARD_COUNT:-50000} kills=${FORWARD_KILLS:-20} begin
    receiver_start --restart
    nginx_start
    other_start --fail 503 --every 5
    push --count "$count"
    begin=$EPOCHSECONDS
    forward_under_kills "$count" "$kills"
    equal "failed" "$(requests '.status == 503' | wc -l | awk -v most="$count" '{print ($1 >= most / 5)}')" 1
    echo "# $(wc -l <"$T/record") requests for $count notifications, $kills kills, $memory kB, $((EPOCHSECONDS - begin)) s" >&3
}

# bats test_tags=full
@test "an operation that fails or is finished is said once, also over a restart, and again when more has come" {
    receiver_start
    other_start --whole
    forward_start --forward-type operation.finished --forward-type operation.failing --finished-after 1s
    wait_for_backlog forward 0
    equal "metric" "$(peer post --method GET --path /metrics --plain | grep -ao 'cursor_backlog{application="forward"} 0' || true)" \
        'cursor_backlog{application="forward"} 0'
    many 12 >"$T/many"
    post_lines "$T/many"
    wait_for "$PATIENCE" took_event operation.finished
    forward_stop
    forward_start --forward-type operation.finished --forward-type operation.failing --finished-after 1s
    many 1 operationId=many deviceId=another swUpgradeResult=SUCCESS curVersion=1.5 >"$T/many"
    post_lines "$T/many"
    finished_twice() { (($(requests '.type == "operation.finished"' | wc -l) >= 2)); }
    wait_for "$PATIENCE" finished_twice
    equal "said" "$(jq -s -c 'map(.body | fromjson | [.type, .data.success, .data.fail])' "$T/record")" \
        '[["operation.failing",0,12],["operation.finished",0,12],["operation.finished",1,11]]'
    equal "ids" "$(jq -r .id "$T/record" | sort -u | wc -l)" 3
    forward_stop
}

# bats test_tags=full
@test "it refuses what would give secrets away" {
    # A secret that others can read, a URL without TLS or with a password; and it sends nothing to a server with another certificate.
    refused() {
        local status=0
        "$FORWARD_BIN" --state "$T/state" --secret-file "$T/secret" "${@:2}" >"$T/out" 2>&1 || status=$?
        equal "status of ${*:2}" "$status" "$1" || return
        cat "$T/out"
    }
    make_secret
    [[ $(refused 2 --to http://example.org/hook) == *"takes https, or http to localhost"* ]]
    [[ $(refused 2 --to http://localhost.example.org/hook) == *"takes https"* ]]
    [[ $(refused 2 --to https://a:b@localhost/hook) == *"a name or a password"* ]]
    [[ $(refused 2 --to https://localhost/hook --forward-type swUpgradeResultNotfy) == *"is no notifyType"* ]]
    chmod 0444 "$T/secret"
    [[ $(refused 1 --to https://localhost/hook) == *"its mode is 0444, so others can"* ]]
    chmod 0400 "$T/secret"
    receiver_start
    other_start
    many 1 >"$T/many"
    post_lines "$T/many"
    background forward "$FORWARD_BIN" --state "$T/state" --to "$HOOK" --secret-file "$T/secret" --since start
    forward_pid=$background_pid
    wait_for "$PATIENCE" said failing
    grep -qi certificate "$T/forward.out"
    equal "requests" "$(<"$T/record")" ''
    forward_stop
}
