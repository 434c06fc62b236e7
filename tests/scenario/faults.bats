#!/usr/bin/env bats
# Whatever can run out or break under the receiver: it refuses at once and steadily while that lasts,
# serves again by itself when it is over, and never loses what it answered 200.

load lib
load faults

setup() {
    scenario_setup
    mounted=
}

teardown() {
    scenario_teardown
    if [[ -n $mounted ]]; then umount "$mounted"; fi
}

# nothing_lost COUNT: the first so many notifications are all there, and the books are sound.
nothing_lost() {
    equal "kept of those answered 200" "$(kept before)" "$1"
    books_add_up
    status_matches_books
}

@test "a disk that is full" {
    # On a small file system filled to its last byte notifications are refused; with room again they are stored, by the same process.
    mkdir "$T/small"
    mount -t tmpfs -o size=4m tmpfs "$T/small" 2>/dev/null || skip "mounting is not permitted"
    mounted=$T/small
    rmdir "$T/state"
    ln -s "$T/small" "$T/state"
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some before 5
    head -c 8M /dev/zero >"$T/small/filler" 2>/dev/null || true
    # until nothing more fits into what the store has already
    wait_for "$PATIENCE" refuses_one
    refuses_steadily
    rm "$T/small/filler"
    serves_again "$pid"
    nothing_lost 5
    wait_for_log '.event == "fault" and (.fault | test("full|space"; "i"))'
    wait_for_log '.event == "recovered"'
    receiver_stop
}

refuses_one() {
    send "subOperationId=until-$RANDOM-$RANDOM" && answered 503
}

