#!/usr/bin/env bats
# SIGKILL at any moment costs nothing that was answered 200.
#
# KILL_COUNT, KILL_REPEATS and KILL_TIMES set the scale. UPGRADE_RECEIVER_TEST_FULL=1 (tests/run --full)
# is 200,000 notifications, 20,000 repeats and ten kills; the default 4,000, 400 and three kills.

# lib.bash clears the environment of the receiver's options, and of this with them.
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults

set_scale() {
    if [[ $TEST_FULL == 1 ]]; then
        count=${KILL_COUNT:-200000} repeats=${KILL_REPEATS:-20000} times=${KILL_TIMES:-10} deadline=1800
    else
        count=${KILL_COUNT:-4000} repeats=${KILL_REPEATS:-400} times=${KILL_TIMES:-3} deadline=120
    fi
}

seq_reached() {
    (($(sql 'SELECT coalesce(max(seq), 0) FROM notifications') >= $1))
}

has_started_times() {
    (($(grep -c '"event":"start"' "$LOG") == $1))
}

# Kills the receiver TIMES, evenly over two thirds of the load, and a fraction of a second later than is
# convenient: the load must not be over by then.
kill_along() {
    local i old
    for ((i = 1; i <= times; i++)); do
        wait_for "$deadline" seq_reached $((2 * i * count / (3 * (times + 1)))) || return
        sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
        old=$(receiver_pid)
        kill -s KILL "$old"
        wait_for "$PATIENCE" receiver_has_changed "$old" || return
        wait_for "$PATIENCE" receiver_is_running || return
        # killed sooner than that, it could not have told
        wait_for "$PATIENCE" has_started_times $((i + 1)) || return
    done
    kill -0 "$pusher_pid" || fail "the load ended before the last kill"
}

@test "SIGKILL under load loses nothing and counts nothing twice" {
    # Notifications and repeats by 64 connections over HTTPS while the receiver is killed and started again: every one answered 200 is kept exactly once, all counters equal a recount, no repeat is counted twice.
    set_scale
    receiver_start --restart
    nginx_start
    push_behind --count "$count" --repeats "$repeats" --connections 64 --deadline "$deadline" \
        --seed "${KILL_SEED:-1}" --ledger "$T/ledger"
    kill_along
    push_end
    echo "$(<"$T/push.out")"
    equal "killed" "$(<"$T/pid.exit")" 137
    equal "starts" "$(grep -c '"event":"start"' "$LOG")" $((times + 1))
    equal "ledger" "$(($(wc -l <"$T/ledger") - 1))" "$count"
    equal "kept" "$(sql 'SELECT count(*), count(DISTINCT seq), max(seq) FROM notifications')" \
        "$count|$count|$count"
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
    no_line_twice
}

# A kill may cost log lines, which the store can print again, but none tells a notification as new twice.
no_line_twice() {
    local twice
    twice=$(grep -o '"event":"notification","seq":[0-9]*,"repeat":false' "$LOG" | sort | uniq -d)
    equal "lines told twice" "$(head -n 3 <<<"$twice")" ''
}

@test "what was answered just before SIGKILL is kept" {
    # Several times: a notification is answered 200 and the process killed at once; it is in the books, whole, after the restart.
    receiver_start
    local i times=4
    if [[ $TEST_FULL == 1 ]]; then times=10; fi
    for ((i = 1; i <= times; i++)); do
        send "subOperationId=killed-$i"
        answered 200 stored
        receiver_kill
        receiver_restart
        equal "kept" "$(kept killed)" "$i"
        equal "body" "$(sql "SELECT body FROM notifications WHERE seq = $i" | jq -cS .)" \
            "$(jq -cS . "$T/sent.json")"
    done
    books_add_up
    status_matches_books
}
