#!/usr/bin/env bats
# A disk that fails in ways that need no privilege to bring about (tests/tool/disk.c): what is answered
# 200 is kept, what cannot be kept is refused at once and steadily, and all works again by itself.

load lib
load faults

setup() {
    scenario_setup
    preload disk "DISK_FOLDER=$T/state" "DISK_CONTROL=$T/control"
}

# disk_fails CALLS ERROR [once]: until disk_works.
disk_fails() {
    echo "$*" >"$T/control.new"
    mv "$T/control.new" "$T/control"
}

disk_works() {
    rm -f "$T/control"
}

# log_tells EVENT COUNT: whether the log has so many lines of it.
log_tells() {
    (($(grep -c "\"event\":\"$1\"" "$LOG") >= $2))
}

# store_has_failed COUNT: so often, says the log; what is told of the status file has no end that is told.
store_has_failed() {
    (($(grep '"event":"fault"' "$LOG" | grep -vc 'state/status\.') >= $1))
}

# meets_store COUNT HOW: the same. Where HOW is for one call, and the status file has met it, it is for one
# more.
meets_store() {
    if store_has_failed "$1"; then return; fi
    # shellcheck disable=SC2086 # words of the call
    if [[ ! -e $T/control ]]; then disk_fails $2; fi
    return 1
}

@test "a disk that fails each write or each sync" {
    # EIO, ENOSPC, EDQUOT, a file system gone read-only, and syncs that fail: notifications are refused while it lasts, stored by the same process afterwards, and nothing is lost.
    receiver_start
    local pid how round=0
    pid=$(receiver_pid)
    local hows=('write ENOSPC' 'sync EIO')
    if [[ $TEST_FULL == 1 ]]; then hows+=('write EIO' 'write EDQUOT' 'all EROFS'); fi
    for how in "${hows[@]}"; do
        round=$((round + 1))
        keep_some "before-$round" 1
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        refuses_steadily 2 || fail "with '$how'"
        wait_for "$PATIENCE" log_tells fault "$round"
        disk_works
        serves_again "$pid"
        wait_for "$PATIENCE" log_tells recovered "$round"
    done
    equal "kept of those answered 200" "$(kept before)" "${#hows[@]}"
    status_matches_books
    receiver_kill
    receiver_restart
    equal "kept of those answered 200" "$(kept before)" "${#hows[@]}"
    books_add_up
}

@test "a status file that cannot be written costs no answer" {
    # While the status file cannot be made, renamed or synced alone, notifications are answered 200; the fault is logged once, the status file is whole, and right again afterwards.
    receiver_start
    wait_for_status '.seq == 0' # its lock file is there as well
    local how round=0
    for how in 'create ENOSPC' 'rename EIO'; do
        round=$((round + 1))
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        keep_some "status-$round" 2
        wait_for_log '.event == "fault" and (.fault | test("status.json"))' "$round"
        pause 1.2
        keep_some "more-$round" 1
        jq -e .seq "$T/state/status.json" >/dev/null || fail "torn by '$how'"
        equal "faults logged" "$(grep -c '"event":"fault"' "$LOG")" "$round"
        disk_works
        status_matches_books
    done
}

@test "a disk that fails now and then under load" {
    # Under load over HTTPS writes, syncs and more fail for moments, again and again: every notification answered 200 is kept once, no answer is another than 200 and 503, the books add up.
    receiver_start
    nginx_start
    push_behind --count 100000 --repeats 10000 --connections 32 --rate 150 --deadline 120 --ledger "$T/ledger"
    local hows=('write EIO' 'sync EIO once' 'all EROFS' 'sync EIO' 'write ENOSPC') i how times=4
    if [[ $TEST_FULL == 1 ]]; then times=10; fi
    for ((i = 0; i < times; i++)); do
        how=${hows[i % ${#hows[@]}]}
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        pause "0.$((RANDOM % 5 + 1))"
        wait_for "$PATIENCE" meets_store "$((i + 1))" "$how"
        disk_works
        wait_for "$PATIENCE" log_tells recovered "$((i + 1))" || fail "behind '$how'"
        pause "0.$((RANDOM % 5 + 1))"
    done
    push_stop
    equal "answers beside 200 and 503" "$(pushed '.answers | keys - ["200", "503"] | length')" 0
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
}

@test "a disk that hangs" {
    # Syncs that do not come back, under many connections, and the supervisor's watchdog: nothing is lost, the process stays, and all works again by itself.
    local seconds=3 peers=100 pid
    if [[ $TEST_FULL == 1 ]]; then seconds=20 peers=1000; fi
    background notified "$PYTHON" "$TESTS/tool/notified.py" "$T/notify" "$T/told"
    wait_for "$PATIENCE" test -S "$T/notify"
    NOTIFY_SOCKET=$T/notify WATCHDOG_USEC=30000000 receiver_start
    pid=$(receiver_pid)
    keep_some before 1
    disk_fails sync HANG
    background burst "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" burst --peers "$peers" --wait 60
    sleep "$seconds" # the fault itself
    disk_works
    wait "$background_pid"
    equal "answers" "$(jq -c '.answers | keys' "$T/burst.out")" '["200"]'
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" "$(jq '.answers["200"] + 1' "$T/burst.out")"
    equal "faults" "$(log_count '.event == "fault"')" 0
    serves_again "$pid"
}
