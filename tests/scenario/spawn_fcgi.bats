#!/usr/bin/env bats
# Started by spawn-fcgi, with one process or several, the receiver keeps its promises.

load lib
load faults
load ways

# spawn OPTION... -- ARGUMENT...: spawn-fcgi as a daemon, with a receiver on $T/socket; the receivers'
# process ids are in $T/spawned.
spawn() {
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    spawn-fcgi -s "$T/socket" -M 0666 -P "$T/spawned" "${options[@]}" -- \
        "$RECEIVER_BIN" --state "$T/state" "$@" 3>&-
    wait_for "$PATIENCE" test -f "$T/state/status.json"
}

# spawn_kept: spawn-fcgi -n under a supervisor, which is this test.
spawn_kept() {
    background spawned spawn-fcgi -n -s "$T/socket" -M 0666 -- "$SOURCE/nginx/keep-running" \
        "$RECEIVER_BIN" --state "$T/state"
    keeper=$background_pid
    LOG=$T/spawned.out
    wait_for_log '.event == "start"'
}

# The receiver that the keeper runs now.
kept_pid() {
    pgrep -P "$keeper" | head -n 1
}

another_runs() {
    [[ -n $(kept_pid) && $(kept_pid) != "$1" ]]
}

# bats test_tags=full
@test "spawn-fcgi -n: each kind of request has its answer, and the log comes on stdout" {
    spawn_kept
    nginx_start
    answers_each_kind_of_request
    equal "lines about notifications" "$(log_count '.event == "notification"')" 4
    status_is '.log.warning == null'
    kill -s TERM "$keeper"
    wait_for "$PATIENCE" has_ended "$keeper"
    wait "$keeper"
    log_has '.event == "stop" and .reason == "SIGTERM"'
    books_add_up
}

@test "spawn-fcgi -n: kills and restarts under load fail no request" {
    # nginx/keep-running holds the socket: three kills and two restarts under load, and every request is answered 200 the first time.
    spawn_kept
    nginx_start
    push_behind --count 4000 --repeats 400 --deadline 60 --ledger "$T/ledger"
    local i old
    for i in 1 2 3 4 5; do
        wait_for 30 books_reach $((i * 640))
        old=$(kept_pid)
        kill -s "$( ((i % 2)) && echo KILL || echo TERM)" "$old"
        wait_for "$PATIENCE" another_runs "$old"
    done
    every_request_is_answered_200
}

@test "keep-running: a command line that is wrong is not tried again, and its end ends the receiver" {
    # Exit status 2 ends it at once; a receiver whose keeper is killed ends too, and does not sit on an old socket.
    local status=0
    timeout 10 spawn-fcgi -n -s "$T/socket" -- "$SOURCE/nginx/keep-running" "$RECEIVER_BIN" --nonsense \
        2>"$T/stderr" || status=$?
    equal "exit status" "$status" 2
    equal "complaints" "$(grep -c nonsense "$T/stderr")" 1
    spawn_kept
    local pid
    pid=$(kept_pid)
    kill -s KILL "$keeper"
    wait_for "$PATIENCE" process_is_gone "$pid"
    log_has '.event == "stop"'
}

@test "spawn-fcgi as a daemon: the status file tells that the log goes nowhere" {
    # Without -n stdout is /dev/null: the status file says so, and with --log it does not, and the lines are in the file.
    spawn --
    wait_for_status '.log.warning | test("/dev/null.*--log")'
    send deviceId=first
    answered 200 stored
    stop_process "$(<"$T/spawned")" TERM
    status_is '.log.warning | test("/dev/null")'
    rm -f "$T/state/status.json" "$T/socket"
    spawn -- --log "$T/log"
    wait_for_status '.log.warning == null'
    send deviceId=second
    answered 200 stored
    wait_for_log '.event == "notification" and .seq == 2'
}

@test "spawn-fcgi -F 4: four processes on one store are fair to each request" {
    # Under load by four processes no request waits for a second, and the books are those of one. (How the load is shared is the kernel's choice; upstream.bats has equal shares.)
    needs_plain_build "of four that start at once each waits a second for the making of the store" valgrind
    spawn -F 4 -- --log "$T/log"
    nginx_start
    push --count 5000 --repeats 500 --deadline 60 --ledger "$T/ledger"
    cat "$T/push.out"
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    in_time "the slowest request" "$(pushed '.maxMs | floor')" 1000
    equal "starts" "$(grep -c '"event":"start"' "$LOG")" 4
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
    equal "lines told twice" "$(grep -o '"seq":[0-9]*,"repeat":false' "$LOG" | sort | uniq -d)" ''
}

# bats test_tags=full
@test "spawn-fcgi -F 4: a kill costs nothing, and a stop of all leaves a status file that is right" {
    # One of four processes is killed under load: the others serve on. Stopped together, they leave books and a status file that agree.
    needs_plain_build "of four that start at once each waits a second for the making of the store" valgrind
    spawn -F 4 -- --log "$T/log"
    nginx_start
    push_behind --count 4000 --repeats 400 --deadline 60 --ledger "$T/ledger"
    wait_for 30 books_reach 1500
    kill -s KILL "$(head -n 1 "$T/spawned")"
    every_request_is_answered_200
    local pid
    peer burst --peers 40 >/dev/null
    tail -n 3 "$T/spawned" | xargs kill -s TERM
    tail -n 3 "$T/spawned" | while read -r pid; do wait_for "$PATIENCE" process_is_gone "$pid"; done
    books_add_up
    equal "status" "$(status_json .seq)" "$(sql 'SELECT max(seq) FROM notifications')"
    status_matches_books
}
