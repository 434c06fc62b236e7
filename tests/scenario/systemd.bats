#!/usr/bin/env bats
# Under systemd the receiver tells truly how it is, and needs no more than its unit gives it.
#
# No systemd runs here: tests/tool/hold holds the socket and starts the receiver again, as the units would, and
# notified.py listens in systemd's place.

load lib
load faults
load ways

# As the build has made them.
UNITS=${RECEIVER_BIN%/*/*}/nginx
UNIT=$UNITS/upgrade-receiver.service

# supervise [WATCHDOG_SECONDS]: somebody listens to what the receiver tells; lines go to $T/told.
supervise() {
    background notified "$PYTHON" "$TESTS/tool/notified.py" "$T/notify" "$T/told"
    wait_for "$PATIENCE" test -S "$T/notify"
    export NOTIFY_SOCKET=$T/notify
    if (($# > 0)); then export WATCHDOG_USEC=${1}000000; fi
}

# told PATTERN: what was told, without the times.
told() {
    cut -d ' ' -f 2- "$T/told" | grep -cE "^$1\$" || true
}

told_is() {
    (($(told "$1") >= ${2:-1}))
}

require() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "the units are sound and the sandbox is tight" {
    # systemd finds nothing to complain of in the units, and their exposure is at most 1.5 of 10, with the network open
    # for shared books, too.
    require systemd-analyze
    mkdir "$T/units"
    cp "$UNITS"/upgrade-receiver.socket "$UNITS"/*.timer "$T/units/"
    sed "s|^ExecStart=[^ ]*|ExecStart=$RECEIVER_BIN|" "$UNIT" >"$T/units/upgrade-receiver.service"
    sed "s|^ExecStart=[^ ]*|ExecStart=$STATUS_BIN|" "$UNITS/upgrade-receiver-prune.service" \
        >"$T/units/upgrade-receiver-prune.service"
    if [[ -f $UNITS/upgrade-platform-reconcile.service ]]; then
        sed "s|^ExecStart=[^ ]*|ExecStart=$STATUS_BIN|" "$UNITS/upgrade-platform-reconcile.service" \
            >"$T/units/upgrade-platform-reconcile.service"
    fi
    if [[ -f $UNITS/upgrade-forward.service ]]; then
        sed "s|^ExecStart=[^ ]*|ExecStart=$RECEIVER_BIN|" "$UNITS/upgrade-forward.service" >"$T/units/upgrade-forward.service"
    fi
    # The man pages that they name need not be installed here.
    SYSTEMD_UNIT_PATH=$T/units: systemd-analyze verify --man=no "$T"/units/* >"$T/verify" 2>&1 ||
        fail "verify: $(<"$T/verify")"
    # It may complain of the machine's own units.
    equal "complaints" "$(grep -F "$T" "$T/verify")" ''
    systemd-analyze security --offline=true --threshold=15 --no-pager "$T/units/upgrade-receiver.service" \
        >"$T/security" || fail "$(grep -v ✓ "$T/security")"
    tail -n 1 "$T/security"
    install -D -m 0644 "$SOURCE/nginx/upgrade-receiver-books.conf" "$T/units/upgrade-receiver.service.d/books.conf"
    SYSTEMD_UNIT_PATH=$T/units: systemd-analyze verify --man=no "$T/units/upgrade-receiver.service" >"$T/verify" 2>&1 ||
        fail "verify: $(<"$T/verify")"
    equal "complaints of the drop-in" "$(grep -F "$T" "$T/verify")" ''
    SYSTEMD_UNIT_PATH=$T/units: systemd-analyze security --offline=true --threshold=15 --no-pager \
        "$T/units/upgrade-receiver.service" >"$T/security" || fail "$(grep -v ✓ "$T/security")"
    grep -q '^✗ PrivateNetwork=' "$T/security" # it was read
}

@test "connections wait for the first receiver, and it is ready when it answers" {
    # A request sent before the receiver runs is answered 200 by it; READY=1 comes once, STOPPING=1 at the end.
    supervise
    receiver_start
    receiver_kill
    : >"$T/told"
    background early "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" post
    sleep 0.2
    equal "answers without a receiver" "$(<"$T/early.out")" ''
    receiver_restart
    wait "$background_pid"
    equal answer "$(jq .status "$T/early.out")" 200
    wait_for "$PATIENCE" told_is READY=1
    receiver_stop
    wait_for "$PATIENCE" told_is STOPPING=1
    equal told "$(cut -d ' ' -f 2- "$T/told" | paste -sd ' ')" 'STATUS=receiving READY=1 STOPPING=1'
}

@test "the supervisor is told why nothing can be kept" {
    # With its store locked the receiver answers 503 and says why in STATUS, then that it works again; it stays up, and READY=1 is not withdrawn.
    supervise
    receiver_start
    local pid
    pid=$(receiver_pid)
    lock_store
    send deviceId=refused
    answered 503
    wait_for "$PATIENCE" told_is 'STATUS=.*locked.*'
    unlock_store
    serves_again "$pid"
    wait_for "$PATIENCE" told_is STATUS=receiving 2
    equal "READY=1" "$(told READY=1)" 1
}

# fed_within SECONDS: whether the watchdog is fed once more in that time.
fed_within() {
    local before
    before=$(told WATCHDOG=1)
    wait_for "$1" told_is WATCHDOG=1 $((before + 1)) 2>/dev/null
}

# freeze NAME: stops the receiver's threads of that name, until leave freeze.
freeze() {
    rm -f "$T/freeze.out"
    stay freeze "$PYTHON" "$TESTS/tool/freeze.py" "$(receiver_pid)" "$1"
    wait_for "$PATIENCE" test -s "$T/freeze.out"
    equal "threads frozen" "$(<"$T/freeze.out")" "$2"
}

may_trace() {
    sleep 5 3>&- &
    "$PYTHON" "$TESTS/tool/freeze.py" "$!" sleep <<<'' | grep -q 1
}

@test "the watchdog is fed while all workers get on, and only then" {
    # Idle and under load the watchdog hears from the receiver well inside its time; with a worker stopped it hears nothing; then again.
    supervise 2
    receiver_start --workers 2
    fed_within "$PATIENCE"
    fed_within "$PATIENCE"
    peer burst --peers 40 >/dev/null
    fed_within "$PATIENCE"
    may_trace || skip "threads cannot be stopped here one by one (ptrace)"

    freeze worker 2
    sleep 1.6
    ! fed_within 1 || fail "fed while a worker makes no progress"
    wait_for_log '.event == "fault" and (.fault | startswith("a worker makes no progress"))'
    leave freeze
    fed_within "$PATIENCE"
    send deviceId=after
    answered 200 stored
    receiver_stop
}

@test "a supervisor that is not there is a line in the log, and no more" {
    # With NOTIFY_SOCKET leading nowhere the receiver serves, and says so once.
    export NOTIFY_SOCKET=$T/nobody
    receiver_start
    send deviceId=first
    answered 200 stored
    sleep 0.6
    equal "lines" "$(log_count '.event == "fault" and (.fault | startswith("NOTIFY_SOCKET"))')" 1
    receiver_stop
    export NOTIFY_SOCKET=nonsense
    if receiver_start 2>/dev/null; then fail "it starts with a NOTIFY_SOCKET that is none"; fi
    grep -q NOTIFY_SOCKET "$T/stderr"
}

@test "the unit's system call filter leaves all that the receiver needs" {
    # Start, each kind of request, the pages, a locked and a replaced store, SIGHUP, load and stop, all under the unit's filter, whose first forbidden call would kill.
    needs_plain_build "the filter forbids what the tool itself does"
    require systemd-analyze
    supervise 30
    # As root SQLite would give its files to their owner, which the filter does not let it.
    if ((EUID == 0)); then chown www-data: "$T/state"; fi
    receiver_copy "$T/upgrade-receiver"
    RECEIVER_WRAP=("$PYTHON" "$TESTS/tool/sandbox.py" "$UNIT" --user www-data --)
    RECEIVER_BIN=$T/upgrade-receiver receiver_start --log "$T/state/log"
    local pid
    pid=$(receiver_pid)
    nginx_start
    answers_each_kind_of_request
    push --count 1000 --repeats 200 --deadline 30 --ledger "$T/ledger"
    books_match_ledger "$T/ledger"
    local path
    for path in /status/ /status/overview.json /status/failures.csv /metrics /health/ready; do
        send_body /dev/null --method GET --path "$path"
        answered 200 || fail "$path"
    done
    kill -s HUP "$pid"
    lock_store
    send deviceId=refused
    answered 503
    unlock_store
    serves_again "$pid"
    mv "$T/state/upgrades.db" "$T/state/old.db"
    wait_for "$PATIENCE" stores_one
    wait_for "$PATIENCE" told_is WATCHDOG=1
    receiver_stop
    equal "starts" "$(log_count '.event == "start"')" 1
}

# bats test_tags=full
@test "the filter kills what it forbids" {
    # A program that asks for a network socket, or for another owner of a file, is killed under the unit's filter: the test above can fail.
    require systemd-analyze
    local forbidden status
    for forbidden in 'import socket; socket.socket(socket.AF_INET)' "import os; os.chown('$T/log', 1, 1)" \
        'import mmap; mmap.mmap(-1, 4096, prot=7)'; do
        status=0
        prlimit --core=0 "$PYTHON" "$TESTS/tool/sandbox.py" "$UNIT" -- "$PYTHON" -c "$forbidden" || status=$?
        equal "status of $forbidden" "$status" 159
    done
    "$PYTHON" "$TESTS/tool/sandbox.py" "$UNIT" -- "$PYTHON" -c 'import socket; socket.socket(socket.AF_UNIX)'
}

# bats test_tags=full
@test "killed under load, it comes back on the socket that systemd holds" {
    # Three times killed under load and started again: no request fails, all is kept once.
    receiver_start --restart
    nginx_start
    push_behind --count 4000 --repeats 400 --deadline 60 --ledger "$T/ledger"
    local i old
    for i in 1 2 3; do
        wait_for 30 books_reach $((i * 1000))
        old=$(receiver_pid)
        kill -s KILL "$old"
        wait_for "$PATIENCE" receiver_has_changed "$old"
        wait_for "$PATIENCE" receiver_is_running
    done
    every_request_is_answered_200
}
