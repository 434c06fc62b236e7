#!/usr/bin/env bats
# --listen: the receiver makes its socket itself, and leaves none behind.

load lib
load faults
load delivery
load status_command

# listen_start WORD...: a receiver without a socket on descriptor 0; waits until it has started.
listen_start() {
    : >"$T/log"
    "$RECEIVER_BIN" --state "$T/state" "$@" >>"$T/log" 2>>"$T/stderr" 3>&- </dev/null &
    receiver=$!
    echo "$receiver" >"$T/background/receiver"
    wait_for "$PATIENCE" grep -q '"event":"start"' "$T/log"
}

# receiver_ends STATUS PATTERN WORD...: a receiver with these words ends at once, and says PATTERN.
receiver_ends() {
    local status=0
    "$RECEIVER_BIN" --state "$T/state" "${@:3}" >"$T/out" 2>&1 </dev/null || status=$?
    equal "status ($(<"$T/out"))" "$status" "$1"
    grep -qE -e "$2" "$T/out" || fail "not '$2': $(<"$T/out")"
}

# one DEVICE: a notification of it is answered 200.
one() {
    notification deviceId="$1" >"$T/one"
    post_lines "$T/one"
}

@test "with --listen the receiver makes its socket, and only replaces or removes what is its own" {
    # Mode and group are set; pushes are answered; a second receiver and other files are refused, and --check agrees. At a regular end the socket is gone, after a kill the next receiver replaces it.
    local status=0 group
    group=$(id -g)
    listen_start --listen "unix:$T/socket,0606,$group"
    equal "mode and group" "$(stat -c %a:%g:%F "$T/socket")" "606:$group:socket"
    one first
    receiver_ends 1 '^[^:]*: --listen: another process listens on' --listen "unix:$T/socket"
    receiver_ends 0 usable --check --listen "unix:$T/socket"
    one second
    kill "$receiver"
    wait "$receiver" || status=$?
    equal "status" "$status" 0
    [[ ! -e $T/socket ]] || fail "the socket is still there"
    UPGRADE_RECEIVER_LISTEN="unix:$T/socket" listen_start
    equal "mode" "$(stat -c %a "$T/socket")" 660
    kill -s KILL "$receiver"
    wait "$receiver" || true
    [[ -S $T/socket ]] || fail "who removed it?"
    listen_start --listen "unix:$T/socket"
    one third
    kill "$receiver"
    wait "$receiver"
    echo mine >"$T/socket"
    receiver_ends 1 '--listen: .*/socket is there, and is no socket' --listen "unix:$T/socket"
    receiver_ends 1 '--listen: .*/socket is there, and is no socket' --check --listen "unix:$T/socket"
    equal "the file" "$(<"$T/socket")" mine
    receiver_ends 2 'no group .nobody-knows' --listen "unix:$T/other,0660,nobody-knows"
    receiver_ends 2 'no listening socket, and --listen is not given'
    rm "$T/socket"
    receiver_start
    status=0
    "$HOLD" "$T/held" "$T/held.pid" -- "$RECEIVER_BIN" --state "$T/state" \
        --listen "unix:$T/other" >"$T/out" 2>&1 3>&- &
    echo "$!" >"$T/background/held"
    wait_for "$PATIENCE" test -f "$T/held.pid.exit"
    equal "both" "$(<"$T/held.pid.exit")" 2
    grep -q 'descriptor 0 is a listening socket already' "$T/out" || fail "$(<"$T/out")"
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" 3
}
