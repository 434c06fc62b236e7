#!/usr/bin/env bats
# SIGKILL at each named step, by a build in which the process can be killed there (fcgi/base/fault_point.h).
#
# POINTS_BUILD is that build's folder: make CPPFLAGS=-DENABLE_FAULT_POINTS.

load lib
load faults
load books

setup() {
    scenario_setup
    POINTS_BUILD=${POINTS_BUILD:-$SOURCE/build-points}
    RECEIVER_BIN=$POINTS_BUILD/fcgi/upgrade-receiver
    if [[ ! -x $RECEIVER_BIN ]]; then skip "$POINTS_BUILD holds no build with fault points"; fi
    export FAULT_POINTS=$T/points
    mkdir "$FAULT_POINTS"
}

# points: the names of all steps, in the order of the table.
points() {
    sed -nE 's/^ +X\(([a-z_]+), ".*/\1/p' "$SOURCE/fcgi/base/fault_point.h"
}

teardown() {
    if [[ -n ${BOOKS_PG:-} ]]; then books_teardown_file; fi
    scenario_teardown
}

# kill_at POINT: the receiver is killed there, and its holder starts another.
kill_at() {
    local old
    old=$(receiver_pid)
    touch "$FAULT_POINTS/$1"
    wait_for 30 receiver_has_changed "$old" || fail "nobody passes $1" || return
    [[ ! -e $FAULT_POINTS/$1 ]] || fail "it ended before $1" || return
    wait_for "$PATIENCE" receiver_is_running || return
    equal "killed at $1" "$(<"$T/pid.exit")" 137
}

@test "a build without the switch knows nothing of the steps" {
    # A normal build holds no trace of the fault points, whatever the environment says.
    local plain
    plain=$(program_file "${UPGRADE_RECEIVER_BIN:?}")
    grep -q FAULT_POINTS "$(program_file "$RECEIVER_BIN")" || fail "$RECEIVER_BIN has no fault points"
    if grep -q FAULT_POINTS "$plain"; then fail "$plain has fault points"; fi
}

@test "SIGKILL at each step between receiving and answering loses nothing" {
    # Under load over HTTPS the receiver is killed at each step of a request and of housekeeping beside it, and started again: what was answered 200 is kept once, the books add up.
    local point killed=0 answered
    receiver_start --restart
    nginx_start
    push_behind --count 100000 --repeats 10000 --rate 500 --connections 32 --deadline 200 --ledger "$T/ledger"
    while read -r point; do
        case $point in
        delivered | cursor_moved | store_made | tables_* | journaled | books_*) continue ;;
        esac
        kill_at "$point"
        killed=$((killed + 1))
        wait_for "$PATIENCE" books_grow $((40 * killed))
    done < <(points)
    push_stop
    equal "killed" "$killed" 13
    answered=$(pushed '.answers["200"]')
    ((answered > 500)) || fail "hardly any load: $(<"$T/push.out")"
    equal "answers beside 200, 503 and none" "$(pushed '.answers | keys - ["0", "200", "503"] | length')" 0
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
}

# books_grow COUNT: whether they hold so many notifications.
books_grow() {
    (($(sql 'SELECT count(*) FROM notifications') >= $1))
}

@test "SIGKILL between a callback and its cursor costs no notification" {
    # Killed behind a callback and in the transaction that moves the cursor, the application is told each notification at least once, in order.
    local point
    export APP_RECORD=$T/record
    RECEIVER_BIN=$POINTS_BUILD/tests/tool/app_recorder
    receiver_start --restart
    for point in delivered cursor_moved delivered cursor_moved; do
        peer keep --requests 150 --peers 2 >"$T/keep.out"
        stay load "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --requests 20 --peers 1 --idle
        kill_at "$point"
        # Whatever the kill met may fail: the next round's notifications are others.
        leave load || true
        wait_for "$PATIENCE" receiver_is_running
    done
    keep_some last 1
    wait_for "$PATIENCE" last_is_told
    receiver_stop
    "$PYTHON" - "$APP_RECORD" "$(sql 'SELECT max(seq) FROM notifications')" <<'PYTHON'
import sys

told, runs = [], 0
for line in open(sys.argv[1]):
    what, seq = line.split()
    if what == "start":
        runs += 1
    else:
        told.append(int(seq))
assert runs == 5, f"{runs} starts"
assert sorted(set(told)) == list(range(1, int(sys.argv[2]) + 1)), "not each of them"
for before, after in zip(told, told[1:]):
    assert after == before + 1 or before - 64 <= after <= before, f"{after} behind {before}"
PYTHON
}

