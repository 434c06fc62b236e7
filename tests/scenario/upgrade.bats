#!/usr/bin/env bats
# A restart, an upgrade of the program and a reload of the web server cost the platform no request, given
# a socket that outlives the process.

load lib
load faults

setup() {
    scenario_setup
    mkdir "$T/bin"
    receiver_copy "$T/bin/upgrade-receiver"
}

# move_over MARK: another file in the program's place, which does the same.
move_over() {
    RECEIVER_BIN=$UPGRADE_RECEIVER_BIN receiver_copy "$T/bin/new" "$1"
    mv "$T/bin/new" "$T/bin/upgrade-receiver"
}

# restart_under_load: SIGTERM, which must end it with 0, and its holder starts it again.
restart_under_load() {
    local old
    old=$(receiver_pid)
    kill -s TERM "$old"
    wait_for "$PATIENCE" receiver_has_changed "$old"
    equal "exit status" "$(<"$T/pid.exit")" 0
    # SIGTERM would end one that has only just begun, without a word.
    wait_for "$PATIENCE" receiver_has_started
}

receiver_has_started() {
    grep -q "\"event\":\"start\".*\"pid\":$(receiver_pid)," "$LOG"
}

# push_until_told OPTION...: load over HTTPS, until stop_pushing.
push_until_told() {
    push_behind --count 100000 --repeats 2000 --rate "${UPGRADE_RATE:-400}" --connections 32 --deadline 120 \
        --ledger "$T/ledger" "$@"
}

# stop_pushing: ends the load; all of it must have been answered 200 at once.
stop_pushing() {
    push_stop || return
    cat "$T/push.out"
    equal "answers" "$(pushed '.answers | keys | join(" ")')" 200
    (($(pushed .sent) > 100)) || fail "hardly any load: $(<"$T/push.out")"
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
}

@test "restarts under load, half of them upgrades, cost no request" {
    # Four times (--full: twenty) under load over HTTPS the receiver is ended by SIGTERM and another started on the held socket, every other time from a new file at its path: the platform sees no answer but 200, and nothing counts twice.
    local i times=4
    if [[ $TEST_FULL == 1 ]]; then times=20; fi
    RECEIVER_BIN=$T/bin/upgrade-receiver receiver_start --restart
    nginx_start
    push_until_told
    for ((i = 1; i <= times; i++)); do
        if ((i % 2 == 0)); then move_over "$i"; fi
        restart_under_load
        # What valgrind runs has valgrind for its program file.
        if ((i % 2 == 0)) && [[ $UNDER != valgrind ]]; then
            equal "the mark of the running program" "$(tail -c "${#i}" "/proc/$(receiver_pid)/exe")" "$i"
        fi
        sleep 0.2
    done
    stop_pushing
    equal "stop lines" "$(grep -c '"event":"stop"' "$LOG")" "$times"
}

@test "reloads under load cost no request" {
    # Twice (--full: six times) under load nginx loads its configuration again and the receiver reopens its log: the platform, with a connection for each push, sees no answer but 200. (One that nginx closes while the next push is on its way costs that push an answer, and it comes again.)
    local i old times=2
    if [[ $TEST_FULL == 1 ]]; then times=6; fi
    receiver_start --log "$T/own.log"
    nginx_start
    push_until_told --fresh
    for ((i = 1; i <= times; i++)); do
        old=$(pgrep -P "$(<"$T/nginx/master")" | sort | tr '\n' ' ')
        kill -s HUP "$(<"$T/nginx/master")" "$(receiver_pid)"
        wait_for "$PATIENCE" workers_have_changed "$old"
        sleep 0.2
    done
    stop_pushing
}

workers_have_changed() {
    local now
    now=$(pgrep -P "$(<"$T/nginx/master")" | sort | tr '\n' ' ')
    [[ -n $now && $now != "$1" ]]
}
