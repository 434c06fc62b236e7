#!/usr/bin/env bats
# Of two receivers on one store behind one nginx upstream, one may end at any time.

load lib
load faults
load ways

setup() {
    scenario_setup
    receiver_start --restart
    second_start
    # The choice that the site's comments offer.
    sed 's|^    #server unix:/run/upgrade-receiver/socket-2|    server unix:/run/upgrade-receiver/socket-2|' \
        "$SOURCE/nginx/upgrade-receiver.conf" >"$T/two.conf"
    equal "servers" "$(grep -c '^ *server unix:' "$T/two.conf")" 4
    NGINX_SITE=$T/two.conf nginx_start
}

# A second receiver on the same store, with a socket, holder and log of its own.
second_start() {
    background second "$PYTHON" "$TESTS/tool/hold.py" "$T/socket-2" "$T/pid-2" --restart -- \
        "$RECEIVER_BIN" --state "$T/state"
    second_holder=$background_pid
    wait_for "$PATIENCE" grep -q '"event":"start"' "$T/second.out"
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
    # Ten times the receiver that has read a request and waits for the disk is killed: the other is sent the request, and the platform sees 200.
    local -A before killed=()
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        notification "deviceId=upstream-$i" >"$T/body.json"
        before=([pid]=$(wakes "$(<"$T/pid")") [pid-2]=$(wakes "$(<"$T/pid-2")"))
        lock_store
        background post post_and_tell "$T/body.json"
        wait_for 5 one_has_read
        kill -s KILL "$(<"$T/$holds")"
        killed[$holds]=1
        unlock_store
        wait "$background_pid"
        equal "answer $i" "$(<"$T/post.out")" '200 stored'
        wait_for 5 both_run
    done
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" '10|10'
    equal "receivers that were killed" "${#killed[@]}" 2
    books_add_up
}

post_and_tell() {
    post "$1"
    echo "$status_code $(jq -r .result <<<"$body")"
}

both_run() {
    kill -0 "$(<"$T/pid")" && kill -0 "$(<"$T/pid-2")" &&
        (($(grep -hc '"event":"start"' "$T/log" "$T/second.out" | paste -sd +) == i + 2))
}

@test "a receiver that is gone with its socket costs nothing" {
    # One receiver and its socket vanish: each request is answered 200 by the other, and by both when it is back.
    local i
    kill -s TERM "$second_holder"
    wait_for 15 has_ended "$second_holder"
    for i in 1 2 3 4 5 6; do
        notification "deviceId=gone-$i" >"$T/body.json"
        post "$T/body.json"
        expect_answer 200 '.result == "stored"'
    done
    second_start
    receiver_stop
    for i in 7 8 9; do
        notification "deviceId=gone-$i" >"$T/body.json"
        post "$T/body.json"
        expect_answer 200 '.result == "stored"'
    done
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" '9|9'
}

@test "either receiver may be killed or restarted under load" {
    # Under load the two are killed and restarted in turn, six times: every request is answered 200 the first time, and kept once.
    push_behind --count 6000 --repeats 600 --deadline 60 --ledger "$T/ledger"
    local i old name
    for i in 1 2 3 4 5 6; do
        wait_for 30 books_reach $((i * 850))
        name=pid
        if ((i % 2)); then name=pid-2; fi
        old=$(<"$T/$name")
        kill -s "$( ((i % 3)) && echo KILL || echo TERM)" "$old"
        wait_for 10 process_is_gone "$old"
    done
    every_request_is_answered_200
    status_matches_books
}