last_is_told() {
    grep -q "^taken *0*$(sql 'SELECT max(seq) FROM notifications') " "$APP_RECORD"
}

@test "SIGKILL while a store is made leaves one that the next start completes" {
    # Killed at each step of the making of a new store, the receiver makes it whole at the next start.
    local point
    for point in store_made tables_made tables_committed; do
        rm -rf "$T/state" && mkdir "$T/state"
        touch "$FAULT_POINTS/$point"
        start_killed
        receiver_start
        keep_some "$point" 2
        books_add_up
        receiver_stop
    done
}

# Starts the receiver, which must end by SIGKILL before it says that it has started.
start_killed() {
    if receiver_start 2>"$T/start.out"; then fail "it started"; fi
    equal "exit status" "$(<"$T/pid.exit")" 137
    stop_process "$(<"$T/holder")" TERM
}

# bats test_tags=full
@test "SIGKILL while quarantine is read again keeps each body in one place" {
    # The operator's command, killed at each step of taking a body out of quarantine, leaves it in quarantine or in the books, whole, and never in both.
    local point id=0 kept status operator=$POINTS_BUILD/fcgi/upgrade-status
    receiver_start --app-id another
    for point in begun put before_commit after_commit; do
        id=$((id + 1))
        send "deviceId=$point"
        answered 200 quarantined
        touch "$FAULT_POINTS/$point"
        status=0
        "$operator" --state "$T/state" quarantine retry --any-app "$id" >"$T/retry.out" 2>&1 || status=$?
        equal "exit status at $point" "$status" 137
        kept=$(sql "SELECT (SELECT count(*) FROM quarantine WHERE id = $id) ||
            (SELECT count(*) FROM notifications WHERE deviceId = '$point')")
        if [[ $point == after_commit ]]; then equal "at $point" "$kept" 01; else equal "at $point" "$kept" 10; fi
        "$operator" --state "$T/state" quarantine retry --any-app "$id" >"$T/retry.out" 2>&1 || true
        equal "kept" "$(sql "SELECT count(*) FROM notifications WHERE deviceId = '$point'")" 1
        equal "body" "$(sql "SELECT body FROM notifications WHERE deviceId = '$point'")" "$(<"$T/sent.json")"
    done
    equal "held" "$(sql 'SELECT count(*) FROM quarantine')" 0
    books_add_up
    status_matches_books
}

# bats test_tags=full
@test "SIGKILL at each step of shipping skips no entry and sends none twice" {
    # Under load the receiver is killed at each step of its shipper: the log in PostgreSQL has each entry of the journal once and in order, and each notification that was answered 200.
    local point high missing
    books_setup_file
    books_make points
    receiver_start --restart --books "$BOOKS"
    nginx_start
    push_behind --count 100000 --repeats 10000 --rate 200 --connections 16 --deadline 200 --ledger "$T/ledger"
    for point in $(points | grep -E '^(journaled|books_.*)$') after_commit logged before_answer; do
        kill_at "$point"
        high=$(books_sql points --command='SELECT coalesce(max(number), 0) FROM upgrade_books.log')
        wait_for "$PATIENCE" log_passes "$((high + 40))"
    done
    push_stop
    receiver_stop
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" journal_is_empty
    books_match_ledger "$T/ledger"
    # In each life the numbers follow each other, and a life begins behind the one before it.
    equal 'gaps and repeats' "$(books_sql points --command='SELECT count(*) FROM (
        SELECT life_number - lag(life_number) OVER (ORDER BY number) AS step FROM upgrade_books.log) s WHERE step <> 1')" 0
    missing=$(comm -23 <(sql 'SELECT lower(hex(body)) FROM notifications' | sort -u) \
        <(books_sql points --command="SELECT encode(body, 'hex') FROM upgrade_books.log" | sort -u) | wc -l)
    equal 'notifications that the books lack' "$missing" 0
    equal 'entries for each notification and repeat' \
        "$(books_sql points --command='SELECT count(*) FROM upgrade_books.log')" \
        "$(sql 'SELECT sum(deliveries) FROM notifications')"
}

log_passes() {
    (($(books_sql points --command='SELECT coalesce(max(number), 0) FROM upgrade_books.log') >= $1))
}

journal_is_empty() {
    [[ $(sql 'SELECT count(*) FROM journal') == 0 ]]
}