@test "a reader that keeps an old state on a small disk" {
    # The log of the store grows meanwhile, but not into the room that it must be copied to: then notifications are refused, and it is said who reads. With the reader gone the log is emptied, and all are stored again, by the same process.
    mkdir "$T/small"
    mount -t tmpfs -o size=64m tmpfs "$T/small" 2>/dev/null || skip "mounting is not permitted"
    mounted=$T/small
    rmdir "$T/state"
    ln -s "$T/small" "$T/state"
    receiver_start
    local pid i
    pid=$(receiver_pid)
    keep_some before 5
    stay reader sqlite3 "$T/state/upgrades.db"
    printf 'BEGIN;\nSELECT count(*) FROM notifications;\n.print reading\n' >&"${stays[reader]}"
    wait_for "$PATIENCE" grep -q reading "$T/reader.out"
    i=$(PYTHONPATH=$TESTS/tool "$PYTHON" -c '
import sys

import fcgi_peer

body = sys.argv[2].replace("description\":\"", "description\":\"" + "x" * 900000)
kept = 0
while kept < 80 and fcgi_peer.post(sys.argv[1], body.replace("NUMBER", str(kept)).encode())[0].status == 200:
    kept += 1
print(kept)' "$T/socket" "$(notification subOperationId=big-NUMBER)")
    ((i > 20 && i < 80)) || fail "$i of them were kept"
    refuses_steadily 8
    wait_for_log ".event == \"fault\" and (.fault | test(\"process $(<"$T/background/reader") reads an old state\"))"
    leave reader .quit
    serves_again "$pid"
    (($(stat -Lc %s "$T/state/upgrades.db-wal") < 8000000)) || fail "the log is as long as before"
    equal "kept" "$(kept big)" "$i"
    nothing_lost 5
    receiver_stop
}

# bats test_tags=full
@test "a file that may not grow" {
    # With a limit on the size of files, as on a full disk, notifications are refused; with the limit lifted they are stored, by the same process.
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some before 5
    prlimit --pid "$pid" --fsize=4096:unlimited
    refuses_steadily
    prlimit --pid "$pid" --fsize=unlimited
    serves_again "$pid"
    nothing_lost 5
    receiver_stop
}

@test "a store that another program has locked" {
    # While the sqlite3 shell holds the write lock, notifications are refused; when it lets go they are stored, and what was refused can come again.
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some before 5
    lock_store
    refuses_steadily
    equal "readable" "$(kept before)" 5
    unlock_store
    serves_again "$pid"
    send_body "$T/sent.json"
    answered 200 repeated
    nothing_lost 5
    equal "refused ones" "$(kept refused)" 0
}

# bats test_tags=full
@test "a store that is locked at the start" {
    # Started while another program holds the store, the receiver refuses, and serves by itself when it is let go.
    receiver_start
    keep_some before 3
    receiver_stop
    lock_store EXCLUSIVE
    receiver_start
    local pid
    pid=$(receiver_pid)
    refuses_steadily 1
    unlock_store
    serves_again "$pid"
    nothing_lost 3
}

# bats test_tags=full
@test "readers of the store delay nobody" {
    # A program that reads the store in a long transaction neither delays answers nor lets the log of the store grow without bound.
    receiver_start
    keep_some before 2
    stay reader sqlite3 "$T/state/upgrades.db"
    printf 'BEGIN;\nSELECT count(*) FROM notifications;\n.print reading\n' >&"${stays[reader]}"
    wait_for "$PATIENCE" grep -q reading "$T/reader.out"
    local i
    for ((i = 0; i < 5; i++)); do
        peer burst --peers 40 >"$T/burst.out"
        equal answers "$(jq -c .answers "$T/burst.out")" '{"200":40}'
        in_time "an answer" "$(jq '.ms[-1] | ceil' "$T/burst.out")" 1000
    done
    leave reader .quit
    nothing_lost 2
}

# bats test_tags=full
@test "a state folder that is moved away" {
    # With the folder gone notifications are refused; with the folder back all that was answered is there, and more is stored.
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some before 5
    mv "$T/state" "$T/elsewhere"
    refuses_steadily
    mv "$T/elsewhere" "$T/state"
    serves_again "$pid"
    nothing_lost 5
}

# bats test_tags=full
@test "a state folder that is removed" {
    # With the folder removed notifications are refused, not written to files that nobody will find; in a new, empty folder a new store is begun.
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some gone 3
    rm -r "$T/state"
    refuses_steadily 1
    [[ ! -e $T/state ]] || fail "the receiver made the folder, of a mount perhaps, itself"
    mkdir "$T/state"
    serves_again "$pid"
    equal "of the old store" "$(kept gone)" 0
    nothing_lost 0
}

@test "a database file that is deleted" {
    # With the store's files deleted nothing is answered 200 that is not in the file that stands there afterwards.
    receiver_start
    local pid turn
    pid=$(receiver_pid)
    for turn in upgrades.db 'upgrades.db upgrades.db-wal upgrades.db-shm'; do
        keep_some gone 2
        # shellcheck disable=SC2086 # file names
        (cd "$T/state" && rm -f $turn)
        send "subOperationId=at-once-$RANDOM"
        if [[ $status_code == 200 ]]; then
            equal "kept" "$(sql "SELECT count(*) FROM notifications WHERE subOperationId LIKE 'at-once-%'")" 1
        else
            answered 503
        fi
        serves_again "$pid"
        equal "kept" "$(sql "SELECT body FROM notifications ORDER BY seq DESC LIMIT 1")" "$(<"$T/sent.json")"
        books_add_up
        receiver_restart
        pid=$(receiver_pid)
        equal "kept" "$(sql "SELECT body FROM notifications ORDER BY seq DESC LIMIT 1")" "$(<"$T/sent.json")"
        rm -rf "$T/state" && mkdir "$T/state"
        serves_again "$pid"
    done
}

@test "a database file that is replaced by something else" {
    # With a file that is no database in the store's place notifications are refused; when it is gone they are stored.
    receiver_start
    local pid
    pid=$(receiver_pid)
    keep_some before 2
    # All of it is in the main file, which can be put back in one step. Of two files put back one after the
    # other the receiver may meet the first alone.
    sqlite3 "$T/state/upgrades.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >"$T/checkpoint"
    equal checkpoint "$(<"$T/checkpoint")" '0|0|0'
    mv "$T/state/upgrades.db" "$T/upgrades.db"
    head -c 8192 /dev/urandom >"$T/state/upgrades.db"
    refuses_steadily 1
    equal "process id" "$(receiver_pid)" "$pid"
    mv "$T/upgrades.db" "$T/state/"
    serves_again "$pid"
    nothing_lost 2
}

# as_nobody: receiver_start runs the receiver as an unprivileged user, where the test is root.
as_nobody() {
    cp "$RECEIVER_BIN" "$T/receiver"
    chmod 0755 "$T/receiver"
    RECEIVER_BIN=$T/receiver
    if ((EUID == 0)); then
        RECEIVER_WRAP=(setpriv --reuid=65534 --regid=65534 --clear-groups)
        chown -R 65534:65534 "$T/state"
    fi
}

@test "a state folder that cannot be written at the start" {
    # Started by an unprivileged user on a read-only folder, the receiver refuses; made writable, it serves without a restart.
    as_nobody
    chmod 0555 "$T/state"
    receiver_start
    local pid
    pid=$(receiver_pid)
    refuses_steadily 1
    wait_for_log '.event == "fault" and (.fault | contains("'"$T/state"'"))'
    chmod 0755 "$T/state"
    serves_again "$pid"
    nothing_lost 0
}

# bats test_tags=full
@test "a store that cannot be written at the start" {
    # Started on a store whose file is read-only, the receiver refuses; made writable, it serves, and all is there.
    as_nobody
    receiver_start
    keep_some before 3
    receiver_stop
    chmod 0440 "$T"/state/upgrades.db*
    receiver_start
    local pid
    pid=$(receiver_pid)
    refuses_steadily 1
    chmod 0640 "$T"/state/upgrades.db*
    serves_again "$pid"
    nothing_lost 3
}

@test "a state folder that is missing at the start" {
    # Without its state folder the receiver makes it, closed to others; without the folder above it, it refuses until there is one.
    rmdir "$T/state"
    receiver_start
    keep_some before 1
    equal mode "$(stat -c %a "$T/state")" 750
    receiver_stop
    mv "$T/state" "$T/elsewhere"
    ln -s "$T/nowhere/state" "$T/state"
    receiver_start
    local pid
    pid=$(receiver_pid)
    refuses_steadily 1
    mkdir -p "$T/nowhere/state"
    serves_again "$pid"
}

# refuses_to_start TEXT: the receiver ends at once with status 1 and TEXT (a pattern) on stderr.
refuses_to_start() {
    run receiver_start
    ((status != 0)) || fail "it started"
    equal "exit status" "$(<"$T/pid.exit")" 1
    grep -Eiq "$1" "$T/stderr" || fail "no word of '$1': $(<"$T/stderr")"
    stop_process "$(<"$T/holder")" TERM
    rm -f "$T/holder"
}

@test "a store of a newer version is refused" {
    # A store that a newer version made is left alone, with a clear message and status 1; --check says the same.
    receiver_start
    keep_some before 2
    receiver_stop
    local version before
    version=$(sql 'PRAGMA user_version')
    ((version > 0)) || fail "no version in the file"
    sqlite3 "$T/state/upgrades.db" "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = $((version + 1))"
    before=$(sha256sum <"$T/state/upgrades.db")
    refuses_to_start 'newer'
    equal "the file" "$(sha256sum <"$T/state/upgrades.db")" "$before"
    run "$RECEIVER_BIN" --check --state "$T/state"
    equal "status of --check" "$status" 1
    sqlite3 "$T/state/upgrades.db" "PRAGMA user_version = $version"
    receiver_start
    nothing_lost 2
}

@test "a store that a newer version brings up under a running receiver" {
    # What is written into tables that are not its own would be counted half: it refuses, says why in log and status file, and does not take a probe for the end of it.
    receiver_start
    local pid version
    pid=$(receiver_pid)
    keep_some before 3
    version=$(sql 'PRAGMA user_version')
    sqlite3 -cmd '.timeout 5000' "$T/state/upgrades.db" \
        "ALTER TABLE totals ADD COLUMN novelty; PRAGMA user_version = $((version + 1))"
    refuses_steadily 8
    wait_for_log ".event == \"fault\" and (.fault | test(\"has version $((version + 1)), made by a newer\"))"
    wait_for_status "(.store.ok | not) and (.store.fault | test(\"has version $((version + 1))\"))"
    equal "recovered" "$(log_count '.event == "recovered"')" 0
    sqlite3 -cmd '.timeout 5000' "$T/state/upgrades.db" \
        "ALTER TABLE totals DROP COLUMN novelty; PRAGMA user_version = $version"
    serves_again "$pid"
    nothing_lost 3
}

# bats test_tags=full
@test "a file that is no store is refused" {
    # A file that is no database, or another program's, is left alone, with a clear message and status 1.
    local before
    echo "this is no database, but somebody's letter, and long enough to be looked at" >"$T/state/upgrades.db"
    before=$(sha256sum <"$T/state/upgrades.db")
    refuses_to_start 'not a database'
    equal "the file" "$(sha256sum <"$T/state/upgrades.db")" "$before"
    rm "$T"/state/upgrades.db*
    sqlite3 "$T/state/upgrades.db" 'CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES (1)'
    refuses_to_start 'not one of upgrade-receiver'
    equal "the other program's rows" "$(sqlite3 "$T/state/upgrades.db" 'SELECT count(*) FROM recipe')" 1
}

@test "descriptors that run out" {
    # With no descriptor left for new connections the process neither ends nor burns time, and serves everybody when some are free.
    receiver_start --workers 2
    keep_some before 2
    local pid fds ticks
    pid=$(receiver_pid)
    fds=$(open_descriptors "$pid")
    prlimit --pid "$pid" --nofile="$((fds + 4)):"
    stay_attack half-body 30
    ticks=$(cpu_ticks "$pid")
    sleep 1
    (($(cpu_ticks "$pid") - ticks < 50)) || fail "a busy loop: $(($(cpu_ticks "$pid") - ticks)) ticks a second"
    leave half-body
    serves_again "$pid"
    # kept, idle connections give way
    stay keep "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --peers "$((fds + 4))" --idle --within 30
    wait_for "$PATIENCE" stores_one
    equal "process id" "$(receiver_pid)" "$pid"
    prlimit --pid "$pid" --nofile=1024:
    serves_again "$pid"
    nothing_lost 2
}

@test "a burst while the store is locked" {
    # Of a hundred notifications at once, sent while another program locks the store, all are refused, none hangs, and memory does not grow.
    receiver_start
    keep_some before 1
    local rss
    rss=$(rss_kib "$(receiver_pid)")
    lock_store
    peer burst --peers 100 >"$T/burst.out"
    equal answers "$(jq -c '[.answers, .retryAfter]' "$T/burst.out")" '[{"503":100},100]'
    in_time "the last" "$(jq '.ms[-1] | ceil' "$T/burst.out")" 3500
    unlock_store
    (($(rss_kib "$(receiver_pid)") - rss < 16384)) || fail "memory grew"
    serves_again "$(receiver_pid)"
    nothing_lost 1
}

@test "files in the state folder are closed to others" {
    # Even with a umask of 0, all files in the state folder, and the log, have mode 0640 or tighter, at any time.
    # shellcheck disable=SC2016 # the inner shell expands them
    RECEIVER_WRAP=(bash -c 'umask 0; exec "$@"' -)
    receiver_start --log "$T/own.log"
    local i
    for i in 1 2 3; do
        peer burst --peers 20 >/dev/null
        equal "open files" "$(find "$T/state" "$T/own.log" -type f -perm /0137)" ''
        sleep 0.6
    done
    receiver_kill
    receiver_restart
    keep_some before 1
    equal "open files" "$(find "$T/state" "$T/own.log" -type f -perm /0137)" ''
    receiver_stop
    equal "open files" "$(find "$T/state" "$T/own.log" -type f -perm /0137)" ''
}
