#!/usr/bin/env bats
# SIGTERM ends the receiver soon, cleanly, and without loss.

load lib
load faults

# stops_within MILLISECONDS [SIGNAL]: the receiver ends with status 0 by then.
stops_within() {
    local start=${EPOCHREALTIME//./} took
    kill -s "${2:-TERM}" "$(receiver_pid)"
    wait_for 30 receiver_has_ended
    took=$(((${EPOCHREALTIME//./} - start) / 1000))
    equal "exit status" "$(<"$T/pid.exit")" 0
    in_time "the stop" "$took" "$1"
}

@test "an idle receiver starts and stops cleanly" {
    # Five times (--full: twenty) started and stopped, each stop takes under a second, exits 0 and is a line in the log.
    receiver_start
    local i times=5
    if [[ $TEST_FULL == 1 ]]; then times=20; fi
    for ((i = 1; i <= times; i++)); do
        stops_within 1000
        log_has '.event == "stop"' "$i" || fail "no stop line, time $i"
        receiver_restart
    done
    stops_within 1000 INT
    log_has '.event == "stop"' $((times + 1))
}

@test "SIGTERM under load loses nothing that was read" {
    # Stops under load cost the platform no answer but 200, and none is a repeat: whatever was kept was answered at once.
    receiver_start --restart
    nginx_start
    local i old count=3000 times=2
    if [[ $TEST_FULL == 1 ]]; then count=8000 times=5; fi
    push_behind --count "$count" --deadline 60 --ledger "$T/ledger"
    for ((i = 1; i <= times; i++)); do
        wait_for 20 seq_reached $((i * count / (times + 1)))
        old=$(receiver_pid)
        kill -s TERM "$old"
        wait_for "$PATIENCE" receiver_has_changed "$old"
        equal "exit status" "$(<"$T/pid.exit")" 0
        wait_for "$PATIENCE" receiver_is_running
    done
    push_end
    cat "$T/push.out"
    equal "answers" "$(pushed '.answers | keys[]')" 200
    equal "kept but not answered" "$(pushed .repeated)" 0
    books_match_ledger "$T/ledger"
    books_add_up
    equal "stop lines" "$(grep -c '"event":"stop"' "$LOG")" "$times"
}

seq_reached() {
    (($(sql 'SELECT coalesce(max(seq), 0) FROM notifications') >= $1))
}

@test "peers that are silent or stuck do not delay the end" {
    # With silent, half-sent, dribbling and kept connections open the receiver ends within five seconds.
    receiver_start --workers 2
    local attack
    for attack in silent half-parameters half-body half-end dribble-body never-reads; do
        stay_attack "$attack" 10
    done
    stay keep "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --peers 20 --idle
    wait_for 20 grep -q answers "$T/keep.out"
    stops_within 5000
    log_has '.event == "stop"'
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" 20
    equal "quarantine" "$(sql 'SELECT count(*) FROM quarantine')" 0
}

@test "a stop while the store is locked ends in time" {
    # With the store locked by another program and requests waiting for it, SIGTERM answers them and ends within five seconds.
    receiver_start
    send deviceId=first
    answered 200 stored
    lock_store
    background burst "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" burst --peers 20
    wait_for "$PATIENCE" sockets_reached 21
    sleep 0.1
    stops_within 5000
    wait "$background_pid" || fail "not all were answered: $(cat "$T/burst.out")"
    equal answers "$(jq -c .answers "$T/burst.out")" '{"503":20}'
    unlock_store
}

@test "a stop with a stalled stdout ends in time" {
    # Nobody reads stdout and much waits for it; SIGTERM still ends the receiver within five seconds.
    mkfifo "$T/stdout"
    exec {reader}<>"$T/stdout"
    RECEIVER_STDOUT=$T/stdout receiver_start
    notification description@<(head -c 900000 /dev/zero | tr '\0' x) >"$T/large.json"
    send_body "$T/large.json"
    answered 200 stored
    stops_within 5000
    exec {reader}>&-
}

@test "a request that came on a kept connection before the end is answered" {
    # While requests wait for the disk, SIGTERM comes, and then another request on each of their connections: whatever the socket took is answered, and what is answered 200 is kept.
    receiver_start
    send deviceId=first
    mkfifo "$T/go"
    cat >"$T/late.py" <<'PYTHON'
import pathlib
import sys
import fcgi_peer

where, go, done = sys.argv[1:]
peers = [fcgi_peer.Peer(where) for _ in range(20)]


def send(number):
    return [
        peer.send(fcgi_peer.request(fcgi_peer.notification(), keep=True, request_id=number))
        for peer in peers
    ]


first = send(1)
open(go).read()
more = send(2)
pathlib.Path(done).touch()
statuses = [peer.read(1).status for peer, sent in zip(peers, first) if sent]
statuses += [peer.read(2).status for peer, sent in zip(peers, more) if sent]
print(statuses.count(0), statuses.count(200))
PYTHON
    lock_store
    PYTHONPATH=$TESTS/tool background late "$PYTHON" "$T/late.py" "$T/socket" "$T/go" "$T/done"
    wait_for "$PATIENCE" sockets_reached 21
    kill -s TERM "$(receiver_pid)"
    : >"$T/go"
    wait_for "$PATIENCE" test -e "$T/done"
    unlock_store
    wait_for "$PATIENCE" receiver_has_ended
    equal "exit status" "$(<"$T/pid.exit")" 0
    wait "$background_pid"
    read -r unanswered kept <"$T/late.out"
    equal "sent and not answered" "$unanswered" 0
    equal kept "$(sql 'SELECT count(*) FROM notifications')" $((kept + 1))
}

@test "the status file is right after the stop" {
    # The last thing a stop does is to write a status file that says all that is in the store.
    receiver_start
    peer burst --peers 30 >/dev/null
    stops_within 2000
    equal seq "$(status_json .seq)" 30
    equal totals "$(status_json .totals.notifications)" 30
}
