#!/usr/bin/env bats
# --check finds what a start would die of or answer 503 for, and leaves no trace.

load lib
load faults

# trace: all that is in $T/place: names, owners, modes, sizes, times, content.
trace() {
    find "$T/place" -printf '%p %u %g %m %s %T@ %C@\n' | sort
    find "$T/place" -type f ! -name own.log -exec sha256sum {} + | sort
}

# checked STATUS PATTERN [OPTION]...: --check ends with STATUS, says PATTERN, and changes nothing.
checked() {
    local before status=0
    before=$(trace)
    "$RECEIVER_BIN" --check --state "$T/place/state" "${@:3}" >"$T/out" 2>&1 || status=$?
    equal "status ($(<"$T/out"))" "$status" "$1" || return
    grep -qE -e "$2" "$T/out" || fail "not '$2': $(<"$T/out")" || return
    diff <(echo "$before") <(trace) || fail "--check left a trace"
}

@test "a check writes nothing, whatever it finds" {
    # No folder, an empty one, a store at rest, one whose receiver runs, a newer one, no store, no room for one: nothing changes, and what is unusable is named.
    mkdir "$T/place"
    checked 0 usable
    checked 1 'cannot make .*/no/state' --state "$T/place/no/state"
    mkdir "$T/place/state"
    checked 0 usable
    printf 'x' >"$T/place/file"
    checked 1 'Not a directory' --state "$T/place/file"
    mount_state receiver_start
    send deviceId=a
    answered 200 stored
    kill -s STOP "$(receiver_pid)"
    checked 0 usable
    kill -s CONT "$(receiver_pid)"
    receiver_stop
    checked 0 usable
    sqlite3 "$T/place/state/upgrades.db" 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = 9999'
    checked 1 'upgrades.db.*newer'
    rm -f "$T"/place/state/upgrades.db*
    echo 'no store at all, but a text that is long enough' >"$T/place/state/upgrades.db"
    checked 1 'upgrades.db'
}

# mount_state COMMAND...: with $T/state being $T/place/state.
mount_state() {
    rmdir "$T/state"
    ln -s place/state "$T/state"
    "$@"
}

@test "a check looks at the log and the tokens as the start does" {
    # --log on a folder, in a folder that is not there, behind a link to nothing: the start dies of it, and the check says so; on a file, a new one, /dev/null: both are content.
    mkdir -p "$T/place/state" "$T/place/folder"
    ln -s nowhere/log "$T/place/link"
    touch "$T/place/own.log"
    local log
    for log in folder missing/log link own.log/log; do
        checked 1 "--log: .*$log" --log "$T/place/$log"
        if "$RECEIVER_BIN" --state "$T/place/state" --log "$T/place/$log" </dev/null 2>/dev/null; then fail "$log"; fi
    done
    checked 0 usable --log "$T/place/own.log"
    checked 0 usable --log "$T/place/new.log"
    checked 0 usable --log /dev/null
    checked 1 '--token-file .*: No such file' --token-file "$T/place/tokens"
}

@test "root checks with the eyes of the folder's owner" {
    # A state folder of another user in which root left files, or in a place that this user cannot write to: the check says so, and the tools leave no file of root's.
    if ((EUID != 0)); then skip "needs root"; fi
    mkdir -p "$T/place/state" "$T/place/log"
    chmod 0755 "$T" "$T/place"
    chown nobody "$T/place/state"
    checked 0 usable
    checked 1 'user [0-9]+ may not make files in .*/log' --log "$T/place/log/own.log"
    touch "$T/place/state/turn.lock"
    chmod 0640 "$T/place/state/turn.lock"
    checked 1 'may not write to .*turn.lock'
}
