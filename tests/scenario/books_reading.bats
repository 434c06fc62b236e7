#!/usr/bin/env bats
# Shared books, seen by those who read them while the copy is made, or cannot be brought up to date.
#
# bats file_tags=full
# shellcheck disable=SC2153,SC2154 # variables of lib.bash and books.bash

load lib
load books

setup_file() {
    books_setup_file
}

teardown_file() {
    books_teardown_file
}

setup() {
    scenario_setup
    DATABASE=reading$BATS_TEST_NUMBER
    books_make "$DATABASE"
}

teardown() {
    servers_teardown
    let_read
    scenario_teardown
}

# say QUERY: what the books say.
say() {
    books_sql "$DATABASE" --command="$1"
}

# hold_reading NUMBER: who reads the log from that entry on waits, until let_read.
hold_reading() {
    say "ALTER FUNCTION upgrade_books.read_1 RENAME TO read_all"
    say "DO \$do\$ BEGIN
        EXECUTE format('CREATE FUNCTION upgrade_books.read_1(p_after bigint, p_most integer, p_bytes bigint) RETURNS %s
            LANGUAGE plpgsql SECURITY DEFINER AS \$\$ #variable_conflict use_column
            BEGIN
                IF p_after >= $1 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
                RETURN QUERY SELECT * FROM upgrade_books.read_all(p_after, p_most, p_bytes);
            END \$\$', pg_get_function_result('upgrade_books.read_all'::regproc));
    END \$do\$"
    background holder books_sql "$DATABASE" --command='SELECT pg_advisory_lock(7)' --command='SELECT pg_sleep(3600)'
    wait_for "$PATIENCE" is_held
}

is_held() {
    [[ $(say "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND mode = 'ExclusiveLock' AND granted") == 1 ]]
}

let_read() {
    books_sql postgres --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'" >/dev/null
}

# shows PATH FILTER: the document is there, and FILTER is true of it.
shows() {
    request "$1"
    [[ $status_code == 200 ]] && jq -e "$2" <<<"$body" >/dev/null
}

# copy_is FILTER: FILTER is true of the problem that is answered instead of a document.
copy_is() {
    request /status/overview.json
    [[ $status_code == 503 ]] && jq -e "$1" <<<"$body" >/dev/null
}

@test "before the first copy: 503 that says why, how far it is, and where the own store is" {
    receiver_start --books "$BOOKS dbname=postgres" --books-wait 100
    nginx_start
    post - < <(notification)
    wait_for "$PATIENCE" copy_is '.copy.fault != null'
    expect_answer 503 '.detail | startswith("there is no copy of the shared books yet: ") and contains("no shared books that this login may read (SQLSTATE 3F000; upgrade-status books check tells more)") and endswith("; what this receiver got itself is under /status/local/")'
    expect_answer 503 '.title == "Service Unavailable" and .status == 503 and .copy.entries == 0 and .copy.of == 0'
    grep -qi '^content-type: application/problem+json' "$answer_headers"
    grep -qi '^retry-after: 1' "$answer_headers"
    request /status/failures.csv
    expect_answer 503 '.detail | contains("no copy of the shared books")'
    # All else is there: the page, the own store, metrics.
    request /status/
    expect_answer 200
    request /status/local/overview.json
    expect_answer 200 '.totals.notifications == 1 and .books.copyFault != null'
    request /metrics
    expect_answer 200
    receiver_stop

    # While it is made.
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 128 40 >/dev/null </dev/null
    hold_reading 2000
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" copy_is '.copy.entries == 2000 and .copy.of >= 5120 and .copy.fault == null'
    expect_answer 503 '.detail | test("^the copy of the shared books is being made: 2000 of 512[01] entries; ")'
    let_read
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120 and .totals.notifications == 1'
}

@test "a new copy that is made after another generation: the old one is read, and it is said how far behind" {
    receiver_start --books "$BOOKS"
    nginx_start
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 128 40 >/dev/null </dev/null
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120'
    expect_answer 200 '.books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0'
    hold_reading 3000
    say 'UPDATE upgrade_books.about SET generation = gen_random_uuid()'
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120 and .books.copyBehindRecords == 2120'
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindSeconds >= 5 and .books.copyFault == null and .books.state == "confirming"'
    wait_for "$PATIENCE" status_is '.books.copyBehindRecords == 2120 and .books.copyBehindSeconds >= 5'
    request /metrics
    grep -qx 'upgrade_receiver_books_copy_behind_records 2120' <<<"$body"
    grep -qE '^upgrade_receiver_books_copy_behind_seconds [1-9]' <<<"$body"
    let_read
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0 and .totals.quarantined == 5120'
}

@test "a copy that cannot be brought up to date: how many entries, since when, and why" {
    receiver_start --books "$BOOKS" --books-wait 200
    nginx_start
    post - < <(notification)
    wait_for "$PATIENCE" shows /status/overview.json '.totals.notifications == 1'
    say 'ALTER FUNCTION upgrade_books.read_1 RENAME TO gone'
    for device in a b c; do post - < <(notification "deviceId=$device"); done
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 3 and (.books.copyFault | contains("read_1"))'
    equal 'lines of the log' "$(log_count '.event == "fault" and (.fault | contains("copy of the shared books"))')" 1
    # Then nobody can be asked: what was known stays, and the time goes on.
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS false" \
        --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE'" >/dev/null
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 3 and .books.copyBehindSeconds >= 6 and (.books.copyFault | contains("accepting connections"))'
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS true"
    say 'ALTER FUNCTION upgrade_books.gone RENAME TO read_1'
    wait_for "$PATIENCE" shows /status/overview.json '.totals.notifications == 4 and .books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0 and .books.copyFault == null'
}

# --- follow ---------------------------------------------------------------------------------------

# follow NAME [OPTION]...: follow --books beside the test, its lines in $T/NAME.out and complaints in $T/NAME.err.
# Sets $follow_pid.
follow() {
    "$STATUS_BIN" --books "$BOOKS" --copy "$T/copy" follow "${@:2}" >"$T/$1.out" 2>"$T/$1.err" 3>&- </dev/null &
    follow_pid=$!
    echo "$follow_pid" >"$T/background/$1"
}

# post_devices DEVICE...: one notification of each.
post_devices() {
    local device
    for device in "$@"; do
        post - < <(notification "deviceId=$device")
        expect_answer 200
    done
}

# devices FILE: those of its lines, in one line.
devices() {
    jq -rn '[inputs.body.deviceId] | join(" ")' "$1"
}

# lines_are NAME DEVICES
lines_are() {
    [[ $(devices "$T/$1.out") == "$2" ]]
}

# follow_refused PATTERN: follow ends by itself and says so.
follow_refused() {
    local code=0
    wait "$follow_pid" || code=$?
    equal "exit code ($(<"$T/$1.err"))" "$code" 7
    grep -q -- "$2" "$T/$1.err" || fail "$(<"$T/$1.err")"
}

@test "follow: the order of the log; a cursor after kill -9; the books away: one line says so" {
    local cursor
    receiver_start --books "$BOOKS" --books-wait 200
    nginx_start
    post_devices a b c
    follow one --since start
    post_devices d b e
    wait_for "$PATIENCE" lines_are one 'a b c d e'
    # shellcheck disable=SC2016 # PostgreSQL's quotes
    equal 'the log' "$(say "SELECT string_agg(device, ' ' ORDER BY number) FROM upgrade_books.log")" 'a b c d b e'
    kill -KILL "$follow_pid"
    wait "$follow_pid" || true
    cursor=$(jq -rs '.[2].token' "$T/one.out")
    post_devices f
    follow two --since "$cursor"
    wait_for "$PATIENCE" lines_are two 'd e f'

    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS false" \
        --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE'" >/dev/null
    post_devices g
    wait_for "$PATIENCE" grep -q '^upgrade-status: waiting: ' "$T/two.err"
    pause 3
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS true"
    wait_for "$PATIENCE" lines_are two 'd e f g'
    equal 'lines about it' "$(grep -c waiting "$T/two.err")" 1
    stop_process "$follow_pid" TERM
}

@test "follow: goes on across a failover that loses nothing; refuses to go on in a log that is another" {
    local cursor
    server make one
    server psql one --command='CREATE DATABASE upgrades'
    server copy one two
    BOOKS="host=$T/pg/one,$T/pg/two user=postgres dbname=upgrades"
    "$STATUS_BIN" books init --books "$BOOKS" >/dev/null
    receiver_start --books "$BOOKS" --books-wait 500
    nginx_start
    post_devices a b c
    follow one --since start
    wait_for "$PATIENCE" lines_are one 'a b c'
    server kill one
    post_devices d
    server promote two
    post_devices e
    wait_for "$PATIENCE" lines_are one 'a b c d e'
    [[ ! -e $T/copy.new ]]
    cursor=$(jq -rs '.[4].token' "$T/one.out")

    # A server without the last entries gives their numbers to others.
    receiver_stop
    server psql two --dbname=upgrades --command='DELETE FROM upgrade_books.log WHERE number > 3' \
        --command='DELETE FROM upgrade_books.batch WHERE last > 3'
    mv "$T/state" "$T/first"
    receiver_start --books "$BOOKS"
    post_devices x y z
    follow_refused one 'the copy of the shared books does not have .*:5: it was made anew since'
    follow two --since "$cursor"
    follow_refused two 'it was made anew since'
    follow three --since start
    wait_for "$PATIENCE" lines_are three 'a b c x y z'

    # Another generation.
    server psql two --dbname=upgrades --command='UPDATE upgrade_books.about SET generation = gen_random_uuid()'
    follow_refused three '--since start'
}
