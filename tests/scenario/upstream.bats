#!/usr/bin/env bats
# Of two receivers on one store behind one nginx upstream, one may end at any time.

load lib
load faults
load ways

# site SERVERS: the shipped site with so many servers in each upstream: its own choice, and more of that kind; and
# with an address for the metrics of each of the first two.
site() {
    local n more=
    for ((n = 3; n <= $1; n++)); do more+="\\n    server unix:/run/upgrade-receiver/socket-$n max_fails=0;"; done
    sed -e "s|^    #server unix:\(.*\)|    server unix:\1$more|" -e 's|#\(location ~ /[12]\$ {\)|\1|' \
        "$SOURCE/nginx/upgrade-receiver.conf" >"$T/several.conf"
    equal "servers" "$(grep -c '^ *server unix:' "$T/several.conf")" $((2 * $1))
}

# start_all COUNT: so many receivers on one store, and nginx before them.
start_all() {
    local n
    receiver_start --restart
    for ((n = 2; n <= $1; n++)); do other_start "$n"; done
    site "$1"
    NGINX_SITE=$T/several.conf nginx_start
}

# other_start N: the N-th receiver, with a socket, holder and log of its own.
other_start() {
    background "other-$1" "$HOLD" "$T/socket-$1" "$T/pid-$1" --restart -- \
        "${RECEIVER_WRAP[@]}" "$RECEIVER_BIN" --state "$T/state"
    wait_for "$PATIENCE" grep -q '"event":"start"' "$T/other-$1.out"
}

# metrics_of NUMBER STATUS
metrics_of() {
    request "/metrics/$1"
    expect_answer "$2" || return
    # (Of one that is gone, the web server says so.)
    if [[ $2 == 200 ]]; then grep -q '^upgrade_receiver_build_info' <<<"$body"; fi
}

# wakes PID: how often its workers were woken so far. Without requests they never are.
wakes() {
    local task total=0
    for task in "/proc/$1"/task/*; do
        if [[ $(<"$task/comm") == worker ]]; then
            total=$((total + $(awk '/^voluntary/ {print $2}' "$task/status")))
        fi
    done
    echo "$total"
}

# Sets $holds to the pid file of the receiver that has read a request since the counts were taken.
one_has_read() {
    local name
    for name in pid pid-2; do
        if (($(wakes "$(<"$T/$name")") > ${before[$name]})); then
            holds=$name
            return 0
        fi
    done
    return 1
}

@test "a receiver that dies after it has read the request costs nothing" {
    # Four times (--full: ten) the receiver that has read a request and waits for the disk is killed: the other is sent the request, and the platform sees 200.
    local -A before killed=()
    local i times=4
    if [[ $TEST_FULL == 1 ]]; then times=10; fi
    start_all 2
    for ((i = 1; i <= times; i++)); do
        notification "deviceId=upstream-$i" >"$T/body.json"
        before=([pid]=$(wakes "$(<"$T/pid")") [pid-2]=$(wakes "$(<"$T/pid-2")"))
        lock_store
        background post post_and_tell "$T/body.json"
        wait_for "$PATIENCE" one_has_read
        kill -s KILL "$(<"$T/$holds")"
        killed[$holds]=1
        unlock_store
        wait "$background_pid"
        equal "answer $i" "$(<"$T/post.out")" '200 stored'
        wait_for "$PATIENCE" both_run
    done
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" "$times|$times"
    if [[ $TEST_FULL == 1 ]]; then equal "receivers that were killed" "${#killed[@]}" 2; fi
    books_add_up
}

post_and_tell() {
    post "$1"
    echo "$status_code $(jq -r .result <<<"$body")"
}

# (Between a receiver and the next its file is away, and $(<FILE) would end the test.)
both_run() {
    kill -0 "$(cat "$T/pid" || true)" && kill -0 "$(cat "$T/pid-2" || true)" &&
        (($(grep -hc '"event":"start"' "$T/log" "$T/other-2.out" | paste -sd +) == i + 2))
}

@test "a receiver that is gone with its socket costs nothing" {
    # Two answer each kind of request as one does. One and its socket vanish: each request is answered 200 by the other, and by both when it is back. Each has an address for its metrics, which the other never answers.
    local i holder
    start_all 2
    answers_each_kind_of_request
    holder=$(<"$T/background/other-2")
    kill -s TERM "$holder"
    wait_for "$PATIENCE" has_ended "$holder"
    for i in 1 2 3 4 5 6; do
        notification "deviceId=gone-$i" >"$T/body.json"
        post "$T/body.json"
        expect_answer 200 '.result == "stored"'
    done
    metrics_of 1 200
    metrics_of 2 503
    other_start 2
    receiver_stop
    metrics_of 1 503
    metrics_of 2 200
    for i in 7 8 9; do
        notification "deviceId=gone-$i" >"$T/body.json"
        post "$T/body.json"
        expect_answer 200 '.result == "stored"'
    done
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" '12|13'
}

@test "either receiver may be killed or restarted under load" {
    # Under load the two are killed and restarted in turn, six times: every request is answered 200 the first time, and kept once.
    start_all 2
    push_behind --count 4000 --repeats 400 --deadline 60 --ledger "$T/ledger"
    local i old name log starts
    for i in 1 2 3 4 5 6; do
        wait_for 30 books_reach $((i * 560))
        name=pid log=$T/log
        if ((i % 2)); then name=pid-2 log=$T/other-2.out; fi
        old=$(<"$T/$name")
        starts=$(grep -c '"event":"start"' "$log")
        kill -s "$( ((i % 3)) && echo KILL || echo TERM)" "$old"
        wait_for "$PATIENCE" process_is_gone "$old"
        # One of them always serves.
        wait_for "$PATIENCE" has_started_again "$log" "$starts"
    done
    every_request_is_answered_200
    status_matches_books
}

# has_started_again LOG STARTS: whether it says so more often than that.
has_started_again() {
    (($(grep -c '"event":"start"' "$1") > $2))
}

# bats test_tags=full
@test "four receivers on one store are fair to each request, also on a slow disk" {
    # Each of four receivers has a quarter of the load, on a disk that takes 30 ms for each sync: of all requests none waits for a second because another receiver writes.
    preload slow_sync SLOW_SYNC_MS=30
    start_all 4
    push --count "${FAIR_COUNT:-1500}" --repeats 150 --deadline 60 --ledger "$T/ledger"
    cat "$T/push.out"
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    in_time "a request" "$(pushed '.maxMs | floor')" 1000
    local log count
    for log in "$T/log" "$T"/other-*.out; do
        count=$(grep -c '"event":"notification"' "$log")
        ((count > 250)) || fail "$log: only $count of the notifications"
    done
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
}
