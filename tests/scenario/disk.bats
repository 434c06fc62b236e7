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

@test "a disk that fails each write or each sync" {
    # EIO, ENOSPC, EDQUOT, a file system gone read-only, and syncs that fail: notifications are refused while it lasts, stored by the same process afterwards, and nothing is lost.
    receiver_start
    local pid how round=0
    pid=$(receiver_pid)
    for how in 'write EIO' 'write ENOSPC' 'write EDQUOT' 'all EROFS' 'sync EIO'; do
        round=$((round + 1))
        keep_some "before-$round" 1
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        refuses_steadily 3 || fail "with '$how'"
        wait_for_log '.event == "fault"' "$round"
        disk_works
        serves_again "$pid"
        wait_for_log '.event == "recovered"' "$round"
    done
    equal "kept of those answered 200" "$(kept before)" 5
    books_add_up
    status_matches_books
    receiver_kill
    receiver_restart
    equal "kept of those answered 200" "$(kept before)" 5
    books_add_up
}

@test "a status file that cannot be written costs no answer" {
    # While the status file cannot be made, renamed or synced alone, notifications are answered 200; the fault is logged once, the status file is whole, and right again afterwards.
    receiver_start
    local how round=0
    for how in 'create ENOSPC' 'rename EIO'; do
        round=$((round + 1))
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        keep_some "status-$round" 3
        wait_for_log '.event == "fault" and (.fault | test("status.json"))' "$round"
        sleep 1.2
        keep_some "more-$round" 1
        jq -e .seq "$T/state/status.json" >/dev/null || fail "torn by '$how'"
        equal "faults logged" "$(log_count '.event == "fault"')" "$round"
        disk_works
        status_matches_books
    done
}

@test "a disk that fails now and then under load" {
    # Under load over HTTPS writes, syncs and more fail for moments, six times: every notification answered 200 is kept once, no answer is another than 200 and 503, the books add up.
    receiver_start
    nginx_start
    push_behind --count 100000 --repeats 10000 --connections 32 --rate 250 --deadline 120 --ledger "$T/ledger"
    local hows=('write EIO' 'sync EIO once' 'write ENOSPC' 'all EROFS' 'sync EIO') i how
    for ((i = 0; i < 6; i++)); do
        how=${hows[i % ${#hows[@]}]}
        # shellcheck disable=SC2086 # words of the call
        disk_fails $how
        sleep "0.$((RANDOM % 5 + 1))"
        wait_for 10 log_has '.event == "fault"' "$((i + 1))"
        disk_works
        wait_for 10 log_has '.event == "recovered"' "$((i + 1))" || fail "behind '$how'"
        sleep "0.$((RANDOM % 5 + 1))"
    done
    push_stop
    cat "$T/push.out"
    equal "answers beside 200 and 503" "$(pushed '.answers | keys - ["200", "503"] | length')" 0
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
}
